//! Presets: which units a distribution wants enabled (systemd.preset(5)).

use bedplate_diag::Diagnostic;

use crate::unit::{Scope, UnitName};
use crate::{CustomiseError, Editor, configuration};

/// The rules of all preset files, in order. The first that fits a unit decides.
#[derive(Debug, Default)]
pub(crate) struct Presets(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    action: Action,
    pattern: String,
    /// Of a template: the instances to enable.
    instances: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Enable,
    Disable,
    Ignore,
}

/// What the presets say of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is enabled.
    Enable,
    /// These instances of the template are enabled.
    Instances(Vec<UnitName>),
    /// It is disabled.
    Disable,
    /// It stays as it is.
    Leave,
}

impl Presets {
    /// Those of a tree. A line that is none is an error at its place.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or is not UTF-8.
    pub(crate) fn read(editor: &mut Editor<'_>, scope: Scope) -> Result<Self, CustomiseError> {
        let mut rules = Vec::new();
        for file in configuration::files(editor, &configuration::folders(&scope.presets()), ".preset") {
            let text = editor.text(&file)?.unwrap_or_default();
            for (index, line) in text.lines().enumerate() {
                match Rule::parse(line) {
                    Ok(rule) => rules.extend(rule),
                    Err(message) => {
                        let diagnostic = Diagnostic::warning("bad-preset-line", message);
                        editor.report_line(&file, &text, index + 1, diagnostic.hint("systemd passes over such a line"));
                    }
                }
            }
        }
        Ok(Self(rules))
    }

    /// What the first rule that fits says; without one, a unit is enabled.
    pub(crate) fn decide(&self, name: &UnitName) -> Decision {
        let Some(rule) = self.0.iter().find(|rule| rule.fits(name)) else { return Decision::Enable };
        match rule.action {
            Action::Enable if name.is_template() && !rule.instances.is_empty() => {
                Decision::Instances(rule.instances.iter().map(|instance| name.with_instance(instance)).collect())
            }
            Action::Enable => Decision::Enable,
            Action::Disable => Decision::Disable,
            Action::Ignore => Decision::Leave,
        }
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Option<Self>, String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let action = match words.next() {
            Some("enable") => Action::Enable,
            Some("disable") => Action::Disable,
            Some("ignore") => Action::Ignore,
            _ => return Err(format!("`{line}` is no preset: it begins with enable, disable or ignore")),
        };
        let pattern = words.next().ok_or_else(|| format!("`{line}` names no unit"))?.to_owned();
        let instances: Vec<String> = words.map(str::to_owned).collect();
        if !instances.is_empty() && (action != Action::Enable || !pattern.contains("@.")) {
            return Err(format!("`{line}` names instances, which only `enable` of a template has"));
        }
        Ok(Some(Self { action, pattern, instances }))
    }

    fn fits(&self, name: &UnitName) -> bool {
        if self.instances.is_empty() {
            return matches(self.pattern.as_bytes(), name.as_str().as_bytes());
        }
        match name.template() {
            Some(template) => {
                template.as_str() == self.pattern
                    && name.instance().is_some_and(|own| self.instances.iter().any(|one| one == own))
            }
            None => name.as_str() == self.pattern,
        }
    }
}

/// fnmatch(3) without escapes: `*`, `?` and `[…]`.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.first() {
        None => text.is_empty(),
        Some(b'*') => (0..=text.len()).any(|skip| matches(&pattern[1..], &text[skip..])),
        Some(b'?') => !text.is_empty() && matches(&pattern[1..], &text[1..]),
        Some(b'[') if !text.is_empty() => {
            // A closing bracket that comes first is one of the set.
            let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
            let start = if negated { 2 } else { 1 };
            let Some(end) = pattern.iter().skip(start + 1).position(|&byte| byte == b']') else {
                return text[0] == b'[' && matches(&pattern[1..], &text[1..]);
            };
            let set = &pattern[start..=start + end];
            let is_range = |at: usize| set.get(at + 1) == Some(&b'-') && at + 2 < set.len();
            let mut at = 0;
            let mut found = false;
            while at < set.len() {
                let last = if is_range(at) { set[at + 2] } else { set[at] };
                found |= (set[at]..=last).contains(&text[0]);
                at += if is_range(at) { 3 } else { 1 };
            }
            found != negated && matches(&pattern[start + end + 2..], &text[1..])
        }
        Some(byte) => text.first() == Some(byte) && matches(&pattern[1..], &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Image;

    #[test]
    fn patterns() {
        for (pattern, text, want) in [
            ("*", "a.service", true),
            ("ssh*.service", "sshd.service", true),
            ("ssh?.service", "ssh.service", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]x]y", "]y", true),
            ("[a-]x", "-x", true),
            ("[x", "[x", true),
            ("a*b*c", "a--b--b-c", true),
            ("a*b*c", "a--b--b-", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), want, "{pattern} {text}");
        }
    }

    #[test]
    fn the_first_that_fits_decides() {
        let mut image = Image::new();
        image.file(
            "/usr/lib/systemd/system-preset/90-default.preset",
            "enable a.service\nenable t@.service x y\nignore i*\n",
        );
        image.file("/usr/lib/systemd/system-preset/99-all.preset", "disable *\nbogus\ndisable q@.service z\n");
        image.file("/etc/systemd/system-preset/10-local.preset", "# no\ndisable a.service\n");
        let presets = image.edit(|editor| Presets::read(editor, Scope::System).unwrap());
        let name = |text: &str| UnitName::new(text).unwrap();
        for (unit, want) in [
            ("a.service", Decision::Disable),
            ("t@.service", Decision::Instances(vec![name("t@x.service"), name("t@y.service")])),
            ("t@x.service", Decision::Enable),
            ("t@z.service", Decision::Disable),
            ("i.service", Decision::Leave),
            ("other.service", Decision::Disable),
        ] {
            assert_eq!(presets.decide(&name(unit)), want, "{unit}");
        }
        assert_eq!(Presets::default().decide(&name("x.service")), Decision::Enable);
        assert_eq!(
            image.said(),
            [
                "/usr/lib/systemd/system-preset/99-all.preset:2: warning bad-preset-line: `bogus` is no preset: it begins with enable, disable or ignore",
                "/usr/lib/systemd/system-preset/99-all.preset:3: warning bad-preset-line: `disable q@.service z` names instances, which only `enable` of a template has",
            ]
        );
    }
}

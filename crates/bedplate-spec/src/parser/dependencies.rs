//! Dependency lines (`build/parseReqs.c`).

use bedplate_diag::Diagnostic;
use bedplate_model::{Dependency, DependencyKind, RichError, RichEvent, Sense, parse_rich_with};

use super::Parser;
use crate::dialect::Dialect;
use crate::macros::scan::is_space;
use crate::package::{DependencyOrigin, Package};

/// Characters that names may have besides letters and digits, anywhere and at the start.
pub(crate) const NAME_CHARS: &str = ".-_+%{}";
pub(crate) const NAME_FIRST_CHARS: &str = "_%";
/// Characters of versions and releases.
pub(crate) const VERSION_CHARS: &str = "._+%{}~^";
/// Characters of `[epoch:]version[-release]`.
const EVR_CHARS: &str = "._+%{}~^-:";

/// Which package a dependency line is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The source package: `BuildRequires` and its kin.
    Source,
    /// A binary package, by its place.
    Binary(usize),
}

/// A dependency tag as it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DependencyTag {
    pub(crate) kind: DependencyKind,
    pub(crate) sense: Sense,
    pub(crate) rich: bool,
    pub(crate) trigger_index: Option<u32>,
}

/// A mistake in a dependency line: message and bytes of the line.
struct Wrong {
    message: String,
    range: (usize, usize),
    hint: Option<&'static str>,
}

impl From<RichError> for Wrong {
    fn from(error: RichError) -> Self {
        let mut message = error.message;
        if let Some(first) = message.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        let hint =
            message.starts_with("unterminated").then_some("a rich dependency stands between brackets: `(a or b)`");
        Self { message, range: (error.at, error.at + 1), hint }
    }
}

fn is_gap(byte: u8) -> bool {
    is_space(byte) || byte == b','
}

impl Parser {
    /// Reads the dependencies in `text`, which stands at `offset` of the line in hand; false if one is bad.
    ///
    /// With `passed` rpm has decided already what comes next when it finds a mistake here: a query goes on.
    pub(crate) fn parse_dependencies(
        &mut self,
        owner: Owner,
        text: &str,
        offset: Option<usize>,
        tag: DependencyTag,
        passed: bool,
    ) -> bool {
        let bytes = text.as_bytes();
        let mut good = true;
        let mut at = 0;
        loop {
            at += bytes[at..].iter().take_while(|b| is_gap(**b)).count();
            if at >= bytes.len() {
                return good;
            }
            let result = if bytes[at] == b'(' {
                self.parse_rich_dependency(owner, text, at, tag)
            } else {
                self.parse_dependency(owner, text, at, tag)
            };
            match result {
                Ok((next, dependency)) => {
                    let end = text[..next].trim_end_matches(|c: char| c.is_ascii() && is_gap(c as u8)).len();
                    self.note_origin(owner, tag.kind, dependency, offset, (at, end));
                    at = next;
                }
                Err((wrong, next)) => {
                    good = false;
                    let mut diagnostic = if passed {
                        Diagnostic::passed("bad-dependency", wrong.message)
                    } else {
                        Diagnostic::error("bad-dependency", wrong.message)
                    };
                    diagnostic.hint = wrong.hint.map(str::to_owned);
                    self.report_dependency(diagnostic, offset, wrong.range);
                    at = next;
                }
            }
        }
    }

    /// Keeps where a dependency was written. What has no place in the line stands for the whole line.
    fn note_origin(
        &mut self,
        owner: Owner,
        kind: DependencyKind,
        dependency: Dependency,
        offset: Option<usize>,
        range: (usize, usize),
    ) {
        let (start, end) = match offset {
            Some(offset) => (offset + range.0, offset + range.1),
            None => (0, self.reader.line.trim_end().len()),
        };
        let Some((span, _)) = self.span_of(start, end) else { return };
        self.owned(owner).origins.push(DependencyOrigin { kind, dependency, span });
    }

    fn owned(&mut self, owner: Owner) -> &mut Package {
        match owner {
            Owner::Source => &mut self.spec.source,
            Owner::Binary(package) => &mut self.spec.packages[package],
        }
    }

    fn report_dependency(&self, diagnostic: Diagnostic, offset: Option<usize>, range: (usize, usize)) {
        match offset {
            Some(offset) => self.report_at(diagnostic, offset + range.0, offset + range.1),
            None => self.report_line(diagnostic),
        }
    }

    fn parse_rich_dependency(
        &mut self,
        owner: Owner,
        text: &str,
        at: usize,
        tag: DependencyTag,
    ) -> Result<(usize, Dependency), (Wrong, usize)> {
        let end = rich_end(text, at);
        if !tag.rich {
            let wrong = Wrong {
                message: "no rich dependencies allowed for this type".to_owned(),
                range: (at, end),
                hint: Some("rich dependencies may stand in Requires, Conflicts and the weak dependencies"),
            };
            return Err((wrong, end));
        }
        let parsed = parse_rich_with::<Wrong>(&text[at..], tag.kind, |event| match event {
            RichEvent::Single { name, name_at, evr, evr_at, .. } => {
                self.check_dependency(name, evr, (name_at.start, name_at.end), (evr_at.start, evr_at.end))
            }
            _ => Ok(()),
        });
        match parsed {
            Ok((tree, rest)) => {
                let next = text.len() - rest.len();
                let sense = tag.sense.without(Sense::RELATION);
                self.add_dependency(owner, tag, tree.to_string(), String::new(), sense)
                    .map(|added| (next, added))
                    .map_err(|()| (invalid((at, next)), next))
            }
            Err(mut wrong) => {
                wrong.range = (wrong.range.0 + at, wrong.range.1 + at);
                if wrong.range.0 >= text.trim_end().len() {
                    wrong.range = (at, text.trim_end().len());
                }
                Err((wrong, end))
            }
        }
    }

    fn parse_dependency(
        &mut self,
        owner: Owner,
        text: &str,
        at: usize,
        tag: DependencyTag,
    ) -> Result<(usize, Dependency), (Wrong, usize)> {
        let bytes = text.as_bytes();
        let skip = |from: usize| from + bytes[from..].iter().take_while(|b| is_gap(**b)).count();
        let word = |from: usize| from + bytes[from..].iter().take_while(|b| !is_gap(**b)).count();
        let name_end = word(at);
        let name = &text[at..name_end];
        let mut next = skip(name_end);
        let mut sense = tag.sense.without(Sense::RELATION);
        let mut evr = None;
        let operator_end = word(next);
        if let Some(relation) = Sense::parse_operator(&text[next..operator_end]).filter(|_| operator_end > next) {
            sense |= relation;
            let start = skip(operator_end);
            let end = word(start);
            if end == start {
                let wrong = Wrong {
                    message: "version required".to_owned(),
                    range: (next, operator_end),
                    hint: Some("write a version after the relation, or take the relation away"),
                };
                return Err((wrong, bytes.len()));
            }
            evr = Some((start, end));
            next = end;
        }
        let range = (at, name_end);
        let evr_text = evr.map(|(start, end)| &text[start..end]);
        self.check_dependency(name, evr_text, range, evr.unwrap_or(range)).map_err(|wrong| (wrong, next))?;
        let is_file_trigger = matches!(tag.kind, DependencyKind::FileTrigger | DependencyKind::TransFileTrigger);
        if tag.kind == DependencyKind::Obsoletes {
            if self.check_characters(name, range, NAME_CHARS, Some(NAME_FIRST_CHARS), None).is_err() {
                let message = "only package names are allowed in Obsoletes".to_owned();
                return Err((Wrong { message, range, hint: Some("obsolete the package that provides it") }, next));
            }
            if evr.is_none() {
                let warning =
                    Diagnostic::warning("unversioned-obsoletes", "it's not recommended to have unversioned Obsoletes");
                self.report_at(
                    warning.hint("add `< VERSION`, so that the name can come back one day"),
                    range.0,
                    range.1,
                );
            } else if sense.contains(Sense::GREATER) {
                let warning = Diagnostic::warning("greater-obsoletes", "it's not recommended to use `>` in Obsoletes");
                self.report_at(warning, range.0, range.1);
            }
        }
        if is_file_trigger && !name.starts_with('/') {
            if self.since(Dialect::V4_20) {
                let message = "file trigger conditions must begin with `/`".to_owned();
                return Err((Wrong { message, range, hint: None }, next));
            }
            self.report_line(Diagnostic::warning("bad-dependency", "only absolute paths are allowed in file triggers"));
        }
        if tag.kind == DependencyKind::Trigger {
            let new = Dependency::new(name, evr_text.unwrap_or_default(), sense);
            if let Owner::Binary(package) = owner {
                let set = self.spec.packages[package].dependencies_mut(tag.kind);
                if set.overlapping(&new).any(|known| known.sense.intersects(tag.sense)) {
                    let message = "trigger fired by the same package is already defined in spec file".to_owned();
                    return Err((Wrong { message, range, hint: None }, next));
                }
            }
        }
        let evr_text = evr_text.unwrap_or_default().to_owned();
        self.add_dependency(owner, tag, name.to_owned(), evr_text, sense)
            .map(|added| (next, added))
            .map_err(|()| (invalid(range), next))
    }

    /// `addReqProv()`: `rpmlib(…)` is only for requirements.
    fn add_dependency(
        &mut self,
        owner: Owner,
        tag: DependencyTag,
        name: String,
        evr: String,
        mut sense: Sense,
    ) -> Result<Dependency, ()> {
        if name.starts_with("rpmlib(") {
            if tag.kind == DependencyKind::Provides && !sense.contains(Sense::RPMLIB) {
                return Err(());
            }
            sense |= Sense::RPMLIB;
        }
        let mut dependency = Dependency::new(name, evr, sense.sanitized(tag.kind));
        dependency.trigger_index = tag.trigger_index;
        self.owned(owner).dependencies_mut(tag.kind).merge(dependency.clone());
        Ok(dependency)
    }

    /// Adds a requirement that follows from a script.
    pub(crate) fn require(&mut self, package: usize, name: &str, evr: &str, sense: Sense) {
        let tag = DependencyTag { kind: DependencyKind::Requires, sense, rich: false, trigger_index: None };
        // Only Provides can be refused.
        let _ = self.add_dependency(Owner::Binary(package), tag, name.to_owned(), evr.to_owned(), sense);
    }

    /// Adds what a package provides by itself.
    pub(crate) fn provide(&mut self, package: usize, name: String, evr: &str) {
        let tag =
            DependencyTag { kind: DependencyKind::Provides, sense: Sense::EQUAL, rich: false, trigger_index: None };
        let _ = self.add_dependency(Owner::Binary(package), tag, name, evr.to_owned(), Sense::EQUAL);
    }

    fn check_dependency(
        &self,
        name: &str,
        evr: Option<&str>,
        name_at: (usize, usize),
        evr_at: (usize, usize),
    ) -> Result<(), Wrong> {
        let first = name.as_bytes().first().copied().unwrap_or(0);
        if first.is_ascii() && !(first.is_ascii_alphanumeric() || first == b'_' || first == b'/') {
            return Err(Wrong {
                message: "dependency tokens must begin with alpha-numeric, `_` or `/`".to_owned(),
                range: name_at,
                hint: match first {
                    b'<' | b'>' | b'=' => Some("a relation stands between a name and a version: `name >= 1.0`"),
                    b'%' => Some("the macro is not defined"),
                    _ => None,
                },
            });
        }
        let Some(evr) = evr else { return Ok(()) };
        if first == b'/' {
            return Err(Wrong { message: "versioned file name not permitted".to_owned(), range: name_at, hint: None });
        }
        self.check_characters(evr, evr_at, EVR_CHARS, None, None)?;
        if let Some(message) = bad_evr(evr) {
            if self.engine.expand_number("%{?_wrong_version_format_terminate_build}") != 0 {
                return Err(Wrong { message, range: evr_at, hint: Some("a version is `[epoch:]version[-release]`") });
            }
            let warning = Diagnostic::warning("bad-version", message).hint("a version is `[epoch:]version[-release]`");
            self.report_at(warning, 0, self.reader.line.trim_end().len());
        }
        Ok(())
    }

    /// `rpmCharCheck()`: letters, digits and what is allowed besides.
    fn check_characters(
        &self,
        text: &str,
        range: (usize, usize),
        allowed: &str,
        allowed_first: Option<&str>,
        hint: Option<&'static str>,
    ) -> Result<(), Wrong> {
        let mut bad = None;
        for (n, c) in text.chars().enumerate() {
            let allowed = if n == 0 { allowed_first.unwrap_or(allowed) } else { allowed };
            if !c.is_ascii_alphanumeric() && !allowed.contains(c) {
                bad = Some(c);
            }
        }
        if text.contains(['%', '{', '}']) {
            let mut warning = Diagnostic::warning("unexpanded-macro", "possible unexpanded macro");
            warning.hint = self.unexpanded_hint(text);
            self.report_line(warning);
        }
        let message = match bad {
            Some(c) => {
                let shown = bedplate_diag::text::escape_invalid(&c.to_string());
                let code = bedplate_diag::text::invalid_byte(c).map_or(c as u32, u32::from);
                format!("illegal char '{shown}' ({code:#x})")
            }
            None if text.contains("..") => "illegal sequence \"..\"".to_owned(),
            None => return Ok(()),
        };
        Err(Wrong { message: format!("{message} in `{text}`"), range, hint })
    }

    fn unexpanded_hint(&self, text: &str) -> Option<String> {
        let start = text.find("%{")? + 2;
        let name: String = text[start..]
            .trim_start_matches(['?', '!'])
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        if name.is_empty() { None } else { self.engine.near_macro(&name) }
    }

    /// Checks the characters of a tag's value; false after a report.
    pub(crate) fn good_characters(
        &self,
        text: &str,
        offset: usize,
        allowed: &str,
        allowed_first: Option<&str>,
        code: &'static str,
        hint: &'static str,
    ) -> bool {
        match self.check_characters(text, (offset, offset + text.len()), allowed, allowed_first, Some(hint)) {
            Ok(()) => true,
            Err(wrong) => {
                self.report_at(Diagnostic::error(code, wrong.message).hint(hint), wrong.range.0, wrong.range.1);
                false
            }
        }
    }
}

fn invalid(range: (usize, usize)) -> Wrong {
    Wrong { message: "invalid dependency".to_owned(), range, hint: Some("`rpmlib(…)` can be required, not provided") }
}

/// What is wrong with the form of an EVR.
fn bad_evr(evr: &str) -> Option<String> {
    for separator in ['-', ':'] {
        if evr.matches(separator).count() > 1 {
            return Some(format!("invalid version (double separator '{separator}'): {evr}"));
        }
    }
    match evr.split_once(':') {
        Some((epoch, _)) if !epoch.bytes().all(|b| b.is_ascii_digit()) => {
            Some(format!("invalid version (epoch must be unsigned integer): {evr}"))
        }
        _ => None,
    }
}

/// Where to go on after a bad rich dependency: behind its last bracket, or at the end.
fn rich_end(text: &str, at: usize) -> usize {
    let mut depth = 0_usize;
    for (n, byte) in text.bytes().enumerate().skip(at) {
        match byte {
            b'(' => depth += 1,
            b')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return n + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_one_of_each_separator() {
        assert_eq!(bad_evr("1:2.0-3"), None);
        assert!(bad_evr("1-2-3").is_some());
        assert!(bad_evr("1:2:3").is_some());
        assert!(bad_evr("x:2").is_some());
    }

    #[test]
    fn a_bad_rich_dependency_ends_at_its_last_bracket() {
        assert_eq!(rich_end("(a (b) c) d", 0), 9);
        assert_eq!(rich_end("(a (b c", 0), 7);
    }
}

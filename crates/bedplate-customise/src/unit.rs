//! Unit files of a tree: names, where a name leads to, and what `[Install]` says (systemd.unit(5)).

use bedplate_tree::{Kind, TreePath};

use crate::words::{self, Escapes};
use crate::{CustomiseError, Editor, configuration};

/// For whom units are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// For the system manager.
    System,
    /// For the managers of users who log in.
    User,
}

impl Scope {
    fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
        }
    }

    /// Where links of enabled units are.
    pub(crate) fn configuration(self) -> String {
        format!("/etc/systemd/{}", self.word())
    }

    /// Where unit files are looked for, the strongest first.
    pub(crate) fn folders(self) -> Vec<String> {
        let word = self.word();
        let mut folders = vec![self.configuration()];
        if self == Self::User {
            folders.extend(["/usr/local/share/systemd/user".to_owned(), "/usr/share/systemd/user".to_owned()]);
        }
        folders.extend([format!("/usr/local/lib/systemd/{word}"), format!("/usr/lib/systemd/{word}")]);
        folders
    }

    /// The name of the folders of presets.
    pub(crate) fn presets(self) -> String {
        format!("systemd/{}-preset", self.word())
    }
}

const SUFFIXES: [&str; 11] =
    ["service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer", "slice", "scope"];

/// The name of a unit: `NAME.TYPE`, `NAME@.TYPE` (a template) or `NAME@INSTANCE.TYPE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UnitName(String);

impl UnitName {
    /// Reads a name; none if it is no valid one.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let (stem, suffix) = text.rsplit_once('.')?;
        let is_good = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        let is_valid = !stem.is_empty()
            && !stem.starts_with('@')
            && text.len() < 256
            && stem.chars().all(is_good)
            && SUFFIXES.contains(&suffix);
        is_valid.then(|| Self(text.to_owned()))
    }

    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn stem(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(stem, _)| stem)
    }

    pub(crate) fn suffix(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(_, suffix)| suffix)
    }

    /// What stands before `@`, or all before the type.
    pub(crate) fn prefix(&self) -> &str {
        self.stem().split('@').next().unwrap_or("")
    }

    /// What stands after `@`: empty for a template, none for a plain unit.
    pub(crate) fn instance(&self) -> Option<&str> {
        self.stem().split_once('@').map(|(_, instance)| instance)
    }

    /// True for `NAME@.TYPE`.
    pub(crate) fn is_template(&self) -> bool {
        self.instance() == Some("")
    }

    /// True for `NAME@INSTANCE.TYPE`.
    pub(crate) fn is_instance(&self) -> bool {
        self.instance().is_some_and(|instance| !instance.is_empty())
    }

    /// The template of an instance.
    pub(crate) fn template(&self) -> Option<Self> {
        self.is_instance().then(|| self.with_instance(""))
    }

    pub(crate) fn with_instance(&self, instance: &str) -> Self {
        Self(format!("{}@{instance}.{}", self.prefix(), self.suffix()))
    }

    /// The text with the specifiers that `[Install]` knows of the name. None for one that it does not know.
    fn expand(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                out.push(character);
                continue;
            }
            match characters.next()? {
                '%' => out.push('%'),
                'i' => out.push_str(self.instance().unwrap_or("")),
                'j' => out.push_str(self.prefix().rsplit('-').next().unwrap_or("")),
                'n' => out.push_str(&self.0),
                'N' => out.push_str(self.stem()),
                'p' => out.push_str(self.prefix()),
                'u' | 'g' => out.push_str("root"),
                'U' | 'G' => out.push('0'),
                _ => return None,
            }
        }
        Some(out)
    }
}

/// Where a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A unit file.
    Unit(Unit),
    /// A link to `/dev/null` or an empty file: it cannot be started.
    Masked,
    /// There is no file of this name.
    Nothing,
}

/// A unit file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    /// The name that it was found by, after aliases.
    pub(crate) name: UnitName,
    /// Where its file is: of the template for an instance.
    pub(crate) path: TreePath,
}

/// What `[Install]` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Install {
    pub(crate) alias: Vec<String>,
    pub(crate) wanted_by: Vec<String>,
    pub(crate) required_by: Vec<String>,
    pub(crate) upheld_by: Vec<String>,
    pub(crate) also: Vec<String>,
    pub(crate) default_instance: Option<String>,
}

impl Install {
    /// True if there is nothing to enable.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self { default_instance: self.default_instance.clone(), ..Self::default() }
    }

    fn list(&mut self, key: &str) -> Option<&mut Vec<String>> {
        match key {
            "Alias" => Some(&mut self.alias),
            "WantedBy" => Some(&mut self.wanted_by),
            "RequiredBy" => Some(&mut self.required_by),
            "UpheldBy" => Some(&mut self.upheld_by),
            "Also" => Some(&mut self.also),
            _ => None,
        }
    }

    fn add(&mut self, text: &str, name: &UnitName) {
        for (section, key, value) in assignments(text) {
            if section != "Install" {
                continue;
            }
            if key == "DefaultInstance" {
                self.default_instance = name.expand(&value).filter(|value| !value.is_empty());
                continue;
            }
            let Some(list) = self.list(&key) else { continue };
            if value.is_empty() {
                list.clear();
            }
            for word in words::all(&value, Escapes::Plain).unwrap_or_default() {
                // One that is not known here is known to nobody: systemd passes over it as well.
                list.extend(name.expand(&word));
            }
        }
    }
}

/// The assignments of a unit file: section, key, value. Lines that end with a backslash go on; comments within are left out.
pub(crate) fn assignments(text: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let mut section = String::new();
    let mut pending: Option<String> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with(['#', ';']) || pending.is_none() && trimmed.is_empty() {
            continue;
        }
        let whole = match pending.take() {
            Some(start) => start + " " + trimmed,
            None => trimmed.to_owned(),
        };
        if let Some(start) = whole.strip_suffix('\\') {
            pending = Some(start.to_owned());
            continue;
        }
        if let Some(name) = whole.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, value)) = whole.split_once('=') {
            found.push((section.clone(), key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    found
}

/// How many aliases may lead to each other.
const ALIASES: usize = 16;

/// Looks for a unit file as systemd does: in the strongest folder that has the name; links whose last part is another name are
/// aliases, and the search goes on with that name; an instance without a file of its own has that of its template.
pub(crate) fn find(editor: &Editor<'_>, scope: Scope, name: &UnitName) -> Found {
    let mut name = name.clone();
    for _ in 0..ALIASES {
        let names = [Some(name.clone()), name.template()];
        let entry = names.iter().flatten().find_map(|file| Some((file, lookup(editor, scope, file)?)));
        let Some((file, path)) = entry else { return Found::Nothing };
        if configuration::is_hidden(editor, &path) {
            return Found::Masked;
        }
        match editor.look(path.as_str()).map(|entry| &entry.kind) {
            Some(Kind::Symlink(target)) => {
                let target = target.rsplit('/').next().and_then(UnitName::new);
                match target {
                    Some(target) if target != *file => {
                        let instance = name.instance().filter(|_| target.is_template());
                        name = instance.map_or(target.clone(), |instance| target.with_instance(instance));
                    }
                    _ => return Found::Unit(Unit { name, path }),
                }
            }
            Some(Kind::Directory) | None => return Found::Nothing,
            Some(_) => return Found::Unit(Unit { name, path }),
        }
    }
    Found::Nothing
}

fn lookup(editor: &Editor<'_>, scope: Scope, name: &UnitName) -> Option<TreePath> {
    scope.folders().iter().find_map(|folder| {
        let folder: TreePath = folder.parse().ok()?;
        let place = editor.place(&folder.join(name.as_str()).ok()?).ok()?;
        editor.tree.get(place.as_str())?;
        // The folder is named as systemd would name it in a link.
        folder.join(name.as_str()).ok()
    })
}

/// The names of all unit files, each once, sorted.
pub(crate) fn all(editor: &Editor<'_>, scope: Scope) -> Vec<UnitName> {
    let mut names = Vec::new();
    for folder in scope.folders() {
        let Some(folder) = folder.parse().ok().and_then(|folder| editor.tree.resolve(&folder)) else { continue };
        let files = editor.tree.children(&folder).filter(|(_, entry)| !entry.is_directory());
        names.extend(files.filter_map(|(path, _)| UnitName::new(path.name())));
    }
    names.sort();
    names.dedup();
    names
}

/// What `[Install]` of a unit and of its drop-ins says.
///
/// # Errors
///
/// If a file cannot be read, or is not UTF-8.
pub(crate) fn install(editor: &Editor<'_>, scope: Scope, unit: &Unit) -> Result<Install, CustomiseError> {
    let mut install = Install::default();
    if let Some(text) = editor.text(&unit.path)? {
        install.add(&text, &unit.name);
    }
    let mut folders = Vec::new();
    // Those of prefixes and types (`a-.service.d`, `service.d`) count when a unit runs, not when it is enabled.
    for name in [Some(&unit.name), unit.name.template().as_ref()].into_iter().flatten().map(UnitName::as_str) {
        folders.extend(scope.folders().into_iter().map(|folder| format!("{folder}/{name}.d")));
    }
    for file in configuration::files(editor, &folders, ".conf") {
        if let Some(text) = editor.text(&file)? {
            install.add(&text, &unit.name);
        }
    }
    Ok(install)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Image;

    fn name(text: &str) -> UnitName {
        UnitName::new(text).unwrap()
    }

    #[test]
    fn names() {
        for bad in ["", "x", ".service", "@.service", "a b.service", "x.conf", "a/b.service"] {
            assert_eq!(UnitName::new(bad), None, "{bad}");
        }
        assert!(name("a@.service").is_template());
        assert_eq!(name("a@b.service").template(), Some(name("a@.service")));
        assert_eq!(name("a.service").instance(), None);
        assert_eq!(
            name("dev-disk@x.mount").expand("%i-%p-%j-%n-%N-%%").unwrap(),
            "x-dev-disk-disk-dev-disk@x.mount-dev-disk@x-%"
        );
    }

    #[test]
    fn reads_sections() {
        let text = "[Unit]\nWantedBy=no\n[Install]\n# c\nWantedBy = a.target \\\n# between\n  b.target\nWantedBy=c.target\nAlias=x.service\nAlias=\nAlso=y.socket\n";
        let mut install = Install::default();
        install.add(text, &name("u.service"));
        assert_eq!(install.wanted_by, ["a.target", "b.target", "c.target"]);
        assert_eq!((install.alias.len(), install.also.as_slice()), (0, ["y.socket".to_owned()].as_slice()));
    }

    #[test]
    fn finds_aliases_templates_and_masks() {
        let mut image = Image::new();
        let folder = "/usr/lib/systemd/system";
        for file in ["real.service", "t@.service", "t@own.service", "covered.service"] {
            image.file(&format!("{folder}/{file}"), "[Unit]\n");
        }
        image.link(&format!("{folder}/alias.service"), "real.service");
        image.link(&format!("{folder}/ta@.service"), "t@.service");
        image.link(&format!("{folder}/loop1.service"), "loop2.service");
        image.link(&format!("{folder}/loop2.service"), "loop1.service");
        image.link("/etc/systemd/system/covered.service", "/dev/null");
        image.link("/lib", "usr/lib");
        let unit = |name: &str, file: &str| {
            Found::Unit(Unit { name: UnitName::new(name).unwrap(), path: format!("{folder}/{file}").parse().unwrap() })
        };
        for (asked, want) in [
            ("real.service", unit("real.service", "real.service")),
            ("alias.service", unit("real.service", "real.service")),
            ("t@x.service", unit("t@x.service", "t@.service")),
            ("t@own.service", unit("t@own.service", "t@own.service")),
            ("ta@x.service", unit("t@x.service", "t@.service")),
            ("covered.service", Found::Masked),
            ("loop1.service", Found::Nothing),
            ("none.service", Found::Nothing),
        ] {
            assert_eq!(image.edit(|editor| find(editor, Scope::System, &name(asked))), want, "{asked}");
        }
    }
}

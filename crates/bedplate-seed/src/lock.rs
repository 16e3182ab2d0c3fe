//! The lock of a seed: the exact packages that it is made of.
//!
//! ```toml
//! version = 1
//! name = "debian-trixie"          # the seed that it belongs to
//!
//! [[package]]
//! name = "bash"
//! version = "5.2.37-2+b10"
//! architecture = "amd64"
//! suite = "trixie"
//! path = "pool/main/b/bash/bash_5.2.37-2+b10_amd64.deb"
//! sha256 = "…"
//! size = 1500572
//! essential = true                # absent if false
//! depends = ["base-files", "debianutils", "libc6", "libtinfo6"]
//! provides = ["libx.so.1()(64bit)"]   # of a package with shared libraries: what rpm would say that it provides
//! ```
//!
//! `depends` has names of this lock only, so that what a package needs is known without asking anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use bedplate_apt::{DebFile, Download, Sha256};
use bedplate_config::{Reader, Table, quoted};
use bedplate_diag::{Diagnostic, SourceId, Span};

use crate::Definition;

const VERSION: u64 = 1;

/// A lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// The seed that it belongs to.
    pub name: String,
    /// Its packages by name.
    pub packages: BTreeMap<String, LockedPackage>,
}

/// A package of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage {
    /// Its version, with epoch and revision.
    pub version: String,
    /// What it is built for.
    pub architecture: String,
    /// The suite that has it.
    pub suite: String,
    /// Path of the file on the mirror.
    pub path: String,
    /// Digest of the file.
    pub sha256: Sha256,
    /// Bytes of the file.
    pub size: u64,
    /// True if Debian counts on it being installed.
    pub is_essential: bool,
    /// Packages of this lock that it needs.
    pub depends: BTreeSet<String>,
    /// Sonames and symbol versions of its shared libraries, as rpm's generator writes them; sorted.
    pub provides: Vec<String>,
}

impl LockedPackage {
    /// A package of an index, with what it needs.
    pub(crate) fn new(deb: &DebFile, depends: BTreeSet<String>) -> Self {
        Self {
            version: deb.version.clone(),
            architecture: deb.architecture.clone(),
            suite: deb.suite.clone(),
            path: deb.path.clone(),
            sha256: deb.sha256,
            size: deb.size,
            is_essential: deb.is_essential,
            depends,
            provides: Vec::new(),
        }
    }
}

impl LockedPackage {
    /// The file that is to be fetched.
    pub(crate) fn download(&self, target: &Path) -> Download {
        Download { path: self.path.clone(), sha256: self.sha256, size: self.size, target: target.to_owned() }
    }
}

impl Lock {
    /// Reads a lock; `source` is the id for the places of its mistakes.
    ///
    /// # Errors
    /// All mistakes, each with its place.
    pub fn parse(source: SourceId, text: &str) -> Result<Self, Vec<Diagnostic>> {
        Reader::read(source, text, lock)
    }

    /// Checks that the lock is one of this seed file. `whole` is the span of the lock, for what has no better place.
    ///
    /// Errors are reasons to refuse it; warnings are versions of the seed file that are not those of the lock.
    pub fn check(&self, definition: &Definition, whole: Span) -> Vec<Diagnostic> {
        const HINT: &str = "write the lock anew: `bedplate seed lock`";
        let mut found = Vec::new();
        if self.name != definition.seed.name {
            let message = format!("the lock belongs to the seed `{}`, not to `{}`", self.name, definition.seed.name);
            found.push(Diagnostic::error("stale-seed-lock", message).at(whole).hint(HINT));
        }
        for package in definition.all_packages() {
            if !self.packages.contains_key(package) {
                let message = format!("the lock has no package `{package}`");
                let mut mistake = Diagnostic::error("stale-seed-lock", message).hint(HINT);
                mistake.span = definition.place(package);
                found.push(mistake);
            }
        }
        for named in definition.named_versions() {
            let Some(locked) = self.packages.get(named.package) else { continue };
            if !is_version(&locked.version, named.version) {
                let message = format!(
                    "`{}` is said to be {}, and the locked `{}` is {}",
                    named.capability, named.version, named.package, locked.version
                );
                let mut warning = Diagnostic::warning("seed-version", message)
                    .hint("name the version of the lock here, or none if no spec asks for it");
                warning.span = named.span;
                found.push(warning);
            }
        }
        found
    }

    /// These packages and all that they need. Names that the lock does not have are passed over: see [`Lock::check`].
    pub fn closure<'a>(&'a self, roots: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut todo: Vec<&str> = roots.into_iter().collect();
        while let Some(name) = todo.pop() {
            if let Some((name, package)) = self.packages.get_key_value(name)
                && found.insert(name.as_str())
            {
                todo.extend(package.depends.iter().map(String::as_str));
            }
        }
        found
    }

    /// Names of the packages that Debian counts on.
    pub fn essential(&self) -> impl Iterator<Item = &str> {
        self.packages.iter().filter(|(_, package)| package.is_essential).map(|(name, _)| name.as_str())
    }

    /// The text of the file: sorted, so that a change shows as one.
    pub fn to_text(&self) -> String {
        let mut text = String::from("# Written by `bedplate seed lock`: the packages that the seed is made of.\n");
        let _ = writeln!(text, "version = {VERSION}\nname = {}", quoted(&self.name));
        for (name, package) in &self.packages {
            let _ = writeln!(text, "\n[[package]]\nname = {}", quoted(name));
            let strings = [
                ("version", &package.version),
                ("architecture", &package.architecture),
                ("suite", &package.suite),
                ("path", &package.path),
            ];
            for (key, value) in strings {
                let _ = writeln!(text, "{key} = {}", quoted(value));
            }
            let _ = writeln!(text, "sha256 = \"{}\"\nsize = {}", package.sha256, package.size);
            if package.is_essential {
                text.push_str("essential = true\n");
            }
            let depends: Vec<String> = package.depends.iter().map(|name| quoted(name)).collect();
            let _ = writeln!(text, "depends = [{}]", depends.join(", "));
            if !package.provides.is_empty() {
                // One on a line: a library of another version shows as what it is.
                text.push_str("provides = [\n");
                for capability in &package.provides {
                    let _ = writeln!(text, "  {},", quoted(capability));
                }
                text.push_str("]\n");
            }
        }
        text
    }

    /// What is otherwise in another lock, by name.
    pub fn changes<'a>(&'a self, new: &'a Self) -> Vec<Change<'a>> {
        let names: BTreeSet<&String> = self.packages.keys().chain(new.packages.keys()).collect();
        let changed =
            names.into_iter().map(|name| Change { name, old: self.packages.get(name), new: new.packages.get(name) });
        changed.filter(|change| change.old != change.new).collect()
    }
}

/// A package that two locks do not have alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// Its name.
    pub name: &'a str,
    /// What the first has.
    pub old: Option<&'a LockedPackage>,
    /// What the second has.
    pub new: Option<&'a LockedPackage>,
}

/// Whether a version of Debian is a release of upstream's: `4:14.2.0-1` is one of `14.2.0`, `4.20.1+dfsg-3` of `4.20.1`,
/// `1:1.3.dfsg+really1.3.1-1` of `1.3.1`.
fn is_version(debian: &str, upstream: &str) -> bool {
    let version = debian.split_once(':').map_or(debian, |(_, rest)| rest);
    let version = version.rsplit_once('-').map_or(version, |(version, _)| version);
    let version = version.rsplit_once("really").map_or(version, |(_, version)| version);
    version.strip_prefix(upstream).is_some_and(|rest| {
        // What Debian adds begins with a sign, or with a dot and a word: `.dfsg`.
        let mut rest = rest.chars();
        match rest.next() {
            None => true,
            Some('.') => rest.next().is_some_and(char::is_alphabetic),
            Some(c) => matches!(c, '+' | '~' | '-'),
        }
    })
}

fn lock(reader: &mut Reader, table: &Table<'_>) -> Lock {
    let mut lock = Lock::default();
    let mut depends: Vec<(String, Range<usize>)> = Vec::new();
    reader.version(table, VERSION);
    for entry in table {
        match entry.0.get_ref().as_ref() {
            "version" => {}
            "name" => lock.name = reader.text(entry).unwrap_or_default(),
            "package" => {
                for (table, range) in reader.tables(entry) {
                    let Some((name, one)) = package(reader, table, range.clone(), &mut depends) else { continue };
                    if lock.packages.insert(name.clone(), one).is_some() {
                        reader.wrong("duplicate-package", format!("the package `{name}` is there twice"), range);
                    }
                }
            }
            _ => reader.unknown(entry, &["version", "name", "package"]),
        }
    }
    for (name, range) in depends {
        if !lock.packages.contains_key(&name) {
            reader.wrong("unknown-package", format!("the lock has no package `{name}`"), range).hint =
                Some("write the lock anew: `bedplate seed lock`".to_owned());
        }
    }
    lock
}

fn package(
    reader: &mut Reader,
    table: &Table<'_>,
    range: Range<usize>,
    depends: &mut Vec<(String, Range<usize>)>,
) -> Option<(String, LockedPackage)> {
    const KEYS: [&str; 10] =
        ["name", "version", "architecture", "suite", "path", "sha256", "size", "essential", "depends", "provides"];
    let mut texts: BTreeMap<&'static str, String> = BTreeMap::new();
    let (mut sha256, mut size, mut is_essential, mut needs, mut provides) = (None, None, false, None, Vec::new());
    for entry in table {
        match KEYS.into_iter().find(|key| entry.0.get_ref() == key) {
            Some("sha256") => {
                if let Some(text) = reader.text(entry) {
                    match text.parse() {
                        Ok(digest) => sha256 = Some(digest),
                        Err(why) => {
                            reader.wrong("bad-digest", format!("{why}"), entry.1.span());
                        }
                    }
                }
            }
            Some("size") => size = reader.number(entry),
            Some("essential") => match entry.1.get_ref().as_bool() {
                Some(value) => is_essential = value,
                None => {
                    reader.wrong("wrong-type", "`essential` is true or false", entry.1.span());
                }
            },
            Some("depends") => {
                let list = reader.list(entry);
                needs = Some(list.iter().map(|(name, _)| name.clone()).collect());
                depends.extend(list);
            }
            Some("provides") => provides = reader.list(entry).into_iter().map(|(name, _)| name).collect(),
            Some(key) => {
                if let Some(text) = reader.text(entry) {
                    texts.insert(key, text);
                }
            }
            None => reader.unknown(entry, &KEYS),
        }
    }
    let missing: Vec<String> = KEYS
        .into_iter()
        .filter(|key| !["essential", "provides"].contains(key) && !table.iter().any(|(name, _)| name.get_ref() == key))
        .map(|key| format!("`{key}`"))
        .collect();
    if !missing.is_empty() {
        reader.wrong("missing-key", format!("the package lacks {}", missing.join(", ")), range);
    }
    let mut text = |key| texts.remove(key);
    let name = text("name")?;
    let package = LockedPackage {
        version: text("version")?,
        architecture: text("architecture")?,
        suite: text("suite")?,
        path: text("path")?,
        sha256: sha256?,
        size: size?,
        is_essential,
        depends: needs?,
        provides,
    };
    Some((name, package))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        let digest = "ab".repeat(32);
        let package = |name: &str, rest: &str| {
            format!(
                "\n[[package]]\nname = \"{name}\"\nversion = \"1:2.0-1\"\narchitecture = \"amd64\"\nsuite = \"trixie\"\n\
                 path = \"pool/{name}.deb\"\nsha256 = \"{digest}\"\nsize = 7\n{rest}\n"
            )
        };
        "# Written by `bedplate seed lock`: the packages that the seed is made of.\nversion = 1\nname = \"test\"\n"
            .to_owned()
            + &package("a", "essential = true\ndepends = [\"b\"]")
            + &package("b", "depends = [\"c\"]")
            + &package("c", "depends = [\"b\"]\nprovides = [\n  \"c.so.1()(64bit)\",\n]")
            + &package("g++", "depends = []")
    }

    #[test]
    fn a_lock_is_written_as_it_is_read() {
        let lock = Lock::parse(SourceId(0), &text()).unwrap();
        assert_eq!(lock.to_text(), text());
        assert_eq!(lock.essential().collect::<Vec<_>>(), ["a"]);
        assert_eq!(lock.closure(["a"]).into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(lock.closure(["g++", "c"]).into_iter().collect::<Vec<_>>(), ["b", "c", "g++"]);
    }

    #[test]
    fn all_mistakes_of_a_lock_are_reported() {
        let bad = text()
            .replacen("name = \"b\"", "name = \"a\"", 1)
            .replacen("size = 7", "size = \"7\"", 1)
            .replacen("suite = \"trixie\"", "sweet = \"trixie\"", 1)
            .replace("depends = []", "depends = []\nessential = 1")
            .replace("sha256 = \"ab", "sha256 = \"xy");
        let mistakes = Lock::parse(SourceId(0), &bad).unwrap_err();
        let mut codes: Vec<&str> = mistakes.iter().map(|one| one.code).collect();
        codes.sort_unstable();
        codes.dedup();
        let expected = ["bad-digest", "missing-key", "unknown-key", "unknown-package", "wrong-type"];
        assert_eq!(codes, expected, "{mistakes:#?}");
        let twice = text().replacen("name = \"b\"", "name = \"a\"", 1);
        let mistakes = Lock::parse(SourceId(0), &twice).unwrap_err();
        assert!(mistakes.iter().any(|one| one.code == "duplicate-package"), "{mistakes:#?}");
        assert_eq!(Lock::parse(SourceId(0), "version = 2").unwrap_err()[0].code, "bad-version");
    }

    #[test]
    fn a_lock_that_does_not_fit_is_refused() {
        let definition = "name = \"test\"\n[groups.x.packages]\na = [\"a = 2.0\", \"a-devel = 3\"]\nnew = []\n";
        let definition = Definition::parse(SourceId(1), definition).unwrap();
        let lock = Lock::parse(SourceId(0), &text()).unwrap();
        let whole = Span::new(SourceId(0), 0, 0);
        let found = lock.check(&definition, whole);
        let told: Vec<(&str, &str)> = found.iter().map(|one| (one.code, one.message.as_str())).collect();
        assert_eq!(
            told,
            [
                ("stale-seed-lock", "the lock has no package `new`"),
                ("seed-version", "`a-devel` is said to be 3, and the locked `a` is 1:2.0-1"),
            ]
        );
        assert!(found.iter().all(|one| one.span.is_some_and(|span| span.source == SourceId(1))));
        let other = Lock { name: "other".to_owned(), ..lock };
        assert_eq!(other.check(&definition, whole)[0].span, Some(whole));
    }

    #[test]
    fn versions_of_debian_are_those_of_upstream() {
        let good = [
            ("4:14.2.0-1", "14.2.0"),
            ("4.20.1+dfsg-3", "4.20.1"),
            ("1:1.3.dfsg+really1.3.1-1+b1", "1.3.1"),
            ("2:1.24~2", "1.24"),
            ("3.25", "3.25"),
            ("1.3.dfsg-1", "1.3"),
        ];
        for (debian, upstream) in good {
            assert!(is_version(debian, upstream), "{debian} {upstream}");
        }
        for (debian, upstream) in [("5.2.37-2", "5.2.3"), ("5.2.37-2", "5.2"), ("1.0-1", "1.1"), ("2:1.24~2", "2")] {
            assert!(!is_version(debian, upstream), "{debian} {upstream}");
        }
    }

    #[test]
    fn changes_are_told_by_name() {
        let old = Lock::parse(SourceId(0), &text()).unwrap();
        let mut new = old.clone();
        new.packages.remove("g++");
        new.packages.get_mut("b").unwrap().version = "3".to_owned();
        let changes = old.changes(&new);
        assert_eq!(changes.iter().map(|one| one.name).collect::<Vec<_>>(), ["b", "g++"]);
        assert_eq!(changes[0].new.map(|one| one.version.as_str()), Some("3"));
        assert_eq!(changes[1].new, None);
    }
}

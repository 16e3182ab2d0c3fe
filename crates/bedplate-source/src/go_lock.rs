//! `NAME.go.lock`: which Go libraries of Debian a vendor archive is made of.
//!
//! ```text
//! version = 1
//! suite  = "sid"                     where they were found
//! source = "runc"                    whose build dependencies they are; or
//! wanted = ["golang-…-dev", …]       what they were asked for as
//! [[package]]
//! name = "golang-github-…-dev"
//! version = "1.0-1"
//! path = "pool/main/g/…"             on the mirror
//! sha256 = "…"
//! size = 12345
//! ```

use std::fmt::Write as _;

use bedplate_apt::{Apt, DebFile};
use bedplate_config::{Reader, Table, quoted};
use bedplate_diag::{Diagnostic, SourceId};

use crate::{BundleError, Sha256};

/// The version of the format.
const VERSION: u64 = 1;

/// The Go libraries that a vendor archive is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GoLock {
    /// The suite of Debian that they were found in.
    pub suite: String,
    /// What they were asked for.
    pub wanted: GoWanted,
    /// The packages, sorted by name.
    pub packages: Vec<GoPackage>,
}

/// What Go libraries are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GoWanted {
    /// Those that a source package of Debian needs for its build.
    BuildDependsOf(String),
    /// These, and what they need.
    Packages(Vec<String>),
}

impl Default for GoWanted {
    fn default() -> Self {
        Self::Packages(Vec::new())
    }
}

/// A binary package of Debian with Go sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Path of its file on the mirror.
    pub path: String,
    /// What its file hashes to.
    pub sha256: Sha256,
    /// Bytes of its file.
    pub size: u64,
}

impl From<DebFile> for GoPackage {
    fn from(deb: DebFile) -> Self {
        Self { name: deb.package, version: deb.version, path: deb.path, sha256: deb.sha256, size: deb.size }
    }
}

/// True for a package with Go sources; Go itself is none.
fn is_library(name: &str) -> bool {
    name.starts_with("golang-") && name.ends_with("-dev")
}

impl GoLock {
    /// Finds what is wanted in a suite, and all Go libraries that those need.
    ///
    /// # Errors
    /// If apt fails, or does not know what is wanted.
    pub fn resolve(apt: &Apt, suite: &str, wanted: GoWanted) -> Result<Self, BundleError> {
        let names = match &wanted {
            GoWanted::Packages(names) => names.clone(),
            GoWanted::BuildDependsOf(source) => build_depends(apt, suite, source)?,
        };
        if names.is_empty() {
            return Err(BundleError::NothingWanted);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let all = apt.resolve(suite, &names)?;
        let mut packages: Vec<GoPackage> =
            all.into_iter().filter(|deb| is_library(&deb.package)).map(GoPackage::from).collect();
        packages.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { suite: suite.to_owned(), wanted, packages })
    }

    /// Reads a lock.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(source: SourceId, text: &str) -> Result<Self, Vec<Diagnostic>> {
        Reader::read(source, text, |reader, table| {
            reader.version(table, VERSION);
            let mut lock = Self::default();
            for entry in table {
                match entry.0.get_ref().as_ref() {
                    "version" => {}
                    "suite" => lock.suite = reader.text(entry).unwrap_or_default(),
                    "source" => lock.wanted = GoWanted::BuildDependsOf(reader.text(entry).unwrap_or_default()),
                    "wanted" => {
                        let names = reader.list(entry).into_iter().map(|(name, _)| name).collect();
                        lock.wanted = GoWanted::Packages(names);
                    }
                    "package" => {
                        for (table, at) in reader.tables(entry) {
                            lock.packages.extend(package(reader, table, at));
                        }
                    }
                    _ => reader.unknown(entry, &["version", "suite", "source", "wanted", "package"]),
                }
            }
            lock
        })
    }

    /// The text of the lock, the same for the same packages.
    pub fn text(&self) -> String {
        let mut out = format!("# Made by `bedplate source bundle-go`.\nversion = {VERSION}\n");
        let _ = writeln!(out, "suite = {}", quoted(&self.suite));
        match &self.wanted {
            GoWanted::BuildDependsOf(source) => {
                let _ = writeln!(out, "source = {}", quoted(source));
            }
            GoWanted::Packages(names) => {
                let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
                let _ = writeln!(out, "wanted = [{}]", names.join(", "));
            }
        }
        for package in &self.packages {
            let _ = write!(
                out,
                "\n[[package]]\nname = {}\nversion = {}\npath = {}\nsha256 = \"{}\"\nsize = {}\n",
                quoted(&package.name),
                quoted(&package.version),
                quoted(&package.path),
                package.sha256,
                package.size
            );
        }
        out
    }
}

fn package(reader: &mut Reader, table: &Table<'_>, at: std::ops::Range<usize>) -> Option<GoPackage> {
    const KEYS: [&str; 5] = ["name", "version", "path", "sha256", "size"];
    let (mut texts, mut sha256, mut size) = ([None, None, None], None, None);
    for entry in table {
        match KEYS.iter().position(|key| entry.0.get_ref() == key) {
            Some(number @ 0..=2) => texts[number] = reader.text(entry),
            Some(3) => {
                if let Some(text) = reader.text(entry) {
                    match text.parse::<Sha256>() {
                        Ok(found) => sha256 = Some(found),
                        Err(why) => drop(reader.wrong("bad-hash", why.to_string(), entry.1.span())),
                    }
                }
            }
            Some(_) => size = reader.number(entry),
            None => reader.unknown(entry, &KEYS),
        }
    }
    let missing: Vec<&str> =
        KEYS.into_iter().filter(|key| !table.iter().any(|(found, _)| found.get_ref() == key)).collect();
    if !missing.is_empty() {
        let message = format!("this package has no `{}`", missing.join("` and no `"));
        reader.wrong("missing-key", message, at.start..at.end.min(at.start + "[[package]]".len()));
    }
    let [name, version, path] = texts;
    Some(GoPackage { name: name?, version: version?, path: path?, sha256: sha256?, size: size? })
}

/// The Go libraries of the build dependencies of a source package, those of its tests as well.
fn build_depends(apt: &Apt, suite: &str, source: &str) -> Result<Vec<String>, BundleError> {
    let no_source = || BundleError::NoSource { name: source.to_owned(), suite: suite.to_owned() };
    let all = apt.build_depends(suite, source)?.ok_or_else(no_source)?;
    let mut names: Vec<String> = all.into_iter().map(|one| one.package).filter(|name| is_library(name)).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_read_as_it_is_written() {
        let package = GoPackage {
            name: "golang-a-dev".into(),
            version: "1:1.0~rc1+\"x\"-1".into(),
            path: "pool/main/g/a.deb".into(),
            sha256: Sha256::of(b"a"),
            size: 12,
        };
        for wanted in
            [GoWanted::BuildDependsOf("runc".into()), GoWanted::Packages(vec!["golang-a-dev".into(), "b".into()])]
        {
            let lock = GoLock { suite: "sid".into(), wanted, packages: vec![package.clone(), package.clone()] };
            assert_eq!(GoLock::parse(SourceId(0), &lock.text()), Ok(lock));
        }
        let bad = "version = 1\nsuit = \"sid\"\n[[package]]\nname = \"a\"\nsha256 = \"1\"\nsize = \"x\"\n";
        let mistakes = GoLock::parse(SourceId(0), bad).unwrap_err();
        let messages: Vec<&str> = mistakes.iter().map(|one| one.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "unknown key `suit`",
                "this package has no `version` and no `path`",
                "`1` is no SHA-256 digest: those are 64 hexadecimal digits",
                "`size` is a whole number"
            ]
        );
    }
}

//! The exact packages of an image, as a file.
//!
//! ```toml
//! # The exact packages of an image, written by `bedplate solve --write-lock`. Do not edit it; write it again.
//! version = 1
//!
//! [[package]]
//! nevra = "bash-5.2-1.x86_64"
//! repository = "base"            # may be left out: any repository
//! sha256 = "e3b0…"               # may be left out: not known
//! ```
//!
//! Packages are sorted by name, so that a change of one package is a change of its lines.

use std::ops::Range;

use bedplate_config::{Reader, Table, quoted};
use bedplate_diag::{Diagnostic, SourceId};
use bedplate_model::Nevra;
use rustc_hash::FxHashMap;

use crate::request::LockedPackage;
use crate::solution::Solution;

const VERSION: u64 = 1;
const HEADER: &str =
    "# The exact packages of an image, written by `bedplate solve --write-lock`. Do not edit it; write it again.\n";

/// A package of a [`Lock`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockEntry {
    /// The package.
    pub nevra: Nevra,
    /// The repository that it has to come from; any, if there is none.
    pub repository: Option<String>,
    /// The checksum of the package's file: 64 hexadecimal digits, lower case; not known if there is none.
    pub sha256: Option<String>,
}

/// A package whose file is not the locked one.
#[derive(Debug, Clone, Copy)]
pub struct Changed<'a> {
    /// The package.
    pub nevra: &'a Nevra,
    /// Where it was found.
    pub repository: &'a str,
    /// The checksum that the lock says.
    pub expected: &'a str,
    /// The checksum that it has.
    pub found: &'a str,
}

/// The exact packages of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// The packages, in any order.
    pub packages: Vec<LockEntry>,
}

impl Lock {
    /// The lock of a solution; checksums are not known to the solver.
    pub fn of(solution: &Solution) -> Self {
        let entry = |chosen: &crate::solution::Chosen| LockEntry {
            nevra: chosen.nevra.clone(),
            repository: Some(chosen.repository.clone()),
            sha256: None,
        };
        Self { packages: solution.packages().iter().map(entry).collect() }
    }

    /// What the options of a request take.
    pub fn locked(&self) -> Vec<LockedPackage> {
        let locked = |one: &LockEntry| LockedPackage { nevra: one.nevra.clone(), repository: one.repository.clone() };
        self.packages.iter().map(locked).collect()
    }

    /// The packages of a new lock that have the names of locked ones and are not those, by the checksums of both.
    pub fn changed<'a>(&'a self, new: &'a Self) -> impl Iterator<Item = Changed<'a>> {
        new.packages.iter().filter_map(|found| {
            let locked = self.packages.iter().find(|one| one.nevra == found.nevra)?;
            let (Some(expected), Some(got)) = (&locked.sha256, &found.sha256) else { return None };
            let repository = found.repository.as_deref().unwrap_or_default();
            (expected != got).then_some(Changed { nevra: &found.nevra, repository, expected, found: got })
        })
    }

    /// The text of the file.
    pub fn to_toml(&self) -> String {
        let mut packages: Vec<&LockEntry> = self.packages.iter().collect();
        packages.sort_by_cached_key(|one| (one.nevra.name().as_str(), one.nevra.to_string(), &one.repository));
        let mut text = format!("{HEADER}version = {VERSION}\n");
        for one in packages {
            text.push_str(&format!("\n[[package]]\nnevra = {}\n", quoted(&one.nevra.to_string())));
            for (key, value) in [("repository", &one.repository), ("sha256", &one.sha256)] {
                if let Some(value) = value {
                    text.push_str(&format!("{key} = {}\n", quoted(value)));
                }
            }
        }
        text
    }

    /// Reads the text of a file; `source` is the id for the places of its mistakes.
    ///
    /// # Errors
    /// All mistakes of the file, each with its place.
    pub fn parse(source: SourceId, text: &str) -> Result<Self, Vec<Diagnostic>> {
        Reader::read(source, text, |reader, table| lock(reader, table, text.len()))
    }
}

fn lock(reader: &mut Reader, table: &Table<'_>, end: usize) -> Lock {
    let mut lock = Lock::default();
    let mut seen: FxHashMap<Nevra, Range<usize>> = FxHashMap::default();
    reader.version(table, VERSION);
    // The file is written by a program: without a version it is something else.
    if !table.iter().any(|(key, _)| key.get_ref() == "version") {
        reader.wrong("missing-key", format!("a lock needs `version = {VERSION}`"), end..end);
    }
    for entry in table {
        match entry.0.get_ref().as_ref() {
            "version" => {}
            "package" => {
                for (table, range) in reader.tables(entry) {
                    let Some(one) = package(reader, table, &range) else { continue };
                    if let Some(first) = seen.insert(one.nevra.clone(), range.clone()) {
                        let first = reader.span(first);
                        let wrong = reader.wrong("duplicate", format!("{} is locked twice", one.nevra), range);
                        *wrong = wrong.clone().note("first here", Some(first));
                    }
                    lock.packages.push(one);
                }
            }
            _ => reader.unknown(entry, &["version", "package"]),
        }
    }
    lock
}

fn package(reader: &mut Reader, table: &Table<'_>, range: &Range<usize>) -> Option<LockEntry> {
    let (mut nevra, mut repository, mut sha256) = (None, None, None);
    for entry in table {
        match entry.0.get_ref().as_ref() {
            "nevra" => {
                let parsed = reader.text(entry).map(|text| text.parse().map_err(|error| format!("`{text}`: {error}")));
                nevra = Some(match parsed {
                    Some(Err(message)) => {
                        reader.wrong("wrong-value", message, entry.1.span());
                        None
                    }
                    parsed => parsed.and_then(Result::ok),
                });
            }
            "repository" => repository = reader.text(entry),
            "sha256" => {
                sha256 = reader.text(entry);
                let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
                if sha256.as_deref().is_some_and(|text| text.len() != 64 || !text.bytes().all(digit)) {
                    reader.wrong("wrong-value", "`sha256` is 64 hexadecimal digits, in lower case", entry.1.span());
                }
            }
            _ => reader.unknown(entry, &["nevra", "repository", "sha256"]),
        }
    }
    if nevra.is_none() {
        reader.wrong("missing-key", "a package needs `nevra`", range.clone());
    }
    Some(LockEntry { nevra: nevra??, repository, sha256 })
}

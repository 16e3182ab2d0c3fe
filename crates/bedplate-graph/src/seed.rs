//! The seed file: what the first root provides.
//!
//! ```toml
//! version = 1
//! name = "debian-trixie"
//!
//! [groups.c]
//! description = "C compiler and make"
//! prefer = "seed"                          # or "ours", the default
//! needs = ["base"]                         # other groups
//!
//! [groups.c.packages]                      # package of the distribution = what it provides here
//! gcc = ["gcc = 14.2.0", "/usr/bin/gcc"]
//! make = ["make = 4.4.1"]
//! ```
//!
//! A capability is written as in a spec: a name or a path, and a version if one is known. One without a version fits any,
//! as in rpm. Where specs and seed both provide a capability, `prefer` decides: `ours` takes the seed only to break a cycle.

use std::collections::BTreeMap;
use std::ops::Range;

use bedplate_config::{Reader, Table};
use bedplate_diag::{Diagnostic, SourceId, nearest};
use bedplate_model::Dependency;

use crate::capability::dependencies;

const VERSION: u64 = 1;

/// A seed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seed {
    /// What messages call it.
    pub name: String,
    /// Its groups by name.
    pub groups: BTreeMap<String, SeedGroup>,
}

/// Packages of a seed that are taken together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeedGroup {
    /// What it is for.
    pub description: String,
    /// True if the seed wins where a spec provides the same.
    pub is_preferred: bool,
    /// Groups that it needs.
    pub needs: Vec<String>,
    /// Packages of the distribution, and what each provides.
    pub packages: BTreeMap<String, Vec<Dependency>>,
}

impl Seed {
    /// Reads a seed file; `source` is the id for the places of its mistakes.
    ///
    /// # Errors
    /// All mistakes of the file, each with its place.
    pub fn parse(source: SourceId, text: &str) -> Result<Self, Vec<Diagnostic>> {
        Reader::read(source, text, seed)
    }
}

fn seed(reader: &mut Reader, table: &Table<'_>) -> Seed {
    let mut seed = Seed::default();
    let mut needs: Vec<(String, Range<usize>)> = Vec::new();
    reader.version(table, VERSION);
    for entry in table {
        match entry.0.get_ref().as_ref() {
            "version" => {}
            "name" => seed.name = reader.text(entry).unwrap_or_default(),
            "groups" => {
                for (key, value) in reader.table(entry.1, "groups").into_iter().flatten() {
                    if let Some(table) = reader.table(value, key.get_ref()) {
                        let group = group(reader, table, &mut needs);
                        seed.groups.insert(key.get_ref().to_string(), group);
                    }
                }
            }
            _ => reader.unknown(entry, &["version", "name", "groups"]),
        }
    }
    for (name, range) in needs {
        if !seed.groups.contains_key(&name) {
            let near = nearest(&name, seed.groups.keys().map(String::as_str)).map(str::to_owned);
            let mistake = reader.wrong("unknown-group", format!("there is no group `{name}`"), range);
            mistake.hint = near.map(|near| format!("did you mean `{near}`?"));
        }
    }
    seed
}

fn group(reader: &mut Reader, table: &Table<'_>, needs: &mut Vec<(String, Range<usize>)>) -> SeedGroup {
    let mut group = SeedGroup::default();
    for entry in table {
        match entry.0.get_ref().as_ref() {
            "description" => group.description = reader.text(entry).unwrap_or_default(),
            "prefer" => {
                group.is_preferred = reader.choice(entry, &[("seed", true), ("ours", false)]).unwrap_or_default();
            }
            "needs" => {
                let list = reader.list(entry);
                group.needs = list.iter().map(|(name, _)| name.clone()).collect();
                needs.extend(list);
            }
            "packages" => {
                for package in reader.table(entry.1, "packages").into_iter().flatten() {
                    let provides = dependencies(reader, package, false);
                    group.packages.insert(package.0.get_ref().to_string(), provides);
                }
            }
            _ => reader.unknown(entry, &["description", "prefer", "needs", "packages"]),
        }
    }
    group
}

//! Shared libraries of the seed, for the graph: what we build requires them until a spec makes them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use bedplate_apt::deb_data;
use bedplate_graph::Seed;
use bedplate_model::Dependency;
use rayon::prelude::*;

use crate::root::{Listener, SeedRoots, blob};
use crate::{Lock, SeedError, elf};

impl SeedRoots<'_> {
    /// What the shared libraries of each locked package provide, sorted. All package files are fetched for that.
    ///
    /// # Errors
    /// If packages cannot be had or read.
    pub fn libraries(&self, listener: Listener<'_>) -> Result<BTreeMap<String, Vec<String>>, SeedError> {
        let all: BTreeSet<&str> = self.lock.packages.keys().map(String::as_str).collect();
        self.fetch(&all, listener)?;
        let read = |(name, package)| -> Result<_, SeedError> {
            let path = self.store.path_of(&blob(package))?;
            let bad = |error| SeedError::io("cannot read", &path, error);
            let mut archive = tar::Archive::new(deb_data(&path).map_err(bad)?);
            let mut found = BTreeSet::new();
            for entry in archive.entries().map_err(bad)? {
                let mut entry = entry.map_err(bad)?;
                let is_library = entry.header().entry_type().is_file()
                    && entry.path_bytes().windows(3).any(|part| part == b".so")
                    && !entry.path_bytes().windows(7).any(|part| part == b"/debug/");
                if is_library {
                    let mut bytes = Vec::new();
                    entry.read_to_end(&mut bytes).map_err(bad)?;
                    found.extend(elf::provides(&bytes));
                }
            }
            Ok((String::from(name), found.into_iter().collect()))
        };
        let all: Vec<_> = self.locked(&all).collect();
        all.into_par_iter().map(read).collect()
    }
}

impl Lock {
    /// Adds to the groups of a seed what their packages bring along: the packages that they need, with what the libraries of
    /// all of them provide. A package that comes with a group's needs belongs to those; one that the seed file names stays where
    /// it is named.
    pub fn complete(&self, seed: &mut Seed) {
        let named: BTreeSet<String> = seed.groups.values().flat_map(|group| group.packages.keys()).cloned().collect();
        let names: Vec<String> = seed.groups.keys().cloned().collect();
        let of = |seed: &Seed, group: &String| -> BTreeSet<String> {
            let roots = seed.groups.get(group).into_iter().flat_map(|group| group.packages.keys());
            self.closure(roots.map(String::as_str)).into_iter().map(str::to_owned).collect()
        };
        let closures: BTreeMap<&String, BTreeSet<String>> = names.iter().map(|name| (name, of(seed, name))).collect();
        for name in &names {
            let mut below = BTreeSet::new();
            let mut open = seed.groups[name].needs.clone();
            while let Some(need) = open.pop() {
                if let Some(group) = seed.groups.get(&need).filter(|_| below.insert(need)) {
                    open.extend(group.needs.iter().cloned());
                }
            }
            let group = seed.groups.get_mut(name).expect("the names are those of the groups");
            for package in &closures[name] {
                let is_below = below.iter().any(|need| closures[need].contains(package));
                let is_listed = group.packages.contains_key(package);
                if !is_listed && (is_below || named.contains(package)) {
                    continue;
                }
                let provides = self.packages.get(package).map(|locked| &locked.provides);
                let provides: Vec<Dependency> =
                    provides.into_iter().flatten().filter_map(|one| one.parse().ok()).collect();
                if is_listed || !provides.is_empty() {
                    group.packages.entry(package.clone()).or_default().extend(provides);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bedplate_diag::SourceId;

    use super::*;

    #[test]
    fn what_comes_along_provides_its_libraries_once() {
        let digest = "ab".repeat(32);
        let package = |name: &str, rest: &str| {
            format!(
                "[[package]]\nname = \"{name}\"\nversion = \"1\"\narchitecture = \"all\"\nsuite = \"s\"\npath = \"p\"\n\
                 sha256 = \"{digest}\"\nsize = 1\n{rest}\n"
            )
        };
        let text = format!(
            "version = 1\nname = \"s\"\n{}{}{}{}",
            package("bash", "depends = [\"libtinfo6\"]"),
            package("libtinfo6", "depends = []\nprovides = [\"libtinfo.so.6()(64bit)\"]"),
            package("gcc", "depends = [\"libc6\", \"libtinfo6\"]"),
            package("libc6", "depends = []\nprovides = [\"libc.so.6()(64bit)\"]"),
        );
        let lock = Lock::parse(SourceId(0), &text).unwrap();
        let seed = "version = 1\nname = \"s\"\n[groups.base]\n[groups.base.packages]\nbash = [\"bash\"]\n\
                    [groups.c]\nneeds = [\"base\"]\n[groups.c.packages]\ngcc = [\"gcc\"]\nlibc6 = [\"rtld(GNU_HASH)\"]\n";
        let mut seed = Seed::parse(SourceId(0), seed).unwrap();
        lock.complete(&mut seed);
        let shown = |group: &str| -> Vec<String> {
            let packages = seed.groups[group].packages.iter();
            packages
                .map(|(name, provides)| {
                    let provides: Vec<String> = provides.iter().map(ToString::to_string).collect();
                    format!("{name}: {}", provides.join(" "))
                })
                .collect()
        };
        assert_eq!(shown("base"), ["bash: bash", "libtinfo6: libtinfo.so.6()(64bit)"]);
        assert_eq!(shown("c"), ["gcc: gcc", "libc6: rtld(GNU_HASH) libc.so.6()(64bit)"]);
    }
}

//! The seed file, with the places that messages about it need.
//!
//! [`bedplate_graph::Seed`] says what a seed provides; here is where each package and each version stands in the text.

use std::collections::{BTreeMap, BTreeSet};

use bedplate_config::{Reader, Table};
use bedplate_diag::{Diagnostic, SourceId, Span, nearest};
use bedplate_graph::Seed;

use crate::SeedError;

/// A seed file that has been read.
#[derive(Debug, Clone)]
pub struct Definition {
    /// What it says.
    pub seed: Seed,
    /// Where the name of a package stands, by group and package.
    places: BTreeMap<(String, String), PackagePlace>,
}

#[derive(Debug, Clone)]
struct PackagePlace {
    name: Span,
    capabilities: Vec<Span>,
}

/// A version that the seed file names for a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedVersion<'a> {
    /// The package of the distribution.
    pub package: &'a str,
    /// The capability.
    pub capability: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Where that stands.
    pub span: Option<Span>,
}

impl Definition {
    /// Reads a seed file; `source` is the id for the places of its mistakes.
    ///
    /// # Errors
    /// All mistakes of the file, each with its place.
    pub fn parse(source: SourceId, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let seed = Seed::parse(source, text)?;
        let places = Reader::read(source, text, |reader, table| {
            let mut places = BTreeMap::new();
            collect(reader, table, &mut places);
            places
        })?;
        Ok(Self { seed, places })
    }

    /// These groups and all that they need, sorted.
    ///
    /// # Errors
    /// [`SeedError::UnknownGroups`] names all groups that there are not.
    pub fn with_needs<S: AsRef<str>>(&self, groups: &[S]) -> Result<BTreeSet<&str>, SeedError> {
        let mut found = BTreeSet::new();
        let mut unknown = Vec::new();
        let mut todo: Vec<&str> = groups.iter().map(AsRef::as_ref).collect();
        while let Some(name) = todo.pop() {
            match self.seed.groups.get_key_value(name) {
                Some((name, group)) => {
                    if found.insert(name.as_str()) {
                        todo.extend(group.needs.iter().map(String::as_str));
                    }
                }
                None => unknown.push(name.to_owned()),
            }
        }
        if unknown.is_empty() {
            return Ok(found);
        }
        unknown.sort();
        let near = unknown.iter().filter_map(|name| nearest(name, self.seed.groups.keys().map(String::as_str)));
        let near = near.map(str::to_owned).collect();
        let known = self.seed.groups.keys().cloned().collect();
        Err(SeedError::UnknownGroups { unknown, near, known })
    }

    /// Packages that groups name, sorted; those that they need are not among them.
    pub fn packages<'a>(&'a self, groups: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let groups = groups.into_iter().filter_map(|name| self.seed.groups.get(name));
        groups.flat_map(|group| group.packages.keys().map(String::as_str)).collect()
    }

    /// All packages that any group names, sorted.
    pub fn all_packages(&self) -> BTreeSet<&str> {
        self.packages(self.seed.groups.keys().map(String::as_str))
    }

    /// Where a package is named first.
    pub fn place(&self, package: &str) -> Option<Span> {
        self.places.iter().find(|((_, name), _)| name == package).map(|(_, place)| place.name)
    }

    /// All versions that the file names.
    pub fn named_versions(&self) -> Vec<NamedVersion<'_>> {
        let mut found = Vec::new();
        for (group, content) in &self.seed.groups {
            for (package, capabilities) in &content.packages {
                let place = self.places.get(&(group.clone(), package.clone()));
                for (at, dependency) in capabilities.iter().enumerate().filter(|(_, one)| !one.evr.is_empty()) {
                    let span = place.and_then(|place| place.capabilities.get(at).copied());
                    found.push(NamedVersion { package, capability: &dependency.name, version: &dependency.evr, span });
                }
            }
        }
        found
    }
}

/// The file is known to be good: what is not as expected is passed over.
fn collect(reader: &mut Reader, table: &Table<'_>, places: &mut BTreeMap<(String, String), PackagePlace>) {
    let groups = table.get("groups").and_then(|groups| groups.get_ref().as_table());
    for (group, content) in groups.into_iter().flatten() {
        let packages = content.get_ref().as_table().and_then(|content| content.get("packages"));
        for (name, list) in packages.and_then(|packages| packages.get_ref().as_table()).into_iter().flatten() {
            let capabilities = list.get_ref().as_array().into_iter().flatten();
            let capabilities = capabilities.map(|one| reader.span(one.span())).collect();
            let place = PackagePlace { name: reader.span(name.span()), capabilities };
            places.insert((group.get_ref().to_string(), name.get_ref().to_string()), place);
        }
    }
}

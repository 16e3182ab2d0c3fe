//! All packages of some repositories, and who provides what.

use bedplate_model::{BinaryPackage, Dependency, LooseEvr, Nevra, Sense};
use rustc_hash::FxHashMap;

/// A repository of a [`Universe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryId(pub u32);

/// A package of a [`Universe`]: dense, in the order of the repositories and of their packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId(pub u32);

/// Packages that come from one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repository {
    /// What messages call it.
    pub name: String,
    /// A lower number is preferred, as in dnf; its default is 99.
    pub priority: i32,
    /// The packages.
    pub packages: Vec<BinaryPackage>,
}

/// One `Provides` of a package.
#[derive(Debug)]
struct Offer {
    package: PackageId,
    sense: Sense,
    evr: Option<LooseEvr>,
}

/// All packages that may be installed, and an index of what they provide.
#[derive(Debug, Default)]
pub struct Universe {
    repositories: Vec<(String, i32)>,
    packages: Vec<BinaryPackage>,
    evrs: Vec<LooseEvr>,
    repository_of: Vec<RepositoryId>,
    names: FxHashMap<String, Vec<PackageId>>,
    offers: FxHashMap<String, Vec<Offer>>,
    files: FxHashMap<String, Vec<PackageId>>,
}

/// Packages of one NEVRA between which no priority decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The name of all of them.
    pub nevra: Nevra,
    /// The packages, at least two.
    pub packages: Vec<PackageId>,
}

impl Universe {
    /// Takes the packages in and indexes them.
    pub fn new(repositories: impl IntoIterator<Item = Repository>) -> Self {
        let mut all = Self::default();
        for repository in repositories {
            let number = RepositoryId(number(all.repositories.len()));
            all.repositories.push((repository.name, repository.priority));
            for package in repository.packages {
                let id = PackageId(number_of(&all.packages));
                for provided in &package.provides {
                    let offer =
                        Offer { package: id, sense: provided.sense.relation(), evr: LooseEvr::parse(&provided.evr) };
                    add(&mut all.offers, &provided.name, offer);
                }
                for file in &package.files {
                    add(&mut all.files, &file.path, id);
                }
                add(&mut all.names, package.name(), id);
                all.evrs.push(package.nevra.evr().to_loose());
                all.packages.push(package);
                all.repository_of.push(number);
            }
        }
        all
    }

    /// How many packages there are.
    pub fn len(&self) -> usize {
        self.packages.len()
    }

    /// True if there is no package.
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty()
    }

    /// A package.
    pub fn package(&self, id: PackageId) -> &BinaryPackage {
        &self.packages[id.0 as usize]
    }

    /// All packages with their ids.
    pub fn packages(&self) -> impl Iterator<Item = (PackageId, &BinaryPackage)> {
        self.packages.iter().zip(0..).map(|(package, id)| (PackageId(id), package))
    }

    /// The packages of a name, whatever they provide; in the order of their ids.
    pub fn named(&self, name: &str) -> &[PackageId] {
        self.names.get(name).map_or(&[], Vec::as_slice)
    }

    /// All names of packages; in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// A package's version, taken apart for comparing.
    pub fn evr(&self, id: PackageId) -> &LooseEvr {
        &self.evrs[id.0 as usize]
    }

    /// The packages that an `Obsoletes` names: it looks at names and versions of packages, never at what they provide
    /// (`rpmalAllSatisfiesDepend` of `lib/rpmal.c`).
    pub fn obsoleted(&self, dependency: &Dependency) -> impl Iterator<Item = PackageId> {
        let sense = dependency.sense.relation();
        let wanted = if sense.is_empty() { None } else { LooseEvr::parse(&dependency.evr) };
        let named = self.named(&dependency.name).iter().copied();
        named.filter(move |id| wanted.as_ref().is_none_or(|evr| self.evr(*id).overlaps(Sense::EQUAL, evr, sense)))
    }

    /// Packages of the same NEVRA whose repositories have the same priority, so that only the order of the repositories would
    /// choose between them; in the order of their ids.
    pub fn duplicates(&self) -> Vec<Duplicate> {
        let mut groups: FxHashMap<(&Nevra, i32), Vec<PackageId>> = FxHashMap::default();
        for ids in self.names.values().filter(|ids| ids.len() > 1) {
            for id in ids {
                let (_, priority) = self.repository_name(self.repository(*id));
                groups.entry((&self.package(*id).nevra, priority)).or_default().push(*id);
            }
        }
        let mut found: Vec<Duplicate> = groups
            .into_iter()
            .filter(|(_, packages)| packages.len() > 1)
            .map(|((nevra, _), packages)| Duplicate { nevra: nevra.clone(), packages })
            .collect();
        found.sort_by(|a, b| a.packages.cmp(&b.packages));
        found
    }

    /// How many repositories there are.
    pub fn repository_count(&self) -> usize {
        self.repositories.len()
    }

    /// The repository that a package is from.
    pub fn repository(&self, id: PackageId) -> RepositoryId {
        self.repository_of[id.0 as usize]
    }

    /// Name and priority of a repository.
    pub fn repository_name(&self, id: RepositoryId) -> (&str, i32) {
        let (name, priority) = &self.repositories[id.0 as usize];
        (name, *priority)
    }

    /// The packages that provide a simple dependency, by a capability or (for a path) by a file; sorted, each once.
    pub fn providers(&self, dependency: &Dependency) -> Vec<PackageId> {
        self.providers_of(&dependency.name, dependency.sense, &dependency.evr)
    }

    /// The packages that provide a name in a version that the relation takes: a version without a relation is not looked
    /// at, and an offer without a version fits any, as `rpmdsCompare` of `lib/rpmds.c` has it.
    pub fn providers_of(&self, name: &str, sense: Sense, evr: &str) -> Vec<PackageId> {
        let wanted = if sense.relation().is_empty() { None } else { LooseEvr::parse(evr) };
        let fits = |offer: &&Offer| match (&wanted, &offer.evr) {
            (Some(wanted), Some(offered)) if !offer.sense.is_empty() => {
                offered.overlaps(offer.sense, wanted, sense.relation())
            }
            _ => true,
        };
        let mut found: Vec<PackageId> =
            self.offers.get(name).into_iter().flatten().filter(fits).map(|offer| offer.package).collect();
        if name.starts_with('/') && wanted.is_none() {
            found.extend(self.files.get(name).into_iter().flatten());
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// All paths of packages; in no order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// All names that are provided, files left out; in no order.
    pub fn provided_names(&self) -> impl Iterator<Item = &str> {
        self.offers.keys().map(String::as_str)
    }
}

fn add<T>(index: &mut FxHashMap<String, Vec<T>>, key: &str, value: T) {
    match index.get_mut(key) {
        Some(known) => known.push(value),
        None => {
            index.insert(key.to_owned(), vec![value]);
        }
    }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).expect("fewer than 2^32 packages fit in memory")
}

fn number_of(packages: &[BinaryPackage]) -> u32 {
    number(packages.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(name: &str, priority: i32, packages: &[&str]) -> Repository {
        let package = |nevra: &&str| BinaryPackage::new(nevra.parse().unwrap());
        Repository { name: name.into(), priority, packages: packages.iter().map(package).collect() }
    }

    #[test]
    fn duplicates_are_of_one_nevra_and_one_priority() {
        let universe = Universe::new([
            repository("one", 99, &["a-1-1.noarch", "b-1-1.noarch", "c-1-1.noarch", "c-1-1.noarch"]),
            repository("two", 99, &["a-1-1.noarch", "b-1-2.noarch"]),
            repository("three", 10, &["a-1-1.noarch", "b-1-1.noarch"]),
        ]);
        let found: Vec<(String, Vec<u32>)> = universe
            .duplicates()
            .into_iter()
            .map(|one| (one.nevra.to_string(), one.packages.into_iter().map(|id| id.0).collect()))
            .collect();
        assert_eq!(found, [("a-1-1.noarch".to_owned(), vec![0, 4]), ("c-1-1.noarch".to_owned(), vec![2, 3])]);
    }

    #[test]
    fn obsoletes_look_at_names_and_versions_of_packages() {
        let universe = Universe::new([repository("r", 1, &["a-1-1.noarch", "a-1:0-1.noarch", "a-3-1.noarch"])]);
        for (sense, evr, want) in [
            (Sense::ANY, "", vec![0, 1, 2]),
            (Sense::LESS, "2", vec![0]),
            (Sense::GREATER | Sense::EQUAL, "3", vec![1, 2]),
            (Sense::EQUAL, "1-2", vec![]),
        ] {
            let dependency = Dependency::new("a", evr, sense);
            let got: Vec<u32> = universe.obsoleted(&dependency).map(|id| id.0).collect();
            assert_eq!(got, want, "{dependency}");
        }
    }
}

//! All packages that a build root may hold: those that specs make, those of repositories, those of the seed.

use std::collections::BTreeSet;

use bedplate_model::{BinaryPackage, Dependency, DependencyKind, FileKind, PackageFile, Sense, parse_rich};
use bedplate_solve::{Options, PackageId, Repository, Universe};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::capability::CapabilityLock;
use crate::closure;
use crate::guess;
use crate::input::Spec;
use crate::seed::Seed;

/// A spec of a graph, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpecId(pub u32);

/// Where a package comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A spec makes it: the spec, and the place of the package in it.
    Spec(SpecId, u32),
    /// A repository has it; the number is that of the list of repositories.
    Repository(u32),
    /// The seed has it; the number is that of its groups.
    Seed(u32),
}

/// The packages, who provides what, and where each is from.
#[derive(Debug)]
pub struct Pool {
    /// The packages.
    pub universe: Universe,
    /// Names of the repositories.
    pub repositories: Vec<String>,
    /// Names of the seed's groups.
    pub groups: Vec<String>,
    origins: Vec<Origin>,
    preferred_groups: Vec<bool>,
    /// What each group needs, itself and through others.
    group_needs: Vec<Vec<u32>>,
    guesses: FxHashSet<(PackageId, String)>,
    /// Packages of specs that a repository has in the same version.
    prebuilt: FxHashMap<PackageId, u32>,
    /// Packages that require what nothing can meet.
    pub(crate) doomed: FxHashSet<PackageId>,
}

/// What stands before the name of a package of the seed: it is no RPM, and no `Obsoletes` is about it.
const SEED_PREFIX: &str = "seed.";

impl Pool {
    /// Puts the packages together.
    ///
    /// A package that a repository has in the very version that a spec makes counts as that spec's package, with the
    /// capabilities that it really has. For other packages of specs the capability lock says what a build will generate;
    /// without an entry there, it is guessed from `%files`.
    pub(crate) fn new(specs: &[Spec], seed: &Seed, lock: &CapabilityLock, repositories: Vec<Repository>) -> Self {
        let mut built: FxHashMap<String, (u32, BinaryPackage)> = FxHashMap::default();
        for (repository, number) in repositories.iter().zip(0..) {
            for package in &repository.packages {
                built.entry(package.nevra.to_string()).or_insert_with(|| (number, package.clone()));
            }
        }
        let mut own = Own::default();
        for (spec, id) in specs.iter().zip(0..).filter(|(spec, _)| spec.excluded.is_none()) {
            for (package, place) in spec.packages.iter().zip(0..) {
                own.origins.push(Origin::Spec(SpecId(id), place));
                match built.remove(&package.package.nevra.to_string()) {
                    Some((repository, package)) => {
                        own.prebuilt.push((own.packages.len(), repository));
                        own.packages.push(package);
                    }
                    None => own.add(package, spec, lock),
                }
            }
        }
        let mut all = Vec::with_capacity(repositories.len() + 2);
        let mut origins = std::mem::take(&mut own.origins);
        let mut groups = Vec::new();
        let mut preferred_groups = Vec::new();
        let (mut seeded, mut preferred) = (Vec::new(), Vec::new());
        for ((name, group), number) in seed.groups.iter().zip(0..) {
            groups.push(name.clone());
            preferred_groups.push(group.is_preferred);
            for (name, provides) in &group.packages {
                if let Some(package) = seed_package(name, provides) {
                    let list = if group.is_preferred { &mut preferred } else { &mut seeded };
                    list.push((package, Origin::Seed(number)));
                }
            }
        }
        let names: Vec<String> = repositories.iter().map(|repository| repository.name.clone()).collect();
        let mut others = Vec::new();
        for (mut repository, number) in repositories.into_iter().zip(0..) {
            // What specs make in the same version is theirs already.
            repository.packages.retain(|package| built.contains_key(&package.nevra.to_string()));
            others.push((repository, number));
        }
        let wanted = missing_names(
            specs,
            &own.packages,
            others.iter().flat_map(|(one, _)| &one.packages),
            seeded.iter().chain(&preferred).map(|(one, _)| one),
        );
        let guesses = own.settle_patterns(&wanted, specs, &origins);
        let prebuilt = own.prebuilt.iter().map(|(at, repository)| (id_of(*at), *repository)).collect();
        all.push(Repository { name: "specs".to_owned(), priority: 1, packages: own.packages });
        for (repository, number) in others {
            origins.extend(std::iter::repeat_n(Origin::Repository(number), repository.packages.len()));
            all.push(Repository { priority: 2, ..repository });
        }
        // The solver goes by the priorities of repositories.
        for (list, priority) in [(preferred, 0), (seeded, 3)] {
            let (packages, from): (Vec<_>, Vec<_>) = list.into_iter().unzip();
            origins.extend(from);
            all.push(Repository { name: seed.name.clone(), priority, packages });
        }
        let universe = Universe::new(all);
        let group_needs = group_needs(seed, &groups);
        let doomed = FxHashSet::default();
        let mut pool = Self {
            universe,
            repositories: names,
            groups,
            origins,
            preferred_groups,
            group_needs,
            guesses,
            prebuilt,
            doomed,
        };
        pool.doomed = closure::doomed(&pool);
        pool
    }

    /// The name of a package; of one of the seed, that which the distribution has for it.
    pub fn name(&self, package: PackageId) -> &str {
        let name = self.universe.package(package).name();
        match self.origin(package) {
            Origin::Seed(_) => name.strip_prefix(SEED_PREFIX).unwrap_or(name),
            _ => name,
        }
    }

    /// Where a package is from.
    pub fn origin(&self, package: PackageId) -> Origin {
        self.origins[package.0 as usize]
    }

    /// The rules for the solver: packages of every architecture that there is may be used.
    pub(crate) fn solver_options(&self) -> Options {
        let all: BTreeSet<&str> = self.universe.packages().map(|(_, package)| package.nevra.arch().as_str()).collect();
        Options { architectures: all.into_iter().map(str::to_owned).collect(), ..Options::default() }
    }

    pub(crate) fn universe_order(&self) -> &[Origin] {
        &self.origins
    }

    /// The spec that makes a package.
    pub fn spec_of(&self, package: PackageId) -> Option<SpecId> {
        match self.origin(package) {
            Origin::Spec(spec, _) => Some(spec),
            _ => None,
        }
    }

    /// The repository that has this package of a spec in the same version.
    pub fn prebuilt(&self, package: PackageId) -> Option<u32> {
        self.prebuilt.get(&package).copied()
    }

    /// True if it is only guessed that the package provides the capability.
    pub fn is_guess(&self, package: PackageId, capability: &str) -> bool {
        !self.guesses.is_empty() && self.guesses.contains(&(package, capability.to_owned()))
    }

    /// Groups of the seed and all that they need, sorted, each once.
    pub fn groups_with_needs(&self, groups: impl IntoIterator<Item = u32>) -> Vec<u32> {
        let all = groups.into_iter().flat_map(|group| self.group_needs[group as usize].iter().copied().chain([group]));
        let all: BTreeSet<u32> = all.collect();
        all.into_iter().collect()
    }

    /// How much a package is preferred for what it provides; lower is better.
    pub(crate) fn rank(&self, package: PackageId) -> u8 {
        match self.origin(package) {
            Origin::Seed(group) if self.preferred_groups[group as usize] => 0,
            Origin::Spec(..) => 1,
            Origin::Repository(_) => 2,
            Origin::Seed(_) => 3,
        }
    }
}

/// For each group the groups that it needs, itself and through others.
fn group_needs(seed: &Seed, names: &[String]) -> Vec<Vec<u32>> {
    let of = |name: &String| names.iter().zip(0..).find(|(one, _)| *one == name).map(|(_, number)| number);
    let all = seed.groups.values().map(|group| {
        let mut found: Vec<u32> = group.needs.iter().filter_map(of).collect();
        let mut at = 0;
        while let Some(number) = found.get(at).copied() {
            at += 1;
            for need in seed.groups[&names[number as usize]].needs.iter().filter_map(of) {
                if !found.contains(&need) {
                    found.push(need);
                }
            }
        }
        found
    });
    all.collect()
}

fn id_of(place: usize) -> PackageId {
    PackageId(u32::try_from(place).expect("fewer than 2^32 packages fit in memory"))
}

/// A package of the seed: the distribution's name, and what the seed file says it provides.
fn seed_package(name: &str, provides: &[Dependency]) -> Option<BinaryPackage> {
    let mut package = BinaryPackage::new(format!("{SEED_PREFIX}{name}-0-0.noarch").parse().ok()?);
    for capability in provides {
        if capability.name.starts_with('/') {
            package.files.push(PackageFile { path: capability.name.clone(), kind: FileKind::File });
        }
        package.provides.push(capability.clone());
    }
    Some(package)
}

/// The packages of specs while they are gathered.
#[derive(Default)]
struct Own {
    packages: Vec<BinaryPackage>,
    origins: Vec<Origin>,
    prebuilt: Vec<(usize, u32)>,
    guessed: Vec<(usize, String)>,
    /// Requirements that an earlier version had.
    stale: Vec<(usize, String)>,
    /// Capabilities with wildcards, by the package that may have them.
    patterns: Vec<(usize, String)>,
    path_patterns: Vec<(usize, String)>,
}

impl Own {
    fn add(&mut self, declared: &crate::input::SpecPackage, spec: &Spec, lock: &CapabilityLock) {
        let at = self.packages.len();
        let mut package = declared.package.clone();
        let found = guess::guess(&declared.file_lines);
        package.files.extend(found.files);
        self.path_patterns.extend(found.path_patterns.into_iter().map(|pattern| (at, pattern)));
        match lock.packages.get(package.name()).filter(|learnt| learnt.source == spec.name) {
            Some(learnt) => {
                // What the spec says itself is newer than what an earlier build of it taught.
                let is_declared = |list: &[Dependency], one: &Dependency| list.iter().any(|own| own.name == one.name);
                let is_stale = learnt.evr != spec.evr;
                let current = |one: &Dependency| {
                    let version = if is_stale { "" } else { one.evr.as_str() };
                    let sense = if is_stale { Sense::ANY } else { one.sense };
                    Dependency::new(one.name.clone(), version, sense)
                };
                let (provides, requires) = (&package.provides, &package.requires);
                let new = learnt.provides.iter().filter(|one| !is_declared(provides, one)).map(current);
                let new: Vec<Dependency> = new.collect();
                let needs = learnt.requires.iter().filter(|one| !is_declared(requires, one)).map(current);
                let needs: Vec<Dependency> = needs.collect();
                if is_stale {
                    self.guessed.extend(new.iter().map(|one| (at, one.name.clone())));
                    self.stale.extend(needs.iter().map(|one| (at, one.name.clone())));
                }
                package.provides.extend(new);
                package.requires.extend(needs);
                let file = |path: &String| PackageFile { path: path.clone(), kind: FileKind::File };
                package.files.extend(learnt.files.iter().map(file));
            }
            None => {
                for capability in found.capabilities {
                    package.provides.push(Dependency::new(capability.clone(), "", Sense::ANY));
                    self.guessed.push((at, capability));
                }
                self.patterns.extend(found.patterns.into_iter().map(|pattern| (at, pattern)));
            }
        }
        self.packages.push(package);
    }

    /// Gives the capabilities that nobody provides for sure to the packages whose patterns fit.
    fn settle_patterns(
        &mut self,
        wanted: &[String],
        specs: &[Spec],
        origins: &[Origin],
    ) -> FxHashSet<(PackageId, String)> {
        for name in wanted {
            let is_path = name.starts_with('/');
            let patterns = if is_path { &self.path_patterns } else { &self.patterns };
            let literal = |pattern: &str| pattern.bytes().filter(|byte| *byte != b'*').count();
            let mut fitting: Vec<(usize, usize)> = patterns
                .iter()
                .filter(|(_, pattern)| guess::fits(pattern, name))
                .filter(|(at, pattern)| {
                    // `pkgconfig(*)` fits all; then the names have to be kin.
                    let inner = pattern.split_once('(').map_or(pattern.as_str(), |(_, inner)| inner);
                    let is_strong = is_path || inner.find('*').unwrap_or(0) >= 2;
                    let source = match origins[*at] {
                        Origin::Spec(spec, _) => specs[spec.0 as usize].name.as_str(),
                        _ => "",
                    };
                    is_strong || guess::relates(name, [self.packages[*at].name(), source])
                })
                .map(|(at, pattern)| (literal(pattern), *at))
                .collect();
            let best = fitting.iter().map(|(length, _)| *length).max();
            fitting.retain(|(length, _)| Some(*length) == best);
            for (_, at) in fitting {
                let package = &mut self.packages[at];
                if is_path {
                    package.files.push(PackageFile { path: name.clone(), kind: FileKind::File });
                } else {
                    package.provides.push(Dependency::new(name.clone(), "", Sense::ANY));
                }
                self.guessed.push((at, name.clone()));
            }
        }
        // What an earlier version needed and nothing provides now, this version will not need.
        for (at, name) in std::mem::take(&mut self.stale) {
            let is_given = self.guessed.iter().any(|(_, given)| *given == name);
            if wanted.binary_search(&name).is_ok() && !is_given {
                self.packages[at].requires.retain(|one| one.name != name);
            }
        }
        self.guessed.drain(..).map(|(at, name)| (id_of(at), name)).collect()
    }
}

/// Names that something requires and nothing provides; sorted, each once.
fn missing_names<'a>(
    specs: &[Spec],
    own: &'a [BinaryPackage],
    others: impl Iterator<Item = &'a BinaryPackage>,
    seeded: impl Iterator<Item = &'a BinaryPackage>,
) -> Vec<String> {
    let mut known: FxHashSet<&str> = FxHashSet::default();
    for package in own.iter().chain(others).chain(seeded) {
        known.extend(package.provides.iter().map(|one| one.name.as_str()));
        known.extend(package.files.iter().map(|file| file.path.as_str()));
    }
    let mut missing: FxHashSet<String> = FxHashSet::default();
    let mut note = |dependency: &Dependency| {
        let mut look = |name: &str| {
            if !known.contains(name) && !missing.contains(name) {
                missing.insert(name.to_owned());
            }
        };
        if !dependency.is_rich() {
            look(&dependency.name);
        } else if let Ok((tree, _)) = parse_rich(&dependency.name, DependencyKind::Requires) {
            for single in tree.singles() {
                if let bedplate_model::RichDependency::Single { name, .. } = single {
                    look(name);
                }
            }
        }
    };
    for spec in specs.iter().filter(|spec| spec.excluded.is_none()) {
        let check = spec.check.iter().flatten();
        spec.build_requires.iter().chain(check).for_each(|wanted| note(&wanted.dependency));
    }
    own.iter().flat_map(|package| &package.requires).for_each(note);
    let mut missing: Vec<String> = missing.into_iter().collect();
    missing.sort();
    missing
}

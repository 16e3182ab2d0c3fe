//! The packages of a universe as the solver sees them under some options: which may be used, which exclude each other by their
//! name, and which is preferred.
//!
//! # Which package is tried first
//!
//! Of the packages that fit a requirement, the first by these rules is tried first. No rule looks at the order of packages in
//! a repository.
//!
//! 1. It is in the lock.
//! 2. It is favoured (installed already).
//! 3. Its repository has the better priority (a lower number).
//! 4. No other package that fits obsoletes it.
//! 5. It has the name that is asked for, and does not only provide it.
//! 6. Its version is newer.
//! 7. Its architecture comes first in the list of architectures.
//! 8. Its name comes first, byte by byte.
//! 9. Its repository comes first in the list of repositories.
//!
//! Packages have rows here, sorted by name, version (newer first), architecture and repository: everything that the search
//! sees is numbered by rows, so that its way does not depend on the order of the input.

use std::cmp::Ordering;

use bedplate_model::Nevra;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::request::{LockedPackage, Options};
use crate::universe::{PackageId, Universe};

/// Why a package may not be used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Forbidden {
    /// A pattern of the exclude list takes it.
    Excluded(String),
    /// The target has another architecture.
    Architecture,
    /// The lock has other packages of this name.
    Locked(Vec<String>),
}

/// Groups of packages of which only one may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Group(pub(crate) u32);

/// See the module.
#[derive(Debug)]
pub(crate) struct Catalogue<'u> {
    pub(crate) universe: &'u Universe,
    pub(crate) options: Options,
    /// The package of each row.
    rows: Vec<PackageId>,
    /// The row of each package.
    row_of: Vec<u32>,
    /// By row.
    groups: Vec<Group>,
    group_count: u32,
    /// Packages of a name that exclude each other and are not of one group: 32-bit packages and those without architecture.
    apart: FxHashMap<PackageId, Vec<PackageId>>,
    forbidden: FxHashMap<PackageId, Forbidden>,
    locked: FxHashSet<PackageId>,
    favoured: FxHashSet<PackageId>,
}

impl<'u> Catalogue<'u> {
    pub(crate) fn new(universe: &'u Universe, options: Options) -> Self {
        let count = universe.len();
        let mut rows: Vec<PackageId> = universe.packages().map(|(id, _)| id).collect();
        let mut all = Self {
            universe,
            options,
            rows: Vec::new(),
            row_of: vec![0; count],
            groups: vec![Group(0); count],
            group_count: 0,
            apart: FxHashMap::default(),
            forbidden: FxHashMap::default(),
            locked: FxHashSet::default(),
            favoured: FxHashSet::default(),
        };
        rows.sort_unstable_by(|a, b| all.row_order(*a, *b));
        for (row, id) in rows.iter().zip(0..).map(|(id, row)| (row, *id)) {
            all.row_of[id.0 as usize] = row;
        }
        all.rows = rows;
        all.make_groups();
        all.mark();
        all
    }

    pub(crate) fn row(&self, id: PackageId) -> u32 {
        self.row_of[id.0 as usize]
    }

    /// The package of each row.
    pub(crate) fn rows(&self) -> &[PackageId] {
        &self.rows
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn group(&self, id: PackageId) -> Group {
        self.groups[self.row(id) as usize]
    }

    pub(crate) fn group_count(&self) -> u32 {
        self.group_count
    }

    pub(crate) fn apart(&self, id: PackageId) -> &[PackageId] {
        self.apart.get(&id).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn forbidden(&self, id: PackageId) -> Option<&Forbidden> {
        self.forbidden.get(&id)
    }

    fn row_order(&self, a: PackageId, b: PackageId) -> Ordering {
        let (one, other) = (self.universe.package(a), self.universe.package(b));
        one.name()
            .cmp(other.name())
            .then_with(|| self.universe.evr(b).compare(self.universe.evr(a)))
            .then_with(|| one.nevra.arch().cmp(other.nevra.arch()))
            .then_with(|| self.universe.repository(a).cmp(&self.universe.repository(b)))
            // Versions that compare as equal may be written differently.
            .then_with(|| one.nevra.evr().to_string().cmp(&other.nevra.evr().to_string()))
            .then(a.cmp(&b))
    }

    fn make_groups(&mut self) {
        let mut at = 0;
        while at < self.rows.len() {
            let name = self.universe.package(self.rows[at]).name();
            let count = self.rows[at..].iter().take_while(|id| self.universe.package(**id).name() == name).count();
            let rows = at..at + count;
            at += count;
            if count == 1 {
                self.add_group(vec![rows.start]);
            } else if self.options.multi_version.iter().any(|pattern| pattern.takes_name(name)) {
                let mut of: Vec<(&Nevra, Vec<usize>)> = Vec::new();
                for row in rows {
                    let nevra = &self.universe.package(self.rows[row]).nevra;
                    match of.iter_mut().find(|(known, _)| *known == nevra) {
                        Some((_, rows)) => rows.push(row),
                        None => of.push((nevra, vec![row])),
                    }
                }
                of.into_iter().for_each(|(_, rows)| self.add_group(rows));
            } else {
                self.split_by_width(rows.collect());
            }
        }
    }

    /// Packages of one name exclude each other, but a 32-bit and a 64-bit one may be used together.
    fn split_by_width(&mut self, rows: Vec<usize>) {
        let width = |row: &usize| Width::of(self.universe.package(self.rows[*row]).nevra.arch().as_str());
        let (narrow, rest): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(|row| width(row) == Width::Bits32);
        let neutral: Vec<usize> = rest.iter().copied().filter(|row| width(row) == Width::Any).collect();
        for a in &neutral {
            for b in &narrow {
                let (a, b) = (self.rows[*a], self.rows[*b]);
                self.apart.entry(a).or_default().push(b);
                self.apart.entry(b).or_default().push(a);
            }
        }
        self.add_group(narrow);
        self.add_group(rest);
    }

    fn add_group(&mut self, rows: Vec<usize>) {
        if rows.is_empty() {
            return;
        }
        rows.into_iter().for_each(|row| self.groups[row] = Group(self.group_count));
        self.group_count += 1;
    }

    fn mark(&mut self) {
        let options = self.options.clone();
        let mut lock_of: FxHashMap<&str, Vec<&LockedPackage>> = FxHashMap::default();
        for locked in &options.locked {
            lock_of.entry(locked.nevra.name().as_str()).or_default().push(locked);
        }
        let favoured: FxHashSet<&Nevra> = options.favoured.iter().collect();
        for (id, package) in self.universe.packages() {
            let nevra = &package.nevra;
            if !options.architectures.iter().any(|arch| arch == nevra.arch().as_str()) {
                self.forbidden.insert(id, Forbidden::Architecture);
            } else if let Some(pattern) = options.exclude.iter().find(|pattern| pattern.takes(nevra)) {
                self.forbidden.insert(id, Forbidden::Excluded(pattern.to_string()));
            } else if let Some(lock) = lock_of.get(package.name()) {
                let (repository, _) = self.universe.repository_name(self.universe.repository(id));
                let named = |one: &&&LockedPackage| {
                    one.nevra == *nevra && one.repository.as_deref().is_none_or(|name| name == repository)
                };
                if lock.iter().any(|one| named(&one)) {
                    self.locked.insert(id);
                } else {
                    let others = lock.iter().map(|one| one.nevra.to_string()).collect();
                    self.forbidden.insert(id, Forbidden::Locked(others));
                }
            }
            if favoured.contains(nevra) {
                self.favoured.insert(id);
            }
        }
    }

    /// The packages in the order in which they are tried, by the rules of the module; `names` are those that are asked for.
    pub(crate) fn preferred(&self, packages: &[PackageId], names: &[String]) -> Vec<PackageId> {
        if let [one] = packages {
            return vec![*one];
        }
        let mut keyed: Vec<(Preference<'_>, PackageId)> =
            packages.iter().map(|id| (self.preference(*id, packages, names), *id)).collect();
        keyed.sort_by(|(a, one), (b, other)| {
            (a.first.cmp(&b.first))
                .then_with(|| self.universe.evr(*other).compare(self.universe.evr(*one)))
                .then_with(|| a.last.cmp(&b.last))
                .then_with(|| self.row(*one).cmp(&self.row(*other)))
        });
        keyed.into_iter().map(|(_, id)| id).collect()
    }

    fn preference<'a>(&'a self, id: PackageId, packages: &[PackageId], names: &[String]) -> Preference<'a> {
        let package = self.universe.package(id);
        let repository = self.universe.repository(id);
        let (_, priority) = self.universe.repository_name(repository);
        let obsoleted = packages.iter().any(|other| {
            let other_package = self.universe.package(*other);
            *other != id
                && other_package.name() != package.name()
                && other_package.obsoletes.iter().any(|one| {
                    one.name == package.name() && self.universe.obsoleted(one).any(|obsoleted| obsoleted == id)
                })
        });
        let inexact = !names.iter().any(|name| name == package.name());
        let arch = package.nevra.arch().as_str();
        let arch = self.options.architectures.iter().position(|one| one == arch);
        Preference {
            first: (!self.locked.contains(&id), !self.favoured.contains(&id), priority, obsoleted, inexact),
            last: (arch.unwrap_or(usize::MAX), package.name(), repository),
        }
    }
}

/// What is compared before the version, and what after it.
struct Preference<'a> {
    first: (bool, bool, i32, bool, bool),
    last: (usize, &'a str, crate::universe::RepositoryId),
}

/// Which programs of a package a processor runs: the colours of rpm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Any,
    Bits32,
    Bits64,
}

impl Width {
    fn of(arch: &str) -> Self {
        match arch {
            "noarch" => Self::Any,
            "i386" | "i486" | "i586" | "i686" | "athlon" | "geode" | "pentium3" | "pentium4" | "s390" | "ppc"
            | "sparc" | "sparcv8" | "sparcv9" => Self::Bits32,
            _ if arch.starts_with("armv") => Self::Bits32,
            _ => Self::Bits64,
        }
    }
}

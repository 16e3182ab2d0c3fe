//! An answer, with the reason of each package.

use std::collections::VecDeque;
use std::rc::Rc;

use bedplate_model::{Dependency, DependencyKind, Nevra};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::catalogue::Catalogue;
use crate::logic::{is_missing_ok, mentioned};
use crate::request::{Item, Wanted, rich_of, text_of};
use crate::solver::providers_of_item;
use crate::universe::PackageId;

/// Why a package is in a solution: the last step of the shortest way from the request to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// An item of the request.
    Requested {
        /// The item.
        item: String,
    },
    /// Another package of the solution requires it.
    Required {
        /// That package.
        by: PackageId,
        /// What that package requires.
        capability: String,
    },
    /// Another package of the solution recommends it.
    Recommended {
        /// That package.
        by: PackageId,
        /// What that package recommends.
        capability: String,
    },
}

/// A package of a solution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The package.
    pub package: PackageId,
    /// Its full name.
    pub nevra: Nevra,
    /// The name of its repository.
    pub repository: String,
    /// Why it is there.
    pub why: Why,
}

/// Packages that fulfil a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solution {
    packages: Vec<Chosen>,
}

impl Solution {
    pub(crate) fn new(catalogue: &Rc<Catalogue<'_>>, install: &[Item], chosen: Vec<PackageId>) -> Self {
        let mut reasons = Reasons::new(catalogue, &chosen);
        reasons.items(install);
        let universe = catalogue.universe;
        let packages = chosen.into_iter().map(|id| Chosen {
            package: id,
            nevra: universe.package(id).nevra.clone(),
            repository: universe.repository_name(universe.repository(id)).0.to_owned(),
            why: reasons.why.remove(&id).unwrap_or_else(|| {
                // The search may have kept a package for a requirement that another package meets as well.
                Why::Requested { item: install.iter().map(Item::text).collect::<Vec<_>>().join(", ") }
            }),
        });
        Self { packages: packages.collect() }
    }

    /// The packages: sorted by name; several of a name by version, the newest first.
    pub fn packages(&self) -> &[Chosen] {
        &self.packages
    }

    /// The ids of the packages, in the same order.
    pub fn ids(&self) -> Vec<PackageId> {
        self.packages.iter().map(|chosen| chosen.package).collect()
    }

    /// A package of the solution.
    pub fn get(&self, package: PackageId) -> Option<&Chosen> {
        self.packages.iter().find(|chosen| chosen.package == package)
    }

    /// The shortest way from the request to a package: the package that was asked for first, this package last.
    pub fn chain(&self, package: PackageId) -> Vec<&Chosen> {
        let mut chain = Vec::new();
        let mut at = self.get(package);
        while let Some(chosen) = at {
            chain.push(chosen);
            at = match &chosen.why {
                Why::Requested { .. } => None,
                Why::Required { by, .. } | Why::Recommended { by, .. } => self.get(*by),
            };
        }
        chain.reverse();
        chain
    }
}

/// Walks from the request through a solution, breadth first.
struct Reasons<'a, 'u> {
    catalogue: &'a Catalogue<'u>,
    there: FxHashSet<PackageId>,
    why: FxHashMap<PackageId, Why>,
    open: VecDeque<PackageId>,
    walked: Vec<PackageId>,
}

impl<'a, 'u> Reasons<'a, 'u> {
    fn new(catalogue: &'a Catalogue<'u>, chosen: &[PackageId]) -> Self {
        let there = chosen.iter().copied().collect();
        Self { catalogue, there, why: FxHashMap::default(), open: VecDeque::new(), walked: Vec::new() }
    }

    fn items(&mut self, install: &[Item]) {
        let universe = self.catalogue.universe;
        for item in install {
            let found = match item.wanted() {
                Wanted::Simple(_) => providers_of_item(universe, item),
                Wanted::Rich(tree) => mentioned(universe, tree),
            };
            self.meet(found, || Why::Requested { item: item.text().to_owned() });
        }
        self.walk();
        if self.catalogue.options.recommends {
            let mut at = 0;
            while at < self.walked.len() {
                let by = self.walked[at];
                at += 1;
                for dependency in &universe.package(by).recommends {
                    let found = self.providers(dependency);
                    self.meet(found, || Why::Recommended { by, capability: text_of(dependency) });
                    self.walk();
                }
            }
        }
    }

    /// Follows what the met packages require.
    fn walk(&mut self) {
        let universe = self.catalogue.universe;
        while let Some(by) = self.open.pop_front() {
            self.walked.push(by);
            for dependency in universe.package(by).requires.iter().filter(|one| !is_missing_ok(one)) {
                let found = self.providers(dependency);
                self.meet(found, || Why::Required { by, capability: text_of(dependency) });
            }
        }
    }

    fn providers(&self, dependency: &Dependency) -> Vec<PackageId> {
        let universe = self.catalogue.universe;
        match rich_of(dependency, DependencyKind::Requires) {
            Some(tree) => mentioned(universe, &tree),
            None => universe.providers(dependency),
        }
    }

    fn meet(&mut self, mut packages: Vec<PackageId>, why: impl Fn() -> Why) {
        packages.retain(|id| self.there.contains(id) && !self.why.contains_key(id));
        packages.sort_by_key(|id| self.catalogue.row(*id));
        for id in packages {
            self.why.insert(id, why());
            self.open.push_back(id);
        }
    }
}

//! An answer, with the reason of each package.

use std::cell::OnceCell;
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use bedplate_model::{Dependency, DependencyKind, Nevra, RichDependency};
use rustc_hash::FxHashMap;

use crate::catalogue::Catalogue;
use crate::check::There;
use crate::logic::{is_missing_ok, providers_of_tree};
use crate::request::{Item, Wanted, rich_of, text_of};
use crate::solver::providers_of_item;
use crate::universe::{PackageId, Universe};

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
    /// Nothing in the solution wants it by itself, and the solution is not one without it: a rich dependency asks for one
    /// thing or for the absence of another.
    KeptBySearch,
}

impl Why {
    /// The reason in words.
    pub fn describe(&self, universe: &Universe) -> String {
        match self {
            Self::Requested { item } => format!("asked for as {item}"),
            Self::Required { by, capability } => format!("{} requires {capability}", universe.package(*by)),
            Self::Recommended { by, capability } => format!("{} recommends {capability}", universe.package(*by)),
            Self::KeptBySearch => "there is no answer without it".to_owned(),
        }
    }
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
            why: reasons.why.remove(&id).unwrap_or(Why::KeptBySearch),
        });
        Self { packages: packages.collect() }
    }

    /// The packages without those that nothing wants, if there are such.
    pub(crate) fn wanted(&self) -> Option<Vec<PackageId>> {
        let wanted = self.packages.iter().filter(|chosen| chosen.why != Why::KeptBySearch);
        let wanted: Vec<PackageId> = wanted.map(|chosen| chosen.package).collect();
        (wanted.len() < self.packages.len()).then_some(wanted)
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
                Why::Requested { .. } | Why::KeptBySearch => None,
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
    there: HashSet<PackageId>,
    /// What is there by name, made when a rich dependency asks.
    installed: OnceCell<There<'u>>,
    why: FxHashMap<PackageId, Why>,
    open: VecDeque<PackageId>,
    walked: Vec<PackageId>,
}

impl<'a, 'u> Reasons<'a, 'u> {
    fn new(catalogue: &'a Catalogue<'u>, chosen: &[PackageId]) -> Self {
        let there = chosen.iter().copied().collect();
        let (why, open) = (FxHashMap::default(), VecDeque::new());
        Self { catalogue, there, installed: OnceCell::new(), why, open, walked: Vec::new() }
    }

    fn items(&mut self, install: &[Item]) {
        let universe = self.catalogue.universe;
        for item in install {
            let found = match item.wanted() {
                Wanted::Simple(_) => providers_of_item(universe, item),
                Wanted::Rich(tree) => self.asked_by(tree),
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
            Some(tree) => self.asked_by(&tree),
            None => universe.providers(dependency),
        }
    }

    /// The packages that a rich dependency asks for, as its conditions are in the solution.
    fn asked_by(&self, tree: &RichDependency) -> Vec<PackageId> {
        let all = |parts: &[RichDependency]| parts.iter().flat_map(|part| self.asked_by(part)).collect();
        match tree {
            RichDependency::Group(one) | RichDependency::Else(one, _) => self.asked_by(one),
            RichDependency::And(parts) | RichDependency::Or(parts) => all(parts),
            RichDependency::If { then, condition, otherwise } => {
                self.asked_under(condition, Some(then), otherwise.as_deref(), otherwise.is_some())
            }
            RichDependency::Unless { then, condition, otherwise } => {
                self.asked_under(condition, otherwise.as_deref(), Some(then), otherwise.is_some())
            }
            _ => providers_of_tree(self.catalogue.universe, tree),
        }
    }

    /// What is asked for if a condition holds, or if it fails. Where there is an `else`, the condition itself can be what
    /// meets the dependency.
    fn asked_under(
        &self,
        condition: &RichDependency,
        holds: Option<&RichDependency>,
        fails: Option<&RichDependency>,
        has_else: bool,
    ) -> Vec<PackageId> {
        let is_there = self.holds(condition);
        let side = if is_there { holds } else { fails };
        let mut asked = side.map_or_else(Vec::new, |side| self.asked_by(side));
        if is_there && has_else {
            asked.extend(self.asked_by(condition));
        }
        asked
    }

    fn holds(&self, tree: &RichDependency) -> bool {
        self.installed.get_or_init(|| There::new(self.catalogue.universe, &self.there)).rich_holds(tree)
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

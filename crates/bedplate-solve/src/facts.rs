//! What a failure may be blamed on.
//!
//! A fact is one statement of a package or of the request which the search obeys: "`app` requires `lib >= 2`". Facts of
//! packages of one name with the same words are one, so that fifty versions of a package are blamed once. A search can be
//! told to forget facts; a failure is explained by a set of facts of which none can be forgotten.

use std::collections::VecDeque;
use std::rc::Rc;

use bedplate_model::{Dependency, DependencyKind};
use rustc_hash::FxHashMap;

use crate::catalogue::{Catalogue, Forbidden};
use crate::logic::{is_missing_ok, mentioned};
use crate::request::{Item, Wanted, rich_of, text_of};
use crate::solver::providers_of_item;
use crate::universe::PackageId;

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Fact {
    /// An item of the request, by its number.
    Requested(usize),
    /// Packages of a name have this dependency.
    Depends { name: String, kind: DependencyKind, text: String },
    /// Of a name, one package can be there.
    OneVersion(String),
    /// Packages of a name may not be used.
    Forbidden(String, Forbidden),
}

/// Number of a [`Fact`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FactId(pub(crate) u32);

/// The facts of one package; lists are as long as those of the package.
#[derive(Debug, Default)]
pub(crate) struct PackageFacts {
    pub(crate) forbidden: Option<FactId>,
    pub(crate) one_version: Option<FactId>,
    pub(crate) requires: Vec<Option<FactId>>,
    pub(crate) conflicts: Vec<Option<FactId>>,
    pub(crate) obsoletes: Vec<Option<FactId>>,
}

/// All facts that a failure can be made of.
#[derive(Debug, Default)]
pub(crate) struct FactTable {
    pub(crate) facts: Vec<Fact>,
    number: FxHashMap<Fact, FactId>,
    packages: FxHashMap<PackageId, PackageFacts>,
    /// The packages, in the order in which they were reached.
    pub(crate) reached: Vec<PackageId>,
}

impl FactTable {
    /// Collects the facts that can be reached from a request, the nearest first.
    pub(crate) fn collect(catalogue: &Catalogue<'_>, items: &[&Item]) -> Self {
        let mut table = Self::default();
        (0..items.len()).for_each(|number| {
            table.fact(Fact::Requested(number));
        });
        let mut follow = |id: PackageId| catalogue.forbidden(id).is_none();
        table.reached = reach(catalogue, items, &mut follow);
        for id in table.reached.clone() {
            let facts = table.facts_of(catalogue, id);
            table.packages.insert(id, facts);
        }
        // What excludes other packages comes last: a reason without it is easier to understand.
        for id in table.reached.clone() {
            let exclusions = table.exclusions_of(catalogue, id);
            let facts = table.packages.entry(id).or_default();
            (facts.one_version, facts.conflicts, facts.obsoletes) = exclusions;
        }
        table
    }

    pub(crate) fn of(&self, id: PackageId) -> Option<&PackageFacts> {
        self.packages.get(&id)
    }

    fn fact(&mut self, fact: Fact) -> FactId {
        if let Some(known) = self.number.get(&fact) {
            return *known;
        }
        let id = FactId(u32::try_from(self.facts.len()).expect("fewer than 2^32 facts fit in memory"));
        self.facts.push(fact.clone());
        self.number.insert(fact, id);
        id
    }

    fn depends(&mut self, name: &str, kind: DependencyKind, dependency: &Dependency) -> FactId {
        self.fact(Fact::Depends { name: name.to_owned(), kind, text: text_of(dependency) })
    }

    fn facts_of(&mut self, catalogue: &Catalogue<'_>, id: PackageId) -> PackageFacts {
        let package = catalogue.universe.package(id);
        let mut facts = PackageFacts::default();
        if let Some(forbidden) = catalogue.forbidden(id) {
            facts.forbidden = Some(self.fact(Fact::Forbidden(package.name().to_owned(), forbidden.clone())));
            return facts;
        }
        for dependency in &package.requires {
            let counts = !is_missing_ok(dependency);
            facts.requires.push(counts.then(|| self.depends(package.name(), DependencyKind::Requires, dependency)));
        }
        facts
    }

    fn exclusions_of(
        &mut self,
        catalogue: &Catalogue<'_>,
        id: PackageId,
    ) -> (Option<FactId>, Vec<Option<FactId>>, Vec<Option<FactId>>) {
        if catalogue.forbidden(id).is_some() {
            return (None, Vec::new(), Vec::new());
        }
        let package = catalogue.universe.package(id);
        let one_version = self.fact(Fact::OneVersion(package.name().to_owned()));
        let mut of = |kind, list: &[Dependency]| {
            list.iter().map(|dependency| Some(self.depends(package.name(), kind, dependency))).collect()
        };
        let conflicts = of(DependencyKind::Conflicts, &package.conflicts);
        let obsoletes = of(DependencyKind::Obsoletes, &package.obsoletes);
        (Some(one_version), conflicts, obsoletes)
    }
}

/// All packages that can be wanted because of the items, the nearest first; `follow` says whether a package's own
/// requirements are looked at.
pub(crate) fn reach(
    catalogue: &Catalogue<'_>,
    items: &[&Item],
    follow: &mut dyn FnMut(PackageId) -> bool,
) -> Vec<PackageId> {
    let universe = catalogue.universe;
    let mut seen = vec![false; universe.len()];
    let mut open = VecDeque::new();
    let mut reached = Vec::new();
    let mut push = |mut packages: Vec<PackageId>, open: &mut VecDeque<PackageId>| {
        packages.sort_by_key(|id| catalogue.row(*id));
        for id in packages {
            if !std::mem::replace(&mut seen[id.0 as usize], true) {
                open.push_back(id);
            }
        }
    };
    for item in items {
        let packages = match item.wanted() {
            Wanted::Simple(_) => providers_of_item(universe, item),
            Wanted::Rich(tree) => mentioned(universe, tree),
        };
        push(packages, &mut open);
    }
    while let Some(id) = open.pop_front() {
        reached.push(id);
        if !follow(id) {
            continue;
        }
        let package = universe.package(id);
        let recommends = if catalogue.options.recommends { package.recommends.as_slice() } else { &[] };
        // A rich conflict can want something: `(a unless b)` of a package that provides `a`.
        let rich = package.conflicts.iter().filter(|one| one.is_rich());
        for dependency in package.requires.iter().chain(recommends).chain(rich) {
            let kind = DependencyKind::Requires;
            let found = if dependency.is_rich() {
                let tree = rich_of(dependency, kind).or_else(|| rich_of(dependency, DependencyKind::Conflicts));
                tree.map_or_else(Vec::new, |tree| mentioned(universe, &tree))
            } else {
                universe.providers(dependency)
            };
            push(found, &mut open);
        }
    }
    reached
}

/// Which facts a search obeys.
#[derive(Debug, Clone)]
pub(crate) struct Muted {
    pub(crate) table: Rc<FactTable>,
    /// By number of the fact.
    pub(crate) active: Rc<Vec<bool>>,
}

impl Muted {
    fn is_active(&self, fact: Option<FactId>) -> bool {
        fact.is_some_and(|fact| self.active[fact.0 as usize])
    }

    pub(crate) fn forbidden(&self, id: PackageId) -> bool {
        self.is_active(self.table.of(id).and_then(|facts| facts.forbidden))
    }

    pub(crate) fn one_version(&self, id: PackageId) -> bool {
        self.is_active(self.table.of(id).and_then(|facts| facts.one_version))
    }

    pub(crate) fn dependency(&self, id: PackageId, kind: DependencyKind, at: usize) -> bool {
        let Some(facts) = self.table.of(id) else { return false };
        let list = match kind {
            DependencyKind::Requires => &facts.requires,
            DependencyKind::Conflicts => &facts.conflicts,
            _ => &facts.obsoletes,
        };
        self.is_active(list.get(at).copied().flatten())
    }
}

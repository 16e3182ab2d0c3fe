//! From a request without an answer to the reasons.
//!
//! The reasons are made of a smallest set of facts (see [`crate::facts`]) which has no solution: of these, none can be left
//! out. It is found by searching again with fewer facts (QuickXplain, Ulrich Junker, 2004), which needs some dozens of
//! searches, and prefers facts that are near to the request. Then the items that take part are left out of the request and the
//! rest is looked at, so that mistakes that have nothing to do with each other are told at once.

use std::collections::HashSet;
use std::rc::Rc;

use bedplate_diag::nearest;
use bedplate_model::{Dependency, DependencyKind, RichDependency, Sense};

use crate::catalogue::{Catalogue, Forbidden};
use crate::encoding::Encoding;
use crate::facts::{Fact, FactId, FactTable, Muted};
use crate::logic::{is_missing_ok, providers_of_tree, single};
use crate::reason::{Failure, Reason, What};
use crate::request::{Item, Wanted, rich_of, text_of};
use crate::rpmlib;
use crate::solver::{is_solvable, providers_of_item};
use crate::universe::{PackageId, Universe};

/// How many reasons are looked for.
const MOST_PROBLEMS: usize = 20;

/// How many searches one reason may take; with fewer, it may name more than takes part.
const MOST_SEARCHES: usize = 3000;

/// For a shorter name, every other short name is near.
const SHORTEST_NEAR: usize = 3;

/// The locked packages that are not there.
pub(crate) fn missing_locks(catalogue: &Catalogue<'_>) -> Vec<Reason> {
    let universe = catalogue.universe;
    let repository = |id: PackageId| universe.repository_name(universe.repository(id)).0;
    let mut missing = Vec::new();
    for locked in &catalogue.options.locked {
        let named = universe.named(locked.nevra.name().as_str());
        let is_there = named.iter().any(|id| {
            universe.package(*id).nevra == locked.nevra
                && locked.repository.as_deref().is_none_or(|name| name == repository(*id))
        });
        if !is_there {
            let mut instead: Vec<PackageId> = named.to_vec();
            instead.sort_by_key(|id| catalogue.row(*id));
            let instead = instead
                .into_iter()
                .map(|id| format!("{} (repository {})", universe.package(id), repository(id)))
                .collect();
            let package = locked.nevra.to_string();
            let what = What::LockedMissing { package, repository: locked.repository.clone(), instead };
            missing.push(Reason { what, because: Vec::new() });
        }
    }
    missing
}

/// Why the items cannot be installed together.
pub(crate) fn explain(catalogue: &Rc<Catalogue<'_>>, install: &[Item]) -> Failure {
    let universe = catalogue.universe;
    let mut problems = Vec::new();
    let mut rest: Vec<&Item> = Vec::new();
    for item in install {
        match item.wanted() {
            Wanted::Simple(dependency) if providers_of_item(universe, item).is_empty() => {
                let because = vec![unknown(universe, dependency)];
                problems.push(Reason { what: What::Requested { item: item.text().to_owned() }, because });
            }
            _ => rest.push(item),
        }
    }
    while problems.len() < MOST_PROBLEMS {
        let table = Rc::new(FactTable::collect(catalogue, &rest));
        let Some(core) = core(catalogue, &rest, &table) else { break };
        let blamed = |at: usize| core.iter().any(|fact| table.facts[fact.0 as usize] == Fact::Requested(at));
        let mut teller = Teller { catalogue, table: &table, core: &core, told: HashSet::new() };
        let mut kept = Vec::new();
        let mut told = Vec::new();
        for (at, item) in rest.iter().enumerate() {
            if blamed(at) {
                told.push(teller.item(item));
            } else {
                kept.push(*item);
            }
        }
        if told.is_empty() {
            break;
        }
        // Items that fail together are one problem: the first, with the others below it.
        let mut told = told.into_iter();
        if let Some(mut first) = told.next() {
            first.because.extend(told);
            problems.push(first);
        }
        rest = kept;
    }
    Failure { problems }
}

/// A smallest set of facts without a solution; nothing if all facts together have one.
fn core(catalogue: &Rc<Catalogue<'_>>, items: &[&Item], table: &Rc<FactTable>) -> Option<HashSet<FactId>> {
    let all: Vec<usize> = (0..table.facts.len()).collect();
    let mut search = Search { catalogue, items, table, active: vec![true; all.len()], searches: 0 };
    if search.is_solvable() {
        return None;
    }
    search.active.fill(false);
    let core = search.smallest(false, &all);
    Some(core.into_iter().filter_map(|at| u32::try_from(at).ok().map(FactId)).collect())
}

struct Search<'a, 'u> {
    catalogue: &'a Rc<Catalogue<'u>>,
    items: &'a [&'a Item],
    table: &'a Rc<FactTable>,
    active: Vec<bool>,
    searches: usize,
}

impl Search<'_, '_> {
    fn is_solvable(&mut self) -> bool {
        self.searches += 1;
        let is_asked = |at: usize| self.active[at] && self.table.facts[at] == Fact::Requested(at);
        let items: Vec<&Item> =
            self.items.iter().enumerate().filter(|(at, _)| is_asked(*at)).map(|(_, item)| *item).collect();
        if items.is_empty() {
            return true;
        }
        let muted = Muted { table: Rc::clone(self.table), active: Rc::new(self.active.clone()) };
        is_solvable(Encoding::new(self.catalogue, Some(muted)), &items)
    }

    fn set(&mut self, facts: &[usize], value: bool) {
        facts.iter().for_each(|at| self.active[*at] = value);
    }

    /// The facts that are needed besides the active ones; `changed` says whether facts were added since the last search.
    fn smallest(&mut self, changed: bool, facts: &[usize]) -> Vec<usize> {
        if changed && !self.is_solvable() {
            return Vec::new();
        }
        if facts.len() <= 1 || self.searches > MOST_SEARCHES {
            return facts.to_vec();
        }
        let (first, second) = facts.split_at(facts.len() / 2);
        self.set(first, true);
        let mut needed = self.smallest(true, second);
        self.set(first, false);
        self.set(&needed, true);
        let more = self.smallest(!needed.is_empty(), first);
        self.set(&needed, false);
        needed.extend(more);
        needed
    }
}

/// Makes the tree of a set of facts.
struct Teller<'a, 'u> {
    catalogue: &'a Catalogue<'u>,
    table: &'a FactTable,
    core: &'a HashSet<FactId>,
    /// What has been told with its reasons.
    told: HashSet<What>,
}

impl Teller<'_, '_> {
    fn universe(&self) -> &Universe {
        self.catalogue.universe
    }

    fn shown(&self, packages: &[PackageId]) -> Vec<String> {
        packages.iter().map(|id| self.universe().package(*id).to_string()).collect()
    }

    fn counts(&self, fact: Option<&FactId>) -> bool {
        fact.is_some_and(|fact| self.core.contains(fact))
    }

    fn item(&mut self, item: &Item) -> Reason {
        let because = match item.wanted() {
            Wanted::Simple(_) => {
                let packages = providers_of_item(self.universe(), item);
                self.packages(packages)
            }
            Wanted::Rich(tree) => self.tree(tree),
        };
        Reason { what: What::Requested { item: item.text().to_owned() }, because }
    }

    fn dependency(&mut self, dependency: &Dependency) -> Vec<Reason> {
        if rpmlib::is_rpmlib(&dependency.name) {
            let near = nearest(&dependency.name, rpmlib::features()).map(str::to_owned).into_iter();
            let same = rpmlib::features().filter(|name| *name == dependency.name).map(str::to_owned);
            let what = What::UnknownFeature { capability: text_of(dependency), near: same.chain(near).collect() };
            return vec![Reason { what, because: Vec::new() }];
        }
        if let Some(tree) = rich_of(dependency, DependencyKind::Requires) {
            return self.tree(&tree);
        }
        let packages = self.universe().providers(dependency);
        if packages.is_empty() { vec![unknown(self.universe(), dependency)] } else { self.packages(packages) }
    }

    /// What is wrong with the parts of a rich dependency.
    fn tree(&mut self, tree: &RichDependency) -> Vec<Reason> {
        let (mut packages, mut reasons) = (Vec::new(), Vec::new());
        for selection in tree.selections() {
            let found = providers_of_tree(self.universe(), selection);
            if found.is_empty() {
                let before = reasons.len();
                for dependency in wanted_of_one(selection) {
                    if self.universe().providers(&dependency).is_empty() {
                        reasons.push(unknown(self.universe(), &dependency));
                    }
                }
                if reasons.len() == before {
                    let what = What::NoOnePackage { selection: selection.to_string() };
                    reasons.push(Reason { what, because: Vec::new() });
                }
            }
            packages.extend(found);
        }
        reasons.extend(self.packages(packages));
        reasons
    }

    /// What is wrong with each of the packages; what is true of several is said once.
    fn packages(&mut self, mut packages: Vec<PackageId>) -> Vec<Reason> {
        packages.sort_by_key(|id| self.catalogue.row(*id));
        packages.dedup();
        let mut facts: Vec<(FactId, Vec<PackageId>)> = Vec::new();
        let mut struck: Vec<(FactId, Vec<PackageId>)> = Vec::new();
        let note = |list: &mut Vec<(FactId, Vec<PackageId>)>, fact: FactId, id: PackageId| match list
            .iter_mut()
            .find(|(known, _)| *known == fact)
        {
            Some((_, ids)) if ids.contains(&id) => {}
            Some((_, ids)) => ids.push(id),
            None => list.push((fact, vec![id])),
        };
        for id in &packages {
            let Some(of) = self.table.of(*id) else { continue };
            let own = [&of.requires, &of.conflicts, &of.obsoletes].into_iter().flatten().copied();
            for fact in [of.forbidden, of.one_version].into_iter().chain(own).flatten() {
                if self.core.contains(&fact) {
                    note(&mut facts, fact, *id);
                }
            }
            for fact in self.strikes(*id) {
                note(&mut struck, fact, *id);
            }
        }
        let mut reasons: Vec<Reason> = facts.into_iter().filter_map(|(fact, ids)| self.fact(fact, &ids)).collect();
        for (fact, with) in struck {
            let owners = self.owners(fact);
            reasons.extend(self.exclusion(fact, &owners, &with));
        }
        reasons
    }

    /// The packages that have a fact.
    fn owners(&self, fact: FactId) -> Vec<PackageId> {
        let has = |id: &PackageId| {
            let Some(of) = self.table.of(*id) else { return false };
            of.conflicts.iter().chain(&of.obsoletes).any(|one| *one == Some(fact))
        };
        let mut owners: Vec<PackageId> = self.table.reached.iter().copied().filter(has).collect();
        owners.sort_by_key(|id| self.catalogue.row(*id));
        owners
    }

    /// The conflicts and obsoletes of other packages that take part and hit this one.
    fn strikes(&self, id: PackageId) -> Vec<FactId> {
        let mut found = Vec::new();
        for owner in self.table.reached.iter().filter(|owner| **owner != id) {
            let (Some(of), package) = (self.table.of(*owner), self.universe().package(*owner)) else { continue };
            for (fact, dependency) in of.conflicts.iter().zip(&package.conflicts) {
                if self.counts(fact.as_ref()) && self.conflict_hits(dependency).contains(&id) {
                    found.extend(fact);
                }
            }
            for (fact, dependency) in of.obsoletes.iter().zip(&package.obsoletes) {
                if self.counts(fact.as_ref()) && self.universe().obsoleted(dependency).any(|hit| hit == id) {
                    found.extend(fact);
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn conflict_hits(&self, dependency: &Dependency) -> Vec<PackageId> {
        match rich_of(dependency, DependencyKind::Conflicts) {
            Some(tree) => crate::logic::mentioned(self.universe(), &tree),
            None => self.universe().providers(dependency),
        }
    }

    fn fact(&mut self, fact: FactId, ids: &[PackageId]) -> Option<Reason> {
        let packages = self.shown(ids);
        let plain = |what| Some(Reason { what, because: Vec::new() });
        match &self.table.facts[fact.0 as usize] {
            Fact::Requested(_) => None,
            Fact::Forbidden(_, Forbidden::Excluded(pattern)) => {
                plain(What::Excluded { packages, pattern: pattern.clone() })
            }
            Fact::Forbidden(_, Forbidden::Architecture) => {
                plain(What::Architecture { packages, allowed: self.catalogue.options.architectures.clone() })
            }
            Fact::Forbidden(_, Forbidden::Locked(to)) => plain(What::Locked { packages, to: to.clone() }),
            Fact::OneVersion(name) => {
                let of_name = |id: &PackageId| {
                    let package = self.universe().package(*id);
                    package.name() == name && self.table.of(*id).is_some_and(|of| of.forbidden.is_none())
                };
                let mut all: Vec<PackageId> = self.table.reached.iter().copied().filter(of_name).collect();
                all.sort_by_key(|id| self.catalogue.row(*id));
                plain(What::OneVersion { name: name.clone(), packages: self.shown(&all) })
            }
            Fact::Depends { kind: DependencyKind::Requires, text, .. } => {
                let what = What::Requires { packages: packages.clone(), capability: text.clone() };
                if !self.told.insert(what.clone()) {
                    return Some(Reason {
                        what,
                        because: vec![Reason { what: What::Above { packages }, because: vec![] }],
                    });
                }
                let dependency = ids.iter().find_map(|id| {
                    let list = &self.universe().package(*id).requires;
                    list.iter().find(|one| !is_missing_ok(one) && text_of(one) == *text).cloned()
                })?;
                let because = self.dependency(&dependency);
                Some(Reason { what, because })
            }
            Fact::Depends { .. } => self.exclusion(fact, ids, &[]),
        }
    }

    /// A conflict or an obsoletes, with the packages that it hits.
    fn exclusion(&mut self, fact: FactId, owners: &[PackageId], with: &[PackageId]) -> Option<Reason> {
        let Fact::Depends { kind, text, .. } = &self.table.facts[fact.0 as usize] else { return None };
        let of_fact = |list: &[Dependency]| list.iter().find(|one| text_of(one) == *text).cloned();
        let first = self.universe().package(*owners.first()?);
        let (packages, capability) = (self.shown(owners), text.clone());
        let hits = |mut all: Vec<PackageId>| {
            all.retain(|id| self.table.of(*id).is_some() && (!owners.contains(id) || owners.len() > 1));
            all.sort_by_key(|id| self.catalogue.row(*id));
            all
        };
        let what = if *kind == DependencyKind::Conflicts {
            let dependency = of_fact(&first.conflicts)?;
            let hit = if with.is_empty() { hits(self.conflict_hits(&dependency)) } else { with.to_vec() };
            What::Conflicts { packages, capability, with: self.shown(&hit) }
        } else {
            let dependency = of_fact(&first.obsoletes)?;
            let hit =
                if with.is_empty() { hits(self.universe().obsoleted(&dependency).collect()) } else { with.to_vec() };
            What::Obsoletes { packages, capability, obsoleted: self.shown(&hit) }
        };
        Some(Reason { what, because: Vec::new() })
    }
}

/// The simple dependencies in a selection that have to be met, and not to be missed.
fn wanted_of_one(selection: &RichDependency) -> Vec<Dependency> {
    match selection {
        RichDependency::Without(all, _) => wanted_of_one(all),
        RichDependency::Group(one) => wanted_of_one(one),
        RichDependency::With(parts) | RichDependency::Or(parts) => parts.iter().flat_map(wanted_of_one).collect(),
        _ => single(selection).into_iter().collect(),
    }
}

/// What is nearly the same as a dependency that nothing provides.
pub(crate) struct Near {
    /// The nearest name.
    name: Option<String>,
    /// Packages that provide the name itself in other versions.
    others: Vec<String>,
    /// All packages that have either.
    pub(crate) packages: Vec<PackageId>,
}

/// Looks for what is nearly the same, if nothing provides the dependency.
pub(crate) fn nearly(universe: &Universe, dependency: &Dependency) -> Near {
    let mut near = Near { name: None, others: Vec::new(), packages: Vec::new() };
    if rpmlib::is_rpmlib(&dependency.name) || !universe.providers(dependency).is_empty() {
        return near;
    }
    near.packages = universe.providers_of(&dependency.name, Sense::ANY, "");
    near.others = near.packages.iter().map(|id| universe.package(*id).to_string()).collect();
    near.others.sort();
    near.others.dedup();
    if near.others.is_empty() && dependency.name.len() >= SHORTEST_NEAR {
        let is_path = dependency.name.starts_with('/');
        let found = if is_path {
            nearest(&dependency.name, universe.paths())
        } else {
            nearest(&dependency.name, universe.provided_names().chain(universe.names()))
        };
        if let Some(name) = found {
            near.name = Some(name.to_owned());
            near.packages = universe.providers_of(name, Sense::ANY, "");
            near.packages.extend(universe.named(name));
        }
    }
    near
}

/// That nothing provides a dependency.
fn unknown(universe: &Universe, dependency: &Dependency) -> Reason {
    let near = nearly(universe, dependency);
    let capability = text_of(dependency);
    let what = What::Unknown { capability, near: near.name.into_iter().collect(), others: near.others };
    Reason { what, because: Vec::new() }
}

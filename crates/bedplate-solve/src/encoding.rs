//! The mapping of packages onto resolvo.
//!
//! resolvo knows names, of whose candidates one at most is chosen; requirements (one of a list of candidates); constraints (some
//! candidates of a name may not be chosen). It is told:
//!
//! | rpm | resolvo |
//! |---|---|
//! | packages of a name | candidates of a name; of a multi-version name, each NEVRA is a name |
//! | `Requires: a` | a requirement: a union of sets of candidates, in the order of [`crate::catalogue`] |
//! | `Conflicts`, `Obsoletes` | constraints |
//! | `(a and b)` | two requirements |
//! | `(a or (b and c))` | a requirement of `a` or of an auxiliary candidate that requires `b` and `c` |
//! | `(a if b)` | a guarded clause |
//!
//! A guarded clause is one that something makes true by not being there: `(a if b)` holds if no package that provides `b`
//! is there. Searches begin without these clauses. If an answer breaks some, they are added to their owners, and the search
//! begins anew; so nothing is decided because of a package that nobody wants. An added clause is exact: it is a
//! requirement of `a` or, after it, of an auxiliary candidate that excludes all packages that provide `b`.
//!
//! resolvo has conditions of its own. They are not used: a package that is not there at all does not count as the negation
//! of a condition, and the helper variables that keep the candidates of a name apart may be left undecided after a
//! backtrack (0.12.2), so that a condition that holds is passed over.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::Display;
use std::rc::Rc;

use bedplate_model::{Dependency, DependencyKind};
use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, DenseIndex, Dependencies, DependencyProvider,
    HintDependenciesAvailable, Interner, KnownDependencies, NameId, Requirement, SolvableId, SolverCache, StringId,
    VersionSetId, VersionSetUnionId,
};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::catalogue::Catalogue;
use crate::facts::Muted;
use crate::logic::{Builder, Formula, Node, NodeId, is_missing_ok};
use crate::request::{Item, Wanted, rich_of};
use crate::rpmlib;
use crate::universe::PackageId;

/// Some candidates of a name.
#[derive(Debug)]
enum Set {
    /// These, in this order.
    Only(Vec<SolvableId>),
    /// All but these.
    AllBut(Vec<SolvableId>),
}

/// A simple dependency that was met before.
#[derive(Debug, Clone)]
struct Known {
    /// Sorted.
    packages: Rc<[PackageId]>,
    requirement: Requirement,
}

/// A clause that holds if none of some packages is there.
#[derive(Debug, Clone)]
struct Guarded {
    /// It holds if none of one of these sets is there.
    unless: Vec<Rc<[PackageId]>>,
    /// It holds if one of these is there.
    candidates: Vec<SolvableId>,
}

/// What one package, request or auxiliary candidate needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Needs {
    known: KnownDependencies,
    guarded: Vec<Guarded>,
}

/// The needs as they are being found.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    requirements: Vec<Requirement>,
    guarded: Vec<Guarded>,
    excluded: Vec<PackageId>,
}

#[derive(Debug, Default)]
struct Tables {
    name_of: Vec<NameId>,
    members: Vec<Vec<SolvableId>>,
    /// What auxiliary candidates need; the first has the number of packages as its id.
    auxiliary: Vec<Rc<Needs>>,
    packages: FxHashMap<PackageId, Rc<Needs>>,
    sets: Vec<(NameId, Set)>,
    all_but: FxHashMap<(NameId, Vec<SolvableId>), VersionSetId>,
    unions: Vec<Vec<VersionSetId>>,
    requirements: FxHashMap<Vec<SolvableId>, Requirement>,
    known: FxHashMap<String, Known>,
    key: String,
    /// The auxiliary candidate that excludes a set of packages.
    absence: FxHashMap<Rc<[PackageId]>, SolvableId>,
    /// The guarded clauses that were added: owner, number of the clause, requirement.
    added: Vec<(SolvableId, usize, Requirement)>,
    impossible: Option<Requirement>,
}

/// What resolvo asks about; shared between the searches over one universe.
#[derive(Debug)]
pub(crate) struct Encoding<'u> {
    catalogue: Rc<Catalogue<'u>>,
    muted: Option<Muted>,
    tables: RefCell<Tables>,
}

impl<'u> Encoding<'u> {
    pub(crate) fn new(catalogue: &Rc<Catalogue<'u>>, muted: Option<Muted>) -> Self {
        let count = catalogue.len();
        let mut tables = Tables {
            members: (0..catalogue.group_count()).map(|_| Vec::new()).collect(),
            name_of: Vec::with_capacity(count + 64),
            ..Tables::default()
        };
        for (row, id) in catalogue.rows().iter().enumerate() {
            let alone = muted.as_ref().is_some_and(|muted| !muted.one_version(*id));
            let name = if alone { tables.add_name() } else { NameId::from_index(catalogue.group(*id).0 as usize) };
            tables.name_of.push(name);
            tables.members[name.to_index()].push(SolvableId::from_index(row));
        }
        Self { catalogue: Rc::clone(catalogue), muted, tables: RefCell::new(tables) }
    }

    /// The package of a candidate; none for an auxiliary one.
    pub(crate) fn package(&self, solvable: SolvableId) -> Option<PackageId> {
        self.catalogue.rows().get(solvable.to_index()).copied()
    }

    /// An auxiliary candidate that stands for all items of a request. It is never chosen: the search begins with its needs.
    pub(crate) fn request(&self, items: &[&Item]) -> SolvableId {
        let mut draft = Draft::default();
        items.iter().for_each(|item| self.item(item, &mut draft));
        self.auxiliary(draft)
    }

    fn item(&self, item: &Item, draft: &mut Draft) {
        match item.wanted() {
            Wanted::Simple(dependency) => {
                let packages = crate::solver::providers_of_item(self.catalogue.universe, item);
                let packages: Vec<PackageId> = packages.into_iter().filter(|id| self.may_be_used(*id)).collect();
                draft.requirements.push(self.one_of(&packages, std::slice::from_ref(&dependency.name)));
            }
            Wanted::Rich(tree) => {
                let usable = |id| self.catalogue.forbidden(id).is_none();
                let (formula, root) = Builder::new(self.catalogue.universe, None, &usable).requirement(tree);
                self.formula(&formula, root, draft);
            }
        }
    }

    /// An auxiliary candidate that needs what a package recommends.
    pub(crate) fn recommendation(&self, owner: PackageId, dependency: &Dependency) -> SolvableId {
        let mut draft = Draft::default();
        self.requires(owner, dependency, &mut draft);
        self.auxiliary(draft)
    }

    fn auxiliary(&self, draft: Draft) -> SolvableId {
        let needs = Rc::new(self.finish(draft));
        self.tables.borrow_mut().add_auxiliary(needs)
    }

    /// Adds the guarded clauses that an answer to a request breaks. False if it breaks none.
    pub(crate) fn add_broken(&self, request: SolvableId, chosen: &[SolvableId]) -> bool {
        let there: FxHashSet<SolvableId> = chosen.iter().copied().collect();
        let is_there = |id: &PackageId| there.contains(&SolvableId::from_index(self.catalogue.row(*id) as usize));
        let mut broken = Vec::new();
        for owner in std::iter::once(&request).chain(chosen) {
            for (number, clause) in self.needs(*owner).guarded.iter().enumerate() {
                let holds = clause.candidates.iter().any(|candidate| there.contains(candidate))
                    || clause.unless.iter().any(|set| !set.iter().any(is_there));
                if !holds {
                    broken.push((*owner, number, clause.clone()));
                }
            }
        }
        for (owner, number, clause) in &broken {
            let absent = clause.unless.iter().map(|set| self.absence(set)).collect::<Vec<_>>();
            let mut tables = self.tables.borrow_mut();
            let added = tables.one_of(clause.candidates.iter().copied().chain(absent).collect());
            debug_assert!(!tables.added.iter().any(|one| (one.0, one.1) == (*owner, *number)), "an added clause holds");
            tables.added.push((*owner, *number, added));
        }
        !broken.is_empty()
    }

    /// Forgets the guarded clauses that were added. False if there were none.
    pub(crate) fn forget_added(&self) -> bool {
        !std::mem::take(&mut self.tables.borrow_mut().added).is_empty()
    }

    /// An auxiliary candidate that excludes some packages.
    fn absence(&self, packages: &Rc<[PackageId]>) -> SolvableId {
        if let Some(known) = self.tables.borrow().absence.get(packages) {
            return *known;
        }
        let made = self.auxiliary(Draft { excluded: packages.to_vec(), ..Draft::default() });
        self.tables.borrow_mut().absence.insert(Rc::clone(packages), made);
        made
    }

    /// The drawn-up needs, as requirements and constraints.
    fn finish(&self, mut draft: Draft) -> Needs {
        let mut constrains = Vec::new();
        draft.excluded.retain(|other| self.may_be_used(*other));
        draft.excluded.sort_unstable_by_key(|id| self.catalogue.row(*id));
        draft.excluded.dedup();
        let mut tables = self.tables.borrow_mut();
        let mut at = 0;
        while at < draft.excluded.len() {
            let solvable = |id: &PackageId| SolvableId::from_index(self.catalogue.row(*id) as usize);
            let name = tables.name_of[self.catalogue.row(draft.excluded[at]) as usize];
            let same = |id: &&PackageId| tables.name_of[self.catalogue.row(**id) as usize] == name;
            let excluded: Vec<SolvableId> = draft.excluded[at..].iter().take_while(same).map(solvable).collect();
            at += excluded.len();
            constrains.push(tables.all_but(name, excluded));
        }
        let mut seen = FxHashSet::default();
        draft.requirements.retain(|requirement| seen.insert(*requirement));
        let requirements = draft.requirements.into_iter().map(Into::into).collect();
        Needs { known: KnownDependencies { requirements, constrains }, guarded: draft.guarded }
    }

    fn may_be_used(&self, id: PackageId) -> bool {
        // In an explanation, that a package is forbidden is one of the facts: it is among the candidates, and cannot be
        // chosen as long as the fact counts.
        self.muted.is_some() || self.catalogue.forbidden(id).is_none()
    }

    /// What a candidate needs, with the guarded clauses that were added to it.
    pub(crate) fn all_needs(&self, solvable: SolvableId) -> KnownDependencies {
        let mut known = self.needs(solvable).known.clone();
        let tables = self.tables.borrow();
        let added = tables.added.iter().filter(|(owner, ..)| *owner == solvable);
        known.requirements.extend(added.map(|(_, _, requirement)| ConditionalRequirement::from(*requirement)));
        known
    }

    fn needs(&self, solvable: SolvableId) -> Rc<Needs> {
        let Some(id) = self.package(solvable) else {
            return Rc::clone(&self.tables.borrow().auxiliary[solvable.to_index() - self.catalogue.len()]);
        };
        if let Some(known) = self.tables.borrow().packages.get(&id) {
            return Rc::clone(known);
        }
        let made = Rc::new(self.needs_of_package(id));
        self.tables.borrow_mut().packages.insert(id, Rc::clone(&made));
        made
    }

    fn needs_of_package(&self, id: PackageId) -> Needs {
        let package = self.catalogue.universe.package(id);
        let mut draft = Draft::default();
        if self.catalogue.forbidden(id).is_some() && self.muted.as_ref().is_none_or(|muted| muted.forbidden(id)) {
            draft.requirements.push(self.impossible());
            return self.finish(draft);
        }
        let counts = |kind, at| self.muted.as_ref().is_none_or(|muted| muted.dependency(id, kind, at));
        for (at, dependency) in package.requires.iter().enumerate() {
            if counts(DependencyKind::Requires, at) {
                self.requires(id, dependency, &mut draft);
            }
        }
        for (at, dependency) in package.conflicts.iter().enumerate() {
            if counts(DependencyKind::Conflicts, at) {
                self.conflicts(id, dependency, &mut draft);
            }
        }
        for (at, dependency) in package.obsoletes.iter().enumerate() {
            // A package does not obsolete its own name (`addObsoleteErasures` of `lib/depends.c`).
            if dependency.name != package.name() && counts(DependencyKind::Obsoletes, at) {
                draft.excluded.extend(self.catalogue.universe.obsoleted(dependency));
            }
        }
        if self.muted.as_ref().is_none_or(|muted| muted.one_version(id)) {
            draft.excluded.extend(self.catalogue.apart(id));
        }
        self.finish(draft)
    }

    fn requires(&self, owner: PackageId, dependency: &Dependency, draft: &mut Draft) {
        if is_missing_ok(dependency) {
            return;
        }
        if rpmlib::is_rpmlib(&dependency.name) {
            if !rpmlib::is_provided(dependency) {
                draft.requirements.push(self.impossible());
            }
        } else if dependency.is_rich() {
            match rich_of(dependency, DependencyKind::Requires) {
                Some(tree) => {
                    let usable = |id| self.catalogue.forbidden(id).is_none();
                    let (formula, root) =
                        Builder::new(self.catalogue.universe, Some(owner), &usable).requirement(&tree);
                    self.formula(&formula, root, draft);
                }
                None => draft.requirements.push(self.impossible()),
            }
        } else {
            draft.requirements.extend(self.simple(owner, dependency));
        }
    }

    fn conflicts(&self, owner: PackageId, dependency: &Dependency, draft: &mut Draft) {
        if dependency.is_rich() {
            match rich_of(dependency, DependencyKind::Conflicts) {
                Some(tree) => {
                    let usable = |id| self.catalogue.forbidden(id).is_none();
                    let (formula, root) = Builder::new(self.catalogue.universe, Some(owner), &usable).conflict(&tree);
                    self.formula(&formula, root, draft);
                }
                // rpm takes a conflict that it cannot read as one that strikes.
                None => draft.requirements.push(self.impossible()),
            }
        } else {
            let packages = self.catalogue.universe.providers(dependency);
            draft.excluded.extend(packages.into_iter().filter(|id| *id != owner));
        }
    }

    /// The requirement of a simple dependency; nothing if the owner provides it.
    fn simple(&self, owner: PackageId, dependency: &Dependency) -> Option<Requirement> {
        let mut key = std::mem::take(&mut self.tables.borrow_mut().key);
        key.clear();
        key.push_str(&dependency.name);
        let sense = dependency.sense.relation();
        if !sense.is_empty() {
            key.push('\0');
            key.push_str(sense.operator());
            key.push_str(&dependency.evr);
        }
        let known = self.tables.borrow().known.get(&key).cloned();
        let known = known.unwrap_or_else(|| {
            let packages = self.catalogue.universe.providers(dependency).into_iter();
            let packages: Rc<[PackageId]> = packages.filter(|id| self.may_be_used(*id)).collect();
            let requirement = self.one_of(&packages, std::slice::from_ref(&dependency.name));
            let known = Known { packages, requirement };
            self.tables.borrow_mut().known.insert(key.clone(), known.clone());
            known
        });
        self.tables.borrow_mut().key = key;
        known.packages.binary_search(&owner).is_err().then_some(known.requirement)
    }

    /// One of the packages, which are tried in their order of preference.
    fn one_of(&self, packages: &[PackageId], names: &[String]) -> Requirement {
        if packages.is_empty() {
            return self.impossible();
        }
        let preferred = self.catalogue.preferred(packages, names);
        let candidates = preferred.into_iter().map(|id| SolvableId::from_index(self.catalogue.row(id) as usize));
        self.tables.borrow_mut().one_of(candidates.collect())
    }

    fn impossible(&self) -> Requirement {
        let mut tables = self.tables.borrow_mut();
        if let Some(known) = tables.impossible {
            return known;
        }
        let name = tables.add_name();
        let made = Requirement::Single(tables.add_set(name, Set::Only(Vec::new())));
        tables.impossible = Some(made);
        made
    }

    /// What has to be there for a formula to hold.
    fn formula(&self, formula: &Formula, node: NodeId, draft: &mut Draft) {
        let mut auxiliary = FxHashMap::default();
        self.need(formula, node, draft, &mut auxiliary);
    }

    fn need(&self, formula: &Formula, node: NodeId, draft: &mut Draft, auxiliary: &mut FxHashMap<NodeId, SolvableId>) {
        match formula.node(node) {
            Node::True => {}
            Node::False => draft.requirements.push(self.impossible()),
            Node::Any(..) => self.alternatives(formula, &[node], draft, auxiliary),
            Node::None(packages) => draft.excluded.extend(packages.iter()),
            Node::And(parts) => parts.iter().for_each(|part| self.need(formula, *part, draft, auxiliary)),
            Node::Or(parts) => self.alternatives(formula, parts, draft, auxiliary),
        }
    }

    /// One of several parts: packages in their order of preference, then parts that need several things, as written. What
    /// must not be there makes the clause a guarded one.
    fn alternatives(
        &self,
        formula: &Formula,
        parts: &[NodeId],
        draft: &mut Draft,
        auxiliary: &mut FxHashMap<NodeId, SolvableId>,
    ) {
        let (mut packages, mut names, mut others, mut unless) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for part in parts {
            match formula.node(*part) {
                Node::Any(set, asked) => {
                    packages.extend(set.iter().copied().filter(|id| self.may_be_used(*id)));
                    names.extend(asked.iter().cloned());
                }
                Node::None(set) => unless.push(Rc::clone(set)),
                _ => {
                    let known = auxiliary.get(part).copied();
                    let candidate = known.unwrap_or_else(|| {
                        let mut draft = Draft::default();
                        self.need(formula, *part, &mut draft, auxiliary);
                        let made = self.auxiliary(draft);
                        auxiliary.insert(*part, made);
                        made
                    });
                    others.push(candidate);
                }
            }
        }
        packages.sort_unstable();
        packages.dedup();
        let preferred = self.catalogue.preferred(&packages, &names);
        let rows = preferred.into_iter().map(|id| SolvableId::from_index(self.catalogue.row(id) as usize));
        let candidates: Vec<SolvableId> = rows.chain(others).collect();
        if !unless.is_empty() {
            draft.guarded.push(Guarded { unless, candidates });
        } else if candidates.is_empty() {
            draft.requirements.push(self.impossible());
        } else {
            draft.requirements.push(self.tables.borrow_mut().one_of(candidates));
        }
    }
}

impl Tables {
    fn add_name(&mut self) -> NameId {
        self.members.push(Vec::new());
        NameId::from_index(self.members.len() - 1)
    }

    fn add_auxiliary(&mut self, needs: Rc<Needs>) -> SolvableId {
        let name = self.add_name();
        let id = SolvableId::from_index(self.name_of.len());
        self.name_of.push(name);
        self.members[name.to_index()].push(id);
        self.auxiliary.push(needs);
        id
    }

    fn add_set(&mut self, name: NameId, set: Set) -> VersionSetId {
        self.sets.push((name, set));
        VersionSetId::from_index(self.sets.len() - 1)
    }

    fn all_but(&mut self, name: NameId, excluded: Vec<SolvableId>) -> VersionSetId {
        if let Some(known) = self.all_but.get(&(name, excluded.clone())) {
            return *known;
        }
        let set = self.add_set(name, Set::AllBut(excluded.clone()));
        self.all_but.insert((name, excluded), set);
        set
    }

    /// A requirement of one of the candidates, in their order: neighbours of one name are a set, the sets are a union.
    /// Many dependencies mean the same candidates (the names of one library's versions), and are one requirement.
    fn one_of(&mut self, candidates: Vec<SolvableId>) -> Requirement {
        if let Some(known) = self.requirements.get(&candidates) {
            return *known;
        }
        let made = self.add_requirement(&candidates);
        self.requirements.insert(candidates, made);
        made
    }

    fn add_requirement(&mut self, candidates: &[SolvableId]) -> Requirement {
        let mut runs: Vec<(NameId, Vec<SolvableId>)> = Vec::new();
        for candidate in candidates {
            let name = self.name_of[candidate.to_index()];
            match runs.last_mut() {
                Some((last, run)) if *last == name => run.push(*candidate),
                _ => runs.push((name, vec![*candidate])),
            }
        }
        let sets: Vec<VersionSetId> = runs.into_iter().map(|(name, run)| self.add_set(name, Set::Only(run))).collect();
        match sets.as_slice() {
            [one] => Requirement::Single(*one),
            _ => {
                self.unions.push(sets);
                Requirement::Union(VersionSetUnionId::from_index(self.unions.len() - 1))
            }
        }
    }
}

/// The encoding, as resolvo takes it.
pub(crate) struct Provider<'u>(pub(crate) Rc<Encoding<'u>>);

impl Interner for Provider<'_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        match self.0.package(solvable) {
            Some(id) => self.0.catalogue.universe.package(id).to_string(),
            None => format!("auxiliary candidate {}", solvable.into_raw()),
        }
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        name.into_raw()
    }

    fn display_version_set(&self, set: VersionSetId) -> impl Display + '_ {
        set.0
    }

    fn display_string(&self, string: StringId) -> impl Display + '_ {
        string.0
    }

    fn version_set_name(&self, set: VersionSetId) -> NameId {
        self.0.tables.borrow().sets[set.to_index()].0
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        self.0.tables.borrow().name_of[solvable.to_index()]
    }

    fn version_sets_in_union(&self, union: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        self.0.tables.borrow().unions[union.to_index()].clone().into_iter()
    }

    fn resolve_condition(&self, _condition: ConditionId) -> Condition {
        unreachable!("no requirement has a condition")
    }
}

impl DependencyProvider for Provider<'_> {
    async fn filter_candidates(&self, candidates: &[SolvableId], set: VersionSetId, inverse: bool) -> Vec<SolvableId> {
        let tables = self.0.tables.borrow();
        match (&tables.sets[set.to_index()].1, inverse) {
            (Set::Only(only), false) => only.clone(),
            (Set::AllBut(excluded), true) => excluded.clone(),
            (Set::Only(all) | Set::AllBut(all), _) => {
                candidates.iter().copied().filter(|candidate| !all.contains(candidate)).collect()
            }
        }
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates<SolvableId>> {
        let candidates = self.0.tables.borrow().members[name.to_index()].clone();
        Some(Candidates {
            candidates,
            hint_dependencies_available: HintDependenciesAvailable::None,
            ..Candidates::default()
        })
    }

    async fn sort_candidates(&self, _solver: &SolverCache<Self>, _solvables: &mut [SolvableId]) {
        // The sets are in the order of preference already.
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        Dependencies::Known(self.0.all_needs(solvable))
    }

    fn should_cancel_with_value(&self) -> Option<Box<dyn Any>> {
        None
    }
}

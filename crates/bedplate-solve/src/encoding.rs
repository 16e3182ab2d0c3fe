//! The mapping of packages onto resolvo.
//!
//! resolvo knows names, of whose candidates one at most is chosen; requirements (one of a list of candidates); constraints (some
//! candidates of a name may not be chosen); and conditions. It is told:
//!
//! | rpm | resolvo |
//! |---|---|
//! | packages of a name | candidates of a name; of a multi-version name, each NEVRA is a name |
//! | `Requires: a` | a requirement: a union of sets of candidates, in the order of [`crate::catalogue`] |
//! | `Conflicts`, `Obsoletes` | constraints |
//! | `(a and b)` | two requirements |
//! | `(a or (b and c))` | a requirement of `a` or of an auxiliary candidate that requires `b` and `c` |
//! | `(a if b)` | a requirement of `a` under the condition *b is there* |
//!
//! The condition *one of the packages S is there* is an auxiliary name with the candidates *yes* and *no*; each package of S
//! requires *yes*. The clause of `(a if b)` is then `a ∨ no`, which is exact: resolvo's own way, to take the other candidates
//! of a name for its negation, would be wrong for a package that is not there at all. resolvo looks at such a clause only
//! when *yes* is chosen, so that nothing is decided because of a package that nobody wants.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::Display;
use std::rc::Rc;

use bedplate_model::{Dependency, DependencyKind};
use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, DenseIndex, Dependencies, DependencyProvider,
    HintDependenciesAvailable, Interner, KnownDependencies, LogicalOperator, NameId, Requirement, SolvableId, SolverCache,
    StringId, VersionSetId, VersionSetUnionId,
};
use rustc_hash::FxHashMap;

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
    /// Made when it is first required.
    requirement: Option<Requirement>,
}

#[derive(Debug, Default)]
struct Tables {
    name_of: Vec<NameId>,
    members: Vec<Vec<SolvableId>>,
    /// What auxiliary candidates need; the first has the number of packages as its id.
    auxiliary: Vec<KnownDependencies>,
    sets: Vec<(NameId, Set)>,
    all_but: FxHashMap<(NameId, Vec<SolvableId>), VersionSetId>,
    unions: Vec<Vec<VersionSetId>>,
    conditions: Vec<Condition>,
    known: FxHashMap<String, Known>,
    key: String,
    /// The set of *yes* of the condition that one of the packages is there.
    presence: FxHashMap<Rc<[PackageId]>, VersionSetId>,
    /// The conditions that a package makes true.
    makes_true: FxHashMap<PackageId, Vec<VersionSetId>>,
    impossible: Option<Requirement>,
}

/// What one package, request or auxiliary candidate needs.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    requirements: Vec<ConditionalRequirement>,
    excluded: Vec<PackageId>,
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
        for row in 0..count {
            let id = package_of(catalogue, row);
            let alone = muted.as_ref().is_some_and(|muted| !muted.one_version(id));
            let name = if alone { tables.add_name() } else { NameId::from_index(catalogue.group(id).0 as usize) };
            tables.name_of.push(name);
            tables.members[name.to_index()].push(SolvableId::from_index(row));
        }
        let encoding = Self { catalogue: Rc::clone(catalogue), muted, tables: RefCell::new(tables) };
        // Conditions have to be known before the first package is asked for: packages make them true.
        for id in encoding.catalogue.rich() {
            if encoding.muted.as_ref().is_none_or(|muted| muted.has(*id)) {
                encoding.rich_dependencies(*id);
            }
        }
        encoding
    }

    /// How many conditions there are; a search that began with fewer has to begin anew.
    pub(crate) fn condition_count(&self) -> usize {
        self.tables.borrow().presence.len()
    }

    /// The package of a candidate; none for an auxiliary one.
    pub(crate) fn package(&self, solvable: SolvableId) -> Option<PackageId> {
        self.catalogue.package(row_number(solvable))
    }

    /// What an item of a request needs.
    pub(crate) fn item(&self, item: &Item, draft: &mut Draft) {
        match item.wanted() {
            Wanted::Simple(dependency) => {
                let packages = crate::solver::providers_of_item(self.catalogue.universe, item);
                let packages: Vec<PackageId> = packages.into_iter().filter(|id| self.may_be_used(*id)).collect();
                let requirement = self.one_of(&packages, std::slice::from_ref(&dependency.name));
                draft.requirements.push(requirement.into());
            }
            Wanted::Rich(tree) => {
                let (formula, root) = Builder::new(self.catalogue.universe, None).requirement(tree);
                self.formula(&formula, root, draft);
            }
        }
    }

    /// An auxiliary candidate that needs what a package recommends.
    pub(crate) fn recommendation(&self, owner: PackageId, dependency: &Dependency) -> SolvableId {
        let mut draft = Draft::default();
        self.requires(owner, dependency, &mut draft);
        let needs = self.finish(draft);
        self.tables.borrow_mut().add_auxiliary(needs)
    }

    /// The drawn-up needs, as requirements and constraints.
    pub(crate) fn finish(&self, mut draft: Draft) -> KnownDependencies {
        let mut constrains = Vec::new();
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
        KnownDependencies { requirements: draft.requirements, constrains }
    }

    fn may_be_used(&self, id: PackageId) -> bool {
        // In an explanation, that a package is forbidden is one of the facts: it is among the candidates, and cannot be
        // chosen as long as the fact counts.
        self.muted.is_some() || self.catalogue.forbidden(id).is_none()
    }

    fn dependencies(&self, id: PackageId) -> KnownDependencies {
        let package = self.catalogue.universe.package(id);
        let mut draft = Draft::default();
        if self.catalogue.forbidden(id).is_some() && self.muted.as_ref().is_none_or(|muted| muted.forbidden(id)) {
            draft.requirements.push(self.impossible().into());
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
        draft.excluded.retain(|other| self.may_be_used(*other));
        if let Some(sets) = self.tables.borrow().makes_true.get(&id) {
            draft.requirements.extend(sets.iter().map(|set| ConditionalRequirement::from(*set)));
        }
        self.finish(draft)
    }

    /// Meets all conditions of a package's rich dependencies.
    fn rich_dependencies(&self, id: PackageId) {
        let package = self.catalogue.universe.package(id);
        let mut draft = Draft::default();
        let recommends = if self.catalogue.options.recommends { package.recommends.as_slice() } else { &[] };
        for dependency in package.requires.iter().chain(recommends).filter(|one| one.is_rich()) {
            self.requires(id, dependency, &mut draft);
        }
        for dependency in package.conflicts.iter().filter(|one| one.is_rich()) {
            self.conflicts(id, dependency, &mut draft);
        }
    }

    fn requires(&self, owner: PackageId, dependency: &Dependency, draft: &mut Draft) {
        if is_missing_ok(dependency) {
            return;
        }
        if rpmlib::is_rpmlib(&dependency.name) {
            if !rpmlib::is_provided(dependency) {
                draft.requirements.push(self.impossible().into());
            }
        } else if dependency.is_rich() {
            match rich_of(dependency, DependencyKind::Requires) {
                Some(tree) => {
                    let (formula, root) = Builder::new(self.catalogue.universe, Some(owner)).requirement(&tree);
                    self.formula(&formula, root, draft);
                }
                None => draft.requirements.push(self.impossible().into()),
            }
        } else if let Some(requirement) = self.simple(owner, dependency) {
            draft.requirements.push(requirement.into());
        }
    }

    fn conflicts(&self, owner: PackageId, dependency: &Dependency, draft: &mut Draft) {
        if dependency.is_rich() {
            match rich_of(dependency, DependencyKind::Conflicts) {
                Some(tree) => {
                    let (formula, root) = Builder::new(self.catalogue.universe, Some(owner)).conflict(&tree);
                    self.formula(&formula, root, draft);
                }
                // rpm takes a conflict that it cannot read as one that strikes.
                None => draft.requirements.push(self.impossible().into()),
            }
        } else {
            let packages = self.catalogue.universe.providers(dependency);
            draft.excluded.extend(packages.into_iter().filter(|id| *id != owner));
        }
    }

    /// The requirement of a simple dependency; nothing if the owner provides it.
    fn simple(&self, owner: PackageId, dependency: &Dependency) -> Option<Requirement> {
        let mut tables = self.tables.borrow_mut();
        let mut key = std::mem::take(&mut tables.key);
        key.clear();
        key.push_str(&dependency.name);
        let sense = dependency.sense.relation();
        if !sense.is_empty() {
            key.push('\0');
            key.push_str(sense.operator());
            key.push_str(&dependency.evr);
        }
        let known = if let Some(known) = tables.known.get(&key) {
            known.clone()
        } else {
            let packages = self.catalogue.universe.providers(dependency).into_iter();
            let packages = packages.filter(|id| self.may_be_used(*id)).collect();
            let known = Known { packages, requirement: None };
            tables.known.insert(key.clone(), known.clone());
            known
        };
        let requirement = match known.requirement {
            _ if known.packages.binary_search(&owner).is_ok() => None,
            Some(requirement) => Some(requirement),
            None => {
                drop(tables);
                let made = self.one_of(&known.packages, std::slice::from_ref(&dependency.name));
                tables = self.tables.borrow_mut();
                if let Some(known) = tables.known.get_mut(&key) {
                    known.requirement = Some(made);
                }
                Some(made)
            }
        };
        tables.key = key;
        requirement
    }

    /// One of the packages, which are tried in their order of preference.
    fn one_of(&self, packages: &[PackageId], names: &[String]) -> Requirement {
        if packages.is_empty() {
            return self.impossible();
        }
        let preferred = self.catalogue.preferred(packages, names);
        let candidates = preferred.into_iter().map(|id| SolvableId::from_index(self.catalogue.row(id) as usize));
        self.tables.borrow_mut().one_of(candidates)
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

    fn need(
        &self,
        formula: &Formula,
        node: NodeId,
        draft: &mut Draft,
        auxiliary: &mut FxHashMap<NodeId, SolvableId>,
    ) {
        match formula.node(node) {
            Node::True => {}
            Node::False => draft.requirements.push(self.impossible().into()),
            Node::Any(..) => {
                draft.requirements.extend(self.alternatives(formula, &[node], auxiliary));
            }
            Node::None(packages) => draft.excluded.extend(packages.iter().filter(|id| self.may_be_used(**id))),
            Node::And(parts) => parts.iter().for_each(|part| self.need(formula, *part, draft, auxiliary)),
            Node::Or(parts) => {
                draft.requirements.extend(self.alternatives(formula, parts, auxiliary));
            }
        }
    }

    /// One of several parts: packages in their order of preference, then parts that need several things, as written. What
    /// must not be there is the condition. Nothing if one of the parts always holds.
    fn alternatives(
        &self,
        formula: &Formula,
        parts: &[NodeId],
        auxiliary: &mut FxHashMap<NodeId, SolvableId>,
    ) -> Option<ConditionalRequirement> {
        let (mut packages, mut names, mut others, mut condition) = (Vec::new(), Vec::new(), Vec::new(), None);
        for part in parts {
            match formula.node(*part) {
                Node::Any(set, asked) => {
                    packages.extend(set.iter().copied().filter(|id| self.may_be_used(*id)));
                    names.extend(asked.iter().cloned());
                }
                Node::None(set) => {
                    let set: Vec<PackageId> = set.iter().copied().filter(|id| self.may_be_used(*id)).collect();
                    // Of packages that may not be used, none is there: the whole holds.
                    if set.is_empty() {
                        return None;
                    }
                    let present = self.presence(set.into());
                    condition = Some(self.tables.borrow_mut().and(condition, present));
                }
                _ => {
                    let known = auxiliary.get(part).copied();
                    let candidate = known.unwrap_or_else(|| {
                        let mut draft = Draft::default();
                        self.need(formula, *part, &mut draft, auxiliary);
                        let needs = self.finish(draft);
                        let made = self.tables.borrow_mut().add_auxiliary(needs);
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
        let requirement =
            if candidates.is_empty() { self.impossible() } else { self.tables.borrow_mut().one_of(candidates.into_iter()) };
        Some(ConditionalRequirement { condition, requirement })
    }

    /// The condition that one of the packages is there.
    fn presence(&self, packages: Rc<[PackageId]>) -> VersionSetId {
        let mut tables = self.tables.borrow_mut();
        if let Some(known) = tables.presence.get(&packages) {
            return *known;
        }
        let yes = tables.add_auxiliary(KnownDependencies::default());
        let name = tables.name_of[yes.to_index()];
        let no = SolvableId::from_index(tables.name_of.len());
        tables.name_of.push(name);
        tables.members[name.to_index()].push(no);
        tables.auxiliary.push(KnownDependencies::default());
        let set = tables.add_set(name, Set::Only(vec![yes]));
        for id in packages.iter() {
            tables.makes_true.entry(*id).or_default().push(set);
        }
        tables.presence.insert(packages, set);
        set
    }
}

impl Tables {
    fn add_name(&mut self) -> NameId {
        self.members.push(Vec::new());
        NameId::from_index(self.members.len() - 1)
    }

    fn add_auxiliary(&mut self, needs: KnownDependencies) -> SolvableId {
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
    fn one_of(&mut self, candidates: impl Iterator<Item = SolvableId>) -> Requirement {
        let mut runs: Vec<(NameId, Vec<SolvableId>)> = Vec::new();
        for candidate in candidates {
            let name = self.name_of[candidate.to_index()];
            match runs.last_mut() {
                Some((last, run)) if *last == name => run.push(candidate),
                _ => runs.push((name, vec![candidate])),
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

    fn add_condition(&mut self, condition: Condition) -> ConditionId {
        self.conditions.push(condition);
        ConditionId::from_index(self.conditions.len() - 1)
    }

    fn and(&mut self, left: Option<ConditionId>, right: VersionSetId) -> ConditionId {
        let right = self.add_condition(Condition::Requirement(right));
        match left {
            Some(left) => self.add_condition(Condition::Binary(LogicalOperator::And, left, right)),
            None => right,
        }
    }
}

fn package_of(catalogue: &Catalogue<'_>, row: usize) -> PackageId {
    u32::try_from(row).ok().and_then(|row| catalogue.package(row)).expect("rows are counted")
}

fn row_number(solvable: SolvableId) -> u32 {
    solvable.into_raw()
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

    fn resolve_condition(&self, condition: ConditionId) -> Condition {
        self.0.tables.borrow().conditions[condition.to_index()].clone()
    }
}

impl DependencyProvider for Provider<'_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
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
        Dependencies::Known(match self.0.package(solvable) {
            Some(id) => self.0.dependencies(id),
            None => {
                let auxiliary = solvable.to_index() - self.0.catalogue.len();
                self.0.tables.borrow().auxiliary[auxiliary].clone()
            }
        })
    }

    fn should_cancel_with_value(&self) -> Option<Box<dyn Any>> {
        None
    }
}

//! How a graph is made: roots, cycles and their cuts, checks, what is wrong.

use std::rc::Rc;

use bedplate_diag::Diagnostic;
use bedplate_solve::{Item, Options, PackageId, Pattern, Solver};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::closure::{Asker, Chooser, Closure, Mode, Requirement, Want};
use crate::cycles::{self, Component, Unit};
use crate::graph::{CutUnit, Cycle, CycleGroup, Finding, NodeKind, is_built, specs_in};
use crate::input::Spec;
use crate::pool::{Origin, Pool, SpecId};
use crate::seed::Seed;
use crate::why::Step;

/// The cost of a unit that neither the seed nor a repository can take the place of.
const IMPOSSIBLE: u32 = 1000;

/// Two specs of one name: the second is left out.
pub(crate) fn refuse_duplicates(specs: &mut [Spec]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut first: FxHashMap<String, usize> = FxHashMap::default();
    let mut made: FxHashMap<String, usize> = FxHashMap::default();
    for at in 0..specs.len() {
        if specs[at].excluded.is_some() {
            continue;
        }
        if let Some(known) = first.get(&specs[at].name) {
            let known = &specs[*known];
            let mut wrong = Diagnostic::error("duplicate-spec", format!("two specs have the name `{}`", known.name))
                .note(format!("the other is {}", known.path), known.span)
                .hint("take one of them away, or give it another name");
            wrong.span = specs[at].span;
            findings.push(Finding { diagnostic: wrong, about: vec![(spec_id(at), NodeKind::Build)] });
            specs[at].excluded = Some(format!("{} has the same name", specs[first[&specs[at].name]].path));
            continue;
        }
        first.insert(specs[at].name.clone(), at);
        for package in &specs[at].packages {
            let nevra = package.package.nevra.to_string();
            if let Some(known) = made.get(&nevra).filter(|known| **known != at) {
                let known = &specs[*known];
                let mut wrong = Diagnostic::error("duplicate-package", format!("two specs make `{nevra}`"))
                    .note(format!("the other is {}", known.path), known.span)
                    .hint("only one spec may make a package of one name, version and architecture");
                wrong.span = specs[at].span;
                findings.push(Finding { diagnostic: wrong, about: vec![(spec_id(at), NodeKind::Build)] });
            }
            made.entry(nevra).or_insert(at);
        }
    }
    findings
}

/// The root of a build or check: what it asks for, and what is in it.
#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) closure: Closure,
    /// The requirements that are met without specs.
    pub(crate) seeded: FxHashSet<usize>,
}

/// Of more roots without a solution than this, only the names are told: reasons take long to find, and are mostly the same.
const MAX_EXPLAINED: usize = 5;

/// A graph while it is made.
pub(crate) struct Maker<'a> {
    pub(crate) specs: &'a [Spec],
    pub(crate) pool: &'a Pool,
    pub(crate) chooser: &'a Chooser<'a>,
    pub(crate) roots: Vec<Root>,
    /// Specs that cannot be built.
    pub(crate) blocked: FxHashSet<SpecId>,
}

impl Maker<'_> {
    /// The wants of a root, in the order of [`Spec::build_requires`].
    fn wants(&self, spec: &Spec, seeded: &FxHashSet<usize>) -> Vec<Rc<Want>> {
        self.chooser.wants_of_build(&spec.build_requires, seeded)
    }

    /// The wants of a check's root: those of the build, and then those of the check only.
    fn check_wants(&self, spec: &Spec, seeded: &FxHashSet<usize>) -> Vec<Rc<Want>> {
        let mut wants = self.wants(spec, seeded);
        let check = spec.check.iter().flatten();
        wants.extend(check.map(|wanted| self.chooser.want(&wanted.dependency, Mode::Normal)));
        wants
    }

    pub(crate) fn root(&self, at: usize, seeded: FxHashSet<usize>) -> Root {
        let spec = &self.specs[at];
        if spec.excluded.is_some() {
            return Root { closure: Closure::default(), seeded };
        }
        let wants = self.wants(spec, &seeded);
        let closure = self.settle(spec_id(at), &wants, &seeded);
        Root { closure, seeded }
    }

    /// The closure of a root's wants. If the rules of choice end in a conflict, the solver chooses.
    fn settle(&self, id: SpecId, wants: &[Rc<Want>], seeded: &FxHashSet<usize>) -> Closure {
        let mut closure = self.chooser.close(wants, |at| Mode::of(seeded, at));
        let spec = &self.specs[id.0 as usize];
        let is_good = !closure.is_unsettled && !self.chooser.has_conflict(&closure, &spec.build_conflicts);
        if is_good || !closure.unmet.is_empty() {
            return closure;
        }
        let (options, items) = self.request(spec, wants, seeded, &closure);
        match Solver::new(&self.pool.universe, options).find(&items) {
            Some(solution) => {
                let is_cut = |one: &PackageId| closure.members.get(one) == Some(&true);
                closure.members = solution.ids().into_iter().map(|one| (one, is_cut(&one))).collect();
                // The solver does not know of rich `BuildConflicts`.
                closure.is_unsolvable = self.chooser.has_conflict(&closure, &spec.build_conflicts);
            }
            None => closure.is_unsolvable = true,
        }
        closure
    }

    /// A root as a request to the solver. What the rules chose is preferred, so that as little as possible changes.
    fn request(
        &self,
        spec: &Spec,
        wants: &[Rc<Want>],
        seeded: &FxHashSet<usize>,
        closure: &Closure,
    ) -> (Options, Vec<Item>) {
        let universe = &self.pool.universe;
        let nevra = |one: PackageId| universe.package(one).nevra.clone();
        let mut items = Vec::new();
        let wanted = spec.build_requires.iter().chain(spec.check.iter().flatten());
        for (at, (want, wanted)) in wants.iter().zip(wanted).enumerate() {
            items.push(Item::from(wanted.dependency.clone()));
            if seeded.contains(&at) {
                // What cuts a cycle stays what it is.
                let mut met = Vec::new();
                self.chooser.met_by(want, closure, false, &mut met);
                items.extend(met.iter().filter_map(|one| nevra(*one).to_string().parse::<Item>().ok()));
            }
        }
        let unwanted = spec.build_conflicts.iter().filter(|one| !one.dependency.is_rich());
        let unwanted = unwanted.flat_map(|one| universe.providers(&one.dependency));
        let mut favoured: Vec<PackageId> = closure.members.keys().copied().collect();
        favoured.sort_unstable();
        let options = Options {
            exclude: unwanted.map(|one| Pattern::new(nevra(one).to_string())).collect(),
            favoured: favoured.into_iter().map(nevra).collect(),
            ..self.pool.solver_options()
        };
        (options, items)
    }

    /// A finding for each root that has no solution. Builds of such roots are blocked; of checks only the check is.
    pub(crate) fn unsolvable_roots(&mut self, checks: &[(SpecId, Root)]) -> Vec<Finding> {
        let builds = self.roots.iter().enumerate().map(|(at, root)| (spec_id(at), root, NodeKind::Build));
        // A check's root holds that of the build: one and the same conflict is told once.
        let own = |id: &SpecId| !self.roots[id.0 as usize].closure.is_unsolvable;
        let checks = checks.iter().filter(|(id, _)| own(id)).map(|(id, root)| (*id, root, NodeKind::Check));
        let bad: Vec<_> = builds
            .chain(checks)
            .filter(|(id, root, _)| root.closure.is_unsolvable && !is_built(self.pool, &self.specs[id.0 as usize], *id))
            .collect();
        let mut found = Vec::new();
        for (at, (id, root, kind)) in bad.iter().enumerate() {
            let word = if *kind == NodeKind::Build { "build" } else { "check" };
            let spec = &self.specs[id.0 as usize];
            let message = format!("the {word} root of `{}` has no solution", spec.name);
            let mut wrong = Diagnostic::error("unsolvable-root", message);
            if at < MAX_EXPLAINED {
                wrong = wrong.note(self.why_unsolvable(spec, *kind == NodeKind::Check, root), None);
            } else {
                wrong = wrong.note(format!("reasons are told of the first {MAX_EXPLAINED} such roots only"), None);
            }
            for unwanted in &spec.build_conflicts {
                let text = format!("{} has `BuildConflicts: {}`", spec.name, unwanted.dependency);
                wrong = wrong.note(text, unwanted.span);
            }
            wrong.span = spec.span;
            let hint = "change a requirement, or add a package that fits together with the others";
            found.push(Finding { diagnostic: wrong.hint(hint), about: vec![(*id, *kind)] });
        }
        let blocked: Vec<SpecId> =
            bad.iter().filter(|(_, _, kind)| *kind == NodeKind::Build).map(|(id, _, _)| *id).collect();
        self.blocked.extend(blocked);
        found
    }

    fn why_unsolvable(&self, spec: &Spec, is_check: bool, root: &Root) -> String {
        let wants = if is_check { self.check_wants(spec, &root.seeded) } else { self.wants(spec, &root.seeded) };
        let (options, items) = self.request(spec, &wants, &root.seeded, &root.closure);
        match Solver::new(&self.pool.universe, options).solve(&items) {
            Ok(_) => "a rich `BuildConflicts` forbids it, or what cuts its cycle asks for a package of the cycle again"
                .to_owned(),
            Err(failure) => failure.reasons(),
        }
    }

    /// The roots of the checks: those of the builds, and what only the check needs.
    pub(crate) fn checks(&self) -> Vec<(SpecId, Root)> {
        let mut found = Vec::new();
        for (spec, id) in self.specs.iter().zip(0..) {
            if spec.check.is_none() || spec.excluded.is_some() {
                continue;
            }
            let seeded = self.roots[id as usize].seeded.clone();
            let closure = self.settle(SpecId(id), &self.check_wants(spec, &seeded), &seeded);
            found.push((SpecId(id), Root { closure, seeded }));
        }
        found
    }

    /// What each build waits for. Those that are built already, or cannot be, wait for nothing.
    fn edges(&self) -> Vec<Vec<u32>> {
        let waits = |(at, root): (usize, &Root)| {
            let id = spec_id(at);
            if self.blocked.contains(&id) || is_built(self.pool, &self.specs[at], id) {
                return Vec::new();
            }
            specs_in(self.pool, &root.closure).into_iter().map(|spec| spec.0).collect()
        };
        self.roots.iter().enumerate().map(waits).collect()
    }

    /// Finds all cycles and cuts those that can be cut.
    pub(crate) fn break_cycles(&mut self) -> Vec<CycleGroup> {
        let mut groups: Vec<CycleGroup> = Vec::new();
        for round in 0.. {
            let found = cycles::components(&self.edges());
            if found.is_empty() {
                break;
            }
            for members in found {
                let component = self.component(&members);
                let cut = component.cut();
                if cut.units.is_empty() {
                    // The solver took a package of the cycle for what was to be met without it.
                    self.blocked.insert(SpecId(members[0]));
                    self.roots[members[0] as usize].closure.is_unsolvable = true;
                    continue;
                }
                let mut group = self.group(&component, &cut);
                if round > 0 {
                    // A cut changed what is chosen elsewhere: all cuts of these specs together may be more than need be.
                    group.is_minimum = false;
                    let is_kin = |other: &&mut CycleGroup| other.specs.iter().any(|spec| group.specs.contains(spec));
                    groups.iter_mut().filter(is_kin).for_each(|other| other.is_minimum = false);
                }
                for unit in &group.cut {
                    let at = unit.unit.spec.0 as usize;
                    if unit.by.is_empty() {
                        self.blocked.insert(unit.unit.spec);
                    } else {
                        let mut seeded = std::mem::take(&mut self.roots[at].seeded);
                        seeded.insert(unit.unit.index as usize);
                        self.roots[at] = self.root(at, seeded);
                    }
                }
                groups.push(group);
            }
        }
        groups
    }

    fn component(&self, members: &[u32]) -> Component {
        let inside: FxHashSet<SpecId> = members.iter().map(|one| SpecId(*one)).collect();
        let mut units = Vec::new();
        for spec in members {
            let root = &self.roots[*spec as usize];
            // A requirement that is cut already leads to no spec.
            let open = self.wants(&self.specs[*spec as usize], &root.seeded).into_iter().enumerate();
            for (index, want) in open.filter(|(index, _)| !root.seeded.contains(index)) {
                let unit = Unit { spec: SpecId(*spec), index: u32::try_from(index).unwrap_or(u32::MAX) };
                let leads_to = self.leads_to(&want, &root.closure, &inside);
                if leads_to.is_empty() {
                    continue;
                }
                let cost = if self.replacement(unit).is_empty() { IMPOSSIBLE } else { 1 };
                units.push((unit, leads_to, cost));
            }
        }
        Component::new(members.iter().map(|one| SpecId(*one)).collect(), units)
    }

    /// The specs of a set that a requirement leads to in a root, sorted.
    fn leads_to(&self, want: &Want, closure: &Closure, inside: &FxHashSet<SpecId>) -> Vec<SpecId> {
        let mut open = Vec::new();
        self.chooser.met_by(want, closure, true, &mut open);
        let mut seen: FxHashSet<_> = open.iter().copied().collect();
        let mut found = Vec::new();
        while let Some(package) = open.pop() {
            found.extend(self.pool.spec_of(package).filter(|spec| inside.contains(spec)));
            for (_, next) in self.chooser.next(package, closure, true) {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The packages that meet a unit without any spec, in the root that it is of; none if that cannot be.
    fn replacement(&self, unit: Unit) -> Vec<String> {
        let (at, index) = (unit.spec.0 as usize, unit.index as usize);
        let spec = &self.specs[at];
        let want = self.chooser.want(&spec.build_requires[index].dependency, Mode::Bootstrap);
        // By itself, which is enough unless a condition asks what else is in the root.
        let mut closure = self.chooser.close(&[Rc::clone(&want)], |_| Mode::Bootstrap);
        if !closure.unmet.is_empty() {
            return Vec::new();
        }
        if self.chooser.has_condition(&want, &closure) {
            let mut seeded = self.roots[at].seeded.clone();
            seeded.insert(index);
            closure = self.chooser.close(&self.wants(spec, &seeded), |at| Mode::of(&seeded, at));
            let known = &self.roots[at].closure.unmet;
            if closure.unmet.iter().any(|one| !known.contains(one)) {
                return Vec::new();
            }
        }
        let mut met = Vec::new();
        self.chooser.met_by(&want, &closure, false, &mut met);
        met.sort_unstable();
        met.dedup();
        met.into_iter().map(|package| self.pool.describe(package)).collect()
    }

    fn group(&self, component: &Component, cut: &cycles::Cut) -> CycleGroup {
        let units = cut.units.iter().map(|unit| CutUnit { unit: *unit, by: self.replacement(*unit) }).collect();
        let cycles = cut.units.iter().zip(component.cycles_through(&cut.units)).map(|(unit, specs)| {
            let hops = specs.iter().zip(specs.iter().cycle().skip(1)).enumerate();
            let hops = hops.map(|(place, (from, to))| {
                let first = (place == 0).then_some(unit.index as usize);
                self.steps(*from, *to, first)
            });
            Cycle { hops: hops.collect(), specs }
        });
        CycleGroup { specs: component.specs.clone(), cycles: cycles.collect(), cut: units, is_minimum: cut.is_minimum }
    }

    fn steps(&self, from: SpecId, to: SpecId, first: Option<usize>) -> Vec<Step> {
        let spec = &self.specs[from.0 as usize];
        let root = &self.roots[from.0 as usize];
        let wants = self.wants(spec, &root.seeded);
        crate::why::chain(self.chooser, self.specs, from, &wants, &root.closure, first, |package| {
            self.pool.spec_of(package) == Some(to)
        })
        .unwrap_or_default()
    }

    /// A finding for each cycle that nothing cuts.
    pub(crate) fn uncut_cycles(&self, groups: &[CycleGroup]) -> Vec<Finding> {
        let name = |spec: &SpecId| self.specs[spec.0 as usize].name.clone();
        let mut found = Vec::new();
        for group in groups {
            for (unit, cycle) in group.cut.iter().zip(&group.cycles).filter(|(unit, _)| unit.by.is_empty()) {
                let spec = &self.specs[unit.unit.spec.0 as usize];
                let wanted = &spec.build_requires[unit.unit.index as usize];
                let way: Vec<String> = cycle.specs.iter().chain(cycle.specs.first()).map(name).collect();
                let mut wrong =
                    Diagnostic::error("uncut-cycle", format!("builds wait for each other: {}", way.join(" → ")));
                let place = wanted.span.or(spec.span);
                wrong.span = place;
                for step in cycle.hops.iter().flatten() {
                    // The first step is the place of the diagnostic itself.
                    wrong = wrong.note(step.to_string(), step.span.filter(|span| Some(*span) != place));
                }
                let capability = wanted.dependency.to_string();
                let hint = format!(
                    "neither the seed nor a repository provides `{capability}`: add it to a group of the seed, or give a repository that has it prebuilt"
                );
                found.push(Finding {
                    diagnostic: wrong.hint(hint),
                    about: cycle.specs.iter().map(|spec| (*spec, NodeKind::Build)).collect(),
                });
            }
        }
        found
    }

    /// A finding for each capability that nothing provides: an error if a build needs it.
    pub(crate) fn unknown_capabilities(&mut self, checks: &[(SpecId, Root)], seed: &Seed) -> Vec<Finding> {
        let mut unknown = crate::why::Unknown::new(self.specs, self.pool, seed);
        let roots = self.roots.iter().enumerate().map(|(at, root)| (spec_id(at), root, false));
        let checks = checks.iter().map(|(id, root)| (*id, root, true));
        for (id, root, is_check) in roots.chain(checks) {
            if is_built(self.pool, &self.specs[id.0 as usize], id) {
                continue;
            }
            if !root.closure.unmet.is_empty() && !is_check {
                self.blocked.insert(id);
            }
            for requirement in &root.closure.unmet {
                let kind = if is_check { NodeKind::Check } else { NodeKind::Build };
                unknown.in_root(id, kind, *requirement);
            }
        }
        let none = FxHashSet::default();
        // Packages that are in no root: their builds are good, and nobody can install them.
        for (package, _) in self.pool.universe.packages() {
            if !matches!(self.pool.origin(package), Origin::Spec(..)) {
                continue;
            }
            for (index, want) in self.chooser.wants_of(package, Mode::Normal).iter().enumerate() {
                if !want.can_be_met(&none) {
                    unknown.of_package(Requirement { asker: Asker::Package(package), index });
                }
            }
        }
        unknown.findings()
    }
}

pub(crate) fn spec_id(at: usize) -> SpecId {
    SpecId(u32::try_from(at).expect("fewer than 2^32 specs fit in memory"))
}

//! What a build root has to hold: the closure of requirements.
//!
//! A requirement that only one package can meet decides by itself. Where there is a choice, all that is certain goes in
//! first, and what is in counts; then the best candidate is taken:
//!
//! 1. one whose own requirements can be met, through all that they lead to;
//! 2. one of a seed group that is preferred, then a package that a spec makes, then one of a repository, then the seed;
//! 3. one that surely provides the capability before one of which that is a guess;
//! 4. one that no other candidate obsoletes;
//! 5. one whose name is the capability;
//! 6. the newest version, then the first name.
//!
//! The rules do not backtrack. A closure that breaks a conflict or misses something is handed to the solver, which does.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use bedplate_model::{Dependency, DependencyKind, RichDependency, Sense, parse_rich};
use bedplate_solve::PackageId;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::input::Wanted;
use crate::pool::{Origin, Pool};

/// Where candidates may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    /// From anywhere.
    Normal,
    /// Not from a spec: what a cycle is cut with.
    Bootstrap,
}

impl Mode {
    /// How the requirement at a place of a root's list is met: those that are cut, without specs.
    pub(crate) fn of(seeded: &FxHashSet<usize>, at: usize) -> Self {
        if seeded.contains(&at) { Self::Bootstrap } else { Self::Normal }
    }
}

/// A dependency with the packages that meet it.
#[derive(Debug)]
pub(crate) enum Want {
    /// One of these packages, the best first.
    Any(Rc<[PackageId]>),
    All(Vec<Want>),
    Or(Vec<Want>),
    If {
        then: Box<Want>,
        condition: Box<Want>,
        otherwise: Option<Box<Want>>,
    },
    Unless {
        then: Box<Want>,
        condition: Box<Want>,
        otherwise: Option<Box<Want>>,
    },
}

/// Who has a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Asker {
    /// The root itself.
    Root,
    /// A package in it.
    Package(PackageId),
}

/// A requirement by its place in the list of who has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Requirement {
    pub(crate) asker: Asker,
    pub(crate) index: usize,
}

/// The packages of a root.
#[derive(Debug, Default)]
pub(crate) struct Closure {
    /// Each package, and whether it is there to cut a cycle.
    pub(crate) members: FxHashMap<PackageId, bool>,
    /// What nothing meets.
    pub(crate) unmet: Vec<Requirement>,
    /// True if conditions changed so that the rules of choice came to no end: something does not hold.
    pub(crate) is_unsettled: bool,
    /// True if not even the solver finds packages that fit together.
    pub(crate) is_unsolvable: bool,
}

type WantKey = (String, String, Sense, Mode);

/// The requirements of a package, in the order of its list.
type Wants = Rc<[Rc<Want>]>;

/// Chooses packages, and remembers what it found out.
#[derive(Debug)]
pub(crate) struct Chooser<'a> {
    pool: &'a Pool,
    wants: RefCell<FxHashMap<WantKey, Rc<Want>>>,
    of_packages: RefCell<FxHashMap<(PackageId, Mode), Wants>>,
    enemies: RefCell<FxHashMap<PackageId, Rc<[PackageId]>>>,
}

impl<'a> Chooser<'a> {
    pub(crate) fn new(pool: &'a Pool) -> Self {
        Self { pool, wants: RefCell::default(), of_packages: RefCell::default(), enemies: RefCell::default() }
    }

    /// The packages that meet a dependency.
    pub(crate) fn want(&self, dependency: &Dependency, mode: Mode) -> Rc<Want> {
        let key = (dependency.name.clone(), dependency.evr.clone(), dependency.sense.relation(), mode);
        if let Some(known) = self.wants.borrow().get(&key) {
            return Rc::clone(known);
        }
        let want = if dependency.name.starts_with("rpmlib(") {
            // A feature of rpm itself.
            Want::All(Vec::new())
        } else if dependency.is_rich() {
            match parse_rich(&dependency.name, DependencyKind::Requires) {
                Ok((tree, _)) => self.rich(&tree, mode),
                Err(_) => Want::Any(Rc::default()),
            }
        } else {
            Want::Any(self.candidates(&dependency.name, dependency.sense, &dependency.evr, mode).into())
        };
        let want = Rc::new(want);
        self.wants.borrow_mut().insert(key, Rc::clone(&want));
        want
    }

    /// What a build asks for, in the order of the list.
    pub(crate) fn wants_of_build(&self, requires: &[Wanted], seeded: &FxHashSet<usize>) -> Vec<Rc<Want>> {
        let all = requires.iter().enumerate();
        all.map(|(at, wanted)| self.want(&wanted.dependency, Mode::of(seeded, at))).collect()
    }

    /// The requirements of a package, in the order of its list.
    pub(crate) fn wants_of(&self, package: PackageId, mode: Mode) -> Wants {
        if let Some(known) = self.of_packages.borrow().get(&(package, mode)) {
            return Rc::clone(known);
        }
        let requires = &self.pool.universe.package(package).requires;
        let wants: Wants = requires.iter().map(|one| self.want(one, mode)).collect();
        self.of_packages.borrow_mut().insert((package, mode), Rc::clone(&wants));
        wants
    }

    fn rich(&self, tree: &RichDependency, mode: Mode) -> Want {
        let boxed = |tree: &RichDependency| Box::new(self.rich(tree, mode));
        match tree {
            RichDependency::Single { .. } | RichDependency::With(_) | RichDependency::Without(..) => {
                Want::Any(self.set(tree, mode).into())
            }
            RichDependency::Group(inner) => self.rich(inner, mode),
            RichDependency::And(all) => Want::All(all.iter().map(|one| self.rich(one, mode)).collect()),
            RichDependency::Or(all) => Want::Or(all.iter().map(|one| self.rich(one, mode)).collect()),
            // A condition is about what is there, wherever that is from.
            RichDependency::If { then, condition, otherwise } => Want::If {
                then: boxed(then),
                condition: Box::new(self.rich(condition, Mode::Normal)),
                otherwise: otherwise.as_ref().map(|one| boxed(one)),
            },
            RichDependency::Unless { then, condition, otherwise } => Want::Unless {
                then: boxed(then),
                condition: Box::new(self.rich(condition, Mode::Normal)),
                otherwise: otherwise.as_ref().map(|one| boxed(one)),
            },
            // rpm's parser takes it, its resolver looks at the first part only.
            RichDependency::Else(first, _) => self.rich(first, mode),
        }
    }

    /// The packages that fit an operand of `with` or `without`, the best first.
    fn set(&self, tree: &RichDependency, mode: Mode) -> Vec<PackageId> {
        match tree {
            RichDependency::Single { name, sense, evr } => self.candidates(name, *sense, evr, mode),
            RichDependency::Group(inner) => self.set(inner, mode),
            RichDependency::With(all) => {
                let mut sets = all.iter().map(|one| self.set(one, mode));
                let mut found = sets.next().unwrap_or_default();
                sets.for_each(|set| found.retain(|one| set.contains(one)));
                found
            }
            RichDependency::Without(wanted, unwanted) => {
                let mut found = self.set(wanted, mode);
                let unwanted = self.set(unwanted, mode);
                found.retain(|one| !unwanted.contains(one));
                found
            }
            RichDependency::Or(all) => {
                let mut found: Vec<PackageId> = Vec::new();
                for one in all.iter().flat_map(|one| self.set(one, mode)) {
                    if !found.contains(&one) {
                        found.push(one);
                    }
                }
                found
            }
            // The parser takes nothing else inside `with`.
            _ => Vec::new(),
        }
    }

    fn candidates(&self, name: &str, sense: Sense, evr: &str, mode: Mode) -> Vec<PackageId> {
        let mut found = self.pool.universe.providers_of(name, sense, evr);
        if mode == Mode::Bootstrap {
            found.retain(|one| !matches!(self.pool.origin(*one), Origin::Spec(..)));
        }
        if found.len() < 2 {
            return found;
        }
        let package = |id: PackageId| self.pool.universe.package(id);
        let obsoleted: FxHashSet<PackageId> = found
            .iter()
            .copied()
            .filter(|one| {
                let own = Dependency::new(package(*one).name(), package(*one).nevra.evr().to_string(), Sense::EQUAL);
                let others = found.iter().filter(|other| *other != one);
                others.flat_map(|other| &package(*other).obsoletes).any(|obsoletes| obsoletes.overlaps(&own))
            })
            .collect();
        // The newest of each name first; the sort below keeps that where its key says nothing.
        let universe = &self.pool.universe;
        found.sort_by(|a, b| {
            let names = package(*a).name().cmp(package(*b).name());
            names.then_with(|| universe.evr(*b).compare(universe.evr(*a))).then(a.cmp(b))
        });
        found.sort_by_cached_key(|one| {
            let package = package(*one);
            (
                self.pool.doomed.contains(one),
                self.pool.rank(*one),
                self.pool.is_guess(*one, name),
                obsoleted.contains(one),
                package.name() != name,
                package.name().to_owned(),
            )
        });
        found
    }

    /// The closure of a root's requirements; `modes` says which are to be met without specs.
    pub(crate) fn close(&self, wants: &[Rc<Want>], modes: impl Fn(usize) -> Mode) -> Closure {
        let mut work = Work { chooser: self, closure: Closure::default(), open: VecDeque::new() };
        let mut deferred: Vec<(Rc<Want>, Requirement, Mode)> = Vec::new();
        for (index, want) in wants.iter().enumerate() {
            work.open.push_back((Rc::clone(want), Requirement { asker: Asker::Root, index }, modes(index)));
        }
        loop {
            while let Some(item) = work.open.pop_front() {
                // What a condition decides may change with what comes in later.
                if !work.decide(&item, false) || item.0.is_conditional() {
                    deferred.push(item);
                }
            }
            // All that is certain is in: now one choice, and then what follows from it.
            let before = work.closure.members.len();
            let mut chosen = false;
            let mut rest = Vec::with_capacity(deferred.len());
            for item in deferred.drain(..) {
                let is_done = !chosen && work.decide(&item, true);
                if is_done {
                    chosen = work.closure.members.len() > before;
                }
                // A condition may come to hold later.
                if !is_done || item.0.is_conditional() {
                    rest.push(item);
                }
            }
            deferred = rest;
            if !chosen {
                break;
            }
        }
        let mut closure = work.closure;
        if deferred.iter().any(|(want, _, _)| want.is_conditional()) {
            let all = closure.members.clone();
            self.drop_unneeded(wants, &mut closure);
            // `(a if b else b)` needs the very package that makes its condition hold.
            if closure.unmet.is_empty() && !self.all_hold(wants, &closure) {
                closure.members = all;
                closure.is_unsettled = !self.all_hold(wants, &closure);
            }
        }
        closure
    }

    /// True if a want, or a requirement of a package in a closure made without specs, has a condition.
    pub(crate) fn has_condition(&self, want: &Want, closure: &Closure) -> bool {
        let has = |id: &PackageId| self.wants_of(*id, Mode::Bootstrap).iter().any(|want| want.is_conditional());
        want.is_conditional() || closure.members.keys().any(has)
    }

    /// True if all requirements of a root and of the packages in it are met.
    fn all_hold(&self, wants: &[Rc<Want>], closure: &Closure) -> bool {
        let holds = |(id, is_bootstrap): (&PackageId, &bool)| {
            let mode = if *is_bootstrap { Mode::Bootstrap } else { Mode::Normal };
            self.wants_of(*id, mode).iter().all(|want| want.holds(closure))
        };
        wants.iter().all(|want| want.holds(closure)) && closure.members.iter().all(holds)
    }

    /// Takes out what a condition asked for before it changed.
    fn drop_unneeded(&self, wants: &[Rc<Want>], closure: &mut Closure) {
        loop {
            let mut open = Vec::new();
            wants.iter().for_each(|want| self.met_by(want, closure, false, &mut open));
            let mut needed: FxHashSet<PackageId> = open.iter().copied().collect();
            while let Some(package) = open.pop() {
                let next = self.next(package, closure, false).into_iter().map(|(_, next)| next);
                open.extend(next.filter(|next| needed.insert(*next)));
            }
            if needed.len() == closure.members.len() {
                return;
            }
            closure.members.retain(|package, _| needed.contains(package));
        }
    }

    /// The packages of a closure that a requirement leads to at once. Of conditions only the branch that counts does; with
    /// `mentioned` all that is named, since a package may be there for a condition that has changed since.
    pub(crate) fn met_by(&self, want: &Want, closure: &Closure, mentioned: bool, found: &mut Vec<PackageId>) {
        let is_in = |id: &PackageId| closure.members.contains_key(id);
        match want {
            Want::Any(candidates) => found.extend(candidates.iter().filter(|one| is_in(one))),
            Want::All(all) | Want::Or(all) => all.iter().for_each(|one| self.met_by(one, closure, mentioned, found)),
            Want::If { then, condition, otherwise } | Want::Unless { then, condition, otherwise } => {
                let is_then = condition.holds(closure) == matches!(want, Want::If { .. });
                if mentioned {
                    self.met_by(condition, closure, mentioned, found);
                }
                if mentioned || is_then {
                    self.met_by(then, closure, mentioned, found);
                }
                if let Some(otherwise) = otherwise.as_ref().filter(|_| mentioned || !is_then) {
                    self.met_by(otherwise, closure, mentioned, found);
                }
            }
        }
    }

    /// The packages of a closure that a package of it leads to at once, each with the place of the requirement.
    pub(crate) fn next(&self, package: PackageId, closure: &Closure, mentioned: bool) -> Vec<(usize, PackageId)> {
        let is_bootstrap = closure.members.get(&package).copied().unwrap_or_default();
        let mode = if is_bootstrap { Mode::Bootstrap } else { Mode::Normal };
        let mut next = Vec::new();
        let mut met = Vec::new();
        for (index, want) in self.wants_of(package, mode).iter().enumerate() {
            met.clear();
            self.met_by(want, closure, mentioned, &mut met);
            next.extend(met.iter().map(|one| (index, *one)));
        }
        next
    }

    /// True if packages of a closure cannot be there together, or `conflicts` forbids one.
    pub(crate) fn has_conflict(&self, closure: &Closure, conflicts: &[Wanted]) -> bool {
        let is_hurt = |id: &PackageId| {
            let rich = self.pool.universe.package(*id).conflicts.iter().filter(|one| one.is_rich());
            self.enemies_of(*id).iter().any(|enemy| closure.members.contains_key(enemy))
                || rich.into_iter().any(|one| self.want(one, Mode::Normal).holds(closure))
        };
        conflicts.iter().any(|one| self.want(&one.dependency, Mode::Normal).holds(closure))
            || closure.members.keys().any(is_hurt)
    }

    /// The packages that cannot be there together with a package: other versions of it, and those that it conflicts with
    /// or obsoletes.
    fn enemies_of(&self, id: PackageId) -> Rc<[PackageId]> {
        if let Some(known) = self.enemies.borrow().get(&id) {
            return Rc::clone(known);
        }
        let universe = &self.pool.universe;
        let package = universe.package(id);
        let own = |other: PackageId| universe.package(other);
        let mut found: Vec<PackageId> = universe.named(package.name()).to_vec();
        found.retain(|other| own(*other).nevra.arch() == package.nevra.arch());
        found.extend(package.conflicts.iter().filter(|one| !one.is_rich()).flat_map(|one| universe.providers(one)));
        for obsoletes in &package.obsoletes {
            let named = universe.named(&obsoletes.name).iter().copied();
            found.extend(named.filter(|other| {
                let evr = own(*other).nevra.evr().to_string();
                obsoletes.overlaps(&Dependency::new(obsoletes.name.clone(), evr, Sense::EQUAL))
            }));
        }
        found.retain(|other| *other != id);
        let found: Rc<[PackageId]> = found.into();
        self.enemies.borrow_mut().insert(id, Rc::clone(&found));
        found
    }

    pub(crate) fn pool(&self) -> &Pool {
        self.pool
    }
}

/// The packages of which a requirement cannot be met, itself or through what it needs.
pub(crate) fn doomed(pool: &Pool) -> FxHashSet<PackageId> {
    let chooser = Chooser::new(pool);
    let mut doomed: FxHashSet<PackageId> = FxHashSet::default();
    let mut open: Vec<PackageId> = pool.universe.packages().map(|(id, _)| id).collect();
    loop {
        let before = doomed.len();
        open.retain(|id| {
            let can_be = chooser.wants_of(*id, Mode::Normal).iter().all(|want| want.can_be_met(&doomed));
            if !can_be {
                doomed.insert(*id);
            }
            can_be
        });
        if doomed.len() == before {
            return doomed;
        }
    }
}

impl Want {
    /// True if packages that are not doomed could meet it.
    pub(crate) fn can_be_met(&self, doomed: &FxHashSet<PackageId>) -> bool {
        match self {
            Self::Any(candidates) => candidates.iter().any(|one| !doomed.contains(one)),
            Self::All(all) => all.iter().all(|one| one.can_be_met(doomed)),
            Self::Or(all) => all.iter().any(|one| one.can_be_met(doomed)),
            // It depends on what else is in a root.
            Self::If { .. } | Self::Unless { .. } => true,
        }
    }

    /// True for `(a unless b)` where `b` is there: nothing that is added makes it hold.
    fn is_forbidden(&self, closure: &Closure) -> bool {
        matches!(self, Self::Unless { condition, otherwise: None, .. } if condition.holds(closure))
    }

    fn is_conditional(&self) -> bool {
        match self {
            Self::Any(_) => false,
            Self::All(all) | Self::Or(all) => all.iter().any(Self::is_conditional),
            Self::If { .. } | Self::Unless { .. } => true,
        }
    }

    /// True if the packages meet it.
    pub(crate) fn holds(&self, closure: &Closure) -> bool {
        match self {
            Self::Any(candidates) => candidates.iter().any(|one| closure.members.contains_key(one)),
            Self::All(all) => all.iter().all(|one| one.holds(closure)),
            Self::Or(all) => all.iter().any(|one| one.holds(closure)),
            Self::If { then, condition, otherwise } => match (condition.holds(closure), otherwise) {
                (true, _) => then.holds(closure),
                (false, Some(otherwise)) => otherwise.holds(closure),
                (false, None) => true,
            },
            // `(a unless b)` is "a, and no b".
            Self::Unless { then, condition, otherwise } => match (condition.holds(closure), otherwise) {
                (false, _) => then.holds(closure),
                (true, Some(otherwise)) => otherwise.holds(closure),
                (true, None) => false,
            },
        }
    }
}

/// A closure while it grows.
struct Work<'w, 'a> {
    chooser: &'w Chooser<'a>,
    closure: Closure,
    open: VecDeque<(Rc<Want>, Requirement, Mode)>,
}

impl Work<'_, '_> {
    /// Meets a requirement; false if there is a choice and `choose` is not set.
    fn decide(&mut self, (want, requirement, mode): &(Rc<Want>, Requirement, Mode), choose: bool) -> bool {
        self.meet(want, *requirement, *mode, choose)
    }

    fn meet(&mut self, want: &Want, requirement: Requirement, mode: Mode, choose: bool) -> bool {
        match want {
            Want::Any(candidates) => {
                if self.is_met(candidates) {
                    return true;
                }
                match candidates.len() {
                    0 => self.miss(requirement),
                    1 => self.add(candidates[0], mode),
                    _ if choose => self.add(candidates[0], mode),
                    _ => return false,
                }
                true
            }
            Want::All(all) => {
                // Every operand has its turn, whatever became of the one before.
                let open = all.iter().filter(|one| !self.meet(one, requirement, mode, choose)).count();
                open == 0
            }
            Want::Or(all) => {
                if all.iter().any(|one| one.holds(&self.closure)) {
                    return true;
                }
                let doomed = &self.chooser.pool.doomed;
                let is_possible = |one: &&Want| one.can_be_met(doomed) && !one.is_forbidden(&self.closure);
                let possible: Vec<&Want> = all.iter().filter(is_possible).collect();
                match possible[..] {
                    // Then what is missing for the first is what there is to say.
                    [] => match all.iter().find(|one| !one.is_forbidden(&self.closure)) {
                        Some(first) if choose => return self.meet(first, requirement, mode, true),
                        Some(_) => return false,
                        None => self.miss(requirement),
                    },
                    [one] => return self.meet(one, requirement, mode, choose),
                    [first, ..] if choose => return self.meet(first, requirement, mode, true),
                    _ => return false,
                }
                true
            }
            Want::If { then, condition, otherwise } => {
                self.branch(condition.holds(&self.closure), then, otherwise.as_deref(), requirement, mode, choose)
            }
            Want::Unless { .. } if choose && want.is_forbidden(&self.closure) => {
                self.miss(requirement);
                true
            }
            Want::Unless { then, condition, otherwise } => {
                self.branch(!condition.holds(&self.closure), then, otherwise.as_deref(), requirement, mode, choose)
            }
        }
    }

    /// A condition is only decided when all that is certain is in.
    fn branch(
        &mut self,
        holds: bool,
        then: &Want,
        otherwise: Option<&Want>,
        requirement: Requirement,
        mode: Mode,
        choose: bool,
    ) -> bool {
        if !choose {
            return false;
        }
        match (holds, otherwise) {
            (true, _) => self.meet(then, requirement, mode, choose),
            (false, Some(otherwise)) => self.meet(otherwise, requirement, mode, choose),
            (false, None) => true,
        }
    }

    /// True if a package that is in meets it. One of the seed does not where something better would, unless it is there to
    /// cut a cycle.
    fn is_met(&self, candidates: &[PackageId]) -> bool {
        let pool = self.chooser.pool;
        let Some(best) = candidates.first().map(|one| pool.rank(*one)) else { return false };
        candidates.iter().any(|one| match self.closure.members.get(one) {
            Some(is_bootstrap) => {
                *is_bootstrap || pool.rank(*one) <= best || !matches!(pool.origin(*one), Origin::Seed(_))
            }
            None => false,
        })
    }

    fn miss(&mut self, requirement: Requirement) {
        if !self.closure.unmet.contains(&requirement) {
            self.closure.unmet.push(requirement);
        }
    }

    fn add(&mut self, package: PackageId, mode: Mode) {
        let is_bootstrap = mode == Mode::Bootstrap;
        if self.closure.members.contains_key(&package) {
            return;
        }
        self.closure.members.insert(package, is_bootstrap);
        for (index, want) in self.chooser.wants_of(package, mode).iter().enumerate() {
            let requirement = Requirement { asker: Asker::Package(package), index };
            self.open.push_back((Rc::clone(want), requirement, mode));
        }
    }
}

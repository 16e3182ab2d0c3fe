//! Why something is needed, and why something cannot be had.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::rc::Rc;

use bedplate_diag::{Diagnostic, Span, nearest};
use bedplate_model::{Dependency, DependencyKind, RichDependency, Sense, parse_rich};
use bedplate_solve::{Item, PackageId, Request, Wanted as ItemKind};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::closure::{Asker, Chooser, Closure, Mode, Requirement, Want};
use crate::graph::{BuildGraph, Finding, NodeKind};
use crate::input::Spec;
use crate::pool::{Origin, Pool, SpecId};
use crate::seed::Seed;

/// What a step of a chain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepKind {
    /// A `BuildRequires` of a spec.
    BuildRequires,
    /// A `Requires` of a package.
    Requires,
}

/// An arrow of a chain: who asks, for which capability, and which package meets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What kind of requirement it is.
    pub kind: StepKind,
    /// The spec or the package that asks.
    pub from: String,
    /// What it asks for.
    pub capability: String,
    /// Where that is written; `None` for what a build generates.
    pub span: Option<Span>,
    /// The package that meets it.
    pub to: String,
    /// Where that package is from: a spec, a repository, the seed.
    pub origin: String,
    /// True if it is only guessed that the package will provide it.
    pub is_guess: bool,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.kind == StepKind::BuildRequires { "build-requires" } else { "requires" };
        write!(f, "{} {word} `{}`: {} of {}", self.from, self.capability, self.to, self.origin)?;
        if self.is_guess { write!(f, " (a guess)") } else { Ok(()) }
    }
}

/// What a chain looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Goal {
    /// Any package of a spec.
    Spec(SpecId),
    /// A package.
    Package(PackageId),
}

impl Pool {
    /// The packages that a spec makes.
    pub fn packages_of(&self, spec: SpecId) -> impl Iterator<Item = PackageId> {
        // Packages of specs stand first, in the order of the specs.
        let first = |id: SpecId| {
            self.universe_order().partition_point(|origin| matches!(origin, Origin::Spec(of, _) if *of < id))
        };
        let (start, end) = (first(spec), first(SpecId(spec.0 + 1)));
        (start..end).map(|at| PackageId(u32::try_from(at).unwrap_or(u32::MAX)))
    }

    /// A package and where it is from, for people.
    pub fn describe(&self, package: PackageId) -> String {
        let found = self.universe.package(package);
        match self.origin(package) {
            Origin::Seed(group) => format!("{} (seed, group {})", self.name(package), self.groups[group as usize]),
            Origin::Repository(repository) => format!("{} ({})", found.nevra, self.repositories[repository as usize]),
            Origin::Spec(..) => found.nevra.to_string(),
        }
    }
}

/// The shortest chain from a root to a package that fits; `first` is the requirement to begin with.
pub(crate) fn chain(
    chooser: &Chooser<'_>,
    specs: &[Spec],
    spec: SpecId,
    wants: &[Rc<Want>],
    closure: &Closure,
    first: Option<usize>,
    fits: impl Fn(PackageId) -> bool,
) -> Option<Vec<Step>> {
    // Only if nothing else does, a chain goes through what a condition names.
    [false, true].into_iter().find_map(|mentioned| {
        let mut open = VecDeque::new();
        let mut from: FxHashMap<PackageId, Requirement> = FxHashMap::default();
        let mut met = Vec::new();
        for (index, want) in wants.iter().enumerate().filter(|(index, _)| first.is_none_or(|first| first == *index)) {
            met.clear();
            chooser.met_by(want, closure, mentioned, &mut met);
            for package in &met {
                from.entry(*package).or_insert_with(|| {
                    open.push_back(*package);
                    Requirement { asker: Asker::Root, index }
                });
            }
        }
        let goal = search(chooser, closure, open, &mut from, mentioned, &fits)?;
        Some(steps_to(chooser, specs, Some(spec), &from, goal))
    })
}

/// The shortest chain from a package to another within the closure of the first.
fn package_chain(
    chooser: &Chooser<'_>,
    specs: &[Spec],
    start: PackageId,
    fits: impl Fn(PackageId) -> bool,
) -> Option<Vec<Step>> {
    let want = Rc::new(Want::Any(Rc::from([start])));
    let closure = chooser.close(&[want], |_| Mode::Normal);
    let mut from: FxHashMap<PackageId, Requirement> = FxHashMap::default();
    from.insert(start, Requirement { asker: Asker::Root, index: usize::MAX });
    let goal = search(chooser, &closure, VecDeque::from([start]), &mut from, true, |package| {
        package != start && fits(package)
    })?;
    from.remove(&start);
    Some(steps_to(chooser, specs, None, &from, goal))
}

/// Breadth first over the packages of a closure; gives the first that fits.
fn search(
    chooser: &Chooser<'_>,
    closure: &Closure,
    mut open: VecDeque<PackageId>,
    from: &mut FxHashMap<PackageId, Requirement>,
    mentioned: bool,
    fits: impl Fn(PackageId) -> bool,
) -> Option<PackageId> {
    while let Some(package) = open.pop_front() {
        if fits(package) {
            return Some(package);
        }
        for (index, next) in chooser.next(package, closure, mentioned) {
            from.entry(next).or_insert_with(|| {
                open.push_back(next);
                Requirement { asker: Asker::Package(package), index }
            });
        }
    }
    None
}

/// The steps that lead to a package, by the requirement that brought each in.
fn steps_to(
    chooser: &Chooser<'_>,
    specs: &[Spec],
    spec: Option<SpecId>,
    from: &FxHashMap<PackageId, Requirement>,
    goal: PackageId,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at = goal;
    while let Some(requirement) = from.get(&at) {
        let step = step(chooser.pool(), specs, spec, *requirement, at);
        steps.push(step);
        match requirement.asker {
            Asker::Root => break,
            Asker::Package(package) => at = package,
        }
    }
    steps.reverse();
    steps
}

fn step(pool: &Pool, specs: &[Spec], spec: Option<SpecId>, requirement: Requirement, to: PackageId) -> Step {
    let (kind, from, dependency, span) = asked(pool, specs, spec, requirement);
    let origin = match pool.origin(to) {
        Origin::Spec(spec, _) => specs[spec.0 as usize].path.clone(),
        Origin::Repository(repository) => pool.repositories[repository as usize].clone(),
        Origin::Seed(group) => format!("the seed (group {})", pool.groups[group as usize]),
    };
    let is_guess = names(&dependency).iter().any(|name| pool.is_guess(to, name));
    let package = pool.name(to).to_owned();
    Step { kind, from, capability: plain(&dependency), span, to: package, origin, is_guess }
}

/// A dependency without its qualifiers.
fn plain(dependency: &Dependency) -> String {
    Dependency::new(dependency.name.clone(), dependency.evr.clone(), dependency.sense.relation()).to_string()
}

/// Who asks in a requirement, for what, and where it is written.
fn asked(
    pool: &Pool,
    specs: &[Spec],
    spec: Option<SpecId>,
    requirement: Requirement,
) -> (StepKind, String, Dependency, Option<Span>) {
    match requirement.asker {
        Asker::Root => {
            let spec = &specs[spec.map_or(0, |spec| spec.0 as usize)];
            let mut all = spec.build_requires.iter().chain(spec.check.iter().flatten());
            let wanted = all.nth(requirement.index).expect("a requirement is in the list that it was made of");
            (StepKind::BuildRequires, spec.name.clone(), wanted.dependency.clone(), wanted.span)
        }
        Asker::Package(package) => {
            let found = pool.universe.package(package);
            let dependency = found.requires[requirement.index].clone();
            let span = match pool.origin(package) {
                Origin::Spec(spec, place) => {
                    let origins = &specs[spec.0 as usize].packages[place as usize].origins;
                    origins
                        .iter()
                        .find(|(one, _)| one.name == dependency.name && one.evr == dependency.evr)
                        .map(|(_, span)| *span)
                }
                _ => None,
            };
            (StepKind::Requires, found.name().to_owned(), dependency, span)
        }
    }
}

/// The simple names in a dependency.
fn names(dependency: &Dependency) -> Vec<String> {
    if !dependency.is_rich() {
        return vec![dependency.name.clone()];
    }
    let Ok((tree, _)) = parse_rich(&dependency.name, DependencyKind::Requires) else { return Vec::new() };
    let name =
        |one: &RichDependency| if let RichDependency::Single { name, .. } = one { Some(name.clone()) } else { None };
    tree.singles().into_iter().filter_map(name).collect()
}

fn members(closure: &Closure) -> Vec<(PackageId, bool)> {
    let mut found: Vec<_> = closure.members.iter().map(|(id, cut)| (*id, *cut)).collect();
    found.sort_unstable();
    found
}

/// Name, relation and version of a single dependency.
fn single(tree: &RichDependency) -> Option<(String, Sense, String)> {
    match tree {
        RichDependency::Single { name, sense, evr } => Some((name.clone(), *sense, evr.clone())),
        _ => None,
    }
}

impl BuildGraph {
    /// The shortest chain from the build of a spec to something in its root, in forward order.
    pub fn why_in_build(&self, spec: SpecId, goal: Goal) -> Option<Vec<Step>> {
        let chooser = Chooser::new(&self.pool);
        let root = &self.roots[spec.0 as usize];
        let wants = chooser.wants_of_build(&self.spec(spec).build_requires, &root.seeded);
        chain(&chooser, &self.specs, spec, &wants, &root.closure, None, |package| self.is_goal(package, goal))
    }

    /// The packages of the root of a spec's build, sorted; true for those that are there to break a cycle.
    pub fn root_of(&self, spec: SpecId) -> Vec<(PackageId, bool)> {
        members(&self.roots[spec.0 as usize].closure)
    }

    /// The packages of the root of a spec's check, sorted: those of the build, and what only `%check` needs. Nothing if the spec
    /// has no check.
    pub fn check_root_of(&self, spec: SpecId) -> Vec<(PackageId, bool)> {
        self.check_roots.get(&spec).map(|root| members(&root.closure)).unwrap_or_default()
    }

    /// The requirements of the build of a spec, each with the packages that meet it, in the order of the list; those for
    /// `%check` only are left out.
    pub fn direct_needs(&self, spec: SpecId) -> Vec<(Step, PackageId)> {
        let chooser = Chooser::new(&self.pool);
        let root = &self.roots[spec.0 as usize];
        let (mut found, mut met) = (Vec::new(), Vec::new());
        let wants = chooser.wants_of_build(&self.spec(spec).build_requires, &root.seeded);
        for (index, want) in wants.iter().enumerate() {
            met.clear();
            chooser.met_by(want, &root.closure, false, &mut met);
            let requirement = Requirement { asker: Asker::Root, index };
            found.extend(met.iter().map(|one| (step(&self.pool, &self.specs, Some(spec), requirement, *one), *one)));
        }
        found
    }

    /// The shortest chain from a package to something that is installed with it, in forward order.
    pub fn why_installed(&self, package: PackageId, goal: Goal) -> Option<Vec<Step>> {
        package_chain(&Chooser::new(&self.pool), &self.specs, package, |found| self.is_goal(found, goal))
    }

    /// Of packages that provide the same, the one that a root would get.
    pub fn best_of(&self, packages: &[PackageId]) -> Option<PackageId> {
        let key = |id: &PackageId| (self.pool.rank(*id), self.pool.universe.package(*id).name().to_owned(), *id);
        packages.iter().copied().min_by_key(key)
    }

    fn is_goal(&self, package: PackageId, goal: Goal) -> bool {
        match goal {
            Goal::Spec(spec) => self.pool.spec_of(package) == Some(spec),
            Goal::Package(wanted) => package == wanted,
        }
    }

    /// The specs that make what an image of these items has: their packages, what those require, and so on. The seed does not count, as an
    /// image takes nothing of it; of alternatives all count, as only the solver decides. Then the items that no spec and no repository
    /// provides.
    pub fn specs_of_image(&self, items: &[Item]) -> (BTreeSet<SpecId>, Vec<String>) {
        let mut unmet = Vec::new();
        let (mut packages, mut open): (FxHashSet<PackageId>, Vec<PackageId>) = Default::default();
        let mut take = |wanted: &ItemKind, open: &mut Vec<PackageId>| {
            let singles = match wanted {
                ItemKind::Simple(one) => vec![(one.name.clone(), one.sense, one.evr.clone())],
                ItemKind::Rich(tree) => tree.singles().into_iter().filter_map(single).collect(),
            };
            let mut is_met = false;
            for (name, sense, evr) in singles {
                let mut found = self.pool.universe.providers_of(&name, sense, &evr);
                found.retain(|one| !matches!(self.pool.origin(*one), Origin::Seed(_)));
                if found.iter().any(|one| packages.contains(one)) {
                    is_met = true;
                } else if let Some(best) = self.best_of(&found) {
                    is_met = true;
                    packages.insert(best);
                    open.push(best);
                }
            }
            is_met
        };
        for item in items {
            if !take(item.wanted(), &mut open) {
                unmet.push(item.text().to_owned());
            }
        }
        while let Some(package) = open.pop() {
            for dependency in &self.pool.universe.package(package).requires {
                take(Item::from(dependency.clone()).wanted(), &mut open);
            }
        }
        (packages.into_iter().filter_map(|one| self.pool.spec_of(one)).collect(), unmet)
    }

    /// The packages that are installed with some packages, themselves among them; sorted. Then the requirements that
    /// nothing meets, as text.
    pub fn installed_with(&self, packages: &[PackageId]) -> (Vec<PackageId>, Vec<String>) {
        let chooser = Chooser::new(&self.pool);
        let wants: Vec<Rc<Want>> = packages.iter().map(|one| Rc::new(Want::Any(Rc::from([*one])))).collect();
        let closure = chooser.close(&wants, |_| Mode::Normal);
        let mut found: Vec<PackageId> = closure.members.keys().copied().collect();
        found.sort_unstable();
        let unmet = closure.unmet.iter().map(|requirement| {
            let (_, from, dependency, _) = asked(&self.pool, &self.specs, None, *requirement);
            format!("{from} requires `{}`", plain(&dependency))
        });
        (found, unmet.collect())
    }

    /// Why a package cannot be installed, as a tree of reasons; `None` if it can be.
    pub fn why_not_installed(&self, package: PackageId) -> Option<String> {
        let item: Item = self.pool.universe.package(package).nevra.to_string().parse().ok()?;
        let request = Request { install: vec![item], options: self.pool.solver_options() };
        bedplate_solve::solve(&self.pool.universe, &request).err().map(|failure| failure.reasons())
    }

    /// The specs whose builds have a package of a spec in their roots, directly or through others: what is built again
    /// when it changes. Sorted, without the spec itself.
    pub fn rebuilds(&self, spec: SpecId) -> Vec<SpecId> {
        let mut users: Vec<Vec<SpecId>> = vec![Vec::new(); self.specs.len()];
        for node in self.nodes.iter().take(self.specs.len()) {
            node.needs.iter().for_each(|need| users[need.0 as usize].push(node.spec));
        }
        let mut seen: FxHashSet<SpecId> = FxHashSet::from_iter([spec]);
        let mut open = vec![spec];
        while let Some(one) = open.pop() {
            open.extend(users[one.0 as usize].iter().filter(|user| seen.insert(**user)));
        }
        seen.remove(&spec);
        let mut found: Vec<SpecId> = seen.into_iter().collect();
        found.sort_unstable();
        found
    }

    /// The specs whose builds ask for a package of a spec themselves, with the first step; sorted.
    pub fn direct_users(&self, spec: SpecId) -> Vec<(SpecId, Step)> {
        let mut found = Vec::new();
        for node in self.nodes.iter().take(self.specs.len()).filter(|node| node.needs.contains(&spec)) {
            if let Some(steps) = self.why_in_build(node.spec, Goal::Spec(spec)).filter(|steps| steps.len() == 1) {
                found.extend(steps.into_iter().map(|step| (node.spec, step)));
            }
        }
        found
    }
}

/// Looking for near names is dear; of more unknown names than this, the rest gets none.
const MAX_NEAR: usize = 200;

/// How many places of one unknown capability are named.
const MAX_PLACES: usize = 5;

/// Capabilities that nothing provides, with all places that ask for them.
pub(crate) struct Unknown<'a> {
    specs: &'a [Spec],
    pool: &'a Pool,
    seed: &'a Seed,
    found: BTreeMap<String, Asked>,
}

#[derive(Default)]
struct Asked {
    dependency: Option<Dependency>,
    is_needed: bool,
    places: Vec<(String, Option<Span>)>,
    about: BTreeSet<(SpecId, NodeKind)>,
    seen: FxHashSet<(Option<SpecId>, Requirement)>,
}

impl<'a> Unknown<'a> {
    pub(crate) fn new(specs: &'a [Spec], pool: &'a Pool, seed: &'a Seed) -> Self {
        Self { specs, pool, seed, found: BTreeMap::new() }
    }

    /// A build root asks for it.
    pub(crate) fn in_root(&mut self, spec: SpecId, kind: NodeKind, requirement: Requirement) {
        self.add(Some(spec), kind, requirement, true);
    }

    /// A package asks for it.
    pub(crate) fn of_package(&mut self, requirement: Requirement) {
        self.add(None, NodeKind::Build, requirement, false);
    }

    fn add(&mut self, spec: Option<SpecId>, kind: NodeKind, requirement: Requirement, is_needed: bool) {
        let (step, from, dependency, span) = asked(self.pool, self.specs, spec, requirement);
        let text = match (step, kind) {
            (StepKind::BuildRequires, NodeKind::Build) => format!("{from} build-requires it"),
            (StepKind::BuildRequires, NodeKind::Check) => format!("{from} build-requires it for its check"),
            (StepKind::Requires, _) => format!("{from} requires it"),
        };
        let asked = self.found.entry(plain(&dependency)).or_default();
        asked.is_needed |= is_needed;
        let of_package =
            if let Asker::Package(package) = requirement.asker { self.pool.spec_of(package) } else { None };
        asked.about.extend(spec.map(|spec| (spec, kind)).or(of_package.map(|spec| (spec, NodeKind::Build))));
        let key = if requirement.asker == Asker::Root { (spec, requirement) } else { (None, requirement) };
        if asked.seen.insert(key) {
            asked.places.push((text, span));
        }
        asked.dependency = Some(dependency);
    }

    pub(crate) fn findings(self) -> Vec<Finding> {
        let mut known: Vec<&str> = self.pool.universe.provided_names().collect();
        known.sort_unstable();
        let mut excluded: FxHashMap<&str, &Spec> = FxHashMap::default();
        for spec in self.specs.iter().filter(|spec| spec.excluded.is_some()) {
            for package in &spec.packages {
                package.package.provides.iter().for_each(|one| {
                    excluded.insert(one.name.as_str(), spec);
                });
            }
        }
        let mut looked = 0;
        let mut found = Vec::new();
        for (shown, mut asked) in self.found {
            let Some(dependency) = asked.dependency else { continue };
            // Places with a span first: those are what the user wrote.
            asked.places.sort_by_key(|(_, span)| span.is_none());
            let message = format!("nothing provides `{shown}`");
            let mut wrong = if asked.is_needed {
                Diagnostic::error("unknown-capability", message)
            } else {
                Diagnostic::warning("uninstallable-package", message)
            };
            wrong.span = asked.places.first().and_then(|(_, span)| *span);
            let rest = asked.places.len().saturating_sub(MAX_PLACES);
            for (at, (text, span)) in asked.places.into_iter().take(MAX_PLACES).enumerate() {
                // The first place is shown as that of the diagnostic.
                wrong = wrong.note(text, span.filter(|_| at > 0));
            }
            if rest > 0 {
                wrong = wrong.note(format!("and {rest} more"), None);
            }
            let names = names(&dependency);
            let fits = |name: &String| {
                self.pool.universe.providers(&dependency).is_empty() && !dependency.is_rich() && !name.is_empty()
            };
            let other_versions: Vec<String> = names
                .iter()
                .filter(|name| fits(name))
                .flat_map(|name| self.pool.universe.providers_of(name, bedplate_model::Sense::ANY, ""))
                .map(|package| self.pool.describe(package))
                .collect();
            wrong.hint = if let Some(first) = other_versions.first() {
                Some(format!("there is {first}, in another version than is asked for"))
            } else if let Some((name, spec)) = names.iter().find_map(|name| Some((name, excluded.get(name.as_str())?)))
            {
                let why = spec.excluded.as_deref().unwrap_or_default();
                Some(format!("{} makes `{name}`, and is left out: {why}", spec.path))
            } else {
                looked += 1;
                let near =
                    names.iter().filter(|_| looked <= MAX_NEAR).find_map(|name| nearest(name, known.iter().copied()));
                match near {
                    Some(near) => Some(format!("did you mean `{near}`?")),
                    None if self.seed.groups.is_empty() => {
                        Some("no seed is given: `--seed FILE` says what the first root provides".to_owned())
                    }
                    None => Some(
                        "add a spec that makes it, a repository that has it, or the package of the seed that does"
                            .to_owned(),
                    ),
                }
            };
            found.push(Finding { diagnostic: wrong, about: asked.about.into_iter().collect() });
        }
        found.sort_by_key(|found| {
            let wrong = &found.diagnostic;
            (std::cmp::Reverse(wrong.severity), wrong.span.is_none(), wrong.span)
        });
        found
    }
}

//! The order in which rpm installs packages: `rpmtsOrder` of `lib/order.c`.
//!
//! ```text
//! dependencies ─▶ relations ─▶ cycles (Tarjan) ─▶ queue: those that nothing is missing for, most wanted first
//!                                  │
//!                                  └─▶ a cycle is cut where it is farthest from scriptlet dependencies
//! ```
//!
//! It is a topological sort whose ties are broken as rpm breaks them: by how many packages want one, then the later in the
//! list first. So the order depends on the order of the packages that are handed in, and on nothing else.

use std::collections::VecDeque;

use bedplate_model::{Dependency, DependencyKind, RichDependency, Sense, parse_rich};
use rustc_hash::FxHashMap;

use crate::links::Links;
use crate::{Package, Rpm};

/// The colour of programs of 64 bits, which go before others.
const PREFERRED: u32 = 2;

/// Requirements that say nothing of the order, unless they are of a scriptlet too: `isUnorderedReq` of `rpmds.h`.
const UNORDERED: Sense = Sense::from_bits(
    Sense::RPMLIB.bits()
        | Sense::CONFIG.bits()
        | Sense::PRETRANS.bits()
        | Sense::POSTTRANS.bits()
        | Sense::SCRIPT_VERIFY.bits()
        | Sense::META.bits(),
);
const OF_SCRIPTLETS: Sense = Sense::from_bits(
    Sense::SCRIPT_PRE.bits() | Sense::SCRIPT_POST.bits() | Sense::SCRIPT_PREUN.bits() | Sense::SCRIPT_POSTUN.bits(),
);

/// Requirements that have to hold before the package is installed: `isInstallPreReq`.
const BEFORE: Sense = Sense::from_bits(
    Sense::SCRIPT_PRE.bits()
        | Sense::SCRIPT_POST.bits()
        | Sense::RPMLIB.bits()
        | Sense::KEYRING.bits()
        | Sense::PRETRANS.bits()
        | Sense::POSTTRANS.bits(),
);

/// The order in which rpm installs these packages, as places in the list.
#[must_use]
pub fn order(packages: &[Package], rpm: Rpm) -> Vec<usize> {
    let index = Index::new(packages);
    let mut sort = Sort::new(packages);
    for (place, package) in packages.iter().enumerate() {
        for wish in &package.wishes {
            let of = Of { package: place, kind: wish.kind, color: wish.color, rpm };
            sort.record(&index, of, &wish.dependency);
        }
    }
    sort.run()
}

/// Whose dependency is looked at.
#[derive(Clone, Copy)]
struct Of {
    package: usize,
    kind: DependencyKind,
    color: u32,
    rpm: Rpm,
}

/// What the packages provide: `lib/rpmal.c`.
struct Index<'a> {
    packages: &'a [Package],
    links: Links<'a>,
    /// Package and place in its list, by name.
    provides: FxHashMap<&'a str, Vec<(usize, usize)>>,
    /// Packages by path, of the paths that somebody wishes for.
    files: FxHashMap<String, Vec<usize>>,
}

impl<'a> Index<'a> {
    fn new(packages: &'a [Package]) -> Self {
        let mut provides: FxHashMap<&str, Vec<(usize, usize)>> = FxHashMap::default();
        for (place, package) in packages.iter().enumerate() {
            for (number, provided) in package.provides.iter().enumerate() {
                provides.entry(&provided.name).or_default().push((place, number));
            }
        }
        let links = Links::of(packages);
        let mut index = Self { packages, links, provides, files: FxHashMap::default() };
        index.add_files();
        index
    }

    fn add_files(&mut self) {
        let wishes = self.packages.iter().flat_map(|package| &package.wishes);
        let paths = wishes.flat_map(|wish| paths_in(&wish.dependency));
        self.files = paths.map(|path| (self.links.real(&path), Vec::new())).collect();
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let names: rustc_hash::FxHashSet<String> = self.files.keys().map(|path| name(path)).collect();
        for (place, package) in self.packages.iter().enumerate() {
            for file in package.files.iter().filter(|file| names.contains(&name(&file.path))) {
                if let Some(owners) = self.files.get_mut(&self.links.real(&file.path)) {
                    owners.push(place);
                }
            }
        }
    }

    /// The package that rpm takes for a dependency: `rpmalSatisfiesDepend`.
    fn provider(&self, of: Of, wanted: &Dependency) -> Option<usize> {
        let owners = self.files.get(&self.links.real(&wanted.name)).filter(|owners| !owners.is_empty());
        let providers: Vec<usize> = match owners {
            Some(owners) if wanted.name.starts_with('/') => owners.clone(),
            _ => {
                let provided = self.provides.get(wanted.name.as_str()).into_iter().flatten();
                provided
                    .filter(|(package, number)| self.packages[*package].provides[*number].overlaps(wanted))
                    .map(|(package, _)| *package)
                    .collect()
            }
        };
        let score = |package: usize| {
            let color = self.packages[package].color;
            let fits = if of.color == 0 { color == PREFERRED } else { color == of.color };
            2 * u8::from(fits) + u8::from(package == of.package)
        };
        // The first of the best.
        providers.into_iter().rev().max_by_key(|package| score(*package))
    }
}

/// The paths that a dependency names.
fn paths_in(dependency: &Dependency) -> Vec<String> {
    if dependency.name.starts_with('/') {
        return vec![dependency.name.clone()];
    }
    if !dependency.name.contains('/') {
        return Vec::new();
    }
    simple_parts(dependency, DependencyKind::Requires)
        .into_iter()
        .map(|part| part.name)
        .filter(|name| name.starts_with('/'))
        .collect()
}

/// The parts of a rich dependency that say something about the order: `addRelation`. Of conditions only what is wanted then.
fn simple_parts(dependency: &Dependency, kind: DependencyKind) -> Vec<Dependency> {
    fn collect(tree: &RichDependency, inherited: Sense, found: &mut Vec<Dependency>) {
        match tree {
            RichDependency::Single { name, sense, evr } => {
                let rpmlib = if name.starts_with("rpmlib(") { Sense::RPMLIB } else { Sense::ANY };
                found.push(Dependency::new(name.clone(), evr.clone(), *sense | inherited | rpmlib));
            }
            RichDependency::Group(one) => collect(one, inherited, found),
            RichDependency::And(all) | RichDependency::Or(all) => {
                all.iter().for_each(|one| collect(one, inherited, found));
            }
            RichDependency::With(all) => all.iter().take(1).for_each(|one| collect(one, inherited, found)),
            RichDependency::Without(one, _) => collect(one, inherited, found),
            RichDependency::If { then, .. } | RichDependency::Unless { then, .. } => collect(then, inherited, found),
            RichDependency::Else(..) => {}
        }
    }
    let mut found = Vec::new();
    if let Ok((tree, _)) = parse_rich(&dependency.name, kind) {
        collect(&tree, dependency.sense.without(Sense::RELATION | Sense::MISSINGOK), &mut found);
    }
    found
}

/// An edge, as one of its ends sees it.
#[derive(Clone, Copy)]
struct Relation {
    other: usize,
    /// It comes from a scriptlet, so that a cycle is not cut there.
    is_strong: bool,
}

/// A package in the sort.
#[derive(Default)]
struct Node {
    color: u32,
    /// Whom it wants, and who wants it; the newest last, and rpm looks at the newest first.
    wants: Vec<Relation>,
    wanted_by: Vec<Relation>,
    /// How many of those that it wants are not collected yet.
    missing: usize,
    state: State,
    /// Steps from a scriptlet dependency, within its cycle.
    distance: u32,
}

/// Where a package is in the sort.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    New,
    /// In no cycle.
    Alone,
    /// In a cycle: its number.
    InCycle(usize),
    Collected,
}

/// Packages that want each other.
struct Cycle {
    members: Vec<usize>,
    /// How many wishes of members for packages outside are not met yet.
    missing: usize,
}

struct Sort {
    nodes: Vec<Node>,
    cycles: Vec<Cycle>,
    order: Vec<usize>,
}

impl Sort {
    fn new(packages: &[Package]) -> Self {
        let nodes = packages.iter().map(|package| Node { color: package.color, ..Node::default() }).collect();
        Self { nodes, cycles: Vec::new(), order: Vec::with_capacity(packages.len()) }
    }

    /// Records what a dependency says.
    fn record(&mut self, index: &Index<'_>, of: Of, dependency: &Dependency) {
        let sense = dependency.sense;
        if sense.intersects(UNORDERED) && !sense.intersects(OF_SCRIPTLETS) {
            return;
        }
        if dependency.is_rich() {
            for part in simple_parts(dependency, of.kind) {
                self.record(index, Of { color: 0, ..of }, &part);
            }
            return;
        }
        let Some(provider) = index.provider(of, dependency).filter(|provider| *provider != of.package) else { return };
        let is_legacy = sense & Sense::ALL_REQUIRES == Sense::PREREQ;
        let mut is_strong = sense.intersects(BEFORE) || is_legacy;
        let is_weak = of.kind != DependencyKind::Requires || sense.intersects(Sense::MISSINGOK);
        if is_weak && !(of.rpm >= Rpm::V4_20 && of.kind == DependencyKind::Order) {
            if !is_strong && of.rpm >= Rpm::V4_20 {
                return;
            }
            is_strong = false;
        }
        let is_reversed = matches!(of.kind, DependencyKind::Supplements | DependencyKind::Enhances);
        self.relate(of.package, provider, is_strong, is_reversed);
    }

    /// `addSingleRelation`: `from` wants `to`, or the other way around.
    fn relate(&mut self, from: usize, to: usize, is_strong: bool, is_reversed: bool) {
        let (p, q) = if is_reversed { (to, from) } else { (from, to) };
        // All wishes of a package come one after the other, so the newest relation is looked at only. That of a reversed one is
        // looked for on the wrong side, and then it changes what it should not; the order is right nevertheless.
        let newest = if is_reversed { self.nodes[q].wants.last_mut() } else { self.nodes[q].wanted_by.last_mut() };
        if let Some(newest) = newest.filter(|newest| newest.other == p) {
            newest.is_strong |= is_strong;
            let other = if is_reversed { &mut self.nodes[p].wanted_by } else { &mut self.nodes[p].wants };
            if let Some(same) = other.iter_mut().rev().find(|relation| relation.other == q) {
                same.is_strong |= is_strong;
            }
            return;
        }
        self.nodes[p].missing += 1;
        self.nodes[p].wants.push(Relation { other: q, is_strong });
        self.nodes[q].wanted_by.push(Relation { other: p, is_strong });
    }

    fn run(mut self) -> Vec<usize> {
        self.find_cycles();
        let mut queue = VecDeque::new();
        for node in 0..self.nodes.len() {
            if self.nodes[node].missing == 0 {
                self.enqueue(&mut queue, node);
            }
        }
        for cycle in 0..self.cycles.len() {
            if self.cycles[cycle].missing == 0 {
                self.enqueue(&mut queue, self.cycles[cycle].members[0]);
            }
        }
        while let Some(node) = queue.pop_front() {
            match self.nodes[node].state {
                State::InCycle(cycle) => self.collect_cycle(cycle, &mut queue),
                _ => self.collect(node, &mut queue, None),
            }
        }
        self.order
    }

    /// Finds the cycles: Tarjan's algorithm over `wanted_by`.
    fn find_cycles(&mut self) {
        const UNSEEN: usize = usize::MAX;
        let count = self.nodes.len();
        let (mut indexes, mut lows) = (vec![UNSEEN; count], vec![UNSEEN; count]);
        let mut stack = Vec::new();
        let mut seen = 0;
        for start in 0..count {
            if indexes[start] != UNSEEN {
                continue;
            }
            // Nodes that are being walked, with how many of their relations are left.
            let mut walk = vec![(start, self.nodes[start].wanted_by.len())];
            while let Some((node, left)) = walk.last_mut() {
                let node = *node;
                if indexes[node] == UNSEEN {
                    (indexes[node], lows[node]) = (seen, seen);
                    seen += 1;
                    stack.push(node);
                }
                if *left > 0 {
                    *left -= 1;
                    let next = self.nodes[node].wanted_by[*left].other;
                    if indexes[next] == UNSEEN {
                        walk.push((next, self.nodes[next].wanted_by.len()));
                    } else if self.nodes[next].state == State::New {
                        lows[node] = lows[node].min(indexes[next]);
                    }
                    continue;
                }
                walk.pop();
                if let Some((parent, _)) = walk.last() {
                    lows[*parent] = lows[*parent].min(lows[node]);
                }
                if lows[node] == indexes[node] {
                    let at = stack.iter().rposition(|one| *one == node).expect("a node is on the stack until here");
                    self.add_cycle(stack.split_off(at));
                }
            }
        }
    }

    fn add_cycle(&mut self, members: Vec<usize>) {
        if let [alone] = members[..] {
            self.nodes[alone].state = State::Alone;
            return;
        }
        let state = State::InCycle(self.cycles.len());
        members.iter().for_each(|member| self.nodes[*member].state = state);
        let inside = |relation: &&Relation| self.nodes[relation.other].state == state;
        let missing = members.iter().map(|member| {
            let node = &self.nodes[*member];
            node.missing - node.wants.iter().filter(inside).count()
        });
        let missing = missing.sum();
        self.cycles.push(Cycle { members, missing });
    }

    /// `addQ`: the most wanted first, those that are as much wanted before the older ones; behind all others those of another colour.
    fn enqueue(&self, queue: &mut VecDeque<usize>, node: usize) {
        let Node { color, ref wanted_by, .. } = self.nodes[node];
        let goes_last = color != 0 && color != PREFERRED;
        let place = queue.iter().position(|other| {
            let other = &self.nodes[*other];
            !(goes_last && color != other.color) && other.wanted_by.len() <= wanted_by.len()
        });
        queue.insert(place.unwrap_or(queue.len()), node);
    }

    /// `collectTE`: takes a package, and enqueues those that waited for it alone. What is outside of the cycle that is being
    /// collected goes to `outer`.
    fn collect(&mut self, node: usize, queue: &mut VecDeque<usize>, mut outer: Option<&mut VecDeque<usize>>) {
        self.order.push(node);
        let state = self.nodes[node].state;
        for at in (0..self.nodes[node].wanted_by.len()).rev() {
            let other = self.nodes[node].wanted_by[at].other;
            let others = self.nodes[other].state;
            if others == State::Collected {
                continue;
            }
            self.nodes[other].missing -= 1;
            if self.nodes[other].missing == 0 {
                let is_outside = others != state;
                match &mut outer {
                    Some(outer) if is_outside => self.enqueue(outer, other),
                    _ => self.enqueue(queue, other),
                }
            }
            if let State::InCycle(cycle) = others
                && others != state
            {
                self.cycles[cycle].missing -= 1;
                if self.cycles[cycle].missing == 0 {
                    match &mut outer {
                        Some(outer) => self.enqueue(outer, other),
                        None => self.enqueue(queue, other),
                    }
                }
            }
        }
        self.nodes[node].state = State::Collected;
    }

    /// `collectSCC`: takes the packages of a cycle, beginning where it is farthest from scriptlet dependencies.
    fn collect_cycle(&mut self, cycle: usize, outer: &mut VecDeque<usize>) {
        self.measure(cycle);
        let members = std::mem::take(&mut self.cycles[cycle].members);
        loop {
            let left = members.iter().filter(|member| self.nodes[**member].state != State::Collected);
            // The last of the farthest.
            let Some(best) = left.max_by_key(|member| self.nodes[**member].distance) else { return };
            let mut inner = VecDeque::from([*best]);
            while let Some(node) = inner.pop_front() {
                self.collect(node, &mut inner, Some(&mut *outer));
            }
        }
    }

    /// How far the members of a cycle are from one that a scriptlet of a member needs.
    fn measure(&mut self, cycle: usize) {
        let state = State::InCycle(cycle);
        let members = self.cycles[cycle].members.clone();
        let mut queue = VecDeque::new();
        for member in members {
            let wants = &self.nodes[member].wants;
            let is_start = wants.iter().any(|one| one.is_strong && self.nodes[one.other].state == state);
            self.nodes[member].distance = if is_start { 0 } else { u32::MAX };
            if is_start {
                queue.push_back(member);
            }
        }
        while let Some(node) = queue.pop_front() {
            let next = self.nodes[node].distance + 1;
            for at in (0..self.nodes[node].wants.len()).rev() {
                let other = self.nodes[node].wants[at].other;
                if self.nodes[other].state == state && self.nodes[other].distance > next {
                    self.nodes[other].distance = next;
                    queue.push_back(other);
                }
            }
        }
    }
}

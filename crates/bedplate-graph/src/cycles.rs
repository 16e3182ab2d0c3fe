//! Cycles of builds, and what to take from the seed to break them.
//!
//! The builds of a strongly connected component wait for each other. A *unit* is one `BuildRequires` of one build; a cut is
//! a set of units that, met by the seed or by prebuilt packages, leaves no cycle. The cut is the answer of a hitting-set
//! problem that grows: cycles that a cut leaves over become constraints, until none is left. Small problems are solved
//! exactly (the cut is then a minimum). For large ones an order of builds is made in which little has to be cut, and what is
//! not needed is taken out again (the cut is then minimal: no unit of it can be spared).

use rustc_hash::FxHashSet;

use crate::pool::SpecId;

/// One `BuildRequires` of one build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit {
    /// The build.
    pub spec: SpecId,
    /// The place in [`crate::Spec::build_requires`].
    pub index: u32,
}

/// What the search is about: for each spec of a component its units, each with the specs that it leads to.
#[derive(Debug)]
pub(crate) struct Component {
    /// The specs, sorted.
    pub(crate) specs: Vec<SpecId>,
    /// The units, sorted.
    pub(crate) units: Vec<Unit>,
    /// For each unit the place of its spec, the places of the specs that it leads to, and what it costs to cut it.
    ways: Vec<(usize, Vec<usize>, u32)>,
    /// For each spec the places of its units.
    units_of: Vec<Vec<usize>>,
}

/// A set of units that breaks all cycles of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) units: Vec<Unit>,
    /// True if no cheaper cut exists; else no unit of it can be spared.
    pub(crate) is_minimum: bool,
}

/// How many steps the exact search may take, and how many a round of looking for cycles counts for.
const MAX_STEPS: u32 = 5_000;
const STEPS_OF_A_ROUND: u32 = 100;

/// Of more units than this, the exact search would not come to its end.
const MAX_UNITS: usize = 600;

/// The strongly connected components of a graph with more than one node, or with an edge to itself; each sorted, in the
/// order of their first nodes. Tarjan's algorithm, without recursion.
pub(crate) fn components(edges: &[Vec<u32>]) -> Vec<Vec<u32>> {
    const NEW: u32 = u32::MAX;
    let mut order = vec![NEW; edges.len()];
    let mut low = vec![0; edges.len()];
    let mut on_stack = vec![false; edges.len()];
    let (mut stack, mut found, mut next) = (Vec::new(), Vec::new(), 0);
    for start in 0..edges.len() {
        if order[start] != NEW {
            continue;
        }
        let mut calls: Vec<(usize, usize)> = vec![(start, 0)];
        while let Some((node, at)) = calls.last_mut() {
            let node = *node;
            if *at == 0 && order[node] == NEW {
                order[node] = next;
                low[node] = next;
                next += 1;
                stack.push(node);
                on_stack[node] = true;
            }
            if let Some(to) = edges[node].get(*at) {
                let to = *to as usize;
                *at += 1;
                if order[to] == NEW {
                    calls.push((to, 0));
                } else if on_stack[to] {
                    low[node] = low[node].min(order[to]);
                }
                continue;
            }
            calls.pop();
            if let Some((parent, _)) = calls.last() {
                low[*parent] = low[*parent].min(low[node]);
            }
            if low[node] == order[node] {
                let at = stack.iter().rposition(|one| *one == node).unwrap_or(0);
                let mut members: Vec<u32> = stack.drain(at..).map(number).collect();
                members.iter().for_each(|one| on_stack[*one as usize] = false);
                members.sort_unstable();
                if members.len() > 1 || edges[node].contains(&number(node)) {
                    found.push(members);
                }
            }
        }
    }
    found.sort();
    found
}

fn number(n: usize) -> u32 {
    u32::try_from(n).expect("a graph has fewer than 2^32 nodes")
}

impl Component {
    /// A component of some sorted specs; of each unit the specs of the component that it leads to, and its cost.
    pub(crate) fn new(specs: Vec<SpecId>, units: Vec<(Unit, Vec<SpecId>, u32)>) -> Self {
        let place =
            |spec: &SpecId| specs.binary_search(spec).expect("a unit is of a spec of the component, and leads to such");
        let mut units_of = vec![Vec::new(); specs.len()];
        let (mut names, mut ways) = (Vec::new(), Vec::new());
        for (at, (unit, leads_to, cost)) in units.into_iter().enumerate() {
            let from = place(&unit.spec);
            units_of[from].push(at);
            names.push(unit);
            ways.push((from, leads_to.iter().map(place).collect(), cost));
        }
        Self { specs, units: names, ways, units_of }
    }

    /// The edges that are left without some units.
    fn edges(&self, without: &FxHashSet<usize>) -> Vec<Vec<u32>> {
        let mut edges = vec![Vec::new(); self.specs.len()];
        for (_, (from, leads_to, _)) in self.ways.iter().enumerate().filter(|(at, _)| !without.contains(at)) {
            edges[*from].extend(leads_to.iter().map(|to| number(*to)));
        }
        for list in &mut edges {
            list.sort_unstable();
            list.dedup();
        }
        edges
    }

    /// The shortest cycles that begin with some units, as specs in forward order from the unit's own.
    pub(crate) fn cycles_through(&self, units: &[Unit]) -> Vec<Vec<SpecId>> {
        let edges = self.edges(&FxHashSet::default());
        let cycle = |unit: &Unit| {
            let (start, leads_to, _) = &self.ways[self.units.binary_search(unit).unwrap_or_default()];
            if leads_to.contains(start) {
                return vec![unit.spec];
            }
            let path = shortest_path(&edges, leads_to, *start).unwrap_or_default();
            std::iter::once(unit.spec)
                .chain(path.into_iter().filter(|at| at != start).map(|at| self.specs[at]))
                .collect()
        };
        units.iter().map(cycle).collect()
    }

    /// One unit for each hop of a cycle, none of them of `without`: a cut has to have one of these.
    fn constraint(&self, cycle: &[usize], without: &FxHashSet<usize>) -> Vec<usize> {
        let hops = cycle.iter().zip(cycle.iter().cycle().skip(1));
        let makes = |from: &usize, to: &usize| {
            self.units_of[*from].iter().copied().find(|at| !without.contains(at) && self.ways[*at].1.contains(to))
        };
        let mut found: Vec<usize> = hops.filter_map(|(from, to)| makes(from, to)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// A cut of least cost, or one of which no unit can be spared.
    pub(crate) fn cut(&self) -> Cut {
        let costs: Vec<u32> = self.ways.iter().map(|(_, _, cost)| *cost).collect();
        let mut chosen = self.cut_of_an_order();
        // What the order took too much is given back, dearest first.
        let mut order: Vec<usize> = chosen.iter().copied().collect();
        order.sort_by_key(|unit| (std::cmp::Reverse(costs[*unit]), std::cmp::Reverse(*unit)));
        for unit in order {
            if !self.closes_a_cycle(unit, &chosen) {
                chosen.remove(&unit);
            }
        }
        let exact = if self.units.len() <= MAX_UNITS { self.least_cut(&costs) } else { None };
        let is_minimum = exact.is_some();
        let cost = |units: &FxHashSet<usize>| units.iter().map(|unit| u64::from(costs[*unit])).sum::<u64>();
        // Of two that cost the same, that of the order: it does not depend on how far the search got.
        let chosen = exact.filter(|exact| cost(exact) < cost(&chosen)).unwrap_or(chosen);
        let mut units: Vec<Unit> = chosen.iter().map(|at| self.units[*at]).collect();
        units.sort_unstable();
        Cut { units, is_minimum }
    }

    /// True if a unit of a cut cannot be spared: without it the cut leaves a cycle.
    fn closes_a_cycle(&self, unit: usize, cut: &FxHashSet<usize>) -> bool {
        let (start, leads_to, _) = &self.ways[unit];
        let mut seen = vec![false; self.specs.len()];
        let mut open = leads_to.clone();
        while let Some(at) = open.pop() {
            if at == *start {
                return true;
            }
            if !std::mem::replace(&mut seen[at], true) {
                let left = self.units_of[at].iter().filter(|unit| !cut.contains(unit));
                open.extend(left.flat_map(|unit| self.ways[*unit].1.iter().filter(|to| !seen[**to])));
            }
        }
        false
    }

    /// A cut by an order of builds: next is always the spec that most others wait for, less what has to be cut to build it now;
    /// of equal ones the first.
    fn cut_of_an_order(&self) -> FxHashSet<usize> {
        let mut waits: Vec<usize> = self.ways.iter().map(|(_, leads_to, _)| leads_to.len()).collect();
        let mut users: Vec<Vec<usize>> = vec![Vec::new(); self.specs.len()];
        for (unit, (_, leads_to, _)) in self.ways.iter().enumerate() {
            leads_to.iter().for_each(|to| users[*to].push(unit));
        }
        // What it costs to build each spec now: its units that lead to what is not built.
        let mut price = vec![0_i64; self.specs.len()];
        for (from, leads_to, cost) in &self.ways {
            price[*from] += if leads_to.is_empty() { 0 } else { i64::from(*cost) };
        }
        let gain = |price: &[i64], users: &[Vec<usize>], spec: usize| {
            i64::try_from(users[spec].len()).unwrap_or(i64::MAX).saturating_sub(price[spec])
        };
        let mut cut = FxHashSet::default();
        let mut open: Vec<usize> = (0..self.specs.len()).collect();
        while let Some(next) =
            open.iter().copied().max_by_key(|spec| (gain(&price, &users, *spec), std::cmp::Reverse(*spec)))
        {
            open.retain(|spec| *spec != next);
            cut.extend(self.units_of[next].iter().copied().filter(|unit| waits[*unit] > 0));
            for unit in std::mem::take(&mut users[next]) {
                waits[unit] -= 1;
                if waits[unit] == 0 {
                    price[self.ways[unit].0] -= i64::from(self.ways[unit].2);
                }
            }
        }
        cut
    }

    /// A cut of least cost; `None` if the search takes too long. Cycles that a choice of units leaves over become constraints
    /// of the next choice, until none is left.
    fn least_cut(&self, costs: &[u32]) -> Option<FxHashSet<usize>> {
        let mut search = Search { costs, best: Vec::new(), best_cost: 0, steps: 0 };
        let mut constraints = Constraints::default();
        loop {
            let chosen: FxHashSet<usize> = search.least(&constraints.list)?.into_iter().collect();
            let edges = self.edges(&chosen);
            let rest = components(&edges);
            if rest.is_empty() {
                return Some(chosen);
            }
            let before = constraints.list.len();
            for start in rest.iter().flatten() {
                let Some(cycle) = shortest_cycle(&edges, *start as usize) else { continue };
                constraints.add(self.constraint(&cycle, &chosen));
            }
            debug_assert!(before < constraints.list.len(), "a cycle that is left is one that no constraint is about");
            search.steps += STEPS_OF_A_ROUND;
        }
    }

    #[cfg(test)]
    fn is_acyclic(&self, without: &FxHashSet<usize>) -> bool {
        components(&self.edges(without)).is_empty()
    }
}

/// Sets of units of each of which a cut has one.
#[derive(Default)]
struct Constraints {
    list: Vec<Vec<usize>>,
    seen: FxHashSet<Vec<usize>>,
}

impl Constraints {
    fn add(&mut self, units: Vec<usize>) {
        if self.seen.insert(units.clone()) {
            self.list.push(units);
        }
    }
}

fn shortest_cycle(edges: &[Vec<u32>], start: usize) -> Option<Vec<usize>> {
    if edges[start].contains(&number(start)) {
        return Some(vec![start]);
    }
    let first: Vec<usize> = edges[start].iter().map(|to| *to as usize).collect();
    let mut path = shortest_path(edges, &first, start)?;
    path.pop();
    path.insert(0, start);
    Some(path)
}

/// The shortest path from one of `first` to `goal`, both ends in it.
fn shortest_path(edges: &[Vec<u32>], first: &[usize], goal: usize) -> Option<Vec<usize>> {
    const NONE: usize = usize::MAX;
    let mut from = vec![None; edges.len()];
    let mut queue: std::collections::VecDeque<usize> = std::collections::VecDeque::new();
    for node in first {
        if from[*node].is_none() {
            from[*node] = Some(NONE);
            queue.push_back(*node);
        }
    }
    while let Some(node) = queue.pop_front() {
        if node == goal {
            let mut path = vec![node];
            let mut at = node;
            while let Some(before) = from[at].filter(|before| *before != NONE) {
                path.push(before);
                at = before;
            }
            path.reverse();
            return Some(path);
        }
        for to in &edges[node] {
            let to = *to as usize;
            if from[to].is_none() {
                from[to] = Some(node);
                queue.push_back(to);
            }
        }
    }
    None
}

/// Takes the unit that hits most for its cost, again and again; ties go to the first.
fn greedy(constraints: &[Vec<usize>], costs: &[u32]) -> Vec<usize> {
    let mut open: Vec<&Vec<usize>> = constraints.iter().collect();
    let mut chosen = Vec::new();
    let mut hits = vec![0_u64; costs.len()];
    while !open.is_empty() {
        hits.fill(0);
        open.iter().flat_map(|one| one.iter()).for_each(|unit| hits[*unit] += 1);
        let better = |a: &usize, b: &usize| {
            let (left, right) = (hits[*a] * u64::from(costs[*b]), hits[*b] * u64::from(costs[*a]));
            left.cmp(&right).then(b.cmp(a))
        };
        let Some(unit) = (0..costs.len()).filter(|unit| hits[*unit] > 0).max_by(better) else { break };
        chosen.push(unit);
        open.retain(|one| !one.contains(&unit));
    }
    chosen
}

/// Branch and bound for a hitting set of least cost. All calls of one cut share the number of steps.
struct Search<'a> {
    costs: &'a [u32],
    best: Vec<usize>,
    best_cost: u64,
    steps: u32,
}

impl Search<'_> {
    /// A set of least cost; `None` if that takes too many steps.
    fn least(&mut self, constraints: &[Vec<usize>]) -> Option<Vec<usize>> {
        let mut order: Vec<&[usize]> = constraints.iter().map(Vec::as_slice).collect();
        order.sort_by_key(|one| one.len());
        self.best = greedy(constraints, self.costs);
        self.best_cost = self.best.iter().map(|unit| u64::from(self.costs[*unit])).sum();
        self.run(&order, &mut Vec::new(), 0);
        (self.steps < MAX_STEPS).then(|| self.best.clone())
    }

    /// `open` are the constraints that are not hit yet.
    fn run(&mut self, open: &[&[usize]], chosen: &mut Vec<usize>, cost: u64) {
        self.steps += 1;
        if self.steps >= MAX_STEPS {
            return;
        }
        let Some(first) = open.first() else {
            if cost < self.best_cost {
                self.best_cost = cost;
                self.best.clone_from(chosen);
            }
            return;
        };
        // Constraints without a common unit each cost at least their cheapest unit.
        let mut used = vec![false; self.costs.len()];
        let mut bound = cost;
        for one in open {
            if one.iter().all(|unit| !used[*unit]) {
                bound += one.iter().map(|unit| u64::from(self.costs[*unit])).min().unwrap_or(0);
                one.iter().for_each(|unit| used[*unit] = true);
            }
        }
        if bound >= self.best_cost {
            return;
        }
        for unit in *first {
            let rest: Vec<&[usize]> = open.iter().copied().filter(|one| !one.contains(unit)).collect();
            chosen.push(*unit);
            self.run(&rest, chosen, cost + u64::from(self.costs[*unit]));
            chosen.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(units: &[(u32, &[u32], u32)]) -> Component {
        let all = units.iter().flat_map(|(spec, to, _)| std::iter::once(spec).chain(to.iter()));
        let mut specs: Vec<SpecId> = all.map(|spec| SpecId(*spec)).collect();
        specs.sort_unstable();
        specs.dedup();
        let mut counts = vec![0; 100];
        let units = units.iter().map(|(spec, to, cost)| {
            let index = counts[*spec as usize];
            counts[*spec as usize] += 1;
            (Unit { spec: SpecId(*spec), index }, to.iter().map(|one| SpecId(*one)).collect(), *cost)
        });
        let mut units: Vec<_> = units.collect();
        units.sort_by_key(|(unit, _, _)| *unit);
        Component::new(specs, units)
    }

    #[test]
    fn components_are_found() {
        let edges = [vec![1], vec![2], vec![0], vec![3], vec![0], vec![6], vec![5, 4]];
        assert_eq!(components(&edges), [vec![0, 1, 2], vec![3], vec![5, 6]]);
    }

    #[test]
    fn a_cut_is_the_cheapest() {
        // 0 → 1 → 0 and 0 → 2 → 0: one unit of 0 leads to both.
        let both = component(&[(0, &[1, 2], 1), (1, &[0], 1), (2, &[0], 1)]);
        let want = Cut { units: vec![Unit { spec: SpecId(0), index: 0 }], is_minimum: true };
        assert_eq!(both.cut(), want);
        // The same, but that unit cannot be had.
        let dear = component(&[(0, &[1, 2], 1000), (1, &[0], 1), (2, &[0], 1)]);
        let units = vec![Unit { spec: SpecId(1), index: 0 }, Unit { spec: SpecId(2), index: 0 }];
        assert_eq!(dear.cut(), Cut { units, is_minimum: true });
        // A hop of two units: both are needed, or the one of the way back.
        let double = component(&[(0, &[1], 1), (0, &[1], 1), (1, &[0], 1)]);
        assert_eq!(double.cut().units, [Unit { spec: SpecId(1), index: 0 }]);
        let own = component(&[(4, &[4], 1)]);
        assert_eq!(own.cut().units.len(), 1);
    }

    /// Every cut leaves no cycle, no unit of it can be spared, and an exact one is as cheap as trying all.
    #[test]
    fn cuts_of_random_components_are_right() {
        let mut state = 7_u64;
        let mut random = |below: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from((state >> 33) % u64::from(below)).unwrap()
        };
        for _ in 0..300 {
            let nodes = 2 + random(4);
            let mut units = Vec::new();
            for _ in 0..nodes + random(5) {
                let to: Vec<u32> = (0..1 + random(2)).map(|_| random(nodes)).collect();
                units.push((random(nodes), to, 1 + random(3)));
            }
            let borrowed: Vec<(u32, &[u32], u32)> = units.iter().map(|(a, b, c)| (*a, &b[..], *c)).collect();
            let all = component(&borrowed);
            let cut = all.cut();
            let places = |cut: &[Unit]| -> FxHashSet<usize> {
                cut.iter().map(|unit| all.units.binary_search(unit).unwrap()).collect()
            };
            let chosen = places(&cut.units);
            assert!(all.is_acyclic(&chosen));
            for unit in &chosen {
                let mut fewer = chosen.clone();
                fewer.remove(unit);
                assert!(!all.is_acyclic(&fewer), "a unit can be spared");
            }
            let cost = |set: &FxHashSet<usize>| set.iter().map(|at| all.ways[*at].2).sum::<u32>();
            let cheapest = (0..1_u32 << all.units.len())
                .map(|bits| (0..all.units.len()).filter(|at| bits >> at & 1 == 1).collect::<FxHashSet<usize>>())
                .filter(|set| all.is_acyclic(set))
                .map(|set| cost(&set))
                .min();
            assert!(!cut.is_minimum || Some(cost(&chosen)) == cheapest, "{all:?}\n{cut:?} {cheapest:?}");
        }
    }
}

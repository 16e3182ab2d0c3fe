//! The build graph: nodes, what they wait for, cycles, waves.

use std::collections::BTreeMap;

use bedplate_diag::Diagnostic;
use bedplate_solve::Repository;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::capability::CapabilityLock;
use crate::closure::{Chooser, Closure};
use crate::cycles::Unit;
use crate::input::Spec;
use crate::maker::{Maker, Root, refuse_duplicates};
use crate::pool::{Origin, Pool, SpecId};
use crate::schedule::{self, DEFAULT_SECONDS, Durations};
use crate::seed::Seed;
use crate::why::Step;

/// What a graph is made of.
#[derive(Debug, Default)]
pub struct Inputs {
    /// The specs.
    pub specs: Vec<Spec>,
    /// The seed; an empty one if there is none.
    pub seed: Seed,
    /// What earlier builds taught.
    pub lock: CapabilityLock,
    /// Repositories of built packages.
    pub repositories: Vec<Repository>,
    /// How long builds took.
    pub durations: Durations,
}

/// A node of a graph, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeKind {
    /// Builds the packages of a spec.
    Build,
    /// Runs its `%check`, after the build; nothing waits for it.
    Check,
}

/// Whether a node will run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It has to run.
    Planned,
    /// A repository has all packages of the spec in this version.
    Built,
    /// It cannot run: something it needs is not there, or is blocked itself.
    Blocked,
    /// The spec is not for this architecture.
    Excluded,
}

/// A build or a check.
#[derive(Debug, Clone)]
pub struct Node {
    /// The spec.
    pub spec: SpecId,
    /// Build or check.
    pub kind: NodeKind,
    /// The builds that it waits for, sorted.
    pub needs: Vec<SpecId>,
    /// Groups of the seed that are in its root, as places in [`Pool::groups`], sorted.
    pub groups: Vec<u32>,
    /// Whether it will run.
    pub state: State,
    /// The first wave is 1; 0 if it does not run.
    pub wave: u32,
    /// How long it should take, in seconds; 0 if it does not run.
    pub seconds: f64,
    /// True if that was recorded, false if it is a guess.
    pub is_recorded: bool,
    /// The longest way from its start to the end of all that waits for it, in seconds.
    pub remaining: f64,
    /// True if a delay of it delays everything.
    pub is_critical: bool,
}

/// A unit of a cut.
#[derive(Debug, Clone)]
pub struct CutUnit {
    /// Which `BuildRequires` of which spec.
    pub unit: Unit,
    /// The packages of the seed or of a repository that take its place; none if nothing can.
    pub by: Vec<String>,
}

/// A cycle, in forward order: each hop leads from one spec to the next, the last one back to the first.
#[derive(Debug, Clone)]
pub struct Cycle {
    /// The specs, beginning with that whose requirement is to be cut.
    pub specs: Vec<SpecId>,
    /// The steps from each spec to the next.
    pub hops: Vec<Vec<Step>>,
}

/// Specs that wait for each other.
#[derive(Debug, Clone)]
pub struct CycleGroup {
    /// The specs, sorted.
    pub specs: Vec<SpecId>,
    /// What to take from the seed, or prebuilt, to break all cycles of the group.
    pub cut: Vec<CutUnit>,
    /// True if no smaller cut exists; else no unit of it can be spared.
    pub is_minimum: bool,
    /// For each unit of the cut, the shortest cycle that begins with it.
    pub cycles: Vec<Cycle>,
}

impl CycleGroup {
    /// True if the seed or a repository can take the place of every unit of the cut.
    pub fn is_cut(&self) -> bool {
        self.cut.iter().all(|unit| !unit.by.is_empty())
    }
}

/// Something that is wrong, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub diagnostic: Diagnostic,
    /// The builds and checks that cannot run for that; of a package that cannot be installed, its build.
    pub about: Vec<(SpecId, NodeKind)>,
}

/// The graph of all specs.
#[derive(Debug)]
pub struct BuildGraph {
    /// The specs, sorted by name.
    pub specs: Vec<Spec>,
    /// The packages.
    pub pool: Pool,
    /// The builds, in the order of the specs, and then the checks.
    pub nodes: Vec<Node>,
    /// The cycles that were found, whether the seed cuts them or not.
    pub cycles: Vec<CycleGroup>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// The roots of the builds, in the order of the specs.
    pub(crate) roots: Vec<Root>,
    /// The roots of the checks.
    pub(crate) check_roots: BTreeMap<SpecId, Root>,
    check_nodes: BTreeMap<SpecId, NodeId>,
}

impl BuildGraph {
    /// Makes the graph of some specs. What is wrong is in [`Self::findings`]; the rest of the graph is good nevertheless.
    pub fn new(inputs: Inputs) -> Self {
        let Inputs { mut specs, seed, lock, repositories, durations } = inputs;
        specs.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
        let mut findings = refuse_duplicates(&mut specs);
        let pool = Pool::new(&specs, &seed, &lock, repositories);
        let chooser = Chooser::new(&pool);
        let mut maker =
            Maker { specs: &specs, pool: &pool, chooser: &chooser, roots: Vec::new(), blocked: FxHashSet::default() };
        maker.roots = (0..specs.len()).map(|at| maker.root(at, FxHashSet::default())).collect();
        let cycles = maker.break_cycles();
        let checks = maker.checks();
        findings.extend(maker.unknown_capabilities(&checks, &seed));
        findings.extend(maker.uncut_cycles(&cycles));
        findings.extend(maker.unsolvable_roots(&checks));
        let Maker { roots, blocked, .. } = maker;
        let (nodes, check_roots, check_nodes) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let mut graph = Self { nodes, check_nodes, specs, cycles, findings, roots, check_roots, pool };
        graph.make_nodes(&blocked, &checks, &durations);
        graph.check_roots = checks.into_iter().collect();
        graph
    }

    /// The node that builds a spec.
    pub fn build_node(&self, spec: SpecId) -> NodeId {
        NodeId(spec.0)
    }

    /// The node that checks a spec, if it has a `%check`.
    pub fn check_node(&self, spec: SpecId) -> Option<NodeId> {
        self.check_nodes.get(&spec).copied()
    }

    /// All nodes, in their order.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..u32::try_from(self.nodes.len()).expect("a graph has fewer than 2^32 nodes")).map(NodeId)
    }

    /// All specs, in their order.
    pub fn spec_ids(&self) -> impl Iterator<Item = SpecId> + use<> {
        (0..u32::try_from(self.specs.len()).expect("fewer than 2^32 specs fit in memory")).map(SpecId)
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// A spec.
    pub fn spec(&self, id: SpecId) -> &Spec {
        &self.specs[id.0 as usize]
    }

    /// What is wrong, without the specs.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        self.findings.iter().map(|finding| finding.diagnostic.clone()).collect()
    }

    /// True if nothing is wrong.
    pub fn is_good(&self) -> bool {
        !self.findings.iter().any(|finding| finding.diagnostic.is_error())
    }

    /// The time that nodes take with some workers, in seconds, each started when what it needs is done.
    pub fn makespan(&self, nodes: &[NodeId], workers: usize) -> f64 {
        let place: FxHashMap<NodeId, usize> = nodes.iter().copied().zip(0..).collect();
        let needs: Vec<Vec<usize>> = nodes
            .iter()
            .map(|id| self.node_needs(*id).filter_map(|need| place.get(&need).copied()).collect())
            .collect();
        let times: Vec<f64> = nodes.iter().map(|id| self.node(*id).seconds).collect();
        let remaining: Vec<f64> = nodes.iter().map(|id| self.node(*id).remaining).collect();
        schedule::makespan(&needs, &times, &remaining, workers)
    }

    /// The nodes that a node waits for.
    pub fn node_needs(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let node = self.node(id);
        let own = (node.kind == NodeKind::Check).then(|| self.build_node(node.spec));
        node.needs.iter().map(|spec| self.build_node(*spec)).chain(own)
    }

    fn make_nodes(&mut self, blocked: &FxHashSet<SpecId>, checks: &[(SpecId, Root)], durations: &Durations) {
        let ids = || (0..).map(SpecId).zip(&self.specs);
        for (id, spec) in ids() {
            let root = &self.roots[id.0 as usize];
            let state = if spec.excluded.is_some() {
                State::Excluded
            } else if self.is_built(id) {
                State::Built
            } else if blocked.contains(&id) {
                State::Blocked
            } else {
                State::Planned
            };
            let needs = if state == State::Excluded { Vec::new() } else { specs_in(&self.pool, &root.closure) };
            let recorded = durations.build(&spec.name);
            let node = new_node(id, NodeKind::Build, needs, groups_in(&self.pool, &root.closure), state, recorded);
            self.nodes.push(node);
        }
        let mut check_nodes = Vec::new();
        for (id, root) in checks {
            let build = &self.nodes[id.0 as usize];
            let state = if (root.closure.unmet.is_empty() && !root.closure.is_unsolvable) || build.state == State::Built
            {
                build.state
            } else {
                State::Blocked
            };
            let mut needs = specs_in(&self.pool, &root.closure);
            needs.retain(|need| need != id);
            let recorded = durations.check(&self.spec(*id).name);
            let groups = groups_in(&self.pool, &root.closure);
            check_nodes.push(new_node(*id, NodeKind::Check, needs, groups, state, recorded));
        }
        for node in check_nodes {
            let id = NodeId(u32::try_from(self.nodes.len()).expect("a graph has fewer than 2^32 nodes"));
            self.check_nodes.insert(node.spec, id);
            self.nodes.push(node);
        }
        self.settle();
    }

    fn is_built(&self, id: SpecId) -> bool {
        is_built(&self.pool, self.spec(id), id)
    }

    /// States that follow from states, waves, and the critical path.
    fn settle(&mut self) {
        let order = self.order();
        for id in &order {
            let is_stuck = |need: NodeId| matches!(self.node(need).state, State::Blocked | State::Excluded);
            if self.node(*id).state == State::Planned && self.node_needs(*id).any(is_stuck) {
                self.nodes[id.0 as usize].state = State::Blocked;
            }
            let above = self.node_needs(*id).map(|need| self.node(need).wave).max().unwrap_or(0);
            let node = &mut self.nodes[id.0 as usize];
            if node.state == State::Planned {
                node.wave = above + 1;
            } else {
                node.seconds = 0.0;
            }
        }
        let places: Vec<usize> = order.iter().map(|id| id.0 as usize).collect();
        let needs: Vec<Vec<usize>> = self
            .node_ids()
            .map(|id| {
                // A node that does not run keeps nobody waiting, and waits for nobody.
                let runs = |node: &Node| node.state == State::Planned;
                let needs = self.node_needs(id).filter(|need| runs(self.node(*need)) && runs(self.node(id)));
                needs.map(|need| need.0 as usize).collect()
            })
            .collect();
        let times: Vec<f64> = self.nodes.iter().map(|node| node.seconds).collect();
        let remaining = schedule::remaining(&places, &needs, &times);
        for (node, remaining) in self.nodes.iter_mut().zip(&remaining) {
            node.remaining = *remaining;
        }
        let first = |all: &mut dyn Iterator<Item = usize>| {
            all.min_by(|a, b| remaining[*b].total_cmp(&remaining[*a]).then(a.cmp(b))).filter(|at| remaining[*at] > 0.0)
        };
        let mut users = vec![Vec::new(); self.nodes.len()];
        for (node, needs) in needs.iter().enumerate() {
            needs.iter().for_each(|need| users[*need].push(node));
        }
        let mut next = first(&mut (0..self.nodes.len()));
        while let Some(at) = next {
            self.nodes[at].is_critical = true;
            next = first(&mut users[at].iter().copied());
        }
    }

    /// All nodes, each after what it waits for. What waits for a cycle that nothing cuts comes last.
    fn order(&self) -> Vec<NodeId> {
        let mut waits: Vec<usize> = Vec::with_capacity(self.nodes.len());
        let mut users: Vec<Vec<NodeId>> = vec![Vec::new(); self.nodes.len()];
        for id in self.node_ids() {
            // A build that is blocked or done waits for nothing; this also opens the cycles that nothing cuts.
            let waits_for: Vec<NodeId> =
                if self.node(id).state == State::Planned { self.node_needs(id).collect() } else { Vec::new() };
            waits_for.iter().for_each(|need| users[need.0 as usize].push(id));
            waits.push(waits_for.len());
        }
        let mut order: Vec<NodeId> = self.node_ids().filter(|id| waits[id.0 as usize] == 0).collect();
        let mut at = 0;
        while let Some(id) = order.get(at).copied() {
            at += 1;
            for user in &users[id.0 as usize] {
                waits[user.0 as usize] -= 1;
                if waits[user.0 as usize] == 0 {
                    order.push(*user);
                }
            }
        }
        debug_assert_eq!(order.len(), self.nodes.len(), "no cycle is left");
        order
    }
}

fn new_node(
    spec: SpecId,
    kind: NodeKind,
    needs: Vec<SpecId>,
    groups: Vec<u32>,
    state: State,
    recorded: Option<f64>,
) -> Node {
    // Tests take a part of the time that a build takes.
    let guess = if kind == NodeKind::Build { DEFAULT_SECONDS } else { DEFAULT_SECONDS / 2.0 };
    Node {
        spec,
        kind,
        needs,
        groups,
        state,
        wave: 0,
        seconds: recorded.unwrap_or(guess),
        is_recorded: recorded.is_some(),
        remaining: 0.0,
        is_critical: false,
    }
}

/// True if a repository has all packages that a spec makes.
pub(crate) fn is_built(pool: &Pool, spec: &Spec, id: SpecId) -> bool {
    let mut packages = pool.packages_of(id).peekable();
    spec.excluded.is_none() && packages.peek().is_some() && packages.all(|package| pool.prebuilt(package).is_some())
}

/// The specs whose packages are in a root, sorted.
pub(crate) fn specs_in(pool: &Pool, closure: &Closure) -> Vec<SpecId> {
    let mut found: Vec<SpecId> = closure.members.keys().filter_map(|one| pool.spec_of(*one)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The groups of the seed that are in a root, with what they need, sorted.
fn groups_in(pool: &Pool, closure: &Closure) -> Vec<u32> {
    let of = |origin| if let Origin::Seed(group) = origin { Some(group) } else { None };
    pool.groups_with_needs(closure.members.keys().filter_map(|one| of(pool.origin(*one))))
}

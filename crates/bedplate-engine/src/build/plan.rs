//! What has to run for some specs, and what follows from what ran: the [`Plan`] of a build.
//!
//! ```text
//! BuildGraph ─▶ nodes: Seed ◀─ Source ◀─ Requires ◀─ Build ◀─ Check          (an arrow points at what is needed)
//!     ▲                                                │
//!     └──────── capability lock ◀─ generated ──────────┘
//! ```
//!
//! A node's key is known when all that it needs is there; then it is looked up in the store, and only what is not there runs.

mod learn;
mod roots;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bedplate_cas::{Digest, StoreError};
use bedplate_diag::Category;
use bedplate_graph::{BuildGraph, DEFAULT_SECONDS, Durations, Inputs, SpecId, State};
use bedplate_model::Dependency;
use serde::{Deserialize, Serialize};

pub use self::learn::Verdict;
pub(crate) use self::roots::RootState;
use super::action::{Root, Step};
use super::builder::{Builder, Built, SourcePackage, store_failure};
use super::facts::PackageFacts;
use super::inputs::{NamedInputs, Reason};
use super::job::{Job, Made};
use super::leftovers::Left;
use super::request::{Checks, Request, Supplies};
use super::spec::CheckWay;
use crate::{End, NewNode, NodeFailure, NodeId, NodeKind, Outcome, Plan, Start, Work};

/// What a node of the run does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Seed(Vec<String>),
    Fetch(String),
    /// Unpacks a package of a repository.
    Take(String),
    /// Asks for generated requirements, once more in each round.
    Requires(String, usize),
    Build(String),
    Check(String),
}

/// What became of a spec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpecResult {
    /// Its packages.
    pub built: Built,
    /// Its source package.
    pub source: Option<SourcePackage>,
    /// The keys of its steps.
    pub actions: Vec<Digest>,
}

/// A spec that asks for more each time it is asked is stopped after so many rounds.
const MAX_ROUNDS: usize = 10;

/// The plan of a build.
pub(crate) struct BuildPlan<'a> {
    builder: &'a Builder,
    supplies: &'a dyn Supplies,
    pub(crate) request: Request,
    graph: BuildGraph,
    ids: BTreeMap<String, SpecId>,
    tasks: Vec<Task>,
    nodes: BTreeMap<Task, NodeId>,
    pub(crate) results: BTreeMap<String, SpecResult>,
    /// What is known of builds that run.
    pending: BTreeMap<String, Pending>,
    /// What builds left for their checks.
    left: BTreeMap<String, Arc<Left>>,
    /// What each spec generates as requirements, and how often it was asked.
    generated: BTreeMap<String, (usize, BTreeSet<String>)>,
    /// The inputs of what runs, and why it does.
    inputs: BTreeMap<Task, NamedInputs>,
    /// All groups of the seed that the run is known to need.
    groups: Vec<String>,
    /// The trees of the seed that roots have, and of which groups they are.
    seeds: BTreeMap<Digest, Vec<String>>,
    /// Packages of repositories that are in the store: the key of their tree, and the tree.
    taken: BTreeMap<String, (Digest, Digest)>,
    /// Whether the lock is newer than the graph.
    is_stale: bool,
}

/// What is known of a build before it ran.
#[derive(Debug, Default)]
struct Pending {
    source: Option<SourcePackage>,
    built: Option<Built>,
    actions: Vec<Digest>,
}

impl<'a> BuildPlan<'a> {
    /// The plan for some targets, and the work that it begins with.
    pub(crate) fn new(builder: &'a Builder, supplies: &'a dyn Supplies, request: Request) -> (Self, Work) {
        let graph = make_graph(&request);
        let mut plan = Self {
            builder,
            supplies,
            ids: names_of(&graph),
            graph,
            request,
            tasks: Vec::new(),
            nodes: BTreeMap::new(),
            results: BTreeMap::new(),
            pending: BTreeMap::new(),
            left: BTreeMap::new(),
            generated: BTreeMap::new(),
            inputs: BTreeMap::new(),
            groups: Vec::new(),
            seeds: BTreeMap::new(),
            taken: BTreeMap::new(),
            is_stale: false,
        };
        plan.groups = plan.all_groups();
        let mut work = Work::new();
        for target in plan.request.targets.clone() {
            plan.add_spec(&target, &mut work);
        }
        (plan, work)
    }

    /// The groups of the seed that the targets are known to need.
    fn all_groups(&self) -> Vec<String> {
        let mut open: Vec<SpecId> =
            self.request.targets.iter().filter_map(|name| self.ids.get(name)).copied().collect();
        let mut seen: BTreeSet<SpecId> = BTreeSet::new();
        let mut groups: BTreeSet<u32> = BTreeSet::new();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let check = self.graph.check_node(id).filter(|_| self.request.checks != Checks::Off);
            for node in [Some(self.graph.build_node(id)), check].into_iter().flatten() {
                let node = self.graph.node(node);
                if node.state == State::Built {
                    continue;
                }
                groups.extend(&node.groups);
                open.extend(&node.needs);
            }
        }
        self.group_names(groups)
    }

    /// Names of groups and of all that they need, with the group that every root has.
    fn group_names(&self, groups: impl IntoIterator<Item = u32>) -> Vec<String> {
        let pool = &self.graph.pool;
        let base = (0..).zip(&pool.groups).find(|(_, name)| **name == self.request.base_group).map(|(at, _)| at);
        let all = pool.groups_with_needs(groups.into_iter().chain(base));
        all.into_iter().map(|group| pool.groups[group as usize].clone()).collect()
    }

    /// The node of a task; it is added if it is new.
    fn node(&mut self, task: Task, work: &mut Work) -> NodeId {
        if let Some(node) = self.nodes.get(&task) {
            return *node;
        }
        let history = &self.request.history;
        let (name, kind, seconds, memory) = match &task {
            Task::Seed(groups) => (groups.join(" "), NodeKind::Seed, 60.0, None),
            Task::Fetch(name) => (name.clone(), NodeKind::Source, 5.0, None),
            Task::Take(name) => (name.clone(), NodeKind::Source, 1.0, None),
            Task::Requires(name, _) => (format!("{name} (requirements)"), NodeKind::Build, 5.0, None),
            Task::Build(name) => {
                let seconds = history.seconds(name, NodeKind::Build).unwrap_or(DEFAULT_SECONDS);
                (name.clone(), NodeKind::Build, seconds, history.peak(name, NodeKind::Build))
            }
            Task::Check(name) => {
                let seconds = history.seconds(name, NodeKind::Check).unwrap_or(DEFAULT_SECONDS / 2.0);
                (name.clone(), NodeKind::Check, seconds, history.peak(name, NodeKind::Check))
            }
        };
        let node = work.add(NewNode { name, kind, seconds, memory });
        debug_assert_eq!(node.index(), self.tasks.len(), "nodes are added here only");
        self.tasks.push(task.clone());
        self.nodes.insert(task, node);
        node
    }

    /// Adds the nodes of a spec and of all that it needs; gives that of its build.
    fn add_spec(&mut self, name: &str, work: &mut Work) -> NodeId {
        let task = Task::Build(name.to_owned());
        if let Some(node) = self.nodes.get(&task) {
            return *node;
        }
        let Some(id) = self.ids.get(name).copied().filter(|id| !self.is_taken(*id)) else {
            return self.node(task, work);
        };
        // What is needed comes first: no edge has to be searched for cycles then.
        let names = |ids: &[SpecId]| ids.iter().map(|id| self.graph.spec(*id).name.clone()).collect::<Vec<_>>();
        let needs = names(&self.graph.node(self.graph.build_node(id)).needs);
        let check = self.graph.check_node(id).filter(|_| self.request.checks != Checks::Off);
        let check_needs = check.map(|check| names(&self.graph.node(check).needs));
        let seed = (!self.groups.is_empty()).then(|| self.node(Task::Seed(self.groups.clone()), work));
        let needs: Vec<NodeId> = needs.iter().flat_map(|need| self.needed(need, work)).collect();
        let fetch = self.fetch_early(name, work);
        let build = self.node(task, work);
        for need in needs.into_iter().chain(seed).chain(fetch) {
            // The graph has no cycles; one that a later edge would make is told of when the node starts.
            let _ = work.need(build, need);
        }
        if let Some(needs) = check_needs {
            let needs: Vec<NodeId> = needs.iter().flat_map(|need| self.needed(need, work)).collect();
            let check = self.node(Task::Check(name.to_owned()), work);
            for need in needs.into_iter().chain([build]) {
                let _ = work.need(check, need);
            }
        }
        build
    }

    /// What has to be done before a package of a spec is in a root: its build, and its tests if they are required.
    fn needed(&mut self, name: &str, work: &mut Work) -> Vec<NodeId> {
        let mut nodes = vec![self.add_spec(name, work)];
        if self.request.checks == Checks::Require {
            nodes.extend(self.nodes.get(&Task::Check(name.to_owned())));
        }
        nodes
    }

    /// A spec that was never built here will need its sources: they are fetched while other things are done.
    fn fetch_early(&mut self, name: &str, work: &mut Work) -> Option<NodeId> {
        let spec = self.request.texts.get(name)?;
        let store = &self.builder.store;
        let is_missing = spec.pinned().any(|digest| !store.has(&digest));
        let is_new = || self.recorded(&Task::Build(name.to_owned())).is_none();
        (is_missing && is_new()).then(|| self.node(Task::Fetch(name.to_owned()), work))
    }

    /// The graph with what builds taught since it was made.
    fn refresh(&mut self) {
        if std::mem::take(&mut self.is_stale) {
            self.graph = make_graph(&self.request);
            self.ids = names_of(&self.graph);
        }
    }

    /// Adds what a spec generated as requirements; says whether something is new.
    fn take_generated(&mut self, name: &str, list: Vec<String>) -> Result<bool, NodeFailure> {
        let input = |message: String| NodeFailure::new(Category::Input, message);
        let (rounds, known) = self.generated.entry(name.to_owned()).or_default();
        let declared = self.request.specs.iter_mut().find(|spec| spec.name == name);
        let Some(declared) = declared else { return Ok(false) };
        let mut new = Vec::new();
        for text in list {
            let dependency: Dependency =
                text.parse().map_err(|why| input(format!("`%generate_buildrequires` wrote `{text}`: {why}")))?;
            let is_declared = declared.build_requires.iter().any(|one| one.dependency == dependency);
            if !is_declared && known.insert(text) {
                new.push(bedplate_graph::Wanted { dependency, span: None });
            }
        }
        if new.is_empty() {
            return Ok(false);
        }
        *rounds += 1;
        if *rounds > MAX_ROUNDS {
            return Err(input(format!("`%generate_buildrequires` asked for more in each of {MAX_ROUNDS} rounds")));
        }
        declared.build_requires.extend(new);
        self.is_stale = true;
        Ok(true)
    }

    /// Takes the packages of a spec, and learns from them.
    fn accept(&mut self, name: &str, result: SpecResult) {
        let ours = result.built.packages.iter().filter(|facts| facts.tree.is_some());
        let packages: Vec<_> = ours.filter_map(PackageFacts::package).collect();
        let mut lock = self.request.lock.clone();
        lock.learn(&packages);
        if lock != self.request.lock {
            self.request.lock = lock;
            self.is_stale = true;
        }
        self.results.insert(name.to_owned(), result);
    }

    fn recorded(&self, task: &Task) -> Option<NamedInputs> {
        let bytes = self.builder.store.document("inputs", &task.document()?).ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    /// Why something has to run.
    fn reasons(&self, task: &Task, inputs: &NamedInputs) -> Vec<Reason> {
        let found = inputs.since(self.recorded(task).as_ref());
        if found.is_empty() { vec![Reason::ResultLost] } else { found }
    }

    /// Remembers what a task ran with.
    fn remember(&self, task: &Task) -> Result<(), NodeFailure> {
        let (Some(inputs), Some(name)) = (self.inputs.get(task), task.document()) else { return Ok(()) };
        let bytes = serde_json::to_vec(inputs).unwrap_or_default();
        self.builder.store.set_document("inputs", &name, &bytes).map_err(|error| store_failure(&error))
    }

    /// The root of a node, or what to do before.
    fn complete(&mut self, node: NodeId, name: &str, step: Step, work: &mut Work) -> Result<Root, Start<Job>> {
        self.refresh();
        let needs = match self.root(name, step).map_err(Start::Failed)? {
            RootState::Complete(root) => return Ok(root),
            RootState::Impossible(failure) => return Err(Start::Failed(failure)),
            RootState::NoSeed(groups) => vec![self.node(Task::Seed(groups), work)],
            RootState::Lacks { specs, packages } => {
                let mut needs: Vec<NodeId> = specs.iter().flat_map(|spec| self.needed(spec, work)).collect();
                needs.extend(packages.into_iter().map(|name| self.node(Task::Take(name), work)));
                needs
            }
        };
        for need in needs {
            work.need(node, need)
                .map_err(|error| Start::Failed(NodeFailure::new(Category::Input, error.to_string())))?;
        }
        Err(Start::Wait)
    }

    fn start_build(&mut self, node: NodeId, name: &str, work: &mut Work) -> Result<Start<Job>, NodeFailure> {
        if self.taken_from(name).is_some() {
            return Ok(Start::Cached);
        }
        let root = match self.complete(node, name, Step::Build, work) {
            Ok(root) => root,
            Err(start) => return Ok(start),
        };
        let spec = self.request.texts[name].clone();
        let store_error = |error: StoreError| store_failure(&error);
        if spec.generates_requires {
            let asked = self.prepare(&spec, Step::Requires, &root)?;
            match self.builder.cached_requires(&asked.action).map_err(store_error)? {
                Some(list) => {
                    if self.take_generated(name, list)? {
                        return self.start_build(node, name, work);
                    }
                }
                None => {
                    let rounds = self.generated.get(name).map_or(0, |(rounds, _)| *rounds);
                    let asker = self.node(Task::Requires(name.to_owned(), rounds), work);
                    return Ok(wait_for(work, node, asker));
                }
            }
        }
        let source = self.prepare(&spec, Step::Source, &root.without_packages())?;
        let build = self.prepare(&spec, Step::Build, &root)?;
        let has_source = self.builder.cached_source(&source.action).map_err(store_error)?;
        let has_built = self.builder.cached_build(&build.action).map_err(store_error)?;
        let actions = vec![source.action, build.action];
        if let (Some(source), Some(built)) = (&has_source, &has_built) {
            let result = SpecResult { built: built.clone(), source: Some(source.clone()), actions };
            self.accept(name, result);
            return Ok(Start::Cached);
        }
        if spec.pinned().any(|digest| !self.builder.store.has(&digest)) {
            let fetch = self.node(Task::Fetch(name.to_owned()), work);
            return Ok(wait_for(work, node, fetch));
        }
        let task = Task::Build(name.to_owned());
        if has_built.is_none() {
            let reasons = self.reasons(&task, &build.inputs);
            self.inputs.insert(task, NamedInputs { reasons, ..build.inputs.clone() });
        }
        let source = has_source.is_none().then_some(source);
        let build = has_built.is_none().then_some(build);
        self.pending.insert(name.to_owned(), Pending { source: has_source, built: has_built, actions });
        Ok(Start::Run(Job::Build(Box::new((spec, source, build)))))
    }

    fn start_requires(&mut self, node: NodeId, name: &str, work: &mut Work) -> Result<Start<Job>, NodeFailure> {
        let root = match self.complete(node, name, Step::Build, work) {
            Ok(root) => root,
            Err(start) => return Ok(start),
        };
        let spec = self.request.texts[name].clone();
        if spec.pinned().any(|digest| !self.builder.store.has(&digest)) {
            let fetch = self.node(Task::Fetch(name.to_owned()), work);
            return Ok(wait_for(work, node, fetch));
        }
        let prepared = self.prepare(&spec, Step::Requires, &root)?;
        Ok(Start::Run(Job::Requires(Box::new((spec, prepared)))))
    }

    fn start_check(&mut self, node: NodeId, name: &str, work: &mut Work) -> Result<Start<Job>, NodeFailure> {
        let root = match self.complete(node, name, Step::Check, work) {
            Ok(root) => root,
            Err(start) => return Ok(start),
        };
        let spec = self.request.texts[name].clone();
        let prepared = self.prepare(&spec, Step::Check, &root)?;
        let left = self.left.remove(name);
        if self.builder.cached_check(&prepared.action).map_err(|error| store_failure(&error))? {
            return Ok(Start::Cached);
        }
        if spec.pinned().any(|digest| !self.builder.store.has(&digest)) {
            let fetch = self.node(Task::Fetch(name.to_owned()), work);
            return Ok(wait_for(work, node, fetch));
        }
        let task = Task::Check(name.to_owned());
        let reasons = self.reasons(&task, &prepared.inputs);
        self.inputs.insert(task, NamedInputs { reasons, ..prepared.inputs.clone() });
        let left = left.filter(|_| spec.check == Some(CheckWay::Continue));
        Ok(Start::Run(Job::Check(Box::new((spec, prepared, left)))))
    }
}

impl Plan for BuildPlan<'_> {
    type Job = Job;
    type Output = Made;

    fn start(&mut self, node: NodeId, work: &mut Work) -> Start<Job> {
        let started = match self.tasks[node.index()].clone() {
            Task::Seed(groups) => self.supplies.seed(&groups).map(|found| match found {
                Some(_) => Start::Cached,
                None => Start::Run(Job::Seed(groups)),
            }),
            Task::Fetch(name) => {
                let store = &self.builder.store;
                let is_here = self.request.texts[&name].pinned().all(|digest| store.has(&digest));
                Ok(if is_here { Start::Cached } else { Start::Run(Job::Fetch(name)) })
            }
            Task::Take(name) => self.take(&name).map(|tree| match tree {
                Some(_) => Start::Cached,
                None => Start::Run(Job::Take(name)),
            }),
            Task::Requires(name, _) => self.start_requires(node, &name, work),
            Task::Build(name) => self.start_build(node, &name, work),
            Task::Check(name) => self.start_check(node, &name, work),
        };
        started.unwrap_or_else(Start::Failed)
    }

    fn finished(&mut self, node: NodeId, outcome: Outcome<Made>, _: &mut Work) -> Result<(), NodeFailure> {
        let task = self.tasks[node.index()].clone();
        let (End::Done(made) | End::Cached(made)) = outcome.end else { return Ok(()) };
        match &task {
            Task::Seed(_) | Task::Fetch(_) | Task::Take(_) => {}
            // Whether something is new shows when the build starts again: it asks the store.
            Task::Requires(..) => {}
            Task::Build(name) => {
                let pending = self.pending.remove(name).unwrap_or_default();
                if made.built.is_some() {
                    let seconds = made.wall.as_secs_f64();
                    self.request.history.record(name, NodeKind::Build, seconds, outcome.usage.peak_memory);
                    self.remember(&task)?;
                }
                let Some(built) = made.built.or(pending.built) else {
                    return Err(NodeFailure::new(Category::Internal, "the build gave no result"));
                };
                if self.nodes.contains_key(&Task::Check(name.clone())) {
                    self.left.extend(made.left.map(|left| (name.clone(), left)));
                }
                let source = made.source.or(pending.source);
                self.accept(name, SpecResult { built, source, actions: pending.actions });
            }
            Task::Check(name) => {
                let seconds = made.wall.as_secs_f64();
                self.request.history.record(name, NodeKind::Check, seconds, outcome.usage.peak_memory);
                self.remember(&task)?;
            }
        }
        Ok(())
    }
}

impl Task {
    /// The spec, if the task is its build.
    fn build(&self) -> Option<&str> {
        match self {
            Self::Build(name) => Some(name),
            _ => None,
        }
    }

    /// The spec, if the task is its check.
    fn check(&self) -> Option<&str> {
        match self {
            Self::Check(name) => Some(name),
            _ => None,
        }
    }

    /// The name of the document with its inputs, if it has one.
    fn document(&self) -> Option<String> {
        match self {
            Self::Build(name) => Some(name.clone()),
            Self::Check(name) => Some(format!("{name}.check")),
            _ => None,
        }
    }
}

fn wait_for(work: &mut Work, node: NodeId, need: NodeId) -> Start<Job> {
    match work.need(node, need) {
        Ok(()) => Start::Wait,
        Err(error) => Start::Failed(NodeFailure::new(Category::Internal, error.to_string())),
    }
}

fn make_graph(request: &Request) -> BuildGraph {
    BuildGraph::new(Inputs {
        specs: request.specs.clone(),
        seed: request.seed.clone(),
        lock: request.lock.clone(),
        repositories: request.repositories.clone(),
        durations: Durations::default(),
    })
}

fn names_of(graph: &BuildGraph) -> BTreeMap<String, SpecId> {
    graph.spec_ids().map(|id| (graph.spec(id).name.clone(), id)).collect()
}

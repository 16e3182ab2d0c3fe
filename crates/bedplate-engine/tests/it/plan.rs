//! A plan out of a few words, and a sink that remembers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bedplate_diag::Category;
use bedplate_engine::{
    Cancel, End, Event, Events, NewNode, NodeFailure, NodeId, NodeKind, Options, Outcome, Plan, Sink, Start, State,
    Summary, Work, WorkerContext, run,
};

/// What happens when a node ends: the plan may change the work.
pub(crate) type Hook = Box<dyn FnMut(NodeId, &mut Work)>;

/// Nodes by name, all of which run the same function.
pub(crate) struct Named {
    pub(crate) work: Work,
    pub(crate) ids: BTreeMap<String, NodeId>,
    /// Names of nodes whose result is there.
    pub(crate) cached: Vec<&'static str>,
    pub(crate) hook: Hook,
}

impl Named {
    /// Reads `name: need need, name, …`; a name with `?` is a check. All take a second.
    pub(crate) fn new(text: &str) -> Self {
        let mut named = Self { work: Work::new(), ids: BTreeMap::new(), cached: Vec::new(), hook: Box::new(|_, _| {}) };
        for node in text.split(',') {
            let (name, needs) = node.split_once(':').unwrap_or((node, ""));
            let id = named.add(name.trim());
            for need in needs.split_whitespace() {
                named.work.need(id, named.ids[need]).unwrap();
            }
        }
        named
    }

    pub(crate) fn add(&mut self, name: &str) -> NodeId {
        let kind = if name.contains('?') { NodeKind::Check } else { NodeKind::Build };
        let id = self.work.add(NewNode { name: name.to_owned(), kind, seconds: 1.0, memory: None });
        self.ids.insert(name.to_owned(), id);
        id
    }
}

struct Runner<'a> {
    cached: &'a [&'static str],
    hook: &'a mut Hook,
}

impl Plan for Runner<'_> {
    type Job = String;
    type Output = ();

    fn start(&mut self, node: NodeId, work: &mut Work) -> Start<String> {
        let name = work.name(node);
        if self.cached.contains(&name) { Start::Cached } else { Start::Run(name.to_owned()) }
    }

    fn finished(&mut self, node: NodeId, _outcome: Outcome<()>, work: &mut Work) -> Result<(), NodeFailure> {
        (self.hook)(node, work);
        Ok(())
    }
}

#[derive(Clone, Default)]
pub(crate) struct Recorder(pub(crate) Arc<Mutex<Vec<Event>>>);

impl Sink for Recorder {
    fn event(&mut self, _time: Duration, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// What a run left.
pub(crate) struct Ran {
    pub(crate) summary: Summary,
    pub(crate) work: Work,
    pub(crate) events: Vec<Event>,
    ids: BTreeMap<String, NodeId>,
}

impl Ran {
    pub(crate) fn state(&self, name: &str) -> State {
        self.work.state(self.ids[name])
    }

    /// The names of nodes in the order in which they started.
    pub(crate) fn started(&self) -> Vec<&str> {
        let started = self.events.iter().filter_map(|event| match event {
            Event::NodeState { name, state: State::Running, .. } => Some(name.as_str()),
            _ => None,
        });
        started.collect()
    }

    /// The names of root causes.
    pub(crate) fn failed(&self) -> Vec<&str> {
        self.summary.failed.iter().map(|node| node.name.as_str()).collect()
    }
}

/// Runs a plan; the function says how each job ends.
pub(crate) fn go(
    mut named: Named,
    options: &Options,
    cancel: &Cancel,
    job: impl Fn(&str, &WorkerContext) -> End<()> + Sync,
) -> Ran {
    let recorder = Recorder::default();
    let mut events = Events::new(vec![Box::new(recorder.clone())]);
    let worker = |name: String, context: &WorkerContext| Outcome::new(job(&name, context));
    let mut runner = Runner { cached: &named.cached, hook: &mut named.hook };
    let (summary, work) = run(&mut runner, named.work, options, &worker, cancel, &mut events);
    let events = recorder.0.lock().unwrap().clone();
    Ran { summary, work, events, ids: named.ids }
}

/// A failure that will not pass.
pub(crate) fn broken() -> End<()> {
    End::Failed(NodeFailure::new(Category::Build, "it is broken"))
}

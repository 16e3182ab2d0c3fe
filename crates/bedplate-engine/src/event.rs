//! What happens in a run, as one typed stream.
//!
//! The dispatcher alone emits events, so that their order is one order for all; each has its time since the start of the
//! run. Renderers (terminal, plain lines, JSON lines, timing trace, report) are [`Sink`]s: all of them see the same.
//!
//! ```text
//! worker ─┐                          ┌─▶ tty | plain
//! worker ─┼─▶ dispatcher ─▶ Events ──┼─▶ JSON lines
//! worker ─┘   (time, order)          ├─▶ trace
//!                                    └─▶ report
//! ```

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bedplate_diag::Category;
use serde::{Deserialize, Serialize};

/// The version of the stream, in its first event. It grows when an event or a field changes its meaning or goes away; new events
/// and new fields may come without it.
pub const EVENTS_VERSION: u32 = 1;

/// A node of the work: a dense number, in the order in which nodes were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The number as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a node does. The order is that of start among nodes of equal priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// Makes the seed's tree.
    Seed,
    /// Fetches a source; it has slots of its own, as it waits for the network and not for a processor.
    Source,
    /// Builds a package.
    Build,
    /// Runs the tests of a package.
    Check,
    /// Signs packages, writes a repository.
    Publish,
}

impl NodeKind {
    /// The word that people see.
    pub fn word(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::Source => "source",
            Self::Build => "build",
            Self::Check => "check",
            Self::Publish => "publish",
        }
    }
}

/// Where a node is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Something that it needs is not done.
    Waiting,
    /// All that it needs is done; it waits for a slot or for memory.
    Ready,
    /// A worker has it.
    Running,
    /// It was done, now or (cached) in an earlier run.
    Done,
    /// It turned out that nobody needs it. For what needs it, that is as good as done.
    Skipped,
    /// It failed.
    Failed,
    /// Something that it needs failed.
    Blocked,
    /// It was stopped, or never started because the run was stopped.
    Cancelled,
}

impl State {
    /// Whether the node stays in this state.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Waiting | Self::Ready | Self::Running)
    }
}

/// What a job took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time, in seconds.
    pub cpu_seconds: f64,
    /// The most memory at one time, in bytes; none if it is not known.
    pub peak_memory: Option<u64>,
}

/// Why a node failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFailure {
    /// Who can mend it.
    #[serde(with = "category")]
    pub category: Category,
    /// What went wrong: a lower-case fragment.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The lines of the log that say why; see [`relevant_lines`](crate::relevant_lines).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// Whether the same job may well succeed if it is run again: the environment was at fault, and for a moment only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retryable: bool,
}

impl NodeFailure {
    /// A failure without lines, hint or hope.
    pub fn new(category: Category, message: impl Into<String>) -> Self {
        Self { category, message: message.into(), hint: None, lines: Vec::new(), retryable: false }
    }
}

/// A root cause in the summary: a node that failed by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedNode {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: NodeKind,
    /// Why it failed.
    pub failure: NodeFailure,
    /// Its log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
    /// The names of builds and other nodes that could not start because of it, sorted. One that two failures block is in both.
    #[serde(default)]
    pub blocks: Vec<String>,
}

/// A node with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimedNode {
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: NodeKind,
    /// From its start to its end, in seconds.
    pub seconds: f64,
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Nodes that were done in this run.
    pub done: usize,
    /// Nodes whose result was there already.
    pub cached: usize,
    /// Nodes that nobody needed in the end.
    pub skipped: usize,
    /// Nodes that failed by themselves, in the order in which they did: the root causes.
    pub failed: Vec<FailedNode>,
    /// Nodes that could not start because another failed.
    pub blocked: usize,
    /// Nodes that were stopped, or never started because the run was stopped.
    pub cancelled: usize,
    /// Whether somebody cancelled the run.
    pub was_cancelled: bool,
    /// From the start of the run, in seconds.
    pub wall_seconds: f64,
    /// Processor time of all jobs, in seconds.
    pub cpu_seconds: f64,
    /// The way of needs that took longest, by the times of this run: no number of workers could have been faster.
    pub critical: Vec<TimedNode>,
}

impl Summary {
    /// Whether all that was asked for is there.
    pub fn is_good(&self) -> bool {
        self.failed.is_empty() && !self.was_cancelled && self.blocked == 0 && self.cancelled == 0
    }

    /// The length of the critical way, in seconds.
    pub fn critical_seconds(&self) -> f64 {
        self.critical.iter().map(|node| node.seconds).sum()
    }

    /// Whose fault it is, for the exit code: our bug before the environment, that before the input, that before a failed build.
    pub fn category(&self) -> Option<Category> {
        let rank = |category| match category {
            Category::Build => 0,
            Category::Input => 1,
            Category::Environment => 2,
            Category::Internal => 3,
        };
        let worst = self.failed.iter().map(|node| node.failure.category).max_by_key(|category| rank(*category));
        worst.or((!self.is_good()).then_some(Category::Build))
    }
}

/// How much is done and left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Nodes in a final state that is good: done, cached or skipped.
    pub done: usize,
    /// Nodes that a worker has.
    pub running: usize,
    /// Nodes that wait or are ready.
    pub left: usize,
    /// Nodes that failed or are blocked.
    pub failed: usize,
    /// How long the rest should take, in seconds, by recorded durations along the schedule to come.
    pub seconds_left: f64,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first event.
    RunStarted {
        /// [`EVENTS_VERSION`].
        version: u32,
        /// The version of bedplate.
        tool: String,
        /// How many jobs may run at a time.
        jobs: usize,
        /// How many nodes there are now; a run may find more.
        nodes: usize,
    },
    /// A node is new, or is in another state.
    NodeState {
        /// The node.
        node: NodeId,
        /// Its name: of a build or check, that of the source package.
        name: String,
        /// What it does.
        kind: NodeKind,
        /// Its state from now on.
        state: State,
        /// How long it should take, in seconds.
        expected_seconds: f64,
        /// The worker's slot, if it is running: a number from 0 that no other running node has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot: Option<usize>,
        /// Why, if there is something to say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// A running node has come to another part of its work.
    Phase {
        /// The node.
        node: NodeId,
        /// `%prep`, `%build`, `%install`, `%check`, `fetch`, …
        phase: String,
    },
    /// A running node wrote a line.
    Output {
        /// The node.
        node: NodeId,
        /// The line, without its end; what is not UTF-8 is replaced.
        line: String,
    },
    /// A running node moved bytes.
    Bytes {
        /// The node.
        node: NodeId,
        /// How many so far.
        done: u64,
        /// How many in all; none if that is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    /// A node's job ended. The state of the node follows.
    NodeFinished {
        /// The node.
        node: NodeId,
        /// How: done, failed or cancelled; ready if it failed and is tried again.
        status: State,
        /// Whether the result was there already.
        cached: bool,
        /// From its start to its end, in seconds.
        wall_seconds: f64,
        /// What it took.
        #[serde(flatten)]
        usage: Usage,
        /// Its log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<PathBuf>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<NodeFailure>,
    },
    /// How far the run is: at most once a second.
    Progress(Progress),
    /// Something that a person should know.
    Note {
        /// A lower-case fragment.
        message: String,
        /// The node that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeId>,
    },
    /// The last event.
    RunFinished {
        /// How it ended.
        summary: Summary,
    },
}

/// An event with its time: a line of the stream as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimedEvent<E = Event> {
    /// Since the start of the run.
    pub seconds: f64,
    /// What happened.
    #[serde(flatten)]
    pub event: E,
}

/// Somebody who watches a run.
pub trait Sink: Send {
    /// Something happened, so long after the start of the run.
    fn event(&mut self, time: Duration, event: &Event);

    /// Nothing happened, but time goes on: called some ten times a second while jobs run.
    fn tick(&mut self, _time: Duration) {}
}

/// The clock of a run and all who watch it.
pub struct Events {
    started: Instant,
    sinks: Vec<Box<dyn Sink>>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("started", &self.started).field("sinks", &self.sinks.len()).finish()
    }
}

impl Events {
    /// A stream that starts now.
    pub fn new(sinks: Vec<Box<dyn Sink>>) -> Self {
        Self { started: Instant::now(), sinks }
    }

    /// The time since the start.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Tells everybody.
    pub fn emit(&mut self, event: &Event) {
        let now = self.now();
        self.sinks.iter_mut().for_each(|sink| sink.event(now, event));
    }

    /// Tells everybody the time.
    pub fn tick(&mut self) {
        let now = self.now();
        self.sinks.iter_mut().for_each(|sink| sink.tick(now));
    }
}

/// The words of categories in the stream.
mod category {
    use bedplate_diag::Category;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    const WORDS: [(Category, &str); 4] = [
        (Category::Build, "build"),
        (Category::Input, "input"),
        (Category::Environment, "environment"),
        (Category::Internal, "internal"),
    ];

    // The signature is serde's.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    pub(super) fn serialize<S: Serializer>(category: &Category, to: S) -> Result<S::Ok, S::Error> {
        let word = WORDS.iter().find(|(one, _)| one == category).expect("all categories have a word").1;
        to.serialize_str(word)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Category, D::Error> {
        let word = String::deserialize(from)?;
        let found = WORDS.iter().find(|(_, one)| *one == word);
        found.map(|(category, _)| *category).ok_or_else(|| D::Error::custom(format!("unknown category `{word}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_stream_is_read_again() {
        let failure = NodeFailure { retryable: true, ..NodeFailure::new(Category::Environment, "no space") };
        let usage = Usage { cpu_seconds: 1.5, peak_memory: Some(1 << 40) };
        let node = NodeId(3);
        let failed = FailedNode {
            node,
            name: "zlib".to_owned(),
            kind: NodeKind::Build,
            failure: failure.clone(),
            log: None,
            blocks: vec!["rpm".to_owned()],
        };
        let events = [
            Event::RunStarted { version: EVENTS_VERSION, tool: "0.1.0".to_owned(), jobs: 2, nodes: 1 },
            Event::NodeState {
                node,
                name: "zlib".to_owned(),
                kind: NodeKind::Check,
                state: State::Running,
                expected_seconds: 2.0,
                slot: Some(0),
                why: None,
            },
            Event::NodeFinished {
                node,
                status: State::Failed,
                cached: false,
                wall_seconds: 1.0,
                usage,
                log: Some(PathBuf::from("/log")),
                failure: Some(failure),
            },
            Event::Progress(Progress { done: 1, running: 2, left: 3, failed: 4, seconds_left: 0.5 }),
            Event::RunFinished { summary: Summary { failed: vec![failed], ..Summary::default() } },
        ];
        for event in events {
            let line = serde_json::to_string(&TimedEvent { seconds: 0.25, event: &event }).unwrap();
            assert_eq!(
                serde_json::from_str::<TimedEvent>(&line).unwrap(),
                TimedEvent { seconds: 0.25, event },
                "{line}"
            );
        }
        let line = serde_json::to_string(&TimedEvent {
            seconds: 1.0,
            event: Event::Phase { node, phase: "%prep".to_owned() },
        });
        assert_eq!(line.unwrap(), r#"{"seconds":1.0,"event":"phase","node":3,"phase":"%prep"}"#);
    }
}

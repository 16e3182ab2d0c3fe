//! Runs a plan: one dispatcher owns all state, workers are threads that send messages.
//!
//! ```text
//!              ┌───────────── dispatcher (the calling thread) ─────────────┐
//! Plan ──────▶ │ Scheduler: Work, slots, memory      Events: time, sinks   │
//!   ▲          └──┬───────────────────────────────────────────▲────────────┘
//!   │ start,      │ one thread for each job that runs         │ bounded channel
//!   └ finished    └─▶ worker(job, context) ── events, Outcome ┘
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use bedplate_diag::Category;

use crate::event::{EVENTS_VERSION, Event, Events, NodeFailure, NodeId, Progress, State, Summary, Usage};
use crate::scheduler::{Limits, Scheduler};
use crate::simulate::simulate;
use crate::summary::{Record, summarise};
use crate::work::Work;
use crate::worker::{Cancel, End, Message, Outcome, Report, WorkerContext};

/// What is to be done, and what follows from what was done. The dispatcher owns it and calls it; nothing of it has to be shared.
pub trait Plan {
    /// What a worker is given.
    type Job: Send;
    /// What a worker gives back.
    type Output: Send + 'static;

    /// A node is about to start: all that it needs is done. It may find that it has to wait for more, or that there is nothing to do.
    fn start(&mut self, node: NodeId, work: &mut Work) -> Start<Self::Job>;

    /// A node's job ended, and will not be tried again. It is still running as far as `work` knows: what is changed here holds
    /// before anything that waits for it starts or is blocked.
    ///
    /// A plan that cannot use the output says why; the node has failed then.
    ///
    /// # Errors
    /// Why the node has failed, although its job was done.
    fn finished(&mut self, node: NodeId, outcome: Outcome<Self::Output>, work: &mut Work) -> Result<(), NodeFailure>;
}

/// What to do with a node that could start.
#[derive(Debug)]
pub enum Start<J> {
    /// A worker gets this job.
    Run(J),
    /// The result is there already, and the plan has it.
    Cached,
    /// The plan added something that it needs.
    Wait,
    /// It cannot be done.
    Failed(NodeFailure),
}

/// What happens after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// Nothing starts any more; what runs is finished, so that its work is not lost.
    #[default]
    Stop,
    /// Everything that does not need what failed goes on.
    KeepGoing,
}

/// How to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much may happen at a time.
    pub limits: Limits,
    /// What happens after a failure.
    pub on_failure: OnFailure,
    /// How often a node is tried again that failed in a way that may pass.
    pub retries: u32,
    /// The version of bedplate, for the first event.
    pub tool: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { limits: Limits::default(), on_failure: OnFailure::Stop, retries: 2, tool: String::new() }
    }
}

/// Does the work of a job; many threads call it at a time.
pub type Worker<'a, J, O> = dyn Fn(J, &WorkerContext) -> Outcome<O> + Sync + 'a;

/// How often sinks are told the time: 15 times a second is what an eye can follow.
const TICK: Duration = Duration::from_millis(66);
/// How often the rest is simulated at most.
const FORECAST: Duration = Duration::from_secs(1);
/// How many messages may wait for the dispatcher; a build that writes faster than it can be read waits.
const WAITING_MESSAGES: usize = 1024;

/// Does all the work of a plan; gives the work in its last state as well.
///
/// A worker that panics fails its node, as our bug. The time limit of a job is the worker's matter.
pub fn run<P: Plan>(
    plan: &mut P,
    work: Work,
    options: &Options,
    worker: &Worker<'_, P::Job, P::Output>,
    cancel: &Cancel,
    events: &mut Events,
) -> (Summary, Work) {
    let (jobs, nodes) = (options.limits.jobs.max(1), work.len());
    events.emit(&Event::RunStarted { version: EVENTS_VERSION, tool: options.tool.clone(), jobs, nodes });
    let (sender, receiver) = sync_channel(WAITING_MESSAGES);
    std::thread::scope(|scope| {
        // If the plan or a sink panics, workers must not wait for a dispatcher that is gone: nobody receives then, and the flag
        // ends them.
        let receiver = receiver;
        let _stop = StopOnPanic(cancel);
        let spawn = |job: P::Job, context: WorkerContext| {
            let sender = sender.clone();
            scope.spawn(move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| worker(job, &context)));
                let outcome = outcome.unwrap_or_else(|panic| Outcome::new(End::Failed(bug(&*panic))));
                // The dispatcher waits for each job that it started.
                let _ = sender.send(Message::Ended { node: context.node, outcome });
            });
        };
        let scheduler = Scheduler::new(work, options.limits);
        let records = vec![Record::default(); nodes];
        let mut run =
            Run { scheduler, records, events, options, cancel, failed: Vec::new(), is_stopping: false, forecast: None };
        run.tell();
        loop {
            run.start_all(plan, &sender, &spawn);
            run.tell_progress();
            if run.scheduler.running().is_empty() {
                break;
            }
            run.receive(plan, &receiver);
        }
        run.finish()
    })
}

/// Ends all jobs if the dispatcher panics.
struct StopOnPanic<'a>(&'a Cancel);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.cancel();
        }
    }
}

/// What a panic says, as a failure.
fn bug(panic: &(dyn std::any::Any + Send)) -> NodeFailure {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    let message = format!("the worker panicked: {}", text.as_deref().unwrap_or("it did not say why"));
    let hint = Some("this is a bug of bedplate: please report it with the command".to_owned());
    NodeFailure { hint, ..NodeFailure::new(Category::Internal, message) }
}

/// All state of a run.
struct Run<'a> {
    scheduler: Scheduler,
    records: Vec<Record>,
    /// Root causes, in their order.
    failed: Vec<NodeId>,
    events: &'a mut Events,
    options: &'a Options,
    cancel: &'a Cancel,
    /// Whether nothing starts any more.
    is_stopping: bool,
    /// When the rest was simulated last.
    forecast: Option<Instant>,
}

impl Run<'_> {
    /// Starts all that may.
    fn start_all<P: Plan>(
        &mut self,
        plan: &mut P,
        sender: &SyncSender<Message<P::Output>>,
        spawn: &impl Fn(P::Job, WorkerContext),
    ) {
        loop {
            self.is_stopping |= self.cancel.is_cancelled();
            if self.is_stopping {
                return;
            }
            let Some(node) = self.scheduler.choose() else { return };
            let start = plan.start(node, &mut self.scheduler.work);
            self.records.resize(self.scheduler.work.len(), Record::default());
            match start {
                Start::Run(job) if self.scheduler.work.state(node) == State::Ready => {
                    let slot = self.scheduler.start(node).slot;
                    let record = &mut self.records[node.index()];
                    record.started = self.events.now();
                    record.attempts += 1;
                    let report: Arc<dyn Report> = Arc::new(sender.clone());
                    let attempt = record.attempts - 1;
                    self.tell();
                    spawn(job, WorkerContext { node, slot, attempt, cancel: self.cancel.clone(), report });
                }
                Start::Cached if self.scheduler.work.state(node) == State::Ready => {
                    self.records[node.index()].is_cached = true;
                    self.tell_finished(node, State::Done, Duration::ZERO, Usage::default());
                    self.scheduler.work.set_state(node, State::Done, None);
                }
                Start::Failed(failure) => self.refuse(node, failure),
                Start::Wait | Start::Run(_) | Start::Cached => {
                    // It would be chosen again, for ever.
                    if self.scheduler.work.state(node) == State::Ready {
                        let message = "the plan told a node to wait, and for nothing";
                        self.refuse(node, NodeFailure::new(Category::Internal, message));
                    }
                }
            }
            self.tell();
        }
    }

    /// Waits for news, but not longer than a tick; takes all that is there.
    fn receive<P: Plan>(&mut self, plan: &mut P, receiver: &Receiver<Message<P::Output>>) {
        match receiver.recv_timeout(TICK) {
            Ok(message) => {
                self.take(plan, message);
                // Not for ever: a build that writes without end must not keep others from starting.
                for _ in 0..WAITING_MESSAGES {
                    let Ok(message) = receiver.try_recv() else { break };
                    self.take(plan, message);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => unreachable!("the dispatcher has a sender of its own"),
        }
        self.events.tick();
    }

    fn take<P: Plan>(&mut self, plan: &mut P, message: Message<P::Output>) {
        match message {
            Message::Event(event) => self.events.emit(&event),
            Message::Ended { node, outcome } => {
                self.ended(plan, node, outcome);
                self.tell();
            }
        }
    }

    /// A worker gave its node back.
    fn ended<P: Plan>(&mut self, plan: &mut P, node: NodeId, outcome: Outcome<P::Output>) {
        let wall = self.events.now().saturating_sub(self.records[node.index()].started);
        let record = &mut self.records[node.index()];
        record.wall_seconds += wall.as_secs_f64();
        record.cpu_seconds += outcome.usage.cpu_seconds;
        record.log.clone_from(&outcome.log);
        let usage = outcome.usage;
        let mut failure = match &outcome.end {
            End::Failed(failure) => Some(failure.clone()),
            _ => None,
        };
        let (tries, most) = (record.attempts, self.options.retries + 1);
        if let Some(failure) = failure.take_if(|one| one.retryable && tries < most && !self.is_stopping) {
            let why = format!("attempt {} of {most}: {}", tries + 1, failure.message);
            record.failure = Some(failure);
            self.tell_finished(node, State::Ready, wall, usage);
            self.records[node.index()].failure = None;
            self.scheduler.end(node, State::Ready, Some(why));
            return;
        }
        record.is_cached = matches!(outcome.end, End::Cached(_));
        let is_cancelled = matches!(outcome.end, End::Cancelled);
        let answer = plan.finished(node, outcome, &mut self.scheduler.work);
        self.records.resize(self.scheduler.work.len(), Record::default());
        let failure = failure.or(answer.err());
        let state = match &failure {
            Some(_) => State::Failed,
            None if is_cancelled => State::Cancelled,
            None => State::Done,
        };
        let why = failure.as_ref().map(|failure| failure.message.clone());
        self.records[node.index()].failure = failure;
        self.tell_finished(node, state, wall, usage);
        self.scheduler.end(node, state, why);
        self.note_failure(node);
    }

    /// A node fails before it starts.
    fn refuse(&mut self, node: NodeId, failure: NodeFailure) {
        let why = failure.message.clone();
        self.records[node.index()].failure = Some(failure);
        self.tell_finished(node, State::Failed, Duration::ZERO, Usage::default());
        self.scheduler.work.set_state(node, State::Failed, Some(why));
        self.note_failure(node);
    }

    /// Remembers a root cause, and stops the run if it is to stop.
    fn note_failure(&mut self, node: NodeId) {
        if self.scheduler.work.state(node) == State::Failed {
            self.failed.push(node);
            self.is_stopping |= self.options.on_failure == OnFailure::Stop;
        }
    }

    /// Tells how a node's job ended.
    fn tell_finished(&mut self, node: NodeId, status: State, wall: Duration, usage: Usage) {
        let record = &self.records[node.index()];
        self.events.emit(&Event::NodeFinished {
            node,
            status,
            cached: record.is_cached,
            wall_seconds: wall.as_secs_f64(),
            usage,
            log: record.log.clone(),
            failure: record.failure.clone(),
        });
    }

    /// Tells of all transitions that nobody was told of.
    fn tell(&mut self) {
        for change in self.scheduler.work.take_changes() {
            let (node, work) = (change.node, &self.scheduler.work);
            let running = self.scheduler.running().iter().find(|one| one.node == node);
            self.events.emit(&Event::NodeState {
                node,
                name: work.name(node).to_owned(),
                kind: work.kind(node),
                state: change.state,
                expected_seconds: work.seconds(node),
                slot: running.map(|one| one.slot).filter(|_| change.state == State::Running),
                why: change.why,
            });
        }
    }

    /// Tells how far the run is, if that was not done just now.
    fn tell_progress(&mut self) {
        if self.forecast.is_some_and(|last| last.elapsed() < FORECAST) {
            return;
        }
        let now = self.events.now();
        let elapsed = |node: NodeId| now.saturating_sub(self.records[node.index()].started).as_secs_f64();
        let seconds_left = simulate(&self.scheduler, elapsed).iter().map(|span| span.end).fold(0.0, f64::max);
        self.events.emit(&Event::Progress(Progress { seconds_left, ..self.scheduler.progress() }));
        self.forecast = Some(Instant::now());
    }

    /// Nothing runs, and nothing starts any more.
    fn finish(mut self) -> (Summary, Work) {
        let was_cancelled = self.cancel.is_cancelled();
        for node in self.scheduler.work.nodes() {
            if !self.scheduler.work.state(node).is_final() {
                debug_assert!(self.is_stopping, "what is left waits for something");
                self.scheduler.work.set_state(node, State::Cancelled, None);
            }
        }
        self.tell();
        let wall = self.events.now();
        let summary = summarise(&self.scheduler.work, &self.records, &self.failed, wall, was_cancelled);
        self.events.emit(&Event::RunFinished { summary: summary.clone() });
        (summary, self.scheduler.work)
    }
}

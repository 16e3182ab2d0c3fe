//! What a job sees of the run, and what it gives back.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use crate::event::{Event, NodeFailure, NodeId, Usage};

/// A flag that ends a run: nothing starts any more, and jobs that run are asked to stop.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A run that goes on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the run.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether the run ends.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// The flag itself, for what only knows flags.
    pub fn flag(&self) -> &Arc<AtomicBool> {
        &self.0
    }

    /// Lets SIGINT, SIGTERM and SIGHUP end the run; a second such signal ends the process at once.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn on_signals(&self) -> std::io::Result<()> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // The order counts: the first signal finds the flag unset, and only sets it.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&self.0))?;
            signal_hook::flag::register(signal, Arc::clone(&self.0))?;
        }
        Ok(())
    }
}

/// What a job gives back.
#[derive(Debug)]
pub struct Outcome<O> {
    /// How it ended.
    pub end: End<O>,
    /// What it took.
    pub usage: Usage,
    /// Its log, if it has one.
    pub log: Option<PathBuf>,
}

/// How a job ended.
#[derive(Debug)]
pub enum End<O> {
    /// It was done now.
    Done(O),
    /// The result was there already.
    Cached(O),
    /// It failed.
    Failed(NodeFailure),
    /// It was asked to stop, and did.
    Cancelled,
}

impl<O> Outcome<O> {
    /// An end that took nothing worth telling, without a log.
    pub fn new(end: End<O>) -> Self {
        Self { end, usage: Usage::default(), log: None }
    }
}

/// What workers tell the dispatcher.
pub(crate) enum Message<O> {
    /// A job gave its node back.
    Ended {
        node: NodeId,
        outcome: Outcome<O>,
    },
    Event(Event),
}

/// Where a job tells of its work.
pub(crate) trait Report: Send + Sync {
    fn event(&self, event: Event);
}

impl<O: Send> Report for SyncSender<Message<O>> {
    fn event(&self, event: Event) {
        // The dispatcher outlives all workers.
        let _ = self.send(Message::Event(event));
    }
}

/// What a job sees of the run.
pub struct WorkerContext {
    /// The job's node.
    pub node: NodeId,
    /// The number of the worker's slot, from 0: no other job that runs now has it.
    pub slot: usize,
    /// How often this node was started before, because it failed in a way that may pass.
    pub attempt: u32,
    /// Whether the job should stop.
    pub cancel: Cancel,
    pub(crate) report: Arc<dyn Report>,
}

impl std::fmt::Debug for WorkerContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerContext").field("node", &self.node).field("slot", &self.slot).finish_non_exhaustive()
    }
}

impl WorkerContext {
    /// The job has come to another part of its work.
    pub fn phase(&self, phase: impl Into<String>) {
        self.report.event(Event::Phase { node: self.node, phase: phase.into() });
    }

    /// The job wrote a line.
    pub fn output(&self, line: impl Into<String>) {
        self.report.event(Event::Output { node: self.node, line: line.into() });
    }

    /// The job moved so many bytes, of so many if that is known.
    pub fn bytes(&self, done: u64, total: Option<u64>) {
        self.report.event(Event::Bytes { node: self.node, done, total });
    }

    /// Something that a person should know.
    pub fn note(&self, message: impl Into<String>) {
        self.report.event(Event::Note { message: message.into(), node: Some(self.node) });
    }
}

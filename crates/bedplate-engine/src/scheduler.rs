//! Which node starts next: slots, memory, and the order.
//!
//! No clock and no threads: a run asks for the next node and tells of the end of each, and so does the simulation that says
//! how long the rest will take. There is one scheduler for both.

use crate::event::{NodeId, NodeKind, Progress, State};
use crate::work::Work;

/// How much may happen at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many jobs may run at a time, fetches not counted.
    pub jobs: usize,
    /// How many fetches may run at a time.
    pub fetches: usize,
    /// How much memory the running jobs may take together, in bytes; none if it is no matter. One job may always run.
    pub max_memory: Option<u64>,
    /// How much memory a job is thought to take if nobody knows, in bytes.
    pub assumed_memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { jobs: 1, fetches: 8, max_memory: None, assumed_memory: 1 << 30 }
    }
}

/// A node that a worker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// The node.
    pub node: NodeId,
    /// A number from 0 that no other running node has.
    pub slot: usize,
    /// What it is thought to take, in bytes.
    pub memory: u64,
}

/// The state of a run: what is to be done, and what runs.
#[derive(Debug, Clone)]
pub struct Scheduler {
    /// What is to be done.
    pub work: Work,
    limits: Limits,
    running: Vec<Running>,
    /// How often each node was passed over for memory.
    passed: Vec<usize>,
}

impl Scheduler {
    /// Nothing runs yet.
    pub fn new(work: Work, limits: Limits) -> Self {
        let limits = Limits { jobs: limits.jobs.max(1), fetches: limits.fetches.max(1), ..limits };
        Self { work, limits, running: Vec::new(), passed: Vec::new() }
    }

    /// What runs.
    pub fn running(&self) -> &[Running] {
        &self.running
    }

    /// What may happen at a time.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The node that should start now; none if no more may run. Nothing changes until [`start`](Self::start).
    ///
    /// Ready nodes come by the longest remaining way. One whose memory is not free is passed over by smaller ones behind it, but not
    /// by more of them than there are slots: then nothing starts until it can.
    pub fn choose(&mut self) -> Option<NodeId> {
        let fetching = self.running.iter().filter(|one| self.is_fetch(one.node)).count();
        let (is_full, is_fetching_full) =
            (self.running.len() - fetching >= self.limits.jobs, fetching >= self.limits.fetches);
        let taken: u64 = self.running.iter().map(|one| one.memory).sum();
        let is_idle = self.running.len() == fetching;
        self.passed.resize(self.work.len(), 0);
        let mut passed = Vec::new();
        let mut is_reserved = false;
        self.work.refresh();
        let chosen = self.work.ready().iter().copied().find(|node| {
            if self.is_fetch(*node) {
                return !is_fetching_full;
            }
            if is_full || is_reserved {
                return false;
            }
            let free = self.limits.max_memory.map_or(u64::MAX, |most| most.saturating_sub(taken));
            if is_idle || self.memory(*node) <= free {
                return true;
            }
            is_reserved = self.passed[node.index()] >= self.limits.jobs;
            passed.push(*node);
            false
        })?;
        if !self.is_fetch(chosen) {
            passed.into_iter().for_each(|node| self.passed[node.index()] += 1);
        }
        Some(chosen)
    }

    /// Gives a node that [`choose`](Self::choose) named to a worker.
    pub fn start(&mut self, node: NodeId) -> Running {
        let slot = (0..).find(|slot| self.running.iter().all(|one| one.slot != *slot)).expect("numbers do not end");
        let memory = if self.is_fetch(node) { 0 } else { self.memory(node) };
        let running = Running { node, slot, memory };
        self.running.push(running);
        self.work.set_state(node, State::Running, None);
        debug_assert!(self.running.len() <= self.limits.jobs + self.limits.fetches, "more run than may");
        running
    }

    /// A worker gave a node back.
    pub fn end(&mut self, node: NodeId, state: State, why: Option<String>) {
        self.running.retain(|one| one.node != node);
        self.work.set_state(node, state, why);
    }

    /// How much memory a node is thought to take, in bytes.
    pub fn memory(&self, node: NodeId) -> u64 {
        // Nothing runs in no memory: a job may not start beside one that takes all.
        self.work.memory(node).unwrap_or(self.limits.assumed_memory).max(1)
    }

    /// How many nodes are where.
    pub fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        for node in self.work.nodes() {
            match self.work.state(node) {
                State::Done | State::Skipped => progress.done += 1,
                State::Running => progress.running += 1,
                State::Waiting | State::Ready => progress.left += 1,
                State::Failed | State::Blocked | State::Cancelled => progress.failed += 1,
            }
        }
        progress
    }

    fn is_fetch(&self, node: NodeId) -> bool {
        self.work.kind(node) == NodeKind::Source
    }
}

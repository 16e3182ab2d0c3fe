//! Where the time went, as a Chrome trace: a row for each worker, phases inside of jobs.

use std::collections::BTreeMap;
use std::time::Duration;

use bedplate_engine::{Event, NodeId, NodeKind, Sink, State};
use serde_json::{Value, json};

use super::board::label;
use crate::outcome::Failure;

/// A job that runs.
struct Job {
    name: String,
    kind: NodeKind,
    slot: usize,
    started: Duration,
    expected_seconds: f64,
    /// Its phases, each with its beginning.
    phases: Vec<(String, Duration)>,
}

/// The trace of a run; it is written at the end.
pub(super) struct Trace {
    path: String,
    jobs: BTreeMap<NodeId, Job>,
    entries: Vec<Value>,
    workers: usize,
}

impl Trace {
    /// Finds out at the beginning whether the file can be written at the end.
    pub(super) fn new(path: &str) -> Result<Self, Failure> {
        crate::output::write(path, "")?;
        Ok(Self { path: path.to_owned(), jobs: BTreeMap::new(), entries: Vec::new(), workers: 0 })
    }

    fn span(&mut self, name: &str, category: &str, slot: usize, from: Duration, to: Duration, facts: &Value) {
        let length = to.saturating_sub(from);
        self.entries.push(json!({
            "name": name, "cat": category, "ph": "X", "pid": 1, "tid": slot,
            "ts": microseconds(from), "dur": microseconds(length), "args": facts,
        }));
    }

    /// A job ended.
    fn end(&mut self, node: NodeId, now: Duration, facts: &Value) {
        let Some(job) = self.jobs.remove(&node) else { return };
        self.span(&label(&job.name, job.kind), job.kind.word(), job.slot, job.started, now, facts);
        let ends = job.phases.iter().skip(1).map(|(_, start)| *start).chain([now]);
        for ((phase, start), end) in job.phases.iter().zip(ends) {
            self.span(phase, "phase", job.slot, *start, end, &json!({}));
        }
        self.count(now);
    }

    fn count(&mut self, now: Duration) {
        let running = self.jobs.len();
        self.entries.push(json!({
            "name": "running", "ph": "C", "pid": 1, "ts": microseconds(now), "args": {"jobs": running},
        }));
    }

    /// Writes all that there is until now: a run that found its store damaged begins again.
    fn write(&self) {
        let name = |tid: usize| json!({"name": "thread_name", "ph": "M", "pid": 1, "tid": tid, "args": {"name": format!("worker {tid}")}});
        let mut entries: Vec<Value> = (0..self.workers).map(name).collect();
        entries.extend_from_slice(&self.entries);
        let text = format!("{}\n", json!({"displayTimeUnit": "ms", "traceEvents": entries}));
        if let Err(failure) = crate::output::write(&self.path, &text) {
            super::warn(&format!("the trace is not there: {failure}"));
        }
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Sink for Trace {
    fn event(&mut self, time: Duration, event: &Event) {
        match event {
            Event::NodeState {
                node, name, kind, state: State::Running, slot: Some(slot), expected_seconds, ..
            } => {
                let (name, phases) = (name.clone(), Vec::new());
                let (kind, slot, expected_seconds) = (*kind, *slot, *expected_seconds);
                self.jobs.insert(*node, Job { name, kind, slot, started: time, expected_seconds, phases });
                self.workers = self.workers.max(slot + 1);
                self.count(time);
            }
            Event::Phase { node, phase } => {
                if let Some(job) = self.jobs.get_mut(node) {
                    job.phases.push((phase.clone(), time));
                }
            }
            Event::NodeFinished { node, status, cached, usage, failure, .. } => {
                let expected = self.jobs.get(node).map_or(0.0, |job| job.expected_seconds);
                let mut facts = json!({
                    "status": status, "cached": cached, "expected_seconds": expected,
                    "cpu_seconds": usage.cpu_seconds, "peak_memory": usage.peak_memory,
                });
                if let Some(failure) = failure {
                    facts["failure"] = Value::from(failure.message.as_str());
                }
                self.end(*node, time, &facts);
            }
            Event::RunFinished { .. } => self.write(),
            _ => {}
        }
    }
}

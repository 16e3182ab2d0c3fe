//! Who is where in a run, as far as the events tell.

use std::collections::BTreeMap;
use std::time::Duration;

use bedplate_engine::{Event, NodeId, NodeKind, State, TimedNode, plain_line};

/// A node of the run.
#[derive(Debug, Clone)]
pub(super) struct Row {
    name: String,
    pub(super) kind: NodeKind,
    state: State,
    /// When it started last.
    started: Duration,
    /// The part of its work that it is at; empty if it did not say.
    pub(super) phase: String,
    /// The last line that it wrote, or how many bytes it moved.
    pub(super) line: String,
}

impl Row {
    /// The name, and what is done if that is no build.
    pub(super) fn label(&self) -> String {
        label(&self.name, self.kind)
    }

    /// How long it has run, in seconds.
    pub(super) fn elapsed(&self, now: Duration) -> f64 {
        now.saturating_sub(self.started).as_secs_f64()
    }
}

/// The name of a node, and what is done if that is no build.
pub(super) fn label(name: &str, kind: NodeKind) -> String {
    if kind == NodeKind::Build { name.to_owned() } else { format!("{name} ({})", kind.word()) }
}

/// All nodes.
#[derive(Debug, Default)]
pub(super) struct Board {
    rows: BTreeMap<NodeId, Row>,
    running: Vec<NodeId>,
    counts: BTreeMap<State, usize>,
    /// What was done in this run.
    pub(super) finished: Vec<TimedNode>,
    /// How long the rest should take, in seconds, and when that was said.
    forecast: Option<(f64, Duration)>,
}

impl Board {
    /// Something happened.
    pub(super) fn take(&mut self, time: Duration, event: &Event) {
        match event {
            // A run that found its store damaged begins again, and so do its numbers.
            Event::RunStarted { .. } => *self = Self::default(),
            Event::NodeState { node, name, kind, state, .. } => {
                let new = Row {
                    name: name.clone(),
                    kind: *kind,
                    state: *state,
                    started: time,
                    phase: String::new(),
                    line: String::new(),
                };
                if let Some(old) = self.rows.insert(*node, new) {
                    *self.counts.entry(old.state).or_default() -= 1;
                }
                *self.counts.entry(*state).or_default() += 1;
                self.running.retain(|one| one != node);
                if *state == State::Running {
                    self.running.push(*node);
                }
            }
            Event::Phase { node, phase } => {
                if let Some(row) = self.rows.get_mut(node) {
                    row.phase = plain_line(phase);
                    row.line.clear();
                }
            }
            Event::Output { node, line } => {
                let line = plain_line(line);
                if let Some(row) = self.rows.get_mut(node).filter(|_| !line.trim().is_empty()) {
                    row.line = line;
                }
            }
            Event::Bytes { node, done, total } => {
                if let Some(row) = self.rows.get_mut(node) {
                    row.line = match total {
                        Some(total) => format!("{} of {}", mebibytes(*done), mebibytes(*total)),
                        None => mebibytes(*done),
                    };
                }
            }
            Event::NodeFinished { node, status: State::Done, cached: false, wall_seconds, .. } => {
                if let Some(row) = self.rows.get(node) {
                    self.finished.push(TimedNode { name: row.name.clone(), kind: row.kind, seconds: *wall_seconds });
                }
            }
            Event::Progress(progress) => self.forecast = Some((progress.seconds_left, time)),
            Event::NodeFinished { .. } | Event::Note { .. } | Event::RunFinished { .. } => {}
        }
    }

    /// A node.
    pub(super) fn row(&self, node: NodeId) -> Option<&Row> {
        self.rows.get(&node)
    }

    /// What runs, longest first.
    pub(super) fn running(&self) -> Vec<&Row> {
        let mut running: Vec<&Row> = self.running.iter().filter_map(|node| self.rows.get(node)).collect();
        running.sort_by_key(|row| row.started);
        running
    }

    /// How many nodes are in one of some states.
    pub(super) fn count(&self, states: &[State]) -> usize {
        states.iter().filter_map(|state| self.counts.get(state)).sum()
    }

    /// How many nodes are done, in whatever good way.
    pub(super) fn done(&self) -> usize {
        self.count(&[State::Done, State::Skipped])
    }

    /// How many nodes there are.
    pub(super) fn total(&self) -> usize {
        self.rows.len()
    }

    /// How long the rest should take, in seconds; none if nobody said, or nothing is left.
    pub(super) fn seconds_left(&self, now: Duration) -> Option<f64> {
        let (left, said) = self.forecast?;
        Some((left - now.saturating_sub(said).as_secs_f64()).max(0.0)).filter(|_| !self.running.is_empty())
    }

    /// `45 of 338 done, 4 running, 289 to do, about 12:30 left`.
    pub(super) fn total_line(&self, now: Duration) -> String {
        let mut line = format!("{} of {} done, {} running", self.done(), self.total(), self.running.len());
        for (states, words) in [
            (&[State::Waiting, State::Ready][..], "to do"),
            (&[State::Failed][..], "failed"),
            (&[State::Blocked][..], "blocked"),
        ] {
            let count = self.count(states);
            if count > 0 {
                line.push_str(&format!(", {count} {words}"));
            }
        }
        if let Some(seconds) = self.seconds_left(now) {
            line.push_str(&format!(", about {} left", crate::commands::graph::duration(seconds)));
        }
        line
    }
}

#[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

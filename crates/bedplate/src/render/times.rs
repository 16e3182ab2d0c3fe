//! Where the time of a run went: a line for each package and step.

use std::collections::HashMap;
use std::fmt::Write as _;

use bedplate_engine::{Event, NodeId, NodeKind, Usage};
use serde::Serialize;

use super::board::label;
use super::took;
use crate::units::show_bytes;

/// What a step of a package took.
#[derive(Debug, Clone, Serialize)]
struct Line {
    name: String,
    kind: NodeKind,
    wall_seconds: f64,
    #[serde(flatten)]
    usage: Usage,
}

/// Collects what each step took that was not there already.
#[derive(Debug, Default)]
pub(crate) struct Times {
    nodes: HashMap<NodeId, (String, NodeKind)>,
    lines: Vec<Line>,
}

impl Times {
    /// Takes note of an event.
    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::NodeState { node, name, kind, .. } => {
                self.nodes.entry(*node).or_insert_with(|| (name.clone(), *kind));
            }
            Event::NodeFinished { node, cached: false, wall_seconds, usage, .. } => {
                if let Some((name, kind)) = self.nodes.get(node).cloned() {
                    self.lines.push(Line { name, kind, wall_seconds: *wall_seconds, usage: *usage });
                }
            }
            // Another run in the same file: its nodes are numbered anew.
            Event::RunStarted { .. } => self.nodes.clear(),
            _ => {}
        }
    }

    /// A table, the longest first.
    pub(crate) fn table(&self) -> String {
        let mut out = format!("{:>9} {:>10} {:>10}  {}\n", "wall", "processor", "memory", "step");
        let (mut wall, mut cpu) = (0.0, 0.0);
        for line in self.sorted() {
            wall += line.wall_seconds;
            cpu += line.usage.cpu_seconds;
            let memory = line.usage.peak_memory.map_or("-".to_owned(), show_bytes);
            let (took_wall, took_cpu) = (took(line.wall_seconds), took(line.usage.cpu_seconds));
            let _ = writeln!(out, "{took_wall:>9} {took_cpu:>10} {memory:>10}  {}", label(&line.name, line.kind));
        }
        let _ = writeln!(
            out,
            "{:>9} {:>10} {:>10}  {} steps, one after another",
            took(wall),
            took(cpu),
            "",
            self.lines.len()
        );
        out
    }

    /// The same as lines of JSON.
    pub(crate) fn json(&self) -> String {
        let text = |line: &Line| serde_json::to_string(line).expect("texts and numbers are JSON") + "\n";
        self.sorted().into_iter().map(text).collect()
    }

    fn sorted(&self) -> Vec<&Line> {
        let mut lines: Vec<&Line> = self.lines.iter().collect();
        lines.sort_by(|a, b| b.wall_seconds.total_cmp(&a.wall_seconds).then_with(|| a.name.cmp(&b.name)));
        lines
    }
}

//! All events as JSON lines, for programs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Duration;

use bedplate_engine::{Event, NodeId, Sink, TimedEvent};

use crate::outcome::Failure;

/// What a node writes or moves is told at most five times a second; the rest of it is left out.
const PAUSE: Duration = Duration::from_millis(200);

/// A file of lines.
pub(super) struct Lines {
    path: String,
    /// None after a failure: a file with a hole is worse than one that ends.
    to: Option<BufWriter<File>>,
    /// When each node's output and bytes were told last.
    told: BTreeMap<NodeId, Duration>,
}

impl Lines {
    /// Makes the file anew; a pipe or a device is written into.
    pub(super) fn create(path: &str) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|error| Failure::io("cannot write", path, &error))?;
        Ok(Self { path: path.to_owned(), to: Some(BufWriter::new(file)), told: BTreeMap::new() })
    }

    fn attempt(&mut self, work: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) {
        if let Some(to) = &mut self.to
            && let Err(error) = work(to)
        {
            super::warn(&format!("events are not written any more: cannot write {}: {error}", self.path));
            self.to = None;
        }
    }

    /// Whether an event is one of many that only say how far something is, and comes too soon.
    fn is_too_soon(&mut self, time: Duration, event: &Event) -> bool {
        let (Event::Output { node, .. } | Event::Bytes { node, .. }) = event else { return false };
        let is_too_soon = self.told.get(node).is_some_and(|last| time.saturating_sub(*last) < PAUSE);
        if !is_too_soon {
            self.told.insert(*node, time);
        }
        is_too_soon
    }
}

impl Sink for Lines {
    fn event(&mut self, time: Duration, event: &Event) {
        if matches!(event, Event::RunStarted { .. }) {
            // The numbers of nodes begin again.
            self.told.clear();
        }
        if self.is_too_soon(time, event) {
            return;
        }
        let seconds = (time.as_secs_f64() * 1000.0).round() / 1000.0;
        let mut line = serde_json::to_vec(&TimedEvent { seconds, event }).expect("events are JSON");
        line.push(b'\n');
        let is_last = matches!(event, Event::RunFinished { .. });
        self.attempt(|to| to.write_all(&line).and_then(|()| if is_last { to.flush() } else { Ok(()) }));
    }

    fn tick(&mut self, _time: Duration) {
        self.attempt(BufWriter::flush);
    }
}

//! Plain lines, for CI and for what is no terminal: one for each start and end, and a sign of life each minute.

use std::io::Write;
use std::time::Duration;

use bedplate_engine::{Event, Sink, State};

use super::board::Board;
use super::{report, took};

/// How long nothing may be said while something runs.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// How many running nodes a sign of life names.
const NAMED: usize = 3;

/// Lines on a stream.
pub(super) struct Plain<W> {
    to: W,
    board: Board,
    /// When a sign of life was given last, or the run began.
    beat: Duration,
}

impl<W: Write> Plain<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, board: Board::default(), beat: Duration::ZERO }
    }

    fn say(&mut self, text: &str) {
        // There is no one left to tell if the stream is gone; the exit code still says how the run ended.
        let _ = self.to.write_all(format!("{text}\n").as_bytes());
    }

    /// Names what has run longest, if a minute has passed.
    fn heartbeat(&mut self, now: Duration) {
        if now.saturating_sub(self.beat) < HEARTBEAT {
            return;
        }
        self.beat = now;
        let running = self.board.running();
        let named: Vec<String> = running
            .iter()
            .take(NAMED)
            .map(|row| {
                let words = [row.label(), row.phase.clone(), took(row.elapsed(now))];
                words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
            })
            .collect();
        if !named.is_empty() {
            let line = format!("{} still running: {}; {}", clock(now), named.join(", "), self.board.total_line(now));
            self.say(&line);
        }
    }
}

/// The line of an event that should stay to be read, on a terminal as well: failures, attempts, notes.
pub(super) fn lasting_line(board: &Board, event: &Event) -> Option<String> {
    match event {
        Event::NodeFinished { node, status: State::Failed, wall_seconds, failure, .. } => {
            let message = failure.as_ref().map_or("no reason is known", |failure| failure.message.as_str());
            Some(format!("{}: failed after {}: {message}", board.row(*node)?.label(), took(*wall_seconds)))
        }
        Event::NodeState { node, state: State::Ready, why: Some(why), .. } => {
            Some(format!("{}: {why}", board.row(*node)?.label()))
        }
        Event::Note { message, node } => {
            let label = node.and_then(|node| board.row(node)).map(|row| format!("{}: ", row.label()));
            Some(format!("note: {}{message}", label.unwrap_or_default()))
        }
        _ => None,
    }
}

/// The time since the start, as a column.
fn clock(time: Duration) -> String {
    let all = time.as_secs();
    format!("[{}:{:02}:{:02}]", all / 3600, all / 60 % 60, all % 60)
}

impl<W: Write + Send> Sink for Plain<W> {
    fn event(&mut self, time: Duration, event: &Event) {
        // What was, before what is now.
        self.heartbeat(time);
        let lasting = lasting_line(&self.board, event);
        self.board.take(time, event);
        let label = |node| self.board.row(node).map(super::board::Row::label);
        let line = match event {
            Event::NodeState { node, state: State::Running, .. } => {
                label(*node).map(|label| format!("{label}: started"))
            }
            Event::NodeFinished { node, status: State::Done, cached: false, wall_seconds, .. } => {
                label(*node).map(|label| {
                    // The state follows this event: the node itself is not counted yet.
                    let done = self.board.done() + 1;
                    format!("{label}: done in {} ({done} of {})", took(*wall_seconds), self.board.total())
                })
            }
            Event::NodeFinished { node, status: State::Cancelled, wall_seconds, .. } => {
                label(*node).map(|label| format!("{label}: stopped after {}", took(*wall_seconds)))
            }
            _ => lasting,
        };
        if let Some(line) = line {
            self.say(&format!("{} {line}", clock(time)));
        }
        if let Event::RunFinished { summary } = event {
            let text = report::report(&self.board, summary);
            let _ = self.to.write_all(text.as_bytes());
            let _ = self.to.flush();
        }
    }

    fn tick(&mut self, time: Duration) {
        self.heartbeat(time);
    }
}

//! A terminal: one bar for all, and a row for each of the nodes that have run longest.

use std::io::Write;
use std::time::Duration;

use bedplate_engine::{Event, Sink, State};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::board::Board;
use super::{plain, report, took};

/// More rows than these hide what is above them.
const MOST_ROWS: usize = 8;
/// An eye follows 15 pictures a second.
const PAUSE: Duration = Duration::from_millis(66);

/// What is drawn.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    done: usize,
    total: usize,
    line: String,
    rows: Vec<String>,
}

/// The picture of a board: the same for every width, as lines are cut where they are drawn.
fn frame(board: &Board, now: Duration) -> Frame {
    let running = board.running();
    let shown = if running.len() > MOST_ROWS { MOST_ROWS - 1 } else { running.len() };
    let mut rows: Vec<String> = running[..shown]
        .iter()
        .map(|row| {
            let time = took(row.elapsed(now));
            format!("{time:>9}  {:<24} {:<10} {}", row.label(), row.phase, row.line).trim_end().to_owned()
        })
        .collect();
    if shown < running.len() {
        rows.push(format!("{:>9}  and {} more", "", running.len() - shown));
    }
    Frame { done: board.done(), total: board.total(), line: board.total_line(now), rows }
}

/// The lower end of a terminal, while a run goes on.
struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    rows: Vec<ProgressBar>,
}

impl Bars {
    /// Draws on standard error.
    fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(15));
        let style = ProgressStyle::with_template("[{bar:20}] {wide_msg}").expect("the template is ours");
        let total = all.add(ProgressBar::new(0).with_style(style.progress_chars("=> ")));
        Self { all, total, rows: Vec::new() }
    }

    fn draw(&mut self, frame: Frame) {
        while self.rows.len() > frame.rows.len() {
            let bar = self.rows.pop().expect("there are too many rows");
            self.all.remove(&bar);
        }
        while self.rows.len() < frame.rows.len() {
            let style = ProgressStyle::with_template("{wide_msg}").expect("the template is ours");
            let bar = ProgressBar::new_spinner().with_style(style);
            // The bar of all stays below.
            self.rows.push(self.all.insert(self.rows.len(), bar));
        }
        for (bar, row) in self.rows.iter().zip(frame.rows) {
            bar.set_message(row);
        }
        self.total.set_length(frame.total as u64);
        self.total.set_position(frame.done as u64);
        self.total.set_message(frame.line);
    }
}

impl Drop for Bars {
    /// Whatever ends the run, the screen is clean.
    fn drop(&mut self) {
        let _ = self.all.clear();
    }
}

/// A terminal.
pub(super) struct Screen {
    board: Board,
    /// None before and after a run.
    bars: Option<Bars>,
    drawn: Duration,
}

impl Screen {
    /// A terminal on standard error.
    pub(super) fn new() -> Self {
        Self { board: Board::default(), bars: None, drawn: Duration::ZERO }
    }

    /// Draws, if that was not done just now.
    fn draw(&mut self, now: Duration) {
        if let Some(bars) = self.bars.as_mut().filter(|_| now.saturating_sub(self.drawn) >= PAUSE) {
            bars.draw(frame(&self.board, now));
            self.drawn = now;
        }
    }

    /// Writes lines that stay, above the rows.
    fn say(&self, text: &str) {
        // There is no one left to tell if the terminal is gone.
        let _ = match &self.bars {
            Some(bars) => bars.all.println(text),
            None => std::io::stderr().write_all(format!("{text}\n").as_bytes()),
        };
    }
}

impl Sink for Screen {
    fn event(&mut self, time: Duration, event: &Event) {
        // Before the board forgets what ran.
        if let Some(line) = plain::lasting_line(&self.board, event) {
            self.say(&line);
        }
        self.board.take(time, event);
        match event {
            Event::RunStarted { .. } => self.bars = Some(Bars::new()),
            Event::RunFinished { summary } => {
                self.bars = None;
                self.say(report::report(&self.board, summary).trim_end());
            }
            Event::NodeState { state: State::Running, .. } | Event::Progress(_) => self.draw(time),
            _ => {}
        }
    }

    fn tick(&mut self, time: Duration) {
        self.draw(time);
    }
}

//! Steps of a compose: who hears of them, and how long each takes.

use std::sync::Mutex;
use std::time::Instant;

use serde::Serialize;

/// What happens in a compose.
#[derive(Debug)]
pub enum Progress<'a> {
    /// A step begins.
    Started {
        /// Its name.
        step: &'a str,
    },
    /// A step is done.
    Finished {
        /// Its name.
        step: &'a str,
        /// What came of it, in a few words.
        came: &'a str,
        /// How long it took, in seconds.
        seconds: f64,
    },
    /// A line of a program that a step runs.
    Line {
        /// The step.
        step: &'a str,
        /// The line.
        line: &'a str,
    },
}

/// Hears what happens, in any thread.
pub type Listener<'a> = &'a (dyn Fn(&Progress<'_>) + Sync);

/// How long a step took.
#[derive(Debug, Clone, Serialize)]
pub struct Timing {
    /// Its name.
    pub step: String,
    /// When it began, in seconds since the start of the compose.
    pub start: f64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// The clock of a compose, and who listens.
pub(crate) struct Steps<'a> {
    listener: Listener<'a>,
    started: Instant,
    timings: Mutex<Vec<Timing>>,
}

impl<'a> Steps<'a> {
    pub(crate) fn new(listener: Listener<'a>) -> Self {
        Self { listener, started: Instant::now(), timings: Mutex::default() }
    }

    /// Does a step; `come` says in a few words what came of it.
    pub(crate) fn run<T, E>(
        &self,
        step: &str,
        work: impl FnOnce() -> Result<T, E>,
        come: impl FnOnce(&T) -> String,
    ) -> Result<T, E> {
        (self.listener)(&Progress::Started { step });
        let start = self.started.elapsed().as_secs_f64();
        let made = work()?;
        let seconds = self.started.elapsed().as_secs_f64() - start;
        self.timings.lock().expect("no holder panics").push(Timing { step: step.to_owned(), start, seconds });
        (self.listener)(&Progress::Finished { step, came: &come(&made), seconds });
        Ok(made)
    }

    pub(crate) fn line(&self, step: &str, line: &str) {
        (self.listener)(&Progress::Line { step, line });
    }

    /// The steps that were done, in order of their start, and the whole time in seconds.
    pub(crate) fn finish(self) -> (Vec<Timing>, f64) {
        let mut timings = self.timings.into_inner().expect("no holder panics");
        timings.sort_by(|left, right| left.start.total_cmp(&right.start));
        (timings, self.started.elapsed().as_secs_f64())
    }
}

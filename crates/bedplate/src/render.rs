//! What people and programs see of a run: renderers of the engine's stream of events.
//!
//! ```text
//! Events ─┬─▶ tty    bar and rows on a terminal        ┐ Board: who is where, how long
//!         ├─▶ plain  lines, for CI                     ┘   └─▶ report: the end of both
//!         ├─▶ json   --events FILE
//!         └─▶ trace  --trace FILE
//! ```

mod board;
mod json;
mod plain;
mod report;
mod times;
mod trace;
mod tty;

use std::io::{IsTerminal, Write};

use bedplate_engine::Sink;

pub(crate) use self::times::Times;
use crate::cli::RenderArgs;
use crate::outcome::Failure;

/// All that watch a run, as the arguments and the surroundings say.
pub(crate) fn sinks(args: &RenderArgs) -> Result<Vec<Box<dyn Sink>>, Failure> {
    // Files first: they have the whole stream even if a screen cannot be drawn.
    let mut sinks = files(args)?;
    if is_interactive(args) {
        sinks.push(Box::new(tty::Screen::new()));
    } else {
        sinks.push(Box::new(plain::Plain::new(std::io::stderr())));
    }
    Ok(sinks)
}

/// Those that write a file.
pub(crate) fn files(args: &RenderArgs) -> Result<Vec<Box<dyn Sink>>, Failure> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if let Some(path) = &args.events {
        sinks.push(Box::new(json::Lines::create(path)?));
    }
    if let Some(path) = &args.trace {
        sinks.push(Box::new(trace::Trace::new(path)?));
    }
    Ok(sinks)
}

/// Whether somebody looks at a terminal that can be drawn on.
fn is_interactive(args: &RenderArgs) -> bool {
    let is_set =
        |name| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0" && value != "false");
    let is_dumb = std::env::var_os("TERM").is_none_or(|value| value == "dumb");
    std::io::stderr().is_terminal() && !is_dumb && !is_set("CI") && !args.no_progress
}

/// How long something took: `2.7 s`, from a minute on `2:03`.
fn took(seconds: f64) -> String {
    if seconds < 59.95 { format!("{seconds:.1} s") } else { crate::commands::graph::duration(seconds) }
}

/// Says that a file of a run cannot be written; the run goes on.
fn warn(message: &str) {
    // There is no one left to tell if standard error is gone.
    let _ = writeln!(std::io::stderr(), "warning: {message}");
}

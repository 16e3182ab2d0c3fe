//! How a long command shows its work: shared by all that run a plan.

use clap::Args;

/// What is shown of a run, and what is kept of it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RenderArgs {
    /// Write all events as JSON lines to a file (docs/building.md)
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<String>,
    /// Write the times of all jobs as a Chrome trace: open it in a browser at chrome://tracing or ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<String>,
    /// Write plain lines even on a terminal
    #[arg(long)]
    pub(crate) no_progress: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ReplayArgs {
    /// The events of a run, written by `--events`; `-` is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
    /// How many times faster than it was [default: as fast as it can be shown]
    #[arg(long, value_name = "TIMES", value_parser = speed)]
    pub(crate) speed: Option<f64>,
    /// Print what each step took, the longest first: wall time, processor time, most memory. What was there already is left out
    #[arg(long)]
    pub(crate) times: bool,
    /// Print the times as lines of JSON
    #[arg(long, requires = "times")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) render: RenderArgs,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed: &f64| speed.is_finite() && *speed > 0.0);
    speed.ok_or_else(|| "write a number over 0, such as 10".to_owned())
}

//! The `bedplate` command: arguments, commands and the rendering of what the other crates find.
//!
//! Exit codes: 0 good, 1 a build failed, 2 bad input (a spec, an argument), 3 the environment (a file that cannot be
//! read, a tool that is missing), 70 a bug.

mod answer;
mod building;
mod cli;
mod commands;
mod details;
mod image_config;
mod lints;
mod module_keys;
mod outcome;
mod output;
mod policy;
mod query_format;
mod render;
mod seed;
mod settings;
mod spec_sources;
mod store;
mod ui;
mod units;
mod workspace;

use std::process::ExitCode;

pub use cli::Cli;
pub use outcome::{Failure, Outcome};
pub use ui::{ColorChoice, Ui};

/// Runs a command.
///
/// # Errors
/// What went wrong with the world or the arguments; mistakes in specs are part of the outcome.
pub fn run(cli: Cli, ui: &Ui) -> Result<Outcome, Failure> {
    match cli.command {
        cli::Command::Build(args) => commands::build::run(&args, ui),
        cli::Command::Shell(args) => commands::shell::run(&args, ui),
        cli::Command::WhyRebuild(args) => commands::why_rebuild::run(&args, ui),
        cli::Command::Graph(args) => commands::graph::run(&args, ui),
        cli::Command::Why(args) => commands::why::run(&args, ui),
        cli::Command::Plan(args) => commands::plan::run(&args, ui),
        cli::Command::Spec(command) => commands::spec::run(*command, ui),
        cli::Command::Version(command) => commands::version::run(command, ui),
        cli::Command::Solve(args) => commands::solve::run(&args, ui),
        cli::Command::Repo(command) => commands::repo::run(*command, ui),
        cli::Command::Source(command) => commands::source::run(*command, ui),
        cli::Command::Replay(args) => commands::replay::run(&args, ui),
        cli::Command::Seed(command) => commands::seed::run(*command, ui),
        cli::Command::Key(command) => commands::key::run(command, ui),
        cli::Command::Image(command) => commands::image::run(*command, ui),
        cli::Command::Store(command) => commands::store::run(command, ui),
    }
}

/// If this process was started as the helper of a sandbox, does that work and gives its exit code.
pub fn sandbox_helper() -> Option<ExitCode> {
    let first = std::env::args_os().nth(1)?;
    if first == bedplate_sandbox::HELPER_ARGUMENT {
        return Some(bedplate_sandbox::child_main());
    }
    (first == bedplate_sys::sandbox::HELPER_ARGUMENT).then(bedplate_sys::sandbox::child_main)
}

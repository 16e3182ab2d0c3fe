//! `bedplate spec`: reading specs.

pub(crate) mod evaluate;
mod expand;
mod lint;
mod macros;
mod query;

use crate::cli::SpecCommand;
use crate::outcome::{Failure, Outcome};
use crate::ui::Ui;

/// Runs one of the subcommands.
pub(crate) fn run(command: SpecCommand, ui: &Ui) -> Result<Outcome, Failure> {
    match command {
        SpecCommand::Query(args) => query::run(&args, ui),
        SpecCommand::Expand(args) => expand::run(&args, ui),
        SpecCommand::Lint(args) => lint::run(&args, ui),
        SpecCommand::Macros(args) => macros::run(&args, ui),
    }
}

//! `bedplate seed`: the packages of the distribution that the first builds run in.

mod create;
mod list;
mod lock;
mod verify;

use crate::cli::SeedCommand;
use crate::outcome::{Failure, Outcome};
use crate::ui::Ui;

/// Runs a command of the group.
pub(crate) fn run(command: SeedCommand, ui: &Ui) -> Result<Outcome, Failure> {
    match command {
        SeedCommand::Create(args) => create::run(&args, ui),
        SeedCommand::Lock(args) => lock::run(&args, ui),
        SeedCommand::Verify(args) => verify::run(&args, ui),
        SeedCommand::List(args) => list::run(&args, ui),
    }
}

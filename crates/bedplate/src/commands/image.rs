//! `bedplate image`: operating system images.

mod boot;

use crate::cli::ImageCommand;
use crate::outcome::{Failure, Outcome};
use crate::ui::Ui;

/// Runs a command of the group.
pub(crate) fn run(command: ImageCommand, ui: &Ui) -> Result<Outcome, Failure> {
    match command {
        ImageCommand::Boot(args) => boot::run(&args, ui),
    }
}

//! `bedplate image`: configs of images, and images.

mod boot;
mod build;
mod check;
mod explain;
mod import;
mod inspect;
mod origins;
mod remote;
mod schema;
mod validate;

use crate::cli::ImageCommand;
use crate::outcome::{Failure, Outcome};
use crate::ui::Ui;

/// Runs a command of the group.
pub(crate) fn run(command: ImageCommand, ui: &Ui) -> Result<Outcome, Failure> {
    match command {
        ImageCommand::Build(args) => build::run(&args, ui),
        ImageCommand::Inspect(args) => inspect::inspect(&args, ui),
        ImageCommand::Check(args) => check::run(&args, ui),
        ImageCommand::Diff(args) => inspect::diff(&args, ui),
        ImageCommand::Boot(args) => boot::run(&args, ui),
        ImageCommand::Validate(args) => validate::run(&args, ui),
        ImageCommand::Schema => schema::run(ui),
        ImageCommand::Explain(args) => explain::run(&args, ui),
        ImageCommand::Import(args) => import::run(&args, ui),
    }
}

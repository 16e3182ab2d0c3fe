//! `bedplate version`: the order of versions and what ranges of them have in common.

mod compare;
mod overlap;
mod sort;

use std::io::Read as _;

use bedplate_diag::text;
use bedplate_model::LooseEvr;

use crate::cli::VersionCommand;
use crate::outcome::{Failure, Outcome};
use crate::ui::Ui;

/// Runs one of the subcommands.
pub(crate) fn run(command: VersionCommand, ui: &Ui) -> Result<Outcome, Failure> {
    match command {
        VersionCommand::Compare(args) => compare::run(&args, ui),
        VersionCommand::Sort(args) => sort::run(&args, ui),
        VersionCommand::Overlap(args) => overlap::run(&args, ui),
    }
}

/// The lines of standard input that are not blank, with their numbers. A byte that is no UTF-8 is carried along.
fn input_lines() -> Result<Vec<(usize, String)>, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().read_to_end(&mut bytes);
    read.map_err(|error| Failure::io("cannot read", "standard input", &error))?;
    let input = text::from_bytes(&bytes);
    let lines = input.split('\n').zip(1..).map(|(line, number)| (number, line.trim_ascii()));
    Ok(lines.filter(|(_, line)| !line.is_empty()).map(|(number, line)| (number, line.to_owned())).collect())
}

/// A version of an argument or a line.
fn parse(version: &str) -> Result<LooseEvr, String> {
    if version.bytes().any(|byte| byte.is_ascii_whitespace()) {
        return Err(format!("`{}` is not one version: it has a blank", text::escape_invalid(version)));
    }
    LooseEvr::parse(version).ok_or_else(|| "a version is empty".to_owned())
}

/// All values, or all mistakes at once.
fn all_or_mistakes<T>(results: impl IntoIterator<Item = Result<T, String>>) -> Result<Vec<T>, Failure> {
    let (mut values, mut mistakes) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() { Ok(values) } else { Err(Failure::input(mistakes.join("\n"))) }
}

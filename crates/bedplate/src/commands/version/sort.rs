//! `bedplate version sort`: versions, oldest first.

use bedplate_diag::text::{escape_invalid, to_bytes};
use serde_json::json;

use super::{all_or_mistakes, input_lines, parse};
use crate::cli::SortArgs;
use crate::outcome::{Failure, Outcome};
use crate::ui::Ui;

/// Sorts the versions of the arguments, or those of standard input.
pub(crate) fn run(args: &SortArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let mut versions = if args.versions.is_empty() {
        all_or_mistakes(input_lines()?.into_iter().map(|(number, line)| match parse(&line) {
            Ok(evr) => Ok((line, evr)),
            Err(mistake) => Err(format!("line {number}: {mistake}")),
        }))?
    } else {
        all_or_mistakes(args.versions.iter().map(|version| Ok((version.clone(), parse(version)?))))?
    };
    versions.sort_by(|(_, a), (_, b)| if args.reverse { b.compare(a) } else { a.compare(b) });
    let line = |(version, evr): &(String, bedplate_model::LooseEvr)| {
        if args.json {
            let parts = json!({
                "text": escape_invalid(version),
                "epoch": evr.epoch(),
                "version": escape_invalid(evr.version()),
                "release": evr.release().map(escape_invalid),
            });
            format!("{parts}\n")
        } else {
            format!("{version}\n")
        }
    };
    ui.print_bytes(&to_bytes(&versions.iter().map(line).collect::<String>()))?;
    Ok(Outcome::Good)
}

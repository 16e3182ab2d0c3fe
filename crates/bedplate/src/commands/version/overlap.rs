//! `bedplate version overlap`: whether one dependency can answer another.

use bedplate_diag::text::{escape_invalid, to_bytes};
use bedplate_model::Dependency;
use serde_json::json;

use super::{all_or_mistakes, input_lines};
use crate::cli::OverlapArgs;
use crate::outcome::{Failure, Outcome};
use crate::ui::Ui;

/// Looks at the pair of the arguments, or at those of standard input.
pub(crate) fn run(args: &OverlapArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let pairs = match args.dependencies.as_slice() {
        [a, b] => all_or_mistakes([a, b].map(|text| parse(text)))?
            .try_into()
            .map(|pair: [Dependency; 2]| vec![pair])
            .unwrap_or_default(),
        _ => all_or_mistakes(input_lines()?.into_iter().map(|(number, line)| match line.split_once('\t') {
            Some((a, b)) => {
                let parse = |text| parse(text).map_err(|mistake| format!("line {number}: {mistake}"));
                Ok([parse(a)?, parse(b)?])
            }
            None => Err(format!(
                "line {number}: two dependencies with a tab between are expected: {}",
                escape_invalid(&line)
            )),
        }))?,
    };
    let line = |[a, b]: &[Dependency; 2]| {
        let overlap = a.overlaps(b);
        if args.json {
            let (a, b) = (a.to_string(), b.to_string());
            format!("{}\n", json!({ "a": escape_invalid(&a), "b": escape_invalid(&b), "overlap": overlap }))
        } else {
            format!("{a}\t{b}\t{}\n", if overlap { "overlap" } else { "no overlap" })
        }
    };
    ui.print_bytes(&to_bytes(&pairs.iter().map(line).collect::<String>()))?;
    Ok(Outcome::Good)
}

/// A dependency of an argument or a line; a rich one has no range of versions.
fn parse(text: &str) -> Result<Dependency, String> {
    let dependency: Dependency = text.parse().map_err(|error| format!("`{}`: {error}", escape_invalid(text)))?;
    if dependency.is_rich() {
        return Err(format!("`{}`: a rich dependency has no version of its own", escape_invalid(text)));
    }
    Ok(dependency)
}

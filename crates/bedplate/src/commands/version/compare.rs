//! `bedplate version compare`: which of two versions is newer.

use std::cmp::Ordering;

use bedplate_diag::text::{escape_invalid, to_bytes};
use serde_json::json;

use super::{all_or_mistakes, input_lines, parse};
use crate::cli::CompareArgs;
use crate::outcome::{Failure, Outcome};
use crate::ui::Ui;

/// Compares the pair of the arguments, or those of standard input.
pub(crate) fn run(args: &CompareArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let pairs = match args.versions.as_slice() {
        [a, b] => vec![(a.clone(), b.clone())],
        _ => all_or_mistakes(input_lines()?.into_iter().map(|(number, line)| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words.as_slice() {
                [a, b] => Ok(((*a).to_owned(), (*b).to_owned())),
                _ => Err(format!(
                    "line {number}: two versions are expected, `{}` has {}",
                    escape_invalid(&line),
                    words.len()
                )),
            }
        }))?,
    };
    let answers = pairs.iter().map(|(a, b)| {
        let sign = match parse(a)?.compare(&parse(b)?) {
            Ordering::Less => "<",
            Ordering::Equal => "=",
            Ordering::Greater => ">",
        };
        Ok(if args.json {
            format!("{}\n", json!({ "a": escape_invalid(a), "b": escape_invalid(b), "order": sign }))
        } else {
            format!("{a} {sign} {b}\n")
        })
    });
    ui.print_bytes(&to_bytes(&all_or_mistakes(answers)?.concat()))?;
    Ok(Outcome::Good)
}

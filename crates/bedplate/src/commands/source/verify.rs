//! `bedplate source verify`.

use bedplate_source::Origin;
use rayon::prelude::*;

use super::selection::Selection;
use crate::cli::SourceArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::many;
use crate::store;
use crate::ui::Ui;

/// Hashes all files again.
pub(super) fn run(args: &SourceArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let selection = Selection::load(&args.names, &args.files, ui)?;
    let store = store::open(&args.store)?;
    let found: Result<Vec<_>, _> =
        selection.packages.par_iter().map(|package| bedplate_source::verify(&store, package)).collect();
    let wrong = found?.concat();
    ui.diagnostics(&wrong, &selection.sources);
    let origins = selection.packages.iter().flat_map(|package| package.origins());
    let pinned = origins.filter(|(_, origin)| matches!(origin, Origin::Pinned(_))).count();
    let errors = wrong.len() + selection.bad;
    ui.summary(&format!(
        "{} of {}: {}",
        many(pinned, "pinned file"),
        many(selection.packages.len(), "spec"),
        if errors == 0 { "all are there and right".to_owned() } else { many(errors, "error") }
    ));
    Ok(if errors == 0 { Outcome::Good } else { Outcome::BadInput })
}

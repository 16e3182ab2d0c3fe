//! `bedplate source fetch`.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bedplate_diag::Category;
use bedplate_source::{Failure as Missing, Step};

use super::selection::Selection;
use super::tell;
use crate::cli::FetchArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::many;
use crate::spec_sources::fetch_options;
use crate::store;
use crate::ui::Ui;
use crate::units::show_bytes;

/// Gets all files into the store.
pub(super) fn run(args: &FetchArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let selection = Selection::load(&args.source.names, &args.source.files, ui)?;
    if !selection.check(ui) {
        return Ok(Outcome::BadInput);
    }
    let store = store::open(&args.source.store)?;
    let apt = super::apt(&store)?;
    let options = fetch_options(&args.network, &store, &apt, args.jobs);
    let counter = ui.counter("");
    let (fetched, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
    let result = bedplate_source::fetch(&store, &selection.packages, &options, &|package, file, step| {
        if let Step::Got { place: Some(_), digest } = step {
            fetched.fetch_add(1, Ordering::Relaxed);
            bytes.fetch_add(digest.size, Ordering::Relaxed);
        }
        tell(&counter, package, file, step);
    });
    drop(counter);
    let (fetched, bytes) = (fetched.into_inner(), show_bytes(bytes.into_inner()));
    match result {
        Ok(all) => {
            let count = all.iter().map(|files| files.len()).sum();
            ui.summary(&format!("{} there, {fetched} of them fetched now ({bytes})", many(count, "file")));
            Ok(Outcome::Good)
        }
        Err(missing) => {
            let wrong: Vec<_> = missing.iter().map(Missing::to_diagnostic).collect();
            ui.diagnostics(&wrong, &selection.sources);
            let message = format!("{} could not be had", many(missing.len(), "file"));
            let is_input = missing.iter().all(|one| one.category() == Category::Input);
            let category = if is_input { Category::Input } else { Category::Environment };
            Err(Failure { category, message, hint: None })
        }
    }
}

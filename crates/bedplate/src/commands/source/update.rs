//! `bedplate source update`.

use bedplate_diag::Category;
use bedplate_source::{Change, Failure as Missing, UpdateError};

use super::selection::Selection;
use super::tell;
use crate::cli::{NetworkArgs, UpdateArgs};
use crate::outcome::{Failure, Outcome};
use crate::output::{self, many};
use crate::spec_sources::fetch_options;
use crate::store;
use crate::ui::Ui;
use crate::units::show_bytes;

/// Writes lists anew. A list whose files cannot all be had stays as it is.
pub(super) fn run(args: &UpdateArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let selection = Selection::load(&args.names, &args.files, ui)?;
    let store = store::open(&args.store)?;
    let apt = super::apt(&store)?;
    let options = fetch_options(&NetworkArgs::default(), &store, &apt, 1);
    let (mut missing, mut changed, mut bad) = (Vec::new(), 0, selection.bad);
    for package in &selection.packages {
        let path = package.list_path();
        let shown = path.display().to_string();
        if path.extension().is_none_or(|ending| ending != "toml") {
            let message = format!("{shown} says not where its files are, and is written by other tools");
            return Err(Failure::input(message).hint("make a `NAME.sources.toml` of it"));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| Failure::io("cannot read", &shown, &error))?;
        let counter = ui.counter("");
        let update = bedplate_source::update(&store, package, &text, &options, &|package, file, step| {
            tell(&counter, package, file, step);
        });
        drop(counter);
        match update {
            Ok(update) => {
                if update.text != text {
                    output::write(&shown, &update.text)?;
                }
                changed += report(&shown, &update.changes, ui)?;
            }
            Err(UpdateError::Mistakes(mistakes)) => {
                bad += 1;
                ui.diagnostics(&mistakes, &bedplate_diag::Sources::new());
            }
            Err(UpdateError::Failures(failures)) => missing.extend(failures),
        }
    }
    if changed > 0 {
        ui.summary("what these places gave is trusted: compare it with what upstream signs or publishes");
    }
    if !missing.is_empty() {
        let wrong: Vec<_> = missing.iter().map(Missing::to_diagnostic).collect();
        ui.diagnostics(&wrong, &selection.sources);
        let is_input = missing.iter().all(|one| one.category() == Category::Input);
        let category = if is_input { Category::Input } else { Category::Environment };
        let message = format!("{} could not be had; their lists are as they were", many(missing.len(), "file"));
        return Err(Failure { category, message, hint: None });
    }
    Ok(if bad == 0 { Outcome::Good } else { Outcome::BadInput })
}

/// Prints old and new; how many files changed.
fn report(list: &str, changes: &[Change], ui: &Ui) -> Result<usize, Failure> {
    let mut text = String::new();
    for change in changes.iter().filter(|change| !change.is_none()) {
        let (old, new) = &change.name;
        let name = if old == new { new.clone() } else { format!("{old} -> {new}") };
        text.push_str(&format!("{list}: {name}\n  sha256  {} -> {}\n", change.sha256.0, change.sha256.1));
        text.push_str(&format!("  size    {} -> {}\n", change.size.0, change.size.1));
        text.push_str(&format!("  place   {} ({})\n", change.place, show_bytes(change.size.1)));
    }
    let changed = changes.iter().filter(|change| !change.is_none()).count();
    if changed == 0 {
        text.push_str(&format!("{list}: nothing changed\n"));
    }
    ui.print(&text)?;
    Ok(changed)
}

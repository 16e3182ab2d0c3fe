//! `bedplate image inspect --origins`.

use bedplate_compose::{Amount, Described, Origins};
use serde_json::json;

use crate::cli::ImageInspectArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::many;
use crate::ui::Ui;
use crate::units::show_bytes;

/// Digits of a digest that people are shown.
const DIGITS: usize = 12;

/// Shows where the files of an image come from.
pub(super) fn run(args: &ImageInspectArgs, image: &Described, ui: &Ui) -> Result<Outcome, Failure> {
    let origins = Origins::of(image);
    if args.json {
        let files: Vec<_> = image
            .tree
            .iter()
            .map(|(path, entry)| json!({ "path": path.to_string(), "origin": &*entry.origin }))
            .collect();
        let value = json!({
            "version": 1,
            "sources": origins.sources,
            "made": origins.made,
            "foreign": origins.foreign,
            "packages": image.manifest.packages,
            "files": files,
        });
        ui.print(&format!("{value:#}\n"))?;
    } else {
        ui.print(&text(&origins))?;
    }
    if origins.foreign.is_empty() || !args.require_source {
        return Ok(Outcome::Good);
    }
    ui.summary(&format!("{} not built here from source", many(origins.foreign.len(), "package")));
    Ok(Outcome::BuildFailed)
}

fn text(origins: &Origins) -> String {
    let mut out = String::new();
    if !origins.sources.is_empty() {
        out.push_str("built here from source\n");
    }
    for one in &origins.sources {
        let actions: Vec<&str> = one.actions.iter().map(|action| &action[..DIGITS.min(action.len())]).collect();
        out.push_str(&row(one.amount, &format!("{}  ({})", one.source, many(one.packages.len(), "package"))));
        let action = if actions.is_empty() { String::new() } else { format!(", action {}", actions.join(" ")) };
        out.insert_str(out.len() - 1, &action);
    }
    if !origins.made.is_empty() {
        out.push_str("\nmade by the composer\n");
    }
    for one in &origins.made {
        out.push_str(&row(one.amount, &format!("{}, of {}", one.step, one.of)));
    }
    if !origins.foreign.is_empty() {
        out.push_str("\nnot built here from source\n");
    }
    for one in &origins.foreign {
        let of = one.repository.as_ref().map_or_else(|| "nobody knows".to_owned(), |name| format!("repository {name}"));
        out.push_str(&row(one.amount, &format!("{}  ({of})", one.package)));
    }
    if !origins.made.is_empty() {
        out.push_str("\nfiles that no package has\n");
    }
    for one in &origins.made {
        out.extend(one.paths.iter().map(|path| format!("{path}\t{}\n", one.step)));
    }
    out
}

fn row(amount: Amount, what: &str) -> String {
    format!("{:>8} entries {:>10}  {what}\n", amount.entries, show_bytes(amount.bytes))
}

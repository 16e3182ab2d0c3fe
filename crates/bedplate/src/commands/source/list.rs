//! `bedplate source list`.

use bedplate_source::{Origin, State};
use serde_json::{Value, json};

use super::selection::Selection;
use crate::cli::ListSourcesArgs;
use crate::outcome::{Failure, Outcome};
use crate::store;
use crate::ui::Ui;
use crate::units::show_bytes;

/// Prints all files.
pub(super) fn run(args: &ListSourcesArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let source = &args.source;
    let selection = Selection::load(&source.names, &source.files, ui)?;
    let store = store::open(&source.store)?;
    let mut rows = Vec::new();
    for package in &selection.packages {
        for (name, origin) in package.origins() {
            let state = State::of(&store, package, name, &origin)?;
            let (sha256, bytes, places) = match origin {
                Origin::Pinned(entry) => {
                    let places = entry.places.iter().map(ToString::to_string).collect();
                    (Some(entry.sha256.to_string()), entry.size, places)
                }
                Origin::Folder => (None, None, Vec::new()),
                Origin::Input(entry) => (None, None, vec![format!("the run: {}", entry.input.word())]),
            };
            let bytes = match &state {
                State::Stored(digest) => Some(digest.size),
                State::Here(path) => path.metadata().ok().map(|data| data.len()),
                State::Missing | State::Input => bytes,
            };
            rows.push(Row { package: &package.name, file: name, state, sha256, bytes, places });
        }
    }
    let wrong: Vec<_> = selection.packages.iter().flat_map(|package| package.check()).collect();
    ui.print(&if args.json { json_text(&rows) } else { text(&rows) })?;
    ui.diagnostics(&wrong, &selection.sources);
    Ok(if wrong.is_empty() && selection.bad == 0 { Outcome::Good } else { Outcome::BadInput })
}

struct Row<'a> {
    package: &'a str,
    file: &'a str,
    state: State,
    sha256: Option<String>,
    bytes: Option<u64>,
    places: Vec<String>,
}

fn text(rows: &[Row<'_>]) -> String {
    let width = |of: fn(&Row<'_>) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (package, file) = (width(|row| row.package.len()), width(|row| row.file.len()));
    let line = |row: &Row<'_>| {
        let bytes = row.bytes.map(show_bytes).unwrap_or_default();
        let place = row.places.first().map_or("the folder of the spec", String::as_str);
        format!("{:package$}  {:file$}  {bytes:>10}  {:7}  {place}\n", row.package, row.file, row.state.word())
    };
    rows.iter().map(line).collect()
}

fn json_text(rows: &[Row<'_>]) -> String {
    let rows: Value = rows
        .iter()
        .map(|row| {
            json!({
                "package": row.package,
                "file": row.file,
                "state": row.state.word(),
                "sha256": row.sha256,
                "size": row.bytes,
                "places": row.places,
            })
        })
        .collect();
    format!("{rows:#}\n")
}

//! `bedplate store`: what is in the store, whether it is whole, and what may go.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bedplate_cas::{Damage, GcMode, GcOptions, Stats, Store, Total, Wait, collect_garbage};
use serde_json::{Value, json};

use crate::cli::{GcArgs, StatsArgs, StoreArgs, StoreCommand, StoreVerifyArgs};
use crate::outcome::{Failure, Outcome};
use crate::output::many;
use crate::store::{folder, open, report_damage};
use crate::ui::{Ui, plain_path};
use crate::units::show_bytes;

/// What stays if nothing else is said.
const MAX_AGE: Duration = Duration::from_secs(30 * 86_400);

/// Runs a command of the group.
pub(crate) fn run(command: StoreCommand, ui: &Ui) -> Result<Outcome, Failure> {
    match command {
        StoreCommand::Stats(args) => stats(&args, ui),
        StoreCommand::Verify(args) => verify(&args, ui),
        StoreCommand::Gc(args) => gc(&args, ui),
    }
}

/// The folder of a store that has to be there: a mistyped name should not make one.
fn existing(args: &StoreArgs) -> Result<PathBuf, Failure> {
    let folder = folder(args)?;
    if folder.is_dir() {
        return Ok(folder);
    }
    let message = format!("there is no store {}", plain_path(&folder.display().to_string()));
    Err(Failure::input(message).hint("a build makes one; `--store` or BEDPLATE_STORE names another"))
}

fn stats(args: &StatsArgs, ui: &Ui) -> Result<Outcome, Failure> {
    existing(&args.store)?;
    let store = open(&args.store)?;
    let stats = store.stats()?;
    ui.print(&if args.json { format!("{}\n", stats_json(&store, &stats)) } else { stats_text(&store, &stats) })?;
    Ok(Outcome::Good)
}

fn stats_json(store: &Store, stats: &Stats) -> Value {
    let mut out = json!({ "store": store.path().display().to_string(), "bytes": stats.bytes() });
    for (name, total) in stats.parts() {
        out[name] = total_json(total);
    }
    out
}

fn stats_text(store: &Store, stats: &Stats) -> String {
    let mut out = format!("{}\n", plain_path(&store.path().display().to_string()));
    for (name, total) in stats.parts() {
        out += &format!("{name:<12} {:>9}  {:>11}\n", total.count, show_bytes(total.bytes));
    }
    out + &format!("{:<12} {:>9}  {:>11}\n", "all", "", show_bytes(stats.bytes()))
}

fn verify(args: &StoreVerifyArgs, ui: &Ui) -> Result<Outcome, Failure> {
    existing(&args.store)?;
    let store = open(&args.store)?;
    let counter = ui.counter("blobs hashed");
    let found = store.verify(&|done, total| counter.show(done, total))?;
    drop(counter);
    let strange: Vec<String> = found.strange.iter().map(|path| path.display().to_string()).collect();
    if args.json {
        let answer = json!({
            "store": store.path().display().to_string(),
            "blobs": found.blobs,
            "bytes": found.bytes,
            "actions": found.actions,
            "checkouts": found.checkouts,
            "documents": found.documents,
            "damage": damage_json(&found.damage),
            "strange": strange,
        });
        ui.print(&format!("{answer}\n"))?;
    }
    report_damage(&found.damage, ui);
    for path in &strange {
        ui.summary(&format!("not of bedplate: {}", plain_path(path)));
    }
    ui.summary(&format!(
        "{} ({}), {}, {}, {}: {} damaged",
        many(found.blobs, "blob"),
        show_bytes(found.bytes),
        many(found.actions, "action"),
        many(found.checkouts, "checkout"),
        many(found.documents, "document"),
        found.damage.len(),
    ));
    if found.damage.is_empty() {
        return Ok(Outcome::Good);
    }
    Err(Failure::environment(format!("the store was damaged in {}", many(found.damage.len(), "place")))
        .hint("the next build makes them again; if this happens often, check the disk"))
}

fn gc(args: &GcArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let nothing_said = args.max_age.is_none() && args.max_size.is_none();
    let options = GcOptions {
        max_age: args.max_age.or(nothing_said.then_some(MAX_AGE)),
        max_size: args.max_size,
        now: SystemTime::now(),
        mode: if args.dry_run { GcMode::DryRun } else { GcMode::Remove },
        wait: if args.wait { Wait::Yes } else { Wait::No },
    };
    let folder = existing(&args.store)?;
    let report = collect_garbage(&folder, &options)?;
    let removed = report.blobs.bytes + report.actions.bytes + report.checkouts.bytes + report.fetched.bytes;
    if args.json {
        let answer = json!({
            "store": folder.display().to_string(),
            "dry_run": args.dry_run,
            "removed": {
                "bytes": removed,
                "blobs": total_json(report.blobs),
                "actions": total_json(report.actions),
                "checkouts": total_json(report.checkouts),
                "repositories": total_json(report.fetched),
            },
            "kept": total_json(report.kept),
            "kept_by_roots": total_json(report.kept_by_roots),
            "damage": damage_json(&report.damage),
        });
        ui.print(&format!("{answer}\n"))?;
    }
    report_damage(&report.damage, ui);
    ui.summary(&format!(
        "{}: {}, {}, {}, {} ({}); {} stay, {} of that by roots",
        if args.dry_run { "would be removed" } else { "removed" },
        number(report.blobs, "blob"),
        number(report.actions, "action"),
        number(report.checkouts, "checkout"),
        number(report.fetched, "fetched file"),
        show_bytes(removed),
        show_bytes(report.kept.bytes),
        show_bytes(report.kept_by_roots.bytes),
    ));
    if args.max_size.is_some_and(|size| report.kept_by_roots.bytes > size) {
        ui.summary("what roots keep is more than `--max-size` already");
    }
    Ok(Outcome::Good)
}

fn number(total: Total, word: &str) -> String {
    many(usize::try_from(total.count).unwrap_or(usize::MAX), word)
}

fn total_json(total: Total) -> Value {
    json!({ "count": total.count, "bytes": total.bytes })
}

fn damage_json(damage: &[Damage]) -> Vec<Value> {
    let one = |one: &Damage| json!({ "what": one.what, "path": one.path.display().to_string(), "why": one.why });
    damage.iter().map(one).collect()
}

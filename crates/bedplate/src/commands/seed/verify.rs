//! `bedplate seed verify`.

use std::sync::atomic::{AtomicUsize, Ordering};

use bedplate_seed::{PackageState, SeedError, SeedRoots};
use rayon::prelude::*;

use crate::cli::SeedVerifyArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::many;
use crate::seed::{SeedFiles, apt};
use crate::store;
use crate::ui::Ui;

pub(crate) fn run(args: &SeedVerifyArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let files = SeedFiles::read(&args.seed.seed, ui)?;
    let lock = files.checked_lock(ui)?;
    let store = store::open(&args.seed.store)?;
    let apt = apt(&store, files.suite()?)?;
    let temporary = std::env::temp_dir();
    let roots = SeedRoots { store: &store, definition: &files.definition, lock, apt: &apt, temporary: &temporary };
    let counter = ui.counter("packages verified");
    let (done, all) = (AtomicUsize::new(0), lock.packages.len());
    let packages: Vec<_> = lock.packages.iter().collect();
    let states = packages.par_iter().map(|(name, package)| {
        let state = roots.verify(name, package)?;
        counter.show(done.fetch_add(1, Ordering::Relaxed) + 1, all);
        Ok((name.as_str(), state))
    });
    let states = states.collect::<Result<Vec<(&str, PackageState)>, SeedError>>();
    drop(counter);
    store::report_damage(&store.take_damage(), ui);
    let states = states?;
    let count = |wanted| states.iter().filter(|(_, state)| *state == wanted).count();
    ui.summary(&format!(
        "{}: {} in the store, {} not yet, {} damaged",
        many(all, "package"),
        count(PackageState::Whole),
        count(PackageState::Missing),
        count(PackageState::Damaged),
    ));
    let damaged: Vec<&str> =
        states.iter().filter(|(_, state)| *state == PackageState::Damaged).map(|(name, _)| *name).collect();
    if damaged.is_empty() {
        return Ok(Outcome::Good);
    }
    Err(Failure::environment(format!("packages of the seed were damaged and are forgotten: {}", damaged.join(", ")))
        .hint("`bedplate seed create` makes them again; if this happens often, check the disk"))
}

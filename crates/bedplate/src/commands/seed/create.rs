//! `bedplate seed create`.

use std::time::Instant;

use bedplate_seed::SeedRoots;

use crate::cli::SeedCreateArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::many;
use crate::seed::{SeedFiles, SeedTeller, apt};
use crate::store;
use crate::ui::Ui;

pub(crate) fn run(args: &SeedCreateArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let files = SeedFiles::read(&args.seed.seed, ui)?;
    let lock = files.checked_lock(ui)?;
    let groups: Vec<&str> = if args.all {
        files.definition.seed.groups.keys().map(String::as_str).collect()
    } else {
        args.groups.iter().map(String::as_str).collect()
    };
    let store = store::open(&args.seed.store)?;
    let apt = apt(&store, files.suite()?)?;
    let temporary = std::env::temp_dir();
    let roots = SeedRoots { store: &store, definition: &files.definition, lock, apt: &apt, temporary: &temporary };
    let start = Instant::now();
    let packages = roots.packages(&groups)?;
    let teller = SeedTeller::new(ui);
    let created = roots.create(&groups, &|progress| teller.tell(progress));
    drop(teller);
    store::report_damage(&store.take_damage(), ui);
    let digest = created?;
    ui.print(&format!("{digest}\n"))?;
    let seconds = start.elapsed().as_secs_f64();
    let with_needs = files.definition.with_needs(&groups)?;
    let with_needs: Vec<&str> = with_needs.into_iter().collect();
    ui.summary(&format!("{} of {}, {seconds:.1} s", many(packages.len(), "package"), with_needs.join(", ")));
    Ok(Outcome::Good)
}

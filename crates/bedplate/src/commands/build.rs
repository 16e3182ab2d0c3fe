//! `bedplate build`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bedplate_diag::Category;
use bedplate_engine::build::{self, BuildRun, Checks, Providers, results};
use bedplate_engine::{Cancel, Events, Jobserver, Limits, OnFailure, Options, Signers, Summary};
use bedplate_graph::{BuildGraph, NodeKind, SpecId};
use bedplate_solve::Item;

use crate::building::{Building, limits};
use crate::cli::{BuildArgs, CheckChoice};
use crate::commands::key::signing_key;
use crate::image_config;
use crate::module_keys::ModuleKeys;
use crate::outcome::{Failure, Outcome};
use crate::output::{many, write};
use crate::render;
use crate::ui::Ui;
use crate::workspace::{Found, Workspace, processors};

/// Builds, signs, publishes.
pub(crate) fn run(args: &BuildArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let items = image_items(&args.image, ui)?;
    let mut known = BTreeSet::new();
    loop {
        let jobs = args.jobs.unwrap_or_else(processors).max(1);
        let modules = ModuleKeys::given(&args.modules)?;
        let building = Building::open(&args.specs, &args.prebuilt, &args.network, modules, ui)?;
        let workspace = building.workspace(jobs);
        let mut targets = if args.names.is_empty() && !items.is_empty() {
            BTreeSet::new()
        } else {
            self::targets(&workspace, &args.names)?
        };
        targets.extend(targets_of_images(&workspace, &items)?);
        let names: BTreeSet<String> = targets.iter().map(|id| workspace.graph.spec(*id).name.clone()).collect();
        if known.is_superset(&names) && !known.is_empty() {
            return Ok(Outcome::Good);
        }
        if !known.is_empty() {
            let more: Vec<&str> = names.difference(&known).map(String::as_str).collect();
            ui.summary(&format!("what was built requires more for the image: {}", more.join(", ")));
        }
        let outcome = build(args, jobs, &building, &workspace, &targets, ui)?;
        // Only what is built says all that it requires.
        if outcome != Outcome::Good || items.is_empty() {
            return Ok(outcome);
        }
        known = names;
    }
}

/// What the images of these configs install, and the containers in them.
fn image_items(configs: &[PathBuf], ui: &Ui) -> Result<Vec<Item>, Failure> {
    let mut open: Vec<PathBuf> = configs.to_vec();
    let (mut seen, mut items, mut wrong) = (BTreeSet::new(), Vec::new(), Vec::new());
    while let Some(path) = open.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let loaded = image_config::load(&path);
        ui.diagnostics(&loaded.diagnostics, &loaded.sources);
        let Some(config) = loaded.config else {
            wrong.push(format!("{} has mistakes", path.display()));
            continue;
        };
        open.extend(config.files.iter().filter_map(|file| Some(file.image.as_ref()?.path.clone())));
        for request in &config.packages.install {
            match request.as_str().parse::<Item>() {
                Ok(item) => items.push(item),
                Err(error) => wrong.push(error.to_string()),
            }
        }
    }
    if wrong.is_empty() { Ok(items) } else { Err(Failure::input(wrong.join("\n")).hint("nothing was built")) }
}

/// The specs of what images install.
fn targets_of_images(workspace: &Workspace, items: &[Item]) -> Result<BTreeSet<SpecId>, Failure> {
    let (specs, unmet) = workspace.graph.specs_of_image(items);
    if unmet.is_empty() {
        return Ok(specs);
    }
    let near = unmet.iter().filter_map(|name| Some(format!("{name}: {}", workspace.find(name).err()?.hint?)));
    let near: Vec<String> = near.collect();
    let failure = Failure::input(format!("no spec makes what the image installs: {}", unmet.join(", ")));
    Err(if near.is_empty() { failure } else { failure.hint(near.join("; ")) })
}

/// Builds these specs and all that they need.
fn build(
    args: &BuildArgs,
    jobs: usize,
    building: &Building,
    workspace: &Workspace,
    targets: &BTreeSet<SpecId>,
    ui: &Ui,
) -> Result<Outcome, Failure> {
    refuse_bad(workspace, targets, args.check != CheckChoice::Off, ui)?;
    let names = |ids: &BTreeSet<SpecId>| ids.iter().map(|id| workspace.graph.spec(*id).name.clone()).collect();
    let checks = match args.check {
        CheckChoice::Off => Checks::Off,
        CheckChoice::Run => Checks::Run,
        CheckChoice::Require => Checks::Require,
    };
    let request = building.request(names(targets), checks)?;

    let work = building.store.work("jobserver")?;
    let jobserver = Jobserver::create(&work.path().join("fifo"), jobs)
        .map_err(|error| Failure::environment(build::chain(&error)))?;
    let limits = limits(args.timeout, args.max_disk, args.max_processes);
    let builder = building.builder(args.output.join("logs"), limits, jobs, Some(jobserver));
    let options = Options {
        limits: Limits { jobs, max_memory: Some(args.max_memory.unwrap_or_else(most_memory)), ..Limits::default() },
        on_failure: if args.keep_going { OnFailure::KeepGoing } else { OnFailure::Stop },
        retries: args.retries,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let cancel = Cancel::new();
    cancel.on_signals().map_err(|error| Failure::environment(format!("cannot watch signals: {error}")))?;
    let key = signing_key(&args.key)?;
    let known = Known(&workspace.graph);
    let all = workspace.graph.specs.iter().filter(|spec| spec.excluded.is_none());
    let all: BTreeSet<String> = all.map(|spec| spec.name.clone()).collect();
    let mut request = Some(request);
    loop {
        let asked = match request.take() {
            Some(request) => request,
            None => building.request(names(targets), checks)?,
        };
        let mut events = Events::new(render::sinks(&args.render)?);
        let run = build::build(&builder, building, &known, asked, &options, &cancel, &mut events)?;
        drop(events);
        crate::store::report_damage(&building.store.take_damage(), ui);
        building.save_history(&run.history)?;
        save_lock(building, &run, ui)?;
        results::save(&building.store, &run.results)?;
        if !run.summary.is_good() {
            ui.summary(&format!("{}: not written, because not all is built", repository(args).display()));
            return Ok(outcome(&run.summary));
        }
        // Whoever takes these packages has their repository.
        let own = all.difference(&run.taken).cloned().collect();
        let signers = Signers { packages: &key, modules: building.module_signer() };
        let published = results::publish_all(&repository(args), &building.store, &own, &run.results, &signers);
        match published {
            Ok(published) => {
                ui.summary(&format!(
                    "{}: {}{}",
                    repository(args).display(),
                    many(published.packages, "package"),
                    if published.changed { "" } else { ", as before" }
                ));
                if building.leaves_modules_unsigned() {
                    ui.summary("kernel modules are not signed: the run has their certificate, and not its key (`--module-key`)");
                }
                return Ok(Outcome::Good);
            }
            Err(error) => {
                // A package may have been damaged in the store: it is built again, and then there is nothing left to mend.
                let lost = results::forget_damaged(&building.store, &run.results)?;
                crate::store::report_damage(&building.store.take_damage(), ui);
                if lost.is_empty() {
                    return Err(error.into());
                }
                ui.summary(&format!("building again what was damaged: {}", lost.join(", ")));
            }
        }
    }
}

/// The folder of the repository.
fn repository(args: &BuildArgs) -> PathBuf {
    args.output.join("repository")
}

/// Whose fault a failed run is.
fn outcome(summary: &Summary) -> Outcome {
    match summary.category() {
        Some(Category::Input) => Outcome::BadInput,
        Some(Category::Environment) => Outcome::Environment,
        Some(Category::Internal) => Outcome::Bug,
        Some(Category::Build) | None => Outcome::BuildFailed,
    }
}

/// The specs that are to be built; none named means all.
pub(crate) fn targets(workspace: &Workspace, names: &[String]) -> Result<BTreeSet<SpecId>, Failure> {
    let graph = &workspace.graph;
    if names.is_empty() {
        return Ok(graph.spec_ids().filter(|id| graph.spec(*id).excluded.is_none()).collect());
    }
    let mut found = BTreeSet::new();
    let mut problems = Vec::new();
    for name in names {
        match workspace.find(name) {
            Ok(Found::Spec(spec)) => drop(found.insert(spec)),
            Ok(Found::Packages(packages)) => {
                match graph.best_of(&packages).and_then(|package| graph.pool.spec_of(package)) {
                    Some(spec) => drop(found.insert(spec)),
                    None => problems.push(format!("`{name}` is of the seed: no spec makes it")),
                }
            }
            Err(failure) => problems.push(match failure.hint {
                Some(hint) => format!("{}; {hint}", failure.message),
                None => failure.message,
            }),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(Failure::input(problems.join("\n"))) }
}

/// Prints what is wrong with targets and with what they need, if something is: nothing starts then.
fn refuse_bad(workspace: &Workspace, targets: &BTreeSet<SpecId>, with_checks: bool, ui: &Ui) -> Result<(), Failure> {
    let graph = &workspace.graph;
    let (mut open, mut wanted): (Vec<SpecId>, BTreeSet<SpecId>) = (targets.iter().copied().collect(), BTreeSet::new());
    while let Some(id) = open.pop() {
        if wanted.insert(id) {
            open.extend(&graph.node(graph.build_node(id)).needs);
            if let Some(check) = graph.check_node(id).filter(|_| with_checks) {
                open.extend(&graph.node(check).needs);
            }
        }
    }
    let is_about = |spec: SpecId, kind: NodeKind| wanted.contains(&spec) && (with_checks || kind == NodeKind::Build);
    let wrong = workspace.diagnostics_about(is_about);
    ui.diagnostics(&wrong, &workspace.sources);
    let has_bad_spec = workspace.bad_specs > 0 && wanted.len() == graph.specs.len();
    if has_bad_spec || wrong.iter().any(bedplate_diag::Diagnostic::is_error) {
        return Err(Failure::input("there are mistakes in the specs").hint("nothing was fetched or built"));
    }
    Ok(())
}

/// Writes the capability lock if builds taught something new.
fn save_lock(building: &Building, run: &BuildRun, ui: &Ui) -> Result<(), Failure> {
    if run.lock == building.inputs.lock {
        return Ok(());
    }
    let path = &building.capabilities_path;
    write(path, &run.lock.to_string())?;
    ui.summary(&format!("{path}: builds taught something new; commit it, and a cold plan is exact"));
    Ok(())
}

/// Three quarters of the machine's memory, in bytes.
fn most_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map_or(u64::MAX, |kib| kib * 1024 / 4 * 3)
}

/// Who provides what, for hints about failed builds.
struct Known<'a>(&'a BuildGraph);

impl Providers for Known<'_> {
    fn provider(&self, capability: &str) -> Option<String> {
        let universe = &self.0.pool.universe;
        let found = universe.providers(&capability.parse().ok()?);
        self.0.best_of(&found).map(|package| self.0.pool.describe(package))
    }
}

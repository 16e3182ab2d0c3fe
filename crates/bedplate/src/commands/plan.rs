//! `bedplate plan`: what a build would do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use bedplate_graph::{NodeId, NodeKind, SpecId, State};
use bedplate_solve::PackageId;
use serde_json::{Value, json};

use bedplate_engine::build::{self, Checks, Verdict};
use bedplate_sandbox::Limits;

use super::graph::{duration, node_fields, node_name, times_json, times_text};
use crate::building::Building;
use crate::cli::{PlanArgs, PrebuiltArgs};
use crate::module_keys::ModuleKeys;
use crate::outcome::{Failure, Outcome};
use crate::output::many;
use crate::ui::Ui;
use crate::workspace::{Found, Workspace, processors};

/// Prints what would be fetched, built and taken.
pub(crate) fn run(args: &PlanArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let asked = &args.workspace;
    let prebuilt = PrebuiltArgs { repo: asked.repo.clone(), repo_key: asked.key.clone() };
    let building = Building::find(&asked.specs, &prebuilt, ModuleKeys::of_certificate(&args.modules)?, ui)?;
    let workspace = match &building {
        Some((building, _)) => building.workspace(asked.jobs.unwrap_or_else(processors).max(1)),
        None => Workspace::load_quietly(asked, ui)?,
    };
    let wanted = targets(&workspace, &args.targets)?;
    let stored = match &building {
        // Lists of sources that a build would refuse: nobody can say what it would find.
        Some((building, true)) => Stored::look(building, &workspace, &wanted, !args.no_check)?,
        _ => Stored::default(),
    };
    let plan = Plan::new(&workspace, &wanted, !args.no_check, &stored);
    let text = if args.json { format!("{:#}\n", plan.json()) } else { plan.text() };
    ui.print(&text)?;
    // What is wrong elsewhere is no matter of these targets.
    let about = workspace.diagnostics_about(|spec, kind| plan.nodes.contains(&(spec, kind)));
    let about = if args.targets.is_empty() && !args.no_check { workspace.graph.diagnostics() } else { about };
    ui.diagnostics(&about, &workspace.sources);
    let has_spec_errors = args.targets.is_empty() && workspace.bad_specs > 0;
    let is_bad = has_spec_errors || !plan.blocked.is_empty() || about.iter().any(bedplate_diag::Diagnostic::is_error);
    Ok(if is_bad { Outcome::BadInput } else { Outcome::Good })
}

/// What the store has of a plan: names of specs.
#[derive(Debug, Default)]
struct Stored {
    built: BTreeSet<String>,
    checked: BTreeSet<String>,
}

impl Stored {
    fn look(
        building: &Building,
        workspace: &Workspace,
        wanted: &BTreeSet<SpecId>,
        with_checks: bool,
    ) -> Result<Self, Failure> {
        let graph = &workspace.graph;
        let is_built = |id: &SpecId| graph.spec(*id).excluded.is_none();
        let names = wanted.iter().copied().filter(is_built).map(|id| graph.spec(id).name.clone()).collect();
        let request = building.request(names, if with_checks { Checks::Run } else { Checks::Off })?;
        let builder = building.builder(std::env::temp_dir(), Limits::default(), 1, None);
        let found = build::examine(&builder, building, request)?;
        let up_to_date = |verdict: &Verdict| matches!(verdict, Verdict::UpToDate(_));
        let built = found.verdicts.into_iter().filter(|(_, verdict)| up_to_date(verdict)).map(|(name, _)| name);
        Ok(Self { built: built.collect(), checked: found.checked })
    }
}

/// The specs that some targets need, and those of a package's whole installation.
fn targets(workspace: &Workspace, names: &[String]) -> Result<BTreeSet<SpecId>, Failure> {
    let graph = &workspace.graph;
    if names.is_empty() {
        return Ok((0..u32::try_from(graph.specs.len()).unwrap_or(u32::MAX)).map(SpecId).collect());
    }
    let mut found = BTreeSet::new();
    let mut problems = Vec::new();
    for name in names {
        match workspace.find(name) {
            Ok(Found::Spec(spec)) => drop(found.insert(spec)),
            Ok(Found::Packages(packages)) => {
                // A capability may have several providers: the one that a root would get.
                let best: Vec<PackageId> = graph.best_of(&packages).into_iter().collect();
                let (installed, unmet) = graph.installed_with(&best);
                found.extend(installed.iter().filter_map(|one| graph.pool.spec_of(*one)));
                problems.extend(
                    unmet
                        .into_iter()
                        .map(|one| format!("`{name}` cannot be installed: {one}, and nothing provides that")),
                );
            }
            Err(failure) => problems.push(match failure.hint {
                Some(hint) => format!("{}; {hint}", failure.message),
                None => failure.message,
            }),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(Failure::input(problems.join("\n"))) }
}

/// What is to be done for some specs.
struct Plan<'a> {
    workspace: &'a Workspace,
    /// The specs, and all that their builds need.
    specs: BTreeSet<SpecId>,
    /// What runs, by wave.
    steps: Vec<NodeId>,
    /// What runs, and what would if it were not blocked.
    nodes: BTreeSet<(SpecId, NodeKind)>,
    built: Vec<SpecId>,
    /// What the store has built already.
    stored: Vec<SpecId>,
    blocked: Vec<NodeId>,
    groups: BTreeSet<u32>,
}

impl<'a> Plan<'a> {
    fn new(workspace: &'a Workspace, wanted: &BTreeSet<SpecId>, with_checks: bool, stored: &Stored) -> Self {
        let graph = &workspace.graph;
        let mut plan = Self {
            workspace,
            specs: BTreeSet::new(),
            steps: Vec::new(),
            nodes: BTreeSet::new(),
            built: Vec::new(),
            stored: Vec::new(),
            blocked: Vec::new(),
            groups: BTreeSet::new(),
        };
        let mut open: Vec<NodeId> = wanted.iter().map(|spec| graph.build_node(*spec)).collect();
        let mut seen: BTreeSet<NodeId> = BTreeSet::new();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let node = graph.node(id);
            plan.specs.insert(node.spec);
            if matches!(node.state, State::Planned | State::Blocked) {
                plan.nodes.insert((node.spec, node.kind));
            }
            match node.state {
                State::Planned => {
                    let name = &graph.spec(node.spec).name;
                    let is_stored = match node.kind {
                        NodeKind::Build => stored.built.contains(name),
                        NodeKind::Check => stored.checked.contains(name),
                    };
                    // What it was built with is of no interest any more.
                    if !is_stored {
                        plan.steps.push(id);
                        plan.groups.extend(&node.groups);
                        open.extend(graph.node_needs(id));
                    } else if node.kind == NodeKind::Build {
                        plan.stored.push(node.spec);
                    }
                    if with_checks && node.kind == NodeKind::Build {
                        open.extend(graph.check_node(node.spec));
                    }
                }
                State::Blocked => {
                    plan.blocked.push(id);
                    open.extend(graph.node_needs(id));
                }
                State::Built if node.kind == NodeKind::Build => plan.built.push(node.spec),
                State::Built | State::Excluded => {}
            }
        }
        plan.steps.sort_by_key(|id| (graph.node(*id).wave, *id));
        plan.built.sort_unstable();
        plan.stored.sort_unstable();
        plan.blocked.sort_unstable();
        plan
    }

    /// Files that are not there: name and place, by spec.
    fn fetches(&self) -> Vec<(SpecId, &str, &str)> {
        let graph = &self.workspace.graph;
        let builds = self.steps.iter().map(|id| graph.node(*id)).filter(|node| node.kind == NodeKind::Build);
        let files = builds.flat_map(|node| {
            let missing = graph.spec(node.spec).fetches.iter().filter(|file| !file.is_here);
            missing.map(|file| (node.spec, file.file.as_str(), file.location.as_str()))
        });
        files.collect()
    }

    /// The repository that has the packages of a built spec.
    fn repository(&self, spec: SpecId) -> &str {
        let pool = &self.workspace.graph.pool;
        let number = pool.packages_of(spec).find_map(|package| pool.prebuilt(package));
        number.map_or("", |number| pool.repositories[number as usize].as_str())
    }

    /// The requirements that are met by the seed to break a cycle, of the specs of the plan.
    fn cuts(&self) -> impl Iterator<Item = (SpecId, String, &[String])> {
        let graph = &self.workspace.graph;
        let units = graph.cycles.iter().flat_map(|group| &group.cut);
        units.filter(|unit| !unit.by.is_empty() && self.specs.contains(&unit.unit.spec)).map(|unit| {
            let wanted = &graph.spec(unit.unit.spec).build_requires[unit.unit.index as usize];
            (unit.unit.spec, wanted.dependency.to_string(), unit.by.as_slice())
        })
    }

    fn text(&self) -> String {
        let graph = &self.workspace.graph;
        let name = |spec: SpecId| graph.spec(spec).name.as_str();
        let builds = self.steps.iter().filter(|id| graph.node(**id).kind == NodeKind::Build).count();
        let fetches = self.fetches();
        let mut out = format!(
            "{} and {} in {}, {} to fetch, {} taken as built\n",
            many(builds, "build"),
            many(self.steps.len() - builds, "check"),
            many(self.steps.iter().map(|id| graph.node(*id).wave).collect::<BTreeSet<_>>().len(), "wave"),
            many(fetches.len(), "file"),
            many(self.built.len(), "spec"),
        );
        if !self.stored.is_empty() {
            let _ = writeln!(out, "{} built already, in the store", many(self.stored.len(), "spec"));
        }
        out.push_str(&times_text(self.workspace, &self.steps));
        let groups: Vec<&str> = self.groups.iter().map(|group| graph.pool.groups[*group as usize].as_str()).collect();
        if !groups.is_empty() {
            let _ = writeln!(out, "seed: groups {}", groups.join(", "));
        }
        for (spec, file, location) in &fetches {
            let _ = writeln!(out, "fetch  {file}  for {}, from {location}", name(*spec));
        }
        for spec in &self.built {
            let _ = writeln!(out, "take   {} {}  from {}", name(*spec), graph.spec(*spec).evr, self.repository(*spec));
        }
        for spec in &self.stored {
            let _ = writeln!(out, "have   {} {}", name(*spec), graph.spec(*spec).evr);
        }
        for (spec, capability, by) in self.cuts() {
            let _ = writeln!(out, "seed   `{capability}` for {}: {} (breaks a cycle)", name(spec), by.join(", "));
        }
        let mut wave = 0;
        for id in &self.steps {
            let node = graph.node(*id);
            if node.wave != wave {
                wave = node.wave;
                let _ = writeln!(out, "\nwave {wave}");
            }
            let mark = if node.is_critical { "  critical" } else { "" };
            let word = if node.kind == NodeKind::Build { "build" } else { "check" };
            let spec = graph.spec(node.spec);
            let took = duration(node.seconds);
            let about = if node.is_recorded { " " } else { "~" };
            let _ = writeln!(out, "  {word}  {:<40} {about}{took:>8}{mark}", format!("{} {}", spec.name, spec.evr));
        }
        if !self.blocked.is_empty() {
            let names: Vec<String> = self.blocked.iter().map(|id| node_name(self.workspace, graph.node(*id))).collect();
            let _ = writeln!(out, "\nblocked: {}", names.join(" "));
        }
        out
    }

    fn json(&self) -> Value {
        let graph = &self.workspace.graph;
        let name = |spec: SpecId| graph.spec(spec).name.as_str();
        let mut waves: BTreeMap<u32, Vec<Value>> = BTreeMap::new();
        for id in &self.steps {
            let mut step = node_fields(self.workspace, *id);
            step["needs"] = graph.node_needs(*id).map(|need| node_name(self.workspace, graph.node(need))).collect();
            waves.entry(graph.node(*id).wave).or_default().push(step);
        }
        let fetch: Vec<Value> = self
            .fetches()
            .into_iter()
            .map(|(spec, file, location)| json!({ "for": name(spec), "file": file, "location": location }))
            .collect();
        let take: Vec<Value> = self
            .built
            .iter()
            .map(|spec| json!({ "name": name(*spec), "evr": graph.spec(*spec).evr, "from": self.repository(*spec) }))
            .collect();
        let have: Vec<Value> =
            self.stored.iter().map(|spec| json!({ "name": name(*spec), "evr": graph.spec(*spec).evr })).collect();
        let cuts: Vec<Value> = self
            .cuts()
            .map(|(spec, capability, by)| json!({ "for": name(spec), "capability": capability, "by": by }))
            .collect();
        let groups: Vec<&str> = self.groups.iter().map(|group| graph.pool.groups[*group as usize].as_str()).collect();
        json!({
            "version": 1,
            "time": times_json(self.workspace, &self.steps),
            "waves": waves.into_values().collect::<Vec<_>>(),
            "fetch": fetch,
            "take": take,
            "have": have,
            "seed": { "groups": groups, "cuts": cuts },
            "blocked": self.blocked.iter().map(|id| node_name(self.workspace, graph.node(*id))).collect::<Vec<_>>(),
        })
    }
}

//! `bedplate why`: why something is needed, why it cannot be had, and what it would rebuild.

use std::fmt::Write as _;

use bedplate_graph::{Goal, NodeKind, SpecId, State, Step};
use bedplate_solve::PackageId;
use serde_json::json;

use super::graph::{chain_text, step_json, wrapped};
use crate::cli::WhyArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::many;
use crate::ui::Ui;
use crate::workspace::{Found, Workspace};

/// How many users of a spec are named with their requirement.
const MAX_USERS: usize = 10;

/// Explains one name, or the way from one to another.
pub(crate) fn run(args: &WhyArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let workspace = Workspace::load_quietly(&args.workspace, ui)?;
    let from = workspace.find(&args.from)?;
    match &args.to {
        Some(to) => {
            let goals = workspace.find(to)?;
            between(&workspace, args, &from, &goals, to, ui)
        }
        None => alone(&workspace, args, &from, ui),
    }
}

/// The shortest chain from one to the other.
fn between(
    workspace: &Workspace,
    args: &WhyArgs,
    from: &Found,
    to: &Found,
    name: &str,
    ui: &Ui,
) -> Result<Outcome, Failure> {
    let graph = &workspace.graph;
    let goals: Vec<Goal> = match to {
        Found::Spec(spec) => vec![Goal::Spec(*spec)],
        Found::Packages(packages) => packages.iter().copied().map(Goal::Package).collect(),
    };
    let chains = goals.iter().flat_map(|goal| -> Vec<Vec<Step>> {
        match from {
            Found::Spec(spec) => graph.why_in_build(*spec, *goal).into_iter().collect(),
            Found::Packages(packages) => packages.iter().filter_map(|one| graph.why_installed(*one, *goal)).collect(),
        }
    });
    let mut shortest = chains.min_by_key(Vec::len);
    let mut closure = if matches!(from, Found::Spec(_)) { "the build root of" } else { "what is installed with" };
    // A name that is a spec's is mostly a package's, too.
    if let (None, Found::Spec(spec)) = (&shortest, from) {
        let packages = graph.pool.packages_of(*spec).flat_map(|one| goals.iter().map(move |goal| (one, *goal)));
        shortest = packages.filter_map(|(one, goal)| graph.why_installed(one, goal)).min_by_key(Vec::len);
        closure = if shortest.is_some() {
            "what is installed with a package of"
        } else {
            "the build root or the packages of"
        };
    }
    if args.json {
        let chain =
            shortest.as_ref().map(|chain| chain.iter().map(|one| step_json(workspace, one)).collect::<Vec<_>>());
        ui.print(&format!(
            "{:#}\n",
            json!({ "from": args.from, "to": name, "needed": chain.is_some(), "chain": chain })
        ))?;
    } else {
        match shortest {
            Some(chain) => {
                let text =
                    format!("`{name}` is in {closure} `{}`:\n{}", args.from, chain_text(workspace, &chain, "  "));
                ui.print(&text)?;
            }
            None => ui.print(&format!("`{name}` is not in {closure} `{}`\n", args.from))?,
        }
    }
    Ok(Outcome::Good)
}

/// What asks for it, what is wrong with it, what is rebuilt when it changes.
fn alone(workspace: &Workspace, args: &WhyArgs, found: &Found, ui: &Ui) -> Result<Outcome, Failure> {
    let graph = &workspace.graph;
    let specs: Vec<SpecId> = match found {
        Found::Spec(spec) => vec![*spec],
        Found::Packages(packages) => {
            let mut specs: Vec<SpecId> = packages.iter().filter_map(|one| graph.pool.spec_of(*one)).collect();
            specs.dedup();
            specs
        }
    };
    let packages: &[PackageId] = if let Found::Packages(packages) = found { packages } else { &[] };
    if args.json {
        let specs: Vec<_> = specs.iter().map(|spec| spec_json(workspace, *spec)).collect();
        let package = |one: &PackageId| json!({ "package": graph.pool.describe(*one), "not_installable": graph.why_not_installed(*one) });
        let packages: Vec<_> = packages.iter().map(package).collect();
        ui.print(&format!("{:#}\n", json!({ "name": args.from, "provided_by": packages, "specs": specs })))?;
        return Ok(Outcome::Good);
    }
    let mut out = String::new();
    for package in packages {
        let _ = writeln!(out, "`{}` is provided by {}", args.from, graph.pool.describe(*package));
        if let Some(reasons) = graph.why_not_installed(*package) {
            let _ = writeln!(out, "  it cannot be installed:");
            for line in reasons.lines() {
                let _ = writeln!(out, "    {line}");
            }
        }
    }
    for spec in &specs {
        out.push_str(&spec_text(workspace, *spec));
    }
    ui.print(&out)?;
    // Why it is blocked is what the diagnostics of these specs say.
    let blocked: Vec<SpecId> = blockers(workspace, &specs);
    let about = workspace.diagnostics_about(|spec, _| blocked.contains(&spec));
    ui.diagnostics(&about, &workspace.sources);
    Ok(Outcome::Good)
}

/// The specs among some, and those that they wait for, that cannot be built for a reason of their own.
fn blockers(workspace: &Workspace, specs: &[SpecId]) -> Vec<SpecId> {
    let graph = &workspace.graph;
    let is_blocked = |spec: &SpecId| graph.node(graph.build_node(*spec)).state == State::Blocked;
    let mut seen: Vec<SpecId> = specs.iter().copied().filter(is_blocked).collect();
    let mut at = 0;
    while let Some(spec) = seen.get(at).copied() {
        at += 1;
        for need in &graph.node(graph.build_node(spec)).needs {
            if is_blocked(need) && !seen.contains(need) {
                seen.push(*need);
            }
        }
    }
    seen
}

fn spec_text(workspace: &Workspace, id: SpecId) -> String {
    let graph = &workspace.graph;
    let (spec, node) = (graph.spec(id), graph.node(graph.build_node(id)));
    let mut out = format!("{} {} ({}): ", spec.name, spec.evr, spec.path);
    let _ = match node.state {
        State::Planned => writeln!(out, "to be built in wave {}, after {}", node.wave, many(node.needs.len(), "build")),
        State::Built => writeln!(out, "built already"),
        State::Blocked => writeln!(out, "cannot be built"),
        State::Excluded => writeln!(out, "left out: {}", spec.excluded.as_deref().unwrap_or_default()),
    };
    let users = graph.direct_users(id);
    let _ = writeln!(out, "  asked for by {}", many(users.len(), "build"));
    for (_, step) in users.iter().take(MAX_USERS) {
        out.push_str(&chain_text(workspace, std::slice::from_ref(step), "    "));
    }
    if users.len() > MAX_USERS {
        let _ = writeln!(out, "    and {} more", users.len() - MAX_USERS);
    }
    let rebuilds: Vec<String> = graph.rebuilds(id).iter().map(|one| graph.spec(*one).name.clone()).collect();
    let _ = writeln!(out, "  if it changes, {} may have to run again", many(rebuilds.len(), "build"));
    if !rebuilds.is_empty() {
        out.push_str(&wrapped(&rebuilds, "    ", 110));
    }
    out
}

fn spec_json(workspace: &Workspace, id: SpecId) -> serde_json::Value {
    let graph = &workspace.graph;
    let node = graph.node(graph.build_node(id));
    debug_assert_eq!(node.kind, NodeKind::Build);
    let users: Vec<_> = graph.direct_users(id).iter().map(|(_, step)| step_json(workspace, step)).collect();
    let name = |spec: &SpecId| graph.spec(*spec).name.clone();
    let blocked = blockers(workspace, &[id]);
    let problems: Vec<_> = workspace
        .diagnostics_about(|spec, _| blocked.contains(&spec))
        .iter()
        .map(|one| crate::answer::diagnostic(one, &workspace.sources))
        .collect();
    json!({
        "name": name(&id),
        "evr": graph.spec(id).evr,
        "spec": graph.spec(id).path,
        "state": super::graph::state(node),
        "wave": node.wave,
        "asked_for_by": users,
        "rebuilds": graph.rebuilds(id).iter().map(name).collect::<Vec<_>>(),
        "problems": problems,
    })
}

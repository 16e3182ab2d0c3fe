//! `bedplate graph`: what has to be built before what.

mod draw;
mod json;
mod text;

use bedplate_graph::SpecId;
use rustc_hash::FxHashSet;

use crate::cli::GraphArgs;
use crate::outcome::{Failure, Outcome};
use crate::output;
use crate::ui::Ui;
use crate::workspace::{Found, Workspace};

pub(crate) use json::{node_fields, state, step as step_json, times as times_json};
pub(crate) use text::{chain as chain_text, duration, name as node_name, times as times_text, wrapped};

/// Prints the graph.
pub(crate) fn run(args: &GraphArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let workspace = Workspace::load(&args.workspace, ui)?;
    let focus = match &args.focus {
        Some(name) => specs_of(&workspace, name)?,
        None => Vec::new(),
    };
    let shown = match &args.focus {
        Some(_) => around(&workspace, &focus, args.depth),
        None => workspace.graph.spec_ids().collect(),
    };
    let text = if args.json {
        format!("{:#}\n", json::graph(&workspace, &shown, args.cycles))
    } else if args.cycles {
        text::cycles(&workspace, &shown)
    } else if args.dot {
        bedplate_draw::to_dot(&draw::drawing(&workspace, &shown, &focus)?)
    } else if args.svg {
        bedplate_draw::to_svg(&draw::drawing(&workspace, &shown, &focus)?)
    } else {
        text::graph(&workspace, &shown)
    };
    match &args.output {
        Some(path) => output::write(path, &text)?,
        None => ui.print(&text)?,
    }
    Ok(if workspace.is_good() { Outcome::Good } else { Outcome::BadInput })
}

/// The specs that a name stands for.
pub(crate) fn specs_of(workspace: &Workspace, name: &str) -> Result<Vec<SpecId>, Failure> {
    match workspace.find(name)? {
        Found::Spec(spec) => Ok(vec![spec]),
        Found::Packages(packages) => {
            let mut specs: Vec<SpecId> =
                packages.iter().filter_map(|package| workspace.graph.pool.spec_of(*package)).collect();
            specs.dedup();
            if specs.is_empty() {
                let from = workspace.graph.pool.describe(packages[0]);
                return Err(Failure::input(format!("no spec makes `{name}`: it is {from}")));
            }
            Ok(specs)
        }
    }
}

/// Some specs, and those at most some steps away: what they ask for themselves, and what asks for them.
fn around(workspace: &Workspace, start: &[SpecId], depth: u32) -> FxHashSet<SpecId> {
    let graph = &workspace.graph;
    let direct: Vec<Vec<SpecId>> = graph
        .spec_ids()
        .map(|spec| {
            let needs = graph.direct_needs(spec);
            needs.into_iter().filter_map(|(_, package)| graph.pool.spec_of(package)).collect()
        })
        .collect();
    let mut users: Vec<Vec<SpecId>> = vec![Vec::new(); direct.len()];
    for (from, needs) in graph.spec_ids().zip(&direct) {
        needs.iter().for_each(|need| users[need.0 as usize].push(from));
    }
    let mut shown: FxHashSet<SpecId> = FxHashSet::default();
    for ways in [&direct, &users] {
        let mut seen: FxHashSet<SpecId> = start.iter().copied().collect();
        let mut edge: Vec<SpecId> = start.to_vec();
        for _ in 0..depth {
            let next = edge.iter().flat_map(|spec| &ways[spec.0 as usize]);
            edge = next.filter(|spec| seen.insert(**spec)).copied().collect();
            if edge.is_empty() {
                break;
            }
        }
        shown.extend(seen);
    }
    shown
}

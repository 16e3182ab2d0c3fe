//! The graph as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bedplate_graph::{CycleGroup, Node, NodeId, NodeKind, SpecId, State, Step};
use rustc_hash::FxHashSet;

use crate::output::many;
use crate::workspace::Workspace;

/// `1:02:03`, `2:03`, or `0:12`: hours, minutes and seconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times are positive and below centuries")]
pub(crate) fn duration(seconds: f64) -> String {
    let all = seconds.round() as u64;
    let (hours, minutes, seconds) = (all / 3600, all / 60 % 60, all % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// Counts, waves and the critical path.
pub(super) fn graph(workspace: &Workspace, shown: &FxHashSet<SpecId>) -> String {
    let graph = &workspace.graph;
    let nodes: Vec<NodeId> = graph.node_ids().filter(|id| shown.contains(&graph.node(*id).spec)).collect();
    let planned: Vec<NodeId> = nodes.iter().copied().filter(|id| graph.node(*id).state == State::Planned).collect();
    let builds = planned.iter().filter(|id| graph.node(**id).kind == NodeKind::Build).count();
    let mut out = format!(
        "{}: {} and {} in {}",
        many(shown.len(), "spec"),
        many(builds, "build"),
        many(planned.len() - builds, "check"),
        many(planned.iter().map(|id| graph.node(*id).wave).max().unwrap_or(0) as usize, "wave"),
    );
    for (state, word) in [(State::Built, "built already"), (State::Blocked, "blocked"), (State::Excluded, "left out")] {
        let is_that = |id: &&NodeId| graph.node(**id).state == state && graph.node(**id).kind == NodeKind::Build;
        let count = nodes.iter().filter(is_that).count();
        if count > 0 {
            let _ = write!(out, ", {count} {word}");
        }
    }
    out.push('\n');
    out.push_str(&times(workspace, &planned));
    let mut waves: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for id in &planned {
        let node = graph.node(*id);
        waves.entry(node.wave).or_default().push(name(workspace, node));
    }
    for (wave, names) in waves {
        let _ = writeln!(out, "\nwave {wave} ({}):", names.len());
        out.push_str(&wrapped(&names, "  ", 110));
    }
    let mut critical: Vec<&Node> = planned.iter().map(|id| graph.node(*id)).filter(|node| node.is_critical).collect();
    critical.sort_by_key(|node| node.wave);
    if !critical.is_empty() {
        out.push_str("\ncritical path:\n");
        for node in critical {
            let guess = if node.is_recorded { "" } else { " (not recorded: a default)" };
            let _ = writeln!(out, "  {:>8}  {}{guess}", duration(node.seconds), name(workspace, node));
        }
    }
    let blocked: Vec<String> = nodes
        .iter()
        .map(|id| graph.node(*id))
        .filter(|node| node.state == State::Blocked)
        .map(|node| name(workspace, node))
        .collect();
    if !blocked.is_empty() {
        let _ = writeln!(out, "\nblocked ({}; `bedplate why NAME` says why):", blocked.len());
        out.push_str(&wrapped(&blocked, "  ", 110));
    }
    let cycles = graph.cycles.iter().filter(|group| group.specs.iter().any(|spec| shown.contains(spec))).count();
    if cycles > 0 {
        let _ = writeln!(out, "\n{} of builds (`bedplate graph --cycles` shows them)", many(cycles, "cycle group"));
    }
    out
}

/// What the work takes: all of it, with some workers, and at least.
pub(crate) fn times(workspace: &Workspace, nodes: &[NodeId]) -> String {
    let graph = &workspace.graph;
    let all: f64 = nodes.iter().map(|id| graph.node(*id).seconds).sum();
    let unknown = nodes.iter().filter(|id| !graph.node(**id).is_recorded).count();
    let longest = graph.makespan(nodes, usize::MAX);
    let mut out = format!(
        "time: {} of work, about {} with {} at a time, at least {} (the critical path)",
        duration(all),
        duration(graph.makespan(nodes, workspace.jobs)),
        workspace.jobs,
        duration(longest),
    );
    if unknown > 0 {
        let _ = write!(out, "; {unknown} of {} durations are defaults", nodes.len());
    }
    out.push('\n');
    out
}

/// The name of a node.
pub(crate) fn name(workspace: &Workspace, node: &Node) -> String {
    let spec = workspace.graph.spec(node.spec);
    match node.kind {
        NodeKind::Build => spec.name.clone(),
        NodeKind::Check => format!("{} (check)", spec.name),
    }
}

/// Words in lines of a width.
pub(crate) fn wrapped(words: &[String], indent: &str, width: usize) -> String {
    let mut out = String::new();
    let mut line = indent.to_owned();
    for word in words {
        if line.len() > indent.len() && line.len() + word.len() + 2 > width {
            let _ = writeln!(out, "{}", line.trim_end());
            line = indent.to_owned();
        }
        let _ = write!(line, "{word}  ");
    }
    let _ = writeln!(out, "{}", line.trim_end());
    out
}

/// All cycles, in forward order, and what cuts them.
pub(super) fn cycles(workspace: &Workspace, shown: &FxHashSet<SpecId>) -> String {
    let graph = &workspace.graph;
    let groups: Vec<&CycleGroup> =
        graph.cycles.iter().filter(|group| group.specs.iter().any(|spec| shown.contains(spec))).collect();
    if groups.is_empty() {
        return "no cycles\n".to_owned();
    }
    let mut out = String::new();
    for (number, group) in groups.iter().enumerate() {
        let names: Vec<String> = group.specs.iter().map(|spec| graph.spec(*spec).name.clone()).collect();
        let _ = writeln!(
            out,
            "group {} of {}: {} wait for each other",
            number + 1,
            groups.len(),
            many(names.len(), "build")
        );
        out.push_str(&wrapped(&names, "  ", 110));
        for (cycle, unit) in group.cycles.iter().zip(&group.cut) {
            let way = cycle.specs.iter().chain(cycle.specs.first()).map(|spec| graph.spec(*spec).name.as_str());
            let _ = writeln!(out, "\n  cycle: {}", way.collect::<Vec<_>>().join(" → "));
            for step in cycle.hops.iter().flatten() {
                let _ = writeln!(out, "    {}", step_text(workspace, step));
            }
            let wanted = &graph.spec(unit.unit.spec).build_requires[unit.unit.index as usize].dependency;
            let _ = match unit.by.as_slice() {
                [] => writeln!(out, "    not cut: neither the seed nor a repository provides `{wanted}`"),
                by => writeln!(out, "    cut: `{wanted}` is met by {}", by.join(", ")),
            };
        }
        let size = if group.is_minimum { "no smaller cut exists" } else { "none of it can be spared" };
        let _ = writeln!(out, "\n  the cut has {}; {size}", many(group.cut.len(), "requirement"));
        if number + 1 < groups.len() {
            out.push('\n');
        }
    }
    out
}

/// A step with its place in front.
pub(crate) fn step_text(workspace: &Workspace, step: &Step) -> String {
    match workspace.place(step.span) {
        Some(place) => format!("{place}: {step}"),
        None => format!("(generated): {step}"),
    }
}

/// The steps of a chain, a line each.
pub(crate) fn chain(workspace: &Workspace, steps: &[Step], indent: &str) -> String {
    steps.iter().map(|step| format!("{indent}{}\n", step_text(workspace, step))).collect()
}

//! The graph as JSON (docs/build-graph.md).

use bedplate_graph::{BuildGraph, CycleGroup, Node, NodeId, NodeKind, SpecId, State, Step, StepKind};
use rustc_hash::FxHashSet;
use serde_json::{Value, json};

use super::text;
use crate::workspace::Workspace;

const VERSION: u32 = 1;

/// The whole graph, or its cycles only.
pub(super) fn graph(workspace: &Workspace, shown: &FxHashSet<SpecId>, only_cycles: bool) -> Value {
    let graph = &workspace.graph;
    let groups = graph.cycles.iter().filter(|group| group.specs.iter().any(|spec| shown.contains(spec)));
    let cycles: Vec<Value> = groups.map(|group| cycle_group(workspace, group)).collect();
    if only_cycles {
        return json!({ "version": VERSION, "cycles": cycles });
    }
    let ids: Vec<NodeId> = graph.node_ids().filter(|id| shown.contains(&graph.node(*id).spec)).collect();
    let nodes: Vec<Value> = ids.iter().map(|id| node(workspace, *id, shown)).collect();
    json!({ "version": VERSION, "good": workspace.is_good(), "time": times(workspace, &ids), "nodes": nodes, "cycles": cycles })
}

/// What the work takes, in seconds.
pub(crate) fn times(workspace: &Workspace, ids: &[NodeId]) -> Value {
    let graph = &workspace.graph;
    json!({
        "work": ids.iter().map(|id| graph.node(*id).seconds).sum::<f64>(),
        "jobs": workspace.jobs,
        "with_jobs": graph.makespan(ids, workspace.jobs),
        "critical_path": graph.makespan(ids, usize::MAX),
    })
}

/// The word of a state.
pub(crate) fn state(node: &Node) -> &'static str {
    match node.state {
        State::Planned => "planned",
        State::Built => "built",
        State::Blocked => "blocked",
        State::Excluded => "excluded",
    }
}

/// The fields that nodes have wherever they are listed.
pub(crate) fn node_fields(workspace: &Workspace, id: NodeId) -> Value {
    let graph = &workspace.graph;
    let node = graph.node(id);
    let spec = graph.spec(node.spec);
    let groups: Vec<&str> = node.groups.iter().map(|group| graph.pool.groups[*group as usize].as_str()).collect();
    json!({
        "id": text::name(workspace, node),
        "name": spec.name,
        "evr": spec.evr,
        "kind": if node.kind == NodeKind::Build { "build" } else { "check" },
        "spec": spec.path,
        "state": state(node),
        "wave": node.wave,
        "seconds": node.seconds,
        "recorded": node.is_recorded,
        "remaining": node.remaining,
        "critical": node.is_critical,
        "seed_groups": groups,
    })
}

fn node(workspace: &Workspace, id: NodeId, shown: &FxHashSet<SpecId>) -> Value {
    let graph: &BuildGraph = &workspace.graph;
    let node = graph.node(id);
    let mut object = node_fields(workspace, id);
    let needs = graph.node_needs(id).filter(|need| shown.contains(&graph.node(*need).spec));
    object["needs"] = needs.map(|need| text::name(workspace, graph.node(need))).collect();
    if node.kind == NodeKind::Build {
        object["requires"] = graph.direct_needs(node.spec).iter().map(|(one, _)| step(workspace, one)).collect();
        let packages = graph.pool.packages_of(node.spec);
        object["packages"] = packages.map(|one| graph.pool.universe.package(one).nevra.to_string()).collect();
        if let Some(why) = &graph.spec(node.spec).excluded {
            object["excluded"] = why.as_str().into();
        }
    }
    object
}

/// An arrow of a chain.
pub(crate) fn step(workspace: &Workspace, step: &Step) -> Value {
    json!({
        "kind": if step.kind == StepKind::BuildRequires { "build-requires" } else { "requires" },
        "from": step.from,
        "capability": step.capability,
        "place": workspace.place(step.span),
        "to": step.to,
        "origin": step.origin,
        "guess": step.is_guess,
    })
}

fn cycle_group(workspace: &Workspace, group: &CycleGroup) -> Value {
    let graph = &workspace.graph;
    let name = |spec: &SpecId| graph.spec(*spec).name.clone();
    let cut = group.cut.iter().map(|unit| {
        let wanted = &graph.spec(unit.unit.spec).build_requires[unit.unit.index as usize];
        json!({
            "spec": name(&unit.unit.spec),
            "capability": wanted.dependency.to_string(),
            "place": workspace.place(wanted.span),
            "by": unit.by,
        })
    });
    let cycles = group.cycles.iter().map(|cycle| {
        let steps: Vec<Value> = cycle.hops.iter().flatten().map(|one| step(workspace, one)).collect();
        json!({ "specs": cycle.specs.iter().map(name).collect::<Vec<_>>(), "steps": steps })
    });
    json!({
        "specs": group.specs.iter().map(name).collect::<Vec<_>>(),
        "is_cut": group.is_cut(),
        "minimum": group.is_minimum,
        "cut": cut.collect::<Vec<_>>(),
        "cycles": cycles.collect::<Vec<_>>(),
    })
}

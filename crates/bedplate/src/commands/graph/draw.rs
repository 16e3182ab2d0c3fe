//! The graph as a drawing.

use bedplate_draw::{Drawing, Edge, EdgeClass, Node, NodeClass};
use bedplate_graph::{NodeId, NodeKind, SpecId, State};
use rustc_hash::{FxHashMap, FxHashSet};

use super::text::{duration, name};
use crate::outcome::Failure;
use crate::workspace::Workspace;

/// Builds and checks as boxes, what builds ask for themselves as arrows, and the requirements that the seed meets to break a
/// cycle. `focus` are the specs that were asked for.
pub(super) fn drawing(workspace: &Workspace, shown: &FxHashSet<SpecId>, focus: &[SpecId]) -> Result<Drawing, Failure> {
    let graph = &workspace.graph;
    let drawn: Vec<NodeId> = graph
        .node_ids()
        .filter(|id| shown.contains(&graph.node(*id).spec) && graph.node(*id).state != State::Excluded)
        .collect();
    let place: FxHashMap<NodeId, usize> = drawn.iter().copied().zip(0..).collect();
    let in_cycle: FxHashSet<SpecId> =
        graph.cycles.iter().filter(|group| !group.is_cut()).flat_map(|group| group.specs.iter().copied()).collect();
    let nodes = drawn.iter().map(|id| {
        let node = graph.node(*id);
        let spec = graph.spec(node.spec);
        let class = match (node.state, node.kind) {
            _ if focus.contains(&node.spec) => NodeClass::Focus,
            (State::Blocked, _) if in_cycle.contains(&node.spec) => NodeClass::Cycle,
            (State::Blocked, _) => NodeClass::Failed,
            (State::Built, _) => NodeClass::Prebuilt,
            (_, NodeKind::Check) => NodeClass::Check,
            _ => NodeClass::Build,
        };
        let kind = if node.kind == NodeKind::Build { "built" } else { "checked" };
        let when = match node.state {
            State::Planned => format!("{kind} in wave {}, {}", node.wave, duration(node.seconds)),
            State::Built => "built already".to_owned(),
            State::Blocked | State::Excluded => "cannot be built".to_owned(),
        };
        Node {
            sublabel: spec.evr.clone(),
            class,
            tooltip: format!("{}\n{when}", spec.path),
            seconds: (node.state == State::Planned).then_some(node.seconds),
            critical: node.is_critical,
            ..Node::new(name(workspace, node), node.wave)
        }
    });
    let nodes: Vec<Node> = nodes.collect();
    let mut edges = Vec::new();
    for (id, from) in &place {
        let node = graph.node(*id);
        if node.kind == NodeKind::Check {
            edges.push((*from, place[&graph.build_node(node.spec)], String::new(), EdgeClass::Needs));
            continue;
        }
        for (step, package) in graph.direct_needs(node.spec) {
            let needed = graph.pool.spec_of(package).map(|spec| graph.build_node(spec));
            let Some(to) = needed.and_then(|id| place.get(&id)).filter(|to| *to != from) else { continue };
            // The next of the longest way, not any two nodes of it.
            let need = graph.node(drawn[*to]);
            let is_next = (need.remaining - need.seconds - node.remaining).abs() < 1e-6;
            let is_critical = node.is_critical && need.is_critical && is_next;
            let class = if is_critical {
                EdgeClass::Critical
            } else if step.is_guess {
                EdgeClass::Guess
            } else {
                EdgeClass::Needs
            };
            edges.push((*from, *to, step.capability, class));
        }
    }
    for (group, at) in graph.cycles.iter().flat_map(|group| (0..group.cut.len()).map(move |at| (group, at))) {
        let (cycle, unit) = (&group.cycles[at], group.cut[at].unit);
        let to = cycle.specs.get(1).or(cycle.specs.first()).map(|spec| graph.build_node(*spec));
        let (Some(from), Some(to)) = (place.get(&graph.build_node(unit.spec)), to.and_then(|to| place.get(&to))) else {
            continue;
        };
        let wanted = &graph.spec(unit.spec).build_requires[unit.index as usize];
        edges.push((*from, *to, wanted.dependency.to_string(), EdgeClass::Cut));
    }
    edges.sort();
    let edges = edges.into_iter().map(|(from, to, label, class)| Edge { from, to, label, class }).collect();
    let title = match focus {
        [] => format!("{} specs", shown.len()),
        specs => {
            let names: Vec<&str> = specs.iter().map(|spec| graph.spec(*spec).name.as_str()).collect();
            format!("{} and what is near", names.join(", "))
        }
    };
    Drawing::new(title, nodes, edges).map_err(|error| Failure::internal(error.to_string()))
}

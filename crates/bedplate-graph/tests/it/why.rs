//! Explanations.

use bedplate_graph::{Goal, NodeKind};

use crate::world::{graph, id};

#[test]
fn chains_are_the_shortest_and_name_capabilities_and_places() {
    let graph = graph(
        "
        spec app 1-1
          needs long, short
        spec long 1-1
          package long: requires longer
        spec longer 1-1
          package longer: requires goal
        spec short 1-1
          package short: requires lib(goal) >= 1
        spec goal 1-1
          package goal: provides lib(goal) = 2
        ",
    );
    let goal = id(&graph, "goal");
    let chain = graph.why_in_build(id(&graph, "app"), Goal::Spec(goal)).unwrap();
    let shown: Vec<String> = chain.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        ["app build-requires `short`: short of short.spec", "short requires `lib(goal) >= 1`: goal of goal.spec"]
    );
    assert!(chain.iter().all(|step| step.span.is_some()));
    assert_eq!(graph.why_in_build(goal, Goal::Spec(id(&graph, "app"))), None);
    // A package's own closure.
    let package = graph.pool.packages_of(id(&graph, "long")).next().unwrap();
    let chain = graph.why_installed(package, Goal::Spec(goal)).unwrap();
    assert_eq!(chain.iter().map(|step| step.to.as_str()).collect::<Vec<_>>(), ["longer", "goal"]);
    // Who follows a change.
    let names =
        |specs: Vec<bedplate_graph::SpecId>| specs.iter().map(|one| graph.spec(*one).name.clone()).collect::<Vec<_>>();
    assert_eq!(names(graph.rebuilds(goal)), ["app"]);
    assert_eq!(graph.direct_users(goal).len(), 0);
    assert_eq!(graph.direct_users(id(&graph, "short")).len(), 1);
}

#[test]
fn the_critical_path_is_the_longest_way() {
    let graph = graph(
        "
        spec a 1-1
          needs gcc
          checks gcc
        spec b 1-1
          needs a
        spec c 1-1
          needs gcc
        spec d 1-1
          needs b, c
        took a 10 1
        took b 20
        took c 50
        took d 5
        seed tools: gcc
        ",
    );
    let critical: Vec<&str> =
        graph.nodes.iter().filter(|node| node.is_critical).map(|node| graph.spec(node.spec).name.as_str()).collect();
    assert_eq!(critical, ["c", "d"]);
    let all = graph.nodes.iter().map(|node| match node.kind {
        NodeKind::Build => graph.build_node(node.spec),
        NodeKind::Check => graph.check_node(node.spec).unwrap(),
    });
    let all: Vec<_> = all.collect();
    let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
    assert!(near(graph.makespan(&all, usize::MAX), 55.0));
    assert!(near(graph.makespan(&all, 1), 86.0));
    assert!(near(graph.makespan(&all, 2), 55.0));
}

#[test]
fn an_image_leads_to_the_specs_of_all_that_it_installs_and_to_nothing_of_the_seed() {
    let graph = graph(
        "
        spec libc 2-1
        spec shell 5-1
          needs gcc
          package shell: requires libc, (nice if libc)
        spec nice 1-1
        spec host 1-1
          needs tool
          package host: requires shell >= 5, helper
          package host-devel: requires other
        spec tool 1-1
        spec other 1-1
        seed tools: gcc, libc = 2, shell = 5, helper
        prefer tools
        ",
    );
    let items: Vec<bedplate_solve::Item> = ["host", "absent"].map(|text| text.parse().unwrap()).into();
    let (specs, unmet) = graph.specs_of_image(&items);
    let names: Vec<&str> = specs.iter().map(|id| graph.spec(*id).name.as_str()).collect();
    assert_eq!(names, ["host", "libc", "nice", "shell"]);
    assert_eq!(unmet, ["absent"]);
}

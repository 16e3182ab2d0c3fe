//! Cycles: found in one pass, shown in forward order, cut by the seed where it can.

use bedplate_graph::{BuildGraph, CycleGroup};

use crate::world::{graph, problems, root, waves};

/// `a → b → a [a: c]`: the cycles of a group, and its cut.
fn shown(graph: &BuildGraph, group: &CycleGroup) -> String {
    let name = |spec: &bedplate_graph::SpecId| graph.spec(*spec).name.clone();
    let cycles: Vec<String> = group
        .cycles
        .iter()
        .map(|one| one.specs.iter().chain(one.specs.first()).map(name).collect::<Vec<_>>().join(" → "))
        .collect();
    let cut: Vec<String> = group
        .cut
        .iter()
        .map(|unit| {
            let wanted = &graph.spec(unit.unit.spec).build_requires[unit.unit.index as usize];
            format!("{}: {}", name(&unit.unit.spec), wanted.dependency)
        })
        .collect();
    format!("{} [{}]", cycles.join(", "), cut.join(", "))
}

#[test]
fn the_seed_cuts_what_it_can() {
    let graph = graph(
        "
        spec gcc 14-1
          needs gcc, make, bash
        spec make 4-1
          needs gcc
        spec bash 5-1
          needs gcc, make
        spec app 1-1
          needs gcc, make
        seed tools: gcc, make, bash
        ",
    );
    assert!(graph.is_good(), "{:?}", graph.diagnostics());
    assert_eq!(graph.cycles.len(), 1);
    // One requirement alone is no cut: gcc needs itself.
    let want = "gcc → gcc, gcc → bash → gcc, make → gcc → make [gcc: gcc, gcc: bash, make: gcc]";
    assert_eq!(shown(&graph, &graph.cycles[0]), want);
    assert!(graph.cycles[0].is_minimum && graph.cycles[0].is_cut());
    assert_eq!(root(&graph, "gcc"), "@bash* @gcc* make");
    assert_eq!(root(&graph, "make"), "@gcc*");
    assert_eq!(root(&graph, "bash"), "gcc make");
    assert_eq!(waves(&graph), "make | gcc | app bash");
}

#[test]
fn a_cycle_may_go_through_packages() {
    let text = "
        spec zlib 1-1
          needs cmake
        spec cmake 1-1
          needs make
          package cmake: requires curl
        spec curl 1-1
          needs zlib
        seed tools: make, cmake
        ";
    let graph = graph(text);
    assert!(graph.is_good(), "{:?}", graph.diagnostics());
    let steps: Vec<String> = graph.cycles[0].cycles[0].hops.iter().flatten().map(ToString::to_string).collect();
    let want = [
        "zlib build-requires `cmake`: cmake of cmake.spec",
        "cmake requires `curl`: curl of curl.spec",
        "curl build-requires `zlib`: zlib of zlib.spec",
    ];
    assert_eq!(steps, want);
    assert!(graph.cycles[0].cycles[0].hops.iter().flatten().all(|step| step.span.is_some()));
    assert_eq!(waves(&graph), "cmake zlib | curl");
}

#[test]
fn all_cycles_that_nothing_cuts_are_errors_at_once() {
    let text = "
        spec a 1-1
          needs b
        spec b 1-1
          needs a
        spec p 1-1
          needs q
        spec q 1-1
          needs p
        spec own 1-1
          needs own
        spec user 1-1
          needs a
        spec free 1-1
        ";
    let graph = graph(text);
    assert_eq!(graph.cycles.len(), 3);
    let found = problems(&graph, text);
    assert_eq!(found.len(), 3, "{found:?}");
    let want = "2: uncut-cycle: builds wait for each other: a → b → a; a build-requires `b`: b of b.spec; \
                b build-requires `a`: a of a.spec @4; neither the seed nor a repository provides `b`: add it to a group of \
                the seed, or give a repository that has it prebuilt";
    assert_eq!(found[0], want);
    assert!(found[1].starts_with("10: uncut-cycle: builds wait for each other: own → own"), "{}", found[1]);
    // What waits for a blocked build is blocked too.
    assert_eq!(waves(&graph), "!a b own p q user | free");
}

#[test]
fn an_older_build_cuts_too() {
    let graph = graph(
        "
        spec rust 2-1
          needs rust
        repo last: rust 1-1: requires libc
        seed tools: libc
        ",
    );
    assert!(graph.is_good(), "{:?}", graph.diagnostics());
    assert_eq!(graph.cycles[0].cut[0].by, ["rust-1-1.x86_64 (last)"]);
    assert_eq!(root(&graph, "rust"), "@libc* @rust*");
}

#[test]
fn a_replacement_that_needs_what_nothing_provides_is_none() {
    let graph = graph("spec rust 2-1\n needs rust\nrepo last: rust 1-1: requires libc\n");
    assert!(!graph.is_good() && !graph.cycles[0].is_cut());
}

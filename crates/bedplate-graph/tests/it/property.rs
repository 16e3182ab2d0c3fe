//! What holds of every graph.

use std::fmt::Write as _;

use bedplate_graph::{NodeKind, State};
use bedplate_solve::{Item, PackageId, Request, check};
use proptest::prelude::*;

use crate::world::{graph, problems, waves};

/// A world of specs that need each other at random; the seed has some of them.
fn world() -> impl Strategy<Value = String> {
    let names = "[a-h]";
    let need = prop_oneof![
        4 => names.prop_map(|name| name),
        1 => (names, names).prop_map(|(a, b)| format!("({a} or {b})")),
        1 => (names, names).prop_map(|(a, b)| format!("({a} if {b})")),
        1 => (names, names, names).prop_map(|(a, b, c)| format!("({a} if {b} else {c})")),
        1 => (names, names, names).prop_map(|(a, b, c)| format!("(({a} unless {b}) or {c})")),
        1 => Just("nowhere".to_owned()),
    ];
    let needs = proptest::collection::vec(need, 0..3);
    let conflict = proptest::option::weighted(0.2, "[a-h]");
    let spec = (needs.clone(), needs.clone(), proptest::option::of(needs), conflict);
    (proptest::collection::vec(spec, 1..8), "[a-h]{0,6}").prop_map(|(specs, seed)| {
        let mut text = String::new();
        for (number, (needs, requires, checks, conflict)) in specs.iter().enumerate() {
            let name = char::from(b'a' + u8::try_from(number).unwrap());
            let _ = writeln!(text, "spec {name} 1-1\n needs {}", needs.join(", "));
            if !requires.is_empty() {
                let _ = writeln!(text, " package {name}: requires {}", requires.join(", "));
            }
            if let Some(conflict) = conflict {
                let _ = writeln!(text, " package {name}: conflicts {conflict}");
            }
            if let Some(checks) = checks {
                let _ = writeln!(text, " checks {}", checks.join(", "));
            }
        }
        let mut seed: Vec<char> = seed.chars().collect();
        seed.sort_unstable();
        seed.dedup();
        if !seed.is_empty() {
            let seed: Vec<String> = seed.iter().map(char::to_string).collect();
            let _ = writeln!(text, "seed tools: {}", seed.join(", "));
        }
        text
    })
}

proptest! {
    #[test]
    fn graphs_can_be_built_in_order(text in world()) {
        let graph = graph(&text);
        for node in graph.nodes.iter().filter(|node| node.state == State::Planned) {
            let own = (node.kind == NodeKind::Check).then(|| graph.build_node(node.spec));
            for need in node.needs.iter().map(|spec| graph.build_node(*spec)).chain(own) {
                let need = graph.node(need);
                prop_assert!(need.state == State::Planned && need.wave < node.wave, "{}", waves(&graph));
            }
        }
        // What is blocked has a reason: an error, or a cycle that is not cut.
        let is_blocked = graph.nodes.iter().any(|node| node.state == State::Blocked);
        prop_assert_eq!(is_blocked, !graph.is_good(), "{:?}", problems(&graph, &text));
        for group in &graph.cycles {
            prop_assert!(!group.cut.is_empty() && group.cycles.len() == group.cut.len());
            for cycle in &group.cycles {
                prop_assert_eq!(cycle.hops.len(), cycle.specs.len());
                prop_assert!(cycle.hops.iter().all(|hop| !hop.is_empty()));
            }
        }
    }

    /// The roots that the rules or the solver chose are right by the checker, which shares no code with either.
    #[test]
    fn roots_are_valid(text in world()) {
        let graph = graph(&text);
        for node in graph.nodes.iter().filter(|node| node.kind == NodeKind::Build && node.state == State::Planned) {
            let packages: Vec<PackageId> = graph.root_of(node.spec).into_iter().map(|(package, _)| package).collect();
            let wanted = &graph.spec(node.spec).build_requires;
            let install = wanted.iter().map(|wanted| Item::from(wanted.dependency.clone())).collect();
            let request = Request { install, ..Request::default() };
            let wrong = check(&graph.pool.universe, &packages, &request);
            prop_assert!(wrong.is_empty(), "{}: {wrong:?}\n{text}", graph.spec(node.spec).name);
        }
    }

    #[test]
    fn the_same_world_is_the_same_graph(text in world()) {
        let (once, again) = (graph(&text), graph(&text));
        prop_assert_eq!(format!("{:?}", once.nodes), format!("{:?}", again.nodes));
        prop_assert_eq!(format!("{:?}", once.cycles), format!("{:?}", again.cycles));
        prop_assert_eq!(&once.findings, &again.findings);
    }
}

//! Who meets what: the rules of choice, guesses, the capability lock, built packages, unknown capabilities.

use bedplate_graph::{BuildGraph, CapabilityLock, Goal, State};
use bedplate_model::{Dependency, Sense};

use crate::world::{graph, id, inputs, problems, root, waves};

#[test]
fn what_is_needed_follows_through_packages() {
    let graph = graph(
        "
        spec app 1-1
          needs libfoo-devel, make
        spec libfoo 2-1
          needs gcc
          package libfoo: requires libbar
          package libfoo-devel: requires libfoo = 2-1
        spec libbar 3-1
          needs gcc, make
        seed tools: gcc, make
        ",
    );
    assert!(graph.is_good(), "{:?}", graph.diagnostics());
    assert_eq!(root(&graph, "app"), "@make libbar libfoo libfoo-devel");
    assert_eq!(waves(&graph), "libbar libfoo | app");
}

/// Each line: the world, and what the root of `x` holds.
#[test]
fn choices_follow_the_rules() {
    for (world, want) in [
        // A spec before the seed, unless the group is preferred.
        ("spec x 1-1\n needs a\nspec a 1-1\nseed s: a", "a"),
        ("spec x 1-1\n needs a\nspec a 1-1\nseed s: a\nprefer s", "@a"),
        // A spec before a repository, a repository before the seed.
        ("spec x 1-1\n needs a\nspec a 1-1\nrepo r: a 2-1", "a"),
        ("spec x 1-1\n needs a\nseed s: a\nrepo r: a 2-1", "@a"),
        // Not what cannot be installed.
        (
            "spec x 1-1\n needs v\nspec a 1-1\n package a: provides v; requires b\nspec b 1-1\n package b: requires nowhere\nspec c 1-1\n package c: provides v",
            "c",
        ),
        ("spec x 1-1\n needs (a or c)\nspec a 1-1\n package a: requires nowhere\nspec c 1-1", "c"),
        // The exact name, then the first name.
        ("spec x 1-1\n needs a\nspec b 1-1\n package b: provides a\nspec a 1-1", "a"),
        ("spec x 1-1\n needs v\nspec c 1-1\n package c: provides v\nspec b 1-1\n package b: provides v", "b"),
        // Not what another candidate obsoletes.
        (
            "spec x 1-1\n needs v\nspec b 1-1\n package b: provides v\nspec c 1-1\n package c: provides v; obsoletes b",
            "c",
        ),
        // What is in already counts, whatever the order.
        ("spec x 1-1\n needs v, c\nspec b 1-1\n package b: provides v\nspec c 1-1\n package c: provides v", "c"),
        // Versions, and the newest of them.
        ("spec x 1-1\n needs a < 2\nrepo r: a 1-1\nrepo r: a 2-1", "@a"),
        ("spec x 1-1\n needs b\nrepo r: b 1-1: requires c\nrepo r: b 2-1: requires d\nseed s: c, d", "@b @d"),
        // The seed does not stand in for a spec only because it is there for something else.
        ("spec x 1-1\n needs only, a\nspec a 1-1\nseed s: only", "@only a"),
        // The newest, whatever stands between.
        (
            "spec x 1-1\n needs v\nrepo r: a 1-1: provides v\nrepo r: b 1-1: provides v\nrepo s: a 2-1: provides v; requires new\nseed s: new",
            "@a @new",
        ),
        // A package of a repository that is in counts; only the seed's does not.
        ("spec x 1-1\n needs b, v\nspec a 1-1\n package a: provides v\nrepo r: b 1-1: provides v", "@b"),
        // Files.
        ("spec x 1-1\n needs /usr/bin/tool\nspec t 1-1\n files t: /usr/bin/tool", "t"),
        ("spec x 1-1\n needs /usr/bin/tool\nspec t 1-1\n files t: /usr/bin/*", "t"),
        ("spec x 1-1\n needs /bin/sh\nseed s: /bin/sh", "@file0"),
        // Rich dependencies.
        ("spec x 1-1\n needs (a or b)\nspec a 1-1\nspec b 1-1", "a"),
        ("spec x 1-1\n needs (a or b), b\nspec a 1-1\nspec b 1-1", "b"),
        ("spec x 1-1\n needs (nowhere or b)\nspec b 1-1", "b"),
        ("spec x 1-1\n needs (a and b)\nspec a 1-1\nspec b 1-1", "a b"),
        ("spec x 1-1\n needs (a if b)\nspec a 1-1\nspec b 1-1", ""),
        ("spec x 1-1\n needs (a if b), c\nspec a 1-1\nspec b 1-1\nspec c 1-1\n package c: requires b", "a b c"),
        ("spec x 1-1\n needs (a if b else c)\nspec a 1-1\nspec b 1-1\nspec c 1-1", "c"),
        ("spec x 1-1\n needs ((a unless b) or c), b\nspec a 1-1\nspec b 1-1\nspec c 1-1", "b c"),
        ("spec x 1-1\n needs ((a unless b) or c)\nspec a 1-1\nspec b 1-1\nspec c 1-1", "a"),
        (
            "spec x 1-1\n needs (v with w)\nspec a 1-1\n package a: provides v\nspec b 1-1\n package b: provides v, w",
            "b",
        ),
        (
            "spec x 1-1\n needs (v without w)\nspec a 1-1\n package a: provides v, w\nspec b 1-1\n package b: provides v",
            "b",
        ),
        (
            "spec x 1-1\n needs (v >= 1 with v < 3)\nspec a 1-1\n package a: provides v = 4\nspec b 1-1\n package b: provides v = 2",
            "b",
        ),
    ] {
        let graph = graph(world);
        assert!(graph.is_good(), "{world}\n{:?}", graph.diagnostics());
        assert_eq!(root(&graph, "x"), want, "{world}");
    }
}

#[test]
fn capabilities_of_builds_are_guessed_until_a_build_teaches_them() {
    let text = "
        spec x 1-1
          needs pkgconfig(foo), pkgconfig(libpng16), perl(A::B)
        spec foo 1-1
          files foo-devel: /usr/lib64/pkgconfig/foo.pc
        spec libpng 1-1
          files libpng-devel: /usr/lib64/pkgconfig/*
        spec perl-A-B 1-1
          files perl-A-B: /usr/share/perl5/vendor_perl/A/B.pm
        spec other 1-1
          files other-devel: /usr/lib64/pkgconfig/*
        ";
    let graph = graph(text);
    assert!(graph.is_good(), "{:?}", graph.diagnostics());
    assert_eq!(root(&graph, "x"), "foo-devel libpng-devel perl-A-B");
    let chain = graph.why_in_build(id(&graph, "x"), Goal::Spec(id(&graph, "libpng"))).unwrap();
    assert!(chain[0].is_guess);
    // A build taught something else: the guess is gone.
    let mut inputs = inputs(text);
    let mut lock = CapabilityLock::default();
    let mut built = inputs.specs[0].packages[0].package.clone();
    built.nevra = "other-devel-1-1.x86_64".parse().unwrap();
    built.source_rpm = Some("other-1-1.src.rpm".to_owned());
    built.provides = vec![Dependency::new("pkgconfig(foo)", "3", Sense::EQUAL | Sense::FIND_PROVIDES)];
    lock.learn([&built]);
    inputs.lock = lock;
    let graph = BuildGraph::new(inputs);
    assert_eq!(root(&graph, "x"), "libpng-devel other-devel perl-A-B");
}

#[test]
fn what_a_repository_has_in_the_same_version_is_not_built() {
    let graph = graph(
        "
        spec app 1-1
          needs lib-devel, z
        spec lib 1-1
          needs gcc
          package lib-devel: requires lib = 1-1
        spec z 1-1
          needs gcc
        repo done: lib 1-1
        repo done: lib-devel 1-1: requires lib = 1-1; provides pkgconfig(lib) = 1
        repo done: z 0-1
        seed tools: gcc
        ",
    );
    assert!(graph.is_good(), "{:?}", graph.diagnostics());
    assert_eq!(graph.node(graph.build_node(id(&graph, "lib"))).state, State::Built);
    assert_eq!(waves(&graph), "z | app");
    assert_eq!(root(&graph, "app"), "lib lib-devel z");
}

#[test]
fn checks_have_roots_of_their_own_and_keep_nobody_waiting() {
    let graph = graph(
        "
        spec a 1-1
          needs gcc
          checks b
        spec b 1-1
          needs a
        seed tools: gcc
        ",
    );
    // As one build the two would wait for each other.
    assert!(graph.is_good() && graph.cycles.is_empty(), "{:?}", graph.diagnostics());
    assert_eq!(waves(&graph), "a | b | a?");
}

#[test]
fn unknown_capabilities_are_all_reported_with_places_and_near_names() {
    let text = "
        spec a 1-1
          needs gcc, pkgconfig(zlbi)
          package a: requires nowhere
        spec b 1-1
          needs a, zlib >= 9, gone
          checks pkgconfig(zlbi)
        spec zlib 1-1
          package zlib: provides pkgconfig(zlib)
        spec lonely 1-1
          package lonely: requires nothing-at-all
        spec gone 1-1
          excluded not for this machine
        seed tools: gcc
        ";
    let graph = graph(text);
    let want = [
        "2: unknown-capability: nothing provides `pkgconfig(zlbi)`; a build-requires it; b build-requires it for its check @6; did you mean `pkgconfig(zlib)`?",
        "3: unknown-capability: nothing provides `nowhere`; a requires it; add a spec that makes it, a repository that has it, or the package of the seed that does",
        "5: unknown-capability: nothing provides `gone`; b build-requires it; gone.spec makes `gone`, and is left out: not for this machine",
        "5: unknown-capability: nothing provides `zlib >= 9`; b build-requires it; there is zlib-1-1.x86_64, in another version than is asked for",
        "10: uninstallable-package: nothing provides `nothing-at-all`; lonely requires it; add a spec that makes it, a repository that has it, or the package of the seed that does",
    ];
    assert_eq!(problems(&graph, text), want);
    assert_eq!(waves(&graph), "!a b b? | lonely zlib");
}

#[test]
fn two_specs_of_one_name_or_package_are_refused() {
    let text = "spec a 1-1\nspec b 1-1\n package c:\nspec d 1-1\n needs a\nspec e 1-1\n package c:\n";
    let mut inputs = inputs(text);
    let mut again = inputs.specs[0].clone();
    again.path = "other/a.spec".to_owned();
    inputs.specs.push(again);
    let graph = BuildGraph::new(inputs);
    let found = problems(&graph, text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("duplicate-spec: two specs have the name `a`; the other is a.spec"), "{found:?}");
    assert!(found[1].contains("duplicate-package: two specs make `c-1-1.x86_64`; the other is b.spec"), "{found:?}");
    assert_eq!(root(&graph, "d"), "a");
}

#[test]
fn the_solver_chooses_where_the_rules_end_in_a_conflict() {
    let graph = graph(
        "
        spec x 1-1
          needs v, w
        spec y 1-1
          needs v
          fights a
        spec a 1-1
          package a: provides v
        spec b 1-1
          package b: provides v
        spec w 1-1
          package w: conflicts a
        ",
    );
    assert!(graph.is_good(), "{:?}", graph.diagnostics());
    assert_eq!(root(&graph, "x"), "b w");
    assert_eq!(root(&graph, "y"), "b");
    assert_eq!(waves(&graph), "a b w | x y");
}

#[test]
fn a_root_without_a_solution_says_why() {
    let text = "
        spec x 1-1
          needs a, b
        spec a 1-1
          package a: conflicts b
        spec b 1-1
        spec y 1-1
          needs x
        ";
    let graph = graph(text);
    let found = problems(&graph, text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("1: unsolvable-root: the build root of `x` has no solution; "), "{found:?}");
    assert!(found[0].contains("a-1-1.x86_64 conflicts with `b`"), "{found:?}");
    assert_eq!(waves(&graph), "!x y | a b");
}

#[test]
fn a_check_without_a_solution_blocks_itself_only() {
    let text = "
        spec x 1-1
          checks a, b
        spec a 1-1
          package a: conflicts b
        spec b 1-1
        spec y 1-1
          needs x
        ";
    let graph = graph(text);
    let found = problems(&graph, text);
    assert!(found[0].starts_with("1: unsolvable-root: the check root of `x` has no solution; "), "{found:?}");
    assert_eq!(waves(&graph), "!x? | a b x | y");
}

#[test]
fn build_conflicts_count_also_where_they_are_rich() {
    let text = "
        spec x 1-1
          needs a, b
          fights (a and b)
        spec a 1-1
        spec b 1-1
        ";
    let graph = graph(text);
    let found = problems(&graph, text);
    assert!(
        found[0].contains("unsolvable-root") && found[0].contains("x has `BuildConflicts: (a and b)` @3"),
        "{found:?}"
    );
    assert_eq!(waves(&graph), "!x | a b");
}

#[test]
fn the_solver_keeps_to_the_preferred_seed() {
    let graph = graph(
        "
        spec x 1-1
          needs make, w, v
        spec make 1-1
        spec a 1-1
          package a: provides v; conflicts w
        spec b 1-1
          package b: provides v
        spec w 1-1
        seed tools: make
        prefer tools
        ",
    );
    assert!(graph.is_good(), "{:?}", graph.diagnostics());
    assert_eq!(root(&graph, "x"), "@make b w");
}

#[test]
fn many_roots_without_a_solution_are_told_and_a_few_explained() {
    let mut text = String::from("spec a 1-1\n package a: conflicts b\nspec b 1-1\n");
    for number in 0..40 {
        text.push_str(&format!("spec x{number} 1-1\n needs a, b\n"));
    }
    let found = problems(&graph(&text), &text);
    assert_eq!(found.len(), 40);
    assert_eq!(found.iter().filter(|one| one.contains("a-1-1.x86_64 conflicts with `b`")).count(), 5);
}

#[test]
fn what_an_earlier_version_required_and_nothing_has_is_forgotten() {
    let mut inputs = inputs("spec x 1-1\n needs z\nspec z 2-1\nspec lib 1-1\n");
    let mut built = inputs.specs[1].packages[0].package.clone();
    built.nevra = "z-1-1.x86_64".parse().unwrap();
    built.source_rpm = Some("z-1-1.src.rpm".to_owned());
    built.requires = ["gone.so.1", "lib"].map(|name| Dependency::new(name, "", Sense::FIND_REQUIRES)).to_vec();
    inputs.lock.learn([&built]);
    let graph = BuildGraph::new(inputs);
    assert!(graph.is_good(), "{:?}", graph.diagnostics());
    assert_eq!(root(&graph, "x"), "lib z");
}

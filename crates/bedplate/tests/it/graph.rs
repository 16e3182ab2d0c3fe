//! `bedplate graph`, `why` and `plan`.

use serde_json::Value;

use crate::support::TestEnv;

const SEED: &str = "version = 1\nname = \"seed\"\n[groups.tools.packages]\ngcc = [\"gcc = 14\"]\nmake = [\"make\"]\ncmake = [\"cmake\"]\n";

/// A world of three specs: `app` needs `zlib`, `cmake` and `zlib` need each other.
fn world() -> TestEnv {
    let env = TestEnv::new();
    let spec = |name: &str, needs: &str, rest: &str| {
        format!(
            "Name: {name}\nVersion: 1.0\nRelease: 1\nSummary: s\nLicense: MIT\nSource0: https://example.org/{name}-1.0.tar.gz\n\
             {needs}%description\nd\n{rest}%files\n/usr/bin/{name}\n"
        )
    };
    let devel = "%package devel\nSummary: s\nRequires: zlib = %{version}\n%description devel\nd\n%files devel\n/usr/lib64/pkgconfig/zlib.pc\n";
    env.write("specs/zlib/zlib.spec", spec("zlib", "BuildRequires: gcc, cmake\n", devel));
    env.write("specs/cmake/cmake.spec", spec("cmake", "BuildRequires: gcc\nBuildRequires: pkgconfig(zlib)\n", ""));
    let check = "%if %{with check}\n%check\nmake check\n%endif\n";
    let needs =
        "%bcond_without check\nBuildRequires: make, pkgconfig(zlib)\n%if %{with check}\nBuildRequires: cmake\n%endif\n";
    env.write("specs/app/app.spec", spec("app", needs, check));
    env.write("seed.toml", SEED);
    env.write(
        "specs/durations.jsonl",
        "{\"source\":\"zlib\",\"build\":90}\n{\"source\":\"app\",\"build\":30,\"check\":10}\n",
    );
    env
}

fn arguments<'a>(first: &[&'a str]) -> Vec<&'a str> {
    first.iter().copied().chain(["--seed", "seed.toml", "-j", "2"]).collect()
}

#[test]
fn the_graph_of_a_good_world_is_text_json_and_drawings() {
    let env = world();
    let text = env.run(&arguments(&["graph"])).exits(0);
    assert_eq!(text.stderr, "");
    // zlib's `cmake` is cut: the other way would be to have zlib in the seed.
    let want = "3 specs: 3 builds and 1 check in 3 waves\n\
        time: 3:10 of work, about 2:40 with 2 at a time, at least 2:40 (the critical path); 1 of 4 durations are defaults\n\n\
        wave 1 (1):\n  zlib\n\nwave 2 (2):\n  app  cmake\n\nwave 3 (1):\n  app (check)\n\n\
        critical path:\n      1:30  zlib\n      1:00  cmake (not recorded: a default)\n      0:10  app (check)\n\n\
        1 cycle group of builds (`bedplate graph --cycles` shows them)\n";
    assert_eq!(text.stdout, want);
    let cycles = env.run(&arguments(&["graph", "--cycles"])).exits(0).stdout;
    let want = "group 1 of 1: 2 builds wait for each other\n  cmake  zlib\n\n  cycle: zlib → cmake → zlib\n    \
        specs/zlib/zlib.spec:7:21: zlib build-requires `cmake`: cmake of specs/cmake/cmake.spec\n    \
        specs/cmake/cmake.spec:8:16: cmake build-requires `pkgconfig(zlib)`: zlib-devel of specs/zlib/zlib.spec (a guess)\n    \
        cut: `cmake` is met by cmake (seed, group tools)\n\n  the cut has 1 requirement; no smaller cut exists\n";
    assert_eq!(cycles, want);
    let json: Value = serde_json::from_str(&env.run(&arguments(&["graph", "--json"])).exits(0).stdout).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["good"], true);
    let app = json["nodes"].as_array().unwrap().iter().find(|node| node["id"] == "app").unwrap();
    assert_eq!(app["needs"], serde_json::json!(["zlib"]));
    assert_eq!(app["requires"][1]["place"], "specs/app/app.spec:8:22");
    assert_eq!(app["requires"][1]["guess"], true);
    let dot = env.run(&arguments(&["graph", "--dot"])).exits(0).stdout;
    assert!(dot.starts_with("digraph"), "{dot}");
    env.run(&arguments(&["graph", "--svg", "-o", "graph.svg"])).exits(0).prints("");
    let svg = std::fs::read_to_string(env.path().join("graph.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("app (check)"), "{svg}");
    let near = env.run(&arguments(&["graph", "--focus", "zlib-devel", "--depth", "1"])).exits(0).stdout;
    assert!(near.starts_with("3 specs"), "{near}");
    let near = env.run(&arguments(&["graph", "--focus", "app"])).exits(0).stdout;
    assert!(near.starts_with("2 specs"), "{near}");
}

#[test]
fn why_gives_the_chain_and_what_follows_a_change() {
    let env = world();
    let chain = env.run(&arguments(&["why", "app", "zlib"])).exits(0).stdout;
    let want = "`zlib` is in the build root of `app`:\n  specs/app/app.spec:8:22: app build-requires `pkgconfig(zlib)`: zlib-devel of specs/zlib/zlib.spec (a guess)\n";
    assert_eq!(chain, want);
    let chain = env.run(&arguments(&["why", "--json", "zlib-devel", "zlib-1.0-1.x86_64"])).exits(0);
    let json: Value = serde_json::from_str(&chain.stdout).unwrap();
    assert_eq!(json["chain"][0]["capability"], "zlib = 1.0");
    env.run(&arguments(&["why", "zlib", "app"]))
        .exits(0)
        .prints("`app` is not in the build root or the packages of `zlib`\n");
    let alone = env.run(&arguments(&["why", "zlib"])).exits(0).stdout;
    let want = "zlib 1.0-1 (specs/zlib/zlib.spec): to be built in wave 1, after 0 builds\n  asked for by 2 builds\n";
    assert!(alone.starts_with(want), "{alone}");
    assert!(alone.ends_with("  if it changes, 2 builds may have to run again\n    app  cmake\n"), "{alone}");
    env.run(&arguments(&["why", "zlbi"])).exits(2).says("did you mean `zlib`?");
}

#[test]
fn plan_says_what_would_be_done() {
    let env = world();
    env.write("specs/app/app-1.0.tar.gz", "");
    let json: Value = serde_json::from_str(&env.run(&arguments(&["plan", "--json", "app"])).exits(0).stdout).unwrap();
    let names = |wave: &Value| {
        wave.as_array().unwrap().iter().map(|step| step["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let waves: Vec<Vec<String>> = json["waves"].as_array().unwrap().iter().map(names).collect();
    assert_eq!(waves, [vec!["zlib"], vec!["app", "cmake"], vec!["app (check)"]]);
    let files: Vec<&str> = json["fetch"].as_array().unwrap().iter().map(|one| one["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["zlib-1.0.tar.gz", "cmake-1.0.tar.gz"]);
    assert_eq!(json["seed"]["cuts"][0]["for"], "zlib");
    let text = env.run(&arguments(&["plan", "app", "--no-check"])).exits(0).stdout;
    assert!(text.contains("2 builds and 0 checks in 2 waves, 1 file to fetch, 0 specs taken as built\n"), "{text}");
    env.run(&arguments(&["plan", "nothing", "ap"])).exits(2).says("`nothing`").says("`ap`");
}

#[test]
fn all_mistakes_are_reported_and_the_rest_is_planned() {
    let env = world();
    env.write("specs/bad.spec", "Name: bad\nVersion: 1\nBuildRequires: (a\n");
    let lonely = "Name: lonely\nVersion: 1\nRelease: 1\nSummary: s\nLicense: l\nBuildRequires: mkae, pkgconfig(zlbi)\n%description\nd\n%files\n";
    env.write("specs/lonely.spec", lonely);
    let sad = "Name: glad\nVersion: 1\nRelease: 1\nSummary: s\nLicense: l\n%description\nd\n%package -n sad\nSummary: s\nRequires: nothing\n\
               %description -n sad\nd\n%files\n%files -n sad\n";
    env.write("specs/glad.spec", sad);
    let answer = env.run(&arguments(&["graph"])).exits(2);
    for text in [
        "warning[uninstallable-package]: nothing provides `nothing`",
        "unterminated rich dependency",
        "nothing provides `mkae`\n --> specs/lonely.spec:6:16",
        "did you mean `make`?",
        "nothing provides `pkgconfig(zlbi)`\n --> specs/lonely.spec:6:22",
        "did you mean `pkgconfig(zlib)`?",
    ] {
        assert!(answer.stderr.contains(text), "`{text}` is not in:\n{}", answer.stderr);
    }
    assert!(answer.stdout.starts_with("5 specs: 4 builds and 1 check in 3 waves, 1 blocked\n"), "{}", answer.stdout);
    let why = env.run(&arguments(&["why", "sad"])).exits(0).stdout;
    let want = "`sad` is provided by sad-1-1.x86_64\n  it cannot be installed:\n    `sad-1-1.x86_64` is asked for\n      \
        sad-1-1.x86_64 requires `nothing`\n        nothing provides `nothing`\n";
    assert!(why.starts_with(want), "{why}");
    // A target that has nothing to do with it is good.
    env.run(&arguments(&["plan", "app"])).exits(0);
    env.run(&arguments(&["plan", "lonely"])).exits(2).says("nothing provides `mkae`");
    let json: Value = serde_json::from_str(&env.run(&arguments(&["why", "--json", "lonely"])).exits(0).stdout).unwrap();
    assert_eq!(json["specs"][0]["problems"].as_array().unwrap().len(), 2);
}

#[test]
fn a_cycle_that_the_seed_cannot_cut_is_an_error_with_its_way() {
    let env = world();
    env.write("seed.toml", SEED.replace("cmake", "ninja"));
    let answer = env.run(&arguments(&["plan"])).exits(2);
    let answer = answer.says("error[uncut-cycle]: builds wait for each other: cmake → zlib → cmake");
    answer
        .says("specs/cmake/cmake.spec:8:16")
        .says("specs/zlib/zlib.spec:7:21")
        .says("neither the seed nor a repository provides");
}

#[test]
fn files_that_are_wrong_or_missing_are_named() {
    let env = world();
    env.write(
        "seed.toml",
        "version = 1\nnmae = 1\n[groups.a]\nneeds = [\"b\"]\nprefer = \"mine\"\n[groups.a.packages]\nx = [\"a ~ b\"]\n",
    );
    let answer = env.run(&arguments(&["graph"])).exits(2);
    for text in
        ["unknown key `nmae`", "there is no group `b`", "`prefer` is one of `seed`, `ours`", "`a ~ b` is no capability"]
    {
        assert!(answer.stderr.contains(text), "`{text}` is not in:\n{}", answer.stderr);
    }
    env.run(&["graph", "--seed", "nowhere.toml"]).exits(3).says("cannot read nowhere.toml");
    env.run(&["graph", "--specs", "nowhere", "--specs", "neither"])
        .exits(2)
        .says("no such file or folder: nowhere, neither");
    std::os::unix::fs::symlink("/nonexistent", env.path().join("specs/gone.spec")).unwrap();
    env.write("seed.toml", SEED);
    let answer = env.run(&arguments(&["graph"])).exits(2).says("unable to open specs/gone.spec");
    assert!(!answer.stderr.contains("macros:1"), "{}", answer.stderr);
    std::fs::remove_file(env.path().join("specs/gone.spec")).unwrap();
    env.write("specs/durations.jsonl", "{\"source\": 3}\n");
    env.write("seed.toml", SEED);
    env.run(&arguments(&["plan"])).exits(2).says("specs/durations.jsonl:1:1");
    env.write("specs/durations.jsonl", "");
    env.write("specs/capabilities.lock", "version = 9\n");
    env.run(&arguments(&["plan"])).exits(2).says("this program reads version 1");
}

#[test]
fn what_only_a_check_needs_is_no_matter_of_the_build() {
    let env = world();
    let spec = std::fs::read_to_string(env.path().join("specs/app/app.spec")).unwrap();
    env.write("specs/app/app.spec", spec.replace("BuildRequires: cmake", "BuildRequires: nowhere"));
    let answer = env.run(&arguments(&["plan", "app"])).exits(2).says("app build-requires it for its check");
    assert!(
        answer.stdout.contains("build  app") && answer.stdout.contains("blocked: app (check)"),
        "{}",
        answer.stdout
    );
    env.run(&arguments(&["plan", "app", "--no-check"])).exits(0);
    env.run(&arguments(&["plan", "--no-check"])).exits(0);
}

#[test]
fn why_follows_packages_too_and_every_blocked_build_has_its_reason() {
    let env = world();
    env.write("seed.toml", SEED.replace("make = [\"make\"]", "make = [\"make\"]\nsh = [\"/bin/sh\"]"));
    let spec = |name: &str, more: &str| {
        format!("Name: {name}\nVersion: 1\nRelease: 1\nSummary: s\nLicense: l\n{more}%description\nd\n%files\n")
    };
    env.write("specs/one.spec", spec("one", "Requires: two\n"));
    env.write("specs/two.spec", spec("two", "Requires: three\n"));
    env.write("specs/three.spec", spec("three", ""));
    let chain = env.run(&arguments(&["why", "one", "three"])).exits(0).stdout;
    assert!(chain.starts_with("`three` is in what is installed with a package of `one`:\n"), "{chain}");
    assert_eq!(chain.lines().count(), 3, "{chain}");
    // Nine that ask for the same: the diagnostic names five places, and is about all.
    for number in 1..10 {
        env.write(&format!("specs/n{number}.spec"), spec(&format!("n{number}"), "BuildRequires: missing-thing\n"));
    }
    for name in ["n1", "n9"] {
        env.run(&arguments(&["plan", name])).exits(2).says("nothing provides `missing-thing`");
        env.run(&arguments(&["why", name])).exits(0).says("nothing provides `missing-thing`");
    }
}

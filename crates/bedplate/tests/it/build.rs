//! Builds, from specs to packages in a repository, with the real seed in the real sandbox.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::build_world::{World, chain_of_specs, repository, spec, world_with_its_own_store};
use crate::support::PROGRAM;

/// A library of data and a program that is built from it.
fn two_specs(world: &World) {
    let install = "cp %{SOURCE0} %{buildroot}/usr/share/lib/data";
    world.add("lib", &spec("lib", "Source0: data.txt\n", "true", install, "grep -q . %{SOURCE0}"));
    world.env.write("specs/lib/data.txt", "one\n");
    let install = "sed s/^/app:/ /usr/share/lib/data > %{buildroot}/usr/share/app/data";
    world.add("app", &spec("app", "BuildRequires: lib\n", "test -s /usr/share/lib/data", install, ""));
}

#[test]
fn only_what_a_change_reaches_is_built_again() {
    let world = World::new();
    two_specs(&world);
    // The content is of this test alone: nothing of it is in the store.
    let own = world.env.path().display().to_string();
    world.env.write("specs/lib/data.txt", &own);
    world.build(&["--all"]).exits(0);
    world.assert_ended(&[("build app", "done"), ("build lib", "done"), ("check lib", "done")]);
    let out = world.env.path().join("out/repository");
    assert!(out.join("os/repodata/repomd.xml").is_file() && out.join("os/repodata/repomd.xml.asc").is_file());

    let nothing = [("build app", "cached"), ("build lib", "cached"), ("check lib", "cached")];
    world.build(&["--all"]).exits(0);
    world.assert_ended(&nothing);
    for file in ["specs/lib/lib.spec", "specs/app/app.spec", "specs/lib/data.txt"] {
        let text = std::fs::read(world.env.path().join(file)).unwrap();
        world.env.write(file, text);
    }
    world.build(&["--all"]).exits(0);
    world.assert_ended(&nothing);

    // A comment between tags is in the source package, and nowhere else.
    let text = std::fs::read_to_string(world.env.path().join("specs/lib/lib.spec")).unwrap();
    world.add("lib", &format!("# {own}\n{text}"));
    world.build(&["--all"]).exits(0);
    world.assert_ended(&[("build app", "cached"), ("build lib", "done"), ("check lib", "cached")]);

    // Another script that makes the same: the library is built, and what needs it is not.
    let text = text.replace("%build\ntrue\n", &format!("%build\n: {own}\n"));
    world.add("lib", &text);
    let why = world.env.answer(world.command(&["why-rebuild"])).exits(0);
    assert!(why.stdout.contains("lib: would be built, because\n  spec changed: "), "{}", why.stdout);
    assert!(
        why.stdout.contains("app: would be built, because\n  lib is built first, and may change\n"),
        "{}",
        why.stdout
    );
    world.build(&["--all"]).exits(0);
    world.assert_ended(&[("build app", "cached"), ("build lib", "done"), ("check lib", "done")]);

    // Another source: both.
    world.env.write("specs/lib/data.txt", format!("{own} 2"));
    let why = world.env.answer(world.command(&["why-rebuild", "lib"])).exits(0);
    assert!(why.stdout.contains("  source data.txt changed: "), "{}", why.stdout);
    world.build(&["--all"]).exits(0);
    world.assert_ended(&[("build app", "done"), ("build lib", "done"), ("check lib", "done")]);
    let why = world.env.answer(world.command(&["why-rebuild"])).exits(0);
    assert!(
        why.stdout.contains("app: up to date; it was last built because\n  package lib-1.0-1.noarch changed: "),
        "{}",
        why.stdout
    );
}

/// What a spec does that a build must not, and what the report of its failure says.
fn violations(outside: &Path) -> Vec<(&'static str, String, &'static str)> {
    let outside = outside.display();
    vec![
        ("tcp", "exec 3<>/dev/tcp/192.0.2.1/80".to_owned(), "tried to reach 192.0.2.1 port 80 over TCP"),
        ("udp", "echo x > /dev/udp/192.0.2.1/9".to_owned(), "tried to reach 192.0.2.1 port 9 over UDP"),
        (
            "dns",
            "echo x > /dev/udp/192.0.2.1/53".to_owned(),
            "tried to look up a name by DNS (server 192.0.2.1 port 53)",
        ),
        (
            "host-file",
            format!("cat {outside}/secret"),
            "exists on this machine, but a build sees only its declared inputs",
        ),
        (
            "outside",
            "touch /usr/bin/evil".to_owned(),
            "`/usr/bin/evil`: a build may write only below /build, /tmp and /var/tmp",
        ),
        ("tool", "gcc --version".to_owned(), "`/usr/bin/gcc` is not in the build root: gcc (seed, group c) has it"),
        (
            "other-build",
            format!("cat {outside}/store/work"),
            "exists on this machine, but a build sees only its declared inputs",
        ),
        ("fork-bomb", "for i in $(seq 2000); do sleep 100 & done; wait".to_owned(), "processes"),
        ("disk", "dd if=/dev/zero of=big bs=1M count=500".to_owned(), "disk"),
        ("endless", "while :; do sleep 1; done".to_owned(), "30 s"),
    ]
}

#[test]
fn what_a_build_must_not_do_fails_and_is_named() {
    let world = World::new();
    world.env.write("secret", "secret\n");
    world.env.write("store/work", "another build\n");
    let all = violations(world.env.path());
    for (name, script, _) in &all {
        world.add(&format!("{name}-build"), &spec(&format!("{name}-build"), "", script, "", ""));
        world.add(&format!("{name}-check"), &spec(&format!("{name}-check"), "", "true", "", script));
    }
    let limits = ["--timeout", "30s", "--max-disk", "100M", "--max-processes", "200"];
    let answer = world.build(&[&["--all", "--keep-going", "-j", "4"], limits.as_slice()].concat()).exits(1);
    let report: BTreeMap<&str, &str> = answer
        .stderr
        .split("\nerror: ")
        .skip(1)
        .filter_map(|block| block.split_once(':'))
        .map(|(name, text)| (name.split(' ').next().unwrap(), text))
        .collect();
    for (name, _, said) in &all {
        for kind in ["build", "check"] {
            let name = format!("{name}-{kind}");
            let block = report.get(name.as_str()).unwrap_or_else(|| panic!("{name} did not fail:\n{}", answer.stderr));
            assert!(block.contains(said), "{name} does not say `{said}`:\n{block}");
        }
    }
    // A check that fails leaves the packages alone.
    assert!(["done", "cached"].contains(&world.ended()["build tcp-check"].as_str()));
}

#[test]
fn requirements_that_a_build_generates_are_built_first() {
    let world = World::new();
    let own = world.env.path().display().to_string();
    let generating = spec("user", "", &format!(": {own}; test -d /usr/share/second"), "", "").replace(
        "%build",
        "%generate_buildrequires\necho first\nif test -d /usr/share/first; then echo second; fi\n%build",
    );
    world.add("user", &generating);
    world.add("first", &spec("first", "", "true", "", ""));
    world.add("second", &spec("second", "", "true", "", ""));
    world.build(&["user"]).exits(0);
    let ended = world.ended();
    assert_eq!((ended["build user"].as_str(), ended.contains_key("build second")), ("done", true), "{ended:?}");
}

#[test]
fn a_failed_build_says_where_it_stopped_and_can_be_looked_at() {
    let world = World::new();
    world.add("broken", &spec("broken", "", "echo state > left\nfalse", "", ""));
    let answer = world.build(&["broken"]).exits(1).says("error: broken: %build: rpmbuild ended with status 1");
    assert!(answer.stderr.contains("out/logs/broken.log"), "{}", answer.stderr);
    let mut shell = world.command(&["shell", "broken"]);
    shell.args(["--", "cat", "/build/BUILD/broken-1.0-build/left"]);
    let answer = world.env.answer(shell).exits(0);
    assert!(answer.stdout.contains("state"), "{answer:?}");
    assert!(PROGRAM.ends_with("bedplate"));
}

#[test]
fn mistakes_are_told_before_anything_starts() {
    let world = World::new();
    world.add("a", &spec("a", "BuildRequires: nowhere\nSource0: missing.txt\n", "true", "", ""));
    let answer = world.build(&["--all"]).exits(2).says("`missing.txt` is neither in");
    assert!(!answer.stderr.contains("started"), "{}", answer.stderr);
    world.env.write("specs/a/missing.txt", "x");
    world.build(&["--all"]).exits(2).says("`nowhere`");
}

#[test]
fn a_killed_build_goes_on_and_leaves_nothing() {
    let world = world_with_its_own_store();
    chain_of_specs(&world, &world.env.path().display().to_string());
    // Moments that differ from run to run, as far as machines do.
    let mut moment = std::process::id();
    for _ in 0..6 {
        moment = moment.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mut child =
            world.command(&["build", "--all", "-j", "2", "--key", "key.asc"]).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(u64::from(moment % 4000)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    world.build(&["--all"]).exits(0);
    world.build(&["--all"]).exits(0);
    assert!(world.ended().values().all(|state| state == "cached"), "{:?}", world.ended());
    world.env.answer(world.command_of(&["store", "verify"])).exits(0);
    let left: Vec<_> =
        std::fs::read_dir(world.store.join("work")).unwrap().flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "{left:?}");
    let own = world.env.path().display().to_string();
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let text = |name: &str| std::fs::read(process.path().join(name)).unwrap_or_default();
        for name in ["cmdline", "mountinfo"] {
            let text = String::from_utf8_lossy(&text(name)).into_owned();
            assert!(!text.contains(&own), "{}: {text}", process.path().display());
        }
    }
}

#[test]
fn two_builds_at_once_share_a_store() {
    let world = World::new();
    chain_of_specs(&world, &format!("at once {}", world.env.path().display()));
    let start = |out: &str| {
        let mut command = world.command(&["build", "--all", "--key", "key.asc", "-o", out]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both = [start("one"), start("two")];
    for child in both {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let (one, two) = (repository(&world.env.path().join("one")), repository(&world.env.path().join("two")));
    assert!(one == two && one.len() > 8, "{:?}", one.keys());
}

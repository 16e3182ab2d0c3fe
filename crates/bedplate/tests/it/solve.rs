//! `bedplate solve`: arguments, output and exit codes; what is right is tested in `bedplate-solve`.

use serde_json::{Value, json};

use crate::support::TestEnv;

/// A base in two repositories.
fn base() -> TestEnv {
    let env = TestEnv::new();
    let package = |nevra: &str, provides: &[&str], requires: &[&str]| json!({"nevra": nevra, "provides": provides, "requires": requires});
    let problem = json!({
        "version": 1,
        "repositories": [
            {"name": "base", "priority": 99, "packages": [
                package("app-1-1.x86_64", &["app = 1-1"], &["lib >= 2"]),
                package("lib-2-1.x86_64", &["lib = 2-1"], &[]),
                package("lib-3-1.x86_64", &["lib = 3-1"], &[]),
                package("old-1-1.x86_64", &["old = 1-1"], &["lib < 2"]),
            ]},
            {"name": "extra", "priority": 50, "packages": [package("lib-2-2.x86_64", &["lib = 2-2"], &[])]},
        ],
        "request": {"install": ["app"], "architectures": ["x86_64", "noarch"]},
    });
    env.write("problem.json", problem.to_string());
    env
}

/// The names of the packages of an answer in JSON.
fn names(answer: &crate::support::Answer) -> Vec<String> {
    let packages = answer.json()[0]["packages"].as_array().unwrap().clone();
    packages.iter().map(|one| one["nevra"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn packages_are_printed_with_their_reasons() {
    let answer = base().run(&["solve", "--replay", "problem.json", "--check"]).exits(0);
    let answer = answer
        .prints("app-1-1.x86_64\tbase\tasked for as app\nlib-2-2.x86_64\textra\tapp-1-1.x86_64 requires lib >= 2\n");
    answer.says("2 packages");
    let json = base().run(&["solve", "--replay", "problem.json", "--json"]).exits(0).json();
    let why = json!({"kind": "required", "by": "app-1-1.x86_64", "capability": "lib >= 2"});
    assert_eq!(json[0]["packages"][1], json!({"nevra": "lib-2-2.x86_64", "repository": "extra", "why": why}));
}

#[test]
fn options_change_the_answer() {
    let env = base();
    for (arguments, want) in [
        (&["--priority", "extra=100"][..], ["app-1-1.x86_64", "lib-3-1.x86_64"].as_slice()),
        (&["--exclude", "lib-2-2.*", "--exclude", "lib-3*"], &["app-1-1.x86_64", "lib-2-1.x86_64"]),
        (&["lib = 2-1", "lib > 2-2", "--multi-version", "lib"], &["lib-3-1.x86_64", "lib-2-1.x86_64"]),
        (&["(lib without lib < 3)"], &["lib-3-1.x86_64"]),
    ] {
        let answer =
            env.run(&[&["solve", "--replay", "problem.json", "--json", "--check"], arguments].concat()).exits(0);
        assert_eq!(names(&answer), want, "{arguments:?}");
    }
}

#[test]
fn a_lock_is_written_and_kept() {
    let env = base();
    let arguments = ["solve", "--replay", "problem.json", "--priority", "extra=100", "--json"];
    env.run(&[&arguments[..], &["--write-lock", "image.lock"]].concat()).exits(0);
    let answer = env.run(&["solve", "--replay", "problem.json", "--lock", "image.lock", "--json"]).exits(0);
    assert_eq!(names(&answer), ["app-1-1.x86_64", "lib-3-1.x86_64"]);
    env.write("bad.lock", "version = 1\n[[package]]\nnevra = \"x\"\nrepo = \"y\"\n");
    let answer = env.run(&["solve", "--replay", "problem.json", "--lock", "bad.lock"]).exits(2);
    answer.says("bad.lock:3:9").says("unknown key `repo`").says("bad.lock is not a lock");
    env.write(
        "gone.lock",
        "version = 1\n[[package]]\nnevra = \"lib-1-1.x86_64\"\n[[package]]\nnevra = \"z-1-1.x86_64\"\n",
    );
    let answer = env.run(&["solve", "--replay", "problem.json", "--lock", "gone.lock"]).exits(2);
    answer.says("lib-1-1.x86_64 is in the lock").says("there is lib-3-1.x86_64").says("z-1-1.x86_64 is in the lock");
}

#[test]
fn a_failure_is_a_tree_and_can_be_replayed() {
    let env = base();
    let arguments = ["solve", "--replay", "problem.json", "old", "ap", "--dump-problem", "small.json"];
    let answer = env.run(&arguments).exits(2);
    let tree = "`old` is asked for\n         old-1-1.x86_64 requires `lib < 2`\n           nothing provides `lib < 2`; there is lib-2-1.x86_64";
    let first = answer.says(tree).says("`ap` is asked for");
    assert_eq!(env.run(&["solve", "--replay", "small.json"]).exits(2).stderr, first.stderr);
    let json: Value = env.run(&["solve", "--replay", "small.json", "--json"]).exits(2).json()[0].clone();
    assert_eq!(json["solvable"], false);
    assert_eq!(json["problems"][1]["because"][0]["what"]["kind"], "requires");
}

#[test]
fn bad_arguments_and_files_say_what_is_wrong() {
    let env = base();
    env.write("no.json", "{");
    let duplicate = std::fs::read_to_string(env.path().join("problem.json")).unwrap().replace("lib-2-2", "lib-3-1");
    env.write("duplicate.json", &duplicate);
    for (arguments, code, text) in [
        (&["problem.json", "a ~ 2", "(b or"][..], 2, "`(b or` is not a dependency"),
        (&["problem.json", "a ~ 2", "(b or"], 2, "`~` is not a relation"),
        (&["problem.json", "--priority", "extra"], 2, "not of the form NAME=NUMBER"),
        (&["problem.json", "--priority", "extr=1"], 2, "there is base, extra"),
        (&["duplicate.json", "--priority", "extra=99"], 2, "lib-3-1.x86_64: base, extra"),
        (&["no.json"], 2, "no.json: not a problem of the solver"),
        (&["missing.json"], 3, "cannot read missing.json"),
        (&["problem.json", "--lock", "missing.lock"], 3, "cannot read missing.lock"),
        (&["problem.json", "--write-lock", "no/such/folder"], 3, "cannot write no/such/folder"),
    ] {
        env.run(&[&["solve", "--replay"], arguments].concat()).exits(code).says(text);
    }
}

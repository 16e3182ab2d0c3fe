//! `bedplate source`: what a user sees. How files are fetched is tested in `bedplate-source`.

use crate::support::{TAGS, TestEnv};

/// SHA-256 of `content\n`.
const HASH: &str = "434728a410a78f56fc1b5899c3593436e61ab0c731e9072d95e96db290205e53";

fn spec(name: &str, files: &str) -> String {
    format!("Name: {name}\n{TAGS}{files}%description\nText.\n%files\n")
}

fn entry(name: &str, hash: &str) -> String {
    format!("[[file]]\nname = \"{name}\"\nsha256 = \"{hash}\"\nsize = 8\nurls = [\"http://127.0.0.1:1/{name}\"]\n")
}

/// A folder with two good specs, `a` with a file of a lookaside and a patch, and `b` without sources.
fn env() -> TestEnv {
    let env = TestEnv::new();
    env.write("specs/a/a.spec", spec("a", "Source0: http://127.0.0.1:1/a-%{version}.tar.gz\nPatch0: fix.patch\n"));
    env.write("specs/a/a.sources.toml", format!("version = 1\n# ours\n{}", entry("a-1.0.tar.gz", HASH)));
    env.write("specs/a/fix.patch", "");
    env.write("specs/b/b.spec", spec("b", ""));
    env.write("lookaside/a/a-1.0.tar.gz", "content\n");
    env
}

#[test]
fn files_are_fetched_verified_and_listed() {
    let env = env();
    env.run(&["source", "verify"])
        .exits(2)
        .says("error[source-not-stored]: `a-1.0.tar.gz` of a is neither in the store");
    let fetch = ["source", "fetch", "--offline", "--lookaside", "lookaside"];
    env.run(&fetch)
        .exits(0)
        .prints("")
        .says("a: a-1.0.tar.gz: 8 B of lookaside/a/a-1.0.tar.gz\n")
        .says("2 files there, 1 of them fetched now (8 B)\n");
    // What is in the store is not looked for anywhere.
    env.run(&["source", "fetch"]).exits(0).says("2 files there, 0 of them fetched now");
    env.run(&["source", "verify"]).exits(0).says("1 pinned file of 2 specs: all are there and right\n");
    env.run(&["source", "list", "a"]).exits(0).prints(
        "a  a-1.0.tar.gz         8 B  stored   http://127.0.0.1:1/a-1.0.tar.gz\n\
         a  fix.patch            0 B  here     the folder of the spec\n",
    );
    let answer = env.run(&["source", "list", "--json"]).exits(0);
    let rows: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(
        (&rows[0]["sha256"], &rows[0]["state"], &rows[1]["state"]),
        (&HASH.into(), &"stored".into(), &"here".into())
    );
}

#[test]
fn what_cannot_be_had_decides_the_exit_code() {
    let env = env();
    // Nothing is here, and nobody answers: the machine's fault.
    env.run(&["source", "fetch", "--offline"])
        .exits(3)
        .says("error[source-offline]")
        .says("--> specs/a/a.sources.toml:4:8");
    env.run(&["source", "fetch"]).exits(3).says("error[source-unreachable]").says("1 file could not be had");
    // Wrong bytes are the list's, or the place's.
    env.write("lookaside/a-1.0.tar.gz", "kontent\n");
    std::fs::remove_file(env.path().join("lookaside/a/a-1.0.tar.gz")).unwrap();
    env.run(&["source", "fetch", "--lookaside", "lookaside"])
        .exits(3)
        .says("error[wrong-source]: `a-1.0.tar.gz` of a: no place has the pinned bytes")
        .says(&format!("lookaside/a-1.0.tar.gz: wrong bytes: its SHA-256 should be {HASH} and is "));
    let list = format!("version = 1\n{}", entry("a-1.0.tar.gz", HASH))
        .replace("urls = [\"http://127.0.0.1:1/a-1.0.tar.gz\"]", "go = { lock = \"a.go.lock\" }");
    env.write("specs/a/a.sources.toml", list);
    env.write("specs/a/a.go.lock", "version = 1\nsuits = 3\n");
    env.run(&["source", "fetch", "--lookaside", "lookaside"])
        .exits(2)
        .says("a.go.lock has mistakes: unknown key `suits`");
    env.run(&["source", "fetch", "--lookaside", "ftp://host/"]).exits(2).says("`ftp` is not supported");
}

#[test]
fn all_that_does_not_fit_is_said_before_anything_is_done() {
    let env = env();
    env.write("specs/a/a.sources.toml", format!("version = 1\n{}", entry("old.tar.gz", HASH)));
    env.write("specs/b/b.sources.toml", "version = 1\nfil = 1\n");
    env.write("specs/c/c.spec", "Name: c\n");
    env.run(&["source", "fetch", "--lookaside", "lookaside"])
        .exits(2)
        .says("error[missing-source]: `a-1.0.tar.gz` is neither in specs/a nor in specs/a/a.sources.toml\n --> specs/a/a.spec:6:1")
        .says("error[extra-source]: `old.tar.gz` is pinned, and no Source or Patch of the spec names it\n --> specs/a/a.sources.toml:3:8")
        .says("error[unknown-key]: unknown key `fil`\n --> specs/b/b.sources.toml:2:1")
        .says("specs/c/c.spec:1")
        .says("nothing was done: 4 errors\n");
    env.run(&["source", "fetch", "bb", "x"])
        .exits(2)
        .says("no spec is called `bb`; did you mean `b`?")
        .says("no spec is called `x`");
    env.run(&["source", "list", "--specs", "nowhere"]).exits(2).says("no such file or folder: nowhere");
    env.run(&["source", "bundle-go", "a"]).exits(2).says("there is no specs/a/a.go.lock").says("`--source` names");
}

#[test]
fn a_list_is_not_touched_if_its_file_cannot_be_had() {
    let env = env();
    let before = std::fs::read_to_string(env.path().join("specs/a/a.sources.toml")).unwrap();
    env.run(&["source", "update", "a"]).exits(3).says("1 file could not be had; their lists are as they were");
    assert_eq!(std::fs::read_to_string(env.path().join("specs/a/a.sources.toml")).unwrap(), before);
    env.run(&["source", "update"]).exits(2).says("required arguments were not provided");
}

#[test]
fn specs_are_read_with_the_macros_of_the_distribution() {
    let env = TestEnv::new();
    env.write("specs/a/a.spec", spec("a", "Source0: %{our_file}-%{gsub 1.0 %. _}.txt\n"));
    env.write("specs/a/odd-1_0.txt", "x");
    env.write("policy/macros.ours", "%our_file odd\n");
    env.run(&["source", "list", "--policy", "policy"])
        .exits(0)
        .prints("a  odd-1_0.txt         1 B  here     the folder of the spec\n");
}

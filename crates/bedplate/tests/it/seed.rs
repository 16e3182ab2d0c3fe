//! `bedplate seed`: what needs no mirror. The making of roots is tested in `bedplate-seed`.

use crate::support::TestEnv;

const SEED: &str = "name = \"debian-trixie\"\n[groups.small]\ndescription = \"Few\"\n[groups.small.packages]\n\
                    a = [\"a = 1.0\", \"a-devel = 2.0\"]\n";

fn lock(names: &[&str]) -> String {
    let digest = "ab".repeat(32);
    let package = |name: &&str| {
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"1:1.0-1\"\narchitecture = \"amd64\"\nsuite = \"trixie\"\n\
             path = \"pool/{name}.deb\"\nsha256 = \"{digest}\"\nsize = 2048\ndepends = []\n"
        )
    };
    let packages: String = names.iter().map(package).collect();
    format!("version = 1\nname = \"debian-trixie\"\n{packages}")
}

fn world(seed: &str, lock: Option<&str>) -> TestEnv {
    let env = TestEnv::new();
    env.write("seed.toml", seed);
    if let Some(lock) = lock {
        env.write("seed.lock", lock);
    }
    env
}

const ARGUMENTS: [&str; 4] = ["--seed", "seed.toml", "--store", "store"];

#[test]
fn packages_are_listed_and_versions_that_differ_are_told() {
    let env = world(SEED, Some(&lock(&["a", "base-files"])));
    let run = |first: &[&str]| env.run(&[first, &ARGUMENTS].concat());
    let listed = run(&["seed", "list"]).exits(0).says("warning[seed-version]").says("seed.toml:5");
    assert!(listed.stdout.starts_with("small: Few (2 packages, 4.0 KiB)\n  a "), "{}", listed.stdout);
    let json: serde_json::Value = serde_json::from_str(&run(&["seed", "list", "--json"]).exits(0).stdout).unwrap();
    assert_eq!(json["groups"][0]["packages"][0]["stored"], false);
    assert_eq!(json["groups"][0]["root_packages"], 2);
    run(&["seed", "verify"]).exits(0).says("2 packages: 0 in the store, 2 not yet, 0 damaged");
    run(&["seed", "create", "smal"]).exits(2).says("the seed has no group `smal`").says("did you mean `small`?");
    run(&["seed", "create"]).exits(2).says("<GROUP>");
}

#[test]
fn a_lock_that_cannot_be_used_is_refused() {
    let stale = lock(&["base-files"]);
    let merged = format!("{stale}<<<<<<< ours\n");
    for (seed, lock, says) in [
        (SEED, None, "there is no lock seed.lock"),
        (SEED, Some(stale.as_str()), "the lock has no package `a`"),
        (SEED, Some(merged.as_str()), "seed.lock has mistakes"),
    ] {
        let env = world(seed, lock);
        let answer = env.run(&[&["seed", "list"][..], &ARGUMENTS].concat());
        answer.exits(2).says(says).says("bedplate seed lock");
    }
    let env = world("name = \"other\"\n[groups.small]\nneed = []\n", None);
    env.run(&[&["seed", "list"][..], &ARGUMENTS].concat()).exits(2).says("unknown-key").says("seed.toml has mistakes");
    env.run(&["seed", "list"]).exits(2).says("there is no seed file toolkit/seed/debian-trixie.toml");
}

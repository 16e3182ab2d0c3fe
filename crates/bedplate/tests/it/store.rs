//! `bedplate store`.

use std::os::unix::fs::PermissionsExt;

use crate::support::TestEnv;

/// A store with some blobs in it.
fn filled(env: &TestEnv) -> bedplate_cas::Store {
    let store = bedplate_cas::Store::open(&env.path().join("store")).unwrap();
    for text in ["one", "two", "three"] {
        store.put(text.repeat(4000).as_bytes()).unwrap();
    }
    store
}

#[test]
fn statistics_are_text_and_json() {
    let env = TestEnv::new();
    drop(filled(&env));
    let text = env.run(&["store", "stats", "--store", "store"]).exits(0).stdout;
    assert!(text.starts_with("[DIR]/store\nblobs                3     "), "{text}");
    let json = env.run(&["store", "stats", "--store", "store", "--json"]).exits(0).json().remove(0);
    assert_eq!(json["blobs"]["count"], 3);
    assert_eq!(json["bytes"].as_u64(), json["blobs"]["bytes"].as_u64());
    // The store is found by the environment, too; one that is not there is not made.
    let mut command = env.command(&["store", "stats", "--json"]);
    command.env("BEDPLATE_STORE", "store");
    assert_eq!(env.answer(command).exits(0).json()[0], json);
    env.run(&["store", "stats"]).exits(2).says("there is no store [DIR]/.cache/bedplate");
    let mut command = env.command(&["store", "stats"]);
    command.env("XDG_CACHE_HOME", env.path());
    env.answer(command).exits(2).says("there is no store [DIR]/bedplate");
    env.write("other/file", "");
    env.run(&["store", "stats", "--store", "other"]).exits(2).says("other is no store");
    env.write("new/version", "bedplate store, format 99\n");
    env.run(&["store", "stats", "--store", "new"]).exits(3).says("has format 99, and this bedplate knows format 1");
}

#[test]
fn damage_is_named_once_and_the_exit_code_says_so() {
    let env = TestEnv::new();
    let digest = filled(&env).put(b"content").unwrap();
    env.run(&["store", "verify", "--store", "store"]).exits(0).says("4 blobs").says("0 damaged");
    let path = env.path().join(format!("store/blobs/{}/{}", &digest.hex()[..2], &digest.hex()[2..]));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(&path, "Content").unwrap();
    let answer = env.run(&["store", "verify", "--store", "store", "--json"]).exits(3);
    assert_eq!(answer.json()[0]["damage"][0]["what"], format!("blob {digest}"));
    answer.says("warning[store-damage]").says(&digest.to_string()).says("the store was damaged in 1 place");
    env.run(&["store", "verify", "--store", "store"]).exits(0).says("3 blobs");
}

#[test]
fn garbage_is_counted_then_removed() {
    let env = TestEnv::new();
    let store = filled(&env);
    let gc = |more: &[&str]| env.run(&[&["store", "gc", "--store", "store"], more].concat());
    gc(&[]).exits(3).says(&format!("is in use by process {}", std::process::id())).says("--wait");
    drop(store);
    // A process that another test is just starting has our files open until its program begins.
    let gc = |more: &[&str]| gc(&[more, &["--wait"]].concat());
    gc(&[]).exits(0).says("removed: 0 blobs, 0 actions, 0 checkouts, 0 fetched files (0 B)");
    let dry = gc(&["--max-size", "20K", "--dry-run", "--json"]).exits(0).json().remove(0);
    assert_eq!((&dry["removed"]["blobs"]["count"], &dry["dry_run"]), (&2.into(), &true.into()));
    let real = gc(&["--max-size", "20K", "--max-age", "30d", "--json"]).exits(0).json().remove(0);
    assert_eq!((&real["removed"], &real["kept"]), (&dry["removed"], &dry["kept"]));
    gc(&["--max-size", "0"]).exits(0).says("removed: 1 blob,");
    gc(&["--max-size", "many"]).exits(2).says("write a number of bytes, or one with K, M, G or T");
    gc(&["--max-age", "30"]).exits(2).says("write a number with s, m, h, d or w");
}

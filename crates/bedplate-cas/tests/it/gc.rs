//! Garbage collection keeps what roots and running processes need, and the newest of the rest.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use bedplate_cas::{
    ActionEntry, Digest, GcMode, GcOptions, GcReport, OutputTree, Store, StoreError, Wait, collect_garbage,
};

use crate::support::{Scratch, tree};

const DAY: Duration = Duration::from_secs(86_400);

/// An action of a name with a tree of one big file.
fn action(store: &Store, name: &str) -> (Digest, Digest) {
    let tree = tree(store, &format!("{name}/file = {}", name.repeat(20_000)));
    let key = Digest::of(name.as_bytes());
    store.record(&key, &entry(tree)).unwrap();
    (key, tree)
}

fn entry(tree: Digest) -> ActionEntry {
    ActionEntry {
        exit_code: 0,
        outputs: Vec::new(),
        trees: vec![OutputTree { path: "root".to_owned(), digest: tree }],
        log: None,
        wall_seconds: 0.0,
        cpu_seconds: 0.0,
        peak_memory_bytes: 0,
        about: serde_json::Value::Null,
    }
}

/// Moves the last use of an action into the past.
fn age(scratch: &Scratch, action: &Digest, age: Duration) {
    let hex = action.hex();
    let path = scratch.at(&format!("store/actions/{}/{}-{}", &hex[..2], &hex[2..], action.size));
    std::fs::File::open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
}

/// Waits: a process that another test is just starting has all our files open until its program begins.
fn options() -> GcOptions {
    GcOptions { max_age: None, max_size: None, now: SystemTime::now(), mode: GcMode::Remove, wait: Wait::Yes }
}

fn collect(scratch: &Scratch, options: GcOptions) -> GcReport {
    let report = collect_garbage(&scratch.at("store"), &options).unwrap();
    assert_eq!(report.damage, []);
    // Whatever it did, what is left is whole.
    let left = scratch.open().verify(&|_, _| {}).unwrap();
    assert_eq!((left.damage, left.strange), (Vec::new(), Vec::new()));
    report
}

#[test]
fn old_actions_go_with_all_that_only_they_made() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let (old, old_tree) = action(&store, "old");
    let (new, new_tree) = action(&store, "new");
    store.checkout(&old_tree).unwrap();
    // What both made stays.
    let (common, _) = action(&store, "common");
    store.record(&common, &entry(new_tree)).unwrap();
    drop(store);
    age(&scratch, &old, 10 * DAY);
    age(&scratch, &common, 10 * DAY);
    // Blobs have the time of their last change, which nobody can set: the clock goes on instead. The checkout is as young.
    let now = SystemTime::now() + 3 * DAY;
    for (max_age, expected) in [(20 * DAY, (0, 0, 0)), (7 * DAY, (2, 0, 0)), (2 * DAY, (1, 1, 9))] {
        let dry = GcOptions { max_age: Some(max_age), now, mode: GcMode::DryRun, ..options() };
        let counts = |report: &GcReport| (report.actions.count, report.checkouts.count, report.blobs.count);
        let before = collect(&scratch, dry);
        let report = collect(&scratch, GcOptions { mode: GcMode::Remove, ..dry });
        assert_eq!(before, report, "a dry run says what would be");
        assert_eq!(counts(&report), expected, "{max_age:?}");
    }
    let store = scratch.open();
    assert_eq!(store.action(&new).unwrap(), None);
    assert_eq!(scratch.names("checkouts"), [] as [String; 0]);
}

#[test]
fn the_oldest_go_until_the_rest_fits() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let actions: Vec<_> = ["a", "b", "c", "d", "e"].iter().map(|name| action(&store, name)).collect();
    drop(store);
    for (days, (key, _)) in (1..).zip(&actions) {
        age(&scratch, key, days * DAY);
    }
    let report = collect(&scratch, GcOptions { max_size: Some(1 << 30), ..options() });
    assert_eq!((report.actions.count, report.blobs.count), (0, 0));
    let third = report.kept.bytes * 3 / 5;
    let report = collect(&scratch, GcOptions { max_size: Some(third + 4096), ..options() });
    assert_eq!((report.actions.count, report.blobs.count), (2, 6));
    assert!(report.kept.bytes <= third + 4096);
    let store = scratch.open();
    for (key, tree) in &actions[..3] {
        assert!(store.action(key).unwrap().is_some());
        store.checkout(tree).unwrap();
    }
    assert_eq!(store.action(&actions[3].0).unwrap(), None);
    let stats = store.stats().unwrap();
    assert_eq!((stats.actions.count, stats.blobs.count, stats.checkouts.count), (3, 9, 3));
}

#[test]
fn roots_keep_actions_trees_and_blobs() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let (key, of_action) = action(&store, "action");
    let alone = tree(&store, "x/y = alone");
    let blob = store.put(b"blob").unwrap();
    let other = store.put(b"other").unwrap();
    store.set_root("keep/me", &[key, alone, blob, Digest::of(b"lost")]).unwrap();
    assert_eq!(store.roots().unwrap(), ["keep/me"]);
    drop(store);
    let all = GcOptions { max_size: Some(0), ..options() };
    let report = collect(&scratch, all);
    assert_eq!((report.blobs.count, report.kept_by_roots.count), (1, 3 + 3 + 1));
    let store = scratch.open();
    assert!(!store.has(&other) && store.has(&blob));
    store.checkout(&alone).unwrap();
    store.checkout(&of_action).unwrap();
    store.remove_root("keep/me").unwrap();
    drop(store);
    collect(&scratch, all);
    let stats = scratch.open().stats().unwrap();
    assert_eq!((stats.blobs.count, stats.actions.count, stats.checkouts.count), (0, 0, 0));
}

#[test]
fn files_of_repositories_go_when_they_were_not_used_for_long() {
    let scratch = Scratch::new();
    let folder = scratch.open().repositories().join("x/repodata");
    fs::create_dir_all(&folder).unwrap();
    let now = SystemTime::now();
    for (name, days) in [("young", 1), ("old", 10)] {
        fs::write(folder.join(name), vec![1; 9000]).unwrap();
        File::open(folder.join(name)).unwrap().set_modified(now - days * DAY).unwrap();
    }
    assert_eq!(scratch.open().stats().unwrap().repositories.count, 2);
    let report = collect(&scratch, GcOptions { max_age: Some(7 * DAY), now, ..options() });
    assert_eq!((report.fetched.count, report.kept.count), (1, 1));
    assert!(folder.join("young").exists() && !folder.join("old").exists());
    let report = collect(&scratch, GcOptions { max_size: Some(4096), now, ..options() });
    assert_eq!(report.fetched.count, 1);
    assert!(!folder.join("young").exists());
}

#[test]
fn a_damaged_root_stops_it_once() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let blob = store.put(b"blob").unwrap();
    store.set_root("root", &[blob]).unwrap();
    drop(store);
    std::fs::write(scratch.at("store/roots/root"), "x").unwrap();
    let all = GcOptions { max_size: Some(0), ..options() };
    let error = collect_garbage(&scratch.at("store"), &all).unwrap_err();
    assert!(matches!(&error, StoreError::DamagedRoot { name } if name == "root"), "{error}");
    assert!(scratch.open().has(&blob));
    assert_eq!(collect(&scratch, all).blobs.count, 1);
}

#[test]
fn a_store_in_use_is_left_alone() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let blob = store.put(b"blob").unwrap();
    let all = GcOptions { max_size: Some(0), wait: Wait::No, ..options() };
    let error = collect_garbage(&scratch.at("store"), &all).unwrap_err();
    let StoreError::InUse { processes, .. } = &error else { panic!("{error}") };
    assert_eq!(*processes, [std::process::id()]);
    assert!(store.has(&blob));
    // One that waits gets it when the user is gone.
    std::thread::scope(|scope| {
        let path = scratch.at("store");
        let waiting = scope.spawn(move || collect_garbage(&path, &GcOptions { wait: Wait::Yes, ..all }));
        std::thread::sleep(Duration::from_millis(50));
        assert!(store.has(&blob));
        drop(store);
        assert_eq!(waiting.join().unwrap().unwrap().blobs.count, 1);
    });
    assert!(!scratch.open().has(&blob));
}

#[test]
fn what_is_used_again_is_young_again() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let (key, _) = action(&store, "used");
    age(&scratch, &key, 10 * DAY);
    assert!(store.action(&key).unwrap().is_some());
    drop(store);
    let report = collect(&scratch, GcOptions { max_age: Some(DAY), ..options() });
    assert_eq!(report.actions.count, 0);
}

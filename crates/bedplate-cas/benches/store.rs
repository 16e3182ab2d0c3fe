//! How long the store takes with a tree as large as the seed's, and with the trees of a build root.
//!
//! `cargo bench -p bedplate-cas`; the stable toolchain has no other kind of benchmark. `BEDPLATE_BENCH_FOLDER` names the file
//! system that is measured.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::time::Instant;

use bedplate_cas::{BlobKind, Digest, Store, TreeBuilder};

/// Files of the large tree, and folders that they are in.
const FILES: usize = 25_000;
const FOLDERS: usize = 2_500;
/// Trees of a build root, and files of each.
const TREES: usize = 150;
const FILES_OF_A_TREE: usize = 100;

fn main() {
    let parent = std::env::var_os("BEDPLATE_BENCH_FOLDER").map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(parent).expect("a scratch folder can be made");
    let path = folder.path().join("store");
    let open = || Store::open(&path).expect("the store can be opened");
    let store = open();
    let seed = measure("put a tree of 25,000 files in", || put(&store, 0, FILES, FOLDERS));
    let trees: Vec<Digest> = measure("put 150 trees of 100 files in", || {
        (1..=TREES).map(|tree| put(&store, tree, FILES_OF_A_TREE, 20)).collect()
    });
    let all: Vec<Digest> = std::iter::once(seed).chain(trees.iter().copied()).collect();
    let store = open();
    measure("read the large tree", || store.tree(&seed).expect("the tree is there").size() >> 20);
    measure("check it out, first time", || store.checkout(&seed).expect("it can be made"));
    measure("check it out again", || store.checkout(&seed).expect("it is there"));
    let store = open();
    measure("check it out in another process", || store.checkout(&seed).expect("it is good"));
    let merged = measure("merge all 151", || store.merge(&all).expect("they do not conflict"));
    measure("merge them again", || store.merge(&all).expect("it is remembered"));
    measure("check 150 trees out, first time", || {
        trees.iter().for_each(|tree| drop(store.checkout(tree).expect("it can be made")));
    });
    let store = open();
    measure("check 150 trees out in another process", || {
        trees.iter().for_each(|tree| drop(store.checkout(tree).expect("it is good")));
    });
    measure("check the merged tree out, first time", || store.checkout(&merged).expect("it can be made"));
    measure("verify everything", || open().verify(&|_, _| {}).expect("it can be read").bytes >> 20);
}

fn measure<T: std::fmt::Debug>(what: &str, work: impl FnOnce() -> T) -> T {
    let (begin, cpu) = (Instant::now(), cpu_seconds());
    let result = work();
    let (wall, cpu) = (begin.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    println!("{wall:8.3} s, processor {cpu:6.2} s: {what}");
    result
}

/// Processor time of this process, in steps of 0.01 s: on a machine that others use it says more than the wall clock.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux has it");
    let fields = stat.rsplit(") ").next().expect("the name ends so").split(' ').skip(11).take(2);
    fields.map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>() / 100.0
}

/// A tree with file sizes as in `/usr`: most are small, some have megabytes; 500 MB for the large one.
fn put(store: &Store, tree: usize, files: usize, folders: usize) -> Digest {
    let batch = store.batch();
    let mut builder = TreeBuilder::new();
    for number in 0..files {
        let size = match number % 100 {
            0 => 1_000_000,
            1..10 => 60_000,
            _ => 300 + number % 9_000,
        };
        let content = format!("{tree} {number} ").repeat(size / 8);
        let mode = if number % 10 == 5 { 0o755 } else { 0o644 };
        let digest = batch.put_as(content.as_bytes(), BlobKind::of_mode(mode)).expect("it can be written");
        let path = format!("usr/share/d{}/d{}/t{tree}-f{number}", number % 50, number % folders);
        builder.file(&path, digest, mode).expect("paths are different");
    }
    let root = batch.put_tree(&builder).expect("it can be written");
    batch.commit().expect("it can be written");
    root
}

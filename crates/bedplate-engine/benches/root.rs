//! How long the root of a build takes: `cargo bench -p bedplate-engine --bench root -- import|root PACKAGES STORE`.
//!
//! `import` puts the trees of packages into a store, as builds do. `root` assembles a root out of all of them in this process, which
//! has verified nothing yet, runs a command in it, and takes it away. The result is one JSON object for `ci/bench`.
#![expect(clippy::print_stdout, reason = "the result of a benchmark")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use bedplate_cas::{Digest, Store, TreeBuilder};
use bedplate_engine::build::unpack;
use bedplate_sandbox::{Cancel, End, Helper, Job, Limits, Mode};
use serde_json::json;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|word| word == bedplate_sandbox::HELPER_ARGUMENT) {
        return bedplate_sandbox::child_main();
    }
    let [_, word, packages, store, ..] = arguments.as_slice() else {
        // `cargo test` runs benchmarks without arguments.
        return ExitCode::SUCCESS;
    };
    let store = Store::open(Path::new(store)).expect("the store can be opened");
    let start = Instant::now();
    match word.as_str() {
        "import" => import(&store, Path::new(packages)),
        _ => root(&store),
    }
    println!("{}", json!({ "seconds": start.elapsed().as_secs_f64() }));
    ExitCode::SUCCESS
}

fn import(store: &Store, packages: &Path) {
    let mut trees = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(packages).expect("a folder of packages").flatten().collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    for file in files.iter().filter(|file| file.path().extension().is_some_and(|end| end == "rpm")) {
        trees.push(unpack(store, &file.path()).expect("a good package"));
    }
    // A program that needs no library, so that something can run.
    let mut base = TreeBuilder::new();
    let busybox =
        store.put(&std::fs::read("/bin/busybox").expect("busybox-static is installed")).expect("the store takes it");
    base.file("bin/busybox", busybox, 0o755).expect("a good path");
    trees.push(store.put_tree(&base).expect("the store takes it"));
    let text = serde_json::to_vec(&trees).expect("digests are JSON");
    store.set_document("bench", "trees", &text).expect("the store takes it");
}

fn root(store: &Store) {
    let text = store.document("bench", "trees").expect("the store can be read").expect("`import` comes first");
    let trees: Vec<Digest> = serde_json::from_slice(&text).expect("digests");
    let layers = trees.iter().map(|tree| store.checkout(tree).expect("a good tree")).collect();
    let work = store.work("bench").expect("a folder for work");
    let job = Job {
        layers,
        scratch: work.path().to_owned(),
        binds: Vec::new(),
        prepare: Vec::new(),
        argv: vec!["/bin/busybox".into(), "true".into()],
        env: Vec::new(),
        folder: "/".into(),
        limits: Limits::default(),
        mode: Mode::Batch,
    };
    let outcome = bedplate_sandbox::run(&job, &Helper::default(), &Cancel::default(), &mut |_| {}).expect("a sandbox");
    assert_eq!(outcome.end, End::Exited(0), "the command runs");
}

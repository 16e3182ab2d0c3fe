//! Several processes, some of which are killed, and a full disk.
//!
//! The test program starts itself: a test of the module `child` does something only if the environment says with which store.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bedplate_cas::{ActionEntry, Digest, Store, StoreError, TreeBuilder};

use crate::support::{Scratch, tree};

/// Which store a child works with, and which part it plays.
const CHILD: &str = "BEDPLATE_CAS_TEST_CHILD";

/// Starts this program as a child.
fn start(scratch: &Scratch, part: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("processes::child::{part}"), "--nocapture", "--test-threads=1"]);
    command.env(CHILD, scratch.at("store")).stdout(Stdio::piped()).spawn().unwrap()
}

mod child {
    use super::*;

    fn store() -> Option<Store> {
        let path = PathBuf::from(std::env::var_os(CHILD)?);
        Some(Store::open(&path).expect("the child can open the store"))
    }

    /// Writes what all its brothers write, too.
    #[test]
    fn same() {
        let Some(store) = store() else { return };
        for round in 0..5 {
            let root = super::big_tree(&store, 200, round);
            let path = store.checkout(&root).unwrap();
            assert_eq!(fs::read(path.join("d1/f1")).unwrap(), super::content(1, round));
            store.record(&Digest::of(&[round]), &super::entry(root)).unwrap();
            store.set_document("kind", "name", &vec![round; 10_000]).unwrap();
        }
    }

    /// Goes on until it is killed.
    #[test]
    fn endless() {
        let Some(store) = store() else { return };
        let seed = std::process::id() as u8;
        #[expect(clippy::print_stdout, reason = "the parent waits for this line")]
        {
            println!("\nready");
        }
        for round in 0..u8::MAX {
            let root = super::big_tree(&store, 40, round.wrapping_mul(7).wrapping_add(seed));
            let other = tree(&store, "link -> d1\nother = text");
            let merged = store.merge(&[root, other]).unwrap();
            store.checkout(&merged).unwrap();
            store.record(&merged, &super::entry(merged)).unwrap();
            store.set_root("latest", &[merged]).unwrap();
            let work = store.work("work").unwrap();
            fs::write(work.path().join("file"), "x").unwrap();
        }
    }

    /// Adds one to a number, under a lock.
    #[test]
    fn counter() {
        let Some(store) = store() else { return };
        for _ in 0..50 {
            let _guard = store.lock("number").unwrap();
            let old = store.document("test", "number").unwrap().unwrap_or_default();
            let number: u32 = String::from_utf8(old).unwrap().parse().unwrap_or_default();
            store.set_document("test", "number", (number + 1).to_string().as_bytes()).unwrap();
        }
    }

    /// Fills a small file system.
    #[test]
    fn full() {
        let Some(store) = store() else { return };
        super::fill(&store);
    }
}

fn content(number: usize, round: u8) -> Vec<u8> {
    format!("{number} {round} ").repeat(1 + number * 13 % 500).into_bytes()
}

fn big_tree(store: &Store, files: usize, round: u8) -> Digest {
    let batch = store.batch();
    let mut builder = TreeBuilder::new();
    for number in 0..files {
        let digest = batch.put(&content(number, round)).unwrap();
        let mode = if number % 5 == 0 { 0o755 } else { 0o644 };
        builder.file(&format!("d{}/f{number}", number % 10), digest, mode).unwrap();
    }
    let root = batch.put_tree(&builder).unwrap();
    batch.commit().unwrap();
    root
}

fn entry(tree: Digest) -> ActionEntry {
    ActionEntry {
        exit_code: 0,
        outputs: Vec::new(),
        trees: vec![bedplate_cas::OutputTree { path: String::new(), digest: tree }],
        log: None,
        wall_seconds: 0.0,
        cpu_seconds: 0.0,
        peak_memory_bytes: 0,
        about: serde_json::Value::Null,
    }
}

/// Opens the store as the next process does: all is whole, and nothing of those before is left.
#[track_caller]
fn is_clean(scratch: &Scratch) {
    let store = scratch.open();
    let found = store.verify(&|_, _| {}).unwrap();
    assert_eq!((found.damage, found.strange), (Vec::new(), Vec::new()));
    assert_eq!(scratch.names("work"), [] as [String; 0]);
    if let Some(root) = store.root("latest").unwrap() {
        assert!(store.action(&root[0]).unwrap().is_some());
        store.checkout(&root[0]).unwrap();
    }
    assert_eq!(store.take_damage(), []);
}

#[test]
fn processes_that_write_the_same_do_not_disturb_each_other() {
    let scratch = Scratch::new();
    let children: Vec<Child> = (0..4).map(|_| start(&scratch, "same")).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    is_clean(&scratch);
    let store = scratch.open();
    for round in 0..5 {
        assert!(store.action(&Digest::of(&[round])).unwrap().is_some());
    }
    assert_eq!(store.document("kind", "name").unwrap(), Some(vec![4; 10_000]));
}

#[test]
fn a_lock_is_held_by_one_process_at_a_time() {
    let scratch = Scratch::new();
    let children: Vec<Child> = (0..4).map(|_| start(&scratch, "counter")).collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    assert_eq!(scratch.open().document("test", "number").unwrap(), Some(b"200".to_vec()));
}

#[test]
fn killed_processes_leave_a_whole_store() {
    let scratch = Scratch::new();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..30 {
        let mut child = start(&scratch, "endless");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while lines.next().expect("the child says that it is ready").unwrap() != "ready" {}
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_micros(random % 60_000));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert!(!status.success(), "it was killed at work");
        is_clean(&scratch);
    }
    assert!(scratch.open().stats().unwrap().blobs.count > 100, "they did something");
}

#[test]
fn a_work_folder_goes_with_its_process() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let store = scratch.open();
    let work = store.work("a/b").unwrap();
    let path = work.path().to_owned();
    // Builds leave such folders, too.
    fs::create_dir_all(path.join("x/y")).unwrap();
    fs::set_permissions(path.join("x"), fs::Permissions::from_mode(0o000)).unwrap();
    // Others that clear up leave it alone.
    scratch.open().work("other").unwrap();
    assert!(path.exists());
    drop(work);
    assert!(!path.exists());
    // As a process leaves it that was killed: nobody holds the lock.
    fs::create_dir(scratch.at("store/work/dead-1")).unwrap();
    fs::write(scratch.at("store/work/dead-1/file"), "x").unwrap();
    fs::write(scratch.at("store/work/dead-1.lock"), "").unwrap();
    scratch.open();
    assert_eq!(scratch.names("work"), [] as [String; 0]);
}

/// Puts files in until the disk is full, in each way that there is.
fn fill(store: &Store) {
    type Way<'a> = &'a dyn Fn(&[u8]) -> Result<Digest, StoreError>;
    let ways: [(&str, Way<'_>); 4] = [
        ("put", &|bytes| store.put(bytes)),
        ("reader", &|bytes| store.put_reader(bytes)),
        ("batch", &|bytes| {
            let batch = store.batch();
            let digest = batch.put(bytes)?;
            batch.commit()?;
            Ok(digest)
        }),
        ("document", &|bytes| {
            store.set_document("kind", &Digest::of(bytes).hex(), bytes)?;
            store.put(b"")
        }),
    ];
    for (way, put) in ways {
        let begin = Instant::now();
        let error = (0..).find_map(|number: u32| put(&vec![number as u8; 300_000 + number as usize]).err()).unwrap();
        assert!(matches!(&error, StoreError::Full { .. }), "{way}: {error}");
        assert_eq!(error.category(), bedplate_diag::Category::Environment);
        let text = error.to_string();
        assert!(
            text.contains("/store/work/new-") && error.hint().is_some_and(|hint| hint.contains("store gc")),
            "{text}"
        );
        let found = store.verify(&|_, _| {}).unwrap();
        assert_eq!(found.damage, [], "{way}");
        assert!(begin.elapsed() < Duration::from_secs(10));
        // Make room for the next way.
        for file in fs::read_dir(store.path().join("blobs")).unwrap() {
            fs::remove_dir_all(file.unwrap().path()).unwrap();
        }
    }
}

#[test]
fn a_full_disk_is_told_and_nothing_half_written_is_seen() {
    // A mount of its own, in a namespace of its own, which goes with the shell.
    let scratch = Scratch::new();
    fs::create_dir(scratch.at("mount")).unwrap();
    let script = r#"mount -t tmpfs -o size=4m none "$1" && BEDPLATE_CAS_TEST_CHILD="$1/store" exec "$2" \
        --exact processes::child::full --nocapture"#;
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(scratch.at("mount")).arg(std::env::current_exe().unwrap());
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.stderr.as_slice().read_to_string(&mut text).unwrap();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(fs::read_dir(scratch.at("mount")).unwrap().count(), 0);
}

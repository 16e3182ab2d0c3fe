//! What is not as it was written is found, named, dropped, and never served.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bedplate_cas::{ActionEntry, Digest, Output, OutputTree, Store, StoreError, TreeBuilder};

use crate::support::{Scratch, tree};

type Damage = fn(&Path);

/// Ways to damage a file of a store.
const WAYS: [(&str, Damage); 6] = [
    ("flipped", |path| {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        rewrite(path, &bytes);
    }),
    ("truncated", |path| rewrite(path, &fs::read(path).unwrap()[1..])),
    ("empty", |path| rewrite(path, b"")),
    ("longer", |path| rewrite(path, &[fs::read(path).unwrap(), b"x".to_vec()].concat())),
    ("mode", |path| fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap()),
    ("time", |path| File::open(path).unwrap().set_modified(std::time::SystemTime::now()).unwrap()),
];

/// Writes into the inode, and gives it back its mode and time, as a failing disk would.
fn rewrite(path: &Path, bytes: &[u8]) {
    let data = fs::metadata(path).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
    File::open(path).unwrap().set_modified(data.modified().unwrap()).unwrap();
    fs::set_permissions(path, data.permissions()).unwrap();
}

fn entry(store: &Store) -> ActionEntry {
    let digest = store.put(b"output").unwrap();
    ActionEntry {
        exit_code: 0,
        outputs: vec![Output { path: "a.rpm".to_owned(), digest, executable: false }],
        trees: vec![OutputTree { path: "root".to_owned(), digest: tree(store, "a/b = file\nc ! program") }],
        log: Some(store.put(b"log").unwrap()),
        wall_seconds: 1.5,
        cpu_seconds: 2.25,
        peak_memory_bytes: 1 << 30,
        about: serde_json::json!({ "phases": [1, 2] }),
    }
}

type Use = fn(&Store, &Digest, &Path) -> Result<(), StoreError>;

#[test]
fn a_damaged_blob_is_not_served_however_it_is_used() {
    let uses: [(&str, Use); 3] = [
        ("read", |store, digest, _| store.read(digest).map(drop)),
        ("path_of", |store, digest, _| store.path_of(digest).map(drop)),
        ("copy", |store, digest, target| store.copy(digest, target)),
    ];
    for (how, damage) in WAYS {
        for (word, action) in uses {
            let scratch = Scratch::in_memory();
            let store = scratch.open();
            let digest = store.put(b"some content").unwrap();
            damage(&scratch.blob_files(&digest)[0]);
            let target = scratch.at("target");
            let error = action(&store, &digest, &target).unwrap_err();
            assert!(
                matches!(&error, StoreError::Damaged { digest: lost, .. } if *lost == digest),
                "{how}, {word}: {error}"
            );
            assert_eq!(error.lost(), Some(digest));
            assert!(!target.exists());
            let noted = store.take_damage();
            assert_eq!(noted.len(), 1, "{how}, {word}");
            assert_eq!(noted[0].what, format!("blob {digest}"));
            assert_eq!(scratch.blob_files(&digest), [] as [PathBuf; 0], "{how}, {word}");
            // The next user knows only that it is gone, and may put it in again.
            assert!(matches!(action(&store, &digest, &target), Err(StoreError::Missing { .. })), "{how}, {word}");
            assert_eq!(store.put(b"some content").unwrap(), digest);
            action(&store, &digest, &target).unwrap();
        }
    }
}

#[test]
fn a_good_digest_with_another_size_is_no_damage() {
    let scratch = Scratch::in_memory();
    let store = scratch.open();
    let digest = store.put(b"content").unwrap();
    let other = Digest { size: 6, ..digest };
    assert!(!store.has(&other));
    assert!(matches!(store.read(&other), Err(StoreError::Missing { digest }) if digest == other));
    let mut tree = TreeBuilder::new();
    tree.file("a", other, 0o644).unwrap();
    assert_eq!(store.checkout(&store.put_tree(&tree).unwrap()).unwrap_err().lost(), Some(other));
    assert_eq!(store.read(&digest).unwrap(), b"content");
    assert_eq!(store.take_damage(), []);
}

#[test]
fn of_two_files_of_a_blob_the_good_one_is_served() {
    for (how, damage) in WAYS {
        for which in 0..2 {
            let scratch = Scratch::in_memory();
            let store = scratch.open();
            let tree = tree(&store, "a = content\nb ! content");
            let path = store.checkout(&tree).unwrap();
            let digest = Digest::of(b"content");
            let files = scratch.blob_files(&digest);
            assert_eq!(files.len(), 2);
            damage(&files[which]);
            let store = scratch.open();
            // The checkout has the damaged file, too: all of it is made again from the other one.
            assert_eq!(store.checkout(&tree).unwrap(), path);
            assert_eq!(
                [fs::read(path.join("a")).unwrap(), fs::read(path.join("b")).unwrap()],
                [b"content", b"content"]
            );
            let mut what: Vec<String> = store.take_damage().into_iter().map(|one| one.what).collect();
            what.sort();
            assert_eq!(what, [format!("blob {digest}"), format!("checkout {tree}")], "{how}, {which}");
        }
    }
}

#[test]
fn a_damaged_blob_in_a_checkout_is_named() {
    for (how, damage) in WAYS {
        let scratch = Scratch::in_memory();
        let store = scratch.open();
        let lines = "a = content\nb = other";
        let digest = tree(&store, lines);
        let path = store.checkout(&digest).unwrap();
        damage(&path.join("a"));
        let store = scratch.open();
        let error = store.checkout(&digest).unwrap_err();
        assert_eq!(error.lost(), Some(Digest::of(b"content")), "{how}: {error}");
        assert!(!path.exists(), "{how}");
        // Whoever makes the blob again has the checkout again, in the same process.
        assert_eq!(tree(&store, lines), digest);
        assert_eq!(fs::read(store.checkout(&digest).unwrap().join("a")).unwrap(), b"content");
    }
}

#[test]
fn a_damaged_folder_of_a_tree_is_named() {
    let scratch = Scratch::in_memory();
    let store = scratch.open();
    let lines = "a/b/c = content";
    let root = tree(&store, lines);
    let below = store.subtree(&root, "a/b").unwrap().unwrap();
    (WAYS[0].1)(&scratch.blob_files(&below)[0]);
    let error = store.tree(&root).unwrap_err();
    assert_eq!(error.lost(), Some(below));
    assert_eq!(store.checkout(&root).unwrap_err().lost(), Some(below));
    assert_eq!(tree(&store, lines), root);
    store.checkout(&root).unwrap();
    let error = store.tree(&store.put(b"no folder").unwrap()).unwrap_err();
    assert!(matches!(error, StoreError::NotATree { .. }), "{error}");
}

#[test]
fn an_action_comes_back_as_it_was_recorded() {
    let scratch = Scratch::in_memory();
    let store = scratch.open();
    let key = Digest::of(b"key");
    assert_eq!(store.action(&key).unwrap(), None);
    let entry = entry(&store);
    store.record(&key, &entry).unwrap();
    assert_eq!(scratch.open().action(&key).unwrap(), Some(entry.clone()));
    let bad = ActionEntry { log: Some(Digest::of(b"lost")), ..entry };
    assert_eq!(store.record(&Digest::of(b"other"), &bad).unwrap_err().lost(), Some(Digest::of(b"lost")));
    store.forget(&key).unwrap();
    assert_eq!(store.action(&key).unwrap(), None);
    assert_eq!(store.take_damage(), []);
}

#[test]
fn damaged_actions_documents_and_roots_are_dropped() {
    for (how, damage) in &WAYS[..4] {
        let scratch = Scratch::in_memory();
        let store = scratch.open();
        let key = Digest::of(b"key");
        store.record(&key, &entry(&store)).unwrap();
        store.set_document("durations", "all", b"text").unwrap();
        store.set_root("seed", &[key]).unwrap();
        for folder in ["actions", "documents", "roots"] {
            files_below(&scratch.at("store").join(folder)).iter().for_each(|path| damage(path));
        }
        assert_eq!(store.action(&key).unwrap(), None, "{how}");
        assert_eq!(store.document("durations", "all").unwrap(), None, "{how}");
        assert_eq!(store.root("seed").unwrap(), None, "{how}");
        let what: Vec<String> = store.take_damage().into_iter().map(|one| one.what).collect();
        assert_eq!(what, [format!("action {key}"), "document durations/all".into(), "root seed".into()], "{how}");
        for folder in ["actions", "documents", "roots"] {
            assert_eq!(files_below(&scratch.at("store").join(folder)), [] as [PathBuf; 0], "{how}");
        }
    }
}

#[test]
fn an_action_whose_blob_is_lost_is_dropped() {
    let scratch = Scratch::in_memory();
    let store = scratch.open();
    let (key, entry) = (Digest::of(b"key"), entry(&store));
    for lost in entry.digests() {
        store.record(&key, &entry).unwrap();
        let files = scratch.blob_files(&lost);
        let away = scratch.at("away");
        fs::rename(&files[0], &away).unwrap();
        assert_eq!(store.action(&key).unwrap(), None);
        let noted = store.take_damage();
        assert_eq!(noted[0].what, format!("action {key}"));
        assert!(noted[0].why.contains(&lost.to_string()), "{}", noted[0]);
        fs::rename(&away, &files[0]).unwrap();
        assert_eq!(store.action(&key).unwrap(), None, "it was dropped");
    }
}

#[test]
fn verify_finds_all_at_once() {
    let scratch = Scratch::in_memory();
    let store = scratch.open();
    let (key, entry) = (Digest::of(b"key"), entry(&store));
    store.record(&key, &entry).unwrap();
    store.set_document("kind", "name", b"text").unwrap();
    let path = store.checkout(&entry.trees[0].digest).unwrap();
    let clean = scratch.open().verify(&|_, _| {}).unwrap();
    assert_eq!((clean.damage, clean.strange), (Vec::new(), Vec::new()));
    // 2 files (the program twice), 2 folders, output, log.
    assert_eq!((clean.blobs, clean.actions, clean.checkouts, clean.documents), (7, 1, 1, 1));
    assert_eq!(
        clean.bytes,
        [b"file".len(), 2 * b"program".len(), b"output".len(), b"log".len()].iter().sum::<usize>() as u64
            + folders(&store, &entry.trees[0].digest)
    );

    (WAYS[0].1)(&path.join("a/b"));
    (WAYS[0].1)(&files_below(&scratch.at("store/documents"))[0]);
    fs::write(scratch.at("store/blobs/strange"), "").unwrap();
    fs::write(scratch.at("store/checkouts/strange"), "").unwrap();
    let found = scratch.open().verify(&|_, _| {}).unwrap();
    let mut what: Vec<String> = found.damage.into_iter().map(|one| one.what).collect();
    what.sort();
    assert_eq!(
        what,
        [
            format!("action {key}"),
            format!("blob {}", Digest::of(b"file")),
            format!("checkout {}", entry.trees[0].digest),
            "document kind/name".to_owned(),
        ]
    );
    let strange = ["blobs/strange", "checkouts/strange"];
    assert_eq!(found.strange, strange.map(|name| store.path().join(name)));
    assert_eq!(scratch.open().verify(&|_, _| {}).unwrap().damage, []);
}

/// Bytes of a tree's messages.
fn folders(store: &Store, root: &Digest) -> u64 {
    root.size + store.subtree(root, "a").unwrap().unwrap().size
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files_below(&path)) } else { all.push(path) }
    }
    all
}

#[test]
fn a_merge_whose_folder_is_lost_is_made_again() {
    let scratch = Scratch::in_memory();
    let store = scratch.open();
    let trees = ["a/b/c = 1\nx/y = 1", "a/b/d = 2\nz = 2"].map(|lines| tree(&store, lines));
    let merged = store.merge(&trees).unwrap();
    for path in ["", "a", "a/b"] {
        let folder = store.subtree(&merged, path).unwrap().unwrap();
        (WAYS[0].1)(&scratch.blob_files(&folder)[0]);
        assert_eq!(scratch.open().checkout(&merged).unwrap_err().lost(), Some(folder), "{path}");
        assert_eq!(store.merge(&trees).unwrap(), merged, "{path}");
        store.tree(&merged).unwrap();
    }
}

//! Packs: small contents that share a blob.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use bedplate_cas::{Digest, Pack, Place, Store, StoreError, TreeBuilder};

use crate::support::{Scratch, lines};

const TEXTS: [&str; 4] = ["one", "", "two, which is longer", "three"];

/// Packs the texts; every other digest is known before.
fn packed(store: &Store) -> Vec<Digest> {
    let batch = store.batch();
    let mut pack = batch.pack();
    let digests: Vec<Digest> = TEXTS
        .iter()
        .enumerate()
        .map(|(number, text)| {
            let known = (number % 2 == 0).then(|| Digest::of(text.as_bytes()));
            pack.put(text.as_bytes(), known).unwrap()
        })
        .collect();
    pack.finish().unwrap();
    assert!(!digests.iter().any(|digest| store.has(digest)), "before the batch is committed");
    batch.commit_unsynced().unwrap();
    digests
}

/// The blob of a pack, and where a content is in it.
fn place(store: &Store, digest: &Digest) -> (std::path::PathBuf, usize) {
    let Place { path, offset, .. } = store.sound_place_of(digest).unwrap();
    (path, usize::try_from(offset).unwrap())
}

#[test]
fn contents_of_a_pack_are_found_as_blobs_are() {
    let scratch = Scratch::new();
    let digests = packed(&scratch.open());
    // Now, as another process would.
    for _ in 0..2 {
        let store = scratch.open();
        let all = place(&store, &digests[0]).0;
        assert_eq!(fs::read_to_string(&all).unwrap(), TEXTS.concat());
        for (text, digest) in TEXTS.iter().zip(&digests) {
            assert_eq!(*digest, Digest::of(text.as_bytes()));
            assert!(store.has(digest) && scratch.blob_files(digest).is_empty());
            assert_eq!(store.read(digest).unwrap(), text.as_bytes());
            let (path, offset) = place(&store, digest);
            assert_eq!(path, all);
            assert!(fs::read(path).unwrap()[offset..].starts_with(text.as_bytes()));
        }
    }
    assert!(scratch.open().verify(&|_, _| ()).unwrap().damage.is_empty());
}

#[test]
fn who_needs_a_content_as_a_file_gets_one() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let digests = packed(&store);
    let path = store.path_of(&digests[2]).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), TEXTS[2]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o444);
    let target = scratch.at("copy");
    store.copy(&digests[3], &target).unwrap();
    assert_eq!(fs::read_to_string(target).unwrap(), TEXTS[3]);
    let mut builder = TreeBuilder::new();
    builder.file("plain", digests[0], 0o644).unwrap();
    builder.file("program", digests[0], 0o755).unwrap();
    let batch = store.batch();
    let tree = batch.put_tree(&builder).unwrap();
    batch.commit().unwrap();
    assert_eq!(lines(&store, &tree), "plain = one\nprogram ! one\n");
    let folder = store.checkout(&tree).unwrap();
    assert_eq!(fs::read_to_string(folder.join("program")).unwrap(), "one");
    assert_eq!(fs::metadata(folder.join("program")).unwrap().permissions().mode() & 0o7777, 0o555);
}

#[test]
fn a_damaged_pack_is_dropped_and_its_contents_with_it() {
    for is_read in [true, false] {
        let scratch = Scratch::new();
        let store = scratch.open();
        let digests = packed(&store);
        let path = place(&store, &digests[0]).0;
        drop(store);
        let bytes = TEXTS.concat().replace("two", "tvo");
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o444)).unwrap();
        fs::File::open(&path).unwrap().set_modified(time).unwrap();
        let store = scratch.open();
        let error = match is_read {
            true => store.read(&digests[2]).unwrap_err(),
            false => store.sound_place_of(&digests[3]).unwrap_err(),
        };
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert_eq!(store.take_damage().len(), 1);
        assert!(!path.exists());
        // Here, and in other processes.
        assert!(!digests.iter().any(|digest| store.has(digest)));
        assert!(matches!(store.read(&digests[0]), Err(StoreError::Missing { .. })));
        let store = scratch.open();
        assert!(!digests.iter().any(|digest| store.has(digest)));
        // What leads nowhere is not kept.
        assert_eq!(scratch.names("documents/packs"), [""; 0]);
        assert_eq!(packed(&store), digests);
    }
}

#[test]
fn a_batch_that_is_dropped_leaves_nothing() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let batch = store.batch();
    let mut pack = batch.pack();
    // So many that it is written before its end.
    let text = "x".repeat(usize::try_from(Pack::LARGEST).unwrap());
    let digests: Vec<Digest> =
        (0..200).map(|number| pack.put(format!("{number}{text}").as_bytes(), None).unwrap()).collect();
    pack.finish().unwrap();
    drop(batch);
    assert!(!digests.iter().any(|digest| store.has(digest)));
    assert_eq!(scratch.names("blobs"), [""; 0]);
    assert!(!scratch.at("store/documents/packs").exists());
}

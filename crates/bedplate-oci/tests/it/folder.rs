//! Plain folders.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::Path;

use bedplate_cas::{Digest, Store};
use bedplate_oci::{OciError, write_folder};
use bedplate_tree::Kind;

use crate::support::{World, assert_same, facts, facts_of_folder, run, sample};

const HELPER: &str = env!("CARGO_BIN_EXE_bedplate-oci-test-helper");

#[test]
fn root_gets_all_of_the_tree() {
    let world = World::new();
    let tree = sample(&world);
    let target = world.path("folder");
    let write = |may: bool| write_folder(&world.store, &tree, &target, |_| may);
    assert_eq!(write(false).unwrap(), []);
    assert_same(&facts_of_folder(&target), &facts(&tree));
    // Not over something else, but over itself.
    let error = write(false).unwrap_err();
    assert!(matches!(error, OciError::Occupied { .. }), "{error}");
    std::fs::write(target.join("mark"), "").unwrap();
    assert_eq!(write(true).unwrap(), []);
    assert_same(&facts_of_folder(&target), &facts(&tree));
    assert_eq!(world.left(), ["folder"]);
}

#[test]
fn an_ordinary_user_is_told_what_is_missing() {
    let world = World::new();
    let tree = sample(&world);
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let base = place.path().join("of-user");
    let store = Store::open(&base.join("store")).unwrap();
    for digest in tree.contents() {
        store.put(&world.store.read(&digest).unwrap()).unwrap();
    }
    drop(store);
    std::fs::write(base.join("tree"), tree.to_manifest()).unwrap();
    std::fs::copy(HELPER, place.path().join("helper")).unwrap();
    run("chown", &["-R", "nobody:nogroup", base.to_str().unwrap()]);
    let helper = place.path().join("helper");
    let words =
        ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups", helper.to_str().unwrap(), base.to_str().unwrap()];
    // Twice: the first one, with a folder that forbids its owner to write, is cleared away.
    run("setpriv", &words);
    let said = run("setpriv", &words);
    for line in [
        "`/usr/bin/tool` lacks its owner 70000:80000",
        "`/usr/bin/tool` lacks its extended attribute `security.capability`",
        "`/dev/null` lacks itself, a character device",
        "`/dev/disk` lacks itself, a block device",
        "`/bin` lacks its owner 9:0",
    ] {
        assert!(said.lines().any(|other| other == line), "{line}\n{said}");
    }
    let mut left = std::fs::read_dir(&base).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    left.sort();
    assert_eq!(left, ["folder", "store", "tree"]);
    let folder = base.join("folder");
    for (path, entry) in tree.iter() {
        let at = folder.join(path.relative());
        let content = |at: &Path| Digest::of(&std::fs::read(at).unwrap());
        match &entry.kind {
            Kind::File(digest) => {
                let data = std::fs::metadata(&at).unwrap();
                assert_eq!(
                    (content(&at), data.mode() & 0o7777, data.mtime()),
                    (*digest, entry.mode.into(), entry.mtime)
                );
            }
            Kind::CharacterDevice { .. } | Kind::BlockDevice { .. } => assert!(!at.exists()),
            _ => assert!(std::fs::symlink_metadata(&at).is_ok(), "{path}"),
        }
    }
}

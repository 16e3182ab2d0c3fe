//! Contents in the store: unpacked once, checked always.

use bedplate_cas::{GcMode, GcOptions, Wait, collect_garbage};
use bedplate_install::{
    DatabaseError, DatabaseOptions, Package, PlaceOptions, UnpackError, add_database, database, unpack,
};
use bedplate_tree::{FileTree, Kind};

use crate::support::{EPOCH, options, package, parts, placed, store, tagged, unpacked, world};

#[test]
fn a_payload_is_read_once() {
    let (folder, store) = store();
    let files = world();
    let first = unpacked(&store, &files);
    // A copy of the packages without their payloads: what the headers say is enough now.
    let copies: Vec<_> = files
        .iter()
        .map(|file| {
            let copy = folder.path().join(file.file_name().unwrap());
            let bytes = std::fs::read(file).unwrap();
            let payload = parts(&bytes).1;
            std::fs::write(&copy, &bytes[..payload]).unwrap();
            copy
        })
        .collect();
    let again = unpacked(&store, &copies);
    for (one, other) in first.iter().zip(&again) {
        assert_eq!(one.headers(), other.headers());
        assert!((0..one.files().files.len()).all(|file| one.content(file) == other.content(file)));
    }
    // What is lost is read again.
    drop(store);
    let options = GcOptions {
        max_age: Some(std::time::Duration::ZERO),
        max_size: None,
        now: std::time::SystemTime::now() + std::time::Duration::from_secs(60),
        mode: GcMode::Remove,
        wait: Wait::No,
    };
    collect_garbage(&folder.path().join("store"), &options).unwrap();
    let store = bedplate_cas::Store::open(&folder.path().join("store")).unwrap();
    let UnpackError::Packages(findings) = unpack(&store, &copies).unwrap_err() else { panic!() };
    assert!(findings.iter().all(|finding| finding.problem.code() == "truncated"), "{findings:?}");
    assert_eq!(unpacked(&store, &files).len(), files.len());
}

#[test]
fn other_digests_are_remembered() {
    let (folder, store) = store();
    let macros = [("_source_filedigest_algorithm", "10"), ("_binary_filedigest_algorithm", "10")];
    let install = "mkdir -p usr\necho one > usr/a\nln usr/a usr/b\necho two > usr/c\nln -s c usr/d";
    let file = tagged("long", "", &macros, install, "/usr/a\n/usr/b\n/usr/c\n/usr/d\n%ghost /usr/e");
    let first = unpacked(&store, std::slice::from_ref(&file)).remove(0);
    assert_eq!(first.files().algorithm, 10);
    let bytes = std::fs::read(&file).unwrap();
    let payload = parts(&bytes).1;
    let copy = folder.path().join("long.rpm");
    std::fs::write(&copy, &bytes[..payload]).unwrap();
    let again = unpacked(&store, &[copy]).remove(0);
    let contents = |package: &Package| (0..5).map(|file| package.content(file)).collect::<Vec<_>>();
    assert_eq!(contents(&first), contents(&again));
    let digest = |text: &[u8]| Some(bedplate_cas::Digest::of(text));
    assert_eq!(contents(&first), [digest(b"one\n"), digest(b"one\n"), digest(b"two\n"), None, None]);
}

#[test]
fn all_that_is_wrong_with_packages_is_reported_and_nothing_is_kept() {
    let (folder, store) = store();
    let broken = |name: &str| {
        let path = folder.path().join(name);
        let mut bytes =
            std::fs::read(package(name.trim_end_matches(".rpm"), &format!("echo {name} > a"), "/a")).unwrap();
        let last = bytes.len() - 20;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let none = folder.path().join("none.rpm");
    let other = package("other", "echo other-text > b", "/b");
    let files = [broken("one.rpm"), none.clone(), other, broken("two.rpm")];
    let error = unpack(&store, &files).unwrap_err();
    let UnpackError::Packages(findings) = &error else { panic!("{error}") };
    let mut named: Vec<_> =
        findings.iter().map(|finding| finding.path.file_name().unwrap().to_str().unwrap()).collect();
    named.dedup();
    assert_eq!(named, ["one.rpm", "none.rpm", "two.rpm"]);
    assert!(error.to_string().contains(&none.display().to_string()));
    assert!(!store.has(&bedplate_cas::Digest::of(b"other-text\n")), "a batch is all or nothing");
}

#[test]
fn times_are_clamped() {
    let (_folder, store) = store();
    let file =
        package("old", "mkdir -p x/y\necho 1 > x/old\necho 2 > x/y/new\ntouch -d @1000 x/old", "/x/old\n/x/y/new");
    let limit = EPOCH - 5;
    let options = PlaceOptions { epoch: limit, ..options() };
    let tree = placed(&store, &unpacked(&store, &[file]), &options).unwrap().tree;
    let time = |path: &str| tree.get(path).unwrap().mtime;
    assert_eq!((time("/x/old"), time("/x/y/new"), time("/x"), time("/x/y")), (1000, limit, limit, limit));
}

fn paths(tree: &FileTree) -> Vec<&str> {
    tree.iter().map(|(path, _)| path.as_str()).collect()
}

#[test]
fn the_database_is_the_same_each_time_and_has_its_place() {
    let (_folder, store) = store();
    let packages = unpacked(&store, &world());
    let refs: Vec<&Package> = packages.iter().collect();
    let mut tree = placed(&store, &packages, &options()).unwrap();
    let database_options = DatabaseOptions::new(EPOCH, options().color);
    let bytes = database(&refs, &tree.fates, &database_options).unwrap();
    assert_eq!(bytes, database(&refs, &tree.fates, &database_options).unwrap());
    // No write-ahead log: a reader needs no other file, and no folder that it can write to.
    assert_eq!(bytes[18..20], [1, 1]);
    let before = tree.tree.len();
    add_database(&store, &refs, &mut tree, &database_options).unwrap();
    assert_eq!(tree.tree.len(), before + 5, "{:?}", paths(&tree.tree));
    let link = tree.tree.get("/var/lib/rpm").unwrap();
    assert_eq!(link.kind, Kind::Symlink("../../usr/lib/sysimage/rpm".into()));
    let file = tree.tree.get("/usr/lib/sysimage/rpm/rpmdb.sqlite").unwrap();
    assert_eq!(
        (file.mode, file.uid, file.mtime, file.content()),
        (0o644, 0, EPOCH, Some(bedplate_cas::Digest::of(&bytes)))
    );
    let late = DatabaseOptions::new(i64::from(u32::MAX) - 1, options().color);
    assert!(matches!(database(&refs, &tree.fates, &late), Err(DatabaseError::Epoch { .. })));
}

#[test]
fn what_packages_have_in_place_of_the_database_is_respected() {
    let (_folder, store) = store();
    let link = package(
        "link",
        "mkdir -p usr/lib/sysimage/rpm var/lib\nln -s ../../usr/lib/sysimage/rpm var/lib/rpm",
        "/usr/lib/sysimage/rpm\n/var/lib/rpm",
    );
    let empty = package("empty-folder", "mkdir -p var/lib/rpm", "/var/lib/rpm");
    let full = package("full-folder", "mkdir -p var/lib/rpm\n: > var/lib/rpm/x", "/var/lib/rpm");
    let options = options();
    let database_options = DatabaseOptions::new(EPOCH, options.color);
    for (file, want) in [
        (&link, None),
        (&empty, None),
        (&full, Some("`/var/lib/rpm` should be a link to the package database and is a folder")),
    ] {
        let packages = unpacked(&store, std::slice::from_ref(file));
        let mut tree = placed(&store, &packages, &options).unwrap();
        let result = add_database(&store, &[&packages[0]], &mut tree, &database_options);
        assert_eq!(result.err().map(|error| error.to_string()).as_deref(), want);
        if want.is_none() {
            let link = tree.tree.get("/var/lib/rpm").unwrap();
            assert_eq!(link.kind, Kind::Symlink("../../usr/lib/sysimage/rpm".into()));
        }
    }
}

#[test]
fn a_tree_has_each_kind_of_file() {
    let (_folder, store) = store();
    let files = "%dev(b,8,17) %attr(0660,root,root) /disk\n%dev(c,10,200) /tun\n/pipe";
    let file = package("kinds", "mkfifo pipe\nchmod 600 pipe", files);
    let tree = placed(&store, &unpacked(&store, &[file]), &options()).unwrap().tree;
    let kind = |path: &str| tree.get(path).map(|entry| (entry.kind.clone(), entry.mode)).unwrap();
    assert_eq!(kind("/disk"), (Kind::BlockDevice { major: 8, minor: 17 }, 0o660));
    assert_eq!(kind("/tun").0, Kind::CharacterDevice { major: 10, minor: 200 });
    assert_eq!(kind("/pipe"), (Kind::Fifo, 0o600));
}

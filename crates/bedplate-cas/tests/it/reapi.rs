//! Encodings of messages, computed by hand from the field numbers of the Remote Execution API v2.

use bedplate_cas::reapi::{Action, Command, Duration, EnvironmentVariable, Platform, digest_of};
use bedplate_cas::{Digest, StoreError, TreeBuilder, TreeError};
use prost::Message;

use crate::support::Scratch;

/// Folder `d`, mode 0755: field 5 (properties) { field 3 (mode) { field 1: 0755 } }.
const EMPTY_FOLDER: [u8; 7] = [0x2a, 5, 0x1a, 3, 0x08, 0xed, 0x03];

#[test]
fn folders_have_their_canonical_bytes() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let mut tree = TreeBuilder::new();
    // In no order.
    tree.symlink("l", "a").unwrap();
    tree.file("b", Digest::of(b""), 0o4755).unwrap();
    tree.directory("", 0o1777).unwrap();
    tree.directory("d", 0o755).unwrap();
    tree.file("a", Digest::of(b"abc"), 0o644).unwrap();
    let root = store.put_tree(&tree).unwrap();
    let mut expected = Vec::new();
    // Field 1: file `a`: name, digest { hash, size 3 }, properties { mode 0644 }.
    expected.extend([0x0a, 0x50, 0x0a, 1, b'a', 0x12, 0x44, 0x0a, 0x40]);
    expected.extend(b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expected.extend([0x10, 3, 0x32, 5, 0x1a, 3, 0x08, 0xa4, 0x03]);
    // File `b`: its size 0 is left out, field 4 says that it is executable, mode 04755.
    expected.extend([0x0a, 0x50, 0x0a, 1, b'b', 0x12, 0x42, 0x0a, 0x40]);
    expected.extend(b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expected.extend([0x20, 1, 0x32, 5, 0x1a, 3, 0x08, 0xed, 0x13]);
    // Field 2: folder `d` with its digest.
    expected.extend([0x12, 0x49, 0x0a, 1, b'd', 0x12, 0x44, 0x0a, 0x40]);
    expected.extend(b"5cd5ef42d5253c50873cd13db2574f307c78695fdd1018ddb036dae44f60d08c");
    expected.extend([0x10, 7]);
    // Field 3: link `l` to `a`. Field 5: mode 01777.
    expected.extend([0x1a, 6, 0x0a, 1, b'l', 0x12, 1, b'a', 0x2a, 5, 0x1a, 3, 0x08, 0xff, 0x07]);
    assert_eq!(store.read(&root).unwrap(), expected);
    assert_eq!(root.to_string(), "aa3b9c618bd5bdd39b251e8d7864d623e40a20479f7722d855e0814b7235f015/254");
    assert_eq!(store.read(&store.subtree(&root, "d").unwrap().unwrap()).unwrap(), EMPTY_FOLDER);
}

#[test]
fn commands_and_actions_have_their_canonical_bytes() {
    let variable = |name: &str, value: &str| EnvironmentVariable { name: name.into(), value: value.into() };
    let command = Command {
        arguments: ["sh", "-c", "true"].map(str::to_owned).into(),
        environment_variables: vec![variable("B", ""), variable("A", "1")],
        working_directory: "build".into(),
        output_paths: ["log", "RPMS", "log"].map(str::to_owned).into(),
    };
    let command = command.canonical();
    let expected = b"\x0a\x02sh\x0a\x02-c\x0a\x04true\x12\x06\x0a\x01A\x12\x011\x12\x03\x0a\x01B\x32\x05build\x3a\x04RPMS\x3a\x03log";
    assert_eq!(command.encode_to_vec(), expected);
    let root: Digest = "aa3b9c618bd5bdd39b251e8d7864d623e40a20479f7722d855e0814b7235f015/254".parse().unwrap();
    let action = Action {
        command_digest: Some(digest_of(&command).into()),
        input_root_digest: Some(root.into()),
        timeout: Some(Duration { seconds: 3600, nanos: 0 }),
        do_not_cache: true,
        salt: b"salt".to_vec(),
        platform: Some(Platform::new([("b", "1"), ("a", "2")])),
    };
    assert_eq!(digest_of(&action).to_string(), "cdd4d585794c393e1e095feefdaba6585b31cbd75128ef02d108458341cac933/172");
    // What is absent has no bytes.
    assert_eq!(digest_of(&Action::default()), Digest::of(b""));
}

#[test]
fn only_canonical_folders_are_read() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let digest = |bytes: &[u8]| [b"\x0a\x40", Digest::of(bytes).hex().as_bytes(), b"\x10\x01"].concat();
    let file = |name: &str| {
        let digest = digest(b"x");
        let body = [&[0x0a, name.len() as u8], name.as_bytes(), &[0x12, digest.len() as u8], &digest].concat();
        [&[0x0a, body.len() as u8], body.as_slice()].concat()
    };
    let cases: [(Vec<u8>, &str); 11] = [
        ([file("b"), file("a")].concat(), "its entries are not sorted"),
        ([file("a"), file("a")].concat(), "`a` is there twice"),
        ([file("a"), b"\x1a\x06\x0a\x01a\x12\x01b".to_vec()].concat(), "`a` is there twice"),
        (file(".."), "bad name `..`"),
        (file("a/b"), "bad name `a/b`"),
        (file(""), "not canonical"),
        (file("a\0"), "bad name"),
        (b"\x0a\x03\x0a\x01a".to_vec(), "`a` has no digest"),
        ([EMPTY_FOLDER.to_vec(), file("a")].concat(), "not canonical"),
        (b"\x28\x01".to_vec(), "failed to decode"),
        (b"\x0a\xff".to_vec(), "failed to decode"),
    ];
    for (bytes, expected) in cases {
        let error = store.tree(&store.put(&bytes).unwrap()).unwrap_err();
        assert!(matches!(error, StoreError::NotATree { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
    assert_eq!(store.tree(&store.put(&file("a")).unwrap()).unwrap().iter().len(), 2);
}

#[test]
fn a_tree_that_cannot_be_is_refused() {
    let digest = Digest::of(b"");
    for path in ["", "/a", "a/", "a//b", "./a", "a/..", "..", "a\0"] {
        let error = TreeBuilder::new().file(path, digest, 0o644).unwrap_err();
        assert!(matches!(error, TreeError::BadPath { .. }), "{path}: {error}");
    }
    for target in ["", "a\0b"] {
        let error = TreeBuilder::new().symlink("a", target).unwrap_err();
        assert!(matches!(error, TreeError::BadTarget { .. }), "{target}: {error}");
    }
    let mut tree = TreeBuilder::new();
    tree.file("a/b", digest, 0o644).unwrap();
    // The same again, and a mode for a folder that only its content made, are no conflicts.
    tree.file("a/b", digest, 0o644).unwrap().directory("a", 0o700).unwrap();
    let texts = [
        tree.clone().file("a/b", digest, 0o755).unwrap_err().to_string(),
        tree.clone().symlink("a", "b").unwrap_err().to_string(),
        tree.clone().file("a/b/c", digest, 0o644).unwrap_err().to_string(),
        tree.clone().directory("a", 0o755).unwrap_err().to_string(),
    ];
    assert_eq!(
        texts,
        [
            "`a/b` is in the tree twice: a file and a file",
            "`a` is in the tree twice: a folder and a symbolic link",
            "`a/b` is in the tree twice: a file and a folder",
            "`a` is in the tree twice: a folder and a folder",
        ]
    );
}

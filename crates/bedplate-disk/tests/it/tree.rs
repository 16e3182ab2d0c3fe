//! Hash trees as veritysetup makes and checks them.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bedplate_disk::{RootHash, Salt, Uuid, VerityRequest, check_verity, read_verity, write_verity};

use crate::common::{arguments, good, run, sparse_file};

const NAME: Uuid = Uuid::from_u128(0x0b5e_55ed_1234_8abc_9def_0123_4567_89ab);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What veritysetup makes of the same data.
fn reference(data: &Path, tree: &Path, request: &VerityRequest) -> RootHash {
    let salt = match request.salt.bytes() {
        [] => "-".to_owned(),
        bytes => hex(bytes),
    };
    let printed = good(
        "veritysetup",
        arguments!["format", &format!("--uuid={}", request.uuid), &format!("--salt={salt}"), data, tree],
    );
    let line = printed.lines().find_map(|line| line.strip_prefix("Root hash:")).unwrap();
    line.trim().parse().unwrap()
}

fn verify(data: &Path, tree: &Path, root: &RootHash) -> bool {
    run("veritysetup", arguments!["verify", data, tree, &root.to_string()]).status.success()
}

#[test]
fn trees_are_those_of_veritysetup() {
    let folder = tempfile::tempdir().unwrap();
    let (data, ours, theirs) = (folder.path().join("data"), folder.path().join("ours"), folder.path().join("theirs"));
    let mebibyte = 1_u64 << 20;
    for (number, (blocks, holes)) in [
        (1, false),
        (2, false),
        (127, false),
        (128, false),
        (129, true),
        (255, false),
        (256, false),
        (257, false),
        (5 * 256 + 3, true),
        (128 * 128, true),
        (128 * 128 + 1, true),
        (300 * mebibyte / 4096 - 77, true),
    ]
    .into_iter()
    .enumerate()
    {
        let size = blocks * 4096;
        let parts =
            if holes { vec![(0, 70_000), (size / 2, 9_000), (size - 500, 500)] } else { vec![(0, size as usize)] };
        sparse_file(&data, size, &parts);
        let salt = match number % 3 {
            0 => Salt::of(b"content"),
            1 => Salt::new(b"").unwrap(),
            _ => Salt::new(&[0xA5; 256]).unwrap(),
        };
        let request = VerityRequest { salt, uuid: NAME };
        let made = write_verity(&data, &ours, &request).unwrap();
        assert_eq!(made.root_hash, reference(&data, &theirs, &request), "{blocks} blocks");
        let (bytes, expected) = (std::fs::read(&ours).unwrap(), std::fs::read(&theirs).unwrap());
        // Of one block, veritysetup writes the superblock only, not all of the block that it is in.
        assert!(bytes.starts_with(&expected), "{blocks} blocks");
        assert!(bytes[expected.len()..].iter().all(|byte| *byte == 0));
        assert!(blocks == 1 || bytes.len() == expected.len(), "{blocks} blocks: {} {}", bytes.len(), expected.len());
        assert_eq!((made.data_size, made.tree_size), (size, bytes.len() as u64));
        assert!(verify(&data, &ours, &made.root_hash));
        let mut tree = File::open(&ours).unwrap();
        assert_eq!(read_verity(&mut tree).unwrap(), (request, size));
        check_verity(&mut File::open(&data).unwrap(), &mut tree, &made.root_hash).unwrap();
    }
}

#[test]
fn data_that_ends_within_a_block_is_as_in_a_partition() {
    let folder = tempfile::tempdir().unwrap();
    let (data, ours, theirs) = (folder.path().join("data"), folder.path().join("ours"), folder.path().join("theirs"));
    let request = VerityRequest { salt: Salt::of(b"x"), uuid: NAME };
    for size in [1, 4095, 4097, 528_383, 1 << 20, (1 << 20) + 1, 5_000_001] {
        sparse_file(&data, size, &[(0, size as usize)]);
        let made = write_verity(&data, &ours, &request).unwrap();
        check_verity(&mut File::open(&data).unwrap(), &mut File::open(&ours).unwrap(), &made.root_hash).unwrap();
        let whole = size.next_multiple_of(4096);
        assert_eq!(made.data_size, whole);
        File::options().write(true).open(&data).unwrap().set_len(whole).unwrap();
        assert_eq!(made.root_hash, reference(&data, &theirs, &request), "{size}");
    }
}

#[test]
fn a_flipped_byte_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (data, tree) = (folder.path().join("data"), folder.path().join("tree"));
    let size = 200 * 4096;
    sparse_file(&data, size, &[(0, size as usize)]);
    let root = write_verity(&data, &tree, &VerityRequest { salt: Salt::of(b"x"), uuid: NAME }).unwrap().root_hash;
    assert!(verify(&data, &tree, &root));
    for (path, offset, expected) in [
        (&data, 0, "dm-verity refuses block 0 of the data"),
        (&data, 131 * 4096 + 5, "dm-verity refuses block 131 of the data"),
        (&data, size - 1, "dm-verity refuses block 199 of the data"),
        (&tree, 4096 + 40, "dm-verity refuses block 0 of level 2 of the hash tree"),
        (&tree, 4096 + 100, "dm-verity refuses block 0 of level 2 of the hash tree"),
        (&tree, 3 * 4096 + 100, "dm-verity refuses block 1 of level 1 of the hash tree"),
        (&tree, 72, "dm-verity refuses block 1 of level 1 of the hash tree"),
        (&tree, 0, "dm-verity refuses the hash tree: it has no superblock"),
    ] {
        let file = File::options().read(true).write(true).open(path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
        let error = check_verity(&mut File::open(&data).unwrap(), &mut File::open(&tree).unwrap(), &root).unwrap_err();
        if offset != 72 {
            assert_eq!(error.to_string(), expected);
        }
        assert!(!verify(&data, &tree, &root), "{expected}");
        file.write_all_at(&byte, offset).unwrap();
    }
    let other: RootHash = "0".repeat(64).parse().unwrap();
    let error = check_verity(&mut File::open(&data).unwrap(), &mut File::open(&tree).unwrap(), &other).unwrap_err();
    assert_eq!(error.to_string(), "dm-verity refuses block 0 of level 2 of the hash tree");
}

#[test]
fn empty_data_is_an_error_that_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    sparse_file(&data, 0, &[]);
    let error = write_verity(&data, &folder.path().join("tree"), &VerityRequest { salt: Salt::of(b""), uuid: NAME })
        .unwrap_err();
    assert!(error.to_string().ends_with("it is empty, and a hash tree is over one block at least"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

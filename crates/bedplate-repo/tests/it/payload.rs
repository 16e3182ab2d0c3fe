//! Payloads: what comes out is what rpm installs, and what lies is found out.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use bedplate_repo::{
    Checksum, Compression, Entry, EntryKind, ListedKind, PackageHeaders, PayloadError, Problem, ReadPayload, Tag,
    content_identity, for_each_entry,
};
use proptest::prelude::*;

use crate::support::{Fake, Value, build, run};

const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/packed.spec");
const NAME: &str = "packed-1-1.x86_64.rpm";

fn packed(payload: &str) -> PathBuf {
    build(
        SPEC,
        &[("_binary_payload", payload), ("_source_payload", payload), ("clamp_mtime_to_source_date_epoch", "1")],
    )
}

/// A file as a line: mode, time, size or target, digest.
type Tree = BTreeMap<String, String>;

/// The tree of a package as the visitor sees it.
fn visited(path: &Path) -> Result<(Tree, ReadPayload), PayloadError<io::Error>> {
    let mut tree = Tree::new();
    let read = for_each_entry(path, |entry| {
        let Entry { permissions, time, .. } = entry;
        assert_eq!((entry.user, entry.group, entry.capabilities), ("root", "root", None));
        let line = match entry.kind {
            EntryKind::Directory => format!("d{permissions:o}"),
            EntryKind::File { size, contents } => {
                let mut bytes = Vec::new();
                contents.read_to_end(&mut bytes)?;
                assert_eq!(size, bytes.len() as u64);
                format!("f{permissions:o} {time} {}", Checksum::sha256(&bytes))
            }
            EntryKind::HardLink { to } => tree[to].clone(),
            EntryKind::Symlink { target } => format!("l {target}"),
            EntryKind::CharacterDevice { number } => format!("c{permissions:o} {number:x}"),
            EntryKind::BlockDevice { number } => format!("b{permissions:o} {number:x}"),
            EntryKind::Fifo => format!("p{permissions:o}"),
            EntryKind::Socket => format!("s{permissions:o}"),
        };
        assert!(tree.insert(entry.path.to_owned(), line).is_none());
        Ok(())
    })?;
    assert_eq!(read.entries, tree.len());
    Ok((tree, read))
}

/// The same of a folder; without the directories that rpm had to make.
fn installed(root: &Path, below: &str, tree: &mut Tree) {
    for entry in std::fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        let data = entry.path().symlink_metadata().unwrap();
        let (kind, mode) = (data.file_type(), data.mode() & 0o7777);
        if kind.is_dir() {
            tree.insert(path.clone(), format!("d{mode:o}"));
            installed(root, &path, tree);
            continue;
        }
        let line = if kind.is_symlink() {
            format!("l {}", std::fs::read_link(entry.path()).unwrap().display())
        } else if kind.is_file() {
            format!("f{mode:o} {} {}", data.mtime(), Checksum::sha256(&std::fs::read(entry.path()).unwrap()))
        } else {
            format!("c{mode:o} {:x}", data.rdev())
        };
        tree.insert(path, line);
    }
}

#[test]
fn what_is_visited_is_what_rpm_installs() {
    let mut trees = Vec::new();
    for payload in ["w3.zstdio", "w6.gzdio", "w2.xzdio", "w.ufdio"] {
        let path = packed(payload).join(NAME);
        let (tree, read) = visited(&path).unwrap_or_else(|error| panic!("{payload}: {error}"));
        assert_eq!(read.content, content_identity(&path).unwrap());
        trees.push(tree);
    }
    assert!(trees.iter().all(|tree| *tree == trees[0]));
    let root = tempfile::tempdir().unwrap();
    let path = packed("w3.zstdio").join(NAME);
    run(Command::new("rpm")
        .arg("--root")
        .arg(root.path())
        .args(["--nodeps", "--nosignature", "--dbpath", "/db", "-i"])
        .arg(path));
    let mut tree = Tree::new();
    installed(root.path(), "", &mut tree);
    tree.retain(|path, _| {
        !path.starts_with("db") && !["usr", "usr/bin", "usr/share", "usr/share/packed"].contains(&path.as_str())
    });
    assert_eq!(trees[0], tree);
    assert_eq!(tree.len(), 16, "{tree:#?}");
}

#[test]
fn the_headers_say_what_is_visited() {
    let path = packed("w3.zstdio").join(NAME);
    let headers = PackageHeaders::read(&path).unwrap();
    assert_eq!(headers.nevra().to_string(), "packed-1-1.x86_64");
    assert_eq!(headers.main().text(Tag(1000, "NAME")).as_deref(), Some("packed"));
    let digest = headers.digest().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(headers.signature().text(Tag(273, "SHA256")).as_deref(), Some(&*digest));
    let files = headers.files();
    let packed: Vec<_> = files.files.iter().filter(|file| file.is_packed()).collect();
    assert_eq!(packed.len(), visited(&path).unwrap().0.len());
    let tool = &files.files[files.by_path["usr/bin/tool"]];
    assert_eq!((tool.kind, tool.permissions, tool.size, tool.color), (ListedKind::File, 0o4755, 5, 0));
    assert!(!files.files[files.by_path["var/lib/packed"]].is_packed());
    assert_eq!(files.links.iter().map(Vec::len).collect::<Vec<_>>(), [4, 2, 2]);

    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(5).rposition(|five| five == b"tool\0").unwrap();
    bytes[at] = b'T';
    let changed = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(changed.path(), bytes).unwrap();
    let problems = PackageHeaders::read(changed.path()).unwrap_err();
    assert_eq!(problems.iter().map(Problem::code).collect::<Vec<_>>(), ["wrong-digest"]);
}

#[test]
fn a_source_package_has_its_spec() {
    let path = packed("w3.zstdio").join("packed-1-1.src.rpm");
    let mut found = Vec::new();
    for_each_entry(&path, |entry| {
        let EntryKind::File { contents, .. } = entry.kind else { panic!("{entry:?}") };
        let mut bytes = Vec::new();
        contents.read_to_end(&mut bytes)?;
        found.push((entry.path.to_owned(), bytes));
        Ok::<_, io::Error>(())
    })
    .unwrap();
    assert_eq!(found, [("packed.spec".to_owned(), std::fs::read(SPEC).unwrap())]);
}

#[test]
fn a_visitor_may_skip_and_may_stop() {
    let path = packed("w3.zstdio").join(NAME);
    let skipped = for_each_entry(&path, |entry| {
        if let EntryKind::File { contents, .. } = entry.kind {
            let _ = contents.read(&mut [0; 2]);
        }
        Ok::<_, Infallible>(())
    });
    assert_eq!(skipped.unwrap().entries, 16);
    let mut count = 0;
    let stopped = for_each_entry(&path, |_| {
        count += 1;
        if count == 3 { Err("enough") } else { Ok(()) }
    });
    assert!(matches!(stopped, Err(PayloadError::Visitor("enough"))) && count == 3);
}

/// A file of a package that is written by hand.
#[derive(Clone)]
struct File {
    path: &'static str,
    mode: u16,
    data: &'static str,
    inode: u32,
    flags: u32,
}

fn file(path: &'static str, data: &'static str) -> File {
    File { path, mode: 0o100_644, data, inode: 0, flags: 0 }
}

fn link(path: &'static str, target: &'static str) -> File {
    File { mode: 0o120_777, ..file(path, target) }
}

/// A package with these files in its header and this archive in its payload.
fn package(files: &[File], archive: &[u8]) -> Fake {
    use Value::{Long, Numbers, Owned, Shorts, Strings};
    let payload = Compression::Zstd.compress(archive);
    let numbers = |of: &dyn Fn(&File) -> u32| Numbers(files.iter().map(of).collect());
    let strings = |of: &dyn Fn(&File) -> String| Strings(files.iter().map(of).collect());
    let is_file = |file: &File| file.mode >> 12 == 0o10;
    let mut next = 100;
    let inodes = files.iter().map(|file| {
        next += 1;
        if file.inode == 0 { next } else { file.inode }
    });
    let inodes = Numbers(inodes.collect());
    let (folder, name) = (|file: &File| file.path.rfind('/').map_or(0, |at| at + 1), |file: &File| file.path);
    let mut fake = Fake::v6();
    for (tag, value) in [
        (1028, numbers(&|file| file.data.len() as u32)),
        (1030, Shorts(files.iter().map(|file| file.mode).collect())),
        (1033, Shorts(vec![0; files.len()])),
        (1034, numbers(&|_| 7)),
        (
            1035,
            strings(&|file| {
                if is_file(file) { Checksum::sha256(file.data.as_bytes()).to_string() } else { String::new() }
            }),
        ),
        (1036, strings(&|file| if is_file(file) { String::new() } else { file.data.to_owned() })),
        (1037, numbers(&|file| file.flags)),
        (1039, strings(&|_| "root".into())),
        (1040, strings(&|_| "root".into())),
        (1095, numbers(&|_| 1)),
        (1096, inodes),
        (1116, Numbers((0..files.len() as u32).collect())),
        (1117, strings(&|file| name(file)[folder(file)..].to_owned())),
        (1118, strings(&|file| name(file)[..folder(file)].to_owned())),
        (5011, Numbers(vec![8])),
        (5092, Owned(Checksum::sha256(&payload).to_string())),
        (5112, Long(payload.len() as u64)),
    ] {
        fake = fake.set(tag, Some(value));
    }
    fake.payload = payload;
    fake
}

/// An entry with a name.
fn named(name: &str, data: &str) -> Vec<u8> {
    let mut bytes = b"070701".to_vec();
    for at in 0..13 {
        let number =
            [(6, data.len()), (11, name.len() + 1)].iter().find(|(index, _)| *index == at).map_or(0, |one| one.1);
        bytes.extend(format!("{number:08x}").bytes());
    }
    bytes.extend(name.bytes().chain([0]));
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(data.bytes());
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An entry with a number.
fn numbered(number: u32, data: &str) -> Vec<u8> {
    let mut bytes = format!("07070X{number:08x}\0\0{data}").into_bytes();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), named("TRAILER!!!", "")].concat()
}

/// What is visited of a package, as lines; or its problems.
fn lines(fake: &Fake) -> Result<Vec<String>, Vec<Problem>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fake.rpm");
    std::fs::write(&path, fake.bytes()).unwrap();
    let mut lines = Vec::new();
    let read = for_each_entry(&path, |entry| {
        let line = match entry.kind {
            EntryKind::File { contents, .. } => {
                let mut bytes = Vec::new();
                // A broken payload is reported by the function itself, whatever the visitor makes of it.
                contents.read_to_end(&mut bytes)?;
                format!("{}={}", entry.path, String::from_utf8_lossy(&bytes))
            }
            kind => format!("{} {kind:?}", entry.path),
        };
        lines.push(line);
        Ok::<_, io::Error>(())
    });
    match read {
        Ok(_) => Ok(lines),
        Err(PayloadError::Package(problems)) => Err(problems),
        Err(PayloadError::Visitor(error)) => panic!("{error}"),
    }
}

#[test]
fn large_packages_have_numbers_in_place_of_names() {
    let files = [
        file("/a", "one"),
        File { inode: 5, ..file("/b", "shared") },
        link("/c", "/a"),
        File { inode: 5, ..file("/d", "shared") },
        File { inode: 5, ..file("/e", "shared") },
        File { mode: 0o010_644, ..file("/f", "") },
    ];
    // rpm's order is that of its sorted files; the last name of an inode has the data.
    let entries = [
        numbered(0, "one"),
        numbered(1, ""),
        numbered(3, ""),
        numbered(2, "/a"),
        numbered(4, "shared"),
        numbered(5, ""),
    ];
    let found = lines(&package(&files, &archive(&entries))).unwrap();
    assert_eq!(found, ["a=one", "c Symlink(/a)", "e=shared", "b HardLink(e)", "d HardLink(e)", "f Fifo"]);
    // Sizes that need 64 bits.
    let sizes = Value::Long(3);
    let fake = package(&files[..1], &archive(&entries[..1])).set(1028, None).set(5008, Some(sizes));
    assert_eq!(lines(&fake).unwrap(), ["a=one"]);
}

#[test]
fn a_package_that_lies_about_its_files_is_refused() {
    let one = [file("/usr/a", "hello")];
    let good = |entries: &[Vec<u8>]| archive(entries);
    let twins = [File { inode: 5, ..file("/a", "same") }, File { inode: 5, ..file("/b", "same") }];
    let cases: Vec<(&str, Fake)> = vec![
        ("bad-path: file `/usr/../a` of the package: it has an empty part", package(&[file("/usr/../a", "x")], b"")),
        ("bad-path: file `//a` of", package(&[file("//a", "x")], b"")),
        ("bad-path: file `..` of", package(&[file("..", "x")], b"")),
        (
            "bad-path: file `lib/x/y` of the package: the package has `lib`, which is no directory",
            package(&[link("/lib", "/etc"), file("/lib/x/y", "x")], b""),
        ),
        ("bad-path: file `a` of the package: it is there twice", package(&[file("/a", "x"), file("/a", "x")], b"")),
        ("bad-path: file `usr/a` of the package: it is not in the payload", package(&one, &good(&[]))),
        (
            "bad-payload: the payload cannot be read: `./usr/b` is in it and not in the header",
            package(&one, &good(&[named("./usr/b", "hello")])),
        ),
        ("`./../usr/a` is in it and not in the header", package(&one, &good(&[named("./../usr/a", "hello")]))),
        ("`usr/a` has 4 bytes in it and 5", package(&one, &good(&[named("./usr/a", "hell")]))),
        (
            "wrong-file-digest: file `usr/a` is not what the package says",
            package(&one, &good(&[named("./usr/a", "hallo")])),
        ),
        (
            "where it has no place or is there already",
            package(&one, &good(&[named("./usr/a", "hello"), named("./usr/a", "hello")])),
        ),
        (
            "where it has no place or is there already",
            package(&[File { flags: 64, ..file("/a", "") }], &good(&[named("./a", "")])),
        ),
        ("no name of `b` has its data", package(&twins, &good(&[named("./a", ""), named("./b", "")]))),
        ("the data of `b` is there twice", package(&twins, &good(&[named("./a", "same"), named("./b", "same")]))),
        ("bad-path: file `b` of the package: it is not in", package(&twins, &good(&[named("./a", "same")]))),
        ("`l` leads elsewhere", package(&[link("/l", "/a")], &good(&[named("./l", "/b")]))),
        ("it has a file with the number 7, of 1", package(&one, &good(&[numbered(7, "hello")]))),
        ("it ends early", package(&one, &named("./usr/a", "hello"))),
        ("it ends 5 bytes before the end of a file", package(&one, &named("./usr/a", "hello")[..120])),
        ("data after the end", package(&one, &[good(&[named("./usr/a", "hello")]), b"more".to_vec()].concat())),
        ("digests of type 1 of", package(&one, &good(&[])).set(5011, None)),
        (
            "tag-counts: tags BASENAMES and FILESIZES",
            package(&one, &good(&[])).set(1028, Some(Value::Numbers(vec![1, 2]))),
        ),
        ("tag-counts: tags BASENAMES and FILEINODES", package(&one, &good(&[])).set(1096, None)),
        ("it names no kind of file", package(&[File { mode: 0o644, ..file("/a", "") }], b"")),
        ("it is `star`; only `cpio`", package(&one, &good(&[])).set(1124, Some(Value::Text("star")))),
    ];
    for (want, fake) in cases {
        let problems = lines(&fake).unwrap_err();
        let shown: Vec<_> = problems.iter().map(|one| format!("{}: {one}", one.code())).collect();
        assert!(shown.iter().any(|one| one.contains(want)), "{want}: {shown:?}");
    }
    // Each file is looked at: all that are wrong are named.
    let both = [file("/a", "one"), file("/b", "two"), file("/c", "three")];
    let wrong = good(&[named("./a", "onE"), named("./b", "two"), named("./c", "threE")]);
    let codes: Vec<_> = lines(&package(&both, &wrong)).unwrap_err().iter().map(Problem::code).collect();
    assert_eq!(codes, ["wrong-file-digest", "wrong-file-digest"]);
}

#[test]
fn a_payload_that_is_not_as_packed_is_refused() {
    let one = [file("/usr/a", "hello")];
    let fake = package(&one, &archive(&[named("./usr/a", "hello")]));
    assert_eq!(lines(&fake).unwrap(), ["usr/a=hello"]);
    // What the decoder does not look at is part of the payload, too.
    let mut longer = fake.bytes();
    longer.push(0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fake.rpm");
    std::fs::write(&path, longer).unwrap();
    let problems = |path: &Path| match for_each_entry(path, |_| Ok::<_, Infallible>(())) {
        Err(PayloadError::Package(problems)) => problems.iter().map(Problem::code).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(problems(&path), ["too-long"]);
    let other = package(&one, &archive(&[named("./usr/a", "hello"), Vec::new()]));
    let mut swapped = other.set(5092, Some(Value::Owned(Checksum::sha256(b"").to_string())));
    std::fs::write(&path, swapped.bytes()).unwrap();
    assert_eq!(problems(&path), ["wrong-digest"]);
    swapped = fake.set(1125, Some(Value::Text("lzma")));
    swapped.payload = b"\x5d\0\0\0\0".to_vec();
    swapped = swapped.set(5112, Some(Value::Long(5)));
    assert!(lines(&swapped).unwrap_err()[0].to_string().contains("not compressed with lzma"));
    // A link in place of the package is followed; no package at all is an error of the machine.
    symlink(folder.path().join("none"), folder.path().join("link")).unwrap();
    assert_eq!(problems(&folder.path().join("link")), ["file-unreadable"]);
}

#[test]
fn content_is_the_same_with_another_signature_header() {
    let mut fake = Fake::v6();
    let folder = tempfile::tempdir().unwrap();
    let identity = |fake: &Fake| {
        let path = folder.path().join("fake.rpm");
        std::fs::write(&path, fake.bytes()).unwrap();
        content_identity(&path).unwrap()
    };
    let first = identity(&fake);
    fake.signature.push((1000, Value::Numbers(vec![5])));
    assert_eq!(identity(&fake), first);
    fake.payload.push(0);
    assert_ne!(identity(&fake), first);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The payload is not compressed, so that each byte of the archive is hit.
    #[test]
    fn no_turned_bit_goes_unseen(at in 0.0..1.0f64, bit in 0..8u8) {
        let files = [file("/a", "one"), File { inode: 5, ..file("/b", "two") }, File { inode: 5, ..file("/c", "two") }];
        let entries = [named("./a", "one"), named("./b", ""), named("./c", "two")];
        let fake = package(&files, &[]);
        let payload = archive(&entries);
        let digest = Value::Owned(Checksum::sha256(&payload).to_string());
        let mut fake = fake.set(5112, Some(Value::Long(payload.len() as u64))).set(5092, Some(digest));
        fake.payload = payload;
        prop_assert!(lines(&fake).is_ok());
        let place = (at * fake.payload.len() as f64) as usize;
        fake.payload[place] ^= 1u8 << bit;
        prop_assert!(lines(&fake).is_err());
        fake = fake.set(5092, None);
        // Without the digest of the whole there is still that of each file.
        if let Ok(found) = lines(&fake) {
            prop_assert_eq!(found, ["a=one", "c=two", "b HardLink(c)"]);
        }
    }
}

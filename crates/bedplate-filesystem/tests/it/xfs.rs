//! xfs, read by xfs_repair and xfs_db.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::FileExt as _;
use std::process::Command;

use bedplate_cas::Digest;
use bedplate_filesystem::{FilesystemError, FilesystemKind, Size, XfsOptions};
use bedplate_tree::{Entry, FileTree, Kind};

use crate::support::{Facts, World, add, assert_same, facts, line, sample, tool};

const KIND: FilesystemKind = FilesystemKind::Xfs(XfsOptions {});

/// What xfs_db says of each path of a tree. Contents are read where it says that they lie.
fn read_back(image: &str, tree: &FileTree) -> Facts {
    let mut script = "sb 0\nprint agblocks\n".to_owned();
    for (path, entry) in tree.iter() {
        let content = match &entry.kind {
            Kind::Directory | Kind::Symlink(_) => "",
            _ => "bmap\n",
        };
        let _ = writeln!(
            script,
            "echo path {path}\npath {path}\nprint core.mode core.uid core.gid core.nlinkv2 core.mtime.sec core.size\n\
             print u3\nprint a\n{content}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let script_path = folder.path().join("script");
    std::fs::write(&script_path, script).unwrap();
    // xfs_db takes commands from its standard input; `-c` for each would be more than an argument list holds.
    let said = {
        let root = crate::support::tools();
        let output = Command::new(root.join("usr/lib64/ld-linux-x86-64.so.2"))
            .arg("--library-path")
            .arg(root.join("usr/lib/x86_64-linux-gnu"))
            .arg(root.join("usr/sbin/xfs_db"))
            .args(["-r", "-f", image])
            .stdin(std::fs::File::open(&script_path).unwrap())
            .env("TZ", "UTC")
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let file = std::fs::File::open(image).unwrap();
    let group_blocks: u64 = said.lines().find_map(|line| line.strip_prefix("agblocks = ")).unwrap().parse().unwrap();
    let mut found = Facts::new();
    for block in said.split("path ").skip(1) {
        let path = block.lines().next().unwrap().trim_end();
        let field = |name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            line.unwrap_or_else(|| panic!("{name} is not in {block}"))
        };
        let number = |name: &str| field(name).parse::<u64>().unwrap();
        let mode = u32::from_str_radix(field("core.mode"), 8).unwrap();
        let content = |size: u64| {
            let mut bytes = vec![0; usize::try_from(size).unwrap()];
            // `data offset 0 startblock 24 (0/24) count 34 flag 0`
            for extent in block.lines().filter(|line| line.starts_with("data offset ")) {
                let words: Vec<&str> = extent.split_whitespace().collect();
                let (group, at) = words[5].trim_matches(['(', ')']).split_once('/').unwrap();
                let at = (group.parse::<u64>().unwrap() * group_blocks + at.parse::<u64>().unwrap()) * 4096;
                let from = words[2].parse::<u64>().unwrap() * 4096;
                let end = (from + words[7].parse::<u64>().unwrap() * 4096).min(size);
                let (from, end) = (usize::try_from(from).unwrap(), usize::try_from(end).unwrap());
                file.read_exact_at(&mut bytes[from..end], at).unwrap();
            }
            bytes
        };
        let device = || {
            // Eighteen bits are the second number.
            let device = u32::from_str_radix(field("u3.dev").trim_start_matches("0x"), 16).unwrap();
            format!("{}:{}", device >> 18, device & 0x3ffff)
        };
        let what = match mode & 0o170_000 {
            0o040_000 => "folder".to_owned(),
            0o100_000 => format!("file {}", Digest::of(&content(number("core.size")))),
            0o120_000 if block.contains("u3.symlink = ") => format!("link {}", field("u3.symlink").trim_matches('"')),
            0o120_000 => match &tree.get(path).unwrap().kind {
                // A long target lies in a block with a header, which only the kernel reads: its length is what can be seen.
                Kind::Symlink(target) if target.len() as u64 == number("core.size") => format!("link {target}"),
                _ => "link of another length".to_owned(),
            },
            0o020_000 => format!("character {}", device()),
            0o060_000 => format!("block {}", device()),
            _ => "fifo".to_owned(),
        };
        let attributes = attributes(block);
        let attributes = attributes.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let links = if mode & 0o170_000 == 0o040_000 { 0 } else { number("core.nlinkv2") };
        let owner = (number("core.uid") as u32, number("core.gid") as u32);
        let mtime = seconds(field("core.mtime.sec"));
        found.insert(path.to_owned(), line(&what, mode & 0o7777, owner, mtime, links, attributes));
    }
    found
}

/// The attributes that lie in an inode, by full name.
fn attributes(block: &str) -> BTreeMap<String, Vec<u8>> {
    let field = |at: usize, name: &str| {
        let start = format!("a.sfattr.list[{at}].{name} = ");
        block.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned)
    };
    let mut found = BTreeMap::new();
    for at in 0.. {
        let Some(name) = field(at, "name") else { break };
        let is = |flag: &str| field(at, flag).is_some_and(|value| value == "1");
        let prefix = if is("root") {
            "trusted"
        } else if is("secure") {
            "security"
        } else {
            "user"
        };
        let value = field(at, "value").map(|text| unescaped(text.trim_matches('"'))).unwrap_or_default();
        found.insert(format!("{prefix}.{}", name.trim_matches('"')), value);
    }
    found
}

/// Bytes as xfs_db writes them: in octal, if they are no letters.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        (bytes, rest) = match (first, after) {
            (b'\\', [one @ b'0'..=b'3', two, three, after @ ..]) => {
                let digits = [*one, *two, *three];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 8).unwrap());
                (bytes, after)
            }
            (b'\\', [letter, after @ ..]) => {
                bytes.push(match letter {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    other => *other,
                });
                (bytes, after)
            }
            _ => {
                bytes.push(*first);
                (bytes, after)
            }
        };
    }
    bytes
}

/// A time as `ctime` writes it.
fn seconds(text: &str) -> i64 {
    let output = Command::new("date").args(["-u", "+%s", "-d", text]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap_or_else(|_| panic!("{text} is no time"))
}

fn check(image: &str) {
    tool("xfs_repair", &["-n", "-f", image]);
}

#[test]
fn keeps_all_of_a_tree() {
    let world = World::new();
    let mut tree = sample(&world);
    tree.get_mut("/empty").unwrap().mtime = 5_000_000_000;
    tree.get_mut("/holes").unwrap().mtime = -1_000_000;
    let image = world.image(&tree, KIND);
    check(&image);
    assert_same(&read_back(&image, &tree), &facts(&tree));
    let about = tool("xfs_db", &["-r", "-f", "-c", "uuid", "-c", "label", &image]);
    assert!(about.contains("1ea0beef-1122-4344-8566-778899aabbcc") && about.contains("LABEL"), "{about}");
}

#[test]
fn sizes() {
    let world = World::new();
    let mut tree = sample(&world);
    let least = world.make(&tree, KIND, Size::Minimal { slack: 0 }, "image").unwrap();
    assert_eq!(least.size, 300 << 20, "the smallest that there is");
    let made = world.make(&tree, KIND, Size::Minimal { slack: 300 << 20 }, "image").unwrap();
    let free = made.size - made.used;
    assert!((300 << 20..320 << 20).contains(&free), "{made:?}");
    check(world.path("image").to_str().unwrap());
    let large = Kind::File(world.store.put(&vec![1; 260 << 20]).unwrap());
    add(&mut tree, "/large", large, |_| {});
    let error = world.make(&tree, KIND, Size::Fixed(300 << 20), "image").unwrap_err();
    assert!(
        matches!(error, FilesystemError::TooSmall { needed, .. } if (320 << 20..360 << 20).contains(&needed)),
        "{error}"
    );
    let error = world.make(&tree, KIND, Size::Fixed(64 << 20), "image").unwrap_err();
    assert!(error.to_string().contains("mkfs.xfs makes none of less than 314572800 bytes"), "{error}");
}

#[test]
fn says_what_its_tools_have_no_words_for() {
    let world = World::new();
    let mut tree = FileTree::new();
    for path in ["/with space", "/:colon", "/$"] {
        add(&mut tree, path, Kind::Fifo, |_| {});
    }
    add(&mut tree, "/link", Kind::Symlink("to a name".into()), |_| {});
    add(&mut tree, "/attribute", Kind::Fifo, |entry| {
        entry.xattrs.insert("user.binary".to_owned(), vec![0; 65]);
    });
    let text = world.make(&tree, KIND, Size::Minimal { slack: 0 }, "image").unwrap_err().to_string();
    for part in
        ["`/with space` (a name", "`/:colon` (a name", "`/$` (a name", "`/link` (a link to", "`/attribute` (its"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Attributes that are no text, of so many bytes in an inode.
fn binary(entry: &mut Entry, bytes: usize) {
    let mut left = bytes - 4;
    for name in ["user.a", "user.b", "user.c", "user.d", "user.e"] {
        // Three numbers and a name of one letter.
        let value = left.saturating_sub(4).min(64);
        entry.xattrs.insert(name.to_owned(), vec![1; value]);
        left -= value + 4;
        if left < 4 {
            break;
        }
    }
}

#[test]
fn says_which_attributes_do_not_fit_into_an_inode() {
    let world = World::new();
    let file = Kind::File(world.store.put(b"text").unwrap());
    let long = "x".repeat(100);
    // Each with the room that it has.
    let all = [
        ("/fifo", Kind::Fifo, 328),
        ("/file", file, 280),
        ("/link", Kind::Symlink("target".into()), 280),
        ("/long-link", Kind::Symlink(long.clone()), 232),
        ("/folder", Kind::Directory, 280),
        ("/full", Kind::Directory, 216),
    ];
    let tree = |more: usize| {
        let mut tree = FileTree::new();
        for (path, kind, room) in &all {
            add(&mut tree, path, kind.clone(), |entry| binary(entry, room + more));
        }
        add(&mut tree, &format!("/full/{long}"), Kind::Fifo, |_| {});
        tree
    };
    let fits = tree(0);
    let image = world.image(&fits, KIND);
    check(&image);
    assert_same(&read_back(&image, &fits), &facts(&fits));
    let text = world.make(&tree(1), KIND, Size::Minimal { slack: 0 }, "image").unwrap_err().to_string();
    for (path, _, room) in &all {
        let part = format!("`{path}` (its extended attributes that are no plain text: they take {} bytes", room + 1);
        assert!(text.contains(&part) && text.contains(&format!("room for {room}")), "{part}: {text}");
    }
}

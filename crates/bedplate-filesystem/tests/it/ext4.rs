//! ext4, read by e2fsck and debugfs.

use std::fmt::Write as _;

use bedplate_cas::Digest;
use bedplate_filesystem::{Ext4Options, FilesystemError, FilesystemKind, Size};
use bedplate_tree::{Entry, FileTree, Kind};

use crate::support::{Facts, World, add, assert_same, facts, line, sample, tool};

const READ_ONLY: FilesystemKind = FilesystemKind::Ext4(Ext4Options { journal: false, growable: false });
const WRITABLE: FilesystemKind = FilesystemKind::Ext4(Ext4Options { journal: true, growable: true });

/// What debugfs says of each path of a tree.
fn read_back(world: &World, image: &str, tree: &FileTree) -> Facts {
    let contents = world.path("contents");
    std::fs::create_dir_all(&contents).unwrap();
    let mut script = String::new();
    for (number, (path, entry)) in tree.iter().enumerate() {
        let _ = writeln!(script, "stat \"{path}\"");
        let facts = match &entry.kind {
            Kind::HardLink(target) => tree.get(target.as_str()).unwrap(),
            _ => entry,
        };
        for name in facts.xattrs.keys() {
            let _ = writeln!(script, "ea_get -x \"{path}\" {name}");
        }
        let _ = writeln!(script, "dump \"{path}\" {}/{number}", contents.display());
    }
    let script_path = world.path("script");
    std::fs::write(&script_path, script).unwrap();
    let said = tool("debugfs", &["-f", script_path.to_str().unwrap(), image]);
    let mut found = Facts::new();
    for (number, block) in said.split("debugfs: stat ").skip(1).enumerate() {
        let path = block.lines().next().unwrap().trim_matches('"');
        let after = |word: &str| {
            let rest = &block[block.find(word).unwrap_or_else(|| panic!("{word} is not in {block}")) + word.len()..];
            rest.split_whitespace().next().unwrap().to_owned()
        };
        let number_after = |word: &str| after(word).parse::<i64>().unwrap();
        // debugfs shows owners with a sign, and times as they lie there: 32 bits, and two more beside the nanoseconds.
        let (user, group) = (number_after("User:") as u32, number_after("Group:") as u32);
        let (low, high) =
            after(" mtime: 0x").split_once(':').map(|(low, high)| (low.to_owned(), high.to_owned())).unwrap();
        let hex = |text: &str| i64::from_str_radix(text, 16).unwrap();
        let mtime = i64::from(hex(&low) as u32 as i32) + ((hex(&high) & 3) << 32);
        let content = || std::fs::read(contents.join(number.to_string())).unwrap();
        let device = || after("Device major/minor number: ").trim_start_matches('0').replace(":0", ":");
        let kind = after("Type: ");
        let what = match kind.as_str() {
            "directory" => "folder".to_owned(),
            "regular" => format!("file {}", Digest::of(&content())),
            "symlink" if block.contains("Fast link dest") => {
                format!("link {}", after("Fast link dest: ").trim_matches('"'))
            }
            "symlink" => {
                let target = tool("debugfs", &["-R", &format!("cat \"{path}\""), image]);
                format!("link {target}")
            }
            "character" => format!("character {}", device()),
            "block" => format!("block {}", device()),
            other => other.to_lowercase(),
        };
        let attributes: Vec<(String, Vec<u8>)> = block
            .split("debugfs: ea_get")
            .skip(1)
            .map(|text| {
                let answer = text.lines().nth(1).unwrap();
                let (name, value) = answer.split_once(" = ").unwrap();
                let bytes = value.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
                (name.split(' ').next().unwrap().to_owned(), bytes)
            })
            .collect();
        // None that was not asked for.
        let listed = block.lines().filter(|line| line.starts_with("  ") && line.contains(") = ")).count();
        assert_eq!(listed, attributes.len(), "{block}");
        let links = if kind == "directory" { 0 } else { number_after("Links:").try_into().unwrap() };
        let attributes = attributes.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let mode = u32::from_str_radix(&after("Mode:"), 8).unwrap();
        found.insert(path.to_owned(), line(&what, mode, (user, group), mtime, links, attributes));
    }
    found
}

fn check(image: &str) {
    tool("e2fsck", &["-fn", image]);
}

fn header(image: &str, field: &str) -> String {
    let said = tool("dumpe2fs", &["-h", image]);
    let line = said.lines().find_map(|line| line.strip_prefix(field));
    line.unwrap_or_else(|| panic!("{field} is not in {said}")).trim().to_owned()
}

#[test]
fn keeps_all_of_a_tree() {
    let world = World::new();
    let mut tree = sample(&world);
    tree.get_mut("/empty").unwrap().mtime = -1_000_000;
    tree.get_mut("/holes").unwrap().mtime = 5_000_000_000;
    for kind in [READ_ONLY, WRITABLE] {
        let image = world.image(&tree, kind);
        check(&image);
        assert_same(&read_back(&world, &image, &tree), &facts(&tree));
        for (field, value) in [
            ("Filesystem UUID:", "1ea0beef-1122-4344-8566-778899aabbcc"),
            ("Filesystem volume name:", "LABEL"),
            ("Filesystem created:", "Tue Nov 14 22:13:20 2023"),
            ("Directory Hash Seed:", "1ea0beef-1122-4344-8566-778899aabbcc"),
            ("Reserved block count:", "0"),
        ] {
            assert_eq!(header(&image, field), value);
        }
        let features = header(&image, "Filesystem features:");
        assert_eq!(
            features.contains("has_journal") && features.contains("resize_inode"),
            kind == WRITABLE,
            "{features}"
        );
        // Holes are holes.
        let holes = tool("debugfs", &["-R", "stat /holes", &image]);
        assert!(holes.contains("Blockcount: 8\n"), "{holes}");
    }
}

/// As many labels as an image with SELinux has.
#[test]
fn keeps_thousands_of_attributes() {
    let world = World::new();
    let mut tree = FileTree::new();
    // There is one in any case; that of the tree counts.
    add(&mut tree, "/lost+found", Kind::Directory, |entry| (entry.mode, entry.uid) = (0o701, 3));
    let small = Kind::File(world.store.put(b"x").unwrap());
    for number in 0..3000 {
        add(&mut tree, &format!("/f{}/{number}", number % 7), small.clone(), |entry| {
            entry.xattrs.insert("security.selinux".to_owned(), format!("label-{number}").into_bytes());
        });
    }
    let image = world.image(&tree, READ_ONLY);
    check(&image);
    assert!(header(&image, "Free blocks:").parse::<u64>().unwrap() < 700);
    assert_same(&read_back(&world, &image, &tree), &facts(&tree));
}

#[test]
fn the_smallest_is_small_and_room_is_there() {
    let world = World::new();
    let tree = sample(&world);
    for (kind, slack) in [(READ_ONLY, 0), (READ_ONLY, 10 << 20), (WRITABLE, 0), (WRITABLE, 300 << 20)] {
        let made = world.make(&tree, kind, Size::Minimal { slack }, "image").unwrap();
        let image = world.path("image");
        check(image.to_str().unwrap());
        let free = made.size - made.used;
        // A journal takes at most half, which makes a least size.
        let is_small = free >= slack && free - slack <= (made.size / 64).max(128 * 4096) || made.size == 2112 * 4096;
        assert!(is_small, "{kind} {slack} {made:?}");
    }
}

#[test]
fn a_fixed_size_holds_the_tree_or_says_how_much_is_missing() {
    let world = World::new();
    let mut tree = sample(&world);
    let random: Vec<u8> =
        (0..2_000_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    add(&mut tree, "/random", Kind::File(world.store.put(&random).unwrap()), |_| {});
    let made = world.make(&tree, WRITABLE, Size::Fixed(1 << 30), "image").unwrap();
    assert_eq!(made.size, 1 << 30);
    check(world.path("image").to_str().unwrap());
    let before = std::fs::read(world.path("image")).unwrap();

    let least = world.make(&tree, WRITABLE, Size::Minimal { slack: 0 }, "least").unwrap();
    world.make(&tree, WRITABLE, Size::Fixed(least.size), "least").unwrap();
    let error = world.make(&FileTree::new(), WRITABLE, Size::Fixed(4 << 20), "image").unwrap_err();
    assert!(matches!(error, FilesystemError::TooSmall { needed, .. } if needed == 2112 * 4096), "{error}");
    let size = least.size - (2 << 20);
    let error = world.make(&tree, WRITABLE, Size::Fixed(size), "image").unwrap_err();
    assert!(matches!(error, FilesystemError::TooSmall { needed, .. } if needed == least.size), "{error}");
    assert!(error.to_string().contains("too small for the tree by 2097152 bytes"), "{error}");
    assert!(before == std::fs::read(world.path("image")).unwrap(), "what was there stays");
}

#[test]
fn says_what_does_not_fit_into_attributes() {
    let world = World::new();
    let mut tree = FileTree::new();
    add(&mut tree, "/a", Kind::Fifo, |entry: &mut Entry| {
        entry.xattrs.insert("user.large".to_owned(), vec![b'x'; 5000]);
    });
    add(&mut tree, "/b", Kind::Fifo, |entry| {
        entry.xattrs.insert("system.posix_acl_access".to_owned(), vec![2, 0, 0, 0]);
    });
    add(&mut tree, "/late", Kind::Fifo, |entry| entry.mtime = 1 << 40);
    add(&mut tree, "/device", Kind::BlockDevice { major: 5000, minor: 1 }, |_| {});
    let text = world.make(&tree, READ_ONLY, Size::Minimal { slack: 0 }, "image").unwrap_err().to_string();
    for part in [
        "`/a` (964 bytes of extended attributes more than there is room for)",
        "`/b` (its extended attribute `system.posix_acl_access`)",
        "`/late` (its time, 1099511627776 s after 1970",
        "`/device` (the device 5000:1",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

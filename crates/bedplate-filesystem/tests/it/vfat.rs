//! vfat, read by fsck.fat and mtools.

use std::sync::Arc;

use bedplate_filesystem::{FilesystemError, FilesystemKind, Size, VfatOptions};
use bedplate_tree::{Entry, FileTree, Kind};

use crate::support::{World, add, assert_same, facts, facts_of_folder, tool, try_tool};

const KIND: FilesystemKind = FilesystemKind::Vfat(VfatOptions {});

fn tree(world: &World, contents: usize) -> FileTree {
    let mut tree = FileTree::new();
    let mut file = |path: &str, content: &[u8], mtime: i64| {
        let kind = Kind::File(world.store.put(content).unwrap());
        add(&mut tree, path, kind, |entry| entry.mtime = mtime);
    };
    let kernel: Vec<u8> = (0..contents).map(|number| (number % 251) as u8).collect();
    file("/EFI/BOOT/BOOTX64.EFI", b"loader", 1_700_000_000);
    file("/EFI/Linux/node-1.2.3+3.efi", &kernel, 1_600_000_000);
    file("/loader/loader.conf", b"timeout 0\n", 1_500_000_000);
    file("/loader/entries.srel", b"type1\n", 1_500_000_002);
    file("/empty", b"", 315_532_800);
    file("/Grüße und 你好.txt", b"text", 1_700_000_000);
    for number in 0..200 {
        file(&format!("/many/a-long-name-of-a-file-{number}.data"), &vec![7; number * 9], 1_600_000_000);
    }
    file(&format!("/{}", "n".repeat(255)), b"long", 1_600_000_000);
    tree
}

fn check(image: &str) {
    let (said, is_good) = try_tool("fsck.fat", &["-n", "-v", image]);
    assert!(is_good, "{said}");
}

/// The smallest of each table, and fixed sizes around the borders between them.
#[test]
fn keeps_contents_names_and_times_in_all_sizes() {
    let world = World::new();
    for (contents, size, bits) in [
        (3000, Size::Minimal { slack: 0 }, 12),
        (5 << 20, Size::Minimal { slack: 0 }, 16),
        (40 << 20, Size::Minimal { slack: 0 }, 32),
        (3000, Size::Fixed(3 << 20), 12),
        (3000, Size::Fixed(4 << 20), 16),
        (3000, Size::Fixed(33 << 20), 16),
        (3000, Size::Fixed(34 << 20), 32),
        (3000, Size::Fixed(512 << 20), 32),
    ] {
        let tree = tree(&world, contents);
        let made = world.make(&tree, KIND, size, "image").unwrap();
        let image = world.path("image");
        let image = image.to_str().unwrap();
        assert_eq!(std::fs::metadata(image).unwrap().len(), made.size);
        if let Size::Minimal { .. } = size {
            assert!(made.size - made.used < 4096 + 16384, "{made:?}");
        }
        check(image);
        let folder = world.path("out");
        std::fs::create_dir(&folder).unwrap();
        tool("mcopy", &["-s", "-p", "-m", "-n", "-i", image, "::/*", folder.to_str().unwrap()]);
        // Owners and modes there are those of who reads; folders have the time of the copy.
        let plain = |facts: crate::support::Facts| -> crate::support::Facts {
            let short = |line: String| {
                let words: Vec<&str> = line.split(' ').collect();
                if words[0] == "folder" {
                    "folder".to_owned()
                } else {
                    format!("{} {} {}", words[0], words[1], words[4])
                }
            };
            facts.into_iter().map(|(path, line)| (path, short(line))).collect()
        };
        assert_same(&plain(facts_of_folder(&folder)), &plain(facts(&tree)));
        std::fs::remove_dir_all(&folder).unwrap();
        let about = tool("minfo", &["-i", image, "::"]);
        assert!(about.contains(&format!("FAT{bits}")), "{about}");
        assert!(about.contains("1EA0BEEF") || about.contains("1ea0beef"), "{about}");
        let listing = tool("mdir", &["-i", image, "::/many"]);
        assert!(listing.contains("2020-09-13  12:26"), "the time of the folder itself: {listing}");
        let listing = tool("mdir", &["-i", image, "::/"]);
        assert!(listing.contains("Volume in drive : is LABEL"), "{listing}");
    }
}

#[test]
fn room_that_is_asked_for_is_there() {
    let world = World::new();
    let tree = tree(&world, 3000);
    let made = world.make(&tree, KIND, Size::Minimal { slack: 60 << 20 }, "image").unwrap();
    assert!((60 << 20..61 << 20).contains(&(made.size - made.used)), "{made:?}");
    check(world.path("image").to_str().unwrap());
    let least = world.make(&tree, KIND, Size::Minimal { slack: 0 }, "image").unwrap();
    let error = world.make(&tree, KIND, Size::Fixed(least.size - 4096), "image").unwrap_err();
    assert!(matches!(error, FilesystemError::TooSmall { needed, .. } if needed == least.size), "{error}");
    world.make(&tree, KIND, Size::Fixed(least.size), "image").unwrap();
    assert!(world.make(&FileTree::new(), KIND, Size::Minimal { slack: 0 }, "image").is_ok());
    check(world.path("image").to_str().unwrap());
}

#[test]
fn says_all_that_it_cannot_hold() {
    let world = World::new();
    let mut tree = FileTree::new();
    let origin: Arc<str> = Arc::from("test");
    let file = Kind::File(world.store.put(b"x").unwrap());
    for (path, entry) in [
        ("/link", Entry { mtime: 1_600_000_000, ..Entry::new(Kind::Symlink("x".into()), 0o777, &origin) }),
        ("/owner", Entry { uid: 7, mtime: 1_600_000_000, ..Entry::new(file.clone(), 0o644, &origin) }),
        ("/set-user", Entry { mtime: 1_600_000_000, ..Entry::new(file.clone(), 0o4755, &origin) }),
        ("/old", Entry::new(file.clone(), 0o644, &origin)),
        ("/a:b", Entry { mtime: 1_600_000_000, ..Entry::new(file.clone(), 0o644, &origin) }),
        ("/Name", Entry { mtime: 1_600_000_000, ..Entry::new(file.clone(), 0o644, &origin) }),
        ("/name", Entry { mtime: 1_600_000_000, ..Entry::new(file, 0o644, &origin) }),
    ] {
        tree.insert(path.parse().unwrap(), entry).unwrap();
    }
    let error = world.make(&tree, KIND, Size::Minimal { slack: 0 }, "image").unwrap_err();
    let text = error.to_string();
    for part in [
        "`/link` (a symbolic link)",
        "`/owner` (its owner 7:0)",
        "`/set-user` (its mode 4755)",
        "`/old` (its time, 0 s after 1970",
        "`/a:b` (characters in its name",
        "`/name` (the name of `/Name` but for its case)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!world.path("image").exists());
}

#[test]
fn a_folder_has_a_largest_size() {
    let world = World::new();
    let content = Kind::File(world.store.put(b"x").unwrap());
    let mut tree = FileTree::new();
    for number in 0..17_000 {
        add(&mut tree, &format!("/many/a-long-name-of-a-file-{number:010}"), content.clone(), |_| {});
    }
    let error = world.make(&tree, KIND, Size::Minimal { slack: 0 }, "image").unwrap_err();
    assert!(error.to_string().starts_with("vfat cannot hold `/many` (a folder with too many names"), "{error}");
}

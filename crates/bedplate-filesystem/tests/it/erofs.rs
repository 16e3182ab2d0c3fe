//! erofs, read by fsck.erofs and dump.erofs.

use std::path::Path;

use bedplate_filesystem::{ErofsCompression, ErofsOptions, FilesystemError, FilesystemKind, Size};
use bedplate_tree::FileTree;

use crate::support::{World, assert_same, facts, facts_of_folder, sample, tool};

/// Compares an image with a tree, as fsck.erofs extracts it. It gives files to their owner after it has set their attributes, and
/// the kernel then takes capabilities away: so once with owners, and once with capabilities.
#[track_caller]
fn assert_has(world: &World, image: &str, tree: &FileTree) {
    for owners in [true, false] {
        let folder = world.path("extracted");
        let option = if owners { "--preserve-owner" } else { "--no-preserve-owner" };
        tool("fsck.erofs", &["-d0", "--xattrs", option, &format!("--extract={}", folder.display()), image]);
        let mut expected = tree.clone();
        for (_, entry) in expected.iter_mut() {
            if owners {
                entry.xattrs.remove("security.capability");
            } else {
                (entry.uid, entry.gid) = (0, 0);
            }
        }
        assert_same(&facts_of_folder(&folder), &facts(&expected));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn keeps_all_of_a_tree() {
    let world = World::new();
    let mut tree = sample(&world);
    // After the file system itself was made, and before the time began.
    tree.get_mut("/empty").unwrap().mtime = 5_000_000_000;
    tree.get_mut("/holes").unwrap().mtime = -1_000_000;
    let mut sizes = Vec::new();
    for compression in [ErofsCompression::None, ErofsCompression::Lz4hc(9), ErofsCompression::Zstd(3)] {
        let image = world.image(&tree, FilesystemKind::Erofs(ErofsOptions { compression }));
        assert_has(&world, &image, &tree);
        sizes.push(std::fs::metadata(&image).unwrap().len());
        let superblock = tool("dump.erofs", &["-s", &image]);
        for (field, value) in [
            ("Filesystem UUID:", "1ea0beef-1122-4344-8566-778899aabbcc"),
            ("Filesystem created:", "Tue Nov 14 22:13:20 2023"),
        ] {
            let line = superblock.lines().find(|line| line.starts_with(field));
            assert!(line.is_some_and(|line| line.ends_with(value)), "{superblock}");
        }
    }
    assert!(sizes[1] < sizes[0] * 2 / 3 && sizes[2] < sizes[1], "compression does something: {sizes:?}");
}

#[test]
fn a_fixed_size_is_filled_up_or_refused() {
    let world = World::new();
    let tree = sample(&world);
    let kind = FilesystemKind::Erofs(ErofsOptions::default());
    let least = world.make(&tree, kind, Size::Minimal { slack: 1 << 30 }, "least").unwrap();
    assert_eq!(least.size, least.used);
    let made = world.make(&tree, kind, Size::Fixed(64 << 20), "large").unwrap();
    assert_eq!((made.size, made.used), (64 << 20, least.used));
    let image = world.path("large");
    assert_eq!(std::fs::metadata(&image).unwrap().len(), 64 << 20);
    assert_has(&world, image.to_str().unwrap(), &tree);
    let error = world.make(&tree, kind, Size::Fixed(least.size - 4096), "small").unwrap_err();
    assert!(matches!(error, FilesystemError::TooSmall { needed, .. } if needed == least.size), "{error}");
    assert!(error.to_string().contains("too small for the tree by 4096 bytes"), "{error}");
    assert!(!Path::new(&world.path("small")).exists());
}

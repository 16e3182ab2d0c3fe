//! What goes wrong is said, and leaves nothing behind.

use std::time::Duration;

use bedplate_cas::Digest;
use bedplate_diag::Category;
use bedplate_filesystem::{
    Context, ErofsOptions, Ext4Options, FilesystemError, FilesystemKind, Request, Size, make, tools,
};
use bedplate_sandbox::{Cancel, Helper};
use bedplate_tree::{FileTree, Kind};

use crate::support::{HELPER, World, add, sample};

const EROFS: FilesystemKind =
    FilesystemKind::Erofs(ErofsOptions { compression: bedplate_filesystem::ErofsCompression::None });
const EXT4: FilesystemKind = FilesystemKind::Ext4(Ext4Options { journal: false, growable: false });

fn left(world: &World) -> Vec<String> {
    let names = std::fs::read_dir(world.path("")).unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).filter(|name| name != "store").collect()
}

#[test]
fn a_content_that_is_not_there() {
    let world = World::new();
    let mut tree = sample(&world);
    add(&mut tree, "/usr/lost", Kind::File(Digest::of(b"nowhere")), |_| {});
    for kind in [EROFS, EXT4, FilesystemKind::Xfs(Default::default())] {
        let error = world.make(&tree, kind, Size::Minimal { slack: 0 }, "image").unwrap_err();
        let chain = format!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string));
        assert!(chain.contains(&Digest::of(b"nowhere").hex()) || chain.contains("`/usr/lost`"), "{kind}: {chain}");
        assert_eq!(error.category(), Category::Environment, "{chain}");
        assert_eq!(left(&world), Vec::<String>::new());
    }
}

#[test]
fn tools_that_are_not_there() {
    let world = World::new();
    let empty = world.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let (helper, cancel) = (Helper::At(HELPER.into()), Cancel::default());
    let context = Context { store: &world.store, tools: &empty, helper: &helper, cancel: &cancel };
    let tree = FileTree::new();
    let size = Size::Minimal { slack: 0 };
    let request = Request { tree: &tree, kind: EROFS, label: "", uuid: [0; 16], size, epoch: 0 };
    let error = make(&context, &request, &world.path("image")).unwrap_err();
    assert!(error.to_string().ends_with("lacks usr/bin/mkfs.erofs, usr/bin/sh"), "{error}");
    assert_eq!(error.hint(), Some("they are in the seed's group `images`: `bedplate seed create images`"));
    assert!(tools(crate::support::tools(), &[EROFS, EXT4, FilesystemKind::Xfs(Default::default())]).is_ok());
}

/// A program that fails is named with its words and what it said, whether it read its archive or not.
#[test]
fn tools_that_fail() {
    let world = World::new();
    let bad = world.path("bad");
    std::fs::create_dir_all(bad.join("usr/bin")).unwrap();
    std::os::unix::fs::symlink("usr/bin", bad.join("bin")).unwrap();
    for name in ["usr/bin/sh", "usr/bin/mkfs.erofs"] {
        std::fs::copy("/bin/busybox", bad.join(name))
            .expect("busybox-static is there (toolkit/host-setup installs it)");
    }
    let (helper, cancel) = (Helper::At(HELPER.into()), Cancel::default());
    let context = Context { store: &world.store, tools: &bad, helper: &helper, cancel: &cancel };
    let tree = sample(&world);
    let size = Size::Minimal { slack: 0 };
    let request = Request { tree: &tree, kind: EROFS, label: "it's", uuid: [0; 16], size, epoch: 0 };
    let error = make(&context, &request, &world.path("image")).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("`mkfs.erofs --quiet") && text.contains(r"-L 'it'\''s'"), "{text}");
    assert!(text.contains("failed: exit status 127\n  mkfs.erofs: applet not found"), "{text}");
    // One that says that all is well and has read nothing.
    std::fs::write(bad.join("usr/bin/mkfs.erofs"), "#!/bin/sh\nexit 0\n").unwrap();
    let error = make(&context, &request, &world.path("image")).unwrap_err();
    assert!(matches!(error, FilesystemError::Incomplete { .. }), "{error}");
    assert_eq!(left(&world), ["bad"]);
}

#[test]
fn work_is_ended_by_wish() {
    let world = World::new();
    let tree = sample(&world);
    let (helper, cancel) = (Helper::At(HELPER.into()), Cancel::default());
    let context = Context { store: &world.store, tools: crate::support::tools(), helper: &helper, cancel: &cancel };
    let size = Size::Minimal { slack: 0 };
    let request = Request { tree: &tree, kind: EXT4, label: "", uuid: [0; 16], size, epoch: 0 };
    cancel.cancel();
    let start = std::time::Instant::now();
    let error = make(&context, &request, &world.path("image")).unwrap_err();
    assert!(matches!(error, FilesystemError::Cancelled), "{error}");
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(left(&world), Vec::<String>::new());
}

#[test]
fn labels_and_sizes_are_checked_first() {
    let world = World::new();
    let tree = FileTree::new();
    let (helper, cancel) = (Helper::At(HELPER.into()), Cancel::default());
    let context = Context { store: &world.store, tools: crate::support::tools(), helper: &helper, cancel: &cancel };
    let vfat = FilesystemKind::Vfat(Default::default());
    for (kind, label, size, message) in [
        (
            EROFS,
            "1234567890123456",
            1 << 30,
            "erofs cannot have the label `1234567890123456`: it has more than 15 bytes",
        ),
        (EXT4, "a\nb", 1 << 30, "ext4 cannot have the label `a\nb`: it has a control character"),
        (vfat, "esp", 1 << 30, "only capital letters, digits, `_`, `-` and spaces are allowed"),
        (EXT4, "", 1000, "ext4 cannot be 1000 bytes large: it must be a multiple of 4096"),
        (EROFS, "", 0, "erofs cannot be 0 bytes large"),
    ] {
        let request = Request { tree: &tree, kind, label, uuid: [0; 16], size: Size::Fixed(size), epoch: 0 };
        let error = make(&context, &request, &world.path("image")).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(error.category(), Category::Input);
    }
}

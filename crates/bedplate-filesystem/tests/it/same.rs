//! The same tree gives the same bytes: at another place, at another time, for another user.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use bedplate_filesystem::{
    ErofsCompression, ErofsOptions, Ext4Options, FilesystemKind, Request, Size, VfatOptions, XfsOptions, make,
};
use bedplate_sandbox::{Cancel, Helper};
use bedplate_tree::{FileTree, Kind};

use crate::support::{HELPER, World, add, sample, tool};

const KINDS: [FilesystemKind; 4] = [
    FilesystemKind::Erofs(ErofsOptions { compression: ErofsCompression::None }),
    FilesystemKind::Ext4(Ext4Options { journal: true, growable: true }),
    FilesystemKind::Xfs(XfsOptions {}),
    FilesystemKind::Vfat(VfatOptions {}),
];

/// What a vfat can hold of it.
fn plain(world: &World) -> FileTree {
    let mut tree = FileTree::new();
    let content = Kind::File(world.store.put(b"text").unwrap());
    add(&mut tree, "/EFI/Linux/a-name.efi", content, |_| {});
    tree
}

fn second() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn place_and_time_change_nothing() {
    let (one, two) = (World::new(), World::new());
    std::fs::create_dir_all(two.path("a/much/longer/path")).unwrap();
    for kind in KINDS.into_iter().chain([
        FilesystemKind::Erofs(ErofsOptions { compression: ErofsCompression::Zstd(3) }),
        FilesystemKind::Ext4(Ext4Options { journal: false, growable: false }),
    ]) {
        let is_vfat = matches!(kind, FilesystemKind::Vfat(_));
        let tree = |world: &World| if is_vfat { plain(world) } else { sample(world) };
        let size = Size::Minimal { slack: 1 << 20 };
        let start = second();
        one.make(&tree(&one), kind, size, "image").unwrap();
        while second() == start {
            std::thread::yield_now();
        }
        two.make(&tree(&two), kind, size, "a/much/longer/path/image").unwrap();
        let read = |path: &Path| std::fs::read(path).unwrap();
        assert!(read(&one.path("image")) == read(&two.path("a/much/longer/path/image")), "{kind}");
    }
}

/// The smallest sizes, which docs/filesystems.md tells.
#[test]
fn nothing_is_a_file_system_too() {
    let world = World::new();
    for (kind, size, program, words) in [
        (KINDS[0], 4 << 10, "fsck.erofs", &["-d0"][..]),
        (KINDS[1], 2112 * 4096, "e2fsck", &["-fn"]),
        (FilesystemKind::Ext4(Ext4Options { journal: false, growable: false }), 64 * 4096, "e2fsck", &["-fn"]),
        (KINDS[2], 300 << 20, "xfs_repair", &["-n", "-f"]),
        (KINDS[3], 64 << 10, "fsck.fat", &["-n"]),
    ] {
        let made = world.make(&FileTree::new(), kind, Size::Minimal { slack: 0 }, "image").unwrap();
        assert_eq!(made.size, size, "{kind}");
        let image = world.path("image");
        tool(program, &[words, &[image.to_str().unwrap()]].concat());
    }
}

/// An ordinary user with two sub-ids, in a store of its own.
#[test]
fn an_ordinary_user_makes_the_same() {
    assert!(rustix::process::geteuid().is_root(), "this test makes the sub-ids, as root");
    let place = tempfile::Builder::new().tempdir_in("/var/tmp").unwrap();
    let folder = place.path();
    open_up(folder);
    let base = folder.join("of-user");
    std::fs::create_dir(&base).unwrap();
    let run = |program: &str, words: &[&str]| {
        let output = Command::new(program).args(words).current_dir("/").output().unwrap();
        assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    // A copy, because this user may not come to where the tests keep theirs.
    let base_text = base.to_str().unwrap();
    run("cp", &["-a", "--reflink=auto", crate::support::tools().to_str().unwrap(), &format!("{base_text}/tools")]);
    std::fs::copy(HELPER, folder.join("helper")).unwrap();
    for ids in ["subuid", "subgid"] {
        std::fs::write(folder.join(ids), "nobody:1500000000:2\n").unwrap();
        // Something to mount over.
        std::fs::OpenOptions::new().append(true).create(true).open(Path::new("/etc").join(ids)).unwrap();
    }
    let world = World::new();
    for kind in KINDS {
        let tree = if matches!(kind, FilesystemKind::Vfat(_)) { plain(&world) } else { sample(&world) };
        let store = bedplate_cas::Store::open(&base.join("store")).unwrap();
        for digest in tree.contents() {
            store.put(&world.store.read(&digest).unwrap()).unwrap();
        }
        drop(store);
        std::fs::write(base.join("tree"), tree.to_manifest()).unwrap();
        run("chown", &["-R", "nobody:nogroup", base_text]);
        // The sub-ids are in files that only this command sees in the place of the machine's.
        let script = "mount --bind $0/subuid /etc/subuid; mount --bind $0/subgid /etc/subgid; umask 077
                      exec setpriv --reuid nobody --regid nogroup --clear-groups -- $0/helper make $1 $0/of-user 2>&1";
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-ec", script, folder.to_str().unwrap(), kind.name()])
            .current_dir("/")
            .output()
            .unwrap();
        assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stdout));

        let helper = Helper::At(HELPER.into());
        let context = bedplate_filesystem::Context {
            store: &world.store,
            tools: crate::support::tools(),
            helper: &helper,
            cancel: &Cancel::default(),
        };
        let size = Size::Minimal { slack: 0 };
        let request = Request { tree: &tree, kind, label: "LABEL", uuid: [7; 16], size, epoch: 1_700_000_000 };
        make(&context, &request, &world.path("image")).unwrap();
        let by_user = base.join(format!("{kind}.image"));
        assert!(std::fs::read(&by_user).unwrap() == std::fs::read(world.path("image")).unwrap(), "{kind}");
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&by_user).unwrap());
        assert_eq!(owner, 65534, "the image is the user's own");
    }
}

fn open_up(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

//! Initramfs, with programs and libraries of the host and modules that a compiler made. One that starts is tested with
//! `bedplate image build`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use bedplate_boot::{
    CopiedFolder, EarlyMount, Initramfs, InitramfsError, InitramfsRequest, Missing, Overlay, Verity, WantedModule,
    initramfs,
};
use bedplate_cas::Store;
use bedplate_tree::{Entry, FileTree, Kind, TreePath};

use crate::support::{World, run, text};

const RELEASE: &str = "6.1.0-test";

fn path(text: &str) -> TreePath {
    text.parse().unwrap()
}

/// A tree of an image.
struct Image<'a> {
    tree: FileTree,
    store: &'a Store,
    origin: Arc<str>,
}

impl<'a> Image<'a> {
    /// One with merged `/usr`, a name, groups, and the indexes of a kernel.
    fn new(store: &'a Store) -> Self {
        let mut image = Self { tree: FileTree::new(), store, origin: Arc::from("test") };
        for name in ["bin", "lib", "lib64", "sbin"] {
            image.insert(&format!("/{name}"), Kind::Symlink(format!("usr/{name}")), 0o777);
        }
        image.file("/usr/lib/os-release", 0o644, b"ID=test\n");
        image.file("/etc/group", 0o644, b"root:x:0:\ndisk:x:6:ada\nada:x:1000:\n");
        image.file(&format!("/usr/lib/modules/{RELEASE}/modules.builtin"), 0o644, b"kernel/fs/inside.ko\n");
        image.file(&format!("/usr/lib/modules/{RELEASE}/modules.builtin.modinfo"), 0o644, b"inside.alias=fs-inside\0");
        image
    }

    fn insert(&mut self, at: &str, kind: Kind, mode: u16) {
        self.tree.insert(path(at), Entry::new(kind, mode, &self.origin)).unwrap();
    }

    fn file(&mut self, at: &str, mode: u16, content: &[u8]) {
        let at = self.tree.resolve(&path(at)).unwrap();
        let digest = self.store.put(content).unwrap();
        self.insert(at.as_str(), Kind::File(digest), mode);
    }

    /// Puts in what is missing: programs and libraries of the host, else text.
    fn mend(&mut self, missing: &[Missing]) {
        for one in missing {
            if let Some(library) = one.what.strip_prefix("library ") {
                let folders = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu"];
                let found =
                    folders.iter().map(|folder| format!("{folder}/{library}")).find(|path| Path::new(path).exists());
                let content = std::fs::read(found.unwrap_or_else(|| panic!("the host lacks {library}"))).unwrap();
                self.file(&format!("{}/{library}", folders[1]), 0o755, &content);
            } else if one.what.contains("/ld-linux") {
                self.file(&one.what, 0o755, &std::fs::read(&one.what).unwrap());
            } else if one.what.contains("/bin/") || one.what.contains("/sbin/") || !one.what.contains('.') {
                let kmod = std::fs::read("/bin/kmod").expect("kmod is installed by toolkit/host-setup");
                self.file(&one.what, 0o755, &kmod);
            } else {
                self.file(&one.what, 0o644, b"# text\n");
            }
        }
    }

    /// A kernel module with these strings, packed as the ending of its name says.
    fn module(&mut self, world: &World, name: &str, info: &[&str]) {
        let strings: String = info.iter().map(|one| format!("{one}\\0")).collect();
        let source = format!("const char info[] __attribute__((section(\".modinfo\"))) = \"{strings}\";\n");
        let (c, o) = (world.write("module.c", source), world.path("module.o"));
        run("cc", &[&"-c", &c, &"-o", &o], &world.path(""));
        let content = std::fs::read(&o).unwrap();
        let packed = match Path::new(name).extension().and_then(|ending| ending.to_str()) {
            Some("xz") => run("xz", &[&"-c", &"--check=crc32", &o], &world.path("")).stdout,
            Some("gz") => run("gzip", &[&"-c", &o], &world.path("")).stdout,
            Some("zst") => zstd::encode_all(content.as_slice(), 3).unwrap(),
            _ => content,
        };
        self.file(&format!("/usr/lib/modules/{RELEASE}/kernel/{name}"), 0o644, &packed);
    }

    fn add_modules(&mut self, world: &World) {
        self.module(
            world,
            "drivers/disk-card.ko.xz",
            &["alias=pci:v00001AF4d[1-3]*", "depends=bus,other-bus", "name=disk_card"],
        );
        self.module(world, "drivers/bus.ko.gz", &["depends=other-bus"]);
        self.module(world, "drivers/other_bus.ko.zst", &["depends=", "softdep=pre: crc-one not-there"]);
        self.module(world, "lib/crc_one.ko", &["alias=crypto-crc"]);
        self.module(world, "lib/unwanted.ko", &[]);
        self.module(world, "md/dm-mod.ko", &[]);
        self.module(world, "md/dm-verity.ko", &["depends=dm-mod"]);
        self.module(world, "fs/overlay.ko", &["alias=fs-overlay"]);
    }
}

fn request<'a>(modules: &'a [WantedModule], mounts: &'a [EarlyMount], overlays: &'a [Overlay]) -> InitramfsRequest<'a> {
    InitramfsRequest {
        kernel_version: RELEASE,
        modules,
        verity: Verity::On,
        check: &["ext4"],
        mounts,
        overlays,
        copies: &[],
        files: &[],
        compression: 3,
    }
}

/// Makes an initramfs of an image, to which is added what is missing.
fn make(image: &mut Image<'_>, request: &InitramfsRequest<'_>) -> Initramfs {
    // Programs first; then their loader and libraries; then those of the libraries.
    for _ in 0..4 {
        match initramfs(&image.tree, image.store, request) {
            Ok(made) => return made,
            Err(InitramfsError::Missing(missing)) => image.mend(&missing),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("what is missing is not named at once");
}

fn wanted() -> Vec<WantedModule> {
    let mut wanted = vec![WantedModule::required("disk_card"), WantedModule::required("inside")];
    wanted.push(WantedModule::optional("of-another-machine"));
    wanted
}

fn early() -> ([EarlyMount; 1], [Overlay; 2]) {
    let mount =
        EarlyMount { what: "PARTUUID=ABCD".into(), at: path("/var"), kind: "ext4".into(), options: "noatime".into() };
    let kept = Overlay { at: path("/etc"), upper: Some(path("/var/lib/overlay/etc")), mode: 0o755 };
    let lost = Overlay { at: path("/root"), upper: None, mode: 0o700 };
    ([mount], [kept, lost])
}

#[test]
fn programs_start_and_modules_are_found_in_it() {
    let world = World::new();
    let mut image = Image::new(&world.store);
    image.add_modules(&world);
    let (mounts, overlays) = early();
    let made = make(&mut image, &request(&wanted(), &mounts, &overlays));
    assert_eq!(made.modules, ["bus", "crc_one", "disk_card", "dm_mod", "dm_verity", "other_bus", "overlay"]);

    let packed = world.write("initramfs", &made.bytes);
    let root = world.path("root");
    std::fs::create_dir(&root).unwrap();
    let plain = world.write("initramfs.cpio", zstd::decode_all(made.bytes.as_slice()).unwrap());
    assert_eq!(std::fs::metadata(&plain).unwrap().len(), made.unpacked);
    run("zstd", &[&"-q", &"-t", &packed], &root);
    run("cpio", &[&"-idm", &"--quiet", &"-F", &plain], &root);

    // A program with all of its libraries.
    let version = run("chroot", &[&root, &"/usr/bin/kmod", &"--version"], &root);
    assert!(text(&version.stdout).contains("kmod version"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(std::fs::read_link(root.join("init")).unwrap(), Path::new("usr/lib/systemd/systemd"));
    assert_eq!(read("etc/initrd-release"), "ID=test\n");
    assert_eq!(read("etc/group"), "root:x:0:\ndisk:x:6:\n");
    assert_eq!(read("etc/modules-load.d/bedplate.conf"), "dm_mod\ndm_verity\n");
    assert!(
        read("etc/systemd/system/sysroot-var.mount")
            .contains("What=/dev/disk/by-partuuid/abcd\nWhere=/sysroot/var\nType=ext4\nOptions=noatime\n")
    );
    assert!(read("etc/systemd/system/sysroot-etc.mount").contains("upperdir=/sysroot/var/lib/overlay/etc/upper,"));
    assert!(read("usr/lib/bedplate/overlays.conf").contains("d /run/bedplate/overlay/root/upper 0700 root root\n"));
    assert!(
        root.join("etc/systemd/system/initrd-fs.target.requires/sysroot-etc.mount")
            .symlink_metadata()
            .unwrap()
            .is_symlink()
    );

    // kmod finds modules by name and by alias, and loads what they need first.
    let show = |name: &str| {
        let shown = run("/sbin/modprobe", &[&"-d", &root, &"-S", &RELEASE, &"--show-depends", &name], &root);
        let lines: Vec<String> =
            text(&shown.stdout).lines().map(|line| line.rsplit('/').next().unwrap().trim().to_owned()).collect();
        lines
    };
    assert_eq!(show("disk-card"), ["crc_one.ko", "other_bus.ko", "bus.ko", "disk-card.ko"]);
    assert_eq!(show("pci:v00001AF4d2xyz").last().unwrap(), "disk-card.ko");
    assert_eq!(show("dm-verity"), ["dm-mod.ko", "dm-verity.ko"]);
    assert_eq!(show("fs-overlay"), ["overlay.ko"]);
    assert_eq!(show("inside"), ["builtin inside"]);
    assert_eq!(show("fs-inside"), ["builtin inside"]);
    let all: BTreeSet<&str> = made.files.iter().map(|(path, _)| path.name()).collect();
    assert!(!all.contains("unwanted.ko"));
}

#[test]
fn copied_folders_are_made_whole_and_mounted_from_where_they_are_kept() {
    let world = World::new();
    let mut image = Image::new(&world.store);
    image.add_modules(&world);
    image.file("/usr/bin/sync", 0o755, &std::fs::read("/usr/bin/sync").unwrap());
    let (mounts, _) = early();
    let copies = [
        CopiedFolder { at: path("/etc"), kept: Some(path("/var/lib/copies/etc")) },
        CopiedFolder { at: path("/var/my-data"), kept: None },
    ];
    let modules = wanted();
    let made = make(&mut image, &InitramfsRequest { copies: &copies, ..request(&modules, &mounts, &[]) });
    let (packed, root) = (world.write("initramfs", &made.bytes), world.path("root"));
    std::fs::create_dir(&root).unwrap();
    let plain = world.write("initramfs.cpio", zstd::decode_all(made.bytes.as_slice()).unwrap());
    run("cpio", &[&"-idm", &"--quiet", &"-F", &plain], &root);
    drop(packed);
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let units = "etc/systemd/system";
    let service = read(&format!("{units}/bedplate-copy-etc.service"));
    for line in [
        "RequiresMountsFor=/sysroot/var/lib/copies/etc\n",
        "ConditionPathExists=!/sysroot/var/lib/copies/etc/is-complete\n",
    ] {
        assert!(service.contains(line), "{service}");
    }
    let mount = read(&format!("{units}/sysroot-etc.mount"));
    assert!(
        mount.contains("What=/sysroot/var/lib/copies/etc/copy\nWhere=/sysroot/etc\nType=none\nOptions=bind\n"),
        "{mount}"
    );
    assert!(mount.contains("Requires=bedplate-copy-etc.service\nAfter=bedplate-copy-etc.service\n"), "{mount}");
    let other = read(&format!("{units}/sysroot-var-my\\x2ddata.mount"));
    assert!(other.contains("What=/run/bedplate/copy/var/my-data/copy\n"), "{other}");

    // What the service does, with this machine's systemd-tmpfiles: a copy that was cut short is begun again, a whole one is left alone.
    let image_root = world.path("image");
    std::fs::create_dir_all(image_root.join("sysroot/etc/deep")).unwrap();
    std::fs::create_dir_all(image_root.join("sysroot/var/lib/copies/etc/copy/half")).unwrap();
    std::fs::write(image_root.join("sysroot/etc/deep/file"), "text").unwrap();
    std::os::unix::fs::symlink("deep/file", image_root.join("sysroot/etc/link")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o640);
    std::fs::set_permissions(image_root.join("sysroot/etc/deep/file"), mode).unwrap();
    let commands: Vec<&str> = service.lines().filter_map(|line| line.strip_prefix("ExecStart=")).collect();
    assert_eq!(commands.len(), 4, "{service}");
    for command in commands.iter().filter(|command| !command.starts_with('-')) {
        let [_, option, file] = command.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let lines =
            read(file.trim_start_matches('/')).replace("/sysroot", &format!("{}/sysroot", image_root.display()));
        let file = world.write("lines.conf", lines);
        run("systemd-tmpfiles", &[&option, &file], &root);
    }
    let copy = image_root.join("sysroot/var/lib/copies/etc");
    assert!(copy.join("is-complete").is_file() && !copy.join("copy/half").exists());
    assert_eq!(std::fs::read_to_string(copy.join("copy/link")).unwrap(), "text");
    let mode = std::os::unix::fs::MetadataExt::mode(&copy.join("copy/deep/file").metadata().unwrap());
    assert_eq!(mode & 0o7777, 0o640);
}

#[test]
fn the_same_image_gives_the_same_bytes() {
    let (one, other) = (World::new(), World::new());
    let (mounts, overlays) = early();
    let modules = wanted();
    let request = request(&modules, &mounts, &overlays);
    let mut first = Image::new(&one.store);
    first.add_modules(&one);
    let made = make(&mut first, &request);
    // The second is made in another order, in another place, with times.
    let mut second = Image::new(&other.store);
    for (path, entry) in first.tree.iter().rev() {
        if let Some(digest) = entry.content() {
            other.store.put(&one.store.read(&digest).unwrap()).unwrap();
        }
        let entry = Entry { mtime: 1_700_000_000, uid: 0, ..entry.clone() };
        if !entry.is_directory() {
            second.tree.insert(path.clone(), entry).unwrap();
        }
    }
    assert_eq!(make(&mut second, &request).bytes, made.bytes);
}

#[test]
fn all_that_is_missing_is_named_with_who_needs_it() {
    let world = World::new();
    let mut image = Image::new(&world.store);
    let empty = image.tree.clone();
    image.add_modules(&world);
    image.tree.remove(&path(&format!("/usr/lib/modules/{RELEASE}/kernel/drivers/other_bus.ko.zst")));
    let modules = wanted();
    let request = request(&modules, &[], &[]);
    let error = initramfs(&image.tree, &world.store, &request).unwrap_err();
    let said = error.to_string();
    for line in [
        "the image lacks what its initramfs needs:\n",
        "\n  /usr/lib/systemd/systemd, which an initramfs with systemd needs\n",
        "\n  /usr/lib/systemd/systemd-veritysetup, which dm-verity needs\n",
        "\n  /usr/sbin/fsck.ext4, which the check of file systems needs\n",
        "\n  kernel module other_bus, which module bus needs\n",
        "\n  /usr/bin/kmod, which the kernel, to load modules needs\n",
    ] {
        assert!(said.contains(line), "`{line}` is not in:\n{said}");
    }
    assert_eq!(error.category(), bedplate_diag::Category::Input);

    let other = InitramfsRequest { kernel_version: "7", ..request };
    let error = initramfs(&empty, &world.store, &other).unwrap_err();
    assert!(matches!(&error, InitramfsError::Module(_)), "{error}");
    // A module that is none, or damaged.
    for (name, content) in [("disk_card.ko", &b"text"[..]), ("disk_card.ko.xz", b"text")] {
        let mut image = Image::new(&world.store);
        image.file(&format!("/usr/lib/modules/{RELEASE}/kernel/{name}"), 0o644, content);
        let error = initramfs(&image.tree, &world.store, &request).unwrap_err();
        assert!(format!("{error:?}").contains("disk_card.ko"), "{error:?}");
    }
}

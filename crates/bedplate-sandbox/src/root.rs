//! The root that a build sees.
//!
//! ```text
//! /            overlay: the layers, and above them scratch/upper          no set-uid, no devices
//! /proc        of the new process namespace; /proc/sys and the like read-only, /proc/kcore and the like empty
//! /dev         read-only tmpfs: null zero full random urandom tty ptmx pts/ shm/ fd stdin stdout stderr
//! /build       of the builder, with BUILD BUILDROOT RPMS SRPMS; SOURCES and SPECS of root
//! /tmp         /var/tmp: in the upper folder, for all
//! /run         empty; no /sys
//! ```
//!
//! All that comes from outside is taken up as a descriptor before the root is changed and put down after, so that no path of
//! the build root, a symbolic link say, is ever resolved outside.

use std::fs;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use bedplate_sys::kernel;
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount, mount_change, move_mount, open_tree,
    unmount,
};

use crate::channel::{Report, RunOrder};
use crate::keeper::Doing as _;
use crate::{BUILD_FOLDER, BUILDER, HOST_NAME, disk, image};

const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Parts of /proc that change the machine, not the process: what is of the machine's root is of the sandbox's root too, if
/// root runs us.
const READ_ONLY: [&str; 6] = ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/driver"];

/// Parts of /proc that tell of the machine's memory and of others.
const EMPTY_FILES: [&str; 9] = [
    "/proc/kcore",
    "/proc/kmsg",
    "/proc/keys",
    "/proc/key-users",
    "/proc/kallsyms",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/proc/latency_stats",
    "/proc/kpagecount",
];
const EMPTY_FOLDERS: [&str; 3] = ["/proc/scsi", "/proc/acpi", "/proc/asound"];

/// Makes the root and changes to it. Gives the upper folder.
pub(crate) fn enter(order: &RunOrder) -> Result<OwnedFd, Report> {
    mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .doing("detach the mounts from their origin")?;
    let scratch = Path::new(&order.scratch);
    let upper = disk::open(&scratch.join("upper")).doing(&format!("open `{}/upper`", scratch.display()))?;
    let devices = take_devices()?;
    let binds: Vec<OwnedFd> = order.binds.iter().map(take_bind).collect::<Result<_, _>>()?;
    // Here, because the kernel gives a /proc only to who sees one whole already.
    let proc = proc()?;

    // From Linux 6.7 on a user namespace that has mounted this once has programs of foreign formats of its own: none. Before,
    // it is refused, and the interpreters that the machine has registered (of other processors, say) run inside as well.
    let _ = detached("binfmt_misc", &[], HARMLESS);

    if let Some(series) = &order.series {
        image::check_ids()?;
        image::set_owners(&series.owners)?;
    }
    mount_layers(order, scratch)?;
    let root = scratch.join("root");
    rustix::process::chdir(&root).doing("go to the new root")?;
    rustix::process::pivot_root(".", ".").doing("change the root")?;
    unmount(".", UnmountFlags::DETACH).doing("let go of the old root")?;
    rustix::process::chdir("/").doing("go to the new root")?;

    folder("/proc", 0o555)?;
    put(&proc, "/proc")?;
    make_devices(&devices)?;
    restrict_proc()?;
    if order.series.is_some() {
        image::EMPTY.iter().try_for_each(|path| empty_folder(path))?;
    } else {
        make_folders()?;
        name_builder()?;
    }
    for (bind, taken) in order.binds.iter().zip(&binds) {
        put_bind(Path::new(&bind.target), bind.is_writable, taken)?;
    }
    Ok(upper)
}

/// Mounts the overlay at `scratch/root`.
///
/// The paths of the layers go in as short symbolic links, because the kernel takes one page of text for all, and 256 bytes
/// for each in the newer way, which needs Linux 6.5 besides.
fn mount_layers(order: &RunOrder, scratch: &Path) -> Result<(), Report> {
    let root = scratch.join("root");
    mount(c"links", &root, c"tmpfs", MountFlags::NODEV, Some(c"mode=700,size=1m")).doing("mount a folder of links")?;
    rustix::process::chdir(&root).doing("go to the folder of links")?;
    let link = |target: &Path, name: &str| symlink(target, name).doing("make a link to a layer");
    link(&scratch.join("upper"), "u")?;
    link(&scratch.join("work"), "w")?;
    let mut names = Vec::with_capacity(order.layers.len());
    for (index, layer) in order.layers.iter().enumerate() {
        names.push(index.to_string());
        link(Path::new(layer), &names[index])?;
    }
    // Nobody needs what a build writes to survive a power failure: `volatile`.
    let options = format!("lowerdir={},upperdir=u,workdir=w,userxattr,volatile\0", names.join(":"));
    let options = std::ffi::CStr::from_bytes_with_nul(options.as_bytes())
        .map_err(|_| Report::Job("a layer's name holds a zero byte".to_owned()))?;
    mount(c"build", &root, c"overlay", MountFlags::NOSUID | MountFlags::NODEV, Some(options)).map_err(|error| {
        let hint = match error {
            rustix::io::Errno::INVAL => {
                "; the scratch folder must lie on a file system with extended attributes of users that is no overlay \
                 itself (ext4, xfs, btrfs), and the layers in none of its folders"
            }
            rustix::io::Errno::NODEV => "; load the kernel's module `overlay`",
            rustix::io::Errno::PERM => "; ordinary users need Linux 5.11 or later for it",
            _ => "",
        };
        let layers = order.layers.len();
        Report::Refused(format!("mount the build root of {layers} layers at `{}`: {error}{hint}", root.display()))
    })
}

fn take_devices() -> Result<Vec<(&'static str, OwnedFd)>, Report> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    DEVICES
        .iter()
        .map(|name| Ok((*name, open_tree(CWD, format!("/dev/{name}"), flags).doing(&format!("take `/dev/{name}`"))?)))
        .collect()
}

fn take_bind(bind: &crate::channel::BindOrder) -> Result<OwnedFd, Report> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let source = Path::new(&bind.source);
    open_tree(CWD, source, flags).doing(&format!("take `{}`", source.display()))
}

/// A file system that is not mounted anywhere yet.
fn detached(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (name, value) in options {
        fsconfig_set_string(context.as_fd(), *name, *value)?;
    }
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

const HARMLESS: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV).union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

fn proc() -> Result<OwnedFd, Report> {
    detached("proc", &[], HARMLESS).map_err(|error| {
        let hint = match error {
            rustix::io::Errno::PERM => {
                "; this container hides parts of its own /proc, and the kernel then gives no new one: start it with \
                 `--security-opt systempaths=unconfined`"
            }
            _ => "",
        };
        Report::Refused(format!("mount /proc: {error}{hint}"))
    })
}

fn put(tree: &OwnedFd, target: &str) -> Result<(), Report> {
    move_mount(tree, c"", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).doing(&format!("mount `{target}`"))
}

fn make_devices(devices: &[(&'static str, OwnedFd)]) -> Result<(), Report> {
    folder("/dev", 0o755)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    put(&detached("tmpfs", &[("mode", "755"), ("size", "64k")], attributes).doing("mount /dev")?, "/dev")?;
    for (name, device) in devices {
        let path = format!("/dev/{name}");
        fs::write(&path, "").doing("make a device")?;
        put(device, &path)?;
    }
    for (name, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, format!("/dev/{name}")).doing("make a link in /dev")?;
    }
    folder("/dev/pts", 0o755)?;
    folder("/dev/shm", 0o755)?;
    let terminals = [("mode", "620"), ("ptmxmode", "666")];
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    put(&detached("devpts", &terminals, attributes).doing("mount /dev/pts")?, "/dev/pts")?;
    let shared = [("mode", "1777"), ("size", "256m")];
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    put(&detached("tmpfs", &shared, attributes).doing("mount /dev/shm")?, "/dev/shm")?;
    kernel::restrict_mount(c"/dev", false, libc::MOUNT_ATTR_RDONLY).doing("make /dev read-only")
}

fn restrict_proc() -> Result<(), Report> {
    let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    for path in READ_ONLY {
        // A kernel without it, or one that lets nobody see it.
        let Ok(tree) = open_tree(CWD, path, clone) else { continue };
        put(&tree, path)?;
        let name = std::ffi::CString::new(path).unwrap_or_default();
        kernel::restrict_mount(&name, true, libc::MOUNT_ATTR_RDONLY).doing(&format!("make `{path}` read-only"))?;
    }
    for path in EMPTY_FILES {
        if Path::new(path).exists() {
            let null = open_tree(CWD, "/dev/null", clone).doing("take /dev/null")?;
            put(&null, path)?;
        }
    }
    for path in EMPTY_FOLDERS {
        if Path::new(path).is_dir() {
            let attributes = HARMLESS | MountAttrFlags::MOUNT_ATTR_RDONLY;
            put(&detached("tmpfs", &[("size", "4k")], attributes).doing("mount an empty folder")?, path)?;
        }
    }
    Ok(())
}

/// Makes a folder, all above it too, if it is not there.
fn folder(path: &str, mode: u32) -> Result<(), Report> {
    if !Path::new(path).is_dir() {
        fs::create_dir_all(path).doing(&format!("make `{path}`"))?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).doing(&format!("make `{path}`"))?;
    }
    Ok(())
}

/// Puts an empty folder of memory there, open to all.
fn empty_folder(path: &str) -> Result<(), Report> {
    let what = format!("mount `{path}`");
    fs::create_dir_all(path).doing(&what)?;
    // An image may have a link there.
    let path = Path::new(path).canonicalize().doing(&what)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let mode = if path.ends_with("run") { "755" } else { "1777" };
    put(&detached("tmpfs", &[("mode", mode), ("size", "1g")], attributes).doing(&what)?, &path.to_string_lossy())
}

fn make_folders() -> Result<(), Report> {
    folder("/run", 0o755)?;
    for path in ["/tmp", "/var/tmp"] {
        folder(path, 0o1777)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o1777)).doing(&format!("open `{path}` to all"))?;
    }
    for name in ["SOURCES", "SPECS"] {
        folder(&format!("{BUILD_FOLDER}/{name}"), 0o755)?;
    }
    for path in ["", "/BUILD", "/BUILDROOT", "/RPMS", "/SRPMS"].map(|name| format!("{BUILD_FOLDER}{name}")) {
        folder(&path, 0o755)?;
        chown(&path, Some(BUILDER), Some(BUILDER)).doing(&format!("give `{path}` to the builder"))?;
    }
    Ok(())
}

/// Sees to it that root and the builder have names, and that the host has one; what the layers say stays.
fn name_builder() -> Result<(), Report> {
    folder("/etc", 0o755)?;
    let users = [("root", "root:x:0:0:root:/root:/bin/sh"), ("builder", "builder:x:1000:1000:builder:/build:/bin/sh")];
    add_lines(Path::new("/etc/passwd"), &users)?;
    add_lines(Path::new("/etc/group"), &[("root", "root:x:0:"), ("builder", "builder:x:1000:")])?;
    let hosts = format!("127.0.0.1\tlocalhost {HOST_NAME}\n::1\tlocalhost\n");
    for (path, text) in [("/etc/hosts", hosts), ("/etc/hostname", format!("{HOST_NAME}\n"))] {
        if fs::symlink_metadata(path).is_err() {
            fs::write(path, text).doing(&format!("write `{path}`"))?;
        }
    }
    Ok(())
}

/// Adds the lines whose first field no line of the file has yet.
fn add_lines(path: &Path, lines: &[(&str, &str)]) -> Result<(), Report> {
    let old = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&old);
    let missing: Vec<&str> = lines
        .iter()
        .filter(|(name, _)| !text.lines().any(|line| line.split(':').next() == Some(name)))
        .map(|(_, line)| *line)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let what = format!("write `{}`", path.display());
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).doing(&what)?;
    let gap = if old.last().is_some_and(|byte| *byte != b'\n') { "\n" } else { "" };
    file.write_all(format!("{gap}{}\n", missing.join("\n")).as_bytes()).doing(&what)
}

fn put_bind(target: &Path, is_writable: bool, tree: &OwnedFd) -> Result<(), Report> {
    let what = format!("make `{}`", target.display());
    let is_folder =
        rustix::fs::fstat(tree).is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir());
    if is_folder {
        fs::create_dir_all(target).doing(&what)?;
    } else {
        fs::create_dir_all(target.parent().unwrap_or(Path::new("/"))).doing(&what)?;
        if fs::metadata(target).is_err() {
            fs::write(target, "").doing(&what)?;
        }
    }
    // The place that it is mounted at may be behind a link.
    let target: PathBuf = target.canonicalize().doing(&what)?;
    put(tree, &target.to_string_lossy())?;
    let name = std::ffi::CString::new(std::os::unix::ffi::OsStrExt::as_bytes(target.as_os_str())).unwrap_or_default();
    let read_only = if is_writable { 0 } else { libc::MOUNT_ATTR_RDONLY };
    kernel::restrict_mount(&name, true, read_only | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV)
        .doing(&format!("restrict `{}`", target.display()))
}

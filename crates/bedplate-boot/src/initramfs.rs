//! The initramfs: a small root that finds the real one, made from files of the image itself.
//!
//! ```text
//! tree of the image ─▶ systemd, udev, mount, their libraries ─┐
//!                   ─▶ units, rules                           ├─▶ cpio ─▶ zstd
//!                   ─▶ modules that are asked for, unpacked   │
//! ours              ─▶ initrd-release, indexes, mounts        ┘
//! ```
//!
//! It is a function of the tree and the request: no clock, no path, no order of a hash table goes in. What is missing in the image is
//! collected, with who needs it, and reported at once. The root itself is named by the kernel command line
//! ([`CommandLine`](crate::CommandLine)), so that one initramfs serves images with verity and without.

mod collect;
mod mounts;
mod systemd;

use bedplate_cas::{ActionEntry, Output, Store, StoreError};
use bedplate_diag::Category;
use bedplate_tree::{FileTree, Kind, TreePath, TreePathError};

pub use self::collect::Missing;
use self::collect::{Collector, Content, Node};
pub use self::mounts::{CopiedFolder, EarlyMount, Overlay};
use crate::cpio::{CpioEntry, CpioWriter};
use crate::module::{ModuleError, Modules, WantedModule};

/// Features of systemd's optional libraries that an initramfs always needs.
const FEATURES: [&str; 1] = ["kmod"];
const VERITY_FEATURES: [&str; 2] = ["kmod", "cryptsetup"];

/// Where units of the image are, the first place first.
const UNIT_FOLDER: &str = "/usr/lib/systemd/system";
const RULES_FOLDER: &str = "/usr/lib/udev/rules.d";

/// What an initramfs has to do.
#[derive(Debug, Clone)]
pub struct InitramfsRequest<'a> {
    /// The release of the kernel: the name of its folder in `/usr/lib/modules`.
    pub kernel_version: &'a str,
    /// Modules to take along, with all that they need: file systems of the mounts, drivers of disks.
    pub modules: &'a [WantedModule],
    /// Whether the root or `/usr` is protected by dm-verity.
    pub verity: Verity,
    /// Whether file systems are checked before they are mounted; the checkers of these (`ext4`, `xfs`, `vfat`) come along.
    pub check: &'a [&'a str],
    /// What is mounted besides the root before the image's own systemd starts.
    pub mounts: &'a [EarlyMount],
    /// Writable folders over read-only ones.
    pub overlays: &'a [Overlay],
    /// Folders of a read-only root that are copied to be writable.
    pub copies: &'a [CopiedFolder],
    /// Further files of the image, with what they need.
    pub files: &'a [TreePath],
    /// How hard zstd tries: 1 to 19.
    pub compression: i32,
}

/// Whether there is dm-verity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verity {
    /// There is none.
    Off,
    /// The root or `/usr` has it.
    On,
}

/// An initramfs.
#[derive(Debug, Clone)]
pub struct Initramfs {
    /// The archive, packed with zstd.
    pub bytes: Vec<u8>,
    /// Bytes of the archive before it was packed.
    pub unpacked: u64,
    /// Path and size of each file, by path.
    pub files: Vec<(TreePath, u64)>,
    /// Names of the modules in it.
    pub modules: Vec<String>,
}

/// Why there is no initramfs.
#[derive(Debug, thiserror::Error)]
pub enum InitramfsError {
    /// The image lacks what an initramfs needs.
    #[error("the image lacks what its initramfs needs:{}", list(.0))]
    Missing(Vec<Missing>),
    /// Modules cannot be had.
    #[error("failed to choose the kernel modules of the initramfs")]
    Module(#[from] ModuleError),
    /// A file of the image cannot be had.
    #[error("failed to read `{path}` of the image")]
    Read {
        /// The file.
        path: TreePath,
        /// Why.
        source: StoreError,
    },
    /// A program or library is damaged.
    #[error("`{path}` of the image is a damaged program: {why}")]
    Elf {
        /// The file.
        path: TreePath,
        /// Why.
        why: String,
    },
    /// A path that was asked for, or that the image names, is none.
    #[error("`{path}` cannot be in an initramfs: {error}")]
    Path {
        /// The path.
        path: String,
        /// Why.
        error: TreePathError,
    },
    /// The store failed.
    #[error("failed to keep the initramfs in the store")]
    Store {
        /// Why.
        source: StoreError,
    },
    /// The archive could not be written.
    #[error("failed to pack the initramfs")]
    Pack(#[from] std::io::Error),
}

fn list(missing: &[Missing]) -> String {
    missing.iter().map(|one| format!("\n  {}, which {} needs", one.what, one.needed_by)).collect()
}

impl InitramfsError {
    /// Who can mend it.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Missing(_) | Self::Elf { .. } | Self::Path { .. } => Category::Input,
            Self::Module(error) => error.category(),
            Self::Read { source, .. } | Self::Store { source } => source.category(),
            Self::Pack(_) => Category::Environment,
        }
    }

    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing(_) => Some(
                "install the packages that have it: systemd, udev, kmod, util-linux, device-mapper, the kernel's modules",
            ),
            Self::Module(ModuleError::NoFolder(_)) => Some("install the package that has the modules of the kernel"),
            _ => None,
        }
    }
}

/// Makes the initramfs of an image.
///
/// # Errors
///
/// See [`InitramfsError`]; all that is missing is reported at once.
pub fn initramfs(tree: &FileTree, store: &Store, request: &InitramfsRequest<'_>) -> Result<Initramfs, InitramfsError> {
    let features: &[&str] = if request.verity == Verity::On { &VERITY_FEATURES } else { &FEATURES };
    let mut files = Collector::new(tree, store, features);
    skeleton(&mut files, tree)?;
    files.add_loader_cache()?;
    add_systemd(&mut files, tree, request)?;
    add_rules(&mut files, request.verity)?;
    add_identity(&mut files)?;
    mounts::add(&mut files, request.mounts, request.overlays, request.copies)?;
    for path in request.files {
        files.require(path.as_str(), "the request for this initramfs")?;
    }
    let modules = add_modules(&mut files, tree, store, request)?;
    let missing = files.missing();
    if !missing.is_empty() {
        return Err(InitramfsError::Missing(missing));
    }
    packed(store, &files, request.compression, modules)
}

/// What the output of the action is called.
const OUTPUT: &str = "initramfs";

/// The initramfs out of the store, if one of the same files was packed before; else it is packed and kept.
fn packed(
    store: &Store,
    files: &Collector<'_>,
    compression: i32,
    modules: Vec<String>,
) -> Result<Initramfs, InitramfsError> {
    let key = files.key(compression);
    let failed = |source| InitramfsError::Store { source };
    if let Some(entry) = store.action(&key).map_err(failed)?
        && let Some(output) = entry.outputs.iter().find(|output| output.path == OUTPUT)
        && let Some(unpacked) = entry.about["unpacked"].as_u64()
    {
        let bytes = store.read(&output.digest).map_err(failed)?;
        return Ok(Initramfs { bytes, unpacked, files: files.sizes(), modules });
    }
    let (bytes, unpacked) = pack(files, compression)?;
    let digest = store.put(&bytes).map_err(failed)?;
    let output = Output { path: OUTPUT.to_owned(), digest, executable: false };
    let entry = ActionEntry::assembled(vec![output], Vec::new(), serde_json::json!({ "unpacked": unpacked }));
    store.record(&key, &entry).map_err(failed)?;
    Ok(Initramfs { bytes, unpacked, files: files.sizes(), modules })
}

/// Folders that systemd mounts on, and what the kernel starts.
fn skeleton(files: &mut Collector<'_>, tree: &FileTree) -> Result<(), InitramfsError> {
    for (path, mode) in [
        ("/dev", 0o755),
        ("/etc", 0o755),
        ("/proc", 0o555),
        ("/root", 0o700),
        ("/run", 0o755),
        ("/sys", 0o555),
        ("/sysroot", 0o755),
        ("/tmp", 0o1777),
        ("/var/tmp", 0o1777),
    ] {
        files.folder(path, mode)?;
    }
    // Where `/usr` has all, paths without it lead there.
    for path in ["/bin", "/lib", "/lib64", "/sbin"] {
        files.take_link(tree, path)?;
    }
    files.link("/init", "usr/lib/systemd/systemd")?;
    files.link("/var/run", "../run")
}

fn add_systemd(
    files: &mut Collector<'_>,
    tree: &FileTree,
    request: &InitramfsRequest<'_>,
) -> Result<(), InitramfsError> {
    let by = "an initramfs with systemd";
    for path in systemd::PROGRAMS {
        files.require(path, by)?;
    }
    for path in systemd::OPTIONAL_PROGRAMS.into_iter().chain(systemd::DATA) {
        files.take(path)?;
    }
    // The kernel asks this path for modules.
    if !files.take("/sbin/modprobe")? {
        files.require("/usr/bin/kmod", "the kernel, to load modules")?;
        files.link("/sbin/modprobe", "/usr/bin/kmod")?;
    }
    let mut units: Vec<String> = Vec::new();
    for unit in systemd::UNITS {
        files.require(&format!("{UNIT_FOLDER}/{unit}"), by)?;
        units.push(unit.to_owned());
    }
    for unit in systemd::OPTIONAL_UNITS {
        if files.take(&format!("{UNIT_FOLDER}/{unit}"))? {
            units.push(unit.to_owned());
        }
    }
    if request.verity == Verity::On {
        for path in systemd::VERITY_PROGRAMS {
            files.require(path, "dm-verity")?;
        }
    }
    if !request.check.is_empty() {
        for path in systemd::CHECK_PROGRAMS {
            files.require(path, "the check of file systems")?;
        }
        for kind in request.check {
            files.require(&format!("/usr/sbin/fsck.{kind}"), "the check of file systems")?;
        }
        for unit in systemd::CHECK_UNITS {
            files.require(&format!("{UNIT_FOLDER}/{unit}"), "the check of file systems")?;
            units.push(unit.to_owned());
        }
    }
    // What one chosen unit wants of another, as the image has it.
    for unit in &units {
        for kind in ["wants", "requires"] {
            for other in &units {
                files.take_link(tree, &format!("{UNIT_FOLDER}/{unit}.{kind}/{other}"))?;
            }
        }
    }
    files.link("/etc/systemd/system/default.target", &format!("{UNIT_FOLDER}/initrd.target"))?;
    files.make("/etc/systemd/system/emergency.service", 0o644, systemd::EMERGENCY_UNIT)?;
    files.make("/etc/systemd/system/rescue.service", 0o644, systemd::EMERGENCY_UNIT)
}

fn add_rules(files: &mut Collector<'_>, verity: Verity) -> Result<(), InitramfsError> {
    for rule in systemd::RULES {
        let path = format!("{RULES_FOLDER}/{rule}");
        if verity == Verity::Off && systemd::DMSETUP_RULES.contains(&rule) {
            continue;
        }
        if systemd::REQUIRED_RULES.contains(&rule) {
            files.require(&path, "udev in the initramfs")?;
        } else if files.take(&path)? && systemd::DMSETUP_RULES.contains(&rule) {
            let dmsetup = systemd::DMSETUP.into_iter().find(|path| files.has(path));
            files.require(dmsetup.unwrap_or(systemd::DMSETUP[0]), &path)?;
        }
    }
    for program in systemd::RULE_PROGRAMS {
        files.take(program)?;
    }
    Ok(())
}

/// Who this system is, and the users that rules and units name.
fn add_identity(files: &mut Collector<'_>) -> Result<(), InitramfsError> {
    let release = files.text("/usr/lib/os-release")?;
    if release.is_empty() {
        files.require("/usr/lib/os-release", "systemd in the initramfs")?;
    }
    // Its being there is how systemd knows that it is in an initramfs.
    files.make("/etc/initrd-release", 0o644, release)?;
    files.link("/etc/os-release", "initrd-release")?;
    files.make("/etc/passwd", 0o644, "root:x:0:0::/root:/usr/sbin/nologin\n")?;
    // Without members: only the numbers matter here.
    let groups = files.text("/etc/group")?;
    let groups = groups.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?.parse::<u32>().ok()?);
        (number > 0 && number < 1000).then(|| format!("{name}:x:{number}:\n"))
    });
    let groups: String = ["root:x:0:\n".to_owned()].into_iter().chain(groups).collect();
    files.make("/etc/group", 0o644, groups)
}

fn add_modules(
    files: &mut Collector<'_>,
    tree: &FileTree,
    store: &Store,
    request: &InitramfsRequest<'_>,
) -> Result<Vec<String>, InitramfsError> {
    // Where kernel and kmod look; it leads to `/usr/lib` in most images.
    let folder = format!("/lib/modules/{}", request.kernel_version);
    let path: TreePath = folder.parse().map_err(|error| InitramfsError::Path { path: folder.clone(), error })?;
    let modules = Modules::new(tree, store, tree.resolve(&path).unwrap_or(path))?;
    let mut wanted = request.modules.to_vec();
    // What process 1 looks for when it starts: automounts, and credentials of the machine.
    wanted.extend(["autofs4", "dmi_sysfs", "qemu_fw_cfg"].map(WantedModule::optional));
    let mut load = Vec::new();
    if request.verity == Verity::On {
        wanted.extend(["dm_mod", "dm_verity"].map(WantedModule::required));
        // What hashes faster than the kernel's plain code.
        wanted.extend(["sha256_ssse3", "sha256_ce", "sha256_ni"].map(WantedModule::optional));
        load.extend(["dm_mod", "dm_verity"]);
    }
    if !request.overlays.is_empty() {
        wanted.push(WantedModule::required("overlay"));
    }
    let chosen = modules.choose(&wanted)?;
    for (name, needed_by) in &chosen.missing {
        files.missing.insert(Missing { what: format!("kernel module {name}"), needed_by: needed_by.clone() });
    }
    for (name, content) in modules.indexes(&chosen)? {
        files.make(&format!("{folder}/{name}"), 0o644, content)?;
    }
    for place in ["/usr/lib/modprobe.d", "/etc/modprobe.d"] {
        // What the image forbids or sets is forbidden and set here too.
        let Ok(place) = place.parse() else { continue };
        for (path, _) in tree.children(&place).filter(|(path, _)| path.name().ends_with(".conf")) {
            files.take(path.as_str())?;
        }
    }
    let load: String = load.into_iter().map(|name| format!("{name}\n")).collect();
    files.make("/etc/modules-load.d/bedplate.conf", 0o644, load)?;
    let names = chosen.modules.keys().cloned().collect();
    for module in chosen.modules.into_values() {
        files.make(&format!("{folder}/{}", module.path), 0o644, module.content)?;
    }
    Ok(names)
}

/// The packed archive, and how many bytes it had before.
fn pack(files: &Collector<'_>, compression: i32) -> Result<(Vec<u8>, u64), InitramfsError> {
    let encoder = zstd::Encoder::new(Vec::new(), compression)?;
    let mut archive = CpioWriter::new(encoder);
    for (path, node) in files.nodes.iter().filter(|(path, _)| !path.is_root()) {
        let name = path.relative();
        match node {
            Node::Directory { mode } => archive.entry(name, CpioEntry::Directory { mode: *mode })?,
            Node::Symlink { target } => archive.entry(name, CpioEntry::Symlink { target })?,
            Node::File { mode, content } => {
                let stored;
                let content = match content {
                    Content::Made(bytes) => bytes,
                    Content::Stored(digest) => {
                        stored = files.read(path, digest)?;
                        &stored
                    }
                };
                archive.entry(name, CpioEntry::File { mode: *mode, content })?;
            }
        }
    }
    let (encoder, unpacked) = archive.finish()?;
    Ok((encoder.finish()?, unpacked))
}

/// The symbolic link at a path, if it is one.
fn symlink<'a>(tree: &'a FileTree, path: &str) -> Option<&'a str> {
    match &tree.get(path)?.kind {
        Kind::Symlink(target) => Some(target),
        _ => None,
    }
}

impl Collector<'_> {
    /// Takes a symbolic link of the image along as it is, if it is one.
    fn take_link(&mut self, tree: &FileTree, path: &str) -> Result<(), InitramfsError> {
        match symlink(tree, path) {
            Some(target) => self.link(path, target),
            None => Ok(()),
        }
    }
}

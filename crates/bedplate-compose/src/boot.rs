//! What starts the image: initramfs, kernel command line, unified kernel image, EFI system partition.

use bedplate_boot::{
    CommandLine, CommandLineRequest, CopiedFolder, EarlyMount, EfiArchitecture, EspRequest, FirstProgram,
    InitramfsRequest, Overlay, RootAccess, RootSource, UkiRequest, Verity as InitramfsVerity, WantedModule, build_uki,
    disk_drivers, esp_tree, initramfs,
};
use bedplate_diag::Diagnostic;
use bedplate_disk::RootHash;
use bedplate_image_config::{
    Architecture, BootKind, FilesystemKind, ImageConfig, PartitionType, PlannedPartition, Verity, WritableFolder,
};
use bedplate_tree::{FileTree, TreePath};
use serde::{Deserialize, Serialize};

use crate::partitions::{Partition, mount_of, read};
use crate::{ComposeError, Workshop};

const MODULES: &str = "/usr/lib/modules";
/// Where systemd has its programs for UEFI.
const EFI: &str = "/usr/lib/systemd/boot/efi";
/// How hard the initramfs is packed: beyond this, little is gained and much time spent.
const COMPRESSION: i32 = 9;
/// Where changes of read-only folders are kept on the partition that has `/var`.
const OVERLAYS: &str = "/var/lib/overlays";
/// Where copies of read-only folders are kept there.
const COPIES: &str = "/var/lib/copies";

/// What boots, as the manifest has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BootFacts {
    /// The release of the kernel.
    pub kernel: String,
    /// The kernel command line.
    pub command_line: String,
    /// Bytes of the initramfs.
    pub initramfs_size: u64,
    /// Bytes of the initramfs before it was packed.
    pub initramfs_unpacked: u64,
    /// Modules in the initramfs.
    pub initramfs_modules: Vec<String>,
    /// Bytes of the unified kernel image.
    pub uki_size: u64,
}

/// The tree of the EFI system partition with all that boots the image.
pub(crate) fn esp(
    shop: &Workshop<'_>,
    tree: &FileTree,
    config: &ImageConfig,
    partitions: &[Partition],
    name: &str,
) -> Result<(FileTree, BootFacts), ComposeError> {
    let kernel_version = kernel_version(tree, config)?;
    let machine = match *config.architecture {
        Architecture::X86_64 => EfiArchitecture::X64,
        Architecture::Aarch64 => EfiArchitecture::Aa64,
    };
    let needed = |path: String, who: &str| -> Result<Vec<u8>, ComposeError> {
        read(shop.store, tree, &path)?.ok_or_else(|| {
            let message = format!("the image has no `{path}`");
            let mistake = Diagnostic::error("nothing-to-boot", message).at(config.boot.kind.span);
            ComposeError::Mistakes(vec![mistake.hint(format!("install {who}, or write `kind = \"none\"`"))])
        })
    };
    let stub = needed(format!("{EFI}/linux{}.efi.stub", machine.name()), "the package with systemd's boot stub")?;
    let command_line = command_line(config, partitions)?;
    let WritableFolders { mounts, overlays, copies } = writable_folders(tree, config, partitions);
    let has_verity = partitions.iter().any(|one| one.root_hash.is_some());
    let request = InitramfsRequest {
        kernel_version: &kernel_version,
        modules: &modules(config, partitions, !overlays.is_empty(), &mounts),
        verity: if has_verity { InitramfsVerity::On } else { InitramfsVerity::Off },
        check: &[],
        mounts: &mounts,
        overlays: &overlays,
        copies: &copies,
        files: &[],
        compression: COMPRESSION,
    };
    let packed = initramfs(tree, shop.store, &request)?;
    let kernel = needed(format!("{MODULES}/{kernel_version}/vmlinuz"), "a kernel")?;
    let os_release = read(shop.store, tree, "/usr/lib/os-release")?.unwrap_or_default();
    let uki = build_uki(&UkiRequest {
        stub: &stub,
        kernel: &kernel,
        initramfs: &packed.bytes,
        os_release: &String::from_utf8_lossy(&os_release),
        command_line: &command_line.to_string(),
        kernel_version: &kernel_version,
        sbat: "",
    })?;
    let systemd_boot = match *config.boot.kind {
        BootKind::SystemdBoot => {
            Some(needed(format!("{EFI}/systemd-boot{}.efi", machine.name()), "the package with systemd-boot")?)
        }
        BootKind::Uki | BootKind::None => None,
    };
    let first = match &systemd_boot {
        Some(program) => FirstProgram::SystemdBoot { program, timeout: config.boot.timeout.0 },
        None => FirstProgram::Uki,
    };
    let request = EspRequest { architecture: machine, first, name, uki: &uki, epoch: shop.epoch };
    let mut esp = esp_tree(&request, shop.store)?;
    add_own_files(&mut esp, tree, config)?;
    let facts = BootFacts {
        kernel: kernel_version,
        command_line: command_line.to_string(),
        initramfs_size: packed.bytes.len() as u64,
        initramfs_unpacked: packed.unpacked,
        initramfs_modules: packed.modules,
        uki_size: uki.len() as u64,
    };
    Ok((esp, facts))
}

/// Files of the image below the mount point of the EFI system partition come along.
fn add_own_files(esp: &mut FileTree, tree: &FileTree, config: &ImageConfig) -> Result<(), ComposeError> {
    let layout = config.storage.layout();
    let Some(mount) = layout.iter().find(|plan| plan.kind == PartitionType::Esp).and_then(mount_of) else {
        return Ok(());
    };
    for (path, entry) in tree.subtree(&tree.resolve(&mount).unwrap_or(mount)).iter() {
        if esp.get(path.as_str()).is_none() {
            esp.insert(path.clone(), entry.clone())?;
        }
    }
    Ok(())
}

/// The release of the kernel of the image.
fn kernel_version(tree: &FileTree, config: &ImageConfig) -> Result<String, ComposeError> {
    let folder: TreePath = MODULES.parse().expect("it is a plain path");
    let has_kernel = |path: &&TreePath| tree.get(&format!("{path}/vmlinuz")).is_some();
    let kernels: Vec<&str> =
        tree.children(&folder).map(|(path, _)| path).filter(has_kernel).map(TreePath::name).collect();
    let (message, hint) = match kernels.as_slice() {
        [one] => return Ok((*one).to_owned()),
        [] => (
            format!("the image has no kernel: no `{MODULES}/VERSION/vmlinuz`"),
            "install one, or write `kind = \"none\"`",
        ),
        several => (
            format!("the image has several kernels: {}", several.join(", ")),
            "exclude all but one: `packages.exclude`",
        ),
    };
    Err(ComposeError::Mistakes(vec![Diagnostic::error("no-kernel", message).at(config.boot.kind.span).hint(hint)]))
}

fn find(partitions: &[Partition], kind: PartitionType) -> Option<&Partition> {
    partitions.iter().find(|one| one.plan.kind == kind)
}

fn command_line(config: &ImageConfig, partitions: &[Partition]) -> Result<CommandLine, ComposeError> {
    let text = |hash: &RootHash| hash.to_string();
    let Some(root) = find(partitions, PartitionType::Root) else {
        let mistake = Diagnostic::error("no-root", "an image that boots needs a partition for its root");
        let mistake = mistake.at(config.boot.kind.span).hint("add a `[[storage.partition]]` with `type = \"root\"`");
        return Err(ComposeError::Mistakes(vec![mistake]));
    };
    let usr = find(partitions, PartitionType::Usr);
    let guid = root.guid.to_string();
    let mut add = Vec::new();
    let source = match (&root.root_hash, usr.and_then(|usr| usr.root_hash.as_ref())) {
        (Some(hash), _) => RootSource::VerityRoot { hash: text(hash), partitions: None },
        (None, Some(hash)) => RootSource::VerityUsr { guid, hash: text(hash), partitions: None },
        (None, None) => RootSource::Partition { guid },
    };
    if let Some(usr) = usr {
        if usr.root_hash.is_none() {
            add.push(format!("mount.usr=PARTUUID={}", usr.guid));
        }
        add.push(format!("mount.usrfstype={}", usr.plan.filesystem.word()));
        let access = if usr.plan.is_read_only { "ro" } else { "rw" };
        add.push(format!("mount.usrflags={}", options(&usr.plan, Some(access))));
    }
    if !root.plan.options.is_empty() {
        add.push(format!("rootflags={}", options(&root.plan, None)));
    }
    add.extend(config.kernel.command_line.add.iter().map(ToString::to_string));
    let consoles: Vec<String> = config.boot.console.iter().map(ToString::to_string).collect();
    let remove: Vec<String> = config.kernel.command_line.remove.iter().map(ToString::to_string).collect();
    let request = CommandLineRequest {
        root: &source,
        root_kind: Some(root.plan.filesystem.word()),
        access: if root.plan.is_read_only { RootAccess::ReadOnly } else { RootAccess::ReadWrite },
        consoles: &consoles,
        add: &add,
        remove: &remove,
    };
    CommandLine::compose(&request).map_err(|errors| {
        let mistake = |error: &bedplate_boot::ParameterError| {
            Diagnostic::error("bad-kernel-parameter", error.to_string()).at(config.boot.kind.span)
        };
        ComposeError::Mistakes(errors.iter().map(mistake).collect())
    })
}

fn options(plan: &PlannedPartition, first: Option<&str>) -> String {
    let written = plan.options.iter().map(|option| option.as_str());
    first.into_iter().chain(written).collect::<Vec<_>>().join(",")
}

/// Modules that the initramfs needs to find and mount what the system starts from.
fn modules(
    config: &ImageConfig,
    partitions: &[Partition],
    has_overlays: bool,
    mounts: &[EarlyMount],
) -> Vec<WantedModule> {
    let mut modules = disk_drivers();
    let mut required: Vec<String> = Vec::new();
    for one in partitions {
        if matches!(one.plan.kind, PartitionType::Root | PartitionType::Usr) {
            required.push(one.plan.filesystem.word().to_owned());
            required.extend((*one.plan.verity != Verity::Off).then(|| "dm_verity".to_owned()));
        }
    }
    required.extend(mounts.iter().map(|mount| mount.kind.clone()).filter(|kind| kind != "tmpfs"));
    required.extend(has_overlays.then(|| "overlay".to_owned()));
    required.extend(config.kernel.modules.initramfs.iter().map(ToString::to_string));
    required.sort();
    required.dedup();
    modules.extend(required.iter().map(|name| WantedModule::required(name)));
    modules
}

/// Folders of a read-only root that are writable, and what has to be mounted early to keep their changes.
#[derive(Default)]
struct WritableFolders {
    mounts: Vec<EarlyMount>,
    overlays: Vec<Overlay>,
    copies: Vec<CopiedFolder>,
}

fn writable_folders(tree: &FileTree, config: &ImageConfig, partitions: &[Partition]) -> WritableFolders {
    let mut writable = WritableFolders::default();
    let var = find(partitions, PartitionType::Var).filter(|var| !var.plan.is_read_only);
    let folders = [("/etc", config.storage.etc_access()), ("/var", config.storage.var_access())];
    for (folder, access) in folders {
        let at: TreePath = folder.parse().expect("it is a plain path");
        // What is below `/var` itself cannot keep it.
        let keeper =
            |place: &str| var.filter(|_| folder == "/etc").and_then(|_| format!("{place}{folder}").parse().ok());
        match access {
            None | Some(WritableFolder::ReadOnly) => {}
            Some(WritableFolder::Overlay) => {
                let mode = tree.get(folder).map_or(0o755, |entry| entry.mode);
                writable.overlays.push(Overlay { at, upper: keeper(OVERLAYS), mode });
            }
            Some(WritableFolder::Copy) => writable.copies.push(CopiedFolder { at, kept: keeper(COPIES) }),
        }
    }
    let is_kept = writable.overlays.iter().any(|overlay| overlay.upper.is_some())
        || writable.copies.iter().any(|copied| copied.kept.is_some());
    if let Some(var) = var.filter(|_| is_kept) {
        writable.mounts.push(EarlyMount {
            what: format!("PARTUUID={}", var.guid),
            at: "/var".parse().expect("it is a plain path"),
            kind: var.plan.filesystem.word().to_owned(),
            options: options(&var.plan, None),
        });
    }
    writable
}

/// The lines of `/etc/fstab` for what neither the kernel command line nor the initramfs mounts.
pub(crate) fn fstab(plans: &[PlannedPartition], guid: impl Fn(&PlannedPartition) -> String) -> String {
    let mut text =
        String::from("# Written when the image was composed. What, where, type, options, dump, order of checks.\n");
    for plan in plans {
        let is_swap = *plan.filesystem == FilesystemKind::Swap;
        let grows = matches!(*plan.size, bedplate_image_config::PartitionSize::Grow(_)) && !plan.is_read_only;
        // The kernel command line says what these are. A root that grows is named for that.
        let is_early = match plan.kind {
            PartitionType::Root => !grows,
            PartitionType::Usr => true,
            _ => false,
        };
        let Some(mount) = plan.mount.as_ref().map(ToString::to_string).or(is_swap.then(|| "none".to_owned())) else {
            continue;
        };
        if is_early || *plan.filesystem == FilesystemKind::None {
            continue;
        }
        let mut all: Vec<String> = plan.options.iter().map(ToString::to_string).collect();
        if grows {
            all.push("x-systemd.growfs".to_owned());
        }
        // Nobody but root reads what boots, and a system does not fail to start because it cannot see it.
        if all.is_empty() && matches!(plan.kind, PartitionType::Esp | PartitionType::Xbootldr) {
            all.extend(["umask=0077".to_owned(), "nofail".to_owned()]);
        }
        if all.is_empty() {
            all.push("defaults".to_owned());
        }
        let kind = plan.filesystem.word();
        text.push_str(&format!("PARTUUID={} {mount} {kind} {} 0 0\n", guid(plan), all.join(",")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partitions::tests::config;

    #[test]
    fn fstab_has_what_nothing_else_mounts() {
        let config = config(
            "[[storage.partition]]\ntype = \"esp\"\n[[storage.partition]]\ntype = \"root\"\n\
             [[storage.partition]]\ntype = \"usr\"\nfilesystem = \"erofs\"\nverity = \"hash\"\n\
             [[storage.partition]]\ntype = \"swap\"\nsize = \"64M\"\n\
             [[storage.partition]]\ntype = \"var\"\nsize = \"grow\"\noptions = [\"nodev\"]\n",
        );
        let text = fstab(&config.storage.layout(), |plan| format!("guid-of-{}", *plan.label));
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "PARTUUID=guid-of-esp /boot vfat umask=0077,nofail 0 0",
                "PARTUUID=guid-of-swap none swap defaults 0 0",
                "PARTUUID=guid-of-var /var ext4 nodev,x-systemd.growfs 0 0",
            ]
        );
    }

    #[test]
    fn a_root_that_grows_is_named() {
        let config =
            config("[[storage.partition]]\ntype = \"esp\"\n[[storage.partition]]\ntype = \"root\"\nsize = \"grow\"\n");
        let text = fstab(&config.storage.layout(), |_| "x".to_owned());
        assert!(text.ends_with("PARTUUID=x / ext4 x-systemd.growfs 0 0\n"), "{text}");
    }
}

//! Entries of `Disks`, with what a system says of their partitions.

use super::draft::{Draft, Item, list, text};
use super::reader::Reader;
use super::system::{BootType, DiskSettings};
use crate::config::PartitionType;

/// A smaller EFI system partition has no room for a unified kernel image.
const SMALLEST_ESP: u64 = 128;

pub(super) fn import(disks: Vec<Reader>, mut settings: DiskSettings, draft: &mut Draft) {
    let chosen = choose(&disks, &settings);
    for (at, mut disk) in disks.into_iter().enumerate() {
        if Some(at) != chosen {
            draft.dropped(disk.path(), "an image has one disk, and the system that is imported uses another");
            continue;
        }
        if disk.text("PartitionTableType", draft).as_deref() == Some("mbr") {
            draft.changed(&disk.at("PartitionTableType"), "the table of partitions is a GPT");
        }
        let size = disk.number("MaxSize", draft);
        let from = disk.at("MaxSize");
        let partitions = disk.list("Partitions", draft);
        let has_partitions = !partitions.is_empty();
        artifacts(&mut disk, has_partitions, draft);
        if has_partitions {
            if let Some(size) = size.filter(|size| *size > 0) {
                draft.text(&from, "storage.size", &format!("{size}M"));
            }
            self::partitions(partitions, size, &mut settings, draft);
        }
        disk.drop("TargetDisk", "images are composed, not installed on a disk", draft);
        disk.drop(
            "RawBinaries",
            "nothing is written beside the partitions: boot loaders of the BIOS are not there",
            draft,
        );
        disk.finish(draft);
    }
    for setting in settings.partitions {
        draft.dropped(setting.path(), "the disk has no partition of this `ID`");
    }
}

/// The disk whose partitions the system mounts; the first one if it mounts none.
fn choose(disks: &[Reader], settings: &DiskSettings) -> Option<usize> {
    let ids: Vec<String> = settings.partitions.iter().filter_map(id).collect();
    let uses = |disk: &Reader| {
        let partitions = disk.clone().list("Partitions", &mut Draft::new());
        partitions.iter().filter_map(id).any(|id| ids.contains(&id))
    };
    disks.iter().position(uses).or(if disks.is_empty() { None } else { Some(0) })
}

fn id(reader: &Reader) -> Option<String> {
    reader.peek_text("ID").or_else(|| reader.peek_text("PartitionID"))
}

fn artifacts(disk: &mut Reader, has_partitions: bool, draft: &mut Draft) {
    let mut named: Option<String> = None;
    for mut artifact in disk.list("Artifacts", draft) {
        if let Some(name) = artifact.text("Name", draft) {
            match &named {
                Some(first) if *first != name => {
                    draft.dropped(&artifact.at("Name"), format!("all forms of an image have one name, `{first}`"));
                }
                Some(_) => {}
                None => {
                    draft.text(&artifact.at("Name"), "output.name", &name);
                    named = Some(name);
                }
            }
        }
        let (kind, compression) = (artifact.text("Type", draft), artifact.text("Compression", draft));
        let from = artifact.path().to_owned();
        match (kind.as_deref(), has_partitions) {
            (None | Some("tar" | "rootfs"), false) => {
                draft.add(&from, "output.formats", "tar");
                match compression.as_deref() {
                    Some("tar.gz" | "gz") => draft.text(&from, "output.tar.compression", "gzip"),
                    Some("tar.zst" | "zst") => draft.text(&from, "output.tar.compression", "zstd"),
                    Some("tar") | None => {}
                    Some(other) => {
                        draft.text(&from, "output.tar.compression", "zstd");
                        draft.changed(&artifact.at("Compression"), format!("`zstd` is taken for `{other}`"));
                    }
                }
                artifact.finish(draft);
                continue;
            }
            (None | Some("raw" | "img"), true) => match compression.as_deref() {
                Some("zst" | "zstd") => {
                    draft.add(&from, "output.formats", "raw-zst");
                    artifact.finish(draft);
                    continue;
                }
                _ => draft.add(&from, "output.formats", "raw"),
            },
            // Azure only takes fixed ones.
            (Some("vhd"), true) => draft.add(&from, "output.formats", "vhd-fixed"),
            (Some("vhdx"), true) => draft.add(&from, "output.formats", "vhdx"),
            (Some("qcow2"), true) => draft.add(&from, "output.formats", "qcow2"),
            (other, _) => draft.dropped(&from, format!("`{}` is no form that is written", other.unwrap_or("none"))),
        }
        if let Some(compression) = compression {
            draft.dropped(
                &artifact.at("Compression"),
                format!("`{compression}` is left to who ships the file; `raw-zst` is compressed"),
            );
        }
        artifact.finish(draft);
    }
}

/// A partition between two places of a disk, in MiB.
struct Extent {
    start: u64,
    /// None for what goes on to the end of the disk.
    end: Option<u64>,
}

fn partitions(partitions: Vec<Reader>, disk: Option<u64>, settings: &mut DiskSettings, draft: &mut Draft) {
    let count = partitions.len();
    let starts: Vec<Option<u64>> =
        partitions.iter().map(|one| one.clone().number("Start", &mut Draft::new())).collect();
    let mut has_esp = false;
    let mut previous = 1;
    for (at, mut partition) in partitions.into_iter().enumerate() {
        let start = partition.number("Start", draft).unwrap_or(previous);
        let end = partition.number("End", draft).filter(|end| *end > 0);
        let end = end.or_else(|| starts.get(at + 1).copied().flatten());
        if start > previous {
            draft.changed(&partition.at("Start"), format!("the gap of {}M before it is closed", start - previous));
        }
        // What is left of a disk whose last partition does not end with it is nobody's.
        let extent = Extent { start, end: end.filter(|end| at + 1 < count || Some(*end) != disk) };
        previous = end.unwrap_or(start);
        let setting = settings.partitions.iter().position(|one| id(one).is_some() && id(one) == id(&partition));
        let setting = setting.map(|at| settings.partitions.remove(at));
        let kind = one(partition, setting, &extent, at + 1 == count, settings, has_esp, draft);
        has_esp |= kind == Some(PartitionType::Esp);
    }
    if !has_esp && settings.boot == BootType::Legacy {
        let mut item = Item::new("storage.partition");
        item.set(draft, "$.Disks", "type", text("esp"));
        draft.push_first(item);
    }
}

/// Makes a partition; gives what it is.
fn one(
    mut partition: Reader,
    setting: Option<Reader>,
    extent: &Extent,
    is_last: bool,
    settings: &DiskSettings,
    has_esp: bool,
    draft: &mut Draft,
) -> Option<PartitionType> {
    let path = partition.path().to_owned();
    let flags = partition.texts("Flags", draft);
    let has = |flag: &str| flags.iter().any(|one| one == flag);
    let (name, written) = (partition.text("Name", draft), partition.text("Type", draft));
    let id = partition.text("ID", draft);
    let filesystem = partition.text("FsType", draft);
    let grows = partition.is_true("Grow", draft);
    partition.drop("Artifacts", "partitions are not written as files of their own", draft);
    partition.drop("TypeUUID", "the type follows from what is mounted", draft);
    partition.finish(draft);
    if has("bios_grub") || (has("grub") && filesystem.is_none()) {
        draft.dropped(&path, "only UEFI boots: there is no GRUB in a partition of its own");
        return None;
    }
    let mount = setting.as_ref().and_then(|setting| setting.peek_text("MountPoint")).filter(|mount| !mount.is_empty());
    let kind = kind(&flags, mount.as_deref(), filesystem.as_deref(), written.as_deref(), has_esp);
    let mut item = Item::new("storage.partition");
    item.set(draft, &path, "type", text(kind.word()));
    let label = if kind.may_repeat() { name.or(id) } else { name };
    item.text(draft, &path, "label", label);
    if let Some(filesystem) = filesystem.as_deref().and_then(|written| self::filesystem(written, &path, draft))
        && filesystem != kind.usual_filesystem().word()
    {
        item.set(draft, &path, "filesystem", text(filesystem));
    }
    let verity = settings.verity.as_ref().filter(|_| kind == PartitionType::Root);
    let size = match (extent.end, verity) {
        (_, Some(_)) => {
            draft.changed(&path, "the root is as small as it can be: verity needs room of its own");
            "minimal".to_owned()
        }
        (Some(end), _) if kind == PartitionType::Esp && end.saturating_sub(extent.start) < SMALLEST_ESP => {
            draft.changed(
                &path,
                "the unified kernel image is on the EFI system partition, which is made as large as that needs",
            );
            "minimal".to_owned()
        }
        _ if grows && is_last => "grow".to_owned(),
        (Some(end), _) => format!("{}M", end.saturating_sub(extent.start)),
        (None, _) => "grow".to_owned(),
    };
    if size != "minimal" {
        item.set(draft, &path, "size", text(size));
    }
    if let Some(verity) = verity {
        item.set(draft, &path, "verity", text(if verity.is_signed { "signed" } else { "hash" }));
    }
    if let Some(setting) = setting {
        mounted(setting, kind, &mut item, draft);
    }
    draft.push(item);
    Some(kind)
}

fn kind(
    flags: &[String],
    mount: Option<&str>,
    filesystem: Option<&str>,
    written: Option<&str>,
    has_esp: bool,
) -> PartitionType {
    let has = |flag: &str| flags.iter().any(|one| one == flag);
    let is_esp = has("esp") || (has("boot") && matches!(filesystem, Some("fat32" | "fat16" | "vfat")));
    match mount {
        _ if is_esp && !has_esp => PartitionType::Esp,
        Some("/") => PartitionType::Root,
        Some("/usr") => PartitionType::Usr,
        Some("/var") => PartitionType::Var,
        Some("/home") => PartitionType::Home,
        Some("/srv") => PartitionType::Srv,
        _ if filesystem == Some("linux-swap") || written == Some("linux-swap") => PartitionType::Swap,
        _ => PartitionType::LinuxGeneric,
    }
}

fn filesystem(written: &str, path: &str, draft: &mut Draft) -> Option<&'static str> {
    match written {
        "ext4" => Some("ext4"),
        "xfs" => Some("xfs"),
        "fat32" | "fat16" | "vfat" => Some("vfat"),
        "linux-swap" => Some("swap"),
        "ext2" | "ext3" | "btrfs" => {
            draft.changed(path, format!("`ext4` is taken for `{written}`"));
            Some("ext4")
        }
        _ => {
            draft.dropped(path, format!("there is no file system `{written}`"));
            None
        }
    }
}

/// What the system says of a partition.
fn mounted(mut setting: Reader, kind: PartitionType, item: &mut Item, draft: &mut Draft) {
    setting.forget("ID");
    setting.forget("PartitionID");
    let usual = [PartitionType::Root, PartitionType::Usr, PartitionType::Var, PartitionType::Home, PartitionType::Srv];
    if let Some(mount) = setting.text("MountPoint", draft)
        && !usual.contains(&kind)
    {
        item.text(draft, &setting.at("MountPoint"), "mount", Some(mount));
    }
    if let Some(options) = setting.text("MountOptions", draft) {
        let options = options.split(',').map(str::trim).filter(|option| !option.is_empty()).map(text);
        item.set(draft, &setting.at("MountOptions"), "options", list(options));
    }
    // Documentation is not installed unless the config asks for it.
    setting.forget("RemoveDocs");
    setting.drop("MountIdentifier", "partitions are found by their type or their label", draft);
    setting.drop("OverlayBaseImage", "an image is not written as a difference to another one", draft);
    setting.drop("RdiffBaseImage", "an image is not written as a difference to another one", draft);
    setting.finish(draft);
}

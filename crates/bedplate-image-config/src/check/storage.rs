//! Disk and partitions.

use bedplate_diag::Span;

use super::{Checks, also};
use crate::config::{Compression, FilesystemKind, Partition, PartitionType, RootAccess, Storage, Verity};
use crate::layout::PlannedPartition;
use crate::size::{DiskSize, PartitionSize, Size};

const MIB: u64 = 1 << 20;

/// Room for the table of partitions and its copy, each at the start and the end of a disk whose partitions begin at whole MiB.
const TABLES: u64 = 2 * MIB;

/// mkfs.xfs makes none that is smaller.
const SMALLEST_XFS: u64 = 300 * MIB;

pub(super) fn check(checks: &mut Checks<'_>) {
    let storage = &checks.config.storage;
    let layout = storage.layout();
    if !storage.partitions.is_empty() {
        root(checks, storage);
        unique(checks, &layout);
        disk(checks, storage, &layout);
    }
    for (partition, planned) in storage.partitions.iter().zip(planned(storage, &layout)) {
        filesystem(checks, partition, planned);
        mount(checks, storage, partition, planned);
        verity(checks, storage, partition, planned);
        size(checks, partition, planned);
        format(checks, partition, planned);
    }
    writable(checks, storage, &layout);
}

/// The plans of the partitions that the config names, in its order.
fn planned<'l>(storage: &Storage, layout: &'l [PlannedPartition]) -> impl Iterator<Item = &'l PlannedPartition> {
    let spans: Vec<Span> = storage.partitions.iter().map(|one| one.span).collect();
    layout.iter().filter(move |one| spans.contains(&one.span))
}

fn root(checks: &mut Checks<'_>, storage: &Storage) {
    let has_root = storage.partitions.iter().any(|one| *one.kind == PartitionType::Root);
    if !has_root && checks.is_sure(&["storage"]) {
        let message = "no partition has the root file system".to_owned();
        checks.wrong(
            "no-root",
            storage.partitions[0].span,
            message,
            "add `[[storage.partition]]` with `type = \"root\"`",
        );
    }
}

/// Mount points and labels are there once. Of a type that is there twice, more need not be said.
fn unique(checks: &mut Checks<'_>, layout: &[PlannedPartition]) {
    for (at, partition) in layout.iter().enumerate() {
        let before = || layout[..at].iter().filter(|one| one.kind != partition.kind || one.kind.may_repeat());
        if let Some(mount) = &partition.mount
            && let Some(first) = before().filter_map(|one| one.mount.as_ref()).find(|one| one.value == mount.value)
        {
            let message = format!("two partitions are mounted at `{mount}`");
            let mistake = checks.wrong("twice", mount.span, message, "give one of them another `mount`");
            also(mistake, "the first is here", first.span);
        }
        let label = &partition.label;
        if let Some(first) = before().find(|one| one.label.value == label.value) {
            let message = format!("two partitions have the label `{label}`");
            let mistake = checks.wrong("twice", label.span, message, "give one of them another `label`");
            also(mistake, "the first is here", first.label.span);
        }
    }
}

/// What is of fixed size has room, and what grows is at the end.
fn disk(checks: &mut Checks<'_>, storage: &Storage, layout: &[PlannedPartition]) {
    if let DiskSize::Fixed(disk) = *storage.size {
        let needs = |partition: &PlannedPartition| match *partition.size {
            PartitionSize::Fixed(size) => size.bytes().next_multiple_of(MIB),
            _ => MIB,
        };
        let sum = layout.iter().map(needs).fold(TABLES, u64::saturating_add);
        if sum > disk.bytes() {
            let (short, sum) = (Size(sum - disk.bytes()), Size(sum));
            let message = format!("the disk of {disk} is {short} too small: its partitions and their table take {sum}");
            let hint = format!("write `size = \"{sum}\"` or more, or make partitions smaller");
            checks.wrong("disk-too-small", storage.size.span, message, hint);
        }
    }
    // What verity protects cannot grow at all, which is told there.
    let grows = |one: &PlannedPartition| matches!(*one.size, PartitionSize::Grow(_)) && *one.verity == Verity::Off;
    let mut growing = layout.iter().enumerate().filter(|(_, one)| grows(one));
    if let Some((at, first)) = growing.next() {
        for (_, other) in growing.by_ref() {
            let message = "two partitions grow, and a disk has one end".to_owned();
            let mistake = checks.wrong("bad-grow", other.size.span, message, "let one of them have a fixed size");
            also(mistake, "the other is here", first.size.span);
        }
        if let Some(behind) = layout.get(at + 1)
            && !grows(behind)
        {
            let message =
                format!("a partition that grows is the last of the disk, and `{}` is behind it", behind.label);
            let mistake = checks.wrong("bad-grow", first.size.span, message, "move it to the end of the config");
            also(mistake, format!("`{}` is here", behind.label), behind.span);
        }
    }
}

fn filesystem(checks: &mut Checks<'_>, partition: &Partition, planned: &PlannedPartition) {
    use FilesystemKind::{Erofs, Ext4, None, Swap, Vfat, Xfs};
    let (kind, filesystem) = (planned.kind, *planned.filesystem);
    let can: &[FilesystemKind] = match kind {
        PartitionType::Esp | PartitionType::Xbootldr => &[Vfat],
        PartitionType::Swap => &[Swap],
        PartitionType::Root | PartitionType::Usr => &[Ext4, Xfs, Erofs],
        PartitionType::Var | PartitionType::Home | PartitionType::Srv => &[Ext4, Xfs],
        PartitionType::LinuxGeneric => &[Ext4, Xfs, Erofs, Vfat, None],
        _ => &[None],
    };
    if !can.contains(&filesystem) {
        let words: Vec<&str> = can.iter().map(|one| one.word()).collect();
        let message = format!("a partition of type `{kind}` cannot have `{filesystem}`");
        checks.wrong("bad-filesystem", planned.filesystem.span, message, format!("it takes {}", words.join(", ")));
    }
    if let (Some(mount), None | Swap) = (&partition.mount, filesystem) {
        let message = format!("a partition without a file system cannot be mounted at `{mount}`");
        checks.wrong("bad-mount", mount.span, message, "remove `mount`");
    }
}

fn mount(checks: &mut Checks<'_>, storage: &Storage, partition: &Partition, planned: &PlannedPartition) {
    let fixed = match planned.kind {
        PartitionType::Root => Some("/"),
        PartitionType::Usr => Some("/usr"),
        PartitionType::Var => Some("/var"),
        PartitionType::Home => Some("/home"),
        PartitionType::Srv => Some("/srv"),
        _ => None,
    };
    if let (Some(mount), Some(fixed)) = (&partition.mount, fixed)
        && mount.as_str() != fixed
    {
        let message = format!("a partition of type `{}` is mounted at `{fixed}`, not at `{mount}`", planned.kind);
        checks.wrong("bad-mount", mount.span, message, "remove `mount`, or write `type = \"linux-generic\"`");
    }
    if let (Option::None, Some(option)) = (&planned.mount, partition.options.first()) {
        let message = "there are options for a mount, and the partition is not mounted".to_owned();
        checks.wrong("bad-mount", option.span, message, "write where: `mount = \"/data\"`, or remove `options`");
    }
    let option = |word: &str| partition.options.iter().find(|option| option.as_str() == word);
    if let (Some(rw), true) = (option("rw"), planned.is_read_only) {
        let message = "`rw` is an option of a file system that is never written to".to_owned();
        checks.wrong("contradiction", rw.span, message, "remove it");
    }
    if let (Some(ro), Some(rw)) = (option("ro"), option("rw")) {
        checks.wrong(
            "contradiction",
            ro.span.max(rw.span),
            "`ro` and `rw` exclude each other".to_owned(),
            "remove one of them",
        );
    }
    if planned.kind == PartitionType::Root && *storage.root == RootAccess::ReadWrite {
        let hint = "write `root = \"read-only\"` in `[storage]`";
        if *planned.filesystem == FilesystemKind::Erofs {
            let message =
                "the root is `erofs`, which nothing can be written to, and `storage.root` is `read-write`".to_owned();
            checks.wrong("contradiction", planned.filesystem.span, message, hint);
        } else if let Some(ro) = option("ro") {
            let message = "the root has the option `ro`, and `storage.root` is `read-write`".to_owned();
            checks.wrong("contradiction", ro.span, message, hint);
        }
    }
}

fn verity(checks: &mut Checks<'_>, storage: &Storage, partition: &Partition, planned: &PlannedPartition) {
    let asked = *partition.verity;
    if let Some(data) = planned.kind.protects() {
        let protected = storage.partitions.iter().find(|one| *one.kind == data);
        let wanted = protected.is_some_and(|one| data.protected_by(*one.verity).contains(&planned.kind));
        if !wanted && checks.is_sure(&["storage"]) {
            let message = match protected {
                Option::None => format!("there is no partition `{data}` for this `{}`", planned.kind),
                Some(one) => format!(
                    "the partition `{data}` has `verity = \"{}\"`, which needs no `{}`",
                    *one.verity, planned.kind
                ),
            };
            let word = if planned.kind.word().ends_with("-sig") { "signed" } else { "hash" };
            let hint = match protected {
                Option::None => {
                    format!("add `[[storage.partition]]` with `type = \"{data}\"` and `verity = \"{word}\"`")
                }
                Some(_) => format!("write `verity = \"{word}\"` there, or remove this partition"),
            };
            checks.wrong("verity-without-data", partition.kind.span, message, hint);
        }
    }
    if asked == Verity::Off {
        return;
    }
    let at = partition.verity.span;
    if !matches!(planned.kind, PartitionType::Root | PartitionType::Usr) {
        let message = format!("verity protects `root` and `usr`, not `{}`", planned.kind);
        checks.wrong("bad-verity", at, message, "remove `verity`");
        return;
    }
    let is_writable = match planned.kind {
        _ if *planned.filesystem == FilesystemKind::Erofs => false,
        PartitionType::Root => *storage.root == RootAccess::ReadWrite,
        _ => !partition.options.iter().any(|option| option.as_str() == "ro"),
    };
    if is_writable {
        let message = format!(
            "verity protects what is never written to, and `{}` is writable as `{}`",
            planned.kind, *planned.filesystem
        );
        let hint = match planned.kind {
            PartitionType::Root => "write `root = \"read-only\"` in `[storage]`",
            _ => "write `filesystem = \"erofs\"`, or `options = [\"ro\"]`",
        };
        checks.wrong("verity-writable", at, message, hint);
    }
    if matches!(*partition.size, PartitionSize::Grow(_)) {
        let message = "a partition that verity protects cannot grow: its hashes would be wrong".to_owned();
        checks.wrong("bad-grow", partition.size.span, message, "write `size = \"minimal\"` or a fixed size");
    }
}

fn size(checks: &mut Checks<'_>, partition: &Partition, planned: &PlannedPartition) {
    let at = partition.size.span;
    match *partition.size {
        PartitionSize::Fixed(size) if !size.bytes().is_multiple_of(MIB) => {
            let next = Size(size.bytes().next_multiple_of(MIB));
            let message = format!("a partition of {size} is no whole number of MiB, at which partitions begin");
            checks.wrong("bad-value", at, message, format!("write `size = \"{next}\"`"));
        }
        PartitionSize::Fixed(size) if *planned.filesystem == FilesystemKind::Xfs && size.bytes() < SMALLEST_XFS => {
            let message = format!("XFS needs {} at least, and this partition has {size}", Size(SMALLEST_XFS));
            checks.wrong("partition-too-small", at, message, "make it larger, or write `filesystem = \"ext4\"`");
        }
        PartitionSize::Minimal(_) if *planned.filesystem == FilesystemKind::Swap => {
            let message = "swap space has no content, so that `minimal` is nothing".to_owned();
            checks.wrong("partition-too-small", at, message, "write its size, such as `size = \"2G\"`");
        }
        PartitionSize::Minimal(_)
            if *planned.filesystem == FilesystemKind::None && planned.kind == PartitionType::LinuxGeneric =>
        {
            let message = "a partition without a file system has no content, so that `minimal` is nothing".to_owned();
            checks.wrong("partition-too-small", at, message, "write its size, such as `size = \"64M\"`");
        }
        _ => {}
    }
}

/// Options of a file system that it does not have.
fn format(checks: &mut Checks<'_>, partition: &Partition, planned: &PlannedPartition) {
    use FilesystemKind::{Erofs, Ext4, Xfs};
    let (format, filesystem) = (&partition.format, *planned.filesystem);
    let written: [(&str, Option<Span>, &[FilesystemKind]); 6] = [
        ("compression", format.compression.map(|one| one.span), &[Erofs]),
        ("compression-level", format.compression_level.map(|one| one.span), &[Erofs]),
        ("block-size", format.block_size.map(|one| one.span), &[Ext4, Xfs]),
        ("reserved-percent", format.reserved_percent.map(|one| one.span), &[Ext4]),
        ("journal", format.journal.map(|one| one.span), &[Ext4]),
        ("features", format.features.first().map(|one| one.span), &[Ext4, Xfs]),
    ];
    for (key, at, can) in written {
        let Some(at) = at.filter(|_| !can.contains(&filesystem)) else { continue };
        let words: Vec<&str> = can.iter().map(|one| one.word()).collect();
        let message = format!("`{key}` is of {}, and this is `{filesystem}`", words.join(" and "));
        checks.wrong("bad-format-option", at, message, format!("remove `{key}`, or choose another `filesystem`"));
    }
    let compression = format.compression.map_or(Compression::Lz4hc, |compression| *compression);
    if let (Some(level), Compression::None | Compression::Lz4) = (format.compression_level, compression) {
        let message = format!("the compression `{compression}` has no levels");
        checks.wrong(
            "bad-format-option",
            level.span,
            message,
            "remove `compression-level`, or choose `lz4hc` or `zstd`",
        );
    }
    if let (Some(level), Compression::Lz4hc) = (format.compression_level, compression)
        && level.0 > 12
    {
        let message = "`lz4hc` has levels up to 12".to_owned();
        checks.wrong("bad-format-option", level.span, message, "write `compression-level = 12`, or choose `zstd`");
    }
    if let Some(block) = format.block_size
        && !matches!(block.bytes(), 1024 | 2048 | 4096)
    {
        let message = format!("a block of {} cannot be used everywhere", *block);
        checks.wrong("bad-format-option", block.span, message, "write `1K`, `2K` or `4K`");
    }
}

/// `/etc` and `/var` have to be said to be writable only where the root is not.
fn writable(checks: &mut Checks<'_>, storage: &Storage, layout: &[PlannedPartition]) {
    for (key, written) in [("etc", storage.etc), ("var", storage.var)] {
        let Some(written) = written else { continue };
        let own = layout.iter().find_map(|one| one.mount.as_ref().filter(|mount| mount.as_str()[1..] == *key));
        if *storage.root == RootAccess::ReadWrite {
            let message = format!(
                "`{key} = \"{}\"` says how /{key} is writable where the root is not, and the root is writable",
                *written
            );
            checks.wrong("contradiction", written.span, message, "write `root = \"read-only\"`, or remove it");
        } else if let Some(mount) = own {
            let message =
                format!("/{key} has a partition of its own, so that `{key} = \"{}\"` means nothing", *written);
            also(
                checks.wrong("contradiction", written.span, message, "remove one of them"),
                "it is mounted here",
                mount.span,
            );
        }
    }
}

//! What the storage section means: partitions with all that the config leaves to defaults.

use bedplate_diag::Span;

use crate::config::{
    FilesystemKind, FormatOptions, Partition, PartitionLabel, PartitionType, RootAccess, Storage, Verity,
    WritableFolder,
};
use crate::paths::{MountOption, MountPoint};
use crate::shape::{Context, Setting};
use crate::size::{PartitionSize, Size, Slack};
use crate::spanned::Spanned;

/// A partition with nothing left open.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedPartition {
    /// What it is.
    pub kind: PartitionType,
    /// Its name in the table of partitions.
    pub label: Spanned<PartitionLabel>,
    /// Its size.
    pub size: Spanned<PartitionSize>,
    /// What is in it.
    pub filesystem: Spanned<FilesystemKind>,
    /// How that is made.
    pub format: FormatOptions,
    /// Where it is mounted, if it is.
    pub mount: Option<Spanned<MountPoint>>,
    /// Options of the mount, as they are written.
    pub options: Vec<Spanned<MountOption>>,
    /// True if nothing on it can be written to when the system runs.
    pub is_read_only: bool,
    /// What protects its bytes.
    pub verity: Spanned<Verity>,
    /// Where it stands in the config: its table, or the `verity` that asks for it.
    pub span: Span,
}

impl Storage {
    /// All partitions in the order of the disk: those of the config, and the hash trees and signatures that it does not name itself, each
    /// behind what it protects.
    #[must_use]
    pub fn layout(&self) -> Vec<PlannedPartition> {
        let mut layout = Vec::new();
        for partition in &self.partitions {
            layout.push(self.plan(partition));
            for kind in partition.kind.protected_by(*partition.verity) {
                if !self.partitions.iter().any(|other| *other.kind == *kind) {
                    layout.push(implied(*kind, partition.verity.span));
                }
            }
        }
        layout
    }

    fn plan(&self, partition: &Partition) -> PlannedPartition {
        let kind = *partition.kind;
        let at = partition.kind.span;
        let filesystem = partition.filesystem.unwrap_or(Spanned::new(kind.usual_filesystem(), at));
        let has = |word: &str| partition.options.iter().any(|option| option.as_str() == word);
        let is_read_only = match kind {
            _ if *filesystem == FilesystemKind::Erofs || *partition.verity != Verity::Off => true,
            PartitionType::Root => *self.root == RootAccess::ReadOnly,
            _ => has("ro"),
        };
        let mount = partition.mount.clone().or_else(|| {
            let point = self.usual_mount(kind)?.parse().ok()?;
            Some(Spanned::new(point, at))
        });
        PlannedPartition {
            kind,
            label: partition.label.clone().unwrap_or_else(|| usual_label(kind, at)),
            size: partition.size,
            filesystem,
            format: partition.format.clone(),
            mount,
            options: partition.options.clone(),
            is_read_only,
            verity: partition.verity,
            span: partition.span,
        }
    }

    fn usual_mount(&self, kind: PartitionType) -> Option<&'static str> {
        let has_xbootldr = || self.partitions.iter().any(|other| *other.kind == PartitionType::Xbootldr);
        match kind {
            PartitionType::Root => Some("/"),
            PartitionType::Usr => Some("/usr"),
            PartitionType::Var => Some("/var"),
            PartitionType::Home => Some("/home"),
            PartitionType::Srv => Some("/srv"),
            PartitionType::Xbootldr => Some("/boot"),
            PartitionType::Esp => Some(if has_xbootldr() { "/efi" } else { "/boot" }),
            _ => None,
        }
    }

    /// How `/etc` is writable; none where it is as writable as the root is.
    #[must_use]
    pub fn etc_access(&self) -> Option<WritableFolder> {
        self.folder_access(self.etc, "/etc")
    }

    /// How `/var` is writable; none where the root or a partition of its own makes it so.
    #[must_use]
    pub fn var_access(&self) -> Option<WritableFolder> {
        self.folder_access(self.var, "/var")
    }

    fn folder_access(&self, written: Option<Spanned<WritableFolder>>, folder: &str) -> Option<WritableFolder> {
        let has_partition =
            || self.layout().iter().any(|one| one.mount.as_ref().is_some_and(|mount| mount.as_str() == folder));
        if *self.root == RootAccess::ReadWrite || has_partition() {
            return None;
        }
        Some(written.map_or(WritableFolder::Overlay, |written| *written))
    }
}

fn usual_label(kind: PartitionType, at: Span) -> Spanned<PartitionLabel> {
    let label = kind.word().parse().expect("the words of types are short and plain");
    Spanned::new(label, at)
}

/// A hash tree or signature that the config asks for without naming its partition.
fn implied(kind: PartitionType, at: Span) -> PlannedPartition {
    let format = FormatOptions::absent(at, &Context::default()).expect("no option of a format is required");
    PlannedPartition {
        kind,
        label: usual_label(kind, at),
        size: Spanned::new(PartitionSize::Minimal(Slack::Size(Size(0))), at),
        filesystem: Spanned::new(FilesystemKind::None, at),
        format,
        mount: None,
        options: Vec::new(),
        is_read_only: true,
        verity: Spanned::new(Verity::Off, at),
        span: at,
    }
}

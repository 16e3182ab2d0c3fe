//! What is asked for, and what was made.

use std::fmt;
use std::path::Path;

use bedplate_cas::Store;
use bedplate_sandbox::{Cancel, Helper};
use bedplate_tree::FileTree;

/// What all file systems of a compose are made with.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Has the contents of the tree.
    pub store: &'a Store,
    /// A checkout of the seed's group `images`, or another root with the same programs; see [`tools`](crate::tools()).
    pub tools: &'a Path,
    /// Who keeps sandboxes.
    pub helper: &'a Helper,
    /// Ends the work early.
    pub cancel: &'a Cancel,
}

/// A file system to make.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What is in it.
    pub tree: &'a FileTree,
    /// Which file system, and its own options.
    pub kind: FilesystemKind,
    /// Its label; empty for none. At most 15 bytes for erofs, 16 for ext4, 12 for xfs, 11 (capital letters, digits, `_`, `-`
    /// and spaces) for vfat.
    pub label: &'a str,
    /// Its UUID, in the order of its text; vfat has the first four bytes as serial number.
    pub uuid: [u8; 16],
    /// How large it is.
    pub size: Size,
    /// Seconds since 1970: what the file system says of when it was made.
    pub epoch: i64,
}

/// How large a file system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// So many bytes; a multiple of 4096.
    Fixed(u64),
    /// As small as the tree allows, with at least so many bytes free. erofs, which nobody writes to, takes no notice of it.
    Minimal {
        /// Bytes.
        slack: u64,
    },
}

/// A file system with its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilesystemKind {
    /// Read-only, dense, fast.
    Erofs(ErofsOptions),
    /// Writable.
    Ext4(Ext4Options),
    /// Writable; at least 300 MiB.
    Xfs(XfsOptions),
    /// FAT, for the EFI system partition: names, contents and times only.
    Vfat(VfatOptions),
}

impl FilesystemKind {
    /// Its name, as `mount -t` takes it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Erofs(_) => "erofs",
            Self::Ext4(_) => "ext4",
            Self::Xfs(_) => "xfs",
            Self::Vfat(_) => "vfat",
        }
    }
}

impl fmt::Display for FilesystemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Options of erofs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ErofsOptions {
    /// How file contents are compressed.
    pub compression: ErofsCompression,
}

/// How erofs compresses file contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ErofsCompression {
    /// Not at all.
    #[default]
    None,
    /// LZ4, searched thoroughly: the fastest to read. The level is 0 to 12.
    Lz4hc(u8),
    /// Zstandard: the densest; needs Linux 6.10. The level is 0 to 22.
    Zstd(u8),
}

/// Options of ext4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ext4Options {
    /// With a journal: for what is written to. A read-only file system needs none.
    pub journal: bool,
    /// With room for the tables of a file system up to 1024 times as large, so that it can grow while it is mounted.
    pub growable: bool,
}

impl Default for Ext4Options {
    fn default() -> Self {
        Self { journal: true, growable: true }
    }
}

/// Options of xfs: none yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct XfsOptions {}

/// Options of vfat: none yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VfatOptions {}

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Bytes of the image; a multiple of 4096 (erofs, ext4, xfs) or 512 (vfat).
    pub size: u64,
    /// Bytes of it that are in use, what the file system needs for itself included.
    pub used: u64,
}

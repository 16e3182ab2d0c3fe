//! The disk.

use crate::grammar::text_type;
use crate::paths::{MountOption, MountPoint};
use crate::shape::{Bounded, section, words};
use crate::size::{DiskSize, PartitionSize, Size};
use crate::spanned::Spanned;

words! {
    /// What of the root file system can be written to.
    pub enum RootAccess {
        /// All of it.
        ReadWrite = "read-write",
        /// Nothing; `storage.etc` and `storage.var` say how `/etc` and `/var` are writable all the same.
        ReadOnly = "read-only",
    }
}

words! {
    /// How a folder is writable where the root is not.
    pub enum WritableFolder {
        /// What is changed lies over what the image has (overlayfs), so that an update of the image still shows where nothing was changed.
        Overlay = "overlay",
        /// What the image has is copied when the system starts and no copy is there yet.
        Copy = "copy",
        /// It is as read-only as the root.
        ReadOnly = "read-only",
    }
}

words! {
    /// What a partition is, by the Discoverable Partitions Specification.
    pub enum PartitionType {
        /// EFI system partition.
        Esp = "esp",
        /// Extended boot loader partition.
        Xbootldr = "xbootldr",
        /// Root file system.
        Root = "root",
        /// Hash tree of the root file system.
        RootVerity = "root-verity",
        /// Signature of the root hash of the root file system.
        RootVeritySignature = "root-verity-sig",
        /// `/usr`.
        Usr = "usr",
        /// Hash tree of `/usr`.
        UsrVerity = "usr-verity",
        /// Signature of the root hash of `/usr`.
        UsrVeritySignature = "usr-verity-sig",
        /// `/var`.
        Var = "var",
        /// `/home`.
        Home = "home",
        /// `/srv`.
        Srv = "srv",
        /// Swap space.
        Swap = "swap",
        /// Any other data.
        LinuxGeneric = "linux-generic",
    }
}

words! {
    /// What is in a partition.
    pub enum FilesystemKind {
        /// ext4.
        Ext4 = "ext4",
        /// XFS.
        Xfs = "xfs",
        /// EROFS: compressed, never writable.
        Erofs = "erofs",
        /// FAT32, or FAT16 where the partition is too small for it.
        Vfat = "vfat",
        /// Swap space.
        Swap = "swap",
        /// Nothing: zeros.
        None = "none",
    }
}

words! {
    /// What protects the bytes of a partition.
    pub enum Verity {
        /// Nothing.
        Off = "off",
        /// dm-verity: every block is checked against a tree of hashes, whose root hash is on the kernel command line.
        Hash = "hash",
        /// dm-verity, and the root hash is signed in a partition of its own.
        Signed = "signed",
    }
}

words! {
    /// How erofs is compressed.
    pub enum Compression {
        /// Not at all.
        None = "none",
        /// LZ4.
        Lz4 = "lz4",
        /// LZ4, slower to make and smaller.
        Lz4hc = "lz4hc",
        /// Zstandard; needs Linux 6.10.
        Zstd = "zstd",
    }
}

section! {
    /// The disk: its partitions, what protects them, and what stays writable.
    pub struct Storage {
        /// Size of the disk.
        "size" => size: Spanned<DiskSize> = Default("\"minimal\""), "\"30G\"";
        /// Whether the root file system is mounted read-only.
        "root" => root: Spanned<RootAccess> = Default("\"read-write\""), "\"read-only\"";
        /// How `/etc` is writable where the root is read-only. Changes are kept on the partition that has `/var`; if there is none, in memory.
        "etc" => etc: Option<Spanned<WritableFolder>> = Otherwise("`overlay` where the root is read-only"), "\"copy\"";
        /// How `/var` is writable where the root is read-only and no partition is mounted there. Changes are kept in memory.
        "var" => var: Option<Spanned<WritableFolder>> = Otherwise("`overlay` where the root is read-only and no partition is mounted there"), "\"copy\"";
        "partition" => partitions: Vec<Partition> = Otherwise("there is no disk: only formats that need none can be written"), "";
    }
}

text_type! {
    /// The name of a partition in the table of partitions.
    pub struct PartitionLabel;
    what "a label of a partition";
    pattern "^[^\\x00-\\x1f]+$";
    rule "at most 36 UTF-16 units, which is 36 characters for nearly all scripts";
    check |text| {
        let units = text.encode_utf16().count();
        if units > 36 { Err(format!("it has {units} UTF-16 units; a table of partitions has room for 36")) } else { Ok(()) }
    };
}

text_type! {
    /// A feature of ext4 or XFS, as `mkfs` takes it.
    pub struct FilesystemFeature;
    what "a feature of a file system";
    pattern "^\\^?[a-z0-9_]+(=[0-9]+)?$";
    rule "the name of a feature; `^` before it switches it off for ext4, `=0` behind it for XFS";
}

section! {
    /// A partition, in the order of the disk. What the image has at and below its mount point is in it.
    pub struct Partition ["type", "label"] {
        /// What the partition is, by the Discoverable Partitions Specification. Each type is there once, but for `swap` and `linux-generic`.
        "type" => kind: Spanned<PartitionType> = Required, "\"root\"";
        /// Its name in the table of partitions.
        "label" => label: Option<Spanned<PartitionLabel>> = Otherwise("its type"), "\"root-a\"";
        /// Its size. `minimal` is what its content needs, `grow` also takes what the disk has left.
        "size" => size: Spanned<PartitionSize> = Default("\"minimal\""), "\"512M\"";
        /// What is in it.
        "filesystem" => filesystem: Option<Spanned<FilesystemKind>> = Otherwise("`vfat` for `esp` and `xbootldr`, `swap` for `swap`, `none` for verity, else `ext4`"), "\"erofs\"";
        "format" => format: FormatOptions = Otherwise(""), "";
        /// Where it is mounted.
        "mount" => mount: Option<Spanned<MountPoint>> = Otherwise("by type: `/` for `root`, `/usr`, `/var`, `/home`, `/srv`, `/boot` for `esp` (`/efi` if there is `xbootldr`, which is at `/boot` then); `linux-generic` is not mounted"), "\"/data\"";
        /// Options of the mount.
        "options" => options: Vec<Spanned<MountOption>> = Otherwise("`defaults`"), "[\"nodev\", \"nosuid\"]";
        /// What protects its bytes, for `root` and `usr`. The partitions that hold the hashes and the signature follow it in the image, if
        /// the config does not name them itself to say more of them.
        "verity" => verity: Spanned<Verity> = Default("\"off\""), "\"hash\"";
    }
}

section! {
    /// How the file system of a partition is made. A key that the file system does not have is a mistake.
    pub struct FormatOptions {
        /// How it is compressed (erofs).
        "compression" => compression: Option<Spanned<Compression>> = Otherwise("`lz4hc` for erofs"), "\"zstd\"";
        /// How hard the compression tries (erofs with `lz4hc` or `zstd`).
        "compression-level" => compression_level: Option<Spanned<Bounded<0, 22>>> = Otherwise("what the compression has"), "12";
        /// Size of a block (ext4, xfs).
        "block-size" => block_size: Option<Spanned<Size>> = Otherwise("`4K`"), "\"4K\"";
        /// Room that only root can use, in hundredths (ext4).
        "reserved-percent" => reserved_percent: Option<Spanned<Bounded<0, 50>>> = Otherwise("0"), "1";
        /// Whether there is a journal (ext4).
        "journal" => journal: Option<Spanned<bool>> = Otherwise("there is one"), "false";
        /// Features that are switched on or off (ext4, xfs).
        "features" => features: Vec<Spanned<FilesystemFeature>> = Otherwise("what the tool has"), "[\"^metadata_csum_seed\"]";
    }
}

impl PartitionType {
    /// True for types that a disk may have several partitions of.
    #[must_use]
    pub fn may_repeat(self) -> bool {
        matches!(self, Self::Swap | Self::LinuxGeneric)
    }

    /// For a hash tree or a signature: the partition that it protects.
    #[must_use]
    pub fn protects(self) -> Option<Self> {
        match self {
            Self::RootVerity | Self::RootVeritySignature => Some(Self::Root),
            Self::UsrVerity | Self::UsrVeritySignature => Some(Self::Usr),
            _ => None,
        }
    }

    /// The types of the partitions that hold the hash tree, and the signature, of this one.
    #[must_use]
    pub fn protected_by(self, verity: Verity) -> &'static [Self] {
        match (self, verity) {
            (Self::Root, Verity::Hash) => &[Self::RootVerity],
            (Self::Root, Verity::Signed) => &[Self::RootVerity, Self::RootVeritySignature],
            (Self::Usr, Verity::Hash) => &[Self::UsrVerity],
            (Self::Usr, Verity::Signed) => &[Self::UsrVerity, Self::UsrVeritySignature],
            _ => &[],
        }
    }

    /// What is in a partition whose config does not say.
    #[must_use]
    pub fn usual_filesystem(self) -> FilesystemKind {
        match self {
            Self::Esp | Self::Xbootldr => FilesystemKind::Vfat,
            Self::Swap => FilesystemKind::Swap,
            _ if self.protects().is_some() => FilesystemKind::None,
            _ => FilesystemKind::Ext4,
        }
    }
}

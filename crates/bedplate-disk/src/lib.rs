//! Disks: partition tables, dm-verity, and the formats that a disk image has.
//!
//! ```text
//! LayoutRequest ─layout─▶ Layout ─disk─▶ Disk: extents of bytes and files, holes elsewhere
//!                                          │
//!                                          └─write_all─▶ raw, raw.zst, VHD, VHDX, qcow2 ─open_image─▶ Image (Read + Seek)
//! a file system ─write_verity─▶ hash tree, root hash
//! ```
//!
//! Nothing here mounts, attaches a loop device or needs root. All output follows from the input: there is no clock and no
//! randomness, and names come from content ([`content_uuid`]). Holes stay holes; memory does not grow with the disk.
//! `docs/disk.md` draws each format as it is written.

mod buffer;
mod disk;
mod error;
mod format;
mod gpt;
mod identifier;
mod image;
mod layout;
mod new_file;
mod partition_type;
mod plain_file;
mod qcow2;
mod raw;
mod raw_zstd;
mod sector;
mod signature;
mod source;
mod verity;
mod vhd;
mod vhdx;
mod write;

pub use disk::{Disk, Extent, Source};
pub use error::DiskError;
pub use format::{Format, FormatError, Packing};
pub use gpt::{Attributes, Partition, PartitionTable, ReadTable, TableProblem};
pub use identifier::{VerityNames, content_uuid};
pub use image::{Image, Window, open_image};
pub use layout::{
    DiskSize, Layout, LayoutError, LayoutProblem, LayoutRequest, PartitionRequest, PartitionSize, layout,
};
pub use partition_type::{PartitionType, PartitionTypeError};
pub use sector::SectorSize;
pub use signature::{RootHashSignature, SignatureError};
pub use uuid::Uuid;
pub use verity::{
    RootHash, RootHashError, Salt, SaltError, Verity, VerityRequest, check_verity, read_verity, write_verity,
};
pub use write::{Target, Unnamed, WriteOptions, Written, write, write_all};

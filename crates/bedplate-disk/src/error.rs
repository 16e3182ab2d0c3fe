//! What may go wrong with disks and their images.

use std::io;
use std::path::{Path, PathBuf};

use bedplate_diag::Category;

use crate::{Format, Packing};

/// Why a disk could not be written, read or checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// The system refused something.
    #[error("failed to {action} `{}`", path.display())]
    Io {
        /// What was tried: a verb.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file has fewer bytes than a disk takes from it.
    #[error("`{}` has {found} bytes, and the disk takes {needed} of it", path.display())]
    ShortFile {
        /// The file.
        path: PathBuf,
        /// How many bytes are there.
        found: u64,
        /// The end of what is taken, in bytes.
        needed: u64,
    },
    /// A partition gets more than its layout was made for.
    #[error("the content of partition `{label}` has {found} bytes, and the layout was made for {expected}")]
    Content {
        /// The label of the partition.
        label: String,
        /// How many bytes there are.
        found: u64,
        /// How many there were to be.
        expected: u64,
    },
    /// Two extents of a disk want the same bytes.
    #[error("the extents at bytes {first} and {second} of the disk overlap")]
    Overlap {
        /// Where the first begins.
        first: u64,
        /// Where the second begins.
        second: u64,
    },
    /// An extent ends behind the end of the disk.
    #[error("the extent at byte {offset} of the disk ends {by} bytes behind its end")]
    Outside {
        /// Where it begins.
        offset: u64,
        /// How far it goes too far, in bytes.
        by: u64,
    },
    /// A size that a format does not have.
    #[error("a disk of {size} bytes cannot be written as {format}: {why}")]
    Unsuitable {
        /// The format.
        format: Format,
        /// The size of the disk, in bytes.
        size: u64,
        /// What the format asks for.
        why: String,
    },
    /// Two targets with the same path.
    #[error("`{}` is the target of two formats", path.display())]
    SameTarget {
        /// The path.
        path: PathBuf,
    },
    /// A way of packing that a format does not have.
    #[error("{format} cannot be packed with {packing}: {why}")]
    Packing {
        /// The format.
        format: Format,
        /// What was asked for.
        packing: Packing,
        /// What there is.
        why: &'static str,
    },
    /// A file that is not what its first bytes promise.
    #[error("`{}` is a damaged {what}: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// An image of a kind that is not read.
    #[error("`{}` cannot be read: {why}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is.
        why: String,
    },
    /// No partition table at all.
    #[error("there is no GUID partition table: neither the first nor the last sectors have one")]
    NoTable,
    /// Data or hash tree are not those of the root hash.
    #[error("dm-verity refuses {what}")]
    Verity {
        /// Which block, and of what.
        what: String,
    },
}

impl DiskError {
    /// What kind of mistake it is.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Io { .. } => Category::Environment,
            Self::ShortFile { .. } | Self::Content { .. } | Self::Overlap { .. } | Self::Outside { .. } => {
                Category::Internal
            }
            Self::Unsuitable { .. }
            | Self::SameTarget { .. }
            | Self::Packing { .. }
            | Self::Damaged { .. }
            | Self::Unsupported { .. }
            | Self::NoTable
            | Self::Verity { .. } => Category::Input,
        }
    }

    /// For `map_err`: what was tried with which file.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

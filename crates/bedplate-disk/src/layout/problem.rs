//! What can be wrong with the request for a disk.

use std::fmt;

use bedplate_diag::Category;
use uuid::Uuid;

use super::MEBIBYTE;
use crate::gpt::ENTRIES;

/// Something about a request that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutProblem {
    /// The disk is smaller than what is on it.
    #[error("the disk of {} is too small by {}: it needs {}", Bytes(*size), Bytes(needed - size), Bytes(*needed))]
    DiskTooSmall {
        /// What was asked for, in bytes.
        size: u64,
        /// What it takes at least, in bytes.
        needed: u64,
    },
    /// More than a disk can have.
    #[error("the partitions need more than 8 EiB")]
    TooLarge,
    /// The size of the disk is no whole number of MiB.
    #[error("the disk of {size} bytes is no whole number of MiB: the next ones are {} and {}", size / MEBIBYTE, size / MEBIBYTE + 1)]
    DiskSize {
        /// What was asked for, in bytes.
        size: u64,
    },
    /// The alignment is no power of two, smaller than a sector, or larger than a GiB.
    #[error(
        "partitions cannot be aligned to {alignment} bytes: a power of two between {least} bytes and 1 GiB is expected"
    )]
    Alignment {
        /// What was asked for, in bytes.
        alignment: u64,
        /// The size of a sector.
        least: u64,
    },
    /// More partitions than a table holds.
    #[error("{count} partitions are too many: a table has room for {ENTRIES}")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// A partition of fixed size is smaller than its content.
    #[error("partition {} of {} is too small by {}: its content has {}", Named(*partition, label), Bytes(*size), Bytes(content - size), Bytes(*content))]
    PartitionTooSmall {
        /// Its number in the request, from 0.
        partition: usize,
        /// Its label.
        label: String,
        /// What was asked for, in bytes.
        size: u64,
        /// What is put into it, in bytes.
        content: u64,
    },
    /// A partition without a byte.
    #[error("partition {} is empty: it needs a size or a content", Named(*partition, label))]
    Empty {
        /// Its number in the request, from 0.
        partition: usize,
        /// Its label.
        label: String,
    },
    /// A label that a table cannot hold.
    #[error("partition {} cannot have this label: {why}", Named(*partition, label))]
    Label {
        /// Its number in the request, from 0.
        partition: usize,
        /// Its label.
        label: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A GUID of two partitions, or of a partition and the disk.
    #[error("partition {} has the GUID {guid} of {other}", Named(*partition, label))]
    SameGuid {
        /// The number of the later partition in the request, from 0.
        partition: usize,
        /// Its label.
        label: String,
        /// The GUID.
        guid: Uuid,
        /// What else has it.
        other: String,
    },
}

impl LayoutProblem {
    /// The partition that it is about, by its number in the request from 0.
    #[must_use]
    pub fn partition(&self) -> Option<usize> {
        match self {
            Self::DiskTooSmall { .. }
            | Self::TooLarge
            | Self::DiskSize { .. }
            | Self::Alignment { .. }
            | Self::TooMany { .. } => None,
            Self::PartitionTooSmall { partition, .. }
            | Self::Empty { partition, .. }
            | Self::Label { partition, .. }
            | Self::SameGuid { partition, .. } => Some(*partition),
        }
    }
}

/// All that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutError {
    /// Each mistake; never empty.
    pub problems: Vec<LayoutProblem>,
}

impl LayoutError {
    /// What kind of mistake it is.
    #[must_use]
    pub fn category(&self) -> Category {
        Category::Input
    }
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if number == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for LayoutError {}

/// A partition as people know it.
pub(super) struct Named<'text>(pub(super) usize, pub(super) &'text str);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.0 + 1, self.1.escape_debug())
    }
}

/// A number of bytes in the largest unit in which it is whole.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            size if size >= 1 << 30 && size.is_multiple_of(1 << 30) => write!(f, "{} GiB", size >> 30),
            size if size >= 1 << 20 && size.is_multiple_of(1 << 20) => write!(f, "{} MiB", size >> 20),
            size if size >= 1 << 10 && size.is_multiple_of(1 << 10) => write!(f, "{} KiB", size >> 10),
            size => write!(f, "{size} bytes"),
        }
    }
}

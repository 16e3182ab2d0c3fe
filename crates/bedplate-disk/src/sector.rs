//! The unit in which a disk counts.

use std::fmt;

/// How many bytes a logical sector has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum SectorSize {
    /// 512 bytes: what virtual disks have.
    #[default]
    Bytes512,
    /// 4096 bytes: some disks of real machines.
    Bytes4096,
}

impl SectorSize {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Bytes512, Self::Bytes4096];

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Bytes512 => 512,
            Self::Bytes4096 => 4096,
        }
    }
}

impl fmt::Display for SectorSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bytes())
    }
}

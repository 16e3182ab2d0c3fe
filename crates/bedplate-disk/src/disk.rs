//! A disk as data: where its bytes come from. What no extent covers is zero.

use std::path::PathBuf;

use crate::{DiskError, SectorSize};

/// Where the bytes of an extent are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Here.
    Bytes(Vec<u8>),
    /// In a file, whose holes are holes of the disk.
    File {
        /// The file.
        path: PathBuf,
        /// Where the extent begins in it, in bytes.
        offset: u64,
    },
}

/// Some bytes of a disk, one after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins, in bytes from the start of the disk.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
    /// Where they are.
    pub source: Source,
}

impl Extent {
    fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.length)
    }
}

/// A disk: a size, and extents that do not overlap, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    size: u64,
    sector_size: SectorSize,
    extents: Vec<Extent>,
}

impl Disk {
    /// A disk of zeros, of this many bytes.
    #[must_use]
    pub fn new(size: u64, sector_size: SectorSize) -> Self {
        Self { size, sector_size, extents: Vec::new() }
    }

    /// How many bytes it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The unit in which its users count.
    #[must_use]
    pub fn sector_size(&self) -> SectorSize {
        self.sector_size
    }

    /// The extents, in order.
    #[must_use]
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Puts bytes on the disk.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn add_bytes(&mut self, offset: u64, bytes: Vec<u8>) -> Result<(), DiskError> {
        self.add(Extent { offset, length: bytes.len() as u64, source: Source::Bytes(bytes) })
    }

    /// Puts an extent on the disk. If its source has fewer bytes, writing the disk fails; if it has more, the rest is left out.
    ///
    /// # Errors
    /// [`DiskError::Outside`] and [`DiskError::Overlap`]; the disk is then what it was before.
    pub fn add(&mut self, extent: Extent) -> Result<(), DiskError> {
        if extent.length == 0 {
            return Ok(());
        }
        let end = extent.end().unwrap_or(u64::MAX);
        if end > self.size {
            return Err(DiskError::Outside { offset: extent.offset, by: end - self.size });
        }
        let at = self.extents.partition_point(|other| other.offset < extent.offset);
        let before = at.checked_sub(1).map(|index| &self.extents[index]);
        let clash = before
            .filter(|other| other.end() > Some(extent.offset))
            .or_else(|| self.extents.get(at).filter(|other| other.offset < end));
        if let Some(other) = clash {
            let (first, second) = (other.offset.min(extent.offset), other.offset.max(extent.offset));
            return Err(DiskError::Overlap { first, second });
        }
        self.extents.insert(at, extent);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_are_in_order_and_do_not_overlap() {
        let mut disk = Disk::new(100, SectorSize::Bytes512);
        for offset in [50, 0, 90, 20] {
            disk.add_bytes(offset, vec![1; 10]).unwrap();
        }
        disk.add_bytes(55, Vec::new()).unwrap();
        for (offset, length, expected) in [
            (9, 2, "the extents at bytes 0 and 9 of the disk overlap"),
            (0, 1, "the extents at bytes 0 and 0 of the disk overlap"),
            (45, 6, "the extents at bytes 45 and 50 of the disk overlap"),
            (10, 60, "the extents at bytes 10 and 20 of the disk overlap"),
            (95, 6, "the extent at byte 95 of the disk ends 1 bytes behind its end"),
            (
                u64::MAX,
                2,
                "the extent at byte 18446744073709551615 of the disk ends 18446744073709551515 bytes behind its end",
            ),
        ] {
            assert_eq!(disk.add_bytes(offset, vec![1; length]).unwrap_err().to_string(), expected);
        }
        disk.add_bytes(10, vec![1; 10]).unwrap();
        assert_eq!(disk.extents().iter().map(|extent| extent.offset).collect::<Vec<_>>(), [0, 10, 20, 50, 90]);
    }
}

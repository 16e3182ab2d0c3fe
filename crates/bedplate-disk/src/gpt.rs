//! GUID partition tables, as chapter 5 of the UEFI specification has them.
//!
//! ```text
//! sector  0      protective MBR: one partition of type EE over all
//!         1      header
//!         2..34  128 entries of 128 bytes (2..6 with sectors of 4096 bytes)
//!         34..   partitions
//!         -33..  the entries again
//!         -1     the header again
//! ```
//!
//! Written by ourselves: there is one layout, no library checks both copies and reports all that is wrong, and it is no longer
//! than what would call a library.

mod read;

use crc::{CRC_32_ISO_HDLC, Crc};
use uuid::Uuid;

use crate::{PartitionType, SectorSize};

pub use read::{ReadTable, TableProblem};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const SIGNATURE: &[u8; 8] = b"EFI PART";
/// How many bytes of the header its checksum covers.
const HEADER_SIZE: usize = 92;
/// How many entries a table has.
pub(crate) const ENTRIES: usize = 128;
const ENTRY_SIZE: usize = 128;
const ARRAY_SIZE: usize = ENTRIES * ENTRY_SIZE;
/// How many UTF-16 units a label has at most.
pub(crate) const LABEL_UNITS: usize = 36;

/// Flags of a partition, as bits of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Attributes(pub u64);

impl Attributes {
    /// The platform needs the partition.
    pub const REQUIRED: Self = Self(1);
    /// Whoever mounts it lets the file system grow to the size of the partition.
    pub const GROW_FILE_SYSTEM: Self = Self(1 << 59);
    /// It is mounted read-only.
    pub const READ_ONLY: Self = Self(1 << 60);
    /// It is not mounted by itself.
    pub const NO_AUTO: Self = Self(1 << 63);

    const NAMED: [(&'static str, Self); 4] = [
        ("required", Self::REQUIRED),
        ("grow-file-system", Self::GROW_FILE_SYSTEM),
        ("read-only", Self::READ_ONLY),
        ("no-auto", Self::NO_AUTO),
    ];

    /// These flags and others.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of the other flags are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names of the flags that are set and have one: `read-only`, `no-auto`, `grow-file-system`, `required`.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMED.into_iter().filter(move |(_, flag)| self.has(*flag)).map(|(name, _)| name)
    }
}

/// A partition of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// What it is for.
    pub kind: PartitionType,
    /// Its own name.
    pub guid: Uuid,
    /// Its name for people, at most 36 UTF-16 units.
    pub label: String,
    /// Its flags.
    pub attributes: Attributes,
    /// Where it begins, in bytes: a whole number of sectors.
    pub offset: u64,
    /// How many bytes it has: a whole number of sectors.
    pub length: u64,
}

impl Partition {
    /// The byte behind its last one.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + self.length
    }
}

/// A partition table, as `layout` makes it: at most 128 partitions, labels of at most 36 UTF-16 units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionTable {
    /// The name of the disk.
    pub guid: Uuid,
    /// The unit in which the table counts.
    pub sector_size: SectorSize,
    /// The size of the disk in bytes: a whole number of sectors.
    pub disk_size: u64,
    /// The partitions, in the order of their numbers.
    pub partitions: Vec<Partition>,
}

/// How many bytes the entries take, in whole sectors.
const fn array_length(sector_size: SectorSize) -> u64 {
    (ARRAY_SIZE as u64).next_multiple_of(sector_size.bytes())
}

/// How many bytes at the start of a disk belong to the table.
pub(crate) const fn head_length(sector_size: SectorSize) -> u64 {
    2 * sector_size.bytes() + array_length(sector_size)
}

/// How many bytes at the end of a disk belong to the table.
pub(crate) const fn tail_length(sector_size: SectorSize) -> u64 {
    sector_size.bytes() + array_length(sector_size)
}

impl PartitionTable {
    /// What stands at the start of the disk: protective MBR, header, entries.
    #[must_use]
    pub fn head(&self) -> Vec<u8> {
        let array = self.array();
        let sector = self.sector_size.bytes() as usize;
        let mut bytes = protective_record(self.disk_size / self.sector_size.bytes());
        bytes.resize(sector, 0);
        bytes.extend(self.header(&array, Copy::First));
        bytes.resize(2 * sector, 0);
        bytes.extend(array);
        bytes.resize(head_length(self.sector_size) as usize, 0);
        bytes
    }

    /// What stands at the end of the disk: entries, header.
    #[must_use]
    pub fn tail(&self) -> Vec<u8> {
        let mut bytes = self.array();
        let header = self.header(&bytes, Copy::Last);
        bytes.resize(array_length(self.sector_size) as usize, 0);
        bytes.extend(header);
        bytes.resize(tail_length(self.sector_size) as usize, 0);
        bytes
    }

    fn array(&self) -> Vec<u8> {
        let sector = self.sector_size.bytes();
        let mut bytes = Vec::with_capacity(ARRAY_SIZE);
        for partition in &self.partitions {
            bytes.extend(partition.kind.guid().to_bytes_le());
            bytes.extend(partition.guid.to_bytes_le());
            bytes.extend((partition.offset / sector).to_le_bytes());
            bytes.extend((partition.end() / sector - 1).to_le_bytes());
            bytes.extend(partition.attributes.0.to_le_bytes());
            let mut label: Vec<u16> = partition.label.encode_utf16().collect();
            label.resize(LABEL_UNITS, 0);
            bytes.extend(label.into_iter().flat_map(u16::to_le_bytes));
        }
        bytes.resize(ARRAY_SIZE, 0);
        bytes
    }

    fn header(&self, array: &[u8], copy: Copy) -> Vec<u8> {
        let sector = self.sector_size.bytes();
        let last = self.disk_size / sector - 1;
        let array_sectors = array_length(self.sector_size) / sector;
        let (here, there, entries) = match copy {
            Copy::First => (1, last, 2),
            Copy::Last => (last, 1, last - array_sectors),
        };
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend(0x0001_0000_u32.to_le_bytes());
        bytes.extend((HEADER_SIZE as u32).to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(here.to_le_bytes());
        bytes.extend(u64::to_le_bytes(there));
        bytes.extend((2 + array_sectors).to_le_bytes());
        bytes.extend((last - array_sectors - 1).to_le_bytes());
        bytes.extend(self.guid.to_bytes_le());
        bytes.extend(entries.to_le_bytes());
        bytes.extend((ENTRIES as u32).to_le_bytes());
        bytes.extend((ENTRY_SIZE as u32).to_le_bytes());
        bytes.extend(CRC.checksum(array).to_le_bytes());
        let checksum = CRC.checksum(&bytes);
        bytes[16..20].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

/// Which of the two copies of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copy {
    First,
    Last,
}

/// The first sector: what tells programs that know no GPT that the disk is full.
fn protective_record(sectors: u64) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    bytes[446..454].copy_from_slice(&[0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF]);
    bytes[454..458].copy_from_slice(&1_u32.to_le_bytes());
    let size = u32::try_from(sectors - 1).unwrap_or(u32::MAX);
    bytes[458..462].copy_from_slice(&size.to_le_bytes());
    bytes[510..].copy_from_slice(&[0x55, 0xAA]);
    bytes
}

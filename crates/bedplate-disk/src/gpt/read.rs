//! Reads a partition table back, and says all that is wrong with it.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use uuid::Uuid;

use super::{ARRAY_SIZE, Attributes, CRC, Copy, HEADER_SIZE, Partition, PartitionTable, SIGNATURE};
use crate::{DiskError, PartitionType, SectorSize};

/// The largest array of entries that is read: 8 times what tables have.
const LARGEST_ARRAY: u64 = 8 * ARRAY_SIZE as u64;

/// A partition table that was read, with what is wrong about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadTable {
    /// The table, from the first copy if that is good.
    pub table: PartitionTable,
    /// What is wrong; empty for a good table.
    pub problems: Vec<TableProblem>,
}

/// Something wrong with a partition table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableProblem {
    /// The first sector does not protect the table.
    #[error("the protective MBR is damaged: {0}")]
    ProtectiveRecord(&'static str),
    /// The copy at the start cannot be used.
    #[error("the table at the start of the disk is damaged: {0}")]
    First(String),
    /// The copy at the end cannot be used.
    #[error("the table at the end of the disk is damaged: {0}")]
    Last(String),
    /// The copies differ.
    #[error("the tables at the start and at the end of the disk differ")]
    Differ,
    /// A partition that lies where it must not.
    #[error("partition {number} `{label}` lies outside of the sectors that partitions may use")]
    Outside {
        /// Its number, from 1.
        number: usize,
        /// Its label.
        label: String,
    },
    /// Two partitions share sectors.
    #[error("partitions {first} and {second} overlap")]
    Overlap {
        /// The number of one, from 1.
        first: usize,
        /// The number of the other.
        second: usize,
    },
    /// Two partitions have one name.
    #[error("partitions {first} and {second} have the same GUID {guid}")]
    SameGuid {
        /// The number of one, from 1.
        first: usize,
        /// The number of the other.
        second: usize,
        /// The GUID.
        guid: Uuid,
    },
}

/// One copy of a table, as read.
#[derive(Debug, PartialEq, Eq)]
struct ReadCopy {
    /// At which sector it says that the other copy is.
    other: u64,
    facts: Facts,
}

/// What both copies of a table say.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    guid: Uuid,
    /// First and last sector that partitions may use.
    usable: (u64, u64),
    /// With their numbers, from 1.
    partitions: Vec<(usize, Partition)>,
}

impl PartitionTable {
    /// Reads the table of a disk of `size` bytes; the size of its sectors is found out. Empty entries between partitions are
    /// left out.
    ///
    /// # Errors
    /// If the disk cannot be read, or if neither copy of the table is good ([`DiskError::NoTable`]).
    pub fn read(disk: &mut (impl Read + Seek), size: u64) -> Result<ReadTable, DiskError> {
        let mut attempts = Vec::new();
        for sector_size in SectorSize::ALL {
            let sectors = size / sector_size.bytes();
            if sectors < 4 {
                continue;
            }
            let first = read_copy(disk, sector_size, sectors, Copy::First)?;
            let last = read_copy(disk, sector_size, sectors, Copy::Last)?;
            attempts.push((sector_size, first, last));
        }
        // The size with the more good copies; if both have as many, the usual one.
        attempts.sort_by_key(|(_, first, last)| usize::from(first.is_err()) + usize::from(last.is_err()));
        let Some((sector_size, first, last)) = attempts.into_iter().next() else { return Err(DiskError::NoTable) };
        let mut problems = check_record(disk)?;
        let sectors = size / sector_size.bytes();
        let copy = match (first, last) {
            (Ok(first), Ok(last)) => {
                if first.facts != last.facts {
                    problems.push(TableProblem::Differ);
                }
                first
            }
            (Ok(first), Err(why)) => {
                let elsewhere = (first.other != sectors - 1).then(|| {
                    format!(
                        "the one at the start says that it is at sector {}, and the last one is {}",
                        first.other,
                        sectors - 1
                    )
                });
                problems.push(TableProblem::Last(elsewhere.unwrap_or(why)));
                first
            }
            (Err(why), Ok(last)) => {
                problems.push(TableProblem::First(why));
                last
            }
            (Err(_), Err(_)) => return Err(DiskError::NoTable),
        };
        let copy = copy.facts;
        problems.extend(check_partitions(&copy, sector_size, sectors));
        let partitions = copy.partitions.into_iter().map(|(_, partition)| partition).collect();
        let table = PartitionTable { guid: copy.guid, sector_size, disk_size: size, partitions };
        Ok(ReadTable { table, problems })
    }
}

fn read_at(disk: &mut (impl Read + Seek), offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
    let mut bytes = vec![0; length];
    let result = disk.seek(SeekFrom::Start(offset)).and_then(|_| disk.read_exact(&mut bytes));
    result.map_err(DiskError::io("read the partition table of", Path::new("the disk")))?;
    Ok(bytes)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a slice of N bytes")
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(number(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(number(bytes, at))
}

/// What is wrong with the first sector.
fn check_record(disk: &mut (impl Read + Seek)) -> Result<Vec<TableProblem>, DiskError> {
    let bytes = read_at(disk, 0, 512)?;
    let why = if bytes[510..] != [0x55, 0xAA] {
        "it lacks its signature"
    } else if !bytes[446..510].chunks(16).any(|entry| entry[4] == 0xEE && u32_at(entry, 8) == 1) {
        "it has no partition of type EE at sector 1"
    } else {
        return Ok(Vec::new());
    };
    Ok(vec![TableProblem::ProtectiveRecord(why)])
}

/// Reads one copy; the inner error says why it cannot be used.
fn read_copy(
    disk: &mut (impl Read + Seek),
    sector_size: SectorSize,
    sectors: u64,
    copy: Copy,
) -> Result<Result<ReadCopy, String>, DiskError> {
    let sector = sector_size.bytes();
    let here = match copy {
        Copy::First => 1,
        Copy::Last => sectors - 1,
    };
    let header = read_at(disk, here * sector, HEADER_SIZE)?;
    if &header[..8] != SIGNATURE {
        return Ok(Err("it has no signature".to_owned()));
    }
    let header_size = u32_at(&header, 12);
    if !(HEADER_SIZE as u64..=sector).contains(&u64::from(header_size)) {
        return Ok(Err(format!("its header has {header_size} bytes")));
    }
    let mut header = read_at(disk, here * sector, header_size as usize)?;
    let checksum = u32_at(&header, 16);
    header[16..20].fill(0);
    if CRC.checksum(&header) != checksum {
        return Ok(Err("the checksum of its header is wrong".to_owned()));
    }
    if u64_at(&header, 24) != here {
        return Ok(Err(format!("it says that it is at sector {}, not {here}", u64_at(&header, 24))));
    }
    let usable = (u64_at(&header, 40), u64_at(&header, 48));
    let (entries, count, entry_size) = (u64_at(&header, 72), u32_at(&header, 80), u32_at(&header, 84));
    let array_size = u64::from(count) * u64::from(entry_size);
    let fits = entries
        .checked_mul(sector)
        .and_then(|at| at.checked_add(array_size))
        .is_some_and(|end| end <= sectors * sector);
    if entry_size < 128 || entry_size % 8 != 0 || array_size > LARGEST_ARRAY || !fits {
        return Ok(Err(format!("its {count} entries of {entry_size} bytes at sector {entries} cannot be")));
    }
    let array = read_at(disk, entries * sector, array_size as usize)?;
    if CRC.checksum(&array) != u32_at(&header, 88) {
        return Ok(Err("the checksum of its entries is wrong".to_owned()));
    }
    let mut partitions = Vec::new();
    for (index, entry) in array.chunks(entry_size as usize).enumerate() {
        let kind = Uuid::from_bytes_le(number(entry, 0));
        if kind.is_nil() {
            continue;
        }
        let (first, last) = (u64_at(entry, 32), u64_at(entry, 40));
        if first > last || last >= u64::MAX / sector {
            return Ok(Err(format!("its partition {} goes from sector {first} to {last}", index + 1)));
        }
        let units = entry[56..128].as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
        let label: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
        let partition = Partition {
            kind: PartitionType::from_guid(kind),
            guid: Uuid::from_bytes_le(number(entry, 16)),
            label: String::from_utf16_lossy(&label),
            attributes: Attributes(u64_at(entry, 48)),
            offset: first * sector,
            length: (last - first + 1) * sector,
        };
        partitions.push((index + 1, partition));
    }
    let facts = Facts { guid: Uuid::from_bytes_le(number(&header, 56)), usable, partitions };
    Ok(Ok(ReadCopy { other: u64_at(&header, 32), facts }))
}

/// What is wrong with the partitions of a copy whose checksums are right.
fn check_partitions(copy: &Facts, sector_size: SectorSize, sectors: u64) -> Vec<TableProblem> {
    let mut problems = Vec::new();
    let sector = sector_size.bytes();
    let (first, last) = (copy.usable.0, copy.usable.1.min(sectors - 1));
    for (number, partition) in &copy.partitions {
        if partition.offset / sector < first || (partition.end() / sector - 1) > last {
            problems.push(TableProblem::Outside { number: *number, label: partition.label.clone() });
        }
    }
    for (index, (first, one)) in copy.partitions.iter().enumerate() {
        for (second, other) in &copy.partitions[index + 1..] {
            let (first, second) = (*first, *second);
            if one.offset < other.end() && other.offset < one.end() {
                problems.push(TableProblem::Overlap { first, second });
            }
            if one.guid == other.guid {
                problems.push(TableProblem::SameGuid { first, second, guid: one.guid });
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::content_uuid;

    fn table(sector_size: SectorSize) -> PartitionTable {
        let partition = |label: &str, offset: u64, length: u64| Partition {
            kind: "root-x86-64".parse().unwrap(),
            guid: content_uuid(&[label.as_bytes()]),
            label: label.to_owned(),
            attributes: Attributes::READ_ONLY.with(Attributes::GROW_FILE_SYSTEM),
            offset: offset << 20,
            length: length << 20,
        };
        let partitions = vec![partition("wurzel-ä𝄞", 1, 2), partition("b", 3, 1)];
        PartitionTable { guid: content_uuid(&[b"disk"]), sector_size, disk_size: 5 << 20, partitions }
    }

    fn disk(table: &PartitionTable) -> Vec<u8> {
        let mut bytes = table.head();
        bytes.resize(table.disk_size as usize, 0);
        let tail = table.tail();
        let start = bytes.len() - tail.len();
        bytes[start..].copy_from_slice(&tail);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<ReadTable, DiskError> {
        PartitionTable::read(&mut Cursor::new(bytes), bytes.len() as u64)
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        for sector_size in SectorSize::ALL {
            let table = table(sector_size);
            assert_eq!(read(&disk(&table)).unwrap(), ReadTable { table, problems: Vec::new() });
        }
    }

    #[test]
    fn one_good_copy_is_enough() {
        let table = table(SectorSize::Bytes512);
        let good = disk(&table);
        let end = good.len();
        for (at, expected) in [
            (512, "the table at the start of the disk is damaged: it has no signature"),
            (512 + 60, "the table at the start of the disk is damaged: the checksum of its header is wrong"),
            (1024 + 5, "the table at the start of the disk is damaged: the checksum of its entries is wrong"),
            (end - 500, "the table at the end of the disk is damaged: the checksum of its header is wrong"),
            (end - 512 - 16000, "the table at the end of the disk is damaged: the checksum of its entries is wrong"),
            (510, "the protective MBR is damaged: it lacks its signature"),
            (450, "the protective MBR is damaged: it has no partition of type EE at sector 1"),
        ] {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            let found = read(&bytes).unwrap();
            assert_eq!(found.table, table, "{expected}");
            assert_eq!(found.problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
        }
    }

    #[test]
    fn a_disk_that_was_cut_or_grown_is_noticed() {
        let good = disk(&table(SectorSize::Bytes512));
        let mut grown = good.clone();
        grown.resize(6 << 20, 0);
        let cut = &good[..4 << 20];
        for (bytes, last) in [(&grown[..], 12287), (cut, 8191)] {
            let found = read(bytes).unwrap();
            let why = format!("the one at the start says that it is at sector 10239, and the last one is {last}");
            assert_eq!(found.problems, [TableProblem::Last(why)]);
        }
        let outside = TableProblem::Outside { number: 2, label: "b".to_owned() };
        assert_eq!(read(&good[..3 << 20]).unwrap().problems[1..], [outside]);
        assert!(matches!(read(&[]), Err(DiskError::NoTable)));
        assert!(matches!(read(&vec![0; 1 << 20]), Err(DiskError::NoTable)));
    }

    #[test]
    fn partitions_that_cannot_be_are_reported() {
        let mut table = table(SectorSize::Bytes512);
        table.partitions[1].offset = 2 << 20;
        table.partitions[1].length = 3 << 20;
        table.partitions[1].guid = table.partitions[0].guid;
        let found = read(&disk(&table)).unwrap().problems;
        let guid = table.partitions[0].guid;
        assert_eq!(
            found,
            [
                TableProblem::Outside { number: 2, label: "b".to_owned() },
                TableProblem::Overlap { first: 1, second: 2 },
                TableProblem::SameGuid { first: 1, second: 2, guid },
            ]
        );
    }
}

//! Reads QCOW2: versions 2 and 3, packed with zlib or zstd.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;

use flate2::{Decompress, FlushDecompress};

use super::{COMPRESSION_TYPE, MAGIC, PACKED, ZSTD, place_bits};
use crate::image::{Blocks, ReadError};

/// The header up to what says how clusters are packed.
const HEADER: usize = 105;
/// Bits of an entry that are the place of a cluster or a table.
const PLACE: u64 = 0x00FF_FFFF_FFFF_FE00;
/// All of the cluster is zero, wherever it is.
const ZERO: u64 = 1;
/// Features that change what the file looks like.
const DIRTY: u64 = 1;
const CORRUPT: u64 = 1 << 1;
const EXTERNAL: u64 = 1 << 2;
const EXTENDED: u64 = 1 << 4;
/// The largest table of level 1 that is read, as qemu has it: 32 MiB.
const LARGEST_TABLE: u64 = 32 << 20;

/// Whether a file that begins like this is a QCOW2.
pub(crate) fn is_qcow2(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// Reads clusters by their tables; keeps the last table and the last unpacked cluster.
#[derive(Debug)]
pub(crate) struct Reader {
    file: File,
    cluster_bits: u32,
    size: u64,
    is_zstd: bool,
    has_zero_flag: bool,
    tables: Vec<u64>,
    table: Option<(u64, Vec<u64>)>,
    unpacked: Option<(u64, Vec<u8>)>,
}

impl Reader {
    pub(crate) fn open(file: File) -> Result<Self, ReadError> {
        let damaged = |why: String| Err(ReadError::Damaged(why));
        let unsupported = |why: String| Err(ReadError::Unsupported(why));
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0)?;
        let u32_at = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes"));
        let u64_at = |at: usize| u64::from_be_bytes(header[at..at + 8].try_into().expect("eight bytes"));
        let (version, cluster_bits, size) = (u32_at(4), u32_at(20), u64_at(24));
        if ![2, 3].contains(&version) {
            return unsupported(format!("it is of version {version}; 2 and 3 are known"));
        }
        if u64_at(8) != 0 {
            return unsupported("it is the difference to another disk".to_owned());
        }
        if u32_at(32) != 0 {
            return unsupported("it is encrypted".to_owned());
        }
        let features = if version == 3 { u64_at(72) } else { 0 };
        if features & CORRUPT != 0 {
            return damaged("it is marked as corrupt; qemu-img check says more".to_owned());
        }
        if features & EXTERNAL != 0 {
            return unsupported("its data are in another file".to_owned());
        }
        if features & EXTENDED != 0 {
            return unsupported("its clusters have parts".to_owned());
        }
        let unknown = features & !(DIRTY | COMPRESSION_TYPE);
        if unknown != 0 {
            return unsupported(format!("it has features that are not known: {unknown:#x}"));
        }
        let is_zstd = features & COMPRESSION_TYPE != 0 && header[104] == ZSTD;
        if features & COMPRESSION_TYPE != 0 && header[104] > ZSTD {
            return unsupported(format!("its clusters are packed in way {}", header[104]));
        }
        if !(9..=21).contains(&cluster_bits) {
            return damaged(format!("its clusters have 2^{cluster_bits} bytes"));
        }
        let (count, at) = (u64::from(u32_at(36)), u64_at(40));
        let of_table = 1_u64 << (2 * cluster_bits - 3);
        if count * 8 > LARGEST_TABLE || count < size.div_ceil(of_table) {
            return damaged(format!("its first table has {count} entries for a disk of {size} bytes"));
        }
        let mut bytes = vec![0; count as usize * 8];
        file.read_exact_at(&mut bytes, at)?;
        let tables = numbers(&bytes);
        let has_zero_flag = version == 3;
        Ok(Self { file, cluster_bits, size, is_zstd, has_zero_flag, tables, table: None, unpacked: None })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The entry of a cluster; 0 if it is not there.
    fn entry(&mut self, cluster: u64) -> io::Result<u64> {
        let bits = self.cluster_bits - 3;
        let (number, within) = (cluster >> bits, cluster & ((1 << bits) - 1));
        let place = self.tables[number as usize] & PLACE;
        if place == 0 {
            return Ok(0);
        }
        let entries = match &mut self.table {
            Some((other, entries)) if *other == number => entries,
            table => {
                let mut bytes = vec![0; 1 << self.cluster_bits];
                self.file.read_exact_at(&mut bytes, place)?;
                &mut table.insert((number, numbers(&bytes))).1
            }
        };
        Ok(entries[within as usize])
    }

    /// The bytes of a packed cluster.
    fn unpack(&mut self, entry: u64) -> io::Result<&[u8]> {
        if self.unpacked.as_ref().is_none_or(|(other, _)| *other != entry) {
            let bits = place_bits(self.cluster_bits);
            let entry_bits = entry & (PACKED - 1);
            let (place, sectors) = (entry_bits & ((1 << bits) - 1), entry_bits >> bits);
            let length = (sectors + 1) * 512 - place % 512;
            let mut packed = vec![0; length as usize];
            // The last sectors of the file may be missing.
            let mut done = 0;
            while done < packed.len() {
                match self.file.read_at(&mut packed[done..], place + done as u64)? {
                    0 => break,
                    count => done += count,
                }
            }
            let mut bytes = vec![0; 1 << self.cluster_bits];
            if self.is_zstd {
                zstd::stream::read::Decoder::with_buffer(&packed[..done])?.single_frame().read_exact(&mut bytes)?;
            } else {
                let mut inflate = Decompress::new(false);
                inflate.decompress(&packed[..done], &mut bytes, FlushDecompress::Finish).map_err(io::Error::other)?;
                if inflate.total_out() != bytes.len() as u64 {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a packed cluster is too short"));
                }
            }
            self.unpacked = Some((entry, bytes));
        }
        Ok(&self.unpacked.as_ref().expect("it was just made").1)
    }
}

fn numbers(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks::<8>().0.iter().map(|bytes| u64::from_be_bytes(*bytes)).collect()
}

impl Blocks for Reader {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let size = 1_u64 << self.cluster_bits;
        let (cluster, within) = (offset / size, offset % size);
        let count = (buffer.len() as u64).min(size - within) as usize;
        let target = &mut buffer[..count];
        let entry = self.entry(cluster)?;
        if entry & PACKED != 0 {
            target.copy_from_slice(&self.unpack(entry)?[within as usize..][..count]);
        } else if entry & PLACE == 0 || self.has_zero_flag && entry & ZERO != 0 {
            target.fill(0);
        } else {
            match self.file.read_at(target, (entry & PLACE) + within)? {
                // The last cluster of the file may be cut.
                0 => target.fill(0),
                read => return Ok(read),
            }
        }
        Ok(count)
    }
}

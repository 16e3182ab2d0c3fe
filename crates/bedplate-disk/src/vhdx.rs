//! VHDX, as Microsoft's MS-VHDX has it. All numbers are little-endian.
//!
//! ```text
//! 0        file identifier
//! 64 KiB   header 1          192 KiB  region table 1
//! 128 KiB  header 2          256 KiB  region table 2
//! 1 MiB    log, empty
//! 2 MiB    metadata: sizes, name of the disk
//! 3 MiB    table of blocks
//! …        blocks of 2 MiB that have data, each at a whole MiB
//! ```

mod metadata;
mod read;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crc::{CRC_32_ISCSI, Crc};
use uuid::{Uuid, uuid};

use crate::content_uuid;
use crate::source::{CHUNK, Chunk};
use crate::write::{Plan, Sink, write_sparse};

pub(crate) use read::{Reader, is_vhdx};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
const IDENTIFIER: &[u8; 8] = b"vhdxfile";
const KIBIBYTE: u64 = 1 << 10;
const MEBIBYTE: u64 = 1 << 20;
const HEADERS: [u64; 2] = [64 * KIBIBYTE, 128 * KIBIBYTE];
const REGION_TABLES: [u64; 2] = [192 * KIBIBYTE, 256 * KIBIBYTE];
const HEADER_SIZE: usize = 4 << 10;
const REGION_TABLE_SIZE: usize = 64 << 10;
/// Where the checksum of a header and of a region table is.
const CHECKSUM: usize = 4;
const LOG_AT: u64 = MEBIBYTE;
const METADATA_AT: u64 = 2 * MEBIBYTE;
const TABLE_AT: u64 = 3 * MEBIBYTE;
const TABLE_REGION: Uuid = uuid!("2dc27766-f623-4200-9d64-115e9bfd4a08");
const METADATA_REGION: Uuid = uuid!("8b7ca206-4790-4b9a-b8fe-575f050f886e");
/// The largest disk: 64 TiB.
pub(crate) const LARGEST: u64 = 64 << 40;

/// States of a block in the low three bits of its entry.
const STATE_ZERO: u64 = 2;
const STATE_PRESENT: u64 = 6;

/// How many blocks lie between two entries of the table for bitmaps, which disks of ours have none of.
fn chunk_ratio(sector_size: u64, block_size: u64) -> u64 {
    (1 << 23) * sector_size / block_size
}

/// Writes blocks as they come, and the tables at the end.
#[derive(Debug)]
pub(crate) struct Writer {
    file: File,
    plan: Plan,
    table: Vec<u64>,
    table_region: u64,
    /// The byte behind the last block.
    end: u64,
}

impl Writer {
    pub(crate) fn new(file: File, plan: Plan) -> Self {
        let ratio = chunk_ratio(plan.sector_size.bytes(), CHUNK);
        let blocks = plan.size.div_ceil(CHUNK);
        let entries = blocks + (blocks - 1) / ratio;
        // An entry for bitmaps is 0, not present; one for a block says that it is zero until the block is there.
        let table: Vec<u64> =
            (0..entries).map(|entry| if entry % (ratio + 1) == ratio { 0 } else { STATE_ZERO }).collect();
        let table_region = (entries * 8).next_multiple_of(MEBIBYTE);
        Self { file, plan, table, table_region, end: TABLE_AT + table_region }
    }

    fn header(&self, sequence: u64) -> Vec<u8> {
        let name = |purpose: &[u8]| content_uuid(&[purpose, self.plan.options.identity.as_bytes()]).to_bytes_le();
        let mut bytes = b"head\0\0\0\0".to_vec();
        bytes.extend(sequence.to_le_bytes());
        bytes.extend(name(b"vhdx file write"));
        bytes.extend(name(b"vhdx data write"));
        bytes.extend([0; 16]); // No log to replay.
        bytes.extend(0_u16.to_le_bytes());
        bytes.extend(1_u16.to_le_bytes());
        bytes.extend((MEBIBYTE as u32).to_le_bytes());
        bytes.extend(LOG_AT.to_le_bytes());
        seal(bytes, HEADER_SIZE)
    }

    fn region_table(&self) -> Vec<u8> {
        let mut bytes = b"regi\0\0\0\0".to_vec();
        bytes.extend(2_u32.to_le_bytes());
        bytes.extend([0; 4]);
        for (region, offset, length) in
            [(TABLE_REGION, TABLE_AT, self.table_region), (METADATA_REGION, METADATA_AT, MEBIBYTE)]
        {
            bytes.extend(region.to_bytes_le());
            bytes.extend(offset.to_le_bytes());
            bytes.extend((length as u32).to_le_bytes());
            bytes.extend(1_u32.to_le_bytes()); // Who does not know it cannot read the file.
        }
        seal(bytes, REGION_TABLE_SIZE)
    }
}

/// Fills up to a size, and puts the checksum in.
fn seal(mut bytes: Vec<u8>, size: usize) -> Vec<u8> {
    bytes.resize(size, 0);
    let sum = CRC.checksum(&bytes);
    bytes[CHECKSUM..CHECKSUM + 4].copy_from_slice(&sum.to_le_bytes());
    bytes
}

impl Sink for Writer {
    fn write(&mut self, chunks: &[Chunk]) -> io::Result<()> {
        let ratio = chunk_ratio(self.plan.sector_size.bytes(), CHUNK);
        for chunk in chunks {
            let entry = chunk.index + chunk.index / ratio;
            self.table[entry as usize] = self.end | STATE_PRESENT;
            write_sparse(&self.file, self.end, chunk)?;
            self.end += CHUNK;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.file.set_len(self.end)?;
        let mut identifier = IDENTIFIER.to_vec();
        identifier.extend("Bedplate".encode_utf16().flat_map(u16::to_le_bytes));
        self.file.write_all_at(&identifier, 0)?;
        for (sequence, offset) in (1..).zip(HEADERS) {
            self.file.write_all_at(&self.header(sequence), offset)?;
        }
        for offset in REGION_TABLES {
            self.file.write_all_at(&self.region_table(), offset)?;
        }
        let identity = content_uuid(&[b"vhdx disk", self.plan.options.identity.as_bytes()]);
        let metadata = metadata::Metadata {
            block_size: CHUNK as u32,
            size: self.plan.size,
            identity,
            sector_size: self.plan.sector_size.bytes() as u32,
        };
        self.file.write_all_at(&metadata.to_bytes(), METADATA_AT)?;
        let table: Vec<u8> = self.table.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        self.file.write_all_at(&table, TABLE_AT)
    }
}

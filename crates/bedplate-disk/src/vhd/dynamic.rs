//! VHD with only the blocks that have data.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::footer::{FOOTER_SIZE, Footer, Kind, checksum};
use crate::image::{Blocks, ReadError};
use crate::source::{CHUNK, Chunk};
use crate::write::{Plan, Sink, write_sparse};

const COOKIE: &[u8; 8] = b"cxsparse";
const HEADER_SIZE: usize = 1024;
/// Where the checksum of the header is.
const CHECKSUM: usize = 36;
const TABLE_AT: u64 = (FOOTER_SIZE + HEADER_SIZE) as u64;
/// A block that is not there.
const ABSENT: u32 = u32::MAX;
/// The size of the bitmap in front of each block: a bit for each sector.
const BITMAP: u64 = CHUNK / 512 / 8;
/// The largest table that is read: 16 times that of the largest disk with blocks of 2 MiB.
const LARGEST_TABLE: u64 = 64 << 20;
/// The largest block that is read: 256 MiB.
const LARGEST_BLOCK: u32 = 256 << 20;

/// Writes blocks as they come, and the table of them at the end.
#[derive(Debug)]
pub(crate) struct Writer {
    file: File,
    footer: Footer,
    /// The sector of each block.
    table: Vec<u32>,
    /// The byte behind the last block.
    end: u64,
}

impl Writer {
    pub(crate) fn new(file: File, plan: Plan) -> Self {
        let blocks = plan.size.div_ceil(CHUNK) as usize;
        let end = TABLE_AT + (blocks as u64 * 4).next_multiple_of(512);
        Self { file, footer: Footer::new(Kind::Dynamic, plan.size, plan.options), table: vec![ABSENT; blocks], end }
    }

    fn header(&self) -> Vec<u8> {
        let mut bytes = COOKIE.to_vec();
        bytes.extend(u64::MAX.to_be_bytes());
        bytes.extend(TABLE_AT.to_be_bytes());
        bytes.extend(0x0001_0000_u32.to_be_bytes());
        bytes.extend((self.table.len() as u32).to_be_bytes());
        bytes.extend((CHUNK as u32).to_be_bytes());
        bytes.resize(HEADER_SIZE, 0);
        let sum = checksum(&bytes, CHECKSUM);
        bytes[CHECKSUM..CHECKSUM + 4].copy_from_slice(&sum.to_be_bytes());
        bytes
    }
}

impl Sink for Writer {
    fn write(&mut self, chunks: &[Chunk]) -> io::Result<()> {
        for chunk in chunks {
            // It fits: a VHD has 2040 GiB at most.
            self.table[chunk.index as usize] = (self.end / 512) as u32;
            self.file.write_all_at(&[0xFF; BITMAP as usize], self.end)?;
            write_sparse(&self.file, self.end + BITMAP, chunk)?;
            self.end += BITMAP + CHUNK;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let footer = self.footer.to_bytes();
        self.file.write_all_at(&footer, 0)?;
        self.file.write_all_at(&self.header(), FOOTER_SIZE as u64)?;
        let mut table: Vec<u8> = self.table.iter().flat_map(|sector| sector.to_be_bytes()).collect();
        table.resize(table.len().next_multiple_of(512), 0xFF);
        self.file.write_all_at(&table, TABLE_AT)?;
        self.file.write_all_at(&footer, self.end)
    }
}

/// Reads blocks by their table.
#[derive(Debug)]
pub(crate) struct Reader {
    file: File,
    table: Vec<u32>,
    block_size: u64,
}

impl Reader {
    /// Reads the header and the table of a disk of this size.
    pub(crate) fn open(file: File, size: u64) -> Result<Self, ReadError> {
        let mut header = [0; HEADER_SIZE];
        file.read_exact_at(&mut header, FOOTER_SIZE as u64)?;
        let u32_at = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes"));
        let table_at = u64::from_be_bytes(header[16..24].try_into().expect("eight bytes"));
        if !header.starts_with(COOKIE) {
            return Err(ReadError::Damaged("its header lacks the cookie".to_owned()));
        }
        if u32_at(CHECKSUM) != checksum(&header, CHECKSUM) {
            return Err(ReadError::Damaged("the checksum of its header is wrong".to_owned()));
        }
        let (blocks, block_size) = (u32_at(28), u32_at(32));
        if !block_size.is_power_of_two() || !(512..=LARGEST_BLOCK).contains(&block_size) {
            return Err(ReadError::Damaged(format!("its blocks have {block_size} bytes")));
        }
        let needed = size.div_ceil(u64::from(block_size));
        if u64::from(blocks) < needed {
            return Err(ReadError::Damaged(format!("its table has {blocks} blocks, and the disk {needed}")));
        }
        if needed * 4 > LARGEST_TABLE {
            return Err(ReadError::Unsupported(format!("it has {needed} blocks")));
        }
        let mut bytes = vec![0; needed as usize * 4];
        file.read_exact_at(&mut bytes, table_at)?;
        let table = bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_be_bytes(*bytes)).collect();
        Ok(Self { file, table, block_size: u64::from(block_size) })
    }
}

impl Blocks for Reader {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let (block, within) = (offset / self.block_size, offset % self.block_size);
        let count = (buffer.len() as u64).min(self.block_size - within) as usize;
        match self.table[block as usize] {
            ABSENT => {
                buffer[..count].fill(0);
                Ok(count)
            }
            sector => {
                // The bits of sectors matter only where there is another disk beneath.
                let bitmap = self.block_size.div_ceil(512 * 8).next_multiple_of(512);
                self.file.read_at(&mut buffer[..count], u64::from(sector) * 512 + bitmap + within)
            }
        }
    }
}

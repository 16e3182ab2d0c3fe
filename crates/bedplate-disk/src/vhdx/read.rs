//! Reads VHDX.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use uuid::Uuid;

use super::metadata::{LARGEST_REGION, Metadata};
use super::{
    CHECKSUM, CRC, HEADER_SIZE, HEADERS, IDENTIFIER, MEBIBYTE, METADATA_REGION, REGION_TABLE_SIZE, REGION_TABLES,
    STATE_PRESENT, TABLE_REGION, chunk_ratio,
};
use crate::image::{Blocks, ReadError};

/// Whether a file that begins like this is a VHDX.
pub(crate) fn is_vhdx(head: &[u8]) -> bool {
    head.starts_with(IDENTIFIER)
}

/// Reads blocks by their table.
#[derive(Debug)]
pub(crate) struct Reader {
    file: File,
    metadata: Metadata,
    /// With the entries for bitmaps.
    table: Vec<u64>,
}

impl Reader {
    pub(crate) fn open(file: File) -> Result<Self, ReadError> {
        let damaged = |why: &str| ReadError::Damaged(why.to_owned());
        let mut headers = Vec::new();
        for offset in HEADERS {
            headers.extend(read_sealed(&file, offset, HEADER_SIZE, b"head")?);
        }
        // The later of the two counts.
        let header =
            headers.iter().max_by_key(|bytes| u64_at(bytes, 8)).ok_or_else(|| damaged("both headers are damaged"))?;
        if u16::from_le_bytes([header[66], header[67]]) != 1 {
            return Err(ReadError::Unsupported("it is of another version than 1".to_owned()));
        }
        if header[48..64].iter().any(|byte| *byte != 0) {
            return Err(ReadError::Unsupported("it was not closed: its log has changes".to_owned()));
        }
        let mut tables = Vec::new();
        for offset in REGION_TABLES {
            tables.extend(read_sealed(&file, offset, REGION_TABLE_SIZE, b"regi")?);
        }
        let regions = tables.first().ok_or_else(|| damaged("both region tables are damaged"))?;
        let (mut metadata, mut table) = (None, None);
        for entry in regions[16..].chunks_exact(32).take(u32_at(regions, 8) as usize) {
            let region = (u64_at(entry, 16), u32_at(entry, 24));
            match Uuid::from_bytes_le(entry[..16].try_into().expect("sixteen bytes")) {
                TABLE_REGION => table = Some(region),
                METADATA_REGION => metadata = Some(region),
                other if u32_at(entry, 28) & 1 == 1 => {
                    return Err(ReadError::Unsupported(format!("it needs region {other}, which is not known")));
                }
                _ => {}
            }
        }
        let (metadata_at, length) = metadata.ok_or_else(|| damaged("it has no metadata"))?;
        let (table_at, table_length) = table.ok_or_else(|| damaged("it has no table of blocks"))?;
        let mut bytes = vec![0; length.min(LARGEST_REGION) as usize];
        // Only what is in the file: a region may be larger than what is used of it.
        let count = read_up_to(&file, &mut bytes, metadata_at)?;
        let metadata = Metadata::from_bytes(&bytes[..count]).map_err(ReadError::Damaged)?;

        let blocks = metadata.size.div_ceil(u64::from(metadata.block_size));
        let ratio = chunk_ratio(metadata.sector_size.into(), metadata.block_size.into());
        let entries = blocks + blocks.saturating_sub(1) / ratio;
        if entries * 8 > u64::from(table_length) {
            return Err(damaged("its table is too short for its disk"));
        }
        let mut bytes = vec![0; entries as usize * 8];
        file.read_exact_at(&mut bytes, table_at)?;
        let table = bytes.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        Ok(Self { file, metadata, table })
    }

    pub(crate) fn size(&self) -> u64 {
        self.metadata.size
    }
}

/// Something with a signature and a checksum; nothing if one of the two is wrong.
fn read_sealed(file: &File, offset: u64, size: usize, signature: &[u8; 4]) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; size];
    if read_up_to(file, &mut bytes, offset)? < size || !bytes.starts_with(signature) {
        return Ok(None);
    }
    let sum = u32_at(&bytes, CHECKSUM);
    bytes[CHECKSUM..CHECKSUM + 4].fill(0);
    Ok((CRC.checksum(&bytes) == sum).then_some(bytes))
}

fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64)? {
            0 => break,
            count => done += count,
        }
    }
    Ok(done)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

impl Blocks for Reader {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let block_size = u64::from(self.metadata.block_size);
        let ratio = chunk_ratio(self.metadata.sector_size.into(), block_size);
        let (block, within) = (offset / block_size, offset % block_size);
        let count = (buffer.len() as u64).min(block_size - within) as usize;
        let entry = self.table[(block + block / ratio) as usize];
        if entry & 7 == STATE_PRESENT {
            // What qemu wrote last may end within a block.
            let at = (entry / MEBIBYTE * MEBIBYTE).saturating_add(within);
            match self.file.read_at(&mut buffer[..count], at)? {
                0 => buffer[..count].fill(0),
                read => return Ok(read),
            }
        } else {
            buffer[..count].fill(0);
        }
        Ok(count)
    }
}

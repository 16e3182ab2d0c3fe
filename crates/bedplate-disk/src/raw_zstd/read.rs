//! Reads raw.zst by its table of frames.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use zstd::bulk::Decompressor;

use super::{SEEKABLE, SKIPPABLE, TABLE_FOOTER};
use crate::image::{Blocks, ReadError};

/// The largest frame that is unpacked: 64 MiB.
const LARGEST_FRAME: u32 = 64 << 20;

/// Whether a file with these last bytes has a table of frames.
pub(crate) fn has_table(tail: &[u8]) -> bool {
    tail.ends_with(&SEEKABLE.to_le_bytes())
}

/// Where a frame is, packed and unpacked.
#[derive(Debug, Clone, Copy)]
struct Frame {
    packed_at: u64,
    packed: u32,
    at: u64,
    length: u32,
}

/// Reads a disk frame by frame, and keeps the last one.
#[derive(Debug)]
pub(crate) struct Reader {
    file: File,
    frames: Vec<Frame>,
    size: u64,
    last: Option<(usize, Vec<u8>)>,
}

impl Reader {
    /// Reads the table of a file of this length.
    pub(crate) fn open(file: File, length: u64) -> Result<Self, ReadError> {
        let damaged = |why: &str| ReadError::Damaged(why.to_owned());
        let mut footer = [0; TABLE_FOOTER];
        let footer_at = length.checked_sub(TABLE_FOOTER as u64).ok_or_else(|| damaged("it is too short"))?;
        file.read_exact_at(&mut footer, footer_at)?;
        let count = u64::from(u32_at(&footer, 0));
        let entry = match footer[4] {
            0 => 8,
            0x80 => 12,
            other => return Err(ReadError::Damaged(format!("its table has flags {other:#x}"))),
        };
        let table_length = 8 + count * entry + TABLE_FOOTER as u64;
        let start = length.checked_sub(table_length).ok_or_else(|| damaged("its table is larger than the file"))?;
        let mut table = vec![0; table_length as usize];
        file.read_exact_at(&mut table, start)?;
        if u32_at(&table, 0) != SKIPPABLE || u64::from(u32_at(&table, 4)) != table_length - 8 {
            return Err(damaged("its table does not begin as one"));
        }
        let (mut packed_at, mut at) = (0, 0);
        let mut frames = Vec::new();
        for bytes in table[8..table.len() - TABLE_FOOTER].chunks(entry as usize) {
            let (packed, length) = (u32_at(bytes, 0), u32_at(bytes, 4));
            if length > LARGEST_FRAME || packed > 2 * LARGEST_FRAME {
                return Err(ReadError::Unsupported(format!("it has a frame of {length} bytes; 64 MiB are the most")));
            }
            if length > 0 {
                frames.push(Frame { packed_at, packed, at, length });
            }
            packed_at += u64::from(packed);
            at += u64::from(length);
        }
        if packed_at != start {
            return Err(damaged("its table does not cover its frames"));
        }
        Ok(Self { file, frames, size: at, last: None })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

impl Blocks for Reader {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let number = self.frames.partition_point(|frame| frame.at + u64::from(frame.length) <= offset);
        let frame = *self.frames.get(number).ok_or(io::ErrorKind::UnexpectedEof)?;
        let bytes = match &mut self.last {
            Some((last, bytes)) if *last == number => bytes,
            last => {
                let mut packed = vec![0; frame.packed as usize];
                self.file.read_exact_at(&mut packed, frame.packed_at)?;
                let bytes = Decompressor::new()?.decompress(&packed, frame.length as usize)?;
                if bytes.len() != frame.length as usize {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "a frame has another size than the table says",
                    ));
                }
                &mut last.insert((number, bytes)).1
            }
        };
        let from = &bytes[(offset - frame.at) as usize..];
        let count = from.len().min(buffer.len());
        buffer[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }
}

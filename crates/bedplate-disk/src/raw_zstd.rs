//! raw.zst: a raw image in frames of zstd, with a table of them, as the seekable format of zstd's `contrib` has it. `zstd -d` unpacks it.
//!
//! ```text
//! frame for each 2 MiB of the disk, with its checksum
//! skippable frame 0x184D2A5E: for each frame its size, packed and unpacked (u32), then the number of frames (u32), 0 (u8),
//!                             0x8F92EAB1 (u32)
//! ```
//!
//! Each frame is packed for itself, so that the bytes do not depend on the number of processors.

mod read;

use std::fs::File;
use std::io::{self, BufWriter, Write as _};

use rayon::prelude::*;
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use crate::Packing;
use crate::source::{CHUNK, Chunk};
use crate::write::{Plan, Sink};

pub(crate) use read::{Reader, has_table};

/// What a frame begins with.
pub(crate) const FRAME: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
const SKIPPABLE: u32 = 0x184D_2A5E;
const SEEKABLE: u32 = 0x8F92_EAB1;
/// What ends the table: number of frames, flags, magic number.
const TABLE_FOOTER: usize = 9;

/// Writes the frames in order.
pub(crate) struct Writer {
    file: BufWriter<File>,
    size: u64,
    level: i32,
    /// A frame of a whole chunk of zeros.
    zero: Vec<u8>,
    /// The table: packed and unpacked size of each frame.
    frames: Vec<(u32, u32)>,
}

impl Writer {
    pub(crate) fn new(file: File, plan: Plan) -> io::Result<Self> {
        let level = match plan.packing {
            Some(Packing::Zstd(level)) => level as i32, // At most 19.
            _ => 0,
        };
        let zero = compressor(level)?.compress(&vec![0; CHUNK as usize])?;
        Ok(Self { file: BufWriter::new(file), size: plan.size, level, zero, frames: Vec::new() })
    }

    fn add(&mut self, frame: &[u8], length: u64) -> io::Result<()> {
        self.file.write_all(frame)?;
        // Both fit: a chunk is small, and zstd adds little to what it cannot pack.
        self.frames.push((frame.len() as u32, length as u32));
        Ok(())
    }

    /// Writes frames of zeros up to a chunk.
    fn fill_to(&mut self, index: u64) -> io::Result<()> {
        while (self.frames.len() as u64) < index {
            let length = (self.size - self.frames.len() as u64 * CHUNK).min(CHUNK);
            let frame = if length == CHUNK {
                self.zero.clone()
            } else {
                compressor(self.level)?.compress(&vec![0; length as usize])?
            };
            self.add(&frame, length)?;
        }
        Ok(())
    }
}

fn compressor(level: i32) -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(level)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(compressor)
}

impl Sink for Writer {
    fn write(&mut self, chunks: &[Chunk]) -> io::Result<()> {
        let level = self.level;
        let frames: io::Result<Vec<Vec<u8>>> =
            chunks.par_iter().map(|chunk| compressor(level)?.compress(&chunk.bytes)).collect();
        for (chunk, frame) in chunks.iter().zip(frames?) {
            self.fill_to(chunk.index)?;
            self.add(&frame, chunk.bytes.len() as u64)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.fill_to(self.size.div_ceil(CHUNK))?;
        let too_many = |_| io::Error::new(io::ErrorKind::FileTooLarge, "the table has room for 2^32 bytes of frames");
        let mut table = SKIPPABLE.to_le_bytes().to_vec();
        let length = u32::try_from(self.frames.len() * 8 + TABLE_FOOTER).map_err(too_many)?;
        table.extend(length.to_le_bytes());
        for (packed, unpacked) in &self.frames {
            table.extend(packed.to_le_bytes());
            table.extend(unpacked.to_le_bytes());
        }
        let count = u32::try_from(self.frames.len()).map_err(too_many)?;
        table.extend(count.to_le_bytes());
        table.push(0);
        table.extend(SEEKABLE.to_le_bytes());
        self.file.write_all(&table)?;
        self.file.flush()
    }
}

//! gzip and zstd on all processors, with the same bytes on however many.
//!
//! The input is cut into pieces of a fixed size, and each becomes a gzip member or a zstd frame of its own. Both formats say that
//! such parts in a row are one stream (RFC 1952, section 2.2; RFC 8878, section 3), and all readers of layers take them.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use rayon::prelude::*;

/// Bytes of a piece: large enough that what a piece does not know of the one before costs less than a hundredth.
const PIECE: usize = 4 << 20;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, at a level from 1 to 9; whatever reads images reads it.
    Gzip(u32),
    /// Zstandard, at a level from 1 to 19: denser and quicker to read; docker reads it from version 23 on, with `containerd` or not.
    Zstd(i32),
}

impl Compression {
    /// What the name of a compressed file ends with.
    #[must_use]
    pub fn suffix(&self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip(_) => ".gz",
            Self::Zstd(_) => ".zst",
        }
    }

    fn piece(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::None => Ok(bytes.to_vec()),
            Self::Gzip(level) => {
                // Without a name and with the time 0: nothing of the machine.
                let target = Vec::with_capacity(bytes.len() / 2);
                let mut encoder = GzEncoder::new(target, flate2::Compression::new(level));
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::Zstd(level) => zstd::bulk::compress(bytes, level),
        }
    }
}

/// Compresses what is written to it. [`finish`](Self::finish) must be called.
pub(crate) struct Compressor<W> {
    how: Compression,
    target: W,
    waiting: Vec<u8>,
    most: usize,
    is_empty: bool,
}

impl<W: Write> Compressor<W> {
    pub(crate) fn new(how: Compression, target: W) -> Self {
        Self { how, target, waiting: Vec::new(), most: PIECE * rayon::current_num_threads(), is_empty: true }
    }

    fn drain(&mut self) -> io::Result<()> {
        let pieces: Vec<&[u8]> = self.waiting.chunks(PIECE).collect();
        let done: Vec<Vec<u8>> = pieces.into_par_iter().map(|piece| self.how.piece(piece)).collect::<Result<_, _>>()?;
        for piece in done {
            self.target.write_all(&piece)?;
            self.is_empty = false;
        }
        self.waiting.clear();
        Ok(())
    }

    /// Writes what is left; gives the target.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.drain()?;
        if self.is_empty {
            self.target.write_all(&self.how.piece(&[])?)?;
        }
        Ok(self.target)
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.how == Compression::None {
            return self.target.write(bytes);
        }
        let count = bytes.len().min(self.most - self.waiting.len());
        self.waiting.extend_from_slice(&bytes[..count]);
        if self.waiting.len() == self.most {
            self.drain()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn compress(how: Compression, bytes: &[u8], threads: usize, step: usize) -> Vec<u8> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut compressor = Compressor::new(how, Vec::new());
            bytes.chunks(step).for_each(|part| compressor.write_all(part).unwrap());
            compressor.finish().unwrap()
        })
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let text: Vec<u8> = (0..1_100_000_u32).flat_map(u32::to_le_bytes).collect();
        for bytes in [&text[..], &text[..PIECE], &text[..1], &[]] {
            for how in [Compression::None, Compression::Gzip(6), Compression::Zstd(3)] {
                let one = compress(how, bytes, 1, 1 << 20);
                assert_eq!(one, compress(how, bytes, 3, 12345), "{how:?}");
                let mut back = Vec::new();
                match how {
                    Compression::None => back.clone_from(&one),
                    Compression::Gzip(_) => {
                        flate2::read::MultiGzDecoder::new(&one[..]).read_to_end(&mut back).map(|_| ()).unwrap();
                    }
                    Compression::Zstd(_) => zstd::stream::copy_decode(&one[..], &mut back).unwrap(),
                }
                assert!(back == bytes, "{how:?}");
            }
        }
    }
}

//! The raw format: the bytes of the disk, and holes where they are zero.

use std::fs::File;
use std::io;

use crate::image::Blocks;
use crate::plain_file::PlainFile;
use crate::source::Chunk;
use crate::write::{Plan, Sink};

/// Writes a raw image.
#[derive(Debug)]
pub(crate) struct Writer {
    file: PlainFile,
}

impl Writer {
    pub(crate) fn new(file: File, plan: Plan) -> io::Result<Self> {
        Ok(Self { file: PlainFile::new(file, plan.size)? })
    }
}

impl Sink for Writer {
    fn write(&mut self, chunks: &[Chunk]) -> io::Result<()> {
        chunks.iter().try_for_each(|chunk| self.file.write(chunk))
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn tail(&self) -> Option<Vec<u8>> {
        Some(Vec::new())
    }
}

/// Reads a file as it is, up to a size.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) file: File,
}

impl Blocks for Reader {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.file, buffer, offset)
    }
}

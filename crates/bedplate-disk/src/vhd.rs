//! VHD, as Microsoft's "Virtual Hard Disk Image Format Specification" 1.0 has it. All numbers are big-endian.
//!
//! ```text
//! fixed    disk, footer
//! dynamic  footer, header, table of blocks, (bitmap, block of 2 MiB)…, footer
//! ```

mod dynamic;
mod footer;

use std::fs::File;
use std::io;

use crate::plain_file::PlainFile;
use crate::source::Chunk;
use crate::write::{Plan, Sink};
use crate::{Format, SectorSize};

pub(crate) use dynamic::{Reader as DynamicReader, Writer as DynamicWriter};
pub(crate) use footer::{FOOTER_SIZE, Footer, Kind, is_footer};

/// The largest disk: 2040 GiB, as Windows has it.
const LARGEST: u64 = 2040 << 30;
const MEBIBYTE: u64 = 1 << 20;

/// Why a disk cannot be a VHD, if it cannot.
pub(crate) fn refusal(size: u64, sector_size: SectorSize, format: Format) -> Option<String> {
    if sector_size != SectorSize::Bytes512 {
        return Some("VHD knows only sectors of 512 bytes".to_owned());
    }
    if size > LARGEST {
        return Some("a VHD has 2040 GiB at most".to_owned());
    }
    (format == Format::VhdFixed && !size.is_multiple_of(MEBIBYTE))
        .then(|| "Azure takes only whole numbers of MiB".to_owned())
}

/// Writes a VHD of fixed size.
#[derive(Debug)]
pub(crate) struct FixedWriter {
    file: PlainFile,
    footer: Footer,
}

impl FixedWriter {
    pub(crate) fn new(file: File, plan: Plan) -> io::Result<Self> {
        let file = PlainFile::new(file, plan.size)?;
        Ok(Self { file, footer: Footer::new(Kind::Fixed, plan.size, plan.options) })
    }
}

impl Sink for FixedWriter {
    fn write(&mut self, chunks: &[Chunk]) -> io::Result<()> {
        chunks.iter().try_for_each(|chunk| self.file.write(chunk))
    }

    fn finish(&mut self) -> io::Result<()> {
        self.file.write_at(&self.footer.to_bytes(), self.footer.size)
    }

    fn tail(&self) -> Option<Vec<u8>> {
        Some(self.footer.to_bytes().to_vec())
    }
}

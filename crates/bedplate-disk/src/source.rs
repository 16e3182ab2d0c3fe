//! Reads a [`Disk`]: which parts of it have data, and the bytes of any part.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::buffer::Buffer;
use crate::{Disk, DiskError, Extent, Source};

/// How much is read at once; also the size of a block of VHD and VHDX, and a whole number of clusters of QCOW2.
pub(crate) const CHUNK: u64 = 2 << 20;
/// The unit in which holes are looked for in what was read; also the size of a cluster of QCOW2.
pub(crate) const PIECE: usize = 64 << 10;
/// A file of which less is taken is not kept open, and not searched for holes.
const SMALL: u64 = 64 << 20;

/// Some bytes of a disk of which not all are zero.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Where it begins, in chunks.
    pub(crate) index: u64,
    /// Its bytes: [`CHUNK`], but fewer at the end of the disk.
    pub(crate) bytes: Buffer,
    /// Bit N: the piece N is not all zero.
    pieces: u32,
}

impl Chunk {
    /// Where it begins, in bytes.
    pub(crate) fn offset(&self) -> u64 {
        self.index * CHUNK
    }

    /// The pieces that are not all zero, with their numbers in the chunk. The last one of the disk may be short.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.bytes.chunks(PIECE).enumerate().filter(|(number, _)| self.pieces >> number & 1 == 1)
    }

    /// Pieces that are not all zero, joined to runs as long as possible, with where they begin in the chunk.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let left = self.pieces.checked_shr(next).filter(|left| *left != 0)?;
            let first = next + left.trailing_zeros();
            let count = (self.pieces >> first).trailing_ones();
            next = first + count;
            let start = first as usize * PIECE;
            let end = (start + count as usize * PIECE).min(self.bytes.len());
            Some((start, &self.bytes[start..end]))
        })
    }
}

/// True if all bytes are zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    // Many at a time: the compiler makes vector instructions of it, and the first data ends it.
    let (blocks, rest) = bytes.as_chunks::<64>();
    blocks.iter().all(|block| block.iter().fold(0, |all, byte| all | byte) == 0) && rest.iter().all(|byte| *byte == 0)
}

/// Where the bytes of a part of the disk are.
#[derive(Debug, Clone, Copy)]
enum Origin<'disk> {
    Bytes(&'disk [u8]),
    File { file: usize, offset: u64 },
    SmallFile { path: &'disk Path, offset: u64 },
}

/// A part of the disk that may have data.
#[derive(Debug)]
struct Part<'disk> {
    start: u64,
    end: u64,
    origin: Origin<'disk>,
}

/// A disk whose files are open.
#[derive(Debug)]
pub(crate) struct OpenDisk<'disk> {
    size: u64,
    files: Vec<(&'disk Path, File)>,
    /// In order.
    parts: Vec<Part<'disk>>,
}

impl<'disk> OpenDisk<'disk> {
    pub(crate) fn new(disk: &'disk Disk) -> Result<Self, DiskError> {
        let mut open = Self { size: disk.size(), files: Vec::new(), parts: Vec::new() };
        let mut last = None;
        for extent in disk.extents() {
            match &extent.source {
                Source::Bytes(bytes) => open.parts.push(Part {
                    start: extent.offset,
                    end: extent.offset + extent.length,
                    origin: Origin::Bytes(bytes),
                }),
                Source::File { path, offset } => open.add_file(extent, path, *offset, &mut last)?,
            }
        }
        Ok(open)
    }

    /// `last` is the small file before, and its size.
    fn add_file(
        &mut self,
        extent: &Extent,
        path: &'disk Path,
        offset: u64,
        last: &mut Option<(&'disk Path, u64)>,
    ) -> Result<(), DiskError> {
        let needed = offset.saturating_add(extent.length);
        let short = |found| DiskError::ShortFile { path: path.to_owned(), found, needed };
        let start = extent.offset;
        // A disk may have many small files, each of which is opened when it is read.
        if extent.length < SMALL {
            let found = match *last {
                Some((other, size)) if other == path => size,
                _ => std::fs::metadata(path).map_err(DiskError::io("read the size of", path))?.len(),
            };
            *last = Some((path, found));
            if found < needed {
                return Err(short(found));
            }
            let origin = Origin::SmallFile { path, offset };
            self.parts.push(Part { start, end: start + extent.length, origin });
            return Ok(());
        }
        let number = match self.files.iter().position(|(other, _)| *other == path) {
            Some(number) => number,
            None => {
                self.files.push((path, File::open(path).map_err(DiskError::io("open", path))?));
                self.files.len() - 1
            }
        };
        let file = &self.files[number].1;
        let found = file.metadata().map_err(DiskError::io("read the size of", path))?.len();
        if found < needed {
            return Err(short(found));
        }
        for (data, end) in data_of(file, offset, needed).map_err(DiskError::io("look for holes in", path))? {
            self.parts.push(Part {
                start: start + (data - offset),
                end: start + (end - offset),
                origin: Origin::File { file: number, offset: data },
            });
        }
        Ok(())
    }

    /// How many bytes the disk has.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The numbers of all chunks that may have data, in order.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = u64> {
        let mut next = 0;
        self.parts.iter().flat_map(move |part| {
            let first = next.max(part.start / CHUNK);
            next = next.max(part.end.div_ceil(CHUNK));
            first..next
        })
    }

    /// Reads a chunk into a buffer that is used again. Nothing if all of it is zero; the buffer is then lost.
    pub(crate) fn chunk(&self, index: u64, mut buffer: Buffer) -> Result<Option<Chunk>, DiskError> {
        let offset = index * CHUNK;
        // It fits: a chunk is smaller than any address space.
        buffer.set_length((self.size - offset).min(CHUNK) as usize);
        self.read_at(offset, &mut buffer)?;
        let pieces = buffer
            .chunks(PIECE)
            .enumerate()
            .fold(0, |pieces, (number, piece)| pieces | u32::from(!is_zero(piece)) << number);
        Ok((pieces != 0).then_some(Chunk { index, bytes: buffer, pieces }))
    }

    /// Fills a buffer with what is at `offset`, all of it within the disk.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        let end = offset + buffer.len() as u64;
        let mut done = offset;
        let first = self.parts.partition_point(|part| part.end <= offset);
        // Many parts that follow each other may be in one small file.
        let mut last: Option<(&Path, File)> = None;
        for part in self.parts[first..].iter().take_while(|part| part.start < end) {
            let (from, to) = (part.start.max(offset), part.end.min(end));
            buffer[(done - offset) as usize..(from - offset) as usize].fill(0);
            let target = &mut buffer[(from - offset) as usize..(to - offset) as usize];
            let skip = from - part.start;
            match part.origin {
                Origin::Bytes(bytes) => target.copy_from_slice(&bytes[skip as usize..][..target.len()]),
                Origin::File { file, offset } => {
                    let (path, file) = &self.files[file];
                    file.read_exact_at(target, offset + skip).map_err(DiskError::io("read", path))?;
                }
                Origin::SmallFile { path, offset } => {
                    let (_, file) = match last.take() {
                        Some((other, file)) if other == path => last.insert((other, file)),
                        _ => last.insert((path, File::open(path).map_err(DiskError::io("open", path))?)),
                    };
                    file.read_exact_at(target, offset + skip).map_err(DiskError::io("read", path))?;
                }
            }
            done = to;
        }
        buffer[(done - offset) as usize..].fill(0);
        Ok(())
    }
}

/// The parts of a file between `start` and `end` that are no holes.
pub(crate) fn data_of(file: &File, start: u64, end: u64) -> io::Result<Vec<(u64, u64)>> {
    let mut parts = Vec::new();
    let mut at = start;
    while at < end {
        let data = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(data) => data,
            // There is only a hole left.
            Err(Errno::NXIO) => break,
            // A file system that does not tell holes from data.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => at,
            Err(error) => return Err(error.into()),
        };
        if data >= end {
            break;
        }
        let hole = match rustix::fs::seek(file, SeekFrom::Hole(data)) {
            Ok(hole) => hole.min(end),
            Err(Errno::INVAL | Errno::OPNOTSUPP) => end,
            Err(error) => return Err(error.into()),
        };
        parts.push((data, hole));
        at = hole;
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::SectorSize;

    #[test]
    fn zeros_are_told_from_data() {
        for length in [0, 1, 15, 63, 64, 65, 4096, 4097] {
            let mut bytes = vec![0; length];
            assert!(is_zero(&bytes));
            for at in [0, length / 2, length.saturating_sub(1)] {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = 1;
                    assert!(!is_zero(&bytes), "{at} of {length}");
                    bytes[at] = 0;
                }
            }
        }
    }

    #[test]
    fn holes_of_files_are_not_read() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 40).unwrap();
        file.as_file().write_all_at(b"far", 1 << 39).unwrap();
        file.flush().unwrap();
        let mut disk = Disk::new(1 << 41, SectorSize::Bytes512);
        let source = Source::File { path: file.path().to_owned(), offset: 1 << 20 };
        disk.add(Extent { offset: 3 << 20, length: (1 << 40) - (1 << 20), source }).unwrap();
        let open = OpenDisk::new(&disk).unwrap();
        let chunks: Vec<u64> = open.chunks().collect();
        let place = (1_u64 << 39) + (2 << 20);
        assert_eq!(chunks, [place / CHUNK]);
        let chunk = open.chunk(chunks[0], Buffer::default()).unwrap().unwrap();
        assert_eq!(chunk.runs().collect::<Vec<_>>().len(), 1);
        assert_eq!(&chunk.bytes[(place % CHUNK) as usize..][..4], b"far\0");
    }

    #[test]
    fn a_file_that_is_too_short_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(700).unwrap();
        let mut disk = Disk::new(4096, SectorSize::Bytes512);
        let source = Source::File { path: file.path().to_owned(), offset: 500 };
        disk.add(Extent { offset: 0, length: 300, source }).unwrap();
        let message = OpenDisk::new(&disk).unwrap_err().to_string();
        assert_eq!(message, format!("`{}` has 700 bytes, and the disk takes 800 of it", file.path().display()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_read_is_what_was_put(extents in proptest::collection::vec((0_u64..9 << 20, 1_usize..200_000), 0..6)) {
            let size = 9_300_000_u64;
            let mut disk = Disk::new(size, SectorSize::Bytes512);
            let mut expected = vec![0_u8; size as usize];
            for (number, (offset, length)) in extents.into_iter().enumerate() {
                let bytes = vec![number as u8; length];
                if disk.add_bytes(offset, bytes.clone()).is_ok() {
                    expected[offset as usize..][..length].copy_from_slice(&bytes);
                }
            }
            let open = OpenDisk::new(&disk).unwrap();
            let mut found = vec![0_u8; size as usize];
            let numbers: Vec<u64> = open.chunks().collect();
            prop_assert!(numbers.is_sorted_by(|one, next| one < next));
            for index in numbers {
                // As one that is used again.
                let mut dirty = Buffer::default();
                dirty.set_length(5000);
                dirty.fill(9);
                if let Some(chunk) = open.chunk(index, dirty).unwrap() {
                    for (start, run) in chunk.runs() {
                        found[chunk.offset() as usize + start..][..run.len()].copy_from_slice(run);
                    }
                    for (number, piece) in chunk.pieces() {
                        prop_assert_eq!(&chunk.bytes[number * PIECE..][..piece.len()], piece);
                    }
                }
            }
            prop_assert!(found == expected);
        }
    }
}

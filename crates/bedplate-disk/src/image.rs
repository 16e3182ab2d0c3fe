//! Reads images of all formats as the disk that a guest sees.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::source::OpenDisk;
use crate::vhd::{self, Footer};
use crate::{Disk, DiskError, Format, qcow2, raw, raw_zstd, vhdx};

/// Reads parts of a disk.
pub(crate) trait Blocks: Send {
    /// Reads some bytes at an offset within the disk: at least one, at most the buffer, which is not empty.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// The disk in an image, to be read anywhere.
pub struct Image<'disk> {
    format: Option<Format>,
    size: u64,
    position: u64,
    blocks: Box<dyn Blocks + 'disk>,
}

impl std::fmt::Debug for Image<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image").field("format", &self.format).field("size", &self.size).finish_non_exhaustive()
    }
}

impl<'disk> Image<'disk> {
    /// Reads a disk that is not in an image.
    ///
    /// # Errors
    /// If one of its files cannot be opened, or is too short.
    pub fn of_disk(disk: &'disk Disk) -> Result<Self, DiskError> {
        let blocks = Box::new(OpenDisk::new(disk)?);
        Ok(Self { format: None, size: disk.size(), position: 0, blocks })
    }

    /// The format of the image; none for a disk that is not in one.
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        self.format
    }

    /// The size of the disk, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// A part of the disk, as a disk of its own: a partition.
    ///
    /// # Errors
    /// [`DiskError::Outside`] if it ends behind the end of the disk.
    pub fn window(self, offset: u64, length: u64) -> Result<Window<Self>, DiskError> {
        let end = offset.saturating_add(length);
        if end > self.size {
            return Err(DiskError::Outside { offset, by: end - self.size });
        }
        Ok(Window { inner: self, offset, length, position: 0 })
    }
}

impl Read for Image<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = clip(buffer.len(), self.size.saturating_sub(self.position));
        if length == 0 {
            return Ok(0);
        }
        let count = self.blocks.read_at(self.position, &mut buffer[..length])?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the image ends before its disk does"));
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Image<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = seek_to(to, self.position, self.size)?;
        Ok(self.position)
    }
}

/// A part of something that is read, as if it were all.
#[derive(Debug)]
pub struct Window<R> {
    inner: R,
    offset: u64,
    length: u64,
    position: u64,
}

impl<R: Read + Seek> Read for Window<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = clip(buffer.len(), self.length.saturating_sub(self.position));
        self.inner.seek(SeekFrom::Start(self.offset + self.position))?;
        let count = self.inner.read(&mut buffer[..length])?;
        self.position += count as u64;
        Ok(count)
    }
}

impl<R: Read + Seek> Seek for Window<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = seek_to(to, self.position, self.length)?;
        Ok(self.position)
    }
}

fn clip(length: usize, left: u64) -> usize {
    length.min(usize::try_from(left).unwrap_or(usize::MAX))
}

fn seek_to(to: SeekFrom, position: u64, size: u64) -> io::Result<u64> {
    let target = match to {
        SeekFrom::Start(at) => Some(at),
        SeekFrom::Current(by) => position.checked_add_signed(by),
        SeekFrom::End(by) => size.checked_add_signed(by),
    };
    target.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a position before the start of the disk"))
}

impl Blocks for OpenDisk<'_> {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        OpenDisk::read_at(self, offset, buffer).map_err(io::Error::other)?;
        Ok(buffer.len())
    }
}

/// Why an image is not read; the path is added where it is known.
#[derive(Debug)]
pub(crate) enum ReadError {
    Io(io::Error),
    Damaged(String),
    Unsupported(String),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged("it ends too early".to_owned()),
            _ => Self::Io(error),
        }
    }
}

/// Opens an image. Its format is found out from its content, not from its name: what is no other format is raw.
///
/// # Errors
/// If it cannot be read, is damaged, or is of a kind that is not read: with another disk beneath it, encrypted, not closed.
pub fn open_image(path: &Path) -> Result<Image<'static>, DiskError> {
    let file = File::open(path).map_err(DiskError::io("open", path))?;
    let mut what = "image";
    open(file, &mut what).map_err(|error| match error {
        ReadError::Io(source) => DiskError::Io { action: "read", path: path.to_owned(), source },
        ReadError::Damaged(why) => DiskError::Damaged { path: path.to_owned(), what, why },
        ReadError::Unsupported(why) => {
            DiskError::Unsupported { path: path.to_owned(), why: format!("it is a {what}, and {why}") }
        }
    })
}

/// Opens an image; `what` becomes what it seems to be.
pub(crate) fn open(file: File, what: &mut &'static str) -> Result<Image<'static>, ReadError> {
    let length = file.metadata()?.len();
    let mut head = [0; vhd::FOOTER_SIZE];
    let count = file.read_at(&mut head, 0)?;
    let head = &head[..count];
    let mut tail = [0; vhd::FOOTER_SIZE];
    let tail_at = length.saturating_sub(vhd::FOOTER_SIZE as u64);
    let tail_length = (length - tail_at) as usize;
    file.read_exact_at(&mut tail[..tail_length], tail_at)?;
    let (format, size, blocks): (Format, u64, Box<dyn Blocks>) = if qcow2::is_qcow2(head) {
        *what = "QCOW2";
        let reader = qcow2::Reader::open(file)?;
        (Format::Qcow2, reader.size(), Box::new(reader))
    } else if vhdx::is_vhdx(head) {
        *what = "VHDX";
        let reader = vhdx::Reader::open(file)?;
        (Format::Vhdx, reader.size(), Box::new(reader))
    } else if vhd::is_footer(head) || vhd::is_footer(&tail) {
        *what = "VHD";
        // A VHD without fixed size has the footer at both ends; a cut one has lost the last.
        let footer = Footer::from_bytes(&tail).map_err(ReadError::Damaged)?;
        match footer.kind {
            vhd::Kind::Fixed if footer.size > tail_at => {
                let why = format!("its disk has {} bytes, and there are {tail_at}", footer.size);
                return Err(ReadError::Damaged(why));
            }
            vhd::Kind::Fixed => (Format::VhdFixed, footer.size, Box::new(raw::Reader { file })),
            vhd::Kind::Dynamic => {
                (Format::VhdDynamic, footer.size, Box::new(vhd::DynamicReader::open(file, footer.size)?))
            }
        }
    } else if raw_zstd::has_table(&tail[..tail_length]) && head.starts_with(&raw_zstd::FRAME) {
        *what = "raw.zst";
        let reader = raw_zstd::Reader::open(file, length)?;
        (Format::RawZstd, reader.size(), Box::new(reader))
    } else if head.starts_with(&raw_zstd::FRAME) {
        *what = "file packed by zstd";
        return Err(ReadError::Unsupported(
            "it has no table of its frames: unpack it first, with `zstd -d`".to_owned(),
        ));
    } else {
        (Format::Raw, length, Box::new(raw::Reader { file }))
    };
    Ok(Image { format: Some(format), size, position: 0, blocks })
}

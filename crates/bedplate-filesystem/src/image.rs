//! A file system as data: which bytes lie where. What nothing covers is zero.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::{FilesystemError, Made};

/// How much of a content is copied at once.
const BUFFER: u64 = 1 << 20;

/// A file system that is worked out and not written yet. Contents of files are where they are in the store.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its size, and what of it is in use.
    pub made: Made,
    /// What is in it, in order and without overlap.
    pub pieces: Vec<Piece>,
}

/// Some bytes of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where they begin, in bytes.
    pub offset: u64,
    /// What they are.
    pub bytes: Bytes,
}

/// Where the bytes of a [`Piece`] are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bytes {
    /// Here.
    Here(Vec<u8>),
    /// In a file, which is not to be changed.
    File {
        /// The file.
        path: PathBuf,
        /// Where they begin in it.
        offset: u64,
        /// How many they are.
        length: u64,
    },
}

impl Image {
    /// Writes the image to a file that is a hole of its size.
    pub(crate) fn write(&self, target: &Path) -> Result<(), FilesystemError> {
        let file = File::options().write(true).open(target).map_err(FilesystemError::io("open", target))?;
        let failed = || FilesystemError::io("write", target);
        let mut buffer = Vec::new();
        for piece in &self.pieces {
            match &piece.bytes {
                Bytes::Here(bytes) => file.write_all_at(bytes, piece.offset).map_err(failed())?,
                Bytes::File { path, offset, length } => {
                    let from = File::open(path).map_err(FilesystemError::io("open", path))?;
                    let mut done = 0;
                    while done < *length {
                        let count = BUFFER.min(length - done);
                        // It fits: a buffer is small.
                        buffer.resize(count as usize, 0);
                        from.read_exact_at(&mut buffer, offset + done).map_err(FilesystemError::io("read", path))?;
                        file.write_all_at(&buffer, piece.offset + done).map_err(failed())?;
                        done += count;
                    }
                }
            }
        }
        Ok(())
    }
}

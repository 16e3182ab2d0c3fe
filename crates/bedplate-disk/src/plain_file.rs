//! The file of an image that has the bytes of the disk in their order.
//!
//! It is written once, and has to be on the disk of the machine in the end. So its bytes go there at once, past the page cache, if the
//! file system can do that: a copy of them in memory takes time, and pushes out what somebody needs.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{Mode, OFlags};

use crate::buffer::ALIGNMENT;
use crate::source::Chunk;

/// A file whose bytes were zero.
#[derive(Debug)]
pub(crate) struct PlainFile {
    file: File,
    /// The same, past the page cache.
    direct: Option<File>,
}

impl PlainFile {
    /// Makes an empty file this long.
    pub(crate) fn new(file: File, size: u64) -> io::Result<Self> {
        file.set_len(size)?;
        // Its name may be gone already; this one is there as long as it is open.
        let name = format!("/proc/self/fd/{}", file.as_raw_fd());
        let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC;
        let direct = rustix::fs::open(name, flags, Mode::empty()).ok().map(File::from);
        Ok(Self { file, direct })
    }

    /// Writes the data of a chunk at its place, and leaves holes where it is zero.
    pub(crate) fn write(&mut self, chunk: &Chunk) -> io::Result<()> {
        for (start, run) in chunk.runs() {
            let offset = chunk.offset() + start as u64;
            if let Some(direct) = self.direct.as_ref().filter(|_| run.len().is_multiple_of(ALIGNMENT)) {
                match direct.write_all_at(run, offset) {
                    // The file system wants something else of us.
                    Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.direct = None,
                    other => {
                        other?;
                        continue;
                    }
                }
            }
            self.file.write_all_at(run, offset)?;
        }
        Ok(())
    }

    /// Writes what follows on the disk.
    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::buffer::Buffer;
    use crate::source::{CHUNK, OpenDisk};
    use crate::{Disk, SectorSize};

    #[test]
    fn both_ways_write_the_same() {
        // The last run has a length that does not go past the page cache.
        let size = 2 * CHUNK + 70_144;
        let mut disk = Disk::new(size, SectorSize::Bytes512);
        disk.add_bytes(100_000, vec![1; 200_000]).unwrap();
        disk.add_bytes(size - 70_000, vec![2; 70_000]).unwrap();
        let open = OpenDisk::new(&disk).unwrap();
        let written = |is_direct: bool| {
            let temporary = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
            let mut file = PlainFile::new(temporary.try_clone().unwrap(), size).unwrap();
            if !is_direct {
                file.direct = None;
            }
            for index in open.chunks() {
                file.write(&open.chunk(index, Buffer::default()).unwrap().unwrap()).unwrap();
            }
            file.write_at(b"tail", size).unwrap();
            assert!(temporary.metadata().unwrap().blocks() * 512 < size / 2, "zeros are holes");
            let mut bytes = vec![0; size as usize + 4];
            temporary.read_exact_at(&mut bytes, 0).unwrap();
            bytes
        };
        let direct = written(true);
        assert!(direct == written(false));
        assert!(direct[100_000..300_000].iter().all(|byte| *byte == 1) && direct[300_000] == 0);
        assert!(direct[size as usize - 70_000..].starts_with(&[2; 70_000]) && direct.ends_with(b"tail"));
    }
}

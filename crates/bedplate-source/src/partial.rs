//! A download that is not finished: it lies in a folder of its own, named by the hash that it should have, and is gone on
//! with by the next process.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::{Sha256, Trouble};

/// The file, which no other process writes now.
#[derive(Debug)]
pub(crate) struct Partial {
    pub(crate) path: PathBuf,
    file: File,
    size: u64,
}

impl Partial {
    /// Opens what is there, or an empty file; waits for a process that has it.
    pub(crate) fn open(folder: &Path, sha256: Sha256) -> Result<Self, Trouble> {
        std::fs::create_dir_all(folder).map_err(Trouble::io(folder))?;
        let path = folder.join(sha256.to_string());
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(Trouble::io(&path))?;
            flock(&file, FlockOperation::LockExclusive).map_err(|error| Trouble::io(&path)(error.into()))?;
            // The process that had it may have removed it as we waited: then this file has no name any more.
            if is_at(&file, &path) {
                let size = file.metadata().map_err(Trouble::io(&path))?.len();
                return Ok(Self { path, file, size });
            }
        }
    }

    /// An empty file of its own, for bytes of which nothing is known.
    pub(crate) fn unnamed(folder: &Path) -> Result<Self, Trouble> {
        std::fs::create_dir_all(folder).map_err(Trouble::io(folder))?;
        let made = tempfile::Builder::new().prefix("new-").tempfile_in(folder).map_err(Trouble::io(folder))?;
        let (file, path) = made.keep().map_err(|error| Trouble::io(folder)(error.error))?;
        Ok(Self { path, file, size: 0 })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Throws away what is there.
    pub(crate) fn clear(&mut self) -> Result<(), Trouble> {
        self.file.set_len(0).map_err(Trouble::io(&self.path))?;
        self.size = 0;
        Ok(())
    }

    /// Adds bytes at the end.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let write = |file: &mut File| {
            file.seek(SeekFrom::Start(self.size))?;
            file.write_all(bytes)
        };
        write(&mut self.file).map_err(Trouble::io(&self.path))?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// A file that another tool is to write, beside this one; it is removed with it.
    pub(crate) fn beside(&self) -> PathBuf {
        self.path.with_extension("got")
    }

    /// Hash of what is there.
    pub(crate) fn sha256(&self) -> Result<Sha256, Trouble> {
        Ok(Sha256::of_file(&self.path).map_err(Trouble::io(&self.path))?.0)
    }

    /// Removes the file.
    pub(crate) fn remove(self) {
        // What is left over is of no harm: the next fetch goes on with it.
        let _ = std::fs::remove_file(self.beside());
        let _ = std::fs::remove_file(&self.path);
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), path.metadata()) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let hash = Sha256::of(b"abcdef");
        let mut partial = Partial::open(folder.path(), hash).unwrap();
        partial.append(b"abc").unwrap();
        drop(partial);
        let mut partial = Partial::open(folder.path(), hash).unwrap();
        assert_eq!(partial.size(), 3);
        partial.append(b"def").unwrap();
        assert_eq!(partial.sha256().unwrap(), hash);
        partial.clear().unwrap();
        assert_eq!(partial.sha256().unwrap(), Sha256::of(b""));
        partial.remove();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

//! Contents of files: where they are, and which of their blocks are not zero.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use bedplate_cas::{Digest, Place, Store};
use rayon::prelude::*;

use super::BLOCK;
use crate::FilesystemError;

/// Fewer blocks of zeros than this are stored as they are.
const HOLE: u32 = 16;

/// How much is read at once.
const BUFFER: usize = 1 << 18;

/// A content of a file.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) path: PathBuf,
    /// Where it begins in that file.
    pub(crate) offset: u64,
    pub(crate) size: u64,
    /// Blocks that are stored: the first of each run, and how many.
    pub(crate) runs: Vec<(u32, u64)>,
}

/// The contents of some digests, all of which are whole; or the one that is not, and why.
pub(crate) fn find(store: &Store, digests: &[Digest]) -> Result<Vec<Content>, Box<(Digest, FilesystemError)>> {
    let one = |digest: &Digest| -> Result<Content, FilesystemError> {
        let Place { path, offset, is_dense, .. } = store.sound_place_of(digest)?;
        let blocks = digest.size.div_ceil(BLOCK);
        let runs = match is_dense || blocks < u64::from(HOLE) {
            true => (blocks > 0).then_some((0, blocks)).into_iter().collect(),
            false => runs(&path, offset, digest.size).map_err(FilesystemError::io("read", &path))?,
        };
        Ok(Content { path, offset, size: digest.size, runs })
    };
    digests.par_iter().map(|digest| one(digest).map_err(|error| Box::new((*digest, error)))).collect()
}

/// Where a file has data. What is zero for long becomes a hole.
fn runs(path: &Path, offset: u64, size: u64) -> std::io::Result<Vec<(u32, u64)>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut file = file.take(size);
    let (mut runs, mut buffer): (Vec<(u32, u64)>, _) = (Vec::new(), vec![0; BUFFER]);
    // The block in hand, the first that belongs to no run yet, and the first of those in a row that are zero.
    let (mut at, mut start, mut zeros) = (0_u32, 0_u32, 0_u32);
    let mut end_run = |start: u32, end: u32| {
        if end > start {
            runs.push((start, u64::from(end - start)));
        }
    };
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        if filled == 0 {
            break;
        }
        for block in buffer[..filled].chunks(BLOCK as usize) {
            if !is_zero(block) {
                if at - zeros >= HOLE {
                    end_run(start, zeros);
                    start = at;
                }
                zeros = at + 1;
            }
            at += 1;
        }
    }
    if at - zeros >= HOLE {
        end_run(start, zeros)
    } else {
        end_run(start, at)
    }
    Ok(runs)
}

/// True if all bytes are zero.
fn is_zero(bytes: &[u8]) -> bool {
    // Many at a time: the compiler makes vector instructions of it, and the first data ends it.
    let (blocks, rest) = bytes.as_chunks::<64>();
    blocks.iter().all(|block| block.iter().fold(0, |all, byte| all | byte) == 0) && rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_of_zeros_are_holes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        // Letters: data. Numbers: how many blocks.
        for (parts, expected) in [
            (vec![(0, 100)], vec![]),
            (vec![(1, 100)], vec![(0, 100)]),
            (vec![(1, 1), (0, 15), (1, 1)], vec![(0, 17)]),
            (vec![(1, 1), (0, 16), (1, 1)], vec![(0, 1), (17, 1)]),
            (vec![(0, 300), (1, 2), (0, 3), (1, 1), (0, 15)], vec![(300, 21)]),
            (vec![(0, 15), (1, 20), (0, 70)], vec![(0, 35)]),
        ] {
            let bytes: Vec<u8> = parts.iter().flat_map(|(byte, count)| vec![*byte; count * 4096]).collect();
            for cut in [0, 1, 4095] {
                let bytes = &bytes[..bytes.len() - cut];
                // Between others.
                std::fs::write(&path, [&[1; 77], bytes, &[1; 5000]].concat()).unwrap();
                assert_eq!(runs(&path, 77, bytes.len() as u64).unwrap(), expected, "{parts:?} {cut}");
            }
        }
    }
}

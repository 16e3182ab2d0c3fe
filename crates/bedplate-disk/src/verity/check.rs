//! Checks data against a hash tree, as the kernel does.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::superblock::{SUPERBLOCK_SIZE, Superblock};
use super::tree::Hasher;
use super::{BLOCK, HASHES, Levels, RootHash, VerityRequest};
use crate::DiskError;

/// Reads the superblock of a hash tree: how it was made, and how many bytes it protects.
///
/// # Errors
/// If it cannot be read, or is of a kind that we do not write.
pub fn read_verity(tree: &mut (impl Read + Seek)) -> Result<(VerityRequest, u64), DiskError> {
    let superblock = read_superblock(tree)?;
    Ok((superblock.request, superblock.data_blocks * BLOCK as u64))
}

fn read_superblock(tree: &mut (impl Read + Seek)) -> Result<Superblock, DiskError> {
    let mut bytes = [0; SUPERBLOCK_SIZE];
    tree.seek(SeekFrom::Start(0)).and_then(|_| tree.read_exact(&mut bytes)).map_err(failed("the hash tree"))?;
    Superblock::from_bytes(&bytes).map_err(|why| DiskError::Verity { what: format!("the hash tree: {why}") })
}

/// Checks all of the data by its hash tree and the root hash.
///
/// # Errors
/// [`DiskError::Verity`] names the first block that is not what it should be.
pub fn check_verity(
    data: &mut (impl Read + Seek),
    tree: &mut (impl Read + Seek),
    root: &RootHash,
) -> Result<(), DiskError> {
    let superblock = read_superblock(tree)?;
    let levels = Levels::over(superblock.data_blocks);
    let top = levels.levels.len();
    let hasher = Hasher::new(&superblock.request.salt);
    let mut check = Check { data, tree, levels, hasher, data_blocks: superblock.data_blocks };
    check.blocks(top, 0, root.bytes())
}

struct Check<'io, D, T> {
    data: &'io mut D,
    tree: &'io mut T,
    levels: Levels,
    hasher: Hasher,
    data_blocks: u64,
}

impl<D: Read + Seek, T: Read + Seek> Check<'_, D, T> {
    /// Checks blocks that lie one after another, from number `first` on, by their hashes, and all that hangs on them. Level 0 is
    /// the data, level 1 the lowest of the tree.
    fn blocks(&mut self, level: usize, first: u64, hashes: &[u8]) -> Result<(), DiskError> {
        let count = match level {
            0 => self.data_blocks,
            level => self.levels.levels[level - 1].1,
        };
        let (wanted, rest) =
            hashes.split_at((count - first).min(HASHES as u64).min(hashes.len() as u64 / 32) as usize * 32);
        if rest.iter().any(|byte| *byte != 0) {
            return Err(DiskError::Verity {
                what: format!("level {} of the tree: it does not end in zeros", level + 1),
            });
        }
        let mut blocks = vec![0; wanted.len() / 32 * BLOCK];
        if level == 0 {
            read_padded(self.data, first * BLOCK as u64, &mut blocks).map_err(failed("the data"))?;
        } else {
            let offset = (self.levels.levels[level - 1].0 + first) * BLOCK as u64;
            read_padded(self.tree, offset, &mut blocks).map_err(failed("the hash tree"))?;
        }
        for ((block, hash), number) in blocks.chunks(BLOCK).zip(wanted.chunks(32)).zip(first..) {
            if self.hasher.hash(block) != *hash {
                let what = match level {
                    0 => format!("block {number} of the data"),
                    level => format!("block {number} of level {level} of the hash tree"),
                };
                return Err(DiskError::Verity { what });
            }
            if level > 0 {
                self.blocks(level - 1, number * HASHES as u64, block)?;
            }
        }
        Ok(())
    }
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> DiskError {
    DiskError::io("read", Path::new(what))
}

/// Reads at an offset; what lies behind the end is zero.
fn read_padded(from: &mut (impl Read + Seek), offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    from.seek(SeekFrom::Start(offset))?;
    let mut done = 0;
    while done < buffer.len() {
        match from.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer[done..].fill(0);
    Ok(())
}

//! Makes hash trees, on all processors.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::superblock::Superblock;
use super::{BLOCK, HASHES, Levels, RootHash, Salt, Verity, VerityRequest};
use crate::DiskError;
use crate::new_file::NewFile;
use crate::source::is_zero;

type Hash = [u8; 32];

/// How many blocks of hashes of the lowest level one thread makes at once: of 1 MiB of data.
const GROUP: usize = 2;
const GROUP_DATA: usize = GROUP * HASHES * BLOCK;

/// Hashes blocks with a salt.
#[derive(Debug, Clone)]
pub(super) struct Hasher {
    salted: Sha256,
    /// The hash of a block of zeros: file systems have many.
    zero: Hash,
}

impl Hasher {
    pub(super) fn new(salt: &Salt) -> Self {
        let salted = Sha256::new_with_prefix(salt.bytes());
        let zero = salted.clone().chain_update([0; BLOCK]).finalize().into();
        Self { salted, zero }
    }

    pub(super) fn hash(&self, block: &[u8]) -> Hash {
        if is_zero(block) {
            return self.zero;
        }
        self.salted.clone().chain_update(block).finalize().into()
    }

    /// The blocks that hold the hashes of these blocks.
    fn level(&self, blocks: &[u8]) -> Vec<u8> {
        let mut hashes = Vec::with_capacity((blocks.len() / BLOCK).div_ceil(HASHES) * BLOCK);
        blocks.chunks(BLOCK).for_each(|block| hashes.extend(self.hash(block)));
        hashes.resize(hashes.len().next_multiple_of(BLOCK), 0);
        hashes
    }
}

/// Makes the hash tree of a file and writes it to `target`, with its superblock. A last block that is not whole counts as filled
/// with zeros: so it is in a partition.
///
/// # Errors
/// If the data is empty, or what the system refuses; `target` is then what it was before.
pub fn write_verity(data: &Path, target: &Path, request: &VerityRequest) -> Result<Verity, DiskError> {
    let file = File::open(data).map_err(DiskError::io("open", data))?;
    let size = file.metadata().map_err(DiskError::io("read the size of", data))?.len();
    let data_blocks = size.div_ceil(BLOCK as u64);
    if data_blocks == 0 {
        let why = "it is empty, and a hash tree is over one block at least".to_owned();
        return Err(DiskError::Unsupported { path: data.to_owned(), why });
    }
    let tree = NewFile::create(target)?;
    let failed = |source| DiskError::Io { action: "write", path: target.to_owned(), source };
    let levels = Levels::over(data_blocks);
    let tree_size = levels.blocks() * BLOCK as u64;
    tree.file().set_len(tree_size).map_err(failed)?;
    let superblock = Superblock { request: request.clone(), data_blocks };
    tree.file().write_all_at(&superblock.to_bytes(), 0).map_err(failed)?;

    let hasher = Hasher::new(&request.salt);
    let root = match levels.levels.split_first() {
        None => {
            let mut block = [0; BLOCK];
            file.read_exact_at(&mut block[..size as usize], 0).map_err(DiskError::io("read", data))?;
            hasher.hash(&block)
        }
        Some(((first, _), upper)) => {
            let groups = size.div_ceil(GROUP_DATA as u64);
            // The hashes of the lowest level's blocks; the blocks themselves are written as they are made.
            let hashes: Result<Vec<Vec<Hash>>, DiskError> = (0..groups)
                .into_par_iter()
                .map_init(Vec::new, |buffer, group| {
                    read_group(&file, group, size, buffer).map_err(DiskError::io("read", data))?;
                    let blocks = hasher.level(buffer);
                    let offset = (first + group * GROUP as u64) * BLOCK as u64;
                    tree.file().write_all_at(&blocks, offset).map_err(failed)?;
                    Ok(blocks.chunks(BLOCK).map(|block| hasher.hash(block)).collect())
                })
                .collect();
            let mut hashes: Vec<u8> = hashes?.into_iter().flatten().flatten().collect();
            for (first, _) in upper {
                hashes.resize(hashes.len().next_multiple_of(BLOCK), 0);
                tree.file().write_all_at(&hashes, first * BLOCK as u64).map_err(failed)?;
                hashes = hashes.chunks(BLOCK).flat_map(|block| hasher.hash(block)).collect();
            }
            hashes.try_into().expect("the top level has one block")
        }
    };
    tree.persist()?;
    Ok(Verity { root_hash: RootHash::from_bytes(root), data_size: data_blocks * BLOCK as u64, tree_size })
}

/// Reads a group of blocks, filled with zeros to whole ones at the end of the data.
fn read_group(file: &File, group: u64, size: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
    let offset = group * GROUP_DATA as u64;
    let length = (size - offset).min(GROUP_DATA as u64) as usize;
    buffer.resize(length.next_multiple_of(BLOCK), 0);
    buffer[length..].fill(0);
    file.read_exact_at(&mut buffer[..length], offset)
}

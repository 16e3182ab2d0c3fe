//! dm-verity: the tree of hashes by which the kernel checks each block that it reads, as `veritysetup format` writes it.
//!
//! ```text
//! block 0    superblock: UUID, sha256, blocks of 4096 bytes, number of data blocks, salt
//!       1    the top level: one block with up to 128 hashes
//!       …    the levels below it
//!       end  the lowest level: the hashes of the data blocks
//! ```
//!
//! A hash is SHA-256 over the salt and a block. The root hash is that of the top block.

mod check;
mod root_hash;
mod superblock;
mod tree;

use uuid::Uuid;

pub use check::{check_verity, read_verity};
pub use root_hash::{RootHash, RootHashError, Salt, SaltError};
pub use tree::write_verity;

/// The size of blocks of data and of hashes.
pub(crate) const BLOCK: usize = 4096;
/// How many hashes a block holds.
pub(crate) const HASHES: usize = BLOCK / 32;

/// What a hash tree is made with, besides the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerityRequest {
    /// What goes into each hash before the block.
    pub salt: Salt,
    /// The name of the tree.
    pub uuid: Uuid,
}

/// A hash tree and its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verity {
    /// What vouches for all of the data.
    pub root_hash: RootHash,
    /// How much is protected, in bytes: the size of the data, rounded up to whole blocks.
    pub data_size: u64,
    /// The size of the tree with its superblock, in bytes.
    pub tree_size: u64,
}

/// Where the levels of a tree lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Levels {
    /// The first block of each level in the tree and how many it has, from the lowest level to the top.
    levels: Vec<(u64, u64)>,
}

impl Levels {
    /// The levels over a number of data blocks. One data block has none: its hash is the root.
    fn over(data_blocks: u64) -> Self {
        let mut counts = Vec::new();
        let mut count = data_blocks;
        while count > 1 {
            count = count.div_ceil(HASHES as u64);
            counts.push(count);
        }
        let mut next = 1;
        let mut levels: Vec<(u64, u64)> = counts
            .into_iter()
            .rev()
            .map(|count| {
                let first = next;
                next += count;
                (first, count)
            })
            .collect();
        levels.reverse();
        Self { levels }
    }

    /// How many blocks the tree has, with its superblock.
    fn blocks(&self) -> u64 {
        1 + self.levels.iter().map(|(_, count)| count).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_lie_from_the_top_down() {
        for (data, expected) in [
            (1, vec![]),
            (2, vec![(1, 1)]),
            (128, vec![(1, 1)]),
            (129, vec![(2, 2), (1, 1)]),
            (128 * 128, vec![(2, 128), (1, 1)]),
            (128 * 128 + 1, vec![(4, 129), (2, 2), (1, 1)]),
        ] {
            let levels = Levels::over(data);
            assert_eq!(levels.levels, expected, "{data}");
        }
        assert_eq!(Levels::over(1).blocks(), 1);
        assert_eq!(Levels::over(129).blocks(), 4);
    }
}

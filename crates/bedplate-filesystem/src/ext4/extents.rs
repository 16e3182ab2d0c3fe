//! Where the blocks of a file are: extents, four of them in the inode, more in a tree of blocks.

use super::crc32c::crc32c;
use super::fields::{put16, put32};
use super::groups::Space;
use super::{BLOCK, inode_seed};

/// The most blocks of an extent.
const LONGEST: u64 = 1 << 15;
const IN_INODE: usize = 4;
const IN_BLOCK: usize = (BLOCK as usize - 12 - 4) / 12;

/// Blocks of a file that lie one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The first, counted in the file.
    pub(crate) logical: u32,
    /// The first, counted in the file system.
    pub(crate) physical: u64,
    pub(crate) blocks: u64,
}

/// The extents of a file as they are stored.
pub(crate) struct Stored {
    /// For the inode.
    pub(crate) root: [u8; 60],
    /// Blocks of the tree below it, with their numbers.
    pub(crate) blocks: Vec<(u64, Vec<u8>)>,
}

/// Takes room for runs of blocks of a file: the first of each, and how many.
pub(crate) fn place(runs: &[(u32, u64)], space: &mut Space) -> Vec<Extent> {
    let mut extents = Vec::new();
    for (first, count) in runs {
        let mut logical = *first;
        for (start, length) in space.take(*count) {
            let mut done = 0;
            while done < length {
                let blocks = LONGEST.min(length - done);
                extents.push(Extent { logical, physical: start + done, blocks });
                // A file has fewer blocks than 32 bits count.
                logical += blocks as u32;
                done += blocks;
            }
        }
    }
    extents
}

/// How many blocks the tree over so many extents has.
pub(crate) fn tree_blocks(extents: usize) -> usize {
    let (mut level, mut blocks) = (extents, 0);
    while level > IN_INODE {
        level = level.div_ceil(IN_BLOCK);
        blocks += level;
    }
    blocks
}

/// The tree over extents; its blocks lie at these numbers.
pub(crate) fn store(extents: &[Extent], inode: u32, seed: u32, numbers: &[u64]) -> Stored {
    let mut level: Vec<(u32, [u8; 12])> = extents.iter().map(|extent| (extent.logical, leaf(extent))).collect();
    let (mut depth, mut blocks) = (0, Vec::new());
    while level.len() > IN_INODE {
        let mut above = Vec::new();
        for entries in level.chunks(IN_BLOCK) {
            let number = numbers[blocks.len()];
            let mut block = vec![0; BLOCK as usize];
            write(&mut block, entries, IN_BLOCK, depth);
            let end = 12 + IN_BLOCK * 12;
            let sum = crc32c(inode_seed(seed, inode), &block[..end]);
            put32(&mut block, end, sum);
            blocks.push((number, block));
            above.push((entries[0].0, index(entries[0].0, number)));
        }
        level = above;
        depth += 1;
    }
    let mut root = [0; 60];
    write(&mut root, &level, IN_INODE, depth);
    Stored { root, blocks }
}

fn leaf(extent: &Extent) -> [u8; 12] {
    let mut entry = [0; 12];
    put32(&mut entry, 0, extent.logical);
    put16(&mut entry, 4, extent.blocks as u16);
    put16(&mut entry, 6, (extent.physical >> 32) as u16);
    put32(&mut entry, 8, extent.physical as u32);
    entry
}

fn index(logical: u32, number: u64) -> [u8; 12] {
    let mut entry = [0; 12];
    put32(&mut entry, 0, logical);
    put32(&mut entry, 4, number as u32);
    put16(&mut entry, 8, (number >> 32) as u16);
    entry
}

fn write(bytes: &mut [u8], entries: &[(u32, [u8; 12])], most: usize, depth: u16) {
    for (at, value) in [(0, 0xf30a), (2, entries.len() as u16), (4, most as u16), (6, depth)] {
        put16(bytes, at, value);
    }
    for (number, (_, entry)) in entries.iter().enumerate() {
        bytes[12 + number * 12..][..12].copy_from_slice(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_four_extents_need_a_tree() {
        for (count, expected) in [(0, 0), (4, 0), (5, 1), (340, 1), (341, 2), (340 * 4, 4), (340 * 4 + 1, 6)] {
            let mut space = Space::new(Vec::new());
            let runs: Vec<(u32, u64)> = (0..count).map(|number| (number * 2, 1)).collect();
            let extents = place(&runs, &mut space);
            assert_eq!(extents.len(), count as usize);
            assert_eq!(tree_blocks(extents.len()), expected, "{count}");
            let numbers: Vec<u64> = (0..expected as u64).collect();
            assert_eq!(store(&extents, 12, 0, &numbers).blocks.len(), expected, "{count}");
        }
    }

    #[test]
    fn runs_are_cut_where_something_is_in_the_way() {
        let mut space = Space::new(vec![0..10, 20..30]);
        let extents = place(&[(5, 12), (40_000, 70_000)], &mut space);
        let found: Vec<(u32, u64, u64)> = extents.iter().map(|one| (one.logical, one.physical, one.blocks)).collect();
        assert_eq!(
            found,
            [(5, 10, 10), (15, 30, 2), (40_000, 32, 32768), (72_768, 32_800, 32768), (105_536, 65_568, 4464)]
        );
    }
}

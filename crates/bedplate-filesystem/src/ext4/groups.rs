//! Groups of blocks: where the tables of a file system lie, and what is left for files.
//!
//! ```text
//! group 0, 1, 3, 5, 7, 9, 25 …   superblock, descriptors of all groups, blocks that are kept for more of them
//! group 0, 16, 32 …              then bitmaps and inodes of 16 groups
//! ```

use std::ops::Range;

use super::{BLOCK, INODES_IN_BLOCK};
use crate::Ext4Options;

/// Blocks that one block of a bitmap speaks of.
pub(crate) const GROUP: u64 = BLOCK * 8;
/// Inodes that one block of a bitmap speaks of.
const MOST_INODES: u64 = GROUP;
/// Bytes of the descriptor of a group.
pub(crate) const DESCRIPTOR: u64 = 64;
/// How many groups have their tables together.
pub(crate) const FLEX: u64 = 16;
/// Blocks that a last group must have beside its own tables.
const LEAST: u64 = 50;

/// The blocks that are free, taken one after another. It has no end: what is taken beyond the file system shows by how much it is too
/// small.
#[derive(Debug, Clone)]
pub(crate) struct Space {
    /// In order, without overlap.
    taken: Vec<Range<u64>>,
    at: u64,
    next: usize,
}

impl Space {
    pub(crate) fn new(taken: Vec<Range<u64>>) -> Self {
        Self { taken, at: 0, next: 0 }
    }

    /// Takes so many blocks; gives where they lie: the first of each run, and how many.
    pub(crate) fn take(&mut self, mut count: u64) -> Vec<(u64, u64)> {
        let mut runs = Vec::new();
        while count > 0 {
            let end = self.taken.get(self.next).map_or(u64::MAX, |range| range.start);
            let length = count.min(end - self.at);
            if length > 0 {
                runs.push((self.at, length));
                (self.at, count) = (self.at + length, count - length);
            } else {
                self.at = self.taken[self.next].end;
                self.next += 1;
            }
        }
        runs
    }

    pub(crate) fn take_one(&mut self) -> u64 {
        self.take(1)[0].0
    }

    /// The first block behind all that were taken.
    pub(crate) fn end(&self) -> u64 {
        self.at
    }
}

/// Where the tables of a group lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tables {
    pub(crate) block_bitmap: u64,
    pub(crate) inode_bitmap: u64,
    pub(crate) inodes: u64,
}

/// The groups of a file system of a size.
#[derive(Debug, Clone)]
pub(crate) struct Groups {
    /// All blocks.
    pub(crate) blocks: u64,
    pub(crate) count: u64,
    pub(crate) inodes_each: u64,
    /// Blocks of descriptors, and those that are kept for more.
    pub(crate) descriptors: u64,
    pub(crate) reserved: u64,
    pub(crate) tables: Vec<Tables>,
    /// All that is not for files, in order.
    pub(crate) taken: Vec<Range<u64>>,
}

impl Groups {
    /// The groups of a file system of so many blocks and at least so many inodes. A last group that has no room beside its own tables
    /// is left out.
    pub(crate) fn new(mut blocks: u64, inodes: u64, options: Ext4Options) -> Self {
        loop {
            let groups = Self::lay_out(blocks, inodes, options);
            let last = blocks - (groups.count - 1) * GROUP;
            if groups.count == 1 || last >= groups.least() {
                return groups;
            }
            blocks -= last;
        }
    }

    /// The number of blocks, or a few more, so that no last group is left out.
    pub(crate) fn whole(blocks: u64, inodes: u64, options: Ext4Options) -> u64 {
        let groups = Self::lay_out(blocks, inodes, options);
        let before = (groups.count - 1) * GROUP;
        if groups.count == 1 { blocks } else { blocks.max(before + groups.least()) }
    }

    /// Blocks that the last group needs at least.
    fn least(&self) -> u64 {
        let last = self.count - 1;
        let own = if last.is_multiple_of(FLEX) { 2 + self.inode_blocks() } else { 0 };
        self.head(last) + own + LEAST
    }

    fn lay_out(blocks: u64, inodes: u64, options: Ext4Options) -> Self {
        let count = blocks.div_ceil(GROUP);
        let descriptors = (count * DESCRIPTOR).div_ceil(BLOCK);
        let reserved = if options.growable {
            let most = (blocks * 1024).min(u64::from(u32::MAX)).div_ceil(GROUP);
            (most * DESCRIPTOR).div_ceil(BLOCK).saturating_sub(descriptors).min(BLOCK / 4)
        } else {
            0
        };
        // More than the most does not fit; the caller sees it by the number of all.
        let inodes_each = inodes.div_ceil(count).next_multiple_of(INODES_IN_BLOCK).min(MOST_INODES);
        let mut groups =
            Self { blocks, count, inodes_each, descriptors, reserved, tables: Vec::new(), taken: Vec::new() };
        let mut heads = Vec::new();
        for group in (0..count).filter(|group| has_superblock(*group)) {
            heads.push(group * GROUP..group * GROUP + groups.head(group));
        }
        for first in (0..count).step_by(FLEX as usize) {
            let members = FLEX.min(count - first);
            let mut at = first * GROUP + groups.head(first);
            let mut take = |length: u64| {
                // Whole, where no superblock is in the way.
                while let Some(head) = heads.iter().find(|head| head.start < at + length && at < head.end) {
                    at = head.end;
                }
                at += length;
                groups.taken.push(at - length..at);
                at - length
            };
            let block_bitmaps: Vec<u64> = (0..members).map(|_| take(1)).collect();
            let inode_bitmaps: Vec<u64> = (0..members).map(|_| take(1)).collect();
            for (block_bitmap, inode_bitmap) in block_bitmaps.into_iter().zip(inode_bitmaps) {
                let inodes = take(inodes_each / INODES_IN_BLOCK);
                groups.tables.push(Tables { block_bitmap, inode_bitmap, inodes });
            }
        }
        groups.taken.extend(heads);
        groups.taken.sort_by_key(|range| range.start);
        groups
    }

    /// Blocks of superblock and descriptors at the start of a group.
    pub(crate) fn head(&self, group: u64) -> u64 {
        if has_superblock(group) { 1 + self.descriptors + self.reserved } else { 0 }
    }

    pub(crate) fn inode_blocks(&self) -> u64 {
        self.inodes_each / INODES_IN_BLOCK
    }

    pub(crate) fn inodes(&self) -> u64 {
        self.inodes_each * self.count
    }

    /// The blocks of a group.
    pub(crate) fn range(&self, group: u64) -> Range<u64> {
        group * GROUP..((group + 1) * GROUP).min(self.blocks)
    }

    /// Blocks that are not for files.
    pub(crate) fn overhead(&self) -> u64 {
        self.taken.iter().map(|range| range.end - range.start).sum()
    }

    pub(crate) fn space(&self) -> Space {
        Space::new(self.taken.clone())
    }
}

/// `sparse_super`: the first group, the second, and powers of 3, 5 and 7.
pub(crate) fn has_superblock(group: u64) -> bool {
    let is_power = |base: u64| {
        let mut power = base;
        while power < group {
            power *= base;
        }
        power == group
    };
    group <= 1 || [3, 5, 7].into_iter().any(is_power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn superblocks_are_sparse() {
        let groups: Vec<u64> = (0..130).filter(|group| has_superblock(*group)).collect();
        assert_eq!(groups, [0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125]);
    }

    #[test]
    fn tables_do_not_overlap_and_a_small_last_group_is_left_out() {
        for options in [Ext4Options { journal: false, growable: false }, Ext4Options::default()] {
            for (blocks, inodes) in [(64, 80), (GROUP + 20, 100), (GROUP * 40 + 3000, 900_000), (GROUP * 16 + 30, 1)] {
                let groups = Groups::new(blocks, inodes, options);
                assert!(groups.taken.windows(2).all(|pair| pair[0].end <= pair[1].start), "{groups:?}");
                assert!(groups.inodes() >= inodes);
                assert_eq!(groups.tables.len() as u64, groups.count);
                assert!(groups.taken.last().unwrap().end <= groups.blocks);
                let whole = Groups::whole(blocks, inodes, options);
                assert_eq!(Groups::new(whole, inodes, options).blocks, whole);
                assert!(whole >= blocks && groups.blocks <= blocks);
            }
        }
    }
}

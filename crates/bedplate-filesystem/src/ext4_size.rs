//! How large an ext4 must be for a tree, counted as mke2fs and the kernel lay it out (Linux, Documentation/filesystems/ext4).

use std::collections::BTreeMap;

use bedplate_tree::{Entry, FileTree, Kind};

use crate::Ext4Options;

/// Bytes of a block.
pub(crate) const BLOCK: u64 = 4096;

/// Blocks that one block of a bitmap speaks of.
const GROUP: u64 = BLOCK * 8;

const INODE: u64 = 256;
const DESCRIPTOR: u64 = 64;

/// Inodes 1 to 10, and `lost+found`.
const RESERVED_INODES: u64 = 11;

/// `lost+found` has room for files to come.
const LOST_AND_FOUND: u64 = 4;

/// Bytes of an inode that are left for extended attributes: after its fields and a magic number.
const INODE_ATTRIBUTES: usize = 256 - 128 - 32 - 4;

/// The longest target of a symbolic link that is kept in the inode.
const SHORT_TARGET: usize = 59;

/// What a tree needs, whatever the size of the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Blocks of contents, folders, links and attributes.
    blocks: u64,
    /// Inodes, those of the file system itself included.
    pub(crate) inodes: u64,
}

impl Needs {
    /// Counts a tree. Blocks of zeros in files, which become holes, count as the others do.
    pub(crate) fn of(tree: &FileTree) -> Self {
        let mut needs = Self { blocks: LOST_AND_FOUND, inodes: RESERVED_INODES };
        let mut folders: BTreeMap<String, Folder> = BTreeMap::from([("/".to_owned(), Folder::new())]);
        for (path, entry) in tree.iter() {
            if let Some(parent) = path.parent() {
                folders.entry(parent.as_str().to_owned()).or_insert_with(Folder::new).add(path.name());
                if !matches!(entry.kind, Kind::HardLink(_)) {
                    needs.inodes += 1;
                }
            }
            needs.blocks += attribute_blocks(entry);
            match &entry.kind {
                Kind::Directory => {
                    folders.entry(path.as_str().to_owned()).or_insert_with(Folder::new);
                }
                Kind::File(digest) => needs.blocks += with_extents(digest.size.div_ceil(BLOCK), 1 << 15),
                Kind::Symlink(target) if target.len() > SHORT_TARGET => needs.blocks += 1,
                _ => {}
            }
        }
        // A folder grows by single blocks, which lie apart.
        needs.blocks += folders.values().map(|folder| with_extents(folder.free.len() as u64, 1)).sum::<u64>();
        needs
    }

    /// Blocks of the smallest file system with so many inodes and free blocks.
    pub(crate) fn blocks(&self, inodes: u64, free: u64, options: Ext4Options) -> u64 {
        let mut blocks = smallest(options);
        // Each turn comes closer: tables grow with the size, much slower than it.
        loop {
            let needed = self.blocks + free + journal_blocks(blocks, options) + tables(blocks, inodes, options);
            if needed <= blocks {
                return blocks;
            }
            blocks = needed;
            // mke2fs leaves a last group out that has little room beside its own tables.
            let last = blocks % GROUP;
            let least = tables(blocks, inodes, options) / blocks.div_ceil(GROUP) + 64;
            if last > 0 && blocks > GROUP && last < least {
                blocks += least - last;
            }
        }
    }
}

/// Blocks of the smallest file system that there is. Half of it may be a journal, and the smallest journal has 1024 blocks.
pub(crate) fn smallest(options: Ext4Options) -> u64 {
    if options.journal { 2112 } else { 64 }
}

/// Blocks of a journal, by the size of the file system, as mke2fs has it; 0 for none.
pub(crate) fn journal_blocks(blocks: u64, options: Ext4Options) -> u64 {
    match blocks {
        _ if !options.journal => 0,
        0..0x8000 => 1024,
        0x8000..0x4_0000 => 4096,
        0x4_0000..0x8_0000 => 8192,
        0x8_0000..0x40_0000 => 16384,
        _ => 32768,
    }
}

/// Blocks of superblocks, descriptors, bitmaps and inodes.
fn tables(blocks: u64, inodes: u64, options: Ext4Options) -> u64 {
    let groups = blocks.div_ceil(GROUP);
    let descriptors = (groups * DESCRIPTOR).div_ceil(BLOCK);
    let spare = if options.growable {
        let most = (blocks * 1024).min(u64::from(u32::MAX)).div_ceil(GROUP);
        (most * DESCRIPTOR).div_ceil(BLOCK).saturating_sub(descriptors).min(BLOCK / 4)
    } else {
        0
    };
    let copies = (0..groups).filter(|group| has_superblock(*group)).count() as u64;
    let inode_blocks = inodes.div_ceil(groups).div_ceil(BLOCK / INODE);
    copies * (1 + descriptors + spare) + groups * (2 + inode_blocks) + u64::from(options.growable)
}

/// `sparse_super`: the first group, the second, and powers of 3, 5 and 7.
fn has_superblock(group: u64) -> bool {
    let is_power = |base: u64| {
        let mut power = base;
        while power < group {
            power *= base;
        }
        power == group
    };
    group <= 1 || [3, 5, 7].into_iter().any(is_power)
}

/// Blocks with those of the tree of extents: four extents are in the inode.
fn with_extents(blocks: u64, longest: u64) -> u64 {
    match blocks.div_ceil(longest) {
        0..=4 => blocks,
        extents => blocks + extents.div_ceil((BLOCK - 16) / 12),
    }
}

fn attribute_blocks(entry: &Entry) -> u64 {
    let bytes: usize = entry
        .xattrs
        .iter()
        .map(|(name, value)| {
            let name = name.split_once('.').map_or(name.as_str(), |(_, rest)| rest);
            16 + name.len().next_multiple_of(4) + value.len().next_multiple_of(4)
        })
        .sum();
    // Four bytes of zeros end the list.
    u64::from(bytes > 0 && bytes + 4 > INODE_ATTRIBUTES)
}

/// The blocks of a folder, each with its free bytes.
struct Folder {
    free: Vec<usize>,
}

impl Folder {
    /// Bytes of a block beside its checksum.
    const ROOM: usize = BLOCK as usize - 12;

    /// With `.` and `..`.
    fn new() -> Self {
        Self { free: vec![Self::ROOM - 24] }
    }

    /// Puts an entry where it fits first.
    fn add(&mut self, name: &str) {
        let bytes = 8 + name.len().next_multiple_of(4);
        match self.free.iter_mut().find(|free| **free >= bytes) {
            Some(free) => *free -= bytes,
            None => self.free.push(Self::ROOM - bytes),
        }
    }
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
    fn folders_grow_by_blocks() {
        let mut folder = Folder::new();
        for number in 0..170 {
            folder.add(&format!("file-{number:07}"));
        }
        // 20 bytes for each: 203 fit in the first block, 204 in others.
        assert_eq!(folder.free.len(), 1);
        for number in 170..408 {
            folder.add(&format!("file-{number:07}"));
        }
        assert_eq!(folder.free.len(), 3);
    }

    #[test]
    fn extents_beyond_four_need_a_block() {
        for (blocks, longest, expected) in [(0, 1, 0), (4, 1, 4), (5, 1, 6), (341, 1, 343), (1 << 17, 1 << 15, 1 << 17)]
        {
            assert_eq!(with_extents(blocks, longest), expected, "{blocks}");
        }
    }
}

//! The superblock and the descriptors of groups (linux/fs/ext4/ext4.h).

use super::crc32c::crc32c;
use super::fields::{put16, put32, put64, split32};
use super::groups::{DESCRIPTOR, GROUP, Groups};
use super::inode::INODE;
use super::{BLOCK, FIRST_INODE, JOURNAL_INODE};

/// What the superblock says.
pub(crate) struct Superblock<'a> {
    pub(crate) groups: &'a Groups,
    pub(crate) uuid: [u8; 16],
    pub(crate) label: &'a str,
    pub(crate) epoch: i64,
    pub(crate) free_blocks: u64,
    pub(crate) free_inodes: u64,
    /// The inode of the journal, as it is.
    pub(crate) journal: Option<[u8; INODE]>,
}

impl Superblock<'_> {
    /// The bytes of the copy in a group.
    pub(crate) fn bytes(&self, group: u64) -> Vec<u8> {
        let groups = self.groups;
        let mut bytes = vec![0; 1024];
        let compatible = 0x8 | 0x20 | if groups.reserved > 0 { 0x10 } else { 0 };
        let journal = u32::from(self.journal.is_some());
        for (at, value) in [
            (0x0, groups.inodes() as u32),
            (0x10, self.free_inodes as u32),
            // Blocks have 4096 bytes, and so have clusters.
            (0x18, 2),
            (0x1c, 2),
            (0x20, GROUP as u32),
            (0x24, GROUP as u32),
            (0x28, groups.inodes_each as u32),
            (0x4c, 1),
            (0x54, FIRST_INODE),
            // ext_attr, dir_index, resize_inode, has_journal.
            (0x5c, compatible | journal << 2),
            // filetype, extent, 64bit, flex_bg.
            (0x60, 0x2 | 0x40 | 0x80 | 0x200),
            // sparse_super, large_file, huge_file, dir_nlink, extra_isize, metadata_csum.
            (0x64, 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x400),
            (0xe0, journal * JOURNAL_INODE),
            // Mounted with user_xattr and acl.
            (0x100, 0x4 | 0x8),
            // Names are hashed as bytes with a sign.
            (0x160, 1),
        ] {
            put32(&mut bytes, at, value);
        }
        for (at, value) in [
            // It is never checked for its age.
            (0x36, u16::MAX),
            (0x38, 0xef53),
            // Clean; on errors it goes on.
            (0x3a, 1),
            (0x3c, 1),
            (0x58, INODE as u16),
            (0x5a, group as u16),
            (0xce, groups.reserved as u16),
            (0xfe, DESCRIPTOR as u16),
            // Bytes of fields behind the first 128 of an inode.
            (0x15c, 32),
            (0x15e, 32),
        ] {
            put16(&mut bytes, at, value);
        }
        put64(&mut bytes, 0x4, 0x150, groups.blocks);
        put64(&mut bytes, 0xc, 0x158, self.free_blocks);
        // When it was made, written and checked.
        for (at, high) in [(0x108, 0x276), (0x30, 0x274), (0x40, 0x277)] {
            put32(&mut bytes, at, self.epoch as u32);
            bytes[high] = (self.epoch >> 32) as u8;
        }
        bytes[0x68..0x78].copy_from_slice(&self.uuid);
        bytes[0x78..0x78 + self.label.len()].copy_from_slice(self.label.as_bytes());
        bytes[0xec..0xfc].copy_from_slice(&self.uuid);
        // Half of MD4 for hashes of names, 16 groups together, CRC-32C.
        (bytes[0xfc], bytes[0x174], bytes[0x175]) = (1, 4, 1);
        if let Some(inode) = self.journal {
            bytes[0xfd] = 1;
            bytes[0x10c..0x10c + 60].copy_from_slice(&inode[0x28..0x28 + 60]);
            bytes[0x148..0x14c].copy_from_slice(&inode[0x6c..0x70]);
            bytes[0x14c..0x150].copy_from_slice(&inode[0x4..0x8]);
        }
        let sum = crc32c(!0, &bytes[..0x3fc]);
        put32(&mut bytes, 0x3fc, sum);
        bytes
    }
}

/// What is in a group.
#[derive(Debug, Clone)]
pub(crate) struct Contents {
    /// None: it is as a new one, and its bitmap is not written.
    pub(crate) block_bitmap: Option<Vec<u8>>,
    pub(crate) inode_bitmap: Option<Vec<u8>>,
    pub(crate) free_blocks: u32,
    pub(crate) free_inodes: u32,
    pub(crate) folders: u32,
    /// Inodes at the end of its table that were never used.
    pub(crate) unused_inodes: u32,
}

/// The descriptors of all groups.
pub(crate) fn descriptors(groups: &Groups, contents: &[Contents], seed: u32) -> Vec<u8> {
    let mut all = vec![0; (groups.descriptors * BLOCK) as usize];
    for (number, (group, tables)) in contents.iter().zip(&groups.tables).enumerate() {
        let bytes = &mut all[number * DESCRIPTOR as usize..][..DESCRIPTOR as usize];
        put64(bytes, 0x0, 0x20, tables.block_bitmap);
        put64(bytes, 0x4, 0x24, tables.inode_bitmap);
        put64(bytes, 0x8, 0x28, tables.inodes);
        split32(bytes, 0xc, 0x2c, group.free_blocks);
        split32(bytes, 0xe, 0x2e, group.free_inodes);
        split32(bytes, 0x10, 0x30, group.folders);
        split32(bytes, 0x1c, 0x32, group.unused_inodes);
        // No inodes, no blocks; the table of inodes is zero where it was not used.
        let flags = u16::from(group.inode_bitmap.is_none()) | u16::from(group.block_bitmap.is_none()) << 1 | 4;
        put16(bytes, 0x12, flags);
        if let Some(bitmap) = &group.block_bitmap {
            split32(bytes, 0x18, 0x38, crc32c(seed, bitmap));
        }
        if let Some(bitmap) = &group.inode_bitmap {
            split32(bytes, 0x1a, 0x3a, crc32c(seed, &bitmap[..groups.inodes_each as usize / 8]));
        }
        // Its own field counts as zero.
        let sum = crc32c(crc32c(seed, &(number as u32).to_le_bytes()), bytes);
        put16(bytes, 0x1e, sum as u16);
    }
    all
}

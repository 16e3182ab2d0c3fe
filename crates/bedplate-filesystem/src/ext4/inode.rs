//! Inodes: 256 bytes each.

use super::crc32c::crc32c;
use super::fields::{put16, put32, put64, split32};
use super::inode_seed;

/// Bytes of an inode.
pub(crate) const INODE: usize = 256;
/// Of those, bytes behind the first 128 that have fields.
const EXTRA: u16 = 32;

pub(crate) const FOLDER: u16 = 0o40000;
pub(crate) const FILE: u16 = 0o100000;
/// Blocks are found by extents.
pub(crate) const EXTENTS: u32 = 0x8_0000;
/// A folder with more folders than this has a count of one.
const MOST_LINKS: u64 = 64_998;

/// What an inode says.
#[derive(Default)]
pub(crate) struct Inode {
    /// The type and the permissions.
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds since 1970.
    pub(crate) time: i64,
    pub(crate) links: u64,
    pub(crate) size: u64,
    /// All of its blocks, those of its attributes and of the tree of extents too.
    pub(crate) blocks: u64,
    pub(crate) flags: u32,
    /// The block of attributes.
    pub(crate) attributes: u64,
}

impl Inode {
    /// Its bytes. `data` is where its blocks are, or what is kept in their place; `room` are attributes.
    pub(crate) fn bytes(&self, number: u32, data: &[u8], room: &[u8], seed: u32) -> [u8; INODE] {
        let mut bytes = [0; INODE];
        put16(&mut bytes, 0x0, self.mode);
        split32(&mut bytes, 0x2, 0x78, self.uid);
        split32(&mut bytes, 0x18, 0x7a, self.gid);
        put64(&mut bytes, 0x4, 0x6c, self.size);
        put16(&mut bytes, 0x1a, if self.links > MOST_LINKS { 1 } else { self.links as u16 });
        // In sectors.
        let sectors = self.blocks * 8;
        put32(&mut bytes, 0x1c, sectors as u32);
        put16(&mut bytes, 0x74, (sectors >> 32) as u16);
        put32(&mut bytes, 0x20, self.flags);
        bytes[0x28..0x28 + data.len()].copy_from_slice(data);
        put32(&mut bytes, 0x68, self.attributes as u32);
        put16(&mut bytes, 0x76, (self.attributes >> 32) as u16);
        put16(&mut bytes, 0x80, EXTRA);
        // Access, change, modification, and when it was made. 32 bits with a sign, and two more for what they lack.
        let low = self.time as i32;
        let high = ((self.time - i64::from(low)) >> 32) as u32 & 3;
        for (time, extra) in [(0x8, 0x8c), (0xc, 0x84), (0x10, 0x88), (0x90, 0x94)] {
            put32(&mut bytes, time, low as u32);
            put32(&mut bytes, extra, high);
        }
        bytes[0xa0..0xa0 + room.len()].copy_from_slice(room);
        let sum = crc32c(inode_seed(seed, number), &bytes);
        split32(&mut bytes, 0x7c, 0x82, sum);
        bytes
    }
}

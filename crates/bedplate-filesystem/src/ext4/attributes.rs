//! Extended attributes: in the inode if all have room there, else in a block.
//!
//! ```text
//! inode   magic, entries ▶       ◀ values       offsets from the first entry
//! block   header of 32 bytes, entries ▶   ◀ values       offsets from the start of the block
//! ```

use bedplate_tree::Xattrs;

use super::BLOCK;
use super::crc32c::crc32c;
use super::fields::{put16, put32};

const MAGIC: u32 = 0xea02_0000;
const HEADER: usize = 32;

/// Bytes of an inode that are left for them, behind the magic number.
pub(crate) const INODE_ROOM: usize = 256 - 128 - 32 - 4;

/// The words that names begin with, and the numbers that stand for them.
const PREFIXES: [(&str, u8); 3] = [("user.", 1), ("trusted.", 4), ("security.", 6)];

/// The attributes of a file as they are stored.
pub(crate) enum Stored {
    None,
    /// Bytes for the inode, from its fields on.
    Inode(Vec<u8>),
    /// A block; its checksum needs to know where it lies.
    Block(Vec<u8>),
}

/// How many bytes attributes take, with the zeros that end their list.
pub(crate) fn room(xattrs: &Xattrs) -> usize {
    let one = |(name, value): (&String, &Vec<u8>)| {
        16 + split(name).1.len().next_multiple_of(4) + value.len().next_multiple_of(4)
    };
    xattrs.iter().map(one).sum::<usize>() + 4
}

/// The attributes of an entry. They were checked: there is room in a block for all.
pub(crate) fn store(xattrs: &Xattrs) -> Stored {
    if xattrs.is_empty() {
        return Stored::None;
    }
    // The kernel searches a block in this order.
    let mut sorted: Vec<(u8, &[u8], &[u8])> = xattrs
        .iter()
        .map(|(name, value)| {
            let (number, rest) = split(name);
            (number, rest.as_bytes(), value.as_slice())
        })
        .collect();
    sorted.sort_by_key(|(number, name, _)| (*number, name.len(), *name));
    if room(xattrs) <= INODE_ROOM {
        let mut bytes = vec![0; 4 + INODE_ROOM];
        put32(&mut bytes, 0, MAGIC);
        write(&mut bytes, 4, 4, &sorted);
        return Stored::Inode(bytes);
    }
    let mut block = vec![0; BLOCK as usize];
    let hashes = write(&mut block, HEADER, 0, &sorted);
    let hash = hashes.into_iter().fold(0_u32, |all, one| all.rotate_left(16) ^ one);
    // One file has it, and it is one block.
    for (at, value) in [(0, MAGIC), (4, 1), (8, 1), (12, hash)] {
        put32(&mut block, at, value);
    }
    Stored::Block(block)
}

/// Writes the checksum of a block of attributes.
pub(crate) fn seal(block: &mut [u8], number: u64, seed: u32) {
    let sum = crc32c(crc32c(seed, &number.to_le_bytes()), block);
    put32(block, 16, sum);
}

fn split(name: &str) -> (u8, &str) {
    PREFIXES.iter().find_map(|(prefix, number)| Some((*number, name.strip_prefix(prefix)?))).unwrap_or((0, name))
}

/// Writes entries from `first` on, and values from the end; offsets of values count from `origin`. Gives the hash of each.
fn write(bytes: &mut [u8], first: usize, origin: usize, sorted: &[(u8, &[u8], &[u8])]) -> Vec<u32> {
    let (mut at, mut end) = (first, bytes.len());
    let mut hashes = Vec::with_capacity(sorted.len());
    for (number, name, value) in sorted {
        end -= value.len().next_multiple_of(4);
        bytes[end..end + value.len()].copy_from_slice(value);
        let padded = &bytes[end..end + value.len().next_multiple_of(4)];
        let hash = hash(name, padded);
        bytes[at] = name.len() as u8;
        bytes[at + 1] = *number;
        // An empty value lies nowhere.
        put16(bytes, at + 2, if value.is_empty() { 0 } else { (end - origin) as u16 });
        put32(bytes, at + 8, value.len() as u32);
        put32(bytes, at + 12, hash);
        bytes[at + 16..at + 16 + name.len()].copy_from_slice(name);
        at += 16 + name.len().next_multiple_of(4);
        hashes.push(hash);
    }
    hashes
}

/// The hash of an entry (`ext4_xattr_hash_entry`).
fn hash(name: &[u8], value: &[u8]) -> u32 {
    let of_name = name.iter().fold(0_u32, |hash, byte| hash.rotate_left(5) ^ u32::from(*byte));
    let (words, _) = value.as_chunks::<4>();
    words.iter().fold(of_name, |hash, word| hash.rotate_left(16) ^ u32::from_le_bytes(*word))
}

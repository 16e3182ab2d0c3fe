//! The blocks of folders: plain lists of names. The kernel makes an index where it adds to them.

use super::crc32c::crc32c;
use super::fields::{put16, put32};
use super::{BLOCK, inode_seed};

/// Bytes of a block beside its checksum, which has the form of an entry.
const ROOM: usize = BLOCK as usize - 12;

/// A name in a folder.
pub(crate) struct Name<'a> {
    pub(crate) inode: u32,
    /// The number of the type: 1 is a file, 2 a folder, and so on.
    pub(crate) kind: u8,
    pub(crate) name: &'a str,
}

/// The blocks of a folder with `.`, `..` and these names, at least so many.
pub(crate) fn blocks(inode: u32, parent: u32, names: &[Name<'_>], least: usize, seed: u32) -> Vec<u8> {
    let mut writer = Writer { bytes: Vec::new(), last: 0, at: ROOM };
    writer.add(&Name { inode, kind: 2, name: "." });
    writer.add(&Name { inode: parent, kind: 2, name: ".." });
    names.iter().for_each(|name| writer.add(name));
    while writer.bytes.len() < least * BLOCK as usize {
        writer.begin();
    }
    let mut bytes = writer.finish();
    for block in bytes.chunks_mut(BLOCK as usize) {
        let sum = crc32c(inode_seed(seed, inode), &block[..ROOM]);
        put16(block, ROOM + 4, 12);
        block[ROOM + 7] = 0xde;
        put32(block, ROOM + 8, sum);
    }
    bytes
}

struct Writer {
    bytes: Vec<u8>,
    /// Where the last entry is in the last block, and where it ends there.
    last: usize,
    at: usize,
}

impl Writer {
    fn add(&mut self, name: &Name<'_>) {
        let length = 8 + name.name.len().next_multiple_of(4);
        if self.at + length > ROOM {
            self.begin();
        }
        let start = self.bytes.len() - BLOCK as usize + self.at;
        let entry = &mut self.bytes[start..start + length];
        put32(entry, 0, name.inode);
        put16(entry, 4, length as u16);
        entry[6] = name.name.len() as u8;
        entry[7] = name.kind;
        entry[8..8 + name.name.len()].copy_from_slice(name.name.as_bytes());
        (self.last, self.at) = (self.at, self.at + length);
    }

    /// Ends the last block and begins another, in which one empty entry has all the room.
    fn begin(&mut self) {
        self.end();
        let start = self.bytes.len();
        self.bytes.resize(start + BLOCK as usize, 0);
        put16(&mut self.bytes[start..], 4, ROOM as u16);
        (self.last, self.at) = (0, 0);
    }

    /// The last entry of a block has the rest of its room.
    fn end(&mut self) {
        if let Some(start) = self.bytes.len().checked_sub(BLOCK as usize) {
            put16(&mut self.bytes[start..], self.last + 4, (ROOM - self.last) as u16);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.end();
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_grow_by_blocks() {
        for (count, least, expected) in [(0, 1, 1), (0, 4, 4), (203, 1, 1), (204, 1, 2), (407, 1, 2), (408, 1, 3)] {
            let all: Vec<String> = (0..count).map(|number| format!("file-{number:07}")).collect();
            let names: Vec<Name<'_>> = all.iter().map(|name| Name { inode: 12, kind: 1, name }).collect();
            // 20 bytes for each, 24 for `.` and `..` before them.
            assert_eq!(blocks(2, 2, &names, least, 0).len(), expected * 4096, "{count}");
        }
    }
}

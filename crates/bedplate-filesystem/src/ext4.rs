//! ext4, written here: everything that lies in it, worked out from the tree, with contents where they are in the store.
//!
//! ```text
//! tree ─▶ inodes, names, contents ─▶ groups of a size ─▶ blocks of each file ─▶ tables ─▶ pieces
//!                                        ▲ too small: larger │
//!                                        └───────────────────┘
//! ```
//!
//! The format is described in Linux, Documentation/filesystems/ext4; what e2fsck (lib/e2fsck/pass1.c) accepts decides.

mod attributes;
mod contents;
mod crc32c;
mod directory;
mod extents;
mod fields;
mod groups;
mod inode;
mod nodes;
mod superblock;
mod tables;

use bedplate_cas::Store;
use bedplate_tree::Xattrs;

use crc32c::crc32c;
use groups::Groups;
use nodes::Nodes;
use tables::Layout;

use crate::sandboxed::Workshop;
use crate::{Ext4Options, FilesystemError, Image, Made, Request, Size};

/// Bytes of a block.
pub(crate) const BLOCK: u64 = 4096;
/// Inodes in a block.
const INODES_IN_BLOCK: u64 = BLOCK / inode::INODE as u64;

const ROOT_INODE: u32 = 2;
const RESIZE_INODE: u32 = 7;
const JOURNAL_INODE: u32 = 8;
/// The first that is not the file system's own: `lost+found`.
const FIRST_INODE: u32 = 11;

/// Bytes for each inode of a fixed size, as mke2fs has it by default.
const INODE_RATIO: u64 = 16384;
/// Inodes that are free in the smallest file system.
const SPARE_INODES: u64 = 64;

/// Inodes are counted in 32 bits, and so are the blocks of a file.
const MOST_BLOCKS: u64 = 1 << 48;

/// Works the file system out.
pub(crate) fn image(store: &Store, request: &Request<'_>, options: Ext4Options) -> Result<Image, FilesystemError> {
    let seed = crc32c(!0, &request.uuid);
    let nodes = Nodes::of(store, request, seed)?;
    let layout = match request.size {
        Size::Minimal { slack } => minimal(&nodes, slack.div_ceil(BLOCK), options)?,
        Size::Fixed(size) => fixed(&nodes, size, options)?,
    };
    let size = match request.size {
        Size::Fixed(size) => size,
        Size::Minimal { .. } => layout.groups.blocks * BLOCK,
    };
    let made = Made { size, used: (layout.groups.blocks - layout.free()) * BLOCK };
    Ok(Image { made, pieces: layout.pieces(request) })
}

/// Writes it to a file.
pub(crate) fn make(
    shop: &Workshop<'_>,
    store: &Store,
    request: &Request<'_>,
    options: Ext4Options,
) -> Result<Made, FilesystemError> {
    let image = image(store, request, options)?;
    shop.clear_image(image.made.size)?;
    image.write(&shop.image())?;
    Ok(image.made)
}

/// Whether all attributes of a file have room in the one block that it has for them.
pub(crate) fn attributes_fit(xattrs: &Xattrs) -> Result<(), usize> {
    let (room, most) = (attributes::room(xattrs), BLOCK as usize - 32);
    if room > most { Err(room - most) } else { Ok(()) }
}

fn fixed<'a>(nodes: &'a Nodes<'a>, size: u64, options: Ext4Options) -> Result<Layout<'a>, FilesystemError> {
    let blocks = size / BLOCK;
    if blocks > MOST_BLOCKS {
        let why = format!("the largest has {} bytes", MOST_BLOCKS * BLOCK);
        return Err(FilesystemError::BadSize { kind: "ext4", size, why });
    }
    let least = nodes.inodes() + SPARE_INODES;
    if blocks >= smallest(options) {
        // As many inodes as usual, or fewer if it fits only then.
        for inodes in [least.max(size / INODE_RATIO).min(u64::from(u32::MAX)), least] {
            let layout = Layout::new(nodes, blocks, inodes, options);
            if layout.lacks(0) == 0 {
                return Ok(layout);
            }
        }
    }
    let needed = minimal(nodes, 0, options)?.groups.blocks * BLOCK;
    Err(FilesystemError::TooSmall { kind: "ext4", size, needed: needed.max(size + BLOCK) })
}

fn minimal<'a>(nodes: &'a Nodes<'a>, slack: u64, options: Ext4Options) -> Result<Layout<'a>, FilesystemError> {
    let inodes = nodes.inodes() + SPARE_INODES + slack * BLOCK / INODE_RATIO;
    let mut blocks = smallest(options).max(nodes.least_blocks() + slack);
    loop {
        blocks = Groups::whole(blocks, inodes, options);
        if blocks > MOST_BLOCKS {
            let why = format!("the largest has {} bytes", MOST_BLOCKS * BLOCK);
            return Err(FilesystemError::BadSize { kind: "ext4", size: blocks * BLOCK, why });
        }
        let layout = Layout::new(nodes, blocks, inodes, options);
        match layout.lacks(slack) {
            0 => return Ok(layout),
            // Tables grow with it, so that the next try may lack a little.
            lacks => blocks += lacks,
        }
    }
}

/// Blocks of the smallest file system that there is. Half of it may be a journal, and the smallest journal has 1024 blocks.
fn smallest(options: Ext4Options) -> u64 {
    if options.journal { 2112 } else { 64 }
}

/// Blocks of a journal, by the size of the file system, as mke2fs has it; 0 for none.
fn journal_blocks(blocks: u64, options: Ext4Options) -> u64 {
    match blocks {
        _ if !options.journal => 0,
        0..0x8000 => 1024,
        0x8000..0x4_0000 => 4096,
        0x4_0000..0x8_0000 => 8192,
        0x8_0000..0x40_0000 => 16384,
        _ => 32768,
    }
}

/// Where checksums of what belongs to an inode begin. Its generation is 0.
fn inode_seed(seed: u32, inode: u32) -> u32 {
    crc32c(crc32c(seed, &inode.to_le_bytes()), &[0; 4])
}

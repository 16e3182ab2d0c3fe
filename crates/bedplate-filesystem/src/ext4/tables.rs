//! A file system of a size: where all lies, and the bytes of its tables.

use bedplate_tree::Kind;

use super::attributes::{self, Stored};
use super::crc32c::crc32c;
use super::extents::{self, Extent};
use super::fields::put32;
use super::groups::{GROUP, Groups, has_superblock};
use super::inode::{EXTENTS, FILE, FOLDER, INODE, Inode};
use super::nodes::{Data, Node, Nodes};
use super::superblock::{Contents, Superblock, descriptors};
use super::{BLOCK, JOURNAL_INODE, RESIZE_INODE, journal_blocks};
use crate::image::{Bytes, Piece};
use crate::{Ext4Options, Request};

/// Numbers of blocks in a block of them.
const NUMBERS: u64 = BLOCK / 4;

/// Where the blocks of an inode lie.
#[derive(Debug, Default, Clone)]
struct Placed {
    /// The block of attributes.
    attributes: u64,
    extents: Vec<Extent>,
    /// Blocks of the tree of extents.
    tree: Vec<u64>,
}

impl Placed {
    /// How many blocks the inode has.
    fn blocks(&self) -> u64 {
        let data: u64 = self.extents.iter().map(|extent| extent.blocks).sum();
        data + self.tree.len() as u64 + u64::from(self.attributes > 0)
    }
}

/// Where all lies.
pub(crate) struct Layout<'a> {
    nodes: &'a Nodes<'a>,
    pub(crate) groups: Groups,
    /// How many inodes there have to be.
    inodes: u64,
    /// The list of blocks that are kept for more groups.
    resize: Option<u64>,
    journal: Option<Placed>,
    /// In the order of the nodes.
    placed: Vec<Placed>,
    /// The first block behind all that is stored.
    end: u64,
    /// Blocks of files and folders, the journal included.
    stored: u64,
}

impl<'a> Layout<'a> {
    /// Lays out what may be too much: see [`Self::lacks`].
    pub(crate) fn new(nodes: &'a Nodes<'a>, blocks: u64, inodes: u64, options: Ext4Options) -> Self {
        let groups = Groups::new(blocks, inodes, options);
        let mut space = groups.space();
        let mut stored = 0;
        let mut place = |runs: &[(u32, u64)], has_attributes: bool| {
            let attributes = if has_attributes { space.take_one() } else { 0 };
            let extents = extents::place(runs, &mut space);
            let tree = (0..extents::tree_blocks(extents.len())).map(|_| space.take_one()).collect();
            let placed = Placed { attributes, extents, tree };
            stored += placed.blocks();
            placed
        };
        let resize = (groups.reserved > 0).then(|| place(&[(0, 1)], false).extents[0].physical);
        let journal = journal_blocks(groups.blocks, options);
        let journal = (journal > 0).then(|| place(&[(0, journal)], false));
        let mut placed = vec![Placed::default(); nodes.all.len()];
        // Folders first: they are read together.
        for folders in [true, false] {
            for (at, node) in nodes.all.iter().enumerate() {
                if node.entry.is_directory() == folders {
                    placed[at] = place(&nodes.runs(node), matches!(node.attributes, Stored::Block(_)));
                }
            }
        }
        let end = space.end();
        Self { nodes, groups, inodes, resize, journal, placed, end, stored }
    }

    /// How many blocks more there should be at least to have so many free; 0 if it is enough.
    pub(crate) fn lacks(&self, slack: u64) -> u64 {
        let blocks = self.groups.blocks;
        if self.groups.inodes() < self.inodes {
            return GROUP;
        }
        let needed = self.groups.overhead() + self.stored + slack;
        let end = self.groups.taken.last().map_or(0, |range| range.end).max(self.end);
        needed.max(end).saturating_sub(blocks)
    }

    /// Free blocks.
    pub(crate) fn free(&self) -> u64 {
        self.groups.blocks - self.groups.overhead() - self.stored
    }

    /// All that is not zero, in order.
    pub(crate) fn pieces(&self, request: &Request<'_>) -> Vec<Piece> {
        let seed = crc32c(!0, &request.uuid);
        let mut pieces = Vec::new();
        let inodes = self.inodes(request, seed, &mut pieces);
        self.add_tables(request, seed, &inodes, &mut pieces);
        pieces.sort_by_key(|piece: &Piece| piece.offset);
        pieces
    }

    /// The bytes of all inodes that are in use, from the first on, and what they lead to.
    fn inodes(&self, request: &Request<'_>, seed: u32, pieces: &mut Vec<Piece>) -> Vec<u8> {
        let mut table = vec![0; self.nodes.last() as usize * INODE];
        let mut put = |number: u32, bytes: [u8; INODE]| {
            table[(number as usize - 1) * INODE..][..INODE].copy_from_slice(&bytes);
        };
        let own = Inode { mode: FILE | 0o600, time: request.epoch, links: 1, ..Inode::default() };
        if let Some(list) = self.resize {
            let backups = (1..self.groups.count).filter(|group| has_superblock(*group)).count() as u64;
            let blocks = 1 + self.groups.reserved * (1 + backups);
            let mut data = [0; 60];
            // The fourteenth: a block of blocks of blocks.
            put32(&mut data, 13 * 4, list as u32);
            let inode = Inode { size: NUMBERS * NUMBERS * BLOCK, blocks, ..own };
            put(RESIZE_INODE, inode.bytes(RESIZE_INODE, &data, &[], seed));
            self.add_reserved(list, pieces);
        }
        if let Some(placed) = &self.journal {
            put(JOURNAL_INODE, self.journal_inode(placed, request.epoch, seed, pieces));
        }
        for (node, placed) in self.nodes.all.iter().zip(&self.placed) {
            put(node.number, self.inode(node, placed, seed, pieces));
            self.add_data(node, placed, pieces);
        }
        table
    }

    fn journal_inode(&self, placed: &Placed, epoch: i64, seed: u32, pieces: &mut Vec<Piece>) -> [u8; INODE] {
        let length: u64 = placed.extents.iter().map(|extent| extent.blocks).sum();
        // linux/jbd2.h, journal_superblock_s, version 2: empty, from its second block on. These numbers are big-endian.
        let mut head = vec![0; 1024];
        let words =
            [(0x0, 0xc03b_3998), (0x4, 4), (0xc, BLOCK as u32), (0x10, length as u32), (0x14, 1), (0x18, 1), (0x40, 1)];
        for (at, word) in words {
            head[at..at + 4].copy_from_slice(&u32::to_be_bytes(word));
        }
        pieces.push(here(placed.extents[0].physical * BLOCK, head));
        let root = add_tree(placed, JOURNAL_INODE, seed, pieces);
        let (blocks, size) = (placed.blocks(), length * BLOCK);
        let inode =
            Inode { mode: FILE | 0o600, time: epoch, links: 1, size, blocks, flags: EXTENTS, ..Inode::default() };
        inode.bytes(JOURNAL_INODE, &root, &[], seed)
    }

    fn inode(&self, node: &Node<'_>, placed: &Placed, seed: u32, pieces: &mut Vec<Piece>) -> [u8; INODE] {
        let entry = &node.entry;
        let kind = match &entry.kind {
            Kind::Directory => FOLDER,
            Kind::File(_) | Kind::HardLink(_) => FILE,
            Kind::Symlink(_) => 0o120_000,
            Kind::CharacterDevice { .. } => 0o20000,
            Kind::BlockDevice { .. } => 0o60000,
            Kind::Fifo => 0o10000,
        };
        let (size, flags, data) = match &node.data {
            Data::Inline(bytes, size) => (*size, 0, bytes.clone()),
            Data::Blocks(_, size) => (*size, EXTENTS, add_tree(placed, node.number, seed, pieces).to_vec()),
            Data::Content(at) => {
                let root = add_tree(placed, node.number, seed, pieces);
                (self.nodes.contents[*at].size, EXTENTS, root.to_vec())
            }
        };
        let mut room = &[][..];
        match &node.attributes {
            Stored::None => {}
            Stored::Inode(bytes) => room = bytes,
            Stored::Block(block) => {
                let mut block = block.clone();
                attributes::seal(&mut block, placed.attributes, seed);
                pieces.push(here(placed.attributes * BLOCK, block));
            }
        }
        let inode = Inode {
            mode: kind | entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            time: entry.mtime,
            links: node.links,
            size,
            blocks: placed.blocks(),
            flags,
            attributes: placed.attributes,
        };
        inode.bytes(node.number, &data, room, seed)
    }

    /// What the blocks of an inode have.
    fn add_data(&self, node: &Node<'_>, placed: &Placed, pieces: &mut Vec<Piece>) {
        for extent in &placed.extents {
            let (start, offset) = (u64::from(extent.logical) * BLOCK, extent.physical * BLOCK);
            let bytes = match &node.data {
                Data::Blocks(bytes, _) => {
                    Bytes::Here(bytes[start as usize..][..(extent.blocks * BLOCK) as usize].to_vec())
                }
                Data::Content(at) => {
                    let content = &self.nodes.contents[*at];
                    let length = (extent.blocks * BLOCK).min(content.size - start);
                    Bytes::File { path: content.path.clone(), offset: content.offset + start, length }
                }
                Data::Inline(..) => continue,
            };
            pieces.push(Piece { offset, bytes });
        }
    }

    /// The blocks that are kept for descriptors of more groups: each lists its copies (`ext2fs_create_resize_inode`).
    fn add_reserved(&self, list: u64, pieces: &mut Vec<Piece>) {
        let groups = &self.groups;
        let backups: Vec<u64> = (1..groups.count).filter(|group| has_superblock(*group)).collect();
        let mut all = vec![0; BLOCK as usize];
        for number in groups.descriptors..groups.descriptors + groups.reserved {
            let block = 1 + number;
            put32(&mut all, (number % NUMBERS) as usize * 4, block as u32);
            let copies: Vec<u8> =
                backups.iter().flat_map(|group| ((group * GROUP + block) as u32).to_le_bytes()).collect();
            if !copies.is_empty() {
                pieces.push(here(block * BLOCK, copies));
            }
        }
        pieces.push(here(list * BLOCK, all));
    }

    /// Superblocks, descriptors, bitmaps and inodes.
    fn add_tables(&self, request: &Request<'_>, seed: u32, inodes: &[u8], pieces: &mut Vec<Piece>) {
        let groups = &self.groups;
        let used_inodes = u64::from(self.nodes.last());
        let contents: Vec<Contents> = (0..groups.count).map(|group| self.contents(group)).collect();
        for (group, (contents, tables)) in contents.iter().zip(&groups.tables).enumerate() {
            for (block, bitmap) in
                [(tables.block_bitmap, &contents.block_bitmap), (tables.inode_bitmap, &contents.inode_bitmap)]
            {
                if let Some(bitmap) = bitmap {
                    pieces.push(here(block * BLOCK, bitmap.clone()));
                }
            }
            let first = group as u64 * groups.inodes_each;
            let last = used_inodes.min(first + groups.inodes_each);
            if first < last {
                let bytes = inodes[first as usize * INODE..last as usize * INODE].to_vec();
                pieces.push(here(tables.inodes * BLOCK, bytes));
            }
        }
        let journal = self.journal.as_ref().map(|_| {
            let at = (JOURNAL_INODE as usize - 1) * INODE;
            std::array::from_fn(|byte| inodes[at + byte])
        });
        let superblock = Superblock {
            groups,
            uuid: request.uuid,
            label: request.label,
            epoch: request.epoch,
            free_blocks: self.free(),
            free_inodes: groups.inodes() - used_inodes,
            journal,
        };
        let descriptors = descriptors(groups, &contents, seed);
        for group in (0..groups.count).filter(|group| has_superblock(*group)) {
            let start = group * GROUP * BLOCK;
            // The first leaves room for what starts a machine.
            let offset = if group == 0 { 1024 } else { start };
            pieces.push(here(offset, superblock.bytes(group)));
            pieces.push(here(start + BLOCK, descriptors.clone()));
        }
    }

    fn contents(&self, group: u64) -> Contents {
        let groups = &self.groups;
        let range = groups.range(group);
        let clip = |start: u64, end: u64| (start.clamp(range.start, range.end), end.clamp(range.start, range.end));
        let first = groups.taken.partition_point(|one| one.end <= range.start);
        let taken = groups.taken[first..].iter().take_while(|one| one.start < range.end);
        let taken = taken.map(|one| clip(one.start, one.end));
        // All before the end is in use: what is not for files is for tables.
        let used: Vec<(u64, u64)> = taken.chain([clip(range.start, self.end)]).collect();
        let head = range.start + groups.head(group);
        let is_new = group + 1 < groups.count && used.iter().all(|(start, end)| start == end || *end <= head);
        let mut bitmap = vec![0; BLOCK as usize];
        for (start, end) in used {
            set_bits(&mut bitmap, start - range.start, end - range.start);
        }
        let used_blocks: u32 = bitmap.iter().map(|byte| byte.count_ones()).sum();
        // What is behind the end of the file system cannot be taken.
        set_bits(&mut bitmap, range.end - range.start, GROUP);

        let first = group * groups.inodes_each;
        let used_inodes = u64::from(self.nodes.last()).saturating_sub(first).min(groups.inodes_each);
        let mut inode_bitmap = vec![0; BLOCK as usize];
        set_bits(&mut inode_bitmap, 0, used_inodes);
        set_bits(&mut inode_bitmap, groups.inodes_each, GROUP);
        let nodes = &self.nodes.all;
        let at = |inode: u64| nodes.partition_point(|node| u64::from(node.number) <= inode);
        let own = &nodes[at(first)..at(first + groups.inodes_each)];
        let unused = groups.inodes_each - used_inodes;
        Contents {
            block_bitmap: (!is_new).then_some(bitmap),
            inode_bitmap: (used_inodes > 0).then_some(inode_bitmap),
            free_blocks: (range.end - range.start) as u32 - used_blocks,
            free_inodes: unused as u32,
            folders: own.iter().filter(|node| node.entry.is_directory()).count() as u32,
            unused_inodes: unused as u32,
        }
    }
}

/// Adds the blocks of the tree of extents; gives what is in the inode.
fn add_tree(placed: &Placed, inode: u32, seed: u32, pieces: &mut Vec<Piece>) -> [u8; 60] {
    let stored = extents::store(&placed.extents, inode, seed, &placed.tree);
    pieces.extend(stored.blocks.into_iter().map(|(number, block)| here(number * BLOCK, block)));
    stored.root
}

fn here(offset: u64, bytes: Vec<u8>) -> Piece {
    Piece { offset, bytes: Bytes::Here(bytes) }
}

fn set_bits(bitmap: &mut [u8], from: u64, to: u64) {
    for bit in from as usize..to as usize {
        bitmap[bit / 8] |= 1 << (bit % 8);
    }
}

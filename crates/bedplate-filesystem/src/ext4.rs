//! ext4, by mke2fs from an archive, and debugfs for what mke2fs leaves out of one.
//!
//! mke2fs 1.47 takes owners, modes, links, devices and `security.capability` from an archive, and drops other extended attributes
//! and times before 1970 or after 2037. debugfs writes these afterwards, by path.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use bedplate_tree::{CAPABILITY_ATTRIBUTE, Entry, Kind};

use crate::ext4_size::{BLOCK, Needs, journal_blocks, smallest};
use crate::sandboxed::{IMAGE, TREE, Workshop, quoted, uuid_text};
use crate::{Ext4Options, FilesystemError, Made, Request, Size};

/// Read instead of the one of the tools, so that another version of them cannot change what a file system has.
const CONFIG: &str = "\
[defaults]
	base_features = sparse_super,large_file,filetype,dir_index,ext_attr
	default_mntopts = acl,user_xattr
	enable_periodic_fsck = 0
	blocksize = 4096
	inode_size = 256
	inode_ratio = 16384
[fs_types]
	ext4 = {
		features = extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
	}
";

/// Bytes for each inode of a fixed size, as mke2fs has it by default.
const INODE_RATIO: u64 = 16384;

/// Inodes that are free in the smallest file system.
const SPARE_INODES: u64 = 64;

/// How often a smallest size is tried before the failure is taken for another one.
const ATTEMPTS: usize = 6;

/// Whether mke2fs drops something of an entry, so that debugfs has to write it.
pub(crate) fn needs_repair(entry: &Entry) -> bool {
    let is_link = matches!(entry.kind, Kind::HardLink(_));
    !is_link && (has_odd_time(entry) || entry.xattrs.keys().any(|name| name != CAPABILITY_ATTRIBUTE))
}

fn has_odd_time(entry: &Entry) -> bool {
    !(0..=i64::from(i32::MAX)).contains(&entry.mtime)
}

/// Makes the image.
pub(crate) fn make(shop: &Workshop<'_>, request: &Request<'_>, options: Ext4Options) -> Result<Made, FilesystemError> {
    let image = Image { shop, request, options, needs: Needs::of(request.tree), repair: repair(shop, request)? };
    shop.put("mke2fs.conf", CONFIG)?;
    match request.size {
        Size::Minimal { slack } => image.make_minimal(slack.div_ceil(BLOCK)),
        Size::Fixed(size) => image.make_fixed(size),
    }
}

/// The script for debugfs; none if there is nothing to repair. Values are in files, each once.
fn repair(shop: &Workshop<'_>, request: &Request<'_>) -> Result<Option<String>, FilesystemError> {
    let mut script = String::new();
    let mut values: BTreeMap<&[u8], String> = BTreeMap::new();
    for (path, entry) in request.tree.iter().filter(|(_, entry)| needs_repair(entry)) {
        for (name, value) in entry.xattrs.iter().filter(|(name, _)| *name != CAPABILITY_ATTRIBUTE) {
            let file = match values.get(value.as_slice()) {
                Some(file) => file.clone(),
                None => {
                    let file = shop.put(&format!("value-{}", values.len()), value)?;
                    values.insert(value, file.clone());
                    file
                }
            };
            let _ = writeln!(script, "ea_set -f {file} \"{path}\" {name}");
        }
        if has_odd_time(entry) {
            let _ = writeln!(script, "set_inode_field \"{path}\" mtime @{}", entry.mtime);
        }
    }
    if script.is_empty() { Ok(None) } else { shop.put("repair", script).map(Some) }
}

/// An image to be tried in several sizes.
struct Image<'a> {
    shop: &'a Workshop<'a>,
    request: &'a Request<'a>,
    options: Ext4Options,
    needs: Needs,
    repair: Option<String>,
}

impl Image<'_> {
    fn make_fixed(&self, size: u64) -> Result<Made, FilesystemError> {
        let too_small = |needed| FilesystemError::TooSmall { kind: "ext4", size, needed };
        let blocks = size / BLOCK;
        if blocks < smallest(self.options) {
            return Err(too_small(self.make_minimal(0)?.size));
        }
        let most = self.needs.inodes + SPARE_INODES;
        let many = most.max(size / INODE_RATIO);
        let failure = match self.run(blocks, many) {
            Err(error @ FilesystemError::Tool { .. }) => error,
            other => return other.map(|space| space.made(size)),
        };
        // Perhaps it fits with fewer inodes.
        if many > most
            && let Ok(space) = self.run(blocks, most)
        {
            return Ok(space.made(size));
        }
        let needed = self.make_minimal(0)?.size;
        Err(if needed > size { too_small(needed) } else { failure })
    }

    fn make_minimal(&self, slack: u64) -> Result<Made, FilesystemError> {
        let inodes = self.needs.inodes + SPARE_INODES + slack * BLOCK / INODE_RATIO;
        let mut blocks = self.needs.blocks(inodes, slack, self.options);
        let mut may_shrink = true;
        for attempt in 1.. {
            match self.run(blocks, inodes) {
                Ok(space) => {
                    // Holes in files are not counted before.
                    let waste = space.free.saturating_sub(slack);
                    let fewer = (space.blocks - waste).max(smallest(self.options));
                    if may_shrink && blocks - fewer.min(blocks) > (blocks / 64).max(128) {
                        may_shrink = false;
                        blocks = fewer;
                        continue;
                    }
                    return Ok(space.made(space.blocks * BLOCK));
                }
                Err(FilesystemError::Tool { .. }) if attempt < ATTEMPTS => {
                    may_shrink = false;
                    blocks += (blocks / 64).max(64);
                }
                Err(error) => return Err(error),
            }
        }
        unreachable!("the last attempt is given back")
    }

    /// Makes a file system of so many blocks and inodes.
    fn run(&self, blocks: u64, inodes: u64) -> Result<Space, FilesystemError> {
        let (shop, request) = (self.shop, self.request);
        shop.clear_image(blocks * BLOCK)?;
        let uuid = uuid_text(&request.uuid);
        let mut features = String::new();
        if self.options.growable {
            features.push_str(" -O resize_inode");
        }
        match journal_blocks(blocks, self.options) {
            0 => {}
            journal => {
                let _ = write!(features, " -O has_journal -J size={}", (journal * BLOCK) >> 20);
            }
        }
        if !request.label.is_empty() {
            let _ = write!(features, " -L {}", quoted(request.label));
        }
        let mut script = format!(
            "mke2fs -q -F -t ext4 -T default -b {BLOCK} -U {uuid} -m 0 -N {inodes}{features} \
             -E hash_seed={uuid},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0 \
             -d - {IMAGE} {blocks} < {TREE}"
        );
        if let Some(repair) = &self.repair {
            let _ = write!(script, "\ndebugfs -w -f {repair} {IMAGE} 2>&1");
        }
        let lines = shop.run(&script, Some(request.tree), &[])?;
        // debugfs says its name before each command, and exits with 0 whatever becomes of them. mke2fs says nothing if it does all
        // that it is asked for; it leaves a journal out that there is no room for, and exits with 0.
        let complaints: Vec<String> =
            lines.into_iter().filter(|line| !line.is_empty() && !line.starts_with("debugfs")).collect();
        if !complaints.is_empty() {
            return Err(FilesystemError::Incomplete { command: script, output: complaints });
        }
        self.space(blocks)
    }

    /// What the superblock says.
    fn space(&self, asked: u64) -> Result<Space, FilesystemError> {
        let image = self.shop.image();
        let mut superblock = [0; 1024];
        let file = File::open(&image).map_err(FilesystemError::io("open", &image))?;
        file.read_exact_at(&mut superblock, 1024).map_err(FilesystemError::io("read", &image))?;
        // linux/fs/ext4/ext4.h, struct ext4_super_block: the lower and the upper halves.
        let number = |at: usize| u64::from(u32::from_le_bytes([0, 1, 2, 3].map(|byte| superblock[at + byte])));
        let blocks = number(0x4) | number(0x150) << 32;
        let free = number(0xc) | number(0x158) << 32;
        // A last group that is too small for its tables is left out.
        if blocks < asked {
            let size = blocks * BLOCK;
            let file = File::options().write(true).open(&image).map_err(FilesystemError::io("open", &image))?;
            if matches!(self.request.size, Size::Minimal { .. }) {
                file.set_len(size).map_err(FilesystemError::io("shorten", &image))?;
            }
        }
        Ok(Space { blocks, free })
    }
}

/// The room in a file system, in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Space {
    blocks: u64,
    free: u64,
}

impl Space {
    fn made(self, size: u64) -> Made {
        Made { size, used: (self.blocks - self.free) * BLOCK }
    }
}

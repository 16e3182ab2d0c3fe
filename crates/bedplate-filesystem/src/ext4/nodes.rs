//! What lies in the file system, whatever its size: inodes with their numbers, names, contents.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use bedplate_cas::{Digest, Store};
use bedplate_tree::{ArchiveError, Entry, Kind, TreePath};
use rayon::prelude::*;

use super::attributes::{self, Stored};
use super::contents::{self, Content};
use super::directory::{self, Name};
use super::fields::put32;
use super::{BLOCK, FIRST_INODE, ROOT_INODE};
use crate::{FilesystemError, Request, error::Unsupported};

const LOST_AND_FOUND: &str = "/lost+found";
/// Blocks of `lost+found`, which has room for files to come.
const LOST_BLOCKS: usize = 4;
/// The longest target of a symbolic link that is kept in the inode.
const SHORT_TARGET: usize = 59;
/// How many names a file may have.
const MOST_NAMES: u64 = 65_000;

/// An inode that is of the tree.
pub(crate) struct Node<'a> {
    pub(crate) number: u32,
    pub(crate) entry: Cow<'a, Entry>,
    pub(crate) links: u64,
    pub(crate) data: Data,
    pub(crate) attributes: Stored,
}

/// What an inode leads to.
pub(crate) enum Data {
    /// Blocks: of a folder, or the one of a long link. And how many bytes count.
    Blocks(Vec<u8>, u64),
    /// A content, by its number.
    Content(usize),
    /// Bytes in place of the list of blocks. And how many count.
    Inline(Vec<u8>, u64),
}

/// All inodes of the tree, by number.
pub(crate) struct Nodes<'a> {
    pub(crate) all: Vec<Node<'a>>,
    pub(crate) contents: Vec<Content>,
}

impl<'a> Nodes<'a> {
    pub(crate) fn of(store: &Store, request: &Request<'a>, seed: u32) -> Result<Self, FilesystemError> {
        let entries = in_order(request);
        let numbers: HashMap<&str, usize> = entries.iter().enumerate().map(|(at, (path, _))| (*path, at)).collect();
        let mut links = vec![0_u64; entries.len()];
        let mut names: Vec<Vec<Name<'_>>> = entries.iter().map(|_| Vec::new()).collect();
        let lost = entries[1].1.clone();
        let lost_path: TreePath = LOST_AND_FOUND.parse().expect("it is a plain path");
        let is_there = request.tree.get(LOST_AND_FOUND).is_some();
        let listed = request.tree.iter().chain((!is_there).then_some((&lost_path, &*lost)));
        for (path, entry) in listed {
            let Some((parent, name)) = split(path) else { continue };
            let target = match &entry.kind {
                Kind::HardLink(target) => target.as_str(),
                _ => path.as_str(),
            };
            // A tree has the folder of each entry, and the file of each link.
            let (at, parent) = (numbers[target], numbers[parent]);
            links[at] += 1;
            if entry.is_directory() {
                links[at] += 1;
                links[parent] += 1;
            }
            names[parent].push(Name { inode: number(at), kind: kind_of(entry), name });
        }
        // The root has no name, and is its own parent.
        links[0] += 2;
        refuse_too_many_names(&entries, &links)?;

        let mut digests: Vec<Digest> = entries.iter().filter_map(|(_, entry)| entry.content()).collect();
        digests.sort_unstable();
        digests.dedup();
        let contents = contents::find(store, &digests).map_err(|failed| match *failed {
            (digest, FilesystemError::Store(source)) => {
                let has_it = |(path, entry): &(&str, Cow<'_, Entry>)| {
                    entry.content().filter(|content| *content == digest).and_then(|_| path.parse().ok())
                };
                let path = entries.iter().find_map(has_it).unwrap_or_else(TreePath::root);
                FilesystemError::Archive(ArchiveError::Content { path, source })
            }
            (_, other) => other,
        })?;
        let node = |(at, (path, entry)): (usize, (&str, Cow<'a, Entry>))| {
            let data = match &entry.kind {
                Kind::Directory => {
                    let parent = split_text(path).map_or(0, |(parent, _)| numbers[parent]);
                    let least = if at == 1 { LOST_BLOCKS } else { 1 };
                    let blocks = directory::blocks(number(at), number(parent), &names[at], least, seed);
                    let size = blocks.len() as u64;
                    Data::Blocks(blocks, size)
                }
                Kind::File(digest) => Data::Content(digests.binary_search(digest).unwrap_or_default()),
                Kind::Symlink(target) if target.len() > SHORT_TARGET => {
                    let mut block = target.clone().into_bytes();
                    block.resize(BLOCK as usize, 0);
                    Data::Blocks(block, target.len() as u64)
                }
                Kind::Symlink(target) => Data::Inline(target.clone().into_bytes(), target.len() as u64),
                Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } => {
                    Data::Inline(device(*major, *minor), 0)
                }
                Kind::Fifo | Kind::HardLink(_) => Data::Inline(Vec::new(), 0),
            };
            let attributes = attributes::store(&entry.xattrs);
            Node { number: number(at), entry, links: links[at], data, attributes }
        };
        let all = entries.into_par_iter().enumerate().map(node).collect();
        Ok(Self { all, contents })
    }

    /// How many inodes there are, those of the file system itself included.
    pub(crate) fn inodes(&self) -> u64 {
        u64::from(self.last())
    }

    /// The number of the last inode.
    pub(crate) fn last(&self) -> u32 {
        number(self.all.len() - 1)
    }

    /// Blocks that are needed whatever the size, without those of trees of extents.
    pub(crate) fn least_blocks(&self) -> u64 {
        let of = |node: &Node<'_>| {
            let data: u64 = self.runs(node).iter().map(|(_, count)| count).sum();
            data + u64::from(matches!(node.attributes, Stored::Block(_)))
        };
        self.all.iter().map(of).sum()
    }

    /// The blocks of an inode that are stored: the first of each run, and how many.
    pub(crate) fn runs(&self, node: &Node<'_>) -> Cow<'_, [(u32, u64)]> {
        match &node.data {
            Data::Blocks(bytes, _) => Cow::Owned(vec![(0, bytes.len() as u64 / BLOCK)]),
            Data::Content(at) => Cow::Borrowed(&self.contents[*at].runs),
            Data::Inline(..) => Cow::Borrowed(&[]),
        }
    }
}

/// What gets an inode: the root, `lost+found`, all others by path. Hard links get none.
fn in_order<'a>(request: &Request<'a>) -> Vec<(&'a str, Cow<'a, Entry>)> {
    let tree = request.tree;
    let lost = match tree.get(LOST_AND_FOUND) {
        Some(entry) => Cow::Borrowed(entry),
        None => {
            let entry = Entry::new(Kind::Directory, 0o700, &Arc::from("ext4"));
            Cow::Owned(Entry { mtime: request.epoch, ..entry })
        }
    };
    let mut root = None;
    let mut others = Vec::new();
    for (path, entry) in tree.iter() {
        match path.as_str() {
            "/" => root = Some(("/", Cow::Borrowed(entry))),
            LOST_AND_FOUND => {}
            path if !matches!(entry.kind, Kind::HardLink(_)) => others.push((path, Cow::Borrowed(entry))),
            _ => {}
        }
    }
    let root = root.expect("a tree has a root");
    [root, (LOST_AND_FOUND, lost)].into_iter().chain(others).collect()
}

/// The number of an inode, by its place in the order.
fn number(at: usize) -> u32 {
    match at {
        0 => ROOT_INODE,
        _ => FIRST_INODE + (at - 1) as u32,
    }
}

fn split(path: &TreePath) -> Option<(&str, &str)> {
    split_text(path.as_str())
}

/// The folder of a path, and the name in it; nothing for the root.
fn split_text(path: &str) -> Option<(&str, &str)> {
    let (parent, name) = path.rsplit_once('/')?;
    if name.is_empty() { None } else { Some((if parent.is_empty() { "/" } else { parent }, name)) }
}

fn kind_of(entry: &Entry) -> u8 {
    match entry.kind {
        Kind::File(_) | Kind::HardLink(_) => 1,
        Kind::Directory => 2,
        Kind::CharacterDevice { .. } => 3,
        Kind::BlockDevice { .. } => 4,
        Kind::Fifo => 5,
        Kind::Symlink(_) => 7,
    }
}

/// The number of a device: the old form where it fits, else the new one in the second word.
fn device(major: u32, minor: u32) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    if major < 256 && minor < 256 {
        put32(&mut bytes, 0, major << 8 | minor);
    } else {
        put32(&mut bytes, 4, minor & 0xff | major << 8 | (minor & !0xff) << 12);
    }
    bytes
}

fn refuse_too_many_names(entries: &[(&str, Cow<'_, Entry>)], links: &[u64]) -> Result<(), FilesystemError> {
    let is_wrong = |at: &usize| !entries[*at].1.is_directory() && links[*at] > MOST_NAMES;
    let wrong: Vec<Unsupported> = (0..entries.len())
        .filter(is_wrong)
        .filter_map(|at| {
            let path = entries[at].0.parse().ok()?;
            Some(Unsupported { path, what: format!("a file of {} names, more than {MOST_NAMES}", links[at]) })
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(FilesystemError::Unsupported { kind: "ext4", entries: wrong }) }
}

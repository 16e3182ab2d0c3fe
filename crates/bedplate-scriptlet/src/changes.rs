//! What scripts changed, brought into the file tree.
//!
//! The upper folder of an overlay has every file that was touched, also those that were only opened for writing, or whose folder
//! got a new file. So each is compared with the tree, and only what differs is taken.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bedplate_cas::{BlobKind, Digest, Store};
use bedplate_sandbox::{Written, WrittenKind};
use bedplate_tree::{CAPABILITY_ATTRIBUTE, Entry, FileTree, Kind, TreePath};

use crate::ScriptError;
use crate::materialise::is_kept;

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// It is new.
    Added,
    /// Its content, its kind or its facts are others.
    Changed,
    /// It is gone.
    Removed,
}

/// Brings what was written to `upper` into the tree. New files come from `origin`; all that changed has the time `epoch`.
pub(crate) fn apply(
    tree: &mut FileTree,
    written: &[Written],
    upper: &Path,
    store: &Store,
    origin: &Arc<str>,
    epoch: i64,
) -> Result<BTreeMap<TreePath, Change>, ScriptError> {
    let mut paths = Vec::with_capacity(written.len());
    let batch = store.batch();
    let mut contents: BTreeMap<u64, Digest> = BTreeMap::new();
    for one in written {
        paths.push(tree_path(&one.path)?);
        if one.kind == WrittenKind::File && !contents.contains_key(&one.inode) {
            let digest = batch.put_file_as(&upper.join(&one.path), BlobKind::of_mode(one.mode))?;
            contents.insert(one.inode, digest);
        }
    }
    batch.commit()?;
    let mut applied = Apply { tree, origin, epoch, contents, names: BTreeMap::new(), changes: BTreeMap::new() };
    for (one, path) in written.iter().zip(paths) {
        applied.one(one, path)?;
    }
    Ok(applied.changes)
}

fn tree_path(path: &Path) -> Result<TreePath, ScriptError> {
    let unfit = |why: String| ScriptError::Unfit { path: Path::new("/").join(path), why };
    let text = path.to_str().ok_or_else(|| unfit("its name is not UTF-8".to_owned()))?;
    format!("/{text}").parse().map_err(|error: bedplate_tree::TreePathError| unfit(error.to_string()))
}

struct Apply<'a> {
    tree: &'a mut FileTree,
    origin: &'a Arc<str>,
    epoch: i64,
    /// By inode.
    contents: BTreeMap<u64, Digest>,
    /// The first name of each inode.
    names: BTreeMap<u64, TreePath>,
    changes: BTreeMap<TreePath, Change>,
}

impl Apply<'_> {
    fn one(&mut self, one: &Written, path: TreePath) -> Result<(), ScriptError> {
        let kind = match &one.kind {
            WrittenKind::Whiteout => {
                self.remove(&path);
                return Ok(());
            }
            WrittenKind::Directory { is_opaque } => {
                if *is_opaque {
                    self.remove_below(&path);
                }
                Kind::Directory
            }
            WrittenKind::Symlink(target) => {
                let target = std::str::from_utf8(target).map_err(|_| ScriptError::Unfit {
                    path: path.as_str().into(),
                    why: "where it leads is not UTF-8".to_owned(),
                })?;
                Kind::Symlink(target.to_owned())
            }
            WrittenKind::File => match self.names.get(&one.inode) {
                // Of names of one file the first is the file.
                Some(first) => {
                    let link = Kind::HardLink(first.clone());
                    let same = self.tree.get(path.as_str()).filter(|old| old.kind == link);
                    return match same {
                        Some(_) => Ok(()),
                        None => self.put(path, Entry::new(link, 0, self.origin)),
                    };
                }
                None => {
                    self.names.insert(one.inode, path.clone());
                    Kind::File(self.contents[&one.inode])
                }
            },
            WrittenKind::Fifo => Kind::Fifo,
            // Whoever listened there does not live any more.
            WrittenKind::Socket => return Ok(()),
            WrittenKind::Device => {
                let why = "devices belong to no image; systemd makes them when it starts".to_owned();
                return Err(ScriptError::Unfit { path: path.as_str().into(), why });
            }
        };
        let old = self.tree.get(path.as_str());
        if old.is_some_and(|old| !same_sort(&old.kind, &kind)) {
            self.remove(&path);
        }
        let old = match self.tree.get(path.as_str()) {
            // Another name of a file that is as it was.
            Some(Entry { kind: Kind::HardLink(file), .. }) => self.tree.get(file.as_str()),
            old => old,
        };
        let new = facts(one, kind, old, self.origin);
        if old == Some(&new) {
            return Ok(());
        }
        self.put(path, new)
    }

    /// Puts what is new at a path. Other names of a file that was there keep that file, as scripts saw it.
    fn put(&mut self, path: TreePath, new: Entry) -> Result<(), ScriptError> {
        // What was removed and made anew is changed.
        let was_there = self.tree.get(path.as_str()).is_some() || self.changes.contains_key(&path);
        self.tree.insert(path.clone(), Entry { mtime: self.epoch, ..new })?;
        self.changes.insert(path, if was_there { Change::Changed } else { Change::Added });
        Ok(())
    }

    fn remove(&mut self, path: &TreePath) {
        let gone: Vec<TreePath> = self.tree.below(path).map(|(path, _)| path.clone()).collect();
        self.changes.extend(gone.into_iter().map(|path| (path, Change::Removed)));
        self.tree.remove(path);
    }

    fn remove_below(&mut self, path: &TreePath) {
        let children: Vec<TreePath> = self.tree.children(path).map(|(path, _)| path.clone()).collect();
        children.iter().for_each(|child| self.remove(child));
    }
}

/// True if one can become the other by a change of its content.
fn same_sort(old: &Kind, new: &Kind) -> bool {
    let sort = |kind: &Kind| match kind {
        Kind::HardLink(_) => std::mem::discriminant(&Kind::File(Digest::of(b""))),
        other => std::mem::discriminant(other),
    };
    sort(old) == sort(new)
}

/// The entry with what was written; equal to the old one if nothing of it is new.
fn facts(one: &Written, kind: Kind, old: Option<&Entry>, origin: &Arc<str>) -> Entry {
    let is_known = |name: &str| is_kept(name) || name == CAPABILITY_ATTRIBUTE || name.starts_with("system.posix_acl_");
    let value = |name: &str, value: &[u8]| match name {
        CAPABILITY_ATTRIBUTE => plain_capability(value),
        _ => value.to_vec(),
    };
    let known = one.attributes.iter().filter(|(name, _)| is_known(name));
    let mut new = Entry {
        mode: u16::try_from(one.mode & 0o7777).unwrap_or_default(),
        uid: one.user,
        gid: one.group,
        mtime: one.time,
        xattrs: known.map(|(name, bytes)| (name.clone(), value(name, bytes))).collect(),
        origin: Arc::clone(old.map_or(origin, |old| &old.origin)),
        kind,
    };
    let Some(old) = old else { return new };
    if matches!(new.kind, Kind::Symlink(_)) {
        // They have no mode that could change.
        new.mode = old.mode;
    }
    // Scripts do not see capabilities of files. The kernel takes them away when a file is written to or given to another.
    if new.kind == old.kind && (new.uid, new.gid) == (old.uid, old.gid) {
        for (name, value) in old.xattrs.iter().filter(|(name, _)| !is_kept(name)) {
            new.xattrs.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    new
}

/// A capability without the user namespace that it was given in: `VFS_CAP_REVISION_3` as `VFS_CAP_REVISION_2`.
fn plain_capability(value: &[u8]) -> Vec<u8> {
    const REVISION_3: u8 = 3;
    const LENGTH_2: usize = 20;
    match value {
        [_, _, _, REVISION_3, ..] if value.len() > LENGTH_2 => {
            let mut plain = value[..LENGTH_2].to_vec();
            plain[3] = 2;
            plain
        }
        _ => value.to_vec(),
    }
}

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
use serde::{Deserialize, Serialize};

use crate::ScriptError;
use crate::materialise::is_kept;

/// Files that tools keep for their own speed, with numbers and times of the machine's files in them.
const VOLATILE: [&str; 1] = ["/var/cache/ldconfig/aux-cache"];

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    for (one, path) in written.iter().zip(paths).filter(|(_, path)| !VOLATILE.contains(&path.as_str())) {
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
    let known = one.attributes.iter().filter(|(name, _)| is_known(name));
    let mut new = Entry {
        mode: u16::try_from(one.mode & 0o7777).unwrap_or_default(),
        uid: one.user,
        gid: one.group,
        mtime: one.time,
        xattrs: known.map(|(name, value)| (name.clone(), value.clone())).collect(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(path: &str, kind: WrittenKind) -> Written {
        let inode = path.bytes().map(u64::from).sum();
        Written { path: path.into(), kind, mode: 0o644, user: 0, group: 0, time: 5, inode, attributes: BTreeMap::new() }
    }

    fn place(path: &str) -> TreePath {
        path.parse().unwrap()
    }

    /// A tree with `/d/a` (5 seconds old, with a capability), its other name `/d/b`, `/d/sub/c` and the link `/l`.
    fn tree(store: &Store) -> FileTree {
        let origin: Arc<str> = Arc::from("package");
        let mut tree = FileTree::new();
        let old = Kind::File(store.put(b"old").unwrap());
        let mut entries = vec![
            ("/d", Entry::new(Kind::Directory, 0o755, &origin)),
            ("/d/a", Entry::new(old.clone(), 0o644, &origin)),
            ("/d/b", Entry::new(Kind::HardLink(place("/d/a")), 0, &origin)),
            ("/d/sub", Entry::new(Kind::Directory, 0o755, &origin)),
            ("/d/sub/c", Entry::new(old, 0o644, &origin)),
            ("/l", Entry::new(Kind::Symlink("d".into()), 0o777, &origin)),
        ];
        entries[1].1.xattrs.insert(CAPABILITY_ATTRIBUTE.to_owned(), vec![1]);
        for (path, mut entry) in entries {
            entry.mtime = 5;
            tree.insert(place(path), entry).unwrap();
        }
        tree
    }

    /// What changes when this is written; files have the content that is given, or `old`.
    fn apply_all(all: &[(Written, &str)]) -> (FileTree, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let upper = folder.path().join("upper");
        for (one, content) in all {
            let path = upper.join(&one.path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            if one.kind == WrittenKind::File {
                std::fs::write(path, content).unwrap();
            }
        }
        let mut tree = tree(&store);
        let written: Vec<Written> = all.iter().map(|(one, _)| one.clone()).collect();
        let origin = Arc::from("scriptlets");
        let changes = apply(&mut tree, &written, &upper, &store, &origin, 9).unwrap();
        (tree, changes.iter().map(|(path, change)| format!("{path} {change:?}")).collect())
    }

    const FOLDER: WrittenKind = WrittenKind::Directory { is_opaque: false };

    #[test]
    fn what_was_only_touched_is_not_taken() {
        let folder = Written { mode: 0o755, ..written("d", FOLDER) };
        let link = Written { mode: 0o777, ..written("l", WrittenKind::Symlink(b"d".to_vec())) };
        let files = ["d/a", "d/b"].map(|path| (written(path, WrittenKind::File), "old"));
        let [a, b] = files;
        let (tree, changes) = apply_all(&[(folder, ""), a, b, (link, "")]);
        assert_eq!(changes, [""; 0]);
        assert_eq!(tree.get("/d/b").unwrap().kind, Kind::HardLink(place("/d/a")));
        assert_eq!(tree.get("/d/a").unwrap().xattrs.len(), 1);
    }

    #[test]
    fn a_changed_file_loses_its_capability_and_its_other_names() {
        for (one, content) in [
            (written("d/a", WrittenKind::File), "new"),
            (Written { user: 7, ..written("d/a", WrittenKind::File) }, "old"),
        ] {
            let (tree, changes) = apply_all(&[(one, content)]);
            assert_eq!(changes, ["/d/a Changed"]);
            let entry = tree.get("/d/a").unwrap();
            assert_eq!((entry.xattrs.len(), entry.mtime, &*entry.origin), (0, 9, "package"));
            assert_eq!(tree.get("/d/b").unwrap().content(), Some(Digest::of(b"old")));
            assert_eq!(tree.get("/d/b").unwrap().mtime, 5);
        }
        let mode = Written { mode: 0o600, ..written("d/b", WrittenKind::File) };
        let (tree, changes) = apply_all(&[(mode, "old")]);
        assert_eq!(changes, ["/d/b Changed"]);
        assert_eq!(tree.get("/d/a").unwrap().mode, 0o644);
        assert_eq!(tree.get("/d/b").unwrap().mode, 0o600);
    }

    #[test]
    fn what_is_gone_is_gone_with_all_below() {
        let opaque = Written { mode: 0o755, ..written("d", WrittenKind::Directory { is_opaque: true }) };
        for (one, expected) in [
            (written("d", WrittenKind::Whiteout), &["/d", "/d/a", "/d/b", "/d/sub", "/d/sub/c"][..]),
            (opaque, &["/d/a", "/d/b", "/d/sub", "/d/sub/c"]),
            (written("none", WrittenKind::Whiteout), &[]),
        ] {
            let (tree, changes) = apply_all(&[(one, "")]);
            let removed: Vec<String> = expected.iter().map(|path| format!("{path} Removed")).collect();
            assert_eq!(changes, removed);
            assert!(expected.iter().all(|path| tree.get(path).is_none()));
        }
        let (tree, changes) = apply_all(&[(written("d", WrittenKind::File), "x")]);
        assert_eq!(changes[0], "/d Changed");
        assert_eq!(tree.get("/d").unwrap().content(), Some(Digest::of(b"x")));
        let (tree, changes) = apply_all(&[(written("d/a", FOLDER), "")]);
        assert_eq!(changes, ["/d/a Changed"]);
        assert!(tree.get("/d/a").unwrap().is_directory());
        assert_eq!(tree.get("/d/b").unwrap().content(), Some(Digest::of(b"old")));
    }

    #[test]
    fn new_names_of_a_file_are_links() {
        let file = |path: &str| Written { inode: 1, ..written(path, WrittenKind::File) };
        let (tree, changes) = apply_all(&[(file("d/a"), "old"), (file("d/x"), "old"), (file("y"), "old")]);
        assert_eq!(changes, ["/d/x Added", "/y Added"]);
        for path in ["/d/b", "/d/x", "/y"] {
            assert_eq!(tree.get(path).unwrap().kind, Kind::HardLink(place("/d/a")), "{path}");
        }
        let (tree, changes) = apply_all(&[(file("a"), "new"), (file("d/sub/c"), "new")]);
        assert_eq!(changes, ["/a Added", "/d/sub/c Changed"]);
        assert_eq!(tree.get("/d/sub/c").unwrap().kind, Kind::HardLink(place("/a")));
    }

    #[test]
    fn what_has_no_place_in_an_image_is_an_error_or_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let origin = Arc::from("scriptlets");
        let mut tree = tree(&store);
        for (one, expected) in [
            (
                written("dev/x", WrittenKind::Device),
                "a script made `/dev/x`: devices belong to no image; systemd makes them when it starts",
            ),
            (written("l2", WrittenKind::Symlink(vec![0xff])), "a script made `/l2`: where it leads is not UTF-8"),
            (
                Written {
                    path: <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(vec![b'x', 0xff]).into(),
                    ..written("", WrittenKind::Fifo)
                },
                "a script made `/x\u{fffd}`: its name is not UTF-8",
            ),
        ] {
            let error = apply(&mut tree, &[one], folder.path(), &store, &origin, 9).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        let dropped = [written("run.socket", WrittenKind::Socket), written(&VOLATILE[0][1..], WrittenKind::Fifo)];
        assert!(apply(&mut tree, &dropped, folder.path(), &store, &origin, 9).unwrap().is_empty());
    }
}

//! The tree.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bedplate_cas::Digest;

use crate::{Entry, Kind, TreePath};

/// How many symbolic links a path may lead through, as the kernel has it.
const LINKS: usize = 40;

/// All files of an image, by path. It always has a root folder, and every entry lies in a folder of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTree {
    entries: BTreeMap<TreePath, Entry>,
}

/// Why an entry has no place in the tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    /// What should be its folder is something else.
    #[error("`{path}` has no place: `{parent}` is {what}, not a folder")]
    NotAFolder {
        /// The path of the entry.
        path: TreePath,
        /// What should be its folder.
        parent: TreePath,
        /// What that is.
        what: &'static str,
    },
    /// A folder with files would become something else.
    #[error("`{path}` is a folder with files and cannot become {what}")]
    Folder {
        /// The path of the folder.
        path: TreePath,
        /// What it should become.
        what: &'static str,
    },
    /// A hard link to what is no file of the tree.
    #[error("`{path}` is a hard link to `{target}`, which is no file")]
    Link {
        /// The path of the link.
        path: TreePath,
        /// What it should be linked to.
        target: TreePath,
    },
}

impl Default for FileTree {
    fn default() -> Self {
        Self::new()
    }
}

impl FileTree {
    /// A tree of nothing but a root folder: mode 0755, of root.
    #[must_use]
    pub fn new() -> Self {
        let root = Entry::new(Kind::Directory, 0o755, &Arc::from("bedplate"));
        Self { entries: BTreeMap::from([(TreePath::root(), root)]) }
    }

    /// Puts an entry at a path. What is there is replaced; a folder that becomes a folder keeps what is below it, and other names
    /// of a file that is replaced keep that file. Folders that are missing on the way are made: mode 0755, of root, with the time
    /// and the origin of the entry.
    ///
    /// The path is taken as it is: symbolic links on the way are not followed ([`resolve`](Self::resolve) does).
    ///
    /// # Errors
    ///
    /// See [`InsertError`].
    pub fn insert(&mut self, path: TreePath, entry: Entry) -> Result<(), InsertError> {
        if let Kind::HardLink(target) = &entry.kind
            && !matches!(self.get(target.as_str()), Some(Entry { kind: Kind::File(_), .. }))
        {
            return Err(InsertError::Link { target: target.clone(), path });
        }
        if matches!(&entry.kind, Kind::HardLink(target) if *target == path) {
            return Err(InsertError::Link { target: path.clone(), path });
        }
        if !entry.is_directory() && self.has_children(&path) {
            return Err(InsertError::Folder { what: entry.kind.what(), path });
        }
        let mut missing = Vec::new();
        let mut folder = path.parent();
        while let Some(parent) = folder {
            match self.entries.get(&parent) {
                Some(other) if other.is_directory() => break,
                Some(other) => return Err(InsertError::NotAFolder { what: other.kind.what(), path, parent }),
                None => folder = parent.parent(),
            }
            missing.push(parent);
        }
        for parent in missing {
            let made = Entry { mtime: entry.mtime, ..Entry::new(Kind::Directory, 0o755, &entry.origin) };
            self.entries.insert(parent, made);
        }
        let old = self.entries.insert(path.clone(), entry);
        if let Some(old @ Entry { kind: Kind::File(_), .. }) = old {
            self.lead_links(&path, old);
        }
        Ok(())
    }

    /// Takes an entry and all below it away; the root stays. Hard links to a file that goes are led to the first that stays.
    pub fn remove(&mut self, path: &TreePath) {
        let gone: Vec<TreePath> =
            self.below(path).filter(|(path, _)| !path.is_root()).map(|(path, _)| path.clone()).collect();
        for path in gone {
            let Some(entry) = self.entries.remove(&path) else { continue };
            if matches!(entry.kind, Kind::File(_)) {
                self.lead_links(&path, entry);
            }
        }
    }

    fn lead_links(&mut self, old: &TreePath, file: Entry) {
        let mut first: Option<TreePath> = None;
        for (path, entry) in &mut self.entries {
            if !matches!(&entry.kind, Kind::HardLink(target) if target == old) {
                continue;
            }
            match &first {
                None => {
                    entry.clone_from(&file);
                    first = Some(path.clone());
                }
                Some(first) => entry.kind = Kind::HardLink(first.clone()),
            }
        }
    }

    /// The entry at this path, if it is there; symbolic links are not followed.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// The entry at this path, to change it. Its kind must stay a folder if something lies below.
    pub fn get_mut(&mut self, path: &str) -> Option<&mut Entry> {
        self.entries.get_mut(path)
    }

    /// The path that this path leads to when symbolic links are followed, within the tree as root; of its last part too. What is
    /// not there stays as it is written, so that the answer is where a file would be made. None for a loop.
    #[must_use]
    pub fn resolve(&self, path: &TreePath) -> Option<TreePath> {
        let mut left: Vec<String> =
            path.relative().split('/').rev().filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let mut at = TreePath::root();
        let mut links = 0;
        while let Some(part) = left.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    at = at.parent().unwrap_or(at);
                    continue;
                }
                _ => {}
            }
            let next = at.join(&part).ok()?;
            match self.entries.get(&next).map(|entry| &entry.kind) {
                Some(Kind::Symlink(target)) => {
                    links += 1;
                    if links > LINKS {
                        return None;
                    }
                    if target.starts_with('/') {
                        at = TreePath::root();
                    }
                    left.extend(target.split('/').rev().map(str::to_owned));
                }
                _ => at = next,
            }
        }
        Some(at)
    }

    /// All entries, sorted by path: the root first, each folder before what is in it.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&TreePath, &Entry)> {
        self.entries.iter()
    }

    /// All entries, to change them; see [`get_mut`](Self::get_mut).
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&TreePath, &mut Entry)> {
        self.entries.iter_mut()
    }

    /// An entry and all that lies below it.
    pub fn below<'a>(&'a self, folder: &'a TreePath) -> impl Iterator<Item = (&'a TreePath, &'a Entry)> {
        // Names like `/usr-x` stand between `/usr` and `/usr/bin`.
        let rest = self.entries.range::<str, _>((Bound::Included(folder.as_str()), Bound::Unbounded));
        rest.take_while(|(path, _)| path.as_str().starts_with(folder.as_str()))
            .filter(|(path, _)| path.is_below(folder))
    }

    /// What lies in a folder itself, not deeper.
    pub fn children<'a>(&'a self, folder: &'a TreePath) -> impl Iterator<Item = (&'a TreePath, &'a Entry)> {
        self.below(folder).filter(|(path, _)| path.parent().as_ref() == Some(folder))
    }

    fn has_children(&self, folder: &TreePath) -> bool {
        self.below(folder).nth(1).is_some()
    }

    /// A folder of this tree as a tree of its own, for a partition. A hard link whose file is not in it becomes a file.
    #[must_use]
    pub fn subtree(&self, folder: &TreePath) -> Self {
        let mut tree = Self::new();
        for (path, entry) in self.below(folder) {
            let Some(path) = path.below(folder) else { continue };
            let mut entry = entry.clone();
            if let Kind::HardLink(target) = &entry.kind {
                match target.below(folder) {
                    Some(target) => entry.kind = Kind::HardLink(target),
                    None => {
                        if let Some(file) = self.get(target.as_str()) {
                            entry.kind = file.kind.clone();
                        }
                    }
                }
            }
            tree.entries.insert(path, entry);
        }
        tree
    }

    /// How many entries it has, the root counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if it has nothing but its root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 1
    }

    /// Bytes of all plain files, each hard-linked file once.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.entries.values().filter_map(Entry::content).map(|digest| digest.size).sum()
    }

    /// The contents of all plain files, each once.
    #[must_use]
    pub fn contents(&self) -> std::collections::BTreeSet<Digest> {
        self.entries.values().filter_map(Entry::content).collect()
    }

    /// Sets every time that is later than `limit` (seconds since 1970) to it.
    pub fn clamp_times(&mut self, limit: i64) {
        for entry in self.entries.values_mut() {
            entry.mtime = entry.mtime.min(limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        text.parse().unwrap()
    }

    fn entry(kind: Kind) -> Entry {
        Entry::new(kind, 0o644, &Arc::from("test"))
    }

    fn file(content: &str) -> Entry {
        entry(Kind::File(Digest::of(content.as_bytes())))
    }

    fn paths(tree: &FileTree) -> Vec<&str> {
        tree.iter().map(|(path, _)| path.as_str()).collect()
    }

    #[test]
    fn makes_folders_on_the_way_and_lists_them_first() {
        let mut tree = FileTree::new();
        tree.insert(path("/usr-x"), file("x")).unwrap();
        tree.insert(path("/usr/bin/a"), file("a")).unwrap();
        assert_eq!(paths(&tree), ["/", "/usr", "/usr-x", "/usr/bin", "/usr/bin/a"]);
        let usr = path("/usr");
        assert_eq!(
            tree.below(&usr).map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
            ["/usr", "/usr/bin", "/usr/bin/a"]
        );
        assert_eq!(tree.children(&usr).map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["/usr/bin"]);
        assert_eq!(
            tree.children(&TreePath::root()).map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
            ["/usr", "/usr-x"]
        );
    }

    #[test]
    fn refuses_what_has_no_place() {
        let mut tree = FileTree::new();
        tree.insert(path("/a"), file("a")).unwrap();
        tree.insert(path("/d/x"), file("x")).unwrap();
        for (at, what, message) in [
            ("/a/b", file("b"), "`/a/b` has no place: `/a` is a file, not a folder"),
            ("/d", file("d"), "`/d` is a folder with files and cannot become a file"),
            ("/l", entry(Kind::HardLink(path("/none"))), "`/l` is a hard link to `/none`, which is no file"),
            ("/a", entry(Kind::HardLink(path("/a"))), "`/a` is a hard link to `/a`, which is no file"),
        ] {
            let before = tree.clone();
            assert_eq!(tree.insert(path(at), what).unwrap_err().to_string(), message);
            assert_eq!(tree, before);
        }
    }

    #[test]
    fn names_of_a_file_outlive_it() {
        let mut tree = FileTree::new();
        tree.insert(path("/a"), file("a")).unwrap();
        tree.insert(path("/b"), entry(Kind::HardLink(path("/a")))).unwrap();
        tree.insert(path("/c"), entry(Kind::HardLink(path("/a")))).unwrap();
        let mut removed = tree.clone();
        removed.remove(&path("/a"));
        let mut replaced = tree.clone();
        replaced.insert(path("/a"), file("other")).unwrap();
        for tree in [removed, replaced] {
            assert_eq!(tree.get("/b").unwrap().kind, Kind::File(Digest::of(b"a")));
            assert_eq!(tree.get("/c").unwrap().kind, Kind::HardLink(path("/b")));
        }
    }

    #[test]
    fn follows_links_within_the_tree() {
        let mut tree = FileTree::new();
        for (at, target) in [("/bin", "usr/bin"), ("/usr/up", "../../../etc"), ("/abs", "/usr/up/x"), ("/loop", "loop")]
        {
            tree.insert(path(at), entry(Kind::Symlink(target.into()))).unwrap();
        }
        for (from, to) in [
            ("/bin/sh", Some("/usr/bin/sh")),
            ("/usr/up/passwd", Some("/etc/passwd")),
            ("/abs", Some("/etc/x")),
            ("/none/../x", None),
            ("/loop/x", None),
        ] {
            let resolved = from.parse::<TreePath>().ok().and_then(|from| tree.resolve(&from));
            assert_eq!(resolved.as_ref().map(TreePath::as_str), to, "{from}");
        }
    }

    #[test]
    fn a_subtree_stands_alone() {
        let mut tree = FileTree::new();
        tree.insert(path("/etc/a"), file("a")).unwrap();
        tree.insert(path("/usr/b"), entry(Kind::HardLink(path("/etc/a")))).unwrap();
        tree.insert(path("/usr/c"), file("c")).unwrap();
        tree.insert(path("/usr/d"), entry(Kind::HardLink(path("/usr/c")))).unwrap();
        let usr = tree.subtree(&path("/usr"));
        assert_eq!(paths(&usr), ["/", "/b", "/c", "/d"]);
        assert_eq!(usr.get("/b").unwrap().kind, Kind::File(Digest::of(b"a")));
        assert_eq!(usr.get("/d").unwrap().kind, Kind::HardLink(path("/c")));
        assert_eq!(usr.size(), 2);
    }
}

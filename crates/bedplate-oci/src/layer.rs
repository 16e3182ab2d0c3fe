//! One layer.

use std::collections::BTreeSet;
use std::sync::Arc;

use bedplate_cas::Store;
use bedplate_tree::{Entry, FileTree, Kind, TreePath};

use crate::OciError;

/// What the name of a file begins with that stands for a removal.
const WHITEOUT: &str = ".wh.";

/// What a layer puts over those below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// What it has, with the folders on the way.
    pub tree: FileTree,
    /// What it takes away of the layers below. The folder of each has to be in the tree, as a layer says anew what a folder is that
    /// it takes something out of.
    pub removed: Vec<TreePath>,
    /// What made it, for people who look at the history of an image.
    pub comment: String,
}

impl Layer {
    /// A layer that only adds.
    #[must_use]
    pub fn new(tree: FileTree, comment: &str) -> Self {
        Self { tree, removed: Vec::new(), comment: comment.to_owned() }
    }

    /// What makes `whole` out of `base`: entries that are new or other, and what is gone. None if the two are the same.
    ///
    /// # Errors
    ///
    /// Never for trees whose hard links lead to files, as those of a [`FileTree`] do.
    pub fn between(base: &FileTree, whole: &FileTree, comment: &str) -> Result<Option<Self>, OciError> {
        // A name of a file with several is only the same if the whole group is: a layer cannot link to what is below it.
        let target = |tree: &FileTree, path: &TreePath| match tree.get(path.as_str()) {
            Some(Entry { kind: Kind::HardLink(target), .. }) => target.clone(),
            _ => path.clone(),
        };
        let is_same = |path: &TreePath, entry: &Entry| {
            base.get(path.as_str()).is_some_and(|other| {
                let of = |tree: &FileTree, entry: &Entry| match &entry.kind {
                    Kind::HardLink(target) => tree.get(target.as_str()).cloned(),
                    _ => Some(entry.clone()),
                };
                match (of(base, other), of(whole, entry)) {
                    (Some(one), Some(two)) => looks_same(&one, &two) && target(base, path) == target(whole, path),
                    _ => false,
                }
            })
        };
        let changed_groups: BTreeSet<TreePath> =
            whole.iter().filter(|(path, entry)| !is_same(path, entry)).map(|(path, _)| target(whole, path)).collect();
        let mut removed: Vec<TreePath> = Vec::new();
        for (path, entry) in base.iter() {
            let is_gone = match whole.get(path.as_str()) {
                None => true,
                // What was a folder goes with all that is in it.
                Some(other) => entry.is_directory() && !other.is_directory(),
            };
            if is_gone && !removed.iter().any(|folder| path.is_below(folder)) {
                removed.push(path.clone());
            }
        }
        if changed_groups.is_empty() && removed.is_empty() {
            return Ok(None);
        }
        // A name that becomes something else needs no removal: what a layer has hides what is below.
        removed.retain(|path| whole.get(path.as_str()).is_none());
        let folders: BTreeSet<TreePath> = removed.iter().filter_map(TreePath::parent).collect();
        let tree = crate::split::part(whole, |path, _| {
            changed_groups.contains(&target(whole, path)) || folders.contains(path)
        })?;
        Ok(Some(Self { tree, removed, comment: comment.to_owned() }))
    }

    /// The tree as it goes into the archive: removals are empty files beside what they remove.
    pub(crate) fn with_whiteouts(&self, store: &Store) -> Result<FileTree, OciError> {
        let paths: Vec<TreePath> = self
            .tree
            .iter()
            .filter(|(path, _)| path.name().starts_with(WHITEOUT))
            .map(|(path, _)| path.clone())
            .collect();
        if !paths.is_empty() {
            return Err(OciError::Whiteouts { paths });
        }
        let mut tree = self.tree.clone();
        let homeless = |path: &&TreePath| {
            let folder = path.parent().and_then(|folder| self.tree.get(folder.as_str()));
            !folder.is_some_and(Entry::is_directory)
        };
        let paths: Vec<TreePath> = self.removed.iter().filter(homeless).cloned().collect();
        if !paths.is_empty() {
            return Err(OciError::Homeless { paths });
        }
        if !self.removed.is_empty() {
            let empty = Entry::new(Kind::File(store.put(b"")?), 0o644, &Arc::from("removed"));
            for path in &self.removed {
                if let Some(name) =
                    path.parent().and_then(|folder| folder.join(&format!("{WHITEOUT}{}", path.name())).ok())
                {
                    tree.insert(name, empty.clone())?;
                }
            }
        }
        Ok(tree)
    }
}

/// Whether two entries are the same in an image: who made them does not count.
fn looks_same(one: &Entry, two: &Entry) -> bool {
    let facts = |entry: &Entry| (entry.mode, entry.uid, entry.gid, entry.mtime);
    one.kind == two.kind && facts(one) == facts(two) && one.xattrs == two.xattrs
}

#[cfg(test)]
mod tests {
    use bedplate_cas::Digest;

    use super::*;

    fn tree(entries: &[(&str, Kind)]) -> FileTree {
        let origin: Arc<str> = Arc::from("test");
        let mut tree = FileTree::new();
        for (path, kind) in entries {
            tree.insert(path.parse().unwrap(), Entry::new(kind.clone(), 0o644, &origin)).unwrap();
        }
        tree
    }

    fn file(text: &str) -> Kind {
        Kind::File(Digest::of(text.as_bytes()))
    }

    fn link(to: &str) -> Kind {
        Kind::HardLink(to.parse().unwrap())
    }

    #[test]
    fn a_difference_has_what_changed_and_what_is_gone() {
        let base = tree(&[
            ("/a", file("a")),
            ("/b", file("b")),
            ("/d/x", file("x")),
            ("/d/y", file("y")),
            ("/e", Kind::Directory),
            ("/h/1", file("h")),
            ("/h/2", link("/h/1")),
            ("/s/old", file("s")),
            ("/s/gone", file("s")),
        ]);
        let whole = tree(&[
            ("/a", file("a")),
            ("/b", file("other")),
            ("/e", file("no folder any more")),
            ("/h/1", file("h2")),
            ("/h/2", link("/h/1")),
            ("/n/new", file("n")),
            ("/s/old", file("s")),
        ]);
        let layer = Layer::between(&base, &whole, "difference").unwrap().unwrap();
        let paths: Vec<&str> = layer.tree.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["/", "/b", "/e", "/h", "/h/1", "/h/2", "/n", "/n/new", "/s"]);
        assert_eq!(layer.removed.iter().map(TreePath::as_str).collect::<Vec<_>>(), ["/d", "/s/gone"]);
        assert_eq!(Layer::between(&whole, &whole, "").unwrap(), None);
    }
}

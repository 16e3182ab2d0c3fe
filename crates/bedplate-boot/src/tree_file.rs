//! Files of an image's tree.

use bedplate_cas::{Digest, Store, StoreError};
use bedplate_tree::{Entry, FileTree, Kind, TreePath};

/// The content of a plain file or a hard link to one; nothing for anything else.
pub(crate) fn digest_of(tree: &FileTree, entry: &Entry) -> Option<Digest> {
    match &entry.kind {
        Kind::File(digest) => Some(*digest),
        Kind::HardLink(target) => tree.get(target.as_str()).and_then(Entry::content),
        _ => None,
    }
}

/// Reads the file that a path leads to; empty if it leads to none.
pub(crate) fn read_file(tree: &FileTree, store: &Store, path: &TreePath) -> Result<Vec<u8>, StoreError> {
    let entry = tree.resolve(path).and_then(|path| tree.get(path.as_str()));
    match entry.and_then(|entry| digest_of(tree, entry)) {
        Some(digest) => store.read(&digest),
        None => Ok(Vec::new()),
    }
}

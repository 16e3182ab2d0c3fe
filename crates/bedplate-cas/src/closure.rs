//! What a digest leads to: a tree to its folders and files, an action to what it made.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::tree::Folder;
use crate::{ActionEntry, Digest, Store, StoreError};

/// The first bytes that a `Directory` message may have: the tags of its fields.
const FIRST_BYTES: [u8; 4] = [0x0a, 0x12, 0x1a, 0x2a];

/// Follows digests; remembers the folders that it has read.
#[derive(Debug)]
pub(crate) struct Closure<'a> {
    store: &'a Store,
    folders: FxHashMap<Digest, Option<Links>>,
}

/// What a folder's message names.
#[derive(Debug, Default)]
struct Links {
    files: Vec<Digest>,
    folders: Vec<Digest>,
}

impl<'a> Closure<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self { store, folders: FxHashMap::default() }
    }

    /// Adds the blobs of a tree to a set; gives those that were not in it.
    pub(crate) fn tree(&mut self, root: &Digest, known: &mut FxHashSet<Digest>) -> Result<Vec<Digest>, StoreError> {
        let mut new = Vec::new();
        let mut left = vec![*root];
        while let Some(digest) = left.pop() {
            if !known.insert(digest) {
                continue;
            }
            new.push(digest);
            if let Some(links) = self.links(&digest)? {
                new.extend(links.files.iter().filter(|file| known.insert(**file)));
                left.extend(&links.folders);
            }
        }
        Ok(new)
    }

    /// Adds the blobs of an action's entry to a set; gives those that were not in it.
    pub(crate) fn action(
        &mut self,
        entry: &ActionEntry,
        known: &mut FxHashSet<Digest>,
    ) -> Result<Vec<Digest>, StoreError> {
        let mut new: Vec<Digest> = entry.outputs.iter().map(|one| one.digest).chain(entry.log).collect();
        new.retain(|digest| known.insert(*digest));
        for tree in &entry.trees {
            new.extend(self.tree(&tree.digest, known)?);
        }
        Ok(new)
    }

    /// Adds what a digest of unknown kind leads to: it may be that of a tree, a blob or an action.
    pub(crate) fn any(&mut self, digest: &Digest, known: &mut FxHashSet<Digest>) -> Result<Vec<Digest>, StoreError> {
        let mut new = self.tree(digest, known)?;
        if let Some((_, entry)) = self.store.read_action(digest)? {
            new.extend(self.action(&entry, known)?);
        }
        Ok(new)
    }

    /// What a blob names if it is a folder's message. One that is not there, or damaged, names nothing.
    fn links(&mut self, digest: &Digest) -> Result<Option<&Links>, StoreError> {
        if !self.folders.contains_key(digest) {
            let links = self.read(digest)?;
            self.folders.insert(*digest, links);
        }
        Ok(self.folders[digest].as_ref())
    }

    fn read(&self, digest: &Digest) -> Result<Option<Links>, StoreError> {
        // Most blobs are files: their first byte says so, and they need not be read.
        if !self.store.first_byte(digest)?.is_some_and(|byte| FIRST_BYTES.contains(&byte)) {
            return Ok(None);
        }
        match self.store.read(digest) {
            Ok(bytes) => Ok(Folder::decode(&bytes).ok().map(|folder| Links {
                files: folder.files.iter().map(|(_, digest, _)| *digest).collect(),
                folders: folder.directories.iter().map(|(_, digest)| *digest).collect(),
            })),
            Err(StoreError::Missing { .. } | StoreError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

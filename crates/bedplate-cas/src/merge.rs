//! Trees over each other, as packages are installed over each other.

use std::collections::BTreeMap;
use std::fmt;

use crate::reapi::{Directory, DirectoryNode, NodeProperties, SymlinkNode};
use crate::tree::file_node;
use crate::{ActionEntry, Batch, Digest, OutputTree, Store, StoreError};

/// How many symbolic links may lead to each other, as in the kernel.
const MAX_LINKS: usize = 40;

/// Changes when the same trees would merge to another one.
const MERGE_FORMAT: &str = "bedplate merge 1";

/// Two entries of one path that cannot be merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The path in the merged tree.
    pub path: String,
    /// What the earlier trees have there.
    pub earlier: String,
    /// What the later tree has there.
    pub later: &'static str,
    /// The later tree.
    pub tree: Digest,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {} and should become {} of tree {}", self.path, self.earlier, self.later, self.tree)
    }
}

enum Node {
    File(Digest, u32),
    Symlink(String),
    /// A folder that is taken as it is.
    Stored(Digest),
    Open(Open),
}

/// A folder that more than one tree has a part in.
struct Open {
    mode: u32,
    entries: BTreeMap<String, Node>,
}

impl Store {
    /// The tree that has all entries of some trees. Of two files (or links) of one path the later one stays; folders are
    /// merged, and have the mode of the later one. Where an earlier tree has a symbolic link and a later one a folder, the
    /// content of that folder goes where the link leads (`/lib64` to `/usr/lib64`), inside the tree. Remembered as an action.
    ///
    /// Only folders that several trees have are read.
    ///
    /// # Errors
    /// All conflicts: a file over a folder, a link over a folder, a folder over a file or over a link that leads nowhere; and as
    /// [`Store::tree`].
    pub fn merge(&self, trees: &[Digest]) -> Result<Digest, StoreError> {
        if let [only] = trees {
            return Ok(*only);
        }
        let key: Vec<String> =
            std::iter::once(MERGE_FORMAT.to_owned()).chain(trees.iter().map(Digest::to_string)).collect();
        let key = Digest::of(key.join("\n").as_bytes());
        if let Some(entry) = self.action(&key)?
            && let [tree, ..] = entry.trees.as_slice()
        {
            return Ok(tree.digest);
        }
        let mut merging = Merging { store: self, conflicts: Vec::new() };
        let mut root = Open { mode: 0o755, entries: BTreeMap::new() };
        for tree in trees {
            merging.overlay(&mut root, &mut Vec::new(), tree, tree)?;
        }
        if !merging.conflicts.is_empty() {
            return Err(StoreError::Conflicts { conflicts: merging.conflicts });
        }
        let (batch, merged) = (self.batch(), trees.len());
        let mut trees = Vec::new();
        let digest = write(&batch, root, "", &mut trees)?;
        batch.commit()?;
        // The root first; the others too, so that the entry counts as damaged when one of them is lost: nobody else makes them.
        trees.reverse();
        let entry = ActionEntry::assembled(Vec::new(), trees, serde_json::json!({ "merge": merged }));
        self.record(&key, &entry)?;
        Ok(digest)
    }
}

struct Merging<'a> {
    store: &'a Store,
    conflicts: Vec<Conflict>,
}

/// What is at a path of the merged tree.
enum Place {
    Folder,
    /// Where a link leads.
    Elsewhere(Vec<String>),
    No(String),
}

impl Merging<'_> {
    /// Lays a folder of a later tree over the folder at a path.
    fn overlay(
        &mut self,
        root: &mut Open,
        path: &mut Vec<String>,
        digest: &Digest,
        tree: &Digest,
    ) -> Result<(), StoreError> {
        let folder = self.store.directory(digest)?;
        self.open(root, path)?.mode = folder.mode;
        for (name, digest, mode) in folder.files {
            self.put(root, path, name, Node::File(digest, mode), "a file", tree)?;
        }
        for (name, target) in folder.symlinks {
            self.put(root, path, name, Node::Symlink(target), "a symbolic link", tree)?;
        }
        for (name, digest) in folder.directories {
            let here = self.open(root, path)?;
            match here.entries.get(&name) {
                None => {
                    here.entries.insert(name, Node::Stored(digest));
                    continue;
                }
                Some(Node::Stored(same)) if *same == digest => continue,
                Some(_) => {}
            }
            path.push(name);
            match self.place(root, path)? {
                Place::Folder => self.overlay(root, path, &digest, tree)?,
                Place::Elsewhere(mut target) => self.overlay(root, &mut target, &digest, tree)?,
                Place::No(earlier) => self.conflict(path, earlier, "a folder", tree),
            }
            path.pop();
        }
        Ok(())
    }

    /// Puts a file or link into the folder at a path.
    fn put(
        &mut self,
        root: &mut Open,
        path: &mut Vec<String>,
        name: String,
        node: Node,
        what: &'static str,
        tree: &Digest,
    ) -> Result<(), StoreError> {
        let here = self.open(root, path)?;
        if let Some(Node::Stored(_) | Node::Open(_)) = here.entries.get(&name) {
            path.push(name);
            self.conflict(path, "a folder".to_owned(), what, tree);
            path.pop();
        } else {
            here.entries.insert(name, node);
        }
        Ok(())
    }

    fn conflict(&mut self, path: &[String], earlier: String, later: &'static str, tree: &Digest) {
        self.conflicts.push(Conflict { path: path.join("/"), earlier, later, tree: *tree });
    }

    /// The folder at a path without links, which is made if it is not there.
    fn open<'r>(&self, root: &'r mut Open, path: &[String]) -> Result<&'r mut Open, StoreError> {
        let mut here = root;
        for name in path {
            let empty = || Node::Open(Open { mode: 0o755, entries: BTreeMap::new() });
            let node = here.entries.entry(name.clone()).or_insert_with(empty);
            if let Node::Stored(digest) = node {
                *node = Node::Open(self.read(digest)?);
            }
            match node {
                Node::Open(open) => here = open,
                // `place` was asked before: there is no file or link on this path.
                _ => unreachable!("a path that was resolved has only folders"),
            }
        }
        Ok(here)
    }

    fn read(&self, digest: &Digest) -> Result<Open, StoreError> {
        let folder = self.store.directory(digest)?;
        let files = folder.files.into_iter().map(|(name, digest, mode)| (name, Node::File(digest, mode)));
        let links = folder.symlinks.into_iter().map(|(name, target)| (name, Node::Symlink(target)));
        let folders = folder.directories.into_iter().map(|(name, digest)| (name, Node::Stored(digest)));
        Ok(Open { mode: folder.mode, entries: files.chain(links).chain(folders).collect() })
    }

    /// What is at a path whose last name may be a link; the folders before it are real.
    fn place(&self, root: &mut Open, path: &[String]) -> Result<Place, StoreError> {
        let mut real: Vec<String> = Vec::new();
        let mut left: Vec<String> = path.iter().rev().cloned().collect();
        let mut links = 0;
        while let Some(name) = left.pop() {
            let target = match self.open(root, &real)?.entries.get(&name) {
                // What is not there will be made.
                None | Some(Node::Stored(_) | Node::Open(_)) => {
                    real.push(name);
                    continue;
                }
                Some(Node::File(..)) if links == 0 => return Ok(Place::No("a file".to_owned())),
                Some(Node::File(..)) => {
                    real.push(name);
                    return Ok(Place::No(format!("a symbolic link to the file `{}`", real.join("/"))));
                }
                Some(Node::Symlink(target)) => target.clone(),
            };
            links += 1;
            if links > MAX_LINKS {
                return Ok(Place::No("a symbolic link that leads to itself".to_owned()));
            }
            if target.starts_with('/') {
                real.clear();
            }
            // `..` is taken at once: what stands before it has no links any more.
            let mut names: Vec<&str> = target.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
            while names.first() == Some(&"..") {
                names.remove(0);
                if real.pop().is_none() {
                    return Ok(Place::No(format!("a symbolic link out of the tree, to `{target}`")));
                }
            }
            if names.contains(&"..") {
                return Ok(Place::No(format!("a symbolic link to `{target}`, with `..` in the middle")));
            }
            left.extend(names.into_iter().rev().map(str::to_owned));
        }
        Ok(if links == 0 { Place::Folder } else { Place::Elsewhere(real) })
    }
}

/// Writes what is new; a folder's message comes after those of the folders in it.
fn write(batch: &Batch, folder: Open, path: &str, written: &mut Vec<OutputTree>) -> Result<Digest, StoreError> {
    let mut message = Directory { node_properties: Some(NodeProperties::of_mode(folder.mode)), ..Directory::default() };
    for (name, node) in folder.entries {
        let digest = match node {
            Node::File(digest, mode) => {
                message.files.push(file_node(&name, &digest, mode));
                continue;
            }
            Node::Symlink(target) => {
                message.symlinks.push(SymlinkNode { name, target });
                continue;
            }
            Node::Stored(digest) => digest,
            Node::Open(open) if path.is_empty() => write(batch, open, &name, written)?,
            Node::Open(open) => write(batch, open, &format!("{path}/{name}"), written)?,
        };
        message.directories.push(DirectoryNode { name, digest: Some(digest.into()) });
    }
    let digest = batch.put_directory(&mut message)?;
    written.push(OutputTree { path: path.to_owned(), digest });
    Ok(digest)
}

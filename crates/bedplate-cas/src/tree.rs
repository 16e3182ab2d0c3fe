//! Trees: folders as `Directory` messages, each a blob, so that equal folders are one blob.

use std::collections::BTreeMap;

use prost::Message;
use rustc_hash::FxHashMap;

use crate::reapi::{self, Directory, DirectoryNode, FileNode, NodeProperties, SymlinkNode};
use crate::{Batch, Digest, Store, StoreError, TreeError, parallel};

/// The mode of folders that nobody gave one.
const FOLDER_MODE: u32 = 0o755;

/// An entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeEntry {
    /// A plain file.
    File {
        /// Its content.
        digest: Digest,
        /// Permission bits, with set-user-id and the like.
        mode: u32,
    },
    /// A symbolic link.
    Symlink {
        /// Where it leads.
        target: String,
    },
    /// A folder.
    Directory {
        /// Permission bits, with set-user-id and the like.
        mode: u32,
    },
}

impl TreeEntry {
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::File { .. } => "a file",
            Self::Symlink { .. } => "a symbolic link",
            Self::Directory { .. } => "a folder",
        }
    }
}

/// A tree in memory: all entries, sorted by path. The root has the empty path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    entries: Vec<(String, TreeEntry)>,
}

impl Tree {
    /// All entries, the root first, each folder before what is in it.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &TreeEntry)> {
        self.entries.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// The entry of this path.
    pub fn get(&self, path: &str) -> Option<&TreeEntry> {
        let at = self.entries.binary_search_by(|(other, _)| other.as_str().cmp(path)).ok()?;
        Some(&self.entries[at].1)
    }

    /// How many bytes its files have, each path counted.
    pub fn size(&self) -> u64 {
        let sizes = self.entries.iter().map(|(_, entry)| match entry {
            TreeEntry::File { digest, .. } => digest.size,
            _ => 0,
        });
        sizes.sum()
    }
}

/// Collects entries of a tree. Paths are relative, in UTF-8, with `/` between plain names; folders in between are made.
#[derive(Debug, Clone)]
pub struct TreeBuilder {
    entries: BTreeMap<String, Built>,
}

#[derive(Debug, Clone)]
struct Built {
    entry: TreeEntry,
    /// A folder that was made for what is in it only.
    is_implied: bool,
}

impl Default for TreeBuilder {
    fn default() -> Self {
        let root = Built { entry: TreeEntry::Directory { mode: FOLDER_MODE }, is_implied: true };
        Self { entries: BTreeMap::from([(String::new(), root)]) }
    }
}

impl TreeBuilder {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    ///
    /// # Errors
    /// If the path is bad or something else is there.
    pub fn file(&mut self, path: &str, digest: Digest, mode: u32) -> Result<&mut Self, TreeError> {
        self.add(path, TreeEntry::File { digest, mode: mode & 0o7777 })
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// If the path or the target is bad or something else is there.
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<&mut Self, TreeError> {
        if target.is_empty() || target.contains('\0') {
            return Err(TreeError::BadTarget { path: path.to_owned() });
        }
        self.add(path, TreeEntry::Symlink { target: target.to_owned() })
    }

    /// Adds a folder, or gives one that is there for its content only its mode. The empty path is the root.
    ///
    /// # Errors
    /// If the path is bad or something else is there.
    pub fn directory(&mut self, path: &str, mode: u32) -> Result<&mut Self, TreeError> {
        self.add(path, TreeEntry::Directory { mode: mode & 0o7777 })
    }

    /// Adds any entry.
    ///
    /// # Errors
    /// If its path is bad or something else is there.
    pub fn add(&mut self, path: &str, entry: TreeEntry) -> Result<&mut Self, TreeError> {
        if !(path.is_empty() && matches!(entry, TreeEntry::Directory { .. })) {
            check_path(path)?;
        }
        for (at, _) in path.match_indices('/') {
            let implied = || Built { entry: TreeEntry::Directory { mode: FOLDER_MODE }, is_implied: true };
            let parent = self.entries.entry(path[..at].to_owned()).or_insert_with(implied);
            if !matches!(parent.entry, TreeEntry::Directory { .. }) {
                return Err(twice(&path[..at], &parent.entry, &TreeEntry::Directory { mode: FOLDER_MODE }));
            }
        }
        match self.entries.get_mut(path) {
            None => {
                self.entries.insert(path.to_owned(), Built { entry, is_implied: false });
            }
            Some(old) if old.is_implied && matches!(entry, TreeEntry::Directory { .. }) => {
                *old = Built { entry, is_implied: false };
            }
            Some(old) if old.entry == entry => {}
            Some(old) => return Err(twice(path, &old.entry, &entry)),
        }
        Ok(self)
    }

    /// All entries, sorted by path; the root has the empty one.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &TreeEntry)> {
        self.entries.iter().map(|(path, built)| (path.as_str(), &built.entry))
    }
}

fn twice(path: &str, first: &TreeEntry, second: &TreeEntry) -> TreeError {
    TreeError::Twice { path: path.to_owned(), first: first.what(), second: second.what() }
}

fn check_path(path: &str) -> Result<(), TreeError> {
    let bad = |why| Err(TreeError::BadPath { path: path.to_owned(), why });
    if path.starts_with('/') {
        return bad("it is not relative");
    }
    if path.split('/').any(|name| !is_name(name)) {
        return bad("a name in it is empty, `.`, `..` or has a NUL");
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0'])
}

impl Batch {
    /// Adds a tree; gives the digest of its root's `Directory` message. Its files have to be put in as well.
    ///
    /// # Errors
    /// If a blob cannot be written.
    pub fn put_tree(&self, tree: &TreeBuilder) -> Result<Digest, StoreError> {
        let mut children: FxHashMap<&str, Vec<(&str, &TreeEntry)>> = FxHashMap::default();
        let mut folders = Vec::new();
        for (path, entry) in tree.iter() {
            if let TreeEntry::Directory { mode } = entry {
                folders.push((path, *mode));
            }
            if !path.is_empty() {
                let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
                children.entry(folder).or_default().push((name, entry));
            }
        }
        // What is in a folder comes after it: backwards, all messages of the folders in it are known.
        let mut digests: FxHashMap<&str, Digest> = FxHashMap::default();
        for (path, mode) in folders.into_iter().rev() {
            let mut message =
                Directory { node_properties: Some(NodeProperties::of_mode(mode)), ..Directory::default() };
            for (name, entry) in children.get(path).into_iter().flatten() {
                match entry {
                    TreeEntry::File { digest, mode } => message.files.push(file_node(name, digest, *mode)),
                    TreeEntry::Symlink { target } => {
                        message.symlinks.push(SymlinkNode { name: (*name).to_owned(), target: target.clone() });
                    }
                    TreeEntry::Directory { .. } => {
                        let below = if path.is_empty() { (*name).to_owned() } else { format!("{path}/{name}") };
                        let digest = digests.get(below.as_str()).copied().map(Into::into);
                        message.directories.push(DirectoryNode { name: (*name).to_owned(), digest });
                    }
                }
            }
            digests.insert(path, self.put_directory(&mut message)?);
        }
        Ok(digests[""])
    }

    /// Adds a folder's message, its lists sorted.
    pub(crate) fn put_directory(&self, message: &mut Directory) -> Result<Digest, StoreError> {
        message.files.sort_by(|a, b| a.name.cmp(&b.name));
        message.directories.sort_by(|a, b| a.name.cmp(&b.name));
        message.symlinks.sort_by(|a, b| a.name.cmp(&b.name));
        self.put(&message.encode_to_vec())
    }
}

pub(crate) fn file_node(name: &str, digest: &Digest, mode: u32) -> FileNode {
    FileNode {
        name: name.to_owned(),
        digest: Some((*digest).into()),
        is_executable: mode & 0o111 != 0,
        node_properties: Some(NodeProperties::of_mode(mode)),
    }
}

impl Store {
    /// Puts a tree in; gives the digest of its root's `Directory` message. Its files have to be put in as well.
    ///
    /// # Errors
    /// If a blob cannot be written.
    pub fn put_tree(&self, tree: &TreeBuilder) -> Result<Digest, StoreError> {
        let batch = self.batch();
        let digest = batch.put_tree(tree)?;
        batch.commit()?;
        Ok(digest)
    }

    /// Reads a whole tree.
    ///
    /// # Errors
    /// If a message of it is not there, was damaged (then it is dropped), or is none.
    pub fn tree(&self, root: &Digest) -> Result<Tree, StoreError> {
        let mut entries = Vec::new();
        let mut level = vec![(String::new(), *root)];
        while !level.is_empty() {
            let folders = parallel::map(&level, |(_, digest)| self.directory(digest))?;
            let mut next = Vec::new();
            for ((path, _), folder) in level.into_iter().zip(folders) {
                let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
                for (name, digest, mode) in folder.files {
                    entries.push((below(&name), TreeEntry::File { digest, mode }));
                }
                for (name, target) in folder.symlinks {
                    entries.push((below(&name), TreeEntry::Symlink { target }));
                }
                next.extend(folder.directories.into_iter().map(|(name, digest)| (below(&name), digest)));
                entries.push((path, TreeEntry::Directory { mode: folder.mode }));
            }
            level = next;
        }
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(Tree { entries })
    }

    /// The tree of a folder in a tree; nothing if there is no folder of this path. Links are not followed.
    ///
    /// # Errors
    /// As [`Store::tree`].
    pub fn subtree(&self, root: &Digest, path: &str) -> Result<Option<Digest>, StoreError> {
        let mut digest = *root;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let folder = self.directory(&digest)?;
            match folder.directories.into_iter().find(|(other, _)| other == name) {
                Some((_, below)) => digest = below,
                None => return Ok(None),
            }
        }
        Ok(Some(digest))
    }

    /// Reads one folder's message.
    pub(crate) fn directory(&self, digest: &Digest) -> Result<Folder, StoreError> {
        let bytes = self.read(digest)?;
        Folder::decode(&bytes).map_err(|why| StoreError::NotATree { digest: *digest, why })
    }
}

/// A folder's message, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) mode: u32,
    pub(crate) files: Vec<(String, Digest, u32)>,
    pub(crate) directories: Vec<(String, Digest)>,
    pub(crate) symlinks: Vec<(String, String)>,
}

impl Folder {
    /// Reads a message. Only the canonical encoding is taken: one folder has one digest.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let message = Directory::decode(bytes).map_err(|error| error.to_string())?;
        if message.encode_to_vec() != bytes {
            return Err("its encoding is not canonical".to_owned());
        }
        let digest = |name: &str, digest: &Option<reapi::Digest>| {
            let digest = digest.as_ref().ok_or_else(|| format!("`{name}` has no digest"))?;
            Digest::try_from(digest).map_err(|error| format!("`{name}`: {error}"))
        };
        let mode = |properties: &Option<NodeProperties>, default| {
            let mode = properties.as_ref().and_then(|properties| properties.unix_mode.as_ref());
            mode.map_or(default, |mode| mode.value & 0o7777)
        };
        let mut folder = Self {
            mode: mode(&message.node_properties, FOLDER_MODE),
            files: Vec::with_capacity(message.files.len()),
            directories: Vec::with_capacity(message.directories.len()),
            symlinks: Vec::with_capacity(message.symlinks.len()),
        };
        for file in message.files {
            let default = if file.is_executable { 0o755 } else { 0o644 };
            let mode = mode(&file.node_properties, default);
            folder.files.push((file.name.clone(), digest(&file.name, &file.digest)?, mode));
        }
        for one in message.directories {
            let digest = digest(&one.name, &one.digest)?;
            folder.directories.push((one.name, digest));
        }
        folder.symlinks.extend(message.symlinks.into_iter().map(|link| (link.name, link.target)));
        folder.check_names()?;
        Ok(folder)
    }

    fn check_names(&self) -> Result<(), String> {
        let lists: [Vec<&str>; 3] = [
            self.files.iter().map(|one| one.0.as_str()).collect(),
            self.directories.iter().map(|one| one.0.as_str()).collect(),
            self.symlinks.iter().map(|one| one.0.as_str()).collect(),
        ];
        if lists.iter().any(|names| !names.is_sorted()) {
            return Err("its entries are not sorted".to_owned());
        }
        let mut all = lists.concat();
        if let Some(bad) = all.iter().find(|name| !is_name(name)) {
            return Err(format!("bad name `{bad}`"));
        }
        all.sort_unstable();
        match all.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("`{}` is there twice", pair[0])),
            None => Ok(()),
        }
    }
}

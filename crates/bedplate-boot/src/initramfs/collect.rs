//! Collects files of the image's tree, each with all that it needs: folders and links on the way, loaders, libraries, interpreters
//! of scripts.

use std::collections::{BTreeMap, BTreeSet};

use bedplate_cas::{Digest, Store, StoreError};
use bedplate_tree::{FileTree, Kind, TreePath};

use super::InitramfsError;
use crate::elf;
use crate::tree_file::{digest_of, read_file};

/// Where loaders look if nothing else is said; the last two are where Debian's looks first.
const LIBRARY_FOLDERS: [&str; 6] =
    ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];

/// Something that the image lacks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// What is missing: a path, a library, a module.
    pub what: String,
    /// Who needs it.
    pub needed_by: String,
}

/// What an initramfs has at a path.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Directory { mode: u16 },
    File { mode: u16, content: Content },
    Symlink { target: String },
}

/// Content of a file.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Stored(Digest),
    Made(Vec<u8>),
}

/// What was collected so far.
pub(super) struct Collector<'a> {
    tree: &'a FileTree,
    store: &'a Store,
    pub(super) nodes: BTreeMap<TreePath, Node>,
    pub(super) missing: BTreeSet<Missing>,
    /// Libraries that were not found from the file that needs them.
    libraries: Vec<(String, TreePath)>,
    /// Folders of libraries that the image names in `ld.so.conf`; its `ld.so.cache` comes along for them.
    configured: Vec<String>,
    /// Features whose libraries are taken along although they are only suggested.
    features: &'a [&'a str],
}

impl Content {
    fn digest(&self) -> Digest {
        match self {
            Self::Stored(digest) => *digest,
            Self::Made(bytes) => Digest::of(bytes),
        }
    }
}

impl<'a> Collector<'a> {
    /// Names what was collected, and how it is packed.
    pub(super) fn key(&self, compression: i32) -> Digest {
        let mut text = format!("bedplate initramfs, format 1, zstd {compression}\n");
        for (path, node) in &self.nodes {
            // Paths and targets have no zeros.
            let what = match node {
                Node::Directory { mode } => format!("folder {mode:o}"),
                Node::File { mode, content } => format!("file {mode:o} {}", content.digest()),
                Node::Symlink { target } => format!("link {target}"),
            };
            text.push_str(&format!("{path}\0{what}\0\n"));
        }
        Digest::of(text.as_bytes())
    }

    /// Path and size of each file, by path.
    pub(super) fn sizes(&self) -> Vec<(TreePath, u64)> {
        let size = |(path, node): (&TreePath, &Node)| match node {
            Node::File { content: Content::Stored(digest), .. } => Some((path.clone(), digest.size)),
            Node::File { content: Content::Made(bytes), .. } => Some((path.clone(), bytes.len() as u64)),
            Node::Directory { .. } | Node::Symlink { .. } => None,
        };
        self.nodes.iter().filter_map(size).collect()
    }

    pub(super) fn new(tree: &'a FileTree, store: &'a Store, features: &'a [&'a str]) -> Self {
        let nodes = BTreeMap::from([(TreePath::root(), Node::Directory { mode: 0o755 })]);
        let configured = Vec::new();
        Self { tree, store, nodes, missing: BTreeSet::new(), libraries: Vec::new(), configured, features }
    }

    /// Takes the loader's cache along, and looks where it may lead.
    pub(super) fn add_loader_cache(&mut self) -> Result<(), InitramfsError> {
        if !self.take("/etc/ld.so.cache")? {
            return Ok(());
        }
        let Ok(folder) = "/etc/ld.so.conf.d".parse() else { return Ok(()) };
        let parts = self.tree.children(&folder).map(|(path, _)| path.to_string());
        for path in ["/etc/ld.so.conf".to_owned()].into_iter().chain(parts.collect::<Vec<_>>()) {
            let text = self.text(&path)?;
            self.configured.extend(text.lines().map(str::trim).filter(|line| line.starts_with('/')).map(str::to_owned));
        }
        Ok(())
    }

    /// The text of a file of the image; empty if there is none.
    pub(super) fn text(&self, path: &str) -> Result<String, InitramfsError> {
        let path: TreePath = path.parse().map_err(|error| InitramfsError::Path { path: path.to_owned(), error })?;
        let bytes = read_file(self.tree, self.store, &path)
            .map_err(|source| InitramfsError::Read { path: path.clone(), source })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// True if the image has something at this path, or where it leads to.
    pub(super) fn has(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    fn find(&self, path: &str) -> Option<TreePath> {
        let found = self.tree.resolve(&path.parse().ok()?)?;
        self.tree.get(found.as_str()).map(|_| found)
    }

    /// Puts a file of our own in.
    pub(super) fn make(&mut self, path: &str, mode: u16, content: impl Into<Vec<u8>>) -> Result<(), InitramfsError> {
        let path = self.landing(path)?;
        self.nodes.insert(path, Node::File { mode, content: Content::Made(content.into()) });
        Ok(())
    }

    /// Puts a link of our own in.
    pub(super) fn link(&mut self, path: &str, target: &str) -> Result<(), InitramfsError> {
        let path = self.landing(path)?;
        self.nodes.insert(path, Node::Symlink { target: target.to_owned() });
        Ok(())
    }

    /// Puts an empty folder in.
    pub(super) fn folder(&mut self, path: &str, mode: u16) -> Result<(), InitramfsError> {
        let path = self.landing(path)?;
        self.nodes.entry(path).or_insert(Node::Directory { mode });
        Ok(())
    }

    /// Where a file of our own goes: links of the image on the way (`/lib`) are followed and taken along.
    fn landing(&mut self, path: &str) -> Result<TreePath, InitramfsError> {
        let path: TreePath = path.parse().map_err(|error| InitramfsError::Path { path: path.to_owned(), error })?;
        let Some(parent) = path.parent() else { return Ok(path) };
        let folder = self.walk(&parent);
        folder.join(path.name()).map_err(|error| InitramfsError::Path { path: path.to_string(), error })
    }

    /// Follows a path through the image's links and notes all that is on the way. What is not there is taken for a folder.
    fn walk(&mut self, path: &TreePath) -> TreePath {
        let mut left: Vec<String> =
            path.relative().split('/').rev().filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let mut at = TreePath::root();
        let mut links = 0;
        while let Some(part) = left.pop() {
            if part.is_empty() || part == "." {
                continue;
            }
            if part == ".." {
                at = at.parent().unwrap_or(at);
                continue;
            }
            let Ok(next) = at.join(&part) else { continue };
            match self.tree.get(next.as_str()).map(|entry| (&entry.kind, entry.mode)) {
                // As many as the kernel follows.
                Some((Kind::Symlink(target), _)) if links < 40 => {
                    links += 1;
                    if target.starts_with('/') {
                        at = TreePath::root();
                    }
                    left.extend(target.split('/').rev().map(str::to_owned));
                    self.nodes.insert(next, Node::Symlink { target: target.clone() });
                }
                Some((Kind::File(_) | Kind::HardLink(_), _)) => at = next,
                other => {
                    let mode = match other {
                        Some((Kind::Directory, mode)) => mode,
                        _ => 0o755,
                    };
                    self.nodes.entry(next.clone()).or_insert(Node::Directory { mode });
                    at = next;
                }
            }
        }
        at
    }

    /// Takes a file of the image along; says so if it is not there.
    pub(super) fn require(&mut self, path: &str, needed_by: &str) -> Result<(), InitramfsError> {
        if self.take(path)? {
            return Ok(());
        }
        self.missing.insert(Missing { what: path.to_owned(), needed_by: needed_by.to_owned() });
        Ok(())
    }

    /// Takes a file of the image along with all that it needs, if it is there.
    pub(super) fn take(&mut self, path: &str) -> Result<bool, InitramfsError> {
        let Some(found) = self.find(path) else { return Ok(false) };
        let Some(entry) = self.tree.get(found.as_str()) else { return Ok(false) };
        let Some(digest) = digest_of(self.tree, entry) else { return Ok(false) };
        let path: TreePath = path.parse().map_err(|error| InitramfsError::Path { path: path.to_owned(), error })?;
        self.walk(&path);
        if self.nodes.contains_key(&found) {
            return Ok(true);
        }
        let mode = entry.mode & 0o777;
        self.nodes.insert(found.clone(), Node::File { mode, content: Content::Stored(digest) });
        let bytes = self.read(&found, &digest)?;
        match elf::needs(&bytes) {
            Some(Ok(needs)) => self.take_libraries(&found, &needs)?,
            Some(Err(error)) => return Err(InitramfsError::Elf { path: found, why: error.to_string() }),
            None => {
                if let Some(interpreter) = interpreter(&bytes).filter(|_| mode & 0o111 != 0) {
                    self.require(&interpreter, found.as_str())?;
                }
            }
        }
        Ok(true)
    }

    pub(super) fn read(&self, path: &TreePath, digest: &Digest) -> Result<Vec<u8>, InitramfsError> {
        self.store.read(digest).map_err(|source: StoreError| InitramfsError::Read { path: path.clone(), source })
    }

    fn take_libraries(&mut self, file: &TreePath, needs: &elf::ElfNeeds) -> Result<(), InitramfsError> {
        if let Some(loader) = &needs.interpreter {
            self.require(loader, file.as_str())?;
        }
        for library in &needs.libraries {
            match self.library(library, file, &needs.search) {
                Some(path) => self.require(&path, file.as_str())?,
                None => self.lacks(library, file),
            }
        }
        for optional in &needs.optional {
            let is_wanted = match optional.priority.as_str() {
                "required" | "recommended" => true,
                _ => self.features.contains(&optional.feature.as_str()),
            };
            if !is_wanted {
                continue;
            }
            let found = optional.soname.iter().find_map(|name| self.library(name, file, &needs.search));
            match found {
                Some(path) => self.require(&path, file.as_str())?,
                None if optional.priority == "recommended" => {}
                None => self.lacks(&optional.soname.join(" or "), file),
            }
        }
        Ok(())
    }

    fn lacks(&mut self, library: &str, file: &TreePath) {
        self.libraries.push((library.to_owned(), file.clone()));
    }

    /// All that is missing. A library that was not found from one file may have been found from another: systemd's private ones are
    /// loaded by the program, which knows their folder, before those that only name them are looked at.
    pub(super) fn missing(&mut self) -> Vec<Missing> {
        let there: BTreeSet<&str> = self.nodes.keys().map(TreePath::name).collect();
        let lacking = self.libraries.iter().filter(|(library, _)| !there.contains(library.as_str()));
        let lacking = lacking.map(|(library, file)| (format!("library {library}"), file.to_string()));
        self.missing.extend(lacking.map(|(what, needed_by)| Missing { what, needed_by }));
        std::mem::take(&mut self.missing).into_iter().collect()
    }

    /// Where the loader would find a library for a file.
    fn library(&self, name: &str, file: &TreePath, search: &[String]) -> Option<String> {
        if name.contains('/') {
            return self.has(name).then(|| name.to_owned());
        }
        let origin = file.parent().unwrap_or(TreePath::root());
        let origin = if origin.is_root() { "" } else { origin.as_str() };
        let own = search.iter().map(|folder| folder.replace("${ORIGIN}", origin).replace("$ORIGIN", origin));
        let folders = own.chain(self.configured.iter().cloned()).chain(LIBRARY_FOLDERS.map(str::to_owned));
        folders.map(|folder| format!("{folder}/{name}")).find(|path| self.has(path))
    }
}

/// The program that a script names in its first line.
fn interpreter(bytes: &[u8]) -> Option<String> {
    let line = bytes.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    line.split_whitespace().next().filter(|path| path.starts_with('/')).map(str::to_owned)
}

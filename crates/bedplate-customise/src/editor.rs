//! A tree that is being changed, with all that a step needs for it.

use std::sync::Arc;

use bedplate_cas::Store;
use bedplate_diag::{Diagnostic, Source, SourceId, Sources, Span};
use bedplate_tree::{Entry, FileTree, Kind, TreePath};

use crate::CustomiseError;

/// A tree at work. Steps read and write it through this; what they find wrong gathers in `diagnostics`.
#[derive(Debug)]
pub struct Editor<'a> {
    /// The tree.
    pub tree: &'a mut FileTree,
    /// Where contents of files are.
    pub store: &'a Store,
    /// The texts that spans of `diagnostics` point into; files of the image that have mistakes are added.
    pub sources: &'a mut Sources,
    /// What is wrong with the image config, or with files of packages.
    pub diagnostics: Vec<Diagnostic>,
    /// The time of all that is written, in seconds since 1970.
    epoch: i64,
    /// Who makes what is written: the name of the step.
    origin: Arc<str>,
}

impl<'a> Editor<'a> {
    /// Begins to edit. `epoch` is the time, in seconds since 1970, that everything written gets.
    pub fn new(tree: &'a mut FileTree, store: &'a Store, sources: &'a mut Sources, epoch: i64) -> Self {
        Self { tree, store, sources, diagnostics: Vec::new(), epoch, origin: Arc::from("customise") }
    }

    /// Names the step that makes what is written from now on.
    pub fn step(&mut self, name: &str) {
        self.origin = Arc::from(format!("customise: {name}"));
    }

    /// The time of all that is written, in seconds since 1970.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// An entry of root, made by this step.
    #[must_use]
    pub fn entry(&self, kind: Kind, mode: u16) -> Entry {
        Entry { mtime: self.epoch, ..Entry::new(kind, mode, &self.origin) }
    }

    /// Where a path really lies: its folder with all links followed, its last part as it is.
    ///
    /// # Errors
    ///
    /// If the links never end.
    pub fn place(&self, path: &TreePath) -> Result<TreePath, CustomiseError> {
        let Some(parent) = path.parent() else { return Ok(path.clone()) };
        let folder = self.tree.resolve(&parent).ok_or_else(|| CustomiseError::Loop(path.clone()))?;
        Ok(folder.join(path.name()).unwrap_or_else(|_| path.clone()))
    }

    /// What lies at a path, its last part not followed; links on the way are.
    #[must_use]
    pub fn look(&self, path: &str) -> Option<&Entry> {
        let path = self.place(&path.parse().ok()?).ok()?;
        self.tree.get(path.as_str())
    }

    /// The place and entry of what a path leads to when all links are followed, hard links too.
    #[must_use]
    pub fn follow(&self, path: &TreePath) -> Option<(TreePath, &Entry)> {
        let mut path = self.tree.resolve(path)?;
        let mut entry = self.tree.get(path.as_str())?;
        if let Kind::HardLink(target) = &entry.kind {
            path = target.clone();
            entry = self.tree.get(path.as_str())?;
        }
        Some((path, entry))
    }

    /// The bytes of the file that a path leads to; none if there is no plain file.
    ///
    /// # Errors
    ///
    /// If the store does not have them.
    pub fn bytes(&self, path: &TreePath) -> Result<Option<Vec<u8>>, CustomiseError> {
        let Some(digest) = self.follow(path).and_then(|(_, entry)| entry.content()) else { return Ok(None) };
        let read = self.store.read(&digest);
        read.map(Some).map_err(|source| CustomiseError::Content { path: path.clone(), source })
    }

    /// The text of the file that a path leads to; none if there is no plain file.
    ///
    /// # Errors
    ///
    /// If the store does not have it, or it is not UTF-8.
    pub fn text(&self, path: &TreePath) -> Result<Option<String>, CustomiseError> {
        let Some(bytes) = self.bytes(path)? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(|_| CustomiseError::NotText(path.clone()))
    }

    /// Puts an entry at a path, links on the way followed.
    ///
    /// # Errors
    ///
    /// If it has no place there.
    pub fn put(&mut self, path: &TreePath, entry: Entry) -> Result<(), CustomiseError> {
        let path = self.place(path)?;
        Ok(self.tree.insert(path, entry)?)
    }

    /// Writes a file of root. What is there is replaced; so is a link, not what it leads to.
    ///
    /// # Errors
    ///
    /// If the store does not take it, or it has no place in the tree.
    pub fn write(&mut self, path: &TreePath, bytes: &[u8], mode: u16) -> Result<(), CustomiseError> {
        let digest = self.store.put(bytes).map_err(|source| CustomiseError::Content { path: path.clone(), source })?;
        self.put(path, self.entry(Kind::File(digest), mode))
    }

    /// Writes a file anew that keeps its owner, mode and attributes; a new one is of root, with this mode. A file that has these
    /// bytes already is not touched.
    ///
    /// # Errors
    ///
    /// If the store does not take it, or it has no place in the tree.
    pub fn rewrite(&mut self, path: &TreePath, bytes: &[u8], mode: u16) -> Result<(), CustomiseError> {
        let digest = self.store.put(bytes).map_err(|source| CustomiseError::Content { path: path.clone(), source })?;
        let place = self.follow(path).map(|(place, entry)| (place, entry.kind.clone()));
        match place {
            Some((_, Kind::File(old))) if old == digest => Ok(()),
            Some((place, Kind::File(_))) => {
                let (epoch, origin) = (self.epoch, Arc::clone(&self.origin));
                if let Some(entry) = self.tree.get_mut(place.as_str()) {
                    entry.kind = Kind::File(digest);
                    entry.mtime = epoch;
                    entry.origin = origin;
                }
                Ok(())
            }
            _ => self.put(path, self.entry(Kind::File(digest), mode)),
        }
    }

    /// Makes a symbolic link of root in the place of what is there.
    ///
    /// # Errors
    ///
    /// If it has no place there.
    pub fn link(&mut self, path: &TreePath, target: &str) -> Result<(), CustomiseError> {
        self.put(path, self.entry(Kind::Symlink(target.to_owned()), 0o777))
    }

    /// Takes what lies at a path away, links on the way followed.
    ///
    /// # Errors
    ///
    /// If the links never end.
    pub fn remove(&mut self, path: &TreePath) -> Result<(), CustomiseError> {
        let path = self.place(path)?;
        self.tree.remove(&path);
        Ok(())
    }

    /// Makes the text of a file of the image one that spans may point into.
    pub fn source(&mut self, path: &TreePath, text: &str) -> SourceId {
        self.sources.add(Source::new(path.as_str(), text))
    }

    /// Keeps a diagnostic about a line (from 1) of a file of the image.
    pub(crate) fn report_line(&mut self, file: &TreePath, text: &str, line: usize, diagnostic: Diagnostic) {
        let id = self.source(file, text);
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        let span = self.sources.get(id).map_or(Span::new(id, 0, 0), |source| source.line_span(id, line));
        self.diagnostics.push(diagnostic.at(span));
    }
}

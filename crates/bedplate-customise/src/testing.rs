//! A small tree for unit tests.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bedplate_cas::Store;
use bedplate_diag::{Diagnostic, Sources};
use bedplate_image_config::{FileKind, Files, ImageConfig, load};
use bedplate_tree::{Entry, FileTree, Kind, TreePath};

use crate::Editor;

/// The time that edits of tests have.
pub(crate) const EPOCH: i64 = 1_700_000_000;

/// The config itself, and what it names on this machine.
struct OneFile(Vec<u8>);

impl Files for OneFile {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        if path == Path::new("image.toml") { Ok(self.0.clone()) } else { std::fs::read(path) }
    }

    fn kind(&mut self, path: &Path) -> io::Result<FileKind> {
        std::fs::metadata(path).map(|facts| if facts.is_dir() { FileKind::Folder } else { FileKind::File })
    }

    fn neighbours(&mut self, _: &Path) -> Vec<String> {
        Vec::new()
    }
}

/// A tree with a store, and the diagnostics of the edits.
pub(crate) struct Image {
    _folder: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) tree: FileTree,
    pub(crate) sources: Sources,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Image {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        Self { _folder: folder, store, tree: FileTree::new(), sources: Sources::new(), diagnostics: Vec::new() }
    }

    pub(crate) fn put(&mut self, path: &str, kind: Kind, mode: u16) {
        let entry = Entry::new(kind, mode, &Arc::from("package"));
        self.tree.insert(path.parse().unwrap(), entry).unwrap();
    }

    pub(crate) fn file(&mut self, path: &str, text: &str) {
        let digest = self.store.put(text.as_bytes()).unwrap();
        self.put(path, Kind::File(digest), 0o644);
    }

    pub(crate) fn folder(&mut self, path: &str) {
        self.put(path, Kind::Directory, 0o755);
    }

    pub(crate) fn link(&mut self, path: &str, target: &str) {
        self.put(path, Kind::Symlink(target.to_owned()), 0o777);
    }

    /// A config of this text, in which `name` and the like are there already: its own lines begin with line 3.
    pub(crate) fn config(&mut self, text: &str) -> ImageConfig {
        let text = format!(
            "version = 1\nname = \"test\"\n{text}\n[packages]\ninstall = [\"base\"]\n[boot]\nkind = \"none\"\n"
        );
        let loaded = load(Path::new("image.toml"), &mut OneFile(text.into_bytes()));
        assert!(loaded.config.is_some(), "{:?}", loaded.diagnostics);
        self.sources = loaded.sources;
        loaded.config.unwrap()
    }

    /// A file of this machine; gives its path.
    pub(crate) fn write_outside(&self, name: &str, text: &str) -> String {
        let path = self._folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn edit<T>(&mut self, work: impl FnOnce(&mut Editor<'_>) -> T) -> T {
        let mut editor = Editor::new(&mut self.tree, &self.store, &mut self.sources, EPOCH);
        let result = work(&mut editor);
        self.diagnostics = editor.diagnostics;
        result
    }

    pub(crate) fn text(&mut self, path: &str) -> String {
        let path: TreePath = path.parse().unwrap();
        self.edit(|editor| editor.text(&path).unwrap()).unwrap_or_else(|| panic!("no file at {path}"))
    }

    /// The diagnostics of the last edit: `severity code message`, with the place in front if there is one.
    pub(crate) fn said(&self) -> Vec<String> {
        let line = |one: &Diagnostic| {
            let place = one.span.and_then(|span| self.sources.locate(span));
            let place = place.map_or(String::new(), |(name, at)| format!("{name}:{}: ", at.line));
            format!("{place}{} {}: {}", one.severity.word(), one.code, one.message)
        };
        self.diagnostics.iter().map(line).collect()
    }
}

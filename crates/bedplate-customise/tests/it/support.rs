//! One root twice: as a folder for the real tools, and as a tree for ours.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bedplate_cas::{Batch, Store};
use bedplate_customise::Editor;
use bedplate_diag::{Diagnostic, Sources};
use bedplate_tree::{Entry, FileTree, Kind, TreePath};

/// The time of all that is made, in seconds since 1970.
pub(crate) const EPOCH: i64 = 1_700_000_000;

/// A root as a folder.
pub(crate) struct Root {
    folder: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) said: Vec<Diagnostic>,
    pub(crate) sources: Sources,
}

impl Root {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        fs::create_dir_all(folder.path().join("root/etc")).unwrap();
        let root = Self { folder, store, said: Vec::new(), sources: Sources::new() };
        for (path, text) in files {
            root.write(path, text);
        }
        root
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }

    /// Writes a file; a text that begins with `-> ` is the target of a link.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let at = self.at(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => symlink(target, &at).unwrap(),
            None => fs::write(&at, text).unwrap(),
        }
    }

    /// The folder as a tree.
    pub(crate) fn tree(&self) -> FileTree {
        let mut tree = FileTree::new();
        let batch = self.store.batch();
        add(&batch, &self.path(), &TreePath::root(), &mut tree);
        batch.commit().unwrap();
        tree
    }

    /// Lets ours work on the root as it is now.
    pub(crate) fn ours(&mut self, work: impl FnOnce(&mut Editor<'_>)) -> FileTree {
        let mut tree = self.tree();
        let mut editor = Editor::new(&mut tree, &self.store, &mut self.sources, EPOCH);
        work(&mut editor);
        self.said = editor.diagnostics;
        tree
    }

    /// Lets a real tool work on the folder; gives what it said. It must succeed.
    pub(crate) fn theirs(&self, program: &str, arguments: &[&str]) -> String {
        let (succeeded, said) = self.try_theirs(program, arguments);
        assert!(succeeded, "{program} {arguments:?}: {said}");
        said
    }

    pub(crate) fn try_theirs(&self, program: &str, arguments: &[&str]) -> (bool, String) {
        let out = Command::new(program)
            .args(arguments)
            .env("SOURCE_DATE_EPOCH", EPOCH.to_string())
            .env("LC_ALL", "C")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error} (toolkit/host-setup installs it)"));
        let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        (out.status.success(), said)
    }

    /// Fails with all differences between our tree and the folder, but for paths that `is_left_out` says.
    pub(crate) fn assert_same(&self, ours: &FileTree, is_left_out: impl Fn(&str) -> bool) {
        let facts = |tree: &FileTree| -> BTreeMap<String, String> {
            let entries = tree.iter().filter(|(path, _)| !path.is_root() && !is_left_out(path.as_str()));
            let line = |entry: &Entry| {
                let what = match &entry.kind {
                    Kind::File(digest) => {
                        format!("file {:?}", String::from_utf8_lossy(&self.store.read(digest).unwrap()))
                    }
                    Kind::Symlink(target) => return format!("-> {target}"),
                    other => other.what().to_owned(),
                };
                format!("{what} {:04o} {}:{}", entry.mode, entry.uid, entry.gid)
            };
            entries.map(|(path, entry)| (path.as_str().to_owned(), line(entry))).collect()
        };
        let (ours, theirs) = (facts(ours), facts(&self.tree()));
        let mut paths: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
        paths.sort();
        paths.dedup();
        let nothing = "nothing".to_owned();
        let differences: Vec<String> = paths
            .into_iter()
            .map(|path| (path, ours.get(path).unwrap_or(&nothing), theirs.get(path).unwrap_or(&nothing)))
            .filter(|(_, ours, theirs)| ours != theirs)
            .map(|(path, ours, theirs)| format!("{path}\n  ours   {ours}\n  theirs {theirs}"))
            .collect();
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }
}

fn add(batch: &Batch, folder: &Path, at: &TreePath, tree: &mut FileTree) {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).collect();
    names.sort_by_key(fs::DirEntry::file_name);
    for name in names {
        let path = at.join(name.file_name().to_str().unwrap()).unwrap();
        let facts = name.metadata().unwrap();
        let kind = if facts.is_dir() {
            Kind::Directory
        } else if facts.is_symlink() {
            Kind::Symlink(fs::read_link(name.path()).unwrap().to_str().unwrap().to_owned())
        } else if facts.is_file() {
            Kind::File(batch.put_file(&name.path()).unwrap())
        } else {
            Kind::Fifo
        };
        let mode = u16::try_from(facts.permissions().mode() & 0o7777).unwrap();
        let entry = Entry { uid: facts.uid(), gid: facts.gid(), ..Entry::new(kind, mode, &Arc::from("folder")) };
        tree.insert(path.clone(), entry).unwrap();
        if facts.is_dir() {
            add(batch, &name.path(), &path, tree);
        }
    }
}

//! A store in a scratch folder.

use std::path::PathBuf;

use bedplate_cas::{Digest, Store, TreeBuilder};
use tempfile::TempDir;

/// A scratch folder with a store in it, which is made by [`Scratch::open`].
pub(crate) struct Scratch {
    folder: TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a scratch folder can be made") }
    }

    /// One in memory, where there is such a file system: for tests of many stores, which would wait for the disk most of the time.
    pub(crate) fn in_memory() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self { folder: folder.expect("a scratch folder can be made") }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Opens the store anew, as another process would.
    pub(crate) fn open(&self) -> Store {
        Store::open(&self.at("store")).expect("the store can be opened")
    }

    /// The files of a blob that are there.
    pub(crate) fn blob_files(&self, digest: &Digest) -> Vec<PathBuf> {
        let hex = digest.hex();
        let paths = ["", ".x"].map(|suffix| self.at(&format!("store/blobs/{}/{}{suffix}", &hex[..2], &hex[2..])));
        paths.into_iter().filter(|path| path.exists()).collect()
    }

    /// Names in a folder of the store.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.at("store").join(folder)).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// A tree from lines: `path = text` (file), `path ! text` (executable), `path -> target` (link), `path/` (folder).
pub(crate) fn tree(store: &Store, lines: &str) -> Digest {
    let (mut builder, batch) = (TreeBuilder::new(), store.batch());
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some((path, target)) = line.split_once(" -> ") {
            builder.symlink(path, target).unwrap();
        } else if let Some((path, text)) = line.split_once(" = ") {
            builder.file(path, batch.put(text.as_bytes()).unwrap(), 0o644).unwrap();
        } else if let Some((path, text)) = line.split_once(" ! ") {
            builder.file(path, batch.put(text.as_bytes()).unwrap(), 0o755).unwrap();
        } else {
            builder.directory(line.strip_suffix('/').expect("a folder"), 0o755).unwrap();
        }
    }
    let tree = batch.put_tree(&builder).unwrap();
    batch.commit().unwrap();
    tree
}

/// A tree as such lines, without the folders that have something in them.
pub(crate) fn lines(store: &Store, tree: &Digest) -> String {
    use bedplate_cas::TreeEntry;
    let tree = store.tree(tree).unwrap();
    let mut out = String::new();
    for (path, entry) in tree.iter() {
        out += &match entry {
            TreeEntry::File { digest, mode } => {
                let text = String::from_utf8(store.read(digest).unwrap()).unwrap();
                format!("{path} {} {text}\n", if mode & 0o111 == 0 { '=' } else { '!' })
            }
            TreeEntry::Symlink { target } => format!("{path} -> {target}\n"),
            TreeEntry::Directory { .. } => {
                let has_content = tree.iter().any(|(other, _)| {
                    other.strip_prefix(path).is_some_and(|rest| rest.starts_with('/') || path.is_empty())
                        && !other.is_empty()
                });
                if has_content { String::new() } else { format!("{path}/\n") }
            }
        };
    }
    out
}

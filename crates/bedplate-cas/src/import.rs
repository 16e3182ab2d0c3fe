//! Trees from folders of the host.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::{BlobKind, Digest, Store, StoreError, TreeBuilder, TreeEntry, UnsupportedFile, parallel};

/// What was found in a folder; files have no digest yet.
enum Found {
    File { path: String, from: PathBuf, mode: u32 },
    Other { path: String, entry: TreeEntry },
}

impl Store {
    /// Puts a folder in, with its files, symbolic links and modes; gives the tree. Owners, times and what else files have are
    /// left out; two names of one file become two files.
    ///
    /// # Errors
    /// All devices, sockets, pipes and names that are not UTF-8, at once; or what cannot be read or written.
    pub fn import_folder(&self, folder: &Path) -> Result<Digest, StoreError> {
        let (mut found, mut unsupported) = (Vec::new(), Vec::new());
        let data = fs::metadata(folder).map_err(StoreError::io("read", folder))?;
        search(folder, "", &mut found, &mut unsupported)?;
        if !unsupported.is_empty() {
            unsupported.sort_by(|a, b| a.path.cmp(&b.path));
            return Err(StoreError::Unsupported { path: folder.to_owned(), found: unsupported });
        }
        let batch = self.batch();
        let entries = parallel::map(&found, |one| {
            Ok::<_, StoreError>(match one {
                Found::File { path, from, mode } => {
                    let digest = batch.put_file_as(from, BlobKind::of_mode(*mode))?;
                    (path, TreeEntry::File { digest, mode: *mode })
                }
                Found::Other { path, entry } => (path, entry.clone()),
            })
        })?;
        let mut tree = TreeBuilder::new();
        tree.directory("", data.mode() & 0o7777)?;
        for (path, entry) in entries {
            tree.add(path, entry)?;
        }
        let digest = batch.put_tree(&tree)?;
        batch.commit()?;
        Ok(digest)
    }
}

fn search(
    folder: &Path,
    below: &str,
    found: &mut Vec<Found>,
    unsupported: &mut Vec<UnsupportedFile>,
) -> Result<(), StoreError> {
    let io = |path: &Path| StoreError::io("read", path);
    for entry in fs::read_dir(folder).map_err(io(folder))? {
        let entry = entry.map_err(io(folder))?;
        let from = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            let path = format!("{below}{}", entry.file_name().display());
            unsupported.push(UnsupportedFile { path, what: "not named in UTF-8" });
            continue;
        };
        let path = format!("{below}{name}");
        let data = entry.metadata().map_err(io(&from))?;
        let (kind, mode) = (data.file_type(), data.mode() & 0o7777);
        if kind.is_dir() {
            search(&from, &format!("{path}/"), found, unsupported)?;
            found.push(Found::Other { path, entry: TreeEntry::Directory { mode } });
        } else if kind.is_file() {
            found.push(Found::File { path, from, mode });
        } else if kind.is_symlink() {
            match fs::read_link(&from).map_err(io(&from))?.into_os_string().into_string() {
                Ok(target) => found.push(Found::Other { path, entry: TreeEntry::Symlink { target } }),
                Err(_) => unsupported.push(UnsupportedFile { path, what: "a link to a name that is not UTF-8" }),
            }
        } else {
            let what = if kind.is_fifo() {
                "a named pipe"
            } else if kind.is_socket() {
                "a socket"
            } else {
                "a device"
            };
            unsupported.push(UnsupportedFile { path, what });
        }
    }
    Ok(())
}

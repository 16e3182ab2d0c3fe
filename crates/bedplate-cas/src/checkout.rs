//! Checkouts: trees as real folders of hard links to blobs, for the lower layers of build roots.
//!
//! ```text
//! checkouts/HEX-SIZE/        its time is that of the last use
//! checkouts/HEX-SIZE/root/   the tree: files are hard links to blobs, folders have mode 0755
//! ```
//!
//! A checkout is made in a work folder and renamed, so that it is whole or not there. Before its first use in a process, all of
//! it is compared with the tree, and all files are hashed.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap;

use crate::blob::{FIXED_TIME, fix_time};
use crate::record::rename_into;
use crate::store::hold;
use crate::work::WorkFolder;
use crate::{BlobKind, Damage, Digest, Store, StoreError, Tree, TreeEntry, action, parallel};

/// Folders of checkouts: only the executable bit of files is kept, as blobs have no other.
const FOLDER_MODE: u32 = 0o755;

/// How often a checkout is looked at, and made if it is not there or not good.
const ATTEMPTS: usize = 4;

/// The checkouts that are good, as far as this process knows. A second thread waits for the first.
#[derive(Debug, Default)]
pub(crate) struct Checkouts {
    good: Mutex<FxHashMap<Digest, Arc<Mutex<Option<PathBuf>>>>>,
}

impl Store {
    /// A real folder with the content of a tree. It must not be changed.
    ///
    /// It is made at the first call of all processes, and compared with the tree at the first call of each. What is not as it
    /// was made is dropped and made again.
    ///
    /// # Errors
    /// If a blob of the tree is not there, or was damaged: then it is dropped; see [`StoreError::lost`].
    pub fn checkout(&self, tree: &Digest) -> Result<PathBuf, StoreError> {
        let slot = Arc::clone(hold(&self.inner.checkouts.good).entry(*tree).or_default());
        let mut good = hold(&slot);
        if let Some(path) = &*good {
            return Ok(path.clone());
        }
        let folder = self.inner.layout.checkout(tree);
        let path = folder.join("root");
        let content = self.tree(tree)?;
        for _ in 0..ATTEMPTS {
            if self.is_good_checkout(tree, &content, &folder)? {
                action::touch(&folder);
                *good = Some(path.clone());
                return Ok(path);
            }
            self.make_checkout(&content, &folder)?;
        }
        Err(StoreError::BadCheckout { tree: *tree, path: folder })
    }

    /// Whether there is one, and all of it is as the tree says. One that is not is dropped.
    fn is_good_checkout(&self, tree: &Digest, content: &Tree, folder: &Path) -> Result<bool, StoreError> {
        let root = folder.join("root");
        match fs::symlink_metadata(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(StoreError::io("read", folder)(error)),
            Ok(_) => {}
        }
        let Some(why) = self.wrong_checkout(content, &root).map_err(StoreError::io("read", &root))? else {
            return Ok(true);
        };
        self.drop_checkout(folder)?;
        self.note(Damage { what: format!("checkout {tree}"), path: folder.to_owned(), why });
        Ok(false)
    }

    pub(crate) fn drop_checkout(&self, folder: &Path) -> Result<(), StoreError> {
        let away = WorkFolder::new(&self.inner.layout, "dropped")?;
        match fs::rename(folder, away.path().join("checkout")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", folder)(error)),
            _ => Ok(()),
        }
    }

    /// What is wrong with a folder that should have a tree's content.
    pub(crate) fn wrong_checkout(&self, content: &Tree, root: &Path) -> io::Result<Option<String>> {
        let entries: Vec<(&str, &TreeEntry)> = content.iter().collect();
        let mut counts: FxHashMap<&str, u64> = FxHashMap::default();
        for (path, _) in &entries[1..] {
            *counts.entry(path.rsplit_once('/').map_or("", |(folder, _)| folder)).or_default() += 1;
        }
        let result = parallel::each(&entries, |(path, entry)| {
            let found = self.wrong_entry(&root.join(path), entry, counts.get(path).copied().unwrap_or_default());
            let path = if path.is_empty() { "." } else { path };
            match found {
                Ok(None) => Ok(()),
                Ok(Some(why)) => Err(Ok(format!("`{path}`: {why}"))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Ok(format!("`{path}` is not there"))),
                Err(error) => Err(Err(error)),
            }
        });
        match result {
            Ok(()) => Ok(None),
            Err(Ok(why)) => Ok(Some(why)),
            Err(Err(error)) => Err(error),
        }
    }

    /// What is wrong with one entry of a checkout. A folder has so many entries: with those that are looked for, no other.
    fn wrong_entry(&self, path: &Path, entry: &TreeEntry, count: u64) -> io::Result<Option<String>> {
        let data = match entry {
            TreeEntry::File { digest, mode } => return self.wrong(digest, BlobKind::of_mode(*mode), path),
            _ => fs::symlink_metadata(path)?,
        };
        let why = match entry {
            TreeEntry::Symlink { .. } if !data.is_symlink() => Some("it is no symbolic link".to_owned()),
            TreeEntry::Directory { .. } if !data.is_dir() => Some("it is no folder".to_owned()),
            TreeEntry::File { .. } => None,
            TreeEntry::Symlink { target } => {
                let found = fs::read_link(path)?;
                (found != Path::new(target)).then(|| format!("it leads to `{}`", found.display()))
            }
            TreeEntry::Directory { .. } => {
                let (mode, found) = (data.mode() & 0o7777, fs::read_dir(path)?.count() as u64);
                if mode != FOLDER_MODE {
                    Some(format!("its mode is {mode:04o} instead of {FOLDER_MODE:04o}"))
                } else {
                    (found != count).then(|| format!("it has {found} instead of {count} entries"))
                }
            }
        };
        let is_changed = (data.mtime(), data.mtime_nsec()) != (FIXED_TIME.tv_sec, FIXED_TIME.tv_nsec);
        Ok(why.or_else(|| is_changed.then(|| "its time was changed".to_owned())))
    }

    /// Makes a checkout beside the others. That another process was faster is no error.
    fn make_checkout(&self, content: &Tree, folder: &Path) -> Result<(), StoreError> {
        let work = WorkFolder::new(&self.inner.layout, "checkout")?;
        let made = work.path().join("checkout");
        let root = made.join("root");
        let (mut folders, mut others) = (Vec::new(), Vec::new());
        fs::create_dir(&made).map_err(StoreError::io("create", &made))?;
        for (path, entry) in content.iter() {
            if let TreeEntry::Directory { .. } = entry {
                let path = if path.is_empty() { root.clone() } else { root.join(path) };
                fs::create_dir(&path).map_err(StoreError::io("create", &path))?;
                folders.push(path);
            } else {
                others.push((path, entry));
            }
        }
        parallel::each(&others, |(path, entry)| self.make_entry(&root.join(path), entry))?;
        // Now that nothing comes into them any more.
        parallel::each(&folders, |path| {
            let set = fs::set_permissions(path, Permissions::from_mode(FOLDER_MODE)).and_then(|()| fix_time(path));
            set.map_err(StoreError::io("write", path))
        })?;
        match rename_into(&made, folder) {
            Err(StoreError::Io { error, .. })
                if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) =>
            {
                Ok(())
            }
            other => other,
        }
    }

    fn make_entry(&self, path: &Path, entry: &TreeEntry) -> Result<(), StoreError> {
        match entry {
            TreeEntry::File { digest, mode } => {
                let kind = BlobKind::of_mode(*mode);
                let blob = self.blob_for_link(digest, kind)?;
                match fs::hard_link(&blob, path) {
                    // The file system's limit of links is reached (an empty file is in many packages).
                    Err(error) if error.kind() == io::ErrorKind::TooManyLinks => {
                        let copied = fs::copy(&blob, path).and_then(|_| {
                            fs::set_permissions(path, Permissions::from_mode(kind.mode()))?;
                            fix_time(path)
                        });
                        copied.map_err(StoreError::io("write", path))
                    }
                    other => other.map_err(StoreError::io("write", path)),
                }
            }
            TreeEntry::Symlink { target } => {
                let made = symlink(target, path).and_then(|()| fix_time(path));
                made.map_err(StoreError::io("write", path))
            }
            TreeEntry::Directory { .. } => Ok(()),
        }
    }
}

//! What files a store has.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::layout::{digest_of, digest_of_checkout, name_of};
use crate::{BlobKind, Digest, Store, StoreError, parallel};

/// A file of a store (or the folder around a checkout).
#[derive(Debug)]
pub(crate) struct Item<T> {
    pub(crate) what: T,
    pub(crate) path: PathBuf,
    pub(crate) data: Metadata,
}

impl<T> Item<T> {
    /// Bytes on the disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.data.blocks() * 512
    }

    /// When it was written or used last.
    pub(crate) fn modified(&self) -> SystemTime {
        self.data.modified().unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// When it was written, linked or found last: blobs have a fixed time of modification.
    pub(crate) fn changed(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(self.data.ctime()).unwrap_or_default())
    }
}

/// The files of a store, each list in no order.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// With their digests: the size is that of the file.
    pub(crate) blobs: Vec<Item<(Digest, BlobKind)>>,
    pub(crate) actions: Vec<Item<Digest>>,
    pub(crate) checkouts: Vec<Item<Digest>>,
    /// Names as `KIND/NAME`.
    pub(crate) documents: Vec<Item<String>>,
    pub(crate) roots: Vec<Item<String>>,
    /// Files of repositories that were fetched.
    pub(crate) fetched: Vec<Item<()>>,
    /// What should not be there.
    pub(crate) strange: Vec<PathBuf>,
}

impl Inventory {
    /// Lists all that is there now.
    pub(crate) fn of(store: &Store) -> Result<Self, StoreError> {
        let layout = &store.inner.layout;
        let mut all = Self::default();
        for (item, folder, name) in two_levels(&layout.blobs(), &mut all.strange)? {
            let (name, kind) = match name.strip_suffix(BlobKind::Executable.suffix()) {
                Some(plain) => (plain, BlobKind::Executable),
                None => (name.as_str(), BlobKind::Plain),
            };
            match Digest::from_parts(&format!("{folder}{name}"), item.data.len()) {
                Ok(digest) => all.blobs.push(item.of((digest, kind))),
                Err(_) => all.strange.push(item.path),
            }
        }
        for (item, folder, name) in two_levels(&layout.actions(), &mut all.strange)? {
            match digest_of(&folder, &name) {
                Some(digest) => all.actions.push(item.of(digest)),
                None => all.strange.push(item.path),
            }
        }
        for (item, kind, name) in two_levels(&layout.documents(), &mut all.strange)? {
            match (name_of(&kind), name_of(&name)) {
                (Some(kind), Some(name)) => all.documents.push(item.of(format!("{kind}/{name}"))),
                _ => all.strange.push(item.path),
            }
        }
        for (item, name) in entries(&layout.roots())? {
            match name_of(&name) {
                Some(name) => all.roots.push(item.of(name)),
                None => all.strange.push(item.path),
            }
        }
        for (item, name) in entries(&layout.checkouts())? {
            match digest_of_checkout(&name) {
                Some(digest) => all.checkouts.push(item.of(digest)),
                None => all.strange.push(item.path),
            }
        }
        if layout.repositories().exists() {
            files_below(&layout.repositories(), &mut all.fetched)?;
        }
        all.strange.sort();
        Ok(all)
    }
}

impl Item<()> {
    fn of<T>(self, what: T) -> Item<T> {
        Item { what, path: self.path, data: self.data }
    }
}

/// The files of all folders in a folder, with the names of both.
fn two_levels(folder: &Path, strange: &mut Vec<PathBuf>) -> Result<Vec<(Item<()>, String, String)>, StoreError> {
    let (folders, others): (Vec<_>, Vec<_>) = entries(folder)?.into_iter().partition(|(item, _)| item.data.is_dir());
    strange.extend(others.into_iter().map(|(item, _)| item.path));
    let lists = parallel::map(&folders, |(item, _)| entries(&item.path))?;
    let named = lists
        .into_iter()
        .zip(folders)
        .flat_map(|(list, (_, folder))| list.into_iter().map(move |(item, name)| (item, folder.clone(), name)));
    Ok(named.collect())
}

/// All files in a folder and in the folders in it.
fn files_below(folder: &Path, all: &mut Vec<Item<()>>) -> Result<(), StoreError> {
    for (item, _) in entries(folder)? {
        if item.data.is_dir() { files_below(&item.path, all)? } else { all.push(item) }
    }
    Ok(())
}

/// What is in a folder. What another process removes just now is left out.
fn entries(folder: &Path) -> Result<Vec<(Item<()>, String)>, StoreError> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(StoreError::io("read", folder))? {
        let entry = entry.map_err(StoreError::io("read", folder))?;
        let path = entry.path();
        match entry.metadata() {
            Ok(data) => all.push((Item { what: (), path, data }, entry.file_name().to_string_lossy().into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io("read", &path)(error)),
        }
    }
    Ok(all)
}

/// Bytes on the disk of a folder and the folders in it; of other files only those with no other name.
pub(crate) fn folder_bytes(folder: &Path) -> u64 {
    let own = fs::symlink_metadata(folder).map_or(0, |data| data.blocks() * 512);
    let Ok(entries) = fs::read_dir(folder) else { return own };
    let below = entries.flatten().map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => folder_bytes(&entry.path()),
        Ok(data) if data.nlink() == 1 => data.blocks() * 512,
        _ => 0,
    });
    own + below.sum::<u64>()
}

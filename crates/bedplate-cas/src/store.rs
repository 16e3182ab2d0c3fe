//! A store that is open: its format, its lock, what this process knows of it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use rustix::fs::FlockOperation;

use crate::checkout::Checkouts;
use crate::digest::Copied;
use crate::layout::{self, FOLDERS, Layout};
use crate::pack::Packs;
use crate::record::{RecordKind, remove_file};
use crate::work::{self, LockGuard, WorkFolder};
use crate::{Damage, Digest, StoreError};

/// A store. Clones are the same store; several processes may have it open at once.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) layout: Layout,
    /// Files that are being written; made at the first write.
    scratch: Mutex<Option<WorkFolder>>,
    counter: AtomicU64,
    /// What files had which content in this process, by inode.
    pub(crate) seen: Mutex<FxHashMap<u64, Digest>>,
    /// What files this process wrote, by inode.
    pub(crate) written: Mutex<FxHashMap<u64, (Digest, Copied)>>,
    /// What is in packs, once that was asked for.
    pub(crate) packs: Mutex<Option<Packs>>,
    pub(crate) checkouts: Checkouts,
    damage: Mutex<Vec<Damage>>,
    /// Shared with other users; a garbage collection wants it for itself. Last: it is freed after the rest.
    _lock: File,
}

impl Store {
    /// Opens a store, which is made if there is none. Waits while a garbage collection runs.
    ///
    /// # Errors
    /// If the folder is no store, or one of another format, or the system refuses.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = prepare(path)?;
        let lock_path = path.join("lock");
        work::flock(&lock, FlockOperation::LockShared).map_err(StoreError::io("lock", &lock_path))?;
        Self::with_lock(path, lock)
    }

    /// The store, given its lock.
    pub(crate) fn with_lock(path: &Path, lock: File) -> Result<Self, StoreError> {
        let root = fs::canonicalize(path).map_err(StoreError::io("open", path))?;
        let layout = Layout { root };
        work::clear_up(&layout, work::remove_all)?;
        Ok(Self {
            inner: Arc::new(Inner {
                layout,
                scratch: Mutex::default(),
                counter: AtomicU64::default(),
                seen: Mutex::default(),
                written: Mutex::default(),
                packs: Mutex::default(),
                checkouts: Checkouts::default(),
                damage: Mutex::default(),
                _lock: lock,
            }),
        })
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.inner.layout.root
    }

    /// A folder for work; its name begins with this one, for people who look.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn work(&self, name: &str) -> Result<WorkFolder, StoreError> {
        work::clear_up(&self.inner.layout, work::remove_all)?;
        WorkFolder::new(&self.inner.layout, name)
    }

    /// Removes the work folders of processes that are no more by a way that the caller knows: files of a build may belong to
    /// others than the store's owner, who cannot simply delete them. Gives those that are still there, with the reason.
    ///
    /// # Errors
    /// If the folder of them cannot be read.
    pub fn clear_up<E>(&self, remove: impl Fn(&Path) -> Result<(), E>) -> Result<Vec<(PathBuf, E)>, StoreError> {
        work::clear_up(&self.inner.layout, remove)
    }

    /// Waits for the lock of this name: one holder at a time, of all threads of all processes.
    ///
    /// # Errors
    /// If the lock file cannot be used.
    pub fn lock(&self, name: &str) -> Result<LockGuard, StoreError> {
        LockGuard::take(&self.inner.layout.lock_file(name)?)
    }

    /// The folder for what was fetched of repositories, which users of the store keep in order themselves. What of it was not used for
    /// long, by its time of modification, is garbage.
    pub fn repositories(&self) -> PathBuf {
        self.inner.layout.repositories()
    }

    /// A small named document; nothing if there is none, or if it was damaged (see [`Store::take_damage`]).
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn document(&self, kind: &str, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.inner.layout.document(kind, name)?;
        self.read_record(RecordKind::Document, &path, &format!("{kind}/{name}"))
    }

    /// Writes a document in the place of the old one: after any death there is one of the two.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn set_document(&self, kind: &str, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.inner.layout.document(kind, name)?;
        self.write_record(RecordKind::Document, &path, &format!("{kind}/{name}"), bytes, true)
    }

    /// Removes a document that may be there.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove_document(&self, kind: &str, name: &str) -> Result<(), StoreError> {
        remove_file(&self.inner.layout.document(kind, name)?)
    }

    /// What was found damaged and dropped since the last call.
    pub fn take_damage(&self) -> Vec<Damage> {
        std::mem::take(&mut hold(&self.inner.damage))
    }

    pub(crate) fn note(&self, damage: Damage) {
        hold(&self.inner.damage).push(damage);
    }

    /// A name for a new file of this process, on the file system of the store.
    pub(crate) fn scratch_file(&self) -> Result<PathBuf, StoreError> {
        let mut scratch = hold(&self.inner.scratch);
        let folder = match &mut *scratch {
            Some(folder) => folder,
            none => none.insert(WorkFolder::new(&self.inner.layout, "new")?),
        };
        Ok(folder.path().join(self.inner.counter.fetch_add(1, Ordering::Relaxed).to_string()))
    }
}

/// Locks a mutex; what a panicking thread left there is whole, as nothing in between can fail.
pub(crate) fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Checks the format, or makes a store; gives the lock file, not locked.
pub(crate) fn prepare(path: &Path) -> Result<File, StoreError> {
    let layout = Layout { root: path.to_owned() };
    let version = layout.version();
    match fs::read(&version) {
        Ok(text) => check_version(path, &text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(&layout)?,
        Err(error) => return Err(StoreError::io("read", &version)(error)),
    }
    work::open_lock(&layout.lock())
}

fn version_line(format: u32) -> String {
    format!("bedplate store, format {format}\n")
}

fn check_version(path: &Path, text: &[u8]) -> Result<(), StoreError> {
    let text = String::from_utf8_lossy(text);
    let found = text.trim_end().strip_prefix(version_line(0).trim_end().trim_end_matches('0'));
    match found.and_then(|number| number.parse().ok()) {
        Some(layout::FORMAT) => Ok(()),
        Some(found) => Err(StoreError::Format { path: path.to_owned(), found, known: layout::FORMAT }),
        None => Err(StoreError::NotAStore { path: path.to_owned() }),
    }
}

/// Makes an empty store; of several processes that do so at once, all have it then.
fn create(layout: &Layout) -> Result<(), StoreError> {
    let root = &layout.root;
    fs::create_dir_all(root).map_err(StoreError::io("create", root))?;
    // What another process is making, or left half-made, may be there already.
    let is_ours = |name: &str| FOLDERS.contains(&name) || name == "lock" || name.starts_with("version");
    for entry in fs::read_dir(root).map_err(StoreError::io("read", root))? {
        let name = entry.map_err(StoreError::io("read", root))?.file_name();
        if !name.to_str().is_some_and(is_ours) {
            return Err(StoreError::NotAStore { path: root.clone() });
        }
    }
    for name in FOLDERS {
        let folder = root.join(name);
        fs::create_dir_all(&folder).map_err(StoreError::io("create", &folder))?;
    }
    let version = layout.version();
    let text = version_line(layout::FORMAT);
    let mut file = tempfile::Builder::new()
        .prefix("version-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(root)
        .map_err(StoreError::io("write", &version))?;
    io::Write::write_all(&mut file, text.as_bytes()).map_err(StoreError::io("write", &version))?;
    file.as_file().sync_all().map_err(StoreError::io("write", &version))?;
    file.persist(&version).map_err(|error| StoreError::io("write", &version)(error.error))?;
    File::open(root).and_then(|folder| folder.sync_all()).map_err(StoreError::io("write", root))
}

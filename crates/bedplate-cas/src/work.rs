//! Locks between processes, and work folders that do not outlive theirs.
//!
//! ```text
//! work/NAME-RANDOM.lock    held by flock for as long as the process lives
//! work/NAME-RANDOM/        deleted by its owner, or by whoever gets the lock after the owner died
//! ```

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bedplate_sys::remove::remove_folder;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::StoreError;
use crate::layout::{Layout, file_name};

/// How long a process that wants a lock may stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Until it has it.
    Yes,
    /// Not at all.
    No,
}

/// A lock of a name, between processes and threads; free again when dropped, or when the process dies.
#[derive(Debug)]
pub struct LockGuard {
    _file: File,
}

impl LockGuard {
    pub(crate) fn take(path: &Path) -> Result<Self, StoreError> {
        let file = open_lock(path)?;
        flock(&file, FlockOperation::LockExclusive).map_err(StoreError::io("lock", path))?;
        Ok(Self { _file: file })
    }
}

/// Opens a lock file, which is made if need be.
pub(crate) fn open_lock(path: &Path) -> Result<File, StoreError> {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
    file.map_err(StoreError::io("open", path))
}

/// Waits for a lock of a file.
pub(crate) fn flock(file: &File, how: FlockOperation) -> io::Result<()> {
    loop {
        match rustix::fs::flock(file, how) {
            Err(Errno::INTR) => {}
            other => return other.map_err(io::Error::from),
        }
    }
}

/// Takes a lock if nobody has it.
pub(crate) fn try_flock(file: &File, how: FlockOperation) -> io::Result<bool> {
    match flock(file, how) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// A folder for work, on the file system of the store. It is deleted when the value is dropped, or after the process died.
#[derive(Debug)]
pub struct WorkFolder {
    path: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

impl WorkFolder {
    /// Makes one. The name is only for people who look.
    pub(crate) fn new(layout: &Layout, name: &str) -> Result<Self, StoreError> {
        let name = file_name(name)?;
        loop {
            let path = layout.work().join(format!("{name}-{}", unique()));
            let lock_path = path.with_file_name(format!("{}.lock", path.file_name().unwrap_or_default().display()));
            let lock = open_lock(&lock_path)?;
            let io = || StoreError::io("lock", &lock_path);
            let is_locked = try_flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(io())?;
            // Whoever clears up may have taken the file between our two calls; then another name is tried.
            let is_there = lock.metadata().map_err(io())?.nlink() > 0;
            if is_locked && is_there && !path.exists() {
                fs::create_dir(&path).map_err(StoreError::io("create", &path))?;
                return Ok(Self { path, lock_path, _lock: lock });
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        // What cannot be removed now is found by whoever opens the store next.
        if remove_all(&self.path).is_ok() {
            let _ = fs::remove_file(&self.lock_path);
        }
    }
}

/// Removes a folder and all below it, also folders that refuse their owner; one that is not there is removed already.
pub(crate) fn remove_all(path: &Path) -> io::Result<()> {
    let gone = |error: io::Error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) };
    match remove_folder(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            remove_folder(path).or_else(gone)
        }
        other => other.or_else(gone),
    }
}

/// Builds leave folders that nobody may write into.
fn open_up(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes work folders of processes that are no more, each by `remove`. Gives those that are still there, with the reason;
/// they are left for the next time.
pub(crate) fn clear_up<E>(
    layout: &Layout,
    remove: impl Fn(&Path) -> Result<(), E>,
) -> Result<Vec<(PathBuf, E)>, StoreError> {
    let work = layout.work();
    let mut left = Vec::new();
    let entries = fs::read_dir(&work).map_err(StoreError::io("read", &work))?;
    for entry in entries {
        let path = entry.map_err(StoreError::io("read", &work))?.path();
        if path.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        // Not created: another process may have removed it just now.
        let Ok(lock) = File::options().read(true).write(true).open(&path) else { continue };
        if try_flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap_or(false) {
            let folder = path.with_extension("");
            match remove(&folder) {
                Ok(()) => drop(fs::remove_file(&path)),
                Err(why) => left.push((folder, why)),
            }
        }
    }
    Ok(left)
}

/// A name that no other process and no other call has: process, time, number.
fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{:x}-{count}", std::process::id(), now.as_nanos())
}

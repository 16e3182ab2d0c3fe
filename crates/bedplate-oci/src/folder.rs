//! A tree as a plain folder; and how files and folders get to their place when they are whole.

use std::fmt;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use bedplate_cas::Store;
use bedplate_tree::{Entry, FileTree, Kind, TreePath};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use tempfile::{NamedTempFile, TempDir};

use crate::OciError;

/// Something of an entry that a folder does not have because the system did not let us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// The entry.
    pub path: TreePath,
    /// What is missing, in words that follow on the path: `its owner 7:7`.
    pub what: String,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` lacks {}", self.path, self.what)
    }
}

/// Writes a tree as a plain folder; one at the target is replaced if it is empty, or if `replace` says that it may. Root gets all of
/// the tree; an ordinary user gets what he may make, and a list of all that is missing.
///
/// # Errors
///
/// See [`OciError`].
pub fn write_folder(
    store: &Store,
    tree: &FileTree,
    target: &Path,
    replace: impl Fn(&Path) -> bool,
) -> Result<Vec<Shortfall>, OciError> {
    let staging = Staging::new(target, replace, "empty folder")?;
    let mut writer = Writer { store, root: staging.path().to_owned(), missing: Vec::new() };
    for links in [false, true] {
        for (path, entry) in tree.iter().filter(|(_, entry)| matches!(entry.kind, Kind::HardLink(_)) == links) {
            writer.make(path, entry)?;
        }
    }
    // Folders at last, the deepest first: what is made in them changes their time, and their mode may forbid it.
    for (path, entry) in tree.iter().rev().filter(|(_, entry)| entry.is_directory()) {
        writer.finish(path, entry)?;
    }
    let mut missing = writer.missing;
    missing.sort_by(|one, other| one.path.cmp(&other.path));
    staging.publish(target)?;
    Ok(missing)
}

struct Writer<'a> {
    store: &'a Store,
    root: PathBuf,
    missing: Vec<Shortfall>,
}

impl Writer<'_> {
    fn place(&self, path: &TreePath) -> PathBuf {
        if path.is_root() { self.root.clone() } else { self.root.join(path.relative()) }
    }

    fn make(&mut self, path: &TreePath, entry: &Entry) -> Result<(), OciError> {
        let place = self.place(path);
        let io = || OciError::io("make", &place);
        match &entry.kind {
            Kind::Directory => {
                if !path.is_root() {
                    fs::create_dir(&place).map_err(io())?;
                }
                return Ok(());
            }
            Kind::HardLink(target) => {
                return match fs::hard_link(self.place(target), &place) {
                    Ok(()) => Ok(()),
                    // Somebody who may not make the file cannot link to it.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        self.miss(path, "itself".to_owned());
                        Ok(())
                    }
                    Err(error) => Err(io()(error)),
                };
            }
            Kind::File(digest) => self.store.copy(digest, &place)?,
            Kind::Symlink(target) => symlink(target, &place).map_err(io())?,
            Kind::Fifo => rustix::fs::mknodat(CWD, &place, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
                .map_err(OciError::io("make", &place))?,
            Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } => {
                let is_block = matches!(entry.kind, Kind::BlockDevice { .. });
                let kind = if is_block { FileType::BlockDevice } else { FileType::CharacterDevice };
                let device = rustix::fs::makedev(*major, *minor);
                match rustix::fs::mknodat(CWD, &place, kind, Mode::from_raw_mode(0o600), device) {
                    Err(Errno::PERM | Errno::ACCESS) => {
                        self.miss(path, format!("itself, {}", entry.kind.what()));
                        return Ok(());
                    }
                    made => made.map_err(OciError::io("make", &place))?,
                }
            }
        }
        self.finish(path, entry)
    }

    /// Owner, mode, attributes and time, in this order: a change of the owner takes mode bits and capabilities away.
    fn finish(&mut self, path: &TreePath, entry: &Entry) -> Result<(), OciError> {
        let place = self.place(path);
        let owner = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        match rustix::fs::chownat(CWD, &place, Some(owner.0), Some(owner.1), AtFlags::SYMLINK_NOFOLLOW) {
            // Numbers that the namespace of users does not have are invalid there.
            Err(Errno::PERM | Errno::INVAL) => self.miss(path, format!("its owner {}:{}", entry.uid, entry.gid)),
            made => made.map_err(OciError::io("give an owner to", &place))?,
        }
        let is_link = matches!(entry.kind, Kind::Symlink(_));
        for (name, value) in &entry.xattrs {
            // A folder that may not be written to, or a file, takes no attributes of users.
            match rustix::fs::lsetxattr(&place, name.as_str(), value, XattrFlags::empty()) {
                Err(Errno::PERM | Errno::ACCESS | Errno::NOTSUP) => {
                    self.miss(path, format!("its extended attribute `{name}`"));
                }
                made => made.map_err(OciError::io("set an attribute of", &place))?,
            }
        }
        if !is_link {
            fs::set_permissions(&place, Permissions::from_mode(u32::from(entry.mode)))
                .map_err(OciError::io("set the mode of", &place))?;
        }
        let time = Timespec { tv_sec: entry.mtime, tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, &place, &times, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(OciError::io("set the time of", &place))
    }

    fn miss(&mut self, path: &TreePath, what: String) {
        self.missing.push(Shortfall { path: path.clone(), what });
    }
}

/// A folder that is being made beside its target.
#[derive(Debug)]
pub(crate) struct Staging {
    around: Option<TempDir>,
    path: PathBuf,
}

impl Staging {
    /// Begins one. What is at the target must be nothing, an empty folder, or a folder that may be replaced.
    pub(crate) fn new(
        target: &Path,
        may_replace: impl Fn(&Path) -> bool,
        what: &'static str,
    ) -> Result<Self, OciError> {
        if fs::symlink_metadata(target).is_ok() {
            let is_free = fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none());
            if !target.is_dir() || !(is_free || may_replace(target)) {
                return Err(OciError::Occupied { path: target.to_owned(), what });
            }
        }
        let folder = parent(target);
        let around = tempfile::Builder::new().prefix(".bedplate-").tempdir_in(folder);
        let around = around.map_err(OciError::io("make a folder in", folder))?;
        let path = around.path().join("new");
        fs::create_dir(&path).map_err(OciError::io("make", &path))?;
        Ok(Self { around: Some(around), path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it to its target in one step.
    pub(crate) fn publish(self, target: &Path) -> Result<(), OciError> {
        bedplate_sys::replace::replace_folder(&self.path, target).map_err(OciError::io("write", target))
    }
}

impl Drop for Staging {
    /// Also folders that their owner may not look into go.
    fn drop(&mut self) {
        if let Some(around) = self.around.take() {
            open_up(around.path());
            let _ = around.close();
        }
    }
}

fn open_up(folder: &Path) {
    let _ = fs::set_permissions(folder, Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

/// A file that is being made beside its target.
#[derive(Debug)]
pub(crate) struct StagedFile(NamedTempFile);

impl StagedFile {
    pub(crate) fn new(target: &Path) -> Result<Self, OciError> {
        let folder = parent(target);
        let made = tempfile::Builder::new()
            .prefix(".bedplate-")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(folder);
        made.map(Self).map_err(OciError::io("make a file in", folder))
    }

    pub(crate) fn file(&self) -> &File {
        self.0.as_file()
    }

    /// Puts it to its target in one step.
    pub(crate) fn publish(self, target: &Path) -> Result<(), OciError> {
        self.0.persist(target).map(|_| ()).map_err(|error| OciError::io("write", target)(error.error))
    }
}

fn parent(target: &Path) -> &Path {
    target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

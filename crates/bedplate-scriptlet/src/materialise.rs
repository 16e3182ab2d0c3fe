//! A file tree as real files, for scripts to see: each with its content, owner, mode and time.
//!
//! They are copies, not hard links to the store: a script that copies a file copies its mode too, and the store's files have
//! one mode only.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use bedplate_cas::Store;
use bedplate_sandbox::Owner;
use bedplate_tree::{Entry, FileTree, Kind, TreePath};
use rayon::prelude::*;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags, utimensat};

use crate::ScriptError;

/// Folders that scripts always see, also in an image that has them not.
const ALWAYS: [&str; 6] = ["/dev", "/proc", "/run", "/tmp", "/var", "/var/tmp"];

/// The largest id that a script may see.
const MOST: u32 = 65534;

/// Writes a tree to a new folder. Gives whom files belong to that are not root's. Devices are not there: nobody could use them.
pub(crate) fn materialise(tree: &FileTree, store: &Store, folder: &Path) -> Result<Vec<Owner>, ScriptError> {
    check_ids(tree)?;
    let (mut folders, mut files, mut links) = (Vec::new(), Vec::new(), Vec::new());
    for (path, entry) in tree.iter() {
        match &entry.kind {
            Kind::Directory => folders.push((path, entry)),
            Kind::HardLink(to) => links.push((path, to)),
            Kind::CharacterDevice { .. } | Kind::BlockDevice { .. } => {}
            _ => files.push((path, entry)),
        }
    }
    let place = |path: &TreePath| folder.join(path.relative());
    for (path, _) in &folders {
        let at = place(path);
        fs::create_dir(&at).map_err(ScriptError::io("make", &at))?;
    }
    for path in ALWAYS {
        // One that is below a link of the image is there, or is made where the link leads.
        if tree.get(path).is_none() && path.rsplit_once('/').is_none_or(|(above, _)| is_folder(tree, above)) {
            let at = folder.join(&path[1..]);
            fs::create_dir(&at).map_err(ScriptError::io("make", &at))?;
        }
    }
    files.par_iter().try_for_each(|(path, entry)| write(entry, store, &place(path)))?;
    for (path, to) in links {
        let (at, to) = (place(path), place(to));
        fs::hard_link(&to, &at).map_err(ScriptError::io("link", &at))?;
    }
    // Now that nothing comes into them any more; a folder may refuse even its owner.
    for (path, entry) in folders.iter().rev() {
        set_facts(entry, &place(path))?;
    }
    let owned = tree.iter().filter(|(_, entry)| (entry.uid, entry.gid) != (0, 0));
    let is_file = |entry: &Entry| !matches!(entry.kind, Kind::HardLink(_)) && !is_device(entry);
    Ok(owned
        .filter(|(_, entry)| is_file(entry))
        .map(|(path, entry)| Owner {
            path: place(path),
            user: entry.uid,
            group: entry.gid,
            mode: (!matches!(entry.kind, Kind::Symlink(_))).then_some(entry.mode.into()),
        })
        .collect())
}

/// Makes the upper folder, whose facts are those of the root that scripts see.
pub(crate) fn make_upper(tree: &FileTree, upper: &Path) -> Result<Option<Owner>, ScriptError> {
    fs::create_dir_all(upper).map_err(ScriptError::io("make", upper))?;
    let Some(root) = tree.get("/") else { return Ok(None) };
    set_facts(root, upper)?;
    let owner = Owner { path: upper.to_owned(), user: root.uid, group: root.gid, mode: Some(root.mode.into()) };
    Ok(((root.uid, root.gid) != (0, 0)).then_some(owner))
}

fn is_device(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::CharacterDevice { .. } | Kind::BlockDevice { .. })
}

fn is_folder(tree: &FileTree, path: &str) -> bool {
    path.is_empty() || ALWAYS.contains(&path) && tree.get(path).is_none_or(Entry::is_directory)
}

fn check_ids(tree: &FileTree) -> Result<(), ScriptError> {
    let beyond = tree.iter().filter(|(_, entry)| entry.uid > MOST || entry.gid > MOST);
    let paths: Vec<String> = beyond.map(|(path, entry)| format!("`{path}` ({}:{})", entry.uid, entry.gid)).collect();
    if paths.is_empty() { Ok(()) } else { Err(ScriptError::Ids { paths }) }
}

/// Writes what is no folder.
fn write(entry: &Entry, store: &Store, at: &Path) -> Result<(), ScriptError> {
    match &entry.kind {
        Kind::File(digest) => store.copy(digest, at)?,
        Kind::Symlink(target) => symlink(target, at).map_err(ScriptError::io("make", at))?,
        Kind::Fifo => rustix::fs::mknodat(CWD, at, rustix::fs::FileType::Fifo, rustix::fs::Mode::from(0o600), 0)
            .map_err(|error| ScriptError::io("make", at)(error.into()))?,
        _ => return Ok(()),
    }
    set_facts(entry, at)
}

fn set_facts(entry: &Entry, at: &Path) -> Result<(), ScriptError> {
    let failed = || ScriptError::io("write", at);
    if !matches!(entry.kind, Kind::Symlink(_)) {
        for (name, value) in entry.xattrs.iter().filter(|(name, _)| is_kept(name)) {
            rustix::fs::lsetxattr(at, OsStr::new(name), value, XattrFlags::empty())
                .map_err(|error| failed()(error.into()))?;
        }
        fs::set_permissions(at, Permissions::from_mode(entry.mode.into())).map_err(failed())?;
    }
    let time = Timespec { tv_sec: entry.mtime, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, at, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| failed()(error.into()))
}

/// True for the attributes that files have for scripts too. Capabilities are not among them: they could not be used.
pub(crate) fn is_kept(name: &str) -> bool {
    name.starts_with("user.") && !name.starts_with("user.overlay.")
}

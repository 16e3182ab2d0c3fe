//! What may go wrong with a store.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bedplate_diag::Category;

use crate::Digest;
use crate::merge::Conflict;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The system refused something. `Full` is apart.
    #[error("cannot {action} {}: {error}", path.display())]
    Io {
        /// What was tried: a verb.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file system has no room. Nothing half-written is visible.
    #[error("no room left to {action} {}: {error}", path.display())]
    Full {
        /// What was tried: a verb.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system says: no space, or quota exceeded.
        error: io::Error,
    },
    /// A folder that has something in it, and is no store.
    #[error("{} is no store: it is not empty and has no good file `version`", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// A store of another format.
    #[error("the store {} has format {found}, and this bedplate knows format {known}", path.display())]
    Format {
        /// The store.
        path: PathBuf,
        /// The number of its format.
        found: u32,
        /// The number that we know.
        known: u32,
    },
    /// A store that must not be changed now.
    #[error("the store {} is in use{}", path.display(), by_processes(processes))]
    InUse {
        /// The store.
        path: PathBuf,
        /// Numbers of the processes that use it, as far as the system tells.
        processes: Vec<u32>,
    },
    /// A root that was not as it was written, so that nobody knows what it kept. It was dropped.
    #[error("root `{name}` was damaged and dropped; nothing was removed")]
    DamagedRoot {
        /// Its name.
        name: String,
    },
    /// A blob that is not there.
    #[error("the store lacks blob {digest}")]
    Missing {
        /// The blob.
        digest: Digest,
    },
    /// A blob that was not what its name says. It was dropped.
    #[error("blob {digest} was damaged: {why}; it was dropped from the store")]
    Damaged {
        /// The blob.
        digest: Digest,
        /// Its file.
        path: PathBuf,
        /// What was wrong.
        why: String,
    },
    /// A blob that is no canonical `Directory` message.
    #[error("blob {digest} is no folder of a tree: {why}")]
    NotATree {
        /// The blob.
        digest: Digest,
        /// What is wrong.
        why: String,
    },
    /// A checkout that is not as it was made, however often it is made.
    #[error("the checkout {} of tree {tree} does not stay as it is made", path.display())]
    BadCheckout {
        /// The tree.
        tree: Digest,
        /// The checkout.
        path: PathBuf,
    },
    /// A tree that cannot be.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Trees that cannot lie over each other.
    #[error("trees cannot be merged: {}", list(conflicts))]
    Conflicts {
        /// All of them.
        conflicts: Vec<Conflict>,
    },
    /// Files of a folder that no tree can hold.
    #[error("{} cannot be imported: {}", path.display(), list(found))]
    Unsupported {
        /// The folder.
        path: PathBuf,
        /// All of them.
        found: Vec<UnsupportedFile>,
    },
    /// A name that a document, root, lock or work folder cannot have.
    #[error("bad name `{name}`: it is empty or has more than 200 bytes")]
    BadName {
        /// The name.
        name: String,
    },
}

impl StoreError {
    /// Names what was tried with which file.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { action, path, error },
            _ => Self::Io { action, path, error },
        }
    }

    /// Who can mend it.
    pub fn category(&self) -> Category {
        match self {
            Self::NotAStore { .. } | Self::Conflicts { .. } | Self::Unsupported { .. } => Category::Input,
            Self::Tree(_) | Self::BadName { .. } | Self::NotATree { .. } => Category::Internal,
            _ => Category::Environment,
        }
    }

    /// What to do.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Full { .. } => "free some space, or shrink the store: `bedplate store gc --max-size 10G`",
            Self::NotAStore { .. } => "name an empty folder, one that does not exist yet, or a store",
            Self::Format { .. } => "name another folder with `--store`, or use the bedplate that made this one",
            Self::BadCheckout { .. } => {
                "something changes it: the store belongs on a local file system that keeps modes, times and hard links"
            }
            Self::DamagedRoot { .. } => "set it again, or collect once more to remove what only it kept",
            Self::InUse { .. } => "wait until they have ended, or give `--wait`",
            Self::Missing { .. } | Self::Damaged { .. } => "build again: what is lost is made anew",
            _ => return None,
        })
    }

    /// The blob that is lost: whoever made it can make it again.
    pub fn lost(&self) -> Option<Digest> {
        match self {
            Self::Missing { digest } | Self::Damaged { digest, .. } | Self::NotATree { digest, .. } => Some(*digest),
            _ => None,
        }
    }
}

fn by_processes(processes: &[u32]) -> String {
    if processes.is_empty() {
        return String::new();
    }
    let numbers: Vec<String> = processes.iter().map(u32::to_string).collect();
    format!(" by process {}", numbers.join(", "))
}

fn list(items: &[impl fmt::Display]) -> String {
    let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// An entry that a tree cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// A path that is not relative and plain.
    #[error("bad path `{path}` in a tree: {why}")]
    BadPath {
        /// The path.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A symbolic link to nothing.
    #[error("the symbolic link `{path}` has an empty target, or one with a NUL")]
    BadTarget {
        /// The path.
        path: String,
    },
    /// Two things at one path.
    #[error("`{path}` is in the tree twice: {first} and {second}")]
    Twice {
        /// The path.
        path: String,
        /// What was there.
        first: &'static str,
        /// What should come there.
        second: &'static str,
    },
}

/// A file that is none that a tree can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsupportedFile {
    /// Its path below the folder.
    pub path: String,
    /// What it is.
    pub what: &'static str,
}

impl fmt::Display for UnsupportedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {}", self.path, self.what)
    }
}

/// Something in the store that was not as it was written, and was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What it was: `blob HEX/SIZE`, `action HEX/SIZE`, `document KIND/NAME`, `checkout HEX/SIZE`.
    pub what: String,
    /// Its file or folder.
    pub path: PathBuf,
    /// What was wrong.
    pub why: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was damaged: {}", self.what, self.why)
    }
}

//! Why there is no file system.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bedplate_cas::StoreError;
use bedplate_diag::Category;
use bedplate_sandbox::{End, SandboxError};
use bedplate_tree::{ArchiveError, TreePath};

/// How many entries a message names.
const NAMED: usize = 20;

/// Why a file system was not made. Nothing is left at the target then, or what was there before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesystemError {
    /// The file system cannot hold what the tree has.
    #[error("{kind} cannot hold {}", list(entries))]
    Unsupported {
        /// The name of the file system.
        kind: &'static str,
        /// All of it.
        entries: Vec<Unsupported>,
    },
    /// A fixed size that is too small.
    #[error("{kind} of {size} bytes is too small for the tree by {} bytes: it needs {needed}", needed - size)]
    TooSmall {
        /// The name of the file system.
        kind: &'static str,
        /// The size that was asked for, in bytes.
        size: u64,
        /// The smallest that would do, in bytes.
        needed: u64,
    },
    /// A size that no such file system can have.
    #[error("{kind} cannot be {size} bytes large: {why}")]
    BadSize {
        /// The name of the file system.
        kind: &'static str,
        /// The size that was asked for, in bytes.
        size: u64,
        /// Why not.
        why: String,
    },
    /// A label that the file system cannot have.
    #[error("{kind} cannot have the label `{label}`: {why}")]
    BadLabel {
        /// The name of the file system.
        kind: &'static str,
        /// The label.
        label: String,
        /// Why not.
        why: &'static str,
    },
    /// Programs that are not where they should be.
    #[error("`{}` lacks {}", folder.display(), names.join(", "))]
    MissingTools {
        /// The root that was looked at.
        folder: PathBuf,
        /// Paths of the programs and libraries.
        names: Vec<&'static str>,
    },
    /// A program failed.
    #[error("`{command}` failed: {end}{}", said(output))]
    Tool {
        /// The command, as a shell takes it.
        command: String,
        /// How it ended.
        end: End,
        /// The last lines that it wrote.
        output: Vec<String>,
    },
    /// A program said that it did its work and did not.
    #[error("`{command}` did not do all of its work{}", said(output))]
    Incomplete {
        /// The command, as a shell takes it.
        command: String,
        /// What speaks for that.
        output: Vec<String>,
    },
    /// Somebody ended the work.
    #[error("cancelled")]
    Cancelled,
    /// There is no sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A content was not read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The system refused something.
    #[error("failed to {action} `{}`", path.display())]
    Io {
        /// What was tried: a verb.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Something of a tree that a file system cannot hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// Where.
    pub path: TreePath,
    /// What, in words that follow on a path: `its owner 7:7`.
    pub what: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.path, self.what)
    }
}

impl FilesystemError {
    /// Who can mend it.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Unsupported { .. } | Self::TooSmall { .. } | Self::BadSize { .. } | Self::BadLabel { .. } => {
                Category::Input
            }
            Self::MissingTools { .. } | Self::Io { .. } => Category::Environment,
            Self::Tool { .. } | Self::Cancelled => Category::Build,
            Self::Incomplete { .. } => Category::Internal,
            Self::Sandbox(error) => error.category(),
            Self::Store(error) => error.category(),
            Self::Archive(error) => error.category(),
        }
    }

    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unsupported { .. } => Some("take these out of the tree, or choose another file system"),
            Self::TooSmall { .. } => Some("make it larger, or let its size be `minimal`"),
            Self::MissingTools { .. } => Some("they are in the seed's group `images`: `bedplate seed create images`"),
            Self::Store(error) => error.hint(),
            _ => None,
        }
    }

    /// Turns an error of the system into one that names what was tried.
    pub(crate) fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source: source.into() }
    }
}

fn list(entries: &[Unsupported]) -> String {
    let mut text = entries.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if entries.len() > NAMED {
        text.push_str(&format!(" and {} more", entries.len() - NAMED));
    }
    text
}

fn said(output: &[String]) -> String {
    output.iter().map(|line| format!("\n  {line}")).collect()
}

//! What may go wrong with a seed.

use std::io;
use std::path::{Path, PathBuf};

use bedplate_apt::AptError;
use bedplate_cas::{StoreError, TreeError};
use bedplate_diag::Category;

/// Why a seed could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeedError {
    /// Groups that the seed does not have.
    #[error("the seed has no group {}", listed(.unknown))]
    UnknownGroups {
        /// Their names.
        unknown: Vec<String>,
        /// Names that are almost the same.
        near: Vec<String>,
        /// All names.
        known: Vec<String>,
    },
    /// Packages of the seed file that the lock does not have.
    #[error("the lock of the seed has no package {}", listed(.names))]
    NotLocked {
        /// Their names.
        names: Vec<String>,
    },
    /// apt installs packages whose needs it does not meet.
    #[error("apt's choice of packages is not whole: {}", .unmet.join(", "))]
    Unmet {
        /// What needs what.
        unmet: Vec<String>,
    },
    /// Locked packages that the mirror does not have any more.
    #[error("the mirror no longer has these locked packages: {}", .names.join(", "))]
    Gone {
        /// Names and versions.
        names: Vec<String>,
    },
    /// mmdebstrap could not be started.
    #[error("`mmdebstrap` could not be started (by `setpriv`)")]
    NoInstaller {
        /// What the system says.
        source: io::Error,
    },
    /// mmdebstrap failed.
    #[error("`mmdebstrap` failed ({status}):\n{output}")]
    Install {
        /// How it ended.
        status: String,
        /// Its last lines.
        output: String,
    },
    /// What mmdebstrap installed cannot be used.
    #[error("the installed seed is not as expected: {why}")]
    BadImage {
        /// What is wrong.
        why: String,
    },
    /// apt failed.
    #[error(transparent)]
    Apt(#[from] AptError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or folder could not be used.
    #[error("{action} {}", .path.display())]
    Io {
        /// What was tried: `cannot write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl From<TreeError> for SeedError {
    fn from(error: TreeError) -> Self {
        Self::Store(error.into())
    }
}

impl SeedError {
    /// Who can mend it.
    pub fn category(&self) -> Category {
        match self {
            Self::UnknownGroups { .. } | Self::NotLocked { .. } => Category::Input,
            Self::Unmet { .. } => Category::Internal,
            Self::Apt(error) => error.category(),
            Self::Store(error) => error.category(),
            _ => Category::Environment,
        }
    }

    /// What to do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownGroups { near, .. } if !near.is_empty() => format!("did you mean {}?", listed(near)),
            Self::UnknownGroups { known, .. } => format!("there are {}", known.join(", ")),
            Self::NotLocked { .. } | Self::Gone { .. } => "write the lock anew: `bedplate seed lock`".to_owned(),
            Self::NoInstaller { .. } => {
                "install it: `toolkit/host-setup` does, or `apt-get install mmdebstrap`".to_owned()
            }
            Self::Install { .. } if !rustix::process::geteuid().is_root() => {
                "an ordinary user needs ranges in /etc/subuid and /etc/subgid, and the package `uidmap`".to_owned()
            }
            Self::Store(error) => return error.hint().map(str::to_owned),
            _ => return None,
        })
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

//! What may go wrong with apt.

use std::io;
use std::path::{Path, PathBuf};

use bedplate_diag::Category;

/// Why apt gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AptError {
    /// A program of apt is not there.
    #[error("`{program}` is not there: packages of Debian can only be had on a host that has apt")]
    Missing {
        /// The program.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The host's apt has no mirror of Debian.
    #[error("the apt configuration of this host names no mirror of Debian (it has: {found})")]
    NoMirror {
        /// What it has.
        found: String,
    },
    /// A program of apt failed.
    #[error("`{command}` failed ({status}):\n{output}")]
    Failed {
        /// What was called.
        command: String,
        /// How it ended.
        status: String,
        /// Its last lines.
        output: String,
    },
    /// Names that a suite does not have.
    #[error("{suite} has no package {}", listed(.names))]
    UnknownPackages {
        /// The suite.
        suite: String,
        /// The names.
        names: Vec<String>,
    },
    /// Names that cannot be installed together.
    #[error("these packages of {suite} cannot be installed together: {}\n{output}", listed(.names))]
    Unsolvable {
        /// The suite.
        suite: String,
        /// The names.
        names: Vec<String>,
        /// What apt says.
        output: String,
    },
    /// A suite that was not asked for.
    #[error("the suite `{suite}` was not opened")]
    UnknownSuite {
        /// The suite.
        suite: String,
    },
    /// An index of apt that cannot be read.
    #[error("{}: {why}", .path.display())]
    BadIndex {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Files that could not be had.
    #[error("the mirror gave not what was asked for: {}\n{output}", listed(.paths))]
    NotFetched {
        /// Paths of the files on the mirror.
        paths: Vec<String>,
        /// What apt says.
        output: String,
    },
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

impl AptError {
    /// Who can mend it.
    pub fn category(&self) -> Category {
        match self {
            Self::UnknownPackages { .. } | Self::Unsolvable { .. } => Category::Input,
            Self::UnknownSuite { .. } => Category::Internal,
            _ => Category::Environment,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

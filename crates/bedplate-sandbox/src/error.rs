//! Why there is no outcome.

use std::io;
use std::path::{Path, PathBuf};

use bedplate_diag::Category;

/// A sandbox could not be made, or was lost.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The system refused something.
    #[error("{doing} `{}`", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The machine is not fit for it; the text says what is missing and how to get it.
    #[error("the build sandbox cannot be set up: {0}")]
    Refused(String),
    /// The job itself is wrong: what it names is not there.
    #[error("the build sandbox cannot be set up: {0}")]
    Job(String),
    /// A preparing command failed; what it said went to the log.
    #[error("`{command}` failed while the build root was prepared: {end}")]
    Prepare {
        /// The command, its words with spaces between.
        command: String,
        /// How it ended.
        end: String,
    },
    /// The sandbox died without a word.
    #[error("the build sandbox was lost: {0}")]
    Lost(String),
}

impl SandboxError {
    /// Who can mend it.
    pub fn category(&self) -> Category {
        match self {
            Self::Io { .. } | Self::Refused(_) | Self::Prepare { .. } | Self::Lost(_) => Category::Environment,
            Self::Job(_) => Category::Internal,
        }
    }

    /// Turns an error of the system into one that names what was done.
    pub(crate) fn io<E: Into<io::Error>>(doing: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source: source.into() }
    }
}

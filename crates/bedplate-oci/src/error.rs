//! Why there is no image.

use std::io;
use std::path::{Path, PathBuf};

use bedplate_cas::StoreError;
use bedplate_diag::Category;
use bedplate_tree::{ArchiveError, InsertError, TreePath};

/// Why an image, an archive or a folder was not written. At the target is what was there before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OciError {
    /// Names that mean a removal in a layer.
    #[error("{} cannot be in a layer: names that begin with `.wh.` mean a removal there", list(paths))]
    Whiteouts {
        /// All of them.
        paths: Vec<TreePath>,
    },
    /// Removals in folders that a layer does not have.
    #[error("a layer that takes {} away has to have the folder of it", list(paths))]
    Homeless {
        /// All of them.
        paths: Vec<TreePath>,
    },
    /// A tree that cannot be put together.
    #[error("a layer cannot be made")]
    Layer(#[from] InsertError),
    /// A name of an image that tools do not take.
    #[error("`{name}` is no name of an image: {why}")]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The target is there, and is nothing of ours to replace.
    #[error("`{}` is there and is no {what}", path.display())]
    Occupied {
        /// The target.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A content was not read, or not written.
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

impl OciError {
    /// Who can mend it.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Whiteouts { .. } | Self::BadName { .. } | Self::Occupied { .. } => Category::Input,
            Self::Layer(_) | Self::Homeless { .. } => Category::Internal,
            Self::Store(error) => error.category(),
            Self::Archive(error) => error.category(),
            Self::Io { .. } => Category::Environment,
        }
    }

    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Occupied { .. } => Some("name a path where nothing is, or remove what is there"),
            Self::Store(error) => error.hint(),
            _ => None,
        }
    }

    /// Turns an error of the system into one that names what was tried.
    pub(crate) fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source: source.into() }
    }
}

fn list(paths: &[TreePath]) -> String {
    paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ")
}

//! What is wrong with the world: packages that cannot be read, a store that refuses.

use bedplate_cas::StoreError;
use bedplate_diag::Category;
use bedplate_repo::Finding;
use bedplate_tree::{InsertError, TreePath};

use crate::InstallProblem;

/// Why packages were not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// Packages that are not as they should be: all that is wrong with each.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Packages(Vec<Finding>),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl UnpackError {
    /// Who can mend it.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Packages(findings) => {
                let environment = findings.iter().any(|one| one.problem.category() == Category::Environment);
                if environment { Category::Environment } else { Category::Input }
            }
            Self::Store(error) => error.category(),
        }
    }
}

/// Why packages were not installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The packages do not go together: all that is wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<InstallProblem>),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl InstallError {
    /// Who can mend it.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Problems(_) => Category::Input,
            Self::Store(error) => error.category(),
        }
    }
}

/// Why there is no database of the packages.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// A package whose header no database can have.
    #[error("`{package}` cannot be in the package database: {why}")]
    Header {
        /// The package.
        package: String,
        /// What is wrong with it.
        why: String,
    },
    /// A time that 32 bits do not hold.
    #[error("{epoch} is no time of an installation: rpm has 32 bits for it")]
    Epoch {
        /// Seconds since 1970.
        epoch: i64,
    },
    /// SQLite refused.
    #[error("failed to write the package database")]
    Sqlite(#[from] rusqlite::Error),
    /// The tree has something else in its place.
    #[error("the package database has no place in the tree")]
    Place(#[from] InsertError),
    /// What should be a link to the folder of the database is something else.
    #[error("`{path}` should be a link to the package database and is {what}")]
    Link {
        /// Its path.
        path: TreePath,
        /// What there is.
        what: &'static str,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DatabaseError {
    /// Who can mend it.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Header { .. } | Self::Epoch { .. } | Self::Place(_) | Self::Link { .. } => Category::Input,
            Self::Sqlite(_) => Category::Internal,
            Self::Store(error) => error.category(),
        }
    }
}

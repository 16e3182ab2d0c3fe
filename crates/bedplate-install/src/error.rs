//! What is wrong with the world: packages that cannot be read, a store that refuses.

use bedplate_cas::StoreError;
use bedplate_diag::Category;
use bedplate_repo::Finding;

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

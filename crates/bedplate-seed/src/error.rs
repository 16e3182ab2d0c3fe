//! What may go wrong with a seed.

use bedplate_apt::AptError;
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
    /// apt installs packages whose needs it does not meet.
    #[error("apt's choice of packages is not whole: {}", .unmet.join(", "))]
    Unmet {
        /// What needs what.
        unmet: Vec<String>,
    },
    /// apt failed.
    #[error(transparent)]
    Apt(#[from] AptError),
}

impl SeedError {
    /// Who can mend it.
    pub fn category(&self) -> Category {
        match self {
            Self::UnknownGroups { .. } => Category::Input,
            Self::Unmet { .. } => Category::Internal,
            Self::Apt(error) => error.category(),
        }
    }

    /// What to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownGroups { near, .. } if !near.is_empty() => Some(format!("did you mean {}?", listed(near))),
            Self::UnknownGroups { known, .. } => Some(format!("there are {}", known.join(", "))),
            _ => None,
        }
    }
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

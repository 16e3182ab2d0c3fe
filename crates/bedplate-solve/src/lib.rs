//! Which packages to install, and why.
//!
//! Pure: packages in, an answer out.

mod universe;

pub use universe::{PackageId, Repository, RepositoryId, Universe};

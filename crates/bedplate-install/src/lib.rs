//! Packages to a file tree, as rpm installs them, without running rpm.
//!
//! ```text
//! *.rpm ─unpack─▶ Package: headers, list of files; contents in the store
//!                    │
//!                  place ─▶ FileTree, file states, accounts, warnings      pure: no file is written
//!                    │
//!              add_database ─▶ rpmdb.sqlite in the tree
//! ```
//!
//! What is installed, and with which facts, is rpm's: [`Fate`] follows `skipInstallFiles` and `handleOverlappedFiles` of
//! `lib/transaction.c`, the database follows `rpmdbAdd` of `lib/rpmdb.c`. Scriptlets are not run here. Signatures are the
//! caller's to check: what is unpacked is compared with the digests of the header that was signed.

mod accounts;
mod builder;
mod capabilities;
mod database;
mod error;
mod fate;
mod index;
mod installed;
mod links;
mod package;
mod place;
mod problem;
mod unpack;

pub use accounts::Accounts;
pub use capabilities::{CapabilityError, parse_capabilities};
pub use database::{DatabaseOptions, add_database, database};
pub use error::{DatabaseError, InstallError, UnpackError};
pub use fate::{Color, Documentation, Fate};
pub use package::Package;
pub use place::{PlaceOptions, Placed, place};
pub use problem::{InstallProblem, InstallWarning};
pub use unpack::unpack;

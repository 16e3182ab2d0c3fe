//! The seed: a pinned first root out of packages of a distribution.

mod definition;
mod error;
mod lock;
mod resolve;

pub use definition::{Definition, NamedVersion};
pub use error::SeedError;
pub use lock::{Change, Lock, LockedPackage};

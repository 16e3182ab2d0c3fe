//! The seed: a pinned first root out of packages of a distribution.
//!
//! ```text
//! debian-trixie.toml ─ groups, packages, what they provide ─┐
//! debian-trixie.lock ─ exact packages, what each needs ─────┤
//!                                                           ▼
//! mirror ─apt─▶ .deb blobs ─mmdebstrap, offline─▶ tar ─▶ a tree for each package ─▶ a root for some groups
//! ```
//!
//! A root has the files of the packages of its groups and of all that these need, and nothing else. Its digest depends on the
//! lock entries of these packages alone: another group in the lock, or a larger installation, does not change it.

mod alternatives;
mod base;
mod catalogs;
mod definition;
mod elf;
mod error;
mod import;
mod install;
mod libraries;
mod lock;
mod package;
mod paths;
mod resolve;
mod root;
mod rpm;

pub use definition::{Definition, NamedVersion};
pub use error::SeedError;
pub use lock::{Change, Lock, LockedPackage};
pub use root::{Listener, PackageState, SeedProgress, SeedRoots};

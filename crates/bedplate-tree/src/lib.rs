//! The file tree of an image, as data.
//!
//! ```text
//! packages ─install─▶ FileTree ─scriptlets, customise─▶ FileTree ─▶ file systems, OCI layers, archives
//!                        │  path, kind, mode, owner, time, extended attributes, who made it
//!                        └─ content by digest, in the store
//! ```
//!
//! One tree is behind all formats of an image, so that a file has the same digest in each. A tree has one text form
//! ([`FileTree::to_manifest`]), whose digest names it.

mod archive;
mod entry;
mod manifest;
mod path;
mod tree;

pub use archive::{ArchiveError, write_archive};
pub use entry::{CAPABILITY_ATTRIBUTE, Entry, Kind, Xattrs};
pub use manifest::ManifestError;
pub use path::{TreePath, TreePathError};
pub use tree::{FileTree, InsertError};

//! Container images out of [`FileTree`](bedplate_tree::FileTree)s.
//!
//! ```text
//! FileTree ─split─▶ layers: a tree each, what they remove ─tar, gzip or zstd─▶ blobs ─▶ OCI image layout
//!    │                                                  └─tar────────────────▶ docker archive
//!    ├─tar, gzip or zstd─▶ archive of the root
//!    └─▶ plain folder
//! ```
//!
//! The same trees and options give the same bytes, on however many processors. Nothing half-written is at a target: each is made
//! beside it and renamed. See `docs/oci.md`.

mod compress;
mod docker;
mod document;
mod error;
mod folder;
mod hashing;
mod image;
mod layer;
mod layout;
mod root_archive;
mod split;

pub use compress::Compression;
pub use docker::write_docker_archive;
pub use error::OciError;
pub use folder::{Shortfall, write_folder};
pub use image::{Image, ImageConfig};
pub use layer::Layer;
pub use layout::{Written, WrittenLayer, write_layout};
pub use root_archive::write_root_archive;
pub use split::{Group, split, split_evenly};

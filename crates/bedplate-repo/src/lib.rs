//! Repositories of RPMs: package headers, repodata, and what is wrong with them.
//!
//! ```text
//! folder of RPMs ──read_package──▶ RepositoryPackage ──create──▶ repodata/
//!                                        ▲                           │
//!                                        └──────────load─────────────┘
//! ```
//!
//! A folder and its repodata give the same packages. Whatever is wrong is a [`Finding`] with a code, a place and a hint; all of
//! them are collected and returned. Package files and metadata are not trusted: sizes are bounded before memory is taken,
//! and what has a checksum is compared with it.

mod append;
mod checksum;
mod compression;
mod conventions;
mod cpio;
mod create;
mod data;
mod folder;
mod front;
mod header;
mod headers;
mod listing;
mod metadata;
mod package;
mod payload;
mod problem;
mod query;
mod repository;
mod rpm;
mod signature;
mod verify;
mod xml;

pub use append::append_to_files;
pub use checksum::{Checksum, ChecksumError};
pub use compression::Compression;
pub use create::{CreateOptions, Created, SignMetadata, create};
pub use folder::{PackageFile, Progress, package_files};
pub use header::{Header, RawEntry, Tag};
pub use headers::PackageHeaders;
pub use listing::{FileList, ListedFile, ListedKind};
pub use metadata::repomd::metadata_files;
pub use package::{Changelog, PackageSize, PackageTime, RepositoryPackage, is_primary_path};
pub use payload::{Entry, EntryKind, PayloadError, ReadPayload, for_each_entry, visit_payload};
pub use problem::{Finding, Findings, Problem};
pub use query::{Capability, NamePattern, QueryError, Selection};
pub use repository::{LoadOptions, Repository, VerifySignature, load, read_built, same_names};
pub use rpm::{Payload, ReadPackage, content_identity, read_package};
pub use signature::{MakeSignature, SignedHeader, read_signature, sign_package};
pub use verify::{Verified, VerifyOptions, verify, verify_checksum, verify_signature};

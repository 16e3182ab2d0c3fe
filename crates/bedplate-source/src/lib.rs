//! Sources of packages: pinned, fetched, verified.
//!
//! A spec names files; a list beside it pins those that come from elsewhere by SHA-256 and size, and says where they are
//! ([`SourceList`]). [`Package::check`] finds what does not fit together, and [`fetch`](fetch()) gets the files into the store. Bytes that
//! are not those that are pinned are refused before anything looks at them. Nothing here unpacks or builds.

mod bundle;
mod debian;
mod download;
mod fetch;
mod go_lock;
mod http;
mod list;
mod package;
mod partial;
mod place;
mod rename;
mod signatures;
mod trouble;
mod update;
mod verify;

pub use bedplate_apt::Sha256;
pub use bundle::{Bundle, BundleError, bundle, fetch_packages};
pub use download::Downloads;
pub use fetch::{FetchOptions, Fetched, Progress, Step, fetch, stored};
pub use go_lock::{GoLock, GoPackage, GoWanted};
pub use http::HttpOptions;
pub use list::{InputFile, LoadError, Pin, RunInput, SourceFile, SourceList};
pub use package::{Origin, Package, SpecFile, tag_span};
pub use place::{Lookaside, Place};
pub use trouble::{Attempt, Failure, Trouble};
pub use update::{Change, Update, UpdateError, pin, update};
pub use verify::{State, verify};

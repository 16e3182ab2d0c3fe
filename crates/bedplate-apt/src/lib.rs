//! The host's apt, asked for packages and sources of a chosen suite.
//!
//! What is asked does not depend on what the host has installed or updated: each suite has a state of its own below a folder
//! of the caller, with the mirror that the host's configuration names. Everything is fetched by apt's own methods, so that
//! proxies and passwords of the host's configuration hold, and every file is hashed again here.
//!
//! ```text
//! FOLDER/                  what the caller gives
//! ├── lock                 held while the lists of a suite are written
//! ├── partial/SHA256       a download that is not finished
//! └── SUITE/
//!     ├── apt.conf         read after the host's configuration
//!     ├── sources/         one file: the mirror with this suite
//!     ├── status           an empty list of installed packages
//!     ├── cache/, state/   apt's own; state/lists/ has the indexes
//! ```

mod apt;
mod archive;
mod deb;
mod download;
mod error;
mod index;
mod mirror;
mod sha256;
mod source;
mod suite;
mod tool;
mod version;

pub use apt::Apt;
pub use archive::{deb_control, deb_data};
pub use deb::{DebFile, Relation};
pub use download::{Download, Progress};
pub use error::AptError;
pub use sha256::{ParseSha256Error, Sha256};
pub use source::SourceFile;
pub use version::compare_versions;

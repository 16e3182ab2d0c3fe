//! The image config: what people write about an image.
//!
//! ```text
//! node.toml ─inherit─▶ base.toml          files come through the caller ([`Files`])
//!     │  each checked against the declaration: unknown keys, types, grammars
//!     ▼
//! laid over each other ─▶ ImageConfig ─▶ checks of what contradicts ─▶ install, customise, storage, …
//!                            │
//!                            └─ every value with its Span, so that later steps can point at it
//! ```
//!
//! Every key is declared once (`section!`, with its text, default and example). From the declaration come the checks, the
//! JSON schema, `bedplate image explain` and docs/reference/image-config.md. The crate reads no file itself and prints nothing.

mod check;
mod config;
mod declaration;
mod explain;
mod forget;
mod grammar;
mod import;
mod inherit;
mod layout;
mod load;
mod names;
mod node;
mod paths;
mod read;
mod reference;
mod schema;
mod secrets;
mod shape;
mod size;
mod spanned;
mod write;

pub use config::*;
pub use explain::{UnknownKey, explain};
pub use forget::Forget;
pub use grammar::{FilePath, FolderPath, GrammarError, LaterPath, LocalPath};
pub use import::{Dropped, DroppedKind, Import, ImportError, Imported, import};
pub use layout::PlannedPartition;
pub use load::{FileKind, Files, Loaded, load};
pub use names::*;
pub use paths::{ImagePath, LinkTarget, Mode, MountOption, MountPoint, Owner};
pub use reference::reference;
pub use schema::schema;
pub use secrets::{PasswordHash, SshKey};
pub use shape::{Bounded, Whole};
pub use size::{DiskSize, PartitionSize, Size, Slack};
pub use spanned::{Pairs, Spanned};

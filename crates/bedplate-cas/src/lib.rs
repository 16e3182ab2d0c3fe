//! The store: blobs, trees and the action cache, by content.
//!
//! ```text
//! STORE/
//!   version                          "bedplate store, format 1"
//!   lock                             shared by users, exclusive for garbage collection (flock)
//!   blobs/AB/CDEF…[.x]               content; mode 0444, or 0555 with `.x`; time 1 s after 1970
//!   actions/AB/CDEF…-SIZE            what an action made: checksum line, JSON
//!   checkouts/HEX-SIZE/root/         a tree as a folder of hard links to blobs
//!   documents/KIND/NAME              small named files: checksum line, bytes; `packs` say what is in packs
//!   roots/NAME                       digests that garbage collection keeps: checksum line, text
//!   locks/NAME                       locks between processes (flock)
//!   work/NAME-PID-TIME-N[.lock]      work folders and new files of processes that live
//! ```
//!
//! Nothing half-written has a name: files are written in `work`, synced and renamed. Whatever is read is checked. What is not as
//! it was written is dropped, named and reported ([`Store::take_damage`], [`StoreError::Damaged`]), never served. Digests,
//! trees and actions are those of the Remote Execution API v2 ([`reapi`]).

mod action;
mod batch;
mod blob;
mod checkout;
mod closure;
mod digest;
mod error;
mod gc;
mod import;
mod inventory;
mod layout;
mod merge;
mod pack;
mod parallel;
pub mod reapi;
mod record;
mod roots;
mod stats;
mod store;
mod tree;
mod verify;
mod work;

pub use action::{ActionEntry, Output, OutputTree};
pub use batch::Batch;
pub use blob::{BlobKind, Place};
pub use digest::{Digest, DigestError};
pub use error::{Damage, StoreError, TreeError, UnsupportedFile};
pub use gc::{GcMode, GcOptions, GcReport, collect_garbage};
pub use merge::Conflict;
pub use pack::Pack;
pub use stats::{Stats, Total};
pub use store::Store;
pub use tree::{Tree, TreeBuilder, TreeEntry};
pub use verify::Verification;
pub use work::{LockGuard, Wait, WorkFolder};

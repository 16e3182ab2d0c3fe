//! Scriptlets and triggers of packages: which run, in which order, and their run in a sandbox over the file tree of an image.
//!
//! ```text
//! headers ─▶ Package ─order─▶ ─plan─▶ Step, Step, … ─classify─▶ native ones, for the caller
//!                                         │
//!                       FileTree ─▶ run in one sandbox ─▶ FileTree, log, or the script that failed
//! ```
//!
//! Order, arguments and standard input are those of rpm, for an installation into an empty root. All files are there before
//! the first script, as in rpm-ostree. What only keeps a cache or a database up to date is not run but named ([`Native`]).

mod changes;
mod command;
mod error;
mod failure;
mod header;
mod links;
mod materialise;
mod memo;
mod native;
mod order;
mod package;
mod plan;
mod run;

pub use changes::Change;
pub use error::ScriptError;
pub use failure::Failure;
pub use native::{Native, classify};
pub use order::order;
pub use package::{File, Package, Script, ScriptKind, Triggers, Wish};
pub use plan::{Owner, Step, StepKind, plan};
pub use run::{Done, Ran, Record, RunOptions, run};

/// The rpm that is followed, where versions differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rpm {
    /// rpm 4.18: file triggers get no number of packages; all weak dependencies order packages.
    V4_18,
    /// rpm 4.20 and later.
    #[default]
    V4_20,
}

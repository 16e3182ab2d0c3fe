//! Answers the shell commands of specs, with as few processes as can be.
//!
//! `%(command)` in a spec is code of the spec's author. One distribution runs some ten thousand of them, but only a few
//! hundred different ones, and nearly all are text games (`echo 1.2.3 | cut -d. -f1`) or questions about the target machine
//! (`perl -V:version`). So they go through a chain of answerers; the first that knows the answer gives it:
//!
//! ```text
//! native   a small sh with the usual tools as functions; exact, or it does not know
//! memo ─┬▶ profile    TOML: facts of the target, and answers by command text
//!       ├▶ recorded   JSON lines: what a process answered before
//!       └▶ process    bash, in the sandbox | directly | not at all     (see [`ShellMode`])
//! ```
//!
//! The small sh also asks the profile for single commands within a script, so that one line of a profile
//! (`make --version`) serves every pipeline over it.

#![forbid(unsafe_code)]

mod chain;
mod disk;
mod memo;
mod native;
mod pattern;
mod profile;
mod recorded;
mod scope;

pub use chain::{Chain, ShellMode, Stats};
pub use disk::DiskFiles;
pub use memo::Memo;
pub use native::{Native, Unknown};
pub use profile::{Facts, Profile};
pub use recorded::{RecordError, Recorded};

//! System calls and processes: the only crate that may hold unsafe code.
//!
//! [`process`] runs one command with bounds on its time and output. [`sandbox`] does the same for a command that must not
//! be able to change anything or to reach anybody: no network, a read-only file system, a private `/tmp`.

pub mod process;
pub mod sandbox;

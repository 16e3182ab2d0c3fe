//! System calls and processes: the only crate that may hold unsafe code.
//!
//! [`process`] runs one command with bounds on its time and output. [`sandbox`] does the same for a command that must not
//! be able to change anything or to reach anybody: no network, a read-only file system, a private `/tmp`. [`replace`] puts a
//! finished folder in the place of another, [`remove`] deletes one. [`kernel`] and [`seccomp`] are what a sandbox is made of; the one of builds
//! (`bedplate-sandbox`) uses them too.

pub mod kernel;
pub mod process;
pub mod remove;
pub mod replace;
pub mod sandbox;
pub mod seccomp;

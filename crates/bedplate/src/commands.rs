//! The commands, a file each.

pub(crate) mod repo;
pub(crate) mod spec;

//! The commands, a file each.

pub(crate) mod solve;
pub(crate) mod spec;

//! The commands, a file each.

pub(crate) mod spec;
pub(crate) mod version;

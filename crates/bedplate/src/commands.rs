//! The commands, a file each.

pub(crate) mod build;
pub(crate) mod graph;
pub(crate) mod image;
pub(crate) mod key;
pub(crate) mod plan;
pub(crate) mod replay;
pub(crate) mod repo;
pub(crate) mod seed;
pub(crate) mod shell;
pub(crate) mod solve;
pub(crate) mod source;
pub(crate) mod spec;
pub(crate) mod store;
pub(crate) mod version;
pub(crate) mod why;
pub(crate) mod why_rebuild;

//! Disks as other programs see them.

mod common;
mod formats;
mod table;
mod tree;

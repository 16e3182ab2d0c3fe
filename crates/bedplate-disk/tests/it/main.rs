//! Disks as other programs see them.

mod common;
mod formats;
mod signature;
mod table;
mod tree;

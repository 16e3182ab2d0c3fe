//! Tests of the store on a real file system.

mod support;
mod trees;

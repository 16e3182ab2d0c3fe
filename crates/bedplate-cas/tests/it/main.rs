//! Tests of the store on a real file system.

mod damage;
mod gc;
mod support;
mod trees;

//! Tests of the store on a real file system.

mod damage;
mod gc;
mod packs;
mod processes;
mod properties;
mod reapi;
mod support;
mod trees;

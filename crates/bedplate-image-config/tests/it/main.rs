//! Configs as people write them.

mod load;
mod support;

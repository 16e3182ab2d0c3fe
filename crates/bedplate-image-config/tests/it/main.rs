//! Configs as people write them.

mod generated;
mod load;
mod mistakes;
mod support;

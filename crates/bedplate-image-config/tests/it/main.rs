//! Configs as people write them.

mod documented;
mod generated;
mod import;
mod load;
mod mistakes;
mod support;

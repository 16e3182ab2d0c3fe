//! Agreement with the real tools.

mod support;
mod sysusers;

//! Agreement with the real tools.

mod services;
mod support;
mod sysusers;

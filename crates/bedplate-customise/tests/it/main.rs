//! Agreement with the real tools.

mod ldconfig;
mod services;
mod support;
mod sysusers;
mod tmpfiles;

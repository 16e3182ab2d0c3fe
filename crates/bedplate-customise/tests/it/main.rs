//! Agreement with the real tools.

mod ldconfig;
mod programs;
mod services;
mod support;
mod sysusers;
mod tmpfiles;
mod whole;

//! Makes a tree of packages this image.

mod accounts;
mod configuration;
mod editor;
mod elf;
mod error;
mod ld_so_conf;
mod library_cache;
mod os_release;
mod preset;
mod services;
mod specifier;
mod system_users;
mod sysusers;
#[cfg(test)]
mod testing;
mod unit;
mod words;

pub use accounts::{Accounts, NewUser};
pub use editor::Editor;
pub use error::CustomiseError;
pub use library_cache::cache_libraries;
pub use os_release::{OsRelease, identify};
pub use services::{NamedUnit, apply_presets, disable, enable, mask};
pub use specifier::{SpecifierError, Specifiers, Vocabulary};
pub use system_users::{create_system_users, provided_line};
pub use sysusers::{Id, PrimaryGroup, SystemUser};
pub use unit::{Scope, UnitName};

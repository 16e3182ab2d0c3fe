//! Makes a tree of packages this image: what the image config says, and what packages leave to be done once at the end.
//!
//! ```text
//! FileTree of packages ─▶ os-release ─▶ system users ─▶ users ─▶ files ─▶ system, kernel ─▶ units ─▶ state ─▶ checks ─▶ FileTree
//!                          sysusers.d    [[user]]       [[file]]  [system]   [kernel]        presets   caches
//! ```
//!
//! [`customise()`] does all steps in this order, which no config can change; each is a function of its own as well. They work on an
//! [`Editor`], in which mistakes gather as diagnostics: of the config at their keys, of files of packages at their lines. What
//! systemd and glibc have tools for is done natively, with the answers that those tools give (the tests compare them).

mod accounts;
mod check;
mod configuration;
mod customise;
mod editor;
mod elf;
mod error;
mod files;
mod kernel;
mod ld_so_conf;
mod library_cache;
mod os_release;
mod preset;
mod programs;
mod services;
mod specifier;
mod state;
mod system;
mod system_users;
mod sysusers;
mod temporary_files;
#[cfg(test)]
mod testing;
mod tmpfiles;
mod unit;
mod users;
mod words;

pub use accounts::{Accounts, NewUser};
pub use check::check_tree;
pub use customise::{Request, customise};
pub use editor::Editor;
pub use error::CustomiseError;
pub use files::place_files;
pub use kernel::configure_kernel;
pub use library_cache::cache_libraries;
pub use os_release::{OsRelease, identify};
pub use programs::{Programs, index_modules, index_systemd};
pub use services::{apply_presets, disable, enable, mask};
pub use specifier::{SpecifierError, Specifiers, Vocabulary};
pub use state::clean_state;
pub use system::name_system;
pub use system_users::{create_system_users, provided_line};
pub use sysusers::{Id, PrimaryGroup, SystemUser};
pub use temporary_files::make_temporary_files;
pub use unit::Scope;
pub use users::create_users;

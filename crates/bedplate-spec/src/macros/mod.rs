//! The macro engine.
//!
//! ```text
//! text ──scan──▶ % { name, form } ──lookup──▶ Entry ──▶ text body: expand again, one level deeper
//!   (scan.rs)        (expand.rs)   (table.rs)        └▶ built-in (builtin.rs), shell, expression, Lua
//! ```
//!
//! The rules are those of rpm's `rpmio/macro.c` and of its manual (`docs/manual/macros.md`). The engine keeps rpm's
//! notion of *depth* (nested expansions, at most 64) and *level* (nested calls of parametric macros: what a macro
//! defines for itself is gone when it returns), since specs depend on both.

pub(crate) mod args;
pub(crate) mod builtin;
pub(crate) mod define;
pub(crate) mod engine;
pub(crate) mod expand;
pub(crate) mod load;
pub(crate) mod scan;
pub(crate) mod table;

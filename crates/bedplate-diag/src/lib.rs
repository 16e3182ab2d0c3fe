//! Source texts, spans and diagnostics as data.
//!
//! Every mistake in a text that a user wrote is a [`Diagnostic`]: what, where (a [`Span`]), why (its notes,
//! among them the chain "expanded from … defined at …") and what to do (its hint). Diagnostics are collected and
//! returned; nothing here prints or reads files. The command renders them for a terminal, without colour, and as JSON.
//!
//! ```text
//! Sources ── SourceId ──▶ Source { name, text }
//!                            ▲
//! Diagnostic { severity, code, message, span, notes, hint } ── Span { source, start..end }
//! ```

mod diagnostic;
mod near;
mod source;
pub mod text;

pub use diagnostic::{Category, Diagnostic, Note, Severity};
pub use near::nearest;
pub use source::{LineColumn, Source, SourceId, Sources, Span};

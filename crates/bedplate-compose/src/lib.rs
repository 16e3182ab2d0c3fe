//! Composes an image.
mod selection;

pub use selection::{PackageSource, Selected, Selection, SelectionError, Wanted, select};

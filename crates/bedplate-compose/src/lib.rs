//! Composes an image.
mod cache;
mod selection;
mod signatures;
mod step;

pub use selection::{PackageSource, Selected, Selection, SelectionError, Wanted, select};
pub use step::{Listener, Progress, Timing};

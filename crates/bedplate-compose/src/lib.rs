//! Composes an image.
mod cache;
mod error;
mod install;
mod selection;
mod signatures;
mod step;

pub use error::ComposeError;
pub use selection::{PackageSource, Selected, Selection, SelectionError, Wanted, select};
pub use step::{Listener, Progress, Timing};

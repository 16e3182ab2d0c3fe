//! Arguments that say where things are kept.

use std::path::PathBuf;

use clap::Args;

/// The store.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoreArgs {
    /// Folder of the store [default: bedplate in $XDG_CACHE_HOME, or in ~/.cache]
    #[arg(long, value_name = "DIR", env = "BEDPLATE_STORE")]
    pub(crate) store: Option<PathBuf>,
}

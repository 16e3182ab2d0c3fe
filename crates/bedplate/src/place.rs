//! Where things are kept: the store, and what lies in it for others.

use std::path::PathBuf;

use bedplate_apt::{Apt, AptError};
use bedplate_cas::{Store, StoreError};

use crate::cli::StoreArgs;
use crate::outcome::Failure;

/// Suites that sources are looked for in.
const SUITES: [&str; 2] = ["trixie", "sid"];

/// Opens the store that the arguments, or the environment, name.
pub(crate) fn open_store(args: &StoreArgs) -> Result<Store, Failure> {
    let path = match &args.store {
        Some(path) => path.clone(),
        None => default_store().ok_or_else(|| {
            Failure::environment("neither XDG_CACHE_HOME nor HOME is set")
                .hint("name a folder for the store: `--store DIR`")
        })?,
    };
    Store::open(&path).map_err(store_failure)
}

fn default_store() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))?;
    Some(cache.join("bedplate"))
}

/// The host's apt, with a state of its own in the store.
pub(crate) fn apt(store: &Store) -> Result<Apt, Failure> {
    Apt::new(&store.path().join("apt"), &SUITES).map_err(apt_failure)
}

/// What the store cannot do.
pub(crate) fn store_failure(error: StoreError) -> Failure {
    let hint = error.hint().map(str::to_owned);
    Failure { category: error.category(), message: error.to_string(), hint }
}

/// What apt cannot do.
pub(crate) fn apt_failure(error: AptError) -> Failure {
    Failure { category: error.category(), message: error.to_string(), hint: None }
}

//! The store of a command.

use std::path::PathBuf;

use bedplate_cas::{Damage, Store, StoreError};
use bedplate_diag::{Diagnostic, Sources};

use crate::cli::StoreArgs;
use crate::outcome::Failure;
use crate::ui::Ui;

/// Opens the store that the arguments or the environment name; makes it if there is none.
pub(crate) fn open(args: &StoreArgs) -> Result<Store, Failure> {
    Ok(Store::open(&folder(args)?)?)
}

/// The store's folder.
pub(crate) fn folder(args: &StoreArgs) -> Result<PathBuf, Failure> {
    if let Some(folder) = &args.store {
        return Ok(folder.clone());
    }
    // As the XDG base directory specification says, a relative path does not count.
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    cache.map(|cache| cache.join("bedplate")).ok_or_else(|| {
        Failure::environment("there is no folder for the store: neither XDG_CACHE_HOME nor HOME is set")
            .hint("name one: `--store DIR`, or BEDPLATE_STORE")
    })
}

/// Warns of what was found damaged in a store and dropped.
pub(crate) fn report_damage(damage: &[Damage], ui: &Ui) {
    let warn = |one: &Damage| {
        Diagnostic::warning("store-damage", one.to_string())
            .note(format!("it was dropped: {}", one.path.display()), None)
            .hint("the next build makes it again; if this happens often, check the disk")
    };
    let all: Vec<Diagnostic> = damage.iter().map(warn).collect();
    ui.diagnostics(&all, &Sources::new());
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { category: error.category(), message: error.to_string(), hint: error.hint().map(str::to_owned) }
    }
}

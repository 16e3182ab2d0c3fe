//! Whether what a package needs is there, and right.

use std::path::PathBuf;

use bedplate_cas::{Digest, Store, StoreError};
use bedplate_diag::Diagnostic;

use crate::fetch::{check, digest_of};
use crate::{Origin, Package, Sha256, SourceFile, Trouble, stored};

/// Where a file of a package is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// In the store.
    Stored(Digest),
    /// In the folder of the spec.
    Here(PathBuf),
    /// Nowhere: it has to be fetched.
    Missing,
    /// With each run.
    Input,
}

impl State {
    /// Where a file is; its bytes are not looked at.
    ///
    /// # Errors
    /// Those of the store.
    pub fn of(store: &Store, package: &Package, name: &str, origin: &Origin<'_>) -> Result<Self, StoreError> {
        let beside = package.folder.join(name);
        if matches!(origin, Origin::Input(_)) {
            return Ok(Self::Input);
        }
        if let Origin::Pinned(entry) = origin
            && let Some(digest) = stored(store, entry)?
        {
            return Ok(Self::Stored(digest));
        }
        Ok(if beside.is_file() { Self::Here(beside) } else { Self::Missing })
    }

    /// One word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Stored(_) => "stored",
            Self::Here(_) => "here",
            Self::Missing => "missing",
            Self::Input => "input",
        }
    }
}

/// Looks at all pinned files of a package: each has to be in the store or beside the spec, with the bytes that are pinned. What
/// lies beside the spec has to be right even if the store has it.
///
/// # Errors
/// Those of the store; a damaged blob is a mistake among the others.
pub fn verify(store: &Store, package: &Package) -> Result<Vec<Diagnostic>, StoreError> {
    let mut wrong = package.check();
    for (name, origin) in package.origins() {
        let Origin::Pinned(entry) = origin else { continue };
        let beside = package.folder.join(name);
        let mut is_there = false;
        if beside.is_file() {
            is_there = true;
            let read = Sha256::of_file(&beside).map_err(Trouble::io(&beside));
            if let Err(trouble) = read.and_then(|(actual, size)| check(entry, actual, size)) {
                wrong.push(mistake(entry, "wrong-source", format!("{}: {trouble}", beside.display())));
            }
        }
        if let Some(digest) = digest_of(store, entry)? {
            match store.path_of(&digest) {
                Ok(_) => is_there = true,
                Err(StoreError::Missing { .. }) => {}
                Err(damaged @ StoreError::Damaged { .. }) => {
                    is_there = true;
                    wrong.push(mistake(entry, "damaged-source", damaged.to_string()).hint(FETCH));
                }
                Err(other) => return Err(other),
            }
        }
        if !is_there {
            let message = format!("`{name}` of {} is neither in the store nor beside the spec", package.name);
            wrong.push(mistake(entry, "source-not-stored", message).hint(FETCH));
        }
    }
    Ok(wrong)
}

const FETCH: &str = "`bedplate source fetch` gets it";

fn mistake(entry: &SourceFile, code: &'static str, message: String) -> Diagnostic {
    Diagnostic::error(code, message).at(entry.at.name)
}

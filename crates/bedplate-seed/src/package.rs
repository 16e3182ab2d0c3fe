//! What the store remembers of a package of the seed: its files as installed, and its choices of alternatives.

use bedplate_cas::{ActionEntry, Digest, OutputTree, Store};
use serde::{Deserialize, Serialize};

use crate::alternatives::Choice;
use crate::import::ImagePackage;
use crate::{LockedPackage, SeedError};

/// Changes when the same package would be stored as another tree.
const FORMAT: &str = "bedplate seed package 1";

/// A package in the store.
#[derive(Debug, Clone)]
pub(crate) struct StoredPackage {
    /// Its files.
    pub(crate) tree: Digest,
    /// What of it depends on the other packages of a root.
    pub(crate) shared: Shared,
}

/// Parts of a package that are put together anew for each root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shared {
    /// Its choices of alternatives.
    pub(crate) alternatives: Vec<Choice>,
    /// Its lines of the common catalog of XML.
    pub(crate) catalog: Vec<String>,
    /// True if its files may take the place of those of other packages (`dpkg-divert`).
    pub(crate) is_diverting: bool,
}

/// The name under which a package is remembered.
pub(crate) fn key(name: &str, package: &LockedPackage) -> Digest {
    let LockedPackage { version, architecture, sha256, .. } = package;
    Digest::of(format!("{FORMAT}\n{name}\n{version}\n{architecture}\n{sha256}\n").as_bytes())
}

/// What is remembered of a package.
pub(crate) fn find(store: &Store, name: &str, package: &LockedPackage) -> Result<Option<StoredPackage>, SeedError> {
    let Some(entry) = store.action(&key(name, package))? else { return Ok(None) };
    let shared = serde_json::from_value(entry.about["shared"].clone());
    match (entry.trees.as_slice(), shared) {
        ([tree], Ok(shared)) => Ok(Some(StoredPackage { tree: tree.digest, shared })),
        // An entry that is not as we write it is of somebody else: the package is stored anew.
        _ => Ok(None),
    }
}

/// Remembers a package, whose tree is in the store.
pub(crate) fn record(
    store: &Store,
    name: &str,
    package: &LockedPackage,
    tree: Digest,
    image: &ImagePackage,
) -> Result<(), SeedError> {
    let about = serde_json::json!({
        "seed-package": name,
        "version": package.version,
        "shared": image.shared,
    });
    Ok(store.record(&key(name, package), &entry(tree, about))?)
}

/// An entry of a tree that was put together, not run.
pub(crate) fn entry(tree: Digest, about: serde_json::Value) -> ActionEntry {
    ActionEntry::assembled(Vec::new(), vec![OutputTree { path: String::new(), digest: tree }], about)
}

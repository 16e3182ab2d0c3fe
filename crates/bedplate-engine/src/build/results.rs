//! What builds made, from run to run: one document for each spec, and the repository of all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bedplate_cas::{Digest, Store, StoreError};

use super::plan::SpecResult;
use crate::publish::{Part, Publication, PublishError, Published, Signers, publish};

const RESULT: &str = "result";

/// Remembers results, for runs that build only a part of the specs.
///
/// # Errors
/// If the store cannot be written.
pub fn save(store: &Store, results: &BTreeMap<String, SpecResult>) -> Result<(), StoreError> {
    for (name, result) in results {
        let text = serde_json::to_vec(result).unwrap_or_default();
        if store.document(RESULT, name)?.as_ref() != Some(&text) {
            store.set_root(&format!("result-{name}"), &result.digests())?;
            store.set_document(RESULT, name, &text)?;
        }
    }
    Ok(())
}

/// Publishes the packages of all specs of a workspace: those of this run, and of specs that it did not look at what was built last.
///
/// # Errors
/// Why nothing was published.
pub fn publish_all(
    folder: &Path,
    store: &Store,
    specs: &BTreeSet<String>,
    results: &BTreeMap<String, SpecResult>,
    signers: &Signers<'_>,
) -> Result<Published, PublishError> {
    let mut packages = Vec::new();
    for name in specs {
        let earlier = match results.get(name) {
            Some(_) => None,
            None => store.document(RESULT, name)?.and_then(|text| serde_json::from_slice::<SpecResult>(&text).ok()),
        };
        let Some(result) = results.get(name).or(earlier.as_ref()) else { continue };
        // The source package is of the first step, the others of the last.
        let action = result.actions.last().map(ToString::to_string);
        let files = result.built.packages.iter().map(|one| (&one.file, &one.rpm, &one.identity));
        for (file, rpm, identity) in files.chain(result.source.iter().map(|one| (&one.file, &one.rpm, &one.identity))) {
            // Of a spec that was not looked at now, a package may be gone from the store: the next build of it makes it again.
            let Some(path) = store.place_of(rpm) else { continue };
            let mut publication = Publication::new(path, file)?;
            if let Some(action) = action.clone().filter(|_| publication.part() != Part::Source) {
                publication = publication.with_action(action);
            }
            let identity = Digest::from_parts(identity, 0).ok().map(|digest| digest.hash);
            packages.push(match identity {
                Some(identity) => publication.with_content(identity),
                None => publication,
            });
        }
    }
    publish(folder, &packages, signers, store)
}

/// Finds results whose packages were damaged in the store, and forgets them; gives the names of their specs.
///
/// # Errors
/// If the store cannot be read or written.
pub fn forget_damaged(store: &Store, results: &BTreeMap<String, SpecResult>) -> Result<Vec<String>, StoreError> {
    forget(store, results, |result| {
        let mut is_lost = false;
        for digest in result.built.packages.iter().map(|one| one.rpm).chain(result.source.iter().map(|one| one.rpm)) {
            match store.path_of(&digest) {
                Ok(_) => {}
                Err(error) if error.lost().is_some() => is_lost = true,
                Err(error) => return Err(error),
            }
        }
        Ok(is_lost)
    })
}

/// Forgets the actions of results that are lost; gives the names of their specs.
pub(crate) fn forget(
    store: &Store,
    results: &BTreeMap<String, SpecResult>,
    is_lost: impl Fn(&SpecResult) -> Result<bool, StoreError>,
) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    for (name, result) in results {
        if is_lost(result)? {
            result.actions.iter().try_for_each(|action| store.forget(action))?;
            found.push(name.clone());
        }
    }
    Ok(found)
}

/// What people are told of a spec whose result was forgotten.
pub(crate) fn built_again(name: &str) -> String {
    format!("the packages of {name} were damaged in the store; they are built again")
}

impl SpecResult {
    /// What has to stay in the store for this result.
    fn digests(&self) -> Vec<Digest> {
        let packages = self.built.packages.iter().flat_map(|one| one.tree.into_iter().chain([one.rpm]));
        packages.chain(self.source.iter().map(|one| one.rpm)).collect()
    }
}

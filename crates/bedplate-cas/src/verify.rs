//! Reads everything, so that all damage is found at once.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustc_hash::FxHashSet;

use crate::closure::Closure;
use crate::inventory::Inventory;
use crate::record::{RecordKind, remove_file};
use crate::{Damage, Store, StoreError, parallel};

/// What [`Store::verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Files of blobs that were hashed.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Actions that were read.
    pub actions: usize,
    /// Checkouts that were compared with their trees.
    pub checkouts: usize,
    /// Documents and roots that were read.
    pub documents: usize,
    /// What was damaged. All of it is dropped.
    pub damage: Vec<Damage>,
    /// Files that no bedplate made. They are left alone.
    pub strange: Vec<PathBuf>,
}

impl Store {
    /// Hashes all blobs, compares all checkouts with their trees, and reads all actions, documents and roots. What is damaged is
    /// dropped, and so are actions that lead to blobs that are not there. `progress` is told how many blobs were hashed of how
    /// many, from several threads.
    ///
    /// # Errors
    /// If something cannot be read.
    pub fn verify(&self, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Verification, StoreError> {
        let all = Inventory::of(self)?;
        let done = AtomicUsize::new(0);
        parallel::each(&all.blobs, |item| {
            let (digest, kind) = &item.what;
            match self.wrong(digest, *kind, &item.path) {
                Ok(None) => {}
                Ok(Some(why)) => drop(self.drop_blob(digest, item.path.clone(), why)?),
                // Another process dropped it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::io("read", &item.path)(error)),
            }
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, all.blobs.len());
            Ok(())
        })?;
        for item in &all.checkouts {
            let why = match self.tree(&item.what) {
                Ok(tree) => {
                    self.wrong_checkout(&tree, &item.path.join("root")).map_err(StoreError::io("read", &item.path))?
                }
                Err(error) if error.lost().is_some() => Some(format!("its tree cannot be read: {error}")),
                Err(error) => return Err(error),
            };
            if let Some(why) = why {
                self.drop_checkout(&item.path)?;
                self.note(Damage { what: format!("checkout {}", item.what), path: item.path.clone(), why });
            }
        }
        for item in &all.documents {
            self.read_record(RecordKind::Document, &item.path, &item.what)?;
        }
        for item in &all.roots {
            self.root(&item.what)?;
        }
        let mut closure = Closure::new(self);
        for item in &all.actions {
            let Some((path, entry)) = self.read_action(&item.what)? else { continue };
            let blobs = closure.action(&entry, &mut FxHashSet::default())?;
            if let Some(lost) = blobs.iter().find(|digest| !self.has(digest)) {
                remove_file(&path)?;
                let why = format!("it leads to blob {lost}, which is not there");
                self.note(Damage { what: format!("action {}", item.what), path, why });
            }
        }
        Ok(Verification {
            blobs: all.blobs.len(),
            bytes: all.blobs.iter().map(|item| item.data.len()).sum(),
            actions: all.actions.len(),
            checkouts: all.checkouts.len(),
            documents: all.documents.len() + all.roots.len(),
            damage: self.take_damage(),
            strange: all.strange,
        })
    }
}

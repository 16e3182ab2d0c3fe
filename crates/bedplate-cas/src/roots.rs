//! Roots: named lists of digests that garbage collection keeps, with all that they lead to.

use crate::layout::name_of;
use crate::record::{RecordKind, remove_file};
use crate::{Digest, Store, StoreError};

impl Store {
    /// Keeps what these digests lead to, in the place of what the root of this name kept before. A digest may be that of a blob,
    /// a tree or an action.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn set_root(&self, name: &str, digests: &[Digest]) -> Result<(), StoreError> {
        let lines: String = digests.iter().map(|digest| format!("{digest}\n")).collect();
        self.write_record(RecordKind::Root, &self.inner.layout.root_file(name)?, name, lines.as_bytes(), true)
    }

    /// Removes a root that may be there. What it kept goes with the next garbage collection, unless something else keeps it.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove_root(&self, name: &str) -> Result<(), StoreError> {
        remove_file(&self.inner.layout.root_file(name)?)
    }

    /// The digests of a root; nothing if there is none, or if it was damaged (see [`Store::take_damage`]).
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn root(&self, name: &str) -> Result<Option<Vec<Digest>>, StoreError> {
        let path = self.inner.layout.root_file(name)?;
        let Some(body) = self.read_record(RecordKind::Root, &path, name)? else { return Ok(None) };
        let digests: Result<_, _> = String::from_utf8_lossy(&body).lines().map(str::parse).collect();
        match digests {
            Ok(digests) => Ok(Some(digests)),
            Err(error) => {
                let error: crate::DigestError = error;
                self.drop_record(RecordKind::Root, &path, name, error.to_string())?;
                Ok(None)
            }
        }
    }

    /// The names of all roots, sorted.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn roots(&self) -> Result<Vec<String>, StoreError> {
        let folder = self.inner.layout.roots();
        let entries = std::fs::read_dir(&folder).map_err(StoreError::io("read", &folder))?;
        let mut names = Vec::new();
        for entry in entries {
            let file = entry.map_err(StoreError::io("read", &folder))?.file_name();
            names.extend(file.to_str().and_then(name_of));
        }
        names.sort();
        Ok(names)
    }
}

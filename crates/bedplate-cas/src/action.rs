//! The action cache: what an action made, under the digest of its description.

use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::record::{RecordKind, remove_file};
use crate::{Digest, Store, StoreError};

/// What an action made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionEntry {
    /// How its command ended.
    pub exit_code: i32,
    /// Files, by path.
    pub outputs: Vec<Output>,
    /// Folders, by path.
    pub trees: Vec<OutputTree>,
    /// What it printed.
    pub log: Option<Digest>,
    /// How long it took.
    pub wall_seconds: f64,
    /// Processor time of all its processes.
    pub cpu_seconds: f64,
    /// The most memory that it had at once.
    pub peak_memory_bytes: u64,
    /// What else its maker wants to remember.
    pub about: serde_json::Value,
}

/// A file that an action made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Relative to the action's working folder.
    pub path: String,
    /// Its content.
    pub digest: Digest,
    /// Whether it has an executable bit.
    pub executable: bool,
}

/// A folder that an action made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputTree {
    /// Relative to the action's working folder.
    pub path: String,
    /// Of the root's `Directory` message.
    pub digest: Digest,
}

impl ActionEntry {
    /// What was put together without running a command: no log, and nothing that was used.
    pub fn assembled(outputs: Vec<Output>, trees: Vec<OutputTree>, about: serde_json::Value) -> Self {
        Self {
            exit_code: 0,
            outputs,
            trees,
            log: None,
            wall_seconds: 0.0,
            cpu_seconds: 0.0,
            peak_memory_bytes: 0,
            about,
        }
    }

    /// All digests that it names.
    pub fn digests(&self) -> impl Iterator<Item = Digest> + '_ {
        let files = self.outputs.iter().map(|one| one.digest);
        files.chain(self.trees.iter().map(|one| one.digest)).chain(self.log)
    }
}

impl Store {
    /// What an action made; nothing if it is not known, or if its entry was damaged or names a blob that is lost: such an entry is
    /// dropped, see [`Store::take_damage`]. The files in its trees are not looked at: a checkout does.
    ///
    /// # Errors
    /// If the entry cannot be read.
    pub fn action(&self, action: &Digest) -> Result<Option<ActionEntry>, StoreError> {
        let Some((path, entry)) = self.read_action(action)? else { return Ok(None) };
        if let Some(lost) = entry.digests().find(|digest| !self.has(digest)) {
            let why = format!("it leads to blob {lost}, which is not there as it was written");
            self.drop_record(RecordKind::Action, &path, &action.to_string(), why)?;
            return Ok(None);
        }
        touch(&path);
        Ok(Some(entry))
    }

    /// The entry, whether its blobs are there or not, and its file.
    pub(crate) fn read_action(&self, action: &Digest) -> Result<Option<(std::path::PathBuf, ActionEntry)>, StoreError> {
        let path = self.inner.layout.action(action);
        let name = action.to_string();
        let Some(body) = self.read_record(RecordKind::Action, &path, &name)? else { return Ok(None) };
        match serde_json::from_slice(&body) {
            Ok(entry) => Ok(Some((path, entry))),
            Err(error) => {
                self.drop_record(RecordKind::Action, &path, &name, error.to_string())?;
                Ok(None)
            }
        }
    }

    /// Remembers what an action made. Its blobs have to be in the store.
    ///
    /// # Errors
    /// If one of them is not, or the entry cannot be written.
    pub fn record(&self, action: &Digest, entry: &ActionEntry) -> Result<(), StoreError> {
        if let Some(digest) = entry.digests().find(|digest| !self.has(digest)) {
            return Err(StoreError::Missing { digest });
        }
        let body = serde_json::to_vec(entry).unwrap_or_default();
        self.write_record(RecordKind::Action, &self.inner.layout.action(action), &action.to_string(), &body, true)
    }

    /// Forgets an action: it has to run again.
    ///
    /// # Errors
    /// If its entry cannot be removed.
    pub fn forget(&self, action: &Digest) -> Result<(), StoreError> {
        remove_file(&self.inner.layout.action(action))
    }
}

/// Notes the use of an entry: the oldest go first. Where that is impossible, it only goes earlier.
pub(crate) fn touch(path: &Path) {
    if let Ok(file) = std::fs::File::open(path) {
        let _ = file.set_modified(SystemTime::now());
    }
}

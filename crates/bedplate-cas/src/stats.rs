//! How much is in a store.

use crate::inventory::{Inventory, Item, folder_bytes};
use crate::{BlobKind, Store, StoreError};

/// A number of things, and how many bytes of the disk they take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    /// How many.
    pub count: u64,
    /// Bytes on the disk.
    pub bytes: u64,
}

impl Total {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }

    fn of<T>(items: &[Item<T>]) -> Self {
        Self { count: items.len() as u64, bytes: items.iter().map(Item::bytes).sum() }
    }
}

/// What is in a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Blobs as plain files.
    pub blobs: Total,
    /// Blobs as executable files.
    pub executables: Total,
    /// Entries of the action cache.
    pub actions: Total,
    /// Checkouts: only what they take beside the blobs.
    pub checkouts: Total,
    /// Small named documents.
    pub documents: Total,
    /// Named lists of what is always kept.
    pub roots: Total,
    /// Files of repositories that were fetched.
    pub repositories: Total,
    /// What running processes are at work on.
    pub work: Total,
}

impl Stats {
    /// Each part with its name.
    pub fn parts(&self) -> [(&'static str, Total); 8] {
        [
            ("blobs", self.blobs),
            ("executables", self.executables),
            ("actions", self.actions),
            ("checkouts", self.checkouts),
            ("documents", self.documents),
            ("roots", self.roots),
            ("repositories", self.repositories),
            ("work", self.work),
        ]
    }

    /// Bytes of all parts.
    pub fn bytes(&self) -> u64 {
        self.parts().iter().map(|(_, total)| total.bytes).sum()
    }
}

impl Store {
    /// Counts what is there.
    ///
    /// # Errors
    /// If it cannot be listed.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let all = Inventory::of(self)?;
        let mut stats = Stats {
            actions: Total::of(&all.actions),
            documents: Total::of(&all.documents),
            roots: Total::of(&all.roots),
            repositories: Total::of(&all.fetched),
            ..Stats::default()
        };
        for item in &all.blobs {
            let total = match item.what.1 {
                BlobKind::Plain => &mut stats.blobs,
                BlobKind::Executable => &mut stats.executables,
            };
            total.add(item.bytes());
        }
        all.checkouts.iter().for_each(|item| stats.checkouts.add(folder_bytes(&item.path)));
        let work = self.inner.layout.work();
        for entry in std::fs::read_dir(&work).map_err(StoreError::io("read", &work))?.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                stats.work.add(folder_bytes(&entry.path()));
            }
        }
        Ok(stats)
    }
}

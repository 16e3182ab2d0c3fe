//! Many blobs at once: all are written, then one sync, then all get their names.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Mutex;

use rustc_hash::FxHashMap;

use crate::blob::Staged;
use crate::pack::FullPack;
use crate::store::hold;
use crate::{BlobKind, Digest, Store, StoreError, blob, parallel};

/// Fewer files than this are synced one by one: a sync of the file system waits for what other programs wrote, too.
const FEW: usize = 16;

/// Blobs that are visible only after [`Batch::commit`]; those of a batch that is dropped never are. Threads may share it.
#[derive(Debug)]
pub struct Batch {
    store: Store,
    staged: Mutex<FxHashMap<Digest, Staged>>,
    pub(crate) packs: Mutex<Vec<FullPack>>,
}

impl Store {
    /// Begins to put many blobs in.
    pub fn batch(&self) -> Batch {
        Batch { store: self.clone(), staged: Mutex::default(), packs: Mutex::default() }
    }
}

impl Batch {
    /// Adds bytes.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        self.put_as(bytes, BlobKind::Plain)
    }

    /// Adds bytes that will be an executable file, or not: it is then in the store once and not twice.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn put_as(&self, bytes: &[u8], kind: BlobKind) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        if !self.use_again(&digest) {
            self.add(self.store.stage_bytes(bytes, digest, kind)?);
        }
        Ok(digest)
    }

    /// Adds the content of a file.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn put_file(&self, path: &Path) -> Result<Digest, StoreError> {
        self.put_file_as(path, BlobKind::Plain)
    }

    /// Adds the content of a file as this kind of file.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn put_file_as(&self, path: &Path, kind: BlobKind) -> Result<Digest, StoreError> {
        let mut file = File::open(path).map_err(StoreError::io("read", path))?;
        let digest = blob::hash(&mut file, path)?;
        if self.use_again(&digest) { Ok(digest) } else { self.put_stream(file, kind, path) }
    }

    /// Adds all that a reader gives.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn put_reader(&self, reader: impl Read) -> Result<Digest, StoreError> {
        self.put_reader_as(reader, BlobKind::Plain)
    }

    /// Adds all that a reader gives as this kind of file.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn put_reader_as(&self, reader: impl Read, kind: BlobKind) -> Result<Digest, StoreError> {
        self.put_stream(reader, kind, Path::new("a stream"))
    }

    /// Adds what a reader gives, of which the caller says what it is. It is not hashed here: who calls this compares it while it is read,
    /// and drops the batch if it is something else.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn put_known(&self, digest: Digest, reader: impl Read, kind: BlobKind) -> Result<(), StoreError> {
        if !self.use_again(&digest) {
            self.add(self.store.stage_known(reader, digest, kind, Path::new("a stream"))?);
        }
        Ok(())
    }

    fn put_stream(&self, reader: impl Read, kind: BlobKind, from: &Path) -> Result<Digest, StoreError> {
        let staged = self.store.stage_reader(reader, kind, from)?;
        let digest = staged.digest;
        if !self.use_again(&digest) {
            self.add(staged);
        }
        Ok(digest)
    }

    /// Whether a blob is in the store or in this batch.
    pub fn has(&self, digest: &Digest) -> bool {
        hold(&self.staged).contains_key(digest) || self.store.has(digest)
    }

    fn use_again(&self, digest: &Digest) -> bool {
        hold(&self.staged).contains_key(digest) || self.store.use_again(digest)
    }

    fn add(&self, staged: Staged) {
        // Two threads may have had the same content; one file is enough, the other is removed.
        hold(&self.staged).entry(staged.digest).or_insert(staged);
    }

    /// Writes all to the disk, then makes all visible.
    ///
    /// # Errors
    /// If that is impossible. Each blob is visible as a whole then, or not.
    pub fn commit(self) -> Result<(), StoreError> {
        let (store, staged, packs) = self.take();
        if staged.len() < FEW {
            parallel::each(&staged, Staged::sync)?;
        } else {
            let blobs = store.inner.layout.blobs();
            let folder = File::open(&blobs).map_err(StoreError::io("open", &blobs))?;
            let synced = rustix::fs::syncfs(&folder);
            synced.map_err(|error| StoreError::io("write", &blobs)(error.into()))?;
        }
        parallel::each(&staged, |one| one.publish(&store))?;
        store.add_packs(&packs, true)
    }

    /// Makes all visible without waiting until they are on the disk: for what is easily made again from files that stay. After a loss
    /// of power such a blob may be cut off; then it counts as not there, or as damaged.
    ///
    /// # Errors
    /// If one cannot get its name.
    pub fn commit_unsynced(self) -> Result<(), StoreError> {
        let (store, staged, packs) = self.take();
        parallel::each(&staged, |one| one.publish(&store))?;
        store.add_packs(&packs, false)
    }

    fn take(self) -> (Store, Vec<Staged>, Vec<FullPack>) {
        let staged = std::mem::take(&mut *hold(&self.staged));
        let packs = std::mem::take(&mut *hold(&self.packs));
        (self.store, staged.into_values().collect(), packs)
    }
}

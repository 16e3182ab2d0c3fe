//! Packs: many small contents in one blob, because a file for each costs more than its bytes do.
//!
//! A pack is a blob like any other. Which contents it has, one after the other, is said by the document `packs/NAME` of the batch that
//! made it. A content of a pack is found as a blob is; who needs it as a file of its own gets one.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::mem;
use std::path::Path;

use rustc_hash::FxHashMap;

use crate::record::{RecordKind, remove_file};
use crate::store::hold;
use crate::{Batch, Digest, Store, StoreError};

/// The kind of the documents.
pub(crate) const DOCUMENTS: &str = "packs";

/// A pack is ended when it has so many bytes.
const FULL: usize = 8 << 20;

/// The blob of a pack, and what is in it.
pub(crate) type FullPack = (Digest, Vec<Digest>);

/// Where a content is.
#[derive(Debug, Clone, Copy)]
struct Packed {
    pack: Digest,
    offset: u64,
}

/// What is in the packs of a store, as far as this process knows.
#[derive(Debug, Default)]
pub(crate) struct Packs(FxHashMap<Digest, Packed>);

impl Packs {
    fn add(&mut self, pack: Digest, contents: &[Digest]) {
        let mut offset = 0;
        for content in contents {
            self.0.insert(*content, Packed { pack, offset });
            offset += content.size;
        }
    }
}

/// A pack that grows. What it takes is visible when the batch is.
#[derive(Debug)]
pub struct Pack<'a> {
    batch: &'a Batch,
    bytes: Vec<u8>,
    contents: Vec<Digest>,
}

impl Batch {
    /// Begins a pack.
    pub fn pack(&self) -> Pack<'_> {
        Pack { batch: self, bytes: Vec::new(), contents: Vec::new() }
    }
}

impl Pack<'_> {
    /// How large a content is at most that is better kept in a pack.
    pub const LARGEST: u64 = 64 << 10;

    /// Adds all that a reader gives. If the caller knows the digest, and compares what is read with it itself, it is not hashed here.
    ///
    /// # Errors
    /// If it cannot be read, or a full pack not be written.
    pub fn put(&mut self, mut reader: impl Read, known: Option<Digest>) -> Result<Digest, StoreError> {
        let start = self.bytes.len();
        reader.read_to_end(&mut self.bytes).map_err(StoreError::io("read", Path::new("a stream")))?;
        let bytes = &self.bytes[start..];
        let digest = known.filter(|known| known.size == bytes.len() as u64).unwrap_or_else(|| Digest::of(bytes));
        self.contents.push(digest);
        if self.bytes.len() >= FULL {
            self.end()?;
        }
        Ok(digest)
    }

    /// Ends it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), StoreError> {
        let contents = mem::take(&mut self.contents);
        if !contents.is_empty() {
            let pack = self.batch.put(&self.bytes)?;
            hold(&self.batch.packs).push((pack, contents));
            self.bytes.clear();
        }
        Ok(())
    }
}

impl Store {
    /// Makes packs known whose blobs are there.
    pub(crate) fn add_packs(&self, packs: &[FullPack], is_synced: bool) -> Result<(), StoreError> {
        if packs.is_empty() {
            return Ok(());
        }
        let blocks = packs.iter().map(|(pack, contents)| {
            std::iter::once(pack).chain(contents).map(|digest| format!("{digest}\n")).collect::<String>()
        });
        let text = blocks.collect::<Vec<_>>().join("\n");
        let name = Digest::of(text.as_bytes()).hex();
        let path = self.inner.layout.document(DOCUMENTS, &name)?;
        self.write_record(RecordKind::Document, &path, &format!("{DOCUMENTS}/{name}"), text.as_bytes(), is_synced)?;
        self.with_packs(|known| packs.iter().for_each(|(pack, contents)| known.add(*pack, contents)));
        Ok(())
    }

    /// Looks at the packs, all of which were read once.
    fn with_packs<T>(&self, look: impl FnOnce(&mut Packs) -> T) -> T {
        let mut packs = hold(&self.inner.packs);
        look(packs.get_or_insert_with(|| self.read_packs()))
    }

    /// A document that cannot be read only means that its contents are not there.
    fn read_packs(&self) -> Packs {
        let mut packs = Packs::default();
        let Ok(names) = std::fs::read_dir(self.inner.layout.documents().join(DOCUMENTS)) else { return packs };
        for name in names.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
            let Ok(Some(bytes)) = self.document(DOCUMENTS, &name) else { continue };
            let mut is_used = false;
            for block in String::from_utf8_lossy(&bytes).split("\n\n") {
                let digests: Option<Vec<Digest>> = block.lines().map(|line| line.parse().ok()).collect();
                let Some((pack, contents)) = digests.as_deref().and_then(<[Digest]>::split_first) else { continue };
                let is_whole = contents.iter().map(|content| content.size).sum::<u64>() == pack.size;
                if is_whole && self.has_blob(pack) {
                    packs.add(*pack, contents);
                    is_used = true;
                }
            }
            if !is_used && let Ok(path) = self.inner.layout.document(DOCUMENTS, &name) {
                // Where it cannot be removed, it is passed over again.
                let _ = remove_file(&path);
            }
        }
        packs
    }

    /// Whether a pack has this content.
    pub(crate) fn is_packed(&self, digest: &Digest) -> bool {
        self.with_packs(|packs| packs.0.contains_key(digest))
    }

    /// The pack with a content, and where in it.
    pub(crate) fn packed(&self, digest: &Digest) -> Option<(Digest, u64)> {
        self.with_packs(|packs| packs.0.get(digest).map(|packed| (packed.pack, packed.offset)))
    }

    /// A content of a pack, hashed after it was read; nothing if no pack has it.
    pub(crate) fn read_packed(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((pack, offset)) = self.packed(digest) else { return Ok(None) };
        let path = self.inner.layout.blob(&pack, crate::BlobKind::Plain);
        let read = File::open(&path).and_then(|mut file| {
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            file.take(digest.size).read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        let bytes = match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.forget_pack(&pack);
                return Ok(None);
            }
            read => read.map_err(StoreError::io("read", &path))?,
        };
        if Digest::of(&bytes) == *digest {
            return Ok(Some(bytes));
        }
        self.forget_pack(&pack);
        Err(self.drop_blob(&pack, path, format!("the content {} of it has another SHA-256", digest.hex()))?)
    }

    /// It was damaged, or is not there any more.
    pub(crate) fn forget_pack(&self, pack: &Digest) {
        self.with_packs(|packs| packs.0.retain(|_, one| one.pack != *pack));
    }

    /// Makes a blob of a content that only a pack has. False if none has it.
    pub(crate) fn unpack(&self, digest: &Digest) -> Result<bool, StoreError> {
        let Some(bytes) = self.read_packed(digest)? else { return Ok(false) };
        // It need not survive a power loss: it can be made again.
        self.stage_bytes(&bytes, *digest, crate::BlobKind::Plain)?.publish(self)?;
        Ok(true)
    }
}

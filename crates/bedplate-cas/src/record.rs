//! Small files with a checksum: actions, documents, roots.
//!
//! ```text
//! bedplate action 1 SHA256\n     kind, number of the format, checksum of kind, name and body
//! BODY
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::{Damage, Digest, Store, StoreError};

/// What kind of record a file is, and the number of its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordKind {
    Action,
    Document,
    Root,
}

impl RecordKind {
    const FORMAT: u32 = 1;

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Document => "document",
            Self::Root => "root",
        }
    }

    fn head(self) -> String {
        format!("bedplate {} {} ", self.word(), Self::FORMAT)
    }

    /// The checksum covers the name: a record in the place of another one is damage, too.
    fn checksum(self, name: &str, body: &[u8]) -> String {
        let mut hasher = Sha256::new();
        for part in [self.word().as_bytes(), b"\0", name.as_bytes(), b"\0", body] {
            hasher.update(part);
        }
        Digest { hash: hasher.finalize().into(), size: 0 }.hex()
    }

    fn seal(self, name: &str, body: &[u8]) -> Vec<u8> {
        let mut out = format!("{}{}\n", self.head(), self.checksum(name, body)).into_bytes();
        out.extend_from_slice(body);
        out
    }

    fn unseal(self, name: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let head = self.head();
        let rest = bytes.strip_prefix(head.as_bytes());
        let rest = rest.ok_or_else(|| format!("it does not begin with `{}`", head.trim_end()))?;
        let (sum, body) = rest.split_at_checked(65).ok_or("it ends in its first line")?;
        if sum != format!("{}\n", self.checksum(name, body)).as_bytes() {
            return Err("its checksum is wrong".to_owned());
        }
        Ok(body.to_vec())
    }
}

impl Store {
    /// Reads a record; nothing if there is none, or if it was damaged, which is noted.
    pub(crate) fn read_record(&self, kind: RecordKind, path: &Path, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("read", path)(error)),
        };
        match kind.unseal(name, &bytes) {
            Ok(body) => Ok(Some(body)),
            Err(why) => {
                self.drop_record(kind, path, name, why)?;
                Ok(None)
            }
        }
    }

    /// Removes a damaged record and notes it.
    pub(crate) fn drop_record(&self, kind: RecordKind, path: &Path, name: &str, why: String) -> Result<(), StoreError> {
        remove_file(path)?;
        self.note(Damage { what: format!("{} {name}", kind.word()), path: path.to_owned(), why });
        Ok(())
    }

    /// Writes a record. If it is synced, there is the old one or the new one after a power loss; else perhaps none.
    pub(crate) fn write_record(
        &self,
        kind: RecordKind,
        path: &Path,
        name: &str,
        body: &[u8],
        is_synced: bool,
    ) -> Result<(), StoreError> {
        let scratch = self.scratch_file()?;
        let written = File::create_new(&scratch).and_then(|mut file| {
            file.write_all(&kind.seal(name, body))?;
            if is_synced { file.sync_all() } else { Ok(()) }
        });
        let result = written.map_err(StoreError::io("write", &scratch)).and_then(|()| {
            rename_into(&scratch, path)?;
            if !is_synced {
                return Ok(());
            }
            let folder = path.parent().unwrap_or(path);
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::io("write", folder))
        });
        if result.is_err() {
            let _ = fs::remove_file(&scratch);
        }
        result
    }
}

/// Renames a file; the folder of the new name is made if need be.
pub(crate) fn rename_into(from: &Path, to: &Path) -> Result<(), StoreError> {
    let result = match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = to.parent().unwrap_or(to);
            fs::create_dir_all(folder).map_err(StoreError::io("create", folder))?;
            fs::rename(from, to)
        }
        other => other,
    };
    result.map_err(StoreError::io("write", to))
}

/// Removes a file that may be gone already.
pub(crate) fn remove_file(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_another_name_or_kind_or_with_a_changed_byte_is_refused() {
        let sealed = RecordKind::Action.seal("name", b"body");
        assert_eq!(RecordKind::Action.unseal("name", &sealed), Ok(b"body".to_vec()));
        assert!(RecordKind::Action.unseal("other", &sealed).is_err());
        assert!(RecordKind::Document.unseal("name", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(RecordKind::Action.unseal("name", &damaged).is_err(), "byte {at}");
            assert!(RecordKind::Action.unseal("name", &sealed[..at]).is_err(), "cut at {at}");
        }
    }
}

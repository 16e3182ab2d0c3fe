//! Where everything lies in a store, and its format's number.

use std::path::PathBuf;

use crate::{BlobKind, Digest, StoreError};

/// The number of the on-disk format. It goes up when an older bedplate would misread what a newer one writes.
pub(crate) const FORMAT: u32 = 1;

/// Folders of the store that are there from the beginning.
pub(crate) const FOLDERS: [&str; 7] = ["actions", "blobs", "checkouts", "documents", "locks", "roots", "work"];

/// The paths of a store.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) root: PathBuf,
}

impl Layout {
    pub(crate) fn version(&self) -> PathBuf {
        self.root.join("version")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub(crate) fn blob(&self, digest: &Digest, kind: BlobKind) -> PathBuf {
        let hex = digest.hex();
        self.root.join(format!("blobs/{}/{}{}", &hex[..2], &hex[2..], kind.suffix()))
    }

    pub(crate) fn actions(&self) -> PathBuf {
        self.root.join("actions")
    }

    pub(crate) fn action(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join(format!("actions/{}/{}-{}", &hex[..2], &hex[2..], digest.size))
    }

    pub(crate) fn checkouts(&self) -> PathBuf {
        self.root.join("checkouts")
    }

    /// The folder around a checkout: its time is that of the last use, while that in it has a fixed one.
    pub(crate) fn checkout(&self, digest: &Digest) -> PathBuf {
        self.root.join(format!("checkouts/{}-{}", digest.hex(), digest.size))
    }

    pub(crate) fn documents(&self) -> PathBuf {
        self.root.join("documents")
    }

    pub(crate) fn document(&self, kind: &str, name: &str) -> Result<PathBuf, StoreError> {
        Ok(self.documents().join(file_name(kind)?).join(file_name(name)?))
    }

    pub(crate) fn roots(&self) -> PathBuf {
        self.root.join("roots")
    }

    pub(crate) fn root_file(&self, name: &str) -> Result<PathBuf, StoreError> {
        Ok(self.roots().join(file_name(name)?))
    }

    pub(crate) fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    pub(crate) fn lock_file(&self, name: &str) -> Result<PathBuf, StoreError> {
        Ok(self.locks().join(file_name(name)?))
    }

    /// What was fetched of repositories; made by who fetches the first.
    pub(crate) fn repositories(&self) -> PathBuf {
        self.root.join("repositories")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.root.join("work")
    }
}

/// A file name for any name: bytes that a file name should not have are written as `%XX`.
pub(crate) fn file_name(name: &str) -> Result<String, StoreError> {
    let mut out = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric() || b"_-+~".contains(&byte) || (byte == b'.' && at > 0);
        if is_plain { out.push(char::from(byte)) } else { out.push_str(&format!("%{byte:02X}")) }
    }
    let is_good = !name.is_empty() && out.len() <= 200;
    if is_good { Ok(out) } else { Err(StoreError::BadName { name: name.to_owned() }) }
}

/// The name that [`file_name`] was given; nothing if it gives no such file name.
pub(crate) fn name_of(file: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(file.len());
    let mut rest = file.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(others.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &others[2..];
        } else {
            bytes.push(*first);
            rest = others;
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    (file_name(&name).ok()? == file).then_some(name)
}

/// The digest that two parts of a path spell, as `ab/cdef…` or `ab/cdef…-SIZE`.
pub(crate) fn digest_of(folder: &str, file: &str) -> Option<Digest> {
    let (rest, size) = file.split_once('-')?;
    format!("{folder}{rest}/{size}").parse().ok()
}

/// The digest that a checkout's name spells.
pub(crate) fn digest_of_checkout(name: &str) -> Option<Digest> {
    name.replacen('-', "/", 1).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_is_one_file_name_and_back() {
        for (name, file) in [
            ("durations", "durations"),
            ("a/b", "a%2Fb"),
            ("..", "%2E."),
            (".lock", "%2Elock"),
            ("x.lock", "x.lock"),
            ("gcc-c++ 14~rc1%", "gcc-c++%2014~rc1%25"),
            ("é", "%C3%A9"),
        ] {
            assert_eq!(file_name(name).unwrap(), file);
            assert_eq!(name_of(file).unwrap(), name);
        }
        for bad in ["", &"x".repeat(201), &"/".repeat(70)] {
            assert!(matches!(file_name(bad), Err(StoreError::BadName { .. })), "{bad}");
        }
        for bad in ["%", "%2", "%zz", "a b", "%41", "%FF", ""] {
            assert_eq!(name_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn paths_spell_digests() {
        let layout = Layout { root: "/s".into() };
        let digest = Digest::of(b"abc");
        let path = layout.action(&digest);
        let parts: Vec<&str> = path.to_str().unwrap().rsplit('/').collect();
        assert_eq!(digest_of(parts[1], parts[0]), Some(digest));
        let path = layout.checkout(&digest);
        assert_eq!(digest_of_checkout(path.file_name().unwrap().to_str().unwrap()), Some(digest));
        assert_eq!(digest_of("ab", "cd"), None);
        assert_eq!(digest_of_checkout("ab"), None);
    }
}

//! A package that is in the store.

use std::sync::Arc;

use bedplate_cas::Digest;
use bedplate_repo::{FileList, ListedFile, ListedKind, PackageHeaders};

/// Algorithm number of SHA-256 in OpenPGP: digests of such files are those of the store.
const SHA256: u64 = 8;

/// A package whose files are in the store. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Package {
    headers: Arc<PackageHeaders>,
    name: Arc<str>,
    /// The content of each file of the list; only regular files that are packed have one.
    contents: Arc<[Option<Digest>]>,
}

impl Package {
    pub(crate) fn new(headers: PackageHeaders, contents: Vec<Option<Digest>>) -> Self {
        let name = headers.nevra().to_string().into();
        Self { headers: headers.into(), name, contents: contents.into() }
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &PackageHeaders {
        &self.headers
    }

    /// The files, in the order of the header.
    #[must_use]
    pub fn files(&self) -> &FileList {
        self.headers.files()
    }

    /// The full name: `name-[epoch:]version-release.arch`. It is the origin of the package's entries in a tree.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The content of the file with this number: a regular file that is not `%ghost`.
    #[must_use]
    pub fn content(&self, file: usize) -> Option<Digest> {
        self.contents.get(file).copied().flatten()
    }
}

/// Whether a file has a content in the store.
pub(crate) fn has_content(file: &ListedFile) -> bool {
    file.kind == ListedKind::File && file.is_packed()
}

/// The contents of all files as far as the header alone tells: the digests of its files are those of the store, if they are SHA-256.
pub(crate) fn contents_of_header(files: &FileList) -> Option<Vec<Option<Digest>>> {
    let of = |file: &ListedFile| match has_content(file) {
        false => Some(None),
        true if files.algorithm == SHA256 => Digest::from_parts(&file.digest, file.size).ok().map(Some),
        true => None,
    };
    files.files.iter().map(of).collect()
}

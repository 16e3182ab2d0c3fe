//! Package files to contents in the store.
//!
//! A header has the SHA-256 of each file, so that it names all contents that the package needs. If the store has them, the payload
//! is not read again. What has other digests (SHA-512) is remembered in a document of the store, under the digest of the header:
//! one line for each content, in the order of the files.

use std::path::Path;

use bedplate_cas::{Batch, BlobKind, Digest, Pack, Store, StoreError};
use bedplate_repo::{Entry, EntryKind, FileList, Finding, PackageHeaders, PayloadError, Problem, visit_payload};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::package::{contents_of_header, has_content};
use crate::{Package, UnpackError};

/// The kind of the documents with contents of packages.
const DOCUMENTS: &str = "package-contents";

/// Reads package files, puts what is in them into the store, and gives the packages in the same order. All work is shared by the
/// threads of the current rayon pool; what is new in the store gets there in one batch.
///
/// The header of each package is compared with its digest, the payload with what the header says of it and of its files. Signatures
/// are not looked at. Of a package whose contents are in the store already, only the headers are read.
///
/// # Errors
/// All that is wrong with the packages, or why the store refused.
pub fn unpack(store: &Store, files: &[impl AsRef<Path> + Sync]) -> Result<Vec<Package>, UnpackError> {
    let batch = store.batch();
    let read = |path: &_| one(store, &batch, AsRef::<Path>::as_ref(path));
    let read: Vec<Result<Unpacked, Failure>> = files.par_iter().map(read).collect();
    let (mut unpacked, mut findings) = (Vec::with_capacity(read.len()), Vec::new());
    for (path, result) in files.iter().zip(read) {
        match result {
            Ok(one) => unpacked.push(one),
            Err(Failure::Package(problems)) => {
                findings.extend(problems.into_iter().map(|problem| Finding::new(path.as_ref(), problem)));
            }
            Err(Failure::Store(error)) => return Err(error.into()),
        }
    }
    if !findings.is_empty() {
        return Err(UnpackError::Packages(findings));
    }
    // The packages are there to unpack them again.
    batch.commit_unsynced()?;
    for one in &unpacked {
        if let Some(text) = &one.document {
            store.set_document(DOCUMENTS, &document_name(one.package.headers()), text.as_bytes())?;
        }
    }
    Ok(unpacked.into_iter().map(|one| one.package).collect())
}

struct Unpacked {
    package: Package,
    /// What is to be remembered of its contents.
    document: Option<String>,
}

enum Failure {
    Package(Vec<Problem>),
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn one(store: &Store, batch: &Batch, path: &Path) -> Result<Unpacked, Failure> {
    let headers = PackageHeaders::read(path).map_err(Failure::Package)?;
    let of_header = contents_of_header(headers.files());
    let is_named = of_header.is_some();
    let known = match of_header {
        Some(contents) => Some(contents),
        None => remembered(store, &headers)?,
    };
    if let Some(contents) = known
        && contents.iter().flatten().all(|digest| batch.has(digest))
    {
        return Ok(Unpacked { package: Package::new(headers, contents), document: None });
    }
    let contents = read_payload(batch, path, headers.files())?;
    let lines = contents.iter().flatten().map(|digest| format!("{digest}\n"));
    let document = (!is_named).then(|| lines.collect());
    Ok(Unpacked { package: Package::new(headers, contents), document })
}

/// Puts the files of a payload into the batch.
fn read_payload(batch: &Batch, path: &Path, files: &FileList) -> Result<Vec<Option<Digest>>, Failure> {
    let mut contents = vec![None; files.files.len()];
    let mut pack = batch.pack();
    let expected = contents_of_header(files);
    // A content of several names is read once.
    let mut names: FxHashMap<usize, usize> = FxHashMap::default();
    let visit = |entry: Entry<'_>| -> Result<(), StoreError> {
        let Some(&number) = files.by_path.get(entry.path) else { return Ok(()) };
        match entry.kind {
            EntryKind::File { contents: reader, size } => {
                let kind = BlobKind::of_mode(entry.permissions);
                // It is compared with its digest while it is read.
                let known = expected.as_ref().and_then(|all| all[number]);
                contents[number] = Some(match known {
                    _ if size <= Pack::LARGEST => pack.put(reader, known)?,
                    Some(digest) => {
                        batch.put_known(digest, reader, kind)?;
                        digest
                    }
                    None => batch.put_reader_as(reader, kind)?,
                });
            }
            EntryKind::HardLink { to } => drop(files.by_path.get(to).map(|to| names.insert(number, *to))),
            _ => {}
        }
        Ok(())
    };
    visit_payload(path, visit).map_err(|error| match error {
        PayloadError::Visitor(error) => Failure::Store(error),
        PayloadError::Package(problems) => Failure::Package(problems),
    })?;
    pack.finish()?;
    for (name, file) in names {
        contents[name] = contents[file];
    }
    Ok(contents)
}

fn document_name(headers: &PackageHeaders) -> String {
    Digest { hash: headers.digest(), size: 0 }.hex()
}

/// The contents of a package that was unpacked before.
fn remembered(store: &Store, headers: &PackageHeaders) -> Result<Option<Vec<Option<Digest>>>, StoreError> {
    let Some(bytes) = store.document(DOCUMENTS, &document_name(headers))? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().map(str::parse);
    let files = headers.files().files.iter();
    let contents: Option<Vec<_>> = files
        .map(|file| match has_content(file) {
            true => lines.next().and_then(Result::ok).map(Some),
            false => Some(None),
        })
        .collect();
    Ok(contents.filter(|_| lines.next().is_none()))
}

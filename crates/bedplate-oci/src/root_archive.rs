//! A tree as one archive.

use std::io::{self, BufWriter};
use std::path::Path;

use bedplate_cas::{Digest, Store};
use bedplate_tree::{FileTree, write_archive};

use crate::OciError;
use crate::compress::{Compression, Compressor};
use crate::folder::StagedFile;
use crate::hashing::Hashing;

/// Writes a tree as a tar archive, compressed or not; gives the digest of the file.
///
/// # Errors
///
/// See [`OciError`].
pub fn write_root_archive(
    store: &Store,
    tree: &FileTree,
    compression: Compression,
    target: &Path,
) -> Result<Digest, OciError> {
    let staged = StagedFile::new(target)?;
    let out = Compressor::new(compression, Hashing::new(BufWriter::with_capacity(1 << 20, staged.file())));
    let out = write_archive(tree, store, out)?.finish().map_err(OciError::io("write", target))?;
    let (digest, out) = out.finish();
    out.into_inner().map_err(io::IntoInnerError::into_error).map_err(OciError::io("write", target))?;
    staged.publish(target)?;
    Ok(digest)
}

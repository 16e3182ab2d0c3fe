//! Signs the kernel modules in packages.
//!
//! A build makes modules without signatures, as it has no key, so that its packages are the same for everyone. They are signed in the
//! packages that are published.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use bedplate_repo::{EntryKind, ListedKind, PackageHeaders, PayloadError, Problem, append_to_files, for_each_entry};
use bedplate_sign::{MessageDigest, ModuleSigner};
use rayon::prelude::*;

/// Where kernels look for modules.
const FOLDERS: [&str; 2] = ["lib/modules/", "usr/lib/modules/"];
/// Endings of modules that are packed: the kernel checks the signature of what it unpacks.
const PACKED: [&str; 3] = [".ko.gz", ".ko.xz", ".ko.zst"];

fn is_below(path: &str) -> bool {
    FOLDERS.iter().any(|folder| path.starts_with(folder))
}

fn is_module(path: &str) -> bool {
    is_below(path) && path.ends_with(".ko")
}

/// True if there are modules to sign in a package.
///
/// # Errors
/// The package cannot be read, or has modules that are packed.
pub(crate) fn has_modules(package: &Path) -> Result<bool, Vec<Problem>> {
    let headers = PackageHeaders::read(package)?;
    let files = || headers.files().files.iter().filter(|file| file.kind == ListedKind::File && file.is_packed());
    let packed = files().filter(|file| is_below(&file.path) && PACKED.iter().any(|end| file.path.ends_with(end)));
    let problems: Vec<Problem> = packed
        .map(|file| Problem::Path {
            path: file.path.clone(),
            why: "a kernel module that is compressed cannot be signed; it has to be built as `.ko`".into(),
        })
        .collect();
    if problems.is_empty() { Ok(files().any(|file| is_module(&file.path))) } else { Err(problems) }
}

/// Writes a copy of a package whose modules are signed; gives the content identity of the package that was read.
///
/// # Errors
/// All that is wrong with the package, or why it cannot be signed or written.
pub(crate) fn sign_modules(input: &Path, output: &Path, signer: &ModuleSigner) -> Result<[u8; 32], Vec<Problem>> {
    let mut digests: Vec<(String, MessageDigest)> = Vec::new();
    let read = for_each_entry(input, |entry| -> io::Result<()> {
        if let EntryKind::File { contents, .. } = entry.kind
            && is_module(entry.path)
        {
            digests.push((entry.path.to_owned(), MessageDigest::sha512_of(contents)?));
        }
        Ok(())
    });
    let read = read.map_err(|error| match error {
        PayloadError::Package(problems) => problems,
        PayloadError::Visitor(error) => vec![Problem::Io(error)],
    })?;
    let tails: Result<BTreeMap<String, Vec<u8>>, Problem> = digests
        .par_iter()
        .map(|(path, digest)| match signer.signature(digest) {
            Ok(tail) => Ok((path.clone(), tail)),
            Err(error) => Err(Problem::Path { path: path.clone(), why: error.to_string() }),
        })
        .collect();
    append_to_files(input, output, &tails.map_err(|problem| vec![problem])?)?;
    Ok(read.content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_told_by_their_places() {
        for (path, expected) in [
            ("usr/lib/modules/6.12/kernel/fs/xfs.ko", true),
            ("lib/modules/6.12/extra/gpu.ko", true),
            ("usr/lib/modules/6.12/modules.dep", false),
            ("usr/lib/debug/usr/lib/modules/6.12/kernel/fs/xfs.ko.debug", false),
            ("usr/share/vim/tutor/tutor.ko", false),
        ] {
            assert_eq!(is_module(path), expected, "{path}");
        }
    }
}

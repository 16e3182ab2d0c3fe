//! From a package file to the tree that a build root gets.

use std::path::Path;

use bedplate_cas::{Digest, Store, StoreError, TreeBuilder};
use bedplate_install::{Package, UnpackError};
use bedplate_repo::ListedKind;

/// Why a package could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum TreeFault {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The package is not good.
    #[error("{0}")]
    Package(String),
}

/// Folders of the root that are links in a distribution with a merged `/usr`. What a package has there is put where the link
/// leads: laid over the seed, a folder would hide the link and all that is behind it.
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

fn merged(path: &str) -> String {
    let first = path.split('/').next().unwrap_or(path);
    if MERGED.contains(&first) { format!("usr/{path}") } else { path.to_owned() }
}

/// Unpacks a package into the store. Owners are not kept: in a build root everything belongs to root. Devices, pipes and
/// sockets are left out: a build root has its own.
///
/// # Errors
/// If the package is not good, or the store refuses.
pub fn unpack(store: &Store, rpm: &Path) -> Result<Digest, TreeFault> {
    let packages = bedplate_install::unpack(store, &[rpm]).map_err(|error| match error {
        UnpackError::Store(error) => TreeFault::Store(error),
        other @ UnpackError::Packages(_) => TreeFault::Package(other.to_string()),
    })?;
    let mut tree = TreeBuilder::new();
    for package in &packages {
        add(&mut tree, package)?;
    }
    Ok(store.put_tree(&tree)?)
}

fn add(tree: &mut TreeBuilder, package: &Package) -> Result<(), StoreError> {
    let files = package.files().files.iter().enumerate().filter(|(_, file)| file.is_packed());
    for (number, file) in files {
        let path = merged(&file.path);
        match file.kind {
            ListedKind::Directory | ListedKind::Symlink if MERGED.contains(&file.path.as_str()) => {}
            ListedKind::Directory if path.is_empty() => {}
            ListedKind::Directory => drop(tree.directory(&path, file.permissions)?),
            ListedKind::Symlink => drop(tree.symlink(&path, &file.target)?),
            ListedKind::File => {
                if let Some(digest) = package.content(number) {
                    tree.file(&path, digest, file.permissions)?;
                }
            }
            ListedKind::CharacterDevice | ListedKind::BlockDevice | ListedKind::Fifo | ListedKind::Socket => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::merged;

    #[test]
    fn what_is_beside_usr_goes_below_it() {
        for (path, wanted) in [
            ("lib64/libz.so.1", "usr/lib64/libz.so.1"),
            ("usr/bin/bash", "usr/bin/bash"),
            ("etc/profile", "etc/profile"),
            ("bin/sh", "usr/bin/sh"),
            ("libexec/x", "libexec/x"),
        ] {
            assert_eq!(merged(path), wanted);
        }
    }
}

//! From a package file to the tree that a build root gets.

use std::path::Path;

use bedplate_cas::{BlobKind, Digest, Store, StoreError, TreeBuilder};
use bedplate_repo::{Entry, EntryKind, PayloadError, for_each_entry};

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
    let batch = store.batch();
    let mut tree = TreeBuilder::new();
    let mut placed: Vec<(String, Digest, u32)> = Vec::new();
    let visit = |entry: Entry<'_>| -> Result<(), StoreError> {
        let path = merged(entry.path);
        match entry.kind {
            EntryKind::Directory if MERGED.contains(&entry.path) || path.is_empty() => {}
            EntryKind::Directory => drop(tree.directory(&path, entry.permissions)?),
            EntryKind::Symlink { .. } if MERGED.contains(&entry.path) => {}
            EntryKind::Symlink { target } => drop(tree.symlink(&path, target)?),
            EntryKind::File { contents, .. } => {
                let digest = batch.put_reader_as(contents, BlobKind::of_mode(entry.permissions))?;
                tree.file(&path, digest, entry.permissions)?;
                placed.push((path, digest, entry.permissions));
            }
            EntryKind::HardLink { to } => {
                let to = merged(to);
                if let Some((_, digest, mode)) = placed.iter().find(|(path, ..)| *path == to) {
                    tree.file(&path, *digest, *mode)?;
                }
            }
            EntryKind::CharacterDevice { .. } | EntryKind::BlockDevice { .. } | EntryKind::Fifo | EntryKind::Socket => {
            }
        }
        Ok(())
    };
    for_each_entry(rpm, visit).map_err(|error| match error {
        PayloadError::Visitor(error) => TreeFault::Store(error),
        other @ PayloadError::Package(_) => TreeFault::Package(format!("{}: {other}", rpm.display())),
    })?;
    batch.commit()?;
    Ok(store.put_tree(&tree)?)
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

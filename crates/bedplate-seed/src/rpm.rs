//! The configuration of the seed's rpm, without installing it: specs are read with it before anything is built.

use std::collections::BTreeSet;
use std::io::Read;

use bedplate_apt::deb_data;
use bedplate_cas::{BlobKind, Digest, TreeBuilder};

use crate::root::{Listener, SeedRoots, blob};
use crate::{SeedError, package};

/// Changes when the same packages would give another tree.
const FORMAT: &str = "bedplate rpm configuration 1";

/// The group that rpm is in.
const GROUP: &str = "rpm";

/// Where rpm looks for macros and what belongs to them.
const FOLDERS: &[&str] = &["usr/lib/rpm/", "etc/rpm/"];

impl SeedRoots<'_> {
    /// A tree with the folders `usr/lib/rpm` and `etc/rpm` of the locked rpm. Takes milliseconds once it is there.
    ///
    /// # Errors
    /// If the seed has no group `rpm`, its packages cannot be had or read, or the store fails.
    pub fn rpm_config(&self, listener: Listener<'_>) -> Result<Digest, SeedError> {
        let mut packages: BTreeSet<&str> = self.packages(&[GROUP])?;
        packages.retain(|name| *name == "rpm" || name.starts_with("rpm-"));
        let mut key = format!("{FORMAT}\n");
        for (name, package) in self.locked(&packages) {
            key.push_str(&format!("{}\n", package::key(name, package)));
        }
        let key = Digest::of(key.as_bytes());
        if let Some(entry) = self.store.action(&key)?
            && let [tree] = entry.trees.as_slice()
        {
            return Ok(tree.digest);
        }
        self.fetch(&packages, listener)?;
        let batch = self.store.batch();
        let mut tree = TreeBuilder::new();
        for (name, package) in self.locked(&packages) {
            let path = self.store.path_of(&blob(package))?;
            let bad = |error| SeedError::io("cannot read", &path, error);
            let mut archive = tar::Archive::new(deb_data(&path).map_err(bad)?);
            for entry in archive.entries().map_err(bad)? {
                let mut entry = entry.map_err(bad)?;
                let inside = crate::paths::plain(&String::from_utf8_lossy(&entry.path_bytes()));
                if !FOLDERS.iter().any(|folder| inside.starts_with(folder)) {
                    continue;
                }
                let kind = entry.header().entry_type();
                let mode = entry.header().mode().map_err(bad)?;
                if kind.is_file() {
                    let mut bytes = Vec::new();
                    entry.read_to_end(&mut bytes).map_err(bad)?;
                    tree.file(&inside, batch.put_as(&bytes, BlobKind::of_mode(mode))?, mode)?;
                } else if kind.is_symlink() {
                    let target = entry.link_name_bytes().unwrap_or_default();
                    tree.symlink(&inside, &String::from_utf8_lossy(&target))?;
                } else if kind.is_dir() {
                    tree.directory(&inside, mode)?;
                } else {
                    return Err(SeedError::BadImage { why: format!("{inside} of {name} is no file, folder or link") });
                }
            }
        }
        let digest = batch.put_tree(&tree)?;
        batch.commit()?;
        let about = serde_json::json!({ "rpm-configuration": packages });
        self.store.record(&key, &package::entry(digest, about))?;
        Ok(digest)
    }
}

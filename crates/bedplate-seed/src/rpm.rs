//! The configuration of the seed's rpm, without installing it: specs are read with it before anything is built.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;

use bedplate_apt::deb_data;
use bedplate_cas::{BlobKind, Digest, TreeBuilder};

use crate::root::{Listener, SeedRoots, blob};
use crate::{SeedError, package};

/// Changes when the same packages would give another tree.
const FORMAT: &str = "bedplate rpm configuration 1";

/// How often it is made anew if something of it turns out to be lost.
const ATTEMPTS: usize = 3;

/// The group that rpm is in.
const GROUP: &str = "rpm";

/// Where rpm looks for macros and what belongs to them.
const FOLDERS: &[&str] = &["usr/lib/rpm/", "etc/rpm/"];

impl SeedRoots<'_> {
    /// The folder `usr/lib/rpm` of the locked rpm. What was damaged in the store is made again.
    ///
    /// # Errors
    /// As [`SeedRoots::rpm_config`].
    pub fn rpm_config_folder(&self, listener: Listener<'_>) -> Result<PathBuf, SeedError> {
        let mut lost = None;
        for _ in 0..ATTEMPTS {
            let folder = self.rpm_config(listener).and_then(|tree| Ok(self.store.checkout(&tree)?));
            match folder {
                Ok(folder) => return Ok(folder.join("usr/lib/rpm")),
                Err(SeedError::Store(error)) if error.lost().is_some() => lost = Some(error),
                Err(error) => return Err(error),
            }
            // Either a file of the tree is lost, or the package that it is made of: the one is made again, the other fetched.
            self.store.forget(&self.config_key()?)?;
        }
        Err(lost.expect("without a lost blob it ends at once").into())
    }

    /// The same, if all that it is made of is in the store and good: nothing is fetched.
    ///
    /// # Errors
    /// If the lock does not fit, or the store fails.
    pub fn find_rpm_config(&self) -> Result<Option<PathBuf>, SeedError> {
        let Some(tree) = self.stored_config(&self.config_key()?)? else { return Ok(None) };
        match self.store.checkout(&tree) {
            Ok(folder) => Ok(Some(folder.join("usr/lib/rpm"))),
            Err(error) if error.lost().is_some() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The packages of the locked rpm.
    fn config_packages(&self) -> Result<BTreeSet<&str>, SeedError> {
        let mut packages: BTreeSet<&str> = self.packages(&[GROUP])?;
        packages.retain(|name| *name == "rpm" || name.starts_with("rpm-"));
        Ok(packages)
    }

    /// The name under which the tree is remembered.
    fn config_key(&self) -> Result<Digest, SeedError> {
        let packages = self.config_packages()?;
        let mut key = format!("{FORMAT}\n");
        for (name, package) in self.locked(&packages) {
            key.push_str(&format!("{}\n", package::key(name, package)));
        }
        Ok(Digest::of(key.as_bytes()))
    }

    fn stored_config(&self, key: &Digest) -> Result<Option<Digest>, SeedError> {
        let entry = self.store.action(key)?;
        Ok(entry.filter(|entry| entry.trees.len() == 1).map(|entry| entry.trees[0].digest))
    }

    /// A tree with the folders `usr/lib/rpm` and `etc/rpm` of the locked rpm. Takes milliseconds once it is there.
    ///
    /// # Errors
    /// If the seed has no group `rpm`, its packages cannot be had or read, or the store fails.
    pub fn rpm_config(&self, listener: Listener<'_>) -> Result<Digest, SeedError> {
        let key = self.config_key()?;
        if let Some(tree) = self.stored_config(&key)? {
            return Ok(tree);
        }
        let packages = self.config_packages()?;
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

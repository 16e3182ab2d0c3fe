//! Seed roots in a store: made when they are needed, found again by what they are made of.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use bedplate_apt::{Apt, AptError, Download};
use bedplate_cas::{Batch, Digest, Store, StoreError, TreeBuilder, TreeEntry, WorkFolder};
use rayon::prelude::*;
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::import::Image;
use crate::install::{self, Installation, PackageFile};
use crate::package::{self, StoredPackage};
use crate::paths::plain;
use crate::{Definition, Lock, LockedPackage, SeedError, alternatives, base, catalogs};

/// Changes when the same packages would be put together to another root.
const FORMAT: &str = "bedplate seed root 1";

/// Packages that are in every root: the links of a merged `/usr` are in it.
const ALWAYS: &[&str] = &["base-files"];

/// How far the making of a seed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeedProgress {
    /// Packages are fetched: so many of so many, with so many bytes of so many.
    Fetch {
        /// Packages that are there.
        files: usize,
        /// Packages in all.
        all_files: usize,
        /// Bytes that are there.
        bytes: u64,
        /// Bytes in all.
        all_bytes: u64,
    },
    /// Packages are installed.
    Install {
        /// Packages that are.
        packages: usize,
        /// Packages in all.
        all_packages: usize,
    },
    /// What was installed is put into the store.
    Store,
}

/// What a store has of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageState {
    /// Nothing.
    Missing,
    /// All of its files, as they were.
    Whole,
    /// Files that are lost or not as they were.
    Damaged,
}

/// Hears how far it is; called from several threads.
pub type Listener<'a> = &'a (dyn Fn(SeedProgress) + Sync);

/// The seed of a store.
#[derive(Debug, Clone, Copy)]
pub struct SeedRoots<'a> {
    /// Where everything is kept.
    pub store: &'a Store,
    /// The seed file.
    pub definition: &'a Definition,
    /// Its lock.
    pub lock: &'a Lock,
    /// Where packages come from.
    pub apt: &'a Apt,
    /// Where an ordinary user may install the seed: a folder that others can reach into. Root works in the store.
    pub temporary: &'a Path,
}

impl SeedRoots<'_> {
    /// The root of these groups and of those that they need, if all of it is in the store. Takes milliseconds.
    ///
    /// # Errors
    /// If there is no such group, the lock does not fit, or the store fails.
    pub fn find(&self, groups: &[&str]) -> Result<Option<Digest>, SeedError> {
        let packages = self.packages(groups)?;
        Ok(self.store.action(&self.key(&packages))?.and_then(|entry| Some(entry.trees.first()?.digest)))
    }

    /// The root of these groups and of those that they need; what is missing is fetched and installed.
    ///
    /// # Errors
    /// If there is no such group, the lock does not fit, packages cannot be had or installed, or the store fails.
    pub fn create(&self, groups: &[&str], listener: Listener<'_>) -> Result<Digest, SeedError> {
        if let Some(found) = self.find(groups)? {
            return Ok(found);
        }
        let packages = self.packages(groups)?;
        let _lock = self.store.lock("seed")?;
        let stored = match self.stored(&packages)? {
            Some(stored) => stored,
            None => {
                self.install(&packages, listener)?;
                let missing = || SeedError::BadImage { why: "the store lacks what was just installed".to_owned() };
                self.stored(&packages)?.ok_or_else(missing)?
            }
        };
        let tree = self.assemble(&stored)?;
        let about = serde_json::json!({ "seed": self.lock.name, "packages": packages.len() });
        let key = self.key(&packages);
        self.store.record(&key, &package::entry(tree, about))?;
        self.keep_from_collection(key)?;
        Ok(tree)
    }

    /// Garbage collection leaves the packages of this lock, and the newest root. Other roots are put together again from the
    /// packages in less than a second.
    fn keep_from_collection(&self, newest: Digest) -> Result<(), SeedError> {
        let mut kept = vec![newest];
        for (name, package) in &self.lock.packages {
            if self.has(name, package)? {
                kept.push(package::key(name, package));
            }
        }
        Ok(self.store.set_root(&format!("seed-{}", self.lock.name), &kept)?)
    }

    /// Names of the packages of these groups' root, sorted.
    ///
    /// # Errors
    /// If there is no such group, or the lock lacks a package.
    pub fn packages(&self, groups: &[&str]) -> Result<BTreeSet<&str>, SeedError> {
        let named = self.definition.packages(self.definition.with_needs(groups)?);
        let roots: BTreeSet<&str> = named.into_iter().chain(ALWAYS.iter().copied()).collect();
        let unknown: Vec<String> = roots
            .iter()
            .filter(|name| !self.lock.packages.contains_key(**name))
            .map(|name| (*name).to_owned())
            .collect();
        if unknown.is_empty() { Ok(self.lock.closure(roots)) } else { Err(SeedError::NotLocked { names: unknown }) }
    }

    /// Whether the store has a package of the lock; its files are not read.
    ///
    /// # Errors
    /// If the store fails.
    pub fn has(&self, name: &str, package: &LockedPackage) -> Result<bool, SeedError> {
        Ok(package::find(self.store, name, package)?.is_some())
    }

    /// Reads all that the store has of a package of the lock. If that is damaged, it is forgotten: [`SeedRoots::create`] makes
    /// it again.
    ///
    /// # Errors
    /// If the store fails.
    pub fn verify(&self, name: &str, package: &LockedPackage) -> Result<PackageState, SeedError> {
        match package::find(self.store, name, package)? {
            None => Ok(PackageState::Missing),
            Some(stored) if self.is_whole(&stored.tree)? => Ok(PackageState::Whole),
            Some(_) => {
                self.store.forget(&package::key(name, package))?;
                Ok(PackageState::Damaged)
            }
        }
    }

    /// Reads all that the store has of these groups, and forgets what is damaged, so that [`SeedRoots::create`] makes it
    /// again. Gives the names of the packages that were.
    ///
    /// # Errors
    /// As [`SeedRoots::find`].
    pub fn repair(&self, groups: &[&str]) -> Result<Vec<String>, SeedError> {
        let packages = self.packages(groups)?;
        let mut damaged = Vec::new();
        for (name, package) in self.locked(&packages) {
            if self.verify(name, package)? == PackageState::Damaged {
                damaged.push(name.to_owned());
            }
        }
        let key = self.key(&packages);
        if let Some(entry) = self.store.action(&key)?
            && let Some(root) = entry.trees.first()
            && !self.is_whole(&root.digest)?
        {
            self.store.forget(&key)?;
        }
        Ok(damaged)
    }

    /// Whether a tree and all of its files can be read.
    fn is_whole(&self, tree: &Digest) -> Result<bool, SeedError> {
        match self.read_all(tree) {
            Ok(()) => Ok(true),
            Err(error) if error.lost().is_some() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn read_all(&self, tree: &Digest) -> Result<(), StoreError> {
        self.store.tree(tree)?.iter().try_for_each(|(_, entry)| match entry {
            TreeEntry::File { digest, .. } => self.store.path_of(digest).map(|_| ()),
            _ => Ok(()),
        })
    }

    pub(crate) fn locked<'b>(
        &'b self,
        names: &'b BTreeSet<&'b str>,
    ) -> impl Iterator<Item = (&'b str, &'b LockedPackage)> {
        names.iter().filter_map(|name| Some((*name, self.lock.packages.get(*name)?)))
    }

    /// The name under which a root is remembered: by its packages alone, so that it is the same whatever else is locked.
    fn key(&self, packages: &BTreeSet<&str>) -> Digest {
        let mut text = format!("{FORMAT}\n");
        for (name, package) in self.locked(packages) {
            text.push_str(&format!("{}\n", package::key(name, package)));
        }
        Digest::of(text.as_bytes())
    }

    /// What the store has of packages; nothing if it does not have all of them.
    fn stored<'b>(&self, packages: &BTreeSet<&'b str>) -> Result<Option<Vec<(&'b str, StoredPackage)>>, SeedError> {
        let mut found = Vec::with_capacity(packages.len());
        for name in packages {
            let Some(package) = self.lock.packages.get(*name) else { return Ok(None) };
            match package::find(self.store, name, package)? {
                Some(stored) => found.push((*name, stored)),
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    /// Puts packages together to a root.
    fn assemble(&self, packages: &[(&str, StoredPackage)]) -> Result<Digest, SeedError> {
        let batch = self.store.batch();
        let mut own = TreeBuilder::new();
        for (path, content) in base::FILES {
            own.file(path, batch.put(content.as_bytes())?, 0o644)?;
        }
        let choices =
            packages.iter().flat_map(|(name, one)| one.shared.alternatives.iter().map(move |choice| (*name, choice)));
        for choice in alternatives::chosen(choices) {
            for link in &choice.links {
                let between = format!("etc/alternatives/{}", link.name);
                own.symlink(&plain(&link.path), &format!("/{between}"))?.symlink(&between, &link.target)?;
            }
        }
        if let Some(catalog) = catalogs::common(packages.iter().flat_map(|(_, one)| &one.shared.catalog)) {
            own.file(catalogs::COMMON, batch.put(catalog.as_bytes())?, 0o644)?;
        }
        let own = batch.put_tree(&own)?;
        batch.commit()?;
        // Of files at one path the last one stays.
        let (later, first): (Vec<_>, Vec<_>) = packages.iter().partition(|(_, one)| one.shared.is_diverting);
        let trees: Vec<Digest> = first.into_iter().chain(later).map(|(_, one)| one.tree).chain([own]).collect();
        Ok(self.store.merge(&trees)?)
    }

    /// Installs packages, and remembers those that the store does not have yet.
    fn install(&self, packages: &BTreeSet<&str>, listener: Listener<'_>) -> Result<(), SeedError> {
        // Scripts of packages count on the essential ones.
        let all = self.lock.closure(packages.iter().copied().chain(self.lock.essential()));
        self.fetch(&all, listener)?;
        let work = self.work_folder()?;
        let repository = work.path().join("repository");
        std::fs::create_dir(&repository).map_err(|error| SeedError::io("cannot make", &repository, error))?;
        let files: Vec<PackageFile<'_>> =
            self.locked(&all).map(|(name, package)| PackageFile { name, package }).collect();
        for file in &files {
            let target = repository.join(install::file_name(file.name));
            self.store.copy(&blob(file.package), &target)?;
            open_up(&target, 0o644)?;
        }
        install::write_index(&repository, &files)?;
        let Some(one) = files.first() else { return Ok(()) };
        let suite = &one.package.suite;
        let architecture = files.iter().map(|file| &file.package.architecture).find(|name| *name != "all");
        let architecture = architecture.map_or("amd64", String::as_str);

        let all_packages = files.len();
        listener(SeedProgress::Install { packages: 0, all_packages });
        let step = |packages| {
            listener(match packages == all_packages {
                true => SeedProgress::Store,
                false => SeedProgress::Install { packages, all_packages },
            });
        };
        let names = all.iter().copied().collect();
        let installation = Installation { repository: &repository, scratch: work.path(), suite, architecture, names };
        let batch = self.store.batch();
        let image = installation.run(&step, |tar| Image::read(&batch, tar))?;
        self.keep(batch, &image)
    }

    /// Puts the packages of an installed system into the store.
    fn keep(&self, batch: Batch, image: &Image) -> Result<(), SeedError> {
        let split = image.split()?;
        let mut trees = Vec::with_capacity(split.len());
        for (name, content) in &split {
            // What is there already stays: nothing that was built with it has to be built again.
            if let Some(package) = self.lock.packages.get(*name)
                && package::find(self.store, name, package)?.is_none()
            {
                trees.push((name, package, batch.put_tree(&content.tree)?, content));
            }
        }
        batch.commit()?;
        for (name, package, tree, content) in trees {
            package::record(self.store, name, package, tree, content)?;
        }
        Ok(())
    }

    /// Fetches package files that the store does not have.
    pub(crate) fn fetch(&self, packages: &BTreeSet<&str>, listener: Listener<'_>) -> Result<(), SeedError> {
        let work = self.store.work("seed-fetch")?;
        let wanted: Vec<(&str, &LockedPackage)> =
            self.locked(packages).filter(|(_, package)| !self.store.has(&blob(package))).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let target = |name: &str| work.path().join(install::file_name(name));
        let downloads: Vec<Download> = wanted.iter().map(|(name, package)| package.download(&target(name))).collect();
        let (all_files, all_bytes) = (wanted.len(), wanted.iter().map(|(_, package)| package.size).sum());
        let tell = |files, bytes| listener(SeedProgress::Fetch { files, all_files, bytes, all_bytes });
        tell(0, 0);
        let fetched = self.apt.fetch(&downloads, &|progress| tell(progress.files, progress.bytes));
        // Those that came are kept whatever became of the others.
        let batch = self.store.batch();
        wanted.par_iter().try_for_each(|(name, _)| {
            let path = target(name);
            if path.exists() { batch.put_file(&path).map(|_| ()) } else { Ok(()) }
        })?;
        batch.commit()?;
        match fetched {
            Err(AptError::NotFetched { paths, output }) => Err(self.why_not_fetched(&wanted, paths, output)?),
            other => Ok(other?),
        }
    }

    /// Packages that the mirror's new lists do not have any more are gone; else it is the mirror or the way to it.
    fn why_not_fetched(
        &self,
        wanted: &[(&str, &LockedPackage)],
        paths: Vec<String>,
        output: String,
    ) -> Result<SeedError, SeedError> {
        let fresh = self.apt.updated()?;
        let mut names = Vec::new();
        for (name, package) in wanted.iter().filter(|(_, package)| paths.contains(&package.path)) {
            let listed = fresh.deb(name, Some(&package.version))?;
            if listed.is_none_or(|listed| listed.sha256 != package.sha256) {
                names.push(format!("{name} {}", package.version));
            }
        }
        if names.is_empty() {
            return Ok(AptError::NotFetched { paths, output }.into());
        }
        Ok(SeedError::Gone { names })
    }

    /// Where packages are installed.
    fn work_folder(&self) -> Result<Work, SeedError> {
        if rustix::process::geteuid().is_root() {
            return Ok(Work::Store(self.store.work("seed")?));
        }
        let failed = |error| SeedError::io("cannot make a folder in", self.temporary, error);
        remove_abandoned(self.temporary);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(self.temporary).map_err(failed)?;
        let lock = File::create(folder.path().join(LOCK)).map_err(failed)?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
        open_up(folder.path(), 0o755)?;
        Ok(Work::Temporary { folder, _lock: lock })
    }
}

/// A folder that goes when it is no longer needed.
enum Work {
    Store(WorkFolder),
    /// The lock is held for as long as somebody works there.
    Temporary {
        folder: TempDir,
        _lock: File,
    },
}

impl Work {
    fn path(&self) -> &Path {
        match self {
            Self::Store(folder) => folder.path(),
            Self::Temporary { folder, .. } => folder.path(),
        }
    }
}

/// How the names of temporary folders begin.
const PREFIX: &str = "bedplate-seed-";
/// The lock file in a temporary folder.
const LOCK: &str = "lock";

/// Removes temporary folders of this user whose process was killed. What cannot be removed stays: nothing depends on it.
fn remove_abandoned(temporary: &Path) {
    let ours = rustix::process::geteuid().as_raw();
    for entry in std::fs::read_dir(temporary).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.metadata().is_ok_and(|data| data.is_dir() && data.uid() == ours);
        // One without a lock file may have been made just now.
        if is_ours
            && File::open(path.join(LOCK))
                .is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok())
        {
            let _ = std::fs::remove_dir_all(&path);
        }
    }
}

fn open_up(path: &Path, mode: u32) -> Result<(), SeedError> {
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, permissions).map_err(|error| SeedError::io("cannot change", path, error))
}

/// A package file in the store.
pub(crate) fn blob(package: &LockedPackage) -> Digest {
    Digest { hash: package.sha256.0, size: package.size }
}

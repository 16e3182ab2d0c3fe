//! What callers ask.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rayon::prelude::*;

use crate::mirror::Mirror;
use crate::source;
use crate::suite::{Suite, lock};
use crate::{AptError, DebFile, Download, Progress, Relation, SourceFile, download};

/// The host's mirror of Debian, with a state of our own. Nothing is run or fetched before something is asked.
#[derive(Debug)]
pub struct Apt {
    folder: PathBuf,
    suites: Vec<Suite>,
    mirror: OnceLock<Mirror>,
}

impl Apt {
    /// Keeps its state below a folder, which is made; where several suites have something, the first of them counts.
    ///
    /// # Errors
    /// If the folder cannot be made, or its path has a character that apt's configuration cannot hold.
    pub fn new(folder: &Path, suites: &[&str]) -> Result<Self, AptError> {
        let make = |error| AptError::io("cannot make", folder, error);
        std::fs::create_dir_all(folder).map_err(make)?;
        let folder = std::fs::canonicalize(folder).map_err(make)?;
        if folder.to_str().is_none_or(|path| path.contains(['"', '\n', '\\'])) {
            let why = "apt cannot use a folder with a quotation mark, a backslash or unreadable text in its path";
            return Err(make_invalid(&folder, why));
        }
        let suites = suites.iter().map(|name| Suite::new(&folder, name)).collect();
        Ok(Self { folder, suites, mirror: OnceLock::new() })
    }

    /// Fetches the lists of all suites anew. What this value has read before stays as it was: see
    /// [`Apt::updated`].
    ///
    /// # Errors
    /// If apt is not there, has no mirror, or cannot fetch all of them; it says why.
    pub fn update(&self) -> Result<(), AptError> {
        self.update_those(|_| true)
    }

    /// Fetches the lists of all suites anew, and gives a value that knows them.
    ///
    /// # Errors
    /// As [`Apt::update`].
    pub fn updated(&self) -> Result<Self, AptError> {
        let names: Vec<&str> = self.suites.iter().map(|suite| suite.name.as_str()).collect();
        let fresh = Self::new(&self.folder, &names)?;
        fresh.update()?;
        Ok(fresh)
    }

    /// Fetches the lists of suites that have none yet.
    ///
    /// # Errors
    /// As [`Apt::update`].
    pub fn ready(&self) -> Result<(), AptError> {
        self.update_those(|suite| !suite.is_updated())
    }

    fn update_those(&self, is_wanted: impl Fn(&Suite) -> bool + Sync) -> Result<(), AptError> {
        let mirror = self.mirror()?;
        let _lock = lock(&self.folder.join("lock"))?;
        self.suites.par_iter().try_for_each(|suite| {
            suite.prepare(mirror)?;
            if is_wanted(suite) { suite.update() } else { Ok(()) }
        })
    }

    /// The file of a source package, in the first suite that has it: the newest version that has a file of this name.
    ///
    /// # Errors
    /// If there are no lists and they cannot be fetched, or they cannot be read.
    pub fn source_file(&self, source: &str, file: &str) -> Result<Option<SourceFile>, AptError> {
        Ok(self.source_files(source)?.into_iter().find(|found| found.file == file))
    }

    /// All files of a source package: by suite, the newest version first.
    ///
    /// # Errors
    /// As [`Apt::source_file`].
    pub fn source_files(&self, source: &str) -> Result<Vec<SourceFile>, AptError> {
        self.ready()?;
        let mut found = Vec::new();
        for suite in &self.suites {
            found.extend(source::files(suite.sources()?, source, &suite.name)?);
        }
        Ok(found)
    }

    /// What the newest version of a source package of a suite needs for its build, of alternatives the first; nothing if the
    /// suite has no such package.
    ///
    /// # Errors
    /// As [`Apt::essential`].
    pub fn build_depends(&self, suite: &str, source: &str) -> Result<Option<Vec<Relation>>, AptError> {
        self.ready()?;
        Ok(source::build_depends(self.suite(suite)?.sources()?, source))
    }

    /// A binary package of a version, or the newest of the first suite that has it.
    ///
    /// # Errors
    /// As [`Apt::source_file`].
    pub fn deb(&self, package: &str, version: Option<&str>) -> Result<Option<DebFile>, AptError> {
        self.ready()?;
        for suite in &self.suites {
            if let Some(found) = suite.deb(package, version)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The packages of a suite that Debian counts on being installed.
    ///
    /// # Errors
    /// As [`Apt::source_file`], and if the suite is none of ours.
    pub fn essential(&self, suite: &str) -> Result<Vec<DebFile>, AptError> {
        self.ready()?;
        let suite = self.suite(suite)?;
        let index = suite.packages()?;
        let essential = index.all().filter(|one| one.field("Essential") == Some("yes"));
        essential.map(|one| crate::deb::read(index, one, &suite.name)).collect()
    }

    /// All packages that an installation of some takes in an empty root, by apt's own resolver, without recommendations;
    /// sorted by name.
    ///
    /// # Errors
    /// As [`Apt::source_file`], if the suite lacks a package (all are named), or if they cannot be installed together.
    pub fn resolve(&self, suite: &str, names: &[&str]) -> Result<Vec<DebFile>, AptError> {
        self.ready()?;
        self.suite(suite)?.resolve(names)
    }

    /// Names of all packages of a suite, in no order: for hints.
    ///
    /// # Errors
    /// As [`Apt::essential`].
    pub fn names(&self, suite: &str) -> Result<Vec<&str>, AptError> {
        self.ready()?;
        Ok(self.suite(suite)?.packages()?.names().collect())
    }

    /// Fetches a file of a source package.
    ///
    /// # Errors
    /// As [`Apt::fetch`].
    pub fn fetch_source(&self, file: &SourceFile, target: &Path) -> Result<(), AptError> {
        let SourceFile { path, sha256, size, .. } = file.clone();
        self.fetch(&[Download { path, sha256, size, target: target.to_owned() }], &|_| {})
    }

    /// Fetches a binary package.
    ///
    /// # Errors
    /// As [`Apt::fetch`].
    pub fn fetch_deb(&self, file: &DebFile, target: &Path) -> Result<(), AptError> {
        self.fetch(&[file.download(target)], &|_| {})
    }

    /// Fetches files of the mirror, several at a time, and hashes each. No lists are needed for that.
    ///
    /// # Errors
    /// [`AptError::NotFetched`] names all that could not be had; the others are in their places. Else as [`Apt::update`].
    pub fn fetch(&self, downloads: &[Download], progress: &(dyn Fn(Progress) + Sync)) -> Result<(), AptError> {
        let mirror = self.mirror()?;
        let Some(suite) = self.suites.first() else { return Err(unknown("")) };
        {
            let _lock = lock(&self.folder.join("lock"))?;
            suite.prepare(mirror)?;
        }
        download::fetch(&suite.configuration(), &mirror.uri, &self.folder.join("partial"), downloads, progress)
    }

    fn suite(&self, name: &str) -> Result<&Suite, AptError> {
        self.suites.iter().find(|suite| suite.name == name).ok_or_else(|| unknown(name))
    }

    fn mirror(&self) -> Result<&Mirror, AptError> {
        if let Some(mirror) = self.mirror.get() {
            return Ok(mirror);
        }
        let mirror = Mirror::of_host()?;
        Ok(self.mirror.get_or_init(|| mirror))
    }
}

fn unknown(suite: &str) -> AptError {
    AptError::UnknownSuite { suite: suite.to_owned() }
}

fn make_invalid(folder: &Path, why: &str) -> AptError {
    AptError::io("cannot use", folder, std::io::Error::new(std::io::ErrorKind::InvalidInput, why))
}

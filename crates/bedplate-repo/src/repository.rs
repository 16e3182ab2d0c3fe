//! Repositories: their packages, from repodata or from the package files themselves.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use bedplate_model::{BinaryPackage, Nevra, PackageFile};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::data::{self, Check};
use crate::folder::{self, Identity, Progress};
use crate::metadata::{self, lists, primary, repomd::Repomd};
use crate::problem::{Finding, Findings};
use crate::{Changelog, Checksum, Problem, RepositoryPackage, conventions};

/// Decides whether a detached signature is that of a text, by someone who is trusted.
pub trait VerifySignature: Sync {
    /// Verifies.
    ///
    /// # Errors
    /// Why the signature is not good.
    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// What to read of repositories, and what to refuse.
#[derive(Clone, Copy)]
pub struct LoadOptions<'a> {
    /// All paths of packages. Without them a package has those of `primary`, which are enough for most requirements.
    pub files: bool,
    /// How many entries of changelogs; 0 leaves `other` unread.
    pub changelogs: usize,
    /// Refuses repositories whose `repomd.xml` has no good signature.
    pub signature: Option<&'a dyn VerifySignature>,
    /// Refuses two different packages of one name, version and architecture in two repositories.
    pub refuse_same_names: bool,
    /// Is told about each package of a plain folder that was read.
    pub progress: Option<&'a Progress<'a>>,
}

impl Default for LoadOptions<'_> {
    fn default() -> Self {
        Self { files: true, changelogs: 0, signature: None, refuse_same_names: true, progress: None }
    }
}

impl fmt::Debug for LoadOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadOptions")
            .field("files", &self.files)
            .field("changelogs", &self.changelogs)
            .field("signature", &self.signature.is_some())
            .field("refuse_same_names", &self.refuse_same_names)
            .finish_non_exhaustive()
    }
}

/// A repository that was read.
#[derive(Debug)]
pub struct Repository {
    /// Its folder, as it was named.
    pub path: PathBuf,
    /// `revision` of `repomd.xml`; `None` for a plain folder.
    pub revision: Option<String>,
    /// Its packages: those of a plain folder in the order of repodata (name, version, architecture, path).
    pub packages: Vec<RepositoryPackage>,
    /// What is odd about it.
    pub warnings: Vec<Finding>,
}

impl Repository {
    /// What resolving needs of the packages, and nothing else.
    pub fn into_binary_packages(self) -> Vec<BinaryPackage> {
        self.packages.into_iter().map(|one| one.package).collect()
    }
}

/// Reads repositories, each a folder with `repodata/` or a plain folder of RPMs, in parallel.
///
/// # Errors
/// All that is wrong with all of them.
pub fn load<P: AsRef<Path>>(paths: &[P], options: &LoadOptions<'_>) -> Result<Vec<Repository>, Findings> {
    let mut findings = Findings::default();
    let mut repositories = Vec::new();
    let folders: Vec<&Path> = paths.iter().map(AsRef::as_ref).collect();
    let loaded: Vec<_> = folders
        .into_par_iter()
        .map(|folder| {
            let mut own = Findings::default();
            (load_one(folder, options, &mut own), own)
        })
        .collect();
    for (repository, mut own) in loaded {
        own.sort();
        match repository {
            Some(mut repository) if !own.has_errors() => {
                repository.warnings = own.all;
                repositories.push(repository);
            }
            _ => findings.extend(own),
        }
    }
    if options.refuse_same_names {
        findings.extend(same_names(&repositories));
    }
    if !findings.has_errors() {
        return Ok(repositories);
    }
    let warnings = repositories.into_iter().flat_map(|one| one.warnings);
    findings.all.extend(warnings);
    Err(findings)
}

/// Reads the RPMs below some folders, repodata or not. Unlike those of [`load`], their provides and requirements keep the marks
/// `FIND_PROVIDES` and `FIND_REQUIRES` of what rpm's generators found.
///
/// # Errors
/// All that is wrong with the packages.
pub fn read_built<P: AsRef<Path>>(
    folders: &[P],
    progress: Option<&Progress<'_>>,
) -> Result<Vec<BinaryPackage>, Findings> {
    let mut findings = Findings::default();
    let mut all = Vec::new();
    for path in folders.iter().map(AsRef::as_ref) {
        let files = folder::find_package_files(path, &mut findings);
        if files.is_empty() && !findings.has_errors() {
            findings.add(path, Problem::NoRepository);
        }
        all.extend(folder::read_packages(&files, 0, |one| one.package, progress, &mut findings));
    }
    if findings.has_errors() { Err(findings) } else { Ok(all) }
}

/// Different packages of one name, version and architecture in different repositories: which of them would be taken is an
/// accident.
pub fn same_names(repositories: &[Repository]) -> Findings {
    let mut findings = Findings::default();
    let mut seen: FxHashMap<&Nevra, (usize, Checksum, &str)> = FxHashMap::default();
    for (number, repository) in repositories.iter().enumerate() {
        for package in &repository.packages {
            let nevra = &package.package.nevra;
            let (first, checksum, location) =
                *seen.entry(nevra).or_insert((number, package.checksum, &package.location));
            if first != number && checksum != package.checksum {
                let place = |path: &Path, location: &str| path.join(location).display().to_string();
                let first = place(&repositories[first].path, location);
                let second = place(&repository.path, &package.location);
                let nevra = nevra.to_string();
                findings.add(&repository.path, Problem::NevraTwice { nevra, first, second });
            }
        }
    }
    findings
}

fn load_one(path: &Path, options: &LoadOptions<'_>, findings: &mut Findings) -> Option<Repository> {
    if let Err(error) = std::fs::read_dir(path) {
        findings.add(path, Problem::Io(error));
        return None;
    }
    if data::repomd_path(path).exists() {
        let repomd = data::read_repomd(path, options.signature, findings)?;
        let packages = read_repodata(path, &repomd, options, Check::Usual, findings);
        return Some(Repository {
            path: path.to_owned(),
            revision: Some(repomd.revision),
            packages,
            warnings: Vec::new(),
        });
    }
    let files = folder::find_package_files(path, findings);
    if files.is_empty() && !findings.has_errors() {
        findings.add(path, Problem::NoRepository);
    } else if options.signature.is_some() {
        findings.add(path, Problem::Unsigned);
        return None;
    }
    let mut packages =
        folder::read_packages(&files, options.changelogs, conventions::without_marks, options.progress, findings);
    packages.sort_by(|a, b| folder::order(&Identity::of(a), &Identity::of(b)));
    unique(path, &mut packages, findings);
    Some(Repository { path: path.to_owned(), revision: None, packages, warnings: Vec::new() })
}

fn unique(path: &Path, packages: &mut Vec<RepositoryPackage>, findings: &mut Findings) {
    let mut keep = folder::keep_first(path, packages.iter().map(Identity::of), findings).into_iter();
    packages.retain(|_| keep.next().unwrap_or(true));
}

/// Reads the packages of repodata: the files are unpacked and parsed at the same time.
pub(crate) fn read_repodata(
    folder: &Path,
    repomd: &Repomd,
    options: &LoadOptions<'_>,
    check: Check,
    findings: &mut Findings,
) -> Vec<RepositoryPackage> {
    let text = |kind: &str, wanted: bool, findings: &mut Findings| {
        let data = repomd.data(kind).filter(|_| wanted)?;
        data::read_text(folder, data, check, findings)
    };
    let (mut of_lists, mut of_other) = (Findings::default(), Findings::default());
    let (mut packages, (files, changelogs)) = rayon::join(
        || {
            let (path, text) = text("primary", true, findings)?;
            Some(metadata::read_parts(&path, &text, primary::ROOT, primary::read, findings))
        },
        || {
            let files = text("filelists", options.files, &mut of_lists).map(|(path, text)| {
                let root = lists::FILELISTS_ROOT;
                let read = metadata::read_parts(&path, &text, root, lists::read_filelists, &mut of_lists);
                (path, read)
            });
            let changelogs = text("other", options.changelogs > 0, &mut of_other).map(|(path, text)| {
                let read = metadata::read_parts(&path, &text, lists::OTHER_ROOT, lists::read_other, &mut of_other);
                (path, read)
            });
            (files, changelogs)
        },
    );
    findings.extend(of_lists);
    findings.extend(of_other);
    let packages_are_known = packages.is_some() && !findings.has_errors();
    let mut all = packages.take().unwrap_or_default();
    if !packages_are_known {
        return all;
    }
    let path = data::repomd_path(folder);
    unique(&path, &mut all, findings);
    if let Some((path, listed)) = files {
        let take = |package: &mut RepositoryPackage, files: Vec<PackageFile>| package.package.files = files;
        merge(&path, "filelists", &mut all, listed, take, findings);
    }
    if let Some((path, listed)) = changelogs {
        let take = |package: &mut RepositoryPackage, mut entries: Vec<Changelog>| {
            let surplus = entries.len().saturating_sub(options.changelogs);
            package.changelogs = entries.split_off(surplus);
        };
        merge(&path, "other", &mut all, listed, take, findings);
    }
    all
}

/// Gives each package what a list says of it.
fn merge<T>(
    path: &Path,
    kind: &'static str,
    packages: &mut [RepositoryPackage],
    listed: Vec<lists::Listed<T>>,
    take: impl Fn(&mut RepositoryPackage, Vec<T>),
    findings: &mut Findings,
) {
    let mut by_id: FxHashMap<Checksum, usize> = FxHashMap::default();
    by_id.extend(packages.iter().enumerate().map(|(at, package)| (package.checksum, at)));
    let mut lacks = vec![true; packages.len()];
    for one in listed {
        let Some(package) = by_id.get(&one.id).map(|at| {
            lacks[*at] = false;
            &mut packages[*at]
        }) else {
            let (name, id) = (one.nevra.to_string(), one.id.to_string());
            findings.add(path, Problem::UnknownPackage { name, id });
            continue;
        };
        if package.package.nevra != one.nevra {
            let (found, nevra) = (one.nevra.to_string(), package.package.nevra.to_string());
            findings.add(path, Problem::OtherName { id: one.id.to_string(), found, nevra });
        }
        take(package, one.values);
    }
    for (package, _) in packages.iter().zip(lacks).filter(|(_, lacks)| *lacks) {
        findings.add(path, Problem::PackageLacks { nevra: package.package.nevra.to_string(), kind });
    }
}

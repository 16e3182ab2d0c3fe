//! Plain folders of RPMs: which files there are, and what is in them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering as AtomicOrdering};

use bedplate_model::Nevra;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::problem::Findings;
use crate::{Payload, Problem, ReadPackage, RepositoryPackage, read_package};

/// A package file and its path below the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its path below the folder.
    pub location: String,
}

/// The package files below a folder, as [`package_files`] gives them. What cannot be read is noted.
pub(crate) fn find_package_files(folder: &Path, findings: &mut Findings) -> Vec<PackageFile> {
    let mut found = Vec::new();
    search(folder, "", &mut found, findings);
    found.sort_by(|a, b| a.location.cmp(&b.location));
    found
}

/// The package files below a folder, sorted by path. Hidden folders and `repodata` are passed over, links to folders are not
/// followed.
///
/// # Errors
/// All that cannot be read.
pub fn package_files(folder: &Path) -> Result<Vec<PackageFile>, Findings> {
    let mut findings = Findings::default();
    let files = find_package_files(folder, &mut findings);
    if findings.has_errors() { Err(findings) } else { Ok(files) }
}

fn search(folder: &Path, below: &str, found: &mut Vec<PackageFile>, findings: &mut Findings) {
    let entries = match std::fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => return findings.add(folder, Problem::Io(error)),
    };
    for entry in entries {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        let Ok(name) = entry.file_name().into_string() else {
            if path.extension().is_some_and(|extension| extension == "rpm") {
                let (what, value) = ("file name".to_owned(), path.display().to_string());
                findings.add(&path, Problem::BadValue { what, value, why: "not UTF-8".into() });
            }
            continue;
        };
        if kind.is_dir() {
            if !name.starts_with('.') && name != "repodata" {
                search(&path, &format!("{below}{name}/"), found, findings);
            }
        } else if name.ends_with(".rpm") && (kind.is_file() || path.is_file()) {
            found.push(PackageFile { location: format!("{below}{name}"), path });
        }
    }
}

/// Is told how many packages were read, and how many there are; from several threads.
pub type Progress<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// Reads package files in parallel and gives what a function makes of each, in the order of the files.
pub(crate) fn read_packages<T: Send>(
    files: &[PackageFile],
    changelogs: usize,
    make: impl Fn(RepositoryPackage) -> T + Sync + Send,
    progress: Option<&Progress<'_>>,
    findings: &mut Findings,
) -> Vec<T> {
    let count = AtomicUsize::new(0);
    let read: Vec<_> = files
        .par_iter()
        .map(|file| {
            let read = read_package(&file.path, &file.location, changelogs, Payload::Size);
            tell(progress, &count, files.len());
            read.map(|ReadPackage { package, warnings }| (make(package), warnings))
        })
        .collect();
    let mut all = Vec::with_capacity(files.len());
    for (result, file) in read.into_iter().zip(files) {
        let problems = match result {
            Ok((value, warnings)) => {
                all.push(value);
                warnings
            }
            Err(problems) => problems,
        };
        problems.into_iter().for_each(|problem| findings.add(&file.path, problem));
    }
    all
}

/// Tells that one more package was read.
pub(crate) fn tell(progress: Option<&Progress<'_>>, count: &AtomicUsize, total: usize) {
    let done = count.fetch_add(1, AtomicOrdering::Relaxed) + 1;
    if let Some(progress) = progress {
        progress(done, total);
    }
}

/// Which of some packages to keep: of those with the same content the first. Others of the same name are noted.
pub(crate) fn keep_first<'a>(
    path: &Path,
    packages: impl Iterator<Item = Identity<'a>>,
    findings: &mut Findings,
) -> Vec<bool> {
    let mut by_name: FxHashMap<&Nevra, Vec<Identity<'a>>> = FxHashMap::default();
    let mut keep = Vec::new();
    for package in packages {
        let seen = by_name.entry(package.nevra).or_default();
        let names =
            |first: &Identity<'_>| (package.nevra.to_string(), first.location.to_owned(), package.location.to_owned());
        let twin = seen.iter().find(|one| one.checksum == package.checksum);
        match (twin, seen.first()) {
            (Some(first), _) => {
                let (nevra, first, second) = names(first);
                findings.add(path, Problem::PackageTwice { nevra, first, second });
            }
            (None, Some(first)) => {
                let (nevra, first, second) = names(first);
                findings.add(path, Problem::NevraTwice { nevra, first, second });
            }
            (None, None) => {}
        }
        keep.push(twin.is_none());
        seen.push(package);
    }
    keep
}

/// What tells packages apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity<'a> {
    pub(crate) nevra: &'a Nevra,
    pub(crate) checksum: crate::Checksum,
    pub(crate) location: &'a str,
}

impl<'a> Identity<'a> {
    pub(crate) fn of(package: &'a RepositoryPackage) -> Self {
        Self { nevra: &package.package.nevra, checksum: package.checksum, location: &package.location }
    }
}

/// Packages in the order of repodata: by name, version, architecture, path.
pub(crate) fn order(a: &Identity<'_>, b: &Identity<'_>) -> std::cmp::Ordering {
    let (left, right) = (a.nevra, b.nevra);
    left.name()
        .cmp(right.name())
        .then_with(|| left.evr().compare(right.evr()))
        .then_with(|| left.evr().to_string().cmp(&right.evr().to_string()))
        .then_with(|| left.arch().cmp(right.arch()))
        .then_with(|| a.location.cmp(b.location))
}

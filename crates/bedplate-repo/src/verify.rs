//! Checks a repository against itself: everything, with all findings.

use std::path::Path;
use std::sync::atomic::AtomicUsize;

use bedplate_model::{Dependency, DependencyKind, PackageFile, Sense};
use rayon::prelude::*;

use crate::data::{self, Check};
use crate::folder::{Progress, tell};
use crate::problem::Findings;
use crate::repository::read_repodata;
use crate::signature::{SignedHeader, chain, read_signature};
use crate::{Checksum, LoadOptions, Payload, Problem, RepositoryPackage, VerifySignature, read_package};
use crate::{conventions, folder as folders};

/// What to check of a repository beyond its metadata.
#[derive(Clone, Copy, Default)]
pub struct VerifyOptions<'a> {
    /// That `repomd.xml` has a good signature, and each package, if they are read.
    pub signature: Option<&'a dyn VerifySignature>,
    /// That each package is there, whole, and says what the metadata says.
    pub packages: bool,
    /// Is told about each package that was read.
    pub progress: Option<&'a Progress<'a>>,
}

impl std::fmt::Debug for VerifyOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let signature = self.signature.is_some();
        f.debug_struct("VerifyOptions")
            .field("signature", &signature)
            .field("packages", &self.packages)
            .finish_non_exhaustive()
    }
}

/// What was looked at, and what is wrong with it.
#[derive(Debug)]
pub struct Verified {
    /// How many packages the metadata describes; of a folder without it, how many it has.
    pub packages: usize,
    /// True if the package files were read, too.
    pub files_read: bool,
    /// Everything that is wrong or odd, sorted by path and place.
    pub findings: Findings,
}

/// Checks the repodata of a folder: `repomd.xml` and its signature, that each file that it names is there, with its size and
/// checksum, packed and unpacked, that the metadata is good XML and that its files agree with each other.
pub fn verify(folder: &Path, options: &VerifyOptions<'_>) -> Verified {
    let mut findings = Findings::default();
    if let Err(error) = std::fs::read_dir(folder) {
        findings.add(folder, Problem::Io(error));
        return Verified { packages: 0, files_read: false, findings };
    }
    if !data::repomd_path(folder).exists() {
        return verify_plain(folder, options, findings);
    }
    let Some(repomd) = data::read_repomd(folder, options.signature, &mut findings) else {
        return Verified { packages: 0, files_read: false, findings };
    };
    let read = LoadOptions { files: true, changelogs: usize::MAX, ..LoadOptions::default() };
    let packages = read_repodata(folder, &repomd, &read, Check::Full, &mut findings);
    for other in repomd.data.iter().filter(|one| !matches!(one.kind.as_str(), "primary" | "filelists" | "other")) {
        data::read_data(folder, other, Check::Full, &mut findings);
    }
    if options.packages {
        // Paths and changelogs are compared only if all of them were read.
        let is_whole = !findings.has_errors();
        let count = AtomicUsize::new(0);
        let check = |package| {
            let found = verify_package(folder, package, is_whole, options.signature);
            tell(options.progress, &count, packages.len());
            found
        };
        let found: Vec<Findings> = packages.par_iter().map(check).collect();
        found.into_iter().for_each(|one| findings.extend(one));
    }
    findings.sort();
    Verified { packages: packages.len(), files_read: options.packages, findings }
}

/// Checks the packages of a folder without repodata, each against itself, the digest of its payload included.
fn verify_plain(folder: &Path, options: &VerifyOptions<'_>, mut findings: Findings) -> Verified {
    let files = folders::find_package_files(folder, &mut findings);
    if files.is_empty() && !findings.has_errors() {
        findings.add(folder, Problem::NoRepository);
    } else if options.signature.is_some() {
        findings.add(folder, Problem::Unsigned);
    }
    let count = AtomicUsize::new(0);
    let check = |file: &folders::PackageFile| {
        let found = verify_file(&file.path, options.signature);
        tell(options.progress, &count, files.len());
        found
    };
    let found: Vec<Findings> = files.par_iter().map(check).collect();
    found.into_iter().for_each(|one| findings.extend(one));
    findings.sort();
    Verified { packages: files.len(), files_read: true, findings }
}

/// Reads a package file as a whole, and compares it with its checksum by the metadata.
pub fn verify_checksum(path: &Path, checksum: Checksum) -> Findings {
    let mut findings = Findings::default();
    compare_checksums(path, checksum, checksum_of_file(path, checksum), &mut findings);
    findings
}

/// Checks a package file against itself: its headers, the digest of its payload, and its signature if there is a verifier.
fn verify_file(path: &Path, signature: Option<&dyn VerifySignature>) -> Findings {
    let mut findings = Findings::default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let problems = match read_package(path, &name, 0, Payload::Digest) {
        Ok(read) => {
            if let Some(verifier) = signature {
                findings.extend(verify_signature(path, verifier));
            }
            read.warnings
        }
        Err(problems) => problems,
    };
    problems.into_iter().for_each(|problem| findings.add(path, problem));
    findings
}

/// The checksum that a file has, of the kind of another one.
fn checksum_of_file(path: &Path, like: Checksum) -> std::io::Result<Checksum> {
    Ok(like.same_kind_of_reader(std::fs::File::open(path)?)?.0)
}

/// Compares the checksum that a package file has with that which metadata says.
fn compare_checksums(path: &Path, expected: Checksum, found: std::io::Result<Checksum>, findings: &mut Findings) {
    match found {
        Ok(found) if found != expected => {
            let (expected, found) = (expected.into(), found.into());
            findings.add(path, Problem::Checksum { what: "the checksum", expected, found });
        }
        Ok(_) => {}
        Err(error) => findings.add(path, Problem::Io(error)),
    }
}

fn verify_package(
    folder: &Path,
    package: &RepositoryPackage,
    is_whole: bool,
    signature: Option<&dyn VerifySignature>,
) -> Findings {
    let mut findings = Findings::default();
    if package.base.is_some() {
        // It is elsewhere, and this reads no network.
        return findings;
    }
    let Some(path) = data::path_below(folder, &data::repomd_path(folder), &package.location, &mut findings) else {
        return findings;
    };
    let size = match std::fs::metadata(&path) {
        Ok(data) => data.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            findings.add(path, Problem::PackageMissing { nevra: package.package.nevra.to_string() });
            return findings;
        }
        Err(error) => {
            findings.add(path, Problem::Io(error));
            return findings;
        }
    };
    if size != package.size.package {
        findings.add(&path, Problem::Size { what: "the package", expected: package.size.package, found: size });
    }
    match read_package(&path, &package.location, usize::MAX, Payload::Digest) {
        Ok(read) => {
            if let Some(verifier) = signature {
                findings.extend(verify_signature(&path, verifier));
            }
            let header = conventions::without_marks(read.package);
            // A file of another size was reported already.
            if size == package.size.package {
                let (expected, found) = (package.checksum, header.checksum);
                let is_same_kind = expected.kind() == found.kind();
                let found = if is_same_kind { Ok(found) } else { checksum_of_file(&path, expected) };
                compare_checksums(&path, expected, found, &mut findings);
            }
            let mut differing = differences(package, &header);
            if is_whole {
                differing.extend(list_differences(package, &header));
            }
            differing.into_iter().for_each(|problem| findings.add(&path, problem));
        }
        Err(problems) => problems.into_iter().for_each(|problem| findings.add(&path, problem)),
    }
    findings
}

/// Checks the signature of a package file's header, which has the digests of all files: whoever unpacks the package knows by it whether
/// they are those that were signed. Nothing behind the header is read.
pub fn verify_signature(path: &Path, verifier: &dyn VerifySignature) -> Findings {
    let mut findings = Findings::default();
    match read_signature(path) {
        Ok(SignedHeader { signature: None, .. }) => findings.add(path, Problem::PackageUnsigned),
        Ok(SignedHeader { header, signature: Some(signature), .. }) => {
            if let Err(error) = verifier.verify(&header, &signature) {
                findings.add(path, Problem::PackageSignature { why: chain(&*error) });
            }
        }
        Err(problems) => problems.into_iter().for_each(|problem| findings.add(path, problem)),
    }
    findings
}

/// Facts that the metadata and the package do not agree about. The file's time is no fact of the package, and of changelogs
/// the metadata may have the newest entries only.
fn differences(metadata: &RepositoryPackage, header: &RepositoryPackage) -> Vec<Problem> {
    let (left, right) = (&metadata.package, &header.package);
    let mut found = Vec::new();
    let mut note = |what: &'static str, metadata: String, header: String| {
        if metadata != header {
            let shown = |text: String| format!("`{text}`");
            found.push(Problem::Differs { what, metadata: shown(metadata), header: shown(header) });
        }
    };
    note("the name", left.nevra.to_string(), right.nevra.to_string());
    for (what, metadata, header) in [
        ("the summary", &metadata.summary, &header.summary),
        ("the description", &metadata.description, &header.description),
        ("the packager", &metadata.packager, &header.packager),
        ("the URL", &metadata.url, &header.url),
        ("the license", &metadata.license, &header.license),
        ("the vendor", &metadata.vendor, &header.vendor),
        ("the group", &metadata.group, &header.group),
        ("the build host", &metadata.build_host, &header.build_host),
    ] {
        note(what, metadata.clone(), header.clone());
    }
    let text = |one: &Option<String>| one.clone().unwrap_or_default();
    note("the source package", text(&left.source_rpm), text(&right.source_rpm));
    for (what, metadata, header) in [
        ("the build time", metadata.time.build, header.time.build),
        ("the installed size", metadata.size.installed, header.size.installed),
        ("the archive size", metadata.size.archive, header.size.archive),
        ("the start of the header", metadata.header_range.0, header.header_range.0),
        ("the end of the header", metadata.header_range.1, header.header_range.1),
    ] {
        note(what, metadata.to_string(), header.to_string());
    }
    let kinds = [
        ("the list of requires", DependencyKind::Requires),
        ("the list of provides", DependencyKind::Provides),
        ("the list of conflicts", DependencyKind::Conflicts),
        ("the list of obsoletes", DependencyKind::Obsoletes),
        ("the list of recommends", DependencyKind::Recommends),
        ("the list of suggests", DependencyKind::Suggests),
        ("the list of supplements", DependencyKind::Supplements),
        ("the list of enhances", DependencyKind::Enhances),
    ];
    for (what, kind) in kinds {
        let lists = (left.dependencies(kind), right.dependencies(kind));
        let of = |list: Option<&Vec<Dependency>>| list.into_iter().flatten().map(shown).collect::<Vec<_>>();
        found.extend(list_difference(what, of(lists.0), of(lists.1)));
    }
    found
}

/// The same for what `filelists` and `other` say.
fn list_differences(metadata: &RepositoryPackage, header: &RepositoryPackage) -> Vec<Problem> {
    let paths = |files: &[PackageFile]| files.iter().map(|file| format!("{} ({:?})", file.path, file.kind)).collect();
    let surplus = header.changelogs.len().saturating_sub(metadata.changelogs.len());
    let entries = |package: &RepositoryPackage, skip: usize| {
        package.changelogs.iter().skip(skip).map(|one| format!("{} {}", one.author, one.text)).collect()
    };
    let files = (paths(&metadata.package.files), paths(&header.package.files));
    [
        list_difference("the list of files", files.0, files.1),
        list_difference("the changelog", entries(metadata, 0), entries(header, surplus)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn shown(dependency: &Dependency) -> String {
    let pre = if dependency.sense.contains(Sense::PREREQ) { " (pre)" } else { "" };
    let plain = Dependency { sense: dependency.sense.relation(), ..dependency.clone() };
    format!("{plain}{pre}")
}

/// What only one of two lists has; their order means nothing.
fn list_difference(what: &'static str, mut metadata: Vec<String>, mut header: Vec<String>) -> Option<Problem> {
    metadata.sort();
    header.sort();
    if metadata == header {
        return None;
    }
    let only = |these: &[String], those: &[String]| {
        let only: Vec<&str> =
            these.iter().filter(|one| those.binary_search(one).is_err()).map(String::as_str).collect();
        match only.len() {
            0 => "without what only the other has".to_owned(),
            1..=5 => format!("with `{}`", only.join("`, `")),
            more => format!("with `{}` and {} more", only[..5].join("`, `"), more - 5),
        }
    };
    Some(Problem::Differs { what, metadata: only(&metadata, &header), header: only(&header, &metadata) })
}

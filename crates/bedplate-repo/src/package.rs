//! A package of a repository: what resolving needs of it, and what its metadata says beside.

use bedplate_model::BinaryPackage;

use crate::Checksum;

/// A package as `primary`, `filelists` and `other` describe it, or as it was read from its file: the two are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryPackage {
    /// Name, dependencies and files. Of requirements, those that repodata has: see [`crate::read_package`].
    ///
    /// An epoch of 0 counts as none. The only qualifier that repodata has is `pre`, which is
    /// [`Sense::PREREQ`](bedplate_model::Sense::PREREQ) here.
    pub package: BinaryPackage,
    /// Path of the file below the repository, or below `base`.
    pub location: String,
    /// `xml:base`: where `location` starts, if that is not the repository.
    pub base: Option<String>,
    /// Checksum of the whole file.
    pub checksum: Checksum,
    /// Bytes of the file, of the installed files, of the unpacked payload.
    pub size: PackageSize,
    /// Seconds since 1970: `file` is written equal to `build`, so that a copy of a package is the same package.
    pub time: PackageTime,
    /// First byte of the main header in the file, and the first after it: tools fetch a header with it.
    pub header_range: (u64, u64),
    /// One line.
    pub summary: String,
    /// Paragraphs.
    pub description: String,
    /// Who made the package; empty if it does not say, as all texts below.
    pub packager: String,
    /// Home page.
    pub url: String,
    /// Licence.
    pub license: String,
    /// Who distributes the package.
    pub vendor: String,
    /// The old classification.
    pub group: String,
    /// Name of the machine that built it.
    pub build_host: String,
    /// The newest entries of the changelog, oldest first; empty if it was not asked for.
    pub changelogs: Vec<Changelog>,
}

/// Sizes of a package in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PackageSize {
    /// The file.
    pub package: u64,
    /// The files in it.
    pub installed: u64,
    /// The unpacked payload.
    pub archive: u64,
}

/// Times of a package in seconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PackageTime {
    /// When the file came to be, as the metadata says.
    pub file: u64,
    /// When it was built.
    pub build: u64,
}

/// One entry of a changelog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changelog {
    /// Name, address and version, as written.
    pub author: String,
    /// Seconds since 1970.
    pub date: u64,
    /// What changed.
    pub text: String,
}

/// True for the paths that `primary` lists, so that most solving needs no `filelists`: those in `/etc/`, those with `bin/`
/// in them, and one that old mail servers ask for. The rule is yum's, and createrepo_c and dnf rely on it.
pub fn is_primary_path(path: &str) -> bool {
    path.starts_with("/etc/") || path.contains("bin/") || path == "/usr/lib/sendmail"
}

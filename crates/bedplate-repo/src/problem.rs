//! What may be wrong with RPMs and repodata, as data.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bedplate_diag::{Category, Diagnostic, LineColumn, Severity};

use crate::Checksum;

/// One thing that is wrong (or odd) with a package file, a metadata file or a repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    // Files.
    /// The file cannot be read or written.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// A folder that holds neither repodata nor an RPM.
    #[error("no repository: there is no `repodata/repomd.xml` and no `.rpm` file")]
    NoRepository,

    // Package files.
    /// The first bytes are not those of an RPM.
    #[error("not an RPM: it does not begin with the lead of one")]
    NotAnRpm,
    /// A header's index or data is wrong.
    #[error("bad {part} header: {why}")]
    BadHeader {
        /// `signature` or `main`.
        part: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A file ends before it should.
    #[error("truncated: {expected} bytes are expected, there are {found}")]
    Truncated {
        /// Bytes that there should be.
        expected: u64,
        /// Bytes that there are.
        found: u64,
    },
    /// Bytes after the end.
    #[error("too long: {expected} bytes are expected, there are {found}")]
    TooLong {
        /// Bytes that there should be.
        expected: u64,
        /// Bytes that there are.
        found: u64,
    },
    /// A digest that the package has of itself is not that of its bytes.
    #[error("the {part} is not what the package says: its SHA-256 should be {expected} and is {found}")]
    Digest {
        /// `header` or `payload`.
        part: &'static str,
        /// What the package says.
        expected: String,
        /// What it is.
        found: Box<Checksum>,
    },
    /// The payload, or the list of its files, is not as it should be.
    #[error("the payload cannot be read: {why}")]
    Payload {
        /// What is wrong.
        why: String,
    },
    /// A file in a package that cannot be where it is.
    #[error("file `{path}` of the package: {why}")]
    Path {
        /// Its path below the root, or what it has in its place.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file in a package is not the one that was packed.
    #[error("file `{path}` is not what the package says: it should be {expected} and is {found}")]
    FileDigest {
        /// Its path.
        path: String,
        /// What the header says.
        expected: Box<Checksum>,
        /// What it is.
        found: Box<Checksum>,
    },
    /// A package that has no SHA-256 of its header, so that it cannot be checked: made by rpm before 4.14.
    #[error("the package has no SHA-256 digest of its header, so nothing shows whether it is whole")]
    NoDigest,
    /// A tag has another type than it must have.
    #[error("tag {tag} has the wrong type or count: {why}")]
    TagType {
        /// Name of the tag.
        tag: &'static str,
        /// What it has and what it should have.
        why: String,
    },
    /// A tag that each package must have.
    #[error("tag {tag} is missing")]
    MissingTag {
        /// Name of the tag.
        tag: &'static str,
    },
    /// Tags whose values belong together have different numbers of them.
    #[error("tags {first} and {second} belong together and have {first_count} and {second_count} values")]
    TagCounts {
        /// A tag.
        first: &'static str,
        /// Number of its values.
        first_count: usize,
        /// The tag that should have as many.
        second: &'static str,
        /// Number of its values.
        second_count: usize,
    },
    /// A value that cannot be.
    #[error("{what} `{value}`: {why}")]
    BadValue {
        /// What has the value.
        what: String,
        /// The value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// A text that XML cannot hold.
    #[error("{what} has the control character U+{character:04X}, which XML cannot hold")]
    ControlCharacter {
        /// What has it.
        what: String,
        /// The character.
        character: u32,
    },
    /// A file that is named unlike the package in it.
    #[error("the file holds the package `{nevra}`, which would be named `{usual}`")]
    FileName {
        /// The package.
        nevra: String,
        /// Its usual file name.
        usual: String,
    },

    /// A package has no signature, and one is required.
    #[error("the package is not signed")]
    PackageUnsigned,
    /// The signature of a package is not good, or cannot be made.
    #[error("the signature of the package: {why}")]
    PackageSignature {
        /// What the verifier or the signer says.
        why: String,
    },

    // Metadata files.
    /// A file that is named and not there.
    #[error("`{path}` is named and is not there")]
    FileMissing {
        /// Path below the repository.
        path: String,
    },
    /// The size of a file is not what is said.
    #[error("{what} should be {expected} bytes and is {found}")]
    Size {
        /// Which size.
        what: &'static str,
        /// What is said.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// The size of the unpacked file is not what is said.
    #[error("the open-size (unpacked) should be {expected} bytes and is {found}")]
    OpenSize {
        /// What is said.
        expected: u64,
        /// What it is; if it is larger, this says only that.
        found: String,
    },
    /// The checksum of a file is not what is said.
    #[error("{what} should be {expected} and is {found}")]
    Checksum {
        /// `checksum` or `open-checksum`.
        what: &'static str,
        /// What is said.
        expected: Box<Checksum>,
        /// What it is.
        found: Box<Checksum>,
    },
    /// A checksum that cannot be used.
    #[error(transparent)]
    ChecksumType(#[from] crate::ChecksumError),
    /// Compressed data is broken.
    #[error("compressed data is broken: {why}")]
    Compressed {
        /// What the decoder says.
        why: String,
    },
    /// A file unpacks to more than is allowed.
    #[error("the file unpacks to more than {limit} bytes")]
    TooLarge {
        /// What is allowed.
        limit: u64,
    },
    /// The text is no good XML.
    #[error("bad XML: {why}")]
    Xml {
        /// What is wrong.
        why: String,
    },
    /// An element that has to be there.
    #[error("`{parent}` has no `{element}`")]
    MissingElement {
        /// The element that lacks it.
        parent: String,
        /// What is missing.
        element: &'static str,
    },
    /// An attribute that has to be there.
    #[error("`{element}` has no attribute `{attribute}`")]
    MissingAttribute {
        /// The element.
        element: String,
        /// What is missing.
        attribute: &'static str,
    },
    /// `repomd.xml` lacks a type of data.
    #[error("`repomd.xml` names no data of type `{kind}`")]
    MissingData {
        /// The type.
        kind: &'static str,
    },
    /// `repomd.xml` has a type of data more than once.
    #[error("`repomd.xml` names data of type `{kind}` twice")]
    DataTwice {
        /// The type.
        kind: String,
    },
    /// A path that leads out of the repository.
    #[error("location `{href}` leads out of the repository")]
    Outside {
        /// The path.
        href: String,
    },
    /// The number of packages is not what is said.
    #[error("the attribute `packages` says {expected}, and there are {found}")]
    PackageCount {
        /// What is said.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// A package that is in `filelists` or `other` and not in `primary`.
    #[error("package `{name}` with checksum {id} is not in `primary`")]
    UnknownPackage {
        /// Its name.
        name: String,
        /// Its checksum.
        id: String,
    },
    /// A package that is in `primary` and not in `filelists` or `other`.
    #[error("package `{nevra}` of `primary` is not in `{kind}`")]
    PackageLacks {
        /// The package.
        nevra: String,
        /// The type of data.
        kind: &'static str,
    },
    /// `filelists` or `other` call a package otherwise than `primary`.
    #[error("package {id} is `{found}` here and `{nevra}` in `primary`")]
    OtherName {
        /// Its checksum.
        id: String,
        /// What it is called here.
        found: String,
        /// What `primary` calls it.
        nevra: String,
    },

    // Repositories.
    /// The same package file twice.
    #[error("package `{nevra}` is there twice: `{first}` and `{second}` have the same content")]
    PackageTwice {
        /// The package.
        nevra: String,
        /// Path of the first.
        first: String,
        /// Path of the second.
        second: String,
    },
    /// Two packages of one name, version and architecture, with different content.
    #[error("two different packages are `{nevra}`: `{first}` and `{second}`")]
    NevraTwice {
        /// The name of both.
        nevra: String,
        /// Where the first is.
        first: String,
        /// Where the second is.
        second: String,
    },
    /// A package file of the metadata is not there.
    #[error("package `{nevra}`: its file is not there")]
    PackageMissing {
        /// The package.
        nevra: String,
    },
    /// The metadata and the package's header do not agree.
    #[error("{what} is {metadata} in the metadata and {header} in the package")]
    Differs {
        /// Which fact.
        what: &'static str,
        /// What the metadata says.
        metadata: String,
        /// What the header says.
        header: String,
    },
    /// `repomd.xml` has no signature, and one is required.
    #[error("there is no `repomd.xml.asc`, and a signature is required")]
    Unsigned,
    /// The signature of `repomd.xml` is not good.
    #[error("the signature of `repomd.xml` is not good: {why}")]
    Signature {
        /// What the verifier says.
        why: String,
    },
}

impl Problem {
    /// Stable name of the rule, for filters and scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "file-unreadable",
            Self::NoRepository => "no-repository",
            Self::NotAnRpm => "not-an-rpm",
            Self::BadHeader { .. } => "bad-header",
            Self::Truncated { .. } => "truncated",
            Self::TooLong { .. } => "too-long",
            Self::Digest { .. } => "wrong-digest",
            Self::Payload { .. } => "bad-payload",
            Self::Path { .. } => "bad-path",
            Self::FileDigest { .. } => "wrong-file-digest",
            Self::PackageUnsigned => "package-unsigned",
            Self::PackageSignature { .. } => "bad-package-signature",
            Self::NoDigest => "no-digest",
            Self::TagType { .. } => "tag-type",
            Self::MissingTag { .. } => "missing-tag",
            Self::TagCounts { .. } => "tag-counts",
            Self::BadValue { .. } => "bad-value",
            Self::ControlCharacter { .. } => "control-character",
            Self::FileName { .. } => "file-name",
            Self::FileMissing { .. } => "file-missing",
            Self::Size { .. } => "wrong-size",
            Self::OpenSize { .. } => "wrong-open-size",
            Self::Checksum { .. } => "wrong-checksum",
            Self::ChecksumType(_) => "checksum-type",
            Self::Compressed { .. } => "broken-compression",
            Self::TooLarge { .. } => "too-large",
            Self::Xml { .. } => "bad-xml",
            Self::MissingElement { .. } => "missing-element",
            Self::MissingAttribute { .. } => "missing-attribute",
            Self::MissingData { .. } => "missing-data",
            Self::DataTwice { .. } => "data-twice",
            Self::Outside { .. } => "location-outside",
            Self::PackageCount { .. } => "package-count",
            Self::UnknownPackage { .. } => "unknown-package",
            Self::PackageLacks { .. } => "package-lacks-data",
            Self::OtherName { .. } => "other-name",
            Self::PackageTwice { .. } => "package-twice",
            Self::NevraTwice { .. } => "nevra-twice",
            Self::PackageMissing { .. } => "package-missing",
            Self::Differs { .. } => "metadata-differs",
            Self::Unsigned => "unsigned",
            Self::Signature { .. } => "bad-signature",
        }
    }

    /// How bad it is: a repository with an error cannot be used.
    pub fn severity(&self) -> Severity {
        match self {
            Self::NoDigest | Self::FileName { .. } | Self::PackageTwice { .. } => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// Who can mend it.
    pub fn category(&self) -> Category {
        match self {
            // A path that is not there was named by someone; all else of this kind is the machine's.
            Self::Io(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Category::Environment
            }
            _ => Category::Input,
        }
    }

    /// One sentence that says what to do, where that is not plain.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoRepository => "`bedplate repo create DIR` makes repodata of a folder of RPMs",
            Self::Truncated { .. }
            | Self::TooLong { .. }
            | Self::Digest { .. }
            | Self::Payload { .. }
            | Self::FileDigest { .. }
            | Self::NotAnRpm => "fetch or build the package again",
            Self::NoDigest => "rebuild the package with rpm 4.14 or later",
            Self::ChecksumType(crate::ChecksumError::Weak(_)) => "make the repodata again with SHA-256",
            Self::FileMissing { .. }
            | Self::Size { .. }
            | Self::OpenSize { .. }
            | Self::Checksum { .. }
            | Self::Compressed { .. }
            | Self::PackageMissing { .. }
            | Self::Differs { .. } => {
                "fetch the repository again, or make its repodata again with `bedplate repo create`"
            }
            Self::NevraTwice { .. } => "remove one of them, or give the rebuilt package another release",
            Self::Unsigned | Self::PackageUnsigned => {
                "sign the repository (`bedplate repo sign`), or do not ask for signatures"
            }
            _ => return None,
        })
    }
}

/// A [`Problem`] and where it is. It displays as `PATH:LINE:COLUMN: MESSAGE`.
#[derive(Debug)]
pub struct Finding {
    /// The file or folder, as it was named.
    pub path: PathBuf,
    /// Line and column in the (unpacked) file.
    pub place: Option<LineColumn>,
    /// What is wrong.
    pub problem: Problem,
}

impl Finding {
    /// A finding about a whole file or folder.
    pub fn new(path: impl Into<PathBuf>, problem: impl Into<Problem>) -> Self {
        Self { path: path.into(), place: None, problem: problem.into() }
    }

    /// True if what it is about cannot be used.
    pub fn is_error(&self) -> bool {
        self.problem.severity() == Severity::Error
    }

    /// The same as a diagnostic, for reports.
    pub fn to_diagnostic(&self) -> Diagnostic {
        let message = self.to_string();
        let diagnostic = match self.problem.severity() {
            Severity::Error => Diagnostic::error(self.problem.code(), message),
            _ => Diagnostic::warning(self.problem.code(), message),
        };
        match self.problem.hint() {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(place) = self.place {
            write!(f, "{}:{}:", place.line, place.column)?;
        }
        write!(f, " {}", self.problem)
    }
}

/// All that was found at once. As an error it stands for those of its findings that are errors.
#[derive(Debug, Default, thiserror::Error)]
#[error("{} in the repositories", many(.all.iter().filter(|one| one.is_error()).count(), "error"))]
pub struct Findings {
    /// Warnings and errors, sorted by path and place.
    pub all: Vec<Finding>,
}

impl Findings {
    pub(crate) fn add(&mut self, path: impl AsRef<Path>, problem: impl Into<Problem>) {
        self.all.push(Finding::new(path.as_ref(), problem));
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.all.extend(other.all);
    }

    /// True if one is an error.
    pub fn has_errors(&self) -> bool {
        self.all.iter().any(Finding::is_error)
    }

    /// Whose fault the worst is; a machine that cannot read files goes before bad input.
    pub fn category(&self) -> Category {
        let environment = self.all.iter().any(|one| one.problem.category() == Category::Environment);
        if environment { Category::Environment } else { Category::Input }
    }

    pub(crate) fn sort(&mut self) {
        self.all.sort_by(|a, b| (&a.path, a.place).cmp(&(&b.path, b.place)));
    }
}

pub(crate) fn many(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

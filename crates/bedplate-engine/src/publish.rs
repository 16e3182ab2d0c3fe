//! Publishes packages: a folder of signed repositories that is replaced as a whole.
//!
//! ```text
//! FOLDER/
//! ├── RPM-GPG-KEY-bedplate            the public key
//! ├── publication.json                what is in the folder, and of what it was made
//! ├── os/                             what is installed
//! │   ├── x86_64/*.rpm, noarch/*.rpm
//! │   └── repodata/                   repomd.xml, repomd.xml.asc, …
//! ├── debug/                          …-debuginfo, …-debugsource; the same inside
//! └── source/src/*.src.rpm, source/repodata/
//! ```
//!
//! A signed package is a blob of the store, found by the content identity of the unsigned one and the key, for kernel modules also by
//! the certificate that they are signed for; the folder has hard links to it where the file system allows. No clock is asked: the same packages and key give the same bytes. If nothing
//! changed, nothing is done.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bedplate_cas::{Digest, Store, StoreError};
use bedplate_diag::Category;
use bedplate_repo::{Findings, Problem, content_identity};
use bedplate_sign::{ModuleSigner, Signer};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::files::files_below;
use crate::modules::{has_modules, sign_modules};
use crate::signing::{sign_rpm, signed_metadata};

/// Name of the public key in the folder.
pub const KEY_FILE: &str = "RPM-GPG-KEY-bedplate";
const RECORD: &str = "publication.json";
const VERSION: u32 = 1;
/// Kind of the store's documents that name signed packages.
const SIGNED: &str = "signed-rpm";

/// Where in a publication a package goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// What is installed.
    Os,
    /// Debugging information and the sources for it.
    Debug,
    /// Source packages.
    Source,
}

impl Part {
    const ALL: [Self; 3] = [Self::Os, Self::Debug, Self::Source];

    /// Its folder.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Os => "os",
            Self::Debug => "debug",
            Self::Source => "source",
        }
    }
}

/// A package to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    path: PathBuf,
    name: String,
    arch: String,
    part: Part,
    content: Option<[u8; 32]>,
    action: Option<String>,
}

impl Publication {
    /// An unsigned package in a file (of any name) that is to be called `NAME-VERSION-RELEASE.ARCH.rpm`.
    ///
    /// # Errors
    /// The name is not of this form.
    pub fn new(path: impl Into<PathBuf>, name: &str) -> Result<Self, PublishError> {
        let wrong = || PublishError::Name { name: name.to_owned() };
        let stem = name.strip_suffix(".rpm").filter(|stem| !stem.contains('/')).ok_or_else(wrong)?;
        let (rest, arch) = stem.rsplit_once('.').filter(|(_, arch)| !arch.is_empty()).ok_or_else(wrong)?;
        let mut parts = rest.rsplitn(3, '-');
        let (Some(_), Some(_), Some(package)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        if package.is_empty() || package.starts_with('.') {
            return Err(wrong());
        }
        let part = match arch {
            "src" | "nosrc" => Part::Source,
            _ if package.ends_with("-debuginfo") || package.ends_with("-debugsource") => Part::Debug,
            _ => Part::Os,
        };
        Ok(Self { path: path.into(), name: name.to_owned(), arch: arch.to_owned(), part, content: None, action: None })
    }

    /// The same with a content identity that is known already, so that the file need not be read for it.
    #[must_use]
    pub fn with_content(mut self, content: [u8; 32]) -> Self {
        self.content = Some(content);
        self
    }

    /// The same with the action that built it, for those who ask where a package comes from.
    #[must_use]
    pub fn with_action(mut self, action: String) -> Self {
        self.action = Some(action);
        self
    }

    /// Where it goes.
    pub fn part(&self) -> Part {
        self.part
    }

    /// Path below the folder of the publication.
    fn location(&self) -> String {
        format!("{}/{}/{}", self.part.folder(), self.arch, self.name)
    }
}

/// What a publication came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// How many packages there are.
    pub packages: usize,
    /// How many were signed now; the others had been before.
    pub signed: usize,
    /// False if the folder was as it should be already.
    pub changed: bool,
}

/// Why nothing was published. The folder is as it was.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The name of a package is none.
    #[error("`{name}` is no name of a package: NAME-VERSION-RELEASE.ARCH.rpm is wanted")]
    Name {
        /// The name.
        name: String,
    },
    /// Two packages have one name.
    #[error("two packages are called {}: {} and {}", name, first.display(), second.display())]
    Twice {
        /// The name.
        name: String,
        /// One of them.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Packages cannot be read or signed.
    #[error("{}", .0.iter().map(|(path, problem)| format!("{}: {problem}", path.display())).collect::<Vec<_>>().join("\n"))]
    Packages(Vec<(PathBuf, Problem)>),
    /// There is something in the folder that no publication put there.
    #[error("{} has files that were not published: {}", folder.display(), listed(paths))]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// Paths below it.
        paths: Vec<String>,
    },
    /// The folder is a file, or has no name.
    #[error("{} cannot be the folder of a publication", folder.display())]
    Folder {
        /// What was named.
        folder: PathBuf,
    },
    /// The metadata cannot be made.
    #[error("{}", .0.all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Metadata(Findings),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or folder cannot be used.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: a verb.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl PublishError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Who can mend it.
    pub fn category(&self) -> Category {
        match self {
            Self::Name { .. } | Self::Twice { .. } | Self::Foreign { .. } | Self::Folder { .. } => Category::Input,
            Self::Packages(all) if all.iter().any(|one| one.1.category() == Category::Environment) => {
                Category::Environment
            }
            Self::Packages(_) => Category::Input,
            Self::Metadata(findings) => findings.category(),
            Self::Store(error) => error.category(),
            Self::Io { .. } => Category::Environment,
        }
    }

    /// One sentence that says what to do, where that is not plain.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Foreign { .. } => Some("move them away, or publish into a folder that is new or empty"),
            Self::Store(error) => error.hint(),
            _ => None,
        }
    }
}

fn listed(paths: &[String]) -> String {
    match paths.len() {
        0..=5 => paths.join(", "),
        more => format!("{} and {} more", paths[..5].join(", "), more - 5),
    }
}

/// What a publication says of itself: the file `publication.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    /// Fingerprint of the key.
    key: String,
    /// Fingerprint of the certificate that kernel modules are signed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    module_certificate: Option<String>,
    /// Content identities of the packages, by their paths.
    packages: BTreeMap<String, String>,
    /// The actions that built packages, by their paths.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    actions: BTreeMap<String, String>,
    /// Sizes of all files, by their paths; this one is not among them.
    files: BTreeMap<String, u64>,
}

/// What signs a publication.
#[derive(Debug, Clone, Copy)]
pub struct Signers<'a> {
    /// Packages and metadata.
    pub packages: &'a dyn Signer,
    /// Kernel modules in packages; without it they stay as they were built.
    pub modules: Option<&'a ModuleSigner>,
}

/// Publishes packages, signed, in a folder. What was published there before and is not any more is gone afterwards.
///
/// The folder is new, empty, or a publication; it is replaced as a whole or left as it was. `store` keeps signed packages for the next time.
///
/// # Errors
/// Why nothing was published.
pub fn publish(
    folder: &Path,
    packages: &[Publication],
    signers: &Signers<'_>,
    store: &Store,
) -> Result<Published, PublishError> {
    let signer = signers.packages;
    check_names(packages)?;
    let contents = contents(packages)?;
    let key = signer.public_key().fingerprint();
    let module_certificate = signers.modules.map(|modules| modules.certificate().fingerprint());
    let wanted: BTreeMap<String, String> =
        packages.iter().zip(&contents).map(|(package, content)| (package.location(), hex(content))).collect();
    let action = |package: &Publication| Some((package.location(), package.action.clone()?));
    let actions: BTreeMap<String, String> = packages.iter().filter_map(action).collect();
    let old = read_record(folder)?;
    if let Some(old) = &old
        && (old.key == key && old.module_certificate == module_certificate)
        && (old.packages == wanted && old.actions == actions)
        && is_whole(folder, old)
    {
        return Ok(Published { packages: packages.len(), signed: 0, changed: false });
    }

    let (parent, name) = match (folder.parent(), folder.file_name()) {
        (Some(parent), Some(name)) if parent.as_os_str().is_empty() => (Path::new("."), name),
        (Some(parent), Some(name)) => (parent, name),
        _ => return Err(PublishError::Folder { folder: folder.to_owned() }),
    };
    std::fs::create_dir_all(parent).map_err(PublishError::io("make", parent))?;
    let prefix = format!(".{}-", name.to_string_lossy());
    let scratch =
        tempfile::Builder::new().prefix(&prefix).tempdir_in(parent).map_err(PublishError::io("write in", parent))?;
    // The folder itself is readable for all, as far as the umask allows; the scratch folder around it is ours.
    let new = scratch.path().join("new");
    std::fs::create_dir(&new).map_err(PublishError::io("make", &new))?;
    let signed = place_packages(&new, packages, &contents, signers, store)?;
    write_file(&new.join(KEY_FILE), signer.public_key().armored().as_bytes())?;
    for part in Part::ALL {
        if part == Part::Os || packages.iter().any(|package| package.part == part) {
            let below = new.join(part.folder());
            std::fs::create_dir_all(&below).map_err(PublishError::io("make", &below))?;
            signed_metadata(&below, signer).map_err(PublishError::Metadata)?;
        }
    }
    let files = sizes_below(&new)?;
    let record = Record { version: VERSION, key, module_certificate, packages: wanted, actions, files };
    let mut text = serde_json::to_string_pretty(&record).expect("maps with text keys are JSON");
    text.push('\n');
    write_file(&new.join(RECORD), text.as_bytes())?;
    // What is published must have reached the disk before it takes the place of what was.
    let synced = File::open(&new).and_then(|new| Ok(rustix::fs::syncfs(&new)?));
    synced.map_err(PublishError::io("write", &new))?;
    bedplate_sys::replace::replace_folder(&new, folder).map_err(PublishError::io("replace", folder))?;
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(PublishError::io("write", parent))?;
    Ok(Published { packages: packages.len(), signed, changed: true })
}

/// What a publication says of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedPackage {
    /// Content identity of what was built, before it was signed.
    pub content: String,
    /// The action that built it.
    pub action: Option<String>,
    /// Fingerprint of the key that signed it.
    pub key: String,
}

/// What a publication says of the packages of one of its repositories (`FOLDER/os`), by their paths below it. Nothing if the folder is
/// no part of a publication.
#[must_use]
pub fn published_packages(repository: &Path) -> BTreeMap<String, PublishedPackage> {
    let whole = std::fs::canonicalize(repository).ok();
    let parts = whole.as_deref().and_then(|path| Some((path.parent()?, path.file_name()?.to_str()?)));
    let Some((folder, part)) = parts.filter(|(_, part)| Part::ALL.iter().any(|one| one.folder() == *part)) else {
        return BTreeMap::new();
    };
    let bytes = std::fs::read(folder.join(RECORD)).unwrap_or_default();
    let record = serde_json::from_slice::<Record>(&bytes).ok().filter(|record| record.version == VERSION);
    let Some(record) = record else { return BTreeMap::new() };
    let of = |(path, content): (&String, &String)| {
        let below = path.strip_prefix(part)?.strip_prefix('/')?.to_owned();
        let action = record.actions.get(path).cloned();
        Some((below, PublishedPackage { content: content.clone(), action, key: record.key.clone() }))
    };
    record.packages.iter().filter_map(of).collect()
}

fn check_names(packages: &[Publication]) -> Result<(), PublishError> {
    let mut seen: BTreeMap<String, &Path> = BTreeMap::new();
    for package in packages {
        if let Some(first) = seen.insert(package.location(), &package.path) {
            let (first, second) = (first.to_owned(), package.path.clone());
            return Err(PublishError::Twice { name: package.name.clone(), first, second });
        }
    }
    Ok(())
}

/// The content identities of packages, in their order.
fn contents(packages: &[Publication]) -> Result<Vec<[u8; 32]>, PublishError> {
    let of = |package: &Publication| match package.content {
        Some(content) => Ok(content),
        None => content_identity(&package.path).map_err(|problem| (package.path.clone(), problem)),
    };
    all_or_errors(packages.par_iter().map(of).collect())
}

fn all_or_errors<T>(results: Vec<Result<T, (PathBuf, Problem)>>) -> Result<Vec<T>, PublishError> {
    let (mut good, mut bad) = (Vec::with_capacity(results.len()), Vec::new());
    for result in results {
        match result {
            Ok(value) => good.push(value),
            Err(error) => bad.push(error),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(PublishError::Packages(bad)) }
}

/// What the folder says of itself, once it is clear that all in it is ours.
fn read_record(folder: &Path) -> Result<Option<Record>, PublishError> {
    if !folder.exists() {
        return Ok(None);
    }
    let bytes = match std::fs::read(folder.join(RECORD)) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(_) if !folder.is_dir() => return Err(PublishError::Folder { folder: folder.to_owned() }),
        Err(error) => return Err(PublishError::io("read", &folder.join(RECORD))(error)),
    };
    let record = bytes.and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
    let ours: BTreeSet<&str> =
        record.iter().flat_map(|one| one.files.keys().map(String::as_str)).chain([RECORD]).collect();
    let there = sizes_below(folder)?;
    // A record that cannot be read vouches for nothing, not even for itself.
    let is_ours = |path: &String| record.is_some() && ours.contains(path.as_str());
    let paths: Vec<String> = there.into_keys().filter(|path| !is_ours(path)).collect();
    if !paths.is_empty() {
        return Err(PublishError::Foreign { folder: folder.to_owned(), paths });
    }
    Ok(record.filter(|record| record.version == VERSION))
}

/// True if all files of a record are there with their sizes. Others are not; that was looked at.
fn is_whole(folder: &Path, record: &Record) -> bool {
    record.files.iter().all(|(path, size)| {
        std::fs::symlink_metadata(folder.join(path)).is_ok_and(|data| data.is_file() && data.len() == *size)
    })
}

/// Sizes of all files below a folder by their paths. Links count as files.
fn sizes_below(folder: &Path) -> Result<BTreeMap<String, u64>, PublishError> {
    let files = files_below(folder).map_err(|(path, error)| PublishError::io("read", &path)(error))?;
    Ok(files.into_iter().map(|(path, data)| (path.to_string_lossy().into_owned(), data.len())).collect())
}

/// Puts signed packages below a new folder; gives how many had to be signed.
fn place_packages(
    folder: &Path,
    packages: &[Publication],
    contents: &[[u8; 32]],
    signers: &Signers<'_>,
    store: &Store,
) -> Result<usize, PublishError> {
    for package in packages {
        let below = folder.join(package.part.folder()).join(&package.arch);
        std::fs::create_dir_all(&below).map_err(PublishError::io("make", &below))?;
    }
    let work = store.work("publish")?;
    let key = signers.packages.public_key().fingerprint();
    let place = |(at, (package, content)): (usize, (&Publication, &[u8; 32]))| -> Result<bool, PublishError> {
        let problems = |problems: Vec<Problem>| {
            PublishError::Packages(problems.into_iter().map(|one| (package.path.clone(), one)).collect())
        };
        let modules = match signers.modules.filter(|_| package.part == Part::Os) {
            Some(signer) if has_modules(&package.path).map_err(problems)? => Some(signer),
            _ => None,
        };
        let name = match modules {
            Some(modules) => format!("{key}-{}-{}", modules.certificate().fingerprint(), hex(content)),
            None => format!("{key}-{}", hex(content)),
        };
        let target = folder.join(package.location());
        if let Some(source) = kept(store, &name)? {
            link(&source, &target)?;
            return Ok(false);
        }
        let made = work.path().join(format!("{at}.rpm"));
        let found = match modules {
            Some(modules) => {
                let content = sign_modules(&package.path, &made, modules).map_err(problems)?;
                sign_rpm(&made, &made, signers.packages).map_err(problems)?;
                content
            }
            None => {
                sign_rpm(&package.path, &made, signers.packages).map_err(problems)?;
                content_identity(&made).map_err(|problem| problems(vec![problem]))?
            }
        };
        // What is signed is what was asked for, also if somebody changed the file in between.
        if found != *content {
            let why = "its content is not the expected one".to_owned();
            return Err(problems(vec![Problem::PackageSignature { why }]));
        }
        let digest = store.put_file(&made)?;
        std::fs::remove_file(&made).map_err(PublishError::io("remove", &made))?;
        store.set_document(SIGNED, &name, digest.to_string().as_bytes())?;
        link(&store.path_of(&digest)?, &target)?;
        Ok(true)
    };
    let placed: Vec<_> = packages.par_iter().zip(contents).enumerate().map(place).collect();
    let (mut signed, mut bad, mut other) = (0, Vec::new(), None);
    for result in placed {
        match result {
            Ok(is_new) => signed += usize::from(is_new),
            Err(PublishError::Packages(problems)) => bad.extend(problems),
            Err(error) => other = other.or(Some(error)),
        }
    }
    match other {
        Some(error) => Err(error),
        None if !bad.is_empty() => Err(PublishError::Packages(bad)),
        None => Ok(signed),
    }
}

/// The signed copy of a package in the store, if there is a good one.
fn kept(store: &Store, name: &str) -> Result<Option<PathBuf>, PublishError> {
    let Some(bytes) = store.document(SIGNED, name)? else { return Ok(None) };
    let digest: Option<Digest> = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
    // One that was collected or damaged is made again.
    Ok(digest.and_then(|digest| store.path_of(&digest).ok()))
}

/// A hard link, or a copy where there can be none.
fn link(source: &Path, target: &Path) -> Result<(), PublishError> {
    match std::fs::hard_link(source, target) {
        Ok(()) => Ok(()),
        Err(_) => std::fs::copy(source, target).map(drop).map_err(PublishError::io("write", target)),
    }
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), PublishError> {
    File::create(path).and_then(|mut file| file.write_all(bytes)).map_err(PublishError::io("write", path))
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! A vendor archive: the Go sources of many packages of Debian as one tree, the same bytes from the same packages.
//!
//! ```text
//! package: usr/share/gocode/src/github.com/…  ──▶  NAME/src/github.com/…   NAME: that of the archive without `.tar…`
//! ```
//!
//! Entries are sorted; owners, times and modes are fixed. Nothing of Debian's own files (documentation, build tools) is in it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use bedplate_apt::{Apt, AptError, Download, deb_data};
use bedplate_cas::{Digest, Store, StoreError};
use bedplate_diag::{Category, Diagnostic};
use tar::{EntryType, Header};

use crate::{GoLock, GoPackage};

/// Where packages have their Go sources.
const SOURCES: &str = "usr/share/gocode/";

/// The time of all files: 1980, which no tool finds odd.
const TIME: u64 = 315_532_800;

/// Why there is no vendor archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// A lock with mistakes.
    #[error("{} has mistakes: {}", path.display(), .mistakes.iter().map(|one| one.message.as_str()).collect::<Vec<_>>().join("; "))]
    Mistakes {
        /// The lock.
        path: PathBuf,
        /// All of them.
        mistakes: Vec<Diagnostic>,
    },
    /// Neither a package nor a source package with Go libraries was named.
    #[error("no Go libraries are asked for")]
    NothingWanted,
    /// A source package that a suite does not have.
    #[error("Debian's {suite} has no source package `{name}`")]
    NoSource {
        /// Its name.
        name: String,
        /// The suite.
        suite: String,
    },
    /// Packages that are not in the store, when the network is not to be used.
    #[error("{} of the packages are not in the store, and the network is not to be used", .0)]
    Offline(usize),
    /// Packages that have different files of one name.
    #[error("packages do not fit together: {}", .0.join("; "))]
    Conflicts(Vec<String>),
    /// A name that says not how to pack.
    #[error("`{0}` is no name of a vendor archive: it ends in .tar, .tar.gz or .tar.zst")]
    Name(String),
    /// A package that cannot be unpacked.
    #[error("package {package}: {error}")]
    BadPackage {
        /// Its name.
        package: String,
        /// Why.
        error: io::Error,
    },
    /// A file cannot be read or written.
    #[error("cannot use {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The host's apt fails.
    #[error(transparent)]
    Apt(#[from] AptError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BundleError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { path, error }
    }

    /// Who can mend it.
    pub fn category(&self) -> Category {
        match self {
            Self::Mistakes { .. }
            | Self::NothingWanted
            | Self::NoSource { .. }
            | Self::Conflicts(_)
            | Self::Name(_)
            | Self::BadPackage { .. } => Category::Input,
            Self::Offline(_) | Self::Io { .. } => Category::Environment,
            Self::Apt(error) => error.category(),
            Self::Store(error) => error.category(),
        }
    }
}

/// What a vendor archive was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// How many files and links are in it.
    pub files: usize,
    /// Links that lead out of the Go sources; they are not in it.
    pub left_out: Vec<String>,
}

/// Gets the packages of a lock into the store.
///
/// # Errors
/// If the store or apt fails, or the network would be needed and `apt` is nothing.
pub fn fetch_packages(
    store: &Store,
    lock: &GoLock,
    apt: Option<&Apt>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<(), BundleError> {
    let missing: Vec<&GoPackage> = lock.packages.iter().filter(|package| !store.has(&digest(package))).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let Some(apt) = apt else { return Err(BundleError::Offline(missing.len())) };
    let folder = store.work("go")?;
    let target = |package: &GoPackage| folder.path().join(package.sha256.to_string());
    let downloads: Vec<Download> = missing
        .iter()
        .map(|package| Download {
            path: package.path.clone(),
            sha256: package.sha256,
            size: package.size,
            target: target(package),
        })
        .collect();
    let total = downloads.len();
    let fetched = apt.fetch(&downloads, &|now| progress(now.files, total));
    // What was had stays, if others were not: the next run needs less.
    let batch = store.batch();
    for path in missing.into_iter().map(target).filter(|path| path.is_file()) {
        batch.put_file(&path)?;
    }
    batch.commit()?;
    Ok(fetched?)
}

fn digest(package: &GoPackage) -> Digest {
    Digest { hash: package.sha256.0, size: package.size }
}

/// Writes the vendor archive of a lock, whose packages are in the store; `name` says how it is packed and what its folder is
/// called.
///
/// # Errors
/// If packages do not fit together or cannot be read, or the archive cannot be written.
pub fn bundle(store: &Store, lock: &GoLock, name: &str, target: &Path) -> Result<Bundle, BundleError> {
    let packing = Packing::of(name)?;
    let scratch = store.work("bundle")?;
    let mut tree = Tree {
        folder: scratch.path().to_owned(),
        entries: BTreeMap::new(),
        conflicts: Vec::new(),
        left_out: Vec::new(),
    };
    for package in &lock.packages {
        let deb = store.path_of(&digest(package))?;
        let bad = |error| BundleError::BadPackage { package: package.name.clone(), error };
        tree.add(&package.name, deb_data(&deb).map_err(bad)?).map_err(bad)?;
    }
    if !tree.conflicts.is_empty() {
        return Err(BundleError::Conflicts(tree.conflicts));
    }
    let top = &name[..name.len() - packing.ending().len()];
    let write = || -> io::Result<()> {
        let out = BufWriter::with_capacity(1 << 18, File::create(target)?);
        match packing {
            Packing::Plain => tree.write(top, out)?.flush(),
            Packing::Gzip => {
                let encoder = flate2::GzBuilder::new().mtime(0).write(out, flate2::Compression::new(6));
                tree.write(top, encoder)?.finish()?.flush()
            }
            Packing::Zstd => tree.write(top, zstd::Encoder::new(out, 12)?)?.finish()?.flush(),
        }
    };
    write().map_err(BundleError::io(target))?;
    Ok(Bundle { files: tree.entries.len(), left_out: tree.left_out })
}

/// How an archive is packed. The bytes of a packed one depend on the version of the packer; those of a plain one do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    fn of(name: &str) -> Result<Self, BundleError> {
        let all = [Self::Plain, Self::Gzip, Self::Zstd];
        let fits = |one: &Self| name.strip_suffix(one.ending()).is_some_and(|stem| !stem.is_empty());
        all.into_iter().find(fits).ok_or_else(|| BundleError::Name(name.to_owned()))
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Plain => ".tar",
            Self::Gzip => ".tar.gz",
            Self::Zstd => ".tar.zst",
        }
    }
}

/// The merged sources; contents lie in a folder, numbered.
struct Tree {
    folder: PathBuf,
    entries: BTreeMap<String, Entry>,
    conflicts: Vec<String>,
    left_out: Vec<String>,
}

struct Entry {
    package: String,
    what: What,
}

#[derive(PartialEq, Eq)]
enum What {
    File { content: Digest, is_executable: bool },
    Link(String),
}

impl Tree {
    /// Adds the Go sources of a package.
    fn add(&mut self, package: &str, data: impl Read) -> io::Result<()> {
        let mut archive = tar::Archive::new(data);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = text(&entry.path()?)?;
            let Some(path) = path.trim_start_matches("./").strip_prefix(SOURCES) else { continue };
            let path = path.trim_end_matches('/').to_owned();
            if path.split('/').any(|part| part == ".." || part.is_empty()) && !path.is_empty() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("the path `{path}` leads out of it")));
            }
            let kind = entry.header().entry_type();
            let what = match kind {
                EntryType::Directory => continue,
                EntryType::Regular => {
                    let is_executable = entry.header().mode()? & 0o111 != 0;
                    What::File { content: self.keep(&mut entry)?, is_executable }
                }
                EntryType::Symlink | EntryType::Link => {
                    let to = entry.link_name()?.map(|to| text(&to)).transpose()?.unwrap_or_default();
                    match inner_link(&path, &to, kind == EntryType::Link) {
                        Some(to) => What::Link(to),
                        None => {
                            self.left_out.push(format!("{package}: {path} -> {to}"));
                            continue;
                        }
                    }
                }
                other => {
                    let why = format!("`{path}` is neither a file nor a folder nor a link: {other:?}");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
            };
            self.put(package, path, what);
        }
        Ok(())
    }

    fn put(&mut self, package: &str, path: String, what: What) {
        match self.entries.get(&path) {
            Some(there) if there.what == what => {}
            Some(there) => self.conflicts.push(format!("`{path}` is another in {} than in {package}", there.package)),
            None => drop(self.entries.insert(path, Entry { package: package.to_owned(), what })),
        }
    }

    /// Keeps the content of a file, once.
    fn keep(&self, from: &mut impl Read) -> io::Result<Digest> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes)?;
        let content = Digest::of(&bytes);
        let path = self.content(&content);
        if !path.exists() {
            fs::write(path, bytes)?;
        }
        Ok(content)
    }

    fn content(&self, content: &Digest) -> PathBuf {
        self.folder.join(content.hex())
    }

    /// Writes the archive below a folder; folders come before what is in them.
    fn write<W: Write>(&self, top: &str, out: W) -> io::Result<W> {
        let mut archive = tar::Builder::new(out);
        let mut open: Vec<&str> = Vec::new();
        folder(&mut archive, &format!("{top}/"))?;
        for (path, entry) in &self.entries {
            let parts: Vec<&str> = path.split('/').collect();
            let folders = &parts[..parts.len() - 1];
            let same = open.iter().zip(folders).take_while(|(one, other)| one == other).count();
            for depth in same..folders.len() {
                folder(&mut archive, &format!("{top}/{}/", folders[..=depth].join("/")))?;
            }
            open = folders.to_vec();
            let name = format!("{top}/{path}");
            match &entry.what {
                What::File { content, is_executable } => {
                    let mut header = header(EntryType::Regular, if *is_executable { 0o755 } else { 0o644 });
                    header.set_size(content.size);
                    archive.append_data(&mut header, &name, File::open(self.content(content))?)?;
                }
                What::Link(to) => archive.append_link(&mut header(EntryType::Symlink, 0o777), &name, to)?,
            }
        }
        archive.into_inner()
    }
}

fn folder(archive: &mut tar::Builder<impl Write>, path: &str) -> io::Result<()> {
    archive.append_data(&mut header(EntryType::Directory, 0o755), path, io::empty())
}

fn header(kind: EntryType, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(TIME);
    header.set_size(0);
    header
}

fn text(path: &Path) -> io::Result<String> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, format!("the path {} is no UTF-8", path.display()));
    path.to_str().map(str::to_owned).ok_or_else(bad)
}

/// What a link at a path leads to, from its own folder, if that is in the sources.
fn inner_link(path: &str, to: &str, is_hard: bool) -> Option<String> {
    let from = format!("{SOURCES}{path}");
    let from: Vec<&str> = from.split('/').collect();
    let from = &from[..from.len() - 1];
    let is_absolute = is_hard || to.starts_with('/');
    let mut there: Vec<&str> = if is_absolute { Vec::new() } else { from.to_vec() };
    for part in to.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(there.pop()),
            part => there.push(part),
        }
    }
    if !format!("{}/", there.join("/")).starts_with(SOURCES) {
        return None;
    }
    let same = from.iter().zip(&there).take_while(|(one, other)| one == other).count();
    let up = std::iter::repeat_n("..", from.len() - same);
    Some(up.chain(there[same..].iter().copied()).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_in_the_sources() {
        for (path, to, is_hard, want) in [
            ("src/a/b", "c", false, Some("c")),
            ("src/a/b", "../x/c", false, Some("../x/c")),
            ("src/a/b", "/usr/share/gocode/src/x", false, Some("../x")),
            ("src/a/b", "./usr/share/gocode/src/a/c", true, Some("c")),
            ("src/a/b", "../../../../doc/x", false, None),
            ("src/a/b", "/etc/passwd", false, None),
            ("src/a/b", "/usr/share/gocode", false, Some("../..")),
        ] {
            assert_eq!(inner_link(path, to, is_hard).as_deref(), want, "{path} {to}");
        }
    }

    #[test]
    fn a_name_says_how_to_pack() {
        for (name, want) in [
            ("a-vendor.tar", Some(Packing::Plain)),
            ("a.tar.gz", Some(Packing::Gzip)),
            ("a.tar.zst", Some(Packing::Zstd)),
            (".tar", None),
            ("a.zip", None),
        ] {
            assert_eq!(Packing::of(name).ok(), want, "{name}");
        }
    }
}

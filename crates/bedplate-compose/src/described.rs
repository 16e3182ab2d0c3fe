//! An image that was composed: what it says of itself, and the list of its files, read again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use bedplate_cas::Digest;
use bedplate_tree::{Entry, FileTree, Kind, ManifestError, TreePath};
use serde::Serialize;

use crate::Manifest;

/// No list of files is larger: it would be that of some ten million files.
const LARGEST: u64 = 4 << 30;

/// An image by what is written beside it.
#[derive(Debug, Clone)]
pub struct Described {
    /// The manifest.
    pub manifest: Manifest,
    /// Where it is.
    pub path: PathBuf,
    /// All files.
    pub tree: FileTree,
}

/// Why an image cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// There is no manifest that names it.
    #[error("no manifest in `{}` names `{name}`", folder.display())]
    NoManifest {
        /// Where it was looked for.
        folder: PathBuf,
        /// The name of the image's file.
        name: String,
    },
    /// A file cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The manifest is none.
    #[error("`{}` is no manifest of an image", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The list of files is none.
    #[error("`{}` is no list of files", path.display())]
    Files {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// The list of files is not the one that the manifest means.
    #[error("`{}` is not the list of files that the manifest means: its SHA-256 should be {expected} and is {found}", path.display())]
    OtherFiles {
        /// The file.
        path: PathBuf,
        /// What the manifest says.
        expected: String,
        /// What it is.
        found: String,
    },
}

impl Described {
    /// Finds what belongs to an image: to a file or folder of it, or to its manifest.
    ///
    /// # Errors
    ///
    /// See [`DescribeError`].
    pub fn find(image: &Path) -> Result<Self, DescribeError> {
        let name = image.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".manifest.json") {
            return Self::read(image);
        }
        let folder = match image.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let failed = |source| DescribeError::Read { path: folder.clone(), source };
        let mut manifests = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.to_string_lossy().ends_with(".manifest.json") {
                manifests.push(path);
            }
        }
        manifests.sort();
        for path in manifests {
            if read_manifest(&path)?.outputs.iter().any(|one| one.file == name) {
                return Self::read(&path);
            }
        }
        Err(DescribeError::NoManifest { folder, name })
    }

    fn read(path: &Path) -> Result<Self, DescribeError> {
        let manifest = read_manifest(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().replace(".manifest.json", ".files.zst");
        let list = path.with_file_name(name);
        let failed = |source| DescribeError::Read { path: list.clone(), source };
        let mut text = String::new();
        let file = std::fs::File::open(&list).map_err(failed)?;
        let unpacked = zstd::Decoder::new(file).map_err(failed)?;
        unpacked.take(LARGEST).read_to_string(&mut text).map_err(failed)?;
        let found = Digest::of(text.as_bytes()).hex();
        if found != manifest.tree.sha256 {
            return Err(DescribeError::OtherFiles { path: list, expected: manifest.tree.sha256, found });
        }
        let tree = FileTree::from_manifest(&text).map_err(|source| DescribeError::Files { path: list, source })?;
        Ok(Self { manifest, path: path.to_owned(), tree })
    }

    /// Bytes of files in each folder of this depth, hard links once, by folder.
    #[must_use]
    pub fn sizes_by_folder(&self, depth: usize) -> BTreeMap<String, u64> {
        let mut sizes = BTreeMap::new();
        for (path, entry) in self.tree.iter() {
            let Some(content) = entry.content() else { continue };
            let parts: Vec<&str> = path.relative().split('/').collect();
            let folder = &parts[..depth.min(parts.len() - 1)];
            *sizes.entry(format!("/{}", folder.join("/"))).or_default() += content.size;
        }
        sizes
    }

    /// The units that something starts, by what starts them: `multi-user.target` and so on.
    #[must_use]
    pub fn units(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut units: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for folder in ["/etc/systemd/system", "/usr/lib/systemd/system"] {
            let Ok(folder) = folder.parse::<TreePath>() else { continue };
            for (path, entry) in self.tree.below(&folder) {
                let Some(parent) = path.parent() else { continue };
                let wanting = [".wants", ".requires"].iter().find_map(|end| parent.name().strip_suffix(end));
                if let (Some(wanting), Kind::Symlink(_)) = (wanting, &entry.kind) {
                    units.entry(wanting.to_owned()).or_default().insert(path.name().to_owned());
                }
            }
        }
        units
    }
}

fn read_manifest(path: &Path) -> Result<Manifest, DescribeError> {
    let text = std::fs::read(path).map_err(|source| DescribeError::Read { path: path.to_owned(), source })?;
    serde_json::from_slice(&text).map_err(|source| DescribeError::Manifest { path: path.to_owned(), source })
}

/// What is otherwise in one image than in another.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Difference {
    /// Packages: name, and the versions on both sides.
    pub packages: Vec<Changed>,
    /// Files: path, and what of them is other.
    pub files: Vec<Changed>,
    /// Facts of the images: command line, partitions, sizes.
    pub facts: Vec<Changed>,
    /// Units that start: unit and what starts it.
    pub units: Vec<Changed>,
}

/// One thing on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// What it is.
    pub what: String,
    /// In the first image; none: it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// In the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl Difference {
    /// True if nothing is otherwise.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [&self.packages, &self.files, &self.facts, &self.units].iter().all(|list| list.is_empty())
    }
}

/// Compares two images.
#[must_use]
pub fn difference(before: &Described, after: &Described) -> Difference {
    Difference {
        packages: changed(&packages(before), &packages(after)),
        files: changed(&files(before), &files(after)),
        facts: changed(&facts(before), &facts(after)),
        units: changed(&starts(before), &starts(after)),
    }
}

fn changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Changed> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let of = |name: &String| (before.get(name).cloned(), after.get(name).cloned());
    let both = names.into_iter().map(|name| (name, of(name)));
    both.filter(|(_, (one, other))| one != other)
        .map(|(name, (before, after))| Changed { what: name.clone(), before, after })
        .collect()
}

fn packages(image: &Described) -> BTreeMap<String, String> {
    let all = image.manifest.packages.iter().filter_map(|package| {
        // NAME-VERSION-RELEASE.ARCH
        let mut parts = package.nevra.rsplitn(3, '-');
        let (release, version, name) = (parts.next()?, parts.next()?, parts.next()?);
        Some((name.to_owned(), format!("{version}-{release} ({})", &package.sha256[..12.min(package.sha256.len())])))
    });
    all.collect()
}

fn files(image: &Described) -> BTreeMap<String, String> {
    let one = |(path, entry): (&TreePath, &Entry)| {
        let kind = match &entry.kind {
            Kind::File(digest) => format!("file of {} bytes, {}", digest.size, &digest.hex()[..12]),
            Kind::Symlink(target) => format!("link to {target}"),
            Kind::HardLink(target) => format!("hard link to {target}"),
            other => other.what().to_owned(),
        };
        let xattrs = match entry.xattrs.len() {
            0 => String::new(),
            _ => format!(", {}", entry.xattrs.keys().cloned().collect::<Vec<_>>().join(" ")),
        };
        (path.to_string(), format!("{kind}, {:04o} {}:{}{xattrs}", entry.mode, entry.uid, entry.gid))
    };
    image.tree.iter().map(one).collect()
}

fn facts(image: &Described) -> BTreeMap<String, String> {
    let manifest = &image.manifest;
    let mut facts = BTreeMap::from([
        ("name".to_owned(), manifest.name.clone()),
        ("architecture".to_owned(), manifest.architecture.clone()),
        ("size of all files".to_owned(), manifest.tree.size.to_string()),
        ("number of files".to_owned(), manifest.tree.entries.to_string()),
    ]);
    if let Some(version) = &manifest.image_version {
        facts.insert("version".to_owned(), version.clone());
    }
    if let Some(boot) = &manifest.boot {
        facts.insert("kernel".to_owned(), boot.kernel.clone());
        facts.insert("kernel command line".to_owned(), boot.command_line.clone());
        facts.insert("size of the unified kernel image".to_owned(), boot.uki_size.to_string());
    }
    for one in &manifest.partitions {
        let filesystem = one.filesystem.as_deref().unwrap_or("no file system");
        facts.insert(format!("partition {}", one.label), format!("{}, {filesystem}, {} bytes", one.kind, one.size));
    }
    facts
}

fn starts(image: &Described) -> BTreeMap<String, String> {
    let mut starts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (wanting, units) in image.units() {
        for unit in units {
            starts.entry(unit).or_default().push(wanting.clone());
        }
    }
    starts.into_iter().map(|(unit, wanting)| (unit, format!("started by {}", wanting.join(", ")))).collect()
}

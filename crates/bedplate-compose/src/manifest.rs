//! What an image says of itself: the same image has the same manifest. How long it took is in a file of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::boot::BootFacts;
use crate::partitions::PartitionFacts;
use crate::{BuiltFrom, Selected};

/// The version of the manifest. It grows when a field changes its meaning or goes away.
pub const MANIFEST_VERSION: u32 = 1;

/// The manifest of an image: `NAME.manifest.json` beside it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`].
    pub version: u32,
    /// Name and version of the program that made it.
    pub tool: String,
    /// Name of the image.
    pub name: String,
    /// Version of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_version: Option<String>,
    /// The processor that it is for.
    pub architecture: String,
    /// The time of the image, in seconds since 1970: no file is younger.
    pub epoch: i64,
    /// The config and what it inherits: names of files, and SHA-256.
    pub config: Vec<NamedDigest>,
    /// The packages of the seed whose tools made the file systems: names and versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Packages, by name.
    pub packages: Vec<ManifestPackage>,
    /// The tree of files.
    pub tree: TreeFacts,
    /// Scripts of packages that ran, in order, and those whose work was done natively.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scripts: Vec<String>,
    /// What boots; none for an image that does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<BootFacts>,
    /// Partitions in the order of the disk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<PartitionFacts>,
    /// The files that were written.
    pub outputs: Vec<OutputFacts>,
}

/// A file with its SHA-256.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NamedDigest {
    /// Its name, without folders.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// A package of an image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ManifestPackage {
    /// Full name.
    pub nevra: String,
    /// Its repository.
    pub repository: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Why it is there.
    pub why: String,
    /// How many entries of the tree are its own.
    pub files: usize,
    /// Bytes of its files.
    pub size: u64,
    /// The file name of its source package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How it was built; none if it was not built here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<BuiltFrom>,
}

/// The tree of an image in numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TreeFacts {
    /// SHA-256 of the list of files (`NAME.files.zst`, unpacked).
    pub sha256: String,
    /// How many entries it has.
    pub entries: usize,
    /// Bytes of its files.
    pub size: u64,
    /// Entries that are of no package, by who made them.
    pub made: BTreeMap<String, usize>,
}

/// A form of the image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OutputFacts {
    /// Its format.
    pub format: String,
    /// Its name, beside the manifest.
    pub file: String,
    /// Bytes of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// SHA-256 of a file; of an OCI layout, the digest of the image's manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// The packages of a manifest, with what of the tree is theirs.
pub(crate) fn packages(
    selected: &[Selected],
    tree: &bedplate_tree::FileTree,
    built: &dyn Fn(&Selected) -> Option<BuiltFrom>,
) -> Vec<ManifestPackage> {
    let mut own: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for (_, entry) in tree.iter() {
        let count = own.entry(&entry.origin).or_default();
        count.0 += 1;
        count.1 += entry.content().map_or(0, |digest| digest.size);
    }
    let package = |one: &Selected| {
        let nevra = one.nevra.to_string();
        let (files, size) = own.get(nevra.as_str()).copied().unwrap_or_default();
        let (repository, why) = (one.repository.clone(), one.why.clone());
        let (source, built, sha256) = (one.source.clone(), built(one), one.checksum.to_string());
        ManifestPackage { nevra, repository, sha256, why, files, size, source, built }
    };
    selected.iter().map(package).collect()
}

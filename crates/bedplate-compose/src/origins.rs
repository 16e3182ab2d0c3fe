//! Where the files of an image come from: which source package they were built of, or which step of the compose made them.

use std::collections::{BTreeMap, BTreeSet};

use bedplate_tree::Entry;
use serde::{Deserialize, Serialize};

use crate::{Described, ManifestPackage};

/// That a package was built here, from source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltFrom {
    /// SHA-256 of what was built: header and payload, before modules and package were signed.
    pub content: String,
    /// The action that built it (Remote Execution API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Fingerprint of the key that signed it.
    pub key: String,
}

/// How much there is of something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// Entries of the tree: files, folders, links.
    pub entries: usize,
    /// Bytes of files.
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, entry: &Entry) {
        self.entries += 1;
        self.bytes += entry.content().map_or(0, |digest| digest.size);
    }
}

/// A source package, and what of the image was built of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FromSource {
    /// File name of the source package.
    pub source: String,
    /// Full names of its packages in the image.
    pub packages: Vec<String>,
    /// The actions that built them.
    pub actions: BTreeSet<String>,
    /// What they have in the image.
    #[serde(flatten)]
    pub amount: Amount,
}

/// Files of an image that no package has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Made {
    /// The step that made them.
    pub step: String,
    /// What it makes them of.
    pub of: &'static str,
    /// How much it is.
    #[serde(flatten)]
    pub amount: Amount,
    /// The files, folders and links.
    pub paths: Vec<String>,
}

/// A package that was not built here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Foreign {
    /// Its full name; who made the files, if they are of no package of the manifest.
    pub package: String,
    /// Its repository.
    pub repository: Option<String>,
    /// What it has in the image.
    #[serde(flatten)]
    pub amount: Amount,
}

/// Where all of an image comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Origins {
    /// What was built here, by source package.
    pub sources: Vec<FromSource>,
    /// What the composer made.
    pub made: Vec<Made>,
    /// What was not built here.
    pub foreign: Vec<Foreign>,
}

/// The steps of a compose that make files, by how their names begin, and of what they make them.
const STEPS: [(&str, &str); 5] = [
    ("bedplate", "the partitions of the image config"),
    ("customise: files", "the files of the image config"),
    ("customise", "the image config, and files of packages: users, units, caches, indexes"),
    ("package database", "the headers of the packages"),
    ("scriptlets", "scripts of packages and of the image config"),
];

impl Origins {
    /// Finds out where each file of an image comes from.
    #[must_use]
    pub fn of(image: &Described) -> Self {
        let packages: BTreeMap<&str, &ManifestPackage> =
            image.manifest.packages.iter().map(|package| (package.nevra.as_str(), package)).collect();
        let mut amounts: BTreeMap<&str, (Amount, Vec<String>)> = BTreeMap::new();
        for (path, entry) in image.tree.iter() {
            let (amount, paths) = amounts.entry(&entry.origin).or_default();
            amount.add(entry);
            paths.push(path.to_string());
        }
        let mut sources: BTreeMap<&str, FromSource> = BTreeMap::new();
        let mut origins = Self::default();
        for package in &image.manifest.packages {
            let (amount, _) = amounts.get(package.nevra.as_str()).cloned().unwrap_or_default();
            let (Some(built), Some(source)) = (&package.built, &package.source) else {
                let repository = Some(package.repository.clone());
                origins.foreign.push(Foreign { package: package.nevra.clone(), repository, amount });
                continue;
            };
            let from = sources.entry(source).or_insert_with(|| FromSource {
                source: source.clone(),
                packages: Vec::new(),
                actions: BTreeSet::new(),
                amount: Amount::default(),
            });
            from.packages.push(package.nevra.clone());
            from.actions.extend(built.action.clone());
            from.amount.entries += amount.entries;
            from.amount.bytes += amount.bytes;
        }
        origins.sources = sources.into_values().collect();
        for (origin, (amount, paths)) in amounts.into_iter().filter(|(origin, _)| !packages.contains_key(origin)) {
            match STEPS.iter().find(|(step, _)| origin.starts_with(step)) {
                Some(&(_, of)) => origins.made.push(Made { step: origin.to_owned(), of, amount, paths }),
                None => {
                    origins.foreign.push(Foreign { package: origin.to_owned(), repository: None, amount });
                }
            }
        }
        origins
    }
}

//! One tree as several layers, so that a layer in which nothing changed keeps its digest.

use std::collections::{BTreeMap, BTreeSet};

use bedplate_cas::Digest;
use bedplate_tree::{Entry, FileTree, Kind, TreePath};

use crate::{Layer, OciError};

/// What one layer is to have: entries below some paths, and entries of some packages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// The comment of the layer.
    pub name: String,
    /// Folders or files, with all that is below them.
    pub paths: Vec<TreePath>,
    /// Who made the entries: names of packages, without version, or of steps of the compose. `kernel-*` stands for all that begin so.
    pub origins: Vec<String>,
}

impl Group {
    fn has(&self, path: &TreePath, entry: &Entry) -> bool {
        let name = package_name(&entry.origin);
        self.paths.iter().any(|folder| path.is_below(folder))
            || self.origins.iter().any(|origin| match origin.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == origin,
            })
    }
}

/// Splits a tree: an entry goes to the first group that has it, what no group has to a last layer with the name `rest`. Each layer
/// has the folders on the way to what it has. A layer of nothing is left out.
///
/// # Errors
///
/// Never for trees whose hard links lead to files, as those of a [`FileTree`] do.
pub fn split(tree: &FileTree, groups: &[Group], rest: &str) -> Result<Vec<Layer>, OciError> {
    let names = groups.iter().map(|group| group.name.as_str()).chain([rest]);
    let number_of =
        |path: &TreePath, entry: &Entry| groups.iter().position(|group| group.has(path, entry)).unwrap_or(groups.len());
    by_number(tree, &names.collect::<Vec<_>>(), number_of)
}

/// Splits a tree by packages into at most `layers` layers and one of what is of no package. A package always goes to the same one,
/// whatever its version and whatever else is in the image.
///
/// # Errors
///
/// As [`split`].
pub fn split_evenly(tree: &FileTree, layers: usize) -> Result<Vec<Layer>, OciError> {
    let layers = layers.max(1);
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let names: Vec<String> =
        (1..=layers).map(|number| format!("packages {number} of {layers}")).chain(["files".to_owned()]).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (_, entry) in tree.iter().filter(|(_, entry)| is_package(&entry.origin)) {
        let name = package_name(&entry.origin);
        numbers.entry(name.to_owned()).or_insert_with(|| {
            let hash = Digest::of(name.as_bytes()).hash;
            let number = u64::from_be_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|byte| hash[byte]));
            usize::try_from(number % layers as u64).unwrap_or_default()
        });
    }
    by_number(tree, &names, |_, entry| {
        let number = is_package(&entry.origin).then(|| numbers.get(package_name(&entry.origin))).flatten();
        number.copied().unwrap_or(layers)
    })
}

fn by_number(
    tree: &FileTree,
    names: &[&str],
    number_of: impl Fn(&TreePath, &Entry) -> usize,
) -> Result<Vec<Layer>, OciError> {
    // All names of a file are in one layer, that of the file.
    let number = |path: &TreePath, entry: &Entry| match &entry.kind {
        Kind::HardLink(target) => tree.get(target.as_str()).map_or(0, |file| number_of(target, file)),
        _ => number_of(path, entry),
    };
    let mut layers = Vec::new();
    for (wanted, name) in names.iter().enumerate() {
        // The root alone makes no layer.
        if tree.iter().any(|(path, entry)| !path.is_root() && number(path, entry) == wanted) {
            layers.push(Layer::new(part(tree, |path, entry| number(path, entry) == wanted)?, name));
        }
    }
    if layers.is_empty() {
        layers.push(Layer::new(tree.clone(), names.last().copied().unwrap_or_default()));
    }
    Ok(layers)
}

/// The entries that are wanted, with the folders on the way, all as they are in the tree. A file is wanted with all of its names.
pub(crate) fn part(tree: &FileTree, wanted: impl Fn(&TreePath, &Entry) -> bool) -> Result<FileTree, OciError> {
    let mut paths: BTreeSet<TreePath> = BTreeSet::from([TreePath::root()]);
    for (path, entry) in tree.iter() {
        if wanted(path, entry) {
            let mut way = Some(path.clone());
            while let Some(path) = way {
                way = path.parent();
                if !paths.insert(path) {
                    break;
                }
            }
        }
    }
    let mut part = FileTree::new();
    for links in [false, true] {
        for path in &paths {
            if let Some(entry) = tree.get(path.as_str())
                && matches!(entry.kind, Kind::HardLink(_)) == links
            {
                part.insert(path.clone(), entry.clone())?;
            }
        }
    }
    Ok(part)
}

/// Whether an origin is a NEVRA.
fn is_package(origin: &str) -> bool {
    package_name(origin).len() < origin.len()
}

/// The name of a NEVRA: `bash` of `bash-5.2.15-3.x86_64`. What is none stays whole.
fn package_name(origin: &str) -> &str {
    let mut parts = origin.rsplitn(3, '-');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(release), Some(_), Some(name)) if release.contains('.') && !name.is_empty() => name,
        _ => origin,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn tree(entries: &[(&str, &str)]) -> FileTree {
        let mut tree = FileTree::new();
        for (path, origin) in entries {
            let kind = match *path {
                "/usr/bin/link" => Kind::HardLink("/usr/bin/bash".parse().unwrap()),
                _ => Kind::File(Digest::of(path.as_bytes())),
            };
            tree.insert(path.parse().unwrap(), Entry::new(kind, 0o644, &Arc::from(*origin))).unwrap();
        }
        tree
    }

    fn paths(layers: &[Layer]) -> Vec<(String, Vec<String>)> {
        let files = |layer: &Layer| {
            let files = layer.tree.iter().filter(|(_, entry)| !entry.is_directory());
            files.map(|(path, _)| path.as_str().to_owned()).collect()
        };
        layers.iter().map(|layer| (layer.comment.clone(), files(layer))).collect()
    }

    #[test]
    fn names_of_packages() {
        for (origin, name) in [
            ("bash-5.2.15-3.x86_64", "bash"),
            ("gcc-c++-1:13.2-1.noarch", "gcc-c++"),
            ("users", "users"),
            ("systemd-presets", "systemd-presets"),
            ("a-b-c", "a-b-c"),
        ] {
            assert_eq!(package_name(origin), name);
        }
    }

    #[test]
    fn groups_take_paths_and_packages() {
        let tree = tree(&[
            ("/usr/bin/bash", "bash-5.2-1.x86_64"),
            ("/usr/bin/link", "other-1-1.noarch"),
            ("/usr/lib/modules/6/a.ko", "kernel-core-6.6-1.x86_64"),
            ("/etc/hosts", "files"),
        ]);
        let group = |name: &str, path: &str, origin: &str| Group {
            name: name.to_owned(),
            paths: [path].iter().filter(|path| !path.is_empty()).map(|path| path.parse().unwrap()).collect(),
            origins: vec![origin.to_owned()],
        };
        let groups = [group("kernel", "", "kernel-*"), group("base", "/usr", "x"), group("none", "", "none")];
        let layers = split(&tree, &groups, "rest").unwrap();
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            paths(&layers),
            [
                ("kernel".to_owned(), texts(&["/usr/lib/modules/6/a.ko"])),
                ("base".to_owned(), texts(&["/usr/bin/bash", "/usr/bin/link"])),
                ("rest".to_owned(), texts(&["/etc/hosts"])),
            ]
        );
    }

    #[test]
    fn another_version_stays_in_its_layer() {
        let names = ["bash", "glibc", "zlib", "openssl-libs", "systemd", "curl"];
        let of = |version: &str| {
            let entries: Vec<(String, String)> = names
                .iter()
                .map(|name| (format!("/usr/share/{name}"), format!("{name}-{version}-1.x86_64")))
                .chain([("/etc/x".to_owned(), "users".to_owned())])
                .collect();
            let entries: Vec<(&str, &str)> = entries.iter().map(|(path, origin)| (&path[..], &origin[..])).collect();
            paths(&split_evenly(&tree(&entries), 3).unwrap())
        };
        assert_eq!(of("1"), of("2.5"));
        assert_eq!(of("1").last().unwrap().0, "files");
        assert!(of("1").len() > 2);
    }

    #[test]
    fn an_empty_tree_is_one_layer() {
        assert_eq!(split(&FileTree::new(), &[], "rest").unwrap().len(), 1);
    }
}

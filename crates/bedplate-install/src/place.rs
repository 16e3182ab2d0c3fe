//! Packages to a tree.

use std::collections::{BTreeMap, BTreeSet};

use bedplate_cas::Store;
use bedplate_repo::{ListedFile, ListedKind};
use bedplate_tree::FileTree;
use rustc_hash::FxHashMap;

use crate::builder::Builder;
use crate::fate::{Candidate, Wanted, overlap};
use crate::links::Links;
use crate::{Accounts, Color, Documentation, Fate, InstallError, InstallProblem, InstallWarning, Package};

/// How packages are installed.
#[derive(Debug, Clone)]
pub struct PlaceOptions {
    /// Times that are later are set to it; folders that no package has get it. Seconds since 1970.
    pub epoch: i64,
    /// Whether documentation is installed.
    pub documentation: Documentation,
    /// Locales of which files are installed (`_install_langs`): `de_DE` takes files of `de`, too. None for all. What is of no
    /// language is always installed.
    pub languages: Option<Vec<String>>,
    /// Absolute paths that are not installed, with all below them (`_netsharedpath`).
    pub net_shared: Vec<String>,
    /// The word sizes of the architecture.
    pub color: Color,
    /// Numbers of users and groups, those that sysusers.d files of the packages make included. What `/etc/passwd` and `/etc/group` of
    /// the packages say is added.
    pub accounts: Accounts,
}

/// A tree of packages.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The files.
    pub tree: FileTree,
    /// What became of each file of each package, in their order.
    pub fates: Vec<Vec<Fate>>,
    /// Users and groups with their numbers: those of the options and those of the packages.
    pub accounts: Accounts,
    /// What is odd.
    pub warnings: Vec<InstallWarning>,
}

/// Numbers of a package and of a file of it.
pub(crate) type FileId = (usize, usize);

/// The file that lies at each path in the end. Paths have no slash at their start.
pub(crate) type Sites = BTreeMap<String, FileId>;

/// Places the files of packages, which are in the order of their installation, in an empty tree. Nothing is written; the store is
/// only asked for lists of users.
///
/// All that rpm would refuse is refused, at once. Where rpm depends on the order (a link in place of a folder), the order does not
/// matter here.
///
/// # Errors
/// All problems of the packages, or a list of users that cannot be read.
pub fn place(store: &Store, packages: &[&Package], options: &PlaceOptions) -> Result<Placed, InstallError> {
    let net_shared: Vec<String> = options
        .net_shared
        .iter()
        .map(|path| path.trim_matches('/').to_owned())
        .filter(|path| !path.is_empty())
        .collect();
    let wanted = Wanted {
        documentation: options.documentation,
        languages: options.languages.as_deref(),
        net_shared: &net_shared,
        color: options.color,
    };
    let mut fates: Vec<Vec<Option<Fate>>> = packages.iter().map(|package| wanted.fates(package.files())).collect();
    let mut problems = Vec::new();
    let paths = paths(packages, &fates, &mut problems);
    decide(packages, &paths, &mut fates, options.color, &mut problems);
    let fates: Vec<Vec<Fate>> =
        fates.into_iter().map(|all| all.into_iter().map(|fate| fate.unwrap_or(Fate::Create)).collect()).collect();
    let sites = sites(packages, &paths, &fates);
    check_folders(packages, &sites, &mut problems);

    let mut accounts = options.accounts.clone();
    accounts.complete(packages, &sites, store)?;
    let mut builder = Builder::new(packages, &fates, &sites, &accounts, options.epoch);
    for (path, site) in &sites {
        if let Err(problem) = builder.add(path, *site) {
            problems.push(problem);
        }
    }
    if !problems.is_empty() {
        return Err(InstallError::Problems(problems));
    }
    let (tree, warnings) = builder.finish();
    Ok(Placed { tree, fates, accounts, warnings })
}

/// Where each file lies that is not left out: its path without a slash at its start.
fn paths(
    packages: &[&Package],
    fates: &[Vec<Option<Fate>>],
    problems: &mut Vec<InstallProblem>,
) -> Vec<Vec<Option<String>>> {
    let files = || {
        let all = packages.iter().zip(fates).flat_map(|(package, fates)| package.files().files.iter().zip(fates));
        all.filter(|(_, fate)| fate.is_none()).map(|(file, _)| file)
    };
    let is_link = |file: &&ListedFile| file.kind == ListedKind::Symlink && file.is_packed();
    let links = Links::new(files().filter(is_link).map(|file| (file.path.as_str(), file.target.as_str())));
    let mut of = |package: &Package, file: &ListedFile, fate: &Option<Fate>| {
        if fate.is_some() {
            return None;
        }
        let placed = links.place(&file.path);
        if placed.is_none() {
            let path = format!("/{}", file.path);
            problems.push(InstallProblem::LinkLoop { path, package: package.name().to_string() });
        }
        placed
    };
    packages
        .iter()
        .zip(fates)
        .map(|(package, fates)| {
            package.files().files.iter().zip(fates).map(|(file, fate)| of(package, file, fate)).collect()
        })
        .collect()
}

/// Decides about the files that share a path; all others are created.
fn decide(
    packages: &[&Package],
    paths: &[Vec<Option<String>>],
    fates: &mut [Vec<Option<Fate>>],
    color: Color,
    problems: &mut Vec<InstallProblem>,
) {
    let mut last: FxHashMap<&str, FileId> = FxHashMap::default();
    for (package, paths) in paths.iter().enumerate() {
        for (number, path) in paths.iter().enumerate() {
            let Some(path) = path else { continue };
            let Some((old_package, old_number)) = last.insert(path, (package, number)) else {
                fates[package][number] = Some(Fate::Create);
                continue;
            };
            let candidate = |package: usize, number: usize| {
                let files = packages[package].files();
                Candidate { file: &files.files[number], algorithm: files.algorithm }
            };
            let (old, new) = (candidate(old_package, old_number), candidate(package, number));
            let old_fate = fates[old_package][old_number].unwrap_or(Fate::Create);
            let overlap = overlap(&old, old_fate, &new, color);
            fates[old_package][old_number] = Some(overlap.old);
            fates[package][number] = Some(overlap.new);
            if let Some(difference) = overlap.conflict {
                problems.push(InstallProblem::Conflict {
                    path: format!("/{path}"),
                    first: packages[old_package].name().to_string(),
                    second: packages[package].name().to_string(),
                    difference,
                });
            }
        }
    }
}

fn sites(packages: &[&Package], paths: &[Vec<Option<String>>], fates: &[Vec<Fate>]) -> Sites {
    let mut sites = BTreeMap::new();
    for (package, paths) in paths.iter().enumerate() {
        for (number, path) in paths.iter().enumerate() {
            let Some(path) = path else { continue };
            if fates[package][number] == Fate::Create && packages[package].files().files[number].is_packed() {
                sites.insert(path.clone(), (package, number));
            }
        }
    }
    sites
}

/// Finds what lies below a file that is no folder.
fn check_folders(packages: &[&Package], sites: &Sites, problems: &mut Vec<InstallProblem>) {
    let file = |site: &FileId| &packages[site.0].files().files[site.1];
    let name = |site: &FileId| packages[site.0].name().to_string();
    let mut good: BTreeSet<&str> = BTreeSet::new();
    for (path, site) in sites {
        let mut below = path.as_str();
        while let Some((parent, _)) = below.rsplit_once('/') {
            if good.contains(parent) {
                break;
            }
            match sites.get(parent) {
                Some(other) if file(other).kind != ListedKind::Directory => {
                    problems.push(InstallProblem::NotAFolder {
                        path: format!("/{path}"),
                        package: name(site),
                        parent: format!("/{parent}"),
                        other: name(other),
                    });
                    break;
                }
                _ => good.insert(parent),
            };
            below = parent;
        }
    }
}

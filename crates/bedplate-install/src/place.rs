//! Packages to a tree.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bedplate_cas::Store;
use bedplate_repo::{ListedFile, ListedKind};
use bedplate_tree::{CAPABILITY_ATTRIBUTE, Entry, FileTree, Kind, TreePath, Xattrs};
use rustc_hash::FxHashMap;

use crate::fate::{FileId, Overlap, Wanted, overlap};
use crate::links::Links;
use crate::{
    Accounts, Color, Documentation, Fate, InstallError, InstallProblem, InstallWarning, Package, parse_capabilities,
};

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
    /// Numbers of users and groups that are known; the packages add theirs.
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
    let mut warnings = accounts.complete(packages, &sites, store)?;
    let mut owners = Owners { accounts: &accounts, unknown: BTreeMap::new() };
    let mut builder =
        Builder { packages, sites: &sites, epoch: options.epoch, tree: FileTree::new(), links: FxHashMap::default() };
    for (path, site) in &sites {
        if let Err(problem) = builder.add(path, *site, &mut owners) {
            problems.push(problem);
        }
    }
    if !problems.is_empty() {
        return Err(InstallError::Problems(problems));
    }
    warnings.extend(owners.warnings());
    Ok(Placed { tree: builder.tree, fates, accounts, warnings })
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
            let file = |package: usize, number: usize| {
                let files = packages[package].files();
                (&files.files[number], files.algorithm)
            };
            let ((old, old_algorithm), (new, new_algorithm)) = (file(old_package, old_number), file(package, number));
            let (mut old_fate, mut new_fate) = (fates[old_package][old_number], None);
            let result = overlap((old, old_algorithm, &mut old_fate), (new, new_algorithm, &mut new_fate), color);
            fates[old_package][old_number] = old_fate;
            fates[package][number] = new_fate;
            if let Overlap::Conflict(difference) = result {
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

/// Owners by name, and the names that nobody has.
struct Owners<'a> {
    accounts: &'a Accounts,
    /// Whether it is a user, the name; the first package, and how many files.
    unknown: BTreeMap<(bool, String), (Arc<str>, usize)>,
}

impl Owners<'_> {
    /// Mode, user and group. rpm gives what it does not know to root, without the power of another.
    fn of(&mut self, file: &ListedFile, package: &Arc<str>) -> (u16, u32, u32) {
        let mut mode = u16::try_from(file.permissions & 0o7777).unwrap_or_default();
        let mut find = |is_user: bool, name: &str, bit: u16| {
            let table = if is_user { &self.accounts.users } else { &self.accounts.groups };
            table.get(name).copied().unwrap_or_else(|| {
                mode &= !bit;
                let unknown = self.unknown.entry((is_user, name.to_owned()));
                unknown.or_insert_with(|| (Arc::clone(package), 0)).1 += 1;
                0
            })
        };
        let (uid, gid) = (find(true, &file.user, 0o4000), find(false, &file.group, 0o2000));
        (if file.kind == ListedKind::Symlink { 0o777 } else { mode }, uid, gid)
    }

    fn warnings(self) -> impl Iterator<Item = InstallWarning> {
        self.unknown.into_iter().map(|((is_user, name), (package, files))| {
            let package = package.to_string();
            if is_user {
                InstallWarning::UnknownUser { name, package, files }
            } else {
                InstallWarning::UnknownGroup { name, package, files }
            }
        })
    }
}

/// A tree that grows in the order of paths.
struct Builder<'a> {
    packages: &'a [&'a Package],
    sites: &'a Sites,
    epoch: i64,
    tree: FileTree,
    /// The first path of each set of hard links, by package and number of the set.
    links: FxHashMap<(usize, usize), TreePath>,
}

impl Builder<'_> {
    fn add(&mut self, path: &str, site: FileId, owners: &mut Owners<'_>) -> Result<(), InstallProblem> {
        let (package_number, number) = site;
        let package = self.packages[package_number];
        let file = &package.files().files[number];
        let name = package.name();
        let absolute = format!("/{path}");
        let at: TreePath = absolute.parse().expect("paths of packages are checked when their headers are read");
        let device = |number: u16| (u32::from(number >> 8), u32::from(number & 0xff));
        let (major, minor) = device(file.device);
        let kind = match file.kind {
            ListedKind::Directory => Kind::Directory,
            ListedKind::Symlink => Kind::Symlink(file.target.clone()),
            ListedKind::Fifo => Kind::Fifo,
            ListedKind::CharacterDevice => Kind::CharacterDevice { major, minor },
            ListedKind::BlockDevice => Kind::BlockDevice { major, minor },
            ListedKind::Socket => {
                return Err(InstallProblem::Socket { path: absolute, package: name.to_string() });
            }
            ListedKind::File => {
                let content =
                    package.content(number).expect("each packed file of a package in the store has a content");
                match file.links.map(|set| self.links.entry((package_number, set))) {
                    Some(std::collections::hash_map::Entry::Occupied(first)) => Kind::HardLink(first.get().clone()),
                    Some(std::collections::hash_map::Entry::Vacant(first)) => {
                        first.insert(at.clone());
                        Kind::File(content)
                    }
                    None => Kind::File(content),
                }
            }
        };
        let mut xattrs = Xattrs::new();
        if let (Some(text), ListedKind::File) = (&file.capabilities, file.kind) {
            let value = parse_capabilities(text).map_err(|why| InstallProblem::Capabilities {
                path: absolute.clone(),
                package: name.to_string(),
                text: text.clone(),
                why,
            })?;
            xattrs.insert(CAPABILITY_ATTRIBUTE.to_owned(), value);
        }
        let (mode, uid, gid) = owners.of(file, name);
        let mtime = i64::from(file.time).min(self.epoch);
        self.add_parents(path, name);
        // What could be in the way was found before.
        let _ = self.tree.insert(at, Entry { kind, mode, uid, gid, mtime, xattrs, origin: Arc::clone(name) });
        Ok(())
    }

    /// Makes the folders on the way that no package has.
    fn add_parents(&mut self, path: &str, origin: &Arc<str>) {
        let mut missing = Vec::new();
        let mut below = path;
        while let Some((parent, _)) = below.rsplit_once('/') {
            if self.sites.contains_key(parent) || self.tree.get(&format!("/{parent}")).is_some() {
                break;
            }
            missing.push(parent);
            below = parent;
        }
        for parent in missing.into_iter().rev() {
            let entry = Entry { mtime: self.epoch, ..Entry::new(Kind::Directory, 0o755, origin) };
            if let Ok(path) = format!("/{parent}").parse() {
                let _ = self.tree.insert(path, entry);
            }
        }
    }
}

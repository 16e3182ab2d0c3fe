//! The files of packages as entries of a tree.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry as Place;
use std::sync::Arc;

use bedplate_repo::{ListedFile, ListedKind};
use bedplate_tree::{CAPABILITY_ATTRIBUTE, Entry, FileTree, Kind, TreePath, Xattrs};
use rustc_hash::FxHashMap;

use crate::place::{FileId, Sites};
use crate::{Accounts, Fate, InstallProblem, InstallWarning, Package, parse_capabilities};

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
pub(crate) struct Builder<'a> {
    packages: &'a [&'a Package],
    fates: &'a [Vec<Fate>],
    sites: &'a Sites,
    owners: Owners<'a>,
    epoch: i64,
    tree: FileTree,
    /// The first path of each set of hard links, by package and number of the set.
    links: FxHashMap<(usize, usize), TreePath>,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(
        packages: &'a [&'a Package],
        fates: &'a [Vec<Fate>],
        sites: &'a Sites,
        accounts: &'a Accounts,
        epoch: i64,
    ) -> Self {
        let owners = Owners { accounts, unknown: BTreeMap::new() };
        Self { packages, fates, sites, owners, epoch, tree: FileTree::new(), links: FxHashMap::default() }
    }

    /// The tree, and what is odd.
    pub(crate) fn finish(self) -> (FileTree, Vec<InstallWarning>) {
        (self.tree, self.owners.warnings().collect())
    }

    /// Adds a file.
    pub(crate) fn add(&mut self, path: &str, site: FileId) -> Result<(), InstallProblem> {
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
                    Some(Place::Occupied(first)) => Kind::HardLink(first.get().clone()),
                    Some(Place::Vacant(first)) => {
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
        let facts = file.links.map_or(file, |set| self.facts_of_links(package_number, set));
        let (mode, uid, gid) = self.owners.of(facts, name);
        let mtime = i64::from(facts.time).min(self.epoch);
        self.add_parents(path, name);
        // What could be in the way was found before.
        let _ = self.tree.insert(at, Entry { kind, mode, uid, gid, mtime, xattrs, origin: Arc::clone(name) });
        Ok(())
    }

    /// Of the names of one inode, that whose owner and mode rpm gives to it: the last, which has the data, or if it is left out the
    /// first that is not.
    fn facts_of_links(&self, package: usize, set: usize) -> &'a ListedFile {
        let (files, fates) = (self.packages[package].files(), &self.fates[package]);
        let names = &files.links[set];
        let is_created = |name: &&usize| fates[**name] == Fate::Create;
        let name = names.last().filter(is_created).or_else(|| names.iter().find(is_created));
        &files.files[*name.expect("one of them is being added")]
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

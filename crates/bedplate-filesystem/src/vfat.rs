//! FAT, written here: mkfs.vfat and mtools need a process for each folder, and give folders the time of their run.
//!
//! ```text
//! boot sector (FAT32: + FSInfo, copies) │ table │ table │ root folder (FAT12, FAT16) │ clusters, from number 2
//! ```
//!
//! Folders and files get their clusters in the order of their paths, without gaps. The format is that of Microsoft's "FAT32 File
//! System Specification" 1.03, with long names.

mod folder;
mod geometry;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;

use bedplate_cas::Store;
use bedplate_tree::{FileTree, Kind, TreePath};

use crate::error::Unsupported;
use crate::sandboxed::Workshop;
use crate::{FilesystemError, Made, Request, Size};
use folder::{Attributes, Folder};
use geometry::{Geometry, SECTOR};

/// The largest file, in bytes.
const LARGEST: u64 = u32::MAX as u64;

/// The largest folder, in bytes.
const LARGEST_FOLDER: u64 = 2 << 20;

/// Sectors are counted in 32 bits.
const LARGEST_IMAGE: u64 = u32::MAX as u64 * SECTOR;

/// Refuses names that FAT cannot have, and those that are the same for it.
pub(crate) fn check_names(tree: &FileTree, cannot: &mut Vec<Unsupported>) {
    let mut seen: BTreeMap<String, &TreePath> = BTreeMap::new();
    for (path, entry) in tree.iter() {
        let mut refuse = |what| cannot.push(Unsupported { path: path.clone(), what });
        let name = path.name();
        let is_bad = |letter: char| letter.is_control() || "\"*/:<>?\\|".contains(letter);
        if name.contains(is_bad) || name.ends_with(['.', ' ']) || name.starts_with(' ') {
            refuse("characters in its name, or a space or dot at an end of it".to_owned());
        }
        if name.encode_utf16().count() > 255 {
            refuse("a name of more than 255 characters".to_owned());
        }
        if entry.content().is_some_and(|digest| digest.size > LARGEST) {
            refuse("a file of more than 4 GiB".to_owned());
        }
        if let Some(other) = seen.insert(path.as_str().to_uppercase(), path) {
            refuse(format!("the name of `{other}` but for its case"));
        }
    }
}

/// Makes the image.
pub(crate) fn make(shop: &Workshop<'_>, store: &Store, request: &Request<'_>) -> Result<Made, FilesystemError> {
    let plan = Plan::new(request);
    plan.check()?;
    let (geometry, clusters) = match request.size {
        Size::Fixed(size) if size > LARGEST_IMAGE => {
            let why = format!("the largest has {LARGEST_IMAGE} bytes");
            return Err(FilesystemError::BadSize { kind: "vfat", size, why });
        }
        Size::Fixed(size) => {
            let geometry = Geometry::of(size / SECTOR, plan.root_entries());
            let clusters = plan.clusters(geometry.cluster_bytes(), geometry.has_root_cluster());
            if geometry.clusters < clusters {
                let needed = plan.smallest(0).0.sectors * SECTOR;
                return Err(FilesystemError::TooSmall { kind: "vfat", size, needed });
            }
            (geometry, clusters)
        }
        Size::Minimal { slack } => plan.smallest(slack),
    };
    shop.clear_image(geometry.sectors * SECTOR)?;
    let image = shop.image();
    let io = || FilesystemError::io("write", &image);
    let mut file = File::options().write(true).open(&image).map_err(io())?;
    let mut table = vec![geometry.media(), geometry.end_of_chain()];
    let placed = plan.place(&geometry, &mut table);
    for (path, folder) in &plan.folders {
        let bytes =
            folder.bytes(|name| placed.get(&child(path, name)).copied().unwrap_or_default(), placed[path].first, {
                let parent = path.parent().unwrap_or_else(TreePath::root);
                // The root is number 0 wherever it is.
                if parent.is_root() { 0 } else { placed[&parent].first }
            });
        let at = if path.is_root() { geometry.root_at() } else { geometry.cluster_at(placed[path].first) };
        file.write_all_at(&bytes, at).map_err(io())?;
    }
    for (path, entry) in request.tree.iter() {
        let Some(digest) = entry.content().filter(|digest| digest.size > 0) else { continue };
        let from = store.path_of(&digest)?;
        let mut content = File::open(&from).map_err(FilesystemError::io("open", &from))?;
        file.seek(SeekFrom::Start(geometry.cluster_at(placed[path].first))).map_err(io())?;
        std::io::copy(&mut content, &mut file).map_err(io())?;
    }
    let serial = u32::from_be_bytes([0, 1, 2, 3].map(|byte| request.uuid[byte]));
    for (at, bytes) in geometry.tables(&table).into_iter().chain(geometry.boot_sectors(serial, request.label, clusters))
    {
        file.write_all_at(&bytes, at).map_err(io())?;
    }
    Ok(Made { size: geometry.sectors * SECTOR, used: geometry.cluster_at(2) + clusters * geometry.cluster_bytes() })
}

fn child(folder: &TreePath, name: &str) -> TreePath {
    folder.join(name).unwrap_or_else(|_| folder.clone())
}

/// Where something begins, and how large it is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    first: u32,
    bytes: u32,
}

/// What is to be placed, before it is known where.
struct Plan<'a> {
    tree: &'a FileTree,
    folders: BTreeMap<TreePath, Folder>,
}

impl<'a> Plan<'a> {
    fn new(request: &Request<'a>) -> Self {
        let tree = request.tree;
        let mut folders: BTreeMap<TreePath, Folder> = BTreeMap::new();
        for (path, entry) in tree.iter() {
            let attributes = match entry.kind {
                Kind::Directory => {
                    folders.insert(path.clone(), Folder::new(path.is_root(), entry.mtime));
                    Attributes::Folder
                }
                _ => Attributes::File,
            };
            if let Some(folder) = path.parent().and_then(|parent| folders.get_mut(&parent)) {
                folder.add(path.name(), attributes, entry.mtime);
            }
        }
        if let Some(root) = folders.get_mut(&TreePath::root())
            && !request.label.is_empty()
        {
            root.set_label(request.label, request.epoch);
        }
        for folder in folders.values_mut() {
            folder.name_shortly();
        }
        Self { tree, folders }
    }

    /// Refuses folders with more entries than FAT can have in one.
    fn check(&self) -> Result<(), FilesystemError> {
        let large = self.folders.iter().filter(|(_, folder)| folder.size() > LARGEST_FOLDER);
        let what = || "a folder with too many names: 65536 entries, and a long name takes several".to_owned();
        let entries: Vec<Unsupported> =
            large.map(|(path, _)| Unsupported { path: path.clone(), what: what() }).collect();
        if entries.is_empty() { Ok(()) } else { Err(FilesystemError::Unsupported { kind: "vfat", entries }) }
    }

    /// Entries of the root folder, which FAT12 and FAT16 keep apart.
    fn root_entries(&self) -> u64 {
        self.folders[&TreePath::root()].entries()
    }

    /// How many clusters of this size it takes.
    fn clusters(&self, cluster: u64, has_root: bool) -> u64 {
        let folders = self.folders.iter().filter(|(path, _)| has_root || !path.is_root());
        folders
            .map(|(_, folder)| folder.size())
            .chain(self.files().map(|(_, size)| size))
            .map(|size| size.div_ceil(cluster))
            .sum()
    }

    fn files(&self) -> impl Iterator<Item = (&'a TreePath, u64)> {
        self.tree.iter().filter_map(|(path, entry)| Some((path, entry.content()?.size)))
    }

    /// The smallest size with so many bytes free, and the clusters that are in use then.
    fn smallest(&self, slack: u64) -> (Geometry, u64) {
        let mut sectors = 128;
        loop {
            let geometry = Geometry::of(sectors, self.root_entries());
            let clusters = self.clusters(geometry.cluster_bytes(), geometry.has_root_cluster());
            let wanted = clusters + slack.div_ceil(geometry.cluster_bytes());
            let Some(lack) = wanted.checked_sub(geometry.clusters).filter(|lack| *lack > 0) else {
                return (geometry, clusters);
            };
            // To whole blocks of 4096 bytes.
            sectors = (sectors + lack * geometry.cluster_bytes() / SECTOR).next_multiple_of(8).max(sectors + 8);
        }
    }

    /// Gives clusters to folders and files, in the order of their paths, and chains them in the table.
    fn place(&self, geometry: &Geometry, table: &mut Vec<u32>) -> BTreeMap<TreePath, Place> {
        let mut placed = BTreeMap::new();
        let mut give = |path: &TreePath, size: u64, bytes: u32| {
            let count = u32::try_from(size.div_ceil(geometry.cluster_bytes())).unwrap_or(u32::MAX);
            let first = table.len() as u32;
            table.extend((1..count).map(|next| first + next));
            if count > 0 {
                table.push(geometry.end_of_chain());
            }
            placed.insert(path.clone(), Place { first: if count > 0 { first } else { 0 }, bytes });
        };
        // The root is first: FAT32 says so.
        for (path, entry) in self.tree.iter() {
            match entry.content() {
                Some(digest) => give(path, digest.size, u32::try_from(digest.size).unwrap_or(u32::MAX)),
                None if path.is_root() && !geometry.has_root_cluster() => give(path, 0, 0),
                // A folder has no size.
                None if self.folders.contains_key(path) => give(path, self.folders[path].size(), 0),
                None => {}
            }
        }
        placed
    }
}

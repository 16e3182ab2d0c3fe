//! From the tree to the partitions of a disk: file systems, hash trees, what boots.
//!
//! ```text
//! tree ─split by mount points─▶ tree of each partition ─▶ file system ─▶ hash tree ─▶ root hash
//!                                                                                       │
//!                    EFI system partition ◀─ unified kernel image ◀─ command line ◀─────┘
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use bedplate_cas::{Digest, Store};
use bedplate_diag::{Diagnostic, Span};
use bedplate_disk::{
    Attributes, Disk, DiskSize, Extent, LayoutRequest, PartitionRequest, PartitionSize as DiskPartitionSize,
    PartitionType as Type, RootHash, Source, Uuid, content_uuid, layout,
};
use bedplate_filesystem::{
    Bytes, ErofsCompression, ErofsOptions, Ext4Options, FilesystemError, FilesystemKind as Kind, Image, Made, Piece,
    Request, Size, VfatOptions, XfsOptions, make,
};
use bedplate_image_config::{
    Compression, DiskSize as WantedDiskSize, FilesystemKind, ImageConfig, PartitionSize, PartitionType,
    PlannedPartition, Slack, Verity,
};
use bedplate_tree::{Entry, FileTree, Kind as EntryKind, TreePath};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::cache::{self, StepKey, cached};
use crate::verity::protect;
use crate::{ComposeError, Workshop};

/// A partition with all that is in it.
#[derive(Debug, Clone)]
pub(crate) struct Partition {
    pub(crate) plan: PlannedPartition,
    pub(crate) guid: Uuid,
    /// Its bytes.
    pub(crate) content: Content,
    /// The digest of the file system.
    pub(crate) digest: Option<Digest>,
    /// How many bytes that is.
    pub(crate) length: u64,
    /// Bytes that are in use, if it is a file system.
    pub(crate) used: u64,
    pub(crate) root_hash: Option<RootHash>,
    /// SHA-256 of the certificate whose key signed the root hash that is in it.
    pub(crate) signed_by: Option<String>,
}

/// Where the bytes of a partition are.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Nowhere: zeros.
    Zeros,
    /// In a file of the store or of the work folder.
    File(PathBuf),
    /// A file system that is written only when the disk is: its files are taken out of the store then.
    Image(Arc<Vec<Piece>>),
}

impl Partition {
    /// One with nothing in it.
    pub(crate) fn empty(plan: &PlannedPartition, guid: Uuid) -> Self {
        Self {
            plan: plan.clone(),
            guid,
            content: Content::Zeros,
            digest: None,
            length: 0,
            used: 0,
            root_hash: None,
            signed_by: None,
        }
    }
}

/// A partition, as the manifest has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartitionFacts {
    /// Its name in the table.
    pub label: String,
    /// What it is for, in the words of the image config.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its unique GUID.
    pub guid: String,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its bytes.
    pub size: u64,
    /// What is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<String>,
    /// Bytes that are in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
    /// Where it is mounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount: Option<String>,
    /// Whether it is only read.
    pub read_only: bool,
    /// The root hash that protects it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_hash: Option<String>,
    /// SHA-256 of the certificate (DER) whose key signed the root hash that is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
}

/// Names that follow from what the image is: the same image has the same ones.
#[derive(Debug, Clone)]
pub(crate) struct Identity(Digest);

impl Identity {
    /// Of a tree and of how it is stored.
    pub(crate) fn of(tree: &FileTree, config: &ImageConfig) -> Self {
        let text =
            format!("{}\n{:?}", tree.to_manifest(), config.storage.layout().iter().map(described).collect::<Vec<_>>());
        Self(Digest::of(text.as_bytes()))
    }

    pub(crate) fn uuid(&self, what: &str) -> Uuid {
        content_uuid(&[&self.0.hash, what.as_bytes()])
    }
}

/// What of a partition is in its name: all but its places in the config.
fn described(plan: &PlannedPartition) -> String {
    format!("{} {} {} {:?}", plan.kind.word(), *plan.label, plan.size.value, plan.filesystem.value)
}

/// Where a partition is mounted, as a path of the tree.
pub(crate) fn mount_of(plan: &PlannedPartition) -> Option<TreePath> {
    plan.mount.as_ref().and_then(|mount| mount.as_str().parse().ok())
}

/// Makes the folders that file systems are mounted on, where the tree has none.
pub(crate) fn add_mount_points(
    tree: &mut FileTree,
    plans: &[PlannedPartition],
    epoch: i64,
) -> Result<(), ComposeError> {
    let origin = std::sync::Arc::from("bedplate: mount points");
    for mount in plans.iter().filter_map(mount_of) {
        let place = tree.resolve(&mount).unwrap_or(mount);
        if tree.get(place.as_str()).is_none() {
            tree.insert(place, Entry { mtime: epoch, ..Entry::new(EntryKind::Directory, 0o755, &origin) })?;
        }
    }
    Ok(())
}

/// What of the tree is in a partition: all below its mount point, but for what other partitions have.
fn content_of(tree: &FileTree, mount: &TreePath, plans: &[PlannedPartition]) -> FileTree {
    let mut own = tree.subtree(mount);
    for other in plans.iter().filter_map(mount_of).filter(|other| other != mount && other.is_below(mount)) {
        let Some(inside) = other.below(mount) else { continue };
        let below: Vec<TreePath> = own.children(&inside).map(|(path, _)| path.clone()).collect();
        below.iter().for_each(|path| own.remove(path));
    }
    own
}

fn kind_of(plan: &PlannedPartition) -> Option<Kind> {
    let level = |usual: u8| plan.format.compression_level.map_or(usual, |level| u8::try_from(level.0).unwrap_or(usual));
    Some(match *plan.filesystem {
        FilesystemKind::Erofs => Kind::Erofs(ErofsOptions {
            compression: match plan.format.compression.map_or(Compression::Lz4hc, |found| *found) {
                Compression::None => ErofsCompression::None,
                // The fast search and the thorough one write the same format.
                Compression::Lz4 => ErofsCompression::Lz4hc(1),
                Compression::Lz4hc => ErofsCompression::Lz4hc(level(9)),
                Compression::Zstd => ErofsCompression::Zstd(level(3)),
            },
        }),
        FilesystemKind::Ext4 => Kind::Ext4(Ext4Options {
            journal: plan.format.journal.map_or(!plan.is_read_only, |wanted| *wanted),
            growable: matches!(*plan.size, PartitionSize::Grow(_)),
        }),
        FilesystemKind::Xfs => Kind::Xfs(XfsOptions {}),
        FilesystemKind::Vfat => Kind::Vfat(VfatOptions {}),
        FilesystemKind::Swap | FilesystemKind::None => return None,
    })
}

/// Whether a file system is made by programs of others.
pub(crate) fn need_tools(plans: &[PlannedPartition]) -> bool {
    plans.iter().filter_map(kind_of).any(|kind| matches!(kind, Kind::Erofs(_) | Kind::Xfs(_)))
}

/// How large a file system is before the disk has a say.
fn size_of(plan: &PlannedPartition, tree: &FileTree) -> Size {
    let slack = |slack: Slack| match slack {
        Slack::Size(size) => size.bytes(),
        Slack::Percent(percent) => tree.size() / 100 * u64::from(percent),
    };
    match *plan.size {
        // Nobody writes to it: the partition is that large, and what is in it is as small as it is.
        PartitionSize::Fixed(_) if *plan.filesystem == FilesystemKind::Erofs => Size::Minimal { slack: 0 },
        PartitionSize::Fixed(size) => Size::Fixed(size.bytes() / 4096 * 4096),
        PartitionSize::Minimal(more) | PartitionSize::Grow(more) => Size::Minimal { slack: slack(more) },
    }
}

/// Makes the file systems of all partitions that are mounted and no boot partition, and the hash trees that protect them.
pub(crate) fn data_partitions(
    shop: &Workshop<'_>,
    tree: &FileTree,
    plans: &[PlannedPartition],
    identity: &Identity,
) -> Result<Vec<Option<Partition>>, ComposeError> {
    let made: Vec<Result<Option<Partition>, ComposeError>> =
        plans.par_iter().map(|plan| data_partition(shop, tree, plan, plans, identity)).collect();
    let mut partitions = collect(made)?;
    protect(shop, plans, identity, &mut partitions)?;
    Ok(partitions)
}

/// All results, or the first error that is not a mistake; mistakes are put together.
fn collect<T>(results: Vec<Result<T, ComposeError>>) -> Result<Vec<T>, ComposeError> {
    let (mut good, mut mistakes) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(one) => good.push(one),
            Err(ComposeError::Mistakes(found)) => mistakes.extend(found),
            Err(error) => return Err(error),
        }
    }
    if mistakes.is_empty() { Ok(good) } else { Err(ComposeError::Mistakes(mistakes)) }
}

fn data_partition(
    shop: &Workshop<'_>,
    tree: &FileTree,
    plan: &PlannedPartition,
    plans: &[PlannedPartition],
    identity: &Identity,
) -> Result<Option<Partition>, ComposeError> {
    let guid = identity.uuid(&plan.label.to_string());
    let empty = Partition::empty(plan, guid);
    match plan.kind {
        // What these hold depends on the others.
        PartitionType::Esp => return Ok(None),
        kind if kind.protects().is_some() => return Ok(None),
        _ => {}
    }
    let Some(kind) = kind_of(plan) else { return Ok(Some(empty)) };
    let content = match mount_of(plan) {
        Some(mount) => content_of(tree, &tree.resolve(&mount).unwrap_or(mount), plans),
        None => FileTree::new(),
    };
    let size = size_of(plan, &content);
    // One that is protected is read to be hashed, and so has to be a file.
    if *plan.verity == Verity::Off
        && let Some(image) = image(shop, plan, kind, &content, size)?
    {
        let Made { size: length, used } = image.made;
        return Ok(Some(Partition { content: Content::Image(Arc::new(image.pieces)), length, used, ..empty }));
    }
    let made = filesystem(shop, plan, kind, &content, size)?;
    Ok(Some(Partition {
        content: Content::File(made.path),
        digest: Some(made.digest),
        length: made.size,
        used: made.used,
        ..empty
    }))
}

/// The EFI system partition.
pub(crate) fn esp_partition(
    shop: &Workshop<'_>,
    plan: &PlannedPartition,
    tree: &FileTree,
    identity: &Identity,
) -> Result<Partition, ComposeError> {
    let kind = Kind::Vfat(VfatOptions {});
    let made = filesystem(shop, plan, kind, tree, size_of(plan, tree))?;
    let empty = Partition::empty(plan, identity.uuid(&plan.label.to_string()));
    let content = Content::File(made.path);
    Ok(Partition { content, digest: Some(made.digest), length: made.size, used: made.used, ..empty })
}

/// A file system as a file.
pub(crate) struct MadeFilesystem {
    pub(crate) path: PathBuf,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) used: u64,
}

/// What a file system is called: names follow from its tree.
struct Names {
    /// Of the tree.
    manifest: Digest,
    label: String,
    uuid: Uuid,
}

impl Names {
    fn of(plan: &PlannedPartition, kind: Kind, tree: &FileTree) -> Self {
        let manifest = Digest::of(tree.to_manifest().as_bytes());
        let label = filesystem_label(kind, &plan.label.to_string());
        let uuid = content_uuid(&[&manifest.hash, kind.name().as_bytes(), label.as_bytes()]);
        Self { manifest, label, uuid }
    }
}

/// A file system that can be worked out without writing it.
fn image(
    shop: &Workshop<'_>,
    plan: &PlannedPartition,
    kind: Kind,
    tree: &FileTree,
    size: Size,
) -> Result<Option<Image>, ComposeError> {
    if !matches!(kind, Kind::Ext4(_)) {
        return Ok(None);
    }
    let Names { label, uuid, .. } = Names::of(plan, kind, tree);
    let request = Request { tree, kind, label: &label, uuid: *uuid.as_bytes(), size, epoch: shop.epoch };
    bedplate_filesystem::image(shop.store, &request).map_err(|error| at_partition(error, plan))
}

/// Makes a file system, or takes it out of the store if the same was made before.
pub(crate) fn filesystem(
    shop: &Workshop<'_>,
    plan: &PlannedPartition,
    kind: Kind,
    tree: &FileTree,
    size: Size,
) -> Result<MadeFilesystem, ComposeError> {
    let Names { manifest, label, uuid } = Names::of(plan, kind, tree);
    // Those that we write ourselves depend on no tools.
    let tools = match kind {
        Kind::Erofs(_) | Kind::Xfs(_) => shop.tools_digest.to_string(),
        Kind::Ext4(_) | Kind::Vfat(_) => String::new(),
    };
    let key = StepKey::new("file system", 2)
        .with("tree", manifest)
        .with("kind", format!("{kind:?}"))
        .with("label", &label)
        .with("size", format!("{size:?}"))
        .with("epoch", shop.epoch)
        .with("tools", tools);
    let mut was_there = true;
    let (made, _) = cached(shop.store, &key, &["image"], || {
        was_there = false;
        let file = shop.work.path().join(format!("partition-{}", uuid.simple()));
        let request = Request { tree, kind, label: &label, uuid: *uuid.as_bytes(), size, epoch: shop.epoch };
        let made = make(&shop.filesystem_context(), &request, &file).map_err(|error| at_partition(error, plan))?;
        let digest = shop.store.take_file(&file)?;
        let facts = serde_json::json!({"size": made.size, "used": made.used});
        Ok::<_, ComposeError>(cache::Made { blobs: vec![("image", digest)], facts })
    })?;
    let digest = made.blob("image").ok_or(ComposeError::Cache)?;
    let number = |name: &str| made.facts[name].as_u64().ok_or(ComposeError::Cache);
    // What was just written need not be read again to know that it is whole.
    let path = if was_there {
        shop.store.path_of(&digest)?
    } else {
        shop.store.place_of(&digest).ok_or(ComposeError::Cache)?
    };
    Ok(MadeFilesystem { path, digest, size: number("size")?, used: number("used")? })
}

/// What the file system cannot hold or be is a mistake of the config, at its partition.
fn at_partition(error: FilesystemError, plan: &PlannedPartition) -> ComposeError {
    let mistake = |code, hint: &str| {
        let diagnostic = Diagnostic::error(code, error.to_string()).at(plan.span);
        ComposeError::Mistakes(vec![diagnostic.hint(hint)])
    };
    match &error {
        FilesystemError::TooSmall { needed, .. } => {
            let hint = format!("write `size = \"{}M\"` at least, or `size = \"minimal\"`", needed.div_ceil(1 << 20));
            mistake("partition-too-small", &hint)
        }
        FilesystemError::Unsupported { .. } => {
            mistake("filesystem-cannot", "choose another file system, or leave these files out")
        }
        FilesystemError::BadSize { .. } => mistake("bad-partition-size", "give the partition another size"),
        FilesystemError::BadLabel { .. } => mistake("bad-filesystem-label", "give the partition another label"),
        _ => ComposeError::Filesystem(error),
    }
}

/// The label of a file system is that of its partition, as far as it has room.
fn filesystem_label(kind: Kind, label: &str) -> String {
    let (most, upper) = match kind {
        Kind::Erofs(_) => (15, false),
        Kind::Ext4(_) => (16, false),
        Kind::Xfs(_) => (12, false),
        Kind::Vfat(_) => (11, true),
    };
    let mut short = String::new();
    for character in label.chars() {
        let character = if upper { character.to_ascii_uppercase() } else { character };
        let fits = !upper || character.is_ascii_alphanumeric() || "_- ".contains(character);
        if fits && short.len() + character.len_utf8() <= most {
            short.push(character);
        }
    }
    short.trim().to_owned()
}

/// The disk, and the table as the manifest has it.
pub(crate) fn disk(
    config: &ImageConfig,
    partitions: &[Partition],
    identity: &Identity,
) -> Result<(Disk, Vec<PartitionFacts>, Uuid), ComposeError> {
    let guid = identity.uuid("disk");
    let mut request = LayoutRequest::new(guid);
    request.size = match *config.storage.size {
        WantedDiskSize::Minimal => DiskSize::Minimal,
        WantedDiskSize::Fixed(size) => DiskSize::Fixed(size.bytes()),
    };
    for one in partitions {
        let mut attributes = Attributes::default();
        if one.plan.is_read_only && one.plan.kind != PartitionType::Esp {
            attributes = attributes.with(Attributes::READ_ONLY);
        }
        if matches!(*one.plan.size, PartitionSize::Grow(_)) {
            attributes = attributes.with(Attributes::GROW_FILE_SYSTEM);
        }
        request.partitions.push(PartitionRequest {
            kind: Type::named(one.plan.kind.word(), config.architecture.word())?,
            guid: one.guid,
            label: one.plan.label.to_string(),
            attributes,
            content: one.length,
            size: match *one.plan.size {
                PartitionSize::Fixed(size) => DiskPartitionSize::Fixed(size.bytes()),
                PartitionSize::Minimal(_) => DiskPartitionSize::Content,
                PartitionSize::Grow(_) => DiskPartitionSize::Grow { at_least: one.length },
            },
        });
    }
    let layout = layout(&request).map_err(|error| {
        let place = |problem: &bedplate_disk::LayoutProblem| -> Span {
            problem.partition().and_then(|at| partitions.get(at)).map_or(config.storage.size.span, |one| one.plan.span)
        };
        let mistakes = error.problems.iter().map(|problem| {
            Diagnostic::error("partition-layout", problem.to_string())
                .at(place(problem))
                .hint("change `storage.size` or the sizes of partitions")
        });
        ComposeError::Mistakes(mistakes.collect())
    })?;
    let facts = partitions.iter().zip(&layout.table.partitions).map(|(one, place)| PartitionFacts {
        label: place.label.clone(),
        kind: one.plan.kind.word().to_owned(),
        guid: place.guid.to_string(),
        offset: place.offset,
        size: place.length,
        filesystem: kind_of(&one.plan).map(|kind| kind.name().to_owned()),
        used: kind_of(&one.plan).map(|_| one.used),
        mount: one.plan.mount.as_ref().map(ToString::to_string),
        read_only: one.plan.is_read_only,
        root_hash: one.root_hash.map(|hash| hash.to_string()),
        signed_by: one.signed_by.clone(),
    });
    let facts = facts.collect();
    let contents = partitions.iter().map(|one| match &one.content {
        Content::File(path) => Some(Source::File { path: path.clone(), offset: 0 }),
        Content::Zeros | Content::Image(_) => None,
    });
    let mut disk = layout.disk(contents.collect())?;
    for (one, place) in partitions.iter().zip(&layout.table.partitions) {
        let Content::Image(pieces) = &one.content else { continue };
        for piece in pieces.iter() {
            disk.add(extent(piece, place.offset))?;
        }
    }
    Ok((disk, facts, guid))
}

/// A piece of a file system, as a part of the disk.
fn extent(piece: &Piece, start: u64) -> Extent {
    let offset = start + piece.offset;
    match &piece.bytes {
        Bytes::Here(bytes) => Extent { offset, length: bytes.len() as u64, source: Source::Bytes(bytes.clone()) },
        Bytes::File { path, offset: from, length } => {
            Extent { offset, length: *length, source: Source::File { path: path.clone(), offset: *from } }
        }
    }
}

/// Bytes of a file of the tree, links followed.
pub(crate) fn read(store: &Store, tree: &FileTree, path: &str) -> Result<Option<Vec<u8>>, ComposeError> {
    let Ok(path) = path.parse::<TreePath>() else { return Ok(None) };
    let entry = tree.resolve(&path).and_then(|place| tree.get(place.as_str()));
    let content = match entry.map(|entry| &entry.kind) {
        Some(EntryKind::File(digest)) => Some(*digest),
        Some(EntryKind::HardLink(target)) => tree.get(target.as_str()).and_then(Entry::content),
        _ => None,
    };
    Ok(content.map(|digest| store.read(&digest)).transpose()?)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io;
    use std::path::Path;
    use std::sync::Arc;

    use bedplate_image_config::{FileKind, Files, load};

    use super::*;

    struct OneFile<'a>(&'a str);

    impl Files for OneFile<'_> {
        fn read(&mut self, _: &Path) -> io::Result<Vec<u8>> {
            Ok(self.0.as_bytes().to_vec())
        }

        fn kind(&mut self, _: &Path) -> io::Result<FileKind> {
            Ok(FileKind::File)
        }

        fn neighbours(&mut self, _: &Path) -> Vec<String> {
            Vec::new()
        }
    }

    /// A config with these lines after its name.
    pub(crate) fn config(more: &str) -> ImageConfig {
        let text = format!("version = 1\nname = \"test\"\n{more}");
        let loaded = load(Path::new("test.toml"), &mut OneFile(&text));
        loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
    }

    #[test]
    fn a_tree_is_split_by_mount_points() {
        let origin: Arc<str> = Arc::from("test");
        let mut tree = FileTree::new();
        for path in ["/etc/a", "/usr/bin/b", "/var/lib/c", "/boot/d", "/usr-local/e"] {
            let entry = Entry::new(EntryKind::File(Digest::of(path.as_bytes())), 0o644, &origin);
            tree.insert(path.parse().unwrap(), entry).unwrap();
        }
        let config = config(
            "[[storage.partition]]\ntype = \"esp\"\n[[storage.partition]]\ntype = \"root\"\n[[storage.partition]]\ntype = \"usr\"\nfilesystem = \"erofs\"\n",
        );
        let plans = config.storage.layout();
        let of = |mount: &str| {
            let content = content_of(&tree, &mount.parse().unwrap(), &plans);
            content.iter().map(|(path, _)| path.to_string()).collect::<Vec<_>>().join(" ")
        };
        // The mount points themselves stay.
        assert_eq!(of("/"), "/ /boot /etc /etc/a /usr /usr-local /usr-local/e /var /var/lib /var/lib/c");
        assert_eq!(of("/usr"), "/ /bin /bin/b");
        assert_eq!(of("/boot"), "/ /d");
    }

    #[test]
    fn labels_of_file_systems_have_little_room() {
        for (kind, label, short) in [
            (Kind::Vfat(VfatOptions {}), "efi-system+1", "EFI-SYSTEM1"),
            (Kind::Xfs(XfsOptions {}), "a-very-long-label", "a-very-long-"),
            (Kind::Ext4(Ext4Options::default()), "root", "root"),
        ] {
            assert_eq!(filesystem_label(kind, label), short);
        }
    }
}

//! xfs, by mkfs.xfs from a prototype file, and xfs_db for what a prototype has no words for.
//!
//! A prototype of xfsprogs 6.13 has names, contents, modes, owners, links and devices. It has no times, sticky bits, hard links and
//! extended attributes: xfs_db writes these afterwards, by path. Both programs take times and random numbers from libfaketime.
//! Neither takes white space in names.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};

use bedplate_cas::Store;
use bedplate_sandbox::Bind;
use bedplate_tree::{Entry, FileTree, Kind, TreePath};

use crate::error::Unsupported;
use crate::sandboxed::{IMAGE, Workshop, quoted, uuid_text};
use crate::tools::FAKE_TIME;
use crate::{FilesystemError, Made, Request, Size};

const BLOCK: u64 = 4096;

/// mkfs.xfs makes no smaller ones.
const SMALLEST: u64 = 300 << 20;

/// Where the contents are, inside.
const DATA: &str = "/build/data";

/// The longest value of an extended attribute that is no plain text: it has to fit into the inode.
const BINARY_VALUE: usize = 64;

/// Bytes of an inode for what it leads to and for its attributes.
const INODE_ROOM: usize = 336;

/// What the list of a content's or folder's blocks takes of it at least.
const LIST_ROOM: usize = 52;

/// How often a size is tried before the failure is taken for another one.
const ATTEMPTS: usize = 8;

/// Refuses what the tools have no words for.
pub(crate) fn check_words(tree: &FileTree, path: &TreePath, entry: &Entry, cannot: &mut Vec<Unsupported>) {
    let mut refuse = |what: String| cannot.push(Unsupported { path: path.clone(), what });
    let is_bad =
        |text: &str| text.is_empty() || text.contains(|letter: char| letter.is_whitespace() || letter.is_control());
    if !path.is_root() && (is_bad(path.name()) || path.name().starts_with(':') || path.name() == "$") {
        refuse("a name with white space, a colon at its start, or `$`, which mkfs.xfs cannot take".to_owned());
    }
    if let Kind::Symlink(target) = &entry.kind
        && (is_bad(target) || target.starts_with(':'))
    {
        refuse("a link to a name with white space or a colon at its start, which mkfs.xfs cannot take".to_owned());
    }
    for (name, value) in &entry.xattrs {
        if is_bad(name) || (!is_text(value) && value.len() > BINARY_VALUE) {
            refuse(format!(
                "its extended attribute `{name}`, which is no plain text and has more than {BINARY_VALUE} bytes"
            ));
        }
    }
    let (needed, room) = (binary_bytes(entry), attribute_room(tree, path, entry));
    if needed > room && !matches!(entry.kind, Kind::HardLink(_)) {
        refuse(format!(
            "its extended attributes that are no plain text: they take {needed} bytes with their names, and its inode has room for {room}"
        ));
    }
}

/// Bytes of the attributes that are no text, as they lie in an inode: linux/fs/xfs/libxfs/xfs_da_format.h, `xfs_attr_sf_hdr` and
/// `xfs_attr_sf_entry`. Texts come after them, and may go elsewhere with all others.
fn binary_bytes(entry: &Entry) -> usize {
    let others = entry.xattrs.iter().filter(|(_, value)| !is_text(value));
    let bytes: usize = others.map(|(name, value)| 3 + bare(name).len() + value.len()).sum();
    if bytes == 0 { 0 } else { 4 + bytes }
}

/// Bytes that an inode has for attributes: `xfs_attr_shortform_bytesfit` of linux/fs/xfs/libxfs/xfs_attr_leaf.c.
fn attribute_room(tree: &FileTree, path: &TreePath, entry: &Entry) -> usize {
    let inside = match &entry.kind {
        Kind::CharacterDevice { .. } | Kind::BlockDevice { .. } | Kind::Fifo => return INODE_ROOM - 8,
        Kind::Symlink(target) => target.len(),
        Kind::Directory if !entry.xattrs.is_empty() => {
            6 + tree.children(path).map(|(path, _)| 8 + path.name().len()).sum::<usize>()
        }
        _ => 0,
    };
    // What does not fit into the inode lies in blocks.
    let inside = if inside > INODE_ROOM { 0 } else { inside };
    INODE_ROOM - inside.max(LIST_ROOM).next_multiple_of(8)
}

/// The name of an attribute without what says who may see it.
fn bare(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, rest)| rest)
}

/// Whether xfs_db takes a value as it is.
fn is_text(value: &[u8]) -> bool {
    !value.is_empty() && value[0] != b'-' && value.iter().all(u8::is_ascii_graphic)
}

/// Makes the image.
pub(crate) fn make(shop: &Workshop<'_>, store: &Store, request: &Request<'_>) -> Result<Made, FilesystemError> {
    if let Size::Fixed(size) = request.size
        && size < SMALLEST
    {
        let why = format!("mkfs.xfs makes none of less than {SMALLEST} bytes");
        return Err(FilesystemError::BadSize { kind: "xfs", size, why });
    }
    let contents = Contents::link(store, request.tree)?;
    shop.put("prototype", prototype(request.tree))?;
    let image = Image { shop, request, contents, repair: Repair::of(request) };
    shop.put("repair", &image.repair.script)?;
    match request.size {
        Size::Minimal { slack } => image.make_minimal(slack),
        Size::Fixed(size) => match image.run(size) {
            Err(failure @ FilesystemError::Tool { .. }) => match image.make_minimal(0)?.size {
                needed if needed > size => Err(FilesystemError::TooSmall { kind: "xfs", size, needed }),
                _ => Err(failure),
            },
            other => other.map(|free| Made { size, used: size - free }),
        },
    }
}

/// All contents in one folder, as hard links to those of the store, under their hashes.
struct Contents {
    folder: bedplate_cas::WorkFolder,
}

impl Contents {
    fn link(store: &Store, tree: &FileTree) -> Result<Self, FilesystemError> {
        let folder = store.work("filesystem-data")?;
        let io = |action| FilesystemError::io(action, folder.path());
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).map_err(io("open"))?;
        for digest in tree.contents() {
            let from = store.path_of(&digest)?;
            let to = folder.path().join(digest.hex());
            // Where there are links enough, or none at all, it is copied.
            fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(|_| ())).map_err(io("link contents in"))?;
        }
        Ok(Self { folder })
    }
}

/// The tree in the words of mkfs.xfs, without hard links.
fn prototype(tree: &FileTree) -> String {
    // A first line that nobody reads, and numbers that nobody counts on.
    let mut text = "/\n0 0\n".to_owned();
    let mut open: Vec<&TreePath> = Vec::new();
    // Sorted by path, what lies beside a folder may come before what lies in it: `/usr-x` before `/usr/bin`.
    let mut entries: Vec<(Vec<&str>, &TreePath, &Entry)> =
        tree.iter().map(|(path, entry)| (path.relative().split('/').collect(), path, entry)).collect();
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    for (_, path, entry) in entries {
        while open.last().is_some_and(|folder| !path.is_below(folder)) {
            open.pop();
            text.push_str("$\n");
        }
        let (letter, rest) = match &entry.kind {
            Kind::HardLink(_) => continue,
            Kind::Directory => ('d', String::new()),
            Kind::File(digest) => ('-', format!(" {DATA}/{}", digest.hex())),
            Kind::Symlink(target) => ('l', format!(" {target}")),
            Kind::CharacterDevice { major, minor } => ('c', format!(" {major} {minor}")),
            Kind::BlockDevice { major, minor } => ('b', format!(" {major} {minor}")),
            Kind::Fifo => ('p', String::new()),
        };
        let flag = |bit, letter| if entry.mode & bit == 0 { '-' } else { letter };
        if !path.is_root() {
            let _ = write!(text, "{} ", path.name());
        }
        let (user, group, mode) = (flag(0o4000, 'u'), flag(0o2000, 'g'), entry.mode & 0o777);
        let _ = writeln!(text, "{letter}{user}{group}{mode:03o} {} {}{rest}", entry.uid, entry.gid);
        if entry.is_directory() {
            open.push(path);
        }
    }
    text.push_str(&"$\n".repeat(open.len()));
    text
}

/// What xfs_db has to write.
struct Repair {
    script: String,
    /// How many lines it says when all goes well.
    answers: usize,
}

impl Repair {
    fn of(request: &Request<'_>) -> Self {
        let mut repair = Self { script: String::new(), answers: 0 };
        // Links first: they change the time of their folder.
        for (path, entry) in request.tree.iter() {
            if let (Kind::HardLink(target), Some(folder)) = (&entry.kind, path.parent()) {
                let _ = writeln!(repair.script, "path {folder}\nlink -p {target} {}", path.name());
            }
        }
        for (path, entry) in request.tree.iter() {
            let mut commands = String::new();
            let mut answers = 0;
            if !matches!(entry.kind, Kind::HardLink(_)) {
                answers += attributes(entry, &mut commands);
                if entry.mode & 0o1000 != 0 {
                    let _ = writeln!(commands, "write core.mode 0{:o}", kind_bits(&entry.kind) | u32::from(entry.mode));
                    answers += 1;
                }
                if entry.mtime != request.epoch {
                    // Nanoseconds since 1901, as `bigtime` counts.
                    let time = (entry.mtime + (1 << 31)) as u64 * 1_000_000_000;
                    let _ = writeln!(commands, "write core.mtime.sec {time}");
                    answers += 1;
                }
            }
            if !commands.is_empty() {
                let _ = write!(repair.script, "path {path}\n{commands}");
                repair.answers += answers;
            }
        }
        repair
    }
}

/// Commands that set the extended attributes of an entry; gives how many answer.
fn attributes(entry: &Entry, commands: &mut String) -> usize {
    let flag = |name: &str| match name.split_once('.') {
        Some(("trusted", _)) => "-r",
        Some(("security", _)) => "-s",
        _ => "-u",
    };
    let (texts, others): (BTreeMap<_, _>, BTreeMap<_, _>) = entry.xattrs.iter().partition(|(_, value)| is_text(value));
    // Those that are no text are made with another value of the same length, and overwritten in their place: the first ones.
    for (name, value) in &others {
        let _ = writeln!(commands, "attr_set {} -v {} {}", flag(name), value.len(), bare(name));
    }
    let mut answers = 0;
    for (index, value) in others.values().enumerate().filter(|(_, value)| !value.is_empty()) {
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(commands, "write a.sfattr.list[{index}].value #{hex}");
        answers += 1;
    }
    for (name, value) in &texts {
        let _ = writeln!(commands, "attr_set {} {} {}", flag(name), bare(name), String::from_utf8_lossy(value));
    }
    answers
}

/// The bits of a mode that say what a file is.
fn kind_bits(kind: &Kind) -> u32 {
    match kind {
        Kind::Directory => 0o040_000,
        Kind::File(_) | Kind::HardLink(_) => 0o100_000,
        Kind::Symlink(_) => 0o120_000,
        Kind::CharacterDevice { .. } => 0o020_000,
        Kind::BlockDevice { .. } => 0o060_000,
        Kind::Fifo => 0o010_000,
    }
}

struct Image<'a> {
    shop: &'a Workshop<'a>,
    request: &'a Request<'a>,
    contents: Contents,
    repair: Repair,
}

impl Image<'_> {
    fn make_minimal(&self, slack: u64) -> Result<Made, FilesystemError> {
        let mut size = estimate(self.request.tree, slack).max(SMALLEST);
        for attempt in 1.. {
            match self.run(size) {
                Ok(free) if free >= slack => return Ok(Made { size, used: size - free }),
                Err(FilesystemError::Tool { .. }) if attempt < ATTEMPTS => {
                    size += (size / 32).next_multiple_of(1 << 20)
                }
                Ok(free) => size += (slack - free).next_multiple_of(1 << 20),
                Err(error) => return Err(error),
            }
        }
        unreachable!("the last attempt is given back")
    }

    /// Makes a file system of so many bytes; gives how many of them are free.
    fn run(&self, size: u64) -> Result<u64, FilesystemError> {
        let request = self.request;
        self.shop.clear_image(size)?;
        let uuid = uuid_text(&request.uuid);
        let seed = request.uuid.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        let label = if request.label.is_empty() { String::new() } else { format!(" -L {}", quoted(request.label)) };
        // Sector, block and number of groups are said, lest they depend on what the image lies on.
        let script = format!(
            "export LD_PRELOAD=/{FAKE_TIME} FAKETIME_FMT=%s FAKETIME={} FAKERANDOM_SEED={seed:#x} NO_FAKE_STAT=1\n\
             mkfs.xfs -q -f -K -s size=512 -b size={BLOCK} -d agcount=4 -m uuid={uuid}{label} -p /build/io/prototype {IMAGE}\n\
             xfs_db -x -f {IMAGE} < /build/io/repair 2>&1",
            request.epoch
        );
        let data = Bind { source: self.contents.folder.path().to_owned(), target: DATA.into(), writable: false };
        let lines = self.shop.run(&script, None, &[data])?;
        let complaints: Vec<String> = lines.iter().filter(|line| !line.contains(" = ")).cloned().collect();
        if !complaints.is_empty() || lines.len() != self.repair.answers {
            return Err(FilesystemError::Incomplete { command: script, output: complaints });
        }
        let image = self.shop.image();
        let mut free = [0; 8];
        let file = File::open(&image).map_err(FilesystemError::io("open", &image))?;
        // linux/fs/xfs/libxfs/xfs_format.h, struct xfs_dsb: sb_fdblocks.
        file.read_exact_at(&mut free, 144).map_err(FilesystemError::io("read", &image))?;
        Ok(u64::from_be_bytes(free) * BLOCK)
    }
}

/// About how large it must be: contents, inodes, folders, the journal, and a part for what is spread over the groups.
fn estimate(tree: &FileTree, slack: u64) -> u64 {
    const INODE: u64 = 512;
    const JOURNAL: u64 = 64 << 20;
    let contents: u64 =
        tree.iter().filter_map(|(_, entry)| entry.content()).map(|digest| digest.size.next_multiple_of(BLOCK)).sum();
    let folders: u64 = tree.iter().map(|(path, _)| path.name().len() as u64 + 32).sum();
    let inodes = tree.len() as u64 * INODE;
    let all = contents + folders + inodes + slack;
    (all + all / 64 + JOURNAL + (4 << 20)).next_multiple_of(1 << 20)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bedplate_cas::Digest;

    use super::*;

    #[test]
    fn a_prototype_closes_its_folders() {
        let mut tree = FileTree::new();
        let origin: Arc<str> = Arc::from("test");
        for (path, kind, mode) in [
            ("/usr", Kind::Directory, 0o755),
            ("/usr/bin/su", Kind::File(Digest::of(b"x")), 0o4755),
            ("/usr-x", Kind::Fifo, 0o600),
            ("/usr/bin/link", Kind::HardLink("/usr/bin/su".parse().unwrap()), 0o644),
            ("/bin", Kind::Symlink("usr/bin".into()), 0o777),
        ] {
            tree.insert(path.parse().unwrap(), Entry { uid: 1, gid: 2, ..Entry::new(kind, mode, &origin) }).unwrap();
        }
        let hex = Digest::of(b"x").hex();
        assert_eq!(
            prototype(&tree),
            format!(
                "/\n0 0\nd--755 0 0\nbin l--777 1 2 usr/bin\nusr d--755 1 2\nbin d--755 0 0\nsu -u-755 1 2 {DATA}/{hex}\n$\n$\n\
                 usr-x p--600 1 2\n$\n"
            )
        );
    }

    #[test]
    fn values_are_overwritten_in_their_order() {
        let mut entry = Entry::new(Kind::Directory, 0o755, &Arc::from("test"));
        for (name, value) in
            [("security.selinux", &b"a:b"[..]), ("user.zero", b"\0"), ("security.capability", b"\x01\0")]
        {
            entry.xattrs.insert(name.to_owned(), value.to_vec());
        }
        let mut commands = String::new();
        assert_eq!(attributes(&entry, &mut commands), 2);
        assert_eq!(
            commands,
            "attr_set -s -v 2 capability\nattr_set -u -v 1 zero\nwrite a.sfattr.list[0].value #0100\n\
             write a.sfattr.list[1].value #00\nattr_set -s selinux a:b\n"
        );
    }
}

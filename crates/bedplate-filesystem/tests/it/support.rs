//! The tools, a tree with all that a tree can have, and what is expected of an image of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use bedplate_apt::Apt;
use bedplate_cas::{Digest, Store};
use bedplate_diag::SourceId;
use bedplate_filesystem::{Context, FilesystemError, FilesystemKind, Made, Request, Size, make};
use bedplate_sandbox::{Cancel, Helper};
use bedplate_seed::{Definition, Lock, SeedRoots};
use bedplate_tree::{Entry, FileTree, Kind, TreePath};
use tempfile::TempDir;

pub(crate) const HELPER: &str = env!("CARGO_BIN_EXE_bedplate-filesystem-test-helper");
pub(crate) const EPOCH: i64 = 1_700_000_000;
pub(crate) const UUID: [u8; 16] =
    [0x1e, 0xa0, 0xbe, 0xef, 0x11, 0x22, 0x43, 0x44, 0x85, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc];

/// A root with the seed's group `images`.
pub(crate) fn tools() -> &'static Path {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../toolkit/seed");
        let text = |name: &str| fs::read_to_string(seed.join(name)).unwrap();
        let definition = Definition::parse(SourceId(0), &text("debian-trixie.toml")).unwrap();
        let lock = Lock::parse(SourceId(1), &text("debian-trixie.lock")).unwrap();
        let store = Store::open(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("store")).unwrap();
        let apt = Apt::new(&store.path().join("apt"), &["trixie"]).unwrap();
        let temporary = std::env::temp_dir();
        let roots = SeedRoots { store: &store, definition: &definition, lock: &lock, apt: &apt, temporary: &temporary };
        let tree = roots.create(&["images"], &|_| {}).expect("the seed's group `images` can be made");
        store.checkout(&tree).unwrap()
    })
}

/// Runs a program of the tools outside of any sandbox, and gives what it writes to standard output.
#[track_caller]
pub(crate) fn tool(name: &str, arguments: &[&str]) -> String {
    let (output, is_good) = try_tool(name, arguments);
    assert!(is_good, "{name} {arguments:?}\n{output}");
    output
}

/// As [`tool`]; what it writes to standard error too, and whether it says that all is well.
pub(crate) fn try_tool(name: &str, arguments: &[&str]) -> (String, bool) {
    let root = tools();
    let program = ["usr/bin", "usr/sbin"].map(|folder| root.join(folder).join(name));
    let program = program.iter().find(|path| path.exists()).unwrap_or_else(|| panic!("{name} is one of the tools"));
    let output = Command::new(root.join("usr/lib64/ld-linux-x86-64.so.2"))
        .arg("--library-path")
        .arg(root.join("usr/lib/x86_64-linux-gnu"))
        .arg(program)
        .args(arguments)
        .env("TZ", "UTC")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        text.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    (text, output.status.success())
}

/// A folder and a store.
pub(crate) struct World {
    folder: TempDir,
    pub(crate) store: Store,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        Self { folder, store }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn make(
        &self,
        tree: &FileTree,
        kind: FilesystemKind,
        size: Size,
        name: &str,
    ) -> Result<Made, FilesystemError> {
        let helper = Helper::At(HELPER.into());
        let context = Context { store: &self.store, tools: tools(), helper: &helper, cancel: &Cancel::default() };
        make(&context, &Request { tree, kind, label: "LABEL", uuid: UUID, size, epoch: EPOCH }, &self.path(name))
    }

    /// Makes an image of the smallest size; gives its path.
    #[track_caller]
    pub(crate) fn image(&self, tree: &FileTree, kind: FilesystemKind) -> String {
        let name = format!("{kind}.image");
        let made = self.make(tree, kind, Size::Minimal { slack: 0 }, &name).unwrap_or_else(|error| panic!("{error}"));
        let path = self.path(&name);
        assert_eq!(fs::metadata(&path).unwrap().len(), made.size);
        assert!(made.used <= made.size && made.used > 0);
        path.to_str().unwrap().to_owned()
    }

    fn file(&self, content: &[u8]) -> Kind {
        Kind::File(self.store.put(content).unwrap())
    }
}

/// Puts an entry into a tree.
pub(crate) fn add(tree: &mut FileTree, path: &str, kind: Kind, change: impl FnOnce(&mut Entry)) {
    let origin: Arc<str> = Arc::from("test");
    let mut entry = Entry { mtime: 1_600_000_000, ..Entry::new(kind, 0o644, &origin) };
    change(&mut entry);
    tree.insert(path.parse().unwrap(), entry).unwrap();
}

/// A tree with all that a tree can have and that erofs, ext4 and xfs can hold.
pub(crate) fn sample(world: &World) -> FileTree {
    let mut tree = FileTree::new();
    let root = tree.get_mut("/").unwrap();
    (root.mode, root.uid, root.gid, root.mtime) = (0o750, 5, 6, 1_500_000_001);
    root.xattrs.insert("security.selinux".to_owned(), b"system_u:object_r:root_t:s0".to_vec());
    let big: Vec<u8> = (0..400_000_u32).flat_map(|number| (number ^ (number << 9)).to_le_bytes()).collect();
    let holes = [&[0; 900_000][..], b"end"].concat();
    let capability = [&[1, 0, 0, 2, 0, 4][..], &[0; 14]].concat();
    add(&mut tree, "/usr/bin/tool", world.file(b"text\n"), |entry| {
        (entry.mode, entry.uid, entry.gid) = (0o4755, 70_000, 3_000_000_000);
        entry.xattrs.insert("security.capability".to_owned(), capability);
        entry.xattrs.insert("user.note".to_owned(), b"a\0b\xff".to_vec());
        entry.xattrs.insert("trusted.x".to_owned(), b"yes".to_vec());
        entry.xattrs.insert("security.selinux".to_owned(), b"system_u:object_r:bin_t:s0".to_vec());
    });
    add(&mut tree, "/usr/bin/same", world.file(b"text\n"), |entry| entry.mode = 0o2711);
    add(&mut tree, "/usr/bin/a-link", Kind::HardLink("/usr/bin/tool".parse().unwrap()), |_| {});
    add(&mut tree, "/zz-link", Kind::HardLink("/usr/bin/tool".parse().unwrap()), |_| {});
    add(&mut tree, "/usr-x", world.file(b"between"), |entry| entry.mode = 0);
    add(&mut tree, "/big", world.file(&big), |entry| entry.mtime = 1_234_567_890);
    add(&mut tree, "/holes", world.file(&holes), |_| {});
    add(&mut tree, "/empty", world.file(b""), |entry| entry.mtime = 0);
    add(&mut tree, "/tmp", Kind::Directory, |entry| entry.mode = 0o1777);
    add(&mut tree, "/var/spool/mail", Kind::Directory, |entry| {
        (entry.mode, entry.gid, entry.mtime) = (0o2775, 12, 1_650_000_000);
        entry.xattrs.insert("user.folder".to_owned(), b"text".to_vec());
    });
    add(&mut tree, "/bin", Kind::Symlink("usr/bin".into()), |entry| {
        (entry.mode, entry.uid) = (0o777, 9);
        entry.xattrs.insert("security.selinux".to_owned(), b"system_u:object_r:link_t:s0".to_vec());
    });
    add(&mut tree, "/far", Kind::Symlink(format!("/{}", "x".repeat(300))), |entry| entry.mode = 0o777);
    add(&mut tree, "/dev/null", Kind::CharacterDevice { major: 1, minor: 3 }, |entry| entry.mode = 0o666);
    add(&mut tree, "/dev/disk", Kind::BlockDevice { major: 259, minor: 70_000 }, |entry| {
        (entry.mode, entry.gid) = (0o660, 6);
    });
    add(&mut tree, "/run/pipe", Kind::Fifo, |entry| entry.mode = 0o600);
    add(&mut tree, "/usr/lib/a\\x2db@1:2.service", world.file(b"unit"), |_| {});
    add(&mut tree, "/usr/share/grüße-你好", world.file("ü".as_bytes()), |_| {});
    let long = format!("/usr/share/{}/{}", "d".repeat(200), "n".repeat(255));
    add(&mut tree, &long, world.file(b"long"), |_| {});
    // More than the kernel's pages of a folder.
    for number in 0..300 {
        let path = format!("/usr/share/many/a-name-of-some-length-{number:04}");
        add(&mut tree, &path, world.file(format!("{number}").as_bytes()), |entry| entry.mtime += number);
    }
    tree
}

/// What an image must have at each path: kind, mode, owner, time, number of names, content, attributes.
pub(crate) type Facts = BTreeMap<String, String>;

/// The facts of a tree.
pub(crate) fn facts(tree: &FileTree) -> Facts {
    let mut names: BTreeMap<&TreePath, u64> = BTreeMap::new();
    for (_, entry) in tree.iter() {
        if let Kind::HardLink(target) = &entry.kind {
            *names.entry(target).or_insert(1) += 1;
        }
    }
    tree.iter()
        .map(|(path, entry)| {
            let (first, entry) = match &entry.kind {
                Kind::HardLink(target) => (target, tree.get(target.as_str()).unwrap()),
                _ => (path, entry),
            };
            let what = match &entry.kind {
                Kind::Directory => "folder".to_owned(),
                Kind::File(digest) => format!("file {digest}"),
                Kind::Symlink(target) => format!("link {target}"),
                Kind::HardLink(_) => unreachable!("it was followed"),
                Kind::CharacterDevice { major, minor } => format!("character {major}:{minor}"),
                Kind::BlockDevice { major, minor } => format!("block {major}:{minor}"),
                Kind::Fifo => "fifo".to_owned(),
            };
            let links = if entry.is_directory() { 0 } else { names.get(first).copied().unwrap_or(1) };
            let attributes = entry.xattrs.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
            (
                path.as_str().to_owned(),
                line(&what, entry.mode.into(), (entry.uid, entry.gid), entry.mtime, links, attributes),
            )
        })
        .collect()
}

/// One fact. Names are not counted for folders.
pub(crate) fn line<'a>(
    what: &str,
    mode: u32,
    owner: (u32, u32),
    mtime: i64,
    links: u64,
    attributes: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> String {
    let mut line = format!("{what} {mode:04o} {}:{} {mtime} x{links}", owner.0, owner.1);
    for (name, value) in attributes {
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = write!(line, " {name}={hex}");
    }
    line
}

/// The facts of a folder on this machine.
pub(crate) fn facts_of_folder(folder: &Path) -> Facts {
    let mut facts = Facts::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let data = fs::symlink_metadata(&path).unwrap();
        let kind = data.file_type();
        let device = format!("{}:{}", rustix::fs::major(data.rdev()), rustix::fs::minor(data.rdev()));
        let what = match data.mode() & 0o170_000 {
            0o040_000 => "folder".to_owned(),
            0o100_000 => format!("file {}", Digest::of(&fs::read(&path).unwrap())),
            0o120_000 => format!("link {}", fs::read_link(&path).unwrap().display()),
            0o020_000 => format!("character {device}"),
            0o060_000 => format!("block {device}"),
            _ => "fifo".to_owned(),
        };
        let attributes = attributes(&path);
        let attributes = attributes.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let links = if kind.is_dir() { 0 } else { data.nlink() };
        let text = line(&what, data.mode() & 0o7777, (data.uid(), data.gid()), data.mtime(), links, attributes);
        let below = path.strip_prefix(folder).unwrap().to_str().unwrap();
        facts.insert(format!("/{below}"), text);
        if kind.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    facts
}

fn attributes(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0_u8; 65536];
    let count = rustix::fs::llistxattr(path, &mut names).unwrap();
    let names = names[..count].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let name = String::from_utf8(name.to_vec()).unwrap();
            let mut value = vec![0_u8; 65536];
            let count = rustix::fs::lgetxattr(path, name.as_str(), &mut value).unwrap();
            (name, value[..count].to_vec())
        })
        .collect()
}

/// Compares facts; says only what differs.
#[track_caller]
pub(crate) fn assert_same(found: &Facts, expected: &Facts) {
    let mut differences = String::new();
    let paths: std::collections::BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    for path in paths {
        let (one, two) = (found.get(path), expected.get(path));
        if one != two && differences.len() < 4000 {
            let _ = writeln!(differences, "{path}\n  found    {one:?}\n  expected {two:?}");
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

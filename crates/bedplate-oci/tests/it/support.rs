//! A tree with all that a tree can have, and what is expected where it was unpacked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bedplate_cas::{Digest, Store};
use bedplate_oci::{Compression, Image, ImageConfig, Layer, Written, write_layout};
use bedplate_tree::{Entry, FileTree, Kind, TreePath};
use tempfile::TempDir;

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

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn file(&self, content: &[u8]) -> Kind {
        Kind::File(self.store.put(content).unwrap())
    }

    /// What lies in the folder beside the store.
    pub(crate) fn left(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).filter(|name| name != "store").collect()
    }

    /// Writes a layout.
    #[track_caller]
    pub(crate) fn layout(&self, layers: &[Layer], compression: Compression, name: &str) -> Written {
        let config = config();
        let image = Image { layers, config: &config, compression, name: Some("example/node:1.2") };
        write_layout(&self.store, &image, &self.path(name)).unwrap()
    }

    /// Unpacks the image of a layout, as root; gives the facts of what was unpacked.
    #[track_caller]
    pub(crate) fn unpacked(&self, layout: &str) -> Facts {
        let bundle = self.text("bundle");
        run("umoci", &["unpack", "--image", &format!("{}:1.2", self.text(layout)), &bundle]);
        let facts = facts_of_folder(&self.path("bundle/rootfs"));
        fs::remove_dir_all(&bundle).unwrap();
        facts
    }
}

pub(crate) fn config() -> ImageConfig {
    let pairs =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    ImageConfig {
        architecture: "x86_64".to_owned(),
        created: 1_700_000_000,
        author: Some("Team".to_owned()),
        user: Some("1000:1000".to_owned()),
        environment: words(&["PATH=/usr/bin", "LANG=C.UTF-8"]),
        entrypoint: words(&["/usr/bin/tool"]),
        command: words(&["--help"]),
        working_directory: Some("/var".to_owned()),
        exposed_ports: words(&["443/tcp"]),
        volumes: words(&["/var/data"]),
        stop_signal: Some("SIGRTMIN+3".to_owned()),
        labels: pairs(&[("org.opencontainers.image.title", "node"), ("a", "1")]),
        annotations: pairs(&[("org.opencontainers.image.version", "1.2")]),
    }
}

/// Runs a program that has to do its work; gives its output.
#[track_caller]
pub(crate) fn run(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {words:?}\n{said}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn add(tree: &mut FileTree, path: &str, kind: Kind, origin: &str, change: impl FnOnce(&mut Entry)) {
    let mut entry = Entry { mtime: 1_600_000_000, ..Entry::new(kind, 0o644, &Arc::from(origin)) };
    change(&mut entry);
    tree.insert(path.parse().unwrap(), entry).unwrap();
}

/// A tree of two packages and of steps of a compose.
pub(crate) fn sample(world: &World) -> FileTree {
    const TOOL: &str = "tool-1.0-1.x86_64";
    const DATA: &str = "data-2.0-1.noarch";
    let mut tree = FileTree::new();
    let root = tree.get_mut("/").unwrap();
    (root.mode, root.mtime) = (0o755, 1_500_000_001);
    let capability = [&[1, 0, 0, 2, 0, 4][..], &[0; 14]].concat();
    add(&mut tree, "/usr/bin/tool", world.file(b"text\n"), TOOL, |entry| {
        (entry.mode, entry.uid, entry.gid) = (0o4755, 70_000, 80_000);
        entry.xattrs.insert("security.capability".to_owned(), capability);
        entry.xattrs.insert("user.note".to_owned(), b"a\0b\n".to_vec());
    });
    add(&mut tree, "/usr/bin/a-link", Kind::HardLink("/usr/bin/tool".parse().unwrap()), TOOL, |_| {});
    add(&mut tree, "/zz-link", Kind::HardLink("/usr/bin/tool".parse().unwrap()), DATA, |_| {});
    let big: Vec<u8> = (0..1_500_000_u32).flat_map(|number| (number ^ (number << 9)).to_le_bytes()).collect();
    add(&mut tree, "/usr/share/big", world.file(&big), DATA, |entry| entry.mtime = 1_234_567_890);
    add(&mut tree, "/usr/share/empty", world.file(b""), DATA, |entry| entry.mode = 0o600);
    add(&mut tree, "/tmp", Kind::Directory, "files", |entry| entry.mode = 0o1777);
    add(&mut tree, "/closed/x", world.file(b"x"), "files", |entry| entry.mode = 0);
    let closed = tree.get_mut("/closed").unwrap();
    (closed.mode, closed.uid, closed.mtime) = (0o500, 7, 1_650_000_000);
    closed.xattrs.insert("user.folder".to_owned(), b"text".to_vec());
    add(&mut tree, "/bin", Kind::Symlink("usr/bin".into()), "files", |entry| (entry.mode, entry.uid) = (0o777, 9));
    add(&mut tree, "/dev/null", Kind::CharacterDevice { major: 1, minor: 3 }, "files", |entry| entry.mode = 0o666);
    add(&mut tree, "/dev/disk", Kind::BlockDevice { major: 259, minor: 7 }, "files", |entry| entry.gid = 6);
    add(&mut tree, "/run/pipe", Kind::Fifo, "files", |entry| entry.mode = 0o600);
    let long = format!("/usr/share/{}/grüße-{}", "d".repeat(200), "n".repeat(200));
    add(&mut tree, &long, world.file(b"long"), DATA, |_| {});
    tree
}

pub(crate) type Facts = BTreeMap<String, String>;

/// What a tree must look like where it is unpacked.
pub(crate) fn facts(tree: &FileTree) -> Facts {
    let mut names: BTreeMap<&TreePath, u64> = BTreeMap::new();
    for (_, entry) in tree.iter() {
        if let Kind::HardLink(target) = &entry.kind {
            *names.entry(target).or_insert(1) += 1;
        }
    }
    let fact = |(path, entry): (&TreePath, &Entry)| {
        let (first, entry) = match &entry.kind {
            Kind::HardLink(target) => (target, tree.get(target.as_str()).unwrap()),
            _ => (path, entry),
        };
        let what = match &entry.kind {
            Kind::Directory => "folder".to_owned(),
            Kind::File(digest) => format!("file {digest}"),
            Kind::Symlink(target) => format!("link {target}"),
            Kind::CharacterDevice { major, minor } => format!("character {major}:{minor}"),
            Kind::BlockDevice { major, minor } => format!("block {major}:{minor}"),
            Kind::Fifo | Kind::HardLink(_) => "fifo".to_owned(),
        };
        let links = if entry.is_directory() { 0 } else { names.get(first).copied().unwrap_or(1) };
        let line = line(&what, entry.mode.into(), (entry.uid, entry.gid), entry.mtime, links, &entry.xattrs);
        (path.as_str().to_owned(), line)
    };
    tree.iter().map(fact).collect()
}

fn line(
    what: &str,
    mode: u32,
    owner: (u32, u32),
    mtime: i64,
    links: u64,
    attributes: &BTreeMap<String, Vec<u8>>,
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
        let is_folder = data.is_dir();
        let device = format!("{}:{}", rustix::fs::major(data.rdev()), rustix::fs::minor(data.rdev()));
        let what = match data.mode() & 0o170_000 {
            0o040_000 => "folder".to_owned(),
            0o100_000 => format!("file {}", Digest::of(&fs::read(&path).unwrap())),
            0o120_000 => format!("link {}", fs::read_link(&path).unwrap().display()),
            0o020_000 => format!("character {device}"),
            0o060_000 => format!("block {device}"),
            _ => "fifo".to_owned(),
        };
        let links = if is_folder { 0 } else { data.nlink() };
        let mode = data.mode() & 0o7777;
        let text = line(&what, mode, (data.uid(), data.gid()), data.mtime(), links, &attributes(&path));
        facts.insert(format!("/{}", path.strip_prefix(folder).unwrap().to_str().unwrap()), text);
        if is_folder {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    facts
}

fn attributes(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0_u8; 65536];
    let count = rustix::fs::llistxattr(path, &mut names).unwrap();
    let names = names[..count].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let read = |name: &[u8]| {
        let name = String::from_utf8(name.to_vec()).unwrap();
        let mut value = vec![0_u8; 65536];
        let count = rustix::fs::lgetxattr(path, name.as_str(), &mut value).unwrap();
        (name, value[..count].to_vec())
    };
    names.map(read).collect()
}

/// Compares facts; says only what differs.
#[track_caller]
pub(crate) fn assert_same(found: &Facts, expected: &Facts) {
    let mut differences = String::new();
    let paths: std::collections::BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    for path in paths {
        let (one, two) = (found.get(path), expected.get(path));
        if one != two {
            let _ = writeln!(differences, "{path}\n  found    {one:?}\n  expected {two:?}");
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

/// All files of a folder, with their contents' digests.
pub(crate) fn digests(folder: &Path) -> BTreeMap<String, Digest> {
    let files = facts_of_folder(folder);
    files
        .into_iter()
        .filter_map(|(path, line)| Some((path, line.strip_prefix("file ")?.split(' ').next()?.parse().unwrap())))
        .collect()
}

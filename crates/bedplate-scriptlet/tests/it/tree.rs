//! File trees for the tests, and what they are compared with.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bedplate_cas::Store;
use bedplate_repo::{EntryKind, for_each_entry};
use bedplate_tree::{Entry, FileTree, Kind, TreePath};

/// The commands that scripts of the tests use.
const APPLETS: [&str; 24] = [
    "busybox", "cat", "chmod", "chown", "cp", "echo", "env", "id", "install", "kill", "ln", "ls", "mkdir", "mkfifo",
    "mv", "printf", "pwd", "rm", "rmdir", "sed", "sh", "sleep", "stat", "touch",
];

/// The users and groups of the roots.
const USERS: [(&str, &str); 2] =
    [("passwd", "root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/:/bin/sh\n"), ("group", "root:x:0:\ndaemon:x:1:\n")];

/// A store in a folder of its own.
pub(crate) fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    (folder, store)
}

/// A root with nothing but a shell and its commands, for rpm.
pub(crate) fn bare_root() -> tempfile::TempDir {
    // In memory: rpm waits for the disk after each package.
    let root = tempfile::tempdir_in("/dev/shm").unwrap();
    let (bin, etc) = (root.path().join("bin"), root.path().join("etc"));
    std::fs::create_dir(&bin).unwrap();
    std::fs::create_dir(&etc).unwrap();
    for (name, text) in USERS {
        std::fs::write(etc.join(name), text).unwrap();
    }
    std::fs::copy("/bin/busybox", bin.join("busybox")).expect("toolkit/host-setup installs busybox-static");
    APPLETS[1..].iter().for_each(|name| symlink("busybox", bin.join(name)).unwrap());
    root
}

/// The same with the files of packages in it.
pub(crate) fn tree_of(files: &[PathBuf], store: &Store) -> FileTree {
    let mut tree = FileTree::new();
    let base: Arc<str> = Arc::from("base");
    for (name, text) in USERS {
        let file = Kind::File(store.put(text.as_bytes()).unwrap());
        tree.insert(path(&format!("etc/{name}")), Entry::new(file, 0o644, &base)).unwrap();
    }
    let busybox = store.put_file(Path::new("/bin/busybox")).unwrap();
    tree.insert(path("bin/busybox"), Entry::new(Kind::File(busybox), 0o755, &base)).unwrap();
    for name in &APPLETS[1..] {
        let link = Kind::Symlink("busybox".into());
        tree.insert(path(&format!("bin/{name}")), Entry::new(link, 0o777, &base)).unwrap();
    }
    for file in files {
        let origin: Arc<str> = Arc::from(file.file_stem().unwrap().to_str().unwrap());
        for_each_entry(file, |entry| -> Result<(), bedplate_cas::StoreError> {
            let kind = match entry.kind {
                EntryKind::Directory => Kind::Directory,
                EntryKind::File { contents, .. } => Kind::File(store.put_reader(contents)?),
                EntryKind::HardLink { to } => Kind::HardLink(path(to)),
                EntryKind::Symlink { target } => Kind::Symlink(target.into()),
                EntryKind::Fifo => Kind::Fifo,
                other => panic!("{other:?}"),
            };
            let id = |name: &str| if name == "daemon" { 1 } else { 0 };
            let made = Entry {
                mtime: i64::from(entry.time),
                uid: id(entry.user),
                gid: id(entry.group),
                ..Entry::new(kind, u16::try_from(entry.permissions).unwrap(), &origin)
            };
            tree.insert(path(entry.path), made).unwrap();
            Ok(())
        })
        .unwrap();
    }
    tree
}

pub(crate) fn path(relative: &str) -> TreePath {
    format!("/{relative}").parse().unwrap()
}

/// A tree as lines: path, mode, owner, what it is, content. Hard links are files here, and say how many names they have.
pub(crate) fn lines_of(tree: &FileTree, store: &Store) -> Vec<String> {
    let names = |file: &TreePath| {
        1 + tree.iter().filter(|(_, entry)| matches!(&entry.kind, Kind::HardLink(to) if to == file)).count()
    };
    let line = |(path, entry): (&TreePath, &Entry)| {
        let (file, entry) = match &entry.kind {
            Kind::HardLink(to) => (to, tree.get(to.as_str()).unwrap()),
            _ => (path, entry),
        };
        let what = match &entry.kind {
            Kind::Directory => "folder".to_owned(),
            Kind::File(digest) => content(&store.read(digest).unwrap(), names(file)),
            Kind::Symlink(target) => format!("link to {target}"),
            Kind::Fifo => "pipe".to_owned(),
            other => panic!("{other:?}"),
        };
        let mode = if matches!(entry.kind, Kind::Symlink(_)) { 0o777 } else { entry.mode };
        format!("{path} {mode:04o} {}:{} {what}", entry.uid, entry.gid)
    };
    sorted(tree.iter().skip(1).map(line).collect())
}

/// A real folder as the same lines, without what rpm itself leaves in it.
pub(crate) fn lines_of_folder(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    walk(root, Path::new("/"), &mut lines);
    sorted(lines)
}

fn walk(root: &Path, path: &Path, lines: &mut Vec<String>) {
    for entry in std::fs::read_dir(root.join(path.strip_prefix("/").unwrap())).unwrap() {
        let entry = entry.unwrap();
        let (at, path) = (entry.path(), path.join(entry.file_name()));
        let data = entry.metadata().unwrap();
        let kind = data.file_type();
        // Its database and its folder for scripts.
        if ["/root", "/var", "/tmp"].iter().any(|own| path == Path::new(own)) {
            continue;
        }
        let what = if kind.is_dir() {
            walk(root, &path, lines);
            "folder".to_owned()
        } else if kind.is_symlink() {
            format!("link to {}", std::fs::read_link(&at).unwrap().display())
        } else if kind.is_fifo() {
            "pipe".to_owned()
        } else {
            content(&std::fs::read(&at).unwrap(), usize::try_from(data.nlink()).unwrap())
        };
        let mode = if kind.is_symlink() { 0o777 } else { data.mode() & 0o7777 };
        lines.push(format!("{} {mode:04o} {}:{} {what}", path.display(), data.uid(), data.gid()));
    }
}

fn content(bytes: &[u8], names: usize) -> String {
    format!("file {} x{names}", bedplate_cas::Digest::of(bytes).hex())
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

//! The same packages, installed by us and by rpm: files, database and answers are the same.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use bedplate_cas::{Digest, Store};
use bedplate_install::{Color, DatabaseOptions, Documentation, Package, PlaceOptions, Placed, add_database};
use bedplate_tree::{CAPABILITY_ATTRIBUTE, FileTree, Kind, write_archive};
use tempfile::TempDir;

use crate::support::{DATABASE, EPOCH, install_by_rpm, options, package, placed, rpm, run, store, unpacked, world};

/// A root that rpm made, and what we make of the same packages.
struct Both {
    _folder: TempDir,
    store: Store,
    root: PathBuf,
    packages: Vec<Package>,
    placed: Placed,
}

fn both(files: &[PathBuf], arguments: &[&str], options: &PlaceOptions) -> Both {
    let (folder, store) = store();
    let root = folder.path().join("root");
    std::fs::create_dir(&root).unwrap();
    install_by_rpm(&root, files, arguments);
    let packages = unpacked(&store, files);
    let placed = placed(&store, &packages, options).unwrap();
    Both { _folder: folder, store, root, packages, placed }
}

/// A line for each path: kind, mode, owner, time (not of folders), links, content, capabilities.
type Lines = BTreeMap<String, String>;

fn of_tree(tree: &FileTree) -> Lines {
    let mut sets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (path, entry) in tree.iter() {
        if let Kind::HardLink(target) = &entry.kind {
            sets.entry(target.as_str()).or_default().push(path.as_str());
        }
    }
    let line = |path: &str| {
        let entry = tree.get(path).unwrap();
        let first = if let Kind::HardLink(target) = &entry.kind { target.as_str() } else { path };
        let entry = tree.get(first).unwrap();
        let what = match &entry.kind {
            Kind::Directory => "d".to_owned(),
            Kind::Symlink(target) => format!("l {target}"),
            Kind::File(digest) => format!("f {digest}"),
            Kind::CharacterDevice { major, minor } => format!("c {major}:{minor}"),
            Kind::BlockDevice { major, minor } => format!("b {major}:{minor}"),
            Kind::Fifo | Kind::HardLink(_) => panic!("{path}: {:?}", entry.kind),
        };
        let time = if entry.is_directory() { 0 } else { entry.mtime };
        let capabilities = entry.xattrs.get(CAPABILITY_ATTRIBUTE).map(|bytes| hex(bytes)).unwrap_or_default();
        let links: Vec<&str> = sets.get(first).into_iter().flatten().copied().chain([first]).collect();
        format!("{:04o} {}:{} {time} {what} {} {capabilities}", entry.mode, entry.uid, entry.gid, links.len())
    };
    tree.iter().map(|(path, _)| (path.as_str().to_owned(), line(path.as_str()))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of_folder(root: &Path) -> Lines {
    let mut lines = Lines::new();
    let mut folders = vec![root.to_owned()];
    let mut capabilities: BTreeMap<PathBuf, String> = BTreeMap::new();
    let listed = run(Command::new("getfattr")
        .args(["-R", "-P", "-h", "-m", "security.capability", "-e", "hex", "-d"])
        .arg("--absolute-names")
        .arg(root));
    let mut file = PathBuf::new();
    for line in listed.lines() {
        if let Some(path) = line.strip_prefix("# file: ") {
            file = path.into();
        } else if let Some(value) = line.strip_prefix("security.capability=0x") {
            capabilities.insert(file.clone(), value.to_owned());
        }
    }
    let mut add = |path: &Path, folders: &mut Vec<PathBuf>| {
        let data = path.symlink_metadata().unwrap();
        let kind = data.file_type();
        let (major, minor) = (data.rdev() >> 8 & 0xfff, data.rdev() & 0xff);
        let what = if kind.is_dir() {
            folders.push(path.to_owned());
            "d".to_owned()
        } else if kind.is_symlink() {
            format!("l {}", std::fs::read_link(path).unwrap().display())
        } else if kind.is_file() {
            format!("f {}", Digest::of(&std::fs::read(path).unwrap()))
        } else {
            format!("{} {major}:{minor}", if kind.is_char_device() { "c" } else { "b" })
        };
        let (time, links) = if kind.is_dir() { (0, 1) } else { (data.mtime(), data.nlink()) };
        let capabilities = capabilities.get(path).cloned().unwrap_or_default();
        let line =
            format!("{:04o} {}:{} {time} {what} {links} {capabilities}", data.mode() & 0o7777, data.uid(), data.gid());
        lines.insert(format!("/{}", path.strip_prefix(root).unwrap().display()), line);
    };
    add(root, &mut Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            add(&entry.unwrap().path(), &mut folders);
        }
    }
    lines
}

/// Without the database, which is compared otherwise, and the folders that it alone needs.
fn without_database(mut lines: Lines, tree: &FileTree) -> Lines {
    lines.retain(|path, _| {
        let is_way = DATABASE.starts_with(path.as_str()) && tree.get(path).is_none();
        !path.starts_with(DATABASE) && !is_way
    });
    lines
}

fn shared(letter: &str, time: i64) -> PathBuf {
    let install =
        format!("mkdir -p shared/inner\necho shared > shared/file\ntouch -d @{time} shared/file shared/inner");
    package(&format!("shared-{letter}"), &install, "/shared\n%ghost /ghost")
}

/// What rpm may be told to leave out, and how we are told.
fn all() -> Vec<(Vec<&'static str>, PlaceOptions)> {
    let words = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    vec![
        (vec![], options()),
        (vec!["--excludedocs"], PlaceOptions { documentation: Documentation::LeaveOut, ..options() }),
        (
            vec!["--define", "_install_langs de_DE:C.UTF-8"],
            PlaceOptions { languages: Some(words(&["de_DE", "C.UTF-8"])), ..options() },
        ),
        (
            vec!["--define", "_netsharedpath /usr/share/locale/de:/etc/world.conf"],
            PlaceOptions { net_shared: words(&["/usr/share/locale/de", "/etc/world.conf"]), ..options() },
        ),
        (vec!["--define", "_transaction_color 0"], PlaceOptions { color: Color(0), ..options() }),
    ]
}

fn files() -> Vec<PathBuf> {
    let mut files = world();
    // The package with the folders and users is installed first.
    let main =
        files.iter().position(|path| path.file_name().unwrap().to_str().unwrap().starts_with("world-1")).unwrap();
    let main = files.remove(main);
    files.insert(0, main);
    files.extend([("a", 100), ("b", 200), ("c", 300), ("d", 400)].map(|(letter, time)| shared(letter, EPOCH - time)));
    files.push(package("later", "mkdir -p bin\necho '#!/bin/sh' > bin/later\necho g > ghost", "/bin/later\n/ghost"));
    files
}

#[test]
fn files_are_those_that_rpm_installs() {
    for (arguments, options) in all() {
        let both = both(&files(), &arguments, &options);
        let tree = of_tree(&both.placed.tree);
        let folder = without_database(of_folder(&both.root), &both.placed.tree);
        let differing: Vec<_> =
            tree.iter().chain(&folder).filter(|(path, _)| tree.get(*path) != folder.get(*path)).collect();
        assert!(differing.is_empty(), "{arguments:?}: ours, then rpm's: {differing:#?}");
        assert!(tree.contains_key("/usr/bin/later") && tree.len() > 30, "{tree:#?}");
    }
}

/// All rows of a database as text, a line each.
fn dump(database: &Path) -> Vec<String> {
    let tables = run(Command::new("sqlite3")
        .arg(database)
        .arg("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"));
    let mut lines: Vec<String> = run(Command::new("sqlite3")
        .arg(database)
        .arg("SELECT sql FROM sqlite_schema WHERE sql NOT LIKE '%sqlite_stat%' ORDER BY name"))
    .lines()
    .map(str::to_owned)
    .collect();
    for table in tables.lines() {
        let columns = if table == "Packages" { "hnum, hex(blob)" } else { "typeof(key), hex(key), hnum, idx" };
        let rows =
            run(Command::new("sqlite3").arg(database).arg(format!("SELECT {columns} FROM '{table}' ORDER BY rowid")));
        lines.extend(rows.lines().map(|row| format!("{table} {row}")));
    }
    lines
}

/// Lays a tree out as a folder, by tar.
fn lay_out(store: &Store, tree: &FileTree, folder: &Path) {
    let archive = tempfile::NamedTempFile::new().unwrap();
    write_archive(tree, store, archive.as_file()).unwrap();
    std::fs::create_dir(folder).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["--numeric-owner", "-p", "--xattrs", "--xattrs-include=*", "-xf"]).arg(archive.path());
    run(tar.arg("-C").arg(folder));
}

#[test]
fn the_database_is_the_one_that_rpm_writes() {
    for (arguments, options) in all() {
        let mut both = both(&files(), &arguments, &options);
        let packages: Vec<&Package> = both.packages.iter().collect();
        let database = DatabaseOptions { link: None, ..DatabaseOptions::new(EPOCH, options.color) };
        add_database(&both.store, &packages, &mut both.placed, &database).unwrap();
        let ours = both.root.parent().unwrap().join("ours");
        lay_out(&both.store, &both.placed.tree, &ours);
        let file = format!("{}/rpmdb.sqlite", &DATABASE[1..]);
        let (left, right) = (dump(&ours.join(&file)), dump(&both.root.join(&file)));
        for (left, right) in left.iter().zip(&right) {
            assert_eq!(left, right, "{arguments:?}");
        }
        assert_eq!(left.len(), right.len(), "{arguments:?}");
        assert_eq!(run(Command::new("sqlite3").arg(ours.join(&file)).arg("PRAGMA integrity_check")), "ok\n");

        // What rpm answers about the two, whose journal it may make only now.
        for query in [
            &["-qa", "--last"][..],
            &["-qa", "--qf", "%{NEVRA} %{SHA1HEADER} %{SIGMD5} %{INSTALLTIME} [%{FILENAMES}%{FILESTATES} ]\n"],
            &["-qf", "/usr/bin/tool", "/bin/later", "/etc/world.ghost", "/shared/file"],
            &["-ql", "world-tools", "world-empty"],
            &["-q", "--scripts", "--triggers", "--filetriggers", "-a"],
            &["-q", "--whatprovides", "tools(api)", "/bin"],
            &["-q", "--whatrequires", "world", "/bin/sh"],
            &["-q", "--whatconflicts", "ancient"],
            &["-q", "--whatrecommends", "better"],
            &["-q", "--whatobsoletes", "forgotten"],
            &["-q", "--triggeredby", "world-tools"],
            &["-q", "--state", "-a"],
        ] {
            let ask = |root: &Path| {
                let done = rpm(root).args(query).output().unwrap();
                (done.status.code(), String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap())
            };
            let (left, right) = (ask(&ours), ask(&both.root));
            assert_eq!(left, right, "{arguments:?} {query:?}");
            assert!(!left.1.is_empty(), "{query:?}: {left:?}");
        }
        // Only what cannot be as it says: owners that nobody has, and the ghost that another package made.
        let verified = rpm(&ours).args(["-Va", "--nodeps"]).output().unwrap();
        let lines = String::from_utf8(verified.stdout).unwrap();
        let left: Vec<&str> = lines
            .lines()
            .filter(|line| !["/usr/share/world/nothing", "g /ghost"].iter().any(|end| line.ends_with(end)))
            .collect();
        assert!(left.is_empty(), "{arguments:?}: {left:#?}");
        let by_rpm = rpm(&both.root).args(["-Va", "--nodeps"]).output().unwrap();
        assert_eq!(lines, String::from_utf8(by_rpm.stdout).unwrap(), "{arguments:?}");
    }
}

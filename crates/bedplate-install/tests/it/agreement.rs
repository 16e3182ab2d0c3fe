//! The same packages, installed by us and by rpm: files, database and answers are the same.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use bedplate_cas::{Digest, Store};
use bedplate_install::{Color, DatabaseOptions, Documentation, Package, PlaceOptions, Placed, add_database};
use bedplate_repo::Tag;
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

/// The schema and all rows of a database as text, a line each.
fn dump(database: &Path) -> Vec<String> {
    let ask = |sql: &str| run(Command::new("sqlite3").arg(database).arg(sql));
    // `sqlite_stat1` is what SQLite knows of its own tables.
    let tables =
        ask("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%' ORDER BY name");
    let mut sql = "SELECT sql FROM sqlite_schema WHERE sql NOT LIKE '%sqlite_stat%' ORDER BY name;".to_owned();
    for table in tables.lines() {
        let columns = match table {
            "Packages" => "hnum, hex(blob)",
            "sqlite_sequence" => "*",
            _ => "typeof(key), hex(key), hnum, idx",
        };
        sql.push_str(&format!("SELECT '{table}', {columns} FROM '{table}' ORDER BY rowid;"));
    }
    ask(&sql).lines().map(str::to_owned).collect()
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

/// Installs all packages by rpm and by us, and compares files, databases, and what rpm finds changed. Gives both roots.
fn agree(arguments: &[&str], options: &PlaceOptions) -> (Both, PathBuf) {
    let mut both = both(&files(), arguments, options);
    let tree = of_tree(&both.placed.tree);
    let folder = without_database(of_folder(&both.root), &both.placed.tree);
    let differing: Vec<_> =
        tree.iter().chain(&folder).filter(|(path, _)| tree.get(*path) != folder.get(*path)).collect();
    assert!(differing.is_empty(), "ours, then rpm's: {differing:#?}");
    assert!(tree.contains_key("/usr/bin/later") && tree.len() > 30, "{tree:#?}");

    let packages: Vec<&Package> = both.packages.iter().collect();
    let database = DatabaseOptions { link: None, ..DatabaseOptions::new(EPOCH, options.color) };
    add_database(&both.store, &packages, &mut both.placed, &database).unwrap();
    let ours = both.root.parent().unwrap().join("ours");
    lay_out(&both.store, &both.placed.tree, &ours);
    let file = format!("{}/rpmdb.sqlite", &DATABASE[1..]);
    let (left, right) = (dump(&ours.join(&file)), dump(&both.root.join(&file)));
    for (left, right) in left.iter().zip(&right) {
        assert_eq!(left, right);
    }
    assert!(left.len() == right.len() && left.len() > 200, "{} {}", left.len(), right.len());
    assert_eq!(run(Command::new("sqlite3").arg(ours.join(&file)).arg("PRAGMA integrity_check")), "ok\n");

    let verify = |root: &Path| {
        let done = rpm(root).args(["-Va", "--nodeps"]).output().unwrap();
        String::from_utf8(done.stdout).unwrap()
    };
    let found = verify(&ours);
    assert_eq!(found, verify(&both.root));
    // Only what cannot be as it says: owners that nobody has, names of one inode that want other owners, and the ghost that
    // another package made.
    let known = ["world/nothing", "world/first", "world/kept", "world/other", "world/paper", "g /ghost"];
    let left: Vec<&str> = found.lines().filter(|line| !known.iter().any(|end| line.ends_with(end))).collect();
    assert!(left.is_empty(), "{left:#?}");
    (both, ours)
}

#[test]
fn all_is_as_rpm_has_it() {
    let (both, ours) = agree(&[], &options());
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
        assert_eq!(left, right, "{query:?}");
        assert!(!left.1.is_empty(), "{query:?}: {left:?}");
    }
    assert_eq!(by_dnf(&ours), by_dnf(&both.root));
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|one| (*one).to_owned()).collect()
}

#[test]
fn documentation_is_left_out_as_by_rpm() {
    let options = PlaceOptions { documentation: Documentation::LeaveOut, ..options() };
    let (both, _) = agree(&["--excludedocs"], &options);
    assert!(both.placed.tree.get("/usr/share/doc/world/deep").is_none());
    assert!(both.placed.tree.get("/usr/share/doc/world/LICENSE").is_some());
}

#[test]
fn languages_are_left_out_as_by_rpm() {
    let options = PlaceOptions { languages: Some(words(&["de_DE", "C.UTF-8"])), ..options() };
    let (both, _) = agree(&["--define", "_install_langs de_DE:C.UTF-8"], &options);
    assert!(both.placed.tree.get("/usr/share/locale/fr").is_none());
    assert!(both.placed.tree.get("/usr/share/locale/de/world.mo").is_some());
}

#[test]
fn paths_of_others_are_left_out_as_by_rpm() {
    let options = PlaceOptions { net_shared: words(&["/usr/share/locale/de", "/etc/world.conf"]), ..options() };
    let (both, _) = agree(&["--define", "_netsharedpath /usr/share/locale/de:/etc/world.conf"], &options);
    assert!(both.placed.tree.get("/etc/world.conf").is_none());
}

#[test]
fn an_architecture_of_one_word_size_is_as_by_rpm() {
    agree(&["--define", "_transaction_color 0"], &PlaceOptions { color: Color(0), ..options() });
}

/// What dnf finds installed in a root, and who needs what.
fn by_dnf(root: &Path) -> String {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".rpmmacros"), format!("%_dbpath {DATABASE}\n")).unwrap();
    std::fs::create_dir_all(root.join("tmp")).unwrap();
    let mut command = Command::new("dnf");
    command.env("HOME", home.path()).args(["-q", "--installroot"]).arg(root).args([
        "--releasever=1",
        "--forcearch=x86_64",
        "--setopt=reposdir=/nonexistent",
        "--setopt=plugins=0",
        "--setopt=cachedir=/tmp",
        "--setopt=logdir=/tmp",
        "--setopt=persistdir=/tmp",
    ]);
    let found =
        run(command.args(["repoquery", "--installed", "--qf", "%{name} %{evr} %{installtime} %{requires} %{files}"]));
    assert!(found.contains("world-tools 1-1"), "{found}");
    found
}

/// A package with a signature of each header: what the signature header has becomes part of the database.
fn signed(folder: &Path) -> PathBuf {
    let file = package("signed", "echo text > signed", "/signed");
    let path = folder.join("signed-1-1.x86_64.rpm");
    std::fs::copy(file, &path).unwrap();
    let keys = folder.join("keys");
    std::fs::create_dir(&keys).unwrap();
    std::fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let gpg = |arguments: &[&str]| {
        let mut command = Command::new("gpg");
        run(command.env("GNUPGHOME", &keys).args(["--batch", "--quiet", "--passphrase", ""]).args(arguments))
    };
    gpg(&["--quick-generate-key", "test@example.org", "rsa2048", "sign", "never"]);
    let mut sign = Command::new("rpmsign");
    sign.env("GNUPGHOME", &keys).args(["--define", "_gpg_name test@example.org", "--define", "__gpg /usr/bin/gpg"]);
    sign.arg("--addsign");
    run(sign.arg(&path));
    let mut stop = Command::new("gpgconf");
    run(stop.env("GNUPGHOME", &keys).args(["--kill", "gpg-agent"]));
    path
}

#[test]
fn signatures_are_in_the_database_as_rpm_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut both = both(&[signed(folder.path())], &[], &options());
    assert!(both.packages[0].headers().signature().has(Tag(268, "RSAHEADER")));
    let database = DatabaseOptions::new(EPOCH, options().color);
    add_database(&both.store, &[&both.packages[0]], &mut both.placed, &database).unwrap();
    let digest = both.placed.tree.get(&format!("{DATABASE}/rpmdb.sqlite")).unwrap().content().unwrap();
    let ours = both.store.path_of(&digest).unwrap();
    assert_eq!(dump(&ours), dump(&both.root.join(&DATABASE[1..]).join("rpmdb.sqlite")));
}

//! Packages for the tests, and what rpm makes of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use bedplate_cas::{Digest, Store};
use bedplate_install::{
    Accounts, Color, Documentation, InstallError, InstallProblem, Package, PlaceOptions, Placed, place, unpack,
};
use tempfile::TempDir;

/// Build time of all packages, and the time of all installations.
pub(crate) const EPOCH: i64 = 1_735_689_600;
/// Where both keep their database.
pub(crate) const DATABASE: &str = "/usr/lib/sysimage/rpm";

/// Runs a command and gives what it prints.
pub(crate) fn run(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; toolkit/host-setup installs it"));
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(done.status.success(), "{command:?}: {}{}", shown(&done.stdout), shown(&done.stderr));
    shown(&done.stdout)
}

/// What all packages are built with.
const MACROS: [(&str, &str); 7] = [
    ("_build_name_fmt", "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"),
    ("_buildhost", "builder"),
    ("use_source_date_epoch_as_buildtime", "1"),
    ("clamp_mtime_to_source_date_epoch", "1"),
    ("__os_install_post", "%nil"),
    ("debug_package", "%nil"),
    ("dist", "%nil"),
];

/// The packages of a spec, by name; kept between runs.
pub(crate) fn build(spec: &str, macros: &[(&str, &str)]) -> Vec<PathBuf> {
    let key = Digest::of(format!("{spec}{MACROS:?}{macros:?}").as_bytes()).hex();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&key[..16]);
    if !folder.exists() {
        let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (made, file) = (scratch.path().join("made"), scratch.path().join("test.spec"));
        std::fs::write(&file, spec).unwrap();
        let mut build = Command::new("rpmbuild");
        build.args(["-bb", "--quiet", "--target", "x86_64"]).arg(file).env("SOURCE_DATE_EPOCH", EPOCH.to_string());
        let (top, rpms) = (scratch.path().join("top").display().to_string(), made.display().to_string());
        for (name, body) in [("_topdir", top.as_str()), ("_rpmdir", &rpms)].iter().chain(&MACROS).chain(macros) {
            build.args(["--define", &format!("{name} {body}")]);
        }
        run(&mut build);
        // Another test process may have been faster.
        if std::fs::rename(&made, &folder).is_err() {
            assert!(folder.exists());
        }
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// A package: its name, a script that fills its root, and its list of files.
pub(crate) fn package(name: &str, install: &str, files: &str) -> PathBuf {
    tagged(name, "", &[], install, files)
}

/// The same with tags and macros of its own.
pub(crate) fn tagged(name: &str, tags: &str, macros: &[(&str, &str)], install: &str, files: &str) -> PathBuf {
    let spec = format!(
        "Name: {name}\nVersion: 1\nRelease: 1\nSummary: Test\nLicense: MIT\nAutoReqProv: no\n{tags}\n%description\nTest.\n\
         %install\ncd %{{buildroot}}\n{install}\n%files\n{files}\n"
    );
    build(&spec, macros).remove(0)
}

/// The packages of `world.spec`.
pub(crate) fn world() -> Vec<PathBuf> {
    build(include_str!("../data/world.spec"), &[])
}

/// A store of its own.
pub(crate) fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    (folder, store)
}

/// Options that leave nothing out.
pub(crate) fn options() -> PlaceOptions {
    PlaceOptions {
        epoch: EPOCH,
        documentation: Documentation::Install,
        languages: None,
        net_shared: Vec::new(),
        color: Color::of_arch("x86_64"),
        accounts: Accounts::default(),
    }
}

/// Unpacked packages.
pub(crate) fn unpacked(store: &Store, files: &[PathBuf]) -> Vec<Package> {
    unpack(store, files).unwrap_or_else(|error| panic!("{error}"))
}

/// Places packages.
pub(crate) fn placed(
    store: &Store,
    packages: &[Package],
    options: &PlaceOptions,
) -> Result<Placed, Vec<InstallProblem>> {
    place(store, &packages.iter().collect::<Vec<_>>(), options).map_err(|error| match error {
        InstallError::Problems(problems) => problems,
        other @ InstallError::Store(_) => panic!("{other}"),
    })
}

/// `rpm` with a root, without what would make the machine matter.
pub(crate) fn rpm(root: &Path) -> Command {
    let mut command = Command::new("rpm");
    command
        .arg("--root")
        .arg(root)
        .args(["--dbpath", DATABASE])
        .env("SOURCE_DATE_EPOCH", EPOCH.to_string())
        .env("TZ", "UTC");
    command
}

/// Has rpm install packages, in this order as far as it is free to choose.
pub(crate) fn install_by_rpm(root: &Path, files: &[PathBuf], arguments: &[&str]) {
    let mut command = rpm(root);
    // Debian's rpm wants to be asked for it.
    command.args(["-i", "--nodeps", "--noscripts", "--notriggers", "--nosignature", "--noorder", "--force-debian"]);
    run(command.args(arguments).args(files));
}

/// Where the main header of a package file begins, and where its payload does.
pub(crate) fn parts(bytes: &[u8]) -> (usize, usize) {
    let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let end = |start: usize| start + 16 + word(start + 8) * 16 + word(start + 12);
    let main = end(96).next_multiple_of(8);
    (main, end(main))
}

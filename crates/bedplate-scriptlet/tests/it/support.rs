//! Packages that rpmbuild makes for the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use bedplate_scriptlet::{Package, Rpm};

/// Runs a command and gives what it prints, on both streams.
pub(crate) fn run(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; toolkit/host-setup installs it"));
    let shown = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {shown}");
    shown
}

/// Which rpm this machine has: that of Debian 12, or a later one.
pub(crate) fn host_rpm() -> Rpm {
    static VERSION: OnceLock<Rpm> = OnceLock::new();
    *VERSION.get_or_init(|| {
        let said = run(Command::new("rpm").arg("--version"));
        if said.contains(" 4.18.") { Rpm::V4_18 } else { Rpm::V4_20 }
    })
}

/// A folder with the packages of a spec, kept between runs; nobody may change it.
pub(crate) fn build(spec: &str) -> PathBuf {
    let name = bedplate_cas::Digest::of(spec.as_bytes()).hex();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("packages-{}", &name[..16]));
    if !folder.exists() {
        let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (top, made) = (scratch.path().join("top"), scratch.path().join("made"));
        let path = scratch.path().join("test.spec");
        std::fs::write(&path, spec).unwrap();
        let mut build = Command::new("rpmbuild");
        build.args(["-bb", "--quiet", "--target", "noarch"]).arg(&path);
        for (name, body) in [
            ("_topdir", top.to_str().unwrap()),
            ("_rpmdir", made.to_str().unwrap()),
            ("_build_name_fmt", "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"),
            ("_binary_payload", "w1.gzdio"),
            ("__os_install_post", "%nil"),
        ] {
            build.args(["--define", &format!("{name} {body}")]);
        }
        run(&mut build);
        // Another test process may have been faster.
        if std::fs::rename(&made, &folder).is_err() {
            assert!(folder.exists());
        }
    }
    folder
}

/// The package files of a folder, by name.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Reads package files.
pub(crate) fn read(files: &[PathBuf]) -> Vec<Package> {
    files.iter().map(|path| Package::read(path).unwrap_or_else(|problems| panic!("{path:?}: {problems:?}"))).collect()
}

/// Numbers that look random and are the same in each run: a linear congruence of 64 bits.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    /// True once in `times`.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

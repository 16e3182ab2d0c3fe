//! Builds in their sandbox: what they see, what they cannot do, and that nothing is left of them.

mod ends;
mod guard;
mod limits;
mod series;
mod view;

use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bedplate_sandbox::{Bind, Cancel, End, Helper, Job, LimitKind, Limits, Mode, Outcome, SandboxError, run};

const HELPER: &str = env!("CARGO_BIN_EXE_bedplate-sandbox-test-helper");

fn helper() -> Helper {
    Helper::At(HELPER.into())
}

/// A build root: a layer of its own, empty but for a few folders, above one with busybox; and a scratch folder for one build.
struct Place {
    folder: tempfile::TempDir,
}

/// Makes something once out of a file, for all tests: each may be a process of its own, and several may begin at once. Nothing that
/// is there is ever replaced; another file gives another name.
fn made_once(cell: &'static OnceLock<PathBuf>, name: &str, from: &Path, make: impl FnOnce(&Path)) -> &'static Path {
    cell.get_or_init(|| {
        let data = std::fs::metadata(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        let name = format!("{name}-{}-{}", data.len(), std::os::unix::fs::MetadataExt::mtime(&data));
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
        if !target.exists() {
            let fresh = target.with_extension(std::process::id().to_string());
            make(&fresh);
            if let Err(error) = std::fs::rename(&fresh, &target) {
                assert!(target.exists(), "{}: {error}", target.display());
                std::fs::remove_dir_all(&fresh).unwrap();
            }
        }
        target
    })
}

fn busybox_root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    made_once(&ROOT, "busybox-root", Path::new("/bin/busybox"), |root| {
        std::fs::create_dir_all(root.join("usr/bin")).unwrap();
        symlink("usr/bin", root.join("bin")).unwrap();
        std::fs::copy("/bin/busybox", root.join("usr/bin/busybox"))
            .expect("busybox-static is there (toolkit/host-setup installs it)");
        let applets = std::process::Command::new("/bin/busybox").arg("--list").output().unwrap().stdout;
        for applet in String::from_utf8(applets).unwrap().lines().filter(|name| *name != "busybox") {
            symlink("busybox", root.join("usr/bin").join(applet)).unwrap();
        }
    })
}

/// The program of tests/data/probe.c.
fn probe() -> &'static Path {
    static PROBE: OnceLock<PathBuf> = OnceLock::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/probe.c");
    made_once(&PROBE, "probe", &source, |target| {
        let status = std::process::Command::new("cc").arg("-static").arg("-o").arg(target).arg(&source).status();
        assert!(status.expect("there is a C compiler").success());
    })
}

impl Place {
    fn new() -> Self {
        let place = Self::below(Path::new(env!("CARGO_TARGET_TMPDIR")));
        symlink(busybox_root(), place.base()).unwrap();
        place
    }

    /// One without busybox.
    fn below(folder: &Path) -> Self {
        let place = Self { folder: tempfile::tempdir_in(folder).expect("a scratch folder can be made") };
        // Ordinary users shall come by.
        std::fs::set_permissions(place.folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["usr/bin", "etc", "root"] {
            std::fs::create_dir_all(place.layer().join(name)).unwrap();
        }
        place
    }

    /// Puts the probe into the root, where a build can start it as `probe`.
    fn with_probe(self) -> Self {
        std::fs::copy(probe(), self.layer().join("usr/bin/probe")).unwrap();
        self
    }

    fn base(&self) -> PathBuf {
        self.folder.path().join("base")
    }

    fn layer(&self) -> PathBuf {
        self.folder.path().join("layer")
    }

    fn scratch(&self) -> PathBuf {
        self.folder.path().join("scratch")
    }

    /// A job that runs a script of the shell.
    fn job(&self, script: &str) -> Job {
        Job {
            layers: vec![self.layer(), self.base()],
            scratch: self.scratch(),
            binds: Vec::new(),
            prepare: Vec::new(),
            argv: words(&["/bin/sh", "-c", script]),
            env: [("PATH", "/usr/bin"), ("HOME", "/build"), ("TZ", "UTC")]
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            folder: "/build".into(),
            limits: Limits { wall: Duration::from_secs(60), ..Limits::default() },
            mode: Mode::Batch,
        }
    }

    /// Runs a script to its end, whatever it is; gives the output too.
    fn sh(&self, script: &str) -> (Outcome, String) {
        log_of(&self.job(script))
    }
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(Into::into).collect()
}

fn try_run(job: &Job) -> (Result<Outcome, SandboxError>, String) {
    let mut log = Vec::new();
    let outcome = run(job, &helper(), &Cancel::default(), &mut |line| {
        log.extend_from_slice(line);
        log.push(b'\n');
    });
    (outcome, String::from_utf8_lossy(&log).into_owned())
}

fn log_of(job: &Job) -> (Outcome, String) {
    let (outcome, log) = try_run(job);
    (outcome.unwrap_or_else(|error| panic!("{error}: {:?}\n{log}", std::error::Error::source(&error))), log)
}

/// A number of seconds to sleep that no other process has on its command line.
fn marker() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("8{:07}.{:04}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// How many processes have `marker` on their command line, or in the path of their program.
fn count_running(marker: &str) -> usize {
    let has = |bytes: &[u8]| bytes.windows(marker.len()).any(|part| part == marker.as_bytes());
    let is_marked = |folder: PathBuf| {
        let program = std::fs::read_link(folder.join("exe")).unwrap_or_default();
        std::fs::read(folder.join("cmdline")).is_ok_and(|line| has(&line))
            || has(program.as_os_str().as_encoded_bytes())
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let processes =
        entries.filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()));
    processes.filter(|entry| is_marked(entry.path())).count()
}

/// Waits until no process with `marker` is left.
fn assert_gone(marker: &str) {
    let start = Instant::now();
    while count_running(marker) > 0 {
        assert!(start.elapsed() < Duration::from_secs(5), "a process is left behind: {marker}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

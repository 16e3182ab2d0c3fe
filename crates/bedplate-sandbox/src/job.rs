//! What to run.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A command to run in a root of its own.
#[derive(Debug, Clone)]
pub struct Job {
    /// The folders that the root is made of, the topmost first; at least one, at most 500. They are never written to.
    pub layers: Vec<PathBuf>,
    /// A folder on a file system that overlayfs can write to. `scratch/upper` is what the build wrote: it may be there already
    /// (the sandbox is then opened where it stopped), and it stays. `scratch/root` and `scratch/work` are ours.
    pub scratch: PathBuf,
    /// Files and folders of the host to show.
    pub binds: Vec<Bind>,
    /// Commands that root of the sandbox runs before, in the same environment; each must exit with 0.
    pub prepare: Vec<Vec<OsString>>,
    /// The command; a first word without `/` is looked for in the `PATH` of `env`.
    pub argv: Vec<OsString>,
    /// The whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// The folder to run in, inside.
    pub folder: PathBuf,
    /// The bounds.
    pub limits: Limits,
    /// For whom it runs.
    pub mode: Mode,
}

/// A file or folder of the host that is seen inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Its path outside.
    pub source: PathBuf,
    /// Its path inside, absolute; what is missing of it is made.
    pub target: PathBuf,
    /// False: read-only. True: what its owner and mode let the builder do, who is nobody outside.
    pub writable: bool,
}

/// How much a build may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// From the start to the end.
    pub wall: Duration,
    /// Bytes of memory of all its processes (not counting cached files); `None`: what the machine has.
    pub memory: Option<u64>,
    /// Processes and threads at a time.
    pub processes: u64,
    /// Bytes on disk of all that it writes.
    pub disk: u64,
    /// Bytes of a single file.
    pub file: u64,
    /// Open files of one process.
    pub open_files: u64,
    /// How long it may write nothing.
    pub silence: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(6 * 3600),
            memory: None,
            processes: 8192,
            disk: 64 << 30,
            file: 16 << 30,
            open_files: 16384,
            silence: None,
        }
    }
}

/// For whom a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// For nobody who looks: no input, its output goes to a log line by line.
    #[default]
    Batch,
    /// For a person at our standard input and output: it gets a terminal of its own, whose keys and screen are theirs. Only its
    /// preparing commands write to the log.
    Interactive,
}

/// Ends a run from another thread. Clones belong together.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl From<Arc<AtomicBool>> for Cancel {
    /// A flag that others set.
    fn from(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }
}

impl Cancel {
    /// Ends all runs that have this or a clone of it, within 0.1 s, and those that start later at once.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// True after [`cancel`](Self::cancel).
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

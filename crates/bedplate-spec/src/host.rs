//! What the engine asks of the world, as traits: files, shell commands, the machine.
//!
//! The engine itself does no I/O. A caller hands in an implementation: the real file system, an archive, a map in a test.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

/// Files that a spec or a macro may name (`%include`, `%{load:}`, `%{exists:}`, patches, Lua modules).
pub trait Files: Send + Sync {
    /// The whole content of a file.
    ///
    /// # Errors
    /// Whatever the file system says; the engine reports it with the path.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// True if something is there (`access(path, F_OK)`).
    fn exists(&self, path: &str) -> bool;

    /// The paths that match a shell pattern, sorted by name; empty if none does.
    fn glob(&self, pattern: &str) -> Vec<String>;

    /// The first bytes of a file (at most `limit`), or `None` if it cannot be read. rpm looks at the first 13 bytes of a
    /// patch to see whether it is compressed.
    fn head(&self, path: &str, limit: usize) -> Option<Vec<u8>> {
        self.read(path).ok().map(|mut bytes| {
            bytes.truncate(limit);
            bytes
        })
    }
}

/// A shell command of a spec (`%(…)`, `io.popen`, `os.execute`).
#[derive(Debug, Clone, Copy)]
pub struct ShellCall<'a> {
    /// The command as `/bin/sh -c` gets it.
    pub command: &'a [u8],
    /// Its whole environment.
    pub environment: &'a BTreeMap<String, String>,
    /// The folder of the spec's sources: what the command may read besides the system, and part of a recorded answer's key.
    pub source_dir: &'a str,
}

/// What a shell command answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShellAnswer {
    /// Standard output, not trimmed.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Exit status; 128 plus the signal's number if a signal ended it.
    pub status: i32,
}

/// Why a shell command has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShellError {
    /// Shell commands are switched off and no answerer knows this one.
    Off,
    /// It ran longer than allowed (milliseconds).
    TimedOut(u64),
    /// It wrote more than allowed (bytes).
    TooMuchOutput(u64),
    /// It could not be started.
    Failed(String),
}

impl fmt::Display for ShellError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => write!(f, "shell commands are switched off"),
            Self::TimedOut(limit) => write!(f, "the command ran longer than {limit} ms"),
            Self::TooMuchOutput(limit) => write!(f, "the command wrote more than {limit} bytes"),
            Self::Failed(why) => write!(f, "the command could not be run: {why}"),
        }
    }
}

impl std::error::Error for ShellError {}

/// Answers shell commands.
pub trait Shell: Send + Sync {
    /// Runs (or knows the answer of) one command.
    ///
    /// # Errors
    /// [`ShellError`] if there is no answer.
    fn run(&self, call: ShellCall<'_>) -> Result<ShellAnswer, ShellError>;
}

/// Facts of the machine that a spec can ask for. They are inputs, so that the same spec gives the same answer anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// `%{getncpus}`.
    pub cpus: u32,
    /// Memory in bytes: `%{getncpus:proc}` divides it by the task size.
    pub memory: u64,
    /// Environment of shell commands and of `%{getenv:}`.
    pub environment: BTreeMap<String, String>,
    /// Seconds since 1970 that `os.time()` and `%(date)` see.
    pub now: i64,
}

impl Default for Machine {
    fn default() -> Self {
        let environment = [
            ("PATH", "/usr/bin:/bin"),
            ("LANG", "C.UTF-8"),
            ("LC_ALL", "C.UTF-8"),
            ("TZ", "UTC"),
            ("HOME", "/nonexistent"),
        ];
        Self {
            cpus: 4,
            memory: 16 << 30,
            environment: environment.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            now: 1_700_000_000,
        }
    }
}

/// Files in memory, for tests and for specs that come from elsewhere than a disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles {
    files: BTreeMap<String, Vec<u8>>,
}

impl MemoryFiles {
    /// Files from paths and contents.
    pub fn new<P: Into<String>, C: Into<Vec<u8>>>(files: impl IntoIterator<Item = (P, C)>) -> Self {
        Self { files: files.into_iter().map(|(path, content)| (path.into(), content.into())).collect() }
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn exists(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// Matches `*` only, which does not go over a slash.
    fn glob(&self, pattern: &str) -> Vec<String> {
        let parts: Vec<&str> = pattern.split('*').collect();
        let matches = |path: &str| {
            let Some(mut rest) = path.strip_prefix(parts[0]) else { return false };
            for (n, part) in parts.iter().enumerate().skip(1) {
                let at = if n + 1 == parts.len() { rest.strip_suffix(part).map(str::len) } else { rest.find(part) };
                let Some(at) = at else { return false };
                if rest[..at].contains('/') {
                    return false;
                }
                rest = &rest[at + part.len()..];
            }
            rest.is_empty()
        };
        self.files.keys().filter(|path| matches(path)).cloned().collect()
    }
}

/// No shell: every command is refused.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoShell;

impl Shell for NoShell {
    fn run(&self, _call: ShellCall<'_>) -> Result<ShellAnswer, ShellError> {
        Err(ShellError::Off)
    }
}

//! The chain of answerers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bedplate_spec::host::{Files, Shell, ShellAnswer, ShellCall, ShellError};
use bedplate_sys::process::{self, Limits, Request, RunError};
use bedplate_sys::sandbox::{Helper, Sandbox};

use crate::memo::Memo;
use crate::native::Native;
use crate::profile::Profile;
use crate::recorded::Recorded;
use crate::scope::sees_folder;

/// What to do with a command that nobody knows the answer of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ShellMode {
    /// Nothing: it has no answer.
    Off,
    /// Run it where it can change nothing and reach nobody.
    #[default]
    Sandbox,
    /// Run it as it is.
    Run,
}

/// How many commands each answerer answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// The small sh.
    pub native: u64,
    /// Asked before in this run.
    pub remembered: u64,
    /// The target profile (commands that the small sh took from it count as native).
    pub profile: u64,
    /// Recorded answers.
    pub recorded: u64,
    /// Processes.
    pub process: u64,
    /// No answer: off, a bound was hit, or it could not be started.
    pub unanswered: u64,
}

#[derive(Debug, Default)]
struct Counters {
    native: AtomicU64,
    remembered: AtomicU64,
    profile: AtomicU64,
    recorded: AtomicU64,
    process: AtomicU64,
    unanswered: AtomicU64,
}

/// Answers commands: native rules, the profile, recorded answers, a process. See the crate's documentation.
pub struct Chain {
    mode: ShellMode,
    native: Option<Native>,
    profile: Arc<Profile>,
    recorded: Option<Arc<Recorded>>,
    recorder: Option<Arc<Recorded>>,
    memo: Memo,
    limits: Limits,
    sandbox: Sandbox,
    visible: Vec<PathBuf>,
    bash: PathBuf,
    counters: Counters,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("mode", &self.mode).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Chain {
    /// A chain with native rules over `files` and an empty profile.
    pub fn new(mode: ShellMode, files: Arc<dyn Files>) -> Self {
        let profile = Arc::new(Profile::default());
        let workers = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            mode,
            native: Some(Native::new(files, Arc::clone(&profile))),
            profile,
            recorded: None,
            recorder: None,
            memo: Memo::default(),
            limits: Limits::default(),
            sandbox: Sandbox::new(Helper::default(), workers),
            visible: Vec::new(),
            bash: find_bash(),
            counters: Counters::default(),
        }
    }

    /// Answers facts of the target from a profile.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = Arc::new(profile);
        if let Some(native) = &mut self.native {
            native.set_profile(Arc::clone(&self.profile));
        }
        self
    }

    /// Switches the native rules off, to see what the other answerers say.
    #[must_use]
    pub fn without_native(mut self) -> Self {
        self.native = None;
        self
    }

    /// Answers from a record.
    #[must_use]
    pub fn with_recorded(mut self, recorded: Arc<Recorded>) -> Self {
        self.recorded = Some(recorded);
        self
    }

    /// Adds what processes answer to a record (it may be the one of [`Self::with_recorded`]).
    #[must_use]
    pub fn recording_to(mut self, recorder: Arc<Recorded>) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Folders that commands in the sandbox see even below `/tmp`: the configuration.
    #[must_use]
    pub fn showing(mut self, folders: Vec<PathBuf>) -> Self {
        self.visible = folders;
        self
    }

    /// Other bounds than 10 seconds and 1 MiB.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The executable that can be a sandbox worker, if it is not our own, and how many may run at once.
    #[must_use]
    pub fn with_sandbox_helper(mut self, helper: Helper, workers: usize) -> Self {
        self.sandbox = Sandbox::new(helper, workers);
        self
    }

    /// How many commands each answerer answered so far.
    pub fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        Stats {
            native: read(&counters.native),
            remembered: read(&counters.remembered),
            profile: read(&counters.profile),
            recorded: read(&counters.recorded),
            process: read(&counters.process),
            unanswered: read(&counters.unanswered),
        }
    }

    /// The answerers that are worth remembering.
    fn ask(&self, call: ShellCall<'_>, sees_folder: bool) -> Result<ShellAnswer, ShellError> {
        if let Some(answer) = self.profile.answer(call.command) {
            count(&self.counters.profile);
            return Ok(answer.clone());
        }
        if let Some(answer) = self.recorded.as_ref().and_then(|recorded| recorded.get(call)) {
            count(&self.counters.recorded);
            return Ok(answer);
        }
        let answer = self.run_process(call, sees_folder)?;
        count(&self.counters.process);
        if let Some(recorder) = &self.recorder {
            recorder.add(call, &answer);
        }
        Ok(answer)
    }

    fn run_process(&self, call: ShellCall<'_>, sees_folder: bool) -> Result<ShellAnswer, ShellError> {
        // A command that was judged not to see the source folder is run where it cannot: the memory of answers is then right.
        let folder = Path::new(call.source_dir);
        let folder = if sees_folder && folder.is_dir() { folder } else { Path::new("/") };
        let request = Request {
            program: &self.bash,
            arguments: &[b"sh", b"-c", b"--", call.command],
            environment: call.environment,
            folder,
            visible: &self.visible,
            limits: self.limits,
        };
        let result = match self.mode {
            ShellMode::Off => return Err(ShellError::Off),
            ShellMode::Sandbox => self.sandbox.run(&request),
            ShellMode::Run => process::run(&request),
        };
        match result {
            Ok(finished) => {
                Ok(ShellAnswer { stdout: finished.stdout, stderr: finished.stderr, status: finished.status })
            }
            Err(RunError::TimedOut(time)) => {
                Err(ShellError::TimedOut(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
            }
            Err(RunError::TooMuchOutput(bytes)) => Err(ShellError::TooMuchOutput(bytes)),
            Err(RunError::Failed(why)) => Err(ShellError::Failed(why)),
        }
    }
}

impl Shell for Chain {
    fn run(&self, call: ShellCall<'_>) -> Result<ShellAnswer, ShellError> {
        if let Some(native) = &self.native
            && let Ok(answer) = native.answer(call)
        {
            count(&self.counters.native);
            return Ok(answer);
        }
        let sees_folder = sees_folder(call);
        let (outcome, is_remembered) = self.memo.answer(call, sees_folder, || self.ask(call, sees_folder));
        match (&outcome, is_remembered) {
            (Err(_), _) => count(&self.counters.unanswered),
            (Ok(_), true) => count(&self.counters.remembered),
            (Ok(_), false) => {}
        }
        outcome
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Specs are written for a `/bin/sh` that is bash: `${commit:0:7}` fails in others.
fn find_bash() -> PathBuf {
    let candidates = ["/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash", "/run/current-system/sw/bin/bash"];
    candidates.into_iter().find(|path| Path::new(path).exists()).unwrap_or("/bin/sh").into()
}

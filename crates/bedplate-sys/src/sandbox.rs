//! Runs commands that can change nothing and reach nobody.
//!
//! ```text
//! us ──start──▶ keeper ──clone──▶ worker, process 1 of its own namespaces
//!  │            writes the id map   │ sets the file system up, once
//!  └────────── request ────────────▶│
//!                                   ├─fork─▶ command: own mounts of /tmp, /var/tmp and /dev/shm, no rights, seccomp
//!  ◀────────── answer ──────────────┘ then kills and reaps everything but itself
//! ```
//!
//! Setting namespaces up costs milliseconds, so a worker is started once and then runs one command after the other; each
//! takes a fork and a few mounts. As many workers run as commands are asked for at once, up to a bound.
//!
//! What a command sees: all files that we can read, read-only and without devices; an empty `/tmp`, `/var/tmp` and
//! `/dev/shm` of its own; a `/dev` with `null`, `zero`, `full`, `random` and `urandom`; no other process; a network
//! with no interface that is up, and no way to make a socket; the host name `localhost`. If its folder lies in a hidden place
//! (below `/tmp`), that folder is put back, read-only.
//! When we are root, it runs as `nobody` with the one right to read all files, so that it owns nothing it could
//! write to (a device, a pipe), and the bound on the number of processes holds; otherwise as ourselves with no right at all.
//!
//! Nothing outlives us, however we die: the worker sees its pipe close; it is process 1, so all others die with it.
//!
//! The executable must call [`child_main`] when its first argument is [`HELPER_ARGUMENT`].

mod child;
mod wire;

use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::process::{Finished, Request, RunError};

pub use child::{child_main, how_to_allow_namespaces};

/// The first argument that makes our executable a worker instead of the command a person asked for.
pub const HELPER_ARGUMENT: &str = "__bedplate-sandbox";

/// How much longer than the command's own limit we wait for a worker before we give it up.
const GRACE: Duration = Duration::from_secs(5);

/// Which executable to start as worker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Helper {
    /// Our own: it hands [`HELPER_ARGUMENT`] to [`child_main`].
    #[default]
    Ourselves,
    /// Another that does.
    At(PathBuf),
}

/// A pool of workers, started when they are needed; they end when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    helper: Helper,
    most: usize,
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Worker>,
    /// All workers, the busy ones too.
    count: usize,
    /// Why no worker can be had: the next call would fail alike, and a failed start costs milliseconds.
    refused: Option<String>,
}

impl Sandbox {
    /// A pool of at most `most` workers (at least one). Starts nothing yet.
    pub fn new(helper: Helper, most: usize) -> Self {
        Self { helper, most: most.max(1), pool: Mutex::default(), returned: Condvar::new() }
    }

    /// Runs a command in a worker; waits for one if all are busy.
    ///
    /// # Errors
    /// [`RunError`]: a bound was hit, or the kernel refuses the sandbox and the text says what to do about it.
    pub fn run(&self, request: &Request<'_>) -> Result<Finished, RunError> {
        let mut worker = self.take().map_err(RunError::Failed)?;
        match worker.run(request) {
            Ok(result) => {
                let mut pool = self.lock();
                pool.idle.push(worker);
                drop(pool);
                self.returned.notify_one();
                result
            }
            Err(why) => {
                drop(worker);
                self.lock().count -= 1;
                self.returned.notify_one();
                Err(RunError::Failed(why))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        // A worker is in the pool only between two calls: a panic elsewhere leaves the pool whole.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Result<Worker, String> {
        let mut pool = self.lock();
        loop {
            if let Some(worker) = pool.idle.pop() {
                return Ok(worker);
            }
            if let Some(why) = &pool.refused {
                return Err(why.clone());
            }
            if pool.count < self.most {
                pool.count += 1;
                break;
            }
            pool = self.returned.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
        drop(pool);
        Worker::start(&self.helper).inspect_err(|why| {
            let mut pool = self.lock();
            pool.count -= 1;
            pool.refused = Some(why.clone());
            drop(pool);
            self.returned.notify_all();
        })
    }
}

/// A running worker, waiting for a command.
#[derive(Debug)]
struct Worker {
    keeper: Child,
    requests: std::fs::File,
    answers: std::fs::File,
}

impl Worker {
    fn start(helper: &Helper) -> Result<Self, String> {
        let path = match helper {
            Helper::Ourselves => PathBuf::from("/proc/self/exe"),
            Helper::At(path) => path.clone(),
        };
        let mut command = Command::new(&path);
        command.arg(HELPER_ARGUMENT).env_clear().current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut keeper =
            command.spawn().map_err(|error| format!("start the sandbox's worker `{}`: {error}", path.display()))?;
        let (Some(stdin), Some(stdout)) = (keeper.stdin.take(), keeper.stdout.take()) else {
            return Err("start the sandbox's worker: it has no pipes".to_owned());
        };
        let (requests, answers) = (OwnedFd::from(stdin).into(), OwnedFd::from(stdout).into());
        let mut worker = Self { keeper, requests, answers };
        match worker.receive(GRACE)? {
            wire::Answer::Ready => Ok(worker),
            wire::Answer::Failed(why) => {
                Err(format!("the sandbox cannot be set up: {why} (or run the commands unprotected with `--shell=run`)"))
            }
            _ => Err(format!("`{}` is not a sandbox worker", path.display())),
        }
    }

    /// Runs one command. The outer error means that the worker is lost.
    fn run(&mut self, request: &Request<'_>) -> Result<Result<Finished, RunError>, String> {
        let frame = wire::encode_request(request);
        std::io::Write::write_all(&mut self.requests, &frame)
            .map_err(|error| format!("the sandbox's worker does not listen: {error}"))?;
        Ok(match self.receive(request.limits.time + GRACE)? {
            wire::Answer::Finished(finished) => Ok(finished),
            wire::Answer::TimedOut => Err(RunError::TimedOut(request.limits.time)),
            wire::Answer::TooMuchOutput => Err(RunError::TooMuchOutput(request.limits.output)),
            wire::Answer::Failed(why) => Err(RunError::Failed(why)),
            wire::Answer::Ready => return Err("the sandbox's worker answers out of turn".to_owned()),
        })
    }

    fn receive(&mut self, patience: Duration) -> Result<wire::Answer, String> {
        let timeout = Timespec {
            tv_sec: patience.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: patience.subsec_nanos().into(),
        };
        loop {
            match poll(&mut [PollFd::from_borrowed_fd(self.answers.as_fd(), PollFlags::IN)], Some(&timeout)) {
                Ok(0) => return Err("the sandbox's worker does not answer".to_owned()),
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(format!("wait for the sandbox's worker: {error}")),
            }
        }
        let lost = |error: std::io::Error| format!("the sandbox's worker died: {error}");
        let mut head = [0; wire::HEAD];
        self.answers.read_exact(&mut head).map_err(lost)?;
        let length = wire::frame_length(head).ok_or("the sandbox's worker does not speak our language")?;
        let mut body = vec![0; length];
        self.answers.read_exact(&mut body).map_err(lost)?;
        wire::decode_answer(&body).ok_or_else(|| "the sandbox's worker does not speak our language".to_owned())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The worker proper asked the kernel to die with its keeper, and everything in its namespace dies with it.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

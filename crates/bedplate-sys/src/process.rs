//! Runs one command with bounds on its time and output.
//!
//! The command gets its own process group. When it is done, or when a bound is hit, the whole group is killed, so that no
//! grandchild stays behind (one that made a session of its own does; only [`crate::sandbox`] catches those).

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// How long a command may run and how much it may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time; it is also the bound on processor time, in whole seconds rounded up.
    pub time: Duration,
    /// Bytes of standard output, and as many again of standard error.
    pub output: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(10), output: 1 << 20 }
    }
}

/// A command to run. Its standard input is `/dev/null`.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The file to run.
    pub program: &'a Path,
    /// The arguments, the program's own name (`argv[0]`) among them.
    pub arguments: &'a [&'a [u8]],
    /// The whole environment.
    pub environment: &'a BTreeMap<String, String>,
    /// The folder to run in.
    pub folder: &'a Path,
    /// Folders that the sandbox shows, read-only, even where it would hide them (below `/tmp`).
    pub visible: &'a [PathBuf],
    /// The bounds.
    pub limits: Limits,
}

/// A command that came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Exit status; 128 plus the signal's number if a signal ended it.
    pub status: i32,
}

/// Why a command has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// It ran longer than allowed.
    #[error("ran longer than {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// It wrote more than allowed.
    #[error("wrote more than {0} bytes")]
    TooMuchOutput(u64),
    /// It could not be started, or what runs it failed.
    #[error("{0}")]
    Failed(String),
}

/// Runs a command directly: it may do all that we may do.
///
/// # Errors
/// [`RunError`] if it could not be started or hit a bound; all of its process group is dead by then.
pub fn run(request: &Request<'_>) -> Result<Finished, RunError> {
    let program = request.program;
    let mut command = Command::new(program);
    if let Some((name, arguments)) = request.arguments.split_first() {
        command.arg0(std::ffi::OsStr::from_bytes(name));
        command.args(arguments.iter().map(|argument| std::ffi::OsStr::from_bytes(argument)));
    }
    command.env_clear().envs(request.environment).current_dir(request.folder).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |what: &str, error: io::Error| RunError::Failed(format!("{what} `{}`: {error}", program.display()));

    let mut child = command.spawn().map_err(|error| failed("start", error))?;
    let group = Pid::from_child(&child);
    let watched = match (child.stdout.take(), child.stderr.take(), pidfd_open(group, PidfdFlags::empty())) {
        (Some(stdout), Some(stderr), Ok(leader)) => {
            watch(&Watch { leader: leader.as_fd(), hangup: None, limits: request.limits }, stdout.into(), stderr.into())
        }
        (_, _, Err(error)) => Err(error.into()),
        _ => Err(io::ErrorKind::BrokenPipe.into()),
    };
    // The leader is not yet waited for, so that its number cannot be somebody else's group. If the group is empty: good.
    let _ = kill_process_group(group, Signal::KILL);
    let status = child.wait().map_err(|error| failed("wait for", error))?;
    match watched.map_err(|error| failed("watch", error))? {
        End::Done { stdout, stderr } => Ok(Finished { stdout, stderr, status: status_number(status) }),
        End::TimedOut | End::HungUp => Err(RunError::TimedOut(request.limits.time)),
        End::TooMuchOutput => Err(RunError::TooMuchOutput(request.limits.output)),
    }
}

/// The number that a shell would give: 128 plus the signal's number if a signal ended the process.
pub(crate) fn status_number(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// What [`watch`] looks at besides the two outputs.
pub(crate) struct Watch<'a> {
    /// The process (a pidfd).
    pub(crate) leader: BorrowedFd<'a>,
    /// The pipe of the one who asked: if it is gone, nobody wants the answer.
    pub(crate) hangup: Option<BorrowedFd<'a>>,
    /// The bounds.
    pub(crate) limits: Limits,
}

/// How a watched process came to its end.
pub(crate) enum End {
    Done { stdout: Vec<u8>, stderr: Vec<u8> },
    TimedOut,
    TooMuchOutput,
    HungUp,
}

/// Collects the outputs until the process is gone and its standard output is closed by all who held it, as `popen`'s
/// reader does. The process is not waited for.
pub(crate) fn watch(watch: &Watch<'_>, stdout: OwnedFd, stderr: OwnedFd) -> io::Result<End> {
    let deadline = Instant::now() + watch.limits.time;
    let mut streams = [Stream::new(stdout)?, Stream::new(stderr)?];
    let mut leader_lives = true;
    loop {
        if !leader_lives && !streams[0].is_open {
            streams[1].read(watch.limits.output)?;
            if streams[1].is_over {
                return Ok(End::TooMuchOutput);
            }
            let [stdout, stderr] = streams.map(|stream| stream.bytes);
            return Ok(End::Done { stdout, stderr });
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(End::TimedOut);
        }
        // A descriptor that has nothing more to say would wake us for ever: it is not asked again.
        let mut asked = Vec::with_capacity(4);
        let mut polled = Vec::with_capacity(4);
        for (index, stream) in streams.iter().enumerate() {
            if stream.is_open {
                asked.push(Asked::Stream(index));
                polled.push(PollFd::new(&stream.file, PollFlags::IN));
            }
        }
        if leader_lives {
            asked.push(Asked::Leader);
            polled.push(PollFd::from_borrowed_fd(watch.leader, PollFlags::IN));
        }
        if let Some(hangup) = watch.hangup {
            asked.push(Asked::Hangup);
            // No event is asked for: a hang-up is always told.
            polled.push(PollFd::from_borrowed_fd(hangup, PollFlags::empty()));
        }
        let timeout =
            Timespec { tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut polled, Some(&timeout)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = polled.iter().map(|polled| !polled.revents().is_empty()).collect();
        for (asked, ready) in asked.into_iter().zip(ready) {
            match asked {
                _ if !ready => {}
                Asked::Stream(index) => {
                    streams[index].read(watch.limits.output)?;
                    if streams[index].is_over {
                        return Ok(End::TooMuchOutput);
                    }
                }
                Asked::Leader => leader_lives = false,
                Asked::Hangup => return Ok(End::HungUp),
            }
        }
    }
}

enum Asked {
    Stream(usize),
    Leader,
    Hangup,
}

/// One output of a process.
struct Stream {
    file: std::fs::File,
    bytes: Vec<u8>,
    is_open: bool,
    is_over: bool,
}

impl Stream {
    fn new(descriptor: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&descriptor, true)?;
        Ok(Self { file: descriptor.into(), bytes: Vec::new(), is_open: true, is_over: false })
    }

    /// Reads what is there now.
    fn read(&mut self, limit: u64) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        while self.is_open {
            match self.file.read(&mut buffer) {
                Ok(0) => self.is_open = false,
                Ok(count) => {
                    self.bytes.extend_from_slice(&buffer[..count]);
                    if self.bytes.len() as u64 > limit {
                        self.is_over = true;
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

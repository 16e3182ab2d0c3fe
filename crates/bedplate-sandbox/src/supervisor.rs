//! Our side of a run: starts the keeper, collects output, watches limits, ends it.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use bedplate_sys::sandbox::Helper;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, shutdown, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::cgroup::Groups;
use crate::channel::{self, BindOrder, Order, Report, RunOrder};
use crate::error::SandboxError;
use crate::job::{Cancel, Job, Mode};
use crate::outcome::{End, LimitKind, Outcome, Violation};
use crate::terminal::{self, Terminal};
use crate::{HELPER_ARGUMENT, process_tree, violation};

/// How often memory, processes and the wish to cancel are looked at.
const TICK: Duration = Duration::from_millis(100);

/// How long the sandbox may take to die after it was told to.
const GRACE: Duration = Duration::from_secs(20);

/// A longer line is handed on in parts.
const LONGEST_LINE: usize = 64 << 10;

/// Runs a job to its end. `on_line` gets each line of its output, without its end.
///
/// # Errors
/// [`SandboxError`]: the sandbox could not be made or was lost. That the command failed is no error.
pub fn run(
    job: &Job,
    helper: &Helper,
    cancel: &Cancel,
    on_line: &mut dyn FnMut(&[u8]),
) -> Result<Outcome, SandboxError> {
    let start = Instant::now();
    let order = order(job)?;
    make_scratch(&job.scratch, helper)?;
    let keeper = Keeper::start(helper)?;
    let mut groups = Groups::create(&job.limits);
    groups.add(keeper.child.id());
    keeper.order(&Order::Run(Box::new(order)))?;

    let mut run = Run {
        job,
        cancel,
        groups,
        start,
        last_output: start,
        stop: None,
        status: None,
        failure: None,
        full_file: None,
        left: 0,
        cpu: Duration::ZERO,
        peak_memory: 0,
        violations: Vec::new(),
        calls: None,
        terminal: None,
        line: Vec::new(),
    };
    let followed = run.follow(&keeper, on_line);
    // The terminal is given back before anything is said about the end.
    run.terminal = None;
    drop(keeper);
    followed?;
    let _ = crate::remove(&job.scratch.join("work"), helper);
    let _ = fs::remove_dir(job.scratch.join("root"));
    run.outcome()
}

/// The job as the keeper gets it, with paths that do not depend on where we are.
fn order(job: &Job) -> Result<RunOrder, SandboxError> {
    let found = |path: &Path| path.canonicalize().map_err(SandboxError::io("find", path));
    if job.layers.is_empty() {
        return Err(SandboxError::Job("a build root needs at least one layer".to_owned()));
    }
    let mut layers = Vec::with_capacity(job.layers.len());
    for layer in &job.layers {
        let layer = found(layer)?;
        if !layer.is_dir() {
            return Err(SandboxError::Job(format!("the layer `{}` is not a folder", layer.display())));
        }
        layers.push(layer.into());
    }
    fs::create_dir_all(&job.scratch).map_err(SandboxError::io("make", &job.scratch))?;
    let mut binds = Vec::with_capacity(job.binds.len());
    for bind in &job.binds {
        if !bind.target.is_absolute() {
            let target = bind.target.display();
            return Err(SandboxError::Job(format!("the place of a bind must be absolute: `{target}`")));
        }
        let (source, target) = (found(&bind.source)?.into(), bind.target.clone().into());
        binds.push(BindOrder { source, target, is_writable: bind.writable });
    }
    Ok(RunOrder {
        layers,
        scratch: found(&job.scratch)?.into(),
        binds,
        prepare: job.prepare.clone(),
        argv: job.argv.clone(),
        env: job.env.clone(),
        folder: job.folder.clone().into(),
        // The kernel refuses more in any case; a little later than the group or the look at the processes, which can tell.
        processes: job.limits.processes.saturating_add(16),
        disk: job.limits.disk,
        file: job.limits.file,
        open_files: job.limits.open_files,
        terminal: (job.mode == Mode::Interactive).then(terminal::size),
    })
}

/// Makes what is missing of the scratch folder; what a killed run left of the overlay's own is removed.
fn make_scratch(scratch: &Path, helper: &Helper) -> Result<(), SandboxError> {
    let work = scratch.join("work");
    if work.exists() {
        crate::remove(&work, helper)?;
    }
    for folder in [scratch.join("upper"), work, scratch.join("root")] {
        fs::create_dir_all(&folder).map_err(SandboxError::io("make", &folder))?;
    }
    // A build may make set-uid programs of the builder; nobody outside shall start them.
    fs::set_permissions(scratch, fs::Permissions::from_mode(0o700)).map_err(SandboxError::io("close", scratch))
}

/// The helper process; it and all below it die when this is dropped.
#[derive(Debug)]
pub(crate) struct Keeper {
    child: Child,
    socket: OwnedFd,
    log: File,
}

impl Keeper {
    pub(crate) fn start(helper: &Helper) -> Result<Self, SandboxError> {
        let path = match helper {
            Helper::Ourselves => PathBuf::from("/proc/self/exe"),
            Helper::At(path) => path.clone(),
        };
        let failed = |error: io::Error| SandboxError::io::<io::Error>("start the keeper of the sandbox", &path)(error);
        let (socket, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(|error| failed(error.into()))?;
        let (log, output) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
        rustix::io::ioctl_fionbio(&log, true).map_err(|error| failed(error.into()))?;
        let errors = output.try_clone().map_err(failed)?;
        let mut command = Command::new(&path);
        // The build sees the name of process 1, and shall not see where we lie.
        command.arg0("bedplate").arg(HELPER_ARGUMENT).env_clear().current_dir("/");
        // Not in our process group: an interrupt from the terminal is for us, who cancel in order.
        command.process_group(0);
        command.stdin(theirs).stdout(output).stderr(errors);
        let child = command.spawn().map_err(failed)?;
        Ok(Self { child, socket, log: log.into() })
    }

    pub(crate) fn order(&self, order: &Order) -> Result<(), SandboxError> {
        channel::send_order(&self.socket, order).map_err(lost)
    }

    /// The next report; `None` when all are dead.
    pub(crate) fn report(&self) -> Result<Option<(Report, Option<OwnedFd>)>, SandboxError> {
        channel::receive(&self.socket).map_err(lost)
    }

    /// Asks it to kill the sandbox.
    fn end(&self) {
        let _ = shutdown(&self.socket, Shutdown::Write);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end();
        let deadline = Instant::now() + GRACE;
        // It ends by itself when process 1 is dead; only one that hangs is killed, and then process 1 dies of that.
        loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(1)),
                Ok(None) => {
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    return;
                }
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }
}

fn lost(error: io::Error) -> SandboxError {
    SandboxError::Lost(error.to_string())
}

/// What is known of a run so far.
struct Run<'a> {
    job: &'a Job,
    cancel: &'a Cancel,
    groups: Groups,
    start: Instant,
    last_output: Instant,
    /// Why it is being killed.
    stop: Option<(End, Instant)>,
    /// The command's status, as `wait` gives it.
    status: Option<i32>,
    failure: Option<SandboxError>,
    full_file: Option<String>,
    /// How many processes there were when the command failed.
    left: u64,
    cpu: Duration,
    peak_memory: u64,
    violations: Vec<Violation>,
    calls: Option<OwnedFd>,
    terminal: Option<Terminal>,
    line: Vec<u8>,
}

impl Run<'_> {
    /// Follows it until all its processes are dead.
    fn follow(&mut self, keeper: &Keeper, on_line: &mut dyn FnMut(&[u8])) -> Result<(), SandboxError> {
        let mut next_look = Instant::now();
        let mut log_is_open = true;
        loop {
            let now = Instant::now();
            if now >= next_look {
                self.look(keeper);
                next_look = now + TICK;
            }
            if self.stop.as_ref().is_some_and(|(_, since)| since.elapsed() > GRACE) {
                return Err(SandboxError::Lost("it does not die".to_owned()));
            }
            let ready = self.wait(keeper, log_is_open, next_look.saturating_duration_since(now)).map_err(lost)?;
            if ready.calls
                && let Some(calls) = &self.calls
            {
                violation::attend(calls, &mut self.violations);
            }
            if ready.calls_are_over {
                self.calls = None;
            }
            if ready.log {
                log_is_open = self.read_log(keeper, on_line).map_err(lost)? != Log::IsOver;
            }
            if ready.terminal && self.relay(ready.keys).is_err() {
                // Nobody looks any more.
                self.stop(keeper, End::Cancelled);
            }
            if ready.report {
                match keeper.report()? {
                    Some((report, descriptor)) => self.take(keeper, report, descriptor),
                    None => break,
                }
            }
        }
        // Both who held the socket are dead, and with process 1 all others; what they wrote is in the pipe.
        while self.read_log(keeper, on_line).map_err(lost)? == Log::HasMore {}
        if !self.line.is_empty() {
            on_line(&std::mem::take(&mut self.line));
        }
        Ok(())
    }

    fn wait(&self, keeper: &Keeper, log_is_open: bool, patience: Duration) -> io::Result<Ready> {
        let mut polled = vec![PollFd::new(&keeper.socket, PollFlags::IN)];
        let mut place = |descriptor, flags| {
            polled.push(PollFd::from_borrowed_fd(descriptor, flags));
            polled.len() - 1
        };
        let log = log_is_open.then(|| place(keeper.log.as_fd(), PollFlags::IN));
        let calls = self.calls.as_ref().map(|calls| place(calls.as_fd(), PollFlags::IN));
        let (ours, theirs) = self.terminal.as_ref().map_or((None, None), Terminal::wishes);
        let keys = ours.map(|ours| place(ours, PollFlags::IN));
        let screen = theirs.map(|(theirs, flags)| place(theirs, flags));
        let timeout = Timespec {
            tv_sec: patience.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: patience.subsec_nanos().into(),
        };
        match poll(&mut polled, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |place: Option<usize>| place.is_some_and(|place| !polled[place].revents().is_empty());
        let calls = calls.map_or(PollFlags::empty(), |place| polled[place].revents());
        Ok(Ready {
            report: is_ready(Some(0)),
            log: is_ready(log),
            calls: calls.contains(PollFlags::IN),
            calls_are_over: !calls.contains(PollFlags::IN) && !calls.is_empty(),
            keys: is_ready(keys),
            terminal: is_ready(keys) || is_ready(screen),
        })
    }

    fn relay(&mut self, has_keys: bool) -> io::Result<()> {
        self.last_output = Instant::now();
        let Some(terminal) = &mut self.terminal else { return Ok(()) };
        if has_keys {
            terminal.take_keys();
        }
        terminal.relay()
    }

    /// Hands on some of what is in the pipe; not all, as a build that writes without end must not keep us from the rest.
    fn read_log(&mut self, keeper: &Keeper, on_line: &mut dyn FnMut(&[u8])) -> io::Result<Log> {
        let mut buffer = [0; 32 << 10];
        let count = match (&keeper.log).read(&mut buffer) {
            Ok(0) => return Ok(Log::IsOver),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Log::IsEmpty),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Log::HasMore),
            Err(error) => return Err(error),
        };
        self.last_output = Instant::now();
        for part in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(rest) if self.line.is_empty() => on_line(rest),
                Some(rest) => {
                    self.line.extend_from_slice(rest);
                    on_line(&self.line);
                    self.line.clear();
                }
                None => self.line.extend_from_slice(part),
            }
            if self.line.len() > LONGEST_LINE {
                on_line(&std::mem::take(&mut self.line));
            }
        }
        Ok(Log::HasMore)
    }

    fn take(&mut self, keeper: &Keeper, report: Report, descriptor: Option<OwnedFd>) {
        match report {
            Report::Calls => self.calls = descriptor,
            Report::Terminal => match descriptor.map(Terminal::join) {
                Some(Ok(terminal)) => self.terminal = Some(terminal),
                _ => {
                    self.failure =
                        Some(SandboxError::Refused("the build's terminal cannot be joined to ours".to_owned()));
                    keeper.end();
                }
            },
            Report::Started | Report::Removed => {}
            Report::Ended(status) => self.status = Some(status),
            Report::DiskOver { bytes } => {
                let limit = self.job.limits.disk;
                let detail = format!("wrote {}, more than the limit of {}", size(bytes), size(limit));
                self.stop(keeper, End::Limit(LimitKind::Disk, detail));
            }
            Report::FileFull { path } => self.full_file = Some(path),
            Report::Left { processes } => self.left = processes,
            Report::Usage { processor_time, largest_memory } => {
                self.cpu = processor_time;
                self.peak_memory = self.peak_memory.max(largest_memory);
            }
            Report::Prepare { command, end } => self.failure = Some(SandboxError::Prepare { command, end }),
            Report::Refused(why) => self.failure = Some(SandboxError::Refused(why)),
            Report::Job(why) => self.failure = Some(SandboxError::Job(why)),
        }
    }

    /// Looks at what nobody tells us.
    fn look(&mut self, keeper: &Keeper) {
        let limits = &self.job.limits;
        if let Some(terminal) = &self.terminal {
            terminal.follow_size();
        }
        let by_group = self.groups.memory();
        let needs_tree = by_group.is_none() || !self.groups.bounds_processes();
        // With the keeper and process 1; a fork bomb is looked at no longer than needed to know it.
        let tree = needs_tree.then(|| process_tree::look(keeper.child.id(), limits.processes.saturating_add(3)));
        let memory = by_group.or(tree.map(|tree| tree.memory)).unwrap_or(0);
        self.peak_memory = self.peak_memory.max(memory);

        let end = if self.cancel.is_cancelled() {
            End::Cancelled
        } else if self.start.elapsed() > limits.wall {
            let detail = format!("ran longer than the limit of {}", seconds(limits.wall));
            End::Limit(LimitKind::Wall, detail)
        } else if let Some(silence) = limits.silence
            && self.last_output.elapsed() > silence
        {
            End::Limit(LimitKind::Silence, format!("wrote nothing for {}, which is the limit", seconds(silence)))
        } else if let Some(end) = self.over_memory(memory) {
            end
        } else if self.groups.refused_processes() > 0
            || (!self.groups.bounds_processes() && tree.is_some_and(|tree| tree.threads >= limits.processes))
        {
            self.over_processes()
        } else {
            return;
        };
        self.stop(keeper, end);
    }

    fn over_memory(&self, now: u64) -> Option<End> {
        let limit = self.job.limits.memory?;
        let detail = if now > limit {
            format!("used {} of memory, more than the limit of {}", size(now), size(limit))
        } else if self.groups.kills() > 0 {
            format!("used more memory than the limit of {}", size(limit))
        } else {
            return None;
        };
        Some(End::Limit(LimitKind::Memory, detail))
    }

    fn over_processes(&self) -> End {
        let detail = format!("started more than {} processes, which is the limit", self.job.limits.processes);
        End::Limit(LimitKind::Processes, detail)
    }

    fn stop(&mut self, keeper: &Keeper, end: End) {
        if self.stop.is_none() && self.status.is_none() {
            self.stop = Some((end, Instant::now()));
            keeper.end();
        }
    }

    /// All are dead: how did it end?
    fn outcome(mut self) -> Result<Outcome, SandboxError> {
        let is_over = self.groups.refused_processes() > 0 || self.left >= self.job.limits.processes;
        let over = if is_over { Some(self.over_processes()) } else { self.over_memory(0) };
        let end = match (self.failure.take(), self.stop.take(), self.status) {
            (Some(failure), _, _) => return Err(failure),
            (None, Some((end, _)), _) => end,
            // Between the last look and the end. A command that did its work in spite of it has done it.
            (None, None, status) if status != Some(0) && over.is_some() => over.unwrap_or(End::Cancelled),
            (None, None, Some(status)) => self.end_of(status),
            (None, None, None) => {
                return Err(SandboxError::Lost(
                    "it was killed from outside, or the machine ran out of memory".to_owned(),
                ));
            }
        };
        Ok(Outcome {
            end,
            wall: self.start.elapsed(),
            cpu_seconds: self.cpu.as_secs_f64(),
            peak_memory_bytes: self.peak_memory,
            violations: self.violations,
        })
    }

    fn end_of(&mut self, status: i32) -> End {
        use std::os::unix::process::ExitStatusExt as _;
        let status = std::process::ExitStatus::from_raw(status);
        let limit = size(self.job.limits.file);
        if let Some(path) = self.full_file.take() {
            return End::Limit(LimitKind::File, format!("`{path}` grew to the limit of a single file, {limit}"));
        }
        match (status.code(), status.signal()) {
            (None, Some(libc::SIGXFSZ)) => {
                End::Limit(LimitKind::File, format!("a file grew to the limit of a single file, {limit}"))
            }
            (Some(code), _) => End::Exited(code),
            (None, signal) => End::Signal(signal.unwrap_or(0)),
        }
    }
}

/// What may be left in the pipe of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Log {
    HasMore,
    IsEmpty,
    IsOver,
}

/// What [`Run::wait`] found.
struct Ready {
    report: bool,
    log: bool,
    calls: bool,
    calls_are_over: bool,
    keys: bool,
    terminal: bool,
}

/// A number of bytes for people; exact if it is whole.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = UNITS.len().min((0..UNITS.len()).filter(|unit| bytes >> (10 * unit) > 0).count().max(1)) - 1;
    let whole = bytes >> (10 * unit);
    let tenths = ((bytes >> (10 * unit.saturating_sub(1))) & 1023) * 10 / 1024;
    if unit == 0 || tenths == 0 {
        format!("{whole} {}", UNITS[unit])
    } else {
        format!("{whole}.{tenths} {}", UNITS[unit])
    }
}

fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{:.1} s", time.as_secs_f64()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (64 << 20, "64 MiB"),
            ((1 << 30) + (103 << 20), "1.1 GiB"),
            (5 << 40, "5 TiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
        assert_eq!(seconds(Duration::from_secs(3)), "3 s");
        assert_eq!(seconds(Duration::from_millis(1500)), "1.5 s");
    }
}

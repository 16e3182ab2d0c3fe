//! Our side of a run: hands output on, watches limits, ends it, and says how it ended.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use bedplate_sys::sandbox::Helper;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::cgroup::Groups;
use crate::channel::{Order, Report, RunOrder};
use crate::error::SandboxError;
use crate::handle::{GRACE, Keeper, lost, make_scratch, order};
use crate::job::{Cancel, Job};
use crate::lines::{Lines, Log};
use crate::numbers::{seconds, size};
use crate::outcome::{End, LimitKind, Outcome, Violation};
use crate::terminal::Terminal;
use crate::{process_tree, violation};

/// How often memory, processes and the wish to cancel are looked at.
const TICK: Duration = Duration::from_millis(100);

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
    run_order(job, order(job)?, helper, cancel, on_line)
}

/// Runs what an order says, for a job with the same scratch folder and limits.
pub(crate) fn run_order(
    job: &Job,
    order: RunOrder,
    helper: &Helper,
    cancel: &Cancel,
    on_line: &mut dyn FnMut(&[u8]),
) -> Result<Outcome, SandboxError> {
    let start = Instant::now();
    make_scratch(&job.scratch, helper)?;
    // Before the keeper, so that they outlive it: a group with processes cannot be removed.
    let mut groups = Groups::create(&job.limits);
    let keeper = Keeper::start(helper)?;
    groups.add(keeper.process());
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
        lines: Lines::default(),
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
    lines: Lines,
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
                log_is_open = self.read_log(keeper, on_line)? != Log::IsOver;
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
        while self.read_log(keeper, on_line)? == Log::HasMore {}
        self.lines.finish(on_line);
        Ok(())
    }

    fn wait(&self, keeper: &Keeper, log_is_open: bool, patience: Duration) -> io::Result<Ready> {
        let mut polled = vec![PollFd::from_borrowed_fd(keeper.socket(), PollFlags::IN)];
        let mut place = |descriptor, flags| {
            polled.push(PollFd::from_borrowed_fd(descriptor, flags));
            polled.len() - 1
        };
        let log = log_is_open.then(|| place(keeper.log().as_fd(), PollFlags::IN));
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

    /// Hands on some of what is in the pipe.
    fn read_log(&mut self, keeper: &Keeper, on_line: &mut dyn FnMut(&[u8])) -> Result<Log, SandboxError> {
        let log = self.lines.read(keeper.log(), on_line).map_err(lost)?;
        if log == Log::HasMore {
            self.last_output = Instant::now();
        }
        Ok(log)
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
            Report::Started | Report::Removed | Report::Written => {}
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
        let tree = needs_tree.then(|| process_tree::look(keeper.process(), limits.processes.saturating_add(3)));
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

/// What [`Run::wait`] found.
struct Ready {
    report: bool,
    log: bool,
    calls: bool,
    calls_are_over: bool,
    keys: bool,
    terminal: bool,
}

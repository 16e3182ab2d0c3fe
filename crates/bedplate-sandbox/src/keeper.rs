//! The process between us and process 1: starts it, gives it its users, and ends it when we are gone.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;

use bedplate_sys::kernel::{self, Fork};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, waitpid};

use crate::channel::{self, Report, receive_order, report};
use crate::{init, users};

/// Adds what was being done to an error of the system.
pub(crate) trait Doing<T> {
    fn doing(self, what: &str) -> Result<T, Report>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: &str) -> Result<T, Report> {
        self.map_err(|error| Report::Refused(format!("{what}: {}", error.into())))
    }
}

/// Serves one order, which comes on standard input. Never returns to be used for anything else.
pub fn child_main() -> ExitCode {
    match keep() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tell(&why);
            ExitCode::FAILURE
        }
    }
}

/// Tells whoever gave the order. If nobody listens any more, our end is near.
pub(crate) fn tell(what: &Report) {
    let what = match what {
        Report::Refused(why) => &Report::Refused(channel::short(why)),
        Report::Job(why) => &Report::Job(channel::short(why)),
        other => other,
    };
    let _ = report(rustix::stdio::stdin(), what, None);
}

fn keep() -> Result<(), Report> {
    let Some(order) = receive_order(rustix::stdio::stdin()).doing("read the order")? else { return Ok(()) };
    let (wait, go) = pipe_with(PipeFlags::CLOEXEC).doing("make a pipe")?;
    match kernel::fork_into_namespaces().map_err(|error| namespaces_refused(&error))? {
        Fork::Child => {
            drop(go);
            kernel::exit_now(init::main(&order, &wait))
        }
        Fork::Parent(init) => {
            drop(wait);
            let mapped = users::map(init).and_then(|()| {
                rustix::io::write(&go, b"g").doing("start the sandbox")?;
                attend(init)
            });
            // Process 1 is not waited for, so the number is still its own. With it, everything in its namespaces ends.
            let _ = kill_process(init, Signal::KILL);
            let _ = waitpid(Some(init), WaitOptions::empty());
            mapped?;
            let usage = kernel::children_usage();
            tell(&Report::Usage { processor_time: usage.processor_time, largest_memory: usage.largest_memory });
            drop::<OwnedFd>(go);
            Ok(())
        }
    }
}

/// Waits until process 1 has ended or nobody wants it any more.
fn attend(init: Pid) -> Result<(), Report> {
    let process = pidfd_open(init, PidfdFlags::empty()).doing("watch the sandbox")?;
    let stdin = rustix::stdio::stdin();
    loop {
        let mut polled = [
            PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN),
            // Nothing comes after the order but the end of the stream.
            PollFd::from_borrowed_fd(stdin, PollFlags::IN),
        ];
        match poll(&mut polled, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error).doing("watch the sandbox"),
        }
        if polled.iter().any(|polled| !polled.revents().is_empty()) {
            return Ok(());
        }
    }
}

/// The kernel has many ways to forbid user namespaces; each has its own remedy.
fn namespaces_refused(error: &io::Error) -> Report {
    let remedy = bedplate_sys::sandbox::how_to_allow_namespaces();
    Report::Refused(format!("user namespaces are refused: {error}; {remedy}"))
}

/// True while the keeper lives: `wait` is the pipe that it holds the other end of.
pub(crate) fn is_kept(wait: &OwnedFd) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(wait.as_fd(), PollFlags::empty())];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().is_empty()
}

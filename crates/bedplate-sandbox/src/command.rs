//! Starts one command inside: a fork that gives up what it may do, then becomes the program.
//!
//! ```text
//! child ──▶ process 1   "F" descriptor:u32 (the listener of its calls) · "E" text (it could not start) · the end: it runs
//! child ◀── process 1   "y" (the listener was taken) · the end: give up
//! ```

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::io::Read as _;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use bedplate_sys::kernel::{self, Fork};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::channel::{Report, RunOrder};
use crate::keeper::Doing as _;
use crate::policy::{self, Rights};
use crate::text::Text;

/// What to start.
pub(crate) struct Launch<'a> {
    pub(crate) argv: &'a [Text],
    pub(crate) env: &'a [(Text, Text)],
    pub(crate) folder: &'a OsStr,
    pub(crate) rights: Rights,
    pub(crate) streams: Streams<'a>,
    /// For its bounds.
    pub(crate) order: &'a RunOrder,
    /// Whether its network calls are to be shown.
    pub(crate) shows_calls: bool,
}

/// Where its output goes.
pub(crate) enum Streams<'a> {
    /// To our own standard output; nothing to read.
    Log,
    /// The same, and this to read.
    Input(&'a OwnedFd),
    /// To a terminal, which it also reads.
    Terminal(&'a OwnedFd),
}

pub(crate) struct Started {
    pub(crate) process: Pid,
    /// Where its network calls are shown.
    pub(crate) calls: Option<OwnedFd>,
}

/// Starts it; `None` if it was to show its calls and that cannot be had here.
pub(crate) fn start(launch: &Launch<'_>) -> Result<Option<Started>, Report> {
    let (said, say) = pipe_with(PipeFlags::CLOEXEC).doing("make a pipe")?;
    let (heard, answer) = pipe_with(PipeFlags::CLOEXEC).doing("make a pipe")?;
    let process = match kernel::fork().doing("start a command")? {
        Fork::Child => {
            drop((said, answer));
            let Err(why) = become_command(launch, &say, &heard);
            let mut text = b"E".to_vec();
            text.extend_from_slice(why.as_bytes());
            let _ = rustix::io::write(&say, &text);
            kernel::exit_now(127)
        }
        Fork::Parent(process) => process,
    };
    drop((say, heard));
    let mut said = std::fs::File::from(said);
    let mut calls = None;
    let mut first = [0];
    if said.read(&mut first).doing("hear of the command")? == 1 && first == *b"F" {
        let mut number = [0; 4];
        said.read_exact(&mut number).doing("hear of the command")?;
        let taken = pidfd_open(process, PidfdFlags::empty())
            .and_then(|process| pidfd_getfd(process, i32::from_le_bytes(number), PidfdGetfdFlags::empty()));
        let Ok(taken) = taken else {
            drop(answer);
            return Ok(None);
        };
        calls = Some(taken);
        rustix::io::write(&answer, b"y").doing("answer the command")?;
        first = [0];
        let _ = said.read(&mut first).doing("hear of the command")?;
    }
    if first == *b"E" {
        let mut why = Vec::new();
        said.read_to_end(&mut why).doing("hear of the command")?;
        return Err(Report::Job(String::from_utf8_lossy(&why).into_owned()));
    }
    Ok(Some(Started { process, calls }))
}

fn become_command(launch: &Launch<'_>, say: &OwnedFd, heard: &OwnedFd) -> Result<Infallible, String> {
    let plain = |report: Report| match report {
        Report::Refused(why) | Report::Job(why) => why,
        other => format!("{other:?}"),
    };
    rustix::process::setsid().doing("leave the session").map_err(plain)?;
    let null = rustix::fs::open(c"/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .doing("open /dev/null")
        .map_err(plain)?;
    let (input, output) = match launch.streams {
        Streams::Log => (null.as_fd(), rustix::stdio::stdout()),
        Streams::Input(input) => (input.as_fd(), rustix::stdio::stdout()),
        Streams::Terminal(terminal) => {
            rustix::process::ioctl_tiocsctty(terminal).doing("take the terminal").map_err(plain)?;
            (terminal.as_fd(), terminal.as_fd())
        }
    };
    rustix::stdio::dup2_stdin(input)
        .and_then(|()| rustix::stdio::dup2_stdout(output))
        .and_then(|()| rustix::stdio::dup2_stderr(output))
        .doing("connect the command")
        .map_err(plain)?;
    // If the machine runs out of memory, a build shall die before what the machine is for.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    policy::bound(launch.order).map_err(plain)?;
    policy::give_up_rights(launch.rights).map_err(plain)?;
    // Only who can be looked at can hand a descriptor over; the change of users has hidden it.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).doing("be seen").map_err(plain)?;
    rustix::process::chdir(launch.folder)
        .map_err(|error| format!("go to `{}`: {error}", launch.folder.to_string_lossy()))?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    kernel::restore_signals();

    let c_string = |bytes: &[u8]| CString::new(bytes).map_err(|_| "the command holds a zero byte".to_owned());
    let arguments = launch.argv.iter().map(|word| c_string(word.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let environment = launch
        .env
        .iter()
        .map(|(name, value)| c_string(&[name.as_bytes(), b"=", value.as_bytes()].concat()))
        .collect::<Result<Vec<_>, _>>()?;
    let name = launch.argv.first().ok_or("there is no command to start")?;
    let program = find(name, launch.env).ok_or_else(|| not_found(name, launch.env))?;
    let program = c_string(program.as_bytes())?;

    let is_shown = launch.shows_calls && show_calls(launch.rights, say, heard)?;
    if !is_shown {
        let mut filter = policy::filter(launch.rights, false).map_err(plain)?;
        kernel::install_filter(&mut filter).doing("filter the system calls").map_err(plain)?;
    }
    let error = kernel::execute(&program, &arguments, &environment);
    Err(format!("start `{}`: {error}", program.to_string_lossy()))
}

/// Installs the filter that shows calls; false if the kernel has no such thing.
fn show_calls(rights: Rights, say: &OwnedFd, heard: &OwnedFd) -> Result<bool, String> {
    let Ok(mut filter) = policy::filter(rights, true) else { return Ok(false) };
    let Ok(listener) = kernel::install_filter_with_listener(&mut filter) else { return Ok(false) };
    let mut message = b"F".to_vec();
    message.extend_from_slice(&listener.as_raw_fd().to_le_bytes());
    let mut answer = [0];
    let was_taken =
        rustix::io::write(say, &message).is_ok() && rustix::io::read(heard, &mut answer) == Ok(1) && answer == *b"y";
    if was_taken { Ok(true) } else { Err("the listener of system calls was not taken".to_owned()) }
}

/// The path of a program as a shell would find it.
fn find(name: &OsStr, env: &[(Text, Text)]) -> Option<OsString> {
    if name.as_bytes().contains(&b'/') {
        return Some(name.to_owned());
    }
    let (_, path) = env.iter().find(|(name, _)| **name == *"PATH")?;
    std::env::split_paths(path)
        .map(|folder| folder.join(name))
        .find(|path| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file())
        .map(Into::into)
}

fn not_found(name: &OsStr, env: &[(Text, Text)]) -> String {
    let path = env.iter().find(|(name, _)| **name == *"PATH").map(|(_, path)| path.to_string_lossy());
    format!(
        "`{}` is not in the build root's PATH ({})",
        name.to_string_lossy(),
        path.unwrap_or("which is not set".into())
    )
}

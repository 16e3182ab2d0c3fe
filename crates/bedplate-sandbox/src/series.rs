//! Runs commands one after the other as root of an image, in one sandbox.
//!
//! ```text
//! layers, private upper folder ─▶ root of the image: its own files, /proc, /dev, empty /tmp, /var/tmp and /run
//!                                   │ command 0, command 1, … until one fails
//!                                   └─▶ scratch/upper: what they changed ─ written ─▶ who owns it, as the image sees it
//! ```
//!
//! Unlike a build, a command is root here, and may give files to any user, set modes, capabilities and other users' identity. It
//! gains nothing outside: its ids are those of nobody, and it has no right over mounts, devices or the network.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use bedplate_sys::sandbox::Helper;

use crate::channel::{CommandOrder, OwnerOrder, SeriesOrder};
use crate::error::SandboxError;
use crate::handle;
use crate::job::{Bind, Cancel, Job, Limits, Mode};
use crate::outcome::{End, Violation};
use crate::supervisor::run_order;

/// Commands that change an image.
#[derive(Debug, Clone)]
pub struct Series {
    /// The folders that the root is made of, the topmost first. They are never written to, but for the owners of `owners`.
    pub layers: Vec<PathBuf>,
    /// A folder on a file system that overlayfs can write to: see [`Job::scratch`](crate::Job::scratch).
    pub scratch: PathBuf,
    /// Files and folders of the host to show; below `/run` they leave no trace.
    pub binds: Vec<Bind>,
    /// Files of the layers that do not belong to root, or have a mode that a change of owner takes away.
    pub owners: Vec<Owner>,
    /// The commands.
    pub commands: Vec<Command>,
    /// The bounds, of all together.
    pub limits: Limits,
}

/// To whom a file of a layer belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The file, outside. No folder on the way to it is a symbolic link.
    pub path: PathBuf,
    /// User, as the image numbers them: at most 65534.
    pub user: u32,
    /// Group, as the image numbers them: at most 65534.
    pub group: u32,
    /// Its mode, which is set after the owner; none for a symbolic link.
    pub mode: Option<u32>,
}

/// A command of a series. It runs in `/`, with umask 022.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program, by its path inside, and its arguments.
    pub argv: Vec<OsString>,
    /// The whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// What it reads from standard input.
    pub input: Vec<u8>,
    /// A file that is there while it runs: its path inside, and what is in it. It is for root alone (mode 0600).
    pub file: Option<(PathBuf, Vec<u8>)>,
}

/// What a series tells while it runs.
#[derive(Debug, PartialEq, Eq)]
pub enum SeriesEvent<'a> {
    /// A command wrote a line, to whichever stream; without its end.
    Output {
        /// Which command.
        command: usize,
        /// The line.
        line: &'a [u8],
    },
    /// A command ended.
    Ended {
        /// Which command.
        command: usize,
        /// How.
        end: CommandEnd,
    },
}

/// How a command of a series ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandEnd {
    /// It exited with this status.
    Exited(i32),
    /// A signal ended it.
    Signal(i32),
    /// It could not be started; the text says why.
    NotStarted(String),
}

/// What came of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesOutcome {
    /// A limit that was hit, or [`End::Cancelled`]; else how the last command that ran ended.
    pub end: End,
    /// From the start to the end.
    pub wall: Duration,
    /// Whom they tried to reach, each once.
    pub violations: Vec<Violation>,
}

/// Runs the commands of a series, one after the other, until one fails. What one leaves running is killed before the next
/// one starts.
///
/// # Errors
/// [`SandboxError`]: the sandbox could not be made or was lost. That a command failed is no error.
pub fn run_series(
    series: &Series,
    helper: &Helper,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(SeriesEvent<'_>),
) -> Result<SeriesOutcome, SandboxError> {
    let job = Job {
        layers: series.layers.clone(),
        scratch: series.scratch.clone(),
        binds: series.binds.clone(),
        prepare: Vec::new(),
        argv: Vec::new(),
        env: Vec::new(),
        folder: "/".into(),
        limits: series.limits.clone(),
        mode: Mode::Batch,
    };
    let mut order = handle::order(&job)?;
    let token = token();
    order.series = Some(SeriesOrder {
        token: token.clone(),
        owners: series.owners.iter().map(OwnerOrder::from).collect(),
        commands: series.commands.iter().map(CommandOrder::from).collect(),
    });
    let mut reader = Reader { token, command: 0, has_empty_line: false };
    let outcome = run_order(&job, order, helper, cancel, &mut |line| reader.take(line, on_event))?;
    Ok(SeriesOutcome { end: outcome.end, wall: outcome.wall, violations: outcome.violations })
}

/// What no command can know, so that none can pretend that it ended.
fn token() -> String {
    use std::hash::{BuildHasher as _, Hasher as _};
    let number = || std::hash::RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}

/// Tells the lines of commands from ours: `\n\0TOKEN S STATUS` or `\n\0TOKEN E TEXT` after each command.
struct Reader {
    token: String,
    command: usize,
    has_empty_line: bool,
}

impl Reader {
    fn take(&mut self, line: &[u8], on_event: &mut dyn FnMut(SeriesEvent<'_>)) {
        let own = line.strip_prefix(b"\0").and_then(|rest| rest.strip_prefix(self.token.as_bytes()));
        if let Some(end) = own.and_then(parse_end) {
            self.has_empty_line = false;
            on_event(SeriesEvent::Ended { command: self.command, end });
            self.command += 1;
            return;
        }
        // An empty line may be the beginning of ours.
        if std::mem::take(&mut self.has_empty_line) {
            on_event(SeriesEvent::Output { command: self.command, line: b"" });
        }
        if line.is_empty() {
            self.has_empty_line = true;
        } else {
            on_event(SeriesEvent::Output { command: self.command, line });
        }
    }
}

/// The line that process 1 writes when a command has ended.
pub(crate) fn end_line(token: &str, end: &Result<i32, String>) -> Vec<u8> {
    match end {
        Ok(status) => format!("\n\0{token} S {status}\n").into_bytes(),
        Err(why) => format!("\n\0{token} E {}\n", crate::channel::short(why)).into_bytes(),
    }
}

fn parse_end(text: &[u8]) -> Option<CommandEnd> {
    use std::os::unix::process::ExitStatusExt as _;
    let text = std::str::from_utf8(text).ok()?;
    if let Some(why) = text.strip_prefix(" E ") {
        return Some(CommandEnd::NotStarted(why.to_owned()));
    }
    let status = std::process::ExitStatus::from_raw(text.strip_prefix(" S ")?.parse().ok()?);
    Some(match status.code() {
        Some(code) => CommandEnd::Exited(code),
        None => CommandEnd::Signal(status.signal().unwrap_or(0)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_from_output() {
        let token = "abc".to_owned();
        let mut bytes = b"one\n\n".to_vec();
        bytes.extend(end_line(&token, &Ok(0)));
        bytes.extend(b"no newline");
        bytes.extend(end_line(&token, &Ok(3 << 8)));
        bytes.extend(end_line(&token, &Ok(9)));
        bytes.extend(b"\0abd S 0\n");
        bytes.extend(end_line(&token, &Err("no such\nfile".to_owned())));
        let mut reader = Reader { token, command: 0, has_empty_line: false };
        let mut seen = Vec::new();
        for line in bytes.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n') {
            reader.take(line, &mut |event| {
                seen.push(match event {
                    SeriesEvent::Output { command, line } => format!("{command}: {}", String::from_utf8_lossy(line)),
                    SeriesEvent::Ended { command, end } => format!("{command} {end:?}"),
                });
            });
        }
        assert_eq!(
            seen,
            [
                "0: one",
                "0: ",
                "0 Exited(0)",
                "1: no newline",
                "1 Exited(3)",
                "2 Signal(9)",
                "3: \0abd S 0",
                "3 NotStarted(\"no such?file\")",
            ]
        );
    }
}

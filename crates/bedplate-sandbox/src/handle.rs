//! Starts the keeper, tells it what to do, hears of it, and ends it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use bedplate_sys::sandbox::Helper;
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, shutdown, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::channel::{self, BindOrder, Order, Report, RunOrder};
use crate::error::SandboxError;
use crate::job::{Job, Mode};
use crate::text::Text;
use crate::{HELPER_ARGUMENT, terminal};

/// How long the sandbox may take to die after it was told to.
pub(crate) const GRACE: Duration = Duration::from_secs(20);

/// The job as the keeper gets it, with paths that do not depend on where we are.
pub(crate) fn order(job: &Job) -> Result<RunOrder, SandboxError> {
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
        prepare: job.prepare.iter().map(|argv| texts(argv)).collect(),
        argv: texts(&job.argv),
        env: job.env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        folder: job.folder.clone().into(),
        // The kernel refuses more in any case; a little later than the group or the look at the processes, which can tell.
        processes: job.limits.processes.saturating_add(16),
        disk: job.limits.disk,
        file: job.limits.file,
        open_files: job.limits.open_files,
        terminal: (job.mode == Mode::Interactive).then(terminal::size),
        series: None,
    })
}

fn texts(words: &[OsString]) -> Vec<Text> {
    words.iter().map(Text::from).collect()
}

/// Makes what is missing of the scratch folder; what a killed run left of the overlay's own is removed.
pub(crate) fn make_scratch(scratch: &Path, helper: &Helper) -> Result<(), SandboxError> {
    let work = scratch.join("work");
    if work.exists() {
        crate::remove(&work, helper)?;
    }
    for folder in [scratch.join("upper"), work, scratch.join("root")] {
        if !folder.exists() {
            fs::create_dir_all(&folder).map_err(SandboxError::io("make", &folder))?;
            // The upper folder becomes the root of the build, whatever our umask is.
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))
                .map_err(SandboxError::io("open", &folder))?;
        }
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

    /// Where its reports come from, to be polled.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// What the build writes; reading it does not block.
    pub(crate) fn log(&self) -> &File {
        &self.log
    }

    /// Its number.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to kill the sandbox.
    pub(crate) fn end(&self) {
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

pub(crate) fn lost(error: io::Error) -> SandboxError {
    SandboxError::Lost(error.to_string())
}

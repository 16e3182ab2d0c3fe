//! Starts an image in a virtual machine (qemu with UEFI firmware) and watches its serial console.
//!
//! ```text
//! image, never written ─▶ qemu ─ ttyS0 ─▶ console: log file, listener, what is waited for, what went wrong
//!                           ▲  └ ttyS1 ─▶ output and exit status of a command in the guest
//!              SMBIOS strings: credentials with the unit that runs the command
//! ```
//!
//! Every machine has an end: what was waited for, the end of the command, a fault that is recognised, or the time limit. It dies
//! with us in any case.

mod arguments;
mod command;
mod console;
mod firmware;

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bedplate_diag::Category;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use self::arguments::{Channels, arguments};
use self::command::GuestCommand;
use self::console::Console;
pub use self::console::Fault;
pub use self::firmware::Firmware;

/// The program.
const QEMU: &str = "qemu-system-x86_64";
/// How long a machine may go on after a fault was seen: what it says about it comes next.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How often we look whether somebody wants us to stop.
const TICK: Duration = Duration::from_millis(200);
/// How long it is watched whether virtualisation works.
const PROBE: Duration = Duration::from_secs(2);
/// What qemu says when the machine's virtualisation does not do what it promised.
const KVM_FAULTS: [&str; 4] = [
    "KVM internal error",
    "failed to initialize kvm",
    "Could not access KVM kernel module",
    "failed to initialize KVM",
];

/// How the disk is kept in the image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFormat {
    /// As it is.
    Raw,
    /// Virtual PC's, fixed or dynamic.
    Vhd,
    /// Hyper-V's.
    Vhdx,
    /// qemu's.
    Qcow2,
}

impl DiskFormat {
    /// By the ending of a file name.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "raw" | "img" => Some(Self::Raw),
            "vhd" => Some(Self::Vhd),
            "vhdx" => Some(Self::Vhdx),
            "qcow2" => Some(Self::Qcow2),
            _ => None,
        }
    }
}

/// Whether the processor's virtualisation is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceleration {
    /// If it works, else emulation.
    Auto,
    /// It has to work.
    Kvm,
    /// Emulation.
    Emulation,
}

/// What to start and what to wait for.
#[derive(Debug, Clone)]
pub struct VmRequest {
    /// The image; it is not written.
    pub image: PathBuf,
    /// Its format.
    pub format: DiskFormat,
    /// Memory of the machine in MiB.
    pub memory: u64,
    /// Processors of the machine.
    pub processors: u32,
    /// Whether the processor's virtualisation is used.
    pub acceleration: Acceleration,
    /// The firmware.
    pub firmware: Firmware,
    /// A file that gets all that the console says.
    pub log: Option<PathBuf>,
    /// How long it may take.
    pub timeout: Duration,
    /// Texts that the console has to say, in any order. With none and no command, the machine runs until it ends by itself.
    pub expect: Vec<String>,
    /// A command for the guest's `/bin/sh`.
    pub run: Option<String>,
}

/// Something that happens while the machine runs.
#[derive(Debug, Clone, Copy)]
pub enum VmEvent<'a> {
    /// The console said this.
    Console(&'a [u8]),
    /// The command wrote this.
    Command(&'a [u8]),
    /// What people may want to know.
    Notice(&'a str),
}

/// How a machine ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VmEnd {
    /// All that was waited for was said, and the command, if there was one, ended.
    Done,
    /// It switched itself off before.
    PoweredOff,
    /// Something went wrong in it.
    Fault(Fault),
    /// The time was over.
    TimedOut,
    /// qemu ended with an error.
    Died {
        /// How it ended.
        status: String,
        /// The last lines that it said.
        output: String,
    },
}

/// What became of a machine.
#[derive(Debug, Clone)]
pub struct VmReport {
    /// How it ended.
    pub end: VmEnd,
    /// The texts that were waited for and not said.
    pub missing: Vec<String>,
    /// The exit status of the command as a shell counts, if it ended.
    pub command: Option<i32>,
    /// True if the processor's virtualisation was used.
    pub is_accelerated: bool,
    /// How long it ran.
    pub elapsed: Duration,
    /// The last lines of the console, without control characters.
    pub last_lines: Vec<String>,
}

impl VmReport {
    /// True if all that was waited for came, and the command ended with 0.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self.end, VmEnd::Done | VmEnd::PoweredOff)
            && self.missing.is_empty()
            && self.command.is_none_or(|status| status == 0)
    }
}

/// Why there was no machine.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// There is no qemu.
    #[error("failed to start `{QEMU}`")]
    NoQemu(#[source] io::Error),
    /// A file cannot be used.
    #[error("failed to {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The command cannot be handed to the guest.
    #[error("the command for the guest has {0} bytes; at most {largest} fit", largest = command::LARGEST_COMMAND)]
    LongCommand(usize),
    /// The machine could not be watched.
    #[error("failed to watch the virtual machine")]
    Watch(#[source] io::Error),
    /// Somebody wanted it to stop.
    #[error("stopped by a signal")]
    Cancelled,
}

impl VmError {
    /// Who can mend it.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::LongCommand(_) => Category::Input,
            _ => Category::Environment,
        }
    }

    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoQemu(_) => {
                Some("install qemu: Debian's packages are qemu-system-x86 and ovmf; toolkit/host-setup does it")
            }
            Self::LongCommand(_) => Some("put a script into the image and run that"),
            _ => None,
        }
    }

    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// Starts a machine and watches it to its end; `cancel` ends it.
///
/// # Errors
///
/// If it could not be started or watched. What goes wrong in it is in the report.
pub fn run_vm(
    request: &VmRequest,
    cancel: &AtomicBool,
    listener: &mut dyn FnMut(VmEvent<'_>),
) -> Result<VmReport, VmError> {
    if has_acceleration(request)? {
        let report = Machine::start(request, true).and_then(|machine| machine.watch(cancel, listener));
        let is_fault = match &report {
            Ok(VmReport { end: VmEnd::Died { output, .. }, .. }) => is_kvm_fault(output),
            Err(VmError::NoQemu(error)) => is_kvm_fault(&error.to_string()),
            _ => false,
        };
        if !is_fault || request.acceleration == Acceleration::Kvm {
            return report;
        }
        listener(VmEvent::Notice("the virtualisation of this machine cannot run the firmware: emulating"));
    }
    Machine::start(request, false)?.watch(cancel, listener)
}

/// Whether the processor's virtualisation is tried.
fn has_acceleration(request: &VmRequest) -> Result<bool, VmError> {
    match request.acceleration {
        Acceleration::Emulation => Ok(false),
        Acceleration::Auto => Ok(has_kvm().is_ok()),
        Acceleration::Kvm => has_kvm().map(|_| true).map_err(VmError::io("use", Path::new(KVM))),
    }
}

fn is_kvm_fault(said: &str) -> bool {
    KVM_FAULTS.iter().any(|fault| said.contains(fault))
}

/// Starts a machine whose console is the terminal of this process; ends when the machine does. A command and texts to wait for do
/// not count.
///
/// # Errors
///
/// If it could not be started.
pub fn run_vm_interactively(request: &VmRequest) -> Result<ExitStatus, VmError> {
    let folder = tempfile::tempdir().map_err(VmError::io("make a folder in", Path::new("/tmp")))?;
    let variables = request.firmware.copy_variables(folder.path())?;
    let mut kvm = has_acceleration(request)?;
    if kvm && request.acceleration == Acceleration::Auto {
        // Faults of the virtualisation show in the first second; on the terminal they would look like a machine that is stuck.
        let probe = VmRequest { log: None, timeout: PROBE, expect: Vec::new(), run: None, ..request.clone() };
        let report = run_vm(&probe, &AtomicBool::new(false), &mut |_| {})?;
        kvm = report.is_accelerated;
    }
    let mut command = command_of(arguments(request, &variables, kvm, &Channels::Terminal));
    command.status().map_err(VmError::NoQemu)
}

const KVM: &str = "/dev/kvm";

fn has_kvm() -> io::Result<File> {
    File::options().read(true).write(true).open(KVM)
}

/// qemu, which is killed when this process dies, however that comes.
fn command_of(arguments: Vec<std::ffi::OsString>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", QEMU]).args(arguments);
    command
}

/// A running machine; it is killed when the value is dropped.
struct Machine<'a> {
    request: &'a VmRequest,
    is_accelerated: bool,
    child: Child,
    console: UnixStream,
    guest: UnixStream,
    log: Option<File>,
    started: Instant,
    guest_command: Option<GuestCommand>,
    _folder: tempfile::TempDir,
}

impl<'a> Machine<'a> {
    fn start(request: &'a VmRequest, kvm: bool) -> Result<Self, VmError> {
        File::open(&request.image).map_err(VmError::io("read", &request.image))?;
        let log =
            request.log.as_ref().map(|path| File::create(path).map_err(VmError::io("write", path))).transpose()?;
        let folder = tempfile::tempdir().map_err(VmError::io("make a folder in", Path::new("/tmp")))?;
        let variables = request.firmware.copy_variables(folder.path())?;
        let guest_command = request.run.as_deref().map(GuestCommand::new).transpose()?;
        let bind = |name: &str| {
            let path = folder.path().join(name);
            let socket = UnixListener::bind(&path).and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
            Ok((socket.map_err(VmError::io("listen at", &path))?, path))
        };
        let ((console, console_path), (guest, guest_path)) = (bind("console")?, bind("guest")?);
        let channels = Channels::Sockets { console: console_path, guest: guest_path, command: guest_command.as_ref() };
        let mut command = command_of(arguments(request, &variables, kvm, &channels));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(VmError::NoQemu)?;
        let streams = accept(&mut child, &console).and_then(|console| Ok((console, accept(&mut child, &guest)?)));
        let (console, guest) = match streams {
            Ok(streams) => streams,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                let said = read_all(child.stderr.take());
                return Err(match error.kind() {
                    io::ErrorKind::NotConnected => VmError::NoQemu(io::Error::other(said.trim().to_owned())),
                    _ => VmError::Watch(error),
                });
            }
        };
        Ok(Self {
            request,
            is_accelerated: kvm,
            child,
            console,
            guest,
            log,
            started: Instant::now(),
            guest_command,
            _folder: folder,
        })
    }

    fn watch(mut self, cancel: &AtomicBool, listener: &mut dyn FnMut(VmEvent<'_>)) -> Result<VmReport, VmError> {
        let mut console = Console::new(&self.request.expect);
        let mut guest = self.guest_command.as_ref().map(GuestCommand::listen);
        let deadline = self.started + self.request.timeout;
        let mut messages = Vec::new();
        let mut errors = self.child.stderr.take();
        let mut fault_seen: Option<(Fault, Instant)> = None;
        let waits = !self.request.expect.is_empty() || self.request.run.is_some();
        let end = loop {
            if cancel.load(Ordering::Relaxed) {
                return Err(VmError::Cancelled);
            }
            let is_done = console.missing().is_empty() && guest.as_ref().is_none_or(|guest| guest.status().is_some());
            if waits && is_done {
                break VmEnd::Done;
            }
            let now = Instant::now();
            match &fault_seen {
                Some((fault, seen)) if now >= *seen + LAST_WORDS => break VmEnd::Fault(fault.clone()),
                None => fault_seen = console.fault().map(|fault| (fault, now)),
                Some(_) => {}
            }
            if now >= deadline {
                break VmEnd::TimedOut;
            }
            let ready = wait(&self.console, &self.guest, errors.as_ref(), TICK.min(deadline - now))?;
            let mut open = false;
            if ready[0] {
                let bytes = read_some(&mut self.console)?;
                open |= !bytes.is_empty();
                if let Some(log) = &mut self.log {
                    let path = self.request.log.as_deref().unwrap_or(Path::new("the log"));
                    log.write_all(&bytes).map_err(VmError::io("write", path))?;
                }
                listener(VmEvent::Console(&bytes));
                console.feed(&bytes);
            }
            if ready[1] {
                let bytes = read_some(&mut self.guest)?;
                open |= !bytes.is_empty();
                if let Some(guest) = &mut guest {
                    listener(VmEvent::Command(&guest.feed(&bytes)));
                }
            }
            if ready[2] {
                let bytes = errors.as_mut().map(read_some).transpose()?.unwrap_or_default();
                open |= !bytes.is_empty();
                if bytes.is_empty() {
                    errors = None;
                }
                messages.extend(bytes);
                // With such an error the machine stands still, and qemu does not end.
                let said = String::from_utf8_lossy(&messages);
                if self.is_accelerated && is_kvm_fault(&said) {
                    break VmEnd::Died { status: "stopped".to_owned(), output: last(&said, 30).join("\n") };
                }
            }
            // It is asked after its outputs: what it said last is read.
            if !open && let Some(status) = self.child.try_wait().map_err(VmError::Watch)? {
                let output = last(&String::from_utf8_lossy(&messages), 30).join("\n");
                break match (status.success(), fault_seen.or_else(|| console.fault().map(|fault| (fault, now)))) {
                    (_, Some((fault, _))) => VmEnd::Fault(fault),
                    (true, None) => VmEnd::PoweredOff,
                    (false, None) => VmEnd::Died { status: status_text(status), output },
                };
            }
        };
        if let Some(guest) = &mut guest {
            listener(VmEvent::Command(&guest.rest()));
        }
        Ok(VmReport {
            end,
            missing: console.missing().to_vec(),
            command: guest.and_then(|guest| guest.status()),
            is_accelerated: self.is_accelerated,
            elapsed: self.started.elapsed(),
            last_lines: console.last_lines(),
        })
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        // If it has ended already, neither does anything.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// qemu connects to each socket as soon as it starts, or it ends.
fn accept(child: &mut Child, listener: &UnixListener) -> io::Result<UnixStream> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                return Ok(stream);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if child.try_wait()?.is_some() {
                    return Err(io::ErrorKind::NotConnected.into());
                }
                let timeout = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
                poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&timeout))?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Which of the three have something to say, or have ended.
fn wait(
    console: &UnixStream,
    guest: &UnixStream,
    errors: Option<&impl AsFd>,
    time: Duration,
) -> Result<[bool; 3], VmError> {
    let mut asked = vec![PollFd::new(console, PollFlags::IN), PollFd::new(guest, PollFlags::IN)];
    asked.extend(errors.map(|errors| PollFd::new(errors, PollFlags::IN)));
    let timeout = Timespec { tv_sec: time.as_secs().try_into().unwrap_or(1), tv_nsec: time.subsec_nanos().into() };
    match poll(&mut asked, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(VmError::Watch(error.into())),
    }
    let mut ready = [false; 3];
    for (ready, asked) in ready.iter_mut().zip(&asked) {
        *ready = !asked.revents().is_empty();
    }
    // Sockets that have ended are ready for ever; the loop must not spin while qemu takes its time to end.
    if asked.iter().any(|asked| asked.revents().contains(PollFlags::HUP)) {
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(ready)
}

fn read_some(stream: &mut impl Read) -> Result<Vec<u8>, VmError> {
    let mut buffer = vec![0; 64 << 10];
    match stream.read(&mut buffer) {
        Ok(count) => {
            buffer.truncate(count);
            Ok(buffer)
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => Ok(Vec::new()),
        // The end of qemu, seen from its sockets.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Vec::new()),
        Err(error) => Err(VmError::Watch(error)),
    }
}

fn read_all(stream: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // What cannot be read is not said.
        let _ = stream.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn last(text: &str, count: usize) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect()
}

fn status_text(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown end".to_owned(),
    }
}

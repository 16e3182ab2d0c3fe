//! The worker's side: sets the namespaces up, then runs one command after the other.

use std::ffi::{CStr, CString};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::fs::{CWD, Gid, Mode, OFlags, Uid};
use rustix::mount::{MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

use super::wire::{self, Answer, OwnedRequest};
use crate::kernel::{self, Fork};
use crate::process::{End, Finished, Watch, status_number, watch};
use crate::seccomp::{self, Filter};

/// Where a command gets an empty folder of its own.
const PRIVATE: [&CStr; 3] = [c"/tmp", c"/var/tmp", c"/dev/shm"];
const PRIVATE_OPTIONS: &CStr = c"mode=1777,size=64m,nr_inodes=16k";

/// The devices that a command sees.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// `nobody`, the user that a command of root runs as.
const NOBODY: u32 = 65534;

// What a command may use besides time: enough for an interpreter or a compiler that prints its version.
const MOST_PROCESSES: u64 = 512;
const MOST_ADDRESS_SPACE: u64 = 16 << 30;
const MOST_FILE_SIZE: u64 = 64 << 20;
const MOST_OPEN_FILES: u64 = 1024;

/// Serves commands on standard input until it is closed. Never returns to be used for anything else.
pub fn child_main() -> ExitCode {
    match keep() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            send(&Answer::Failed(why));
            ExitCode::FAILURE
        }
    }
}

fn send(answer: &Answer) {
    let frame = wire::encode_answer(answer);
    let mut stdout = io::stdout().lock();
    // If nobody reads any more, our standard input is closed too, and that ends us.
    let _ = stdout.write_all(&frame).and_then(|()| stdout.flush());
}

/// Adds what was being done to an error of the system.
trait Doing<T> {
    fn doing(self, what: &str) -> Result<T, String>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: &str) -> Result<T, String> {
        self.map_err(|error| format!("{what}: {}", error.into()))
    }
}

/// The keeper: starts the worker, gives it its users, waits for its end.
fn keep() -> Result<(), String> {
    let filter = filter().ok_or("it is not made for this processor architecture")?;
    let (wait, go) = pipe_with(PipeFlags::CLOEXEC).doing("make a pipe")?;
    match kernel::fork_into_namespaces().map_err(|error| namespaces_refused(&error))? {
        Fork::Child => {
            drop(go);
            let status = match work(wait, filter) {
                Ok(()) => 0,
                Err(why) => {
                    send(&Answer::Failed(why));
                    1
                }
            };
            kernel::exit_now(status)
        }
        Fork::Parent(worker) => {
            drop(wait);
            let mapped = map_users(worker);
            if let Ok(is_nobody_mapped) = mapped {
                let _ = rustix::io::write(&go, &[u8::from(is_nobody_mapped)]);
            }
            drop(go);
            // Only the worker may hold the pipes: who asked shall see them close when it is gone.
            if mapped.is_ok() {
                let null = rustix::fs::open(c"/dev/null", OFlags::RDWR, Mode::empty()).doing("open /dev/null")?;
                rustix::stdio::dup2_stdin(&null)
                    .and_then(|()| rustix::stdio::dup2_stdout(&null))
                    .doing("let go of the pipes")?;
            }
            let _ = rustix::process::waitpid(Some(worker), WaitOptions::empty());
            mapped.map(drop)
        }
    }
}

/// Maps the users of the worker's namespace; true if `nobody` is among them.
///
/// Root maps all that it has, so that it can run commands as `nobody`; anybody else only themselves.
fn map_users(worker: Pid) -> Result<bool, String> {
    let folder = PathBuf::from(format!("/proc/{worker}"));
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    if user.is_root()
        && let (Some((users, true)), Some((groups, true))) =
            (identity("/proc/self/uid_map"), identity("/proc/self/gid_map"))
        && fs::write(folder.join("gid_map"), groups).is_ok()
        && fs::write(folder.join("uid_map"), users).is_ok()
    {
        return Ok(true);
    }
    // Who may set groups could leave one that denies a file to its members; so the kernel wants this first.
    fs::write(folder.join("setgroups"), "deny").doing("write setgroups")?;
    fs::write(folder.join("gid_map"), format!("{0} {0} 1", group.as_raw()))
        .map_err(|error| namespaces_refused(&error))?;
    fs::write(folder.join("uid_map"), format!("{0} {0} 1", user.as_raw()))
        .map_err(|error| namespaces_refused(&error))?;
    Ok(false)
}

/// A map of every id of ours to itself, and whether `nobody` is among them.
fn identity(map: &str) -> Option<(String, bool)> {
    let (mut lines, mut has_nobody) = (String::new(), false);
    for line in fs::read_to_string(map).ok()?.lines() {
        let mut words = line.split_ascii_whitespace();
        let first: u32 = words.next()?.parse().ok()?;
        let count: u32 = words.nth(1)?.parse().ok()?;
        has_nobody |= NOBODY.checked_sub(first).is_some_and(|offset| offset < count);
        lines.push_str(&format!("{first} {first} {count}\n"));
    }
    Some((lines, has_nobody))
}

fn namespaces_refused(error: &io::Error) -> String {
    format!("user namespaces are refused: {error}; {}", how_to_allow_namespaces())
}

/// What to do on this machine, as far as it can be seen, if it refuses user namespaces.
pub fn how_to_allow_namespaces() -> &'static str {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    if read("/proc/sys/user/max_user_namespaces").trim() == "0" {
        "allow them with `sysctl user.max_user_namespaces=10000`"
    } else if read("/proc/sys/kernel/unprivileged_userns_clone").trim() == "0" {
        "allow them with `sysctl kernel.unprivileged_userns_clone=1`"
    } else if read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").trim() == "1" {
        "allow them with `sysctl kernel.apparmor_restrict_unprivileged_userns=0` or an AppArmor profile with `userns,`"
    } else {
        "a container must be allowed to make them: its seccomp profile, or `--security-opt seccomp=unconfined`"
    }
}

/// What no command may call. Namespaces leave two ways out that files do not guard: a Unix socket can be connected to on a
/// read-only file system, and a new user namespace gives its maker rights again. Both are shut here, with the calls that no
/// shell command of a spec needs.
fn filter() -> Option<Vec<libc::sock_filter>> {
    let mut filter = Filter::new()?;
    filter.refuse(seccomp::POWERS);
    filter.refuse(&[libc::SYS_socket, libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev]);
    filter.refuse(&[libc::SYS_pidfd_getfd]);
    filter.refuse_clone_flags(libc::CLONE_NEWUSER);
    Some(filter.finish())
}

/// The worker: process 1 of the namespaces.
fn work(wait: OwnedFd, filter: Vec<libc::sock_filter>) -> Result<(), String> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).doing("ask to die with the keeper")?;
    let mut is_nobody_mapped = [0];
    // The keeper writes when the map is there; if it died or failed, it is the one to say why.
    match fs::File::from(wait).read(&mut is_nobody_mapped) {
        Ok(1) => {}
        _ => return Ok(()),
    }
    rustix::process::setsid().doing("leave the terminal")?;
    rustix::system::sethostname(b"localhost").doing("set the host name")?;
    restrict_files().map_err(|why| {
        // AppArmor on some systems gives the namespace and takes the rights in it.
        if fs::read_to_string("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
            .is_ok_and(|value| value.trim() == "1")
        {
            format!("{why}; allow it with `sysctl kernel.apparmor_restrict_unprivileged_userns=0`")
        } else {
            why
        }
    })?;
    let as_nobody = is_nobody_mapped == [1];
    let kept = if as_nobody { CapabilitySet::DAC_READ_SEARCH } else { CapabilitySet::empty() };
    restrict_rights(kept)?;
    send(&Answer::Ready);

    let mut worker = Serving { filter, as_nobody, kept };
    loop {
        let mut head = [0; wire::HEAD];
        if io::stdin().read_exact(&mut head).is_err() {
            return Ok(());
        }
        let length = wire::frame_length(head).ok_or("a request that is none")?;
        let mut body = vec![0; length];
        if io::stdin().read_exact(&mut body).is_err() {
            return Ok(());
        }
        let request = wire::decode_request(&body).ok_or("a request that is none")?;
        match worker.run(&request) {
            Some(answer) => send(&answer),
            // Whoever asked is gone.
            None => return Ok(()),
        }
    }
}

/// Makes every file read-only and hides what is not a file: devices, the processes of others.
fn restrict_files() -> Result<(), String> {
    let read_only = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOSUID;
    rustix::mount::mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .doing("detach the mounts from their origin")?;
    let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let devices: Vec<(&str, OwnedFd)> = DEVICES
        .iter()
        .filter_map(|name| Some((*name, rustix::mount::open_tree(CWD, format!("/dev/{name}"), clone).ok()?)))
        .collect();
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    // In a container that hides parts of its /proc the kernel refuses a whole one. The old one then stays, read-only: it shows
    // processes outside, but nothing of them that another user could not see.
    let _ = rustix::mount::mount(c"proc", c"/proc", c"proc", flags, None);
    kernel::restrict_mount(c"/", true, read_only).map_err(|error| match error.raw_os_error() {
        Some(libc::ENOSYS) => "make all files read-only: it needs Linux 5.12 or later".to_owned(),
        _ => format!("make all files read-only: {error}"),
    })?;

    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    rustix::mount::mount(c"dev", c"/dev", c"tmpfs", flags, Some(c"mode=755,size=64k")).doing("mount /dev")?;
    for (name, device) in devices {
        let path = format!("/dev/{name}");
        fs::write(&path, "").doing("make a device")?;
        rustix::mount::move_mount(device, c"", CWD, path.as_str(), MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .doing("put a device in its place")?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        rustix::fs::symlink(target, format!("/dev/{name}")).doing("make /dev/fd")?;
    }
    fs::create_dir("/dev/shm").doing("make /dev/shm")?;
    kernel::restrict_mount(c"/dev", false, libc::MOUNT_ATTR_RDONLY).doing("make /dev read-only")
}

/// Sees to it that no program gains a right, root's neither.
fn restrict_rights(kept: CapabilitySet) -> Result<(), String> {
    // What is to be handed on must be inheritable before the bounding set is emptied.
    let own = rustix::thread::capabilities(None).doing("read the rights")?;
    rustix::thread::set_capabilities(None, CapabilitySets { inheritable: kept, ..own }).doing("choose the rights")?;
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED;
    rustix::thread::set_capabilities_secure_bits(bits).doing("take root's rights away")?;
    for capability in CapabilitySet::all() {
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // A kernel that does not know it.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error).doing("bound the rights"),
        }
    }
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("hide the worker's memory")
}

struct Serving {
    filter: Vec<libc::sock_filter>,
    as_nobody: bool,
    /// The rights that a command has.
    kept: CapabilitySet,
}

impl Serving {
    /// Runs a command; `None` if nobody waits for it any more.
    fn run(&mut self, request: &OwnedRequest) -> Option<Answer> {
        self.try_run(request).unwrap_or_else(|why| Some(Answer::Failed(why)))
    }

    fn try_run(&mut self, request: &OwnedRequest) -> Result<Option<Answer>, String> {
        let pipe = || pipe_with(PipeFlags::CLOEXEC).doing("make a pipe");
        let ((stdout, stdout_end), (stderr, stderr_end), (report, report_end)) = (pipe()?, pipe()?, pipe()?);
        let child = match kernel::fork().doing("fork")? {
            Fork::Child => {
                let Err(why) = self.become_command(request, &stdout_end, &stderr_end);
                let _ = rustix::io::write(&report_end, why.as_bytes());
                kernel::exit_now(127)
            }
            Fork::Parent(child) => child,
        };
        drop((stdout_end, stderr_end, report_end));
        let leader = rustix::process::pidfd_open(child, PidfdFlags::empty()).doing("watch the command")?;
        let hangup = Some(rustix::stdio::stdin());
        let end = watch(&Watch { leader: leader.as_fd(), hangup, limits: request.limits }, stdout, stderr);
        // One signal reaches all at once, so that nobody can fork away from it.
        kernel::kill_all_others();
        let mut status = None;
        loop {
            match rustix::process::wait(WaitOptions::empty()) {
                Ok(Some((process, ended))) if process == child => status = Some(ended),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
            }
        }
        let mut why = String::new();
        let _ = fs::File::from(report).read_to_string(&mut why);
        if !why.is_empty() {
            return Err(why);
        }
        Ok(match end.doing("watch the command")? {
            End::Done { stdout, stderr } => {
                let status = status.ok_or("the command ended without a status")?;
                let status = status_number(std::os::unix::process::ExitStatusExt::from_raw(status.as_raw()));
                Some(Answer::Finished(Finished { stdout, stderr, status }))
            }
            End::TimedOut => Some(Answer::TimedOut),
            End::TooMuchOutput => Some(Answer::TooMuchOutput),
            End::HungUp => None,
        })
    }

    /// Gives up all that the worker may do and becomes the command.
    fn become_command(
        &mut self,
        request: &OwnedRequest,
        stdout: &OwnedFd,
        stderr: &OwnedFd,
    ) -> Result<std::convert::Infallible, String> {
        rustix::process::setsid().doing("leave the session")?;
        private_folders(&request.folder, &request.visible)?;
        bound(request)?;
        if self.as_nobody {
            rustix::thread::set_thread_groups(&[]).doing("leave the groups")?;
            let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
            rustix::thread::set_thread_res_gid(group, group, group).doing("leave the group")?;
            rustix::thread::set_thread_res_uid(user, user, user).doing("leave the user")?;
        }
        let kept = self.kept;
        let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: kept };
        rustix::thread::set_capabilities(None, sets).doing("give up the rights")?;
        if !kept.is_empty() {
            rustix::thread::configure_capability_in_ambient_set(kept, true).doing("keep the right to read")?;
        }
        rustix::thread::set_no_new_privs(true).doing("forbid new rights")?;

        let c_string = |bytes: &[u8]| CString::new(bytes).map_err(|_| "the command holds a zero byte".to_owned());
        let program = c_string(&request.program)?;
        let arguments = request.arguments.iter().map(|text| c_string(text)).collect::<Result<Vec<_>, _>>()?;
        let environment = request.environment.iter().map(|text| c_string(text)).collect::<Result<Vec<_>, _>>()?;
        let null =
            rustix::fs::open(c"/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).doing("open /dev/null")?;
        set_standard_streams([null.as_fd(), stdout.as_fd(), stderr.as_fd()]).doing("connect the command")?;
        kernel::restore_signals();
        rustix::process::umask(Mode::from_raw_mode(0o022));
        kernel::install_filter(&mut self.filter).doing("filter the system calls")?;
        let error = kernel::execute(&program, &arguments, &environment);
        Err(format!("start `{}`: {error}", program.to_string_lossy()))
    }
}

fn set_standard_streams([input, output, errors]: [BorrowedFd<'_>; 3]) -> rustix::io::Result<()> {
    rustix::stdio::dup2_stdin(input)?;
    rustix::stdio::dup2_stdout(output)?;
    rustix::stdio::dup2_stderr(errors)
}

/// Gives the command empty folders for temporary files, puts back what it has to see below them, and takes it to its own
/// folder.
fn private_folders(folder: &Path, visible: &[PathBuf]) -> Result<(), String> {
    kernel::unshare_mounts_and_ipc().doing("give the command its own mounts")?;
    let folder = folder.canonicalize().map_err(|error| format!("go to `{}`: {error}", folder.display()))?;
    let shown = |place: &&CStr| Path::new(std::ffi::OsStr::from_bytes(place.to_bytes())).to_owned();
    let is_hidden =
        |path: &PathBuf| PRIVATE.iter().any(|place| path.starts_with(shown(place)) && *path != shown(place));
    // A folder below a private one would vanish: it is taken up before and put down after, outer folders first.
    let mut wanted: Vec<PathBuf> = visible.iter().filter_map(|path| path.canonicalize().ok()).collect();
    wanted.push(folder.clone());
    wanted.retain(is_hidden);
    wanted.sort();
    wanted.dedup();
    let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let mut kept = Vec::with_capacity(wanted.len());
    for path in wanted {
        let tree = rustix::mount::open_tree(CWD, &path, clone).doing("take a folder up")?;
        kept.push((path, tree));
    }
    for place in PRIVATE {
        match rustix::mount::mount(
            c"tmp",
            place,
            c"tmpfs",
            MountFlags::NOSUID | MountFlags::NODEV,
            Some(PRIVATE_OPTIONS),
        ) {
            Ok(()) | Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {}
            Err(error) => return Err(error).doing("mount a private folder"),
        }
    }
    for (path, tree) in kept {
        // A folder within one that is back already needs no place of its own.
        if !path.is_dir() {
            fs::create_dir_all(&path).doing("make a folder's place")?;
        }
        rustix::mount::move_mount(tree, c"", CWD, &path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .doing("put a folder in its place")?;
    }
    rustix::process::chdir(&folder).map_err(|error| format!("go to `{}`: {error}", folder.display()))
}

/// Bounds what the command may use.
fn bound(request: &OwnedRequest) -> Result<(), String> {
    let seconds = request.limits.time.as_secs() + 1;
    for (resource, most) in [
        (Resource::Cpu, seconds),
        (Resource::Core, 0),
        (Resource::Nproc, MOST_PROCESSES),
        (Resource::As, MOST_ADDRESS_SPACE),
        (Resource::Fsize, MOST_FILE_SIZE),
        (Resource::Nofile, MOST_OPEN_FILES),
    ] {
        let most = Some(rustix::process::getrlimit(resource).maximum.map_or(most, |now| now.min(most)));
        rustix::process::setrlimit(resource, Rlimit { current: most, maximum: most }).doing("bound the command")?;
    }
    Ok(())
}

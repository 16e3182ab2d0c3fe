//! The system calls that rustix does not offer, each behind a safe function.
//!
//! Those that fork are for a process with one thread, and say so by a panic.

#![expect(
    unsafe_code,
    reason = "rustix has no fork, no clone into namespaces, no mount_setattr, no seccomp, no getrusage and no kill(-1)"
)]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd};
use std::ptr;
use std::time::Duration;

use rustix::process::Pid;

/// On which side of a fork we are.
#[derive(Debug)]
pub enum Fork {
    /// In the new process.
    Child,
    /// In the old one, with the number of the new one.
    Parent(Pid),
}

/// Copies this process.
///
/// # Errors
/// Those of the system.
///
/// # Panics
/// If the process has more than one thread: the child could find a lock held by a thread that it does not have.
pub fn fork() -> io::Result<Fork> {
    assert_single_thread();
    // SAFETY: there is only one thread, so the child finds every lock as it was and may go on like its parent.
    fork_result(unsafe { libc::fork() }.into())
}

/// Copies this process as process 1 of new namespaces of every kind a command could reach us through.
///
/// # Errors
/// Those of the system.
///
/// # Panics
/// As [`fork`].
pub fn fork_into_namespaces() -> io::Result<Fork> {
    assert_single_thread();
    let flags = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWNET
        | libc::SIGCHLD;
    // SAFETY: without CLONE_VM and with a null stack this is fork (the order of the arguments differs between
    // architectures, but all besides the flags are null); as above, there is only one thread.
    fork_result(unsafe {
        libc::syscall(libc::SYS_clone, libc::c_long::from(flags), 0_usize, 0_usize, 0_usize, 0_usize)
    })
}

fn assert_single_thread() {
    // Without /proc it cannot be told; both users of this fork before they hide it.
    let count = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    assert_eq!(count, 1, "a process with several threads cannot be copied");
}

fn fork_result(number: libc::c_long) -> io::Result<Fork> {
    match i32::try_from(number).ok().map(Pid::from_raw) {
        Some(None) => Ok(Fork::Child),
        Some(Some(child)) if number > 0 => Ok(Fork::Parent(child)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives this process mounts and System V objects of its own.
///
/// # Errors
/// Those of the system.
pub fn unshare_mounts_and_ipc() -> io::Result<()> {
    // SAFETY: neither flag touches memory or descriptors.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS | libc::CLONE_NEWIPC) }.into())
}

/// Makes the control group of this process the root of what it sees of control groups.
///
/// # Errors
/// Those of the system.
pub fn unshare_cgroups() -> io::Result<()> {
    // SAFETY: the flag touches neither memory nor descriptors.
    check(unsafe { libc::unshare(libc::CLONE_NEWCGROUP) }.into())
}

/// Brings up `lo`, the one interface of a new network namespace.
///
/// # Errors
/// Those of the system.
pub fn bring_up_loopback() -> io::Result<()> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: all bytes zero are a good `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(*b"lo") {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_UP).unwrap_or_default();
    // SAFETY: the socket is open and the request is an `ifreq` with a terminated name.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, ptr::from_ref(&request)) }.into())
}

/// What the children of this process, and theirs, have used; only of those that were waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildrenUsage {
    /// Processor time, in user mode and in the kernel.
    pub processor_time: Duration,
    /// The most memory that any one of them had, in bytes.
    pub largest_memory: u64,
}

/// What the children of this process have used so far.
pub fn children_usage() -> ChildrenUsage {
    // SAFETY: all bytes zero are a good `rusage`.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills the structure that is passed; it cannot fail for this target.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.try_into().unwrap_or(0))
            + Duration::from_micros(time.tv_usec.try_into().unwrap_or(0))
    };
    ChildrenUsage {
        processor_time: time(usage.ru_utime) + time(usage.ru_stime),
        largest_memory: u64::try_from(usage.ru_maxrss).unwrap_or(0) << 10,
    }
}

/// Sets attributes (`MOUNT_ATTR_RDONLY` and the like) of the mount at `path`, and with `recursive` of all below it.
///
/// # Errors
/// Those of the system; ENOSYS before Linux 5.12.
pub fn restrict_mount(path: &CStr, recursive: bool, attributes: u64) -> io::Result<()> {
    let request = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string and the structure has the size that is passed.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            ptr::from_ref(&request),
            size_of::<libc::mount_attr>(),
        )
    })
}

/// Every later system call of this process and its children goes through the filter. It must have no new privileges.
///
/// # Errors
/// Those of the system.
pub fn install_filter(filter: &mut [libc::sock_filter]) -> io::Result<()> {
    let length = filter.len().try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len: length, filter: filter.as_mut_ptr() };
    // SAFETY: the program points to as many instructions as it says; the kernel copies and checks them.
    check(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0_usize, ptr::from_ref(&program)) })
}

/// As [`install_filter`]; what the filter answers with `SECCOMP_RET_USER_NOTIF` comes to the descriptor, see [`receive`].
///
/// # Errors
/// Those of the system; EBUSY if there is such a filter already.
pub fn install_filter_with_listener(filter: &mut [libc::sock_filter]) -> io::Result<OwnedFd> {
    let length = filter.len().try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len: length, filter: filter.as_mut_ptr() };
    let install = |flags: libc::c_ulong| {
        // SAFETY: the program points to as many instructions as it says; the kernel copies and checks them.
        let number =
            unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, ptr::from_ref(&program)) };
        i32::try_from(number).ok().filter(|number| *number >= 0).ok_or_else(io::Error::last_os_error)
    };
    // A signal must not make a call that we look at come twice; kernels before 5.19 do not know the flag.
    let number = install(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
        .or_else(|_| install(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER))?;
    // SAFETY: the kernel has just opened it for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

const SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: libc::c_ulong = 1 << 5;
const SECCOMP_IOCTL_NOTIF_RECV: libc::Ioctl = 0xc050_2100_u32 as libc::Ioctl;
const SECCOMP_IOCTL_NOTIF_SEND: libc::Ioctl = 0xc018_2101_u32 as libc::Ioctl;
const SECCOMP_IOCTL_NOTIF_ID_VALID: libc::Ioctl = 0x4008_2102_u32 as libc::Ioctl;

/// A system call that waits until we have seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notification {
    /// Names the call until it is answered.
    pub id: u64,
    /// The thread that makes it, as we count processes; 0 if we cannot see it.
    pub thread: u32,
    /// The number of the call.
    pub call: i64,
    /// Its arguments.
    pub arguments: [u64; 6],
}

/// The next call of those that wait; blocks if there is none, so poll first.
///
/// # Errors
/// Those of the system; ENOENT if the caller died in between.
pub fn receive(listener: impl AsFd) -> io::Result<Notification> {
    // SAFETY: all bytes zero are a good `seccomp_notif`, and the one that the kernel wants.
    let mut notification: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is the one of this request.
    check(
        unsafe {
            libc::ioctl(listener.as_fd().as_raw_fd(), SECCOMP_IOCTL_NOTIF_RECV, ptr::from_mut(&mut notification))
        }
        .into(),
    )?;
    Ok(Notification {
        id: notification.id,
        thread: notification.pid,
        call: notification.data.nr.into(),
        arguments: notification.data.args,
    })
}

/// True if the call still waits: what was read of its process until now was really its.
pub fn still_waits(listener: impl AsFd, id: u64) -> bool {
    // SAFETY: the request reads one number of 64 bits.
    unsafe { libc::ioctl(listener.as_fd().as_raw_fd(), SECCOMP_IOCTL_NOTIF_ID_VALID, ptr::from_ref(&id)) == 0 }
}

/// Reads memory of another process at `address`, which we must be allowed to trace; gives how many bytes there were.
///
/// # Errors
/// Those of the system.
pub fn read_memory(process: Pid, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let address = usize::try_from(address).map_err(|_| io::ErrorKind::InvalidInput)?;
    let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let remote = libc::iovec { iov_base: ptr::without_provenance_mut(address), iov_len: buffer.len() };
    // SAFETY: the kernel writes at most as many bytes as our buffer has; the other address is of another process and is checked
    // there.
    let count = unsafe { libc::process_vm_readv(process.as_raw_nonzero().get(), &local, 1, &remote, 1, 0) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Lets the call go on to the kernel.
///
/// # Errors
/// Those of the system; ENOENT if the caller is gone.
pub fn let_go_on(listener: impl AsFd, id: u64) -> io::Result<()> {
    let flags = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or(1);
    let response = libc::seccomp_notif_resp { id, val: 0, error: 0, flags };
    // SAFETY: the structure is the one of this request.
    check(
        unsafe { libc::ioctl(listener.as_fd().as_raw_fd(), SECCOMP_IOCTL_NOTIF_SEND, ptr::from_ref(&response)) }.into(),
    )
}

/// Kills all processes of the process namespace besides this one, which is its first.
pub fn kill_all_others() {
    // SAFETY: a number and a signal; if there is nobody, nothing happens. Called only by process 1 of a namespace.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}

/// Gives all signals their default actions. Rust ignores that of a closed pipe, and whoever started us may have ignored others.
pub fn restore_signals() {
    for signal in 1..=64 {
        let action = [0_usize; 4];
        // SAFETY: all zero is the kernel's `sigaction` with the default action, no flags and no mask, and this buffer is at
        // least as large on all architectures. C's `signal` would spare those that the C library uses itself; this process is
        // about to become another program. For the two that cannot be set, nothing happens.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                libc::c_long::from(signal),
                action.as_ptr(),
                ptr::null::<libc::c_void>(),
                8_usize,
            )
        };
    }
}

/// Becomes another program, which gets no descriptors but the standard streams: neither ours nor those that whoever started us
/// has left open. Comes back only if that fails.
pub fn execute(program: &CStr, arguments: &[CString], environment: &[CString]) -> io::Error {
    let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: the flag only marks descriptors, which stay open and owned for as long as we are here.
    let marked = check(unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) });
    if let Err(error) = marked {
        return error;
    }
    // SAFETY: both lists end with a null pointer, and the texts that they point to outlive the call.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Ends this process at once: nothing that it shares with its parent by having been forked is flushed or dropped.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

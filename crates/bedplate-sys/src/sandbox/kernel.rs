//! The system calls that rustix does not offer, each behind a safe function for a process with one thread.

#![expect(
    unsafe_code,
    reason = "rustix has no fork, no clone into namespaces, no mount_setattr, no seccomp and no kill(-1)"
)]

use std::ffi::{CStr, CString};
use std::io;
use std::ptr;

use rustix::process::Pid;

/// On which side of a fork we are.
#[derive(Debug)]
pub(super) enum Fork {
    Child,
    Parent(Pid),
}

/// Copies this process. It must have only one thread.
pub(super) fn fork() -> io::Result<Fork> {
    // SAFETY: a worker never starts a thread, so the child finds every lock as it was and may go on like its parent.
    fork_result(unsafe { libc::fork() }.into())
}

/// Copies this process as process 1 of new namespaces of every kind a command could reach us through.
pub(super) fn fork_into_namespaces() -> io::Result<Fork> {
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

fn fork_result(number: libc::c_long) -> io::Result<Fork> {
    match i32::try_from(number).ok().map(Pid::from_raw) {
        Some(None) => Ok(Fork::Child),
        Some(Some(child)) if number > 0 => Ok(Fork::Parent(child)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives this process mounts and System V objects of its own.
pub(super) fn unshare_mounts_and_ipc() -> io::Result<()> {
    // SAFETY: neither flag touches memory or descriptors.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS | libc::CLONE_NEWIPC) }.into())
}

/// Makes the mount at `path`, and with `recursive` all below it, read-only, without devices and without set-uid.
pub(super) fn restrict_mount(path: &CStr, recursive: bool, attributes: u64) -> io::Result<()> {
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
pub(super) fn install_filter(filter: &mut [libc::sock_filter]) -> io::Result<()> {
    let length = filter.len().try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len: length, filter: filter.as_mut_ptr() };
    // SAFETY: the program points to as many instructions as it says; the kernel copies and checks them.
    check(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0_usize, ptr::from_ref(&program)) })
}

/// Kills all processes of the process namespace besides this one, which is its first.
pub(super) fn kill_all_others() {
    // SAFETY: a number and a signal; if there is nobody, nothing happens. Called only by process 1 of a namespace.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}

/// Makes a closed pipe end a process again, as it would outside Rust.
pub(super) fn restore_broken_pipe_signal() {
    // SAFETY: the default action is no function of ours.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// Becomes another program; comes back only if that fails.
pub(super) fn execute(program: &CStr, arguments: &[CString], environment: &[CString]) -> io::Error {
    let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both lists end with a null pointer, and the texts that they point to outlive the call.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Ends this process at once: nothing that it shares with its parent by having been forked is flushed or dropped.
pub(super) fn exit_now(status: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

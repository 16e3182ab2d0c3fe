//! The system calls that a command may not make.
//!
//! Namespaces leave two ways out that files do not guard: a Unix socket can be connected to on a read-only file system, and a
//! new user namespace gives its maker rights again. Both are shut here, with the calls that no shell command of a spec needs.

use std::io;

use super::kernel;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_003e);
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_00b7);
#[cfg(target_arch = "riscv64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_00f3);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
const ARCHITECTURE: Option<u32> = None;

/// Refused with "operation not permitted".
const REFUSED: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_io_uring_setup,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_open_by_handle_at,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_quotactl,
    libc::SYS_acct,
];

// Offsets in `struct seccomp_data`; all architectures named above are little-endian.
const NUMBER: u32 = 0;
const ARCHITECTURE_OFFSET: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;
/// From here on x86_64 counts the calls of x32 programs.
const X32: u32 = 0x4000_0000;

/// The filter, or `None` for an architecture whose numbers it does not know.
pub(super) fn filter() -> Option<Vec<libc::sock_filter>> {
    let load = |offset| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset);
    let answer = |value| statement(libc::BPF_RET | libc::BPF_K, value);
    let refuse = |errno: i32| answer(libc::SECCOMP_RET_ERRNO | errno.unsigned_abs());
    let skip_unless = |condition, value| jump(libc::BPF_JMP | condition | libc::BPF_K, value);
    let number = |call: libc::c_long| u32::try_from(call).unwrap_or(u32::MAX);

    let mut filter = vec![load(ARCHITECTURE_OFFSET)];
    // A program of another architecture would count its calls differently.
    let mut own = skip_unless(libc::BPF_JEQ, ARCHITECTURE?);
    (own.jt, own.jf) = (1, 0);
    filter.extend([own, refuse(libc::ENOSYS), load(NUMBER)]);
    filter.extend([skip_unless(libc::BPF_JGE, X32), refuse(libc::ENOSYS)]);
    // Its flags lie in memory, where a filter cannot look; C libraries then take `clone`.
    filter.extend([skip_unless(libc::BPF_JEQ, number(libc::SYS_clone3)), refuse(libc::ENOSYS)]);
    for &call in REFUSED {
        filter.extend([skip_unless(libc::BPF_JEQ, number(call)), refuse(libc::EPERM)]);
    }
    let mut clone = skip_unless(libc::BPF_JEQ, number(libc::SYS_clone));
    clone.jf = 3;
    let new_user = libc::CLONE_NEWUSER.unsigned_abs();
    filter.extend([clone, load(FIRST_ARGUMENT), skip_unless(libc::BPF_JSET, new_user), refuse(libc::EPERM)]);
    filter.push(answer(libc::SECCOMP_RET_ALLOW));
    Some(filter)
}

/// Puts the filter in force.
pub(super) fn install(filter: &mut [libc::sock_filter]) -> io::Result<()> {
    kernel::install_filter(filter)
}

fn statement(code: u32, value: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap_or(0), jt: 0, jf: 0, k: value }
}

/// Goes on if the condition holds, else jumps over the next statement.
fn jump(code: u32, value: u32) -> libc::sock_filter {
    libc::sock_filter { jf: 1, ..statement(code, value) }
}

//! Filters of system calls.
//!
//! A [`Filter`] is a list of refusals, made call by call; what it does not name is allowed. Programs of another architecture
//! than ours and `clone3` (its flags lie in memory, where a filter cannot look) are answered "not there", upon which C
//! libraries take `clone`.

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_003e);
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_00b7);
#[cfg(target_arch = "riscv64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_00f3);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
const ARCHITECTURE: Option<u32> = None;

/// The calls by which a process gets at other namespaces, mounts, keys and the kernel itself. No build and no command of a
/// spec needs any of them.
pub const POWERS: &[libc::c_long] = &[
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
const ARGUMENTS: u32 = 16;
/// From here on x86_64 counts the calls of x32 programs.
const X32: u32 = 0x4000_0000;

/// A filter in the making.
#[derive(Debug, Clone)]
pub struct Filter {
    program: Vec<libc::sock_filter>,
}

impl Filter {
    /// One that allows all calls of this architecture; `None` on one whose numbers it does not know.
    pub fn new() -> Option<Self> {
        let mut own = jump(libc::BPF_JEQ, ARCHITECTURE?);
        (own.jt, own.jf) = (1, 0);
        let mut filter = Self { program: vec![load(ARCHITECTURE_OFFSET), own, refusal(libc::ENOSYS), load(NUMBER)] };
        filter.program.extend([jump(libc::BPF_JGE, X32), refusal(libc::ENOSYS)]);
        filter.program.extend([jump(libc::BPF_JEQ, number(libc::SYS_clone3)), refusal(libc::ENOSYS)]);
        Some(filter)
    }

    /// Refuses calls with "operation not permitted".
    pub fn refuse(&mut self, calls: &[libc::c_long]) {
        for &call in calls {
            self.program.extend([jump(libc::BPF_JEQ, number(call)), refusal(libc::EPERM)]);
        }
    }

    /// Refuses `clone` with any of the flags.
    pub fn refuse_clone_flags(&mut self, flags: libc::c_int) {
        let new = [argument(0), jump(libc::BPF_JSET, flags.cast_unsigned()), refusal(libc::EPERM)];
        self.only_for(libc::SYS_clone, &new);
    }

    /// Refuses sockets of all address families but these with "address family not supported".
    pub fn allow_sockets(&mut self, families: &[libc::c_int]) {
        for call in [libc::SYS_socket, libc::SYS_socketpair] {
            let mut body = vec![argument(0)];
            for (index, &family) in families.iter().enumerate() {
                let mut known = jump(libc::BPF_JEQ, family.cast_unsigned());
                // Over the other families and the refusal.
                (known.jt, known.jf) = (offset(families.len() - index), 0);
                body.push(known);
            }
            body.push(refusal(libc::EAFNOSUPPORT));
            self.only_for(call, &body);
        }
    }

    /// Shows calls to the listener before they go on.
    pub fn show(&mut self, calls: &[libc::c_long]) {
        for &call in calls {
            self.program.extend([jump(libc::BPF_JEQ, number(call)), answer(libc::SECCOMP_RET_USER_NOTIF)]);
        }
    }

    /// Shows a call to the listener if its argument `index` is not zero.
    pub fn show_if_argument(&mut self, call: libc::c_long, index: u32) {
        let mut is_zero = jump(libc::BPF_JEQ, 0);
        (is_zero.jt, is_zero.jf) = (0, 2);
        let mut upper_is_zero = jump(libc::BPF_JEQ, 0);
        (upper_is_zero.jt, upper_is_zero.jf) = (1, 0);
        let body = [
            argument(index),
            is_zero,
            load(ARGUMENTS + 8 * index + 4),
            upper_is_zero,
            answer(libc::SECCOMP_RET_USER_NOTIF),
        ];
        self.only_for(call, &body);
    }

    /// The program, for [`crate::kernel::install_filter`].
    pub fn finish(mut self) -> Vec<libc::sock_filter> {
        self.program.push(answer(libc::SECCOMP_RET_ALLOW));
        self.program
    }

    /// Statements for one call; they may load something else than its number.
    fn only_for(&mut self, call: libc::c_long, body: &[libc::sock_filter]) {
        let mut other = jump(libc::BPF_JEQ, number(call));
        other.jf = offset(body.len() + 1);
        self.program.push(other);
        self.program.extend_from_slice(body);
        self.program.push(load(NUMBER));
    }
}

fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

fn offset(count: usize) -> u8 {
    u8::try_from(count).expect("the longest jump is over a list that this file makes")
}

fn load(offset: u32) -> libc::sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

/// Loads the lower half of an argument.
fn argument(index: u32) -> libc::sock_filter {
    load(ARGUMENTS + 8 * index)
}

fn answer(value: u32) -> libc::sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, value)
}

fn refusal(errno: i32) -> libc::sock_filter {
    answer(libc::SECCOMP_RET_ERRNO | errno.unsigned_abs())
}

fn statement(code: u32, value: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap_or(0), jt: 0, jf: 0, k: value }
}

/// Goes on if the condition holds, else jumps over the next statement.
fn jump(condition: u32, value: u32) -> libc::sock_filter {
    libc::sock_filter { jf: 1, ..statement(libc::BPF_JMP | condition | libc::BPF_K, value) }
}

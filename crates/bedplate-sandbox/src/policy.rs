//! What a command inside may do.

use bedplate_sys::seccomp::{self, Filter};
use rustix::fs::{Gid, Uid};
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

use crate::BUILDER;
use crate::channel::{Report, RunOrder};
use crate::keeper::Doing as _;

/// Who a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Root of the sandbox, with the rights to write its files and to give them to the builder.
    Preparer,
    /// The builder, with no right at all.
    Builder,
    /// Root of an image, with the rights over its files and users that scripts of packages need.
    Image,
}

/// What root of an image may do. Devices, mounts and the network are not among it.
pub(crate) const OF_IMAGE: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID);

impl Rights {
    fn kept(self) -> CapabilitySet {
        match self {
            Self::Preparer => CapabilitySet::CHOWN | CapabilitySet::DAC_OVERRIDE | CapabilitySet::FOWNER,
            Self::Builder => CapabilitySet::empty(),
            Self::Image => OF_IMAGE,
        }
    }
}

/// Bytes of stack, as the kernel itself would give.
const STACK: u64 = 8 << 20;

/// Bounds what one process may use, and how many there may be.
pub(crate) fn bound(order: &RunOrder) -> Result<(), Report> {
    for (resource, most) in
        [(Resource::Nproc, order.processes), (Resource::Fsize, order.file), (Resource::Nofile, order.open_files)]
    {
        let now = rustix::process::getrlimit(resource);
        let most = Some(now.maximum.map_or(most, |maximum| maximum.min(most)));
        rustix::process::setrlimit(resource, Rlimit { current: most, maximum: most }).doing("bound the command")?;
    }
    // A build that asks for core files (a shell's own tests do) may have them; they count as what it writes.
    let maximum = rustix::process::getrlimit(Resource::Core).maximum;
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum }).doing("bound core files")?;
    // Not a bound, but something that a build could notice of who started it.
    let maximum = rustix::process::getrlimit(Resource::Stack).maximum;
    let current = Some(maximum.map_or(STACK, |maximum| maximum.min(STACK)));
    rustix::process::setrlimit(Resource::Stack, Rlimit { current, maximum }).doing("set the size of the stack")
}

/// Sees to it that the command has only these rights and gains no other, whatever it starts.
pub(crate) fn give_up_rights(rights: Rights) -> Result<(), Report> {
    let kept = rights.kept();
    for capability in CapabilitySet::all().difference(kept).iter() {
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // A kernel that does not know it.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error).doing("bound the rights"),
        }
    }
    if rights == Rights::Builder {
        let bits = CapabilitiesSecureBits::NO_ROOT
            | CapabilitiesSecureBits::NO_ROOT_LOCKED
            | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
        rustix::thread::set_capabilities_secure_bits(bits).doing("take root's rights away")?;
        let _ = rustix::thread::set_thread_groups(&[]);
        let (user, group) = (Uid::from_raw(BUILDER), Gid::from_raw(BUILDER));
        rustix::thread::set_thread_res_gid(group, group, group).doing("become the builder")?;
        rustix::thread::set_thread_res_uid(user, user, user).doing("become the builder")?;
    }
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets).doing("give up the rights")?;
    rustix::thread::set_no_new_privs(true).doing("forbid new rights")
}

/// The kinds of sockets that stay within the network namespace. Others (vsock, and the kernel's interfaces that are sockets)
/// do not know namespaces or have no use in a build.
const FAMILIES: &[libc::c_int] = &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Flags of `clone` that make a namespace.
const NEW_NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP;

/// Calls with which programs look at or change the machine instead of their build.
const OF_THE_MACHINE: &[libc::c_long] = &[
    libc::SYS_kexec_file_load,
    libc::SYS_swapoff,
    libc::SYS_syslog,
    libc::SYS_fanotify_init,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// What no command may call. Tracing is allowed: debuggers and their tests need it, and there is nobody in the process
/// namespace but the build itself.
pub(crate) fn filter(rights: Rights, shows_calls: bool) -> Result<Vec<libc::sock_filter>, Report> {
    let mut filter = Filter::new()
        .ok_or_else(|| Report::Refused("the filter of system calls is not made for this processor".to_owned()))?;
    filter.refuse(seccomp::POWERS);
    filter.refuse(OF_THE_MACHINE);
    filter.refuse_clone_flags(NEW_NAMESPACES);
    filter.allow_sockets(FAMILIES);
    if shows_calls && rights != Rights::Preparer {
        filter.show(&[libc::SYS_connect, libc::SYS_sendmsg, libc::SYS_sendmmsg]);
        // Without an address it goes to whom `connect` named.
        filter.show_if_argument(libc::SYS_sendto, 4);
    }
    Ok(filter.finish())
}

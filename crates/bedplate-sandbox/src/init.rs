//! Process 1 of a sandbox: makes the root, prepares it, starts the command and reaps all others.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;

use bedplate_sys::kernel::{self, Fork};
use rustix::fs::{Gid, Uid};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::channel::{Order, Report, RunOrder, report};
use crate::command::{Launch, Started, Streams, start};
use crate::keeper::{Doing as _, is_kept, tell};
use crate::policy::{self, Rights};
use crate::text::Text;
use crate::{HOST_NAME, disk, image, root, written};

/// What process 1 itself may do once the root is made: prepare, become the builder, kill, and take the listener of system
/// calls over from the build.
const OWN_RIGHTS: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SYS_PTRACE);

/// Does what the order says; gives the exit status of process 1.
pub(crate) fn main(order: &Order, wait: &OwnedFd) -> i32 {
    match serve(order, wait) {
        Ok(()) => 0,
        Err(why) => {
            tell(&with_remedy(why));
            1
        }
    }
}

/// AppArmor on some systems gives the namespaces and takes the rights in them.
fn with_remedy(why: Report) -> Report {
    let restricts = std::fs::read_to_string("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    match why {
        Report::Refused(why) if restricts.is_ok_and(|value| value.trim() == "1") => {
            Report::Refused(format!("{why}; {}", bedplate_sys::sandbox::how_to_allow_namespaces()))
        }
        why => why,
    }
}

fn serve(order: &Order, wait: &OwnedFd) -> Result<(), Report> {
    let mut byte = [0];
    // The keeper writes when the users are mapped; if it failed, it is the one to say why.
    if rustix::io::read(wait, &mut byte) != Ok(1) {
        return Ok(());
    }
    // Members of a group could be denied a file; a container may forbid to leave it, which is no reason to stop.
    let _ = rustix::thread::set_thread_groups(&[]);
    let (user, group) = (Uid::ROOT, Gid::ROOT);
    rustix::thread::set_thread_res_gid(group, group, group).doing("become root of the sandbox")?;
    rustix::thread::set_thread_res_uid(user, user, user).doing("become root of the sandbox")?;
    // After the change of users, which takes the wish back.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).doing("ask to die with the keeper")?;
    if !is_kept(wait) {
        return Ok(());
    }
    match order {
        Order::Remove(folder) => {
            let folder = Path::new(folder);
            bedplate_sys::remove::remove_folder(folder).doing(&format!("remove `{}`", folder.display()))?;
            tell(&Report::Removed);
            Ok(())
        }
        Order::Written(order) => {
            written::list(order)?;
            tell(&Report::Written);
            Ok(())
        }
        Order::Run(order) => run(order),
    }
}

fn run(order: &RunOrder) -> Result<(), Report> {
    rustix::process::setsid().doing("leave the terminal")?;
    // What is made for the build is for the builder to see, whatever the umask of who started us.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    rustix::system::sethostname(HOST_NAME.as_bytes()).doing("set the host name")?;
    // Where there are no control groups, there is nothing to hide of them.
    let _ = kernel::unshare_cgroups();
    kernel::bring_up_loopback().doing("bring `lo` up")?;
    let upper = root::enter(order)?;
    let own = if order.series.is_some() { OWN_RIGHTS | policy::OF_IMAGE } else { OWN_RIGHTS };
    let own = CapabilitySets { effective: own, permitted: own, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, own).doing("give up rights")?;
    if let Some(series) = &order.series {
        return image::run(order, series, &upper);
    }

    for argv in &order.prepare {
        prepare(order, argv)?;
    }
    // A daemon that they left would have more rights than the build. It dies when it gets to it, so it is waited for.
    kernel::kill_all_others();
    while !matches!(rustix::process::wait(WaitOptions::empty()), Err(rustix::io::Errno::CHILD)) {}
    if let Fork::Child = kernel::fork().doing("start the watcher of the disk")? {
        disk::watch(&upper, order.disk);
        kernel::exit_now(0);
    }
    let terminal = order.terminal.map(terminal).transpose()?;
    let launch = |shows_calls| Launch {
        argv: &order.argv,
        env: &order.env,
        folder: &order.folder,
        rights: Rights::Builder,
        streams: terminal.as_ref().map_or(Streams::Log, Streams::Terminal),
        order,
        shows_calls,
    };
    let started = match start(&launch(true))? {
        Some(started) => started,
        // The listener could not be had, and a filter cannot be taken back: once more without.
        None => start(&launch(false))?.ok_or_else(|| Report::Refused("start the command".to_owned()))?,
    };
    let Started { process, calls } = started;
    if let Some(calls) = calls {
        report(rustix::stdio::stdin(), &Report::Calls, Some(std::os::fd::AsFd::as_fd(&calls)))
            .doing("hand on the listener")?;
    }
    drop(terminal);
    tell(&Report::Started);
    let status = wait_for(process).doing("wait for the command")?;
    let left = processes_left();
    kernel::kill_all_others();
    if status.exit_status() != Some(0) {
        // What a limit did to a part of the build may be the reason.
        tell(&Report::Left { processes: left });
        if let Some(full) = disk::find_full(&upper, order.file) {
            tell(&full);
        }
    }
    tell(&Report::Ended(status.as_raw()));
    Ok(())
}

/// How many processes there are besides this one.
fn processes_left() -> u64 {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_process = |name: OsString| name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
    let count = entries.filter(|entry| is_process(entry.file_name())).count();
    u64::try_from(count).unwrap_or(u64::MAX).saturating_sub(1)
}

fn prepare(order: &RunOrder, argv: &[Text]) -> Result<(), Report> {
    let launch = Launch {
        argv,
        env: &order.env,
        folder: "/".as_ref(),
        rights: Rights::Preparer,
        streams: Streams::Log,
        order,
        shows_calls: false,
    };
    let started = start(&launch)?.ok_or_else(|| Report::Refused("start a preparing command".to_owned()))?;
    let status = wait_for(started.process).doing("wait for a preparing command")?;
    if status.exit_status() == Some(0) {
        return Ok(());
    }
    let end = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "no status".to_owned(),
    };
    let words: Vec<_> = argv.iter().map(|word| word.to_string_lossy()).collect();
    Err(Report::Prepare { command: crate::channel::short(&words.join(" ")), end })
}

/// Waits for one child; the others, orphans among them, are reaped on the way.
pub(crate) fn wait_for(process: Pid) -> rustix::io::Result<WaitStatus> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((ended, status))) if ended == process => return Ok(status),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes a terminal in the sandbox, hands its outer end to whoever gave the order, and gives the inner one.
fn terminal((lines, columns): (u16, u16)) -> Result<OwnedFd, Report> {
    use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let outer = openpt(flags).doing("make a terminal")?;
    unlockpt(&outer).doing("make a terminal")?;
    let inner = ioctl_tiocgptpeer(&outer, flags).doing("open the terminal")?;
    let size = rustix::termios::Winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&inner, size).doing("set the size of the terminal")?;
    let builder = (Some(Uid::from_raw(crate::BUILDER)), Some(Gid::from_raw(crate::BUILDER)));
    rustix::fs::fchown(&inner, builder.0, builder.1).doing("give the terminal to the builder")?;
    report(rustix::stdio::stdin(), &Report::Terminal, Some(std::os::fd::AsFd::as_fd(&outer)))
        .doing("hand on the terminal")?;
    Ok(inner)
}

//! Inside: runs the commands of a series, as root of the image.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, lchown};
use std::path::Path;

use bedplate_sys::kernel::{self, Fork};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Signal, WaitOptions, kill_process};

use crate::channel::{CommandOrder, OwnerOrder, Report, RunOrder, SeriesOrder, report};
use crate::command::{Launch, Started, Streams, start};
use crate::keeper::{Doing as _, tell};
use crate::policy::Rights;
use crate::series::end_line;
use crate::{disk, init};

/// Folders that are empty and of memory: what commands leave there does not belong to the image.
pub(crate) const EMPTY: [&str; 3] = ["/tmp", "/var/tmp", "/run"];

/// Users and groups that an image may have: 0 to 65534.
const IDS: u64 = 65535;

/// Refuses a machine that has too few ids for the users of an image.
pub(crate) fn check_ids() -> Result<(), Report> {
    for file in ["/proc/self/uid_map", "/proc/self/gid_map"] {
        let text = fs::read_to_string(file).doing(&format!("read `{file}`"))?;
        let counts = text.lines().filter_map(|line| line.split_ascii_whitespace().nth(2)?.parse::<u64>().ok());
        let count: u64 = counts.sum();
        if count < IDS {
            return Err(Report::Refused(format!(
                "an image has users and groups with all numbers from 0 to 65534, and there are {count} of them here; give whoever \
                 runs this 65536 sub-ids (as root: `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME`), a \
                 container a range of as many"
            )));
        }
    }
    Ok(())
}

/// Gives files of the layers to their owners, by the numbers of the image.
pub(crate) fn set_owners(owners: &[OwnerOrder]) -> Result<(), Report> {
    for OwnerOrder { path, user, group, mode } in owners {
        let path = Path::new(path);
        let doing = format!("give `{}` to user {user} and group {group}", path.display());
        lchown(path, Some(*user), Some(*group)).doing(&doing)?;
        if let Some(mode) = mode {
            fs::set_permissions(path, fs::Permissions::from_mode(*mode)).doing(&doing)?;
        }
    }
    Ok(())
}

/// Runs them until one fails.
pub(crate) fn run(order: &RunOrder, series: &SeriesOrder, upper: &OwnedFd) -> Result<(), Report> {
    tell(&Report::Started);
    let mut status = 0;
    for command in &series.commands {
        let end = run_one(order, command, upper)?;
        say(&end_line(&series.token, &end))?;
        // Not started: the status that a shell would give.
        status = end.unwrap_or(127 << 8);
        if status != 0 {
            break;
        }
    }
    if status != 0
        && let Some(full) = disk::find_full(upper, order.file)
    {
        tell(&full);
    }
    tell(&Report::Ended(status));
    Ok(())
}

/// Writes to the log, which all commands that wrote to it have let go of.
fn say(mut text: &[u8]) -> Result<(), Report> {
    while !text.is_empty() {
        let count = rustix::io::write(rustix::stdio::stdout(), text).doing("write to the log")?;
        text = &text[count..];
    }
    Ok(())
}

/// How a command ended, as `wait` gives it, or why it could not be started.
fn run_one(order: &RunOrder, command: &CommandOrder, upper: &OwnedFd) -> Result<Result<i32, String>, Report> {
    let mut input = fs::File::from(memfd_create(c"input", MemfdFlags::CLOEXEC).doing("make standard input")?);
    input.write_all(command.input.as_encoded_bytes()).and_then(|()| input.rewind()).doing("make standard input")?;
    let input = OwnedFd::from(input);
    let file = command.file.as_ref().map(|(path, content)| (Path::new(path), content));
    if let Some((path, content)) = file {
        let doing = format!("write `{}`", path.display());
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).doing(&doing)?;
        file.write_all(content.as_encoded_bytes()).doing(&doing)?;
    }
    let watcher = match kernel::fork().doing("start the watcher of the disk")? {
        Fork::Child => {
            disk::watch(upper, order.disk);
            kernel::exit_now(0);
        }
        Fork::Parent(watcher) => watcher,
    };
    let launch = |shows_calls| Launch {
        argv: &command.argv,
        env: &command.env,
        folder: &order.folder,
        rights: Rights::Image,
        streams: Streams::Input(&input),
        order,
        shows_calls,
    };
    let started = match start(&launch(true)) {
        // The listener could not be had, and a filter cannot be taken back: once more without.
        Ok(None) => start(&launch(false)),
        other => other,
    };
    let end = match started {
        Ok(Some(Started { process, calls })) => {
            if let Some(calls) = calls {
                report(rustix::stdio::stdin(), &Report::Calls, Some(std::os::fd::AsFd::as_fd(&calls)))
                    .doing("hand on the listener")?;
            }
            Ok(init::wait_for(process).doing("wait for a command")?.as_raw())
        }
        Ok(None) => return Err(Report::Refused("start a command".to_owned())),
        Err(Report::Job(why)) => Err(why),
        Err(other) => return Err(other),
    };
    let _ = kill_process(watcher, Signal::KILL);
    kernel::kill_all_others();
    while !matches!(rustix::process::wait(WaitOptions::empty()), Err(rustix::io::Errno::CHILD)) {}
    if let Some((path, _)) = file {
        // A script may remove itself.
        let _ = fs::remove_file(path);
    }
    Ok(end)
}

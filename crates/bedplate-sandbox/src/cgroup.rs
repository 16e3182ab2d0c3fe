//! Control groups: the kernel's own limits for all processes of a build together, where we may have them.
//!
//! ```text
//! v2   /sys/fs/cgroup/…/bedplate-build-PID-START-N        below the nearest group that hands memory and pids down
//! v1   /sys/fs/cgroup/memory/OURS/bedplate-build-PID-START-N, and the same for pids
//! ```
//!
//! Where neither can be written to, the supervisor watches the processes itself. A group is removed when it is dropped; those
//! of runs that died are removed by the next one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::Limits;

const PREFIX: &str = "bedplate-build-";

/// The groups of one build.
#[derive(Debug)]
pub(crate) struct Groups {
    is_v2: bool,
    memory: Option<PathBuf>,
    pids: Option<PathBuf>,
}

impl Groups {
    /// Makes groups with the limits, as far as this machine allows.
    pub(crate) fn create(limits: &Limits) -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let name = group_name();
        let place = |controller: &str| {
            let parent = v1_folder(&own, &mounts, controller)?;
            make(&parent, &name)
        };
        let mut groups = match v2_folder(&own, &mounts).and_then(|parent| make(&parent, &name)) {
            Some(folder) => Self { is_v2: true, memory: Some(folder.clone()), pids: Some(folder) },
            None => Self { is_v2: false, memory: place("memory"), pids: place("pids") },
        };
        groups.limit(limits);
        groups
    }

    fn limit(&mut self, limits: &Limits) {
        if let (Some(folder), Some(bytes)) = (&self.memory, limits.memory) {
            let (file, swap) = if self.is_v2 {
                ("memory.max", ("memory.swap.max", 0))
            } else {
                ("memory.limit_in_bytes", ("memory.memsw.limit_in_bytes", bytes))
            };
            if fs::write(folder.join(file), bytes.to_string()).is_err() && !self.is_v2 {
                self.memory = remove(folder);
            } else {
                // A machine without swap has no such file.
                let _ = fs::write(folder.join(swap.0), swap.1.to_string());
            }
        }
        if let Some(folder) = &self.pids
            // The keeper and process 1 are no processes of the build.
            && fs::write(folder.join("pids.max"), (limits.processes + 3).to_string()).is_err()
            && !self.is_v2
        {
            self.pids = remove(folder);
        }
    }

    /// Moves a process there; its children are born there.
    pub(crate) fn add(&mut self, process: u32) {
        for folder in [&mut self.memory, &mut self.pids] {
            if let Some(path) = folder
                && fs::write(path.join("cgroup.procs"), process.to_string()).is_err()
            {
                *folder = remove(path);
            }
        }
    }

    /// Bytes of memory now, without cached files; `None` if there is no group for it.
    pub(crate) fn memory(&self) -> Option<u64> {
        let statistics = fs::read_to_string(self.memory.as_ref()?.join("memory.stat")).ok()?;
        let names = if self.is_v2 { ["anon", "shmem"] } else { ["total_rss", "total_shmem"] };
        Some(names.iter().filter_map(|name| number_after(&statistics, name)).sum())
    }

    /// How many processes the kernel killed because memory ran out.
    pub(crate) fn kills(&self) -> u64 {
        let file = if self.is_v2 { "memory.events" } else { "memory.oom_control" };
        self.count(self.memory.as_ref(), file, "oom_kill")
    }

    /// How many new processes were refused because there were too many.
    pub(crate) fn refused_processes(&self) -> u64 {
        self.count(self.pids.as_ref(), "pids.events", "max")
    }

    /// True if the kernel bounds the number of processes.
    pub(crate) fn bounds_processes(&self) -> bool {
        self.pids.is_some()
    }

    fn count(&self, folder: Option<&PathBuf>, file: &str, name: &str) -> u64 {
        let text = folder.and_then(|folder| fs::read_to_string(folder.join(file)).ok());
        text.and_then(|text| number_after(&text, name)).unwrap_or(0)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(2);
        for folder in [&self.memory, &self.pids].into_iter().flatten() {
            // The last process is gone a moment before its group knows.
            while fs::remove_dir(folder).is_err_and(|error| error.raw_os_error() == Some(libc::EBUSY))
                && Instant::now() < deadline
            {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

fn remove(folder: &Path) -> Option<PathBuf> {
    let _ = fs::remove_dir(folder);
    None
}

fn group_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let process = std::process::id();
    let start = start_time(process).unwrap_or(0);
    format!("{PREFIX}{process}-{start}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// When a process was started, in the kernel's ticks: with its number, this names a process for good.
fn start_time(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, may hold anything; 22 is the number of the field in proc(5).
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

/// Makes a group, after it has removed those of dead runs beside it.
fn make(parent: &Path, name: &str) -> Option<PathBuf> {
    for entry in fs::read_dir(parent).ok()?.flatten() {
        if is_of_dead_run(&entry.file_name().to_string_lossy()) {
            // One that has processes yet stays.
            let _ = fs::remove_dir(entry.path());
        }
    }
    let folder = parent.join(name);
    fs::create_dir(&folder).ok()?;
    Some(folder)
}

fn is_of_dead_run(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let mut numbers = rest.split('-').map(str::parse::<u64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(process)), Some(Ok(start))) => u32::try_from(process).ok().and_then(start_time) != Some(start),
        _ => false,
    }
}

/// The nearest group at or above ours, of version 2, whose children have limits of memory and processes. Often that is not our
/// own: a group with processes hands nothing down.
fn v2_folder(own: &str, mounts: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let (mount, top) = mount_point(mounts, |kind, _| kind == "cgroup2")?;
    let mut folder = below(&mount, &top, path)?;
    loop {
        let handed_down = fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap_or_default();
        let has = |controller: &str| handed_down.split_ascii_whitespace().any(|word| word == controller);
        if has("memory") && has("pids") {
            return Some(folder);
        }
        if folder == mount || !folder.pop() {
            return None;
        }
    }
}

/// Our own group of a controller, of version 1.
fn v1_folder(own: &str, mounts: &str, controller: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        fields.next()?.split(',').any(|name| name == controller).then(|| fields.next())?
    })?;
    let has = |options: &str| options.split(',').any(|option| option == controller);
    let (mount, top) = mount_point(mounts, |kind, options| kind == "cgroup" && has(options))?;
    below(&mount, &top, path)
}

/// Where a file system is mounted, and which folder of it.
fn mount_point(mounts: &str, is_wanted: impl Fn(&str, &str) -> bool) -> Option<(PathBuf, PathBuf)> {
    mounts.lines().find_map(|line| {
        let (place, system) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (top, mount) = (place.next()?, place.next()?);
        let mut system = system.split(' ');
        let (kind, options) = (system.next()?, system.nth(1)?);
        is_wanted(kind, options).then(|| (PathBuf::from(mount), PathBuf::from(top)))
    })
}

fn below(mount: &Path, top: &Path, path: &str) -> Option<PathBuf> {
    let folder = mount.join(Path::new(path).strip_prefix(top).ok()?);
    folder.is_dir().then_some(folder)
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_found() {
        let mounts = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
                      36 31 0:33 /docker/1 /sys/fs/cgroup/pids rw shared:9 - cgroup cgroup rw,pids\n\
                      41 31 0:38 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";
        let v1 = |name: &'static str| {
            mount_point(mounts, move |kind, options| kind == "cgroup" && options.split(',').any(|one| one == name))
        };
        assert_eq!(v1("memory"), Some(("/sys/fs/cgroup/memory".into(), "/".into())));
        assert_eq!(v1("pids"), Some(("/sys/fs/cgroup/pids".into(), "/docker/1".into())));
        assert_eq!(v1("cpu"), None);
        assert_eq!(mount_point(mounts, |kind, _| kind == "cgroup2"), Some(("/sys/fs/cgroup".into(), "/".into())));
    }

    #[test]
    fn the_nearest_group_that_hands_limits_down_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        std::fs::create_dir_all(top.join("user/session/leaf")).unwrap();
        let mounts = format!("41 31 0:38 / {} rw - cgroup2 cgroup2 rw\n", top.display());
        let own = "1:name=systemd:/\n0::/user/session/leaf\n";
        let write =
            |group: &str, text: &str| std::fs::write(top.join(group).join("cgroup.subtree_control"), text).unwrap();
        assert_eq!(v2_folder(own, &mounts), None);
        write("", "cpu memory pids\n");
        assert_eq!(v2_folder(own, &mounts), Some(top.to_owned()));
        write("user", "memory pids\n");
        write("user/session", "pids\n");
        assert_eq!(v2_folder(own, &mounts), Some(top.join("user")));
        assert_eq!(v2_folder("0::/elsewhere\n", &mounts), None);
        assert_eq!(v2_folder("4:memory:/x\n", &mounts), None);
    }

    #[test]
    fn numbers_are_read_by_name() {
        let text = "anon 4096\nanon_thp 8\noom_kill_disable 0\noom_kill 2\n";
        assert_eq!(number_after(text, "anon"), Some(4096));
        assert_eq!(number_after(text, "oom_kill"), Some(2));
        assert_eq!(number_after(text, "shmem"), None);
    }

    #[test]
    fn only_groups_of_dead_runs_are_removed() {
        let own = group_name();
        for (name, is_dead) in [
            (own.as_str(), false),
            ("bedplate-build-4294967290-1-0", true),
            (&format!("{PREFIX}{}-1-0", std::process::id()), true),
            ("bedplate-build-x-1-0", false),
            ("user.slice", false),
        ] {
            assert_eq!(is_of_dead_run(name), is_dead, "{name}");
        }
    }
}

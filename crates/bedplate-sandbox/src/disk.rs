//! How much a build has written: a small process inside that looks.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};

use crate::channel::Report;
use crate::keeper::tell;

/// Between two looks at the free space.
const TICK: Duration = Duration::from_millis(200);

/// After so long all files are counted, whatever the free space says: others may have freed what the build took.
const SURELY: Duration = Duration::from_secs(30);

/// Counting may take one part in so many of the time.
const SHARE: u32 = 20;

/// Tells when there is more than `limit` bytes below the folder; never ends by itself.
pub(crate) fn watch(upper: &OwnedFd, limit: u64) {
    let _ = rustix::thread::set_name(c"bedplate-disk");
    let mut known = 0;
    let mut free_then = free_bytes(upper);
    let (mut counted_at, mut pause) = (Instant::now(), Duration::ZERO);
    loop {
        std::thread::sleep(TICK);
        let free = free_bytes(upper);
        let may_be = known + free_then.saturating_sub(free);
        let since = counted_at.elapsed();
        if since < pause || (may_be <= limit && since < SURELY) {
            continue;
        }
        let start = Instant::now();
        let bytes = used_bytes(upper);
        pause = start.elapsed() * SHARE;
        (known, free_then, counted_at) = (bytes, free, Instant::now());
        if bytes > limit {
            tell(&Report::DiskOver { bytes });
            return;
        }
    }
}

fn free_bytes(folder: &OwnedFd) -> u64 {
    rustix::fs::fstatvfs(folder).map_or(0, |space| space.f_bfree.saturating_mul(space.f_frsize))
}

fn used_bytes(upper: &OwnedFd) -> u64 {
    let (mut bytes, mut linked) = (0_u64, HashSet::new());
    walk(upper, &mut |_, stat| {
        if stat.st_nlink < 2 || FileType::from_raw_mode(stat.st_mode).is_dir() || linked.insert(stat.st_ino) {
            bytes = bytes.saturating_add(u64::try_from(stat.st_blocks).unwrap_or(0) * 512);
        }
        true
    });
    bytes
}

/// The first file found that is as large as a file may be.
pub(crate) fn find_full(upper: &OwnedFd, limit: u64) -> Option<Report> {
    let mut found = None;
    walk(upper, &mut |path, stat| {
        let bytes = u64::try_from(stat.st_size).unwrap_or(0);
        if FileType::from_raw_mode(stat.st_mode).is_file() && bytes >= limit {
            found = Some(Report::FileFull { path: crate::channel::short(&format!("/{}", path.display())) });
        }
        found.is_none()
    });
    found
}

/// Visits all below a folder until the visitor says false. What cannot be read, because it is just being removed, is passed
/// over.
fn walk(top: &OwnedFd, visit: &mut dyn FnMut(&Path, &rustix::fs::Stat) -> bool) {
    // Paths are opened from the top, not kept open: trees may be deeper than descriptors last.
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let Ok(opened) = open_below(top, &folder) else { continue };
        let Ok(mut entries) = Dir::read_from(&opened) else { continue };
        while let Some(Ok(entry)) = entries.next() {
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let Ok(stat) = rustix::fs::statat(opened.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let path = folder.join(OsStr::from_bytes(name.to_bytes()));
            if !visit(&path, &stat) {
                return;
            }
            if FileType::from_raw_mode(stat.st_mode).is_dir() {
                folders.push(path);
            }
        }
    }
}

/// Opens a folder below another, also one whose path is longer than the system takes at once.
fn open_below(top: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    const MOST: usize = 2048;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut opened = rustix::fs::openat(top, ".", flags, Mode::empty())?;
    let mut part = PathBuf::new();
    for name in path {
        part.push(name);
        if part.as_os_str().len() > MOST {
            opened = rustix::fs::openat(&opened, &part, flags, Mode::empty())?;
            part.clear();
        }
    }
    if part.as_os_str().is_empty() { Ok(opened) } else { rustix::fs::openat(&opened, &part, flags, Mode::empty()) }
}

/// Opens a folder of the host for [`watch`], before the host is out of sight.
pub(crate) fn open(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

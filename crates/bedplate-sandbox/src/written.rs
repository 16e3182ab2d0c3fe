//! What commands have written to an upper folder, as their root sees it.
//!
//! Their files belong to ids that are nobody's outside, and may be closed to us. So a process with their users reads who owns them
//! and how, and then gives all of them to us.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};

use bedplate_sys::sandbox::Helper;
use serde::{Deserialize, Serialize};

use crate::channel::{Order, Report, WrittenOrder};
use crate::error::SandboxError;
use crate::handle::Keeper;
use crate::keeper::Doing as _;
use crate::text::Text;

/// A file, folder or link in an upper folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Path below the folder; empty for the folder itself.
    pub path: PathBuf,
    /// What it is.
    pub kind: WrittenKind,
    /// Permission bits, with set-user-id and the like.
    pub mode: u32,
    /// User, as the image numbers them.
    pub user: u32,
    /// Group, as the image numbers them.
    pub group: u32,
    /// Time of the last change, in seconds since 1970.
    pub time: i64,
    /// Number of the file: names with the same number are hard links to one file.
    pub inode: u64,
    /// Extended attributes, without those of overlayfs itself.
    pub attributes: BTreeMap<String, Vec<u8>>,
}

/// What a [`Written`] is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WrittenKind {
    /// A plain file; its content is in the upper folder.
    File,
    /// A folder. What the layers have in it is still there, or not.
    Directory {
        /// True: what the layers have in it is gone.
        is_opaque: bool,
    },
    /// A symbolic link, with its target.
    Symlink(Vec<u8>),
    /// What the layers have here is gone.
    Whiteout,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A device.
    Device,
}

/// [`Written`] as it travels.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    path: Text,
    kind: WrittenKind,
    mode: u32,
    user: u32,
    group: u32,
    time: i64,
    inode: u64,
    attributes: Vec<(String, Vec<u8>)>,
}

/// The attributes with which overlayfs marks its own.
const OVERLAY: &str = "user.overlay.";

/// Lists what lies below `scratch/upper` after a series, sorted by path, the folder itself first. Afterwards all of it is ours,
/// with modes that let us read it; the list has what it was before.
///
/// # Errors
/// [`SandboxError`]: something could not be read.
pub fn written(scratch: &Path, helper: &Helper) -> Result<Vec<Written>, SandboxError> {
    let scratch = scratch.canonicalize().map_err(SandboxError::io("find", scratch))?;
    let answer = scratch.join("written");
    let order = WrittenOrder { folder: scratch.join("upper").into(), answer: answer.clone().into() };
    let keeper = Keeper::start(helper)?;
    keeper.order(&Order::Written(order))?;
    let mut is_written = false;
    while let Some((report, _)) = keeper.report()? {
        match report {
            Report::Written => is_written = true,
            Report::Refused(why) => return Err(SandboxError::Refused(why)),
            _ => {}
        }
    }
    if !is_written {
        return Err(SandboxError::Lost("it ended before what was written was listed".to_owned()));
    }
    let file = fs::File::open(&answer).map_err(SandboxError::io("read", &answer))?;
    let mut found = Vec::new();
    for line in io::BufReader::new(file).lines() {
        let line = line.and_then(|line| Ok(serde_json::from_str::<Line>(&line)?));
        let line = line.map_err(SandboxError::io("read", &answer))?;
        found.push(Written {
            path: PathBuf::from(&*line.path),
            kind: line.kind,
            mode: line.mode,
            user: line.user,
            group: line.group,
            time: line.time,
            inode: line.inode,
            attributes: line.attributes.into_iter().collect(),
        });
    }
    fs::remove_file(&answer).map_err(SandboxError::io("remove", &answer))?;
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// Inside: writes the list.
pub(crate) fn list(order: &WrittenOrder) -> Result<(), Report> {
    let answer = Path::new(&order.answer);
    let doing = format!("write `{}`", answer.display());
    let mut out = io::BufWriter::new(fs::File::create(answer).doing(&doing)?);
    let mut linked = Vec::new();
    walk(Path::new(&order.folder), Path::new(""), &mut linked, &mut |line| {
        serde_json::to_writer(&mut out, &line).map_err(io::Error::from).and_then(|()| out.write_all(b"\n"))
    })?;
    // Each of their names had to be listed before.
    for (at, data) in linked {
        take_over(&at, &data)?;
    }
    out.flush().doing(&doing)
}

fn walk(
    at: &Path,
    path: &Path,
    linked: &mut Vec<(PathBuf, fs::Metadata)>,
    each: &mut dyn FnMut(Line) -> io::Result<()>,
) -> Result<(), Report> {
    let doing = format!("read `{}`", at.display());
    let data = fs::symlink_metadata(at).doing(&doing)?;
    let attributes = attributes(at).doing(&doing)?;
    let kind = data.file_type();
    let is_opaque = attributes.iter().any(|(name, value)| name == "user.overlay.opaque" && value == b"y");
    let found = if kind.is_dir() {
        WrittenKind::Directory { is_opaque }
    } else if kind.is_symlink() {
        WrittenKind::Symlink(fs::read_link(at).doing(&doing)?.into_os_string().into_vec())
    } else if kind.is_char_device() && data.rdev() == 0 {
        WrittenKind::Whiteout
    } else if kind.is_file() {
        WrittenKind::File
    } else if kind.is_fifo() {
        WrittenKind::Fifo
    } else if kind.is_socket() {
        WrittenKind::Socket
    } else {
        WrittenKind::Device
    };
    each(Line {
        path: path.as_os_str().into(),
        kind: found,
        mode: data.mode() & 0o7777,
        user: data.uid(),
        group: data.gid(),
        time: data.mtime(),
        inode: data.ino(),
        attributes: attributes.into_iter().filter(|(name, _)| !name.starts_with(OVERLAY)).collect(),
    })
    .doing("write the list")?;
    if kind.is_dir() {
        let mut names: Vec<_> = fs::read_dir(at)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.file_name())).collect())
            .doing(&doing)?;
        names.sort();
        for name in names {
            walk(&at.join(&name), &path.join(&name), linked, each)?;
        }
    }
    if kind.is_file() && data.nlink() > 1 {
        linked.push((at.to_owned(), data));
        return Ok(());
    }
    take_over(at, &data)
}

/// Gives a file to root, who is us outside, and opens it.
fn take_over(at: &Path, data: &fs::Metadata) -> Result<(), Report> {
    let doing = format!("take over `{}`", at.display());
    lchown(at, Some(0), Some(0)).doing(&doing)?;
    let mode = match data.file_type() {
        kind if kind.is_dir() => 0o700,
        kind if kind.is_file() => 0o600,
        _ => return Ok(()),
    };
    fs::set_permissions(at, fs::Permissions::from_mode(mode)).doing(&doing)
}

fn attributes(at: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut names = vec![0; 64 << 10];
    let length = match rustix::fs::llistxattr(at, &mut names[..]) {
        Ok(length) => length,
        // A file system without any.
        Err(rustix::io::Errno::NOTSUP) => 0,
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 64 << 10];
        let length = rustix::fs::lgetxattr(at, std::ffi::OsStr::from_bytes(name), &mut value[..])?;
        value.truncate(length);
        found.push((String::from_utf8_lossy(name).into_owned(), value));
    }
    found.sort();
    Ok(found)
}

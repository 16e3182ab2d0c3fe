//! What a file system cannot hold of a tree, found before any work.

use bedplate_tree::{Entry, FileTree, Kind};

use crate::error::Unsupported;
use crate::{FilesystemError, FilesystemKind, ext4, vfat, xfs};

/// The longest name of a file in all of them, in bytes.
const NAME: usize = 255;

/// The longest target of a symbolic link, in bytes: the kernel takes a page, with a zero at its end.
const TARGET: usize = 4095;

/// Refuses a label or a tree that the file system cannot hold.
pub(crate) fn check(kind: FilesystemKind, tree: &FileTree, label: &str) -> Result<(), FilesystemError> {
    check_label(kind, label)?;
    let mut entries = Vec::new();
    for (path, entry) in tree.iter() {
        let mut cannot = |what: String| entries.push(Unsupported { path: path.clone(), what });
        if path.name().len() > NAME {
            cannot(format!("a name of {} bytes, more than {NAME}", path.name().len()));
        }
        match kind {
            FilesystemKind::Vfat(_) => check_vfat(entry, &mut cannot),
            _ => check_unix(kind, entry, &mut cannot),
        }
        // The root of a vfat has no time.
        let (first, last) = times(kind);
        let has_time = !(path.is_root() && matches!(kind, FilesystemKind::Vfat(_)));
        if has_time && !(first..=last).contains(&entry.mtime) {
            cannot(format!("its time, {} s after 1970; it may be {first} to {last}", entry.mtime));
        }
        if let FilesystemKind::Xfs(_) = kind {
            xfs::check_words(tree, path, entry, &mut entries);
        }
    }
    if let FilesystemKind::Vfat(_) = kind {
        vfat::check_names(tree, &mut entries);
    }
    if entries.is_empty() { Ok(()) } else { Err(FilesystemError::Unsupported { kind: kind.name(), entries }) }
}

fn check_label(kind: FilesystemKind, label: &str) -> Result<(), FilesystemError> {
    let bad = |why| Err(FilesystemError::BadLabel { kind: kind.name(), label: label.to_owned(), why });
    if label.contains(char::is_control) {
        return bad("it has a control character");
    }
    let (most, why) = match kind {
        FilesystemKind::Erofs(_) => (15, "it has more than 15 bytes"),
        FilesystemKind::Ext4(_) => (16, "it has more than 16 bytes"),
        FilesystemKind::Xfs(_) => (12, "it has more than 12 bytes"),
        FilesystemKind::Vfat(_) => (11, "it has more than 11 bytes"),
    };
    if label.len() > most {
        return bad(why);
    }
    let is_plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"_- ".contains(&byte);
    match kind {
        FilesystemKind::Xfs(_) if label.contains(char::is_whitespace) => bad("it has white space"),
        FilesystemKind::Vfat(_) if !label.bytes().all(is_plain) => {
            bad("only capital letters, digits, `_`, `-` and spaces are allowed")
        }
        _ => Ok(()),
    }
}

fn check_unix(kind: FilesystemKind, entry: &Entry, cannot: &mut dyn FnMut(String)) {
    match &entry.kind {
        Kind::Symlink(target) if target.len() > TARGET => {
            cannot(format!("a link's target of {} bytes, more than {TARGET}", target.len()));
        }
        // xfs has fewer bits for the second number, and more for the first than the kernel.
        Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            let most = if matches!(kind, FilesystemKind::Xfs(_)) { 1 << 18 } else { 1 << 20 };
            if *major >= 1 << 12 || *minor >= most {
                cannot(format!("the device {major}:{minor}; the numbers must be below {} and {most}", 1 << 12));
            }
        }
        _ => {}
    }
    // A link has what its file has, which is looked at there.
    if matches!(entry.kind, Kind::HardLink(_)) {
        return;
    }
    for name in entry.xattrs.keys() {
        let is_known = ["user.", "trusted.", "security."]
            .iter()
            .any(|prefix| name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty()))
            || (["system.posix_acl_access", "system.posix_acl_default"].contains(&name.as_str())
                && matches!(kind, FilesystemKind::Erofs(_)));
        if !is_known || name.len() > NAME {
            cannot(format!("its extended attribute `{name}`"));
        }
    }
    match kind {
        FilesystemKind::Ext4(_) => {
            if let Err(bytes) = ext4::attributes_fit(&entry.xattrs) {
                cannot(format!("{bytes} bytes of extended attributes more than there is room for"));
            }
        }
        FilesystemKind::Erofs(_) => {
            for (name, value) in entry.xattrs.iter().filter(|(_, value)| value.len() > usize::from(u16::MAX)) {
                cannot(format!("{} bytes of its extended attribute `{name}`", value.len()));
            }
        }
        FilesystemKind::Xfs(_) | FilesystemKind::Vfat(_) => {}
    }
}

/// The first and the last time that a file system can hold, in seconds since 1970.
fn times(kind: FilesystemKind) -> (i64, i64) {
    const OLDEST: i64 = -(1 << 31);
    match kind {
        FilesystemKind::Erofs(_) => (i64::MIN, i64::MAX),
        FilesystemKind::Ext4(_) => (OLDEST, OLDEST + (1 << 34) - 1),
        // 64 bits of nanoseconds.
        FilesystemKind::Xfs(_) => (OLDEST, OLDEST + (u64::MAX / 1_000_000_000) as i64 - 1),
        // From 1980 to 2107.
        FilesystemKind::Vfat(_) => (315_532_800, 4_354_819_199),
    }
}

fn check_vfat(entry: &Entry, cannot: &mut dyn FnMut(String)) {
    match entry.kind {
        Kind::Directory | Kind::File(_) => {}
        _ => return cannot(entry.kind.what().to_owned()),
    }
    if (entry.uid, entry.gid) != (0, 0) {
        cannot(format!("its owner {}:{}", entry.uid, entry.gid));
    }
    if entry.mode & 0o7000 != 0 {
        cannot(format!("its mode {:04o}", entry.mode));
    }
    for name in entry.xattrs.keys() {
        cannot(format!("its extended attribute `{name}`"));
    }
}

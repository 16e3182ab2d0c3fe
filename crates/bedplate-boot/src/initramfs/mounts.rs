//! What is mounted in the initramfs besides the root: the image's systemd finds it there when it starts.
//!
//! The root itself comes from the kernel command line; these are units of the initramfs, below `/sysroot`.

use bedplate_tree::TreePath;

use super::InitramfsError;
use super::collect::Collector;

/// A file system that is mounted before the image's own systemd starts: `/var`, or what holds the upper folders of overlays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlyMount {
    /// What: `/dev/disk/by-partuuid/…`, `PARTUUID=…`, `tmpfs`.
    pub what: String,
    /// Where in the image.
    pub at: TreePath,
    /// The type of file system.
    pub kind: String,
    /// Mount options between commas; may be empty.
    pub options: String,
}

/// A writable folder over a read-only one, by overlayfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// The folder of the image that becomes writable.
    pub at: TreePath,
    /// The folder of a writable file system that keeps what is written (it gets `upper` and `work`); none: it is kept in memory, and
    /// gone at the next start.
    pub upper: Option<TreePath>,
    /// Permission bits of the writable folder, as the image has them.
    pub mode: u16,
}

/// A folder of a read-only root in whose place a writable copy is mounted. It is copied when no copy is there yet; an update of the
/// image does not change the copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedFolder {
    /// The folder of the image.
    pub at: TreePath,
    /// The folder of a writable file system that keeps the copy; none: it is kept in memory, and made anew at each start.
    pub kept: Option<TreePath>,
}

/// Who makes the folders of overlays.
const PREPARE: &str = "bedplate-overlays.service";
const FOLDERS: &str = "/usr/lib/bedplate/overlays.conf";

pub(super) fn add(
    files: &mut Collector<'_>,
    mounts: &[EarlyMount],
    overlays: &[Overlay],
    copies: &[CopiedFolder],
) -> Result<(), InitramfsError> {
    let mut folders = String::new();
    for mount in mounts {
        let what = match mount.what.split_once('=') {
            Some(("PARTUUID", id)) => format!("/dev/disk/by-partuuid/{}", id.to_lowercase()),
            Some(("UUID", id)) => format!("/dev/disk/by-uuid/{id}"),
            _ => mount.what.clone(),
        };
        add_mount(files, &mount.at, &what, &mount.kind, &mount.options, "")?;
    }
    for overlay in overlays {
        let keep = match &overlay.upper {
            Some(upper) => format!("/sysroot{upper}"),
            None => format!("/run/bedplate/overlay{}", overlay.at),
        };
        folders.push_str(&format!("d {keep} 0755 root root\n"));
        folders.push_str(&format!("d {keep}/upper {:04o} root root\nd {keep}/work 0755 root root\n", overlay.mode));
        let options = format!("lowerdir=/sysroot{},upperdir={keep}/upper,workdir={keep}/work", overlay.at);
        let order = format!("Requires={PREPARE}\nAfter={PREPARE}\nRequiresMountsFor={keep}\n");
        add_mount(files, &overlay.at, "overlay", "overlay", &options, &order)?;
    }
    if !overlays.is_empty() {
        files.require("/usr/bin/systemd-tmpfiles", "overlays of the image")?;
        files.make(FOLDERS, 0o644, folders)?;
        let wanted: Vec<String> =
            overlays.iter().filter_map(|overlay| Some(format!("/sysroot{}", overlay.upper.as_ref()?))).collect();
        let wanted =
            if wanted.is_empty() { String::new() } else { format!("RequiresMountsFor={}\n", wanted.join(" ")) };
        let unit = format!(
            "[Unit]\nDescription=Folders of writable overlays\nDefaultDependencies=no\nRequires=initrd-root-fs.target\n\
             After=initrd-root-fs.target\n{wanted}\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
             ExecStart=/usr/bin/systemd-tmpfiles --create {FOLDERS}\n"
        );
        files.make(&format!("/etc/systemd/system/{PREPARE}"), 0o644, unit)?;
    }
    for copied in copies {
        add_copy(files, copied)?;
    }
    Ok(())
}

/// A copy that was cut short (by a loss of power) is begun again: it counts when the file behind it is there.
///
/// ```text
/// KEPT/copy/           what is mounted
/// KEPT/is-complete     made when all was copied
/// ```
fn add_copy(files: &mut Collector<'_>, copied: &CopiedFolder) -> Result<(), InitramfsError> {
    let at = &copied.at;
    let keep = match &copied.kept {
        Some(kept) => format!("/sysroot{kept}"),
        None => format!("/run/bedplate/copy{at}"),
    };
    let name = format!("bedplate-copy-{}", escaped(at.as_str()));
    files.require("/usr/bin/systemd-tmpfiles", "copies of folders of the image")?;
    // What is copied has to be on the disk before it counts. Few images lack this, and then the system writes it a little later.
    files.take("/usr/bin/sync")?;
    let (copy, complete) = (format!("{keep}/copy"), format!("{keep}/is-complete"));
    let mut commands = String::new();
    for (step, option, lines) in [
        ("remove", "--remove", format!("R {copy}\n")),
        ("copy", "--create", format!("d {keep} 0755 root root\nC {copy} - - - - /sysroot{at}\n")),
        ("complete", "--create", format!("f {complete} 0644 root root\n")),
    ] {
        let file = format!("/usr/lib/bedplate/copy{at}/{step}.conf");
        if step == "complete" {
            commands.push_str("ExecStart=-/usr/bin/sync\n");
        }
        commands.push_str(&format!("ExecStart=/usr/bin/systemd-tmpfiles {option} {file}\n"));
        files.make(&file, 0o644, lines)?;
    }
    let unit = format!(
        "[Unit]\nDescription=Copy of {at} of the image\nDefaultDependencies=no\nRequires=initrd-root-fs.target\n\
         After=initrd-root-fs.target\nRequiresMountsFor={keep}\nConditionPathExists=!{complete}\n\n\
         [Service]\nType=oneshot\nRemainAfterExit=yes\n{commands}"
    );
    files.make(&format!("/etc/systemd/system/{name}.service"), 0o644, unit)?;
    let order = format!("Requires={name}.service\nAfter={name}.service\nRequiresMountsFor={keep}\n");
    add_mount(files, at, &copy, "none", "bind", &order)
}

fn add_mount(
    files: &mut Collector<'_>,
    at: &TreePath,
    what: &str,
    kind: &str,
    options: &str,
    order: &str,
) -> Result<(), InitramfsError> {
    let place = format!("/sysroot{at}");
    let name = unit_name(&place);
    let options = if options.is_empty() { String::new() } else { format!("Options={options}\n") };
    let unit = format!(
        "[Unit]\nDescription={at} of the image\nDefaultDependencies=no\nRequires=initrd-root-fs.target\n\
         After=initrd-root-fs.target\nBefore=initrd-fs.target\n{order}\n\
         [Mount]\nWhat={what}\nWhere={place}\nType={kind}\n{options}"
    );
    files.make(&format!("/etc/systemd/system/{name}"), 0o644, unit)?;
    files.link(&format!("/etc/systemd/system/initrd-fs.target.requires/{name}"), &format!("../{name}"))
}

/// The name of the mount unit for a path, as `systemd-escape --path --suffix=mount` gives it.
fn unit_name(path: &str) -> String {
    escaped(path) + ".mount"
}

/// A path as a part of the name of a unit.
fn escaped(path: &str) -> String {
    let mut name = String::new();
    for (at, byte) in path.trim_matches('/').bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if at > 0 => name.push('.'),
            b':' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => name.push(byte.into()),
            _ => name.push_str(&format!("\\x{byte:02x}")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_have_the_names_of_systemd() {
        for (path, expected) in [
            ("/sysroot/var", "sysroot-var.mount"),
            ("/sysroot/var/lib/a-b", "sysroot-var-lib-a\\x2db.mount"),
            ("/sysroot/.x/y.z", "sysroot-.x-y.z.mount"),
            ("/sysroot/ä", "sysroot-\\xc3\\xa4.mount"),
        ] {
            assert_eq!(unit_name(path), expected);
        }
    }
}

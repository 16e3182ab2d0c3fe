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

/// Who makes the folders of overlays.
const PREPARE: &str = "bedplate-overlays.service";
const FOLDERS: &str = "/usr/lib/bedplate/overlays.conf";

pub(super) fn add(
    files: &mut Collector<'_>,
    mounts: &[EarlyMount],
    overlays: &[Overlay],
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
    Ok(())
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
    let mut name = String::new();
    for (at, byte) in path.trim_matches('/').bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if at > 0 => name.push('.'),
            b':' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => name.push(byte.into()),
            _ => name.push_str(&format!("\\x{byte:02x}")),
        }
    }
    name + ".mount"
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

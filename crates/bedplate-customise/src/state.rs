//! What a machine makes of its own when it boots, and no image may bring: identity, secrets, logs, caches. And what has to be there
//! for it to boot: mount points.

use bedplate_diag::{Diagnostic, Span};
use bedplate_image_config::ImageConfig;
use bedplate_tree::{Entry, Kind, TreePath};

use crate::{CustomiseError, Editor};

/// Folders that every system mounts something at, or that programs need, with their modes.
const FOLDERS: [(&str, u16); 10] = [
    ("/dev", 0o755),
    ("/etc", 0o755),
    ("/proc", 0o555),
    ("/root", 0o700),
    ("/run", 0o755),
    ("/sys", 0o555),
    ("/tmp", 0o1777),
    ("/usr", 0o755),
    ("/var", 0o755),
    ("/var/tmp", 0o1777),
];

/// Secrets and identities of one machine; `*` stands for the rest of a name.
const OF_ONE_MACHINE: [&str; 10] = [
    "/boot/loader/random-seed",
    "/efi/loader/random-seed",
    "/etc/hostid",
    "/etc/ssh/ssh_host_*",
    "/loader/random-seed",
    "/var/lib/dbus/machine-id",
    "/var/lib/random-seed",
    "/var/lib/systemd/credential.secret",
    "/var/lib/systemd/random-seed",
    "/var/lib/NetworkManager/secret_key",
];

/// What programs left behind: backups and locks of the account files, histories.
const LEFT_BEHIND: [&str; 9] = [
    "/etc/.pwd.lock",
    "/etc/group-",
    "/etc/gshadow-",
    "/etc/mtab~",
    "/etc/passwd-",
    "/etc/shadow-",
    "/etc/subgid-",
    "/etc/subuid-",
    "/root/.bash_history",
];

/// Folders whose content goes: caches, and what nobody misses.
const EMPTIED: [&str; 8] = [
    "/tmp",
    "/var/cache/dnf",
    "/var/cache/ldconfig",
    "/var/cache/libdnf5",
    "/var/cache/man",
    "/var/cache/tdnf",
    "/var/cache/yum",
    "/var/tmp",
];

/// Where systemd-resolved keeps the file that `/etc/resolv.conf` should lead to.
const RESOLVED: &str = "../run/systemd/resolve/stub-resolv.conf";

/// Takes away what belongs to one machine or one build, and puts there what a machine needs before it has anything of its own: an
/// empty `/etc/machine-id` (systemd then makes one at each first boot, without taking it for a factory reset that would run all
/// presets again), the folders that something is mounted at, and `/etc/resolv.conf` for systemd-resolved.
///
/// What the config itself has put somewhere stays, but for secrets, of which a warning tells.
///
/// # Errors
///
/// If a file cannot be written.
pub fn clean_state(editor: &mut Editor<'_>, config: &ImageConfig) -> Result<(), CustomiseError> {
    editor.step("state");
    let own = own_paths(editor, config);
    for pattern in OF_ONE_MACHINE {
        for path in matching(editor, pattern) {
            if is_link(editor, &path) {
                continue;
            }
            if let Some((_, span)) = own.iter().find(|(one, _)| *one == path) {
                let message = format!("`{path}` is left out: all machines of this image would share it");
                let hint = "each machine makes its own at its first boot";
                editor.diagnostics.push(Diagnostic::warning("shared-secret", message).at(*span).hint(hint));
            }
            editor.tree.remove(&path);
        }
    }
    for path in LEFT_BEHIND.iter().filter_map(|path| path.parse::<TreePath>().ok()) {
        if !own.iter().any(|(one, _)| *one == path) {
            editor.remove(&path)?;
        }
    }
    for folder in EMPTIED {
        empty(editor, folder, &own, |_| true);
    }
    // Folders of packages stay: a container has them from nowhere else.
    empty(editor, "/run", &own, |entry| !entry.is_directory());
    empty_logs(editor, &own)?;
    let resolv: TreePath = "/etc/resolv.conf".parse().expect("it is a path");
    if !own.iter().any(|(one, _)| *one == resolv) && !is_link(editor, &resolv) {
        editor.remove(&resolv)?;
        if editor.look("/usr/lib/systemd/system/systemd-resolved.service").is_some() {
            editor.link(&resolv, RESOLVED)?;
        }
    }
    let machine_id: TreePath = "/etc/machine-id".parse().expect("it is a path");
    if !own.iter().any(|(one, _)| *one == machine_id) {
        editor.write(&machine_id, b"", 0o444)?;
    }
    make_folders(editor, config)
}

/// The paths that the config puts something at, with their places.
fn own_paths(editor: &Editor<'_>, config: &ImageConfig) -> Vec<(TreePath, Span)> {
    let files = config.files.iter().map(|file| (file.path.as_str(), file.path.span));
    let links = config.links.iter().map(|link| (link.path.as_str(), link.path.span));
    let folders = config.directories.iter().map(|folder| (folder.path.as_str(), folder.path.span));
    let place = |path: &str| editor.place(&path.parse().ok()?).ok();
    files.chain(links).chain(folders).filter_map(|(path, span)| Some((place(path)?, span))).collect()
}

fn is_link(editor: &Editor<'_>, path: &TreePath) -> bool {
    matches!(editor.look(path.as_str()).map(|entry| &entry.kind), Some(Kind::Symlink(_)))
}

/// The entries that a path means; a `*` at its end stands for the rest of a name.
fn matching(editor: &Editor<'_>, pattern: &str) -> Vec<TreePath> {
    let Ok(path) = pattern.trim_end_matches('*').parse::<TreePath>() else { return Vec::new() };
    let Ok(place) = editor.place(&path) else { return Vec::new() };
    if !pattern.ends_with('*') {
        return editor.tree.get(place.as_str()).map(|_| place).into_iter().collect();
    }
    let Some(folder) = place.parent() else { return Vec::new() };
    let found = editor.tree.children(&folder).filter(|(path, _)| path.name().starts_with(place.name()));
    found.map(|(path, _)| path.clone()).collect()
}

/// Takes the content of a folder away, but for what the config put there and the folders above that.
fn empty(editor: &mut Editor<'_>, folder: &str, own: &[(TreePath, Span)], goes: impl Fn(&Entry) -> bool) {
    let Some(folder) = folder.parse().ok().and_then(|folder: TreePath| editor.place(&folder).ok()) else { return };
    let kept = |path: &TreePath| own.iter().any(|(one, _)| one.is_below(path) || path.is_below(one));
    let entries = editor.tree.below(&folder).filter(|(path, entry)| **path != folder && goes(entry) && !kept(path));
    let gone: Vec<TreePath> = entries.map(|(path, _)| path.clone()).collect();
    for path in gone {
        editor.tree.remove(&path);
    }
}

/// Empties files of logs that a scriptlet wrote; the files stay with their owners and modes.
fn empty_logs(editor: &mut Editor<'_>, own: &[(TreePath, Span)]) -> Result<(), CustomiseError> {
    let folder: TreePath = "/var/log".parse().expect("it is a path");
    let written: Vec<TreePath> = editor
        .tree
        .below(&folder)
        .filter(|(path, entry)| {
            matches!(entry.kind, Kind::File(digest) if digest.size > 0) && !own.iter().any(|(one, _)| one == *path)
        })
        .map(|(path, _)| path.clone())
        .collect();
    for path in written {
        editor.rewrite(&path, b"", 0o600)?;
    }
    Ok(())
}

/// Makes the folders of every system, and those that partitions are mounted at: a read-only root could not.
fn make_folders(editor: &mut Editor<'_>, config: &ImageConfig) -> Result<(), CustomiseError> {
    for (path, mode) in FOLDERS {
        let path: TreePath = path.parse().expect("it is a path");
        if editor.follow(&path).is_none() {
            editor.put(&path, editor.entry(Kind::Directory, mode))?;
        }
    }
    for partition in config.storage.layout() {
        let Some(mount) = partition.mount else { continue };
        let path: TreePath = mount.as_str().parse().expect("mount points are paths of a tree");
        match editor.follow(&path).map(|(_, entry)| entry.kind.clone()) {
            Some(Kind::Directory) => {}
            Some(other) => {
                let message = format!("nothing can be mounted at `{mount}`: it is {}", other.what());
                editor.diagnostics.push(Diagnostic::error("no-mount-point", message).at(mount.span));
            }
            None => {
                let folder = editor.entry(Kind::Directory, 0o755);
                match editor.put(&path, folder) {
                    Err(CustomiseError::Place(error)) => {
                        let message = format!("nothing can be mounted at `{mount}`: {error}");
                        editor.diagnostics.push(Diagnostic::error("no-mount-point", message).at(mount.span));
                    }
                    other => other?,
                }
            }
        }
    }
    for (path, mode) in [("/tmp", 0o1777), ("/var/tmp", 0o1777)] {
        set_mode(editor, path, mode);
    }
    Ok(())
}

/// A folder for all has to be sticky, whoever made it on the way to something else.
fn set_mode(editor: &mut Editor<'_>, path: &str, mode: u16) {
    let Some((place, Entry { kind: Kind::Directory, .. })) = path.parse().ok().and_then(|path| editor.follow(&path))
    else {
        return;
    };
    if let Some(entry) = editor.tree.get_mut(place.as_str()) {
        entry.mode = mode;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Image;

    #[test]
    fn no_machine_is_in_the_image() {
        let mut image = Image::new();
        for path in [
            "/etc/ssh/ssh_host_rsa_key",
            "/etc/ssh/ssh_host_rsa_key.pub",
            "/etc/ssh/sshd_config",
            "/var/lib/systemd/random-seed",
            "/etc/passwd-",
            "/etc/machine-id",
            "/etc/resolv.conf",
            "/var/cache/dnf/x/y",
            "/var/cache/kept",
            "/var/log/dnf.log",
            "/run/lock/x",
            "/tmp/x",
            "/usr/lib/systemd/system/systemd-resolved.service",
        ] {
            image.file(path, "text");
        }
        image.put("/tmp", Kind::Directory, 0o755);
        image.link("/var/lib/dbus/machine-id", "/etc/machine-id");
        let config = image.config(
            "[[file]]\npath = '/etc/ssh/ssh_host_ed25519_key'\ncontent = 'secret'\n[[file]]\npath = '/run/own/x'\ncontent = ''\n\
             [[storage.partition]]\ntype = 'root'\n[[storage.partition]]\ntype = 'linux-generic'\nlabel = 'data'\nmount = '/data/deep'\n\
             [[storage.partition]]\ntype = 'linux-generic'\nlabel = 'bad'\nmount = '/etc/ssh/sshd_config'\n",
        );
        image.edit(|editor| {
            let accounts = crate::Accounts::read(editor).unwrap();
            crate::place_files(editor, &config, &accounts).unwrap();
            clean_state(editor, &config).unwrap();
        });
        let paths: Vec<&str> =
            image.tree.iter().filter(|(_, entry)| !entry.is_directory()).map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/etc/machine-id",
                "/etc/resolv.conf",
                "/etc/ssh/sshd_config",
                "/run/own/x",
                "/usr/lib/systemd/system/systemd-resolved.service",
                "/var/cache/kept",
                "/var/lib/dbus/machine-id",
                "/var/log/dnf.log",
            ]
        );
        assert_eq!(image.text("/etc/machine-id"), "");
        assert_eq!(image.text("/var/log/dnf.log"), "");
        assert_eq!(image.tree.get("/etc/machine-id").unwrap().mode, 0o444);
        assert_eq!(image.tree.get("/etc/resolv.conf").unwrap().kind, Kind::Symlink(RESOLVED.into()));
        for (path, mode) in
            [("/proc", 0o555), ("/tmp", 0o1777), ("/var/tmp", 0o1777), ("/data/deep", 0o755), ("/root", 0o700)]
        {
            assert_eq!(
                image.tree.get(path).map(|entry| (entry.is_directory(), entry.mode)),
                Some((true, mode)),
                "{path}"
            );
        }
    }

    #[test]
    fn secrets_and_mount_points_of_the_config_are_said() {
        let mut image = Image::new();
        image.file("/etc/file", "");
        let config = image.config(
            "[[file]]\npath = '/etc/ssh/ssh_host_ed25519_key'\ncontent = 'secret'\n\
             [[storage.partition]]\ntype = 'root'\n[[storage.partition]]\ntype = 'linux-generic'\nlabel = 'a'\nmount = '/etc/file'\n\
             [[storage.partition]]\ntype = 'linux-generic'\nlabel = 'b'\nmount = '/etc/file/deep'\n",
        );
        image.edit(|editor| {
            let accounts = crate::Accounts::read(editor).unwrap();
            crate::place_files(editor, &config, &accounts).unwrap();
            clean_state(editor, &config).unwrap();
        });
        assert_eq!(
            image.said(),
            [
                "image.toml:4: warning shared-secret: `/etc/ssh/ssh_host_ed25519_key` is left out: all machines of this image would share it",
                "image.toml:11: error no-mount-point: nothing can be mounted at `/etc/file`: it is a file",
                "image.toml:15: error no-mount-point: nothing can be mounted at `/etc/file/deep`: `/etc/file/deep` has no place: `/etc/file` is a file, not a folder",
            ]
        );
    }
}

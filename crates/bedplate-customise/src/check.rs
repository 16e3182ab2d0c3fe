//! Looks at a finished tree for what would not work on a running system, or would be no good on it. Nothing is changed.
//!
//! All findings are warnings: packages made what they are about, and none of them keeps an image from booting.

use std::collections::BTreeMap;

use bedplate_diag::Diagnostic;
use bedplate_image_config::ImageConfig;
use bedplate_tree::{Entry, Kind, TreePath};

use crate::unit::{self, Found, Scope, UnitName};
use crate::{Accounts, Editor};

/// So many paths a finding names; of the others it says how many they are.
const NAMED: usize = 3;

/// Finds
///
/// - files of users and groups that the image does not have (`unknown-owner`), numeric owners of the config left out;
/// - files and folders that all may write to, folders with the sticky bit left out (`world-writable`);
/// - links that enable units that are not there (`dangling-unit-link`);
/// - files that somebody else than root owns with the right to write, where the file system is read-only
///   (`writable-below-read-only`).
pub fn check_tree(editor: &mut Editor<'_>, config: &ImageConfig, accounts: &Accounts) {
    let read_only = ReadOnly::of(config);
    let mut owners: BTreeMap<String, Vec<&TreePath>> = BTreeMap::new();
    let mut writable: Vec<&TreePath> = Vec::new();
    let mut state: Vec<&TreePath> = Vec::new();
    for (path, entry) in editor.tree.iter() {
        if matches!(entry.kind, Kind::Symlink(_) | Kind::HardLink(_)) {
            continue;
        }
        // Of the config: who writes a number means it.
        let is_ours = entry.origin.starts_with("customise: files");
        if entry.uid != 0 && !is_ours && accounts.user_of(entry.uid).is_none() {
            owners.entry(format!("user {}", entry.uid)).or_default().push(path);
        }
        if entry.gid != 0 && !is_ours && accounts.group_of(entry.gid).is_none() {
            owners.entry(format!("group {}", entry.gid)).or_default().push(path);
        }
        if is_writable_by_all(entry) {
            writable.push(path);
        }
        if read_only.holds(path) && is_state(entry) {
            state.push(path);
        }
    }
    let mut found = Vec::new();
    for (owner, paths) in owners {
        let message = format!("the image has no {owner}, which owns {}", several(&paths));
        let hint =
            "a package or the config that makes the account is missing; whoever gets the number later owns the files";
        found.push(Diagnostic::warning("unknown-owner", message).hint(hint));
    }
    if !writable.is_empty() {
        let message = format!("all users may write to {}", several(&writable));
        let hint = "set another mode by `[[directory]]` or `[[file]]`, or the sticky bit for a folder that is shared";
        found.push(Diagnostic::warning("world-writable", message).hint(hint));
    }
    if !state.is_empty() {
        let message = format!(
            "others than root own {} with the right to write, on a file system that is read-only",
            several(&state)
        );
        let hint =
            "what is written when the system runs belongs below /var: a link there, or another setting of the program";
        found.push(Diagnostic::warning("writable-below-read-only", message).hint(hint));
    }
    found.extend([Scope::System, Scope::User].into_iter().flat_map(|scope| dangling_links(editor, scope)));
    editor.diagnostics.extend(found);
}

fn is_writable_by_all(entry: &Entry) -> bool {
    let is_plain = matches!(entry.kind, Kind::File(_) | Kind::Directory);
    is_plain && entry.mode & 0o002 != 0 && !(entry.is_directory() && entry.mode & 0o1000 != 0)
}

fn is_state(entry: &Entry) -> bool {
    (entry.uid != 0 && entry.mode & 0o200 != 0) || (entry.gid != 0 && entry.mode & 0o020 != 0)
}

/// The first few paths, and how many more there are.
fn several(paths: &[&TreePath]) -> String {
    let named: Vec<String> = paths.iter().take(NAMED).map(|path| format!("`{path}`")).collect();
    match paths.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Which folders nothing can be written to when the system runs.
struct ReadOnly(Vec<(TreePath, bool)>);

impl ReadOnly {
    fn of(config: &ImageConfig) -> Self {
        let layout = config.storage.layout();
        let mounts = layout
            .iter()
            .filter_map(|partition| Some((partition.mount.as_ref()?.as_str().parse().ok()?, partition.is_read_only)));
        let mut folders: Vec<(TreePath, bool)> = mounts.collect();
        // Memory, or a layer above the read-only root.
        for path in ["/dev", "/etc", "/proc", "/run", "/sys", "/tmp", "/var"] {
            folders.push((path.parse().expect("it is a path"), false));
        }
        Self(folders)
    }

    /// By the longest mount point above a path.
    fn holds(&self, path: &TreePath) -> bool {
        let above = self.0.iter().filter(|(folder, _)| path.is_below(folder));
        above.max_by_key(|(folder, _)| folder.as_str().len()).is_some_and(|(_, is_read_only)| *is_read_only)
    }
}

/// Links in `.wants` and like folders, and aliases, that lead to no unit.
fn dangling_links(editor: &Editor<'_>, scope: Scope) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for folder in scope.folders() {
        let Some(folder) = folder.parse().ok().and_then(|folder: TreePath| editor.tree.resolve(&folder)) else {
            continue;
        };
        for (path, entry) in editor.tree.below(&folder) {
            let Kind::Symlink(target) = &entry.kind else { continue };
            let Some(name) = UnitName::new(path.name()) else { continue };
            // What is in `.wants` is looked for by its name; the link itself need not lead anywhere.
            let is_pulled = path.parent().is_some_and(|parent| parent != folder);
            let leads = target == "/dev/null" || editor.follow(path).is_some();
            if leads || is_pulled && unit::find(editor, scope, &name) != Found::Nothing {
                continue;
            }
            let message = format!("the link `{path}` leads to `{target}`, which is not in the image");
            let hint = "the package that has the unit is missing, or one left its link behind";
            found.push(Diagnostic::warning("dangling-unit-link", message).hint(hint));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Image;

    #[test]
    fn finds_what_is_no_good() {
        let mut image = Image::new();
        image.file("/etc/passwd", "root:x:0:0::/:/x\napp:x:990:990::/:/x\n");
        image.file("/etc/group", "root:x:0:\napp:x:990:\n");
        for (path, mode, uid, gid) in [
            ("/usr/lib/a", 0o644, 7, 0),
            ("/usr/lib/b", 0o644, 7, 8),
            ("/usr/lib/c", 0o444, 7, 0),
            ("/usr/lib/d", 0o444, 7, 0),
            ("/usr/games/score", 0o664, 0, 990),
            ("/var/open", 0o666, 0, 0),
            ("/var/app", 0o644, 990, 990),
        ] {
            image.file(path, "");
            image.put(path, image.tree.get(path).unwrap().kind.clone(), mode);
            let entry = image.tree.get_mut(path).unwrap();
            (entry.uid, entry.gid) = (uid, gid);
        }
        image.put("/var/shared", Kind::Directory, 0o1777);
        image.put("/var/loose", Kind::Directory, 0o777);
        image.file("/usr/lib/systemd/system/a.service", "");
        image.file("/usr/lib/systemd/system/t@.service", "[Service]\n");
        image.link("/etc/systemd/system/x.target.wants/t@1.service", "/nowhere/t@.service");
        image.link("/etc/systemd/system/x.target.wants/gone.service", "/usr/lib/systemd/system/gone.service");
        image.link("/etc/systemd/system/masked.service", "/dev/null");
        let config = image.config("[[storage.partition]]\ntype = 'root'\n[[storage.partition]]\ntype = 'usr'\nverity = 'hash'\nfilesystem = 'erofs'\n");
        image.edit(|editor| {
            let accounts = Accounts::read(editor).unwrap();
            check_tree(editor, &config, &accounts);
        });
        assert_eq!(
            image.said(),
            [
                "warning unknown-owner: the image has no group 8, which owns `/usr/lib/b`",
                "warning unknown-owner: the image has no user 7, which owns `/usr/lib/a`, `/usr/lib/b`, `/usr/lib/c` and 1 more",
                "warning world-writable: all users may write to `/var/loose`, `/var/open`",
                "warning writable-below-read-only: others than root own `/usr/games/score`, `/usr/lib/a`, `/usr/lib/b` with the right to write, on a file system that is read-only",
                "warning dangling-unit-link: the link `/etc/systemd/system/x.target.wants/gone.service` leads to `/usr/lib/systemd/system/gone.service`, which is not in the image",
            ]
        );
    }
}

//! Does lines of tmpfiles.d(5) in the image, as `systemd-tmpfiles --create --root` would.
//!
//! | line | done in the image |
//! |---|---|
//! | below `/run`, `/tmp`, `/dev`, `/proc`, `/sys` | no: they are empty before each boot |
//! | with a specifier of the machine, with `!`, of a type that cleans or writes | no: systemd does it at boot |
//! | all others, `/var` and `/etc` too | yes: a read-only folder has no other time, and a container has no boot |

use std::collections::BTreeSet;

use bedplate_diag::Diagnostic;
use bedplate_tree::{Entry, Kind, TreePath};

use crate::configuration;
use crate::tmpfiles::{Parsed, TmpfilesLine};
use crate::{Accounts, CustomiseError, Editor, Specifiers, preset};

/// Folders that are the running system's.
const OF_THE_SYSTEM: [&str; 5] = ["/run", "/tmp", "/dev", "/proc", "/sys"];

/// What `C` and `L` take where they name nothing.
const FACTORY: &str = "/usr/share/factory";

/// A line, with the numbers of its owners.
struct Task {
    line: TmpfilesLine,
    uid: Option<u32>,
    gid: Option<u32>,
}

/// Does the lines of all tmpfiles.d files of the tree.
///
/// # Errors
///
/// If a file cannot be read or written. A line that is none, and one whose owner is not there, is a diagnostic.
pub fn make_temporary_files(
    editor: &mut Editor<'_>,
    specifiers: &Specifiers,
    accounts: &Accounts,
) -> Result<(), CustomiseError> {
    editor.step("tmpfiles");
    let mut makers: Vec<Task> = Vec::new();
    let mut adjusters: Vec<Task> = Vec::new();
    let mut made: BTreeSet<String> = BTreeSet::new();
    for file in configuration::files(editor, &configuration::folders("tmpfiles.d"), ".conf") {
        let text = editor.text(&file)?.unwrap_or_default();
        for (index, line) in text.lines().enumerate() {
            let line = match TmpfilesLine::parse(line, specifiers) {
                Ok(Parsed::Line(line)) => line,
                Ok(Parsed::Nothing | Parsed::AtBoot) => continue,
                Err(message) => {
                    let diagnostic = Diagnostic::warning("bad-tmpfiles-line", message);
                    editor.report_line(&file, &text, index + 1, diagnostic.hint("systemd passes over such a line"));
                    continue;
                }
            };
            if is_of_the_system(&line.path) {
                continue;
            }
            let uid = line.user.as_deref().map(|name| owner(name, |name| accounts.uid(name)).ok_or(("user", name)));
            let gid = line.group.as_deref().map(|name| owner(name, |name| accounts.gid(name)).ok_or(("group", name)));
            let (uid, gid) = match (uid.transpose(), gid.transpose()) {
                (Ok(uid), Ok(gid)) => (uid, gid),
                (Err((what, name)), _) | (_, Err((what, name))) => {
                    let message = format!("the image has no {what} `{name}`: the line cannot be done");
                    editor.report_line(&file, &text, index + 1, Diagnostic::warning("tmpfiles-owner", message));
                    continue;
                }
            };
            let task = Task { uid, gid, line };
            if !task.line.is_maker() {
                adjusters.push(task);
            } else if made.insert(task.line.path.clone()) || task.line.is_forced {
                // Of two lines that make the same, the first counts.
                makers.push(task);
            }
        }
    }
    for task in &makers {
        make(editor, task)?;
    }
    for task in &adjusters {
        for path in matching(editor, &task.line.path) {
            adjust(editor, task, &path);
        }
    }
    Ok(())
}

fn is_of_the_system(path: &str) -> bool {
    OF_THE_SYSTEM
        .iter()
        .any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

fn owner(text: &str, find: impl Fn(&str) -> Option<u32>) -> Option<u32> {
    if text == "root" { Some(0) } else { text.parse().ok().or_else(|| find(text)) }
}

fn make(editor: &mut Editor<'_>, task: &Task) -> Result<(), CustomiseError> {
    let line = &task.line;
    let Some(path) = line.place() else { return Ok(()) };
    let path = editor.place(&path)?;
    // Behind a link, such as `/var/run`.
    if is_of_the_system(path.as_str()) {
        return Ok(());
    }
    let source = || line.argument.clone().unwrap_or_else(|| format!("{FACTORY}{}", line.path));
    let (kind, mode) = match line.kind {
        'f' | 'F' => {
            let bytes = line.argument.as_deref().unwrap_or("").as_bytes();
            let digest = editor.store.put(bytes);
            let digest = digest.map_err(|source| CustomiseError::Content { path: path.clone(), source })?;
            (Kind::File(digest), 0o644)
        }
        'p' => (Kind::Fifo, 0o644),
        'L' => (Kind::Symlink(source()), 0o777),
        'C' => return copy(editor, task, &path, &source()),
        _ => (Kind::Directory, 0o755),
    };
    if line.kind == 'L' && line.is_conditional && editor.follow(&target_of(&path, &source())).is_none() {
        return Ok(());
    }
    let old = editor.tree.get(path.as_str()).map(|entry| entry.kind.clone());
    let is_same_kind = |old: &Kind| {
        std::mem::discriminant(old) == std::mem::discriminant(&kind)
            || matches!((old, &kind), (Kind::HardLink(_), Kind::File(_)))
    };
    match old {
        None => insert(editor, task, &path, editor.entry(kind, mode)),
        Some(old) if is_same_kind(&old) => {
            match &kind {
                Kind::File(_) if line.kind == 'F' || line.is_forced => {
                    let bytes = line.argument.as_deref().unwrap_or("").as_bytes();
                    editor.rewrite(&path, bytes, mode)?;
                }
                Kind::Symlink(_) if line.is_forced && old != kind => {
                    return insert(editor, task, &path, editor.entry(kind, mode));
                }
                _ => {}
            }
            adjust(editor, task, &path);
            Ok(())
        }
        Some(_) if line.replaces_other || line.is_forced && "pL".contains(line.kind) => {
            editor.tree.remove(&path);
            insert(editor, task, &path, editor.entry(kind, mode))
        }
        // A folder is wanted, and a link leads to one.
        Some(Kind::Symlink(_)) if kind == Kind::Directory => match editor.follow(&path) {
            Some((real, entry)) if entry.is_directory() => {
                adjust(editor, task, &real);
                Ok(())
            }
            _ => Ok(()),
        },
        Some(_) => Ok(()),
    }
}

/// The path that a link at `path` means, before other links are followed.
fn target_of(path: &TreePath, target: &str) -> TreePath {
    let mut at = path.parent().filter(|_| !target.starts_with('/')).unwrap_or_else(TreePath::root);
    for part in target.split('/') {
        at = match part {
            "" | "." => at,
            ".." => at.parent().unwrap_or(at),
            name => at.join(name).unwrap_or(at),
        };
    }
    at
}

/// Puts what is new, with mode and owner of the line.
fn insert(editor: &mut Editor<'_>, task: &Task, path: &TreePath, mut entry: Entry) -> Result<(), CustomiseError> {
    let is_link = matches!(entry.kind, Kind::Symlink(_));
    if let Some(mode) = task.line.mode.filter(|_| !is_link) {
        entry.mode = mode.bits;
    }
    entry.uid = task.uid.unwrap_or(0);
    entry.gid = task.gid.unwrap_or(0);
    Ok(editor.tree.insert(path.clone(), entry)?)
}

/// Copies a file or a folder with all below it, if nothing is there, or an empty folder.
fn copy(editor: &mut Editor<'_>, task: &Task, path: &TreePath, source: &str) -> Result<(), CustomiseError> {
    let Some(source) = source.parse().ok().and_then(|source: TreePath| editor.tree.resolve(&source)) else {
        return Ok(());
    };
    let is_taken = editor.tree.get(path.as_str()).is_some_and(|entry| !entry.is_directory())
        || editor.tree.children(path).next().is_some();
    if editor.tree.get(source.as_str()).is_none() || is_taken && !task.line.is_forced || path.is_below(&source) {
        return Ok(());
    }
    let files: Vec<(TreePath, Entry)> =
        editor.tree.below(&source).filter_map(|(from, entry)| Some((from.below(&source)?, entry.clone()))).collect();
    for (below, mut entry) in files {
        if let Kind::HardLink(target) = &entry.kind
            && let Some(file) = editor.tree.get(target.as_str())
        {
            entry = file.clone();
        }
        let place =
            if below.is_root() { path.clone() } else { path.join(below.relative()).expect("parts of paths of a tree") };
        if editor.tree.get(place.as_str()).is_some_and(|there| !(there.is_directory() && entry.is_directory())) {
            continue;
        }
        let made = editor.entry(entry.kind, entry.mode);
        let (uid, gid) = (task.uid.unwrap_or(entry.uid), task.gid.unwrap_or(entry.gid));
        editor.tree.insert(place, Entry { uid, gid, xattrs: entry.xattrs, ..made })?;
    }
    if let (Some(mode), Some(entry)) = (task.line.mode, editor.tree.get_mut(path.as_str())) {
        entry.mode = mode.bits;
    }
    Ok(())
}

/// Gives what is there the mode and the owner of the line; of `Z` also all below it.
fn adjust(editor: &mut Editor<'_>, task: &Task, path: &TreePath) {
    let line = &task.line;
    let paths: Vec<TreePath> = match line.kind {
        'Z' => editor.tree.below(path).map(|(path, _)| path.clone()).collect(),
        _ => vec![path.clone()],
    };
    for path in paths {
        let place = match editor.tree.get(path.as_str()).map(|entry| &entry.kind) {
            // The facts of a file are with its first name.
            Some(Kind::HardLink(target)) => target.clone(),
            Some(kind) if line.kind == 'e' && *kind != Kind::Directory => continue,
            _ => path,
        };
        let Some(entry) = editor.tree.get_mut(place.as_str()) else { continue };
        if let Some(mode) = line.mode.filter(|mode| !mode.if_new && !matches!(entry.kind, Kind::Symlink(_))) {
            let mut bits = mode.bits;
            if mode.is_masked {
                for class in [0o111, 0o222, 0o444] {
                    if entry.mode & class == 0 {
                        bits &= !class;
                    }
                }
                if !entry.is_directory() {
                    bits &= 0o777;
                }
            }
            entry.mode = bits;
        }
        if let Some(uid) = task.uid.filter(|_| !line.user_if_new) {
            entry.uid = uid;
        }
        if let Some(gid) = task.gid.filter(|_| !line.group_if_new) {
            entry.gid = gid;
        }
    }
}

/// The entries that a pattern means, folders of the running system left out. A part that begins with a dot is only met by one
/// that does.
fn matching(editor: &Editor<'_>, pattern: &str) -> Vec<TreePath> {
    let mut found = vec![TreePath::root()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for folder in found {
            let Some(folder) = editor.tree.resolve(&folder) else { continue };
            if !part.contains(['*', '?', '[']) {
                next.extend(folder.join(part).ok().filter(|path| editor.tree.get(path.as_str()).is_some()));
                continue;
            }
            let children = editor.tree.children(&folder).map(|(path, _)| path);
            let fits = |name: &str| {
                (!name.starts_with('.') || part.starts_with('.')) && preset::matches(part.as_bytes(), name.as_bytes())
            };
            next.extend(children.filter(|path| fits(path.name())).cloned());
        }
        found = next;
    }
    found.retain(|path| !is_of_the_system(path.as_str()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Image;

    #[test]
    fn what_cannot_be_done_is_said_with_its_line() {
        let mut image = Image::new();
        image.file(
            "/usr/lib/tmpfiles.d/a.conf",
            "d /var/lib/x 0755 who\nd /var/lib/y - root what\nj /x\nd /run/z - who\n",
        );
        image.edit(|editor| {
            let specifiers = Specifiers::of(editor, "x86-64").unwrap();
            let accounts = Accounts::read(editor).unwrap();
            make_temporary_files(editor, &specifiers, &accounts).unwrap();
        });
        assert_eq!(
            image.said(),
            [
                "/usr/lib/tmpfiles.d/a.conf:1: warning tmpfiles-owner: the image has no user `who`: the line cannot be done",
                "/usr/lib/tmpfiles.d/a.conf:2: warning tmpfiles-owner: the image has no group `what`: the line cannot be done",
                "/usr/lib/tmpfiles.d/a.conf:3: warning bad-tmpfiles-line: `j` is no type of tmpfiles.d",
            ]
        );
        assert!(image.tree.get("/var").is_none() && image.tree.get("/run").is_none());
    }

    #[test]
    fn links_on_a_condition_and_links_to_the_running_system() {
        let mut image = Image::new();
        image.link("/var/run", "../run");
        image.folder("/run");
        image.file("/usr/share/there", "");
        let lines = "L? /etc/one - - - - ../usr/share/there\nL? /etc/two - - - - /usr/share/nothing\nd /var/run/app\nf /usr/lib/%m/x\n";
        image.file("/usr/lib/tmpfiles.d/a.conf", lines);
        image.edit(|editor| {
            let specifiers = Specifiers::of(editor, "x86_64").unwrap();
            let accounts = Accounts::read(editor).unwrap();
            make_temporary_files(editor, &specifiers, &accounts).unwrap();
        });
        assert_eq!(image.said(), Vec::<String>::new());
        let paths: Vec<&str> =
            image.tree.iter().map(|(path, _)| path.as_str()).filter(|path| !path.starts_with("/usr")).collect();
        assert_eq!(paths, ["/", "/etc", "/etc/one", "/run", "/var", "/var/run"]);
    }
}

//! Folders of configuration files, in the way of systemd: `/etc` before `/run` before `/usr/local/lib` before `/usr/lib`.

use std::collections::BTreeMap;

use bedplate_tree::{Kind, TreePath};

use crate::Editor;

/// The folders of a name like `tmpfiles.d`, the strongest first. `/run` is empty in an image.
pub(crate) fn folders(name: &str) -> [String; 3] {
    ["/etc", "/usr/local/lib", "/usr/lib"].map(|above| format!("{above}/{name}"))
}

/// The files with this suffix in the folders, sorted by file name whatever folder they are in. Of several with one name, that of
/// the strongest folder counts; an empty one and a link to `/dev/null` hide the others and are left out.
pub(crate) fn files<S: AsRef<str>>(editor: &Editor<'_>, folders: &[S], suffix: &str) -> Vec<TreePath> {
    let mut found: BTreeMap<String, TreePath> = BTreeMap::new();
    for folder in folders {
        let Some(folder) = folder.as_ref().parse().ok().and_then(|folder| editor.tree.resolve(&folder)) else {
            continue;
        };
        for (path, entry) in editor.tree.children(&folder) {
            if path.name().ends_with(suffix) && !entry.is_directory() {
                found.entry(path.name().to_owned()).or_insert_with(|| path.clone());
            }
        }
    }
    found.into_values().filter(|path| !is_hidden(editor, path)).collect()
}

/// True for a link to `/dev/null` and an empty file.
pub(crate) fn is_hidden(editor: &Editor<'_>, path: &TreePath) -> bool {
    match editor.look(path.as_str()).map(|entry| &entry.kind) {
        Some(Kind::File(digest)) => digest.size == 0,
        Some(Kind::Symlink(target)) if target == "/dev/null" => true,
        Some(Kind::Symlink(_)) => editor.tree.resolve(path).is_some_and(|path| path.as_str() == "/dev/null"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Image;

    #[test]
    fn the_strongest_of_a_name_counts() {
        let mut image = Image::new();
        for (path, text) in [
            ("/usr/lib/x.d/b.conf", "x"),
            ("/usr/lib/x.d/a.conf", "x"),
            ("/usr/lib/x.d/hidden.conf", "x"),
            ("/usr/lib/x.d/empty.conf", "x"),
            ("/usr/lib/x.d/README", "x"),
            ("/etc/x.d/a.conf", "y"),
            ("/etc/x.d/empty.conf", ""),
            ("/usr/local/lib/x.d/c.conf", "z"),
        ] {
            image.file(path, text);
        }
        image.link("/etc/x.d/hidden.conf", "../../dev/null");
        let found = image.edit(|editor| files(editor, &folders("x.d"), ".conf"));
        let found: Vec<&str> = found.iter().map(TreePath::as_str).collect();
        assert_eq!(found, ["/etc/x.d/a.conf", "/usr/lib/x.d/b.conf", "/usr/local/lib/x.d/c.conf"]);
    }
}

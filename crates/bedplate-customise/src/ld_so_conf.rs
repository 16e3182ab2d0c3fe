//! `/etc/ld.so.conf`: the folders of libraries that an image adds to those of its C library (ldconfig(8)).

use bedplate_tree::TreePath;

use crate::{CustomiseError, Editor};

/// Files that include each other may not go deeper.
const DEPTH: usize = 8;

/// The folders that it names, in order, with the files that it includes.
///
/// # Errors
///
/// If a file cannot be read, or is not UTF-8.
pub(crate) fn folders(editor: &Editor<'_>) -> Result<Vec<TreePath>, CustomiseError> {
    let mut folders = Vec::new();
    read(editor, &"/etc/ld.so.conf".parse().expect("it is a path"), 0, &mut folders)?;
    Ok(folders)
}

fn read(editor: &Editor<'_>, file: &TreePath, depth: usize, folders: &mut Vec<TreePath>) -> Result<(), CustomiseError> {
    let Some(text) = editor.text(file)? else { return Ok(()) };
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or("").trim();
        let mut words = line.split_whitespace();
        match words.next() {
            Some("include") => {
                for pattern in words {
                    for included in matching(editor, file, pattern) {
                        if depth < DEPTH {
                            read(editor, &included, depth + 1, folders)?;
                        }
                    }
                }
            }
            // Once the names of hardware capabilities; the C library passes over it now.
            Some("hwcap") | None => {}
            Some(_) => {
                // A type behind `=` belongs to C libraries of before 1999.
                let folder = line.split('=').next().unwrap_or("").trim().trim_end_matches('/');
                folders.extend(folder.parse::<TreePath>());
            }
        }
    }
    Ok(())
}

/// The files that a pattern of an `include` line means, sorted. Only the last part has wildcards, as all distributions have it.
fn matching(editor: &Editor<'_>, file: &TreePath, pattern: &str) -> Vec<TreePath> {
    let (folder, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let folder: Option<TreePath> = match pattern.starts_with('/') {
        true => {
            if folder.is_empty() {
                Some(TreePath::root())
            } else {
                folder.parse().ok()
            }
        }
        false => {
            file.parent().and_then(|parent| if folder.is_empty() { Some(parent) } else { parent.join(folder).ok() })
        }
    };
    let Some(folder) = folder.and_then(|folder| editor.tree.resolve(&folder)) else { return Vec::new() };
    let files = editor.tree.children(&folder).filter(|(path, entry)| {
        !entry.is_directory()
            && (!path.name().starts_with('.') || name.starts_with('.'))
            && crate::preset::matches(name.as_bytes(), path.name().as_bytes())
    });
    files.map(|(path, _)| path.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Image;

    #[test]
    fn follows_includes() {
        let mut image = Image::new();
        image.file(
            "/etc/ld.so.conf",
            "# c\ninclude ld.so.conf.d/*.conf\n/opt/a/ # note\nhwcap 1 x\n/opt/b=libc6\ninclude /etc/ld.so.conf\n",
        );
        image.file("/etc/ld.so.conf.d/z.conf", "/opt/z\n");
        image.file("/etc/ld.so.conf.d/c.conf", "/opt/c\n");
        image.file("/etc/ld.so.conf.d/no.txt", "/opt/no\n");
        image.file("/etc/ld.so.conf.d/.hidden.conf", "/opt/no\n");
        let found = image.edit(|editor| folders(editor).unwrap());
        let found: Vec<&str> = found.iter().map(TreePath::as_str).take(4).collect();
        assert_eq!(found, ["/opt/c", "/opt/z", "/opt/a", "/opt/b"]);
    }
}

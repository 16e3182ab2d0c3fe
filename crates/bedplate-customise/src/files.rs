//! Files, folders and links of the image config: `[[file]]`, `[[directory]]`, `[[link]]`.

use bedplate_diag::Diagnostic;
use bedplate_image_config::{Directory, File, ImageConfig, ImagePath, Link, Mode, Owner, Spanned};
use bedplate_tree::{Entry, Kind, TreePath};

use crate::{Accounts, CustomiseError, Editor, users};

/// Puts the folders, files and links of the config into the tree, in this order. `accounts` are those of the image after
/// [`create_users`](crate::create_users).
///
/// # Errors
///
/// If a source cannot be read, or the store does not take it. What has no place in the tree, or an owner that is not there, is a
/// diagnostic.
pub fn place_files(editor: &mut Editor<'_>, config: &ImageConfig, accounts: &Accounts) -> Result<(), CustomiseError> {
    editor.step("files");
    for Directory { path, mode, owner, group, .. } in &config.directories {
        let Some((uid, gid)) = owners(editor, accounts, owner, group) else { continue };
        // A folder behind a link is changed where it is.
        let path = Spanned::new(tree_path(path), path.span);
        let Some(real) = editor.tree.resolve(&path.value) else { return Err(CustomiseError::Loop(path.value)) };
        let entry = Entry { uid, gid, ..editor.entry(Kind::Directory, bits(mode)) };
        put(editor, &Spanned::new(real, path.span), entry)?;
    }
    for File { path, content, source, mode, owner, group, .. } in &config.files {
        let Some((uid, gid)) = owners(editor, accounts, owner, group) else { continue };
        let place = tree_path(path);
        let digest = match (content, source) {
            (Some(content), _) => editor.store.put(content.as_bytes()),
            (None, Some(source)) => editor.store.put_file(&source.path),
            (None, None) => editor.store.put(b""),
        };
        let digest = digest.map_err(|source| CustomiseError::Content { path: place.clone(), source })?;
        let entry = Entry { uid, gid, ..editor.entry(Kind::File(digest), bits(mode)) };
        put(editor, &Spanned::new(place, path.span), entry)?;
    }
    for Link { path, target, .. } in &config.links {
        let entry = editor.entry(Kind::Symlink(target.as_str().to_owned()), 0o777);
        put(editor, &Spanned::new(tree_path(path), path.span), entry)?;
    }
    Ok(())
}

pub(crate) fn tree_path(path: &ImagePath) -> TreePath {
    path.as_str().parse().expect("paths of a config are paths of a tree")
}

pub(crate) fn bits(mode: &Mode) -> u16 {
    u16::try_from(mode.0).unwrap_or(0o7777)
}

/// Puts an entry at a path; that it has no place there is a diagnostic.
fn put(editor: &mut Editor<'_>, path: &Spanned<TreePath>, entry: Entry) -> Result<(), CustomiseError> {
    match editor.put(&path.value, entry) {
        Err(CustomiseError::Place(error)) => {
            let diagnostic = Diagnostic::error("no-place", error.to_string()).at(path.span);
            editor.diagnostics.push(diagnostic.hint("a package has made it what it is: choose another path"));
            Ok(())
        }
        other => other,
    }
}

/// The numbers of an owner and a group; none if one is not there, which is reported.
fn owners(
    editor: &mut Editor<'_>,
    accounts: &Accounts,
    owner: &Spanned<Owner>,
    group: &Spanned<Owner>,
) -> Option<(u32, u32)> {
    let uid = user_id(editor, accounts, owner);
    let gid = group_id(editor, accounts, group);
    Some((uid?, gid?))
}

pub(crate) fn user_id(editor: &mut Editor<'_>, accounts: &Accounts, owner: &Spanned<Owner>) -> Option<u32> {
    let Some(name) = name_of(owner) else { return number_of(owner) };
    let id = accounts.uid(name);
    if id.is_none() {
        users::unknown(editor, "user", name, accounts.users(), owner.span);
    }
    id
}

pub(crate) fn group_id(editor: &mut Editor<'_>, accounts: &Accounts, group: &Spanned<Owner>) -> Option<u32> {
    let Some(name) = name_of(group) else { return number_of(group) };
    let id = accounts.gid(name);
    if id.is_none() {
        users::unknown(editor, "group", name, accounts.groups(), group.span);
    }
    id
}

/// The name of an owner; root is there without a line in any file.
fn name_of(owner: &Owner) -> Option<&str> {
    match owner {
        Owner::Name(name) if name.as_str() != "root" => Some(name.as_str()),
        _ => None,
    }
}

fn number_of(owner: &Owner) -> Option<u32> {
    match owner {
        Owner::Id(id) => Some(*id),
        Owner::Name(_) => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Image;

    #[test]
    fn places_with_owners_and_modes() {
        let mut image = Image::new();
        image.file("/etc/passwd", "app:x:990:990::/:/x\n");
        image.file("/etc/group", "app:x:990:\n");
        image.link("/lib", "usr/lib");
        image.folder("/usr/lib");
        image.folder("/srv/real");
        image.link("/srv/data", "real");
        let outside = image.write_outside("motd", "from a file\n");
        let config = image.config(&format!(
            "[[directory]]\npath = '/srv/data'\nmode = '1777'\nowner = 'app'\n\
             [[file]]\npath = '/lib/x.conf'\ncontent = 'a'\nmode = '0640'\ngroup = 'app'\nowner = 7\n\
             [[file]]\npath = '/etc/motd'\nsource = '{outside}'\n\
             [[link]]\npath = '/etc/alias'\ntarget = 'motd'\n"
        ));
        image.edit(|editor| {
            let accounts = Accounts::read(editor).unwrap();
            place_files(editor, &config, &accounts).unwrap();
        });
        assert_eq!(image.said(), Vec::<String>::new());
        let facts = |path: &str| image.tree.get(path).map(|entry| (entry.mode, entry.uid, entry.gid)).unwrap();
        assert_eq!(facts("/srv/real"), (0o1777, 990, 0));
        assert_eq!(facts("/usr/lib/x.conf"), (0o640, 7, 990));
        assert_eq!(facts("/etc/motd"), (0o644, 0, 0));
        assert_eq!(image.text("/etc/alias"), "from a file\n");
    }

    #[test]
    fn what_has_no_place_or_owner_is_said() {
        let mut image = Image::new();
        image.file("/etc/passwd", "postgres:x:990:990::/:/x\n");
        image.file("/usr/bin/tool", "");
        image.file("/opt/full/file", "");
        let config = image.config(
            "[[file]]\npath = '/a'\ncontent = ''\nowner = 'postgre'\ngroup = 'none'\n\
             [[file]]\npath = '/usr/bin/tool/x'\ncontent = ''\n[[link]]\npath = '/opt/full'\ntarget = 'x'\n",
        );
        image.edit(|editor| {
            let accounts = Accounts::read(editor).unwrap();
            place_files(editor, &config, &accounts).unwrap();
        });
        assert_eq!(
            image.said(),
            [
                "image.toml:6: error unknown-account: the image has no user `postgre`",
                "image.toml:7: error unknown-account: the image has no group `none`",
                "image.toml:9: error no-place: `/usr/bin/tool/x` has no place: `/usr/bin/tool` is a file, not a folder",
                "image.toml:12: error no-place: `/opt/full` is a folder with files and cannot become a symbolic link",
            ]
        );
    }
}

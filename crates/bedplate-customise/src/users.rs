//! Users and groups of the image config: `[[user]]` and `[[group]]`.

use bedplate_diag::{Diagnostic, Span, nearest};
use bedplate_image_config::{Group, GroupName, ImageConfig, Spanned, User};
use bedplate_tree::{Kind, TreePath};

use crate::accounts::NewUser;
use crate::system_users::NO_LOGIN;
use crate::{Accounts, CustomiseError, Editor};

/// Ids of people, where they are not given.
const PEOPLE: std::ops::RangeInclusive<u32> = 1000..=60_000;
/// Ids of services, where they are not given.
const SYSTEM: std::ops::RangeInclusive<u32> = 100..=999;

/// No password opens the account; keys of ssh do. (`!` in front would bar these too where sshd does not ask PAM.)
const NO_PASSWORD: &str = "*";

/// Makes and changes the groups and users that the config names, with home folders and keys of ssh, and writes the account files.
///
/// # Errors
///
/// If a file cannot be read or written. What contradicts the accounts of the packages is a diagnostic.
pub fn create_users(editor: &mut Editor<'_>, config: &ImageConfig) -> Result<Accounts, CustomiseError> {
    editor.step("users");
    let mut accounts = Accounts::read(editor)?;
    for group in &config.groups {
        make_group(editor, &mut accounts, group);
    }
    for user in &config.users {
        make_user(editor, &mut accounts, user);
    }
    // Users may be members of the own groups of later ones.
    for user in &config.users {
        join_groups(editor, &mut accounts, user);
    }
    for group in &config.groups {
        for member in &group.members {
            if accounts.uid(member.as_str()).is_some() {
                accounts.add_member(group.name.as_str(), member.as_str());
            } else {
                unknown(editor, "user", member.as_str(), accounts.users(), member.span);
            }
        }
    }
    for user in config.users.iter().filter(|user| accounts.uid(user.name.as_str()).is_some()) {
        make_home(editor, &accounts, user)?;
    }
    accounts.write(editor)?;
    Ok(accounts)
}

/// Reports a user or group that is not there, with a name that is near.
pub(crate) fn unknown<'n>(
    editor: &mut Editor<'_>,
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'n str>,
    span: Span,
) {
    let hint = match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("name it as `[[{what}]]` in the config, or install the package that makes it"),
    };
    editor
        .diagnostics
        .push(Diagnostic::error("unknown-account", format!("the image has no {what} `{name}`")).at(span).hint(hint));
}

fn make_group(editor: &mut Editor<'_>, accounts: &mut Accounts, group: &Group) {
    let name = group.name.as_str();
    if let Some(there) = accounts.gid(name) {
        if let Some(gid) = group.gid.filter(|gid| gid.value != there) {
            editor.diagnostics.push(other_id("group", name, there, gid));
        }
        return;
    }
    let gid = match group.gid {
        Some(gid) => match accounts.group_of(gid.value) {
            Some(other) => {
                editor.diagnostics.push(taken("group", name, gid, other));
                return;
            }
            None => Some(gid.value),
        },
        None => free(group.system.value, |id| accounts.group_of(id).is_none()),
    };
    match gid {
        Some(gid) => accounts.add_group(name, gid),
        None => editor
            .diagnostics
            .push(Diagnostic::error("no-free-id", format!("no id is free for the group `{name}`")).at(group.name.span)),
    }
}

fn other_id(what: &str, name: &str, there: u32, wanted: Spanned<u32>) -> Diagnostic {
    let message = format!("the {what} `{name}` of the packages has the id {there}, not {}", wanted.value);
    let hint = "files of packages have the id already: leave it out, or give it in a sysusers.d file of a package";
    Diagnostic::error("id-differs", message).at(wanted.span).hint(hint)
}

fn taken(what: &str, name: &str, wanted: Spanned<u32>, other: &str) -> Diagnostic {
    let message = format!("the id {} of the {what} `{name}` is that of `{other}`", wanted.value);
    Diagnostic::error("id-taken", message).at(wanted.span).hint("choose another id, or leave it out")
}

fn free(is_system: bool, is_free: impl Fn(u32) -> bool) -> Option<u32> {
    if is_system { SYSTEM.rev().find(|id| is_free(*id)) } else { PEOPLE.into_iter().find(|id| is_free(*id)) }
}

fn make_user(editor: &mut Editor<'_>, accounts: &mut Accounts, user: &User) {
    let name = user.name.as_str();
    let day = editor.epoch() / 86_400;
    if let Some(shell) = &user.shell
        && editor.follow(&shell.as_str().parse().expect("paths of a config are paths of a tree")).is_none()
    {
        let message = format!("the shell `{shell}` of the user `{name}` is not in the image");
        let hint = "without its shell, the user cannot log in: install it, or name another";
        editor.diagnostics.push(Diagnostic::warning("missing-shell", message).at(shell.span).hint(hint));
    }
    if let Some(there) = accounts.uid(name) {
        if let Some(uid) = user.uid.filter(|uid| uid.value != there) {
            editor.diagnostics.push(other_id("user", name, there, uid));
        }
        let gid =
            user.group.as_ref().and_then(|group| primary_group(editor, accounts, group)).map(|gid| gid.to_string());
        let columns = [
            (3, gid.as_deref()),
            (4, user.description.as_ref().map(|text| text.as_str())),
            (5, user.home.as_ref().map(|path| path.as_str())),
            (6, user.shell.as_ref().map(|path| path.as_str())),
        ];
        accounts.change_user(name, &columns);
        match &user.password {
            Some(hash) => accounts.set_password(name, hash.as_str(), &day.to_string()),
            // What is locked for all ways to log in is opened for keys.
            None if !user.ssh_keys.is_empty() && accounts.password(name).is_none_or(|old| old.starts_with('!')) => {
                accounts.set_password(name, NO_PASSWORD, &day.to_string());
            }
            None => {}
        }
        return;
    }
    let uid = match user.uid {
        Some(uid) => match accounts.user_of(uid.value) {
            Some(other) => {
                editor.diagnostics.push(taken("user", name, uid, other));
                return;
            }
            None => Some(uid.value),
        },
        // Best an id that the user's own group can have as well.
        None => {
            let own = accounts.gid(name).filter(|gid| accounts.user_of(*gid).is_none());
            own.or_else(|| {
                free(user.system.value, |id| accounts.user_of(id).is_none() && accounts.group_of(id).is_none())
            })
        }
    };
    let Some(uid) = uid else {
        let message = format!("no id is free for the user `{name}`");
        editor.diagnostics.push(Diagnostic::error("no-free-id", message).at(user.name.span));
        return;
    };
    let gid = match &user.group {
        Some(group) => primary_group(editor, accounts, group),
        None => own_group(accounts, name, uid, user.system.value),
    };
    let Some(gid) = gid else { return };
    let is_system = user.system.value;
    let home = if is_system { "/".to_owned() } else { format!("/home/{name}") };
    let shell = if is_system { NO_LOGIN } else { login_shell(editor) };
    accounts.add_user(
        &NewUser {
            name: name.to_owned(),
            uid,
            gid,
            comment: user.description.as_ref().map_or(String::new(), |text| text.to_string()),
            home: user.home.as_ref().map_or(home, |path| path.to_string()),
            shell: user.shell.as_ref().map_or(shell.to_owned(), |path| path.to_string()),
            password: match &user.password {
                Some(hash) => Some(hash.to_string()),
                None => (!is_system || !user.ssh_keys.is_empty()).then(|| NO_PASSWORD.to_owned()),
            },
            is_locked: false,
        },
        day,
    );
}

/// bash, if the image has it.
fn login_shell(editor: &Editor<'_>) -> &'static str {
    let bash = "/bin/bash";
    if editor.follow(&bash.parse().expect("it is a path")).is_some() { bash } else { "/bin/sh" }
}

fn own_group(accounts: &mut Accounts, name: &str, uid: u32, is_system: bool) -> Option<u32> {
    if let Some(gid) = accounts.gid(name) {
        return Some(gid);
    }
    let is_free = |id| accounts.group_of(id).is_none();
    let gid = Some(uid).filter(|id| is_free(*id)).or_else(|| free(is_system, is_free))?;
    accounts.add_group(name, gid);
    Some(gid)
}

fn primary_group(editor: &mut Editor<'_>, accounts: &Accounts, group: &Spanned<GroupName>) -> Option<u32> {
    let gid = accounts.gid(group.as_str());
    if gid.is_none() {
        unknown(editor, "group", group.as_str(), accounts.groups(), group.span);
    }
    gid
}

fn join_groups(editor: &mut Editor<'_>, accounts: &mut Accounts, user: &User) {
    for group in &user.groups {
        if accounts.gid(group.as_str()).is_none() {
            unknown(editor, "group", group.as_str(), accounts.groups(), group.span);
        } else if accounts.uid(user.name.as_str()).is_some() {
            accounts.add_member(group.as_str(), user.name.as_str());
        }
    }
}

/// Makes the home folder with what `/etc/skel` has, and writes the keys.
fn make_home(editor: &mut Editor<'_>, accounts: &Accounts, user: &User) -> Result<(), CustomiseError> {
    let name = user.name.as_str();
    let (Some(uid), Some(gid)) = (accounts.uid(name), accounts.primary_gid(name)) else { return Ok(()) };
    let home: Option<TreePath> = accounts.home(name).and_then(|home| home.trim_end_matches('/').parse().ok());
    let keys = &user.ssh_keys;
    let Some(home) = home.filter(|home| !home.is_root()) else {
        if let Some(key) = keys.first() {
            let message = format!("the user `{name}` has keys of ssh but no home folder for them");
            let hint = "give the user a `home`";
            editor.diagnostics.push(Diagnostic::error("keys-without-home", message).at(key.span).hint(hint));
        }
        return Ok(());
    };
    if user.system.value && keys.is_empty() {
        return Ok(());
    }
    let Some(home) = editor.tree.resolve(&home) else { return Err(CustomiseError::Loop(home)) };
    let folder = |editor: &Editor<'_>, mode| bedplate_tree::Entry { uid, gid, ..editor.entry(Kind::Directory, mode) };
    match editor.tree.get(home.as_str()) {
        Some(entry) if entry.is_directory() => {}
        Some(entry) => {
            let message = format!("the home folder `{home}` of the user `{name}` is {}", entry.kind.what());
            let span = user.home.as_ref().map_or(user.name.span, |home| home.span);
            editor.diagnostics.push(Diagnostic::error("no-place", message).at(span));
            return Ok(());
        }
        None => {
            editor.tree.insert(home.clone(), folder(editor, 0o700))?;
            let skeleton: TreePath = "/etc/skel".parse().expect("it is a path");
            let files: Vec<_> = editor
                .tree
                .below(&skeleton)
                .filter_map(|(path, entry)| Some((path.below(&skeleton)?, entry.clone())))
                .filter(|(path, _)| !path.is_root())
                .collect();
            for (path, mut entry) in files {
                // Another name of a file becomes a file: the two are in different hands now.
                if let Kind::HardLink(target) = &entry.kind
                    && let Some(file) = editor.tree.get(target.as_str())
                {
                    entry = file.clone();
                }
                let made = editor.entry(entry.kind, entry.mode);
                let place = home.join(path.relative()).expect("parts of paths of a tree");
                editor.tree.insert(place, bedplate_tree::Entry { uid, gid, ..made })?;
            }
        }
    }
    if keys.is_empty() {
        return Ok(());
    }
    let ssh = home.join(".ssh").expect("it is a plain name");
    if editor.tree.get(ssh.as_str()).is_none() {
        editor.tree.insert(ssh.clone(), folder(editor, 0o700))?;
    }
    let file = ssh.join("authorized_keys").expect("it is a plain name");
    let mut text = editor.text(&file)?.unwrap_or_default();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for key in keys {
        if !text.lines().any(|line| line == key.as_str()) {
            text.push_str(&format!("{key}\n"));
        }
    }
    editor.write(&file, text.as_bytes(), 0o600)?;
    if let Some(entry) = editor.tree.get_mut(file.as_str()) {
        (entry.uid, entry.gid) = (uid, gid);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Image;

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKIyrN1ZyzVlkNQ1mBnFsYV4XqXZbPgT7Kk5gX0yqV me@example";

    fn image() -> Image {
        let mut image = Image::new();
        image.file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\napp:x:990:990::/:/usr/sbin/nologin\n");
        image.file("/etc/shadow", "root:!*:19000::::::\napp:!*:19000::::::\n");
        image.file("/etc/group", "root:x:0:\nwheel:x:10:\napp:x:990:\npeople:x:1000:\n");
        image.file("/etc/gshadow", "root:!*::\nwheel:!*::\napp:!*::\npeople:!*::\n");
        image.file("/bin/bash", "");
        image.folder("/root");
        image
    }

    #[test]
    fn makes_and_changes_accounts() {
        let mut image = image();
        image.file("/etc/skel/.bashrc", "x");
        image.put("/etc/skel/.config", Kind::Directory, 0o700);
        let config = image.config(&format!(
            "[[group]]\nname = 'operators'\ngid = 1500\nmembers = ['core']\n[[group]]\nname = 'svc'\nsystem = true\n\
             [[user]]\nname = 'core'\ngroups = ['wheel']\ndescription = 'Core'\nssh-keys = ['{KEY}']\n\
             [[user]]\nname = 'root'\nssh-keys = ['{KEY}']\n\
             [[user]]\nname = 'daemon'\nsystem = true\ngroup = 'svc'\n\
             [[user]]\nname = 'app'\nshell = '/bin/bash'\n"
        ));
        image.edit(|editor| create_users(editor, &config).map(drop).unwrap());
        assert_eq!(image.said(), Vec::<String>::new());
        assert_eq!(
            image.text("/etc/passwd"),
            "root:x:0:0:root:/root:/bin/bash\napp:x:990:990::/:/bin/bash\n\
             core:x:1001:1001:Core:/home/core:/bin/bash\ndaemon:x:998:999::/:/usr/sbin/nologin\n"
        );
        assert_eq!(
            image.text("/etc/shadow"),
            "root:*:19675::::::\napp:!*:19000::::::\ncore:*:19675::::::\ndaemon:!*:19675::::::\n"
        );
        assert_eq!(
            image.text("/etc/group"),
            "root:x:0:\nwheel:x:10:core\napp:x:990:\npeople:x:1000:\noperators:x:1500:core\nsvc:x:999:\ncore:x:1001:\n"
        );
        for (path, mode, owner) in [
            ("/home/core", 0o700, 1001),
            ("/home/core/.bashrc", 0o644, 1001),
            ("/home/core/.config", 0o700, 1001),
            ("/home/core/.ssh", 0o700, 1001),
            ("/home/core/.ssh/authorized_keys", 0o600, 1001),
            ("/root/.ssh/authorized_keys", 0o600, 0),
        ] {
            let entry = image.tree.get(path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!((entry.mode, entry.uid, entry.gid), (mode, owner, owner), "{path}");
        }
        assert_eq!(image.text("/root/.ssh/authorized_keys"), format!("{KEY}\n"));
        let tree = image.tree.clone();
        image.edit(|editor| create_users(editor, &config).map(drop).unwrap());
        assert_eq!(image.tree, tree, "a second time changes nothing");
    }

    #[test]
    fn mistakes_point_at_the_config() {
        let mut image = image();
        image.file("/home/file", "");
        let config = image.config(&format!(
            "[[group]]\nname = 'wheel'\ngid = 11\n[[group]]\nname = 'new'\ngid = 10\n\
             [[user]]\nname = 'a'\nuid = 990\n[[user]]\nname = 'app'\nuid = 1\ngroups = ['weel']\n\
             [[user]]\nname = 'b'\nshell = '/bin/fish'\ngroup = 'nowhere'\n\
             [[user]]\nname = 'c'\nsystem = true\nssh-keys = ['{KEY}']\n[[user]]\nname = 'file'\n"
        ));
        image.edit(|editor| create_users(editor, &config).map(drop).unwrap());
        assert_eq!(
            image.said(),
            [
                "image.toml:5: error id-differs: the group `wheel` of the packages has the id 10, not 11",
                "image.toml:8: error id-taken: the id 10 of the group `new` is that of `wheel`",
                "image.toml:11: error id-taken: the id 990 of the user `a` is that of `app`",
                "image.toml:14: error id-differs: the user `app` of the packages has the id 990, not 1",
                "image.toml:18: warning missing-shell: the shell `/bin/fish` of the user `b` is not in the image",
                "image.toml:19: error unknown-account: the image has no group `nowhere`",
                "image.toml:15: error unknown-account: the image has no group `weel`",
                "image.toml:23: error keys-without-home: the user `c` has keys of ssh but no home folder for them",
                "image.toml:25: error no-place: the home folder `/home/file` of the user `file` is a file",
            ]
        );
        assert_eq!(image.diagnostics[6].hint.as_deref(), Some("did you mean `wheel`?"));
    }
}

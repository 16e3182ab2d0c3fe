//! What our tmpfiles make is what `systemd-tmpfiles --create --root` makes, outside of the folders of the running system.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};

use bedplate_customise::{Accounts, Specifiers, make_temporary_files};

use crate::support::Root;

fn agrees(mut root: Root) {
    let ours = root.ours(|editor| {
        let specifiers = Specifiers::of(editor, "x86-64").unwrap();
        let accounts = Accounts::read(editor).unwrap();
        make_temporary_files(editor, &specifiers, &accounts).unwrap();
    });
    assert!(root.said.is_empty(), "{:?}", root.said);
    // It fails where something else is in the way, after it has done the rest.
    root.try_theirs("systemd-tmpfiles", &["--create", "--root", root.path().to_str().unwrap()]);
    root.assert_same(&ours, |path| ["/run", "/tmp"].iter().any(|folder| path.starts_with(folder)));
}

const ACCOUNTS: [(&str, &str); 2] =
    [("/etc/passwd", "root:x:0:0::/:/x\napp:x:990:991::/:/x\n"), ("/etc/group", "root:x:0:\napp:x:991:\ntty:x:5:\n")];

fn root(files: &[(&str, &str)]) -> Root {
    Root::new(&[&ACCOUNTS, files].concat())
}

#[test]
fn makes_files_folders_links() {
    let root = root(&[
        ("/usr/lib/os-release", "ID=node\n"),
        (
            "/usr/lib/tmpfiles.d/a.conf",
            "# comment\n\
            d /var/lib/app 0750 app app -\nd /var/lib/deep/er/still\nd /run/x\nd /var/run/app\n\
            d /var/lib/%o-%a\nf /var/lib/file 0600 app tty - some text\\nmore\\x20%%\nf /var/lib/empty\n\
            L /etc/link - - - - ../usr/x\nL /etc/there - - - - new\nL+ /etc/forced - - - - new\nL+ /etc/replaced - - - - new\n\
            p /var/lib/pipe 0620 - tty\nD /var/lib/emptied 1777\nq /var/tmp 1777\nv /srv 0711\n\
            d /var/lib/app 0700 root root\nf /etc/kept 0640 - - - changed\nF /etc/written 0600 - - - new\nf+ /etc/written2 - - - - new\n\
            d /etc/file-there\nd= /etc/was-file\n",
        ),
        ("/etc/there", "-> old"),
        ("/etc/forced", "-> old"),
        ("/etc/replaced", "file"),
        ("/etc/kept", "old"),
        ("/etc/written", "old"),
        ("/etc/written2", "old"),
        ("/etc/file-there", "x"),
        ("/etc/was-file", "x"),
        ("/var/run", "-> ../run"),
        ("/run/keep", ""),
    ]);
    fs::create_dir_all(root.at("/var/lib/emptied")).unwrap();
    fs::write(root.at("/var/lib/emptied/file"), "").unwrap();
    agrees(root);
}

#[test]
fn copies_of_the_factory() {
    let root = root(&[
        ("/usr/share/factory/etc/pam.d/other", "x"),
        ("/usr/share/factory/etc/pam.d/login", "-> other"),
        ("/usr/share/factory/etc/issue", "hello"),
        ("/usr/share/factory/etc/full/new", "new"),
        ("/etc/full/old", "old"),
        (
            "/usr/lib/tmpfiles.d/etc.conf",
            "C /etc/pam.d\nC! /etc/no\nC /etc/issue\nC /etc/full\nC /etc/none\nC /etc/other 0750 app app - /usr/share/factory/etc/pam.d\nL /etc/linked\n",
        ),
    ]);
    fs::create_dir_all(root.at("/etc/issue.d")).unwrap();
    agrees(root);
}

#[test]
fn adjusts_what_is_there() {
    let root = root(&[
        ("/var/log/a.log", ""),
        ("/var/log/b.log", ""),
        ("/var/log/.hidden.log", ""),
        ("/var/log/deep/x.log", ""),
        ("/var/data/program", ""),
        ("/var/data/folder/file", ""),
        ("/var/data/link", "-> program"),
        ("/var/masked/program", ""),
        ("/var/masked/text", ""),
        ("/var/new/file", ""),
        (
            "/usr/lib/tmpfiles.d/a.conf",
            "z /var/log/*.log 0640 root app\nZ /var/data - app app\nZ /var/masked ~2777\n\
            z /var/new/file :0600 :app :app\nd /var/made :0700 :app\ne /var/log/* 0700 app\nz /var/missing 0700\n",
        ),
    ]);
    fs::set_permissions(root.at("/var/masked/program"), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(root.at("/var/masked/text"), Permissions::from_mode(0o644)).unwrap();
    chown(root.at("/var/new/file"), Some(7), Some(7)).unwrap();
    agrees(root);
}

#[test]
fn files_of_stronger_folders_hide() {
    agrees(root(&[
        ("/usr/lib/tmpfiles.d/a.conf", "d /var/hidden\n"),
        ("/etc/tmpfiles.d/a.conf", "d /var/shown\n"),
        ("/usr/lib/tmpfiles.d/b.conf", "d /var/same 0700\n"),
        ("/usr/lib/tmpfiles.d/c.conf", "d /var/same 0711\nd /var/a/b\nd /var/a 0700\n"),
        ("/etc/tmpfiles.d/off.conf", "-> /dev/null"),
        ("/usr/lib/tmpfiles.d/off.conf", "d /var/off\n"),
    ]));
}

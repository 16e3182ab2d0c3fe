//! Our system users are those of `systemd-sysusers --root`.

use bedplate_customise::{Specifiers, create_system_users};

use crate::support::Root;

/// Runs both on the same root and compares all files.
fn agrees(files: &[(&str, &str)]) {
    let mut root = Root::new(files);
    let ours = root.ours(|editor| {
        let specifiers = Specifiers::of(editor, "x86-64").unwrap();
        create_system_users(editor, &specifiers, &[]).unwrap();
    });
    root.theirs("systemd-sysusers", &["--root", root.path().to_str().unwrap()]);
    // It keeps what was there before, and its lock.
    root.assert_same(&ours, |path| path.ends_with('-') || path == "/etc/.pwd.lock");
}

const BASE: [(&str, &str); 2] = [
    ("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nbin:x:1:1:bin:/bin:/sbin/nologin\n"),
    ("/etc/group", "root:x:0:\nbin:x:1:\nwheel:x:10:\n"),
];

#[test]
fn an_empty_root() {
    agrees(&[(
        "/usr/lib/sysusers.d/basic.conf",
        "# comment\n\nu root 0 \"Super User\" /root /bin/bash\nu nobody 65534:65534 \"Nobody\" - -\n\
         g tty 5 - -\ng utmp - -\ng nobody 65534\nu systemd-network 192 \"Network\"\nu app - 'An App' /var/lib/app\n",
    )]);
}

#[test]
fn accounts_that_are_there() {
    let mut files = BASE.to_vec();
    files.extend([
        ("/etc/shadow", "root:*:19000:0:99999:7:::\nbin:*:19000:0:99999:7:::\n"),
        ("/etc/gshadow", "root:::\nbin:::\nwheel:::\n"),
        ("/usr/lib/sysusers.d/a.conf", "u bin 7\ng wheel 99\nm bin wheel\nu new 1\nu other 10\n"),
        ("/usr/lib/sysusers.d/b.conf", "u third\nm third wheel\nm bin third\n"),
    ]);
    agrees(&files);
}

#[test]
fn ids_that_collide() {
    let mut files = BASE.to_vec();
    files.push((
        "/usr/lib/sysusers.d/a.conf",
        "g first 500\ng second 500\nu user500 500\nu third 500\ng user600 600\nu user600 601\nu taken 0\nu half 700\ng half 701\n",
    ));
    agrees(&files);
}

#[test]
fn ranges_and_primary_groups() {
    let mut files = BASE.to_vec();
    files.push((
        "/usr/lib/sysusers.d/a.conf",
        "r - 310-312\nr - 400\ng g1\ng g2\nu u1\nu u2 -:wheel\nu u3 55:10\nu u4 56:g1\n",
    ));
    agrees(&files);
}

#[test]
fn ids_of_files_and_specifiers() {
    let mut files = BASE.to_vec();
    files.extend([
        ("/usr/lib/os-release", "ID=node\nVERSION_ID=4\nIMAGE_VERSION=2\n"),
        ("/usr/lib/data", "x"),
        (
            "/usr/lib/sysusers.d/a.conf",
            "u app /usr/lib/data \"%o %w %%\" %V/app /bin/%a\ng files /usr/lib/data\nu none /nowhere\n",
        ),
    ]);
    let mut root = Root::new(&files);
    std::os::unix::fs::chown(root.at("/usr/lib/data"), Some(333), Some(334)).unwrap();
    let ours = root.ours(|editor| {
        let specifiers = Specifiers::of(editor, "x86-64").unwrap();
        create_system_users(editor, &specifiers, &[]).unwrap();
    });
    root.theirs("systemd-sysusers", &["--root", root.path().to_str().unwrap()]);
    root.assert_same(&ours, |path| path.ends_with('-') || path == "/etc/.pwd.lock");
}

#[test]
fn files_in_several_folders() {
    let mut files = BASE.to_vec();
    files.extend([
        ("/usr/lib/sysusers.d/a.conf", "u hidden\n"),
        ("/etc/sysusers.d/a.conf", "u shown\n"),
        ("/usr/lib/sysusers.d/z.conf", "u last\nu shown - again\n"),
        ("/usr/lib/sysusers.d/off.conf", "u off\n"),
        ("/etc/sysusers.d/off.conf", "-> /dev/null"),
        ("/usr/lib/sysusers.d/m.conf", "g middle\n"),
    ]);
    agrees(&files);
}

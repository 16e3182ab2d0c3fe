//! Commands that run as root of an image.

use std::process::Command;

use super::*;

/// A folder with `layer`, `base` and `helper` that ordinary users may enter.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let base = folder.path().join("place");
    std::fs::create_dir_all(base.join("layer/folder/deep")).unwrap();
    let copied = Command::new("cp").arg("-a").arg(busybox_root()).arg(base.join("base")).status();
    assert!(copied.unwrap().success());
    for name in ["owned", "kept", "gone", "folder/file", "folder/deep/file", "linked"] {
        std::fs::write(base.join("layer").join(name), format!("{name}\n")).unwrap();
    }
    std::fs::copy(probe(), base.join("layer/probe")).unwrap();
    std::fs::copy(HELPER, folder.path().join("helper")).unwrap();
    (folder, base)
}

/// What the helper prints when root runs it, and when an ordinary user does, which has to be the same.
fn series(scripts: &[&str]) -> String {
    let as_root = {
        let (_folder, base) = place();
        let output = Command::new(HELPER).arg("series").arg(&base).args(scripts).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(series_of_user(65536, scripts), as_root);
    as_root
}

/// What it prints when an ordinary user runs it who has so many sub-ids.
fn series_of_user(ids: u32, scripts: &[&str]) -> String {
    let (folder, base) = place();
    for file in ["subuid", "subgid"] {
        std::fs::write(folder.path().join(file), format!("nobody:1500000000:{ids}\n")).unwrap();
    }
    assert!(Command::new("chown").args(["-R", "nobody:nogroup"]).arg(&base).status().unwrap().success());
    let script = "mount --bind $0/subuid /etc/subuid; mount --bind $0/subgid /etc/subgid; \
                  exec setpriv --reuid nobody --regid nogroup --clear-groups -- $0/helper series $0/place \"$@\"";
    for ids in ["/etc/subuid", "/etc/subgid"] {
        // Something to mount over.
        std::fs::OpenOptions::new().append(true).create(true).open(ids).unwrap();
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", script]).arg(folder.path()).args(scripts).current_dir("/");
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

#[test]
fn too_few_ids_are_named() {
    let said = series_of_user(10, &["echo never"]);
    assert!(said.contains("from 0 to 65534, and there are 3 of them here; give whoever"), "{said}");
}

#[test]
fn what_they_see_and_how_they_end() {
    let said = series(&[
        "id -u; id -G; pwd; umask; echo $0 $1 $SCRIPT; cat; cat /owned; stat -c '%u:%g %a' /owned /dev /tmp /run; ls -A /run",
        "printf 'no newline'; (sleep 100 &) ; sleep 100 & touch /run/x /tmp/y",
        "ls /run /tmp; wget -q http://192.0.2.1/",
        "exit 3",
        "echo never",
    ]);
    let expected = "\
0: 0\n0: 0\n0: /\n0: 0022\n0: /var/tmp/script argument yes\n0: one\n0: two\n0: owned\n0: 81:82 4750\n0: 0:0 755\n0: 0:0 1777\n0: 0:0 755\n0 ended: Exited(0)\n\
1: no newline\n1 ended: Exited(0)\n\
2: /run:\n2: x\n2: \n2: /tmp:\n2: y\n2: wget: can't connect to remote host (192.0.2.1): Network is unreachable\n\
2 ended: Exited(1)\nend: exit status 1\nviolation: `wget` tried to reach 192.0.2.1 port 80 over TCP\n";
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn what_they_wrote_is_listed_with_its_owners() {
    let said = series(&[
        "set -e; rm /gone; rm -r /folder; mkdir -m 2711 /folder; echo new >/folder/new; chown 5:65534 /folder/new; \
         chmod 4000 /folder/new; mkfifo /pipe; ln -s to /symlink; ln /folder/new /hard; chown -h 7:8 /symlink; \
         mknod /device c 1 3 2>/dev/null || echo refused; chown 9 /kept",
        "set -e; touch /own; chown 33:33 /own; : > /empty; \
         /probe capability /own; ln /linked /linked2; test $(stat -c %h /linked) = 2",
    ]);
    let (_, list) = said.split_once("end: exit status 0\n").unwrap_or_else(|| panic!("{said}"));
    // The layers lack them, so they were made.
    let made = ["dev ", "proc ", "run ", "tmp ", "var"];
    let entries: Vec<&str> = list.lines().filter(|line| !made.iter().any(|name| line.starts_with(name))).collect();
    assert_eq!(
        entries,
        [
            " Directory { is_opaque: false } 0755 0:0 {}",
            "empty File 0644 0:0 {}",
            "folder Directory { is_opaque: true } 2711 0:0 {}",
            "folder/new File 4000 5:65534 {}",
            "new",
            "gone Whiteout 0000 0:0 {}",
            "hard File 4000 5:65534 {}",
            "new",
            "kept File 0644 9:0 {}",
            "kept",
            "linked File 0644 0:0 {}",
            "linked",
            "linked2 File 0644 0:0 {}",
            "linked",
            "own File 0644 33:33 {\"security.capability\": [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}",
            "pipe Fifo 0644 0:0 {}",
            "symlink Symlink([116, 111]) 0777 7:8 {}",
        ],
        "{said}"
    );
}

//! All steps together: what an image has at the end, twice the same.

use std::io;
use std::path::Path;

use bedplate_customise::{Editor, Programs, Request, customise};
use bedplate_diag::Diagnostic;
use bedplate_image_config::{FileKind, Files, ImageConfig, load};
use bedplate_sandbox::{Cancel, Helper};
use bedplate_tree::FileTree;

use crate::support::{EPOCH, Root};

const CONFIG: &str = r#"
version = 1
name = "node"
image-version = "1.2.3"
[packages]
install = ["base"]
[boot]
kind = "none"
[system]
hostname = "node"
[[group]]
name = "operators"
[[user]]
name = "core"
groups = ["operators", "wheel"]
ssh-keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKIyrN1ZyzVlkNQ1mBnFsYV4XqXZbPgT7Kk5gX0yqV me@example"]
[[file]]
path = "/etc/app/app.conf"
content = "key = 1\n"
owner = "app"
group = "operators"
mode = "0640"
[[file]]
path = "/usr/lib/systemd/system/own.service"
content = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
[services]
enable = ["own.service"]
mask = ["debug-shell.service"]
[sysctl]
"kernel.panic" = 10
[[tmpfiles]]
type = "d"
path = "/var/lib/own"
mode = "0750"
owner = "core"
"#;

/// The config and nothing else.
struct OneFile;

impl Files for OneFile {
    fn read(&mut self, _: &Path) -> io::Result<Vec<u8>> {
        Ok(CONFIG.as_bytes().to_vec())
    }

    fn kind(&mut self, _: &Path) -> io::Result<FileKind> {
        Ok(FileKind::File)
    }

    fn neighbours(&mut self, _: &Path) -> Vec<String> {
        Vec::new()
    }
}

fn root() -> Root {
    Root::new(&[
        ("/bin", "-> usr/bin"),
        ("/usr/bin/bash", "#!"),
        ("/usr/lib/os-release", "ID=test\nVERSION_ID=3\n"),
        ("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"),
        ("/etc/group", "root:x:0:\nwheel:x:10:\n"),
        ("/etc/skel/.bashrc", "# bash\n"),
        ("/usr/lib/sysusers.d/app.conf", "u app - \"The app\" /var/lib/app\n"),
        ("/usr/lib/tmpfiles.d/app.conf", "d /var/lib/app 0700 app app\nd /run/app\n"),
        ("/usr/lib/systemd/system/app.service", "[Install]\nWantedBy=multi-user.target\n"),
        ("/usr/lib/systemd/system/other.service", "[Install]\nWantedBy=multi-user.target\n"),
        ("/usr/lib/systemd/system/debug-shell.service", "[Install]\nWantedBy=sysinit.target\n"),
        ("/usr/lib/systemd/system-preset/99.preset", "enable app.service\ndisable *\n"),
        ("/etc/ssh/ssh_host_rsa_key", "secret"),
        ("/etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
    ])
}

fn run(root: &mut Root, config: &ImageConfig, tree: &mut FileTree) -> Vec<Diagnostic> {
    let helper = Helper::At(env!("CARGO_BIN_EXE_bedplate-customise-test-helper").into());
    let cancel = Cancel::default();
    let programs = Programs { helper: &helper, cancel: &cancel, tools: &[], tools_key: "" };
    let mut editor = Editor::new(tree, &root.store, &mut root.sources, EPOCH);
    let provided_users = ["u provided 77".to_owned()];
    customise(&mut editor, Request { config, provided_users: &provided_users, programs: Some(programs) }).unwrap();
    editor.diagnostics
}

#[test]
fn an_image_of_a_config() {
    let loaded = load(Path::new("image.toml"), &mut OneFile);
    let config = loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let mut root = root();
    let mut tree = root.tree();
    let said = run(&mut root, &config, &mut tree);
    assert_eq!(said, Vec::new());

    let listing: Vec<String> = tree
        .iter()
        .filter(|(_, entry)| entry.origin.starts_with("customise"))
        .map(|(path, entry)| format!("{:04o} {}:{} {path}", entry.mode, entry.uid, entry.gid))
        .collect();
    assert_eq!(
        listing,
        [
            "0755 0:0 /dev",
            "0755 0:0 /etc/app",
            "0640 999:1000 /etc/app/app.conf",
            "0644 0:0 /etc/group",
            "0000 0:0 /etc/gshadow",
            "0644 0:0 /etc/hostname",
            "0644 0:0 /etc/locale.conf",
            "0444 0:0 /etc/machine-id",
            "0777 0:0 /etc/os-release",
            "0644 0:0 /etc/passwd",
            "0000 0:0 /etc/shadow",
            "0755 0:0 /etc/sysctl.d",
            "0644 0:0 /etc/sysctl.d/99-image.conf",
            "0755 0:0 /etc/systemd",
            "0755 0:0 /etc/systemd/system",
            "0777 0:0 /etc/systemd/system/debug-shell.service",
            "0755 0:0 /etc/systemd/system/multi-user.target.wants",
            "0777 0:0 /etc/systemd/system/multi-user.target.wants/app.service",
            "0777 0:0 /etc/systemd/system/multi-user.target.wants/own.service",
            "0755 0:0 /etc/tmpfiles.d",
            "0644 0:0 /etc/tmpfiles.d/image.conf",
            "0755 0:0 /home",
            "0700 1001:1001 /home/core",
            "0644 1001:1001 /home/core/.bashrc",
            "0700 1001:1001 /home/core/.ssh",
            "0600 1001:1001 /home/core/.ssh/authorized_keys",
            "0555 0:0 /proc",
            "0700 0:0 /root",
            "0755 0:0 /run",
            "0555 0:0 /sys",
            "1777 0:0 /tmp",
            "0644 0:0 /usr/lib/os-release",
            "0644 0:0 /usr/lib/systemd/system/own.service",
            "0755 0:0 /var",
            "0755 0:0 /var/lib",
            "0700 999:999 /var/lib/app",
            "0750 1001:0 /var/lib/own",
            "1777 0:0 /var/tmp",
        ]
    );
    assert!(tree.iter().all(|(_, entry)| entry.mtime == if entry.origin.starts_with("customise") { EPOCH } else { 0 }));
    assert!(tree.get("/etc/ssh/ssh_host_rsa_key").is_none());

    // A second time changes nothing; another store gives the same tree.
    let first = tree.to_manifest();
    assert_eq!(run(&mut root, &config, &mut tree), Vec::new());
    assert_eq!(tree.to_manifest(), first);
    let mut other = self::root();
    let mut tree = other.tree();
    run(&mut other, &config, &mut tree);
    assert_eq!(tree.to_manifest(), first);
}

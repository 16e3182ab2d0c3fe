//! `bedplate repo`: repositories as a user meets them.

use std::process::Command;

use crate::support::TestEnv;

const SPEC: &str = "Name: tool
Version: 1
Release: 2
Summary: A tool
License: MIT
BuildArch: noarch
Provides: cap(tool) = 3
Requires: (lib >= 1 if other)
Requires: base >= 2
Recommends: good
%description
A tool.
%package lib
Summary: Its library
Version: 4
Provides: base = 3
%description lib
A library.
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/usr/share/tool
echo 1 > %{buildroot}/usr/bin/tool
echo 2 > %{buildroot}/usr/share/tool/data
%files
/usr/bin/tool
%files lib
/usr/share/tool
%changelog
* Wed Jan 01 2025 Ada Moss <ada@example.org> - 1-2
- Began
";

/// A folder `rpms` with two packages.
fn packages() -> TestEnv {
    let env = TestEnv::new();
    env.write("tool.spec", SPEC);
    let mut build = Command::new("rpmbuild");
    build.args(["-bb", "--quiet", "tool.spec"]).current_dir(env.path()).env("SOURCE_DATE_EPOCH", "1735689600");
    for (name, body) in [
        ("_topdir", env.path().join("top").display().to_string()),
        ("_rpmdir", env.path().join("rpms").display().to_string()),
        ("_build_name_fmt", "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm".to_owned()),
        ("use_source_date_epoch_as_buildtime", "1".to_owned()),
    ] {
        build.args(["--define", &format!("{name} {body}")]);
    }
    let done = build.output().expect("rpmbuild is there: toolkit/host-setup installs it");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    env
}

#[test]
fn a_repository_is_made_and_verified_and_asked() {
    let env = packages();
    let made =
        env.run(&["repo", "create", "--json", "rpms"]).exits(0).says("rpms: repodata of 2 packages (0 MiB), 0 errors");
    assert_eq!(made.json()[0]["revision"], 1_735_689_600);
    assert_eq!(made.json()[0]["files"][3], "rpms/repodata/repomd.xml");
    env.run(&["repo", "verify", "--packages", "rpms"])
        .exits(0)
        .says("1 folder: 2 packages checked, 0 errors")
        .prints("");
    for (arguments, want) in [
        (&["rpms"][..], "tool-1-2.noarch\ntool-lib-4-2.noarch\n"),
        (&["rpms", "*-lib"], "tool-lib-4-2.noarch\n"),
        (&["rpms", "tool-1-2.noarch", "none"], "tool-1-2.noarch\n"),
        (&["--requires", "rpms", "tool"], "(lib >= 1 if other)\nbase >= 2\n"),
        (&["--provides", "--recommends", "rpms", "tool"], "cap(tool) = 3\ngood\ntool = 1-2\n"),
        (&["--files", "rpms", "tool-lib"], "/usr/share/tool\n/usr/share/tool/data\n"),
        (&["--whatprovides", "cap(tool) > 2", "rpms"], "tool-1-2.noarch\n"),
        (&["--whatprovides", "cap(tool) > 3", "rpms"], ""),
        (&["--whatprovides", "/usr/share/tool/data", "rpms"], "tool-lib-4-2.noarch\n"),
        (&["--whatrequires", "lib", "rpms"], "tool-1-2.noarch\n"),
        (&["--whatrequires", "tool-lib", "rpms"], "tool-1-2.noarch\n"),
        (&["--whatrequires", "tool-lib", "--exact", "rpms"], ""),
        (&["--whatrecommends", "good", "rpms"], "tool-1-2.noarch\n"),
        (&["--file", "/usr/bin/*", "rpms"], "tool-1-2.noarch\n"),
    ] {
        env.run(&[&["repo", "query"], arguments].concat()).exits(0).prints(want);
    }
    let json = env.run(&["repo", "query", "--json", "rpms", "tool"]).exits(0).json();
    assert_eq!(json[0]["nevra"], "tool-1-2.noarch");
    assert_eq!(
        json[0]["requires"][1],
        serde_json::json!({"name": "base", "relation": ">=", "version": "2", "pre": false})
    );
    assert_eq!(json[0]["changelogs"][0]["text"], "- Began");
    assert_eq!(json[0]["repository"], "rpms");
}

#[test]
fn what_is_wrong_exits_with_2() {
    let env = packages();
    env.run(&["repo", "query", "nosuch"]).exits(2).says("no repository: none of the arguments is a folder");
    env.run(&["repo", "query", "./nosuch"]).exits(2).says("./nosuch: ").says("file-unreadable");
    env.run(&["repo", "query", "rpms", "["]).exits(2).says("bad pattern `[`");
    env.run(&["repo", "query", "--whatprovides", "a b", "rpms"]).exits(2).says("write `NAME` or `'NAME >= VERSION'`");
    std::fs::create_dir(env.path().join("empty")).unwrap();
    env.run(&["repo", "verify", "empty"]).exits(2).says("[no-repository]").says("`bedplate repo create DIR`");
    // Without repodata, the packages themselves; a byte of a payload is found, too.
    env.run(&["repo", "verify", "rpms"]).exits(0).says("2 packages checked, 0 errors");
    let tool = env.path().join("rpms/tool-1-2.noarch.rpm");
    let good = std::fs::read(&tool).unwrap();
    let mut turned = good.clone();
    *turned.last_mut().unwrap() ^= 1;
    std::fs::write(&tool, turned).unwrap();
    env.run(&["repo", "verify", "rpms"]).exits(2).says("[wrong-digest]");
    std::fs::write(&tool, good).unwrap();
    env.write("rpms/bad.rpm", [7; 200]);
    env.write("rpms/cut.rpm", [7; 3]);
    let said =
        env.run(&["repo", "create", "rpms"]).exits(2).says("rpms/bad.rpm: not an RPM").says("rpms/cut.rpm: truncated");
    assert!(said.stderr.contains("nothing was done: 2 errors, 0 warnings"), "{}", said.stderr);
    assert!(!env.path().join("rpms/repodata").exists());
    std::fs::remove_file(env.path().join("rpms/bad.rpm")).unwrap();
    std::fs::remove_file(env.path().join("rpms/cut.rpm")).unwrap();
    env.run(&["repo", "create", "rpms"]).exits(0);
    std::fs::remove_file(env.path().join("rpms/tool-1-2.noarch.rpm")).unwrap();
    env.run(&["repo", "verify", "rpms"]).exits(0);
    let found = env.run(&["repo", "verify", "--packages", "--json", "rpms"]).exits(2).json();
    assert_eq!(found[0]["code"], "package-missing");
}

#[test]
fn two_packages_of_one_name_are_reported() {
    let (first, second) = (packages(), packages());
    let other = second.path().join("rpms/tool-1-2.noarch.rpm");
    let mut bytes = std::fs::read(&other).unwrap();
    // The reserved space of the signature header: no digest covers it.
    let at = (200..4500).find(|at| bytes[*at..*at + 64].iter().all(|byte| *byte == 0)).unwrap();
    bytes[at + 32] = 1;
    std::fs::write(&other, bytes).unwrap();
    let path = second.path().join("rpms").display().to_string();
    let said =
        first.run(&["repo", "query", "rpms", &path]).exits(2).says("two different packages are `tool-1-2.noarch`");
    assert_eq!(said.stdout, "tool-1-2.noarch\ntool-lib-4-2.noarch\n");
}

#[test]
fn a_signature_is_checked_with_the_keys_of_the_command_line() {
    let env = packages();
    env.run(&["repo", "create", "rpms"]).exits(0);
    // Not below the test's folder: the path of gpg's socket has to be short.
    let home = tempfile::tempdir().unwrap();
    let gpg = |arguments: &[&str]| {
        let fixed = ["--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""];
        let mut command = Command::new("gpg");
        command.args(fixed).args(arguments).current_dir(env.path()).env("GNUPGHOME", home.path());
        let done = command.output().expect("gpg is there: toolkit/host-setup installs it");
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    };
    for name in ["good", "other"] {
        gpg(&["--quick-generate-key", name, "ed25519", "sign", "never"]);
        env.write(&format!("{name}.key"), gpg(&["--armor", "--export", name]));
    }
    env.run(&["repo", "verify", "--key", "good.key", "rpms"]).exits(2).says("[unsigned]");
    gpg(&["--armor", "--local-user", "good", "--detach-sign", "rpms/repodata/repomd.xml"]);
    env.run(&["repo", "verify", "--key", "other.key", "--key", "good.key", "rpms"]).exits(0);
    env.run(&["repo", "query", "--key", "good.key", "rpms", "tool"]).exits(0).prints("tool-1-2.noarch\n");
    env.run(&["repo", "verify", "--key", "other.key", "rpms"]).exits(2).says("which is not in the keyring");
    env.run(&["repo", "query", "--key", "other.key", "rpms"]).exits(2).says("[bad-signature]").prints("");
    env.run(&["repo", "verify", "--key", "tool.spec", "rpms"]).exits(2).says("tool.spec: ");
    env.run(&["repo", "verify", "--key", "none.key", "rpms"]).exits(3).says("none.key");
    let _ = Command::new("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", home.path()).status();
}

#[test]
fn a_repository_is_signed_and_its_signatures_verified() {
    let env = packages();
    env.run(&["key", "show", "--key", "key.asc"]).exits(2).says("key.asc").says("`bedplate key create` makes a key");
    let made = env.run(&["key", "create", "--key", "key.asc", "--user", "Ada Moss <ada@example.org>"]).exits(0);
    assert!(made.stdout.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----"), "{}", made.stdout);
    env.write("key.pub", &made.stdout);
    env.run(&["key", "show", "--key", "key.asc"]).exits(0).prints(&made.stdout).says("of Ada Moss <ada@example.org>");
    let facts = env.run(&["key", "show", "--key", "key.asc", "--json"]).exits(0).json();
    assert_eq!((&facts[0]["algorithm"], &facts[0]["path"]), (&"ed25519".into(), &"key.asc".into()));
    env.run(&["key", "create", "--key", "key.asc"]).exits(3).says("key.asc");

    let verify = ["repo", "verify", "--packages", "--key", "key.pub", "rpms"];
    env.run(&["repo", "create", "rpms"]).exits(0);
    env.run(&verify).exits(2).says("[unsigned]");
    env.run(&["repo", "sign", "--key", "key.asc", "rpms"]).exits(0).says("rpms: 2 packages signed by ");
    env.run(&verify).exits(0).says("2 packages checked, 0 errors");
    let first = std::fs::read(env.path().join("rpms/tool-1-2.noarch.rpm")).unwrap();
    env.run(&["repo", "sign", "--key", "key.asc", "rpms"]).exits(0).says("0 packages signed by ").says(", 2 before");
    assert_eq!(std::fs::read(env.path().join("rpms/tool-1-2.noarch.rpm")).unwrap(), first);

    env.run(&["key", "create", "--key", "other.asc"]).exits(0);
    env.run(&["repo", "sign", "--key", "other.asc", "rpms"]).exits(2).says("[bad-package-signature]");
    env.run(&verify).exits(0);
    env.run(&["repo", "sign", "--key", "other.asc", "--replace", "rpms"]).exits(0).says("2 packages signed");
    env.run(&verify).exits(2).says("[bad-signature]").says("which is not in the keyring");
}

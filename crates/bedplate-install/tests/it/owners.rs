//! Whose files are.

use std::process::Command;

use bedplate_install::{Accounts, InstallWarning, PlaceOptions};

use crate::support::{options, package, placed, run, store, tagged, unpacked};

const SYSUSERS: &str = "\
# accounts of a service
u  alpha  71 \"Alpha\" /var/lib/alpha /usr/sbin/nologin
u  beta   -  \"Beta\"
g  gamma  72
g  beta   -
m  delta  epsilon
u  zeta   80:gamma
u! eta    72
r  -      500-600
";

/// Makes accounts by the real tool.
fn by_systemd(lines: &str) -> Accounts {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("lines.conf");
    std::fs::write(&file, lines).unwrap();
    std::fs::create_dir(root.path().join("etc")).unwrap();
    run(Command::new("systemd-sysusers").arg(format!("--root={}", root.path().display())).arg(&file));
    let table = |name: &str| {
        let text = std::fs::read_to_string(root.path().join("etc").join(name)).unwrap();
        let field = |line: &str| {
            let mut fields = line.split(':');
            (fields.next().unwrap().to_owned(), fields.nth(1).unwrap().parse().unwrap())
        };
        text.lines().map(field).collect::<std::collections::BTreeMap<String, u32>>()
    };
    Accounts { users: table("passwd"), groups: table("group") }
}

#[test]
fn numbers_are_those_of_systemd_sysusers() {
    let lines = SYSUSERS.replace("u! eta", "u eta");
    let install =
        format!("mkdir -p usr/lib/sysusers.d\ncat > usr/lib/sysusers.d/x.conf <<'X'\n{lines}X\n: > a\n: > b\n: > c");
    let files = "/usr/lib/sysusers.d/x.conf\n%attr(0600,alpha,beta) /a\n%attr(4755,zeta,gamma) /b\n%attr(0600,delta,epsilon) /c";
    let file = package("service", &install, files);
    let (_folder, store) = store();
    let placed = placed(&store, &unpacked(&store, &[file]), &options()).unwrap();
    let mut expected = by_systemd(&lines);
    expected.users.insert("root".to_owned(), 0);
    expected.groups.insert("root".to_owned(), 0);
    assert_eq!(placed.accounts, expected);
    assert_eq!(placed.accounts.users["alpha"], 71);
    assert!(placed.warnings.is_empty(), "{:?}", placed.warnings);
    for (path, mode, user, group) in
        [("/a", 0o600, "alpha", "beta"), ("/b", 0o4755, "zeta", "gamma"), ("/c", 0o600, "delta", "epsilon")]
    {
        let entry = placed.tree.get(path).unwrap();
        assert_eq!((entry.mode, entry.uid, entry.gid), (mode, expected.users[user], expected.groups[group]), "{path}");
    }
}

#[test]
fn provides_make_accounts_too() {
    // `u provided 77 -` and `g bare`, as rpm 4.19 and later has them, and without a line.
    let tags = "Provides: user(provided) = dSBwcm92aWRlZCA3NyAt\nProvides: group(bare)\nProvides: user(bare)";
    let files = "%attr(0600,provided,provided) /a\n%attr(2755,bare,bare) /b";
    let file = tagged("provider", tags, &[], ": > a\n: > b", files);
    let (_folder, store) = store();
    let placed = placed(&store, &unpacked(&store, &[file]), &options()).unwrap();
    let accounts = &placed.accounts;
    assert_eq!((accounts.users["provided"], accounts.groups["provided"]), (77, 77));
    assert_eq!(accounts.users["bare"], accounts.groups["bare"]);
    let entry = placed.tree.get("/b").unwrap();
    assert_eq!((entry.mode, entry.uid), (0o2755, accounts.users["bare"]));
    assert!(placed.warnings.is_empty());
}

#[test]
fn who_is_unknown_is_root_and_has_no_power() {
    let install = "mkdir -p usr/lib/sysusers.d\necho 'x y z' > usr/lib/sysusers.d/bad.conf\n: > a\n: > b";
    let files = "/usr/lib/sysusers.d/bad.conf\n%attr(6755,ghost,ghost) /a\n%attr(4755,known,ghost) /b";
    let file = package("haunted", install, files);
    let (_folder, store) = store();
    let mut options = PlaceOptions { ..options() };
    options.accounts.users.insert("known".to_owned(), 1234);
    let placed = placed(&store, &unpacked(&store, &[file]), &options).unwrap();
    let of = |path: &str| placed.tree.get(path).map(|entry| (entry.mode, entry.uid, entry.gid)).unwrap();
    assert_eq!((of("/a"), of("/b")), ((0o755, 0, 0), (0o4755, 1234, 0)));
    let name = || "ghost".to_owned();
    let package = || "haunted-1-1.x86_64".to_owned();
    let expected = [
        InstallWarning::BadAccount {
            origin: "`/usr/lib/sysusers.d/bad.conf`, line 1".to_owned(),
            line: "x y z".to_owned(),
            why: "`x` is no type of a line".to_owned(),
        },
        InstallWarning::UnknownGroup { name: name(), package: package(), files: 2 },
        InstallWarning::UnknownUser { name: name(), package: package(), files: 1 },
    ];
    assert_eq!(placed.warnings, expected);
    assert_eq!(
        placed.warnings[1].to_diagnostic().message,
        "`haunted-1-1.x86_64` has files of the group `ghost`, which there is not (2 files): they belong to root"
    );
}

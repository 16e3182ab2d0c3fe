//! Whose files are.

use bedplate_install::InstallWarning;

use crate::support::{options, package, placed, store, unpacked};

#[test]
fn owners_are_those_of_the_caller_and_of_the_packages() {
    let install =
        "mkdir etc\necho 'own:x:70:71' > etc/passwd\necho 'own:x:71:\nbroken\nboth:x:5:' > etc/group\n: > a\n: > b";
    let files = "/etc/passwd\n/etc/group\n%attr(4755,own,own) /a\n%attr(2755,given,both) /b";
    let file = package("owned", install, files);
    let (_folder, store) = store();
    let mut options = options();
    options.accounts.users.insert("given".to_owned(), 1234);
    options.accounts.groups.insert("both".to_owned(), 6);
    let placed = placed(&store, &unpacked(&store, &[file]), &options).unwrap();
    let of = |path: &str| placed.tree.get(path).map(|entry| (entry.mode, entry.uid, entry.gid)).unwrap();
    assert_eq!((of("/a"), of("/b"), of("/etc/passwd")), ((0o4755, 70, 71), (0o2755, 1234, 6), (0o644, 0, 0)));
    assert_eq!(placed.accounts.users.keys().collect::<Vec<_>>(), ["given", "own", "root"]);
    assert!(placed.warnings.is_empty());
}

#[test]
fn who_is_unknown_is_root_and_has_no_power() {
    let files = "%attr(6755,ghost,ghost) /a\n%attr(4755,known,ghost) /b";
    let file = package("haunted", ": > a\n: > b", files);
    let (_folder, store) = store();
    let mut options = options();
    options.accounts.users.insert("known".to_owned(), 1234);
    let placed = placed(&store, &unpacked(&store, &[file]), &options).unwrap();
    let of = |path: &str| placed.tree.get(path).map(|entry| (entry.mode, entry.uid, entry.gid)).unwrap();
    assert_eq!((of("/a"), of("/b")), ((0o755, 0, 0), (0o4755, 1234, 0)));
    let (name, package) = (|| "ghost".to_owned(), || "haunted-1-1.x86_64".to_owned());
    let expected = [
        InstallWarning::UnknownGroup { name: name(), package: package(), files: 2 },
        InstallWarning::UnknownUser { name: name(), package: package(), files: 1 },
    ];
    assert_eq!(placed.warnings, expected);
    assert_eq!(
        placed.warnings[0].to_diagnostic().message,
        "`haunted-1-1.x86_64` has files of the group `ghost`, which there is not (2 files): they belong to root"
    );
}

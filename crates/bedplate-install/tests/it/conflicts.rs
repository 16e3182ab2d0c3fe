//! What cannot be installed together: all of it is reported, as rpm reports it.

use std::path::PathBuf;

use bedplate_install::{Color, Fate, InstallProblem, PlaceOptions};

use crate::support::{install_by_rpm, options, package, parts, placed, rpm, store, unpacked};

/// The `PATH: FIRST, SECOND` of rpm's messages about conflicts.
fn conflicts_of_rpm(files: &[PathBuf]) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    let mut command = rpm(root.path());
    let arguments = ["-i", "--test", "--nodeps", "--noscripts", "--nosignature", "--noorder", "--force-debian"];
    let done = command.args(arguments).args(files).env("LC_ALL", "C").output().unwrap();
    let text = String::from_utf8(done.stderr).unwrap();
    let mut found: Vec<String> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("file ")?.split_once(" conflicts between attempted installs of "))
        .map(|(path, packages)| {
            let (second, first) = packages.split_once(" and ").unwrap();
            format!("{path}: {first}, {second}")
        })
        .collect();
    assert!(!found.is_empty(), "{text}");
    found.sort();
    found
}

#[test]
fn conflicts_are_those_of_rpm() {
    let base = "mkdir -p usr/bin d s\nln -s usr/bin bin\necho text > a\necho text > b\necho text > c\nln -s a l\necho text > usr/bin/x";
    let base = package("base", base, "%dir /usr\n/usr/bin\n/bin\n/a\n/b\n%attr(0600,root,root) /c\n/l\n%dir /d\n/s");
    let other = "mkdir -p bin d s\necho other > a\necho text > b\necho text > c\nln -s b l\necho x > bin/x";
    let other =
        package("other", other, "/bin/x\n/a\n%attr(0644,daemon,root) /b\n/c\n/l\n%attr(0700,root,root) %dir /d\n/s");
    let third = package("third", "mkdir bin\necho file > s", "%dir /bin\n/s");
    let files = [base, other, third];
    let (_folder, store) = store();
    let packages = unpacked(&store, &files);
    let problems = placed(&store, &packages, &options()).unwrap_err();
    let mut found = Vec::new();
    let mut differences = Vec::new();
    for problem in &problems {
        let InstallProblem::Conflict { path, first, second, difference } = problem else { panic!("{problem}") };
        found.push(format!("{path}: {first}, {second}"));
        differences.push((path.as_str(), difference.as_str()));
    }
    // rpm names the path as the second package has it.
    let mut by_rpm: Vec<String> =
        conflicts_of_rpm(&files).iter().map(|line| line.replace("/bin/x", "/usr/bin/x")).collect();
    by_rpm.sort();
    found.sort();
    assert_eq!(found, by_rpm);
    differences.sort_unstable();
    let expected = [
        ("/a", "5 and 6 bytes"),
        ("/b", "owner `root` and `daemon`"),
        ("/bin", "a symbolic link and a folder"),
        ("/c", "mode 0600 and 0644"),
        ("/d", "mode 0755 and 0700"),
        ("/l", "links to `a` and `b`"),
        ("/s", "a folder and a file"),
        ("/usr/bin/x", "5 and 2 bytes"),
    ];
    assert_eq!(differences, expected);
    assert_eq!(
        problems[0].to_string(),
        "`/a` is in `base-1-1.x86_64` and in `other-1-1.x86_64`, which differ: 5 and 6 bytes"
    );
    assert_eq!(problems[0].to_diagnostic().code, "file-conflict");
}

#[test]
fn what_has_no_place_is_reported_with_both_packages() {
    let file = package("file", "mkdir -p usr\necho text > usr/thing", "/usr/thing");
    let below = package("below", "mkdir -p usr/thing\necho text > usr/thing/x", "/usr/thing/x");
    let one_way = package("one-way", "ln -s b a", "/a");
    let other_way = package("other-way", "ln -s a b", "/b");
    let through = package("through", "mkdir a\necho text > a/x", "/a/x");
    let (_folder, store) = store();
    let packages = unpacked(&store, &[below, file, one_way, other_way, through]);
    let problems = placed(&store, &packages, &options()).unwrap_err();
    let lines: Vec<String> = problems.iter().map(|one| format!("{}: {one}", one.to_diagnostic().code)).collect();
    let expected = [
        "link-loop: `/a/x` of `through-1-1.x86_64` lies behind symbolic links that lead to each other",
        "not-a-folder: `/usr/thing/x` of `below-1-1.x86_64` has no place: `/usr/thing` of `file-1-1.x86_64` is no folder",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_link_may_come_after_what_lies_behind_it() {
    let behind = package("behind", "mkdir -p bin\necho text > bin/x", "/bin/x");
    let link = package("link", "mkdir -p usr\nln -s usr/bin bin", "/bin");
    let (_folder, store) = store();
    for files in [[behind.clone(), link.clone()], [link, behind]] {
        let tree = placed(&store, &unpacked(&store, &files), &options()).unwrap().tree;
        let paths: Vec<&str> = tree.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["/", "/bin", "/usr", "/usr/bin", "/usr/bin/x"]);
    }
}

/// A file that `file` takes for an executable of 32 or 64 bits.
fn colored(name: &str, bits: u32, content: &str) -> PathBuf {
    let (class, machine) = if bits == 64 { (2, 62) } else { (1, 3) };
    // Identification, a program for the machine, version 1; nothing that anyone would run.
    let mut bytes = vec![0x7f, b'E', b'L', b'F', class, 1, 1];
    bytes.resize(16, 0);
    bytes.extend([2, 0, machine, 0, 1, 0, 0, 0]);
    bytes.resize(88, 0);
    bytes.extend(content.bytes());
    let octal: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
    let install = format!("mkdir -p usr/bin\nprintf '{octal}' > usr/bin/tool\nchmod 755 usr/bin/tool");
    package(name, &install, "/usr/bin/tool")
}

#[test]
fn of_two_word_sizes_the_larger_wins() {
    let (small, large, again) = (colored("small", 32, "s"), colored("large", 64, "l"), colored("again", 64, "l"));
    let (_folder, store) = store();
    for (files, fates, winner) in [
        ([&small, &large, &again], [Fate::WrongColor, Fate::Create, Fate::Shared], "large-1-1.x86_64"),
        ([&large, &small, &again], [Fate::Create, Fate::WrongColor, Fate::Create], "again-1-1.x86_64"),
    ] {
        let files: Vec<PathBuf> = files.into_iter().cloned().collect();
        let packages = unpacked(&store, &files);
        let colors: Vec<u32> = packages.iter().map(|package| package.files().files[0].color).collect();
        assert!(colors.contains(&1) && colors.contains(&2), "{colors:?}");
        let placed_now = placed(&store, &packages, &options()).unwrap();
        let found: Vec<Fate> = placed_now.fates.iter().map(|fates| fates[0]).collect();
        assert_eq!(found, fates);
        assert_eq!(&*placed_now.tree.get("/usr/bin/tool").unwrap().origin, winner);
        // rpm has the same states.
        let root = tempfile::tempdir().unwrap();
        install_by_rpm(root.path(), &files, &[]);
        let states =
            rpm(root.path()).args(["-qa", "--qf", "%{INSTALLTIME} [%{FILESTATES:fstate}]\n"]).output().unwrap();
        let mut states: Vec<String> = String::from_utf8(states.stdout).unwrap().lines().map(str::to_owned).collect();
        states.sort();
        let names: Vec<&str> = states.iter().filter_map(|line| line.split_once(' ')).map(|(_, state)| state).collect();
        let ours: Vec<&str> =
            found.iter().map(|fate| if *fate == Fate::WrongColor { "wrong color" } else { "normal" }).collect();
        assert_eq!(names, ours);
        let content = std::fs::read(root.path().join("usr/bin/tool")).unwrap();
        assert_eq!(store.read(&placed_now.tree.get("/usr/bin/tool").unwrap().content().unwrap()).unwrap(), content);
        // Where there is one word size only, they are in each other's way.
        let plain = placed(&store, &packages, &PlaceOptions { color: Color(0), ..options() });
        assert!(plain.is_err());
    }
}

#[test]
fn capabilities_that_cannot_be_are_reported() {
    let file = package("caps", "mkdir -p usr\necho > usr/x", "%caps(cap_kill=ep) /usr/x");
    // rpmbuild lets nothing wrong through: the words are changed in the header, and its digest with them.
    let bytes = std::fs::read(&file).unwrap();
    let text = b"cap_kill=ep\0";
    let at = bytes.windows(text.len()).position(|bytes| bytes == text).unwrap();
    let (_folder, store) = store();
    let mut changed = bytes.clone();
    changed[at + 4..at + 8].copy_from_slice(b"none");
    let (main, payload) = parts(&bytes);
    let digest = |bytes: &[u8]| bedplate_cas::Digest::of(&bytes[main..payload]).hex().into_bytes();
    let (old, new) = (digest(&bytes), digest(&changed));
    let place_of_old = bytes.windows(64).position(|digits| digits == old).unwrap();
    changed[place_of_old..place_of_old + 64].copy_from_slice(&new);
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("caps.rpm");
    std::fs::write(&path, changed).unwrap();
    let problems = placed(&store, &unpacked(&store, &[path]), &options()).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "the capabilities `cap_none=ep` of `/usr/x` of `caps-1-1.x86_64` are wrong: there is no capability `cap_none`"
    );
}

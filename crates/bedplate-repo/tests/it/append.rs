//! Packages whose files have more bytes at their ends, judged by rpm and cpio.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use bedplate_repo::{
    PackageHeaders, Payload, Problem, Tag, append_to_files, content_identity, for_each_entry, read_package,
};

use crate::support::{Fake, Value, build, run};

const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/packed.spec");
const NAME: &str = "packed-1-1.x86_64.rpm";
const PAYLOADS: [&str; 4] = ["w12.zstdio", "w6.gzdio", "w2.xzdio", "w.ufdio"];

fn packed(payload: &str) -> PathBuf {
    build(SPEC, &[("_binary_payload", payload), ("clamp_mtime_to_source_date_epoch", "1")]).join(NAME)
}

fn tails() -> BTreeMap<String, Vec<u8>> {
    [
        ("usr/bin/tool", &b"one"[..]),
        ("usr/share/packed/numbers", b"more\n"),
        ("usr/share/packed/nothing", b"something"),
        // One of four names.
        ("usr/share/packed/links/b", b"and two"),
    ]
    .map(|(path, tail)| (path.to_owned(), tail.to_owned()))
    .into()
}

/// The files of a package by what rpm2cpio unpacks.
fn unpacked(package: &Path) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let script = "rpm2cpio \"$1\" | cpio --quiet -idm --no-absolute-filenames";
    run(Command::new("sh").args(["-ec", script, "sh"]).arg(package).current_dir(folder.path()));
    let mut files = BTreeMap::new();
    for name in run(Command::new("find").args([".", "-type", "f"]).current_dir(folder.path())).lines() {
        let path = name.trim_start_matches("./").to_owned();
        files.insert(path, std::fs::read(folder.path().join(name)).unwrap());
    }
    files
}

/// All that rpm says of a package but what had to change.
fn described(package: &Path) -> String {
    let format = "[%{FILENAMES} %{FILEMODES:perms} %{FILEMTIMES} %{FILEINODES} %{FILEUSERNAME} %{FILELINKTOS}\n]\
        %{NEVRA} %{BUILDTIME} %{PAYLOADFLAGS} %{PAYLOADCOMPRESSOR} [%{REQUIRES} ][%{PROVIDES} ]%{DESCRIPTION}";
    run(Command::new("rpm").args(["-qp", "--qf", format]).arg(package))
}

#[test]
fn rpm_finds_a_changed_package_whole() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join(NAME);
    for payload in PAYLOADS {
        let package = packed(payload);
        append_to_files(&package, &output, &tails()).unwrap();
        // It checks the digests of header and payload, MD5 and SHA-1 among them.
        let said = run(Command::new("rpmkeys").args(["-Kv", "--define", "_pkgverify_level digest"]).arg(&output));
        let (lines, good) = (said.lines().count(), said.matches(": OK").count());
        assert!(good >= 4 && lines == good + 1, "{payload}: {said}");
        assert_eq!(described(&package), described(&output));

        let (before, after) = (unpacked(&package), unpacked(&output));
        let mut expected = before;
        for (path, tail) in tails() {
            expected.get_mut(&path).unwrap().extend(tail);
        }
        let shared = expected["usr/share/packed/links/b"].clone();
        for name in ["links/a", "links/z", "linked"] {
            expected.insert(format!("usr/share/packed/{name}"), shared.clone());
        }
        assert!(expected == after, "{payload}");

        // Header and archive agree, for ourselves and for rpm, which installs and verifies it.
        for_each_entry::<()>(&output, |_| Ok(())).unwrap();
        let read = read_package(&output, NAME, 0, Payload::Digest).unwrap().package;
        let before = read_package(&package, NAME, 0, Payload::Digest).unwrap().package;
        let growth: u64 = tails().values().map(|tail| tail.len() as u64).sum();
        assert_eq!(read.size.installed, before.size.installed + growth);
        let archive = run(Command::new("sh").args(["-c", "rpm2cpio \"$1\" | wc -c", "sh"]).arg(&output));
        assert_eq!(read.size.archive.to_string(), archive.trim(), "{payload}");
        let root = folder.path().join(format!("root-{payload}"));
        let rpm = |arguments: &[&str]| {
            let mut rpm = Command::new("rpm");
            run(rpm.arg("--root").arg(&root).args(["--nosignature", "--define", "_dbpath /rpmdb"]).args(arguments))
        };
        rpm(&["-i", "--nodeps", "--noscripts", output.to_str().unwrap()]);
        assert_eq!(rpm(&["-V", "--nodeps", "packed"]), "");
        std::fs::write(root.join("usr/bin/tool"), "tool\n").unwrap();
        let changed = Command::new("rpm")
            .arg("--root")
            .arg(&root)
            .args(["--define", "_dbpath /rpmdb", "-V", "--nodeps", "packed"])
            .output()
            .unwrap();
        assert!(String::from_utf8_lossy(&changed.stdout).starts_with("S.5"), "{changed:?}");
    }
}

#[test]
fn without_anything_to_append_a_package_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for payload in PAYLOADS {
        let (package, output) = (packed(payload), folder.path().join(payload));
        append_to_files(&package, &output, &BTreeMap::new()).unwrap();
        let plain = |package: &Path| {
            let headers = PackageHeaders::read(package).unwrap();
            headers.main().texts(Tag(5097, "PAYLOADDIGESTALT")).remove(0).into_owned()
        };
        assert_eq!(plain(&package), plain(&output));
        if payload == "w.ufdio" {
            // Nothing is packed by another version of a packer: not a byte may differ.
            assert!(std::fs::read(&package).unwrap() == std::fs::read(&output).unwrap());
        }
        let again = folder.path().join("again");
        append_to_files(&output, &again, &BTreeMap::new()).unwrap();
        assert_eq!(content_identity(&output).unwrap(), content_identity(&again).unwrap(), "{payload}");
    }
}

#[test]
fn what_cannot_be_changed_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("output.rpm");
    let refused = |package: &Path, paths: &[&str]| -> Vec<String> {
        let tails = paths.iter().map(|path| ((*path).to_owned(), b"x".to_vec())).collect();
        let problems = append_to_files(package, &output, &tails).unwrap_err();
        assert!(!output.exists());
        problems.iter().map(Problem::to_string).collect()
    };
    let package = packed("w12.zstdio");
    let paths =
        ["usr/bin/none", "usr/share/packed/relative", "usr/share/packed/empty", "var/lib/packed", "usr/bin/tool"];
    let no_file = "nothing can be put at its end: it is no regular file in the payload";
    let expected: Vec<String> =
        ["usr/bin/none", "usr/share/packed/empty", "usr/share/packed/relative", "var/lib/packed"]
            .map(|path| format!("file `{path}` of the package: {no_file}"))
            .into();
    assert_eq!(refused(&package, &paths), expected);

    // A bit of the payload.
    let mut bytes = std::fs::read(packed("w.ufdio")).unwrap();
    let at = bytes.windows(5).rposition(|five| five == b"tool\n").unwrap();
    bytes[at] ^= 1;
    let broken = folder.path().join("broken.rpm");
    std::fs::write(&broken, bytes).unwrap();
    let said = refused(&broken, &["usr/bin/tool"]);
    assert!(said.len() == 1 && said[0].starts_with("the payload is not what the package says"), "{said:?}");

    let v6 = folder.path().join("v6.rpm");
    std::fs::write(&v6, Fake::v6().bytes()).unwrap();
    let problems = append_to_files(&v6, &output, &BTreeMap::new()).unwrap_err();
    assert!(problems.iter().any(|one| one.to_string().contains("version 6")), "{problems:?}");

    let mut signed = Fake::v6().set(5114, None);
    signed.signature.push((274, Value::Texts(vec!["00"])));
    std::fs::write(&v6, signed.bytes()).unwrap();
    let problems = append_to_files(&v6, &output, &BTreeMap::new()).unwrap_err();
    assert!(problems.iter().any(|one| one.to_string().contains("FILESIGNATURES")), "{problems:?}");
}

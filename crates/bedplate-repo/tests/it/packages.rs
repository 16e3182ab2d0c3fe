//! Package files: good ones say what rpm says, those that lie are found out.

use std::process::Command;

use bedplate_model::{DependencyKind, FileKind, Sense};
use bedplate_repo::{Payload, Problem, read_package};

use crate::support::{Fake, Value, odd, run};

fn problems(fake: &Fake) -> Vec<Problem> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fake-1-2.noarch.rpm");
    std::fs::write(&path, fake.bytes()).unwrap();
    match read_package(&path, "fake-1-2.noarch.rpm", 10, Payload::Digest) {
        Ok(read) => read.warnings,
        Err(problems) => problems,
    }
}

#[test]
fn a_header_says_what_rpm_says() {
    for entry in std::fs::read_dir(odd()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let read =
            read_package(&path, name, 10, Payload::Digest).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        assert!(read.warnings.is_empty(), "{name}: {:?}", read.warnings);
        let one = read.package;
        let query = |format: &str| {
            run(Command::new("rpm").args(["-qp", "--nosignature", "--qf", format]).arg(&path).env("LC_ALL", "C.UTF-8"))
        };
        let facts = format!(
            "{}\n{}\n{}\n{}\n{}\n{}\n{}\n",
            one.package.nevra.name(),
            one.summary,
            one.description,
            one.license,
            one.size.installed,
            one.build_host,
            one.url
        );
        assert_eq!(
            facts,
            query("%{NAME}\n%{SUMMARY}\n%{DESCRIPTION}\n%{LICENSE}\n%{LONGSIZE}\n%{BUILDHOST}\n%{URL}\n")
        );
        let files: String = one.package.files.iter().map(|file| format!("{}\n", file.path)).collect();
        assert_eq!(files, query("[%{FILENAMES}\n]"), "{name}");
        let provides: Vec<String> = one.package.provides.iter().map(ToString::to_string).collect();
        let theirs = query("[%{PROVIDENEVRS}\n]").replace("= 0:", "= ").replace(">= 0:", ">= ");
        assert_eq!(provides, theirs.lines().collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn requirements_follow_the_conventions_of_metadata() {
    let path = odd().join("odd-2.0~rc1-3.x86_64.rpm");
    let one = read_package(&path, "odd-2.0~rc1-3.x86_64.rpm", 10, Payload::Digest).unwrap().package;
    let shown: Vec<String> = one.package.requires.iter().map(ToString::to_string).collect();
    let want = [
        "(a if b)",
        "(c >= 2 or (d and e < 4))",
        "/bin/sh",
        "/bin/sh [prereq]",
        "/bin/sh",
        "/usr/bin/elsewhere",
        "/usr/share/odd/plain",
        "least >= 3-4",
        "least < 9",
        "less < 3",
        "libz.so.1()(64bit)",
        "more > 3",
        "most <= 3",
        "other = 1:5-6",
        "several = 1",
        "several = 1 [prereq]",
        "several = 1",
        "shadow [prereq]",
        "stops",
        "libc.so.6(GLIBC_2.14)(64bit)",
    ];
    assert_eq!(shown, want);
    let kind = |path: &str| one.package.files.iter().find(|file| file.path == path).map(|file| file.kind);
    assert_eq!(kind("/etc/odd.ghost"), Some(FileKind::Ghost));
    assert_eq!(kind("/etc/odd.gone"), Some(FileKind::Directory));
    assert_eq!(kind("/etc/odd.conf"), Some(FileKind::File));
    assert_eq!(one.changelogs.len(), 10);
    assert!(one.changelogs.is_sorted_by(|a, b| a.date < b.date));
}

#[test]
fn the_format_of_rpm_6_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fake-1-2.noarch.rpm");
    std::fs::write(&path, Fake::v6().bytes()).unwrap();
    let read = read_package(&path, "fake-1-2.noarch.rpm", 10, Payload::Digest).unwrap();
    assert!(read.warnings.is_empty(), "{:?}", read.warnings);
    let package = read.package;
    assert_eq!(package.package.to_string(), "fake-1-2.noarch");
    assert_eq!((package.size.installed, package.size.archive), (7, 99));
    let requires = package.package.dependencies(DependencyKind::Requires).unwrap();
    assert_eq!(
        requires.iter().map(|one| (one.name.as_str(), one.sense)).collect::<Vec<_>>(),
        [("needed", Sense::EQUAL | Sense::GREATER)]
    );
}

#[test]
fn a_header_that_lies_is_found_out() {
    use Value::{Long, Numbers, Owned, Text, Texts};
    let zeros = "0".repeat(64);
    for (fake, want) in [
        (Fake::v6().set(5092, Some(Owned(zeros.clone()))), "the payload is not what the package says"),
        (Fake::v6().set(5112, Some(Long(14))), "too long"),
        (Fake::v6().set(5112, Some(Long(u64::MAX))), "truncated"),
        (Fake::v6().set(1000, None), "tag NAME is missing"),
        (
            Fake::v6().set(1000, Some(Numbers(vec![1]))),
            "tag NAME has the wrong type or count: 32-bit numbers, not a string",
        ),
        (Fake::v6().set(1000, Some(Text("no name"))), "tag NAME `no name`"),
        (Fake::v6().set(1001, Some(Text("1-1"))), "tag VERSION `1-1-2`"),
        (
            Fake::v6().set(1048, Some(Numbers(vec![0]))),
            "tags REQUIRENAME and REQUIREFLAGS belong together and have 2 and 1",
        ),
        (Fake::v6().set(1113, None), "tags PROVIDENAME and PROVIDEVERSION belong together and have 1 and 0"),
        (Fake::v6().set(1116, Some(Numbers(vec![1]))), "tag DIRINDEXES `1`: there are 1 folders"),
        (
            Fake::v6().set(1117, Some(Texts(vec!["a", "b"]))),
            "tags BASENAMES and DIRINDEXES belong together and have 2 and 1",
        ),
        (Fake::v6().set(1004, Some(Text("bell \u{7}"))), "tag SUMMARY has the control character U+0007"),
        (
            Fake::v6().set(1047, Some(Text("fake"))),
            "tag PROVIDENAME has the wrong type or count: a string, not an array",
        ),
        (Fake { signature: vec![(1000, Numbers(vec![5]))], ..Fake::v6() }, "too long"),
        (Fake { signature: vec![(1000, Numbers(vec![5_000_000]))], ..Fake::v6() }, "truncated"),
    ] {
        let found = problems(&fake);
        assert!(found.iter().any(|one| one.to_string().contains(want)), "{want}: {found:?}");
    }
    // All at once.
    let worst = Fake::v6().set(1000, None).set(1048, Some(Numbers(vec![0]))).set(5092, Some(Owned(zeros)));
    let mut codes: Vec<_> = problems(&worst).iter().map(Problem::code).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["missing-tag", "tag-counts", "wrong-digest"]);
}

#[test]
fn a_file_that_is_named_unlike_its_package_is_odd_only() {
    let found = problems(&Fake::v6().set(1001, Some(Value::Text("7"))));
    assert_eq!(found.iter().map(Problem::code).collect::<Vec<_>>(), ["file-name"]);
}

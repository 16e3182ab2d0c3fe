//! What we write is what createrepo_c writes and what dnf reads; and it is the same bytes each time.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use bedplate_repo::{Compression, CreateOptions, LoadOptions, VerifyOptions, create, is_primary_path, load, verify};

use crate::support::{BUILD_TIME, copy_of_odd, odd, read, run};

const ALL: [Compression; 4] = [Compression::Zstd, Compression::Gzip, Compression::Xz, Compression::None];

fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder.join("repodata")).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn a_folder_and_its_repodata_are_the_same_packages() {
    let folder = copy_of_odd();
    let plain = read(folder.path()).unwrap();
    assert_eq!((plain.packages.len(), &plain.revision), (5, &None));
    for compression in ALL {
        let made = create(folder.path(), &CreateOptions { compression, ..CreateOptions::default() }).unwrap();
        assert_eq!((made.packages, made.revision), (5, BUILD_TIME));
        let repository = read(folder.path()).unwrap();
        assert_eq!(repository.packages, plain.packages, "{compression:?}");
        assert_eq!(repository.revision.as_deref(), Some("1735689600"));
        let verified = verify(folder.path(), &VerifyOptions { packages: true, ..VerifyOptions::default() });
        assert!(verified.findings.all.is_empty(), "{:?}", verified.findings);
        assert_eq!(bytes(folder.path()).len(), 4);
        let entries = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(entries, 6, "nothing but the packages and repodata");
    }
    let few = load(&[folder.path()], &LoadOptions { files: false, ..LoadOptions::default() }).unwrap().remove(0);
    for (one, all) in few.packages.iter().zip(&plain.packages) {
        let primary: Vec<_> = all.package.files.iter().filter(|file| is_primary_path(&file.path)).cloned().collect();
        assert_eq!(one.package.files, primary);
        assert!(one.changelogs.is_empty());
    }
}

#[test]
fn the_same_packages_give_the_same_bytes() {
    let (first, second) = (copy_of_odd(), copy_of_odd());
    // Another order of folder entries, another time, another number of threads.
    std::fs::create_dir(second.path().join("repodata")).unwrap();
    std::fs::write(second.path().join("repodata/old"), "gone afterwards").unwrap();
    for entry in std::fs::read_dir(second.path()).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        let now = std::time::SystemTime::now();
        std::fs::File::options().write(true).open(entry.path()).unwrap().set_modified(now).unwrap();
    }
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for compression in ALL {
        let options = CreateOptions { compression, ..CreateOptions::default() };
        create(first.path(), &options).unwrap();
        one.install(|| create(second.path(), &options)).unwrap();
        assert_eq!(bytes(first.path()), bytes(second.path()), "{compression:?}");
    }
    let options = CreateOptions { epoch: Some(7), ..CreateOptions::default() };
    assert_eq!(create(first.path(), &options).unwrap().revision, 7);
    assert_ne!(bytes(first.path()), bytes(second.path()));
}

#[test]
fn createrepo_c_says_the_same() {
    let (ours, theirs) = (copy_of_odd(), copy_of_odd());
    create(ours.path(), &CreateOptions::default()).unwrap();
    run(Command::new("createrepo_c").args(["--quiet", "--no-database"]).arg(theirs.path()));
    let (ours, theirs) = (read(ours.path()).unwrap(), read(theirs.path()).unwrap());
    let name = |package: &bedplate_repo::RepositoryPackage| package.package.to_string();
    for package in &theirs.packages {
        let same = ours.packages.iter().find(|one| name(one) == name(package));
        assert_eq!(same, Some(package));
    }
    assert_eq!(ours.packages.len(), theirs.packages.len());
    // Its own reader takes ours, too: this one makes databases of what it reads.
    let folder = copy_of_odd();
    create(folder.path(), &CreateOptions { compression: Compression::Gzip, ..CreateOptions::default() }).unwrap();
    run(Command::new("sqliterepo_c").arg(folder.path()));
    assert!(bytes(folder.path()).keys().any(|name| name.contains("primary.sqlite")));
}

#[test]
fn dnf_reads_the_same_of_ours_as_of_createrepo_c() {
    let (ours, theirs) = (copy_of_odd(), copy_of_odd());
    create(ours.path(), &CreateOptions::default()).unwrap();
    run(Command::new("createrepo_c").args(["--quiet", "--no-database"]).arg(theirs.path()));
    let dnf = |folder: &Path, arguments: &[&str]| {
        let scratch = tempfile::tempdir().unwrap();
        let set = |name: &str| format!("--setopt={name}={}", scratch.path().display());
        let repository = format!("--repofrompath=here,file://{}", folder.display());
        let mut command = Command::new("dnf");
        command.args([
            "-q",
            "--disablerepo=*",
            "--releasever=1",
            "--forcearch=x86_64",
            "--setopt=reposdir=/nonexistent",
        ]);
        command
            .args([&set("cachedir"), &set("logdir"), &set("persistdir"), &repository])
            .arg("repoquery")
            .args(arguments);
        run(&mut command)
    };
    for arguments in [
        &[
            "--qf",
            "%{name} %{epoch} %{version} %{release} %{arch} %{summary} %{sourcerpm} %{installsize} %{buildtime} %{location}",
        ][..],
        &["--requires", "odd", "odd.src"],
        &["--provides", "*"],
        &["--list", "*"],
        &["--whatprovides", "/usr/share/odd/plain"],
        &["--whatsupplements", "lang"],
    ] {
        let (answer, want) = (dnf(ours.path(), arguments), dnf(theirs.path(), arguments));
        assert!(!answer.is_empty(), "{arguments:?}");
        assert_eq!(answer, want, "{arguments:?}");
    }
    for compression in [Compression::Gzip, Compression::Xz, Compression::None] {
        create(ours.path(), &CreateOptions { compression, ..CreateOptions::default() }).unwrap();
        let arguments = ["--provides", "--list", "*"];
        assert_eq!(dnf(ours.path(), &arguments), dnf(theirs.path(), &arguments), "{compression:?}");
    }
}

#[test]
fn a_bad_package_leaves_the_old_repodata() {
    let folder = copy_of_odd();
    create(folder.path(), &CreateOptions::default()).unwrap();
    let before = bytes(folder.path());
    let good = std::fs::read(odd().join("odd-2.0~rc1-3.x86_64.rpm")).unwrap();
    std::fs::write(folder.path().join("cut.rpm"), &good[..good.len() - 1]).unwrap();
    std::fs::write(folder.path().join("empty.rpm"), "").unwrap();
    // A letter of the summary: the header's digest is no longer its own.
    let mut other = good.clone();
    let at = other.windows(4).position(|part| part == b"odd\0").unwrap();
    other[at] = b'O';
    std::fs::write(folder.path().join("turned.rpm"), &other).unwrap();
    let findings = create(folder.path(), &CreateOptions::default()).unwrap_err();
    let shown: Vec<String> = findings
        .all
        .iter()
        .map(|one| format!("{} {}", one.path.file_name().unwrap().display(), one.problem.code()))
        .collect();
    assert_eq!(shown, ["cut.rpm truncated", "empty.rpm truncated", "turned.rpm wrong-digest"]);
    assert_eq!(bytes(folder.path()), before);
}

//! Packages and sources of Debian 13.

use std::path::Path;
use std::sync::Mutex;

use bedplate_apt::{Apt, AptError, Download, Sha256};
use bedplate_diag::Category;

/// One state for all questions: lists are fetched once.
#[test]
fn packages_and_sources_of_a_suite_are_found_and_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let apt = Apt::new(folder.path(), &["trixie"]).unwrap();

    packages_are_found(&apt);
    sources_are_found(&apt, folder.path());
    installations_are_resolved(&apt);
    files_are_fetched(&apt, folder.path());

    // The host's state is left alone, and ours is enough for another value.
    let again = Apt::new(folder.path(), &["trixie"]).unwrap();
    assert_eq!(again.deb("hostname", None).unwrap(), apt.deb("hostname", None).unwrap());
}

fn packages_are_found(apt: &Apt) {
    let deb = apt.deb("hostname", None).unwrap().expect("Debian has hostname");
    assert_eq!((deb.suite.as_str(), deb.architecture.as_str()), ("trixie", "amd64"));
    assert!(deb.path.starts_with("pool/main/h/hostname/hostname_"), "{deb:?}");
    assert!(deb.depends.iter().flatten().any(|one| one.package == "libc6"), "{deb:?}");
    assert_eq!(apt.deb("hostname", Some(&deb.version)).unwrap(), Some(deb));
    assert_eq!(apt.deb("hostname", Some("0.0-none")).unwrap(), None);
    assert_eq!(apt.deb("no-such-package", None).unwrap(), None);
    let essential = apt.essential("trixie").unwrap();
    assert!(essential.iter().any(|one| one.package == "bash" && one.is_essential));
    assert!(!essential.iter().any(|one| one.package == "hostname" && !one.is_essential));
    assert!(matches!(apt.essential("sid"), Err(AptError::UnknownSuite { .. })));
    assert!(apt.names("trixie").unwrap().len() > 50_000);
}

fn sources_are_found(apt: &Apt, folder: &Path) {
    let files = apt.source_files("hostname").unwrap();
    let tar = files.iter().find(|file| file.file.contains(".tar.")).expect("a source has a tar archive");
    assert_eq!(apt.source_file("hostname", &tar.file).unwrap().as_ref(), Some(tar));
    assert_eq!(apt.source_file("hostname", "other.tar.gz").unwrap(), None);
    let target = folder.join("source");
    apt.fetch_source(tar, &target).unwrap();
    assert_eq!(Sha256::of_file(&target).unwrap(), (tar.sha256, tar.size));
}

fn installations_are_resolved(apt: &Apt) {
    let set = apt.resolve("trixie", &["hostname", "file"]).unwrap();
    let names: Vec<&str> = set.iter().map(|one| one.package.as_str()).collect();
    for name in ["file", "hostname", "libc6", "libmagic-mgc", "libmagic1t64", "zlib1g"] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    assert!(names.is_sorted() && names.len() < 30, "{names:?}");
    let error = apt.resolve("trixie", &["hostname", "no-such-one", "no-such-two"]).unwrap_err();
    assert_eq!(error.to_string(), "trixie has no package `no-such-one`, `no-such-two`");
    assert_eq!(error.category(), Category::Input);
    let error = apt.resolve("trixie", &["systemd-sysv", "sysvinit-core"]).unwrap_err();
    assert!(matches!(&error, AptError::Unsolvable { output, .. } if output.contains("sysvinit-core")), "{error}");
}

fn files_are_fetched(apt: &Apt, folder: &Path) {
    let (file, hostname) = (apt.deb("file", None).unwrap().unwrap(), apt.deb("hostname", None).unwrap().unwrap());
    let bad = Download { sha256: Sha256([0; 32]), ..hostname.download(&folder.join("bad")) };
    let gone = Download { path: "pool/main/g/gone_1.deb".to_owned(), ..file.download(&folder.join("gone")) };
    let good = [file.download(&folder.join("file.deb")), hostname.download(&folder.join("hostname.deb"))];
    let seen = Mutex::new(Vec::new());
    let error =
        apt.fetch(&[bad, good[1].clone(), gone.clone()], &|progress| seen.lock().unwrap().push(progress)).unwrap_err();
    let AptError::NotFetched { paths, output } = &error else { panic!("{error}") };
    assert_eq!(paths, &["pool/main/g/gone_1.deb".to_owned(), hostname.path.clone()]);
    assert!(output.contains("404") && output.contains("Hash Sum mismatch"), "{output}");
    assert_eq!(error.category(), Category::Environment);
    // What could be had is there.
    assert_eq!(Sha256::of_file(&good[1].target).unwrap(), (hostname.sha256, hostname.size));
    assert_eq!(seen.lock().unwrap().last().map(|last| (last.files, last.bytes)), Some((1, hostname.size)));
    assert!(!folder.join("bad").exists() && !folder.join("gone").exists());

    // A download that was broken off goes on or begins anew, and what is whole already is not fetched again.
    apt.fetch(&good, &|_| {}).unwrap();
    let whole = std::fs::read(&good[0].target).unwrap();
    let partial = folder.join("partial").join(file.sha256.to_string());
    for bytes in [&whole[..whole.len() / 2], &whole[..]] {
        std::fs::write(&partial, bytes).unwrap();
        apt.fetch(&good[..1], &|_| {}).unwrap();
        assert_eq!(std::fs::read(&good[0].target).unwrap(), whole);
    }
    std::fs::write(&partial, &whole).unwrap();
    apt.fetch(&[Download { path: gone.path, ..good[0].clone() }], &|_| {}).unwrap();
}

#[test]
fn what_apt_cannot_fetch_is_said_in_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let apt = Apt::new(folder.path(), &["no-such-suite"]).unwrap();
    let error = apt.deb("hostname", None).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("apt-get update (of no-such-suite)") && text.contains("Release"), "{text}");
    assert_eq!(error.category(), Category::Environment);
    let odd = folder.path().join("with\"quote");
    let error = Apt::new(&odd, &["trixie"]).unwrap_err().to_string();
    assert!(error.contains("with\"quote"), "{error}");
}

//! Vendor archives of Go libraries: packages made here, archives read by tar and built by nothing but what is pinned.

use std::path::{Path, PathBuf};
use std::process::Command;

use bedplate_source::{BundleError, GoLock, GoPackage, GoWanted, Sha256, bundle, fetch_packages};

use crate::support::Place;

/// Makes a package with files (`PATH`), executable files (`PATH*`) and links (`PATH -> TO`), and puts it into the store.
fn deb(place: &Place, name: &str, files: &[(&str, &str)]) -> GoPackage {
    let root = place.at(&format!("root-{name}"));
    std::fs::create_dir_all(root.join("DEBIAN")).unwrap();
    let control =
        format!("Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.example>\nDescription: x\n");
    std::fs::write(root.join("DEBIAN/control"), control).unwrap();
    for (path, content) in files {
        let at = root.join(path.trim_end_matches('*'));
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        match content.strip_prefix("-> ") {
            Some(to) => std::os::unix::fs::symlink(to, &at).unwrap(),
            None => std::fs::write(&at, content).unwrap(),
        }
        if path.ends_with('*') {
            std::fs::set_permissions(&at, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        }
    }
    let file = place.at(&format!("{name}.deb"));
    let made = Command::new("dpkg-deb").args(["-b", "--root-owner-group"]).arg(&root).arg(&file).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let digest = place.store.put_file(&file).unwrap();
    let path = format!("pool/{name}.deb");
    GoPackage { name: name.into(), version: "1".into(), path, sha256: Sha256(digest.hash), size: digest.size }
}

fn lock(packages: &[GoPackage]) -> GoLock {
    GoLock { suite: "sid".into(), wanted: GoWanted::BuildDependsOf("x".into()), packages: packages.to_vec() }
}

const SRC: &str = "usr/share/gocode/src";

fn some(place: &Place) -> [GoPackage; 2] {
    let a = deb(
        place,
        "golang-a-dev",
        &[
            (&format!("{SRC}/host/a/a.go"), "package a\n"),
            (&format!("{SRC}/host/a/run.sh*"), "#!/bin/sh\n"),
            (&format!("{SRC}/host/a/link.go"), "-> /usr/share/gocode/src/host/b/b.go"),
            (&format!("{SRC}/host/a/doc"), "-> ../../../../../doc/a"),
            ("usr/share/doc/golang-a-dev/copyright", "x"),
        ],
    );
    let long = format!("{SRC}/host/b/{}/long.go", "deep/".repeat(40));
    let b = deb(
        place,
        "golang-b-dev",
        &[(&format!("{SRC}/host/b/b.go"), "package b\n"), (&format!("{SRC}/host/a/a.go"), "package a\n"), (&long, "x")],
    );
    [a, b]
}

fn unpacked(archive: &Path, into: &Path) -> String {
    std::fs::create_dir_all(into).unwrap();
    let listed = Command::new("tar").arg("-tvf").arg(archive).arg("--numeric-owner").output().unwrap();
    assert!(listed.status.success() && listed.stderr.is_empty(), "{listed:?}");
    assert!(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(into).status().unwrap().success());
    String::from_utf8(listed.stdout).unwrap()
}

#[test]
fn packages_become_one_tree_of_fixed_bytes() {
    let place = Place::new();
    let packages = some(&place);
    let mut turned = lock(&packages);
    turned.packages.reverse();
    for name in ["x-1-vendor.tar", "x-1-vendor.tar.gz", "x-1-vendor.tar.zst"] {
        let out: [PathBuf; 2] = ["one", "two"].map(|folder| place.at(folder));
        for (path, lock) in out.iter().zip([lock(&packages), turned.clone()]) {
            let made = bundle(&place.store, &lock, name, path).unwrap();
            assert_eq!((made.files, made.left_out.len()), (5, 1));
            assert_eq!(made.left_out[0], "golang-a-dev: src/host/a/doc -> ../../../../../doc/a");
        }
        assert_eq!(std::fs::read(&out[0]).unwrap(), std::fs::read(&out[1]).unwrap(), "{name}");
        let folder = place.at("unpacked");
        let listed = unpacked(&out[0], &folder);
        let top = folder.join("x-1-vendor/src/host");
        assert_eq!(std::fs::read_to_string(top.join("a/link.go")).unwrap(), "package b\n");
        assert_eq!(std::fs::read_to_string(top.join(format!("b/{}long.go", "deep/".repeat(40)))).unwrap(), "x");
        assert!(!folder.join("x-1-vendor/share").exists() && top.join("a/doc").symlink_metadata().is_err());
        for line in listed.lines() {
            assert!(line.contains(" 0/0 ") && line.contains(" 1980-01-01 00:00 "), "{line}");
        }
        assert!(listed.contains("-rwxr-xr-x 0/0"), "{listed}");
        assert!(listed.lines().next().unwrap().ends_with(" x-1-vendor/"), "{listed}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn packages_that_do_not_fit_are_refused() {
    let place = Place::new();
    let one = deb(&place, "golang-a-dev", &[(&format!("{SRC}/a.go"), "a"), (&format!("{SRC}/b"), "-> a.go")]);
    let two = deb(&place, "golang-b-dev", &[(&format!("{SRC}/a.go"), "b"), (&format!("{SRC}/b"), "b")]);
    let error = bundle(&place.store, &lock(&[one.clone(), two]), "x.tar", &place.at("out")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "packages do not fit together: `src/a.go` is another in golang-a-dev than in golang-b-dev; `src/b` is another in \
         golang-a-dev than in golang-b-dev"
    );
    assert!(matches!(bundle(&place.store, &lock(&[one]), "x.zip", &place.at("out")), Err(BundleError::Name(_))));
    let no_deb = place.store.put(b"this is no package").unwrap();
    let path = String::new();
    let three =
        GoPackage { name: "c".into(), version: "1".into(), path, sha256: Sha256(no_deb.hash), size: no_deb.size };
    let error = bundle(&place.store, &lock(&[three]), "x.tar", &place.at("out")).unwrap_err().to_string();
    assert_eq!(error, "package c: no good package of Debian: it does not begin as a package does");
}

#[test]
fn an_entry_with_a_lock_is_made_without_a_network() {
    let mut place = Place::new();
    place.options.offline = true;
    let packages = some(&place);
    let archive = place.at("archive");
    bundle(&place.store, &lock(&packages), "x-vendor.tar", &archive).unwrap();
    let (sha256, size) = Sha256::of_file(&archive).unwrap();
    std::fs::write(place.at("spec/x.go.lock"), lock(&packages).text()).unwrap();
    let entry = |sha256: &Sha256| {
        format!(
            "[[file]]\nname = \"x-vendor.tar\"\nsha256 = \"{sha256}\"\nsize = {size}\ngo = {{ lock = \"x.go.lock\" }}\n"
        )
    };
    let package = place.package(&entry(&sha256));
    assert_eq!(place.fetch(&package).unwrap()["x-vendor.tar"].size, size);
    assert_eq!(place.told(), [format!("a x-vendor.tar: got {size} of the Go libraries of x.go.lock")]);

    // Another pin: what the packages make is refused.
    let package = place.package(&entry(&Sha256::of(b"")));
    let error = place.fetch(&package).unwrap_err();
    assert!(
        error.contains(&format!("wrong bytes: its SHA-256 should be {} and is {sha256}", Sha256::of(b""))),
        "{error}"
    );

    let mut lacking = lock(&packages);
    lacking.packages[1].sha256 = Sha256::of(b"nowhere");
    let error = fetch_packages(&place.store, &lacking, None, &|_, _| {}).unwrap_err();
    assert_eq!(error.to_string(), "1 of the packages are not in the store, and the network is not to be used");
    std::fs::write(place.at("spec/x.go.lock"), "version = 1\npakage = 3\n").unwrap();
    let error = place.fetch(&package).unwrap_err();
    assert!(error.contains("DIR/spec/x.go.lock has mistakes: unknown key `pakage`"), "{error}");
}

//! Roots are made, found again, and made again where they are damaged.

use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use bedplate_cas::TreeEntry;
use bedplate_diag::Category;
use bedplate_seed::{PackageState, SeedError, SeedProgress};

use crate::support::World;

#[test]
fn a_root_is_the_same_whatever_else_is_installed() {
    let (one, other) = (World::new(), World::new());
    let seen = Mutex::new(Vec::new());
    assert_eq!(one.roots().find(&["small"]).unwrap(), None);
    let (small, large) = std::thread::scope(|scope| {
        let large = scope.spawn(|| other.roots().create(&["large"], &|_| {}).unwrap());
        let small = one.roots().create(&["small"], &|progress| seen.lock().unwrap().push(progress)).unwrap();
        (small, large.join().unwrap())
    });
    assert_ne!(small, large);
    assert_eq!(other.roots().find(&["small"]).unwrap(), None);
    // The packages are there: they are only put together.
    let unexpected = |progress| panic!("nothing is to be done: {progress:?}");
    assert_eq!(other.roots().create(&["small"], &unexpected).unwrap(), small);
    assert_eq!(other.roots().find(&["small"]).unwrap(), Some(small));
    assert_eq!(other.roots().create(&["large"], &unexpected).unwrap(), large);

    let seen = seen.into_inner().unwrap();
    assert!(matches!(seen[0], SeedProgress::Fetch { files: 0, .. }), "{seen:?}");
    assert!(seen.contains(&SeedProgress::Store), "{seen:?}");

    let tree = one.store.tree(&small).unwrap();
    let link = |target: &str| Some(TreeEntry::Symlink { target: target.to_owned() });
    let get = |path: &str| tree.get(path).cloned();
    assert_eq!(get("bin"), link("usr/bin"));
    assert_eq!(get("usr/bin/awk"), link("/etc/alternatives/awk"));
    assert_eq!(get("etc/alternatives/awk"), link("/usr/bin/gawk"));
    assert!(matches!(get("usr/bin/hostname"), Some(TreeEntry::File { mode: 0o755, .. })));
    assert!(matches!(get("etc/passwd"), Some(TreeEntry::File { mode: 0o644, .. })));
    assert!(matches!(get("tmp"), Some(TreeEntry::Directory { mode: 0o1777 })));
    // What the root does not need was installed with it all the same; documentation and state are in no root.
    for path in ["usr/bin/dpkg", "usr/bin/ed", "usr/bin/dash", "var/lib/dpkg/status", "usr/share/doc/gawk", "dev/null"]
    {
        assert_eq!(get(path), None, "{path}");
    }
    assert!(other.store.tree(&large).unwrap().get("usr/bin/ed").is_some());

    damage_is_found(&one);
}

fn damage_is_found(world: &World) {
    let root = world.roots().find(&["small"]).unwrap().unwrap();
    let Some(TreeEntry::File { digest, .. }) = world.store.tree(&root).unwrap().get("usr/bin/gawk").cloned() else {
        panic!("gawk is a file");
    };
    assert!(world.roots().repair(&["small"]).unwrap().is_empty());
    assert_eq!(world.roots().find(&["small"]).unwrap(), Some(root));
    let file = world.store.path_of(&digest).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(&file, "not gawk").unwrap();
    // Another process would not know that it has read the file before.
    let store = bedplate_cas::Store::open(world.store.path()).unwrap();
    let roots = bedplate_seed::SeedRoots { store: &store, ..world.roots() };
    assert_eq!(roots.repair(&["small"]).unwrap(), ["gawk"]);
    assert_eq!(roots.find(&["small"]).unwrap(), None);
    let (name, gawk) = world.lock.packages.get_key_value("gawk").unwrap();
    assert_eq!(roots.verify(name, gawk).unwrap(), PackageState::Missing);
    let (name, hostname) = world.lock.packages.get_key_value("hostname").unwrap();
    assert_eq!(roots.verify(name, hostname).unwrap(), PackageState::Whole);
}

#[test]
fn the_configuration_of_rpm_is_had_without_an_installation() {
    let world = World::new();
    let seen = Mutex::new(Vec::new());
    let config = world.roots().rpm_config(&|progress| seen.lock().unwrap().push(progress)).unwrap();
    assert!(seen.lock().unwrap().iter().all(|one| matches!(one, SeedProgress::Fetch { .. })));
    let folder = world.store.checkout(&config).unwrap();
    for file in
        ["rpmrc", "macros", "rpmpopt-4.20.1", "platform/x86_64-linux/macros", "macros.d/macros.transaction_syslog"]
    {
        assert!(folder.join("usr/lib/rpm").join(file).is_file(), "{file}");
    }
    assert!(!folder.join("usr/bin").exists());
    assert_eq!(world.roots().rpm_config(&|progress| panic!("{progress:?}")).unwrap(), config);
}

#[test]
fn packages_that_have_left_the_mirror_are_all_named() {
    let mut world = World::new();
    for name in ["gawk", "hostname"] {
        let package = world.lock.packages.get_mut(name).unwrap();
        package.path = format!("pool/main/gone/{name}_0.deb");
        package.version = "0-gone".to_owned();
        package.sha256.0 = [7; 32];
    }
    let error = world.roots().create(&["small"], &|_| {}).unwrap_err();
    assert_eq!(error.to_string(), "the mirror no longer has these locked packages: gawk 0-gone, hostname 0-gone");
    assert_eq!(error.category(), Category::Environment);
    assert!(error.hint().unwrap().contains("bedplate seed lock"));
    // The others were kept: a new lock does not fetch them again.
    let dpkg = &world.lock.packages["dpkg"];
    assert!(world.store.has(&bedplate_cas::Digest { hash: dpkg.sha256.0, size: dpkg.size }));
}

#[test]
fn what_cannot_be_asked_for_is_named() {
    let mut world = World::new();
    let error = world.roots().create(&["smal", "none"], &|_| {}).unwrap_err();
    assert_eq!(error.to_string(), "the seed has no group `none`, `smal`");
    assert_eq!((error.category(), error.hint().unwrap().as_str()), (Category::Input, "did you mean `small`?"));
    world.lock.packages.remove("hostname");
    let error = world.roots().find(&["large"]).unwrap_err();
    assert!(matches!(&error, SeedError::NotLocked { names } if names == &["hostname"]), "{error}");
}

#[test]
fn mmdebstrap_says_why_it_failed() {
    let mut world = World::new();
    // Nothing provides a shell for its scripts.
    for package in world.lock.packages.values_mut() {
        package.is_essential = false;
    }
    let error = world.roots().create(&["small"], &|_| {}).unwrap_err();
    assert!(matches!(&error, SeedError::Install { output, .. } if output.contains("E: ")), "{error}");
    assert_eq!(error.category(), Category::Environment);
    assert_eq!(world.roots().find(&["small"]).unwrap(), None);
    // Nothing of it is left behind.
    let left: Vec<_> = std::fs::read_dir(world.store.path().join("work")).unwrap().collect();
    assert!(
        left.iter().all(|one| !one.as_ref().unwrap().file_name().to_string_lossy().starts_with("seed-")),
        "{left:?}"
    );
}

//! A small seed out of the real lock, and a store for it.

use std::path::Path;

use bedplate_apt::Apt;
use bedplate_cas::Store;
use bedplate_diag::SourceId;
use bedplate_seed::{Definition, Lock, SeedRoots};
use tempfile::TempDir;

const LOCK: &str = include_str!("../../../../toolkit/seed/debian-trixie.lock");

/// `small` is the root of `large` without a package; both have an alternative.
const DEFINITION: &str = r#"
name = "debian-trixie"
[groups.small.packages]
gawk = ["/usr/bin/awk"]
hostname = ["hostname"]
[groups.large]
needs = ["small"]
[groups.large.packages]
ed = ["ed"]
[groups.rpm.packages]
rpm = ["rpm-build = 4.20.1"]
"#;

/// What scripts of these packages call. The others that are essential would cost the tests a minute.
const ESSENTIAL: &[&str] = &["base-passwd", "coreutils", "dash", "diffutils", "dpkg", "grep", "libc-bin", "sed"];

/// A seed in a folder of its own.
pub(crate) struct World {
    _folder: TempDir,
    pub(crate) store: Store,
    pub(crate) definition: Definition,
    pub(crate) lock: Lock,
    apt: Apt,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let apt = Apt::new(&folder.path().join("apt"), &["trixie"]).unwrap();
        let definition = Definition::parse(SourceId(0), DEFINITION).unwrap();
        let mut lock = Lock::parse(SourceId(1), LOCK).unwrap();
        for (name, package) in &mut lock.packages {
            package.is_essential = ESSENTIAL.contains(&name.as_str());
        }
        Self { _folder: folder, store, definition, lock, apt }
    }

    pub(crate) fn roots(&self) -> SeedRoots<'_> {
        SeedRoots {
            store: &self.store,
            definition: &self.definition,
            lock: &self.lock,
            apt: &self.apt,
            temporary: Path::new("/tmp"),
        }
    }
}

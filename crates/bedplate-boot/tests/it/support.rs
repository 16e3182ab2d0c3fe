//! Folders, stores, tools.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bedplate_cas::Store;

/// A folder with a store.
pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) store: Store,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        Self { folder, store }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }
}

/// Runs a tool that `toolkit/host-setup` installs; what it says if it fails is in the message.
#[track_caller]
pub(crate) fn run(program: &str, arguments: &[&dyn AsRef<std::ffi::OsStr>], folder: &Path) -> Output {
    let mut command = Command::new(program);
    command.args(arguments.iter().map(|argument| argument.as_ref())).current_dir(folder).env("LC_ALL", "C");
    let output = command.output().unwrap_or_else(|error| panic!("{program} (toolkit/host-setup installs it): {error}"));
    assert!(
        output.status.success(),
        "{program}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

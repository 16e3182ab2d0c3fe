//! The answerers against real processes.

#![expect(
    clippy::print_stderr,
    reason = "a test that is skipped says why, and the differential test says how much it knew"
)]

mod chain;
mod differential;
mod hostile;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bedplate_shell::{DiskFiles, Facts, Native, Profile};
use bedplate_spec::host::{ShellAnswer, ShellCall};

/// The environment that all tests use.
fn environment() -> BTreeMap<String, String> {
    [("PATH", "/usr/bin:/bin"), ("LC_ALL", "C.UTF-8"), ("LANG", "C.UTF-8"), ("TZ", "UTC"), ("HOME", "/nonexistent")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// What the small sh says, or why it does not know.
fn native(command: &[u8], source_dir: &str, profile: Profile) -> Result<ShellAnswer, String> {
    let native = Native::new(Arc::new(DiskFiles), Arc::new(profile));
    let environment = environment();
    native.answer(ShellCall { command, environment: &environment, source_dir }).map_err(|why| why.to_string())
}

/// A pinned clock and nothing else.
fn clock() -> Profile {
    Profile::of_facts(Facts { now: Some(1_700_000_000), ..Facts::default() })
}

/// A folder with the files that the commands of `data/commands.txt` read.
fn source_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for (name, content) in [
        ("VERSION", "1.2.3\n"),
        ("config.h", "/* made */\n#define VERSION \"4.5.6\"\n#define NAME foo.bar\n\n"),
        ("changelog", "helfertoolctl (2.1.0) unstable; urgency=low\n\n  * New\n"),
        ("list", "c\na\nb\n"),
        ("empty", ""),
        ("noeol", "one\ntwo"),
        ("sub/a.txt", "alpha\n"),
        ("sub/b.txt", "beta\n"),
        ("x-1.0.tar.gz", "x"),
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

fn path_text(path: &Path) -> &str {
    path.to_str().unwrap()
}

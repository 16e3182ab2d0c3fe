//! Runs openssl.

use std::path::Path;
use std::process::{Command, Output};

/// Runs openssl in a folder, with arguments between blanks.
pub(crate) fn run(folder: &Path, arguments: &str) -> Output {
    Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap()
}

/// What openssl says; it has to succeed.
#[track_caller]
pub(crate) fn openssl(folder: &Path, arguments: &str) -> String {
    let output = run(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "openssl {arguments}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned() + &said
}

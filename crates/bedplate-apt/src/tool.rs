//! Runs the programs of apt.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::AptError;

pub(crate) const APT_GET: &str = "/usr/bin/apt-get";
pub(crate) const APT_HELPER: &str = "/usr/lib/apt/apt-helper";

/// Lines of a failed program's output that are shown.
const LAST_LINES: usize = 30;

/// Runs a program with one more configuration file, without a keyboard and in English.
pub(crate) fn run<S: AsRef<OsStr>>(
    program: &str,
    configuration: Option<&Path>,
    arguments: impl IntoIterator<Item = S>,
) -> Result<Output, AptError> {
    let mut command = Command::new(program);
    if let Some(configuration) = configuration {
        command.arg("-c").arg(configuration);
    }
    command.args(arguments).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8").env("DEBIAN_FRONTEND", "noninteractive");
    // Variables of apt itself would bring another configuration in.
    command.env_remove("APT_CONFIG");
    command.output().map_err(|source| AptError::Missing { program: program.into(), source })
}

/// Standard output, if the program says that all is well.
pub(crate) fn checked(what: &str, output: Output) -> Result<String, AptError> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(AptError::Failed { command: what.to_owned(), status: output.status.to_string(), output: said(&output.stderr) })
}

/// The last lines of what a program said, without empty ones.
pub(crate) fn said(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

//! Installs packages into an empty root by mmdebstrap, offline: from a repository of exactly these packages.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use bedplate_apt::deb_control;
use rayon::prelude::*;

use crate::{LockedPackage, SeedError};

/// Lines of a failed run that are shown.
const LAST_LINES: usize = 30;

/// What dpkg does not even write: nobody reads it, and a third of the time goes there.
const EXCLUDED: &[&str] = &["bug", "doc", "info", "lintian", "man"];

/// A package file for the repository.
pub(crate) struct PackageFile<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// What the lock says of it.
    pub(crate) package: &'a LockedPackage,
}

/// Name of a package's file in the repository.
pub(crate) fn file_name(name: &str) -> String {
    format!("{name}.deb")
}

/// Writes the index of a folder that has all these packages as files.
pub(crate) fn write_index(folder: &Path, files: &[PackageFile<'_>]) -> Result<(), SeedError> {
    let paragraphs =
        files.par_iter().map(|file| paragraph(folder, file)).collect::<Result<Vec<String>, SeedError>>()?;
    let path = folder.join("Packages");
    std::fs::write(&path, paragraphs.concat()).map_err(|error| SeedError::io("cannot write", &path, error))
}

fn paragraph(folder: &Path, file: &PackageFile<'_>) -> Result<String, SeedError> {
    let path = folder.join(file_name(file.name));
    let control = deb_control(&path).map_err(|error| SeedError::io("cannot read", &path, error))?;
    let mut text = control.trim_end().to_owned();
    let LockedPackage { sha256, size, .. } = file.package;
    let _ = write!(text, "\nFilename: ./{}\nSize: {size}\nSHA256: {sha256}\n\n", file_name(file.name));
    Ok(text)
}

/// What is to be installed.
pub(crate) struct Installation<'a> {
    /// The folder with the packages and their index.
    pub(crate) repository: &'a Path,
    /// Where mmdebstrap works. If we are not root, others have to be able to reach into it and into the repository.
    pub(crate) scratch: &'a Path,
    /// Name of the suite.
    pub(crate) suite: &'a str,
    /// Debian's name of the architecture.
    pub(crate) architecture: &'a str,
    /// The packages, all of them.
    pub(crate) names: Vec<&'a str>,
}

impl Installation<'_> {
    /// Runs mmdebstrap; `consume` reads the installed system as a tar archive. `step` is called with the number of packages
    /// that have been installed so far.
    pub(crate) fn run<T>(
        &self,
        step: &(dyn Fn(usize) + Sync),
        consume: impl FnOnce(ChildStdout) -> Result<T, SeedError>,
    ) -> Result<T, SeedError> {
        let mut child = self.command().spawn().map_err(|source| SeedError::NoInstaller { source })?;
        let (Some(tar), Some(messages)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(SeedError::BadImage { why: "its output is not there".to_owned() });
        };
        std::thread::scope(|scope| {
            let messages = scope.spawn(|| follow(messages, step));
            // Its end closes the archive: should it fail, mmdebstrap cannot write on, and ends as well.
            let consumed = consume(tar);
            let status = child.wait().map_err(|source| SeedError::NoInstaller { source })?;
            let messages = messages.join().unwrap_or_default();
            match consumed {
                // An archive that is cut off: mmdebstrap knows why.
                Ok(_) | Err(SeedError::BadImage { .. }) if !status.success() => {
                    Err(SeedError::Install { status: status.to_string(), output: messages.join("\n") })
                }
                other => other,
            }
        })
    }

    fn command(&self) -> Command {
        let mode = if rustix::process::geteuid().is_root() { "root" } else { "unshare" };
        // If we die, so does it: it clears up what it made.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "mmdebstrap", "--verbose", "--variant=custom", "--format=tar"]);
        command.arg(format!("--mode={mode}")).arg(format!("--architectures={}", self.architecture));
        command.arg(format!("--include={}", self.names.join(",")));
        command.arg("--dpkgopt=force-unsafe-io");
        command.args(EXCLUDED.iter().map(|folder| format!("--dpkgopt=path-exclude=/usr/share/{folder}/*")));
        let repository = format!("deb [trusted=yes] copy://{} ./", escaped(self.repository));
        command.arg(self.suite).arg("-").arg(repository);
        command.env("LC_ALL", "C.UTF-8").env("SOURCE_DATE_EPOCH", "1").env("TMPDIR", self.scratch);
        // A kernel's package would make an initramfs, with all its modules: it takes a minute, and no build wants it.
        command.env("INITRD", "No");
        command.env_remove("APT_CONFIG");
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// A path as a URI of apt has it: words end at spaces, and a percent sign begins a code.
fn escaped(path: &Path) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._~+".contains(byte);
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.iter().map(|byte| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02x}") }).collect()
}

/// Reads messages to their end; gives the last ones.
fn follow(messages: impl Read, step: impl Fn(usize)) -> Vec<String> {
    let mut last = VecDeque::new();
    let mut installed = 0;
    for line in BufReader::new(messages).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if line.starts_with("Setting up ") {
            installed += 1;
            step(installed);
        }
        // It is missing because we leave it out.
        if line.starts_with("update-alternatives: warning: skip creation of ") {
            continue;
        }
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    last.into()
}

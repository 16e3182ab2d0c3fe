//! One suite: apt's state for it, and its indexes.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{FlockOperation, flock};

use crate::index::Index;
use crate::mirror::Mirror;
use crate::tool::{self, APT_GET};
use crate::{AptError, DebFile, deb};

/// What we read with is Debian's word for x86-64: the seed and the sources are for that.
const ARCHITECTURE: &str = "amd64";

/// A suite with a state of its own.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) name: String,
    folder: PathBuf,
    packages: OnceLock<Index>,
    sources: OnceLock<Index>,
}

impl Suite {
    pub(crate) fn new(parent: &Path, name: &str) -> Self {
        Self { name: name.to_owned(), folder: parent.join(name), packages: OnceLock::new(), sources: OnceLock::new() }
    }

    /// The file that is read after the host's configuration.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.join("apt.conf")
    }

    /// True if the lists were fetched once, whole.
    pub(crate) fn is_updated(&self) -> bool {
        self.folder.join("updated").exists()
    }

    /// Writes apt's configuration. Lists of another mirror are dropped.
    pub(crate) fn prepare(&self, mirror: &Mirror) -> Result<(), AptError> {
        let sources = self.folder.join("sources/mirror.sources");
        let wanted = mirror.sources(&self.name);
        let configuration = self.configuration();
        let text = configuration_text(&self.folder);
        let same = |path: &Path, text: &str| std::fs::read_to_string(path).is_ok_and(|found| found == text);
        if same(&sources, &wanted) && same(&configuration, &text) {
            return Ok(());
        }
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(AptError::io("cannot remove", &self.folder, error));
            }
            _ => {}
        }
        for folder in ["sources", "state/lists/partial", "cache/archives/partial"] {
            let path = self.folder.join(folder);
            std::fs::create_dir_all(&path).map_err(|error| AptError::io("cannot make", &path, error))?;
        }
        for (path, text) in [(self.folder.join("status"), ""), (configuration, &text), (sources, &wanted)] {
            std::fs::write(&path, text).map_err(|error| AptError::io("cannot write", &path, error))?;
        }
        Ok(())
    }

    /// Fetches the lists.
    pub(crate) fn update(&self) -> Result<(), AptError> {
        // Without the option, apt is content if a part of the lists is old or missing.
        let arguments = ["update", "-q", "-o", "APT::Update::Error-Mode=any"];
        let output = tool::run(APT_GET, Some(&self.configuration()), arguments)?;
        tool::checked(&format!("apt-get update (of {})", self.name), output)?;
        let stamp = self.folder.join("updated");
        std::fs::write(&stamp, "").map_err(|error| AptError::io("cannot write", &stamp, error))
    }

    /// The index of binary packages.
    pub(crate) fn packages(&self) -> Result<&Index, AptError> {
        self.index(&self.packages, "_Packages")
    }

    /// The index of source packages.
    pub(crate) fn sources(&self) -> Result<&Index, AptError> {
        self.index(&self.sources, "_Sources")
    }

    fn index<'a>(&self, cell: &'a OnceLock<Index>, ending: &str) -> Result<&'a Index, AptError> {
        if let Some(index) = cell.get() {
            return Ok(index);
        }
        let index = Index::read(&self.folder.join("state/lists"), ending)?;
        Ok(cell.get_or_init(|| index))
    }

    /// A package, of one version or the newest.
    pub(crate) fn deb(&self, package: &str, version: Option<&str>) -> Result<Option<DebFile>, AptError> {
        let index = self.packages()?;
        deb::find(index.paragraphs(package), version).map(|found| deb::read(index, found, &self.name)).transpose()
    }

    /// All that an installation of some packages into an empty root takes, by apt's own resolver, without recommendations.
    pub(crate) fn resolve(&self, names: &[&str]) -> Result<Vec<DebFile>, AptError> {
        let index = self.packages()?;
        let missing: Vec<String> =
            names.iter().filter(|name| !index.has(name)).map(|name| (*name).to_owned()).collect();
        if !missing.is_empty() {
            return Err(AptError::UnknownPackages { suite: self.name.clone(), names: missing });
        }
        let arguments = ["install", "--simulate", "--no-install-recommends", "-q", "--"];
        let output = tool::run(APT_GET, Some(&self.configuration()), arguments.iter().chain(names))?;
        if !output.status.success() {
            // What cannot be solved is told on standard output, between the package lists.
            let told = [output.stdout, output.stderr].concat();
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            return Err(AptError::Unsolvable { suite: self.name.clone(), names, output: tool::said(&told) });
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let mut found = Vec::new();
        for (package, version) in text.lines().filter_map(installed) {
            match self.deb(package, Some(version))? {
                Some(deb) => found.push(deb),
                None => {
                    let why = format!("apt installs {package} {version}, which the index does not have");
                    return Err(AptError::BadIndex { path: self.folder.join("state/lists"), why });
                }
            }
        }
        found.sort_by(|one, other| one.package.cmp(&other.package));
        Ok(found)
    }
}

/// Name and version of a line like `Inst libc6 (2.41-12 Debian:13.7/stable [amd64]) []`.
fn installed(line: &str) -> Option<(&str, &str)> {
    let (package, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
    Some((package.split(':').next()?, rest.split(' ').next()?))
}

/// What makes apt use this folder, and nothing that is installed on the host.
fn configuration_text(folder: &Path) -> String {
    // apt knows no quoting: a path with a quotation mark could not be written. The caller refuses those.
    let at = |path: &str| folder.join(path).display().to_string();
    format!(
        r#"Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{sources}";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{state}";
Dir::State::status "{status}";
Dir::Cache "{cache}";
APT::Architecture "{ARCHITECTURE}";
#clear APT::Architectures;
APT::Architectures {{ "{ARCHITECTURE}"; }};
#clear APT::Default-Release;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
// The user of apt's downloads could not write into a folder of ours; every file is hashed by us.
APT::Sandbox::User "root";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
Acquire::GzipIndexes "false";
Acquire::Languages "none";
Acquire::Retries "3";
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::DEP-11-icons-small;
#clear Acquire::IndexTargets::deb::DEP-11-icons;
#clear Acquire::IndexTargets::deb::DEP-11-icons-hidpi;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large-hidpi;
"#,
        sources = at("sources"),
        state = at("state"),
        status = at("status"),
        cache = at("cache"),
    )
}

/// Holds a lock file until the value is dropped.
pub(crate) fn lock(path: &Path) -> Result<File, AptError> {
    let open = File::options().create(true).truncate(false).write(true).open(path);
    let file = open.map_err(|error| AptError::io("cannot open", path, error))?;
    loop {
        match flock(&file, FlockOperation::LockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(AptError::io("cannot lock", path, error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_packages_are_read_off_apt() {
        let cases = [
            ("Inst libc6 (2.41-12+deb13u4 Debian:13.7/stable [amd64])", Some(("libc6", "2.41-12+deb13u4"))),
            ("Inst libgcc-s1 (14.2.0-19 Debian:13.7/stable [amd64]) []", Some(("libgcc-s1", "14.2.0-19"))),
            ("Inst libc6:amd64 (1:2-1 Debian [amd64])", Some(("libc6", "1:2-1"))),
            ("Conf libc6 (2.41-12+deb13u4 Debian:13.7/stable [amd64])", None),
            ("  libc6 libgcc-s1", None),
        ];
        for (line, expected) in cases {
            assert_eq!(installed(line), expected, "{line}");
        }
    }
}

//! Package names, architectures, and the full name of a package.

use std::fmt;
use std::str::FromStr;

use crate::{Evr, EvrError};

/// Why a text is no [`Nevra`], [`PackageName`] or [`PackageArch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NevraError {
    /// No `-` before the version or the release, or no `.` before the architecture.
    Incomplete,
    /// The name is empty or has a character that is not allowed.
    Name(String),
    /// Epoch, version or release are wrong.
    Evr(EvrError),
    /// The architecture is empty or has a character that is not allowed.
    Arch(String),
}

impl fmt::Display for NevraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete => write!(f, "not of the form `name-[epoch:]version-release.arch`"),
            Self::Name(name) => write!(f, "`{name}` is not a package name"),
            Self::Evr(error) => write!(f, "{error}"),
            Self::Arch(arch) => write!(f, "`{arch}` is not an architecture"),
        }
    }
}

impl std::error::Error for NevraError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Evr(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}

/// A name that `Name:` takes: ASCII letters, digits and `.-_+%{}`, of which the first is a letter, a digit, `_` or `%`
/// (`ALLOWED_CHARS_NAME` and `ALLOWED_FIRSTCHARS_NAME` of `build/rpmbuild_internal.h`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(String);

impl PackageName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PackageName {
    type Err = NevraError;

    fn from_str(text: &str) -> Result<Self, NevraError> {
        let first = |c: char| c.is_ascii_alphanumeric() || "_%".contains(c);
        let other = |c: char| c.is_ascii_alphanumeric() || ".-_+%{}".contains(c);
        if text.starts_with(first) && text.chars().all(other) {
            Ok(Self(text.into()))
        } else {
            Err(NevraError::Name(text.into()))
        }
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An architecture of a package: `x86_64`, `noarch`, `src`. Letters, digits and `_` of ASCII: those of `rpmrc.in` but for
/// `hppa1.0` to `hppa2.0`, whose dot would make a file name ambiguous.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageArch(String);

impl PackageArch {
    /// The architecture as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for packages that fit every machine.
    pub fn is_noarch(&self) -> bool {
        self.0 == "noarch"
    }

    /// True for source packages (`src` and, without their sources, `nosrc`).
    pub fn is_source(&self) -> bool {
        matches!(self.0.as_str(), "src" | "nosrc")
    }
}

impl FromStr for PackageArch {
    type Err = NevraError;

    fn from_str(text: &str) -> Result<Self, NevraError> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            Ok(Self(text.into()))
        } else {
            Err(NevraError::Arch(text.into()))
        }
    }
}

impl fmt::Display for PackageArch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name, epoch, version, release and architecture: `name-[epoch:]version-release.arch`, the tag `NEVRA` of
/// `lib/tagexts.c`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Nevra {
    name: PackageName,
    evr: Evr,
    arch: PackageArch,
}

impl Nevra {
    /// Puts the parts together.
    ///
    /// # Errors
    /// The release is missing.
    pub fn new(name: PackageName, evr: Evr, arch: PackageArch) -> Result<Self, NevraError> {
        if evr.release().is_none() {
            return Err(NevraError::Incomplete);
        }
        Ok(Self { name, evr, arch })
    }

    /// The name.
    pub fn name(&self) -> &PackageName {
        &self.name
    }

    /// Epoch, version and release; the release is there.
    pub fn evr(&self) -> &Evr {
        &self.evr
    }

    /// The architecture.
    pub fn arch(&self) -> &PackageArch {
        &self.arch
    }

    /// The usual name of the package's file: without the epoch, with `.rpm`.
    pub fn file_name(&self) -> String {
        let release = self.evr.release().unwrap_or_default();
        format!("{}-{}-{release}.{}.rpm", self.name, self.evr.version(), self.arch)
    }
}

impl FromStr for Nevra {
    type Err = NevraError;

    fn from_str(text: &str) -> Result<Self, NevraError> {
        let (rest, arch) = text.rsplit_once('.').ok_or(NevraError::Incomplete)?;
        let (rest, release) = rest.rsplit_once('-').ok_or(NevraError::Incomplete)?;
        let (name, version) = rest.rsplit_once('-').ok_or(NevraError::Incomplete)?;
        let evr = format!("{version}-{release}").parse().map_err(NevraError::Evr)?;
        Self::new(name.parse()?, evr, arch.parse()?)
    }
}

impl fmt::Display for Nevra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.{}", self.name, self.evr, self.arch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_names_come_apart_from_the_right() {
        for (text, name, evr, arch, file) in [
            ("bash-5.2-1.fc40.x86_64", "bash", "5.2-1.fc40", "x86_64", "bash-5.2-1.fc40.x86_64.rpm"),
            ("a-b-c-1:2-3.noarch", "a-b-c", "1:2-3", "noarch", "a-b-c-2-3.noarch.rpm"),
            ("libstdc++-1~rc1-0.src", "libstdc++", "1~rc1-0", "src", "libstdc++-1~rc1-0.src.rpm"),
        ] {
            let nevra: Nevra = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(
                (nevra.name().as_str(), nevra.evr().to_string().as_str(), nevra.arch().as_str()),
                (name, evr, arch)
            );
            assert_eq!(nevra.to_string(), text);
            assert_eq!(nevra.file_name(), file);
        }
    }

    #[test]
    fn what_is_no_full_name_says_why() {
        for (text, error) in [
            ("bash", NevraError::Incomplete),
            ("bash-1.x86_64", NevraError::Incomplete),
            ("-1-2.x86_64", NevraError::Name(String::new())),
            ("+a-1-2.x86_64", NevraError::Name("+a".into())),
            ("a b-1-2.x86_64", NevraError::Name("a b".into())),
            ("a-x:1-2.x86_64", NevraError::Evr(EvrError::Epoch("x".into()))),
            ("a-1-2.", NevraError::Arch(String::new())),
        ] {
            assert_eq!(text.parse::<Nevra>(), Err(error), "{text}");
        }
    }
}

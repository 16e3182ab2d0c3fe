//! Where a pinned file can be had.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// One place of a source file, as a list of sources names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `http://` or `https://`, of upstream.
    Url(String),
    /// A file of a Debian source package, through the host's apt.
    Debian {
        /// Name of the source package.
        source: String,
        /// Name of the file.
        file: String,
    },
    /// A file out of a Debian binary package, through the host's apt.
    Deb {
        /// Name of the package.
        package: String,
        /// Its version.
        version: String,
        /// Path in it, without a leading slash.
        file: String,
    },
    /// A vendor archive that is made here of Debian's Go libraries.
    Go {
        /// Name of the lock that pins them, beside the list.
        lock: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::Debian { source, file } => write!(f, "Debian's source package {source}: {file}"),
            Self::Deb { package, version, file } => write!(f, "Debian's package {package} {version}: {file}"),
            Self::Go { lock } => write!(f, "the Go libraries of {lock}"),
        }
    }
}

/// A folder or server that has copies of sources: `FILE` or `PACKAGE/FILE` below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookaside {
    /// A folder.
    Folder(PathBuf),
    /// A server: a URL without a slash at its end.
    Server(String),
}

impl FromStr for Lookaside {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("it is empty: name a folder, or a URL of http or https".to_owned());
        }
        if is_http(text) {
            return Ok(Self::Server(text.trim_end_matches('/').to_owned()));
        }
        match text.split_once("://") {
            Some((scheme, _)) => Err(format!("`{scheme}` is not supported: name a folder, or a URL of http or https")),
            None => Ok(Self::Folder(PathBuf::from(text))),
        }
    }
}

/// True for a URL that can be fetched.
pub(crate) fn is_http(url: &str) -> bool {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lookaside_is_a_folder_or_a_server() {
        for (text, want) in [
            ("https://cache.example/src/", Ok(Lookaside::Server("https://cache.example/src".to_owned()))),
            ("/srv/sources", Ok(Lookaside::Folder("/srv/sources".into()))),
            ("sources", Ok(Lookaside::Folder("sources".into()))),
            ("", Err(())),
            ("ftp://host/", Err(())),
            ("http:///path", Err(())),
        ] {
            assert_eq!(text.parse::<Lookaside>().map_err(drop), want, "{text}");
        }
    }
}

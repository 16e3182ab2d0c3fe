//! Which mirror of Debian the host's apt uses.

use std::path::Path;

use crate::AptError;
use crate::tool::{self, APT_GET};

/// Keys that sign Debian's suites; where the file is missing, those that the host trusts.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Names of suites that a mirror of Debian has, beside the code name of the host.
const SUITES: &[&str] = &["stable", "testing", "unstable", "sid", "oldstable", "bookworm", "trixie", "forky"];

/// A mirror of Debian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mirror {
    /// Its address, with a slash at the end.
    pub(crate) uri: String,
    is_keyring_there: bool,
}

impl Mirror {
    /// The one that the host's configuration names first.
    pub(crate) fn of_host() -> Result<Self, AptError> {
        // It names the lists that it would fetch, whether or not they have ever been fetched.
        let arguments = ["update", "--print-uris", "-q"];
        let output = tool::checked("apt-get update --print-uris", tool::run(APT_GET, None, arguments)?)?;
        let found = releases(&output);
        match choose(&found) {
            Some(uri) => Ok(Self { uri: uri.to_owned(), is_keyring_there: Path::new(KEYRING).exists() }),
            None => {
                let found: Vec<String> = found.iter().map(|(uri, suite)| format!("{uri} {suite}")).collect();
                let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
                Err(AptError::NoMirror { found })
            }
        }
    }

    /// The file that tells apt of this mirror with one suite.
    pub(crate) fn sources(&self, suite: &str) -> String {
        let mut text = format!(
            "Types: deb deb-src\nURIs: {}\nSuites: {suite}\nComponents: main contrib non-free non-free-firmware\n",
            self.uri
        );
        if self.is_keyring_there {
            text.push_str(&format!("Signed-By: {KEYRING}\n"));
        }
        text
    }
}

/// Addresses and suites out of lines like `'http://mirror/debian/dists/bookworm/InRelease' name 0`.
fn releases(output: &str) -> Vec<(&str, &str)> {
    let release = |line| {
        let uri = str::strip_prefix(line, '\'')?.split('\'').next()?.strip_suffix("/InRelease")?;
        let (base, suite) = uri.rsplit_once("/dists/")?;
        Some((&uri[..base.len() + 1], suite))
    };
    output.lines().filter_map(release).collect()
}

/// Other vendors also name their suites like Debian's; their addresses seldom have a folder `debian`.
fn choose<'a>(releases: &[(&'a str, &'a str)]) -> Option<&'a str> {
    let mut of_debian = releases.iter().filter(|(_, suite)| SUITES.contains(suite)).map(|(uri, _)| *uri);
    let has_folder = |uri: &&str| uri.split('/').any(|part| part == "debian");
    of_debian.clone().find(has_folder).or_else(|| of_debian.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_found_among_other_repositories() {
        let line = |uri: &str, suite: &str| format!("'{uri}dists/{suite}/InRelease' some_name_InRelease 0 \n");
        type Sources<'a> = &'a [(&'a str, &'a str)];
        let cases: [(Sources<'_>, Option<&str>); 5] = [
            (
                &[("http://a/debian-security/", "bookworm-security"), ("http://a/debian/", "bookworm")],
                Some("http://a/debian/"),
            ),
            (&[("https://tools.example/", "bookworm"), ("http://a/debian/", "trixie")], Some("http://a/debian/")),
            (
                &[("http://a/archive/debian/20250520T000000Z/", "sid")],
                Some("http://a/archive/debian/20250520T000000Z/"),
            ),
            (&[("http://mirror.example/", "stable")], Some("http://mirror.example/")),
            (&[("http://archive.ubuntu.example/ubuntu/", "noble")], None),
        ];
        for (sources, expected) in cases {
            let text: String = sources.iter().map(|(uri, suite)| line(uri, suite)).collect();
            let text = text + "'http://a/debian/dists/bookworm/main/binary-amd64/Packages.xz' some_Packages 0 \n";
            assert_eq!(choose(&releases(&text)), expected, "{text}");
        }
    }

    #[test]
    fn sources_name_the_keyring_only_if_it_is_there() {
        let mut mirror = Mirror { uri: "http://a/debian/".to_owned(), is_keyring_there: true };
        assert!(mirror.sources("sid").contains("Suites: sid\n"));
        assert!(mirror.sources("sid").contains(KEYRING));
        mirror.is_keyring_there = false;
        assert!(!mirror.sources("sid").contains("Signed-By"));
    }
}

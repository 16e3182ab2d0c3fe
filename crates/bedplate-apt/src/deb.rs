//! Binary packages, as an index has them.

use crate::index::Paragraph;
use crate::{AptError, Sha256};

/// A binary package of a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebFile {
    /// Its name.
    pub package: String,
    /// Its version, with epoch and revision.
    pub version: String,
    /// What it is built for: `amd64` or `all`.
    pub architecture: String,
    /// Digest of the file.
    pub sha256: Sha256,
    /// Bytes of the file.
    pub size: u64,
    /// Path of the file on the mirror: `pool/main/z/zlib/…`.
    pub path: String,
    /// The suite that it was found in.
    pub suite: String,
    /// True if Debian counts on it being installed.
    pub is_essential: bool,
    /// What it needs, `Pre-Depends` first: one of each.
    pub depends: Vec<Vec<Relation>>,
    /// What it provides beside its name.
    pub provides: Vec<Relation>,
}

/// A name, and a version if one is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The package.
    pub package: String,
    /// How its version has to compare, and with which: `(">=", "2.36")`.
    pub version: Option<(String, String)>,
}

impl DebFile {
    pub(crate) fn new(paragraph: Paragraph<'_>, suite: &str) -> Result<Self, String> {
        let text = |name: &str| paragraph.field(name).map(str::to_owned).ok_or_else(|| format!("no `{name}`"));
        let mut depends = Vec::new();
        for field in ["Pre-Depends", "Depends"] {
            for one in paragraph.field(field).unwrap_or_default().split(',') {
                let alternatives: Vec<Relation> = one.split('|').filter_map(relation).collect();
                if !alternatives.is_empty() {
                    depends.push(alternatives);
                }
            }
        }
        Ok(Self {
            package: text("Package")?,
            version: text("Version")?,
            architecture: text("Architecture")?,
            sha256: text("SHA256")?.parse().map_err(|error: crate::ParseSha256Error| error.to_string())?,
            size: text("Size")?.parse().map_err(|error| format!("`Size`: {error}"))?,
            path: text("Filename")?,
            suite: suite.to_owned(),
            is_essential: paragraph.field("Essential") == Some("yes"),
            depends,
            provides: paragraph.field("Provides").unwrap_or_default().split(',').filter_map(relation).collect(),
        })
    }

    /// The file that is to be fetched.
    pub fn download(&self, target: &std::path::Path) -> crate::Download {
        crate::Download { path: self.path.clone(), sha256: self.sha256, size: self.size, target: target.to_owned() }
    }
}

/// `name:any (>= 1.2)`; nothing if there is no name.
pub(crate) fn relation(text: &str) -> Option<Relation> {
    let (name, version) = match text.split_once('(') {
        Some((name, version)) => (name, version.trim_end().strip_suffix(')')),
        None => (text, None),
    };
    let package = name.trim().split([':', '[', '<']).next().unwrap_or_default().trim().to_owned();
    let version = version.map(|version| {
        let version = version.trim();
        let at = version.find(|c| !matches!(c, '<' | '=' | '>')).unwrap_or(version.len());
        (version[..at].to_owned(), version[at..].trim().to_owned())
    });
    (!package.is_empty()).then_some(Relation { package, version })
}

/// The package of a name and a version among paragraphs of an index; without a version the newest.
pub(crate) fn find<'a>(
    paragraphs: impl Iterator<Item = Paragraph<'a>>,
    version: Option<&str>,
) -> Option<Paragraph<'a>> {
    let versioned = paragraphs.filter_map(|one| Some((one.field("Version")?, one)));
    let fitting = versioned.filter(|(its, _)| version.is_none_or(|version| version == *its));
    fitting.max_by(|(one, _), (other, _)| crate::compare_versions(one, other)).map(|(_, one)| one)
}

/// What is wrong with a paragraph, as an error of its index.
pub(crate) fn read(index: &crate::index::Index, paragraph: Paragraph<'_>, suite: &str) -> Result<DebFile, AptError> {
    DebFile::new(paragraph, suite).map_err(|why| index.broken(paragraph, &why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_a_package() {
        let digest = "0".repeat(64);
        let text = format!(
            "Package: gcc\nVersion: 4:14.2.0-1\nArchitecture: amd64\nEssential: yes\nPre-Depends: dpkg (>= 1.19.1)\n\
             Depends: cpp (= 4:14.2.0-1), perl:any | perl-base (>> 5),\n gcc-14\nProvides: c-compiler, cc (= 2)\n\
             Filename: pool/main/g/gcc.deb\nSize: 5\nSHA256: {digest}\n"
        );
        let deb = DebFile::new(Paragraph(&text), "trixie").unwrap();
        let one = |package: &str, version: Option<(&str, &str)>| Relation {
            package: package.to_owned(),
            version: version.map(|(sense, version)| (sense.to_owned(), version.to_owned())),
        };
        let expected = [
            vec![one("dpkg", Some((">=", "1.19.1")))],
            vec![one("cpp", Some(("=", "4:14.2.0-1")))],
            vec![one("perl", None), one("perl-base", Some((">>", "5")))],
            vec![one("gcc-14", None)],
        ];
        assert_eq!(deb.depends, expected);
        assert_eq!(deb.provides, [one("c-compiler", None), one("cc", Some(("=", "2")))]);
        assert_eq!((deb.size, deb.is_essential, deb.version.as_str()), (5, true, "4:14.2.0-1"));

        for (from, to, why) in [
            ("Size: 5", "Size: x", "`Size`: invalid digit found in string"),
            ("SHA256: 0", "SHA256: x", "is no SHA-256 digest"),
            ("Filename", "Other", "no `Filename`"),
        ] {
            let error = DebFile::new(Paragraph(&text.replace(from, to)), "trixie").unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_newest_is_taken_if_no_version_is_named() {
        let texts = ["Package: a\nVersion: 1:1.0-1\n", "Package: a\nVersion: 1:1.0-10\n", "Package: a\nVersion: 2\n"];
        let found =
            |version| find(texts.iter().map(|text| Paragraph(text)), version).and_then(|one| one.field("Version"));
        assert_eq!(found(None), Some("1:1.0-10"));
        assert_eq!(found(Some("2")), Some("2"));
        assert_eq!(found(Some("3")), None);
    }
}

//! Source packages, as an index has them.

use crate::deb::relation;
use crate::index::{Index, Paragraph};
use crate::{AptError, Relation, Sha256};

/// A file of a source package of a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The source package.
    pub source: String,
    /// Its version, with epoch and revision.
    pub version: String,
    /// Name of the file: `zlib_1.3.1.orig.tar.gz`.
    pub file: String,
    /// Digest of the file.
    pub sha256: Sha256,
    /// Bytes of the file.
    pub size: u64,
    /// Path of the file on the mirror.
    pub path: String,
    /// The suite that it was found in.
    pub suite: String,
}

/// All files of a source package in a suite, the newest version first.
pub(crate) fn files(index: &Index, source: &str, suite: &str) -> Result<Vec<SourceFile>, AptError> {
    let mut found = Vec::new();
    for paragraph in index.paragraphs(source) {
        found.push(of_paragraph(paragraph, suite).map_err(|why| index.broken(paragraph, &why))?);
    }
    found.sort_by(|one, other| {
        let version = |files: &[SourceFile]| files.first().map(|file| file.version.clone()).unwrap_or_default();
        crate::compare_versions(&version(other), &version(one))
    });
    Ok(found.into_iter().flatten().collect())
}

/// What the newest version of a source package needs for its build, of alternatives the first; nothing if there is no such package.
pub(crate) fn build_depends(index: &Index, source: &str) -> Option<Vec<Relation>> {
    let newest = crate::deb::find(index.paragraphs(source), None)?;
    let fields = ["Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep"];
    let texts = fields.into_iter().filter_map(|name| newest.field(name));
    Some(texts.flat_map(|text| text.split(',')).filter_map(|one| relation(one.split('|').next()?)).collect())
}

fn of_paragraph(paragraph: Paragraph<'_>, suite: &str) -> Result<Vec<SourceFile>, String> {
    let text = |name: &str| paragraph.field(name).ok_or_else(|| format!("no `{name}`"));
    let (source, version, folder) = (text("Package")?, text("Version")?, text("Directory")?);
    let lines = text("Checksums-Sha256")?.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let bad = || format!("the line `{line}` of `Checksums-Sha256` is no digest, size and name");
            let mut words = line.split_whitespace();
            let (Some(sha256), Some(size), Some(file), None) = (words.next(), words.next(), words.next(), words.next())
            else {
                return Err(bad());
            };
            Ok(SourceFile {
                source: source.to_owned(),
                version: version.to_owned(),
                file: file.to_owned(),
                sha256: sha256.parse().map_err(|_| bad())?,
                size: size.parse().map_err(|_| bad())?,
                path: format!("{folder}/{file}"),
                suite: suite.to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_dependencies_are_those_of_the_newest_version() {
        let text = "Package: a\nVersion: 1\nBuild-Depends: old\n\nPackage: a\nVersion: 2\n\
                    Build-Depends: debhelper-compat (= 13), golang-a-dev (>= 1.0~) | golang-old-dev,\n golang-b-dev <!nocheck>,c:native\n\
                    Build-Depends-Indep: golang-d-dev [amd64]\n";
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x_Sources"), text).unwrap();
        let index = Index::read(folder.path(), "_Sources").unwrap();
        let found = build_depends(&index, "a").unwrap();
        let names: Vec<&str> = found.iter().map(|one| one.package.as_str()).collect();
        assert_eq!(names, ["debhelper-compat", "golang-a-dev", "golang-b-dev", "c", "golang-d-dev"]);
        assert_eq!(build_depends(&index, "b"), None);
    }

    #[test]
    fn files_of_all_versions_are_listed() {
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        let text = format!(
            "Package: a\nVersion: 1-1\nDirectory: pool/a\nChecksums-Sha256:\n {one} 10 a_1.orig.tar.gz\n {two} 3 a_1-1.dsc\n\n\
             Package: a\nVersion: 2-1\nDirectory: pool/a\nChecksums-Sha256:\n {two} 7 a_2.orig.tar.gz\n\n\
             Package: bad\nVersion: 1\nDirectory: pool/b\nChecksums-Sha256:\n {two} 7\n"
        );
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x_Sources"), text).unwrap();
        let index = Index::read(folder.path(), "_Sources").unwrap();
        let found = files(&index, "a", "sid").unwrap();
        let names: Vec<(&str, u64)> = found.iter().map(|file| (file.path.as_str(), file.size)).collect();
        assert_eq!(names, [("pool/a/a_2.orig.tar.gz", 7), ("pool/a/a_1.orig.tar.gz", 10), ("pool/a/a_1-1.dsc", 3)]);
        let error = files(&index, "bad", "sid").unwrap_err().to_string();
        assert!(error.contains("package `bad`: the line `2222"), "{error}");
    }
}

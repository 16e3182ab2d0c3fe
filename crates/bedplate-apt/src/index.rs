//! Reads the indexes of a suite: paragraphs of fields, found by the name of their package.

use std::path::{Path, PathBuf};

use memchr::memmem;
use rustc_hash::FxHashMap;

use crate::AptError;

/// All indexes of one kind of a suite.
#[derive(Debug)]
pub(crate) struct Index {
    files: Vec<(PathBuf, String)>,
    /// Where the paragraphs of a package are: number of the file, start, end.
    places: FxHashMap<String, Vec<(usize, usize, usize)>>,
}

impl Index {
    /// Reads the files of a folder whose names end so.
    pub(crate) fn read(folder: &Path, ending: &str) -> Result<Self, AptError> {
        let unreadable = |source| AptError::io("cannot read", folder, source);
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ending)) {
                paths.push(path);
            }
        }
        paths.sort();
        let mut index = Self { files: Vec::new(), places: FxHashMap::default() };
        for path in paths {
            let bytes = std::fs::read(&path).map_err(|source| AptError::io("cannot read", &path, source))?;
            let text = String::from_utf8(bytes)
                .map_err(|error| AptError::BadIndex { path: path.clone(), why: error.utf8_error().to_string() })?;
            index.add(path, text)?;
        }
        Ok(index)
    }

    fn add(&mut self, path: PathBuf, text: String) -> Result<(), AptError> {
        let file = self.files.len();
        let mut start = 0;
        let finder = memmem::Finder::new("\n\n");
        while start < text.len() {
            let end = finder.find(&text.as_bytes()[start..]).map_or(text.len(), |at| start + at + 1);
            let paragraph = Paragraph(&text[start..end]);
            let Some(name) = paragraph.field("Package") else {
                return Err(AptError::BadIndex { path, why: format!("no `Package` in the paragraph at byte {start}") });
            };
            match self.places.get_mut(name) {
                Some(places) => places.push((file, start, end)),
                None => {
                    self.places.insert(name.to_owned(), vec![(file, start, end)]);
                }
            }
            start = text[end..].find(|c| c != '\n').map_or(text.len(), |at| end + at);
        }
        self.files.push((path, text));
        Ok(())
    }

    /// The paragraphs of a package, in the order of the files.
    pub(crate) fn paragraphs(&self, package: &str) -> impl Iterator<Item = Paragraph<'_>> {
        let places = self.places.get(package).map(Vec::as_slice).unwrap_or_default();
        places.iter().map(|(file, start, end)| Paragraph(&self.files[*file].1[*start..*end]))
    }

    /// All paragraphs, in the order of the files.
    pub(crate) fn all(&self) -> impl Iterator<Item = Paragraph<'_>> {
        let mut places: Vec<&(usize, usize, usize)> = self.places.values().flatten().collect();
        places.sort_unstable();
        places.into_iter().map(|(file, start, end)| Paragraph(&self.files[*file].1[*start..*end]))
    }

    /// True if there is a package of this name.
    pub(crate) fn has(&self, package: &str) -> bool {
        self.places.contains_key(package)
    }

    /// The names of all packages.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// The error for a paragraph that lacks something.
    pub(crate) fn broken(&self, paragraph: Paragraph<'_>, why: &str) -> AptError {
        let start = paragraph.0.as_ptr() as usize;
        let holds = |text: &str| (text.as_ptr() as usize..text.as_ptr() as usize + text.len()).contains(&start);
        let path = self.files.iter().find(|(_, text)| holds(text)).map(|(path, _)| path.clone());
        let name = paragraph.field("Package").unwrap_or_default();
        AptError::BadIndex { path: path.unwrap_or_default(), why: format!("package `{name}`: {why}") }
    }
}

/// The fields of one package.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paragraph<'a>(pub(crate) &'a str);

impl<'a> Paragraph<'a> {
    /// The value of a field, with the lines that continue it; the name is written as apt writes it.
    pub(crate) fn field(self, name: &str) -> Option<&'a str> {
        let mut rest = self.0;
        loop {
            let value = rest.strip_prefix(name).and_then(|after| after.strip_prefix(':'));
            if let Some(value) = value {
                let mut end = 0;
                loop {
                    end += value[end..].find('\n').unwrap_or(value.len() - end);
                    // Lines that begin with a blank belong to the field before.
                    if !matches!(value.as_bytes().get(end + 1), Some(b' ' | b'\t')) {
                        return Some(value[..end].trim());
                    }
                    end += 1;
                }
            }
            rest = &rest[rest.find('\n')? + 1..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Package: one\nVersion: 1\nDepends: a,\n b (>= 2)\nSize: 3\n\nPackage: two\nVersion: 2\n\n\nPackage: one\nVersion: 3\n";

    #[test]
    fn paragraphs_are_found_by_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x_Packages"), TEXT).unwrap();
        std::fs::write(folder.path().join("x_Sources"), "Package: other\n").unwrap();
        let index = Index::read(folder.path(), "_Packages").unwrap();
        let versions = |name| index.paragraphs(name).filter_map(|one| one.field("Version")).collect::<Vec<_>>();
        assert_eq!(versions("one"), ["1", "3"]);
        assert_eq!(versions("two"), ["2"]);
        assert!(versions("other").is_empty());
        assert_eq!(index.all().count(), 3);
        let first = index.paragraphs("one").next().unwrap();
        assert_eq!(first.field("Depends"), Some("a,\n b (>= 2)"));
        assert_eq!(first.field("Size"), Some("3"));
        assert_eq!(first.field("Pack"), None);
        assert_eq!(
            index.broken(first, "no `SHA256`").to_string(),
            format!("{}: package `one`: no `SHA256`", folder.path().join("x_Packages").display())
        );
    }

    #[test]
    fn a_file_that_is_no_index_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x_Packages"), "<html>\n").unwrap();
        let error = Index::read(folder.path(), "_Packages").unwrap_err().to_string();
        assert!(error.contains("x_Packages: no `Package` in the paragraph at byte 0"), "{error}");
        assert!(Index::read(&folder.path().join("no"), "_Packages").is_err());
    }
}

//! What is below a folder.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

/// A folder that cannot be read, and why.
pub(crate) type Unreadable = (PathBuf, io::Error);

/// All that is no folder below a folder, by its path below it, sorted. Links are not followed.
pub(crate) fn files_below(folder: &Path) -> Result<Vec<(PathBuf, Metadata)>, Unreadable> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), PathBuf::new())];
    while let Some((path, below)) = open.pop() {
        let failed = |error| (path.clone(), error);
        for entry in std::fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let data = entry.metadata().map_err(failed)?;
            let name = below.join(entry.file_name());
            if data.is_dir() {
                open.push((entry.path(), name));
            } else {
                found.push((name, data));
            }
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_links_are_found_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("b/c")).unwrap();
        std::fs::write(at("b/c/one"), "1").unwrap();
        std::fs::write(at("a"), "22").unwrap();
        std::os::unix::fs::symlink("c", at("b/link")).unwrap();
        let found = files_below(folder.path()).unwrap();
        let found: Vec<(&str, bool)> =
            found.iter().map(|(path, data)| (path.to_str().unwrap(), data.is_file())).collect();
        assert_eq!(found, [("a", true), ("b/c/one", true), ("b/link", false)]);
        assert_eq!(files_below(&at("none")).unwrap_err().0, at("none"));
    }
}

//! New files of secret keys.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a file that only its owner can read. It is there as a whole or not at all, and no other is replaced.
///
/// # Errors
/// What cannot be written, and why; [`io::ErrorKind::AlreadyExists`] if there is one already.
pub(crate) fn create(path: &Path, text: &[u8]) -> Result<(), (PathBuf, io::Error)> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| (path, error)
    };
    std::fs::create_dir_all(folder).map_err(at(folder))?;
    // Files of this kind have mode 0600 from the start.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(at(folder))?;
    file.write_all(text).and_then(|()| file.as_file().sync_all()).map_err(at(path))?;
    file.persist_noclobber(path).map_err(|error| error.error).map_err(at(path))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

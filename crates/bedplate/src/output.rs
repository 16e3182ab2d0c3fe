//! Files that commands write, and words that many of them print.

use std::io::Write;
use std::path::Path;

use crate::outcome::Failure;

/// Writes a file so that nobody ever sees a part of it. What is there and is no plain file (`/dev/null`, a pipe) is written
/// into.
pub(crate) fn write(path: &str, text: &str) -> Result<(), Failure> {
    let fail = |error: std::io::Error| Failure::io("cannot write", path, &error);
    let target = Path::new(path);
    if std::fs::metadata(target).is_ok_and(|data| !data.is_file()) {
        return std::fs::write(target, text).map_err(fail);
    }
    // A link stays a link: what it leads to is replaced.
    let target = std::fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)?;
    file.as_file().sync_all().map_err(fail)?;
    file.persist(&target).map_err(|error| fail(error.error))?;
    Ok(())
}

/// `1 spec`, `2 specs`.
pub(crate) fn many(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_what_is_none_is_written_into() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(at("real"), "old").unwrap();
        std::os::unix::fs::symlink("real", at("link")).unwrap();
        write(&at("link"), "new").unwrap();
        assert!(std::fs::symlink_metadata(at("link")).unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(at("real")).unwrap(), "new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        // For all to read, as far as the umask allows.
        assert_eq!(std::fs::metadata(at("real")).unwrap().permissions().mode() & 0o600, 0o600);
        write("/dev/null", "gone").unwrap();
        assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
        assert!(write(&at("nowhere/file"), "x").unwrap_err().message.contains("nowhere/file"));
        assert_eq!((many(1, "spec"), many(2, "spec")), ("1 spec".to_owned(), "2 specs".to_owned()));
    }
}

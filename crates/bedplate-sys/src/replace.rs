//! Puts a folder in the place of another, so that nobody sees a half-done one.

use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// Renames `new` to `target`. What was at `target` is at `new` afterwards; the two change places in one step.
///
/// On a file system that cannot do that in one step, `target` is missing for a moment in between.
///
/// # Errors
/// Those of the system; `target` is then what it was before.
pub fn replace_folder(new: &Path, target: &Path) -> io::Result<()> {
    match renameat_with(CWD, new, CWD, target, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        Err(Errno::NOENT) => std::fs::rename(new, target),
        Err(Errno::INVAL | Errno::NOSYS) => in_steps(new, target),
        Err(error) => Err(error.into()),
    }
}

fn in_steps(new: &Path, target: &Path) -> io::Result<()> {
    let mut aside = new.as_os_str().to_owned();
    aside.push("-old");
    std::fs::rename(target, &aside)?;
    if let Err(error) = std::fs::rename(new, target) {
        std::fs::rename(&aside, target)?;
        return Err(error);
    }
    std::fs::rename(&aside, new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_change_places() {
        for replace in [replace_folder, in_steps] {
            let scratch = tempfile::tempdir().expect("a scratch folder can be made");
            let (new, target) = (scratch.path().join("new"), scratch.path().join("target"));
            for (folder, text) in [(&new, "new"), (&target, "old")] {
                std::fs::create_dir(folder).unwrap();
                std::fs::write(folder.join("file"), text).unwrap();
            }
            replace(&new, &target).unwrap();
            assert_eq!(std::fs::read_to_string(target.join("file")).unwrap(), "new");
            assert_eq!(std::fs::read_to_string(new.join("file")).unwrap(), "old");
            assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 2);
        }
        let scratch = tempfile::tempdir().expect("a scratch folder can be made");
        let (new, target) = (scratch.path().join("new"), scratch.path().join("target"));
        assert!(replace_folder(&new, &target).is_err());
        std::fs::create_dir(&new).unwrap();
        replace_folder(&new, &target).unwrap();
        assert!(target.is_dir() && !new.exists());
    }
}

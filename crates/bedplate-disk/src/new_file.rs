//! A file that gets its name only when it is complete.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::DiskError;

/// A file that grows beside its target. If it is dropped, it is gone.
#[derive(Debug)]
pub(crate) struct NewFile {
    file: NamedTempFile,
    target: PathBuf,
}

impl NewFile {
    /// Makes an empty file, with the mode that the user's mask leaves.
    pub(crate) fn create(target: &Path) -> Result<Self, DiskError> {
        let file = tempfile::Builder::new()
            .prefix(".bedplate-")
            .suffix(".part")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder_of(target))
            .map_err(DiskError::io("make a file beside", target))?;
        Ok(Self { file, target: target.to_owned() })
    }

    pub(crate) fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Waits until the bytes are on the disk of the machine.
    pub(crate) fn sync(&self) -> Result<(), DiskError> {
        self.file().sync_all().map_err(DiskError::io("write", &self.target))
    }

    /// Gives it its name, in place of what has it now.
    pub(crate) fn persist(self) -> Result<(), DiskError> {
        let Self { file, target } = self;
        file.persist(&target).map_err(|error| error.error).map_err(DiskError::io("replace", &target))?;
        Ok(())
    }
}

/// Waits until the names in a folder are on the disk of the machine.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), DiskError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(DiskError::io("sync", folder))
}

/// The folder that a path is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

//! The programs that file systems are made with.

use std::path::Path;

use crate::{FilesystemError, FilesystemKind};

/// What each file system needs of the root of tools.
fn needs(kind: FilesystemKind) -> &'static [&'static str] {
    match kind {
        FilesystemKind::Erofs(_) => &["usr/bin/sh", "usr/bin/mkfs.erofs"],
        FilesystemKind::Xfs(_) => &["usr/bin/sh", "usr/sbin/mkfs.xfs", "usr/sbin/xfs_db", FAKE_TIME],
        // Written here.
        FilesystemKind::Ext4(_) | FilesystemKind::Vfat(_) => &[],
    }
}

/// A clock and a source of randomness for programs that have no option for them.
pub(crate) const FAKE_TIME: &str = "usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// Looks whether a root has the programs for these file systems.
///
/// # Errors
///
/// [`FilesystemError::MissingTools`] with all that it lacks.
pub fn tools(root: &Path, kinds: &[FilesystemKind]) -> Result<(), FilesystemError> {
    let mut names: Vec<&str> = kinds.iter().flat_map(|kind| needs(*kind)).copied().collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| !root.join(name).exists());
    if names.is_empty() { Ok(()) } else { Err(FilesystemError::MissingTools { folder: root.to_owned(), names }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErofsOptions, VfatOptions};

    #[test]
    fn says_all_that_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("usr/bin")).unwrap();
        std::fs::write(folder.path().join("usr/bin/sh"), "").unwrap();
        let kinds = [FilesystemKind::Erofs(ErofsOptions::default()), FilesystemKind::Xfs(crate::XfsOptions::default())];
        let error = tools(folder.path(), &kinds).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "`{}` lacks usr/bin/mkfs.erofs, {FAKE_TIME}, usr/sbin/mkfs.xfs, usr/sbin/xfs_db",
                folder.path().display()
            )
        );
        assert!(tools(folder.path(), &[FilesystemKind::Vfat(VfatOptions::default())]).is_ok());
    }
}

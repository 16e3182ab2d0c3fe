//! Image configs, read from the disk.

use std::io;
use std::path::Path;

use bedplate_image_config::{FileKind, Files, Loaded};

/// Reads and checks a config with all that it inherits.
pub(crate) fn load(path: &Path) -> Loaded {
    bedplate_image_config::load(path, &mut Disk)
}

/// Checks the text of a config that is to be at a path.
pub(crate) fn check(path: &Path, text: &str) -> Loaded {
    bedplate_image_config::load(path, &mut Planned { path, text })
}

/// The files of this machine, and one that is not written yet.
struct Planned<'p> {
    path: &'p Path,
    text: &'p str,
}

impl Files for Planned<'_> {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        if path == self.path { Ok(self.text.as_bytes().to_vec()) } else { Disk.read(path) }
    }

    fn kind(&mut self, path: &Path) -> io::Result<FileKind> {
        Disk.kind(path)
    }

    fn neighbours(&mut self, path: &Path) -> Vec<String> {
        Disk.neighbours(path)
    }
}

/// The files of this machine.
#[derive(Debug)]
pub(crate) struct Disk;

impl Files for Disk {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn kind(&mut self, path: &Path) -> io::Result<FileKind> {
        let data = std::fs::metadata(path)?;
        Ok(match (data.is_file(), data.is_dir()) {
            (true, _) => FileKind::File,
            (_, true) => FileKind::Folder,
            _ => FileKind::Other,
        })
    }

    fn neighbours(&mut self, path: &Path) -> Vec<String> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
    }
}

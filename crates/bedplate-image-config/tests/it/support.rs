//! Files in memory, and diagnostics as text.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use bedplate_diag::{Diagnostic, Sources};
use bedplate_image_config::{FileKind, Files, ImageConfig, Loaded, load};

/// Files by path.
#[derive(Default)]
pub(crate) struct Memory(BTreeMap<PathBuf, String>);

impl Memory {
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect())
    }
}

impl Files for Memory {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path).map(|text| text.clone().into_bytes()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn kind(&mut self, path: &Path) -> io::Result<FileKind> {
        if self.0.contains_key(path) {
            return Ok(FileKind::File);
        }
        let is_folder = self.0.keys().any(|file| file.starts_with(path));
        if is_folder { Ok(FileKind::Folder) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn neighbours(&mut self, path: &Path) -> Vec<String> {
        let here = self.0.keys().filter(|file| file.parent() == path.parent());
        here.filter_map(|file| Some(file.file_name()?.to_str()?.to_owned())).collect()
    }
}

/// Loads `node.toml` of some files.
pub(crate) fn load_files(files: &[(&str, &str)]) -> Loaded {
    load(Path::new("node.toml"), &mut Memory::of(files))
}

/// Loads a config that has to be good.
pub(crate) fn good(files: &[(&str, &str)]) -> ImageConfig {
    let loaded = load_files(files);
    let told = tell(&loaded.diagnostics, &loaded.sources);
    loaded.config.unwrap_or_else(|| panic!("{told}"))
}

/// Each diagnostic as `file:line:column: code: message [note; note] (hint)`.
pub(crate) fn tell(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let mut told = String::new();
    for one in diagnostics {
        if let Some((name, at)) = one.span.and_then(|span| sources.locate(span)) {
            write!(told, "{name}:{}:{}: ", at.line, at.column).unwrap();
        }
        write!(told, "{}: {}: {}", one.severity.word(), one.code, one.message).unwrap();
        for note in &one.notes {
            write!(told, " [{}", note.message).unwrap();
            if let Some((name, at)) = note.span.and_then(|span| sources.locate(span)) {
                write!(told, " {name}:{}:{}", at.line, at.column).unwrap();
            }
            told.push(']');
        }
        let hint = one.hint.as_deref().unwrap_or("NO HINT");
        writeln!(told, " ({hint})").unwrap();
    }
    told
}

//! Azure Linux's image configs (JSON) as ours.
//!
//! ```text
//! JSON ─▶ Reader: takes key after key; what nobody took is reported at the end
//!            │
//!            ├─ what has a meaning here ─▶ Draft: a config, each value checked as that of a file ─▶ TOML
//!            └─ what has none ─▶ Dropped { JSON path, why }
//! ```
//!
//! Source of the format: docs/formats/imageconfig.md and tools/imagegen/configuration of the toolkit of Azure Linux 2 and 3.

mod disk;
mod draft;
mod reader;
mod system;

use std::path::Path;

use bedplate_diag::Category;
use serde_json::Value as Json;

use self::draft::Draft;
use self::reader::Reader;
use crate::load::Files;
use crate::write::to_toml;

/// What became of a file of another toolkit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The config, as TOML.
    pub toml: String,
    /// What has no meaning here, or another one, in the order of the file.
    pub dropped: Vec<Dropped>,
}

/// A value that is not in the new config as it was in the old one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dropped {
    /// Its JSON path: `$.SystemConfigs[0].Encryption`.
    pub path: String,
    /// Whether something stands for it.
    pub kind: DroppedKind,
    /// Why, or what stands for it.
    pub why: String,
}

/// Whether something stands for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DroppedKind {
    /// Nothing does.
    Dropped,
    /// Something else does.
    Changed,
}

impl DroppedKind {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Changed => "changed",
        }
    }
}

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no JSON.
    #[error("{path}:{line}:{column}: this is no JSON")]
    NoJson {
        /// The file.
        path: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// A file is something else.
    #[error("{path} is no image config: {why}")]
    NoConfig {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// It has several systems.
    #[error("{path} has several systems: {}", names.join(", "))]
    SeveralSystems {
        /// The file.
        path: String,
        /// Their names.
        names: Vec<String>,
    },
    /// It has no system of the wanted name.
    #[error("{path} has no system `{wanted}`; it has {}", names.join(", "))]
    NoSuchSystem {
        /// The file.
        path: String,
        /// The name.
        wanted: String,
        /// The names that are there.
        names: Vec<String>,
    },
}

impl ImportError {
    /// Who can mend it.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Unreadable { source, .. } if source.kind() != std::io::ErrorKind::NotFound => Category::Environment,
            _ => Category::Input,
        }
    }

    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::SeveralSystems { .. } | Self::NoSuchSystem { .. } => Some("say which one to take: `--config NAME`"),
            Self::Unreadable { .. } => Some("paths are relative to the folder of the imported file"),
            Self::NoJson { .. } => Some("mend it; comments and commas before a closing bracket are no JSON"),
            Self::NoConfig { .. } => None,
        }
    }
}

/// What is imported.
#[derive(Debug, Clone, Copy)]
pub struct Import<'a> {
    /// The JSON file. What it names is found relative to its folder.
    pub file: &'a Path,
    /// That folder as the new config has to write it, relative to its own.
    pub folder: &'a Path,
    /// Which of its systems, if it has several.
    pub system: Option<&'a str>,
}

/// Makes a config of a JSON file.
///
/// # Errors
/// See [`ImportError`].
pub fn import(request: &Import<'_>, files: &mut dyn Files) -> Result<Imported, ImportError> {
    let path = request.file.display().to_string();
    let json = read_json(request.file, files)?;
    let no_config = |why: &str| ImportError::NoConfig { path: path.clone(), why: why.to_owned() };
    let mut draft = Draft::new();
    let mut root = Reader::new("$".to_owned(), json).ok_or_else(|| no_config("it is no object"))?;
    let systems = root.list("SystemConfigs", &mut draft);
    if systems.is_empty() {
        return Err(no_config("it has no `SystemConfigs`"));
    }
    let names: Vec<String> = systems.iter().map(|system| system.peek_text("Name").unwrap_or_default()).collect();
    let chosen = match request.system {
        None if names.len() > 1 => return Err(ImportError::SeveralSystems { path, names }),
        None => 0,
        Some(wanted) => names.iter().position(|name| name == wanted).ok_or_else(|| ImportError::NoSuchSystem {
            path: path.clone(),
            wanted: wanted.to_owned(),
            names: names.clone(),
        })?,
    };
    name(&mut draft, request.file, (names.len() > 1).then_some(names[chosen].as_str()));
    let disks = root.list("Disks", &mut draft);
    let mut source = Source { request, files };
    for (at, system) in systems.into_iter().enumerate() {
        if at == chosen {
            let settings = system::import(system, &mut source, &mut draft)?;
            disk::import(disks.clone(), settings, &mut draft);
        } else {
            draft.dropped(system.path(), "another system: import it with `--config` into a config of its own");
        }
    }
    // Which system is the default was asked above.
    root.forget("DefaultSystemConfig");
    root.finish(&mut draft);
    let (node, dropped) = draft.finish();
    Ok(Imported { toml: to_toml(&node), dropped })
}

/// The files that an import reads and names.
struct Source<'a, 'f> {
    request: &'a Import<'a>,
    files: &'f mut dyn Files,
}

impl Source<'_, '_> {
    /// Reads a file that the JSON names.
    fn read(&mut self, written: &str) -> Result<String, ImportError> {
        let path = self.request.file.parent().unwrap_or(Path::new("")).join(written);
        read(&path, self.files)
    }

    fn read_json(&mut self, written: &str) -> Result<Json, ImportError> {
        let path = self.request.file.parent().unwrap_or(Path::new("")).join(written);
        read_json(&path, self.files)
    }

    /// A path of the JSON as the new config writes it.
    fn rebased(&self, written: &str) -> String {
        self.request.folder.join(written).display().to_string()
    }
}

fn read(path: &Path, files: &mut dyn Files) -> Result<String, ImportError> {
    let unreadable = |source| ImportError::Unreadable { path: path.display().to_string(), source };
    let bytes = files.read(path).map_err(unreadable)?;
    String::from_utf8(bytes)
        .map_err(|_| ImportError::NoConfig { path: path.display().to_string(), why: "it is not UTF-8".to_owned() })
}

fn read_json(path: &Path, files: &mut dyn Files) -> Result<Json, ImportError> {
    let text = read(path, files)?;
    serde_json::from_str(&text).map_err(|source| ImportError::NoJson {
        path: path.display().to_string(),
        line: source.line(),
        column: source.column(),
        source,
    })
}

/// The name of the image is that of the file, and of the system if there are several.
fn name(draft: &mut Draft, file: &Path, system: Option<&str>) {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let whole = system.map_or_else(|| stem.to_string(), |system| format!("{stem}-{system}"));
    let plain: String = whole
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' })
        .collect();
    let plain = plain.trim_start_matches(['.', '_', '-']);
    let name = if plain.is_empty() { "image" } else { plain.get(..64).unwrap_or(plain) };
    draft.text("$", "name", name);
}

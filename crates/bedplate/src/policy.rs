//! The macros that builds have: those of the seed's rpm, and over them those of the distribution.

use std::path::{Path, PathBuf};

use bedplate_spec::Dialect;

use crate::cli::SpecFilesArgs;
use crate::outcome::Failure;

const DEFAULT_POLICY: &str = "toolkit/macros";

/// Macros beside those that the arguments name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    /// Macro files of the distribution, sorted by name; none if there is no policy.
    pub(crate) files: Vec<PathBuf>,
    /// The configuration of the seed's rpm, if it is at hand.
    pub(crate) config: Option<PathBuf>,
    /// The rpm that builds: what the arguments do not say about the dialect.
    pub(crate) dialect: Option<Dialect>,
}

impl Policy {
    /// The distribution's macros, without asking for the seed.
    pub(crate) fn of(args: &SpecFilesArgs) -> Result<Self, Failure> {
        let folder = match &args.policy {
            Some(folder) => folder.as_str(),
            None if Path::new(DEFAULT_POLICY).is_dir() => DEFAULT_POLICY,
            None => return Ok(Self::default()),
        };
        let entries = std::fs::read_dir(folder).map_err(|error| Failure::io("cannot read folder", folder, &error))?;
        let mut files: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("macros.")))
            .collect();
        files.sort();
        if files.is_empty() {
            return Err(Failure::input(format!("no file `macros.*` in {folder}"))
                .hint("`--policy` names the folder of the distribution's macros"));
        }
        let files = files.into_iter().map(|path| std::path::absolute(&path).unwrap_or(path)).collect();
        Ok(Self { files, config: None, dialect: Some(Dialect::V4_20) })
    }
}

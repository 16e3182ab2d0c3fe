//! `bedplate image import`.

use std::path::{Component, Path, PathBuf};

use bedplate_image_config::{DroppedKind, Import, import};

use crate::cli::ImportArgs;
use crate::image_config::{Disk, check};
use crate::outcome::{Failure, Outcome};
use crate::output::{many, write};
use crate::ui::{Ui, plain_path};

pub(crate) fn run(args: &ImportArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let output = args.output.as_deref().unwrap_or(Path::new("imported.toml"));
    let folder = way(folder_of(output), folder_of(&args.file))?;
    let request = Import { file: &args.file, folder: &folder, system: args.config.as_deref() };
    let imported = import(&request, &mut Disk).map_err(|error| {
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(one) = cause {
            message.push_str(&format!(": {one}"));
            cause = one.source();
        }
        let hint = error.hint().map(str::to_owned);
        Failure { category: error.category(), message, hint }
    })?;
    for dropped in &imported.dropped {
        ui.summary(&format!("{}: {}: {}", dropped.kind.word(), plain_path(&dropped.path), plain_path(&dropped.why)));
    }
    let loaded = check(output, &imported.toml);
    ui.diagnostics(&loaded.diagnostics, &loaded.sources);
    match &args.output {
        Some(path) => write(&path.display().to_string(), &imported.toml)?,
        None => ui.print(&imported.toml)?,
    }
    let count = |kind| imported.dropped.iter().filter(|one| one.kind == kind).count();
    let (dropped, changed) = (count(DroppedKind::Dropped), count(DroppedKind::Changed));
    let errors = loaded.diagnostics.iter().filter(|one| one.is_error()).count();
    ui.summary(&format!(
        "{}: {} dropped, {} changed; the new config has {}",
        plain_path(&args.file.display().to_string()),
        many(dropped, "value"),
        changed,
        many(errors, "error")
    ));
    Ok(if errors > 0 { Outcome::BadInput } else { Outcome::Good })
}

/// The folder of a file.
fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// How to get from one folder to another.
fn way(from: &Path, to: &Path) -> Result<PathBuf, Failure> {
    let whole = |path: &Path| {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        std::fs::canonicalize(path).map_err(|error| Failure::io("cannot find", &path.display().to_string(), &error))
    };
    let (from, to) = (whole(from)?, whole(to)?);
    let (from, to): (Vec<Component<'_>>, Vec<Component<'_>>) = (from.components().collect(), to.components().collect());
    let same = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    let up = std::iter::repeat_n(Component::ParentDir, from.len() - same);
    Ok(up.chain(to[same..].iter().copied()).collect())
}

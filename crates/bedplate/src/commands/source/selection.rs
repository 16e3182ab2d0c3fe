//! The packages that arguments name, with their files and lists.

use std::path::Path;

use bedplate_diag::{Diagnostic, Severity, Sources, nearest};
use bedplate_source::{Package, SpecFile};
use bedplate_spec::Evaluation;

use crate::cli::SpecFilesArgs;
use crate::commands::spec::evaluate;
use crate::outcome::Failure;
use crate::output::many;
use crate::policy::Policy;
use crate::settings::{SpecPath, World, spec_paths};
use crate::spec_sources::{named_files, with_list};
use crate::ui::Ui;
use crate::workspace::{existing, moved};

/// Packages, and the texts that their places are in.
pub(super) struct Selection {
    pub(super) packages: Vec<Package>,
    pub(super) sources: Sources,
    /// Specs and lists that cannot be used; what is wrong with them was reported.
    pub(super) bad: usize,
}

/// What became of one spec.
struct Read {
    name: String,
    folder: String,
    files: Vec<SpecFile>,
    mistakes: Vec<Diagnostic>,
    sources: Sources,
}

impl Selection {
    /// Reads the specs of some names, or all, and their lists; what is wrong with those is reported.
    pub(super) fn load(names: &[String], specs: &SpecFilesArgs, ui: &Ui) -> Result<Self, Failure> {
        // As for a graph, the macros of the machine's rpm have to do below those of the distribution: nothing is fetched for it.
        let world = World::with_policy(&specs.macros, &Policy::of(specs)?, ui)?;
        let paths = existing(&specs.specs)?;
        let all = chosen(spec_paths(&paths)?, names)?;
        let mut selection = Self { packages: Vec::new(), sources: world.config.sources(), bad: 0 };
        let mut wrong = Vec::new();
        evaluate::each(&world, &paths, &all, false, read, |read: Read| {
            let here = selection.sources.absorb(read.sources);
            if !read.mistakes.is_empty() {
                selection.bad += 1;
                wrong.extend(read.mistakes.into_iter().map(|mistake| moved(mistake, &here)));
                return Ok(());
            }
            let files = read.files.into_iter().map(|file| SpecFile { span: file.span.map(&here), ..file }).collect();
            match with_list(&read.name, Path::new(&read.folder), files, &mut selection.sources)? {
                Ok(package) => selection.packages.push(package),
                Err(mistakes) => {
                    selection.bad += 1;
                    wrong.extend(mistakes);
                }
            }
            Ok(())
        })?;
        world.finish()?;
        ui.diagnostics(&wrong, &selection.sources);
        Ok(selection)
    }

    /// Reports all that does not fit together; true if there was nothing, and all specs and lists are good.
    pub(super) fn check(&self, ui: &Ui) -> bool {
        let wrong: Vec<Diagnostic> = self.packages.iter().flat_map(Package::check).collect();
        ui.diagnostics(&wrong, &self.sources);
        let all = wrong.len() + self.bad;
        if all > 0 {
            ui.summary(&format!("nothing was done: {}", many(all, "error")));
        }
        all == 0
    }
}

/// The specs of some names; all names that no spec has are reported at once.
fn chosen(all: Vec<SpecPath>, names: &[String]) -> Result<Vec<SpecPath>, Failure> {
    if names.is_empty() {
        return Ok(all);
    }
    let unknown: Vec<String> = names
        .iter()
        .filter(|name| all.iter().all(|path| stem(path) != name.as_str()))
        .map(|name| match nearest(name, all.iter().map(stem)) {
            Some(near) => format!("no spec is called `{name}`; did you mean `{near}`?"),
            None => format!("no spec is called `{name}`"),
        })
        .collect();
    if !unknown.is_empty() {
        return Err(Failure::input(unknown.join("\n")).hint("`bedplate source list` shows all specs"));
    }
    Ok(all.into_iter().filter(|path| names.iter().any(|name| stem(path) == name)).collect())
}

fn stem(path: &SpecPath) -> &str {
    Path::new(&path.path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}

fn read(path: &SpecPath, found: Evaluation) -> Read {
    let is_good = found.is_good();
    let mistakes: Vec<Diagnostic> = found
        .diagnostics
        .into_iter()
        .filter(|one| !is_good && matches!(one.severity, Severity::Error | Severity::Passed))
        .collect();
    let files = named_files(&found.spec, &path.shown, &found.sources).into_iter().map(Into::into);
    // The folder as the user wrote it: paths in messages are those that he knows.
    let folder = Path::new(&path.shown).parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).to_string_lossy().into_owned();
    Read { name: stem(path).to_owned(), folder, files: files.collect(), mistakes, sources: found.sources }
}

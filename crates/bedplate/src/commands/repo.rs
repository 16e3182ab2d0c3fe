//! `bedplate repo`: repositories of RPMs.

mod capabilities;
mod create;
mod keys;
mod query;
mod sign;
mod verify;

use std::collections::BTreeMap;
use std::path::PathBuf;

use bedplate_diag::Category;
use bedplate_model::Nevra;
use bedplate_repo::{Checksum, Finding, Findings, LoadOptions};
use rustc_hash::FxHashMap;

pub(crate) use self::keys::Keys;
use crate::cli::RepoCommand;
use crate::outcome::{Failure, Outcome};
use crate::output::many;
use crate::ui::Ui;

/// Runs a command of the group.
pub(crate) fn run(command: RepoCommand, ui: &Ui) -> Result<Outcome, Failure> {
    match command {
        RepoCommand::Capabilities(args) => capabilities::run(&args, ui),
        RepoCommand::Create(args) => create::run(&args, ui),
        RepoCommand::Sign(args) => sign::run(&args, ui),
        RepoCommand::Verify(args) => verify::run(&args, ui),
        RepoCommand::Query(args) => query::run(&args, ui),
    }
}

/// Repositories as the solver and the build graph take them, and what they say of package files.
#[derive(Default)]
pub(crate) struct ForSolving {
    pub(crate) repositories: Vec<bedplate_solve::Repository>,
    /// SHA-256 of package files, by repository and full name of the package.
    pub(crate) sha256: FxHashMap<(String, Nevra), String>,
    /// The files of packages by full name; of several repositories, the first one's, as all have the same.
    pub(crate) files: BTreeMap<String, PackageFile>,
}

/// The file of a package of a repository.
#[derive(Debug, Clone)]
pub(crate) struct PackageFile {
    pub(crate) path: PathBuf,
    pub(crate) checksum: Checksum,
    /// Bytes.
    pub(crate) size: u64,
}

/// The binary packages of repositories, each `NAME=DIR` or `DIR`, as the solver and the build graph take them.
///
/// Of one package in several repositories, the order of the repositories or their priorities decide.
pub(crate) fn for_solving(folders: &[String], keys: &[String], ui: &Ui) -> Result<ForSolving, Failure> {
    let keys = keys::Keys::read(keys)?;
    let named: Vec<(String, &str)> = folders.iter().map(|text| name_and_folder(text)).collect();
    if let Some((name, _)) =
        named.iter().enumerate().find(|(at, one)| named[..*at].iter().any(|other| other.0 == one.0)).map(|(_, one)| one)
    {
        return Err(Failure::input(format!("two repositories are called `{name}`"))
            .hint("give one another name: `--repo NAME=DIR`"));
    }
    let folders: Vec<&str> = named.iter().map(|(_, folder)| *folder).collect();
    let counter = ui.counter("packages read");
    let progress = |done, total| counter.show(done, total);
    let signature = keys::Keys::verifier(keys.as_ref());
    let options = LoadOptions { signature, progress: Some(&progress), ..LoadOptions::default() };
    let loaded = bedplate_repo::load(&folders, &options);
    drop(counter);
    let repositories = loaded.map_err(|findings| {
        report(&findings.all, ui);
        let message = format!("repositories cannot be used: {}", count(&findings.all));
        Failure { category: findings.category(), message, hint: None }
    })?;
    let mut all = ForSolving::default();
    for (mut repository, (name, _)) in repositories.into_iter().zip(named) {
        report(&repository.warnings, ui);
        repository.packages.retain(|one| !one.package.nevra.arch().is_source());
        for one in &repository.packages {
            let base = one.base.as_deref().map_or_else(|| repository.path.clone(), PathBuf::from);
            let path = base.join(&one.location);
            let file = PackageFile { path, checksum: one.checksum, size: one.size.package };
            all.files.entry(one.package.nevra.to_string()).or_insert(file);
            if let Checksum::Sha256(_) = one.checksum {
                all.sha256.insert((name.clone(), one.package.nevra.clone()), one.checksum.to_string());
            }
        }
        let packages = repository.into_binary_packages();
        all.repositories.push(bedplate_solve::Repository { name, priority: 99, packages });
    }
    Ok(all)
}

/// `NAME=DIR`, or a folder that gives its own name: a lock with it holds on another machine.
pub(crate) fn name_and_folder(text: &str) -> (String, &str) {
    if let Some((name, folder)) = text.split_once('=')
        && !name.is_empty()
        && !name.contains('/')
    {
        return (name.to_owned(), folder);
    }
    let full = std::path::absolute(text).unwrap_or_default();
    let full = full.canonicalize().unwrap_or(full);
    let name = full.file_name().map(|name| name.to_string_lossy().into_owned());
    (name.unwrap_or_else(|| text.to_owned()), text)
}

/// Runs work on so many threads; 0 and nothing stand for one for each processor.
fn on_threads<T: Send>(jobs: Option<usize>, work: impl FnOnce() -> T + Send) -> Result<T, Failure> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.unwrap_or(0)).build();
    let pool = pool.map_err(|error| Failure::environment(format!("cannot start threads: {error}")))?;
    Ok(pool.install(work))
}

/// Reports findings on standard error.
pub(crate) fn report(findings: &[Finding], ui: &Ui) {
    let diagnostics: Vec<_> = findings.iter().map(Finding::to_diagnostic).collect();
    ui.diagnostics(&diagnostics, &bedplate_diag::Sources::new());
}

/// Errors and warnings of findings, counted.
pub(crate) fn count(findings: &[Finding]) -> String {
    let errors = findings.iter().filter(|one| one.is_error()).count();
    format!("{}, {}", many(errors, "error"), many(findings.len() - errors, "warning"))
}

/// Reports findings that make the work impossible.
fn refuse(findings: &Findings, ui: &Ui) -> Result<Outcome, Failure> {
    report(&findings.all, ui);
    match findings.category() {
        Category::Input => {
            ui.summary(&format!("nothing was done: {}", count(&findings.all)));
            Ok(Outcome::BadInput)
        }
        _ => Err(Failure::environment(findings.to_string())),
    }
}

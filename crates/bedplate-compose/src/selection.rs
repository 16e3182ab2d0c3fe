//! Which packages an image takes: repositories, solver, lock.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use bedplate_diag::{Category, Diagnostic, Span, nearest};
use bedplate_model::Nevra;
use bedplate_repo::{Checksum, Finding, Findings, LoadOptions, VerifySignature, load};
use bedplate_solve::{Changed, Failure, Item, Lock, Pattern, Repository, Request, Universe, solve};

/// A repository that an image takes packages of.
pub struct PackageSource<'a> {
    /// Its name, as the lock has it.
    pub name: String,
    /// The folder with `repodata/`.
    pub folder: PathBuf,
    /// Where several have a package, that with the smallest number counts.
    pub priority: i32,
    /// Names and patterns of its packages that are not used.
    pub exclude: Vec<String>,
    /// Who must have signed its metadata and its packages; none: nobody.
    pub signature: Option<&'a dyn VerifySignature>,
}

impl fmt::Debug for PackageSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signature = self.signature.is_some();
        f.debug_struct("PackageSource")
            .field("folder", &self.folder)
            .field("signature", &signature)
            .finish_non_exhaustive()
    }
}

/// What an image wants of the repositories.
#[derive(Debug)]
pub struct Wanted {
    /// What has to be there, each with its place in the config.
    pub install: Vec<(Item, Span)>,
    /// Names and patterns that may not be there.
    pub exclude: Vec<String>,
    /// Whether what packages recommend is taken too.
    pub recommends: bool,
    /// The architecture of the image.
    pub architecture: String,
}

/// A package that is taken.
#[derive(Debug, Clone)]
pub struct Selected {
    /// Its full name.
    pub nevra: Nevra,
    /// Its repository.
    pub repository: String,
    /// Its file.
    pub path: PathBuf,
    /// The checksum of the file by the metadata: a SHA-256.
    pub checksum: Checksum,
    /// When it was built, in seconds since 1970.
    pub build_time: u64,
    /// Why it is there.
    pub why: String,
    /// The file name of its source package.
    pub source: Option<String>,
}

/// Packages, and the lock that says so.
#[derive(Debug)]
pub struct Selection {
    /// By name.
    pub packages: Vec<Selected>,
    /// The same as a lock.
    pub lock: Lock,
    /// What is odd about the repositories.
    pub warnings: Vec<Finding>,
}

/// Why there is no selection.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    /// Repositories cannot be used.
    #[error("repositories cannot be used: {0}")]
    Repositories(Findings),
    /// The config asks for what is not there, or does not go together.
    #[error("the config asks for packages that cannot be had")]
    Wanted(Vec<Diagnostic>),
    /// No set of packages is what was asked for.
    #[error("{0}")]
    Unsolvable(Failure),
    /// The lock does not fit.
    #[error("{message}")]
    Lock {
        /// What does not fit.
        message: String,
        /// What to do.
        hint: &'static str,
    },
}

impl SelectionError {
    /// What kind of mistake it is.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Repositories(findings) => findings.category(),
            Self::Wanted(_) | Self::Lock { .. } => Category::Input,
            Self::Unsolvable(failure) => failure.category(),
        }
    }
}

/// Loads the repositories and solves; the answer keeps to the lock, if there is one.
///
/// # Errors
///
/// See [`SelectionError`].
pub fn select(
    sources: &[PackageSource<'_>],
    wanted: &Wanted,
    lock: Option<&Lock>,
) -> Result<Selection, SelectionError> {
    let mut repositories = Vec::new();
    let mut files: HashMap<(String, Nevra), Selected> = HashMap::new();
    let (mut warnings, mut wrong) = (Vec::new(), Findings::default());
    for source in sources {
        let options = LoadOptions { signature: source.signature, refuse_same_names: false, ..LoadOptions::default() };
        let mut loaded = match load(&[&source.folder], &options) {
            Ok(loaded) => loaded,
            Err(findings) => {
                wrong.all.extend(findings.all);
                continue;
            }
        };
        let Some(mut repository) = loaded.pop() else { continue };
        warnings.append(&mut repository.warnings);
        let exclude: Vec<Pattern> = source.exclude.iter().map(Pattern::new).collect();
        repository.packages.retain(|one| {
            let nevra = &one.package.nevra;
            !nevra.arch().is_source() && !exclude.iter().any(|pattern| pattern.takes(nevra))
        });
        for one in &repository.packages {
            let Checksum::Sha256(_) = one.checksum else { continue };
            let package = Selected {
                nevra: one.package.nevra.clone(),
                repository: source.name.clone(),
                path: repository.path.join(&one.location),
                checksum: one.checksum,
                build_time: one.time.build,
                // Known once it is chosen.
                why: String::new(),
                source: one.package.source_rpm.clone(),
            };
            files.insert((source.name.clone(), one.package.nevra.clone()), package);
        }
        let packages = repository.into_binary_packages();
        repositories.push(Repository { name: source.name.clone(), priority: source.priority, packages });
    }
    if wrong.has_errors() {
        return Err(SelectionError::Repositories(wrong));
    }
    let universe = Universe::new(repositories);
    let missing = missing(&universe, wanted);
    if !missing.is_empty() {
        return Err(SelectionError::Wanted(missing));
    }
    let mut request =
        Request { install: wanted.install.iter().map(|(item, _)| item.clone()).collect(), ..Request::default() };
    request.options.architectures = vec![wanted.architecture.clone(), "noarch".to_owned()];
    request.options.exclude = wanted.exclude.iter().map(Pattern::new).collect();
    request.options.recommends = wanted.recommends;
    if let Some(lock) = lock {
        request.options.locked = lock.locked();
    }
    let solution = solve(&universe, &request).map_err(|failure| unsolvable(failure, wanted))?;
    let mut new = Lock::of(&solution);
    let mut packages = Vec::new();
    for (chosen, entry) in solution.packages().iter().zip(&mut new.packages) {
        let key = (chosen.repository.clone(), chosen.nevra.clone());
        let Some(package) = files.get(&key).cloned() else {
            let message = format!("the metadata of `{}` has no SHA-256 of {}", chosen.repository, chosen.nevra);
            let hint = "make the metadata with SHA-256: `bedplate repo create`, or `createrepo_c --checksum sha256`";
            return Err(SelectionError::Lock { message, hint });
        };
        entry.sha256 = Some(package.checksum.to_string());
        let why = chosen.why.describe(&universe);
        packages.push(Selected { why, ..package });
    }
    if let Some(lock) = lock {
        refuse_changed(lock, &new)?;
    }
    packages.sort_by_cached_key(|one| one.nevra.to_string());
    Ok(Selection { packages, lock: new, warnings })
}

/// Why nothing is an answer, at the places of the items that are a part of it.
fn unsolvable(failure: Failure, wanted: &Wanted) -> SelectionError {
    let items = failure.requested();
    let named: Vec<&(Item, Span)> = wanted.install.iter().filter(|(item, _)| items.contains(&item.text())).collect();
    let mut places = named.into_iter();
    let (Some((_, span)), Category::Input) = (places.next(), failure.category()) else {
        return SelectionError::Unsolvable(failure);
    };
    let hint = "change `packages.install` or `packages.exclude`, or name a repository that has what is needed";
    let mut diagnostic = Diagnostic::error("unsolvable-packages", failure.to_string()).at(*span).hint(hint);
    for (item, span) in places {
        diagnostic = diagnostic.note(format!("and `{}`", item.text()), Some(*span));
    }
    SelectionError::Wanted(vec![diagnostic])
}

/// Items that nothing provides, each at its place.
fn missing(universe: &Universe, wanted: &Wanted) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (item, span) in &wanted.install {
        let bedplate_solve::Wanted::Simple(dependency) = item.wanted() else { continue };
        let text = item.text();
        let is_there = !universe.providers(dependency).is_empty()
            || universe.packages().any(|(_, package)| package.nevra.to_string() == text);
        if is_there {
            continue;
        }
        let mut diagnostic = Diagnostic::error("missing-package", format!("no repository has `{text}`")).at(*span);
        diagnostic = match nearest(&dependency.name, universe.names()) {
            Some(near) => diagnostic.hint(format!("there is `{near}`")),
            None => diagnostic.hint("build it, or name the repository that has it: `[[repository]]`"),
        };
        found.push(diagnostic);
    }
    found
}

fn refuse_changed(lock: &Lock, new: &Lock) -> Result<(), SelectionError> {
    let line = |one: Changed<'_>| format!("\n{}: expected {}, found {}", one.nevra, one.expected, one.found);
    let lines: String = lock.changed(new).map(line).collect();
    if lines.is_empty() {
        return Ok(());
    }
    Err(SelectionError::Lock {
        message: format!("package files have other SHA-256 digests than the lock says{lines}"),
        hint: "write the lock again if the packages were built again on purpose: `--update-lock`",
    })
}

//! From package files to the first tree: order, contents, owners, and which scripts are to run.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bedplate_cas::Store;
use bedplate_customise::{Editor, Specifiers, create_system_users, provided_line};
use bedplate_diag::{Diagnostic, Sources};
use bedplate_image_config::ImageConfig;
use bedplate_install::{Accounts, Color, Documentation, Fate, Package, PlaceOptions, Placed, place, unpack};
use bedplate_repo::Finding;
use bedplate_scriptlet::{self as scriptlet, Rpm};

use crate::{ComposeError, Selected};

/// The rpm whose order and triggers are followed: that of the packages' own distribution.
pub(crate) const RPM: Rpm = Rpm::V4_20;

/// Packages in a tree.
pub(crate) struct Installed {
    /// In the order in which rpm installs them.
    pub(crate) packages: Vec<Package>,
    /// What scripts need to know of them, in the same order.
    pub(crate) scripted: Vec<scriptlet::Package>,
    pub(crate) placed: Placed,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Installs packages: all files, and nothing that runs.
pub(crate) fn install(
    store: &Store,
    selected: &[Selected],
    config: &ImageConfig,
    epoch: i64,
) -> Result<Installed, ComposeError> {
    let paths: Vec<&PathBuf> = selected.iter().map(|package| &package.path).collect();
    let packages = unpack(store, &paths)?;
    let mut scripted = Vec::with_capacity(packages.len());
    let mut wrong = Vec::new();
    for (package, path) in packages.iter().zip(&paths) {
        match scriptlet::Package::from_headers(package.headers()) {
            Ok(one) => scripted.push(one),
            Err(problems) => wrong.extend(problems.into_iter().map(|problem| Finding::new(*path, problem))),
        }
    }
    if !wrong.is_empty() {
        return Err(bedplate_install::UnpackError::Packages(wrong).into());
    }
    let order = scriptlet::order(&scripted, RPM);
    let packages: Vec<Package> = order.iter().map(|at| packages[*at].clone()).collect();
    let mut scripted: Vec<scriptlet::Package> = order.iter().map(|at| scripted[*at].clone()).collect();

    let mut options = PlaceOptions {
        epoch,
        documentation: if *config.packages.documentation { Documentation::Install } else { Documentation::LeaveOut },
        languages: languages(config),
        net_shared: Vec::new(),
        color: Color::of_arch(config.architecture.word()),
        accounts: Accounts::default(),
    };
    let refs: Vec<&Package> = packages.iter().collect();
    // Who owns a file is known when all packages have said which users they make: they are placed once to learn that.
    let first = place(store, &refs, &options)?;
    options.accounts = accounts(store, first, &scripted, config, epoch)?;
    let placed = place(store, &refs, &options)?;
    // File triggers see only what is there.
    for ((package, fates), scripted) in packages.iter().zip(&placed.fates).zip(&mut scripted) {
        let left_out: BTreeSet<String> = package
            .files()
            .files
            .iter()
            .zip(fates)
            .filter(|(_, fate)| !matches!(fate, Fate::Create | Fate::Shared))
            .map(|(file, _)| format!("/{}", file.path))
            .collect();
        scripted.leave_out(|path| left_out.contains(path));
    }
    let warnings = placed.warnings.iter().map(bedplate_install::InstallWarning::to_diagnostic).collect();
    Ok(Installed { packages, scripted, placed, warnings })
}

/// Locales whose files are installed; none for all. `C.UTF-8` needs no file.
fn languages(config: &ImageConfig) -> Option<Vec<String>> {
    let all: Vec<String> = config.packages.locales.iter().map(ToString::to_string).collect();
    (!all.iter().any(|locale| locale == "*")).then_some(all)
}

/// The users and groups of the packages with the numbers that they will have in the image.
fn accounts(
    store: &Store,
    placed: Placed,
    packages: &[scriptlet::Package],
    config: &ImageConfig,
    epoch: i64,
) -> Result<Accounts, ComposeError> {
    let mut tree = placed.tree;
    let mut sources = Sources::new();
    let mut editor = Editor::new(&mut tree, store, &mut sources, epoch);
    let specifiers = Specifiers::of(&editor, config.architecture.word())?;
    let made = create_system_users(&mut editor, &specifiers, &provided_users(packages))?;
    let mut accounts = Accounts::default();
    for name in made.users() {
        accounts.users.extend(made.uid(name).map(|uid| (name.to_owned(), uid)));
    }
    for name in made.groups() {
        accounts.groups.extend(made.gid(name).map(|gid| (name.to_owned(), gid)));
    }
    Ok(accounts)
}

/// The sysusers.d lines that packages carry in `Provides: user(NAME) = …`.
pub(crate) fn provided_users(packages: &[scriptlet::Package]) -> Vec<String> {
    let provides = packages.iter().flat_map(|package| &package.provides);
    let accounts = provides.filter(|one| one.name.starts_with("user(") || one.name.starts_with("group("));
    accounts.filter_map(|one| provided_line(&one.evr)).collect()
}

//! The seed of a command: its file, its lock, and how far its making is.

use std::path::{Path, PathBuf};
use std::sync::Once;

use bedplate_apt::{Apt, AptError};
use bedplate_cas::Store;
use bedplate_diag::{Diagnostic, Source, SourceId, Sources, Span};
use bedplate_seed::{Definition, Lock, SeedError, SeedProgress};

use crate::outcome::Failure;
use crate::output::many;
use crate::ui::{Counter, Ui};
use crate::units::show_bytes;

/// A seed file and its lock.
pub(crate) struct SeedFiles {
    pub(crate) definition: Definition,
    /// Nothing if there is no lock yet, or none that can be read.
    pub(crate) lock: Option<Lock>,
    is_lock_bad: bool,
    pub(crate) lock_path: PathBuf,
    pub(crate) sources: Sources,
    /// The place of the lock as a whole.
    whole_lock: Span,
}

impl SeedFiles {
    /// Reads both; what is wrong with them is reported. A bad lock is refused only where one is needed: it can be written anew.
    pub(crate) fn read(path: &Path, ui: &Ui) -> Result<Self, Failure> {
        let mut sources = Sources::new();
        let mut mistakes = Vec::new();
        let (_, definition) = parse(path, &mut sources, &mut mistakes, Definition::parse)?;
        let lock_path = path.with_extension("lock");
        let (mut lock, mut whole_lock, mut is_lock_bad) = (None, Span::new(SourceId(0), 0, 0), false);
        if lock_path.exists() {
            let (id, found) = parse(&lock_path, &mut sources, &mut mistakes, Lock::parse)?;
            is_lock_bad = found.is_none();
            (whole_lock, lock) = (Span::new(id, 0, 0), found);
        }
        ui.diagnostics(&mistakes, &sources);
        let bad = || Failure::input(format!("{} has mistakes", path.display()));
        let definition = definition.ok_or_else(bad)?;
        Ok(Self { definition, lock, is_lock_bad, lock_path, sources, whole_lock })
    }

    /// The lock. It is refused if it does not fit the seed file; versions that differ are reported.
    pub(crate) fn checked_lock(&self, ui: &Ui) -> Result<&Lock, Failure> {
        const HINT: &str = "`bedplate seed lock` writes it anew";
        let path = self.lock_path.display();
        let Some(lock) = &self.lock else {
            return Err(match self.is_lock_bad {
                true => Failure::input(format!("{path} has mistakes")).hint(HINT),
                false => Failure::input(format!("there is no lock {path}")).hint("`bedplate seed lock` writes it"),
            });
        };
        let found = self.check(lock);
        ui.diagnostics(&found, &self.sources);
        if found.iter().any(Diagnostic::is_error) {
            return Err(Failure::input(format!("{path} does not fit the seed file")).hint(HINT));
        }
        Ok(lock)
    }

    /// What is to be said of a lock of this seed.
    pub(crate) fn check(&self, lock: &Lock) -> Vec<Diagnostic> {
        lock.check(&self.definition, self.whole_lock)
    }

    /// The suite of Debian that the seed is of: its name is `debian-SUITE`.
    pub(crate) fn suite(&self) -> Result<&str, Failure> {
        let name = &self.definition.seed.name;
        name.strip_prefix("debian-").filter(|suite| !suite.is_empty()).ok_or_else(|| {
            Failure::input(format!("the seed is called `{name}`, which does not say what it is made of"))
                .hint("write `name = \"debian-SUITE\"`, for example `debian-trixie`")
        })
    }
}

fn parse<T>(
    path: &Path,
    sources: &mut Sources,
    mistakes: &mut Vec<Diagnostic>,
    parse: impl FnOnce(SourceId, &str) -> Result<T, Vec<Diagnostic>>,
) -> Result<(SourceId, Option<T>), Failure> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::input(format!("there is no seed file {name}"))
            .hint("work in the folder that has `toolkit/seed`, or name the file: `--seed FILE`"),
        _ => Failure::io("cannot read", &name, &error),
    })?;
    let id = sources.add(Source::new(name.as_str(), text.as_str()));
    let found = parse(id, &text).map_err(|wrong| mistakes.extend(wrong));
    Ok((id, found.ok()))
}

/// The host's apt, with its state in the store.
pub(crate) fn apt(store: &Store, suite: &str) -> Result<Apt, Failure> {
    Ok(Apt::new(&store.path().join("apt"), &[suite]).map_err(SeedError::Apt)?)
}

impl From<SeedError> for Failure {
    fn from(error: SeedError) -> Self {
        let mut message = error.to_string();
        // Messages of errors leave out what caused them.
        let mut cause = std::error::Error::source(&error);
        while let Some(one) = cause {
            message.push_str(&format!(": {one}"));
            cause = one.source();
        }
        Self { category: error.category(), message, hint: error.hint() }
    }
}

impl From<AptError> for Failure {
    fn from(error: AptError) -> Self {
        SeedError::Apt(error).into()
    }
}

/// Shows how far the making of a seed is: a counter on a terminal, a line for each phase anywhere.
pub(crate) struct SeedTeller<'a> {
    ui: &'a Ui,
    fetched: Counter,
    installed: Counter,
    begun: [Once; 3],
}

impl<'a> SeedTeller<'a> {
    pub(crate) fn new(ui: &'a Ui) -> Self {
        let (fetched, installed) = (ui.counter("packages fetched"), ui.counter("packages installed"));
        Self { ui, fetched, installed, begun: [const { Once::new() }; 3] }
    }

    /// Hears of progress; in any thread.
    pub(crate) fn tell(&self, progress: SeedProgress) {
        match progress {
            SeedProgress::Fetch { files, all_files, all_bytes, .. } => {
                self.begin(0, || format!("fetching {} ({})", many(all_files, "package"), show_bytes(all_bytes)));
                self.fetched.show(files, all_files);
            }
            SeedProgress::Install { packages, all_packages } => {
                self.begin(1, || format!("installing {}", many(all_packages, "package")));
                self.installed.show(packages, all_packages);
            }
            SeedProgress::Store => self.begin(2, || "putting files into the store".to_owned()),
        }
    }

    fn begin(&self, phase: usize, text: impl FnOnce() -> String) {
        self.begun[phase].call_once(|| self.ui.summary(&format!("seed: {}", text())));
    }
}

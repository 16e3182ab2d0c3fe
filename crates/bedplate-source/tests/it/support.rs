//! What several tests need.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use bedplate_cas::Store;
use bedplate_diag::{Diagnostic, Source, Sources};
use bedplate_source::{Failure, FetchOptions, Fetched, HttpOptions, Package, SourceList, SpecFile, Step, fetch};

/// SHA-256 of no bytes.
pub(crate) const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Diagnostics, a line each, with their places.
pub(crate) fn located(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let lines = diagnostics.iter().map(|one| {
        let place = one.span.and_then(|span| sources.locate(span));
        let place = place.map(|(name, at)| format!("{name}:{}:{} ", at.line, at.column)).unwrap_or_default();
        let notes = one.notes.iter().map(|note| {
            let at = note.span.and_then(|span| sources.locate(span));
            let at = at.map(|(_, at)| format!(" {}:{}", at.line, at.column)).unwrap_or_default();
            format!("; {}{at}", note.message)
        });
        let hint = one.hint.iter().map(|hint| format!("; help: {hint}"));
        format!("{place}{}: {}{}", one.code, one.message, notes.chain(hint).collect::<String>())
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A folder with a store, a spec's folder and the list in it.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) sources: Sources,
    pub(crate) options: FetchOptions<'static>,
    /// What was told, a line each.
    pub(crate) told: Mutex<Vec<String>>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        std::fs::create_dir(folder.path().join("spec")).unwrap();
        let http = HttpOptions {
            tries: 3,
            pause: Duration::from_millis(1),
            patience: Duration::from_secs(2),
            ..HttpOptions::default()
        };
        let partial = folder.path().join("partial");
        let options = FetchOptions { offline: false, lookaside: Vec::new(), apt: None, partial, jobs: 4, http };
        Self { folder, store, sources: Sources::new(), options, told: Mutex::default() }
    }

    pub(crate) fn at(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    /// A package with a list, all of whose entries its spec names.
    pub(crate) fn package(&mut self, list: &str) -> Package {
        let id = self.sources.add(Source::new("a.sources.toml", list));
        let list = SourceList::parse(id, list).unwrap();
        let files =
            list.files.iter().map(|file| SpecFile { name: file.name.clone(), location: file.name.clone(), span: None });
        Package::new("a", &self.at("spec"), files.collect(), list)
    }

    /// Fetches the files of a package; what was refused, as diagnostics.
    pub(crate) fn fetch(&self, package: &Package) -> Result<Fetched, String> {
        self.told.lock().unwrap().clear();
        let progress = |package: &str, file: &str, step: &Step<'_>| {
            let line = match step {
                Step::Bytes { .. } => return,
                Step::Again { place, why } => format!("again {place}: {why}"),
                Step::Refused { place, trouble } => format!("refused {place}: {trouble}"),
                Step::Got { place: Some(place), digest } => format!("got {} of {place}", digest.size),
                Step::Got { place: None, digest } => format!("had {}", digest.size),
            };
            self.told.lock().unwrap().push(self.plain(&format!("{package} {file}: {line}")));
        };
        let fetched = fetch(&self.store, std::slice::from_ref(package), &self.options, &progress);
        fetched.map(|mut all| all.remove(0)).map_err(|failures| {
            let diagnostics: Vec<_> = failures.iter().map(Failure::to_diagnostic).collect();
            self.plain(&located(&diagnostics, &self.sources))
        })
    }

    pub(crate) fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    fn plain(&self, text: &str) -> String {
        text.replace(self.folder.path().to_str().unwrap(), "DIR")
    }
}

/// The entry of a list for some bytes.
pub(crate) fn entry(name: &str, bytes: &[u8], urls: &[&str]) -> String {
    let sha256 = bedplate_source::Sha256::of(bytes);
    format!("[[file]]\nname = \"{name}\"\nsha256 = \"{sha256}\"\nsize = {}\nurls = {urls:?}\n", bytes.len())
}

/// Bytes that are no pattern: nothing fits by chance.
pub(crate) fn bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut all: Vec<u8> = (0..count.div_ceil(8)).flat_map(|_| next()).collect();
    all.truncate(count);
    all
}

/// The files of a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

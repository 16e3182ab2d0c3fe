//! The source files of specs: what a spec names, and the list that pins it.

use std::path::Path;

use bedplate_apt::Apt;
use bedplate_cas::Store;
use bedplate_diag::{Diagnostic, SourceId, Sources, Span};
use bedplate_source::{FetchOptions, LoadError, Package, SourceList, SpecFile, tag_span};
use bedplate_spec::SourcePackage;

use crate::cli::NetworkArgs;
use crate::commands::source::http_options;
use crate::outcome::Failure;

/// A source or patch that a spec names.
pub(crate) struct NamedFile {
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) is_patch: bool,
    pub(crate) span: Option<Span>,
}

impl From<NamedFile> for SpecFile {
    fn from(file: NamedFile) -> Self {
        Self { name: file.name, location: file.location, span: file.span }
    }
}

/// Sources and patches of a spec by their numbers, as people count them. `shown` is the name of its text.
pub(crate) fn named_files(spec: &SourcePackage, shown: &str, sources: &Sources) -> Vec<NamedFile> {
    let text = sources.iter().position(|source| source.name() == shown);
    let text = text.and_then(|at| u32::try_from(at).ok()).map(SourceId);
    let mut all: Vec<_> = spec.sources.iter().collect();
    all.sort_by_key(|source| (source.is_patch, source.number));
    let file = |source: &bedplate_spec::SpecSource| NamedFile {
        name: source.name.clone(),
        location: source.full.clone(),
        is_patch: source.is_patch,
        span: text.and_then(|text| tag_span(sources, text, source.number, source.is_patch)),
    };
    all.into_iter().map(file).collect()
}

/// The files of a spec with their list. In the second place is what is wrong with the list itself; whether it fits the
/// spec is another question ([`Package::check`]).
pub(crate) fn with_list(
    name: &str,
    folder: &Path,
    files: Vec<SpecFile>,
    sources: &mut Sources,
) -> Result<Result<Package, Vec<Diagnostic>>, Failure> {
    match SourceList::load(folder, name, sources) {
        Ok(list) => Ok(Ok(Package::new(name, folder, files, list))),
        Err(LoadError::Mistakes { mistakes, .. }) => Ok(Err(mistakes)),
        Err(error @ LoadError::Io { .. }) => Err(Failure::environment(bedplate_engine::build::chain(&error))),
    }
}

/// How sources are fetched.
pub(crate) fn fetch_options<'a>(network: &NetworkArgs, store: &Store, apt: &'a Apt, jobs: usize) -> FetchOptions<'a> {
    FetchOptions {
        offline: network.offline,
        lookaside: network.lookaside.clone(),
        apt: Some(apt),
        partial: store.path().join("downloads"),
        jobs,
        http: http_options(),
    }
}

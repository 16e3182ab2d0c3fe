//! A request with the packages that matter to it, as a file: to look at a failure elsewhere, and to keep it as a test.
//!
//! ```json
//! {
//!   "version": 1,
//!   "repositories": [
//!     {"name": "main", "priority": 99, "packages": [
//!       {"nevra": "app-1-1.x86_64", "provides": ["app = 1-1"], "requires": ["lib >= 2", "(a or b)"], "files": ["/usr/bin/app"]}
//!     ]}
//!   ],
//!   "request": {"install": ["app"], "architectures": ["x86_64", "noarch"], "exclude": ["debug*"]}
//! }
//! ```
//!
//! Fields that are empty may be left out. What a package provides is all it provides: its own name and version too.

use std::str::FromStr;

use bedplate_diag::Category;
use bedplate_model::{BinaryPackage, Dependency, DependencyKind, FileKind, Nevra, PackageFile};
use serde::{Deserialize, Serialize};

use crate::catalogue::Catalogue;
use crate::explain::nearly;
use crate::facts::reach;
use crate::logic::{is_missing_ok, single};
use crate::pattern::Pattern;
use crate::request::{Item, LockedPackage, Options, Request, Wanted, parse_dependency, rich_of, text_of};
use crate::universe::{Repository, RepositoryId, Universe};

const VERSION: u32 = 1;

/// A request and its packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The packages.
    pub repositories: Vec<Repository>,
    /// The request.
    pub request: Request,
}

/// A text that is no [`Problem`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProblemError {
    /// It is not JSON, or has not the fields of a problem.
    #[error("not a problem of the solver: {0}")]
    Form(String),
    /// Another version of the format.
    #[error("version {0} of the problem format is not known; this program reads version {VERSION}")]
    Version(u32),
    /// Texts in it are wrong; all of them.
    #[error("bad texts in the problem:\n{}", .0.iter().map(|one| format!("  {one}")).collect::<Vec<_>>().join("\n"))]
    Content(Vec<String>),
}

impl ProblemError {
    /// Who can mend it.
    pub fn category(&self) -> Category {
        Category::Input
    }
}

impl Problem {
    /// The request with the packages that can matter: those that can be wanted, directly or not, and those that an
    /// explanation would name.
    pub fn of(universe: &Universe, request: &Request) -> Self {
        let catalogue = Catalogue::new(universe, request.options.clone());
        let items: Vec<&Item> = request.install.iter().collect();
        let mut matters = vec![false; universe.len()];
        let reached = reach(&catalogue, &items, &mut |id| catalogue.forbidden(id).is_none());
        let wanted: Vec<Dependency> = request.install.iter().flat_map(|item| simple_of(item.wanted())).collect();
        let required = reached.iter().flat_map(|id| universe.package(*id).requires.iter().flat_map(all_simple));
        let near = wanted.into_iter().chain(required).flat_map(|dependency| nearly(universe, &dependency).packages);
        let named = request.options.locked.iter().flat_map(|one| universe.named(one.nevra.name().as_str()).to_vec());
        for id in near.chain(named).chain(reached.iter().copied()) {
            matters[id.0 as usize] = true;
        }
        let mut repositories: Vec<Repository> = Vec::new();
        for number in 0..universe.repository_count() {
            let id = RepositoryId(u32::try_from(number).unwrap_or(u32::MAX));
            let (name, priority) = universe.repository_name(id);
            repositories.push(Repository { name: name.to_owned(), priority, packages: Vec::new() });
        }
        for (id, package) in universe.packages() {
            if matters[id.0 as usize] {
                repositories[universe.repository(id).0 as usize].packages.push(package.clone());
            }
        }
        Self { repositories, request: request.clone() }
    }

    /// The universe and the request, to be solved.
    pub fn into_parts(self) -> (Universe, Request) {
        (Universe::new(self.repositories), self.request)
    }

    /// The text of the file.
    pub fn to_json(&self) -> String {
        let stored = Stored {
            version: VERSION,
            repositories: self.repositories.iter().map(StoredRepository::of).collect(),
            request: StoredRequest::of(&self.request),
        };
        let mut text = serde_json::to_string_pretty(&stored).expect("texts and numbers can always be written as JSON");
        text.push('\n');
        text
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// It is not of the form, or texts in it are wrong.
    pub fn parse(text: &str) -> Result<Self, ProblemError> {
        let stored: Stored = serde_json::from_str(text).map_err(|error| ProblemError::Form(error.to_string()))?;
        if stored.version != VERSION {
            return Err(ProblemError::Version(stored.version));
        }
        let mut bad = Vec::new();
        let repositories = stored.repositories.into_iter().map(|one| one.read(&mut bad)).collect();
        let request = stored.request.read(&mut bad);
        if bad.is_empty() { Ok(Self { repositories, request }) } else { Err(ProblemError::Content(bad)) }
    }
}

/// All simple dependencies in a dependency.
fn all_simple(dependency: &Dependency) -> Vec<Dependency> {
    match rich_of(dependency, DependencyKind::Requires) {
        Some(tree) => tree.singles().into_iter().filter_map(single).collect(),
        None => vec![dependency.clone()],
    }
}

fn simple_of(wanted: &Wanted) -> Vec<Dependency> {
    match wanted {
        Wanted::Simple(dependency) => vec![dependency.clone()],
        Wanted::Rich(tree) => tree.singles().into_iter().filter_map(single).collect(),
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    repositories: Vec<StoredRepository>,
    request: StoredRequest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRepository {
    name: String,
    priority: i32,
    packages: Vec<StoredPackage>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPackage {
    nevra: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_rpm: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    provides: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requires: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    conflicts: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    obsoletes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recommends: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct StoredRequest {
    install: Vec<String>,
    architectures: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    exclude: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    multi_version: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    locked: Vec<StoredLock>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    favoured: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    recommends: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredLock {
    nevra: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
}

impl StoredRepository {
    fn of(repository: &Repository) -> Self {
        let packages = repository.packages.iter().map(StoredPackage::of).collect();
        Self { name: repository.name.clone(), priority: repository.priority, packages }
    }

    fn read(self, bad: &mut Vec<String>) -> Repository {
        let packages = self.packages.into_iter().filter_map(|package| package.read(bad)).collect();
        Repository { name: self.name, priority: self.priority, packages }
    }
}

impl StoredPackage {
    fn of(package: &BinaryPackage) -> Self {
        let texts = |list: &[Dependency]| list.iter().filter(|one| !is_missing_ok(one)).map(text_of).collect();
        Self {
            nevra: package.nevra.to_string(),
            source_rpm: package.source_rpm.clone(),
            provides: texts(&package.provides),
            requires: texts(&package.requires),
            conflicts: texts(&package.conflicts),
            obsoletes: texts(&package.obsoletes),
            recommends: texts(&package.recommends),
            files: package.files.iter().map(|file| file.path.clone()).collect(),
        }
    }

    fn read(self, bad: &mut Vec<String>) -> Option<BinaryPackage> {
        let nevra = nevra(&self.nevra, bad)?;
        let mut of = |list: Vec<String>| {
            let read = list.into_iter().filter_map(|text| match parse_dependency(&text) {
                Ok(dependency) => Some(dependency),
                Err(error) => {
                    bad.push(format!("`{text}` of {nevra} is not a dependency: {error}"));
                    None
                }
            });
            read.collect::<Vec<_>>()
        };
        let file = |path| PackageFile { path, kind: FileKind::File };
        let mut package = BinaryPackage {
            provides: of(self.provides),
            requires: of(self.requires),
            conflicts: of(self.conflicts),
            obsoletes: of(self.obsoletes),
            recommends: of(self.recommends),
            files: self.files.into_iter().map(file).collect(),
            ..BinaryPackage::new(nevra.clone())
        };
        package.source_rpm = self.source_rpm;
        Some(package)
    }
}

impl StoredRequest {
    fn of(request: &Request) -> Self {
        let options = &request.options;
        let patterns = |list: &[Pattern]| list.iter().map(ToString::to_string).collect();
        let lock =
            |one: &LockedPackage| StoredLock { nevra: one.nevra.to_string(), repository: one.repository.clone() };
        Self {
            install: request.install.iter().map(ToString::to_string).collect(),
            architectures: options.architectures.clone(),
            exclude: patterns(&options.exclude),
            multi_version: patterns(&options.multi_version),
            locked: options.locked.iter().map(lock).collect(),
            favoured: options.favoured.iter().map(ToString::to_string).collect(),
            recommends: options.recommends,
        }
    }

    fn read(self, bad: &mut Vec<String>) -> Request {
        let mut install = Vec::new();
        for text in &self.install {
            match Item::from_str(text) {
                Ok(item) => install.push(item),
                Err(error) => bad.push(error.to_string()),
            }
        }
        let mut locked = Vec::new();
        for one in self.locked {
            locked.extend(nevra(&one.nevra, bad).map(|nevra| LockedPackage { nevra, repository: one.repository }));
        }
        let favoured = self.favoured.iter().filter_map(|text| nevra(text, bad)).collect();
        let patterns = |list: Vec<String>| list.into_iter().map(Pattern::new).collect();
        let options = Options {
            architectures: self.architectures,
            exclude: patterns(self.exclude),
            multi_version: patterns(self.multi_version),
            locked,
            favoured,
            recommends: self.recommends,
        };
        Request { install, options }
    }
}

fn nevra(text: &str, bad: &mut Vec<String>) -> Option<Nevra> {
    match text.parse() {
        Ok(nevra) => Some(nevra),
        Err(error) => {
            bad.push(format!("`{text}`: {error}"));
            None
        }
    }
}

//! Repositories that are fetched: into folders of the store, which are then read as any other folder is.

use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

use bedplate_cas::{Digest, Store};
use bedplate_compose::Selection;
use bedplate_diag::{Category, Diagnostic, Sources, Span};
use bedplate_repo::{Checksum, VerifySignature, metadata_files};
use bedplate_source::{Downloads, Sha256, Trouble};
use rayon::prelude::*;

use crate::commands::repo::Keys;
use crate::commands::source::http_options;
use crate::outcome::Failure;
use crate::output::many;
use crate::ui::Ui;
use crate::units::show_bytes;

/// So many files are fetched at a time: a server far away is waited for, not worked for.
const CONNECTIONS: usize = 8;

/// No `repomd.xml` is larger.
const LARGEST_INDEX: u64 = 16 << 20;

/// A repository behind a URL.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    url: String,
    /// Where it is named.
    at: Span,
    /// What was fetched of it.
    pub(crate) folder: PathBuf,
    store: Store,
}

impl Remote {
    pub(crate) fn new(store: &Store, url: &str, at: Span) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        let folder = store.repositories().join(Digest::of(url.as_bytes()).hex());
        Self { url, at, folder, store: store.clone() }
    }

    /// Where a file of the repository is. What has a meaning in a URL is written as `%XX`; a `%` is taken for such a one.
    fn place(&self, path: &str) -> String {
        let mut place = format!("{}/", self.url);
        for byte in path.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte) {
                place.push(char::from(byte));
            } else {
                place.push_str(&format!("%{byte:02X}"));
            }
        }
        place
    }

    fn wrong(&self, code: &'static str, message: String, hint: &str) -> Wrong {
        let diagnostic = Box::new(Diagnostic::error(code, message).at(self.at).hint(hint));
        Wrong { category: Category::Input, diagnostic }
    }

    fn get(&self, http: &Downloads, path: &str, target: &Path, sha256: Option<Sha256>) -> Result<(), Wrong> {
        let place = self.place(path);
        let failed = |trouble: &Trouble| {
            let hint = match trouble {
                Trouble::NotThere | Trouble::WrongSha256 { .. } => {
                    "try again, as it may have changed meanwhile; else tell who keeps the repository"
                }
                _ => "try again later; `--offline` takes what was fetched before",
            };
            let diagnostic = Diagnostic::error("repository-fetch", format!("{place}: {trouble}"));
            Wrong { category: trouble.category(), diagnostic: Box::new(diagnostic.at(self.at).hint(hint)) }
        };
        let folder = target.parent().unwrap_or(&self.folder);
        std::fs::create_dir_all(folder).map_err(|source| failed(&Trouble::Io { path: folder.to_owned(), source }))?;
        http.get(&place, target, sha256, &|_| ()).map_err(|trouble| failed(&trouble))
    }

    /// Fetches the metadata. What was there before is only replaced by what is signed, and when all of it is here.
    fn refresh(&self, http: &Downloads, keys: &Keys) -> Result<(), Wrong> {
        // Two at once would mix their files.
        let name = format!("repository {}", self.folder.file_name().unwrap_or_default().to_string_lossy());
        let _lock = self.store.lock(&name).map_err(|error| {
            let wrong = self.wrong(
                "repository-fetch",
                format!("{}: {error}", self.url),
                "see that the store can be written to",
            );
            Wrong { category: Category::Environment, ..wrong }
        })?;
        let new = self.folder.join(format!("repodata/new-{}", std::process::id()));
        let (index, signature) = (new.join("repomd.xml"), new.join("repomd.xml.asc"));
        let fetched = self.fetch_metadata(http, keys, &index, &signature).and_then(|()| {
            let replace = |from: &Path| {
                let name = from.file_name().unwrap_or_default();
                std::fs::rename(from, self.folder.join("repodata").join(name))
            };
            replace(&signature).and_then(|()| replace(&index)).map_err(|error| {
                let message = format!("cannot write to {}: {error}", self.folder.display());
                let wrong = self.wrong("repository-fetch", message, "see that the store can be written to");
                Wrong { category: Category::Environment, ..wrong }
            })
        });
        // What is left over of it is of no harm.
        let _ = std::fs::remove_dir_all(&new);
        fetched
    }

    fn fetch_metadata(&self, http: &Downloads, keys: &Keys, index: &Path, signature: &Path) -> Result<(), Wrong> {
        self.get(http, "repodata/repomd.xml", index, None)?;
        self.get(http, "repodata/repomd.xml.asc", signature, None).map_err(|wrong| match wrong.category {
            Category::Input => {
                let message = format!("the repository {} is not signed: it has no `repodata/repomd.xml.asc`", self.url);
                self.wrong("repository-unsigned", message, "sign it: `bedplate repo sign`")
            }
            _ => wrong,
        })?;
        let read = |path: &Path| -> Result<Vec<u8>, Wrong> {
            let failed = |why: String| self.wrong("repository-fetch", why, "tell who keeps the repository");
            let size = path.metadata().map_err(|error| failed(format!("{}: {error}", path.display())))?.len();
            if size > LARGEST_INDEX {
                return Err(failed(format!("{}: it is larger than {} bytes", path.display(), LARGEST_INDEX)));
            }
            std::fs::read(path).map_err(|error| failed(format!("{}: {error}", path.display())))
        };
        let text = read(index)?;
        keys.verify(&text, &read(signature)?).map_err(|why| {
            let message = format!("the signature of {} is not good: {why}", self.place("repodata/repomd.xml"));
            self.wrong("repository-signature", message, "name the key that signs this repository: `key`")
        })?;
        let files = metadata_files(&String::from_utf8_lossy(&text)).map_err(|problem| {
            let message = format!("{}: {problem}", self.place("repodata/repomd.xml"));
            self.wrong("repository-fetch", message, "tell who keeps the repository")
        })?;
        for (path, checksum) in files {
            let target = self.target(&path)?;
            self.get(http, &path, &target, sha256(checksum))?;
            note_use(&target);
        }
        Ok(())
    }

    /// Where a file of the repository lies here.
    fn target(&self, path: &str) -> Result<PathBuf, Wrong> {
        let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if path.is_empty() || !Path::new(path).components().all(inside) {
            let message = format!("the repository {} names a file outside of it: `{path}`", self.url);
            return Err(self.wrong("repository-fetch", message, "tell who keeps the repository"));
        }
        Ok(self.folder.join(path))
    }
}

/// What a file has to be, where that can be told while it comes; other checksums are compared when it is read.
fn sha256(checksum: Checksum) -> Option<Sha256> {
    matches!(checksum, Checksum::Sha256(_)).then(|| checksum.to_string().parse().ok()).flatten()
}

/// Why something was not fetched.
struct Wrong {
    category: Category,
    diagnostic: Box<Diagnostic>,
}

/// The repositories of an image that are fetched.
pub(crate) struct Remotes<'a> {
    pub(crate) all: Vec<(Remote, &'a Keys)>,
    pub(crate) is_offline: bool,
}

impl Remotes<'_> {
    /// Fetches what the repositories say of themselves; offline, sees that this was done before.
    pub(crate) fn refresh(&self, sources: &Sources, ui: &Ui) -> Result<(), Failure> {
        if self.all.is_empty() {
            return Ok(());
        }
        let made = if self.is_offline {
            self.all.iter().map(|(one, _)| was_fetched(one)).collect()
        } else {
            let http = connections()?;
            let counter = ui.counter("repositories");
            counter.say(|| format!("asking {}", many(self.all.len(), "repository")));
            in_parallel(&self.all, |(one, keys)| one.refresh(&http, keys))?
        };
        refuse(made, sources, ui)
    }

    /// Fetches the packages of a selection that are not here yet.
    pub(crate) fn fetch(&self, selection: &Selection, sources: &Sources, ui: &Ui) -> Result<(), Failure> {
        let mut wanted = Vec::new();
        for package in &selection.packages {
            let of = self.all.iter().find(|(one, _)| package.path.starts_with(&one.folder));
            let Some((remote, _)) = of else { continue };
            let expected = sha256(package.checksum);
            let is_here = Sha256::of_file(&package.path).is_ok_and(|(found, _)| Some(found) == expected);
            if is_here {
                note_use(&package.path);
            } else {
                wanted.push((remote, package, expected));
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        if self.is_offline {
            let missing = wanted.iter().map(|(remote, package, _)| {
                let message = format!("{} is not here, and the network is not to be used", package.nevra);
                let wrong = remote.wrong("repository-offline", message, "compose once without `--offline`");
                Err(Wrong { category: Category::Environment, ..wrong })
            });
            return refuse(missing.collect(), sources, ui);
        }
        let http = connections()?;
        let counter = ui.counter("packages fetched");
        let (done, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
        let made = in_parallel(&wanted, |(remote, package, expected)| {
            let path = package.path.strip_prefix(&remote.folder).unwrap_or(&package.path).to_string_lossy();
            remote.get(&http, &path, &remote.target(&path)?, *expected)?;
            bytes.fetch_add(package.path.metadata().map_or(0, |facts| facts.len()), Ordering::Relaxed);
            counter.show(done.fetch_add(1, Ordering::Relaxed) + 1, wanted.len());
            Ok(())
        })?;
        let (done, bytes) = (done.into_inner(), bytes.into_inner());
        counter.line(&format!("fetched {}, {}", many(done, "package"), show_bytes(bytes)));
        refuse(made, sources, ui)
    }
}

/// Sets the time of a file that is used: what was not used for long is garbage. Where it cannot be set, the file only goes earlier.
fn note_use(path: &Path) {
    if let Ok(file) = std::fs::File::open(path) {
        let _ = file.set_modified(SystemTime::now());
    }
}

fn was_fetched(remote: &Remote) -> Result<(), Wrong> {
    if remote.folder.join("repodata/repomd.xml").is_file() {
        let files = std::fs::read_dir(remote.folder.join("repodata")).into_iter().flatten().flatten();
        files.for_each(|file| note_use(&file.path()));
        return Ok(());
    }
    let message = format!("{} was never fetched, and the network is not to be used", remote.url);
    let wrong = remote.wrong("repository-offline", message, "compose once without `--offline`");
    Err(Wrong { category: Category::Environment, ..wrong })
}

fn connections() -> Result<Downloads, Failure> {
    Downloads::new(&http_options()).map_err(|trouble| Failure::environment(trouble.to_string()))
}

fn in_parallel<T: Sync>(
    all: &[T],
    work: impl Fn(&T) -> Result<(), Wrong> + Sync,
) -> Result<Vec<Result<(), Wrong>>, Failure> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(CONNECTIONS).build();
    let pool = pool.map_err(|error| Failure::environment(format!("cannot start threads: {error}")))?;
    Ok(pool.install(|| all.par_iter().map(&work).collect()))
}

/// Tells all that was not fetched.
fn refuse(made: Vec<Result<(), Wrong>>, sources: &Sources, ui: &Ui) -> Result<(), Failure> {
    let wrong: Vec<Wrong> = made.into_iter().filter_map(Result::err).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let is_input = wrong.iter().all(|one| one.category == Category::Input);
    let category = if is_input { Category::Input } else { Category::Environment };
    let diagnostics: Vec<Diagnostic> = wrong.into_iter().map(|one| *one.diagnostic).collect();
    ui.diagnostics(&diagnostics, sources);
    let message = format!("repositories cannot be used: {}", many(diagnostics.len(), "error"));
    Err(Failure { category, message, hint: Some("nothing was written".to_owned()) })
}

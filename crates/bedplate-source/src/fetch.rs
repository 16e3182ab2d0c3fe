//! Gets the files of packages into the store.
//!
//! ```text
//! store ──▶ folder of the spec ──▶ lookaside ──▶ upstream's URLs ──▶ Debian ──▶ vendor archive made here
//!                 the first whose bytes are those that are pinned; the others are noted
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bedplate_apt::Apt;
use bedplate_cas::{Digest, Store, StoreError};
use bedplate_diag::SourceId;

use crate::debian;
use crate::http::{Http, Watch, without_password};
use crate::partial::Partial;
use crate::{Attempt, Failure, GoLock, HttpOptions, Lookaside, Origin, Package, Place, Sha256, SourceFile, Trouble};

/// How files are fetched.
#[derive(Debug)]
pub struct FetchOptions<'a> {
    /// Use no network: what is neither in the store nor in a folder cannot be had.
    pub offline: bool,
    /// Copies of sources, which are asked before upstream.
    pub lookaside: Vec<Lookaside>,
    /// The host's apt, for what is Debian's; without it such places are passed over.
    pub apt: Option<&'a Apt>,
    /// Folder for downloads that are not finished.
    pub partial: PathBuf,
    /// How many files are fetched at a time.
    pub jobs: usize,
    /// How servers are talked to.
    pub http: HttpOptions,
}

/// What happens while files are fetched; told from several threads.
#[derive(Debug)]
pub enum Step<'a> {
    /// More of a file is here.
    Bytes {
        /// How many bytes.
        done: u64,
        /// How many there will be, if that is known.
        total: Option<u64>,
    },
    /// A place is tried again.
    Again {
        /// Where.
        place: &'a str,
        /// What happened.
        why: &'a str,
    },
    /// A place does not have the file, or has something else.
    Refused {
        /// Where.
        place: &'a str,
        /// What is wrong.
        trouble: &'a Trouble,
    },
    /// The file is in the store.
    Got {
        /// Where it was got; nothing if the store had it.
        place: Option<&'a str>,
        /// Its content.
        digest: Digest,
    },
}

/// Is told the package, the file, and what happens with it.
pub type Progress<'a> = dyn Fn(&str, &str, &Step<'_>) + Sync + 'a;

/// The files of a package: names in the folder of sources, and what is in the store for them.
pub type Fetched = BTreeMap<String, Digest>;

/// Gets all files of packages that are not in the store, in parallel; not those that the run gives. What a package's
/// [`Package::check`] complains of is not looked at here.
///
/// # Errors
/// All files that could not be had.
pub fn fetch(
    store: &Store,
    packages: &[Package],
    options: &FetchOptions<'_>,
    progress: &Progress<'_>,
) -> Result<Vec<Fetched>, Vec<Failure>> {
    let work: Vec<(usize, &str, Origin<'_>)> = packages
        .iter()
        .enumerate()
        .flat_map(|(number, package)| package.origins().into_iter().map(move |(name, origin)| (number, name, origin)))
        .filter(|(_, _, origin)| !matches!(origin, Origin::Input(_)))
        .collect();
    let fetcher = Fetcher::new(store, options, progress);
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let worker = || {
        while let Some((number, name, origin)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            let package = &packages[*number];
            let got = match origin {
                Origin::Pinned(entry) => fetcher.pinned(package, entry),
                Origin::Folder | Origin::Input(_) => fetcher.beside(package, name),
            };
            results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((*number, *name, got));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..options.jobs.clamp(1, work.len().max(1)) {
            scope.spawn(worker);
        }
        worker();
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(number, name, _)| (*number, *name));
    let mut fetched = vec![Fetched::new(); packages.len()];
    let mut failures = Vec::new();
    for (number, name, got) in results {
        match got {
            Ok(digest) => drop(fetched[number].insert(name.to_owned(), digest)),
            Err(failure) => failures.push(failure),
        }
    }
    if failures.is_empty() { Ok(fetched) } else { Err(failures) }
}

/// Where a list without sizes has them: documents of the store, named by the hash.
const SIZES: &str = "source-size";

/// The blob of a pinned file, if the store has it.
///
/// # Errors
/// Those of the store.
pub fn stored(store: &Store, file: &SourceFile) -> Result<Option<Digest>, StoreError> {
    Ok(digest_of(store, file)?.filter(|digest| store.has(digest)))
}

/// What a file is called in the store, if its size is known.
pub(crate) fn digest_of(store: &Store, file: &SourceFile) -> Result<Option<Digest>, StoreError> {
    let size = match file.size {
        Some(size) => Some(size),
        None => {
            let document = store.document(SIZES, &file.sha256.to_string())?;
            document.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok())
        }
    };
    Ok(size.map(|size| Digest { hash: file.sha256.0, size }))
}

/// Whether what is pinned counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pins {
    /// It does.
    Hold,
    /// It is to be found out anew.
    New,
}

/// One place of a file, of all kinds.
enum Where<'a> {
    File(PathBuf),
    Url(String),
    Other(&'a Place),
}

impl Where<'_> {
    fn needs_network(&self) -> bool {
        // A vendor archive is made of packages that may all be in the store.
        !matches!(self, Self::File(_) | Self::Other(Place::Go { .. }))
    }

    fn shown(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Url(url) => without_password(url),
            Self::Other(place) => place.to_string(),
        }
    }
}

pub(crate) struct Fetcher<'a> {
    store: &'a Store,
    options: &'a FetchOptions<'a>,
    /// Made when it is first needed: most runs find everything in the store.
    http: Mutex<Option<std::sync::Arc<Http>>>,
    progress: &'a Progress<'a>,
}

impl<'a> Fetcher<'a> {
    pub(crate) fn new(store: &'a Store, options: &'a FetchOptions<'a>, progress: &'a Progress<'a>) -> Self {
        Self { store, options, http: Mutex::new(None), progress }
    }

    fn tell(&self, package: &Package, file: &str, step: &Step<'_>) {
        (self.progress)(&package.name, file, step);
    }

    /// A file of ours, which the folder of the spec has.
    fn beside(&self, package: &Package, name: &str) -> Result<Digest, Failure> {
        let path = package.folder.join(name);
        self.store.put_file(&path).map_err(|error| Failure {
            package: package.name.clone(),
            file: name.to_owned(),
            at: None,
            attempts: vec![Attempt { place: path.display().to_string(), trouble: error.into() }],
            is_offline: false,
        })
    }

    fn pinned(&self, package: &Package, entry: &SourceFile) -> Result<Digest, Failure> {
        let mut failure = Failure::of(package, entry);
        match self.search(package, entry, &mut failure) {
            Ok(Some(digest)) => Ok(digest),
            Ok(None) => Err(failure),
            Err(trouble) => {
                let place = self.options.partial.display().to_string();
                failure.attempts.push(Attempt { place, trouble });
                Err(failure)
            }
        }
    }

    /// Tries one place after the other; nothing if none has the file.
    fn search(&self, package: &Package, entry: &SourceFile, failure: &mut Failure) -> Result<Option<Digest>, Trouble> {
        let name = entry.name.as_str();
        let in_store = || -> Result<Option<Digest>, Trouble> {
            let digest = stored(self.store, entry)?;
            if let Some(digest) = digest {
                self.tell(package, name, &Step::Got { place: None, digest });
            }
            Ok(digest)
        };
        if let Some(digest) = in_store()? {
            return Ok(Some(digest));
        }
        let mut partial = Partial::open(&self.options.partial, entry.sha256)?;
        // Another process may have got it while we waited for its file.
        if let Some(digest) = in_store()? {
            partial.remove();
            return Ok(Some(digest));
        }
        for place in self.places(package, entry) {
            if self.options.offline && place.needs_network() {
                failure.is_offline = true;
                continue;
            }
            let shown = place.shown();
            match self.try_place(package, entry, &place, &shown, &mut partial) {
                Ok(digest) => {
                    partial.remove();
                    if entry.size.is_none() {
                        self.store.set_document(
                            SIZES,
                            &entry.sha256.to_string(),
                            digest.size.to_string().as_bytes(),
                        )?;
                    }
                    self.tell(package, name, &Step::Got { place: Some(&shown), digest });
                    return Ok(Some(digest));
                }
                Err(trouble) if trouble.is_fatal() => return Err(trouble),
                Err(trouble) => {
                    self.tell(package, name, &Step::Refused { place: &shown, trouble: &trouble });
                    failure.attempts.push(Attempt { place: shown, trouble });
                }
            }
        }
        if partial.size() == 0 {
            partial.remove();
        }
        Ok(None)
    }

    /// What the first place that has a file gives for it, whatever is pinned; and that place. It is in the store then.
    pub(crate) fn current(&self, package: &Package, entry: &SourceFile) -> Result<(Digest, String), Failure> {
        let mut failure = Failure::of(package, entry);
        for place in &entry.places {
            let shown = match place {
                Place::Url(url) => without_password(url),
                other => other.to_string(),
            };
            match self.whatever(package, entry, place, &shown) {
                Ok(digest) => {
                    self.tell(package, &entry.name, &Step::Got { place: Some(&shown), digest });
                    return Ok((digest, shown));
                }
                Err(trouble) => {
                    self.tell(package, &entry.name, &Step::Refused { place: &shown, trouble: &trouble });
                    failure.attempts.push(Attempt { place: shown, trouble });
                }
            }
        }
        Err(failure)
    }

    fn whatever(&self, package: &Package, entry: &SourceFile, place: &Place, shown: &str) -> Result<Digest, Trouble> {
        let mut partial = Partial::unnamed(&self.options.partial)?;
        let got = match place {
            Place::Url(url) => {
                let watch = Watching { fetcher: self, package, file: &entry.name, place: shown };
                self.http().and_then(|http| http.download(url, &mut partial, None, &watch))
            }
            other => self.of_debian(package, entry, other, Pins::New, &partial.path),
        };
        let digest = got.and_then(|()| Ok(self.store.put_file(&partial.path)?));
        partial.remove();
        digest
    }

    fn places<'p>(&self, package: &Package, entry: &'p SourceFile) -> Vec<Where<'p>> {
        let mut places = Vec::new();
        let beside = package.folder.join(&entry.name);
        if beside.is_file() {
            places.push(Where::File(beside));
        }
        for lookaside in &self.options.lookaside {
            let below = [entry.name.clone(), format!("{}/{}", package.name, entry.name)];
            match lookaside {
                Lookaside::Folder(folder) => {
                    let files: Vec<PathBuf> = below.iter().map(|path| folder.join(path)).collect();
                    let are_there = files.iter().any(|path| path.is_file());
                    // A folder that has neither is one place that has not the file.
                    let files = files.into_iter().filter(|path| path.is_file() || !are_there);
                    places.extend(files.take(if are_there { 2 } else { 1 }).map(Where::File));
                }
                Lookaside::Server(base) => {
                    places.extend(below.map(|path| Where::Url(format!("{base}/{}", escaped(&path)))));
                }
            }
        }
        places.extend(entry.places.iter().map(|place| match place {
            Place::Url(url) => Where::Url(url.clone()),
            other => Where::Other(other),
        }));
        places
    }

    /// Gets the file from one place into the store.
    fn try_place(
        &self,
        package: &Package,
        entry: &SourceFile,
        place: &Where<'_>,
        shown: &str,
        partial: &mut Partial,
    ) -> Result<Digest, Trouble> {
        match place {
            Where::File(path) => self.take(entry, path),
            Where::Url(url) => {
                let watch = Watching { fetcher: self, package, file: &entry.name, place: shown };
                let http = self.http()?;
                if entry.size.is_some_and(|size| partial.size() > size) {
                    partial.clear()?;
                }
                // What was there may be of another place, or of another day: a wrong whole of it and the rest says nothing
                // about this place.
                let is_mixed = partial.size() > 0;
                http.download(url, partial, entry.size, &watch)?;
                if is_mixed && partial.sha256()? != entry.sha256 {
                    partial.clear()?;
                    http.download(url, partial, entry.size, &watch)?;
                }
                let taken = self.take(entry, &partial.path);
                if taken.is_err() {
                    partial.clear()?;
                }
                taken
            }
            Where::Other(place) => {
                let target = partial.beside();
                self.of_debian(package, entry, place, Pins::Hold, &target)?;
                self.take(entry, &target)
            }
        }
    }

    /// Gets a file that Debian has.
    fn of_debian(
        &self,
        package: &Package,
        entry: &SourceFile,
        place: &Place,
        pins: Pins,
        target: &Path,
    ) -> Result<(), Trouble> {
        if let Place::Go { lock } = place {
            return self.of_go(package, entry, lock, target);
        }
        let Some(apt) = self.options.apt else {
            return Err(Trouble::NotInDebian("packages of Debian are not to be used".to_owned()));
        };
        match place {
            Place::Debian { source, file } => {
                let pinned = entry.size.filter(|_| pins == Pins::Hold).map(|size| (entry.sha256, size));
                debian::source_file(apt, source, file, pinned, target)
            }
            Place::Deb { package, version, file } => debian::file_of_deb(apt, package, version, file, target),
            Place::Url(_) | Place::Go { .. } => Err(Trouble::NotThere),
        }
    }

    /// Makes a vendor archive of its packages.
    fn of_go(&self, package: &Package, entry: &SourceFile, lock: &str, target: &Path) -> Result<(), Trouble> {
        let path = package.folder.join(lock);
        let text = std::fs::read_to_string(&path).map_err(Trouble::io(&path))?;
        let lock =
            GoLock::parse(SourceId(0), &text).map_err(|mistakes| crate::BundleError::Mistakes { path, mistakes })?;
        let apt = self.options.apt.filter(|_| !self.options.offline);
        crate::fetch_packages(self.store, &lock, apt, &|_, _| {})?;
        crate::bundle(self.store, &lock, &entry.name, target)?;
        Ok(())
    }

    /// Puts a file into the store if it is what is pinned.
    fn take(&self, entry: &SourceFile, path: &Path) -> Result<Digest, Trouble> {
        let (actual, size) = match Sha256::of_file(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Trouble::NotThere),
            other => other.map_err(Trouble::io(path))?,
        };
        check(entry, actual, size)?;
        let digest = self.store.put_file(path)?;
        // The file may have changed since; what the store has is what it says that it has.
        check(entry, Sha256(digest.hash), digest.size)?;
        Ok(digest)
    }

    fn http(&self) -> Result<std::sync::Arc<Http>, Trouble> {
        let mut http = self.http.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(http) = http.as_ref() {
            return Ok(std::sync::Arc::clone(http));
        }
        let made = std::sync::Arc::new(Http::new(&self.options.http)?);
        *http = Some(std::sync::Arc::clone(&made));
        Ok(made)
    }
}

pub(crate) fn check(entry: &SourceFile, actual: Sha256, size: u64) -> Result<(), Trouble> {
    match entry.size {
        Some(expected) if expected != size => Err(Trouble::WrongSize { expected, actual: size, is_least: false }),
        _ if actual != entry.sha256 => Err(Trouble::WrongSha256 { expected: entry.sha256, actual }),
        _ => Ok(()),
    }
}

/// A path as a URL has it.
fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/+".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

struct Watching<'a> {
    fetcher: &'a Fetcher<'a>,
    package: &'a Package,
    file: &'a str,
    place: &'a str,
}

impl Watch for Watching<'_> {
    fn bytes(&self, done: u64, total: Option<u64>) {
        self.fetcher.tell(self.package, self.file, &Step::Bytes { done, total });
    }

    fn again(&self, why: &str) {
        self.fetcher.tell(self.package, self.file, &Step::Again { place: self.place, why });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_escaped_for_a_url() {
        assert_eq!(escaped("zlib/gtk+-2.0 é.tar.gz"), "zlib/gtk+-2.0%20%C3%A9.tar.gz");
    }
}

//! Fetches files of the mirror by apt's own methods.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::suite::lock;
use crate::tool::{self, APT_HELPER};
use crate::{AptError, Sha256};

/// Downloads at a time.
const WORKERS: usize = 4;

/// A file of the mirror that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// Path on the mirror: `pool/main/z/zlib/…`.
    pub path: String,
    /// What its bytes have to be.
    pub sha256: Sha256,
    /// How many there have to be.
    pub size: u64,
    /// Where it is put; what is there is replaced.
    pub target: PathBuf,
}

/// How far downloads are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Files that are there and verified.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Fetches files in parallel; all that cannot be had are named at once, and the rest is there nevertheless.
///
/// What is fetched lies in `partial` until it is whole, under the name of its digest: a second run goes on where this one ends.
pub(crate) fn fetch(
    configuration: &Path,
    mirror: &str,
    partial: &Path,
    downloads: &[Download],
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(), AptError> {
    std::fs::create_dir_all(partial).map_err(|error| AptError::io("cannot make", partial, error))?;
    // Files whose digests begin alike are fetched by one call of apt, under one lock: no two processes write one file.
    let mut groups: BTreeMap<u8, Vec<&Download>> = BTreeMap::new();
    for download in downloads {
        groups.entry(download.sha256.0[0] >> 4).or_default().push(download);
    }
    let groups: Vec<(u8, Vec<&Download>)> = groups.into_iter().collect();
    let (next, files, bytes) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicU64::new(0));
    let bad: Mutex<Vec<AptError>> = Mutex::new(Vec::new());
    let done = |download: &Download| {
        let files = files.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = bytes.fetch_add(download.size, Ordering::Relaxed) + download.size;
        progress(Progress { files, bytes });
    };
    std::thread::scope(|scope| {
        for _ in 0..WORKERS.min(groups.len()) {
            scope.spawn(|| {
                while let Some((digit, group)) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = lock(&partial.join(format!("lock-{digit:x}")))
                        .and_then(|_lock| fetch_group(configuration, mirror, partial, group, &done));
                    if let Err(error) = result {
                        bad.lock().expect("nobody panics with this lock").push(error);
                    }
                }
            });
        }
    });
    all_in_one(bad.into_inner().expect("nobody panics with this lock"))
}

/// One error of many: those of files are joined, any other goes first.
fn all_in_one(errors: Vec<AptError>) -> Result<(), AptError> {
    let (mut all, mut told) = (Vec::new(), Vec::new());
    for error in errors {
        match error {
            AptError::NotFetched { paths, output } => {
                all.extend(paths);
                told.push(output);
            }
            other => return Err(other),
        }
    }
    if all.is_empty() {
        return Ok(());
    }
    all.sort();
    told.sort();
    Err(AptError::NotFetched { paths: all, output: told.join("\n") })
}

fn fetch_group(
    configuration: &Path,
    mirror: &str,
    partial: &Path,
    group: &[&Download],
    done: &dyn Fn(&Download),
) -> Result<(), AptError> {
    let place = |download: &Download| partial.join(download.sha256.to_string());
    let mut wanted = Vec::new();
    for download in group {
        if is_whole(&place(download), download)? {
            deliver(&place(download), download)?;
            done(download);
        } else {
            wanted.push(*download);
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let mut arguments = vec!["-q".to_owned(), "download-file".to_owned()];
    for download in &wanted {
        arguments.push(format!("{mirror}{}", escaped(&download.path)));
        arguments.push(place(download).display().to_string());
        arguments.push(format!("SHA256:{}", download.sha256));
    }
    let output = tool::run(APT_HELPER, Some(configuration), &arguments)?;
    let mut missing = Vec::new();
    for download in wanted {
        let path = place(download);
        if is_whole(&path, download)? {
            deliver(&path, download)?;
            done(download);
        } else {
            missing.push(download.path.clone());
            let failed = path.with_extension("FAILED");
            if failed.exists() {
                std::fs::remove_file(&failed).map_err(|error| AptError::io("cannot remove", &failed, error))?;
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let told = tool::said(&output.stderr);
    let told = if told.is_empty() { format!("apt-helper ended with {}", output.status) } else { told };
    Err(AptError::NotFetched { paths: missing, output: told })
}

/// True if a file is there and what it has to be. What is as long and is not, is removed: there is nothing to go on with.
fn is_whole(path: &Path, download: &Download) -> Result<bool, AptError> {
    let Ok(data) = std::fs::metadata(path) else { return Ok(false) };
    if data.len() < download.size {
        return Ok(false);
    }
    let unreadable = |error| AptError::io("cannot read", path, error);
    if Sha256::of_file(path).map_err(unreadable)? == (download.sha256, download.size) {
        return Ok(true);
    }
    std::fs::remove_file(path).map_err(|error| AptError::io("cannot remove", path, error))?;
    Ok(false)
}

/// Puts a file in its place in one step; the bytes were verified just before.
fn deliver(path: &Path, download: &Download) -> Result<(), AptError> {
    let target = &download.target;
    if std::fs::rename(path, target).is_ok() {
        return Ok(());
    }
    let fail = |error| AptError::io("cannot write", target, error);
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(fail)?;
    let mut source = std::fs::File::open(path).map_err(|error| AptError::io("cannot read", path, error))?;
    std::io::copy(&mut source, &mut file).map_err(fail)?;
    file.persist(target).map_err(|error| fail(error.error))?;
    std::fs::remove_file(path).map_err(|error| AptError::io("cannot remove", path, error))
}

/// A path as an address has it: `+` and the like as `%2b`.
fn escaped(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                escaped.push(char::from(byte))
            }
            _ => escaped.push_str(&format!("%{byte:02x}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped_as_apt_does() {
        assert_eq!(escaped("pool/g++_14.2.0~1-1+b1_amd64.deb"), "pool/g%2b%2b_14.2.0~1-1%2bb1_amd64.deb");
    }

    #[test]
    fn a_file_counts_only_if_its_bytes_are_right() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("file"), folder.path().join("target"));
        std::fs::write(&path, "abc").unwrap();
        let (sha256, size) = Sha256::of_file(&path).unwrap();
        let download = Download { path: "a".to_owned(), sha256, size, target: target.clone() };
        assert!(is_whole(&path, &download).unwrap());
        deliver(&path, &download).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"abc");
        assert!(!is_whole(&path, &download).unwrap());
        // A part is kept to go on with; what is wrong is not.
        for (text, is_kept) in [("ab", true), ("abd", false), ("abcd", false)] {
            std::fs::write(&path, text).unwrap();
            assert!(!is_whole(&path, &download).unwrap(), "{text}");
            assert_eq!(path.exists(), is_kept, "{text}");
        }
    }

    #[test]
    fn all_missing_files_are_in_one_error() {
        let missing = |path: &str| AptError::NotFetched { paths: vec![path.to_owned()], output: format!("no {path}") };
        let error = all_in_one(vec![missing("b"), missing("a")]).unwrap_err();
        assert_eq!(error.to_string(), "the mirror gave not what was asked for: `a`, `b`\nno a\nno b");
        assert!(all_in_one(Vec::new()).is_ok());
    }
}

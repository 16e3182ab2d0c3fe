//! The real file system.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use bedplate_spec::host::Files;

use crate::pattern::{Pattern, unquoted};

/// How many alternatives the braces of one pattern may make.
const MOST_ALTERNATIVES: usize = 1024;

/// A larger file is not read: specs and what they include are texts.
const MOST_BYTES: u64 = 256 << 20;

/// Files as the system has them.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFiles;

impl Files for DiskFiles {
    /// Reads plain files only: a pipe or a device may never end.
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let data = fs::metadata(path)?;
        if data.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !data.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file"));
        }
        if data.len() > MOST_BYTES {
            let message = format!("it has {} MiB, more than the {} that are read", data.len() >> 20, MOST_BYTES >> 20);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        fs::read(path)
    }

    fn exists(&self, path: &str) -> bool {
        // An empty name is no file for access(2); `Path` would take it for the current folder.
        !path.is_empty() && fs::metadata(path).is_ok()
    }

    /// As glob(3) with braces: a name that begins with a dot is matched only by a pattern that does.
    fn glob(&self, pattern: &str) -> Vec<String> {
        let mut found: Vec<String> = braces(pattern)
            .iter()
            .flat_map(|pattern| glob_one(pattern.as_bytes()))
            .filter_map(|path| String::from_utf8(path.into_os_string().into_vec()).ok())
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn head(&self, path: &str, limit: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        if !fs::metadata(path).ok()?.is_file() {
            return None;
        }
        File::open(path).ok()?.take(limit as u64).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}

/// The patterns that `a{b,c}d` stands for; the pattern itself if its braces do not match or make too many.
fn braces(pattern: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(next) = open.pop() {
        match split_braces(&next) {
            None => done.push(next),
            Some((before, alternatives, after)) => {
                open.extend(alternatives.iter().rev().map(|middle| format!("{before}{middle}{after}")));
            }
        }
        if done.len() + open.len() > MOST_ALTERNATIVES {
            return vec![pattern.to_owned()];
        }
    }
    done
}

/// The text before the first group of braces, its alternatives, and the text after.
fn split_braces(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    let bytes = pattern.as_bytes();
    let mut open = None;
    let mut depth = 0_usize;
    let mut commas = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            // glob(3) leaves an empty pair alone, for `find -exec {}`.
            b'{' if depth == 0 && bytes.get(at + 1) == Some(&b'}') => at += 1,
            b'{' => {
                if depth == 0 {
                    open = Some(at);
                }
                depth += 1;
            }
            b',' if depth == 1 => commas.push(at),
            b'}' if depth == 1 => {
                let open = open?;
                let mut start = open + 1;
                let mut alternatives = Vec::new();
                for end in commas.into_iter().chain([at]) {
                    alternatives.push(&pattern[start..end]);
                    start = end + 1;
                }
                return Some((&pattern[..open], alternatives, &pattern[at + 1..]));
            }
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    None
}

fn glob_one(pattern: &[u8]) -> Vec<PathBuf> {
    let mut found: Vec<Vec<u8>> = vec![if pattern.starts_with(b"/") { b"/".to_vec() } else { Vec::new() }];
    let must_be_folder = pattern.len() > 1 && pattern.ends_with(b"/");
    for part in pattern.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
        let Some(compiled) = Pattern::new(&unquoted(part)) else { return Vec::new() };
        found = match compiled.literal() {
            Some(name) => found.into_iter().map(|path| joined(&path, &name)).collect(),
            None => found.iter().flat_map(|path| matching(path, part, &compiled)).collect(),
        };
    }
    if must_be_folder {
        found.retain(|path| as_path(path).is_dir());
        found.iter_mut().for_each(|path| path.push(b'/'));
    }
    // The parts without a special character were only put together so far.
    found.retain(|path| !path.is_empty() && as_path(path).symlink_metadata().is_ok());
    found.into_iter().map(|path| std::ffi::OsString::from_vec(path).into()).collect()
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}

fn joined(path: &[u8], name: &[u8]) -> Vec<u8> {
    let separator: &[u8] = if path.is_empty() || path.ends_with(b"/") { b"" } else { b"/" };
    [path, separator, name].concat()
}

/// The entries of a folder that match one part of a pattern.
fn matching(folder: &[u8], part: &[u8], pattern: &Pattern) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(as_path(if folder.is_empty() { b"." } else { folder })) else { return Vec::new() };
    let wants_hidden = part.starts_with(b".") || part.starts_with(b"\\.");
    entries
        .flatten()
        .map(|entry| entry.file_name().into_vec())
        .filter(|name| (wants_hidden || !name.starts_with(b".")) && pattern.matches(name))
        .map(|name| joined(folder, &name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_what_glob_finds() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.spec", "b.spec", ".hidden.spec", "c.patch", "sub/d.spec", "sub/e f.spec", "{x}"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let root = folder.path().to_str().unwrap();
        for (pattern, expected) in [
            ("*.spec", vec!["a.spec", "b.spec"]),
            (".*.spec", vec![".hidden.spec"]),
            ("*/*.spec", vec!["sub/d.spec", "sub/e f.spec"]),
            ("[bc].*", vec!["b.spec", "c.patch"]),
            ("{c.patch,a.spec}", vec!["a.spec", "c.patch"]),
            ("{a,b,no}.{spec,patch}", vec!["a.spec", "b.spec"]),
            ("{sub/{d,x},c}.*", vec!["c.patch", "sub/d.spec"]),
            ("a.spec", vec!["a.spec"]),
            ("none", vec![]),
            ("none*", vec![]),
            ("s*/", vec!["sub/"]),
            ("a.spe\\c", vec!["a.spec"]),
            ("\\{x\\}", vec!["{x}"]),
        ] {
            let found = DiskFiles.glob(&format!("{root}/{pattern}"));
            let expected: Vec<String> = expected.iter().map(|name| format!("{root}/{name}")).collect();
            assert_eq!(found, expected, "{pattern}");
        }
        assert!(DiskFiles.glob(&"{a,b}".repeat(40)).is_empty());
    }

    #[test]
    fn a_head_is_short_and_a_missing_file_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "0123456789").unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(DiskFiles.head(path, 4).as_deref(), Some(&b"0123"[..]));
        assert!(DiskFiles.exists(path));
        let missing = format!("{path}.no");
        assert!(
            !DiskFiles.exists(&missing) && DiskFiles.head(&missing, 1).is_none() && DiskFiles.read(&missing).is_err()
        );
        assert!(!DiskFiles.exists(""));
    }
}

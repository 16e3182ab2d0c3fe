//! The files that `repomd.xml` names: found, checked, unpacked.

use std::path::{Component, Path, PathBuf};

use crate::metadata::repomd::{self, Data, Repomd};
use crate::problem::Findings;
use crate::signature::chain;
use crate::{Checksum, Compression, Problem, VerifySignature};

/// No file of repodata may unpack to more, whatever it says: those of the largest distributions have some 800 MB.
const MAX_OPEN: u64 = 2 << 30;
/// Nor to more than so many times its packed size: metadata shrinks to a tenth, a bomb to a ten-thousandth.
const MAX_RATIO: u64 = 1000;
const MIN_OPEN: u64 = 1 << 20;

/// Path of `repomd.xml` below a repository.
pub(crate) fn repomd_path(folder: &Path) -> PathBuf {
    folder.join("repodata/repomd.xml")
}

/// Reads and checks `repomd.xml` and its signature; `None` if it cannot be used.
pub(crate) fn read_repomd(
    folder: &Path,
    signature: Option<&dyn VerifySignature>,
    findings: &mut Findings,
) -> Option<Repomd> {
    let path = repomd_path(folder);
    let bytes = match read_bounded(&path, repomd::MAX_SIZE) {
        Ok(bytes) => bytes,
        Err(problem) => {
            findings.add(&path, problem);
            return None;
        }
    };
    if let Some(verifier) = signature {
        // A text whose origin is not known is not looked at.
        if let Err(problem) = check_signature(&path, &bytes, verifier) {
            findings.add(path.with_extension("xml.asc"), problem);
            return None;
        }
    }
    let text = utf8(&path, bytes, findings)?;
    let before = findings.all.len();
    let repomd = Repomd::read(&path, &text, findings);
    for kind in ["primary", "filelists", "other"] {
        if repomd.data(kind).is_none() && findings.all.len() == before {
            findings.add(&path, Problem::MissingData { kind });
        }
    }
    Some(repomd)
}

fn check_signature(path: &Path, bytes: &[u8], verifier: &dyn VerifySignature) -> Result<(), Problem> {
    let path = path.with_extension("xml.asc");
    if !path.exists() {
        return Err(Problem::Unsigned);
    }
    let signature = read_bounded(&path, repomd::MAX_SIZE)?;
    verifier.verify(bytes, &signature).map_err(|error| Problem::Signature { why: chain(&*error) })
}

fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, Problem> {
    let size = std::fs::metadata(path).map_err(Problem::Io)?.len();
    if size > limit {
        return Err(Problem::TooLarge { limit });
    }
    std::fs::read(path).map_err(Problem::Io)
}

fn utf8(path: &Path, bytes: Vec<u8>, findings: &mut Findings) -> Option<String> {
    String::from_utf8(bytes)
        .map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            findings.add(path, Problem::Xml { why: format!("byte {at} is not UTF-8") });
        })
        .ok()
}

/// The path of a file that metadata names; `None` (and a finding) if it leads out of the repository.
pub(crate) fn path_below(folder: &Path, from: &Path, href: &str, findings: &mut Findings) -> Option<PathBuf> {
    let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if href.is_empty() || !Path::new(href).components().all(inside) {
        findings.add(from, Problem::Outside { href: href.to_owned() });
        return None;
    }
    Some(folder.join(href))
}

/// How much of a data file is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// That it is the file that `repomd.xml` means, and that its unpacked size is right.
    Usual,
    /// Also the checksum of its unpacked content.
    Full,
}

/// Reads a data file and unpacks it. `None` if something is wrong with it, or if it is packed in a way that we do not know and
/// its content is not needed.
pub(crate) fn read_data(
    folder: &Path,
    data: &Data,
    check: Check,
    findings: &mut Findings,
) -> Option<(PathBuf, Vec<u8>)> {
    let path = path_below(folder, &repomd_path(folder), &data.location, findings)?;
    match read_checked(&path, data, check) {
        Ok(plain) => plain.map(|plain| (path, plain)),
        Err(Problem::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            findings.add(repomd_path(folder), Problem::FileMissing { path: data.location.clone() });
            None
        }
        Err(problem) => {
            findings.add(path, problem);
            None
        }
    }
}

fn read_checked(path: &Path, data: &Data, check: Check) -> Result<Option<Vec<u8>>, Problem> {
    let found = std::fs::metadata(path).map_err(Problem::Io)?.len();
    if let Some(expected) = data.size.filter(|size| *size != found) {
        return Err(Problem::Size { what: "the size", expected, found });
    }
    let packed = read_bounded(path, MAX_OPEN)?;
    same("the checksum", data.checksum, &packed)?;
    let compression = Compression::of_bytes(&packed);
    let is_plain = [".xml", ".yaml", ".txt"].iter().any(|end| data.location.ends_with(end));
    if compression == Compression::None && !is_plain {
        let known = matches!(data.kind.as_str(), "primary" | "filelists" | "other");
        let why = "it is neither zstd nor gzip nor xz".to_owned();
        return if known { Err(Problem::Compressed { why }) } else { Ok(None) };
    }
    let limit = MAX_OPEN.min((packed.len() as u64).saturating_mul(MAX_RATIO).max(MIN_OPEN));
    let plain = compression.decompress(&packed, data.open_size.unwrap_or(limit).min(limit));
    let plain = match (plain, data.open_size) {
        (Err(Problem::TooLarge { limit }), Some(expected)) if limit == expected => {
            return Err(Problem::OpenSize { expected, found: format!("more than {limit}") });
        }
        (plain, _) => plain?,
    };
    let found = plain.len() as u64;
    if let Some(expected) = data.open_size.filter(|size| *size != found) {
        return Err(Problem::OpenSize { expected, found: found.to_string() });
    }
    if let Some(open) = data.open_checksum.filter(|_| check == Check::Full) {
        same("the open-checksum", open, &plain)?;
    }
    Ok(Some(plain))
}

fn same(what: &'static str, expected: Checksum, bytes: &[u8]) -> Result<(), Problem> {
    let found = expected.same_kind_of(bytes);
    if found == expected {
        Ok(())
    } else {
        Err(Problem::Checksum { what, expected: expected.into(), found: found.into() })
    }
}

/// The text of a data file.
pub(crate) fn read_text(
    folder: &Path,
    data: &Data,
    check: Check,
    findings: &mut Findings,
) -> Option<(PathBuf, String)> {
    let (path, bytes) = read_data(folder, data, check, findings)?;
    let text = utf8(&path, bytes, findings)?;
    Some((path, text))
}

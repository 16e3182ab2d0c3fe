//! Package files: reads one once, from front to back, checks it against itself, and gives what metadata says of it.
//!
//! Versions 4 and 6 of the format: `docs/manual/format_v4.md` and `format_v6.md` of rpm.

use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::front::Front;
use crate::header::{Header, Tag};
use crate::{Checksum, Problem, RepositoryPackage, conventions};

/// The algorithm number of SHA-256 in `PAYLOADDIGESTALGO` (that of OpenPGP).
const ALGORITHM_SHA256: u64 = 8;

const PAYLOAD_DIGEST: Tag = Tag(5092, "PAYLOADDIGEST");
const PAYLOAD_DIGEST_ALGORITHM: Tag = Tag(5093, "PAYLOADDIGESTALGO");

/// What is looked at of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// Its size.
    Size,
    /// Its size and its digest: every byte is hashed twice then, once for the file and once for the payload.
    Digest,
}

/// A package that was read from its file.
#[derive(Debug)]
pub struct ReadPackage {
    /// What metadata says of it.
    pub package: RepositoryPackage,
    /// What is odd about it.
    pub warnings: Vec<Problem>,
}

/// Reads a package file once and checks it: the bounds of its headers, its digests, its sizes, the types of its tags.
///
/// `location` is the path that metadata is to have for it. `changelogs` is how many entries of the changelog to keep, newest
/// first. Texts that are not UTF-8 are taken for Latin-1.
///
/// The lists are those that createrepo_c writes: requirements on `rpmlib(…)`, on what the package itself provides in the
/// same words, and on its own files that `primary` lists are left out; of those on `libc.so.6(GLIBC_…)` only the highest
/// is there, at the end. Thus a folder and its repodata give the same packages.
///
/// # Errors
/// All that is wrong with the file.
pub fn read_package(
    path: &Path,
    location: &str,
    changelogs: usize,
    payload: Payload,
) -> Result<ReadPackage, Vec<Problem>> {
    let one = |problem: Problem| vec![problem];
    let front = Front::open(path).map_err(one)?;
    let rest = Rest::read(&front, payload).map_err(|error| one(Problem::Io(error)))?;
    let (signature, main) = front.parse()?;
    let mut warnings = Vec::new();
    if !front.check_header(&signature) {
        warnings.push(Problem::NoDigest);
    }
    if front.check_size(rest.size, &signature, &main)
        && let Some(found) = rest.payload
    {
        check_payload(&main, found);
    }
    let facts = conventions::Facts {
        location,
        checksum: rest.file,
        size: rest.size,
        header_range: (front.main.start as u64, front.main.end as u64),
        changelogs,
    };
    let package = conventions::package(&main, &signature, facts);
    let mut problems = signature.into_problems();
    problems.extend(main.into_problems());
    match package {
        Some(package) if problems.is_empty() => {
            let usual = package.package.nevra.file_name();
            if Path::new(location).file_name().is_none_or(|name| name != usual.as_str()) {
                warnings.push(Problem::FileName { nevra: package.package.nevra.to_string(), usual });
            }
            Ok(ReadPackage { package, warnings })
        }
        _ => Err(problems),
    }
}

/// Compares the digest of a payload with what the header says of it. False if there is none to compare with.
pub(crate) fn check_payload(main: &Header<'_>, found: Checksum) -> bool {
    let is_sha256 = main.number(PAYLOAD_DIGEST_ALGORITHM).is_none_or(|algorithm| algorithm == ALGORITHM_SHA256);
    let Some(said) = main.text(PAYLOAD_DIGEST).filter(|_| is_sha256) else { return false };
    if *said != found.to_string() {
        main.problem(Problem::Digest { part: "payload", expected: said.into_owned(), found: found.into() });
    }
    true
}

/// The SHA-256 of a package's main header and payload: its content, which is the same before and after it is signed.
///
/// # Errors
/// The file is no package, or cannot be read. Nothing else of it is checked.
pub fn content_identity(path: &Path) -> Result<[u8; 32], Problem> {
    let front = Front::open(path)?;
    let mut hash = Sha256::new_with_prefix(&front.bytes[front.main.start..]);
    front.each_rest(|bytes| hash.update(bytes)).map_err(Problem::Io)?;
    Ok(hash.finalize().into())
}

/// What the whole file showed.
struct Rest {
    size: u64,
    file: Checksum,
    /// If it was asked for.
    payload: Option<Checksum>,
}

impl Rest {
    /// Reads the rest of a file.
    fn read(front: &Front, payload: Payload) -> io::Result<Self> {
        let mut whole = Sha256::new_with_prefix(&front.bytes);
        let mut of_payload =
            (payload == Payload::Digest).then(|| Sha256::new_with_prefix(&front.bytes[front.main.end..]));
        let mut size = front.bytes.len() as u64;
        front.each_rest(|bytes| {
            whole.update(bytes);
            if let Some(of_payload) = &mut of_payload {
                of_payload.update(bytes);
            }
            size += bytes.len() as u64;
        })?;
        let digest = |hash: Sha256| Checksum::Sha256(hash.finalize().into());
        Ok(Self { size, file: digest(whole), payload: of_payload.map(digest) })
    }
}

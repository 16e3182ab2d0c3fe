//! Package files: reads one once, from front to back, checks it against itself, and gives what metadata says of it.
//!
//! ```text
//! lead (96 bytes) │ signature header, padded to 8 │ main header │ payload
//!                   size, SHA-256 of the header ──▶│            ▲
//!                                     SHA-256 of the payload ───┘
//! ```
//!
//! Versions 4 and 6 of the format: `docs/manual/format_v4.md` and `format_v6.md` of rpm.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::header::{Header, INTRO, Tag, length_after};
use crate::{Checksum, Problem, RepositoryPackage, conventions};

thread_local! {
    /// A thread reads many packages: memory that is there already is in the cache, too.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

const LEAD: usize = 96;
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
const CHUNK: usize = 128 << 10;
/// The first read: it takes the whole header of most packages.
const FRONT: usize = 32 << 10;
/// The algorithm number of SHA-256 in `PAYLOADDIGESTALGO` (that of OpenPGP).
const ALGORITHM_SHA256: u64 = 8;

// Tags of the signature header: some numbers mean something else in the main header.
const SIGNATURE_LONG_SIZE: Tag = Tag(270, "LONGSIZE");
const SIGNATURE_SHA256: Tag = Tag(273, "SHA256");
const SIGNATURE_SIZE: Tag = Tag(1000, "SIZE");

const PAYLOAD_DIGEST: Tag = Tag(5092, "PAYLOADDIGEST");
const PAYLOAD_DIGEST_ALGORITHM: Tag = Tag(5093, "PAYLOADDIGESTALGO");
const PAYLOAD_SIZE: Tag = Tag(5112, "PAYLOADSIZE");

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
    let mut head = Head::open(path).map_err(|error| one(Problem::Io(error)))?;
    head.need(LEAD + INTRO).map_err(one)?;
    if head.bytes[..4] != LEAD_MAGIC {
        return Err(one(Problem::NotAnRpm));
    }
    let signature_length = INTRO + length_after(&head.bytes[LEAD..], "signature").map_err(one)?;
    let main_start = LEAD + signature_length.next_multiple_of(8);
    head.need(main_start + INTRO).map_err(one)?;
    let main_end = main_start + INTRO + length_after(&head.bytes[main_start..], "main").map_err(one)?;
    head.need(main_end).map_err(one)?;
    let (bytes, rest) = head.finish(main_start, main_end, payload).map_err(|error| one(Problem::Io(error)))?;

    let signature = Header::parse(&bytes[LEAD..LEAD + signature_length], "signature");
    let main = Header::parse(&bytes[main_start..main_end], "main");
    let (signature, main) = match (signature, main) {
        (Ok(signature), Ok(main)) => (signature, main),
        (a, b) => return Err(a.err().into_iter().chain(b.err()).flatten().collect()),
    };
    let mut warnings = Vec::new();
    match signature.text(SIGNATURE_SHA256) {
        Some(said) => {
            let found = rest.header;
            if *said != found.to_string() {
                signature.problem(Problem::Digest { part: "header", expected: said.into_owned(), found: found.into() });
            }
        }
        None => warnings.push(Problem::NoDigest),
    }
    let signed_size = signature.number(SIGNATURE_LONG_SIZE).or_else(|| signature.number(SIGNATURE_SIZE));
    let size = signed_size
        .map(|size| (main_start as u64).saturating_add(size))
        .or_else(|| main.number(PAYLOAD_SIZE).map(|size| (main_end as u64).saturating_add(size)));
    match size {
        Some(expected) if rest.size < expected => main.problem(Problem::Truncated { expected, found: rest.size }),
        Some(expected) if rest.size > expected => main.problem(Problem::TooLong { expected, found: rest.size }),
        _ => {
            if let Some(found) = rest.payload {
                check_payload(&main, found);
            }
        }
    }
    let facts = conventions::Facts {
        location,
        checksum: rest.file,
        size: rest.size,
        header_range: (main_start as u64, main_end as u64),
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

fn check_payload(main: &Header<'_>, found: Checksum) {
    let is_sha256 = main.number(PAYLOAD_DIGEST_ALGORITHM).is_none_or(|algorithm| algorithm == ALGORITHM_SHA256);
    let said = main.text(PAYLOAD_DIGEST).filter(|_| is_sha256);
    if let Some(said) = said.filter(|said| **said != found.to_string()) {
        main.problem(Problem::Digest { part: "payload", expected: said.into_owned(), found: found.into() });
    }
}

/// The front of a file, as far as it was needed.
struct Head {
    file: File,
    size: u64,
    bytes: Vec<u8>,
}

/// What the whole file showed.
struct Rest {
    size: u64,
    file: Checksum,
    header: Checksum,
    /// If it was asked for.
    payload: Option<Checksum>,
}

impl Head {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { file, size, bytes: Vec::new() })
    }

    /// Reads until there are this many bytes.
    fn need(&mut self, count: usize) -> Result<(), Problem> {
        // What a header announces is compared with the file before memory is taken for it.
        let missing = Problem::Truncated { expected: count as u64, found: self.size };
        if self.size < count as u64 {
            return Err(missing);
        }
        while self.bytes.len() < count {
            let start = self.bytes.len();
            self.bytes.resize(count.max(start + FRONT), 0);
            let read = read_some(&mut self.file, &mut self.bytes[start..]).map_err(Problem::Io)?;
            self.bytes.truncate(start + read);
            if read == 0 {
                return Err(missing);
            }
        }
        Ok(())
    }

    /// Reads the rest; gives the front and the facts of the whole file, whose main header is from `header` to `payload`.
    fn finish(mut self, header: usize, payload: usize, wanted: Payload) -> io::Result<(Vec<u8>, Rest)> {
        let mut whole = Sha256::new_with_prefix(&self.bytes);
        let of_header = Checksum::sha256(&self.bytes[header..payload]);
        let mut of_payload = (wanted == Payload::Digest).then(|| Sha256::new_with_prefix(&self.bytes[payload..]));
        let mut size = self.bytes.len() as u64;
        BUFFER.with_borrow_mut(|buffer| -> io::Result<()> {
            buffer.resize(CHUNK, 0);
            while size < self.size {
                let read = read_some(&mut self.file, buffer)?;
                if read == 0 {
                    break;
                }
                whole.update(&buffer[..read]);
                if let Some(of_payload) = &mut of_payload {
                    of_payload.update(&buffer[..read]);
                }
                size += read as u64;
            }
            Ok(())
        })?;
        let digest = |hash: Sha256| Checksum::Sha256(hash.finalize().into());
        let rest = Rest { size, file: digest(whole), header: of_header, payload: of_payload.map(digest) };
        Ok((self.bytes, rest))
    }
}

fn read_some(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

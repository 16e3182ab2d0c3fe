//! What is in a package: its files, streamed out of the payload and compared with the header.
//!
//! ```text
//! payload ─▶ SHA-256, content identity ─▶ decoder ─▶ cpio ─▶ entries, each with the header's facts ─▶ visitor
//!                                                              │
//!                                                     SHA-256 of each file
//! ```
//!
//! Nothing is written here, and nothing is kept in memory but the list of files.

use std::cell::{Cell, RefCell};
use std::io::{self, BufReader, Read};
use std::path::Path;

use sha2::{Digest, Sha256, Sha512};

use crate::cpio::{Archive, ArchiveError, Start};
use crate::front::Front;
use crate::header::{Header, Tag};
use crate::listing::{FileList, ListedKind};
use crate::rpm::check_payload;
use crate::{Checksum, Compression, Problem};

const PAYLOAD_FORMAT: Tag = Tag(1124, "PAYLOADFORMAT");
const PAYLOAD_COMPRESSOR: Tag = Tag(1125, "PAYLOADCOMPRESSOR");
// Algorithm numbers of OpenPGP.
const ALGORITHM_SHA256: u64 = 8;
const ALGORITHM_SHA512: u64 = 10;
const BUFFER: usize = 128 << 10;

/// A file of a payload. Facts are those of the header.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Path below the root, without a slash at its start; empty for the root itself. It has no part `.`, `..` or none.
    pub path: &'a str,
    /// What it is.
    pub kind: EntryKind<'a>,
    /// The permission bits, with set-user-id, set-group-id and sticky: at most `0o7777`.
    pub permissions: u32,
    /// Name of the owner.
    pub user: &'a str,
    /// Name of the group.
    pub group: &'a str,
    /// Time of the last change, in seconds since 1970.
    pub time: u32,
    /// File capabilities in the words of `cap_from_text`.
    pub capabilities: Option<&'a str>,
}

/// What an [`Entry`] is.
pub enum EntryKind<'a> {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Bytes of it.
        size: u64,
        /// Its bytes. Reading fails where the payload is broken; what is not read is passed over.
        contents: &'a mut dyn Read,
    },
    /// Another name of a file that was visited before.
    HardLink {
        /// Path of that file.
        to: &'a str,
    },
    /// A symbolic link.
    Symlink {
        /// Where it leads: any text.
        target: &'a str,
    },
    /// A character device.
    CharacterDevice {
        /// Its number: the major one in the upper byte.
        number: u16,
    },
    /// A block device.
    BlockDevice {
        /// Its number: the major one in the upper byte.
        number: u16,
    },
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl std::fmt::Debug for EntryKind<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory => write!(f, "Directory"),
            Self::File { size, .. } => write!(f, "File({size})"),
            Self::HardLink { to } => write!(f, "HardLink({to})"),
            Self::Symlink { target } => write!(f, "Symlink({target})"),
            Self::CharacterDevice { number } => write!(f, "CharacterDevice({number:#x})"),
            Self::BlockDevice { number } => write!(f, "BlockDevice({number:#x})"),
            Self::Fifo => write!(f, "Fifo"),
            Self::Socket => write!(f, "Socket"),
        }
    }
}

/// What a payload showed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadPayload {
    /// The same as [`crate::content_identity`].
    pub content: [u8; 32],
    /// How many entries there were.
    pub entries: usize,
}

/// Why a payload was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError<E> {
    /// All that is wrong with the package.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Package(Vec<Problem>),
    /// The visitor wanted no more.
    #[error(transparent)]
    Visitor(E),
}

/// Gives each file in a package to a visitor, in the order of the payload, names of one inode after the file with its data.
///
/// The header is checked before the first entry is visited: its digest, its list of files, that no path leaves the root or
/// leads through a link of the package. Each file is compared with the header: its size and its digest (SHA-256, SHA-512),
/// and the payload as a whole with its digest. Files that only belong to the package (`%ghost`) are not visited.
///
/// **What was visited is to be trusted only if this returns `Ok`**: the digest of a file is known after its last byte.
///
/// # Errors
/// All that is wrong with the package, or what the visitor returned.
pub fn for_each_entry<E>(
    path: &Path,
    visit: impl FnMut(Entry<'_>) -> Result<(), E>,
) -> Result<ReadPayload, PayloadError<E>> {
    let (content, entries) = read(path, visit, Whole::Hashed)?;
    Ok(ReadPayload { content, entries })
}

/// As [`for_each_entry`], but the payload as a whole is not hashed: all facts are those of the header, each file is compared with its
/// digest there, and how the rest was packed is of no account.
///
/// # Errors
/// All that is wrong with the package, or what the visitor returned.
pub fn visit_payload<E>(path: &Path, visit: impl FnMut(Entry<'_>) -> Result<(), E>) -> Result<(), PayloadError<E>> {
    read(path, visit, Whole::Passed).map(drop)
}

/// What becomes of the payload as a whole.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// It is compared with its digest, and the content identity is computed.
    Hashed,
    Passed,
}

/// The content identity (or zeros), and how many entries there were.
fn read<E>(
    path: &Path,
    visit: impl FnMut(Entry<'_>) -> Result<(), E>,
    whole: Whole,
) -> Result<([u8; 32], usize), PayloadError<E>> {
    let package = |problem: Problem| PayloadError::Package(vec![problem]);
    let front = Front::open(path).map_err(package)?;
    let (signature, main) = front.parse().map_err(PayloadError::Package)?;
    front.check_header(&signature);
    front.check_size(front.size, &signature, &main);
    let listing = FileList::read(&main);
    if let Some(format) = main.text(PAYLOAD_FORMAT).filter(|format| format != "cpio") {
        main.problem(Problem::Payload { why: format!("it is `{format}`; only `cpio` is known") });
    }
    if listing.files.iter().any(|file| file.kind == ListedKind::File && file.is_packed()) {
        match listing.algorithm {
            ALGORITHM_SHA256 | ALGORITHM_SHA512 => {}
            other => {
                let why = format!("its files have digests of type {other} of OpenPGP; SHA-256 and SHA-512 are known");
                main.problem(Problem::Payload { why });
            }
        }
    }
    if signature.has_problems() || main.has_problems() {
        return Err(PayloadError::Package(signature.into_problems().into_iter().chain(main.into_problems()).collect()));
    }

    let hashes = || RefCell::new((Sha256::new(), Sha256::new_with_prefix(front.header())));
    let sums = Sums { hashes: (whole == Whole::Hashed).then(hashes), failed: Cell::new(None) };
    let mut packed = Summed { reader: front.payload(), sums: &sums };
    let mut walk = Walk::new(&listing, visit);
    let read = read_archive(&mut packed, &main, &mut walk);
    if let Err(Stop::Visitor(error)) = read {
        return Err(PayloadError::Visitor(error));
    }
    let mut problems = walk.problems;
    if let Err(Stop::Package(problem)) = read {
        problems.push(problem);
    }
    if let Some(error) = sums.failed.take() {
        // The decoder's words about it say less.
        return Err(package(Problem::Io(error)));
    }
    let mut content = [0; 32];
    if whole == Whole::Hashed {
        // Bytes behind the end of the compressed data belong to the payload, too.
        io::copy(&mut packed, &mut io::sink()).map_err(|error| package(Problem::Io(error)))?;
    }
    if let Some(hashes) = sums.hashes {
        let (payload, identity) = hashes.into_inner();
        check_payload(&main, Checksum::Sha256(payload.finalize().into()));
        content = identity.finalize().into();
    }
    problems.extend(main.into_problems());
    if !problems.is_empty() {
        return Err(PayloadError::Package(problems));
    }
    Ok((content, walk.entries))
}

/// Digests of what went through.
struct Sums {
    /// Of the payload, and of the header and the payload.
    hashes: Option<RefCell<(Sha256, Sha256)>>,
    /// Why the file could not be read.
    failed: Cell<Option<io::Error>>,
}

struct Summed<'a, R> {
    reader: R,
    sums: &'a Sums,
}

impl<R: Read> Read for Summed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.reader.read(buffer) {
            Ok(count) => {
                if let Some(hashes) = &self.sums.hashes {
                    let (payload, content) = &mut *hashes.borrow_mut();
                    payload.update(&buffer[..count]);
                    content.update(&buffer[..count]);
                }
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let copy = io::Error::new(error.kind(), error.to_string());
                self.sums.failed.set(Some(error));
                Err(copy)
            }
        }
    }
}

/// Why the walk ends before the end.
enum Stop<E> {
    Package(Problem),
    Visitor(E),
}

impl<E> From<ArchiveError> for Stop<E> {
    fn from(error: ArchiveError) -> Self {
        Self::Package(error.into())
    }
}

fn read_archive<E, V: FnMut(Entry<'_>) -> Result<(), E>>(
    packed: &mut impl Read,
    main: &Header<'_>,
    walk: &mut Walk<'_, V>,
) -> Result<(), Stop<E>> {
    let read = |error: io::Error| Stop::from(ArchiveError::Read(error));
    let mut magic = Vec::new();
    packed.by_ref().take(6).read_to_end(&mut magic).map_err(read)?;
    let compression = Compression::of_bytes(&magic);
    if compression == Compression::None
        && let Some(name) = main.text(PAYLOAD_COMPRESSOR).filter(|name| !matches!(&**name, "gzip" | ""))
    {
        let why = format!("it is not compressed with {name}, as the header says; gzip, xz and zstd are known");
        return Err(Stop::Package(Problem::Payload { why }));
    }
    let packed = BufReader::with_capacity(BUFFER, magic.chain(packed));
    let mut archive = Archive::new(compression.decoder(packed).map_err(read)?);
    loop {
        match archive.next()? {
            Start::End => break,
            Start::Named { name, size } => walk.named(&mut archive, &name, size)?,
            Start::Numbered(number) => walk.numbered(&mut archive, number)?,
        }
    }
    archive.finish()?;
    walk.finish();
    Ok(())
}

/// The entries of an archive beside the list of the header.
struct Walk<'a, V> {
    listing: &'a FileList,
    visit: V,
    seen: Vec<bool>,
    /// For each set of hard links: the file with the data, once it was visited, and the names before it.
    links: Vec<(Option<usize>, Vec<usize>)>,
    entries: usize,
    problems: Vec<Problem>,
}

impl<'a, V> Walk<'a, V> {
    fn new(listing: &'a FileList, visit: V) -> Self {
        let links = listing.links.iter().map(|_| (None, Vec::new())).collect();
        Self { listing, visit, seen: vec![false; listing.files.len()], links, entries: 0, problems: Vec::new() }
    }

    /// What the header lists and the payload lacks.
    fn finish(&mut self) {
        for (file, _) in self.listing.files.iter().zip(&self.seen).filter(|(file, seen)| file.is_packed() && !**seen) {
            self.problems.push(Problem::Path { path: file.path.clone(), why: "it is not in the payload".into() });
        }
    }

    fn named<E>(&mut self, archive: &mut Archive<impl Read>, name: &[u8], size: u64) -> Result<(), Stop<E>>
    where
        V: FnMut(Entry<'_>) -> Result<(), E>,
    {
        let number = self.listing.number_of(name).map_err(Stop::Package)?;
        let file = &self.listing.files[number];
        // Of the names of one inode only one, usually the last, has the data.
        let is_bare_link = size == 0 && file.size > 0 && file.links.is_some();
        let expected =
            if matches!(file.kind, ListedKind::File | ListedKind::Symlink) && !is_bare_link { file.size } else { 0 };
        if size != expected {
            let why = format!("`{}` has {size} bytes in it and {expected} in the header", file.path);
            return Err(Stop::Package(Problem::Payload { why }));
        }
        self.entry(archive, number, !is_bare_link)
    }

    fn numbered<E>(&mut self, archive: &mut Archive<impl Read>, number: u32) -> Result<(), Stop<E>>
    where
        V: FnMut(Entry<'_>) -> Result<(), E>,
    {
        let number = number as usize;
        let Some(file) = self.listing.files.get(number) else {
            let why = format!("it has a file with the number {number}, of {}", self.listing.files.len());
            return Err(Stop::Package(Problem::Payload { why }));
        };
        let has_data = file.links.is_none_or(|set| self.listing.links[set].last() == Some(&number));
        self.entry(archive, number, has_data)
    }

    /// Visits an entry, and the links that waited for it.
    fn entry<E>(&mut self, archive: &mut Archive<impl Read>, number: usize, has_data: bool) -> Result<(), Stop<E>>
    where
        V: FnMut(Entry<'_>) -> Result<(), E>,
    {
        let file = &self.listing.files[number];
        if !file.is_packed() || std::mem::replace(&mut self.seen[number], true) {
            let why = format!("`{}` is in it, where it has no place or is there already", file.path);
            return Err(Stop::Package(Problem::Payload { why }));
        }
        if let Some(set) = file.links {
            let (first, waiting) = &mut self.links[set];
            match *first {
                Some(first) if has_data && file.size > 0 => {
                    let first = &self.listing.files[first].path;
                    let why = format!("the data of `{}` is there twice: it is a link to `{first}`", file.path);
                    return Err(Stop::Package(Problem::Payload { why }));
                }
                Some(first) => return self.link(number, first),
                None if !has_data => {
                    waiting.push(number);
                    if self.listing.links[set].iter().all(|one| self.seen[*one]) {
                        let why = format!("no name of `{}` has its data", file.path);
                        return Err(Stop::Package(Problem::Payload { why }));
                    }
                    return Ok(());
                }
                None => *first = Some(number),
            }
        }
        match file.kind {
            ListedKind::File => self.file(archive, number)?,
            ListedKind::Symlink => {
                let mut target = Vec::new();
                let mut contents = Contents::new(archive, file.size);
                let read = contents.by_ref().take(BUFFER as u64).read_to_end(&mut target);
                contents.finish(read.map(drop).map_err(ArchiveError::Read))?;
                if target != file.target.as_bytes() {
                    let why = format!("`{}` leads elsewhere than the header says", file.path);
                    return Err(Stop::Package(Problem::Payload { why }));
                }
                self.call(number, EntryKind::Symlink { target: &file.target })?;
            }
            ListedKind::Directory => self.call(number, EntryKind::Directory)?,
            ListedKind::CharacterDevice => self.call(number, EntryKind::CharacterDevice { number: file.device })?,
            ListedKind::BlockDevice => self.call(number, EntryKind::BlockDevice { number: file.device })?,
            ListedKind::Fifo => self.call(number, EntryKind::Fifo)?,
            ListedKind::Socket => self.call(number, EntryKind::Socket)?,
        }
        if let Some(set) = file.links {
            for waiting in std::mem::take(&mut self.links[set].1) {
                self.link(waiting, number)?;
            }
        }
        Ok(())
    }

    fn file<E>(&mut self, archive: &mut Archive<impl Read>, number: usize) -> Result<(), Stop<E>>
    where
        V: FnMut(Entry<'_>) -> Result<(), E>,
    {
        let file = &self.listing.files[number];
        let mut contents = Contents::new(archive, file.size);
        contents.hash = Some(match self.listing.algorithm {
            ALGORITHM_SHA512 => Hash::Sha512(Sha512::new()),
            _ => Hash::Sha256(Sha256::new()),
        });
        let called = self.call(number, EntryKind::File { size: file.size, contents: &mut contents });
        // A visitor that failed to read says less than what it failed to read.
        if contents.broken.is_none() {
            called?;
        }
        let skipped = io::copy(&mut contents, &mut io::sink()).map(drop).map_err(ArchiveError::Read);
        let found = contents.finish(skipped)?;
        match Checksum::of_digits(&file.digest) {
            Ok(said) if Some(said) == found => {}
            Ok(said) => {
                let path = file.path.clone();
                let found = Box::new(found.unwrap_or(said));
                self.problems.push(Problem::FileDigest { path, expected: Box::new(said), found });
            }
            Err(error) => self.problems.push(Problem::ChecksumType(error)),
        }
        Ok(())
    }

    fn link<E>(&mut self, number: usize, to: usize) -> Result<(), Stop<E>>
    where
        V: FnMut(Entry<'_>) -> Result<(), E>,
    {
        let to = &self.listing.files[to];
        self.call(number, EntryKind::HardLink { to: &to.path })
    }

    fn call<'k, E>(&mut self, number: usize, kind: EntryKind<'k>) -> Result<(), Stop<E>>
    where
        'a: 'k,
        V: FnMut(Entry<'_>) -> Result<(), E>,
    {
        let file = &self.listing.files[number];
        self.entries += 1;
        (self.visit)(Entry {
            path: &file.path,
            kind,
            permissions: file.permissions,
            user: &file.user,
            group: &file.group,
            time: file.time,
            capabilities: file.capabilities.as_deref(),
        })
        .map_err(Stop::Visitor)
    }
}

enum Hash {
    Sha256(Sha256),
    Sha512(Sha512),
}

/// The data of one entry.
struct Contents<'a, R> {
    archive: &'a mut Archive<R>,
    left: u64,
    hash: Option<Hash>,
    broken: Option<ArchiveError>,
}

impl<'a, R: Read> Contents<'a, R> {
    fn new(archive: &'a mut Archive<R>, size: u64) -> Self {
        Self { archive, left: size, hash: None, broken: None }
    }

    /// The digest of the data, after all of it was read.
    fn finish(self, read: Result<(), ArchiveError>) -> Result<Option<Checksum>, ArchiveError> {
        match self.broken {
            Some(error) => Err(error),
            None => read.map(|()| {
                self.hash.map(|hash| match hash {
                    Hash::Sha256(hash) => Checksum::Sha256(hash.finalize().into()),
                    Hash::Sha512(hash) => Checksum::Sha512(hash.finalize().into()),
                })
            }),
        }
    }
}

impl<R: Read> Read for Contents<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let count = match self.archive.read(&mut buffer[..wanted]) {
            Ok(0) => {
                let why = format!("it ends {} bytes before the end of a file", self.left);
                self.broken = Some(ArchiveError::Format(why.clone()));
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
            }
            Ok(count) => count,
            Err(error) => {
                self.broken = Some(ArchiveError::Read(io::Error::new(error.kind(), error.to_string())));
                return Err(error);
            }
        };
        match &mut self.hash {
            Some(Hash::Sha256(hash)) => hash.update(&buffer[..count]),
            Some(Hash::Sha512(hash)) => hash.update(&buffer[..count]),
            None => {}
        }
        self.left -= count as u64;
        Ok(count)
    }
}

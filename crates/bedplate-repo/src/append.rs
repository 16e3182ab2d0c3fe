//! Puts bytes at the ends of files of a package: what signatures of kernel modules are.
//!
//! ```text
//! lead │ signature header │ main header: sizes, digests of files and payload │ payload: the archive, packed anew
//! ```
//!
//! All else of the package stays as it is: the names, times and order of its files, every other tag.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write};
use std::path::Path;

// They are of an older family, whose trait is another one.
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::compression::Encoder;
use crate::cpio::{Archive, ArchiveError, Start};
use crate::front::{Front, LEAD};
use crate::header::{Header, RawEntry, Tag, write_region};
use crate::listing::{FileList, ListedKind};
use crate::rpm::check_payload;
use crate::signature::{FORMAT, is_signature, new_package};
use crate::{Checksum, Compression, Problem};

// Tags of the main header.
const FILE_SIZES: u32 = 1028;
const LONG_FILE_SIZES: u32 = 5008;
const FILE_DIGESTS: u32 = 1035;
const SIZE: u32 = 1009;
const LONG_SIZE: u32 = 5009;
const PAYLOAD_DIGEST: u32 = 5092;
const PLAIN_PAYLOAD_DIGEST: u32 = 5097;
const PAYLOAD_FLAGS: Tag = Tag(1126, "PAYLOADFLAGS");
const MAIN_REGION: u32 = 63;
// Tags of the signature header.
const LONG_PACKAGE_SIZE: u32 = 270;
const LONG_ARCHIVE_SIZE: u32 = 271;
const HEADER_SHA1: u32 = 269;
const HEADER_SHA256: u32 = 273;
const PACKAGE_SIZE: u32 = 1000;
const PACKAGE_MD5: u32 = 1004;
const ARCHIVE_SIZE: u32 = 1007;
const SIGNATURE_REGION: u32 = 62;
/// Signatures of files by their digests: IMA, fs-verity.
const FILE_SIGNATURES: [Tag; 2] = [Tag(274, "FILESIGNATURES"), Tag(276, "VERITYSIGNATURES")];
// The type of tags with long numbers; shorter ones have 32 bits.
const NUMBERS_64: u32 = 5;
// Algorithm numbers of OpenPGP, in `FILEDIGESTALGO`.
const ALGORITHM_SHA256: u64 = 8;
const ALGORITHM_SHA512: u64 = 10;
const BUFFER: usize = 128 << 10;

/// Writes a copy of a package in which files have more bytes at their ends. `tails` has these by paths without a slash at their start. Names
/// of one inode are changed together. Signatures are left out, as they would not be good any more. The copy has mode 0644 and is there as a
/// whole or not at all.
///
/// # Errors
/// All that is wrong with the package, a path that is no regular file of it, or why the copy cannot be written.
pub fn append_to_files(input: &Path, output: &Path, tails: &BTreeMap<String, Vec<u8>>) -> Result<(), Vec<Problem>> {
    let one = |problem: Problem| vec![problem];
    let front = Front::open(input).map_err(one)?;
    let (signature, main) = front.parse_to_rewrite()?;
    let listing = FileList::read(&main);
    let mut changes = Changes::new(&listing);
    for (path, tail) in tails {
        if !changes.add(path, tail) {
            let why = "nothing can be put at its end: it is no regular file in the payload".to_owned();
            main.problem(Problem::Path { path: path.clone(), why });
        }
    }
    if !tails.is_empty() && ![ALGORITHM_SHA256, ALGORITHM_SHA512].contains(&listing.algorithm) {
        let why =
            format!("its files have digests of type {} of OpenPGP; SHA-256 and SHA-512 are known", listing.algorithm);
        main.problem(Problem::Payload { why });
    }
    if main.number(FORMAT).is_some_and(|format| format > 4) {
        let why = "packages of version 6 of the format cannot be changed".to_owned();
        main.problem(Problem::Payload { why });
    }
    for tag in FILE_SIGNATURES.into_iter().filter(|tag| signature.has(*tag)) {
        let why = format!("its files have signatures of their own ({}), which would not be good any more", tag.1);
        main.problem(Problem::Payload { why });
    }
    if signature.has_problems() || main.has_problems() {
        return Err(signature.into_problems().into_iter().chain(main.into_problems()).collect());
    }
    let mut payload = Payload::pack(&front, &main, &mut changes).map_err(one)?;
    check_payload(&main, payload.packed_before);
    let problems = changes.missing();
    if !problems.is_empty() || main.has_problems() {
        return Err(problems.into_iter().chain(main.into_problems()).collect());
    }
    let main = changed_main(&main, &changes, &payload).map_err(one)?;
    let written = write(&front, &signature, &main, &mut payload, output);
    written.map_err(one)
}

/// What becomes of the files of a package.
struct Changes<'a> {
    listing: &'a FileList,
    /// By the numbers of files.
    tails: Vec<Option<&'a [u8]>>,
    /// New digests, by the numbers of files.
    digests: BTreeMap<usize, String>,
    /// By how much the files grow; names of one inode count once.
    growth: u64,
}

impl<'a> Changes<'a> {
    fn new(listing: &'a FileList) -> Self {
        Self { listing, tails: vec![None; listing.files.len()], digests: BTreeMap::new(), growth: 0 }
    }

    /// False if there is no such file.
    fn add(&mut self, path: &str, tail: &'a [u8]) -> bool {
        let Some(number) = self.listing.by_path.get(path).copied() else { return false };
        let file = &self.listing.files[number];
        if file.kind != ListedKind::File || !file.is_packed() {
            return false;
        }
        for name in self.names(number) {
            self.tails[name] = Some(tail);
        }
        self.growth += tail.len() as u64;
        true
    }

    /// All names of the file.
    fn names(&self, number: usize) -> Vec<usize> {
        self.listing.files[number].links.map_or_else(|| vec![number], |set| self.listing.links[set].clone())
    }

    /// Files that should have been in the payload.
    fn missing(&self) -> Vec<Problem> {
        let is_missing = |number: &usize| self.tails[*number].is_some() && !self.digests.contains_key(number);
        let problem = |number: usize| Problem::Path {
            path: self.listing.files[number].path.clone(),
            why: "it is not in the payload".into(),
        };
        (0..self.tails.len()).filter(is_missing).map(problem).collect()
    }

    fn size(&self, number: usize) -> u64 {
        self.listing.files[number].size + self.tails[number].map_or(0, |tail| tail.len() as u64)
    }
}

/// A new payload.
struct Payload {
    /// Packed, in a file that has no name.
    file: std::fs::File,
    packed_size: u64,
    packed_digest: Checksum,
    plain_size: u64,
    plain_digest: Checksum,
    /// The digest of the payload that was there before.
    packed_before: Checksum,
}

impl Payload {
    /// Packs the payload of a package anew, as it was packed before.
    fn pack(front: &Front, main: &Header<'_>, changes: &mut Changes<'_>) -> Result<Self, Problem> {
        let broken = |error: io::Error| Problem::Compressed { why: error.to_string() };
        let mut packed = Hashing { inner: front.payload(), hash: Sha256::new(), count: 0 };
        let mut magic = Vec::new();
        packed.by_ref().take(6).read_to_end(&mut magic).map_err(Problem::Io)?;
        let compression = Compression::of_bytes(&magic);
        let level = main.text(PAYLOAD_FLAGS).and_then(|flags| {
            let digits = flags.find(|c: char| !c.is_ascii_digit()).unwrap_or(flags.len());
            flags[..digits].parse().ok()
        });
        let file = tempfile::tempfile().map_err(Problem::Io)?;
        let sink = Hashing { inner: BufWriter::with_capacity(BUFFER, file), hash: Sha256::new(), count: 0 };
        let encoder = Encoder::new(compression, level, sink).map_err(Problem::Io)?;
        let mut plain = Hashing { inner: encoder, hash: Sha256::new(), count: 0 };
        let reader = BufReader::with_capacity(BUFFER, magic.chain(&mut packed));
        let mut archive = Archive::new(compression.decoder(reader).map_err(broken)?);
        copy(&mut archive, &mut plain, changes)?;
        drop(archive);
        io::copy(&mut packed, &mut io::sink()).map_err(Problem::Io)?;
        let (plain_size, plain_digest) = (plain.count, Checksum::Sha256(plain.hash.finalize().into()));
        let sink = plain.inner.finish().map_err(Problem::Io)?;
        Ok(Self {
            packed_size: sink.count,
            packed_digest: Checksum::Sha256(sink.hash.finalize().into()),
            file: sink.inner.into_inner().map_err(|error| Problem::Io(error.into_error()))?,
            plain_size,
            plain_digest,
            packed_before: Checksum::Sha256(packed.hash.finalize().into()),
        })
    }
}

/// Copies an archive, with what is put at the ends of files.
fn copy(
    archive: &mut Archive<impl Read>,
    output: &mut Hashing<impl Write>,
    changes: &mut Changes<'_>,
) -> Result<(), Problem> {
    let listing = changes.listing;
    loop {
        let start = archive.next()?;
        let mut bytes = archive.start_bytes().clone();
        let (number, size) = match start {
            Start::End => {
                output.padded(bytes.as_bytes())?;
                return Ok(archive.finish()?);
            }
            Start::Named { name, size } => (listing.number_of(&name)?, size),
            Start::Numbered(number) => {
                let number = number as usize;
                let file = listing.files.get(number).ok_or_else(|| {
                    let why = format!("it has a file with the number {number}, of {}", listing.files.len());
                    Problem::Payload { why }
                })?;
                let has_data = matches!(file.kind, ListedKind::File | ListedKind::Symlink)
                    && file.links.is_none_or(|set| listing.links[set].last() == Some(&number));
                (number, if has_data { file.size } else { 0 })
            }
        };
        let file = &listing.files[number];
        // Of the names of one inode only one has the data.
        let tail = changes.tails[number].filter(|_| size == file.size && !changes.digests.contains_key(&number));
        if let Some(tail) = tail {
            bytes.set_size(size + tail.len() as u64)?;
        }
        output.padded(bytes.as_bytes())?;
        let mut hash = tail.map(|_| FileHash::new(listing.algorithm));
        let mut left = size;
        let mut buffer = vec![0; BUFFER];
        while left > 0 {
            let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            // Some packers write other bytes if they get the same ones in other pieces, so that pieces must not depend on the reader.
            archive.fill(&mut buffer[..wanted])?;
            if let Some(hash) = &mut hash {
                hash.update(&buffer[..wanted]);
            }
            output.write_all(&buffer[..wanted]).map_err(Problem::Io)?;
            left -= wanted as u64;
        }
        if let (Some(tail), Some(mut hash)) = (tail, hash) {
            hash.update(tail);
            output.write_all(tail).map_err(Problem::Io)?;
            let digest = hash.finish();
            for name in changes.names(number) {
                changes.digests.insert(name, digest.clone());
            }
        }
        output.padded(&[])?;
    }
}

impl From<ArchiveError> for Problem {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Read(error) => Self::Compressed { why: error.to_string() },
            ArchiveError::Format(why) => Self::Payload { why },
        }
    }
}

/// The digest of a file, by the algorithm of its package.
enum FileHash {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl FileHash {
    fn new(algorithm: u64) -> Self {
        if algorithm == ALGORITHM_SHA512 { Self::Sha512(Sha512::new()) } else { Self::Sha256(Sha256::new()) }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    fn finish(self) -> String {
        match self {
            Self::Sha256(hash) => Checksum::Sha256(hash.finalize().into()).to_string(),
            Self::Sha512(hash) => Checksum::Sha512(hash.finalize().into()).to_string(),
        }
    }
}

/// Hashes and counts what goes through.
struct Hashing<T> {
    inner: T,
    hash: Sha256,
    count: u64,
}

impl<W: Write> Hashing<W> {
    /// Writes bytes, and zeros up to a multiple of four.
    fn padded(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.write_all(bytes).map_err(Problem::Io)?;
        let missing = (self.count.next_multiple_of(4) - self.count) as usize;
        self.write_all(&[0; 3][..missing]).map_err(Problem::Io)
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.count += count as u64;
        Ok(count)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(buffer)?;
        self.hash.update(&buffer[..count]);
        self.count += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// An entry whose bytes may be new.
struct NewEntry<'a> {
    tag: u32,
    kind: u32,
    count: usize,
    bytes: Cow<'a, [u8]>,
}

impl<'a> NewEntry<'a> {
    fn kept(entry: &RawEntry<'a>) -> Self {
        Self { tag: entry.tag, kind: entry.kind, count: entry.count, bytes: Cow::Borrowed(entry.bytes) }
    }

    /// The same with one text, also as the first of a list.
    fn text(self, text: &str) -> Self {
        Self { count: 1, bytes: Cow::Owned([text.as_bytes(), b"\0"].concat()), ..self }
    }

    /// The same with a number of its type.
    fn number(self, number: u64) -> Result<Self, Problem> {
        Ok(Self { bytes: Cow::Owned(number_bytes(self.kind, number)?), ..self })
    }

    fn as_raw(&self) -> RawEntry<'_> {
        RawEntry { tag: self.tag, kind: self.kind, count: self.count, bytes: &self.bytes }
    }
}

fn number_bytes(kind: u32, number: u64) -> Result<Vec<u8>, Problem> {
    let too_large = |_| Problem::Payload { why: "it would have more bytes than its header can say".into() };
    match kind {
        NUMBERS_64 => Ok(number.to_be_bytes().to_vec()),
        _ => Ok(u32::try_from(number).map_err(too_large)?.to_be_bytes().to_vec()),
    }
}

/// The bytes of the main header of the new package.
fn changed_main(main: &Header<'_>, changes: &Changes<'_>, payload: &Payload) -> Result<Vec<u8>, Problem> {
    let digest = |number: usize| {
        let old = || changes.listing.files[number].digest.clone();
        changes.digests.get(&number).cloned().unwrap_or_else(old)
    };
    let mut entries = Vec::new();
    for raw in main.raw() {
        let entry = NewEntry::kept(&raw);
        let old_number = || main.number(Tag(raw.tag, "SIZE")).unwrap_or_default();
        entries.push(match raw.tag {
            FILE_SIZES | LONG_FILE_SIZES => {
                let sizes = (0..raw.count).map(|number| number_bytes(raw.kind, changes.size(number)));
                NewEntry { bytes: Cow::Owned(sizes.collect::<Result<Vec<_>, _>>()?.concat()), ..entry }
            }
            FILE_DIGESTS => {
                let texts = (0..raw.count).map(|number| digest(number) + "\0");
                NewEntry { bytes: Cow::Owned(texts.collect::<String>().into_bytes()), ..entry }
            }
            SIZE | LONG_SIZE => entry.number(old_number() + changes.growth)?,
            PAYLOAD_DIGEST => entry.text(&payload.packed_digest.to_string()),
            PLAIN_PAYLOAD_DIGEST => entry.text(&payload.plain_digest.to_string()),
            _ => entry,
        });
    }
    let raw: Vec<RawEntry<'_>> = entries.iter().map(NewEntry::as_raw).collect();
    Ok(write_region(MAIN_REGION, &raw))
}

/// The bytes of the signature header of the new package. The space for signatures stays.
fn changed_signature(old: &Header<'_>, main: &[u8], md5: &[u8], payload: &Payload) -> Result<Vec<u8>, Problem> {
    let mut entries = Vec::new();
    for raw in old.raw().filter(|raw| !is_signature(raw.tag)) {
        let entry = NewEntry::kept(&raw);
        entries.push(match raw.tag {
            PACKAGE_SIZE | LONG_PACKAGE_SIZE => entry.number(main.len() as u64 + payload.packed_size)?,
            ARCHIVE_SIZE | LONG_ARCHIVE_SIZE => entry.number(payload.plain_size)?,
            PACKAGE_MD5 => NewEntry { bytes: Cow::Owned(md5.to_vec()), ..entry },
            HEADER_SHA1 => entry.text(&Sha1::digest(main).iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
            HEADER_SHA256 => entry.text(&Checksum::sha256(main).to_string()),
            _ => entry,
        });
    }
    let raw: Vec<RawEntry<'_>> = entries.iter().map(NewEntry::as_raw).collect();
    Ok(write_region(SIGNATURE_REGION, &raw))
}

fn write(
    front: &Front,
    signature: &Header<'_>,
    main: &[u8],
    payload: &mut Payload,
    output: &Path,
) -> Result<(), Problem> {
    let mut md5 = Md5::new_with_prefix(main);
    payload.file.rewind().and_then(|()| io::copy(&mut payload.file, &mut md5)).map_err(Problem::Io)?;
    let signature = changed_signature(signature, main, &md5.finalize(), payload)?;
    new_package(output, &front.bytes[..LEAD], &signature, |writer| {
        writer.write_all(main)?;
        payload.file.rewind()?;
        io::copy(&mut payload.file, writer).map(drop)
    })
    .map_err(Problem::Io)
}

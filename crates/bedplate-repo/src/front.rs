//! The front of a package file: lead, signature header and main header, read as far as they reach and no further.
//!
//! ```text
//! lead (96 bytes) │ signature header, padded to 8 │ main header │ payload
//!                   size, SHA-256 of the header ──▶│            ▲
//!                                     SHA-256 of the payload ───┘
//! ```

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::header::{Header, INTRO, Tag, length_after};
use crate::{Checksum, Problem};

thread_local! {
    /// A thread reads many packages: memory that is there already is in the cache, too.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Length of the lead.
pub(crate) const LEAD: usize = 96;
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
/// The first read: it takes the whole header of most packages.
const FIRST_READ: usize = 32 << 10;
const CHUNK: usize = 128 << 10;

// Tags of the signature header: some numbers mean something else in the main header.
const SIGNATURE_LONG_SIZE: Tag = Tag(270, "LONGSIZE");
const SIGNATURE_SHA256: Tag = Tag(273, "SHA256");
const SIGNATURE_SIZE: Tag = Tag(1000, "SIZE");
const PAYLOAD_SIZE: Tag = Tag(5112, "PAYLOADSIZE");

/// The front of a package file, and the file behind it.
pub(crate) struct Front {
    /// What was read: both headers and perhaps some of the payload.
    pub(crate) bytes: Vec<u8>,
    /// Bytes of the signature header, without what pads it.
    pub(crate) signature_length: usize,
    /// Where the main header is in the file.
    pub(crate) main: std::ops::Range<usize>,
    /// Bytes of the whole file.
    pub(crate) size: u64,
    file: File,
}

impl Front {
    /// Opens a package and reads its headers.
    pub(crate) fn open(path: &Path) -> Result<Self, Problem> {
        let file = File::open(path).map_err(Problem::Io)?;
        let size = file.metadata().map_err(Problem::Io)?.len();
        let mut front = Self { file, size, bytes: Vec::new(), signature_length: 0, main: 0..0 };
        front.need(LEAD + INTRO)?;
        if front.bytes[..4] != LEAD_MAGIC {
            return Err(Problem::NotAnRpm);
        }
        front.signature_length = INTRO + length_after(&front.bytes[LEAD..], "signature")?;
        let start = LEAD + front.signature_length.next_multiple_of(8);
        front.need(start + INTRO)?;
        front.main = start..start + INTRO + length_after(&front.bytes[start..], "main")?;
        front.need(front.main.end)?;
        Ok(front)
    }

    /// Bytes of the signature header.
    pub(crate) fn signature(&self) -> &[u8] {
        &self.bytes[LEAD..LEAD + self.signature_length]
    }

    /// Bytes of the main header: what signatures sign.
    pub(crate) fn header(&self) -> &[u8] {
        &self.bytes[self.main.clone()]
    }

    /// Both headers, parsed.
    ///
    /// # Errors
    /// All that is wrong with their indexes.
    pub(crate) fn parse(&self) -> Result<(Header<'_>, Header<'_>), Vec<Problem>> {
        match (Header::parse(self.signature(), "signature"), Header::parse(self.header(), "main")) {
            (Ok(signature), Ok(main)) => Ok((signature, main)),
            (a, b) => Err(a.err().into_iter().chain(b.err()).flatten().collect()),
        }
    }

    /// Both headers of a package that is about to be written anew: the digest of the main one has to be there; other mistakes stand in them.
    pub(crate) fn parse_to_rewrite(&self) -> Result<(Header<'_>, Header<'_>), Vec<Problem>> {
        let (signature, main) = self.parse()?;
        if !self.check_header(&signature) {
            return Err(vec![Problem::NoDigest]);
        }
        self.check_size(self.size, &signature, &main);
        Ok((signature, main))
    }

    /// Compares the main header with its digest in the signature header. False if there is none to compare with.
    pub(crate) fn check_header(&self, signature: &Header<'_>) -> bool {
        let Some(said) = signature.text(SIGNATURE_SHA256) else { return false };
        let found = Checksum::sha256(self.header());
        if *said != found.to_string() {
            signature.problem(Problem::Digest { part: "header", expected: said.into_owned(), found: found.into() });
        }
        true
    }

    /// Compares the size of the file with what the headers say. False if it is not as it should be.
    pub(crate) fn check_size(&self, size: u64, signature: &Header<'_>, main: &Header<'_>) -> bool {
        let signed = signature.number(SIGNATURE_LONG_SIZE).or_else(|| signature.number(SIGNATURE_SIZE));
        let said = signed
            .map(|size| (self.main.start as u64).saturating_add(size))
            .or_else(|| main.number(PAYLOAD_SIZE).map(|size| (self.main.end as u64).saturating_add(size)));
        match said {
            Some(expected) if size < expected => main.problem(Problem::Truncated { expected, found: size }),
            Some(expected) if size > expected => main.problem(Problem::TooLong { expected, found: size }),
            _ => return true,
        }
        false
    }

    /// Gives each piece of the file that [`Self::bytes`] has not. It can be read once.
    pub(crate) fn each_rest(&self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let mut size = self.bytes.len() as u64;
        BUFFER.with_borrow_mut(|buffer| {
            buffer.resize(CHUNK, 0);
            while size < self.size {
                let read = read_some(&mut &self.file, buffer)?;
                if read == 0 {
                    break;
                }
                each(&buffer[..read]);
                size += read as u64;
            }
            Ok(())
        })
    }

    /// The compressed payload. It can be read once.
    pub(crate) fn payload(&self) -> impl Read + '_ {
        self.bytes[self.main.end..].chain(&self.file)
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
            self.bytes.resize(count.max(start + FIRST_READ), 0);
            let read = read_some(&mut &self.file, &mut self.bytes[start..]).map_err(Problem::Io)?;
            self.bytes.truncate(start + read);
            if read == 0 {
                return Err(missing);
            }
        }
        Ok(())
    }
}

/// Reads what there is; 0 at the end.
fn read_some(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

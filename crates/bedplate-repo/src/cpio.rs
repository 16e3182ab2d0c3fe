//! The archive in a payload: cpio, of which rpm writes two kinds.
//!
//! ```text
//! 070701 │ 13 numbers of 8 hexadecimal digits │ name, 0 │ pad to 4 │ data │ pad to 4      until `TRAILER!!!`
//! 07070X │ index of the file in the header    │ pad to 4           │ data │ pad to 4      where a size needs more than 32 bits
//! ```
//!
//! The second kind says nothing of a file but its number; sizes are those of the package's header.

use std::io::{self, Read};

const NEWC: &[u8; 6] = b"070701";
/// With checksums that nobody looks at.
const NEWC_CRC: &[u8; 6] = b"070702";
const STRIPPED: &[u8; 6] = b"07070X";
const TRAILER: &[u8] = b"TRAILER!!!";
const NUMBERS: usize = 13;
const MAX_NAME: usize = 64 << 10;
/// Where a start has the size of the data: the seventh number.
const SIZE_DIGITS: std::ops::Range<usize> = 54..62;

/// Why an archive cannot be read on.
#[derive(Debug)]
pub(crate) enum ArchiveError {
    /// The reader failed: the compressed data is broken, or its file cannot be read.
    Read(io::Error),
    /// The archive is not as it should be.
    Format(String),
}

/// The start of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// It has a name and a size.
    Named {
        /// As it is in the archive.
        name: Vec<u8>,
        /// Bytes of data.
        size: u64,
    },
    /// It is the file with this number in the header.
    Numbered(u32),
    /// There is no further entry.
    End,
}

/// The bytes of a start, without what pads them.
#[derive(Debug, Clone, Default)]
pub(crate) struct StartBytes(Vec<u8>);

impl StartBytes {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Says that there are so many bytes of data; the kind with a number says nothing of it.
    pub(crate) fn set_size(&mut self, size: u64) -> Result<(), ArchiveError> {
        if self.0.starts_with(STRIPPED) {
            return Ok(());
        }
        let size = u32::try_from(size).map_err(|_| ArchiveError::Format(format!("a file of {size} bytes")))?;
        self.0[SIZE_DIGITS].copy_from_slice(format!("{size:08x}").as_bytes());
        Ok(())
    }
}

/// An archive that is read from front to back.
pub(crate) struct Archive<R> {
    reader: R,
    position: u64,
    start: StartBytes,
}

impl<R: Read> Archive<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, position: 0, start: StartBytes::default() }
    }

    /// The bytes of the start that was read last.
    pub(crate) fn start_bytes(&self) -> &StartBytes {
        &self.start
    }

    /// Reads the start of the next entry; the data of the one before has been read.
    pub(crate) fn next(&mut self) -> Result<Start, ArchiveError> {
        self.pad()?;
        let mut magic = [0; 6];
        self.fill(&mut magic)?;
        self.start.0.clear();
        self.start.0.extend(magic);
        match &magic {
            STRIPPED => {
                let mut digits = [0; 8];
                self.fill(&mut digits)?;
                self.start.0.extend(digits);
                let number = self.number(&digits)?;
                self.pad()?;
                Ok(Start::Numbered(number))
            }
            NEWC | NEWC_CRC => {
                let mut digits = [0; NUMBERS * 8];
                self.fill(&mut digits)?;
                self.start.0.extend(digits);
                let mut numbers = [0; NUMBERS];
                for (number, digits) in numbers.iter_mut().zip(digits.chunks_exact(8)) {
                    *number = self.number(digits)?;
                }
                let (size, length) = (u64::from(numbers[6]), numbers[11] as usize);
                if length == 0 || length > MAX_NAME {
                    return Err(self.wrong(&format!("a name of {length} bytes")));
                }
                let mut name = vec![0; length];
                self.fill(&mut name)?;
                self.start.0.extend(&name);
                if name.pop() != Some(0) || name.contains(&0) {
                    return Err(self.wrong("a name that does not end where it should"));
                }
                self.pad()?;
                Ok(if name == TRAILER { Start::End } else { Start::Named { name, size } })
            }
            _ => Err(self.wrong("no start of an entry")),
        }
    }

    /// Reads data of an entry; fewer bytes than there is room for only at the end of the archive.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.reader.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(count) => {
                    self.position += count as u64;
                    return Ok(count);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes sure that nothing but a few zeros follows the end.
    pub(crate) fn finish(&mut self) -> Result<(), ArchiveError> {
        // Old writers fill up blocks of 512 bytes.
        let mut rest = Vec::new();
        self.reader.by_ref().take(1025).read_to_end(&mut rest).map_err(ArchiveError::Read)?;
        if rest.len() > 1024 || rest.iter().any(|byte| *byte != 0) {
            return Err(self.wrong("data after the end"));
        }
        Ok(())
    }

    /// Entries, names and data start at a multiple of four.
    fn pad(&mut self) -> Result<(), ArchiveError> {
        let missing = (self.position.next_multiple_of(4) - self.position) as usize;
        self.fill(&mut [0; 3][..missing])
    }

    /// Reads as many bytes as there is room for.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ArchiveError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..]).map_err(ArchiveError::Read)? {
                0 => return Err(self.wrong("it ends early")),
                count => filled += count,
            }
        }
        Ok(())
    }

    fn number(&self, digits: &[u8]) -> Result<u32, ArchiveError> {
        let digit = |number: u32, digit: &u8| Some(number << 4 | char::from(*digit).to_digit(16)?);
        digits.iter().try_fold(0, digit).ok_or_else(|| self.wrong("a number that is none"))
    }

    fn wrong(&self, what: &str) -> ArchiveError {
        ArchiveError::Format(format!("{what} (at byte {} of the archive)", self.position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newc(name: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"070701".to_vec();
        for at in 0..NUMBERS {
            let number = match at {
                6 => data.len(),
                11 => name.len() + 1,
                _ => 0,
            };
            bytes.extend(format!("{number:08x}").bytes());
        }
        bytes.extend(name.bytes().chain([0]));
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn skip(archive: &mut Archive<&[u8]>, size: usize) -> Vec<u8> {
        let mut data = vec![0; size];
        assert_eq!(archive.read(&mut data).unwrap(), size);
        data
    }

    #[test]
    fn both_kinds_of_entries_are_read() {
        let mut bytes = newc("./a", b"hello");
        bytes.extend(b"07070X0000002a\0\0abc\0");
        bytes.extend(newc("TRAILER!!!", b""));
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        let mut archive = Archive::new(&bytes[..]);
        assert_eq!(archive.next().unwrap(), Start::Named { name: b"./a".to_vec(), size: 5 });
        assert_eq!(skip(&mut archive, 5), b"hello");
        assert_eq!(archive.next().unwrap(), Start::Numbered(42));
        assert_eq!(skip(&mut archive, 3), b"abc");
        assert_eq!(archive.next().unwrap(), Start::End);
        archive.finish().unwrap();
    }

    #[test]
    fn an_archive_that_lies_is_refused() {
        let good = newc("./a", b"");
        let with = |at: usize, bytes: &[u8]| {
            let mut changed = good.clone();
            changed[at..at + bytes.len()].copy_from_slice(bytes);
            changed
        };
        for (bytes, want) in [
            (with(0, b"070707"), "no start of an entry"),
            (with(54, b"0000000g"), "a number that is none"),
            (with(54, b"+0000001"), "a number that is none"),
            (with(94, b"00000000"), "a name of 0 bytes"),
            (with(94, b"ffffffff"), "a name of 4294967295 bytes"),
            (with(94, b"00000003"), "does not end where it should"),
            (with(111, b"\0"), "does not end where it should"),
            (good[..100].to_vec(), "it ends early"),
            (good[..112].to_vec(), "it ends early"),
            (b"07070X0000".to_vec(), "it ends early"),
            (Vec::new(), "it ends early (at byte 0 of the archive)"),
        ] {
            match Archive::new(&bytes[..]).next() {
                Err(ArchiveError::Format(why)) => assert!(why.contains(want), "{want}: {why}"),
                other => panic!("{want}: {other:?}"),
            }
        }
        let mut after = newc("TRAILER!!!", b"");
        after.extend(b"\0\0\0x");
        let mut archive = Archive::new(&after[..]);
        archive.next().unwrap();
        assert!(archive.finish().is_err());
    }
}

//! The name of content: its SHA-256 and its size, as the Remote Execution API has it.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// SHA-256 and size of some bytes. As text `HEX/SIZE`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    /// The SHA-256.
    pub hash: [u8; 32],
    /// How many bytes.
    pub size: u64,
}

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { hash: Sha256::digest(bytes).into(), size: bytes.len() as u64 }
    }

    /// The hash in lower-case hexadecimal digits.
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = self.hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
    }

    /// A digest of its two parts, the hash in lower-case hexadecimal digits.
    ///
    /// # Errors
    /// If the text is not 64 such digits.
    pub fn from_parts(hex: &str, size: u64) -> Result<Self, DigestError> {
        let bad = || DigestError(format!("{hex}/{size}"));
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let digits: &[u8; 64] = hex.as_bytes().try_into().map_err(|_| bad())?;
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value(pair[0]).ok_or_else(bad)? << 4 | value(pair[1]).ok_or_else(bad)?;
        }
        Ok(Self { hash, size })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.hex(), self.size)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A text that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no digest: 64 lower-case hexadecimal digits, `/` and a size are expected")]
pub struct DigestError(String);

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let bad = || DigestError(text.to_owned());
        let (hex, size) = text.split_once('/').ok_or_else(bad)?;
        let number: u64 = size.parse().map_err(|_| bad())?;
        // One digest has one text: no sign, no zeros in front.
        if number.to_string() != size {
            return Err(bad());
        }
        Self::from_parts(hex, number).map_err(|_| bad())
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Computes the digest of what is written through it.
pub(crate) struct Hashing<W> {
    hasher: Sha256,
    size: u64,
    inner: W,
}

impl<W: Write> Hashing<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { hasher: Sha256::new(), size: 0, inner }
    }

    pub(crate) fn finish(self) -> (Digest, W) {
        (Digest { hash: self.hasher.finalize().into(), size: self.size }, self.inner)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Why content did not get from one place to another.
#[derive(Debug)]
pub(crate) enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

thread_local! {
    /// A thread copies many files.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// How much is copied at once.
const STEP: usize = 1 << 18;

/// Of copied bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copied {
    /// No 8 KiB of them in a row are zero.
    pub(crate) is_dense: bool,
}

/// Copies all bytes; says which side failed.
pub(crate) fn copy_all(mut from: impl Read, to: &mut impl Write) -> Result<Copied, CopyError> {
    let mut buffer = BUFFER.take();
    buffer.resize(STEP, 0);
    let mut is_dense = true;
    let result = loop {
        match from.read(&mut buffer) {
            Ok(0) => break Ok(Copied { is_dense }),
            Ok(count) => {
                // Zeros that fill no part, wherever the parts begin, are fewer than two of them.
                is_dense &= !buffer[..count].chunks(4096).any(|part| part.iter().all(|byte| *byte == 0));
                if let Err(error) = to.write_all(&buffer[..count]) {
                    break Err(CopyError::Write(error));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(CopyError::Read(error)),
        }
    };
    BUFFER.set(buffer);
    result
}

/// The digest of what a reader gives.
pub(crate) fn of_reader(from: impl Read) -> io::Result<Digest> {
    let mut hashing = Hashing::new(io::sink());
    match copy_all(from, &mut hashing) {
        Ok(_) => Ok(hashing.finish().0),
        Err(CopyError::Read(error) | CopyError::Write(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/0";
    /// From FIPS 180-2.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad/3";

    #[test]
    fn digests_are_sha256_and_size() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(Digest::of(b"abc").to_string(), ABC);
        assert_eq!(of_reader(&b"abc"[..]).unwrap().to_string(), ABC);
        assert_eq!(ABC.parse::<Digest>().unwrap(), Digest::of(b"abc"));
        assert_eq!(serde_json::to_string(&Digest::of(b"abc")).unwrap(), format!("\"{ABC}\""));
        assert_eq!(serde_json::from_str::<Digest>(&format!("\"{ABC}\"")).unwrap(), Digest::of(b"abc"));
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        for bad in [
            String::new(),
            "abc".to_owned(),
            ABC.to_uppercase(),
            format!("{ABC}x"),
            format!("0{ABC}"),
            ABC.replace("/3", "/03"),
            ABC.replace("/3", "/+3"),
            ABC.replace("/3", "/-3"),
            ABC.replace("/3", "/"),
            ABC.replace('b', "é"),
        ] {
            assert_eq!(bad.parse::<Digest>().unwrap_err(), DigestError(bad.clone()), "{bad}");
        }
    }
}

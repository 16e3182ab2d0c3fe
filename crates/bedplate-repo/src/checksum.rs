//! Checksums of files, as repodata writes them.

use std::fmt;
use std::io::{self, Read};

use sha2::{Digest, Sha256, Sha512};

/// A strong checksum of a file's bytes. It displays as lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Checksum {
    /// SHA-256, which we write and which nearly all repositories have.
    Sha256([u8; 32]),
    /// SHA-512.
    Sha512([u8; 64]),
}

/// Why a text is no [`Checksum`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// Files can be forged that have a given checksum of this type.
    #[error("checksums of type `{0}` can be forged")]
    Weak(String),
    /// No type that we know.
    #[error("unknown checksum type `{0}`")]
    Unknown(String),
    /// Not the digits of this type.
    #[error("`{0}` is not a checksum: it has to be {1} hexadecimal digits")]
    Digits(String, usize),
}

impl Checksum {
    /// Reads the digits of a checksum; the type is a word of repodata: `sha256`, `sha512`.
    ///
    /// # Errors
    /// A weak or unknown type, or digits that are none.
    pub fn parse(kind: &str, digits: &str) -> Result<Self, ChecksumError> {
        match kind {
            "sha256" => from_hex(digits).map(Self::Sha256),
            "sha512" => from_hex(digits).map(Self::Sha512),
            "md5" | "sha" | "sha1" => Err(ChecksumError::Weak(kind.to_owned())),
            _ => Err(ChecksumError::Unknown(kind.to_owned())),
        }
    }

    /// Reads digits whose type is known by their number.
    pub(crate) fn of_digits(digits: &str) -> Result<Self, ChecksumError> {
        if digits.len() == 128 { from_hex(digits).map(Self::Sha512) } else { from_hex(digits).map(Self::Sha256) }
    }

    /// The SHA-256 of bytes.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::Sha256(Sha256::digest(bytes).into())
    }

    /// The checksum of bytes of the same type as this one.
    #[must_use]
    pub fn same_kind_of(&self, bytes: &[u8]) -> Self {
        match self {
            Self::Sha256(_) => Self::sha256(bytes),
            Self::Sha512(_) => Self::Sha512(Sha512::digest(bytes).into()),
        }
    }

    /// Reads to the end; gives the checksum of the same type as this one, and how many bytes there were.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn same_kind_of_reader(&self, mut reader: impl Read) -> io::Result<(Self, u64)> {
        let mut buffer = vec![0; 256 << 10];
        let mut length = 0;
        let mut each = |update: &mut dyn FnMut(&[u8])| {
            loop {
                match reader.read(&mut buffer) {
                    Ok(0) => return Ok(()),
                    Ok(count) => {
                        length += count as u64;
                        update(&buffer[..count]);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        };
        let found = match self {
            Self::Sha256(_) => {
                let mut hash = Sha256::new();
                each(&mut |bytes| hash.update(bytes))?;
                Self::Sha256(hash.finalize().into())
            }
            Self::Sha512(_) => {
                let mut hash = Sha512::new();
                each(&mut |bytes| hash.update(bytes))?;
                Self::Sha512(hash.finalize().into())
            }
        };
        Ok((found, length))
    }

    /// The word for the type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::Sha512(_) => "sha512",
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha512(bytes) => bytes,
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{self}", self.kind())
    }
}

fn from_hex<const N: usize>(digits: &str) -> Result<[u8; N], ChecksumError> {
    let wrong = || ChecksumError::Digits(digits.to_owned(), 2 * N);
    if digits.len() != 2 * N {
        return Err(wrong());
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| (pair[at] as char).to_digit(16).ok_or_else(wrong);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).expect("two digits are a byte");
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digits_come_back_and_weak_types_are_refused() {
        let empty = Checksum::parse("sha256", EMPTY).unwrap();
        assert_eq!(empty, Checksum::sha256(b""));
        assert_eq!(empty.to_string(), EMPTY);
        assert_eq!(Checksum::parse("sha256", &EMPTY.to_uppercase()).unwrap(), empty);
        let long = Checksum::parse("sha512", &"0f".repeat(64)).unwrap();
        assert_eq!(long.same_kind_of_reader(&b"abc"[..]).unwrap(), (long.same_kind_of(b"abc"), 3));
        for (kind, digits, want) in [
            ("sha", EMPTY, "checksums of type `sha` can be forged"),
            ("md5", EMPTY, "checksums of type `md5` can be forged"),
            ("crc", EMPTY, "unknown checksum type `crc`"),
            ("sha256", "ab", "`ab` is not a checksum: it has to be 64 hexadecimal digits"),
            ("sha256", &EMPTY.replace('e', "g"), "hexadecimal"),
            ("sha256", &EMPTY.replacen("e3", "é", 1), "hexadecimal"),
        ] {
            let error = Checksum::parse(kind, digits).unwrap_err().to_string();
            assert!(error.contains(want), "{kind} {digits}: {error}");
        }
    }
}

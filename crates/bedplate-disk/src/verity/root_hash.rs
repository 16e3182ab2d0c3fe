//! The two values that a hash tree is about: root hash and salt.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// The hash that vouches for all data of a tree; as text, 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RootHash([u8; 32]);

impl RootHash {
    /// A root hash by its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for RootHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RootHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootHash({self})")
    }
}

/// A text that is no root hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no root hash: 64 lower-case hexadecimal digits are expected")]
pub struct RootHashError(String);

impl FromStr for RootHash {
    type Err = RootHashError;

    fn from_str(text: &str) -> Result<Self, RootHashError> {
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let parse = || {
            let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
            let mut bytes = [0; 32];
            for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
                *byte = value(pair[0])? << 4 | value(pair[1])?;
            }
            Some(Self(bytes))
        };
        parse().ok_or_else(|| RootHashError(text.to_owned()))
    }
}

/// What goes into each hash before its block: at most 256 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salt(Vec<u8>);

impl Salt {
    /// The most bytes that a superblock holds.
    pub const LONGEST: usize = 256;

    /// A salt of these bytes.
    ///
    /// # Errors
    /// If there are more than 256.
    pub fn new(bytes: &[u8]) -> Result<Self, SaltError> {
        if bytes.len() > Self::LONGEST {
            return Err(SaltError(bytes.len()));
        }
        Ok(Self(bytes.to_owned()))
    }

    /// A salt of 32 bytes that follows from these: the same ones have the same salt.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Sha256::new_with_prefix(b"bedplate verity salt\0");
        hasher.update(bytes);
        Self(hasher.finalize().to_vec())
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A salt that is too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a salt of {0} bytes is too long: a superblock has room for 256")]
pub struct SaltError(usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_hashes_are_read_and_written() {
        let text = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";
        assert_eq!(text.parse::<RootHash>().unwrap().to_string(), text);
        for bad in ["", &text[1..], &text.to_uppercase(), &text.replace('f', "g"), &format!("{text}0")] {
            assert_eq!(bad.parse::<RootHash>().unwrap_err(), RootHashError(bad.to_owned()));
        }
    }

    #[test]
    fn salts_have_a_longest() {
        assert_eq!(Salt::new(&[7; 256]).unwrap().bytes(), [7; 256]);
        assert_eq!(Salt::new(&[7; 257]), Err(SaltError(257)));
        assert_eq!(Salt::of(b"a").bytes().len(), 32);
        assert_ne!(Salt::of(b"a"), Salt::of(b"b"));
    }
}

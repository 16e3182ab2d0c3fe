//! Digests that keys with certificates sign.

use std::io;

use rsa::sha2::{Digest as _, Sha256, Sha512};

/// The digest of what is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageDigest {
    /// By SHA-256.
    Sha256([u8; 32]),
    /// By SHA-512.
    Sha512([u8; 64]),
}

impl MessageDigest {
    /// The SHA-256 of bytes.
    #[must_use]
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::Sha256(Sha256::digest(bytes).into())
    }

    /// The SHA-512 of all that a reader has.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn sha512_of(mut reader: impl io::Read) -> io::Result<Self> {
        let mut hash = Sha512::new();
        io::copy(&mut reader, &mut hash)?;
        Ok(Self::Sha512(hash.finalize().into()))
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha512(bytes) => bytes,
        }
    }
}

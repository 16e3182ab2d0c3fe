//! Public keys that are trusted.

use pgp::composed::{Deserializable, SignedPublicKey};

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// Public keys. A signature by any of them is trusted.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    pub(crate) keys: Vec<SignedPublicKey>,
}

/// Why bytes are no public keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// There is no key in them.
    #[error("there is no OpenPGP public key in it")]
    Empty,
    /// They are broken, or of a kind that is not known.
    #[error("not an OpenPGP public key: {0}")]
    Broken(String),
}

impl Keyring {
    /// A keyring without a key: nothing is trusted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the keys of a file: one or several, armored or not, also several armored blocks one after the other.
    ///
    /// # Errors
    /// The bytes hold no key, or a broken one; no key is added then.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), KeyringError> {
        let mut found = Vec::new();
        let blocks = match std::str::from_utf8(bytes) {
            Ok(text) if text.contains(BEGIN) => {
                text.match_indices(BEGIN).map(|(at, _)| &text.as_bytes()[at..]).collect()
            }
            _ => vec![bytes],
        };
        for block in blocks {
            let (keys, _) = SignedPublicKey::from_reader_many_buf(block).map_err(broken)?;
            for key in keys {
                found.push(key.map_err(broken)?);
            }
        }
        if found.is_empty() {
            return Err(KeyringError::Empty);
        }
        self.keys.extend(found);
        Ok(())
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a function for `map_err`")]
fn broken(error: pgp::errors::Error) -> KeyringError {
    KeyringError::Broken(error.to_string())
}

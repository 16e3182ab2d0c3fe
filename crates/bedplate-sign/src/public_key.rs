//! The public half of a key that signs.

use std::time::SystemTime;

use pgp::composed::{ArmorOptions, Deserializable, SignedPublicKey};
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::ser::Serialize;
use pgp::types::{Fingerprint, KeyDetails, KeyId, KeyVersion, Timestamp};

use crate::KeyError;

/// A public key with the names of its owner, of which one part signs: the primary key or a subkey.
#[derive(Debug, Clone)]
pub struct PublicKey {
    pub(crate) key: SignedPublicKey,
    /// The subkey that signs; none if the primary key does.
    pub(crate) subkey: Option<usize>,
    armored: String,
}

impl PublicKey {
    /// Reads a public key, armored or not.
    ///
    /// # Errors
    /// The bytes are no public key, or none that can sign by Ed25519 or RSA.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        let (key, _) = SignedPublicKey::from_reader_single(bytes).map_err(KeyError::broken)?;
        Self::new(key)
    }

    pub(crate) fn new(key: SignedPublicKey) -> Result<Self, KeyError> {
        let subkey = key.public_subkeys.iter().position(|subkey| {
            let binding = subkey.signatures.iter().max_by_key(|one| one.created());
            is_known(&subkey.key) && binding.is_some_and(|binding| binding.key_flags().sign())
        });
        if subkey.is_none() && !is_known(&key.primary_key) {
            return Err(KeyError::Algorithm);
        }
        let armored = key.to_armored_string(ArmorOptions::default()).map_err(KeyError::broken)?;
        Ok(Self { key, subkey, armored })
    }

    /// The key as text, for `RPM-GPG-KEY-…`.
    pub fn armored(&self) -> &str {
        &self.armored
    }

    /// The key as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.key.to_bytes().expect("writing to memory does not fail")
    }

    /// Fingerprint of the primary key, in capital hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        format!("{:X}", self.key.primary_key.fingerprint())
    }

    /// The short number of the part that signs, in capital hexadecimal digits.
    pub fn key_id(&self) -> String {
        self.signing_part().1.to_string().to_uppercase()
    }

    /// The first name and address.
    pub fn user(&self) -> Option<String> {
        self.key.details.users.first().map(|user| String::from_utf8_lossy(user.id.id()).into_owned())
    }

    /// When the part that signs was made. Signatures from before are refused by rpm and by gpg.
    pub fn created(&self) -> SystemTime {
        let of_primary = self.key.primary_key.created_at();
        let created = self.subkey.map_or(of_primary, |at| self.key.public_subkeys[at].key.created_at());
        SystemTime::from(created.max(of_primary))
    }

    /// What kind of key signs: `ed25519` or `rsa`.
    pub fn algorithm(&self) -> &'static str {
        match self.details().algorithm() {
            PublicKeyAlgorithm::RSA => "rsa",
            _ => "ed25519",
        }
    }

    pub(crate) fn details(&self) -> &dyn KeyDetails {
        match self.subkey {
            Some(at) => &self.key.public_subkeys[at].key,
            None => &self.key.primary_key,
        }
    }

    pub(crate) fn signing_part(&self) -> (Fingerprint, KeyId) {
        (self.details().fingerprint(), self.details().legacy_key_id())
    }
}

/// True for keys whose signatures rpm 4.18, 4.20 and 6 know, and that are the same each time.
fn is_known(key: &impl KeyDetails) -> bool {
    key.version() == KeyVersion::V4
        && matches!(key.algorithm(), PublicKeyAlgorithm::RSA | PublicKeyAlgorithm::EdDSALegacy)
}

/// A moment as OpenPGP has it: whole seconds of 32 bits.
pub(crate) fn timestamp(moment: SystemTime) -> Result<Timestamp, KeyError> {
    let seconds = moment.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs());
    let seconds = seconds.and_then(|seconds| u32::try_from(seconds).ok()).ok_or(KeyError::Time(moment))?;
    Ok(Timestamp::from_secs(seconds))
}

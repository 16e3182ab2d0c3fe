//! Makes signatures: the digest goes to the key, the raw signature comes back, and becomes an OpenPGP one here.

use std::fmt;
use std::io::Write;
use std::time::SystemTime;

use pgp::composed::{ArmorOptions, DetachedSignature};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{PacketTrait, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{
    Fingerprint, KeyDetails, KeyId, KeyVersion, Mpi, Password, PublicParams, SignatureBytes, SigningKey, Timestamp,
};

use crate::public_key::{PublicKey, timestamp};
use crate::{KeyError, moment};

/// A key that signs, wherever its secret half is: in a file, in a hardware token, behind a service.
///
/// It sees digests and never what is signed, so that data stays where it is.
pub trait Signer: Sync + fmt::Debug {
    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// Signs a SHA-256 digest. The answer has the form that tokens give: of Ed25519 the 64 bytes R and S, of RSA the PKCS #1
    /// version 1.5 signature with the length of the modulus. The same digest must give the same answer.
    ///
    /// # Errors
    /// The key cannot be used.
    fn sign_digest(&self, sha256: &[u8; 32]) -> Result<Vec<u8>, SignError>;
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The signature would be older than its key: nobody would accept it.
    #[error("a signature of {} would be older than its key, of {}", moment::shown(*.signature), moment::shown(*.key))]
    BeforeKey {
        /// When it should have been made.
        signature: SystemTime,
        /// When the key was made.
        key: SystemTime,
    },
    /// The time cannot be written down.
    #[error(transparent)]
    Time(KeyError),
    /// The key did not sign.
    #[error("the key cannot sign: {0}")]
    Key(String),
}

impl SignError {
    pub(crate) fn key(error: impl fmt::Display) -> Self {
        Self::Key(error.to_string())
    }
}

/// A binary OpenPGP signature of data, as packages have it. The same key, data and time give the same bytes.
///
/// # Errors
/// The time is before that of the key, or the key cannot be used.
pub fn sign(signer: &dyn Signer, data: &[u8], time: SystemTime) -> Result<Vec<u8>, SignError> {
    let signature = signature(signer, data, time)?;
    let mut bytes = Vec::new();
    signature.signature.to_writer_with_header(&mut bytes).map_err(SignError::key)?;
    Ok(bytes)
}

/// An armored detached signature of data, as `gpg --detach-sign --armor` makes: `repomd.xml.asc`.
///
/// # Errors
/// The time is before that of the key, or the key cannot be used.
pub fn sign_detached(signer: &dyn Signer, data: &[u8], time: SystemTime) -> Result<String, SignError> {
    signature(signer, data, time)?.to_armored_string(ArmorOptions::default()).map_err(SignError::key)
}

fn signature(signer: &dyn Signer, data: &[u8], time: SystemTime) -> Result<DetachedSignature, SignError> {
    let key = signer.public_key();
    if time < key.created() {
        return Err(SignError::BeforeKey { signature: time, key: key.created() });
    }
    let time = timestamp(time).map_err(SignError::Time)?;
    let (fingerprint, key_id) = key.signing_part();
    let part = SigningPart { signer, details: key.details() };
    let mut config = SignatureConfig::v4(SignatureType::Binary, part.algorithm(), HashAlgorithm::Sha256);
    config.hashed_subpackets = vec![
        Subpacket::regular(SubpacketData::SignatureCreationTime(time)).map_err(SignError::key)?,
        Subpacket::regular(SubpacketData::IssuerFingerprint(fingerprint)).map_err(SignError::key)?,
    ];
    config.unhashed_subpackets = vec![Subpacket::regular(SubpacketData::IssuerKeyId(key_id)).map_err(SignError::key)?];
    let mut hasher = config.into_hasher().map_err(SignError::key)?;
    hasher.write_all(data).map_err(SignError::key)?;
    Ok(DetachedSignature::new(hasher.sign(&part, &Password::empty()).map_err(SignError::key)?))
}

/// The part of a key that signs, as the OpenPGP library wants it.
struct SigningPart<'a> {
    signer: &'a dyn Signer,
    details: &'a dyn KeyDetails,
}

impl fmt::Debug for SigningPart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.signer)
    }
}

impl SigningKey for SigningPart<'_> {
    fn sign(&self, _: &Password, _: HashAlgorithm, digest: &[u8]) -> pgp::errors::Result<SignatureBytes> {
        let wrong = |what: &str| pgp::errors::Error::from(what.to_owned());
        let digest = digest.try_into().map_err(|_| wrong("the digest is not one of SHA-256"))?;
        let raw = self.signer.sign_digest(digest).map_err(|error| wrong(&error.to_string()))?;
        match (self.algorithm(), raw.len()) {
            (PublicKeyAlgorithm::RSA, _) => Ok(SignatureBytes::Mpis(vec![Mpi::from_slice(&raw)])),
            (PublicKeyAlgorithm::EdDSALegacy, 64) => {
                Ok(SignatureBytes::Mpis(vec![Mpi::from_slice(&raw[..32]), Mpi::from_slice(&raw[32..])]))
            }
            (algorithm, length) => Err(wrong(&format!("a signature of {length} bytes is none of {algorithm:?}"))),
        }
    }

    fn hash_alg(&self) -> HashAlgorithm {
        HashAlgorithm::Sha256
    }
}

impl KeyDetails for SigningPart<'_> {
    fn version(&self) -> KeyVersion {
        self.details.version()
    }

    fn legacy_key_id(&self) -> KeyId {
        self.details.legacy_key_id()
    }

    fn fingerprint(&self) -> Fingerprint {
        self.details.fingerprint()
    }

    fn algorithm(&self) -> PublicKeyAlgorithm {
        self.details.algorithm()
    }

    fn created_at(&self) -> Timestamp {
        self.details.created_at()
    }

    fn legacy_v3_expiration_days(&self) -> Option<u16> {
        self.details.legacy_v3_expiration_days()
    }

    fn public_params(&self) -> &PublicParams {
        self.details.public_params()
    }
}

//! Detached signatures.

use std::fmt;
use std::time::{Duration, SystemTime};

use pgp::composed::{Deserializable, DetachedSignature, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::KeyDetails;

use crate::certificate::{primary_problem, subkey_problem};
use crate::{Keyring, moment};

/// Clocks differ; a signature may be from so much in the future.
const TOLERANCE: Duration = Duration::from_secs(300);
/// More signatures of one text are nobody's intent.
const MAX_SIGNATURES: usize = 64;

/// Who made a good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBy {
    /// Fingerprint of the primary key, in capital hexadecimal digits.
    pub fingerprint: String,
    /// Its first name and address, as the key has it.
    pub user: Option<String>,
    /// When the signature was made.
    pub created: SystemTime,
}

/// Why a key cannot vouch for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyProblem {
    /// Its owner says that it must not be used any more.
    Revoked,
    /// Its time is over, since this moment.
    Expired(SystemTime),
    /// It is for other purposes.
    NotForSigning,
    /// Nothing good binds it to its owner.
    NotBound,
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revoked => write!(f, "was revoked"),
            Self::Expired(end) => write!(f, "expired at {}", moment::shown(*end)),
            Self::NotForSigning => write!(f, "is not meant for signatures"),
            Self::NotBound => write!(f, "has no valid signature of its owner's key"),
        }
    }
}

/// Why a signature is not good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The bytes are no signature.
    #[error("not an OpenPGP signature: {0}")]
    Broken(String),
    /// There is no signature in them.
    #[error("there is no OpenPGP signature in it")]
    Empty,
    /// The signature is of another kind, not one of data.
    #[error("not a signature of data")]
    Kind,
    /// Signatures with this digest can be forged.
    #[error("the signature uses {0}, with which it can be forged")]
    WeakDigest(String),
    /// No key of the keyring made it.
    #[error("made by key {0}, which is not in the keyring")]
    UnknownKey(String),
    /// The data is not what was signed.
    #[error("the data is not what key {0} signed")]
    Wrong(String),
    /// The key cannot be trusted.
    #[error("made by key {fingerprint}, which {problem}")]
    Key {
        /// Fingerprint of the key.
        fingerprint: String,
        /// What is wrong with it.
        problem: KeyProblem,
    },
    /// The signature says that it is of no value any more.
    #[error("the signature expired at {}", moment::shown(*.0))]
    Expired(SystemTime),
    /// The signature is from the future.
    #[error("the signature is from the future: {}", moment::shown(*.0))]
    Future(SystemTime),
    /// There are several signatures, and none is good.
    #[error("none of the signatures is good: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    All(Vec<SignatureError>),
}

/// Verifies a detached signature, armored or not, at a moment. Of several signatures one has to be good.
///
/// # Errors
/// Why no signature is good.
pub fn verify_detached(
    keyring: &Keyring,
    data: &[u8],
    signature: &[u8],
    at: SystemTime,
) -> Result<SignedBy, SignatureError> {
    let broken = |error: pgp::errors::Error| SignatureError::Broken(error.to_string());
    let (signatures, _) = DetachedSignature::from_reader_many_buf(signature).map_err(broken)?;
    let mut errors = Vec::new();
    for one in signatures.take(MAX_SIGNATURES) {
        match verify_one(keyring, data, &one.map_err(broken)?.signature, at) {
            Ok(signer) => return Ok(signer),
            Err(error) => errors.push(error),
        }
    }
    match errors.len() {
        0 => Err(SignatureError::Empty),
        1 => Err(errors.remove(0)),
        _ => Err(SignatureError::All(errors)),
    }
}

fn verify_one(
    keyring: &Keyring,
    data: &[u8],
    signature: &Signature,
    at: SystemTime,
) -> Result<SignedBy, SignatureError> {
    if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
        return Err(SignatureError::Kind);
    }
    match signature.hash_alg() {
        Some(HashAlgorithm::Md5 | HashAlgorithm::Sha1 | HashAlgorithm::Ripemd160) | None => {
            let name = signature.hash_alg().map_or_else(|| "no known digest".to_owned(), |hash| hash.to_string());
            return Err(SignatureError::WeakDigest(name));
        }
        Some(_) => {}
    }
    let mut claimed = None;
    for key in &keyring.keys {
        let name = format!("{:X}", key.primary_key.fingerprint());
        if is_issuer(signature, &key.primary_key) {
            if signature.verify(&key.primary_key, data).is_ok() {
                return accept(key, name, signature, primary_problem(key, at), at);
            }
            claimed = Some(name.clone());
        }
        for subkey in key.public_subkeys.iter().filter(|subkey| is_issuer(signature, &subkey.key)) {
            if signature.verify(&subkey.key, data).is_ok() {
                return accept(key, name, signature, subkey_problem(key, subkey, at), at);
            }
            claimed = Some(name.clone());
        }
    }
    match claimed {
        Some(name) => Err(SignatureError::Wrong(name)),
        None => Err(SignatureError::UnknownKey(issuer(signature))),
    }
}

/// A signature that fits the data and a key: is it also to be believed?
fn accept(
    key: &SignedPublicKey,
    fingerprint: String,
    signature: &Signature,
    problem: Option<KeyProblem>,
    at: SystemTime,
) -> Result<SignedBy, SignatureError> {
    if let Some(problem) = problem {
        return Err(SignatureError::Key { fingerprint, problem });
    }
    let created = signature.created().map(SystemTime::from).ok_or(SignatureError::Kind)?;
    if created > at + TOLERANCE {
        return Err(SignatureError::Future(created));
    }
    let life = signature.signature_expiration_time().map(|life| Duration::from_secs(life.as_secs().into()));
    if let Some(life) = life.filter(|life| !life.is_zero() && created + *life <= at) {
        return Err(SignatureError::Expired(created + life));
    }
    let user = key.details.users.first().map(|user| String::from_utf8_lossy(user.id.id()).into_owned());
    Ok(SignedBy { fingerprint, user, created })
}

/// True if the signature names this key, or none.
fn is_issuer(signature: &Signature, key: &impl KeyDetails) -> bool {
    let (fingerprints, ids) = (signature.issuer_fingerprint(), signature.issuer_key_id());
    if fingerprints.is_empty() && ids.is_empty() {
        return true;
    }
    fingerprints.iter().any(|one| **one == key.fingerprint()) || ids.iter().any(|one| **one == key.legacy_key_id())
}

fn issuer(signature: &Signature) -> String {
    let fingerprints = signature.issuer_fingerprint().into_iter().map(|one| format!("{one:X}"));
    let ids = signature.issuer_key_id().into_iter().map(|one| one.to_string().to_uppercase());
    fingerprints.chain(ids).next().unwrap_or_else(|| "that it does not name".to_owned())
}

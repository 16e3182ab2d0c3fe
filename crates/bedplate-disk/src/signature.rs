//! The signature of a root hash: what is signed, and the partition that holds it.
//!
//! A key never comes here: [`RootHashSignature::digest`] goes out to whoever has it, and a PKCS#7 comes back.
//!
//! ```text
//! root hash as text ─SHA-256─▶ digest ─key─▶ PKCS#7, detached ─▶ JSON of the partition, zeros behind it
//! ```
//!
//! The kernel checks the PKCS#7 (`root_hash_sig_key_desc` of dm-verity), systemd reads it from the JSON, as the Discoverable Partitions
//! Specification has it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bedplate_diag::Category;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::RootHash;

/// A signed root hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootHashSignature {
    root: RootHash,
    /// SHA-256 of the certificate.
    fingerprint: [u8; 32],
    pkcs7: Vec<u8>,
}

/// Why a signature cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// Bytes that are no content of a signature partition.
    #[error("the signature partition is damaged: {0}")]
    Partition(String),
}

impl SignatureError {
    /// What kind of mistake it is.
    #[must_use]
    pub fn category(&self) -> Category {
        Category::Input
    }
}

/// The JSON of a signature partition, with its keys in systemd's order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    root_hash: String,
    certificate_fingerprint: String,
    signature: String,
}

impl RootHashSignature {
    /// What a key signs for a root hash: the SHA-256 of its text. An RSA key signs it by PKCS#1 v1.5.
    #[must_use]
    pub fn digest(root: &RootHash) -> [u8; 32] {
        Sha256::digest(root.to_string()).into()
    }

    /// A detached PKCS#7 (DER) over the text of a root hash, by the key of a certificate (X.509, DER).
    #[must_use]
    pub fn new(root: RootHash, certificate: &[u8], pkcs7: Vec<u8>) -> Self {
        Self { root, fingerprint: Sha256::digest(certificate).into(), pkcs7 }
    }

    /// The root hash.
    #[must_use]
    pub fn root(&self) -> &RootHash {
        &self.root
    }

    /// The SHA-256 of the certificate.
    #[must_use]
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// The detached PKCS#7, in DER: what the kernel takes.
    #[must_use]
    pub fn pkcs7(&self) -> &[u8] {
        &self.pkcs7
    }

    /// The content of the signature partition; what is left of the partition is zero.
    #[must_use]
    pub fn to_partition(&self) -> Vec<u8> {
        let json = Json {
            root_hash: self.root.to_string(),
            // It has the same form.
            certificate_fingerprint: RootHash::from_bytes(self.fingerprint).to_string(),
            signature: STANDARD.encode(&self.pkcs7),
        };
        serde_json::to_vec(&json).expect("three texts can be JSON")
    }

    /// Reads the content of a signature partition, with the zeros behind it or without. Nothing is verified.
    ///
    /// # Errors
    /// If it is not what [`Self::to_partition`] writes.
    pub fn from_partition(bytes: &[u8]) -> Result<Self, SignatureError> {
        let bad = |why: String| SignatureError::Partition(why);
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        if bytes[text.len()..].iter().any(|byte| *byte != 0) {
            return Err(bad("there is more than zeros behind its JSON".to_owned()));
        }
        let json: Json = serde_json::from_slice(text).map_err(|error| bad(error.to_string()))?;
        let root = json.root_hash.parse().map_err(|error| bad(format!("{error}")))?;
        let fingerprint: RootHash =
            json.certificate_fingerprint.parse().map_err(|_| bad("its fingerprint is no SHA-256".to_owned()))?;
        let pkcs7 = STANDARD.decode(&json.signature).map_err(|error| bad(format!("its signature: {error}")))?;
        Ok(Self { root, fingerprint: *fingerprint.bytes(), pkcs7 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_read_back() {
        let root = RootHash::from_bytes([0xAB; 32]);
        let signature = RootHashSignature::new(root, b"certificate", vec![1, 2, 3]);
        let mut bytes = signature.to_partition();
        let fingerprint = "03d66dd08835c1ca3f128cceacd1f31ac94163096b20f445ae84285bc0832d72";
        let expected =
            format!(r#"{{"rootHash":"{root}","certificateFingerprint":"{fingerprint}","signature":"AQID"}}"#);
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
        bytes.resize(4096, 0);
        assert_eq!(RootHashSignature::from_partition(&bytes), Ok(signature));
        bytes[4000] = 1;
        for (bytes, expected) in [
            (bytes, "there is more than zeros behind its JSON"),
            (vec![0; 10], "EOF while parsing a value at line 1 column 0"),
            (expected.replace("AQID", "AQ!D").into_bytes(), "its signature: Invalid symbol 33, offset 2."),
            (expected.replace(fingerprint, "00").into_bytes(), "its fingerprint is no SHA-256"),
        ] {
            let message = RootHashSignature::from_partition(&bytes).unwrap_err().to_string();
            assert_eq!(message, format!("the signature partition is damaged: {expected}"));
        }
    }
}

//! PKCS#7 (CMS, RFC 5652) around the bare signature of a key: detached, without signed attributes.

use bedplate_diag::Category;
use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo};
use x509_cert::Certificate;
use x509_cert::der::asn1::{Any, Null, ObjectIdentifier, OctetString, SetOfVec};
use x509_cert::der::oid::db::rfc5911::{ID_DATA, ID_SIGNED_DATA};
use x509_cert::der::oid::db::rfc5912::{
    ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_512, ID_EC_PUBLIC_KEY, ID_SHA_256, ID_SHA_512, RSA_ENCRYPTION,
};
use x509_cert::der::{self, Decode as _, Encode as _};
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::MessageDigest;

/// Whether the certificate is in the PKCS#7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enclosed {
    /// It is: whoever verifies need not have it, only trust it.
    Certificate,
    /// It is not: its issuer and serial number name it.
    Nothing,
}

/// Why there is no PKCS#7.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs7Error {
    /// Bytes that are no certificate.
    #[error("the certificate cannot be read ({0}): X.509 in DER is expected")]
    Certificate(String),
    /// A key that the kernel does not check signatures of.
    #[error("the certificate is of a key of type {0}: RSA and ECDSA are known")]
    Key(String),
}

impl Pkcs7Error {
    /// What kind of mistake it is.
    #[must_use]
    pub fn category(&self) -> Category {
        Category::Input
    }
}

/// Puts the bare signature of a key over a digest together with the certificate (X.509, DER) of the key. An ECDSA signature is a DER sequence
/// of two numbers.
///
/// The bytes are those of `openssl cms -sign -binary -noattr`, of certificates that are left out with `-nocerts`.
///
/// # Errors
/// If the certificate cannot be read, or is of another kind of key.
pub fn detached_pkcs7(
    certificate: &[u8],
    digest: &MessageDigest,
    signature: &[u8],
    enclosed: Enclosed,
) -> Result<Vec<u8>, Pkcs7Error> {
    let certificate = Certificate::from_der(certificate).map_err(|error| Pkcs7Error::Certificate(error.to_string()))?;
    let facts = &certificate.tbs_certificate;
    let (hash, ecdsa) = match digest {
        MessageDigest::Sha256(_) => (ID_SHA_256, ECDSA_WITH_SHA_256),
        MessageDigest::Sha512(_) => (ID_SHA_512, ECDSA_WITH_SHA_512),
    };
    let key = facts.subject_public_key_info.algorithm.oid;
    let signature_algorithm = match key {
        RSA_ENCRYPTION => AlgorithmIdentifierOwned { oid: RSA_ENCRYPTION, parameters: Some(Null.into()) },
        ID_EC_PUBLIC_KEY => algorithm(ecdsa),
        other => return Err(Pkcs7Error::Key(other.to_string())),
    };
    let issuer = IssuerAndSerialNumber { issuer: facts.issuer.clone(), serial_number: facts.serial_number.clone() };
    let build = || -> der::Result<Vec<u8>> {
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(issuer),
            digest_alg: algorithm(hash),
            signed_attrs: None,
            signature_algorithm,
            signature: OctetString::new(signature)?,
            unsigned_attrs: None,
        };
        let certificates = match enclosed {
            Enclosed::Certificate => {
                Some(SetOfVec::try_from(vec![CertificateChoices::Certificate(certificate.clone())])?.into())
            }
            Enclosed::Nothing => None,
        };
        let signed = SignedData {
            version: CmsVersion::V1,
            digest_algorithms: SetOfVec::try_from(vec![algorithm(hash)])?,
            encap_content_info: EncapsulatedContentInfo { econtent_type: ID_DATA, econtent: None },
            certificates,
            crls: None,
            signer_infos: SetOfVec::try_from(vec![signer])?.into(),
        };
        ContentInfo { content_type: ID_SIGNED_DATA, content: Any::encode_from(&signed)? }.to_der()
    };
    build().map_err(|error| Pkcs7Error::Certificate(error.to_string()))
}

/// An algorithm without parameters, as RFC 5754 wants those of SHA-2.
fn algorithm(oid: ObjectIdentifier) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid, parameters: None }
}

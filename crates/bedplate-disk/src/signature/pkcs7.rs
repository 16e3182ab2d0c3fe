//! PKCS#7 (CMS, RFC 5652) around a signature that was made elsewhere: detached, without signed attributes, with the certificate.

use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{Any, Null, ObjectIdentifier, OctetString, SetOfVec};
use der::oid::db::rfc5911::{ID_DATA, ID_SIGNED_DATA};
use der::oid::db::rfc5912::{ECDSA_WITH_SHA_256, ID_EC_PUBLIC_KEY, ID_SHA_256, RSA_ENCRYPTION};
use der::{Decode as _, Encode as _};
use x509_cert::Certificate;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::SignatureError;

pub(super) fn detached(certificate: &[u8], signature: &[u8]) -> Result<Vec<u8>, SignatureError> {
    let certificate =
        Certificate::from_der(certificate).map_err(|error| SignatureError::Certificate(error.to_string()))?;
    let facts = &certificate.tbs_certificate;
    let key = facts.subject_public_key_info.algorithm.oid;
    let signature_algorithm = match key {
        RSA_ENCRYPTION => algorithm(RSA_ENCRYPTION),
        ID_EC_PUBLIC_KEY => AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA_256, parameters: None },
        other => return Err(SignatureError::Key(other.to_string())),
    };
    let issuer = IssuerAndSerialNumber { issuer: facts.issuer.clone(), serial_number: facts.serial_number.clone() };
    let build = || -> der::Result<Vec<u8>> {
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(issuer),
            digest_alg: algorithm(ID_SHA_256),
            signed_attrs: None,
            signature_algorithm,
            signature: OctetString::new(signature)?,
            unsigned_attrs: None,
        };
        let signed = SignedData {
            version: CmsVersion::V1,
            digest_algorithms: SetOfVec::try_from(vec![algorithm(ID_SHA_256)])?,
            encap_content_info: EncapsulatedContentInfo { econtent_type: ID_DATA, econtent: None },
            certificates: Some(SetOfVec::try_from(vec![CertificateChoices::Certificate(certificate.clone())])?.into()),
            crls: None,
            signer_infos: SetOfVec::try_from(vec![signer])?.into(),
        };
        ContentInfo { content_type: ID_SIGNED_DATA, content: Any::encode_from(&signed)? }.to_der()
    };
    build().map_err(|error| SignatureError::Certificate(error.to_string()))
}

/// An algorithm whose parameters are NULL.
fn algorithm(oid: ObjectIdentifier) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid, parameters: Some(Null.into()) }
}

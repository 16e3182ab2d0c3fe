//! The certificate that a key gives itself: a function of key and name alone.

use std::str::FromStr;
use std::time::Duration;

use rsa::pkcs8::EncodePublicKey;
use rsa::sha2::{Digest as _, Sha256, Sha512};
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use x509_cert::certificate::{CertificateInner, TbsCertificate, Version};
use x509_cert::der::asn1::{BitString, Null, OctetString, UtcTime};
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::oid::db::rfc5912::SHA_512_WITH_RSA_ENCRYPTION;
use x509_cert::der::{self, Decode as _, Encode};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, KeyUsage, KeyUsages, SubjectKeyIdentifier};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};

use crate::SignError;

/// 2020-01-01, in seconds since 1970: a fixed moment, as no clock is asked.
const NOT_BEFORE: u64 = 1_577_836_800;
/// Bytes of a serial number: at most 20.
const SERIAL: usize = 16;
/// Bytes of the name of a key (RFC 7093).
const KEY_IDENTIFIER: usize = 20;

/// A certificate (X.509, DER) of a key for signatures, by itself and without an end. The same key and name give the same bytes.
pub(crate) fn certificate(key: &RsaPrivateKey, common_name: &str) -> Result<Vec<u8>, SignError> {
    let public = key.to_public_key().to_public_key_der().map_err(SignError::key)?;
    let unsigned = body(public.as_bytes(), common_name).map_err(SignError::key)?;
    let bytes = unsigned.to_der().map_err(SignError::key)?;
    let digest = Sha512::digest(&bytes);
    let signed = key.sign_with_rng(&mut rand::rngs::OsRng, Pkcs1v15Sign::new::<Sha512>(), &digest);
    let signature = BitString::from_bytes(&signed.map_err(SignError::key)?).map_err(SignError::key)?;
    let signature_algorithm = unsigned.signature.clone();
    let whole: CertificateInner = CertificateInner { tbs_certificate: unsigned, signature_algorithm, signature };
    whole.to_der().map_err(SignError::key)
}

fn body(public: &[u8], common_name: &str) -> der::Result<TbsCertificate> {
    let key = SubjectPublicKeyInfoOwned::from_der(public)?;
    let mut serial = Sha256::digest(public)[..SERIAL].to_vec();
    // Positive, and with no byte that could be left out.
    serial[0] = serial[0] & 0x7F | 0x40;
    let name = Name::from_str(&format!("CN={common_name}"))?;
    let identifier = OctetString::new(&Sha256::digest(key.subject_public_key.raw_bytes())[..KEY_IDENTIFIER])?;
    let extensions = vec![
        extension(true, &BasicConstraints { ca: false, path_len_constraint: None })?,
        extension(true, &KeyUsage(KeyUsages::DigitalSignature.into()))?,
        extension(false, &SubjectKeyIdentifier(identifier.clone()))?,
        extension(false, &AuthorityKeyIdentifier { key_identifier: Some(identifier), ..Default::default() })?,
    ];
    Ok(TbsCertificate {
        version: Version::V3,
        serial_number: SerialNumber::new(&serial)?,
        signature: AlgorithmIdentifierOwned { oid: SHA_512_WITH_RSA_ENCRYPTION, parameters: Some(Null.into()) },
        issuer: name.clone(),
        validity: Validity {
            not_before: Time::UtcTime(UtcTime::from_unix_duration(Duration::from_secs(NOT_BEFORE))?),
            not_after: Time::INFINITY,
        },
        subject: name,
        subject_public_key_info: key,
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(extensions),
    })
}

fn extension<T: Encode + AssociatedOid>(critical: bool, value: &T) -> der::Result<Extension> {
    Ok(Extension { extn_id: T::OID, critical, extn_value: OctetString::new(value.to_der()?)? })
}

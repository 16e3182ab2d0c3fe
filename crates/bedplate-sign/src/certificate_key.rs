//! Keys with X.509 certificates: they sign what firmware and kernel check.
//!
//! What goes around the bare signature is made of it by `detached_pkcs7`.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bedplate_diag::Category;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, LineEnding};
use rsa::sha2::{Sha256, Sha512};
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey};
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, DecodePem as _, Encode as _};

use crate::{MessageDigest, SignError, secret_file, self_signed};

/// A file of a key or certificate is some thousand bytes.
const MAX_FILE: u64 = 1 << 20;
/// What is looked for in files of certificates.
const CERTIFICATE: &str = "certificate";
/// Size of new keys.
const NEW_RSA_BITS: usize = 3072;
/// Shorter keys can be broken.
const LEAST_RSA_BYTES: usize = 2048 / 8;

/// A key that has a certificate, wherever its secret half is: in a file, in a hardware token, behind a service.
///
/// It sees digests and never what is signed.
pub trait CertificateSigner: Sync + fmt::Debug {
    /// The certificate (X.509), in DER.
    fn certificate(&self) -> &[u8];

    /// Signs a digest: with RSA by PKCS #1 version 1.5; with ECDSA the answer is a DER sequence of two numbers. The same digest must give
    /// the same answer.
    ///
    /// # Errors
    /// The key cannot be used.
    fn sign_digest(&self, digest: &MessageDigest) -> Result<Vec<u8>, SignError>;
}

/// Why there is no key with a certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateKeyError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file can be read by others.
    #[error("{}: others may read the secret key (mode {mode:o})", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is a passphrase.
    #[error("{}: the key is locked with a passphrase", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing of this kind in the file.
    #[error("{}: there is no {what} in it, as PEM", path.display())]
    Absent {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// It cannot be read.
    #[error("{}: the {what} in it cannot be read: {why}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A kind of key that is not known here.
    #[error("{}: the key is neither RSA of 2048 bits or more nor ECDSA on P-256 or P-384", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
    },
    /// A certificate that does not allow what it is to be used for.
    #[error("{}: the certificate cannot be used to sign kernel modules: {why}", path.display())]
    Purpose {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        why: &'static str,
    },
    /// A new key cannot be made.
    #[error("{}: no key can be made: {why}", path.display())]
    New {
        /// The file that it should have been in.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The certificate is of another key.
    #[error("{} is not the certificate of the key in {}", certificate.display(), key.display())]
    Other {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
}

impl CertificateKeyError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    /// Who can mend it.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Io { source, .. } if source.kind() != io::ErrorKind::NotFound => Category::Environment,
            Self::New { .. } => Category::Environment,
            _ => Category::Input,
        }
    }

    /// One sentence that says what to do, where that is not plain.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Mode { .. } => "make the file yours alone: `chmod 600 FILE`",
            Self::Locked { .. } => {
                "`openssl pkey -in KEY -out FILE` writes it without one, for a file that only you can read"
            }
            Self::Absent { .. } | Self::Kind { .. } => {
                "`openssl req -x509 -newkey rsa:4096 -nodes -keyout KEY -out CERTIFICATE` makes both"
            }
            Self::Purpose { .. } => "a certificate of an RSA key with the key usage `digitalSignature` is needed",
            _ => return None,
        })
    }
}

enum Secret {
    Rsa(Box<RsaPrivateKey>),
    P256(p256::SecretKey),
    P384(p384::SecretKey),
}

/// A secret key and its certificate that were read from files.
pub struct CertificateKey {
    secret: Secret,
    certificate: Vec<u8>,
    path: PathBuf,
}

impl fmt::Debug for CertificateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing of the secret half.
        f.debug_struct("CertificateKey").field("path", &self.path).finish_non_exhaustive()
    }
}

impl CertificateKey {
    /// Reads a secret key (PEM: PKCS #8, PKCS #1 or SEC 1, without a passphrase) and its certificate (PEM).
    ///
    /// # Errors
    /// A file is not there or has something else, others may read the key, or the two do not belong together.
    pub fn load(key: &Path, certificate: &Path) -> Result<Self, CertificateKeyError> {
        let secret = secret_of(&read(key, Access::Private)?, key)?;
        let der = certificate_of(certificate)?;
        let broken = |error: x509_cert::der::Error| CertificateKeyError::Broken {
            path: certificate.to_owned(),
            what: CERTIFICATE,
            why: error.to_string(),
        };
        let parsed = Certificate::from_der(&der).map_err(broken)?;
        let public = parsed.tbs_certificate.subject_public_key_info.to_der().map_err(broken)?;
        let is_same = match &secret {
            Secret::Rsa(key) => RsaPublicKey::from_public_key_der(&public).ok() == Some(key.to_public_key()),
            Secret::P256(key) => p256::PublicKey::from_public_key_der(&public).ok() == Some(key.public_key()),
            Secret::P384(key) => p384::PublicKey::from_public_key_der(&public).ok() == Some(key.public_key()),
        };
        if !is_same {
            return Err(CertificateKeyError::Other { key: key.to_owned(), certificate: certificate.to_owned() });
        }
        Ok(Self { secret, certificate: der, path: key.to_owned() })
    }

    /// Reads an RSA key (PEM) whose certificate follows from it and a name: by itself, for signatures, without an end. If there is no such file,
    /// a key of 3072 bits is made and written, with mode 0600. Of several processes at once, one makes it for all.
    ///
    /// # Errors
    /// Others may read the key, it is none of RSA, or it cannot be written.
    pub fn load_or_create_self_signed(path: &Path, common_name: &str) -> Result<Self, CertificateKeyError> {
        let text = match read(path, Access::Private) {
            Err(CertificateKeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let new =
                    |why: &dyn fmt::Display| CertificateKeyError::New { path: path.to_owned(), why: why.to_string() };
                let key = RsaPrivateKey::new(&mut rand::rngs::OsRng, NEW_RSA_BITS).map_err(|error| new(&error))?;
                let text = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| new(&error))?;
                match secret_file::create(path, text.as_bytes()) {
                    Ok(()) => {}
                    Err((_, error)) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err((path, source)) => return Err(CertificateKeyError::Io { path, source }),
                }
                read(path, Access::Private)?
            }
            other => other?,
        };
        let secret = secret_of(&text, path)?;
        let Secret::Rsa(key) = &secret else {
            return Err(CertificateKeyError::Purpose { path: path.to_owned(), why: "its key is not of RSA" });
        };
        let certificate = self_signed::certificate(key, common_name)
            .map_err(|error| CertificateKeyError::New { path: path.to_owned(), why: error.to_string() })?;
        Ok(Self { secret, certificate, path: path.to_owned() })
    }

    /// Where the key is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The first certificate of a file with PEM, as DER.
pub(crate) fn certificate_of(path: &Path) -> Result<Vec<u8>, CertificateKeyError> {
    let text = read(path, Access::Public)?;
    let (_, block) = block(&text, |label| label == "CERTIFICATE")
        .ok_or_else(|| CertificateKeyError::Absent { path: path.to_owned(), what: CERTIFICATE })?;
    let parsed = Certificate::from_pem(block).and_then(|parsed| parsed.to_der());
    parsed.map_err(|error| CertificateKeyError::Broken {
        path: path.to_owned(),
        what: CERTIFICATE,
        why: error.to_string(),
    })
}

impl CertificateSigner for CertificateKey {
    fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    fn sign_digest(&self, digest: &MessageDigest) -> Result<Vec<u8>, SignError> {
        match &self.secret {
            Secret::Rsa(key) => {
                let padding = match digest {
                    MessageDigest::Sha256(_) => Pkcs1v15Sign::new::<Sha256>(),
                    MessageDigest::Sha512(_) => Pkcs1v15Sign::new::<Sha512>(),
                };
                // The random number hides how long it takes; the signature does not depend on it.
                key.sign_with_rng(&mut rand::rngs::OsRng, padding, digest.bytes()).map_err(SignError::key)
            }
            Secret::P256(key) => {
                let signed: p256::ecdsa::Signature =
                    p256::ecdsa::SigningKey::from(key).sign_prehash(digest.bytes()).map_err(SignError::key)?;
                Ok(signed.to_der().as_bytes().to_vec())
            }
            Secret::P384(key) => {
                let signed: p384::ecdsa::Signature =
                    p384::ecdsa::SigningKey::from(key).sign_prehash(digest.bytes()).map_err(SignError::key)?;
                Ok(signed.to_der().as_bytes().to_vec())
            }
        }
    }
}

#[derive(PartialEq)]
enum Access {
    Private,
    Public,
}

fn read(path: &Path, access: Access) -> Result<String, CertificateKeyError> {
    let io = || CertificateKeyError::io(path);
    let file = File::open(path).map_err(io())?;
    let mode = file.metadata().map_err(io())?.permissions().mode() & 0o7777;
    if access == Access::Private && mode & 0o077 != 0 {
        return Err(CertificateKeyError::Mode { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(io())?;
    // What is no text has no PEM either.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The first block of a PEM text whose label is wanted, with its label. There may be others, and text, around it.
fn block(text: &str, is_wanted: impl Fn(&str) -> bool) -> Option<(&str, &str)> {
    let mut rest = text;
    while let Some(start) = rest.find("-----BEGIN ") {
        rest = &rest[start..];
        let label = rest["-----BEGIN ".len()..].split_once("-----")?.0;
        let end = format!("-----END {label}-----");
        let end = rest.find(&end)? + end.len();
        if is_wanted(label) {
            return Some((label, &rest[..end]));
        }
        rest = &rest[end..];
    }
    None
}

fn secret_of(text: &str, path: &Path) -> Result<Secret, CertificateKeyError> {
    let what = "secret key";
    let (label, pem) = block(text, |label| label.ends_with("PRIVATE KEY"))
        .ok_or_else(|| CertificateKeyError::Absent { path: path.to_owned(), what })?;
    if label.contains("ENCRYPTED") || pem.contains("ENCRYPTED") {
        return Err(CertificateKeyError::Locked { path: path.to_owned() });
    }
    let unknown = || CertificateKeyError::Kind { path: path.to_owned() };
    let curve = |p256: Option<p256::SecretKey>, p384: Option<p384::SecretKey>| {
        p256.map(Secret::P256).or(p384.map(Secret::P384)).ok_or_else(unknown)
    };
    let secret = match label {
        "PRIVATE KEY" => match RsaPrivateKey::from_pkcs8_pem(pem) {
            Ok(key) => Secret::Rsa(Box::new(key)),
            Err(_) => curve(p256::SecretKey::from_pkcs8_pem(pem).ok(), p384::SecretKey::from_pkcs8_pem(pem).ok())?,
        },
        "RSA PRIVATE KEY" => {
            let broken = |error: rsa::pkcs1::Error| CertificateKeyError::Broken {
                path: path.to_owned(),
                what,
                why: error.to_string(),
            };
            Secret::Rsa(Box::new(RsaPrivateKey::from_pkcs1_pem(pem).map_err(broken)?))
        }
        "EC PRIVATE KEY" => curve(p256::SecretKey::from_sec1_pem(pem).ok(), p384::SecretKey::from_sec1_pem(pem).ok())?,
        _ => return Err(unknown()),
    };
    match &secret {
        Secret::Rsa(key) if key.size() < LEAST_RSA_BYTES => Err(unknown()),
        _ => Ok(secret),
    }
}

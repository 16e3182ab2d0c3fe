//! Signatures of kernel modules: what the kernel's `scripts/sign-file` appends to a module.
//!
//! ```text
//! module │ PKCS#7: detached, SHA-512, no certificate, no attributes │ struct module_signature │ magic text
//! ```

use std::fmt::Write as _;
use std::path::Path;

use rsa::sha2::{Digest as _, Sha256};
use x509_cert::Certificate;
use x509_cert::der::oid::db::rfc5912::RSA_ENCRYPTION;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{Decode as _, EncodePem as _};
use x509_cert::ext::pkix::KeyUsage;

use crate::certificate_key::certificate_of;
use crate::pkcs7::{Enclosed, detached_pkcs7};
use crate::{CertificateKey, CertificateKeyError, CertificateSigner, MessageDigest, SignError};

/// What a signed module ends with.
const MAGIC: &[u8] = b"~Module signature appended~\n";
/// `PKEY_ID_PKCS7`, the only kind of signature that kernels take.
const KIND: u8 = 2;

/// A certificate that a kernel may trust modules by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleCertificate {
    der: Vec<u8>,
    pem: String,
}

impl ModuleCertificate {
    /// Reads a certificate (PEM) whose key signs by RSA. What else is in the file, a secret key perhaps, is passed over.
    ///
    /// # Errors
    /// There is no such file, no certificate in it, or one of a key that cannot sign modules.
    pub fn load(path: &Path) -> Result<Self, CertificateKeyError> {
        Self::new(&certificate_of(path)?, path)
    }

    fn new(der: &[u8], path: &Path) -> Result<Self, CertificateKeyError> {
        let broken = |error: x509_cert::der::Error| CertificateKeyError::Broken {
            path: path.to_owned(),
            what: "certificate",
            why: error.to_string(),
        };
        let certificate = Certificate::from_der(der).map_err(broken)?;
        let purpose = |why| CertificateKeyError::Purpose { path: path.to_owned(), why };
        let facts = &certificate.tbs_certificate;
        if facts.subject_public_key_info.algorithm.oid != RSA_ENCRYPTION {
            return Err(purpose("its key is not of RSA"));
        }
        // A certificate that does not say what for is good for everything.
        if facts.get::<KeyUsage>().map_err(broken)?.is_some_and(|(_, usage)| !usage.digital_signature()) {
            return Err(purpose("its key usage leaves out digital signatures"));
        }
        Ok(Self { der: der.to_owned(), pem: certificate.to_pem(LineEnding::LF).map_err(broken)? })
    }

    /// The certificate as PEM, and nothing else: the same for all files that have it.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The SHA-256 of the certificate, in hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        Sha256::digest(&self.der).iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// A key that signs modules, with its certificate.
#[derive(Debug)]
pub struct ModuleSigner {
    signer: Box<dyn CertificateSigner + Send>,
    certificate: ModuleCertificate,
}

impl ModuleSigner {
    /// Takes a key from a file.
    ///
    /// # Errors
    /// Its certificate does not allow it.
    pub fn new(key: CertificateKey) -> Result<Self, CertificateKeyError> {
        let certificate = ModuleCertificate::new(key.certificate(), key.path())?;
        Ok(Self { signer: Box::new(key), certificate })
    }

    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &ModuleCertificate {
        &self.certificate
    }

    /// The bytes to append to a module with this digest ([`MessageDigest::sha512_of`]). RSA signatures follow from key and digest, so that the
    /// same module gets the same bytes.
    ///
    /// # Errors
    /// The key cannot be used.
    pub fn signature(&self, digest: &MessageDigest) -> Result<Vec<u8>, SignError> {
        let bare = self.signer.sign_digest(digest)?;
        let certificate = self.signer.certificate();
        let mut bytes = detached_pkcs7(certificate, digest, &bare, Enclosed::Nothing).map_err(SignError::key)?;
        let length = u32::try_from(bytes.len()).map_err(SignError::key)?;
        // Algorithm, hash, kind, lengths of the signer's name and of the key's, three bytes of nothing: only the kind is used with PKCS#7.
        bytes.extend([0, 0, KIND, 0, 0, 0, 0, 0]);
        bytes.extend(length.to_be_bytes());
        bytes.extend(MAGIC);
        Ok(bytes)
    }
}

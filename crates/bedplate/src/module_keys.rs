//! The certificate that specs take as the input `module-certificate`, and the key that signs kernel modules with it.

use std::path::Path;

use bedplate_sign::{CertificateKey, CertificateKeyError, ModuleCertificate, ModuleSigner};

use crate::cli::{ModuleCertificateArgs, ModuleKeyArgs};
use crate::commands::key::data_file;
use crate::outcome::Failure;

/// Name in the certificate of a key that nobody named an owner for. It is public, and says nothing of the machine.
const DEVELOPER: &str = "Bedplate developer key for kernel modules";
/// The file of that key.
const FILE: &str = "module-signing-key.pem";

/// A certificate, and the key of it if the run has it.
#[derive(Debug)]
pub(crate) struct ModuleKeys {
    certificate: ModuleCertificate,
    signer: Option<ModuleSigner>,
}

impl ModuleKeys {
    /// Reads what a run was given, if it was given anything.
    pub(crate) fn given(args: &ModuleKeyArgs) -> Result<Option<Self>, Failure> {
        let Some(certificate) = &args.certificate.module_certificate else { return Ok(None) };
        let Some(key) = &args.module_key else { return Self::of_certificate(&args.certificate) };
        Ok(Some(Self::with_key(CertificateKey::load(key, certificate)?)?))
    }

    /// The same where nothing is signed.
    pub(crate) fn of_certificate(args: &ModuleCertificateArgs) -> Result<Option<Self>, Failure> {
        let Some(certificate) = &args.module_certificate else { return Ok(None) };
        Ok(Some(Self { certificate: ModuleCertificate::load(certificate)?, signer: None }))
    }

    /// The developer's own; they are made if there are none.
    pub(crate) fn developers() -> Result<Self, Failure> {
        let path = data_file(FILE, "`--module-certificate FILE` and `--module-key FILE`")?;
        Self::with_key(CertificateKey::load_or_create_self_signed(&path, DEVELOPER)?)
    }

    /// True if the developer has such a key already.
    pub(crate) fn has_developers() -> bool {
        data_file(FILE, "").is_ok_and(|path| Path::new(&path).is_file())
    }

    fn with_key(key: CertificateKey) -> Result<Self, Failure> {
        let signer = ModuleSigner::new(key)?;
        Ok(Self { certificate: signer.certificate().clone(), signer: Some(signer) })
    }

    pub(crate) fn certificate(&self) -> &ModuleCertificate {
        &self.certificate
    }

    pub(crate) fn signer(&self) -> Option<&ModuleSigner> {
        self.signer.as_ref()
    }
}

impl From<CertificateKeyError> for Failure {
    fn from(error: CertificateKeyError) -> Self {
        Self { category: error.category(), message: error.to_string(), hint: error.hint().map(str::to_owned) }
    }
}

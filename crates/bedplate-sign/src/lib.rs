//! Signatures: OpenPGP and PKCS#7, which no other crate has.
//!
//! ```text
//! files of keys ──Keyring::add──▶ Keyring ──┐
//! data, detached signature ─────────────────┴─verify_detached──▶ SignedBy, or why not
//!
//! data, time ──sign, sign_detached──▶ signature
//!                    │ digest  ▲ raw signature
//!                    ▼         │
//!                      Signer: FileKey, later tokens and services
//!
//! digest ──CertificateSigner: CertificateKey, later tokens and services──▶ bare signature ──▶ PKCS#7 ──▶ end of a kernel module
//! ```
//!
//! Whoever is in a keyring is trusted; there is no web of trust. The time is an input, and signatures are deterministic: the
//! same key, data and time give the same bytes.

mod certificate;
mod certificate_key;
mod file_key;
mod kernel_module;
mod keyring;
mod message_digest;
mod moment;
mod pkcs7;
mod public_key;
mod secret_file;
mod self_signed;
mod sign;
mod verify;

pub use certificate_key::{CertificateKey, CertificateKeyError, CertificateSigner};
pub use file_key::{FileKey, KeyError};
pub use kernel_module::{ModuleCertificate, ModuleSigner};
pub use keyring::{Keyring, KeyringError};
pub use message_digest::MessageDigest;
pub use pkcs7::{Enclosed, Pkcs7Error, detached_pkcs7};
pub use public_key::PublicKey;
pub use sign::{SignError, Signer, sign, sign_detached};
pub use verify::{KeyProblem, SignatureError, SignedBy, verify_detached};

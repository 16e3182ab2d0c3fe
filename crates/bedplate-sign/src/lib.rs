//! Signatures: OpenPGP, which no other crate has, and bare ones of keys with X.509 certificates.
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
//! digest ──CertificateSigner: CertificateKey, later tokens and services──▶ bare signature
//! ```
//!
//! Whoever is in a keyring is trusted; there is no web of trust. The time is an input, and signatures are deterministic: the
//! same key, data and time give the same bytes.

mod certificate;
mod certificate_key;
mod file_key;
mod keyring;
mod moment;
mod public_key;
mod sign;
mod verify;

pub use certificate_key::{CertificateKey, CertificateKeyError, CertificateSigner};
pub use file_key::{FileKey, KeyError};
pub use keyring::{Keyring, KeyringError};
pub use public_key::PublicKey;
pub use sign::{SignError, Signer, sign, sign_detached};
pub use verify::{KeyProblem, SignatureError, SignedBy, verify_detached};

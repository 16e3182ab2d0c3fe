//! OpenPGP signatures: the only crate with OpenPGP in it.
//!
//! ```text
//! files of keys ──Keyring::add──▶ Keyring ──┐
//! data, detached signature ─────────────────┴─verify_detached──▶ Signer, or why not
//! ```
//!
//! Whoever is in a keyring is trusted; there is no web of trust. The time is an input.

mod certificate;
mod keyring;
mod moment;
mod verify;

pub use keyring::{Keyring, KeyringError};
pub use verify::{KeyProblem, SignatureError, Signer, verify_detached};

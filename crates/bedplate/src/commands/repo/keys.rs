//! Keys that repositories have to be signed with.

use std::error::Error;
use std::time::SystemTime;

use bedplate_repo::VerifySignature;
use bedplate_sign::{Keyring, verify_detached};

use crate::outcome::Failure;

/// Keys of the command line, and the moment at which signatures are judged.
pub(super) struct Keys {
    keyring: Keyring,
    now: SystemTime,
}

impl Keys {
    /// Reads key files; nothing if there is none.
    pub(super) fn read(paths: &[String]) -> Result<Option<Self>, Failure> {
        let mut keyring = Keyring::new();
        for path in paths {
            let bytes = std::fs::read(path).map_err(|error| Failure::io("cannot read", path, &error))?;
            keyring.add(&bytes).map_err(|error| {
                Failure::input(format!("{path}: {error}")).hint("`gpg --export --armor NAME` writes a public key")
            })?;
        }
        Ok((!keyring.is_empty()).then(|| Self { keyring, now: SystemTime::now() }))
    }

    /// The same for the library.
    pub(super) fn verifier(keys: Option<&Self>) -> Option<&dyn VerifySignature> {
        keys.map(|keys| keys as &dyn VerifySignature)
    }
}

impl VerifySignature for Keys {
    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), Box<dyn Error + Send + Sync>> {
        verify_detached(&self.keyring, data, signature, self.now)?;
        Ok(())
    }
}

//! Keys that repositories have to be signed with.

use std::error::Error;
use std::path::Path;
use std::time::SystemTime;

use bedplate_repo::VerifySignature;
use bedplate_sign::{Keyring, verify_detached};

use crate::outcome::Failure;

/// Keys of the command line, and the moment at which signatures are judged.
pub(crate) struct Keys {
    keyring: Keyring,
    now: SystemTime,
}

impl Keys {
    /// Reads key files; nothing if there is none.
    pub(crate) fn read(paths: &[String]) -> Result<Option<Self>, Failure> {
        let keys = Self::of_files(paths)?;
        Ok((!keys.keyring.is_empty()).then_some(keys))
    }

    /// Reads key files. Nothing is signed by no key.
    pub(crate) fn of_files(paths: &[impl AsRef<Path>]) -> Result<Self, Failure> {
        let mut keyring = Keyring::new();
        for path in paths {
            let path = path.as_ref();
            let name = path.display().to_string();
            let bytes = std::fs::read(path).map_err(|error| Failure::io("cannot read", &name, &error))?;
            keyring.add(&bytes).map_err(|error| {
                Failure::input(format!("{name}: {error}")).hint("`gpg --export --armor NAME` writes a public key")
            })?;
        }
        Ok(Self { keyring, now: SystemTime::now() })
    }

    /// The same for the library.
    pub(crate) fn verifier(keys: Option<&Self>) -> Option<&dyn VerifySignature> {
        keys.map(|keys| keys as &dyn VerifySignature)
    }
}

impl VerifySignature for Keys {
    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), Box<dyn Error + Send + Sync>> {
        verify_detached(&self.keyring, data, signature, self.now)?;
        Ok(())
    }
}

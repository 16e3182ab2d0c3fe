//! A secret key in a file: what a developer signs with.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bedplate_diag::Category;
use pgp::composed::{ArmorOptions, Deserializable, KeyType, SignedKeyDetails, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, PubKeyInner, SecretKey, SignatureConfig, SignatureType, Subpacket, SubpacketData, UserId};
use pgp::types::{KeyDetails, KeyVersion, Password, SignatureBytes, SignedUser, SigningKey, Tag};

use crate::public_key::timestamp;
use crate::{PublicKey, SignError, Signer, moment, secret_file};

/// A file of a key is some hundred bytes; one of RSA with many names some thousand.
const MAX_FILE: u64 = 1 << 20;

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file can be read by others.
    #[error("{path}: others may read the secret key (mode {mode:o})")]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The bytes are no key.
    #[error("not an OpenPGP key: {0}")]
    Broken(String),
    /// No part of it may sign, or by another algorithm.
    #[error("no part of the key signs by Ed25519 or RSA in the way of version 4")]
    Algorithm,
    /// There is a passphrase.
    #[error("the key is locked with a passphrase")]
    Locked,
    /// A moment that OpenPGP cannot write down.
    #[error("{} is no time of OpenPGP: it has 1970 to 2106", moment::shown(*.0))]
    Time(SystemTime),
    /// A name that cannot be one.
    #[error("`{0}` is no name for a key: one line of text is wanted, `NAME <ADDRESS>`")]
    User(String),
}

impl KeyError {
    pub(crate) fn broken(error: impl fmt::Display) -> Self {
        Self::Broken(error.to_string())
    }

    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    /// Who can mend it.
    pub fn category(&self) -> Category {
        match self {
            Self::Io { source, .. } if source.kind() != io::ErrorKind::NotFound => Category::Environment,
            _ => Category::Input,
        }
    }

    /// One sentence that says what to do, where that is not plain.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => "`bedplate key create` makes a key",
            Self::Mode { .. } => "make the file yours alone: `chmod 600 FILE`",
            Self::Broken(_) => "`gpg --export-secret-keys --armor NAME` writes a secret key",
            Self::Algorithm => "make one with `bedplate key create`, or with gpg as `ed25519` or `rsa4096`",
            Self::Locked => "export it without a passphrase, into a file that only you can read",
            _ => return None,
        })
    }
}

/// A secret key that was read from a file.
pub struct FileKey {
    secret: SignedSecretKey,
    /// The secret subkey that signs; none if the primary key does.
    subkey: Option<usize>,
    public: PublicKey,
    path: PathBuf,
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing of the secret half.
        f.debug_struct("FileKey").field("path", &self.path).field("fingerprint", &self.public.fingerprint()).finish()
    }
}

impl FileKey {
    /// Reads a secret key, armored or not, without a passphrase.
    ///
    /// # Errors
    /// There is no such file, others may read it, or it holds no key that can sign.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let file = File::open(path).map_err(KeyError::io(path))?;
        let mode = file.metadata().map_err(KeyError::io(path))?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Mode { path: path.to_owned(), mode });
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut bytes).map_err(KeyError::io(path))?;
        let (secret, _) = SignedSecretKey::from_reader_single(&bytes[..]).map_err(KeyError::broken)?;
        Self::new(secret, path)
    }

    /// Makes a new key: Ed25519, without a passphrase and without an end, whose owner is `user` and whose time is `now`. The
    /// file is there as a whole or not at all, with mode 0600.
    ///
    /// # Errors
    /// There is a file already, or it cannot be written.
    pub fn create(path: &Path, user: &str, now: SystemTime) -> Result<Self, KeyError> {
        let secret = new_key(user, now)?;
        let text = secret.to_armored_string(ArmorOptions::default()).map_err(KeyError::broken)?;
        secret_file::create(path, text.as_bytes()).map_err(|(path, source)| KeyError::Io { path, source })?;
        Self::new(secret, path)
    }

    /// Reads the key of a file, or makes it if there is none. Of several processes at once, one makes it for all.
    ///
    /// # Errors
    /// Those of [`Self::load`] and [`Self::create`].
    pub fn load_or_create(path: &Path, user: &str, now: SystemTime) -> Result<Self, KeyError> {
        match Self::load(path) {
            Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        match Self::create(path, user, now) {
            Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => Self::load(path),
            other => other,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn new(secret: SignedSecretKey, path: &Path) -> Result<Self, KeyError> {
        let public = PublicKey::new(secret.to_public_key())?;
        let signing = public.details().fingerprint();
        let subkey = secret.secret_subkeys.iter().position(|subkey| subkey.key.fingerprint() == signing);
        if subkey.is_none() && secret.primary_key.fingerprint() != signing {
            // The file has the public half of the subkey that signs, and the secret half of others.
            return Err(KeyError::Algorithm);
        }
        let is_locked = match subkey {
            Some(at) => secret.secret_subkeys[at].key.secret_params().is_encrypted(),
            None => secret.primary_key.secret_params().is_encrypted(),
        };
        if is_locked { Err(KeyError::Locked) } else { Ok(Self { secret, subkey, public, path: path.to_owned() }) }
    }
}

impl Signer for FileKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign_digest(&self, sha256: &[u8; 32]) -> Result<Vec<u8>, SignError> {
        let (password, hash) = (Password::empty(), HashAlgorithm::Sha256);
        let signed = match self.subkey {
            Some(at) => SigningKey::sign(&self.secret.secret_subkeys[at].key, &password, hash, sha256),
            None => SigningKey::sign(&self.secret.primary_key, &password, hash, sha256),
        };
        match signed.map_err(SignError::key)? {
            SignatureBytes::Native(bytes) => Ok(bytes.to_vec()),
            SignatureBytes::Mpis(numbers) if numbers.len() == 1 => Ok(numbers[0].as_ref().to_vec()),
            // Numbers are without zeros at their front.
            SignatureBytes::Mpis(numbers) => Ok(numbers
                .iter()
                .flat_map(|number| {
                    let bytes: &[u8] = number.as_ref();
                    std::iter::repeat_n(0, 32_usize.saturating_sub(bytes.len())).chain(bytes.iter().copied())
                })
                .collect()),
        }
    }
}

/// A key that signs and certifies, with its own signature over its name.
fn new_key(user: &str, now: SystemTime) -> Result<SignedSecretKey, KeyError> {
    if user.trim().is_empty() || user.chars().any(char::is_control) {
        return Err(KeyError::User(user.to_owned()));
    }
    let created = timestamp(now)?;
    let kind = KeyType::Ed25519Legacy;
    let (public, secret) = kind.generate(rand::rngs::OsRng).map_err(KeyError::broken)?;
    let public = PubKeyInner::new(KeyVersion::V4, kind.to_alg(), created, None, public).map_err(KeyError::broken)?;
    let public = pgp::packet::PublicKey::from_inner(public).map_err(KeyError::broken)?;
    let primary = SecretKey::new(public.clone(), secret).map_err(KeyError::broken)?;
    let user = UserId::from_str(Default::default(), user).map_err(KeyError::broken)?;

    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    flags.set_sign(true);
    let mut config = SignatureConfig::v4(SignatureType::CertPositive, primary.algorithm(), HashAlgorithm::Sha256);
    let hashed = [
        SubpacketData::SignatureCreationTime(created),
        SubpacketData::IssuerFingerprint(primary.fingerprint()),
        SubpacketData::KeyFlags(flags),
        SubpacketData::IsPrimary(true),
        SubpacketData::PreferredHashAlgorithms([HashAlgorithm::Sha512, HashAlgorithm::Sha256].into_iter().collect()),
    ];
    config.hashed_subpackets =
        hashed.into_iter().map(Subpacket::regular).collect::<Result<_, _>>().map_err(KeyError::broken)?;
    let issuer = SubpacketData::IssuerKeyId(primary.legacy_key_id());
    config.unhashed_subpackets = vec![Subpacket::regular(issuer).map_err(KeyError::broken)?];
    let signature = config
        .sign_certification(&primary, &public, &Password::empty(), Tag::UserId, &user)
        .map_err(KeyError::broken)?;
    let details =
        SignedKeyDetails::new(Vec::new(), Vec::new(), vec![SignedUser::new(user, vec![signature])], Vec::new());
    Ok(SignedSecretKey::new(primary, details, Vec::new(), Vec::new()))
}

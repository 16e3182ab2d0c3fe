//! Signatures that gpg made, kept in `tests/data` and made in the test; keys and signatures of ours, which gpg reads.

mod certificate_key;
mod kernel_module;
mod openssl;
mod pkcs7;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bedplate_sign::{
    FileKey, KeyError, Keyring, KeyringError, SignError, SignatureError, SignedBy, Signer, sign, sign_detached,
    verify_detached,
};

fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn keyring(names: &[&str]) -> Keyring {
    let mut keyring = Keyring::new();
    for name in names {
        keyring.add(&data(&format!("{name}.pub"))).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    keyring
}

/// A day of 2025, from 0 for the day on which the keys were made.
fn day(day: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_735_689_600 + day * 86_400)
}

fn verify(keys: &[&str], signature: &str, at: SystemTime) -> Result<SignedBy, SignatureError> {
    verify_detached(&keyring(keys), &data("text"), &data(signature), at)
}

#[test]
fn good_signatures_name_their_signer() {
    let all = ["other", "rsa", "subkey", "ended"];
    for name in ["rsa", "subkey", "ended"] {
        let signer = verify(&all, &format!("{name}.asc"), day(1)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(signer.user.as_deref(), Some(format!("{name} <{name}@example.org>").as_str()));
        assert_eq!(signer.fingerprint.len(), 40);
        assert_eq!(signer.created, day(0));
    }
    // One good signature of several is enough, if its key is known.
    assert!(verify(&["other", "rsa"], "both.asc", day(1)).is_ok());
    assert!(verify(&["rsa"], "both.asc", day(1)).is_ok());
}

#[test]
fn bad_signatures_say_why() {
    for (keys, signature, at, want) in [
        (&["other"][..], "rsa.asc", day(1), "which is not in the keyring"),
        (&[], "rsa.asc", day(1), "which is not in the keyring"),
        (&["revoked"], "revoked.asc", day(1), "which was revoked"),
        (&["ended"], "ended.asc", day(60), "which expired at 2025-02-01"),
        (&["rsa"], "rsa.asc", UNIX_EPOCH, "from the future: 2025-01-01 00:00:00 UTC"),
        (&["other"], "both.asc", day(1), "none of the signatures is good: the data is not what key"),
        (&["rsa"], "text", day(1), "not an OpenPGP signature"),
        (&["rsa"], "rsa.pub", day(1), "OpenPGP signature"),
    ] {
        let error = verify(keys, signature, at).expect_err(signature).to_string();
        assert!(error.contains(want), "{keys:?} {signature}: {error}");
    }
    let other = verify_detached(&keyring(&["rsa"]), b"other text\n", &data("rsa.asc"), day(1));
    assert!(matches!(other, Err(SignatureError::Wrong(_))), "{other:?}");
}

#[test]
fn a_keyring_takes_several_keys_of_one_file() {
    let mut both = data("other.pub");
    both.extend(data("rsa.pub"));
    let mut keyring = Keyring::new();
    keyring.add(&both).unwrap();
    assert_eq!(keyring.len(), 2);
    assert!(verify_detached(&keyring, &data("text"), &data("rsa.asc"), day(1)).is_ok());
    for (bytes, want) in [(&b""[..], "no"), (b"text\n", "no"), (&data("rsa.asc"), "no"), (&both[..200], "not")] {
        let error = Keyring::new().add(bytes).expect_err("no keys");
        assert!(
            matches!(error, KeyringError::Empty | KeyringError::Broken(_)) && error.to_string().contains(want),
            "{error}"
        );
    }
}

/// Every byte of a signature is covered by it, or of no meaning: with a bit turned it is refused, or it still is a
/// signature of the same text by the same key.
#[test]
fn a_turned_bit_makes_no_other_signer() {
    let keyring = keyring(&["subkey", "rsa"]);
    let (text, signature) = (data("text"), data("subkey.asc"));
    let good = verify_detached(&keyring, &text, &signature, day(1)).unwrap();
    for at in 0..signature.len() {
        let mut turned = signature.clone();
        turned[at] ^= 1;
        if let Ok(signer) = verify_detached(&keyring, &text, &turned, day(1)) {
            assert_eq!(signer, good, "byte {at}");
        }
    }
    for at in 0..text.len() {
        let mut turned = text.clone();
        turned[at] ^= 1;
        assert!(verify_detached(&keyring, &turned, &signature, day(1)).is_err(), "byte {at}");
    }
}

struct Gpg(tempfile::TempDir);

impl Gpg {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a scratch folder can be made"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let fixed = ["--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""];
        let done = Command::new("gpg")
            .args(fixed)
            .args(arguments)
            .env("GNUPGHOME", self.0.path())
            .stdin(Stdio::null())
            .output();
        let done = done.expect("gpg is there: toolkit/host-setup installs it");
        assert!(done.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", self.0.path()).status();
    }
}

#[test]
fn signatures_of_the_installed_gpg_are_understood() {
    let gpg = Gpg::new();
    std::fs::write(gpg.path("text"), "fresh\n").unwrap();
    let text = gpg.path("text").display().to_string();
    gpg.run(&["--quick-generate-key", "fresh@example.org", "ed25519", "sign", "1d"]);
    let mut keyring = Keyring::new();
    keyring.add(&gpg.run(&["--export", "fresh@example.org"])).unwrap();
    let sign = |more: &[&str]| gpg.run(&[more, &["--output", "-", "--detach-sign", &text]].concat());
    let now = SystemTime::now();
    for more in [&[][..], &["--armor"], &["--textmode"]] {
        let signer =
            verify_detached(&keyring, b"fresh\n", &sign(more), now).unwrap_or_else(|error| panic!("{more:?}: {error}"));
        assert_eq!(signer.user.as_deref(), Some("fresh@example.org"));
    }
    let weak = verify_detached(&keyring, b"fresh\n", &sign(&["--digest-algo", "SHA1"]), now);
    assert!(matches!(weak, Err(SignatureError::WeakDigest(_))), "{weak:?}");
    let short = sign(&["--default-sig-expire", "1d"]);
    assert!(verify_detached(&keyring, b"fresh\n", &short, now).is_ok());
    let later = now + Duration::from_secs(2 * 86_400);
    let late = verify_detached(&keyring, b"fresh\n", &short, later);
    assert!(matches!(late, Err(SignatureError::Key { .. })), "{late:?}");
}

/// Says that a signature of ours is good, as gpg sees it.
fn gpg_accepts(gpg: &Gpg, key: &dyn Signer, text: &[u8], signature: &[u8]) -> bool {
    std::fs::write(gpg.path("text"), text).unwrap();
    std::fs::write(gpg.path("text.sig"), signature).unwrap();
    std::fs::write(gpg.path("key.pub"), key.public_key().armored()).unwrap();
    gpg.run(&["--import", &gpg.path("key.pub").display().to_string()]);
    let mut verify = Command::new("gpg");
    verify.args(["--batch", "--status-fd", "1", "--verify"]).arg(gpg.path("text.sig")).arg(gpg.path("text"));
    let done = verify.env("GNUPGHOME", gpg.0.path()).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.success(), said.contains(&format!("VALIDSIG {}", key.public_key().fingerprint())), "{said}");
    done.status.success()
}

#[test]
fn a_key_is_made_once_and_signs_the_same_each_time() {
    let gpg = Gpg::new();
    let path = gpg.path("keys/deep/signing.asc");
    let key = FileKey::load_or_create(&path, "Ada Moss <ada@example.org>", day(0)).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let public = key.public_key();
    assert_eq!((public.user().as_deref(), public.algorithm()), (Some("Ada Moss <ada@example.org>"), "ed25519"));
    assert_eq!((public.created(), public.fingerprint().len()), (day(0), 40));
    assert!(public.fingerprint().ends_with(&public.key_id()));
    let again = FileKey::load_or_create(&path, "Ben Hale", day(9)).unwrap();
    assert_eq!(again.public_key().armored(), public.armored());
    // The secret half is in the file only.
    let secret = std::fs::read_to_string(&path).unwrap();
    assert!(secret.contains("PRIVATE KEY") && !format!("{key:?}").contains(secret.lines().nth(3).unwrap()));

    let first = sign_detached(&key, b"text", day(1)).unwrap();
    assert_eq!(first, sign_detached(&again, b"text", day(1)).unwrap());
    assert_ne!(first, sign_detached(&key, b"text", day(2)).unwrap());
    assert!(gpg_accepts(&gpg, &key, b"text", first.as_bytes()));
    assert!(!gpg_accepts(&gpg, &key, b"other", first.as_bytes()));
    assert!(gpg_accepts(&gpg, &key, b"text", &sign(&key, b"text", day(1)).unwrap()));
    let mut keyring = Keyring::new();
    keyring.add(public.armored().as_bytes()).unwrap();
    let signer = verify_detached(&keyring, b"text", first.as_bytes(), day(2)).unwrap();
    assert_eq!((signer.fingerprint, signer.created), (public.fingerprint(), day(1)));
    // Signatures that start with zeros keep them: one of 256 numbers does.
    for number in 0..600_u32 {
        let text = number.to_be_bytes();
        let signature = sign(&key, &text, day(1)).unwrap();
        assert!(verify_detached(&keyring, &text, &signature, day(2)).is_ok(), "{number}");
    }
}

#[test]
fn of_many_at_once_one_makes_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.asc");
    let made = || FileKey::load_or_create(&path, "Ada", day(0)).unwrap().public_key().fingerprint();
    let all: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(made)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn keys_of_gpg_sign() {
    let gpg = Gpg::new();
    for (name, kind) in [("rsa@example.org", "rsa3072"), ("ed@example.org", "ed25519")] {
        gpg.run(&["--quick-generate-key", name, kind, "sign", "never"]);
    }
    // A primary key that only certifies, as those of releases: its subkey signs.
    gpg.run(&["--quick-generate-key", "sub@example.org", "ed25519", "cert", "never"]);
    let listed = String::from_utf8(gpg.run(&["--with-colons", "--list-keys", "sub@example.org"])).unwrap();
    let fingerprint = listed.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap().trim_end_matches(':');
    gpg.run(&["--quick-add-key", fingerprint, "rsa3072", "sign", "never"]);
    for (name, algorithm) in [("rsa@example.org", "rsa"), ("ed@example.org", "ed25519"), ("sub@example.org", "rsa")] {
        let path = gpg.path(name);
        let secret = gpg.run(&["--export-secret-keys", "--armor", name]);
        write_private(&path, &secret);
        let key = FileKey::load(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(key.public_key().algorithm(), algorithm);
        let time = key.public_key().created() + Duration::from_secs(1);
        let signature = sign(&key, b"text", time).unwrap();
        assert_eq!(signature, sign(&key, b"text", time).unwrap(), "{name}");
        let mut keyring = Keyring::new();
        keyring.add(&gpg.run(&["--export", name])).unwrap();
        verify_detached(&keyring, b"text", &signature, time).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

fn write_private(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_key_that_cannot_sign_says_why() {
    let gpg = Gpg::new();
    let path = gpg.path("key.asc");
    let key = FileKey::create(&path, "Ada", day(1)).unwrap();
    let error = sign(&key, b"text", day(0)).unwrap_err();
    assert!(matches!(error, SignError::BeforeKey { .. }), "{error}");
    let shown = "a signature of 2025-01-01 00:00:00 UTC would be older than its key, of 2025-01-02 00:00:00 UTC";
    assert_eq!(error.to_string(), shown);
    assert!(matches!(FileKey::create(&path, "Ada", day(1)), Err(KeyError::Io { .. })));
    for user in ["", " ", "a\nb"] {
        assert!(matches!(FileKey::create(&gpg.path("new"), user, day(1)), Err(KeyError::User(_))), "{user:?}");
    }
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let error = FileKey::load(&path).unwrap_err();
    assert!(error.to_string().ends_with("key.asc: others may read the secret key (mode 640)"), "{error}");

    gpg.run(&["--quick-generate-key", "nist@example.org", "nistp256", "sign", "never"]);
    gpg.run(&["--passphrase", "secret", "--quick-generate-key", "locked@example.org", "ed25519", "sign", "never"]);
    let locked = gpg.run(&["--passphrase", "secret", "--export-secret-keys", "--armor", "locked@example.org"]);
    for (bytes, want) in [
        (gpg.run(&["--export-secret-keys", "--armor", "nist@example.org"]), "Ed25519 or RSA"),
        (locked, "locked with a passphrase"),
        (gpg.run(&["--export", "--armor", "nist@example.org"]), "not an OpenPGP key"),
        (b"text".to_vec(), "not an OpenPGP key"),
        (Vec::new(), "not an OpenPGP key"),
    ] {
        write_private(&path, &bytes);
        let error = FileKey::load(&path).unwrap_err();
        assert!(error.to_string().contains(want) && error.hint().is_some(), "{want}: {error}");
    }
    let error = FileKey::load(&gpg.path("none")).unwrap_err();
    assert_eq!(error.hint(), Some("`bedplate key create` makes a key"));
}

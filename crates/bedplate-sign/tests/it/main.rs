//! Signatures that gpg made, kept in `tests/data` and made in the test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bedplate_sign::{Keyring, KeyringError, SignatureError, SignedBy, verify_detached};

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

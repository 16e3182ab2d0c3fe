//! Keys and certificates that openssl made; openssl verifies what they sign.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use bedplate_sign::{CertificateKey, CertificateKeyError, CertificateSigner, MessageDigest};

use crate::openssl::openssl;

/// A folder with keys of all kinds, each with a certificate.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    openssl(at, "genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key");
    openssl(at, "genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out short.key");
    openssl(at, "genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p256.key");
    openssl(at, "genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.key");
    openssl(at, "genpkey -quiet -algorithm ED25519 -out ed25519.key");
    openssl(at, "genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out p521.key");
    openssl(at, "rsa -in rsa.key -traditional -out pkcs1.key");
    // With its parameters in a block of their own before it.
    openssl(at, "ecparam -name prime256v1 -genkey -out sec1.key");
    openssl(at, "pkcs8 -topk8 -in rsa.key -passout pass:x -out locked.key");
    openssl(at, "rsa -in rsa.key -traditional -aes128 -passout pass:x -out locked1.key");
    for name in ["rsa", "p256", "p384", "pkcs1", "sec1"] {
        openssl(at, &format!("req -x509 -subj /CN={name} -days 9 -key {name}.key -out {name}.pem"));
    }
    fs::write(at.join("broken.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    fs::write(at.join("text.key"), "no key\n").unwrap();
    fs::copy(at.join("rsa.key"), at.join("open.key")).unwrap();
    for entry in fs::read_dir(at).unwrap() {
        fs::set_permissions(entry.unwrap().path(), Permissions::from_mode(0o600)).unwrap();
    }
    fs::set_permissions(at.join("open.key"), Permissions::from_mode(0o640)).unwrap();
    folder
}

#[test]
fn openssl_verifies_what_keys_sign() {
    let folder = folder();
    let at = folder.path();
    for name in ["rsa", "pkcs1", "p256", "p384", "sec1"] {
        let load = || CertificateKey::load(&at.join(format!("{name}.key")), &at.join(format!("{name}.pem"))).unwrap();
        let (key, again) = (load(), load());
        for (digest, hash) in [
            (MessageDigest::sha256(b"some text"), "sha256"),
            (MessageDigest::sha512_of(&b"some text"[..]).unwrap(), "sha512"),
        ] {
            let signature = key.sign_digest(&digest).unwrap();
            assert_eq!(signature, again.sign_digest(&digest).unwrap(), "{name}");
            fs::write(at.join("digest"), digest.bytes()).unwrap();
            fs::write(at.join("signature"), &signature).unwrap();
            let files = "pkeyutl -verify -certin -in digest -sigfile signature";
            let said = openssl(at, &format!("{files} -pkeyopt digest:{hash} -inkey {name}.pem"));
            assert!(said.contains("Signature Verified Successfully"), "{name} {hash}: {said}");
        }
        openssl(at, &format!("x509 -in {name}.pem -outform DER -out {name}.der"));
        assert_eq!(key.certificate(), fs::read(at.join(format!("{name}.der"))).unwrap());
        assert!(!format!("{key:?}").contains("secret"), "{key:?}");
    }
}

#[test]
fn what_is_no_key_with_its_certificate_is_named() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let kind = "FOLDER/KEY: the key is neither RSA of 2048 bits or more nor ECDSA on P-256 or P-384";
    for (key, certificate, expected) in [
        ("rsa.key", "p256.pem", "FOLDER/p256.pem is not the certificate of the key in FOLDER/rsa.key"),
        ("sec1.key", "p256.pem", "FOLDER/p256.pem is not the certificate of the key in FOLDER/sec1.key"),
        ("p384.key", "rsa.pem", "FOLDER/rsa.pem is not the certificate of the key in FOLDER/p384.key"),
        ("rsa.key", "rsa.key", "FOLDER/rsa.key: there is no certificate in it, as PEM"),
        ("rsa.pem", "rsa.pem", "FOLDER/rsa.pem: there is no secret key in it, as PEM"),
        ("text.key", "rsa.pem", "FOLDER/text.key: there is no secret key in it, as PEM"),
        ("locked.key", "rsa.pem", "FOLDER/locked.key: the key is locked with a passphrase"),
        ("locked1.key", "rsa.pem", "FOLDER/locked1.key: the key is locked with a passphrase"),
        ("open.key", "rsa.pem", "FOLDER/open.key: others may read the secret key (mode 640)"),
        ("absent.key", "rsa.pem", "FOLDER/absent.key: No such file or directory (os error 2)"),
        ("short.key", "rsa.pem", kind),
        ("ed25519.key", "rsa.pem", kind),
        ("p521.key", "rsa.pem", kind),
    ] {
        let error = CertificateKey::load(&at(key), &at(certificate)).unwrap_err();
        let expected = expected.replace("KEY", key).replace("FOLDER", folder.path().to_str().unwrap());
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.category(), bedplate_diag::Category::Input, "{key}");
    }
    let error = CertificateKey::load(&at("rsa.key"), &at("broken.pem")).unwrap_err();
    let is_meant = |path: &PathBuf| path.ends_with("broken.pem");
    assert!(matches!(&error, CertificateKeyError::Broken { path, .. } if is_meant(path)), "{error}");
}

//! Signatures of root hashes as openssl makes and verifies them.

use std::fs;
use std::path::Path;

use bedplate_disk::{RootHash, RootHashSignature, SignatureError};

use crate::common::{arguments, good, run};

const ROOT: RootHash = RootHash::from_bytes([0x5A; 32]);

/// A new key and its certificate, as DER.
fn key(folder: &Path, kind: &[&str]) -> Vec<u8> {
    let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
    let mut call: Vec<&std::ffi::OsStr> =
        ["req", "-x509", "-nodes", "-batch", "-subj", "/O=Bedplate/CN=verity test", "-days", "9"]
            .iter()
            .chain(kind)
            .map(std::ffi::OsStr::new)
            .collect();
    call.extend(arguments!["-keyout", &key, "-out", &certificate]);
    good("openssl", &call);
    let der = folder.join("certificate.der");
    good("openssl", arguments!["x509", "-in", &certificate, "-outform", "DER", "-out", &der]);
    fs::read(der).unwrap()
}

/// The bare signature of a key over a digest.
fn sign(folder: &Path, digest: &[u8]) -> Vec<u8> {
    let (input, output) = (folder.join("digest"), folder.join("bare"));
    fs::write(&input, digest).unwrap();
    let key = folder.join("key.pem");
    good(
        "openssl",
        arguments!["pkeyutl", "-sign", "-inkey", &key, "-in", &input, "-pkeyopt", "digest:sha256", "-out", &output],
    );
    fs::read(output).unwrap()
}

#[test]
fn openssl_verifies_what_was_put_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for kind in [&["-newkey", "rsa:2048"][..], &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]] {
        let certificate = key(folder.path(), kind);
        let bare = sign(folder.path(), &RootHashSignature::digest(&ROOT));
        let signature = RootHashSignature::new(ROOT, &certificate, &bare).unwrap();
        let read = RootHashSignature::from_partition(&signature.to_partition()).unwrap();
        assert_eq!(read, signature);
        fs::write(path("signature"), read.pkcs7()).unwrap();
        let certificate_path = path("certificate.pem");
        let verify = |text: &str| {
            fs::write(path("text"), text).unwrap();
            let (signature, text) = (path("signature"), path("text"));
            run(
                "openssl",
                arguments![
                    "smime",
                    "-verify",
                    "-binary",
                    "-inform",
                    "DER",
                    "-in",
                    &signature,
                    "-content",
                    &text,
                    "-CAfile",
                    &certificate_path,
                    "-purpose",
                    "any",
                    "-out",
                    "/dev/null",
                ],
            )
        };
        let output = verify(&ROOT.to_string());
        assert!(output.status.success(), "{kind:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!verify(&RootHash::from_bytes([0x5B; 32]).to_string()).status.success());
        let fingerprint =
            good("openssl", arguments!["x509", "-in", &certificate_path, "-noout", "-fingerprint", "-sha256"]);
        let hex: String = signature.fingerprint().iter().map(|byte| format!("{byte:02X}")).collect();
        assert!(fingerprint.replace(':', "").trim().ends_with(&hex), "{fingerprint}");
    }
}

/// RSA signatures follow from the input, so that both programs have to write the same bytes.
#[test]
fn the_pkcs7_is_that_of_openssl() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let certificate = key(folder.path(), &["-newkey", "rsa:2048"]);
    fs::write(path("text"), ROOT.to_string()).unwrap();
    good(
        "openssl",
        arguments![
            "smime",
            "-sign",
            "-binary",
            "-noattr",
            "-md",
            "sha256",
            "-outform",
            "DER",
            "-in",
            &path("text"),
            "-signer",
            &path("certificate.pem"),
            "-inkey",
            &path("key.pem"),
            "-out",
            &path("theirs"),
        ],
    );
    let bare = sign(folder.path(), &RootHashSignature::digest(&ROOT));
    let ours = RootHashSignature::new(ROOT, &certificate, &bare).unwrap();
    assert_eq!(ours.pkcs7(), fs::read(path("theirs")).unwrap());
    assert_eq!(RootHashSignature::from_pkcs7(ROOT, &certificate, fs::read(path("theirs")).unwrap()), ours);
}

#[test]
fn what_is_no_certificate_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = RootHashSignature::new(ROOT, b"-----BEGIN CERTIFICATE-----", b"").unwrap_err();
    assert!(matches!(error, SignatureError::Certificate(_)), "{error}");
    let certificate = key(folder.path(), &["-newkey", "ed25519"]);
    let error = RootHashSignature::new(ROOT, &certificate, b"").unwrap_err();
    assert_eq!(error.to_string(), "the certificate is of a key of type 1.3.101.112: RSA and ECDSA are known");
}

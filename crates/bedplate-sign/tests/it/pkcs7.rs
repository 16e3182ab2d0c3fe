//! PKCS#7 as openssl makes and verifies it.

use std::fs;
use std::path::Path;

use bedplate_sign::{Enclosed, MessageDigest, Pkcs7Error, detached_pkcs7};

use crate::openssl::{openssl, run};

const TEXT: &str = "what is signed";

/// A new key and its certificate, as DER.
fn key(folder: &Path, kind: &str) -> Vec<u8> {
    let names = "-keyout key.pem -out certificate.pem";
    openssl(folder, &format!("req -x509 -nodes -batch -subj /O=Bedplate/CN=test -days 9 {kind} {names}"));
    openssl(folder, "x509 -in certificate.pem -outform DER -out certificate.der");
    fs::read(folder.join("certificate.der")).unwrap()
}

/// The bare signature of the key over a digest.
fn sign(folder: &Path, digest: &MessageDigest) -> Vec<u8> {
    fs::write(folder.join("digest"), digest.bytes()).unwrap();
    let hash = if matches!(digest, MessageDigest::Sha256(_)) { "sha256" } else { "sha512" };
    openssl(folder, &format!("pkeyutl -sign -inkey key.pem -in digest -pkeyopt digest:{hash} -out bare"));
    fs::read(folder.join("bare")).unwrap()
}

fn digests() -> [MessageDigest; 2] {
    [MessageDigest::sha256(TEXT.as_bytes()), MessageDigest::sha512_of(TEXT.as_bytes()).unwrap()]
}

#[test]
fn openssl_verifies_what_was_put_together() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for kind in ["-newkey rsa:2048", "-newkey ec -pkeyopt ec_paramgen_curve:P-256"] {
        let certificate = key(at, kind);
        for digest in digests() {
            for (enclosed, options) in [(Enclosed::Certificate, ""), (Enclosed::Nothing, " -certfile certificate.pem")]
            {
                let pkcs7 = detached_pkcs7(&certificate, &digest, &sign(at, &digest), enclosed).unwrap();
                fs::write(at.join("signature"), pkcs7).unwrap();
                let verify = |text: &str| {
                    fs::write(at.join("text"), text).unwrap();
                    let files = "-inform DER -in signature -content text -CAfile certificate.pem -out /dev/null";
                    run(at, &format!("smime -verify -binary {files} -purpose any{options}"))
                };
                let output = verify(TEXT);
                assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stderr));
                assert!(!verify("something else").status.success());
            }
        }
    }
}

/// RSA signatures follow from the input, so that both programs have to write the same bytes.
#[test]
fn the_pkcs7_is_that_of_openssl() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let certificate = key(at, "-newkey rsa:2048");
    fs::write(at.join("text"), TEXT).unwrap();
    for (digest, hash) in digests().into_iter().zip(["sha256", "sha512"]) {
        for (enclosed, options) in [(Enclosed::Certificate, ""), (Enclosed::Nothing, " -nocerts")] {
            let files = "-in text -signer certificate.pem -inkey key.pem -out theirs";
            openssl(at, &format!("cms -sign -binary -noattr -md {hash} -outform DER {files}{options}"));
            let ours = detached_pkcs7(&certificate, &digest, &sign(at, &digest), enclosed).unwrap();
            assert_eq!(ours, fs::read(at.join("theirs")).unwrap(), "{hash}");
        }
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [digest, _] = digests();
    let make = |certificate: &[u8]| detached_pkcs7(certificate, &digest, b"", Enclosed::Certificate).unwrap_err();
    let error = make(b"-----BEGIN CERTIFICATE-----");
    assert!(matches!(error, Pkcs7Error::Certificate(_)), "{error}");
    let error = make(&key(folder.path(), "-newkey ed25519"));
    assert_eq!(error.to_string(), "the certificate is of a key of type 1.3.101.112: RSA and ECDSA are known");
}

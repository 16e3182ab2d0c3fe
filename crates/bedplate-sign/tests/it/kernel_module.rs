//! Signatures of kernel modules, judged by openssl and kmod.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use bedplate_sign::{CertificateKey, CertificateSigner as _, MessageDigest, ModuleCertificate, ModuleSigner};

use crate::openssl::{openssl, run};

const NAME: &str = "Key of a test";
const TRAILER: usize = 12;
const MAGIC: &str = "~Module signature appended~\n";

/// The key of a file that is made if it is not there.
fn key(path: &Path) -> CertificateKey {
    CertificateKey::load_or_create_self_signed(path, NAME).unwrap()
}

#[test]
fn a_new_key_has_a_certificate_that_follows_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let path = at.join("some/folder/key.pem");
    let made = key(&path);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let again = key(&path);
    assert_eq!(made.certificate(), again.certificate());
    assert_eq!(made.path(), path);

    let signer = ModuleSigner::new(key(&path)).unwrap();
    let certificate = signer.certificate().clone();
    fs::write(at.join("certificate.pem"), certificate.pem()).unwrap();
    // openssl takes it for a good certificate of itself, for signatures alone.
    openssl(at, "verify -x509_strict -check_ss_sig -CAfile certificate.pem certificate.pem");
    let text = openssl(at, "x509 -in certificate.pem -noout -text");
    for expected in [
        "Issuer: CN = Key of a test",
        "Subject: CN = Key of a test",
        "Not Before: Jan  1 00:00:00 2020 GMT",
        "Not After : Dec 31 23:59:59 9999 GMT",
        "Signature Algorithm: sha512WithRSAEncryption",
        "Public-Key: (3072 bit)",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "X509v3 Subject Key Identifier",
        "X509v3 Authority Key Identifier",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    // Named with its key, and without what else is in the file, it is the same.
    let mut whole = fs::read_to_string(&path).unwrap();
    whole.insert_str(0, certificate.pem());
    fs::write(at.join("both.pem"), whole).unwrap();
    fs::set_permissions(at.join("both.pem"), Permissions::from_mode(0o600)).unwrap();
    let both = at.join("both.pem");
    assert_eq!(ModuleCertificate::load(&both).unwrap(), certificate);
    assert_eq!(CertificateKey::load(&both, &both).unwrap().certificate(), made.certificate());
    let fingerprint = openssl(at, "x509 -in certificate.pem -noout -fingerprint -sha256").replace(':', "");
    assert!(fingerprint.trim().to_lowercase().ends_with(&certificate.fingerprint()), "{fingerprint}");
    // Another key has another name and another number.
    let other = key(&at.join("other.pem"));
    assert_ne!(other.certificate(), made.certificate());
}

#[test]
fn a_signed_module_is_one_for_openssl_and_for_kmod() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let signer = ModuleSigner::new(key(&at.join("key.pem"))).unwrap();
    fs::write(at.join("certificate.pem"), signer.certificate().pem()).unwrap();
    fs::write(
        at.join("part.c"),
        "const char license[] __attribute__((section(\".modinfo\"), used)) = \"license=MIT\";\n",
    )
    .unwrap();
    let compiled = Command::new("cc").args(["-c", "part.c", "-o", "part.ko"]).current_dir(at).status().unwrap();
    assert!(compiled.success());
    let module = fs::read(at.join("part.ko")).unwrap();

    let sign = || signer.signature(&MessageDigest::sha512_of(&module[..]).unwrap()).unwrap();
    let tail = sign();
    assert_eq!(tail, sign());
    let pkcs7 = tail.strip_suffix(MAGIC.as_bytes()).unwrap();
    let (pkcs7, trailer) = pkcs7.split_at(pkcs7.len() - TRAILER);
    let mut expected = [0, 0, 2, 0, 0, 0, 0, 0].to_vec();
    expected.extend(u32::try_from(pkcs7.len()).unwrap().to_be_bytes());
    assert_eq!(trailer, expected);

    fs::write(at.join("signature"), pkcs7).unwrap();
    let verify = |file: &str| {
        let files = format!("-inform DER -in signature -content {file} -CAfile certificate.pem -out verified");
        run(at, &format!("cms -verify -binary {files} -certfile certificate.pem -purpose any"))
    };
    let output = verify("part.ko");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read(at.join("verified")).unwrap(), module);
    fs::write(at.join("changed.ko"), [&module[..], b"x"].concat()).unwrap();
    assert!(!verify("changed.ko").status.success());
    // RSA signatures follow from the input: openssl has to write the same bytes.
    let files = "-in part.ko -signer certificate.pem -inkey key.pem -out theirs";
    openssl(at, &format!("cms -sign -binary -noattr -nocerts -md sha512 -outform DER {files}"));
    assert_eq!(pkcs7, fs::read(at.join("theirs")).unwrap());

    fs::write(at.join("part.ko"), [module, tail].concat()).unwrap();
    let serial = openssl(at, "x509 -in certificate.pem -noout -serial");
    for (field, expected) in [
        ("license", "MIT".to_owned()),
        ("sig_id", "PKCS#7".to_owned()),
        ("signer", NAME.to_owned()),
        ("sig_hashalgo", "sha512".to_owned()),
        ("sig_key", serial.trim().strip_prefix("serial=").unwrap().to_owned()),
    ] {
        let output = Command::new("/sbin/modinfo").args(["-F", field]).arg(at.join("part.ko")).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said.trim().replace(':', ""), expected, "{field}");
    }
}

#[test]
fn what_cannot_sign_modules_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let new = |name: &str, kind: &str, options: &str| {
        let files = format!("-keyout {name}.key -out {name}.pem");
        openssl(at, &format!("req -x509 -nodes -batch -subj /CN={name} -days 9 -newkey {kind} {files}{options}"));
    };
    new("good", "rsa:2048", " -addext keyUsage=digitalSignature");
    new("all", "rsa:2048", "");
    new("wrong", "rsa:2048", " -addext keyUsage=keyEncipherment");
    new("curve", "ec -pkeyopt ec_paramgen_curve:P-256", "");
    fs::set_permissions(at.join("curve.key"), Permissions::from_mode(0o600)).unwrap();
    let shown = at.display();
    let cannot = "the certificate cannot be used to sign kernel modules";
    for (name, expected) in [
        ("good.pem", None),
        ("all.pem", None),
        ("wrong.pem", Some(format!("{shown}/wrong.pem: {cannot}: its key usage leaves out digital signatures"))),
        ("curve.pem", Some(format!("{shown}/curve.pem: {cannot}: its key is not of RSA"))),
        ("good.key", Some(format!("{shown}/good.key: there is no certificate in it, as PEM"))),
        ("absent", Some(format!("{shown}/absent: No such file or directory (os error 2)"))),
    ] {
        let error = ModuleCertificate::load(&at.join(name)).err();
        assert_eq!(error.as_ref().map(ToString::to_string), expected);
        assert!(error.is_none_or(|error| error.category() == bedplate_diag::Category::Input), "{name}");
    }
    let error = CertificateKey::load_or_create_self_signed(&at.join("curve.key"), NAME).unwrap_err();
    assert_eq!(error.to_string(), format!("{shown}/curve.key: {cannot}: its key is not of RSA"));
}

//! Signs packages and folders of packages: joins the keys of `bedplate-sign` and the formats of `bedplate-repo`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bedplate_repo::{
    CreateOptions, Created, Finding, Findings, MakeSignature, Problem, VerifySignature, create, package_files,
    read_signature, sign_package,
};
use bedplate_sign::{Keyring, Signer, sign, sign_detached, verify_detached};
use rayon::prelude::*;

/// When something of a moment is signed: then, or when the key was made if that was later. Nobody takes a signature that is
/// older than its key, and with no clock in it the same package gets the same signature on each day.
pub(crate) fn signature_time(seconds: u64, signer: &dyn Signer) -> SystemTime {
    (UNIX_EPOCH + Duration::from_secs(seconds)).max(signer.public_key().created())
}

/// Signs what has a moment.
struct At<'a> {
    signer: &'a dyn Signer,
    time: SystemTime,
}

impl MakeSignature for At<'_> {
    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        Ok(sign(self.signer, data, self.time)?)
    }
}

/// Writes a signed copy of a package, also over the package itself. The time of the signature is that of the build, or that
/// of the key if it is younger: the same package and key give the same bytes.
///
/// # Errors
/// All that is wrong with the package, or why it cannot be signed or written.
pub fn sign_rpm(input: &Path, output: &Path, signer: &dyn Signer) -> Result<(), Vec<Problem>> {
    let time = signature_time(read_signature(input)?.build_time, signer);
    sign_package(input, output, &At { signer, time })
}

/// What [`sign_repository`] did.
#[derive(Debug)]
pub struct SignedRepository {
    /// How many packages were signed now.
    pub signed: usize,
    /// How many had a signature of the key.
    pub kept: usize,
    /// The new repodata.
    pub metadata: Created,
}

/// Signs the packages below a folder that have no signature of the key, makes new repodata, and signs it.
///
/// A package is replaced as a whole. One with a signature of another key is refused, unless `replace` says that its signature is
/// to be replaced; nothing is changed then.
///
/// # Errors
/// All that is wrong with the packages, or why they cannot be signed.
pub fn sign_repository(
    folder: &Path,
    signer: &dyn Signer,
    replace: bool,
    now: SystemTime,
) -> Result<SignedRepository, Findings> {
    let files = package_files(folder)?;
    let own = Own::new(signer, now);
    let judged: Vec<(&Path, Result<bool, Vec<Problem>>)> = files
        .par_iter()
        .map(|file| {
            let needs = read_signature(&file.path).and_then(|signed| match signed.signature {
                None => Ok(true),
                Some(signature) => match own.verify(&signed.header, &signature) {
                    Ok(()) => Ok(false),
                    Err(_) if replace => Ok(true),
                    Err(error) => Err(vec![Problem::PackageSignature { why: error.to_string() }]),
                },
            });
            (file.path.as_path(), needs)
        })
        .collect();
    let mut findings = Findings::default();
    let mut unsigned: Vec<&Path> = Vec::new();
    for (path, needs) in judged {
        match needs {
            Ok(true) => unsigned.push(path),
            Ok(false) => {}
            Err(problems) => add(&mut findings, path, problems),
        }
    }
    refuse(findings)?;
    let signed: Vec<_> = unsigned.par_iter().map(|path| (*path, sign_rpm(path, path, signer))).collect();
    let mut findings = Findings::default();
    for (path, result) in signed {
        if let Err(problems) = result {
            add(&mut findings, path, problems);
        }
    }
    refuse(findings)?;
    let metadata = signed_metadata(folder, signer)?;
    Ok(SignedRepository { signed: unsigned.len(), kept: files.len() - unsigned.len(), metadata })
}

/// Makes repodata of a folder, with a signature.
pub(crate) fn signed_metadata(folder: &Path, signer: &dyn Signer) -> Result<Created, Findings> {
    let sign = |repomd: &[u8], revision: u64| {
        sign_detached(signer, repomd, signature_time(revision, signer)).map_err(Into::into)
    };
    create(folder, &CreateOptions { sign: Some(&sign), ..CreateOptions::default() })
}

fn add(findings: &mut Findings, path: &Path, problems: Vec<Problem>) {
    findings.all.extend(problems.into_iter().map(|problem| Finding::new(PathBuf::from(path), problem)));
}

fn refuse(findings: Findings) -> Result<(), Findings> {
    if findings.has_errors() { Err(findings) } else { Ok(()) }
}

/// Takes signatures of one key only.
pub(crate) struct Own {
    keyring: Keyring,
    now: SystemTime,
}

impl Own {
    pub(crate) fn new(signer: &dyn Signer, now: SystemTime) -> Self {
        let mut keyring = Keyring::new();
        keyring.add(&signer.public_key().to_bytes()).expect("a public key that was read once is one");
        // A key of the future is good for what it signed; the clock is none of its business.
        Self { keyring, now: now.max(signer.public_key().created()) }
    }
}

impl VerifySignature for Own {
    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), Box<dyn Error + Send + Sync>> {
        verify_detached(&self.keyring, data, signature, self.now)?;
        Ok(())
    }
}

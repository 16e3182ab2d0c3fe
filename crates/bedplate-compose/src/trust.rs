//! Every package of an image is the one that was chosen, and signed by who its repository says.
//!
//! Signatures of headers are checked before anything else: a header has the digests of all that is in its package, and they are compared
//! when it is unpacked. The files as a whole are read and compared with the metadata while the bytes of the disk are hashed one by one,
//! and other processors have nothing to do; no image gets its name before that is done.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bedplate_diag::Category;
use bedplate_repo::{Finding, Findings, verify_checksum, verify_signature};
use bedplate_sandbox::Cancel;
use rayon::prelude::*;

use crate::{ComposeError, PackageSource, Request, Selected};

/// Checks that the header of each package is signed by a key of its repository. All that is wrong with all of them.
pub(crate) fn check_signatures(request: &Request<'_>) -> Result<(), ComposeError> {
    let check = |(package, source): (&Selected, Option<&PackageSource<'_>>)| {
        let verifier = source.and_then(|source| source.signature);
        verifier.map_or_else(Findings::default, |verifier| verify_signature(&package.path, verifier))
    };
    let source = |package: &Selected| request.repositories.iter().find(|source| source.name == package.repository);
    let both: Vec<_> = request.packages.iter().map(|package| (package, source(package))).collect();
    match trusted(both.into_par_iter().map(check).collect()) {
        // It is told at once what else is wrong with the packages.
        Err(ComposeError::Untrusted(signatures)) => match Checksums::new(request.packages).finish(request.cancel) {
            Err(ComposeError::Untrusted(checksums)) => trusted(vec![signatures, checksums]),
            _ => Err(ComposeError::Untrusted(signatures)),
        },
        other => other,
    }
}

/// Compares package files with their checksums, one by one.
pub(crate) struct Checksums<'a> {
    packages: &'a [Selected],
    next: AtomicUsize,
    found: Mutex<Vec<Findings>>,
}

impl<'a> Checksums<'a> {
    pub(crate) fn new(packages: &'a [Selected]) -> Self {
        Self { packages, next: AtomicUsize::new(0), found: Mutex::default() }
    }

    /// Compares the next one; false if there is none.
    pub(crate) fn one(&self) -> bool {
        let Some(package) = self.packages.get(self.next.fetch_add(1, Ordering::Relaxed)) else { return false };
        let found = verify_checksum(&package.path, package.checksum);
        self.found.lock().expect("no holder panics").push(found);
        true
    }

    /// Compares all that are left. All that is wrong with all of them.
    pub(crate) fn finish(self, cancel: &Cancel) -> Result<(), ComposeError> {
        rayon::broadcast(|_| while !cancel.is_cancelled() && self.one() {});
        let found = self.found.into_inner().expect("no holder panics");
        if cancel.is_cancelled() { Err(ComposeError::Cancelled) } else { trusted(found) }
    }
}

/// Why a compose failed: it may be because a package is not the one that was chosen. Then that is told.
pub(crate) fn cause(error: ComposeError, request: &Request<'_>) -> ComposeError {
    match &error {
        ComposeError::Untrusted(_) => error,
        other if other.category() == Category::Environment => error,
        _ => Checksums::new(request.packages).finish(request.cancel).err().unwrap_or(error),
    }
}

fn trusted(findings: Vec<Findings>) -> Result<(), ComposeError> {
    let mut all: Vec<Finding> = findings.into_iter().flat_map(|one| one.all).collect();
    all.sort_by(|left, right| left.path.cmp(&right.path));
    let findings = Findings { all };
    if findings.has_errors() { Err(ComposeError::Untrusted(findings)) } else { Ok(()) }
}

//! Every package of an image is whole and signed by who its repository says.

use bedplate_repo::{Findings, verify_signed};
use rayon::prelude::*;

use crate::{PackageSource, Selected};

/// Reads every package file: it is the one that was selected, and its header is signed by a key of its repository. What is in it is compared
/// with that header when it is unpacked. All that is wrong with all of them.
pub(crate) fn verify(packages: &[Selected], sources: &[PackageSource<'_>]) -> Findings {
    let check = |package: &Selected| {
        let source = sources.iter().find(|source| source.name == package.repository);
        verify_signed(&package.path, package.checksum, source.and_then(|source| source.signature))
    };
    let found: Vec<Findings> = packages.par_iter().map(check).collect();
    let mut all = Findings::default();
    found.into_iter().for_each(|one| all.all.extend(one.all));
    all
}

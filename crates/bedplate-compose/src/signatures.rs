//! Every package of an image is whole and signed by who its repository says.

use bedplate_repo::{Findings, verify_file};
use rayon::prelude::*;

use crate::{PackageSource, Selected};

/// Reads every package file: its headers, the digest of its payload, its signature by the keys of its repository, and that it is the file
/// that was selected. All that is wrong with all of them.
pub(crate) fn verify(packages: &[Selected], sources: &[PackageSource<'_>]) -> Findings {
    let check = |package: &Selected| {
        let source = sources.iter().find(|source| source.name == package.repository);
        verify_file(&package.path, Some(package.checksum), source.and_then(|source| source.signature))
    };
    let found: Vec<Findings> = packages.par_iter().map(check).collect();
    let mut all = Findings::default();
    found.into_iter().for_each(|one| all.all.extend(one.all));
    all
}

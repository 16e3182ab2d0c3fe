//! Writes a list anew for what its places have now: hashes, sizes, and the name of a new version. Comments and order stay.

use bedplate_cas::Store;
use bedplate_diag::{Diagnostic, SourceId, Span};

use crate::fetch::Fetcher;
use crate::rename::renamed;
use crate::{Failure, FetchOptions, Package, Progress, Sha256, SourceFile, SourceList};

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name before and after.
    pub name: (String, String),
    /// Its hash before and after.
    pub sha256: (Sha256, Sha256),
    /// Its size before and after.
    pub size: (u64, u64),
    /// The place that was trusted.
    pub place: String,
}

impl Change {
    /// True if it is what it was.
    pub fn is_none(&self) -> bool {
        self.name.0 == self.name.1 && self.sha256.0 == self.sha256.1 && self.size.0 == self.size.1
    }
}

/// A list as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The whole text.
    pub text: String,
    /// What became of each file, in the order of the text.
    pub changes: Vec<Change>,
}

/// Why a list cannot be brought up to date.
#[derive(Debug)]
pub enum UpdateError {
    /// With the new names it is no good list: a bug of ours, or an odd text.
    Mistakes(Vec<Diagnostic>),
    /// Files that no place has.
    Failures(Vec<Failure>),
}

/// Brings the text of a package's list up to date: every file is fetched anew from the first of its places that has it, and
/// whatever that gives is pinned. Nothing but that place is trusted. The files are in the store afterwards.
///
/// # Errors
/// All files that could not be had; then nothing is to be written.
pub fn update(
    store: &Store,
    package: &Package,
    text: &str,
    options: &FetchOptions<'_>,
    progress: &Progress<'_>,
) -> Result<Update, UpdateError> {
    let mut text = renamed(package, text);
    let list = SourceList::parse(SourceId(0), &text).map_err(UpdateError::Mistakes)?;
    let package_now = Package { list, ..package.clone() };
    let fetcher = Fetcher::new(store, options, progress);
    let (mut changes, mut failures, mut edits) = (Vec::new(), Vec::new(), Vec::new());
    for (before, entry) in package.list.files.iter().zip(&package_now.list.files) {
        match fetcher.current(&package_now, entry) {
            Ok((digest, place)) => {
                let sha256 = Sha256(digest.hash);
                edits.extend(edits_of(entry, sha256, digest.size));
                changes.push(Change {
                    name: (before.name.clone(), entry.name.clone()),
                    sha256: (before.sha256, sha256),
                    size: (before.size.unwrap_or_default(), digest.size),
                    place,
                });
            }
            Err(mut failure) => {
                // The text in which the entry has its place may be none that the user knows.
                failure.at = Some(before.at.name);
                failures.push(failure);
            }
        }
    }
    if !failures.is_empty() {
        return Err(UpdateError::Failures(failures));
    }
    edit(&mut text, edits);
    Ok(Update { text, changes })
}

/// A list's text with another hash and size of one of its entries.
pub fn pin(text: &str, entry: &SourceFile, sha256: Sha256, size: u64) -> String {
    let mut text = text.to_owned();
    edit(&mut text, edits_of(entry, sha256, size).collect());
    text
}

fn edits_of(entry: &SourceFile, sha256: Sha256, size: u64) -> impl Iterator<Item = (Span, String)> {
    let hash = (entry.at.sha256, format!("\"{sha256}\""));
    std::iter::once(hash).chain(entry.at.size.map(|at| (at, size.to_string())))
}

/// Replaces places of a text.
fn edit(text: &mut String, mut edits: Vec<(Span, String)>) {
    edits.sort_by_key(|(at, _)| std::cmp::Reverse(at.start));
    for (at, new) in edits {
        text.replace_range(at.start as usize..at.end as usize, &new);
    }
}

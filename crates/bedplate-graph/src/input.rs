//! What the graph is made of: specs as data.

use bedplate_diag::Span;
use bedplate_model::{BinaryPackage, Dependency};

/// A dependency and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What is wanted.
    pub dependency: Dependency,
    /// The words of the spec; `None` for what rpm added by itself.
    pub span: Option<Span>,
}

/// A binary package that a spec makes.
#[derive(Debug, Clone)]
pub struct SpecPackage {
    /// What the spec declares of it.
    pub package: BinaryPackage,
    /// Where its requirements were written, as far as they were.
    pub origins: Vec<(Dependency, Span)>,
    /// The lines of its `%files` after macro expansion.
    pub file_lines: Vec<String>,
}

/// A file that a build needs and that is not in the spec's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The whole text of `Source` or `Patch`: a URL or a name.
    pub location: String,
    /// The name of the file.
    pub file: String,
    /// True if the file is there already.
    pub is_here: bool,
}

/// A spec, as far as the graph needs it.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Name of the source package.
    pub name: String,
    /// `[epoch:]version-release`.
    pub evr: String,
    /// The path, as the user named it.
    pub path: String,
    /// The start of the spec's text.
    pub span: Option<Span>,
    /// `BuildRequires`, those for `%check` only left out.
    pub build_requires: Vec<Wanted>,
    /// `BuildConflicts`.
    pub build_conflicts: Vec<Wanted>,
    /// If the spec has a `%check`: the `BuildRequires` that only the check needs.
    pub check: Option<Vec<Wanted>>,
    /// The packages that it makes.
    pub packages: Vec<SpecPackage>,
    /// Sources and patches.
    pub fetches: Vec<Fetch>,
    /// Why it is not built for the target at all (`ExclusiveArch` and its kin).
    pub excluded: Option<String>,
}

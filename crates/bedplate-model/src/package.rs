//! A package as its header or a repository's metadata describes it.

use std::fmt;

use crate::{Dependency, DependencyKind, Nevra};

/// What stands at a path of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// A plain file, a link, a device.
    File,
    /// A folder.
    Directory,
    /// A path that the package owns and does not bring (`%ghost`).
    Ghost,
}

/// A path of a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageFile {
    /// Path from the root.
    pub path: String,
    /// What stands there.
    pub kind: FileKind,
}

/// A binary package (or a source package, by its architecture): what resolving needs of it, and nothing else.
///
/// The lists are in the order of the header. A header provides its own name and version as a capability; a package that
/// is made otherwise has to have that capability too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinaryPackage {
    /// Name, version and architecture.
    pub nevra: Nevra,
    /// `SOURCERPM`: the file name of the source package.
    pub source_rpm: Option<String>,
    /// `Requires`.
    pub requires: Vec<Dependency>,
    /// `Provides`.
    pub provides: Vec<Dependency>,
    /// `Conflicts`.
    pub conflicts: Vec<Dependency>,
    /// `Obsoletes`.
    pub obsoletes: Vec<Dependency>,
    /// `Recommends`.
    pub recommends: Vec<Dependency>,
    /// `Suggests`.
    pub suggests: Vec<Dependency>,
    /// `Supplements`.
    pub supplements: Vec<Dependency>,
    /// `Enhances`.
    pub enhances: Vec<Dependency>,
    /// Its paths.
    pub files: Vec<PackageFile>,
}

impl BinaryPackage {
    /// The kinds of dependencies that a package has lists of.
    pub const KINDS: [DependencyKind; 8] = [
        DependencyKind::Requires,
        DependencyKind::Provides,
        DependencyKind::Conflicts,
        DependencyKind::Obsoletes,
        DependencyKind::Recommends,
        DependencyKind::Suggests,
        DependencyKind::Supplements,
        DependencyKind::Enhances,
    ];

    /// A package that has only its name: no capability, no file.
    pub fn new(nevra: Nevra) -> Self {
        Self {
            nevra,
            source_rpm: None,
            requires: Vec::new(),
            provides: Vec::new(),
            conflicts: Vec::new(),
            obsoletes: Vec::new(),
            recommends: Vec::new(),
            suggests: Vec::new(),
            supplements: Vec::new(),
            enhances: Vec::new(),
            files: Vec::new(),
        }
    }

    /// The list of a kind; `None` for a kind that is not of [`Self::KINDS`].
    pub fn dependencies(&self, kind: DependencyKind) -> Option<&Vec<Dependency>> {
        Some(match kind {
            DependencyKind::Requires => &self.requires,
            DependencyKind::Provides => &self.provides,
            DependencyKind::Conflicts => &self.conflicts,
            DependencyKind::Obsoletes => &self.obsoletes,
            DependencyKind::Recommends => &self.recommends,
            DependencyKind::Suggests => &self.suggests,
            DependencyKind::Supplements => &self.supplements,
            DependencyKind::Enhances => &self.enhances,
            _ => return None,
        })
    }

    /// The list of a kind, to add to it.
    pub fn dependencies_mut(&mut self, kind: DependencyKind) -> Option<&mut Vec<Dependency>> {
        Some(match kind {
            DependencyKind::Requires => &mut self.requires,
            DependencyKind::Provides => &mut self.provides,
            DependencyKind::Conflicts => &mut self.conflicts,
            DependencyKind::Obsoletes => &mut self.obsoletes,
            DependencyKind::Recommends => &mut self.recommends,
            DependencyKind::Suggests => &mut self.suggests,
            DependencyKind::Supplements => &mut self.supplements,
            DependencyKind::Enhances => &mut self.enhances,
            _ => return None,
        })
    }

    /// The package's name.
    pub fn name(&self) -> &str {
        self.nevra.name().as_str()
    }
}

impl fmt::Display for BinaryPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nevra.fmt(f)
    }
}

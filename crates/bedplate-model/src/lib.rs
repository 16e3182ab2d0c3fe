//! The words of rpm as types: versions, package names, dependencies, rich dependencies, architectures.
//!
//! Everything here is pure: text in, values out. What a text means is decided once, by the parsers of this crate, as the
//! rpm sources that each item names decide it. Nothing is read, run or printed.
//!
//! ```text
//! "1:2.0-3"          ── Evr, LooseEvr ── vercmp
//! "a-1:2.0-3.x86_64" ── Nevra
//! "a >= 2"           ── Dependency { name, evr, sense } ── DependencySet (sorted, unique)
//! "(a >= 2 if b)"    ── RichDependency
//! header, metadata   ── BinaryPackage
//! rpmrc              ── RpmRc ── target_macros, machine scores
//! machine            ── installable_archs
//! ```

pub mod arch;
mod dependency;
mod evr;
mod installable;
mod nevra;
mod package;
mod rich;
mod sense;
mod strings;

pub use arch::{Machine, MachineTable, RpmRc, RpmRcProblem, target_macros};
pub use dependency::{Dependency, DependencyError, DependencyKind, DependencySet};
pub use evr::{Evr, EvrError, LooseEvr, vercmp};
pub use installable::installable_archs;
pub use nevra::{Nevra, NevraError, PackageArch, PackageName};
pub use package::{BinaryPackage, FileKind, PackageFile};
pub use rich::{MAX_RICH_DEPTH, RichDependency, RichError, RichEvent, RichOperator, parse_rich, parse_rich_with};
pub use sense::Sense;

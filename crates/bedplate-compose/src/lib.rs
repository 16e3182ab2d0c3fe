//! Composes an image: from an image config and signed packages to disks and OCI images of one tree.
//!
//! ```text
//! repositories ─select─▶ packages ─verify, install─▶ tree ─scriptlets, customise─▶ tree
//!                                                                                   │
//!                             file systems, hash trees ◀─split by mount points──────┤
//!                                      │                                            │
//!             unified kernel image ─▶ disk ─▶ raw, VHD, VHDX, qcow2                 └─▶ OCI, tar, folder
//! ```
//!
//! The order of the steps is fixed, and no config changes it. Nothing is written to the output folder before all of it is made.
//! What a step made is kept in the store under a key of all that it depends on.

mod boot;
mod cache;
mod compose;
mod container;
mod described;
mod elf;
mod elf_check;
mod error;
mod install;
mod manifest;
mod origins;
mod output;
mod partitions;
mod scripts;
mod selection;
mod step;
mod trust;
mod verity;

pub use boot::BootFacts;
pub use compose::{Composed, Request, SeedFailure, Tools, compose};
pub use described::{Changed, DescribeError, Described, Difference, difference};
pub use elf_check::{ElfCheck, ElfCheckError, ElfFinding, ElfReport, check_elf};
pub use error::ComposeError;
pub use manifest::{MANIFEST_VERSION, Manifest, ManifestPackage, NamedDigest, OutputFacts, TreeFacts};
pub use origins::{Amount, BuiltFrom, Foreign, FromSource, Made, Origins};
pub use partitions::PartitionFacts;
pub use selection::{PackageSource, Selected, Selection, SelectionError, Wanted, select};
pub use step::{Listener, Progress, Timing};

pub(crate) use compose::Workshop;

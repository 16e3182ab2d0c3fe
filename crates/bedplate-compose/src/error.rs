//! Why there is no image.

use std::io;
use std::path::{Path, PathBuf};

use bedplate_boot::{EspError, InitramfsError, UkiError};
use bedplate_cas::StoreError;
use bedplate_customise::CustomiseError;
use bedplate_diag::{Category, Diagnostic};
use bedplate_disk::{DiskError, PartitionTypeError};
use bedplate_filesystem::FilesystemError;
use bedplate_install::{DatabaseError, InstallError, UnpackError};
use bedplate_oci::OciError;
use bedplate_repo::Findings;
use bedplate_scriptlet::ScriptError;
use bedplate_sign::{Pkcs7Error, SignError};
use bedplate_tree::InsertError;

use crate::{SeedFailure, SelectionError};

/// Why an image was not composed. Nothing is written then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// The config, or files of packages, have mistakes: all of them, with places in the config's texts.
    #[error("the image cannot be composed as it is written")]
    Mistakes(Vec<Diagnostic>),
    /// There is no set of packages.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// Packages are damaged, unsigned or signed by others.
    #[error("packages cannot be trusted: {0}")]
    Untrusted(Findings),
    /// Packages cannot be read.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// Packages do not go together.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The tree cannot be changed as it has to be.
    #[error(transparent)]
    Customise(#[from] CustomiseError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file has no place in the tree.
    #[error("failed to change the tree of the image")]
    Insert(#[from] InsertError),
    /// A file system was not made.
    #[error("failed to make a file system")]
    Filesystem(#[source] FilesystemError),
    /// A disk was not made.
    #[error("failed to make the disk")]
    Disk(#[from] DiskError),
    /// A root hash was not signed.
    #[error("failed to sign a root hash")]
    Sign(#[from] SignError),
    /// The signature of a root hash cannot be put together.
    #[error("failed to write the signature of a root hash")]
    Signature(#[from] Pkcs7Error),
    /// There is no such partition on this architecture.
    #[error(transparent)]
    PartitionType(#[from] PartitionTypeError),
    /// There is no initramfs.
    #[error(transparent)]
    Initramfs(#[from] InitramfsError),
    /// There is no unified kernel image.
    #[error("failed to make the unified kernel image")]
    Uki(#[from] UkiError),
    /// There is no EFI system partition.
    #[error("failed to make the EFI system partition")]
    Esp(#[from] EspError),
    /// An OCI image, an archive or a folder was not written.
    #[error("failed to write the image")]
    Oci(#[from] OciError),
    /// The rpm database was not made.
    #[error("failed to make the rpm database")]
    Database(#[from] DatabaseError),
    /// A script failed, or could not run.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// A script of the config failed: which one and why, with its place in the config.
    #[error("a script of the config failed")]
    ConfigScript(Box<Diagnostic>),
    /// A root of the seed is not there.
    #[error("failed to make a root of the seed")]
    Seed(#[from] SeedFailure),
    /// What the store has of a step is not what the step keeps.
    #[error("the store has something else under the key of a step")]
    Cache,
    /// A file cannot be used.
    #[error("failed to {doing} `{}`", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Somebody ended it.
    #[error("the compose was stopped")]
    Cancelled,
}

impl ComposeError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    /// Who can mend it.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Mistakes(_) | Self::Untrusted(_) => Category::Input,
            Self::Selection(error) => error.category(),
            Self::Unpack(error) => error.category(),
            Self::Install(error) => error.category(),
            Self::Customise(error) => error.category(),
            Self::Store(error) => error.category(),
            Self::Filesystem(error) => error.category(),
            Self::Disk(error) => error.category(),
            Self::Signature(error) => error.category(),
            Self::Initramfs(error) => error.category(),
            Self::Uki(error) => error.category(),
            Self::Esp(error) => error.category(),
            Self::Oci(error) => error.category(),
            Self::PartitionType(_) => Category::Input,
            Self::ConfigScript(_) => Category::Build,
            Self::Insert(_) | Self::Cache => Category::Internal,
            Self::Database(error) => error.category(),
            Self::Script(error) => error.category(),
            Self::Io { .. } | Self::Sign(_) | Self::Cancelled | Self::Seed(_) => Category::Environment,
        }
    }
}

//! Arguments of the commands that make images.

use std::path::PathBuf;

use clap::Args;

use crate::cli::StoreArgs;
use crate::cli::seed::SeedArgs;

#[derive(Debug, Clone, Args)]
pub(crate) struct ImageBuildArgs {
    /// The image config (TOML)
    #[arg(value_name = "CONFIG")]
    pub(crate) config: PathBuf,
    /// Write the image in this form, and not in those of the config; may be repeated
    #[arg(long, value_name = "FORMAT", value_delimiter = ',')]
    pub(crate) format: Vec<String>,
    /// Take packages from this folder, too; may be repeated
    #[arg(long, value_name = "[NAME=]DIR")]
    pub(crate) repo: Vec<String>,
    /// Keys that sign the packages and the metadata of `--repo` folders [default: the key file of `bedplate build` beside or
    /// above the folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<PathBuf>,
    /// The secret key that signs root hashes of partitions with `verity = "signed"` (PEM, RSA or ECDSA, without a passphrase)
    #[arg(long, value_name = "FILE", requires = "verity_certificate")]
    pub(crate) verity_key: Option<PathBuf>,
    /// The certificate (X.509, PEM) of that key
    #[arg(long, value_name = "FILE", requires = "verity_key")]
    pub(crate) verity_certificate: Option<PathBuf>,
    /// Folder for the image
    #[arg(long, value_name = "DIR", default_value = "out/images")]
    pub(crate) output: PathBuf,
    /// Choose packages anew and write the lock
    #[arg(long)]
    pub(crate) update_lock: bool,
    /// Refuse what a release must not have: no lock or another one, no version, packages of a developer's repository (`--repo`), scripts
    #[arg(long)]
    pub(crate) release: bool,
    /// Fetch nothing of repositories: use what was fetched before
    #[arg(long)]
    pub(crate) offline: bool,
    #[command(flatten)]
    pub(crate) seed: SeedArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ImageInspectArgs {
    /// A file or folder of an image, or its manifest
    #[arg(value_name = "IMAGE")]
    pub(crate) image: PathBuf,
    /// Name all packages and folders, not only the largest
    #[arg(long)]
    pub(crate) all: bool,
    /// Show where all files come from: the source packages that they were built of here, and the steps that made the others, by name
    #[arg(long)]
    pub(crate) origins: bool,
    /// The same; the exit code is 1 if there are files of packages that were not built here
    #[arg(long)]
    pub(crate) require_source: bool,
    /// Print all as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ImageCheckArgs {
    /// A file or folder of an image, or its manifest
    #[arg(value_name = "IMAGE")]
    pub(crate) image: PathBuf,
    /// What is right as it is: lines `PACKAGE CHECK PATTERN REASON`; the pattern, a regular expression, is matched against the whole path; may
    /// be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) exceptions: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ImageDiffArgs {
    /// The first image: a file or folder of it, or its manifest
    #[arg(value_name = "A")]
    pub(crate) before: PathBuf,
    /// The second
    #[arg(value_name = "B")]
    pub(crate) after: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

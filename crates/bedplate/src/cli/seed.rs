//! Arguments of `bedplate seed`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::StoreArgs;

/// Which seed.
#[derive(Debug, Clone, Args)]
pub(crate) struct SeedArgs {
    /// The seed file; its lock has the ending `.lock` in the place of `.toml`
    #[arg(long, value_name = "FILE", default_value = "toolkit/seed/debian-trixie.toml")]
    pub(crate) seed: PathBuf,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SeedCommand {
    /// Fetch and install the packages of groups, and print the digest of their root
    ///
    /// Takes exactly what the lock names, from the mirror of Debian that the host's apt uses, installs it with mmdebstrap without a
    /// network, and keeps each package in the store. What is there already is not made again. Builds do this by themselves.
    #[command(after_help = "Examples:
  bedplate seed create base rpm c
  bedplate seed create --all")]
    Create(SeedCreateArgs),
    /// Write the lock: the packages that the seed takes of the mirror as it is now
    ///
    /// Prints what is otherwise than before. What of the seed file does not fit the new versions is reported as a warning.
    #[command(after_help = "Examples:
  bedplate seed lock
  git diff toolkit/seed                              what it changed")]
    Lock(SeedLockArgs),
    /// Compare the seed file with its lock, and the lock with the store
    ///
    /// All files of all packages that the store has are hashed. What is damaged is named and dropped; the exit code is 3 then.
    #[command(after_help = "Examples:
  bedplate seed verify")]
    Verify(SeedVerifyArgs),
    /// List groups and their packages: versions, sizes, whether the store has them
    #[command(after_help = "Examples:
  bedplate seed list
  bedplate seed list --json | jq -r '.groups[].packages[] | select(.stored | not) | .name'")]
    List(SeedListArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SeedCreateArgs {
    /// Groups of the seed; those that they need come along
    #[arg(value_name = "GROUP", required_unless_present = "all")]
    pub(crate) groups: Vec<String>,
    /// All groups
    #[arg(long, conflicts_with = "groups")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) seed: SeedArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SeedLockArgs {
    #[command(flatten)]
    pub(crate) seed: SeedArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SeedVerifyArgs {
    #[command(flatten)]
    pub(crate) seed: SeedArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SeedListArgs {
    #[command(flatten)]
    pub(crate) seed: SeedArgs,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

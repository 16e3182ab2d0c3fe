//! Arguments of `bedplate store`, and of every command that uses the store.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::units;

/// Which store.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoreArgs {
    /// Folder of blobs, trees and the action cache [default: `bedplate` in `$XDG_CACHE_HOME` or `~/.cache`]
    #[arg(long, value_name = "DIR", env = "BEDPLATE_STORE")]
    pub(crate) store: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Show how much is in the store
    #[command(after_help = "Examples:
  bedplate store stats
  bedplate store stats --json | jq .bytes")]
    Stats(StatsArgs),
    /// Hash everything in the store, and drop what is damaged
    ///
    /// Hashes all blobs, compares all checkouts with their trees, reads all actions, documents and roots, and checks that what
    /// actions made is there. What is damaged is named and dropped; the next build makes it again. The exit code is 3 then.
    #[command(after_help = "Examples:
  bedplate store verify
  bedplate store verify --json | jq -r '.damage[].what'")]
    Verify(StoreVerifyArgs),
    /// Remove from the store what was not used for long
    ///
    /// What roots keep (the current seed and repository) stays. Of the rest the newest stays, as long as it was used within
    /// `--max-age` and fits into `--max-size`; without either, what was used in the last 30 days. The store must not be in use.
    #[command(after_help = "Examples:
  bedplate store gc
  bedplate store gc --max-size 20G --max-age 30d --dry-run
  bedplate store gc --max-size 20G --wait --json | jq .removed.bytes")]
    Gc(GcArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct StoreVerifyArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct GcArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// How much may stay on the disk: bytes, or with K, M, G or T (powers of 1024)
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size)]
    pub(crate) max_size: Option<u64>,
    /// How long something may stay unused: with s, m, h, d or w
    #[arg(long, value_name = "AGE", value_parser = units::parse_age)]
    pub(crate) max_age: Option<Duration>,
    /// Only say what would go
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Wait until no other process uses the store
    #[arg(long)]
    pub(crate) wait: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

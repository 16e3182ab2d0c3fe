//! The arguments of `bedplate version`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum VersionCommand {
    /// Say which of two versions is newer: prints `A < B`, `A = B` or `A > B`
    ///
    /// A version is `[EPOCH:]VERSION[-RELEASE]`. Without an epoch it is 0; without a release it is older than with any.
    /// Without arguments, pairs are read from standard input: two versions on each line.
    #[command(after_help = "Examples:
  bedplate version compare 1.0~rc1 1.0
  bedplate version compare 1:2.0-3 2.1 --json | jq -r .order
  printf '1.0 1.0^git1\\n2_0 2.0\\n' | bedplate version compare")]
    Compare(CompareArgs),
    /// Sort versions, oldest first
    ///
    /// Versions that rpm takes for equal, such as `2_0` and `2.0`, keep their order. Without arguments, versions are read
    /// from standard input, one on each line.
    #[command(after_help = "Examples:
  bedplate version sort 1.10 1.9 1.9~rc1
  git tag | bedplate version sort | tail -n 1")]
    Sort(SortArgs),
    /// Say whether two dependencies have a version in common, as a requirement and what answers it must have
    ///
    /// A dependency is `NAME`, or `NAME` and a version after one of < <= = >= >. A version without a release stands for all
    /// releases. Without arguments, pairs are read from standard input: two dependencies on each line, parted by a tab.
    #[command(after_help = "Examples:
  bedplate version overlap 'zlib >= 1.2' 'zlib = 1.3-1'
  bedplate version overlap --json 'a < 2' 'a = 1:1'")]
    Overlap(OverlapArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CompareArgs {
    /// Two versions
    #[arg(value_names = ["A", "B"], num_args = 2)]
    pub(crate) versions: Vec<String>,
    /// Print one JSON object for each pair
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SortArgs {
    /// Versions
    #[arg(value_name = "VERSION")]
    pub(crate) versions: Vec<String>,
    /// Newest first
    #[arg(long, short)]
    pub(crate) reverse: bool,
    /// Print one JSON object for each version, with its parts
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct OverlapArgs {
    /// Two dependencies
    #[arg(value_names = ["A", "B"], num_args = 2)]
    pub(crate) dependencies: Vec<String>,
    /// Print one JSON object for each pair
    #[arg(long)]
    pub(crate) json: bool,
}

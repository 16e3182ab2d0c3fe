//! Arguments of `bedplate repo`.

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum RepoCommand {
    /// Make the repodata of a folder of RPMs
    ///
    /// Reads all RPMs below the folder in parallel, checks each against its own digests and sizes, and writes `repodata/` in
    /// the folder: `primary`, `filelists`, `other` and `repomd.xml`, as dnf, libsolv and createrepo_c read them. The same
    /// packages give the same bytes, from run to run and on every machine. An old `repodata/` is replaced as a whole; with a
    /// mistake in a package nothing is changed, and the exit code is 2.
    #[command(after_help = "Examples:
  bedplate repo create out/RPMS
  bedplate repo create --compress gz --epoch $SOURCE_DATE_EPOCH out/RPMS
  bedplate repo create --json out/RPMS | jq .revision")]
    Create(CreateArgs),
}

/// How repodata is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum CompressChoice {
    /// zstd
    #[default]
    Zstd,
    /// gzip, for tools before 2020
    Gz,
    /// xz
    Xz,
    /// Plain text
    None,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CreateArgs {
    /// Folder with RPMs in it
    #[arg(value_name = "DIR")]
    pub(crate) folder: String,
    /// How to compress the files
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    pub(crate) compress: CompressChoice,
    /// Revision and times of `repomd.xml`, in seconds since 1970 [default: the newest build time of the packages]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) epoch: Option<u64>,
    /// How many entries of each changelog to keep
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) changelogs: usize,
    /// How many packages to read at a time [default: one for each processor]
    #[arg(long, short = 'j', value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Print what was made as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

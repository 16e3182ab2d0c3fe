//! Arguments of `source`.

use clap::{Args, Subcommand};

use super::{NetworkArgs, SpecFilesArgs, StoreArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum SourceCommand {
    /// Get the source files of specs into the store
    ///
    /// Each file that a list pins (`NAME.sources.toml`, or `NAME.signatures.json` of Azure Linux) is looked for in the store,
    /// beside the spec, in the lookaside folders and servers, at upstream's URLs and in Debian, in this order. Bytes that are not
    /// those that are pinned are refused, with expected and actual, and the next place is asked. A download that was broken off
    /// is gone on with. Before anything is fetched, all that does not fit together is reported: files that no list has, and
    /// entries that no spec names.
    #[command(after_help = "Examples:
  bedplate source fetch                              all specs
  bedplate source fetch zlib bash --jobs 8
  bedplate source fetch --offline --lookaside /srv/sources
  bedplate source fetch --lookaside https://cache.example/sources")]
    Fetch(FetchArgs),
    /// Check that all source files are there, and right
    ///
    /// Every pinned file has to be in the store or beside its spec; its bytes are hashed again. Nothing is fetched.
    #[command(after_help = "Examples:
  bedplate source verify
  bedplate source verify zlib")]
    Verify(SourceArgs),
    /// Pin what the places of source files have now
    ///
    /// For a new version: change `Version` in the spec, then run this. An entry whose file the spec does not name any more takes
    /// the name of the new one, in its URLs as well. Then each file is fetched anew from the first of its places that has it, and
    /// its hash and size are written into the list; comments and order stay. The place is trusted: compare what it gave with what
    /// upstream announces (a signature, a published hash) before you commit the list.
    #[command(after_help = "Examples:
  bedplate source update zlib
  git diff specs/zlib/zlib.sources.toml")]
    Update(UpdateArgs),
    /// List the source files of specs: where they are, and where they come from
    #[command(after_help = "Examples:
  bedplate source list
  bedplate source list --json zlib | jq -r '.[] | select(.state == \"missing\") | .file'")]
    List(ListSourcesArgs),
    /// Make the vendor archive of a Go program out of Debian's Go libraries, and pin it
    ///
    /// The list of the spec has an entry for it: `go = { lock = "NAME.go.lock" }`. The lock pins the packages (`golang-*-dev`) that
    /// the archive is made of; without one, `--source` or `--package` says what is wanted, and apt finds what that needs. The same
    /// lock gives the same bytes.
    #[command(after_help = "Examples:
  bedplate source bundle-go runc --source runc       the libraries that Debian builds runc with
  bedplate source bundle-go runc                     the archive of the lock that is there
  bedplate source bundle-go runc --update            newer versions of the same libraries")]
    BundleGo(BundleGoArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct BundleGoArgs {
    /// Name of the spec
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Pin the libraries that a Debian source package is built with
    #[arg(long, value_name = "SOURCE", conflicts_with = "package")]
    pub(crate) source: Option<String>,
    /// Pin a library and what it needs; may be given again
    #[arg(long, value_name = "PACKAGE")]
    pub(crate) package: Vec<String>,
    /// Suite of Debian to find them in: trixie or sid [default: that of the lock, else sid]
    #[arg(long, value_name = "SUITE", value_parser = ["trixie", "sid"])]
    pub(crate) suite: Option<String>,
    /// Fetch Debian's lists anew, and pin what is newest
    #[arg(long)]
    pub(crate) update: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) files: SpecFilesArgs,
}

/// Which specs, and the store.
#[derive(Debug, Clone, Args)]
pub(crate) struct SourceArgs {
    /// Names of specs [default: all]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) files: SpecFilesArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct FetchArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// How many files to fetch at a time
    #[arg(long, short = 'j', value_name = "N", default_value_t = 4)]
    pub(crate) jobs: usize,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct UpdateArgs {
    /// Names of specs
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) files: SpecFilesArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ListSourcesArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

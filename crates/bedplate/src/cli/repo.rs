//! Arguments of `bedplate repo`.

use clap::{Args, Subcommand, ValueEnum};

use super::key::SigningKeyArgs;

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
    /// Sign the RPMs of a folder and its repodata
    ///
    /// Signs each RPM below the folder that is not signed yet, makes the repodata again, and signs `repomd.xml`. Without a
    /// key, one is made (`bedplate key create`). The time of a signature is that of the build, or of the key if it is younger:
    /// the same packages and key give the same bytes. An RPM with a signature of another key is refused.
    #[command(after_help = "Examples:
  bedplate repo sign out/RPMS
  bedplate repo sign --key keys/release.asc --replace out/RPMS
  bedplate key show > RPM-GPG-KEY && bedplate repo verify --packages --key RPM-GPG-KEY out/RPMS")]
    Sign(SignArgs),
    /// Check repositories: all that is wrong, at once
    ///
    /// Checks `repomd.xml` and, with `--key`, its signature; that each file that it names is there with its size and checksum,
    /// packed and unpacked; that the metadata is good XML and its files agree with each other. With `--packages` also that each
    /// package is there, whole, that its header says what the metadata says, and, with `--key`, that it is signed. With an
    /// error the exit code is 2.
    #[command(after_help = "Examples:
  bedplate repo verify out/RPMS
  bedplate repo verify --packages --key RPM-GPG-KEY mirror/os mirror/updates
  bedplate repo verify --json mirror/os | jq -r .code | sort | uniq -c")]
    Verify(VerifyArgs),
    /// Print packages of repositories: by name, by what they provide or need, by file
    ///
    /// A repository is a folder with `repodata/`, or a plain folder of RPMs. A NAME is `name`, `name.arch`, `name-version-release`
    /// or the like, with `*`, `?` and `[a-c]`. Of several values of one option any may fit; all options together have to.
    /// Two different packages of one name, version and architecture in two repositories are reported, with exit code 2.
    #[command(after_help = "Examples:
  bedplate repo query out/RPMS                                  all packages
  bedplate repo query --requires --recommends out/RPMS bash
  bedplate repo query --whatprovides 'libssl.so.3()(64bit)' mirror/os mirror/updates
  bedplate repo query --whatrequires 'zlib >= 1.3' out/RPMS
  bedplate repo query --json out/RPMS 'python3-*' | jq -r '.files[].path'")]
    Query(Box<RepoQueryArgs>),
    /// Write down what builds taught: the capabilities that rpm generated
    ///
    /// Reads packages and gives their generated capabilities as a capability lock (docs/build-graph.md), with
    /// which `bedplate graph` and `bedplate plan` need not guess. With `--output`, what the file says of other packages stays.
    #[command(after_help = "Examples:
  bedplate repo capabilities out/RPMS
  bedplate repo capabilities out/RPMS -o specs/capabilities.lock")]
    Capabilities(CapabilitiesArgs),
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
pub(crate) struct CapabilitiesArgs {
    /// Folders with RPMs; repodata does not say what was generated, and is not read
    #[arg(value_name = "DIR", required = true)]
    pub(crate) folders: Vec<String>,
    /// Write to a file instead of standard output
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) output: Option<String>,
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

#[derive(Debug, Clone, Args)]
pub(crate) struct SignArgs {
    /// Folder with RPMs in it
    #[arg(value_name = "DIR")]
    pub(crate) folder: String,
    #[command(flatten)]
    pub(crate) key: SigningKeyArgs,
    /// Replace signatures of other keys
    #[arg(long)]
    pub(crate) replace: bool,
    /// How many packages to sign at a time [default: one for each processor]
    #[arg(long, short = 'j', value_name = "N")]
    pub(crate) jobs: Option<usize>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct VerifyArgs {
    /// Repositories
    #[arg(value_name = "DIR", required = true)]
    pub(crate) folders: Vec<String>,
    /// Public keys: `repomd.xml`, and with `--packages` each package, has to be signed by one of them
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<String>,
    /// Also read each package
    #[arg(long)]
    pub(crate) packages: bool,
    /// How many packages to read at a time [default: one for each processor]
    #[arg(long, short = 'j', value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Print one JSON object for each finding
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RepoQueryArgs {
    /// Repositories: those of the arguments that are folders; then names of packages
    #[arg(value_name = "DIR|NAME", required = true)]
    pub(crate) arguments: Vec<String>,
    /// Public keys: each repository has to be signed by one of them
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<String>,
    /// Packages that provide a capability or path: `NAME`, `'NAME >= VERSION'`
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) whatprovides: Vec<String>,
    /// Packages that require it, or what a package of this name provides
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) whatrequires: Vec<String>,
    /// Packages that conflict with it
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) whatconflicts: Vec<String>,
    /// Packages that obsolete it
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) whatobsoletes: Vec<String>,
    /// Packages that recommend it
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) whatrecommends: Vec<String>,
    /// Packages that suggest it
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) whatsuggests: Vec<String>,
    /// Packages that supplement it
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) whatsupplements: Vec<String>,
    /// Packages that enhance it
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) whatenhances: Vec<String>,
    /// With `--whatrequires` and the like: only what is asked for in these words
    #[arg(long)]
    pub(crate) exact: bool,
    /// Packages that have a path
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Vec<String>,
    #[command(flatten)]
    pub(crate) lists: ListArgs,
    /// Print one JSON object for each package
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to print of the packages instead of their names; of several the union.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    /// Print what they require
    #[arg(long)]
    pub(crate) requires: bool,
    /// Print what they provide
    #[arg(long)]
    pub(crate) provides: bool,
    /// Print what they conflict with
    #[arg(long)]
    pub(crate) conflicts: bool,
    /// Print what they obsolete
    #[arg(long)]
    pub(crate) obsoletes: bool,
    /// Print what they recommend
    #[arg(long)]
    pub(crate) recommends: bool,
    /// Print what they suggest
    #[arg(long)]
    pub(crate) suggests: bool,
    /// Print what they supplement
    #[arg(long)]
    pub(crate) supplements: bool,
    /// Print what they enhance
    #[arg(long)]
    pub(crate) enhances: bool,
    /// Print their paths
    #[arg(long)]
    pub(crate) files: bool,
    /// Print their changelogs
    #[arg(long)]
    pub(crate) changelogs: bool,
}

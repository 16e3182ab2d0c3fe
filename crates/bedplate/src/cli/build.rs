//! Arguments of `build`, `shell` and `why-rebuild`.

use std::path::PathBuf;
use std::time::Duration;

use bedplate_source::Lookaside;
use clap::{Args, ValueEnum};

use super::{ModuleCertificateArgs, ModuleKeyArgs, RenderArgs, SigningKeyArgs, SpecsArgs};
use crate::units;

/// Whether tests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum CheckChoice {
    /// They do not
    Off,
    /// They run beside other builds; a failed one makes the run fail
    #[default]
    Run,
    /// What needs a package waits until its tests have passed
    Require,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct BuildArgs {
    /// Specs, packages or capabilities to have in the end
    #[arg(value_name = "NAME", required_unless_present_any = ["all", "image"])]
    pub(crate) names: Vec<String>,
    /// Image config: also what its image installs, and what that requires; may be given again
    #[arg(long, value_name = "CONFIG", conflicts_with = "all")]
    pub(crate) image: Vec<PathBuf>,
    /// Build all specs
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
    /// Folder of what comes out: `repository`, `logs`
    #[arg(long, short = 'o', value_name = "DIR", default_value = "out")]
    pub(crate) output: PathBuf,
    /// How many processes run at a time, in all builds together [default: one for each processor]
    #[arg(long, short = 'j', value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// How much memory builds may take together, by what they took before: `8G` [default: three quarters of the machine's]
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size)]
    pub(crate) max_memory: Option<u64>,
    /// Go on with what does not need a failed build
    #[arg(long, short = 'k')]
    pub(crate) keep_going: bool,
    /// Whether `%check` runs
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub(crate) check: CheckChoice,
    /// Longest time of a build or check: `90s`, `45m`, `6h`
    #[arg(long, value_name = "TIME", default_value = "6h", value_parser = units::parse_age)]
    pub(crate) timeout: Duration,
    /// Most disk space of a build: `64G`
    #[arg(long, value_name = "SIZE", default_value = "64G", value_parser = units::parse_size)]
    pub(crate) max_disk: u64,
    /// Most processes and threads of a build at a time
    #[arg(long, value_name = "N", default_value_t = 8192)]
    pub(crate) max_processes: u64,
    /// How often something is tried again that failed for the environment's fault
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) retries: u32,
    #[command(flatten)]
    pub(crate) key: SigningKeyArgs,
    #[command(flatten)]
    pub(crate) modules: ModuleKeyArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) render: RenderArgs,
    #[command(flatten)]
    pub(crate) prebuilt: PrebuiltArgs,
    #[command(flatten)]
    pub(crate) specs: SpecsArgs,
}

/// Packages that specs need not make.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PrebuiltArgs {
    /// Folder of built packages, with or without repodata: what it has in a spec's version is taken, not built
    /// [name: that of the folder]; may be given again
    #[arg(long, short = 'r', value_name = "[NAME=]DIR")]
    pub(crate) repo: Vec<String>,
    /// Public keys: each repository has to be signed by one of them
    #[arg(long, value_name = "FILE", requires = "repo")]
    pub(crate) repo_key: Vec<String>,
}

/// Where sources and seed may come from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct NetworkArgs {
    /// Use no network: only the store, the folders of the specs, and lookaside folders
    #[arg(long)]
    pub(crate) offline: bool,
    /// Folder or URL with copies of sources, as `FILE` or `NAME/FILE`, asked before upstream; may be given again
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) lookaside: Vec<Lookaside>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ShellArguments {
    /// The spec
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What to run instead of a shell
    #[arg(value_name = "COMMAND", last = true)]
    pub(crate) command: Vec<String>,
    /// A fresh root, as the build finds it, even if a build failed
    #[arg(long)]
    pub(crate) fresh: bool,
    #[command(flatten)]
    pub(crate) modules: ModuleCertificateArgs,
    #[command(flatten)]
    pub(crate) prebuilt: PrebuiltArgs,
    #[command(flatten)]
    pub(crate) specs: SpecsArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WhyRebuildArgs {
    /// Specs [default: all]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) modules: ModuleCertificateArgs,
    #[command(flatten)]
    pub(crate) prebuilt: PrebuiltArgs,
    #[command(flatten)]
    pub(crate) specs: SpecsArgs,
}

//! The arguments, declared once: help and the reference are made from here.

mod build;
mod compose;
mod graph;
mod image;
mod key;
mod render;
mod repo;
mod seed;
mod solve;
mod source;
mod store;
mod version;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::build::{BuildArgs, CheckChoice, NetworkArgs, PrebuiltArgs, ShellArguments, WhyRebuildArgs};
pub(crate) use self::compose::{ImageBuildArgs, ImageCheckArgs, ImageDiffArgs, ImageInspectArgs};
pub(crate) use self::graph::{GraphArgs, PlanArgs, SpecFilesArgs, SpecsArgs, WhyArgs, WorkspaceArgs};
pub(crate) use self::image::{
    AccelerationChoice, DiskFormatChoice, ExplainArgs, ImageBootArgs, ImageCommand, ImportArgs, ValidateArgs,
};
pub(crate) use self::key::{KeyCommand, ModuleCertificateArgs, ModuleKeyArgs, SigningKeyArgs};
pub(crate) use self::render::{RenderArgs, ReplayArgs};
pub(crate) use self::repo::{
    CapabilitiesArgs, CompressChoice, CreateArgs, ListArgs, RepoCommand, RepoQueryArgs, SignArgs, VerifyArgs,
};
pub(crate) use self::seed::{SeedCommand, SeedCreateArgs, SeedListArgs, SeedLockArgs, SeedVerifyArgs};
pub(crate) use self::solve::SolveArgs;
pub(crate) use self::source::{BundleGoArgs, FetchArgs, ListSourcesArgs, SourceArgs, SourceCommand, UpdateArgs};
pub(crate) use self::store::{GcArgs, StatsArgs, StoreArgs, StoreCommand, StoreVerifyArgs};
pub(crate) use self::version::{CompareArgs, OverlapArgs, SortArgs, VersionCommand};
use crate::ui::ColorChoice;

/// Builds a small, hardened, signed container-host OS image from RPM specs
///
/// Exit codes: 0 good, 1 a build failed, 2 bad input, 3 the environment is at fault, 70 a bug.
#[derive(Debug, Parser)]
#[command(name = "bedplate", version, max_term_width = 100)]
pub struct Cli {
    /// When to use colour in messages
    #[arg(long, value_enum, default_value_t, global = true, value_name = "WHEN")]
    pub color: ColorChoice,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read RPM specs: what they say, how they expand, what is wrong with them
    #[command(subcommand)]
    Spec(Box<SpecCommand>),
    /// Show what has to be built before what: waves, cycles, the critical path
    ///
    /// Reads all specs, resolves the root of each build, and finds all cycles at once. What is wrong with the specs (a
    /// capability that nothing provides, a cycle that the seed cannot cut) is reported in one run; the exit code is 2 then.
    #[command(after_help = "Examples:
  bedplate graph                                     waves and the critical path
  bedplate graph --svg -o graph.svg                  a drawing; open it in a browser
  bedplate graph --focus openssl --depth 2 --dot | dot -Tpdf -o openssl.pdf
  bedplate graph --cycles                            every cycle in forward order, and what cuts it
  bedplate graph --json | jq -r '.nodes[] | select(.critical) | .name'")]
    Graph(Box<GraphArgs>),
    /// Explain why something is needed, why it cannot be had, and what it would rebuild
    ///
    /// With one name: what asks for it, what is wrong with it, and which builds follow if it changes. With two: the shortest
    /// chain from the first to the second, with the capability on each arrow and the line of the spec that it stands in.
    #[command(after_help = "Examples:
  bedplate why curl                                  who needs it, and what is rebuilt when it changes
  bedplate why systemd openssl                       why is openssl in the root of systemd's build?
  bedplate why 'pkgconfig(libcrypto)'                who provides it, and who asks for it
  bedplate why --json systemd openssl | jq '.chain[].capability'")]
    Why(Box<WhyArgs>),
    /// Show what a build of some targets would do, and how long it should take
    ///
    /// Lists what would be fetched, built and checked, wave by wave, what is taken from repositories (`--repo`) because it
    /// is there in the same version, and which groups of the seed are needed. Nothing is done.
    #[command(after_help = "Examples:
  bedplate plan                                      all specs
  bedplate plan curl openssh                         these, and what they need
  bedplate plan --repo out/RPMS systemd              what is built already is taken from there
  bedplate plan --json -j 16 | jq .seconds")]
    Plan(Box<PlanArgs>),
    /// Build packages from source, sign them, and write a repository
    ///
    /// Builds what is not in the store yet: each build in a root of its own that has its declared inputs and nothing else. The
    /// packages are signed and lie in `out/repository`, with repodata; logs are in `out/logs`. What is built is kept in the store:
    /// a run that was stopped goes on where it was, and a change builds again only what it reaches.
    #[command(after_help = "Examples:
  bedplate build --all                               all specs
  bedplate build bash -j 8                           bash and what it needs, 8 processes in all
  bedplate build --all --keep-going --check=require
  bedplate build zlib --events events.jsonl --trace trace.json
  bedplate why-rebuild zlib                          what a build would do, and why

Exit codes: 0 all is built, 1 a build or check failed, 2 bad input, 3 the environment is at fault.")]
    Build(Box<BuildArgs>),
    /// Open the sandbox of a build, where it failed
    ///
    /// Without a failed build (or with `--fresh`), the root as the build would find it. There is no network, and what is written is
    /// thrown away at the end. The spec is in /build/SPECS; `rpmbuild -bb --nodeps --noclean /build/SPECS/NAME.spec` builds it.
    #[command(after_help = "Examples:
  bedplate shell bash                                look around where the build of bash stopped
  bedplate shell bash -- tail -n 50 /build/BUILD/bash-5.2.37-build/bash-5.2.37/config.log
  bedplate shell --fresh zlib                        before the build")]
    Shell(Box<ShellArguments>),
    /// Say what a build would do again, and which input is the reason
    #[command(
        name = "why-rebuild",
        after_help = "Examples:
  bedplate why-rebuild                               all specs
  bedplate why-rebuild zlib bash
  bedplate why-rebuild --json | jq -r 'select(.verdict == \"rebuild\").name'"
    )]
    WhyRebuild(Box<WhyRebuildArgs>),
    /// Compare and sort versions as rpm does
    #[command(subcommand)]
    Version(VersionCommand),
    /// Say which packages an installation takes, and why
    ///
    /// Prints each package with its repository and its reason: the package that requires it, and what it requires. If there is
    /// no answer, a tree of reasons says why, and the exit code is 2. The rules of choice are in docs/solver.md.
    #[command(after_help = "Examples:
  bedplate solve --repo out/RPMS systemd openssh-server
  bedplate solve -r os -r updates --priority updates=10 --exclude '*-debuginfo' --write-lock image.lock kernel
  bedplate solve -r os --lock image.lock nginx '(vim or nano)' --json | jq -r .packages[].nevra
  bedplate solve -r os --dump-problem problem.json nginx; bedplate solve --replay problem.json")]
    Solve(Box<SolveArgs>),
    /// Make, verify and query repositories of RPMs
    #[command(subcommand)]
    Repo(Box<RepoCommand>),
    /// Get, verify and pin the files that specs take from elsewhere
    #[command(subcommand)]
    Source(Box<SourceCommand>),
    /// Show a recorded run again: its progress, its report, its times
    ///
    /// Reads the events that `--events` wrote, here or on another machine, and shows them as the run itself would have. Nothing
    /// is built.
    #[command(after_help = "Examples:
  bedplate replay events.jsonl                       the report of a run in CI
  bedplate replay events.jsonl --speed 60            watch it, a minute in a second
  bedplate replay events.jsonl --trace trace.json    where its time went
  bedplate replay events.jsonl --times               the same as a table: time, processor, memory of each step")]
    Replay(Box<ReplayArgs>),
    /// Compose images, look into them, boot them; check, explain and import their configs
    #[command(subcommand)]
    Image(Box<ImageCommand>),
    /// Look after the seed: the packages of the distribution that first builds run in
    #[command(subcommand)]
    Seed(Box<SeedCommand>),
    /// Make and show the key that signs packages
    #[command(subcommand)]
    Key(KeyCommand),
    /// Look after the store: what builds made and fetched, by content
    #[command(subcommand)]
    Store(StoreCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum SpecCommand {
    /// Print what specs say: packages, dependencies, sections
    ///
    /// Reads specs as `rpmspec -q` does, natively and in parallel. Folders are searched for `*.spec`. A bad spec does not
    /// stop the others; the exit code is 2 then.
    #[command(after_help = "Examples:
  bedplate spec query specs/                                    the packages of all specs
  bedplate spec query --srpm --format '%{NAME} [%{REQUIRENEVRS} ]\\n' specs/
  bedplate spec query --json zlib.spec | jq .packages[].requires
  bedplate spec query --json --config conf --root specs --list list.txt")]
    Query(QueryArgs),
    /// Print a spec after macro expansion, as `rpmspec -P` does
    #[command(after_help = "Examples:
  bedplate spec expand zlib.spec
  bedplate spec expand --with tests --define 'dist .az4' zlib.spec")]
    Expand(ExpandArgs),
    /// Check specs: all mistakes and traps at once, each with its place
    #[command(after_help = "Examples:
  bedplate spec lint specs/
  bedplate spec lint --json specs/ | jq -r '.code' | sort | uniq -c
  bedplate spec lint --deny warnings specs/")]
    Lint(LintArgs),
    /// List macros with the place of their definition, or expand text
    #[command(after_help = "Examples:
  bedplate spec macros _libdir configure
  bedplate spec macros --eval '%{_libdir} %[1 + 2]'
  bedplate spec macros --json | jq -r 'select(.name | startswith(\"_\")) | .name'")]
    Macros(MacrosArgs),
}

/// Where macros come from and for which target: shared by all `spec` commands.
#[derive(Debug, Clone, Args)]
pub(crate) struct MacroArgs {
    /// Folder of an rpm configuration: `rpmrc`, `macros`, `macros.d/macros.*`, `platform/TARGET/macros` [default:
    /// /usr/lib/rpm; for builds, that of the seed's rpm]
    #[arg(long, value_name = "DIR", env = "BEDPLATE_RPM_CONFIG")]
    pub(crate) config: Option<String>,
    /// Macro files instead of those of the configuration, as patterns between colons; later ones win
    #[arg(long, value_name = "PATH:PATH")]
    pub(crate) macros: Option<String>,
    /// Define a macro, over all files
    #[arg(long, short = 'D', value_name = "NAME BODY")]
    pub(crate) define: Vec<String>,
    /// Switch a build condition on
    #[arg(long, value_name = "CONDITION")]
    pub(crate) with: Vec<String>,
    /// Switch a build condition off
    #[arg(long, value_name = "CONDITION")]
    pub(crate) without: Vec<String>,
    /// Architecture to read the spec for: `x86_64`, `aarch64-linux`
    #[arg(long, value_name = "ARCH", default_value = "x86_64")]
    pub(crate) target: String,
    /// Folder of sources and patches [default: the folder of the spec]
    #[arg(long, value_name = "DIR")]
    pub(crate) sourcedir: Option<String>,
    /// Which rpm to follow: 4.18, 4.20 or 6 [default: 4.18; for builds, that of the seed]
    #[arg(long, value_name = "VERSION")]
    pub(crate) dialect: Option<bedplate_spec::Dialect>,
    #[command(flatten)]
    pub(crate) shell: ShellArgs,
}

/// How `%(command)` is answered.
#[derive(Debug, Clone, Args)]
pub(crate) struct ShellArgs {
    /// What to do with a `%(command)` that no rule, profile or record answers
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    pub(crate) shell: ShellChoice,
    /// Facts and answers of the target (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Option<String>,
    /// Recorded answers (JSON lines)
    #[arg(long, value_name = "FILE")]
    pub(crate) recorded: Option<String>,
    /// Write the answers of this run's commands to a file for `--recorded`
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<String>,
}

/// How shell commands run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ShellChoice {
    /// In a sandbox: no network, read-only files, private /tmp, bounded time and output
    #[default]
    Sandbox,
    /// Directly, with your rights
    Run,
    /// Not at all: such a spec is bad
    Off,
}

/// Which specs.
#[derive(Debug, Clone, Args)]
pub(crate) struct SpecPaths {
    /// Specs, or folders to search for `*.spec`
    #[arg(value_name = "PATH", required_unless_present = "list")]
    pub(crate) paths: Vec<String>,
    /// File with a path on each line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) list: Option<String>,
    /// Folder that the paths of `--list` are relative to
    #[arg(long, value_name = "DIR", requires = "list")]
    pub(crate) root: Option<String>,
    /// Read every spec twice; in the second pass each spec's version and release are macros (`azl_NAME_version`)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(crate) passes: u8,
    /// How many specs to read at a time [default: one for each processor]
    #[arg(long, short = 'j', value_name = "N")]
    pub(crate) jobs: Option<usize>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    pub(crate) specs: SpecPaths,
    #[command(flatten)]
    pub(crate) macros: MacroArgs,
    /// Print one JSON object for each spec (docs/reference/spec-json.md)
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// With `--json`: also what rpm's own answer lacks (triggers, rich dependencies as trees, positions)
    #[arg(long, requires = "json")]
    pub(crate) full: bool,
    /// Print each package in this format, as rpm's `--queryformat`: `%{NAME}`, `[%{REQUIRES}\n]`
    #[arg(long, short = 'f', alias = "qf", alias = "queryformat", value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// Print the source package instead of the binary packages
    #[arg(long, conflicts_with = "builtrpms")]
    pub(crate) srpm: bool,
    /// Print only the packages that a build makes
    #[arg(long)]
    pub(crate) builtrpms: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ExpandArgs {
    /// The spec
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
    #[command(flatten)]
    pub(crate) macros: MacroArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct LintArgs {
    #[command(flatten)]
    pub(crate) specs: SpecPaths,
    #[command(flatten)]
    pub(crate) macros: MacroArgs,
    /// Print one JSON object for each diagnostic
    #[arg(long)]
    pub(crate) json: bool,
    /// Leave diagnostics of this code out
    #[arg(long, value_name = "CODE")]
    pub(crate) allow: Vec<String>,
    /// Count diagnostics of this code as errors; `warnings` stands for all
    #[arg(long, value_name = "CODE")]
    pub(crate) deny: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct MacrosArgs {
    /// Names to list [default: all]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) macros: MacroArgs,
    /// Expand this text and print the result
    #[arg(long, short = 'E', value_name = "TEXT", conflicts_with_all = ["names", "json"])]
    pub(crate) eval: Vec<String>,
    /// Print one JSON object for each macro
    #[arg(long)]
    pub(crate) json: bool,
}

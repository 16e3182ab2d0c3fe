//! Arguments of `graph`, `why` and `plan`.

use clap::Args;

use super::{MacroArgs, ModuleCertificateArgs, StoreArgs};

/// Specs, and the macros that they are read with.
#[derive(Debug, Clone, Args)]
pub(crate) struct SpecFilesArgs {
    /// Specs, or folders to search for `*.spec`
    #[arg(long, short = 's', value_name = "PATH", default_value = "specs")]
    pub(crate) specs: Vec<String>,
    /// Folder of the distribution's macros, `macros.*` [default: toolkit/macros, if it is there]
    #[arg(long, value_name = "DIR")]
    pub(crate) policy: Option<String>,
    #[command(flatten)]
    pub(crate) macros: MacroArgs,
}

/// Specs, and what belongs to them: shared by all commands that look at all of them.
#[derive(Debug, Clone, Args)]
pub(crate) struct SpecsArgs {
    /// What the first root provides [default: toolkit/seed/debian-trixie.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) seed: Option<String>,
    /// What earlier builds taught [default: capabilities.lock in the folder of the specs, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) capabilities: Option<String>,
    /// How long earlier builds took (JSON lines) [default: durations.jsonl in the folder of the specs, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) durations: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) files: SpecFilesArgs,
}

/// What the build graph is made of: shared by `graph`, `why` and `plan`.
#[derive(Debug, Clone, Args)]
pub(crate) struct WorkspaceArgs {
    #[command(flatten)]
    pub(crate) specs: SpecsArgs,
    /// Folder of built packages, with or without repodata [name: that of the folder]; may be given again
    #[arg(long, short = 'r', value_name = "[NAME=]DIR")]
    pub(crate) repo: Vec<String>,
    /// Public keys: each repository has to be signed by one of them
    #[arg(long, value_name = "FILE", requires = "repo")]
    pub(crate) key: Vec<String>,
    /// How many builds run at a time, for the times [default: one for each processor]
    #[arg(long, short = 'j', value_name = "N")]
    pub(crate) jobs: Option<usize>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct GraphArgs {
    #[command(flatten)]
    pub(crate) workspace: WorkspaceArgs,
    /// Print the graph for Graphviz
    #[arg(long, group = "shape")]
    pub(crate) dot: bool,
    /// Print the graph as JSON (docs/build-graph.md)
    #[arg(long, group = "shape")]
    pub(crate) json: bool,
    /// Print a drawing: one file, for any browser
    #[arg(long, group = "shape")]
    pub(crate) svg: bool,
    /// Print only the cycles, and what to take from the seed to break them
    #[arg(long, conflicts_with_all = ["dot", "svg"])]
    pub(crate) cycles: bool,
    /// Only this spec or package, what it needs, and what needs it
    #[arg(long, value_name = "NAME")]
    pub(crate) focus: Option<String>,
    /// With `--focus`: how many steps away
    #[arg(long, value_name = "N", default_value_t = 1, requires = "focus")]
    pub(crate) depth: u32,
    /// Write to a file instead of standard output
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) output: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WhyArgs {
    /// A spec, a package or a capability
    #[arg(value_name = "A")]
    pub(crate) from: String,
    /// What it is asked about: a spec, a package or a capability
    #[arg(value_name = "B")]
    pub(crate) to: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) workspace: WorkspaceArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct PlanArgs {
    /// Specs, packages or capabilities to have in the end [default: all specs]
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// Leave the checks out
    #[arg(long)]
    pub(crate) no_check: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) modules: ModuleCertificateArgs,
    #[command(flatten)]
    pub(crate) workspace: WorkspaceArgs,
}

//! Arguments of `bedplate solve`.

use clap::Args;

#[derive(Debug, Clone, Args)]
pub(crate) struct SolveArgs {
    /// Solve the problem of a file that `--dump-problem` wrote
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) replay: Option<String>,
    /// Check the answer without the solver; a violation is a bug
    #[arg(long)]
    pub(crate) check: bool,
    /// Print the packages, or the tree of reasons, as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the exact packages of the answer to a file for `--lock`
    #[arg(long, value_name = "FILE")]
    pub(crate) write_lock: Option<String>,
    /// Write the request and all packages that can matter to it to a file for `--replay`
    #[arg(long, value_name = "FILE")]
    pub(crate) dump_problem: Option<String>,
}

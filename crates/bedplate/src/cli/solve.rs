//! Arguments of `bedplate solve`.

use clap::{ArgGroup, Args};

#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("from").args(["repo", "replay"]).required(true)))]
pub(crate) struct SolveArgs {
    /// What has to be there: `bash`, `bash >= 5.2`, `/usr/bin/sh`, `(vim or nano)` [default: what the replayed file asks for]
    #[arg(value_name = "ITEM")]
    pub(crate) items: Vec<String>,
    /// Take packages and request from a file that `--dump-problem` wrote; other options are added to its request
    #[arg(long, value_name = "FILE")]
    pub(crate) replay: Option<String>,
    /// Take packages from this folder, with or without repodata [name: that of the folder]; may be given again
    #[arg(long, short = 'r', value_name = "[NAME=]DIR", requires = "items")]
    pub(crate) repo: Vec<String>,
    /// Public keys: each repository has to be signed by one of them
    #[arg(long, value_name = "FILE", requires = "repo")]
    pub(crate) key: Vec<String>,
    /// Give a repository another priority: a lower number is preferred [default: 99 for all]
    #[arg(long, value_name = "NAME=N")]
    pub(crate) priority: Vec<String>,
    /// Do not use these packages: a name, `name.arch` or full name, with `*` and `?`
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Also use what packages recommend, where that can be
    #[arg(long)]
    pub(crate) recommends: bool,
    /// Allow several versions of this name together, as of kernels
    #[arg(long, value_name = "NAME")]
    pub(crate) multi_version: Vec<String>,
    /// Use exactly the packages of this file (TOML) where it has their names
    #[arg(long, value_name = "FILE")]
    pub(crate) lock: Option<String>,
    /// Write the exact packages of the answer to a file for `--lock`
    #[arg(long, value_name = "FILE")]
    pub(crate) write_lock: Option<String>,
    /// Write the request, and all packages that can matter to it, to a file for `--replay`
    #[arg(long, value_name = "FILE")]
    pub(crate) dump_problem: Option<String>,
    /// Architecture of packages that may be used, the preferred one first [default: x86_64 and noarch]
    #[arg(long, value_name = "ARCH")]
    pub(crate) arch: Vec<String>,
    /// Print the packages, or the tree of reasons, as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Check the answer once more without the solver; a violation is a bug
    #[arg(long)]
    pub(crate) check: bool,
}

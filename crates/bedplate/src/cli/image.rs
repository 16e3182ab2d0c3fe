//! Arguments of `bedplate image`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Check image configs: all mistakes at once, each with its place
    ///
    /// Reads each config with all that it inherits, and checks all that can be known without packages. The exit code is 2 if one has a
    /// mistake.
    #[command(after_help = "Examples:
  bedplate image validate image-configs/node.toml
  bedplate image validate --json image-configs/*.toml | jq -r .code | sort | uniq -c")]
    Validate(ValidateArgs),
    /// Print the JSON schema of image configs, for editors and other tools
    #[command(after_help = "Examples:
  bedplate image schema > image-config.json          the file is also toolkit/schemas/image-config.json")]
    Schema,
    /// Explain a key of image configs: what it means, which values it takes, its default, an example
    #[command(after_help = "Examples:
  bedplate image explain                             all sections
  bedplate image explain storage.partition           the keys of a section
  bedplate image explain storage.partition.size
  bedplate image explain hostname                    the last part is enough where only one key has it")]
    Explain(ExplainArgs),
    /// Make a config of an image config of Azure Linux (JSON)
    ///
    /// Keeps all that has a meaning here, and lists on standard error what has none or another one, with its JSON path and why. The config
    /// is checked as `bedplate image validate` does it; the exit code is 2 if it has a mistake.
    #[command(after_help = "Examples:
  bedplate image import core-efi.json --output image-configs/core-efi.toml
  bedplate image import full.json --config 'Core' --output full.toml")]
    Import(ImportArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ValidateArgs {
    /// Image configs (TOML)
    #[arg(value_name = "CONFIG", required = true)]
    pub(crate) configs: Vec<PathBuf>,
    /// Print one JSON object for each mistake
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ExplainArgs {
    /// A key or section: `storage.partition.size`, `[packages]` [default: an overview]
    #[arg(value_name = "KEY")]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ImportArgs {
    /// The image config of Azure Linux
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Write the config to a file; paths in it are relative to the folder of that file [default: standard output, paths relative to this
    /// folder]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Which of several `SystemConfigs` to take, by its `Name`
    #[arg(long, value_name = "NAME")]
    pub(crate) config: Option<String>,
}

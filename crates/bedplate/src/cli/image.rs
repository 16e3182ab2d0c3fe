//! Arguments of `bedplate image`.

mod boot;

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(crate) use self::boot::{AccelerationChoice, DiskFormatChoice, ImageBootArgs};
use crate::cli::{ImageBuildArgs, ImageCheckArgs, ImageDiffArgs, ImageInspectArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Compose an image: packages to disks and OCI images of one tree
    ///
    /// Solves the packages of the config, checks every signature, installs them, changes the tree as the config says, and writes all
    /// forms of it. The exact packages are kept in a lock beside the config; with a lock, just these are taken. Nothing is written
    /// before all of the image is made. Standard output has the names of the files.
    ///
    /// Exit codes: 0 the image is there, 1 a script failed, 2 the config or packages have mistakes, 3 the environment is at fault.
    #[command(after_help = "Examples:
  bedplate image build image-configs/node.toml
  bedplate image build node.toml --format vhd-fixed,oci --output out/images
  bedplate image build node.toml --repo out/repository/os    packages that `bedplate build` made
  bedplate image build node.toml --update-lock               newer packages than the lock has
  bedplate image build node.toml --release                   refuses what a release must not have")]
    Build(Box<ImageBuildArgs>),
    /// Start an image in a virtual machine and watch its console
    ///
    /// Runs qemu with UEFI firmware; the image is not written. The serial console goes to standard output. With `--expect`, all
    /// texts have to be seen; with `--run`, the output of the command goes to standard output and the console to standard error. On
    /// a terminal and without either, the console is yours (Ctrl-A X ends it). A kernel panic, emergency mode and an early end
    /// are named. `--run` needs systemd 256 or later in the image, and a shell.
    #[command(after_help = "Examples:
  bedplate image boot out/node.vhd                   look around
  bedplate image boot out/node.raw --expect 'login:' --log console.log
  bedplate image boot out/node.qcow2 --run 'systemctl --failed; uname -r' --timeout 5m

Exit codes: 0 all was seen and the command ended with 0, 1 not, 2 bad input, 3 the environment is at fault.")]
    Boot(Box<ImageBootArgs>),
    /// Show what is in an image: partitions, packages, sizes, units, kernel command line
    ///
    /// Reads the manifest and the list of files beside the image, and the table of partitions of a disk itself.
    #[command(after_help = "Examples:
  bedplate image inspect out/images/node-1.2.3.vhd
  bedplate image inspect out/images/node-1.2.3.vhd --json | jq .manifest.boot.command_line
  bedplate image inspect out/images/node-1.2.3.oci --origins    source packages, and files that no package has
  bedplate image inspect out/images/node-1.2.3.oci --require-source --json | jq .foreign")]
    Inspect(ImageInspectArgs),
    /// Check the programs and libraries of an image: do they find what they need, are they hardened
    ///
    /// Each library that one needs, its interpreter and its run paths are in the image; programs are position independent, relocated data is
    /// read-only, symbols are bound at the start, the stack cannot be executed, code is not changed when it is loaded, and each package with
    /// compiled code uses the stack protector. Contents are read from the store that the image was composed with.
    ///
    /// Exit codes: 0 all is as it should be, 1 there are findings, 2 bad input, 3 the environment is at fault.
    #[command(after_help = "Examples:
  bedplate image check out/images/node-1.2.3.vhd --exceptions ci/check-hardening.exceptions
  bedplate image check out/images/node-1.2.3.vhd --json | jq -r '.findings[] | select(.check == \"needed\").path'")]
    Check(ImageCheckArgs),
    /// Show what is otherwise in one image than in another: packages, files, sizes, config
    #[command(after_help = "Examples:
  bedplate image diff old/node-1.2.2.vhd out/images/node-1.2.3.vhd
  bedplate image diff A.manifest.json B.manifest.json --json | jq -r '.difference.packages[].what'")]
    Diff(ImageDiffArgs),
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

//! Arguments of `bedplate image boot`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::units;

#[derive(Debug, Clone, Args)]
pub(crate) struct ImageBootArgs {
    /// The image
    #[arg(value_name = "IMAGE")]
    pub(crate) image: PathBuf,
    /// Format of the image [default: by its ending: .raw or .img, .vhd, .vhdx, .qcow2]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<DiskFormatChoice>,
    /// Text that the console has to say; may be given again
    #[arg(long, value_name = "TEXT")]
    pub(crate) expect: Vec<String>,
    /// Command for the image's `/bin/sh`, when `multi-user.target` is reached
    #[arg(long, value_name = "COMMAND")]
    pub(crate) run: Option<String>,
    /// Longest time: `90s`, `10m`
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = units::parse_age)]
    pub(crate) timeout: Duration,
    /// Memory of the machine
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = units::parse_size)]
    pub(crate) memory: u64,
    /// Processors of the machine
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=255))]
    pub(crate) cpus: u32,
    /// Whether the processor's virtualisation (KVM) is used
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    pub(crate) acceleration: AccelerationChoice,
    /// Write all that the console says to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
}

/// Format of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiskFormatChoice {
    /// The disk as it is
    Raw,
    /// Virtual PC's, fixed or dynamic
    Vhd,
    /// Hyper-V's
    Vhdx,
    /// qemu's
    Qcow2,
}

/// Whether KVM is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum AccelerationChoice {
    /// If it works, else emulation
    #[default]
    Auto,
    /// It has to work
    Kvm,
    /// Emulation: slow, and the same everywhere
    Emulation,
}

//! Arguments of `bedplate image`.

mod boot;

use clap::Subcommand;

pub(crate) use self::boot::{AccelerationChoice, DiskFormatChoice, ImageBootArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
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
    Boot(ImageBootArgs),
}

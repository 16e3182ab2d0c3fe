//! Arguments of `bedplate key`, and of every command that signs.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Which key to sign with.
#[derive(Debug, Clone, Args)]
pub(crate) struct SigningKeyArgs {
    /// Secret OpenPGP key, without a passphrase [default: `bedplate/signing-key.asc` in `$XDG_DATA_HOME` or `~/.local/share`]
    #[arg(long, value_name = "FILE", env = "BEDPLATE_KEY")]
    pub(crate) key: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key and print its public half
    ///
    /// Makes an Ed25519 key without a passphrase and without an end, in a file that only you can read. Builds make one by
    /// themselves when they need it; a key that is there is never replaced.
    #[command(after_help = "Examples:
  bedplate key create --user 'Ada Moss <ada@example.org>' > RPM-GPG-KEY
  bedplate key create --key keys/test.asc")]
    Create(KeyCreateArgs),
    /// Print the public half of the key that signs
    ///
    /// The armored key goes to standard output, what it is to standard error.
    #[command(after_help = "Examples:
  bedplate key show > RPM-GPG-KEY && sudo rpmkeys --import RPM-GPG-KEY
  bedplate key show --json | jq -r .fingerprint")]
    Show(KeyShowArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct KeyCreateArgs {
    #[command(flatten)]
    pub(crate) key: SigningKeyArgs,
    /// Name and address of the owner
    #[arg(long, value_name = "NAME", default_value = crate::commands::key::DEVELOPER)]
    pub(crate) user: String,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct KeyShowArgs {
    #[command(flatten)]
    pub(crate) key: SigningKeyArgs,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

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

/// What kernels are to trust modules by.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ModuleCertificateArgs {
    /// Certificate (X.509, PEM) that specs take as their input `module-certificate` [default: that of a key which is made once:
    /// `bedplate/module-signing-key.pem` in `$XDG_DATA_HOME` or `~/.local/share`]
    #[arg(long, value_name = "FILE", env = "BEDPLATE_MODULE_CERTIFICATE")]
    pub(crate) module_certificate: Option<PathBuf>,
}

/// The same, and what signs modules.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ModuleKeyArgs {
    #[command(flatten)]
    pub(crate) certificate: ModuleCertificateArgs,
    /// Secret key (RSA, PEM, without a passphrase) of the certificate; without it, modules stay unsigned
    #[arg(long, value_name = "FILE", env = "BEDPLATE_MODULE_KEY", requires = "module_certificate")]
    pub(crate) module_key: Option<PathBuf>,
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
    /// Print the certificate that kernels trust modules by
    ///
    /// The certificate of the key that signs kernel modules when builds are not given another one. Builds make the key by themselves when a spec
    /// takes the certificate; so does this command.
    #[command(after_help = "Examples:
  bedplate key modules > module-signing.pem
  bedplate key modules | openssl x509 -noout -text")]
    Modules,
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

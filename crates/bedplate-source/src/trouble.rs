//! Why a file was not got.

use std::io;
use std::path::{Path, PathBuf};

use bedplate_apt::AptError;
use bedplate_cas::StoreError;
use bedplate_diag::{Category, Diagnostic, Note, Span};

use crate::{BundleError, Package, Sha256, SourceFile};

/// Why one place did not give a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// The place is there, and does not have the file.
    #[error("the file is not there")]
    NotThere,
    /// The bytes are not those that are pinned.
    #[error("wrong bytes: its SHA-256 should be {expected} and is {actual}")]
    WrongSha256 {
        /// What the list says.
        expected: Sha256,
        /// What the bytes hash to.
        actual: Sha256,
    },
    /// There are too few or too many bytes.
    #[error("wrong size: {expected} bytes are expected, there are {}{actual}", if *.is_least { "at least " } else { "" })]
    WrongSize {
        /// What the list says.
        expected: u64,
        /// What there is.
        actual: u64,
        /// True if there are more: no more were read.
        is_least: bool,
    },
    /// A server refuses.
    #[error("the server answers with status {0}")]
    Status(u16),
    /// A server cannot be reached, or the connection breaks off, again and again.
    #[error("{why} ({})", if *.tries == 0 { "as for another file before".to_owned() } else { format!("tried {tries} times") })]
    Transport {
        /// How often it was tried without getting further; 0 if the server was given up before.
        tries: u32,
        /// What happened last.
        why: String,
    },
    /// A URL or an answer that cannot be used.
    #[error("{0}")]
    Protocol(String),
    /// Debian has no such file.
    #[error("{0}")]
    NotInDebian(String),
    /// The host's apt fails.
    #[error(transparent)]
    Apt(#[from] AptError),
    /// A vendor archive cannot be made.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A file cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Trouble {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    /// True if no other place can help.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(self, Self::Store(_))
    }

    /// True if what came is not what is pinned.
    pub fn is_wrong(&self) -> bool {
        matches!(self, Self::WrongSha256 { .. } | Self::WrongSize { .. })
    }

    /// Who can mend it.
    pub fn category(&self) -> Category {
        match self {
            Self::NotThere
            | Self::WrongSha256 { .. }
            | Self::WrongSize { .. }
            | Self::Protocol(_)
            | Self::NotInDebian(_) => Category::Input,
            Self::Store(error) => error.category(),
            Self::Apt(error) => error.category(),
            Self::Bundle(error) => error.category(),
            _ => Category::Environment,
        }
    }
}

/// A place that did not give a file.
#[derive(Debug)]
pub struct Attempt {
    /// The place, for people.
    pub place: String,
    /// Why.
    pub trouble: Trouble,
}

/// A file that no place gave.
#[derive(Debug, thiserror::Error)]
#[error("`{file}` of {package}: {}", self.summary())]
pub struct Failure {
    /// The package.
    pub package: String,
    /// The file.
    pub file: String,
    /// Where its list pins it; nothing for a file that lies beside the spec.
    pub at: Option<Span>,
    /// What was tried, in this order.
    pub attempts: Vec<Attempt>,
    /// True if places were left out, as the network was not to be used.
    pub is_offline: bool,
}

impl Failure {
    /// Of a file that was not looked for yet.
    pub(crate) fn of(package: &Package, entry: &SourceFile) -> Self {
        Self {
            package: package.name.clone(),
            file: entry.name.clone(),
            at: Some(entry.at.name),
            attempts: Vec::new(),
            is_offline: false,
        }
    }

    fn summary(&self) -> &'static str {
        if self.attempts.iter().any(|attempt| attempt.trouble.is_wrong()) {
            "no place has the pinned bytes"
        } else if self.is_offline {
            "it is not here, and the network is not to be used"
        } else if self.category() == Category::Input {
            "no place has it"
        } else {
            "it could not be got"
        }
    }

    /// Who can mend it: a machine or network that fails may be why good bytes were not got.
    pub fn category(&self) -> Category {
        let is_input = self.attempts.iter().all(|attempt| attempt.trouble.category() == Category::Input);
        if is_input && !self.is_offline { Category::Input } else { Category::Environment }
    }

    /// The same as a diagnostic: the entry of the list, and what each place said.
    pub fn to_diagnostic(&self) -> Diagnostic {
        let is_wrong = self.attempts.iter().any(|attempt| attempt.trouble.is_wrong());
        let (code, hint) = if is_wrong {
            (
                "wrong-source",
                "if upstream made a new file of this name, look at what changed, then `bedplate source update`",
            )
        } else if self.is_offline {
            ("source-offline", "run `bedplate source fetch` where there is a network, or name a `--lookaside` folder")
        } else if self.category() == Category::Input {
            ("source-not-there", "correct the place in the list, or add another")
        } else {
            ("source-unreachable", "try again later, or add another place")
        };
        let mut diagnostic = Diagnostic::error(code, self.to_string()).hint(hint);
        diagnostic.span = self.at;
        diagnostic.notes = self
            .attempts
            .iter()
            .map(|attempt| Note { message: format!("{}: {}", attempt.place, attempt.trouble), span: None })
            .collect();
        diagnostic
    }
}

//! Why scripts were not run to their end.

use std::fmt;
use std::path::PathBuf;

use bedplate_cas::StoreError;
use bedplate_diag::Category;
use bedplate_sandbox::SandboxError;
use bedplate_tree::InsertError;

use crate::StepKind;

/// How many lines of output an error shows.
pub(crate) const LINES: usize = 30;

/// Scripts could not be run, or one failed.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// A script failed.
    #[error("{0}")]
    Failed(Box<Failure>),
    /// Scripts in rpm's Lua, and nobody said where that is.
    #[error("{} of {package} is written in rpm's Lua, which is not at hand: name the group `rpm` of the seed", kind.name())]
    NoLua {
        /// The package.
        package: String,
        /// Which of its scripts.
        kind: StepKind,
    },
    /// A script that rpm expands when it runs it (`-e`, `-q`).
    #[error(
        "{} of {package} is expanded when it is run ({option}), with macros of the machine: write what it needs into the \
         script when the package is built", kind.name()
    )]
    Expanded {
        /// The package.
        package: String,
        /// Which of its scripts.
        kind: StepKind,
        /// `-e` or `-q`.
        option: &'static str,
    },
    /// Files belong to ids that an image's scripts cannot have.
    #[error("the ids of users and groups end with 65534 in an image whose scripts run; {} has others: {}",
        if paths.len() == 1 { "a file" } else { "several files" }, paths.join(", "))]
    Ids {
        /// `PATH (USER:GROUP)` of each file.
        paths: Vec<String>,
    },
    /// What a script left behind has no place in an image.
    #[error("a script made `{}`: {why}", path.display())]
    Unfit {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// What a script left behind does not fit into the tree.
    #[error(transparent)]
    Tree(#[from] InsertError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sandbox could not be made, or was lost.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A file could not be written or read.
    #[error("{doing} `{}`", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody stopped the run.
    #[error("cancelled")]
    Cancelled,
}

/// A script that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The package that has the script: its full name.
    pub package: String,
    /// Which of its scripts.
    pub kind: StepKind,
    /// The package that set a trigger off.
    pub cause: Option<String>,
    /// Interpreter and arguments, as one can paste them.
    pub command: String,
    /// `exit status 3`, `killed by signal 9`, `ran longer than …`.
    pub end: String,
    /// Its text, with its lines as the messages of shells count them; empty for a program that runs alone.
    pub script: String,
    /// The line of the text that its output names, from 1.
    pub line: Option<usize>,
    /// The last lines of its output.
    pub output: Vec<String>,
    /// How many lines there were before.
    pub omitted: usize,
    /// What to do.
    pub hint: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.kind.name(), self.package)?;
        if let Some(cause) = &self.cause {
            write!(f, ", set off by {cause},")?;
        }
        write!(f, " failed: {}\n  command: {}", self.end, self.command)?;
        if let Some(line) = self.line
            && let Some(text) = self.script.lines().nth(line - 1)
        {
            write!(f, "\n  line {line} of the script: {}", text.trim())?;
        }
        if self.omitted > 0 {
            write!(f, "\n  | ({} lines before are in the log)", self.omitted)?;
        }
        for line in &self.output {
            write!(f, "\n  | {line}")?;
        }
        if self.output.is_empty() {
            write!(f, "\n  it printed nothing")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl ScriptError {
    /// Who can mend it.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Failed(_) => Category::Build,
            Self::Expanded { .. } | Self::Ids { .. } | Self::Unfit { .. } => Category::Input,
            Self::NoLua { .. } | Self::Io { .. } | Self::Cancelled => Category::Environment,
            Self::Tree(_) => Category::Internal,
            Self::Store(error) => error.category(),
            Self::Sandbox(error) => error.category(),
        }
    }

    pub(crate) fn io(doing: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }
}

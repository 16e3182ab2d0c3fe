//! Why scripts were not run to their end.

use std::path::PathBuf;

use bedplate_cas::StoreError;
use bedplate_diag::Category;
use bedplate_sandbox::SandboxError;
use bedplate_tree::InsertError;

use crate::Failure;

/// Scripts could not be run, or one failed.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// A script failed.
    #[error("{0}")]
    Failed(Box<Failure>),
    /// Scripts in rpm's Lua, and nobody said where that is.
    #[error("rpm's Lua is not at hand, which these scripts are written in: {}; name the group `rpm` of the seed", scripts.join(", "))]
    NoLua {
        /// `%post of NAME-VERSION-RELEASE.ARCH` and so on.
        scripts: Vec<String>,
    },
    /// Scripts that rpm expands when it runs them (`-e`, `-q`).
    #[error(
        "these scripts are expanded when they are run, with macros of the machine: {}; write what they need into them when the \
         package is built", scripts.join(", ")
    )]
    Expanded {
        /// `%post -e of NAME-VERSION-RELEASE.ARCH` and so on.
        scripts: Vec<String>,
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

//! What ends a customisation: the world, or a tree that no step can work on.

use std::io;
use std::path::PathBuf;

use bedplate_cas::StoreError;
use bedplate_diag::Category;
use bedplate_sandbox::SandboxError;
use bedplate_tree::{InsertError, TreePath};

/// Why a step could not be done. Mistakes in texts of the image config or of packages are diagnostics instead.
#[derive(Debug, thiserror::Error)]
pub enum CustomiseError {
    /// A file's content could not be had or kept.
    #[error("failed to use the content of `{path}`")]
    Content {
        /// The path in the image.
        path: TreePath,
        /// Why.
        source: StoreError,
    },
    /// The store gave no place to work in.
    #[error("failed to use the store")]
    Store(#[from] StoreError),
    /// The packages made something else of a path that a step has to write.
    #[error("the packages leave no place for a file of the system")]
    Place(#[from] InsertError),
    /// A path leads through symbolic links that never end.
    #[error("`{0}` leads through a loop of symbolic links")]
    Loop(TreePath),
    /// A file that a step reads as text is none.
    #[error("`{0}` is no UTF-8 text")]
    NotText(TreePath),
    /// A file outside the image could not be used.
    #[error("failed to {doing} `{}`", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There are modules and nothing that makes their indexes.
    #[error("`{kernel}` has modules, and the image has no `depmod` to index them: install the package `kmod`")]
    NoDepmod {
        /// The folder of the modules.
        kernel: TreePath,
    },
    /// There was no sandbox to run a program of the image in.
    #[error("failed to run `{program}` of the image")]
    Sandbox {
        /// The program and its arguments.
        program: String,
        /// Why.
        source: SandboxError,
    },
    /// A program of the image that makes a file of it failed.
    #[error("`{program}` of the image failed: {end}\n{output}")]
    Program {
        /// The program and its arguments.
        program: String,
        /// How it ended.
        end: String,
        /// The last lines that it wrote.
        output: String,
    },
}

impl CustomiseError {
    /// Who can mend it.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Content { source, .. } | Self::Store(source) => source.category(),
            Self::Place(_) | Self::Loop(_) | Self::NotText(_) | Self::NoDepmod { .. } => Category::Input,
            Self::Io { .. } => Category::Environment,
            Self::Sandbox { source, .. } => source.category(),
            Self::Program { .. } => Category::Build,
        }
    }

    pub(crate) fn io(doing: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }
}

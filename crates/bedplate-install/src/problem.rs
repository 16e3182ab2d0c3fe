//! What is wrong with a set of packages: data, all of it at once.

use bedplate_diag::{Category, Diagnostic};

use crate::CapabilityError;

/// Why packages cannot be installed together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstallProblem {
    /// Two packages (or one, through a link) have a path, and not the same there.
    #[error("`{path}` is in `{first}` and in `{second}`, which differ: {difference}")]
    Conflict {
        /// The path in the tree.
        path: String,
        /// The package that is installed first.
        first: String,
        /// The other.
        second: String,
        /// What the first has, and the other.
        difference: String,
    },
    /// What should be a folder is something else.
    #[error("`{path}` of `{package}` has no place: `{parent}` of `{other}` is no folder")]
    NotAFolder {
        /// The path in the tree.
        path: String,
        /// Whose it is.
        package: String,
        /// What should be its folder.
        parent: String,
        /// The package that this is of.
        other: String,
    },
    /// A path leads through links without an end.
    #[error("`{path}` of `{package}` lies behind symbolic links that lead to each other")]
    LinkLoop {
        /// The path, as the package has it.
        path: String,
        /// Whose it is.
        package: String,
    },
    /// A tree has no sockets.
    #[error("`{path}` of `{package}` is a socket, which no image can have")]
    Socket {
        /// The path in the tree.
        path: String,
        /// Whose it is.
        package: String,
    },
    /// File capabilities that cannot be.
    #[error("the capabilities `{text}` of `{path}` of `{package}` are wrong: {why}")]
    Capabilities {
        /// The path in the tree.
        path: String,
        /// Whose it is.
        package: String,
        /// As the package has them.
        text: String,
        /// What is wrong.
        why: CapabilityError,
    },
}

impl InstallProblem {
    /// Stable name of the kind of mistake.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "file-conflict",
            Self::NotAFolder { .. } => "not-a-folder",
            Self::LinkLoop { .. } => "link-loop",
            Self::Socket { .. } => "packaged-socket",
            Self::Capabilities { .. } => "bad-capabilities",
        }
    }

    /// Who can mend it: who chose the packages.
    #[must_use]
    pub fn category(&self) -> Category {
        Category::Input
    }

    /// The same for reports.
    #[must_use]
    pub fn to_diagnostic(&self) -> Diagnostic {
        let diagnostic = Diagnostic::error(self.code(), self.to_string());
        diagnostic.hint(match self {
            Self::Conflict { .. } => "leave one of the packages out, or give them a `Conflicts`",
            Self::NotAFolder { .. } => "leave one of the packages out, or change where one of them has its files",
            Self::LinkLoop { .. } => "change the target of one of the links",
            Self::Socket { .. } => "mark the file as `%ghost` in the spec of the package",
            Self::Capabilities { .. } => "correct `%caps` in the spec of the package: `cap_net_raw=ep`",
        })
    }
}

/// What is odd about a set of packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstallWarning {
    /// Files belong to a user that there is not: they belong to root, and are not set-user-id.
    UnknownUser {
        /// The name.
        name: String,
        /// The first package with such a file.
        package: String,
        /// How many files.
        files: usize,
    },
    /// Files belong to a group that there is not: they belong to root's, and are not set-group-id.
    UnknownGroup {
        /// The name.
        name: String,
        /// The first package with such a file.
        package: String,
        /// How many files.
        files: usize,
    },
}

impl InstallWarning {
    /// The same for reports.
    #[must_use]
    pub fn to_diagnostic(&self) -> Diagnostic {
        let unknown = |code, what, name: &str, package: &str, files: usize| {
            let more = if files > 1 { format!(" ({files} files)") } else { String::new() };
            let message =
                format!("`{package}` has files of the {what} `{name}`, which there is not{more}: they belong to root");
            Diagnostic::warning(code, message)
                .hint(format!("add a package that makes the {what} by sysusers.d, or the {what} to the image config"))
        };
        match self {
            Self::UnknownUser { name, package, files } => unknown("unknown-user", "user", name, package, *files),
            Self::UnknownGroup { name, package, files } => unknown("unknown-group", "group", name, package, *files),
        }
    }
}

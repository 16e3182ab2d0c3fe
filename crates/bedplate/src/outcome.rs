//! How a command ended.

use std::fmt;
use std::process::ExitCode;

use bedplate_diag::Category;
use bedplate_engine::PublishError;

/// A command that ran to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Good,
    /// The input has mistakes; they were reported.
    BadInput,
    /// A build or check failed; it was reported.
    BuildFailed,
    /// The machine is at fault; it was reported.
    Environment,
    /// We are at fault; it was reported.
    Bug,
}

impl Outcome {
    /// The exit code of the process.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Good => ExitCode::SUCCESS,
            Self::BadInput => ExitCode::from(Category::Input.exit_code()),
            Self::BuildFailed => ExitCode::from(Category::Build.exit_code()),
            Self::Environment => ExitCode::from(Category::Environment.exit_code()),
            Self::Bug => ExitCode::from(Category::Internal.exit_code()),
        }
    }
}

/// A command that could not do its work.
#[derive(Debug)]
pub struct Failure {
    /// Who can mend it.
    pub category: Category,
    /// What went wrong: a lower-case fragment.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Failure {
    /// The arguments are wrong, or a file that they name is.
    pub fn input(message: impl Into<String>) -> Self {
        Self { category: Category::Input, message: message.into(), hint: None }
    }

    /// The machine is wrong.
    pub fn environment(message: impl Into<String>) -> Self {
        Self { category: Category::Environment, message: message.into(), hint: None }
    }

    /// We are wrong.
    pub fn internal(message: impl Into<String>) -> Self {
        let hint = Some("this is a bug of bedplate: please report it with the command".to_owned());
        Self { category: Category::Internal, message: message.into(), hint }
    }

    /// A file could not be used.
    pub fn io(action: &str, path: &str, error: &std::io::Error) -> Self {
        Self::environment(format!("{action} {path}: {error}"))
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The exit code of the process.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.category.exit_code())
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        Self { category: error.category(), message: error.to_string(), hint: error.hint().map(str::to_owned) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

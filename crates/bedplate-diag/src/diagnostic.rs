//! What is wrong with a text, as data.

use crate::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Output that the text asked for (`%{echo:}`).
    Info,
    /// A trap or a bad habit; the text is still good.
    Warning,
    /// An error that a query passes over and a build does not.
    Passed,
    /// The text cannot be used.
    Error,
}

impl Severity {
    /// The word that stands before the message and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Passed | Self::Error => "error",
        }
    }
}

/// Who can mend it; decides the exit code of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// The user's text or arguments: exit code 2.
    Input,
    /// The machine: a file that cannot be read, a tool that is missing: exit code 3.
    Environment,
    /// A build failed: exit code 1.
    Build,
    /// A bug of ours: exit code 70.
    Internal,
}

impl Category {
    /// The process exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Build => 1,
            Self::Input => 2,
            Self::Environment => 3,
            Self::Internal => 70,
        }
    }
}

/// A further fact about a diagnostic, with the place it is about if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Lower-case fragment without a full stop.
    pub message: String,
    /// The place that the note is about.
    pub span: Option<Span>,
}

/// One mistake (or warning) in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable name of the rule, for example `unknown-tag`: for filters and for the documentation.
    pub code: &'static str,
    /// Lower-case fragment without a full stop; literals in backticks.
    pub message: String,
    /// The place in the text.
    pub span: Option<Span>,
    /// The chain of macro expansions, the other place of a duplicate, and the like.
    pub notes: Vec<Note>,
    /// One sentence that says what to do.
    pub hint: Option<String>,
    /// The line that rpm names for this mistake, where that differs from the line of the span
    /// (rpm counts the last line of a construct that spans several).
    pub rpm_line: Option<u32>,
}

impl Diagnostic {
    fn new(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        Self { severity, code, message: message.into(), span: None, notes: Vec::new(), hint: None, rpm_line: None }
    }

    /// An error: the text cannot be used.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// An error that a query passes over.
    pub fn passed(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Passed, code, message)
    }

    /// A warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// Output that the text asked for.
    pub fn info(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Info, code, message)
    }

    /// Adds the place.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// Adds a note.
    #[must_use]
    pub fn note(mut self, message: impl Into<String>, span: Option<Span>) -> Self {
        self.notes.push(Note { message: message.into(), span });
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// True if the text cannot be used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

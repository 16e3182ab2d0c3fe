//! What people see: diagnostics with source excerpts on standard error, with colour only on a terminal.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use bedplate_diag::{Diagnostic, Severity, Source, Sources, Span, text};
use clap::ValueEnum;

use crate::outcome::Failure;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Lines longer than this are cut in an excerpt (a spec may have a line of megabytes).
const MAX_LINE: usize = 240;

/// The user interface of one run.
#[derive(Debug)]
pub struct Ui {
    styled: bool,
}

impl Ui {
    /// Decides about colour.
    pub fn new(choice: ColorChoice) -> Self {
        let styled = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
                std::io::stderr().is_terminal() && !refused && !dumb
            }
        };
        Self { styled }
    }

    fn renderer(&self) -> Renderer {
        if self.styled { Renderer::styled() } else { Renderer::plain() }
    }

    /// Writes text to standard output: what a pipe may want.
    ///
    /// # Errors
    /// If it cannot be written; a closed pipe is no error.
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        self.print_bytes(text.as_bytes())
    }

    /// Writes bytes to standard output.
    ///
    /// # Errors
    /// If they cannot be written; a closed pipe is no error.
    pub fn print_bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        match std::io::stdout().write_all(bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Failure::io("cannot write to", "standard output", &error)),
            Ok(()) => Ok(()),
        }
    }

    /// A line that counts, on standard error, if that is a terminal; gone when the value is dropped.
    pub fn counter(&self, what: impl Into<String>) -> Counter {
        let dumb = std::env::var_os("TERM").is_none_or(|value| value == "dumb");
        let is_shown = std::io::stderr().is_terminal() && !dumb;
        Counter { what: what.into(), shown: is_shown.then(|| Mutex::new(None)) }
    }

    /// The last line of a report, on standard error.
    pub fn summary(&self, text: &str) {
        self.error_text(&format!("{text}\n"));
    }

    fn error_text(&self, text: &str) {
        // There is no one left to tell if standard error is gone.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    /// Reports why a command could not do its work.
    pub fn failure(&self, failure: &Failure) {
        let mut group = Group::with_title(Level::ERROR.primary_title(failure.message.as_str()));
        if let Some(hint) = &failure.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        self.error_text(&format!("{}\n", self.renderer().render(&[group])));
    }

    /// Reports diagnostics.
    pub fn diagnostics(&self, diagnostics: &[Diagnostic], sources: &Sources) {
        let mut out = String::new();
        for diagnostic in diagnostics {
            out.push_str(&self.render(diagnostic, sources));
            out.push('\n');
        }
        self.error_text(&out);
    }

    /// The text of one diagnostic.
    pub fn render(&self, diagnostic: &Diagnostic, sources: &Sources) -> String {
        let level = match diagnostic.severity {
            Severity::Info => Level::INFO,
            Severity::Warning => Level::WARNING,
            Severity::Passed | Severity::Error => Level::ERROR,
        };
        let message = text::escape_invalid(&diagnostic.message);
        let excerpts: Vec<(Option<Excerpt<'_>>, String)> = std::iter::once((diagnostic.span, String::new()))
            .chain(diagnostic.notes.iter().map(|note| (note.span, text::escape_invalid(&note.message))))
            .map(|(span, message)| (span.and_then(|span| Excerpt::new(span, sources)), message))
            .collect();
        let mut group = Group::with_title(level.primary_title(message.as_str()).id(diagnostic.code));
        for (n, (excerpt, message)) in excerpts.iter().enumerate() {
            if n > 0 {
                group = group.element(Level::NOTE.message(message.as_str()));
            }
            if let Some(excerpt) = excerpt {
                let kind = if n == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
                group = group.element(
                    Snippet::source(excerpt.text.as_str())
                        .path(plain_path(excerpt.source.name()))
                        .line_start(excerpt.line)
                        .annotation(kind.span(excerpt.range.0..excerpt.range.1)),
                );
            }
        }
        if diagnostic.severity == Severity::Passed {
            group = group.element(Level::NOTE.message("a query passes over this error, a build stops at it"));
        }
        if let Some(hint) = &diagnostic.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        self.renderer().render(&[group])
    }
}

/// How far long work is.
#[derive(Debug)]
pub struct Counter {
    what: String,
    /// When the line was written last; nothing if it is not to be seen.
    shown: Option<Mutex<Option<Instant>>>,
}

impl Counter {
    /// A terminal is not written to more often.
    const PAUSE: Duration = Duration::from_millis(100);

    /// Shows that so much is done.
    pub fn show(&self, done: usize, total: usize) {
        self.say(|| format!("{}: {done} of {total}", self.what));
    }

    /// Shows a text.
    pub fn say(&self, text: impl FnOnce() -> String) {
        // Whoever finds the line in use passes: the next number comes soon.
        let Some(mut last) = self.shown.as_ref().and_then(|shown| shown.try_lock().ok()) else { return };
        if last.is_none_or(|last| last.elapsed() >= Self::PAUSE) {
            *last = Some(Instant::now());
            let _ = std::io::stderr().write_all(format!("\r{}\x1b[K", text()).as_bytes());
        }
    }

    /// Writes a line that stays, terminal or not.
    pub fn line(&self, text: &str) {
        let clear = if self.shown.is_some() { "\r\x1b[K" } else { "" };
        let _ = std::io::stderr().write_all(format!("{clear}{text}\n").as_bytes());
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        if self.shown.as_ref().is_some_and(|shown| shown.lock().is_ok_and(|last| last.is_some())) {
            let _ = std::io::stderr().write_all(b"\r\x1b[K");
        }
    }
}

/// A path for a message: control characters, which a terminal would obey, are written as `\\xNN`.
pub(crate) fn plain_path(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    for c in path.chars() {
        if c.is_control() {
            plain.push_str(&format!("\\x{:02x}", u32::from(c)));
        } else {
            plain.push(c);
        }
    }
    plain
}

/// The lines around a span, cut to a size that a person can read.
struct Excerpt<'a> {
    source: &'a Source,
    text: String,
    line: usize,
    range: (usize, usize),
}

impl<'a> Excerpt<'a> {
    fn new(span: Span, sources: &'a Sources) -> Option<Self> {
        let source: &Source = sources.get(span.source)?;
        let content = source.text();
        let floor = |mut at: usize| {
            at = at.min(content.len());
            while !content.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, end) = (floor(span.start as usize), floor(span.end as usize));
        let first = content[..start].rfind('\n').map_or(0, |at| at + 1);
        let last = content[start..].find('\n').map_or(content.len(), |at| start + at);
        // Only the first line of a construct is shown; a very long one from a little before the place.
        let from = if start - first > MAX_LINE { floor(start - MAX_LINE / 4) } else { first };
        let to = last.min(floor(from + MAX_LINE.max(start - from + 40)));
        let end = end.clamp(start, to);
        let excerpt = &content[from..to];
        let before = text::escape_invalid(&excerpt[..start - from]);
        let marked = text::escape_invalid(&excerpt[start - from..end - from]);
        let after = text::escape_invalid(&excerpt[end - from..]);
        let range = (before.len(), before.len() + marked.len().max(1));
        let mut text = format!("{before}{marked}{after}");
        if text.len() < range.1 {
            text.push(' ');
        }
        Some(Self { source, text, line: source.line_column(span.start).line as usize, range })
    }
}

//! Reading a spec line by line: joining, expanding, conditionals and `%include`.
//!
//! ```text
//! file ──▶ physical lines joined while a macro call is open or a backslash ends them
//!      ──▶ expanded (not in a skipped branch) ──▶ split again at newlines
//!      ──▶ conditionals and %include taken out ──▶ one line for the parser
//! ```
//!
//! Reading never stops at a mistake: the line counts as blank then, and the next one is read, so that all mistakes of a
//! spec are reported. (`readLine()` in `build/parseSpec.c`.)

use std::sync::Arc;

use bedplate_diag::text::from_bytes;
use bedplate_diag::{Diagnostic, Source, SourceId, Span};

use super::Parser;
use crate::dialect::Dialect;
use crate::expr;
use crate::macros::builtin::Builtin;
use crate::macros::engine::{LineMap, Place};
use crate::macros::scan::{Nesting, is_blank, is_space};
use crate::macros::table::{Body, level};

/// What is taken off a line.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Strip {
    pub(crate) trailing_space: bool,
    pub(crate) comments: bool,
    /// The caller adds the line to the expanded spec itself (`%prep` of rpm 4.18).
    pub(crate) parsed: bool,
}

impl Strip {
    pub(crate) const NOTHING: Self = Self { trailing_space: false, comments: false, parsed: false };
    pub(crate) const COMMENTS: Self = Self { comments: true, ..Self::NOTHING };
    pub(crate) const ALL: Self = Self { trailing_space: true, comments: true, parsed: false };
    pub(crate) const PREP: Self = Self { parsed: true, ..Self::NOTHING };
}

/// Kinds of conditional lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Directive {
    EndIf,
    Else,
    If,
    IfArch,
    IfNArch,
    IfOs,
    IfNOs,
    Include,
    ElifArch,
    ElifOs,
    Elif,
}

impl Directive {
    /// rpm's table (`lineTypes`), in its order.
    const ALL: [(&'static str, Self); 11] = [
        ("%endif", Self::EndIf),
        ("%else", Self::Else),
        ("%if", Self::If),
        ("%ifarch", Self::IfArch),
        ("%ifnarch", Self::IfNArch),
        ("%ifos", Self::IfOs),
        ("%ifnos", Self::IfNOs),
        ("%include", Self::Include),
        ("%elifarch", Self::ElifArch),
        ("%elifos", Self::ElifOs),
        ("%elif", Self::Elif),
    ];

    /// The directive that a line is, if it begins with one.
    fn of(line: &str) -> Option<Self> {
        if !line.starts_with('%') {
            return None;
        }
        let found = Self::ALL.into_iter().find(|(text, directive)| {
            line.strip_prefix(text).is_some_and(|rest| {
                let next = rest.as_bytes().first();
                if directive.takes_arguments() {
                    next.is_none_or(|b| is_blank(*b))
                } else {
                    !next.is_some_and(u8::is_ascii_alphabetic)
                }
            })
        });
        found.map(|(_, directive)| directive)
    }

    fn text(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, directive)| *directive == self).map_or("", |(text, _)| text)
    }

    fn takes_arguments(self) -> bool {
        !matches!(self, Self::EndIf | Self::Else)
    }

    fn opens(self) -> bool {
        matches!(self, Self::If | Self::IfArch | Self::IfNArch | Self::IfOs | Self::IfNOs)
    }

    fn is_elif(self) -> bool {
        matches!(self, Self::Elif | Self::ElifArch | Self::ElifOs)
    }

    /// True if the directive may not follow `before` in the same `%if`.
    fn is_misplaced_after(self, before: Self) -> bool {
        match self {
            Self::EndIf => before == Self::EndIf,
            Self::Else | Self::ElifArch | Self::ElifOs | Self::Elif => matches!(before, Self::EndIf | Self::Else),
            _ => false,
        }
    }
}

/// One open `%if`.
#[derive(Debug, Clone, Copy)]
struct Condition {
    /// Lines are read.
    reading: bool,
    /// A later branch may still be read.
    readable: bool,
    last: Directive,
    span: Span,
    line: u32,
}

/// An open file.
#[derive(Debug)]
struct OpenFile {
    source: SourceId,
    text: Arc<str>,
    at: usize,
    line: u32,
}

/// The reading half of the parser.
#[derive(Debug)]
pub(crate) struct Reader {
    files: Vec<OpenFile>,
    conditions: Vec<Condition>,
    /// Unexpanded text being gathered, and where it began.
    raw: String,
    place: Option<(SourceId, usize)>,
    /// Expanded text, how much of it was given out, and the way back to the file.
    expanded: String,
    next: usize,
    map: LineMap,
    /// The line in hand.
    pub(crate) line: String,
    /// Where the line in hand begins in the expanded text.
    line_start: usize,
    /// The line number that rpm would name.
    pub(crate) number: u32,
    base: Condition,
}

impl Reader {
    pub(crate) fn new() -> Self {
        let nowhere = Span::new(SourceId(0), 0, 0);
        Self {
            files: Vec::new(),
            conditions: Vec::new(),
            raw: String::new(),
            place: None,
            expanded: String::new(),
            next: 0,
            map: LineMap::default(),
            line: String::new(),
            line_start: 0,
            number: 0,
            base: Condition { reading: true, readable: true, last: Directive::EndIf, span: nowhere, line: 0 },
        }
    }

    fn condition(&self) -> Condition {
        self.conditions.last().copied().unwrap_or(self.base)
    }
}

/// The name of a macro, and where it was defined.
type Expanded = (Arc<str>, Option<Span>);

/// Unclosed conditionals that are reported; more of them come from one mistake.
const MAX_UNCLOSED: usize = 20;

/// How deeply files may include each other.
const MAX_INCLUDES: usize = 64;

impl Parser {
    /// Opens a text as the file that is read next.
    pub(crate) fn open_text(&mut self, name: &str, shown: &str, text: Arc<str>) {
        let source = self.engine.texts.borrow_mut().add(Source::new(shown, Arc::clone(&text)));
        self.engine.define_literal("__file_name", name, level::SPEC);
        self.engine.push("__file_lineno", Body::Builtin(Builtin::FileLine), level::SPEC);
        self.engine.file.set(Some(source));
        self.reader.files.push(OpenFile { source, text, at: 0, line: 0 });
    }

    fn close_file(&mut self) {
        if self.reader.files.pop().is_some() {
            self.engine.pop("__file_lineno");
            self.engine.pop("__file_name");
        }
    }

    /// Closes all files: the rest is not read.
    pub(crate) fn close_files(&mut self) {
        while !self.reader.files.is_empty() {
            self.close_file();
        }
        self.reader.raw.clear();
        self.reader.next = 0;
        self.reader.expanded.clear();
        self.reader.conditions.clear();
    }

    /// The span of bytes `start..end` of the line in hand, and the macro that they are the expansion of.
    pub(crate) fn span_of(&self, start: usize, end: usize) -> Option<(Span, Option<Expanded>)> {
        let (source, base) = self.reader.place?;
        let at = self.reader.line_start;
        let from = self.reader.map.find(at + start, at + end.max(start));
        let name = from.macro_name.map(|name| (name, from.origin));
        Some((Span::new(source, base + from.range.0, base + from.range.1), name))
    }

    /// Reports a mistake in bytes `start..end` of the line in hand.
    pub(crate) fn report_at(&self, mut diagnostic: Diagnostic, start: usize, end: usize) {
        if let Some((span, name)) = self.span_of(start, end) {
            diagnostic.span = Some(span);
            if let Some((name, origin)) = name {
                let place = if origin.is_some() { ", defined here" } else { "" };
                diagnostic = diagnostic.note(format!("this is the expansion of `%{name}`{place}"), origin);
            }
        }
        diagnostic.rpm_line = Some(self.reader.number);
        self.engine.push_diagnostic(diagnostic);
    }

    /// Reports a mistake in the line in hand as a whole.
    pub(crate) fn report_line(&self, diagnostic: Diagnostic) {
        let line = &self.reader.line;
        let start = line.len() - line.trim_start().len();
        let end = start + line.trim().split('\n').next().unwrap_or_default().trim_end().len();
        self.report_at(diagnostic, start, end);
    }

    /// Reads the next line into `self.reader.line`; false at the end.
    pub(crate) fn read_line(&mut self, strip: Strip) -> bool {
        let before = self.reader.condition().last;
        let directive = loop {
            if self.reader.next >= self.reader.expanded.len() || self.reader.expanded.is_empty() {
                match self.fill(strip) {
                    Filled::End => return false,
                    Filled::Yes => {}
                }
            }
            let directive = self.take_line(strip);
            if directive == Some(Directive::Include) && self.reader.condition().reading {
                self.include();
                continue;
            }
            break directive;
        };
        if let Some(directive) = directive {
            self.conditional(directive, before);
        }
        if !self.reader.condition().reading {
            self.reader.line.clear();
        }
        if !strip.parsed {
            self.parsed.push_str(&self.reader.line);
            if strip.trailing_space {
                self.parsed.push('\n');
            }
        }
        true
    }

    /// Gathers and expands the next piece of the file.
    fn fill(&mut self, strip: Strip) -> Filled {
        let mut first: Option<(u32, Span)> = None;
        let mut nesting = Nesting::default();
        let mut continued = false;
        let mut scanned = 0;
        self.reader.raw.clear();
        loop {
            let Some(file) = self.reader.files.last_mut() else {
                self.end_of_spec(first);
                return Filled::End;
            };
            if file.at >= file.text.len() {
                // The last file stays as it is for messages; rpm closes it as well.
                self.close_file();
                continue;
            }
            let start = file.at;
            let end =
                memchr::memchr(b'\n', &file.text.as_bytes()[start..]).map_or(file.text.len(), |at| start + at + 1);
            let line_end = file.text[start..end].trim_end_matches('\n').len() + start;
            file.at = end;
            file.line += 1;
            self.reader.number = file.line;
            self.engine.line.set(file.line);
            if first.is_none() {
                self.reader.place = Some((file.source, start));
                first = Some((file.line, Span::new(file.source, start, line_end)));
            }
            let text = Arc::clone(&file.text);
            // To rpm a line ends at its first NUL byte, newline and all.
            let kept = memchr::memchr(0, &text.as_bytes()[start..end]).map_or(end, |at| start + at);
            self.reader.raw.push_str(&text[start..kept]);
            scan_line(self.reader.raw.as_bytes(), &mut scanned, &mut nesting, &mut continued);
            if nesting.is_closed() && !continued {
                break;
            }
        }
        self.expand_raw(strip);
        Filled::Yes
    }

    fn end_of_spec(&mut self, open: Option<(u32, Span)>) {
        self.is_cut |= open.is_some() || !self.reader.conditions.is_empty();
        if !self.reader.conditions.is_empty() {
            // rpm names the innermost; every one of them lacks its end.
            for (n, condition) in self.reader.conditions.iter().rev().take(MAX_UNCLOSED).enumerate() {
                let mut diagnostic = Diagnostic::error("unclosed-if", format!("unclosed `{}`", condition.last.text()))
                    .at(condition.span)
                    .hint("add the missing `%endif`");
                diagnostic.rpm_line = (n == 0).then_some(condition.line);
                self.engine.push_diagnostic(diagnostic);
            }
            self.reader.conditions.clear();
        }
        if let Some((line, span)) = open {
            let mut diagnostic = Diagnostic::error("unclosed-macro", "unclosed macro or bad line continuation")
                .at(span)
                .hint("a `%{`, `%(` or `%[` that begins here is not closed, or the last line ends in a backslash");
            diagnostic.rpm_line = Some(line);
            self.engine.push_diagnostic(diagnostic);
        }
        self.reader.raw.clear();
    }

    /// Expands what was gathered.
    fn expand_raw(&mut self, strip: Strip) {
        let modern = self.engine.dialect >= Dialect::V4_20;
        let raw = std::mem::take(&mut self.reader.raw);
        let trimmed = raw.trim_start_matches(|c: char| u8::try_from(c).is_ok_and(is_space));
        let directive = Directive::of(trimmed);
        let mut good = true;
        self.reader.next = 0;
        self.reader.map.clear();
        if let Some(directive) = directive.filter(|directive| !directive.takes_arguments()) {
            let rest = trimmed[directive.text().len()..].trim();
            let is_comment = modern && rest.starts_with('#');
            if !rest.is_empty() && !is_comment {
                let message = format!("extra tokens at the end of `{}`: {rest}", directive.text());
                let diagnostic = if modern {
                    good = false;
                    Diagnostic::error("extra-tokens", message).hint("write them as a comment: `# …`")
                } else {
                    Diagnostic::warning("extra-tokens", message)
                };
                let at = raw.len() - trimmed.len();
                self.report_raw(diagnostic, at, at + trimmed.trim_end().len());
            }
        }
        let condition = self.reader.condition();
        let wanted = match directive {
            Some(directive) if directive.is_elif() => condition.readable,
            _ => condition.reading,
        };
        if !wanted || memchr::memchr(b'%', raw.as_bytes()).is_none() {
            // Nothing to expand: the text itself, and its old buffer serves the next line.
            self.reader.raw = std::mem::replace(&mut self.reader.expanded, raw);
        } else {
            let (source, base) = self.reader.place.unwrap_or((SourceId(0), 0));
            let place = Place { source, base, call: (0, raw.trim_end().len()) };
            let expanded = self.engine.expand_at(&raw, place, &mut self.reader.map);
            match expanded {
                Ok(expanded) => {
                    if strip.comments && trimmed.starts_with('#') {
                        self.warn_expanded_comment(&raw, &expanded);
                    }
                    self.reader.expanded = expanded;
                }
                Err(_) => good = false,
            }
            self.reader.raw = raw;
        }
        if !good {
            self.reader.expanded.clear();
        }
    }

    fn report_raw(&self, mut diagnostic: Diagnostic, start: usize, end: usize) {
        if let Some((source, base)) = self.reader.place {
            diagnostic.span = Some(Span::new(source, base + start, base + end));
        }
        diagnostic.rpm_line = Some(self.reader.number);
        self.engine.push_diagnostic(diagnostic);
    }

    fn warn_expanded_comment(&self, raw: &str, expanded: &str) {
        let mut rest = expanded.chars().peekable();
        let mut chars = raw.char_indices().peekable();
        while let (Some((at, c)), Some(other)) = (chars.peek().copied(), rest.peek().copied()) {
            let escaped = c == '%' && raw[at + 1..].starts_with('%');
            if c != other {
                break;
            }
            chars.next();
            if escaped {
                chars.next();
            }
            rest.next();
        }
        if let Some((at, _)) = chars.peek().copied()
            && (rest.peek().is_some() || at < raw.len())
        {
            let end = at + raw[at..].find('\n').unwrap_or(raw.len() - at);
            let diagnostic = Diagnostic::warning("macro-in-comment", "macro expanded in comment")
                .hint("write `%%` in comments, or `%dnl` before a line that is to be ignored");
            self.report_raw(diagnostic, at, end);
        }
    }

    /// Takes the next line out of the expanded text.
    fn take_line(&mut self, strip: Strip) -> Option<Directive> {
        let reader = &mut self.reader;
        let start = reader.next;
        let text = &reader.expanded;
        let first = start + text.as_bytes()[start..].iter().take_while(|b| **b != b'\n' && is_space(**b)).count();
        let directive = Directive::of(&text[first..]);
        reader.line.clear();
        let mut at = start;
        loop {
            let Some(newline) = memchr::memchr(b'\n', &text.as_bytes()[at..]).map(|found| at + found) else {
                reader.line.push_str(&text[at..]);
                at = text.len();
                break;
            };
            if directive.is_some() && newline > at && text.as_bytes()[newline - 1] == b'\\' {
                // A conditional goes on behind a backslash; both are blanks then.
                reader.line.push_str(&text[at..newline - 1]);
                reader.line.push_str("  ");
                at = newline + 1;
                continue;
            }
            reader.line.push_str(&text[at..=newline]);
            at = newline + 1;
            break;
        }
        reader.line_start = start;
        reader.next = at;
        if at >= reader.expanded.len() && start >= at {
            // An empty expansion is one empty line.
            reader.next = reader.expanded.len();
        }
        let line = &mut reader.line;
        let used = line.trim_end_matches(|c: char| u8::try_from(c).is_ok_and(is_space)).len();
        if strip.comments {
            let blank = line.bytes().take_while(|b| is_space(*b)).count();
            if line.as_bytes().get(blank) == Some(&b'#') {
                line.truncate(blank);
            }
        }
        if strip.trailing_space {
            let keep = used.min(line.len());
            line.truncate(keep);
        }
        directive
    }

    /// Works out a conditional line.
    fn conditional(&mut self, directive: Directive, before: Directive) {
        if directive == Directive::Include {
            return;
        }
        let number = self.reader.number;
        if directive.is_misplaced_after(before) {
            let text = directive.text();
            let diagnostic = if before == Directive::EndIf {
                Diagnostic::error("misplaced-conditional", format!("`{text}` with no `%if`"))
                    .hint("take it away, or add the `%if` that it belongs to")
            } else {
                Diagnostic::error("misplaced-conditional", format!("`{text}` after `{}`", before.text()))
                    .hint("an `%if` has one `%else`, and it comes last")
            };
            self.report_line(diagnostic);
            self.reader.line.clear();
            return;
        }
        let line = self.reader.line.clone();
        let indent = line.bytes().take_while(|b| is_space(*b)).count();
        let condition = self.reader.condition();
        let matched = match directive {
            Directive::IfArch | Directive::ElifArch => self.names_target(&line, indent, "%{_target_cpu}"),
            Directive::IfNArch => self.names_target(&line, indent, "%{_target_cpu}").map(|matched| !matched),
            Directive::IfOs | Directive::ElifOs => self.names_target(&line, indent, "%{_target_os}"),
            Directive::IfNOs => self.names_target(&line, indent, "%{_target_os}").map(|matched| !matched),
            Directive::If if condition.reading => self.evaluate(&line, indent, directive),
            Directive::Elif if condition.readable => self.evaluate(&line, indent, directive),
            _ => Some(false),
        };
        // What a bad condition guards is not read: its mistakes may come from the missing half.
        let matched = matched.unwrap_or(false);
        let parent = match self.reader.conditions.len().checked_sub(2) {
            Some(above) => self.reader.conditions[above],
            None => self.reader.base,
        };
        if directive.opens() {
            let reading = condition.reading && matched;
            let span = self.span_of(indent, line.trim_end().len()).map_or(condition.span, |(span, _)| span);
            self.reader.conditions.push(Condition {
                reading,
                readable: !reading && condition.reading,
                last: directive,
                span,
                line: number,
            });
        } else if let Some(open) = self.reader.conditions.last_mut() {
            if directive.is_elif() {
                open.reading = open.readable && matched;
                if open.reading {
                    open.readable = false;
                }
                open.last = directive;
            } else if directive == Directive::Else {
                open.reading = parent.reading && open.readable;
                open.last = directive;
            } else {
                self.reader.conditions.pop();
            }
        }
        self.reader.line.clear();
    }

    /// True if one of the words after the directive is the target; `None` after a report that there is none.
    fn names_target(&self, line: &str, indent: usize, target: &str) -> Option<bool> {
        let rest = line[indent..].trim_start_matches(|c: char| c != ' ' && c != '\t');
        let words = rest.trim_start_matches([' ', '\t']);
        if words.is_empty() {
            self.report_line(
                Diagnostic::error("empty-condition", format!("argument expected for `{}`", line.trim()))
                    .hint("name one or more architectures"),
            );
            return None;
        }
        let target = self.engine.expand_loosely(target);
        Some(words.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(&target)))
    }

    fn evaluate(&self, line: &str, indent: usize, directive: Directive) -> Option<bool> {
        let start = indent + directive.text().len();
        let text = &line[start..];
        match expr::evaluate_bool(&*self.engine, text, false) {
            Ok(value) => Some(value),
            Err(error) => {
                let skipped = text.len() - text.trim_start().len();
                let (from, to) = match error.at {
                    Some(at) => ((start + at).saturating_sub(1).min(line.len()), (start + at).min(line.len())),
                    None => (start + skipped, start + text.trim_end().len()),
                };
                let (from, to) = (floor_char(line, from), floor_char(line, to));
                let mut diagnostic = Diagnostic::error(
                    "bad-condition",
                    format!("bad `{}` condition: {}", directive.text(), error.message),
                )
                .note(format!("the condition after expansion is `{}`", text.trim()), None);
                for complaint in &error.further {
                    if let expr::Complaint::Plain(line) = complaint {
                        diagnostic = diagnostic.note(line.clone(), None);
                    }
                }
                if text.contains("%{") {
                    diagnostic = diagnostic.hint("a macro in it is not defined: `0%{?name}` counts as 0 then");
                } else if error.message.contains("bare words") {
                    diagnostic = diagnostic.hint("put strings between double quotes");
                }
                self.report_at(diagnostic, from, to);
                None
            }
        }
    }

    fn include(&mut self) {
        let line = self.reader.line.clone();
        let trimmed = line.trim_start();
        let name = trimmed["%include".len()..].trim_matches(|c: char| u8::try_from(c).is_ok_and(is_space));
        if name.is_empty() {
            self.report_line(Diagnostic::error("bad-include", "malformed `%include` statement").hint("name a file"));
            return;
        }
        if self.reader.files.len() >= MAX_INCLUDES {
            self.report_line(
                Diagnostic::error(
                    "recursive-include",
                    format!("files include each other more than {MAX_INCLUDES} deep"),
                )
                .note(format!("at `%include {name}`"), None),
            );
            return;
        }
        match self.engine.world.files.read(name) {
            Ok(bytes) => {
                let name = name.to_owned();
                self.open_text(&name, &name, from_bytes(&bytes).into());
            }
            Err(error) => {
                let at = line.find(name).unwrap_or(0);
                let mut diagnostic = Diagnostic::error("unreadable-file", format!("unable to open {name}: {error}"));
                if name.contains("%{") {
                    diagnostic = diagnostic
                        .hint("a macro in the name is not defined: declare the `Source` before the `%include`");
                } else {
                    diagnostic = diagnostic.hint("the file has to be in the folder of the sources");
                }
                self.report_at(diagnostic, at, at + name.len());
            }
        }
        // What a macro wrote behind the `%include` is lost to rpm as well.
        self.reader.next = self.reader.expanded.len();
    }
}

enum Filled {
    Yes,
    End,
}

/// Scans what was added to the buffer: whether a bracket is open or the line goes on behind a backslash.
fn scan_line(bytes: &[u8], scanned: &mut usize, nesting: &mut Nesting, continued: &mut bool) {
    let mut at = *scanned;
    if nesting.is_closed() && !*continued && memchr::memchr2(b'%', b'\\', &bytes[at.min(bytes.len())..]).is_none() {
        *scanned = bytes.len();
        return;
    }
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => match bytes.get(at + 1) {
                Some(b'\n') => {
                    *continued = true;
                    at += 2;
                }
                Some(_) => at += 2,
                None => at += 1,
            },
            b'\n' => {
                *continued = false;
                at += 1;
            }
            _ => at = nesting.step(bytes, at),
        }
    }
    *scanned = at;
}

fn floor_char(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

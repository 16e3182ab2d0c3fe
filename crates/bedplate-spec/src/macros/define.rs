//! `%define`, `%global` and the lines of macro files: `NAME[(OPTIONS)][<MODIFIERS>] BODY`.

use bedplate_diag::{Diagnostic, Span};

use super::engine::Engine;
use super::expand::{Buffer, braced, skip_newlines};
use super::scan::{Nesting, is_blank, is_eol, is_name_byte};
use super::table::{Body, Entry, level};
use crate::dialect::Dialect;

/// How a definition is to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Definition {
    pub(crate) level: i32,
    /// Expand the body now (`%global`).
    pub(crate) eager: bool,
    /// Read `-e` and `-g` first (`%define` of rpm 6).
    pub(crate) options: bool,
    /// The text goes on after the definition: find its end. Else the whole text is the definition.
    pub(crate) open_ended: bool,
}

/// What goes wrong in a definition.
type Fault = Diagnostic;

struct Parsed<'a> {
    name: &'a str,
    options: Option<&'a str>,
    modifiers: &'a str,
    body: String,
    eager: bool,
    level: i32,
    /// Blank (or an escaped newline) stands between name and body.
    spaced: bool,
}

impl Engine {
    /// Reads and makes one definition; gives how many bytes of the text belong to it.
    pub(crate) fn do_define(&self, buffer: &mut Buffer, text: &str, how: Definition, origin: Option<Span>) -> usize {
        let mut end = text.len();
        let parsed = match self.parse_definition(text, how, &mut end) {
            Ok(parsed) => parsed,
            Err(fault) => {
                self.fail(buffer, fault);
                return end;
            }
        };
        if let Err(fault) = self.make_definition(buffer, parsed, origin) {
            self.fail(buffer, fault);
        }
        end
    }

    fn parse_definition<'a>(&self, text: &'a str, how: Definition, end: &mut usize) -> Result<Parsed<'a>, Fault> {
        let bytes = text.as_bytes();
        let get = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let blanks = |from: usize| from + bytes[from..].iter().take_while(|b| is_blank(**b)).count();
        let (mut eager, mut level) = (how.eager, how.level);
        let mut at = blanks(0);
        while how.options && get(at) == b'-' {
            let start = at + 1;
            at = start;
            while at < bytes.len() && !is_blank(bytes[at]) {
                match bytes[at] {
                    b'e' => eager = true,
                    b'g' => level = level::GLOBAL,
                    other => {
                        *end = 0;
                        return Err(Diagnostic::error(
                            "bad-define",
                            format!("%define: invalid option `-{}`", char::from(other)),
                        )
                        .hint("`-e` expands the body at once, `-g` defines globally"));
                    }
                }
                at += 1;
            }
            if at == start {
                *end = 0;
                return Err(Diagnostic::error("bad-define", "%define: no option after `-`"));
            }
            at = blanks(at);
        }
        let start = at;
        while is_name_byte(get(at)) {
            at += 1;
        }
        let name = &text[start..at];
        let mut enclosed = |open: u8, close: u8, what: &str| -> Result<Option<&'a str>, Fault> {
            if get(at) != open {
                return Ok(None);
            }
            let Some(found) = memchr::memchr(close, &bytes[at + 1..]) else {
                *end = 0;
                return Err(Diagnostic::error("bad-define", format!("macro `%{name}` has unterminated {what}")));
            };
            let inner = &text[at + 1..at + 1 + found];
            at += found + 2;
            Ok(Some(inner))
        };
        let options = enclosed(b'(', b')', "options")?;
        let modifiers =
            if self.dialect >= Dialect::V6 { enclosed(b'<', b'>', "modifiers")?.unwrap_or_default() } else { "" };
        let spaced = is_blank(get(at)) || (get(at) == b'\\' && is_eol(get(at + 1)));
        at = blanks(at);
        let body = if !how.open_ended {
            let body = text[at..].to_owned();
            at = text.len();
            body
        } else if get(at) == b'{' {
            let Some(close) = braced(text, at) else {
                *end = at;
                return Err(Self::unterminated_body(name));
            };
            let body = text[at + 1..close - 1].to_owned();
            at = close;
            body
        } else {
            let (body, stop, nesting) = free_body(text, at);
            if !nesting.is_closed() {
                *end = stop;
                return Err(Self::unterminated_body(name));
            }
            at = stop;
            body
        };
        *end = skip_newlines(text, at);
        let what = if eager { "%global" } else { "%define" };
        self.check_name(name, what)?;
        if body.is_empty() {
            return Err(Diagnostic::error("empty-macro", format!("macro `%{name}` has empty body"))
                .hint(format!("write `{what} {name} %{{nil}}` for a macro that expands to nothing")));
        }
        Ok(Parsed { name, options, modifiers, body, eager, level, spaced })
    }

    fn unterminated_body(name: &str) -> Fault {
        Diagnostic::error("unterminated-macro", format!("macro `%{name}` has unterminated body"))
            .hint("a `{`, `(` or `[` after a `%` in the body is not closed")
    }

    fn make_definition(&self, buffer: &mut Buffer, parsed: Parsed<'_>, origin: Option<Span>) -> Result<(), Fault> {
        let Parsed { name, options, modifiers, mut body, mut eager, level, spaced } = parsed;
        if !spaced {
            self.report(Diagnostic::warning(
                "macro-needs-space",
                format!("macro `%{name}` needs whitespace before body"),
            ));
        }
        let (mut literal, mut one_shot, mut quoted) = (false, false, false);
        for modifier in modifiers.chars() {
            match modifier {
                'l' => (literal, eager) = (true, false),
                'o' => one_shot = true,
                other => {
                    return Err(Diagnostic::error(
                        "bad-define",
                        format!("macro `%{name}` has illegal modifier `{other}`"),
                    )
                    .hint("the modifiers are `l` (literal) and `o` (one-shot)"));
                }
            }
        }
        if options.is_some() && (literal || one_shot) {
            return Err(Diagnostic::error(
                "bad-define",
                format!("macro `%{name}` has modifiers incompatible with parametric macros"),
            ));
        }
        if literal && one_shot {
            return Err(Diagnostic::error("bad-define", format!("macro `%{name}` has incompatible modifiers")));
        }
        if eager {
            let Ok(expanded) = self.expand_apart(buffer, &body, self.dialect >= Dialect::V4_20) else {
                // What went wrong in the body is reported already, in detail; rpm adds this with the line.
                if let Some(last) = self.diagnostics.borrow_mut().iter_mut().rev().find(|one| one.is_error()) {
                    last.rpm_line = last.rpm_line.or(Some(self.line.get()));
                    let message = format!("while expanding the body of `%global {name}`");
                    last.notes.push(bedplate_diag::Note { message, span: None });
                }
                return Ok(());
            };
            body = expanded.out;
            quoted = expanded.have_quoted;
        }
        self.table.borrow_mut().push(Entry {
            name: name.into(),
            options: options.map(Into::into),
            body: if literal { Body::Literal(body.into()) } else { Body::Text(body.into()) },
            level,
            automatic: false,
            quoted,
            one_shot,
            origin,
        });
        Ok(())
    }

    /// Names begin with a letter, or with `_` and something after it, and are not those of built-ins.
    pub(crate) fn check_name(&self, name: &str, action: &str) -> Result<(), Fault> {
        let first = name.bytes().next().unwrap_or(0);
        if !(first.is_ascii_alphabetic() || (first == b'_' && name.len() > 1)) {
            return Err(Diagnostic::error("bad-macro-name", format!("macro `%{name}` has illegal name ({action})"))
                .hint("a name begins with a letter, or with `_` and one more character"));
        }
        let table = self.table.borrow();
        if table.get(name).is_some_and(|entry| entry.is_builtin() || entry.automatic) {
            return Err(Diagnostic::error("bad-macro-name", format!("macro `%{name}` is a built-in ({action})"))
                .hint("use another name"));
        }
        Ok(())
    }

    /// Makes a definition from text like `NAME BODY`, as `--define` and Lua's `rpm.define` do.
    ///
    /// # Errors
    /// After a diagnostic was reported.
    pub(crate) fn define_text(&self, text: &str, level: i32) -> Result<(), super::engine::Failed> {
        let mut buffer = Buffer::default();
        let how = Definition { level, eager: false, options: false, open_ended: true };
        self.do_define(&mut buffer, text, how, self.here());
        if buffer.error { Err(super::engine::Failed) } else { Ok(()) }
    }

    /// Takes a definition away, if the name may be undefined.
    pub(crate) fn undefine(&self, buffer: &mut Buffer, name: &str) {
        match self.check_name(name, "%undefine") {
            Ok(()) => self.pop(name),
            Err(fault) => self.fail(buffer, fault),
        }
    }
}

/// The body that goes to the end of the line: a backslash takes the next byte as it is and is lost itself, and an open
/// brace or parenthesis goes on over newlines. Gives the body, where it ends and what is still open.
fn free_body(text: &str, from: usize) -> (String, usize, Nesting) {
    let bytes = text.as_bytes();
    let mut body: Vec<u8> = Vec::new();
    let mut nesting = Nesting::default();
    let mut at = from;
    while at < bytes.len() && (nesting.holds_line() || !is_eol(bytes[at])) {
        if bytes[at] == b'\\' && at + 1 < bytes.len() {
            body.push(bytes[at + 1]);
            at += 2;
            continue;
        }
        let next = nesting.step(bytes, at);
        body.extend_from_slice(&bytes[at..next]);
        at = next;
    }
    while body.last().is_some_and(|b| is_blank(*b) || is_eol(*b)) {
        body.pop();
    }
    // Only whole characters and ASCII bytes were left out.
    (String::from_utf8(body).unwrap_or_default(), at, nesting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_bodies_lose_single_backslashes() {
        for (text, body, end) in [
            ("a b  \nnext", "a b", 5),
            ("a \\\nb\nc", "a \nb", 5),
            ("x\\\\y", "x\\y", 4),
            ("%{a\nb} c\nd", "%{a\nb} c", 8),
            ("50%% {x", "50%% {x", 7),
        ] {
            let (found, at, nesting) = free_body(text, 0);
            assert_eq!((found.as_str(), at), (body, end), "{text:?}");
            assert!(nesting.is_closed());
        }
    }
}

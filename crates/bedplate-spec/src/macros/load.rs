//! Macro files: lines `%NAME[(OPTIONS)] BODY`, everything else is passed over.

use std::sync::Arc;

use bedplate_diag::{Diagnostic, Source, SourceId, Span, text};

use super::builtin::Builtin;
use super::define::Definition;
use super::engine::{Engine, Failed, Place};
use super::expand::Buffer;
use super::scan::{Nesting, is_blank, is_eol};
use super::table::{Body, level};

impl Engine {
    /// Reads a macro file through the host's files.
    ///
    /// # Errors
    /// [`Failed`] if the file cannot be read or a definition in it is bad. Each bad definition was reported.
    pub(crate) fn load_macro_file(&self, path: &str) -> Result<(), Failed> {
        match self.world.files.read(path) {
            Ok(bytes) => self.load_macro_text(path, &text::from_bytes(&bytes)),
            Err(error) => {
                self.report(Diagnostic::warning("load-failed", format!("cannot read macro file {path}: {error}")));
                Err(Failed)
            }
        }
    }

    /// Reads the text of a macro file.
    ///
    /// # Errors
    /// [`Failed`] if a definition in it is bad. Each bad definition was reported; the good ones are made.
    pub(crate) fn load_macro_text(&self, name: &str, content: &str) -> Result<(), Failed> {
        let text: Arc<str> = content.into();
        let source = self.texts.borrow_mut().add(Source::new(name, Arc::clone(&text)));
        self.define_literal("__file_name", name, level::MACRO_FILES);
        self.push("__file_lineno", Body::Builtin(Builtin::FileLine), level::MACRO_FILES);
        let before = (self.place.get(), self.line.get());
        let mut result = Ok(());
        let mut line = 0;
        let mut at = 0;
        while at < text.len() {
            let (end, lines) = definition_end(&text, at);
            line += lines;
            let start = at + text.as_bytes()[at..end].iter().take_while(|b| is_blank(**b)).count();
            if text.as_bytes().get(start) == Some(&b'%')
                && self.load_definition(source, &text, (start, end), line).is_err()
            {
                result = Err(Failed);
            }
            at = next_line(&text, end);
        }
        self.place.set(before.0);
        self.line.set(before.1);
        self.pop("__file_lineno");
        self.pop("__file_name");
        result
    }

    fn load_definition(&self, source: SourceId, text: &str, range: (usize, usize), line: u32) -> Result<(), Failed> {
        let (start, end) = range;
        self.place.set(Some(Place { source, base: start, call: (0, end - start) }));
        self.line.set(line);
        let mut buffer = Buffer::default();
        let how = Definition { level: level::MACRO_FILES, eager: false, options: false, open_ended: true };
        let first_line = text[start..end].find('\n').map_or(end, |at| start + at);
        let origin = Span::new(source, start, first_line);
        // Line ends are newlines to the rest of the engine.
        let definition = &text[start + 1..end];
        if definition.contains('\r') {
            self.do_define(&mut buffer, &definition.replace("\r\n", "\n"), how, Some(origin));
        } else {
            self.do_define(&mut buffer, definition, how, Some(origin));
        }
        if buffer.error { Err(Failed) } else { Ok(()) }
    }
}

/// Offset of the end of the definition that begins at `from` (before its newline), and how many lines it has.
///
/// A definition goes on over a line end while a bracket of a macro call is open or if the line ends in a backslash
/// (`rdcl()` in `rpmio/macro.c`). A line that is no definition ends at its newline.
fn definition_end(text: &str, from: usize) -> (usize, u32) {
    let bytes = text.as_bytes();
    let first = from + bytes[from..].iter().take_while(|b| is_blank(**b)).count();
    let is_definition = bytes.get(first) == Some(&b'%');
    let mut nesting = Nesting::default();
    let mut lines = 0;
    let mut at = first;
    let mut line_start = from;
    loop {
        lines += 1;
        let Some(newline) = memchr::memchr(b'\n', &bytes[line_start..]).map(|found| line_start + found) else {
            return (bytes.len(), lines);
        };
        let mut end = newline;
        while end > line_start && is_eol(bytes[end - 1]) {
            end -= 1;
        }
        if !is_definition {
            return (end, lines);
        }
        while at < end {
            at = if bytes[at] == b'\\' { at + 2 } else { nesting.step(bytes, at) };
        }
        let continued = end > line_start && bytes[end - 1] == b'\\';
        if !continued && nesting.is_closed() {
            return (end, lines);
        }
        line_start = newline + 1;
        at = at.max(line_start);
    }
}

fn next_line(text: &str, end: usize) -> usize {
    memchr::memchr(b'\n', &text.as_bytes()[end..]).map_or(text.len(), |found| end + found + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_end_where_rpm_ends_them() {
        for (text, want) in [
            ("%a b\n%c d\n", (4, 1)),
            ("%a b\\\nc\nd", (7, 2)),
            ("%a %{x\n}\nd", (8, 2)),
            ("# %{open\nx", (8, 1)),
            ("%a \\%{x\nd", (7, 1)),
            ("%a b", (4, 1)),
            ("%a b\r\nc", (4, 1)),
        ] {
            assert_eq!(definition_end(text, 0), want, "{text:?}");
        }
    }
}

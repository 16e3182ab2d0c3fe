//! Expansion: the loop over a text, and what one macro call does.

use std::rc::Rc;
use std::sync::Arc;

use bedplate_diag::{Diagnostic, nearest};

use super::args::{QUOTE, getopt, split_quoted, unsplit_quoted};
use super::builtin::{Builtin, later_hint};
use super::engine::{Engine, LineMap, OUTPUT_LIMIT};
use super::scan::{closing, is_blank, is_eol, is_name_byte, macro_end};
use super::table::{Body, Entry};
use crate::dialect::Dialect;
use crate::expr;

/// How deep expansions nest before rpm calls it recursion (`_MAX_MACRO_DEPTH`).
const MAX_DEPTH: u32 = 64;
/// How deep our own calls nest at most: Lua and expressions may start again at a lower depth.
const MAX_NESTING: u32 = 200;

/// The parametric macro whose body is being expanded: Lua code gets its options and arguments.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) entry: Arc<Entry>,
    pub(crate) args: Rc<Vec<String>>,
}

/// An expansion under way: what it has written, and where it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffer {
    pub(crate) out: String,
    pub(crate) depth: u32,
    pub(crate) level: i32,
    pub(crate) error: bool,
    /// Quote characters stay (the text will be split into arguments).
    pub(crate) keep_quoted: bool,
    /// Quote characters are in the output.
    pub(crate) have_quoted: bool,
    pub(crate) call: Option<Call>,
}

impl Buffer {
    /// A buffer of its own at the same place.
    fn child(&self) -> Self {
        Self {
            out: String::new(),
            depth: self.depth,
            level: self.level,
            error: false,
            keep_quoted: false,
            have_quoted: false,
            call: self.call.clone(),
        }
    }
}

/// The arguments of a call, as its form gives them.
#[derive(Debug)]
pub(crate) enum Arguments<'a> {
    /// The form has none: `%name`, `%{name}`, `%{?name}`.
    None,
    /// The name, then expanded words.
    Words(Vec<String>),
    /// Unexpanded text in braces, for built-ins that parse it themselves.
    Raw(&'a str),
    /// Unexpanded text to the end of the input; the built-in says how much of it it took.
    Free(&'a str),
}

impl Engine {
    pub(crate) fn fail(&self, buffer: &mut Buffer, diagnostic: Diagnostic) {
        self.report(diagnostic);
        buffer.error = true;
    }

    /// Expands `text` at the depth and level of the context; true in the second place if something went wrong.
    pub(crate) fn expand_buffer(&self, text: &str, map: Option<&mut LineMap>) -> (String, bool) {
        let mut buffer =
            Buffer { depth: self.context_depth.get(), level: self.context_level.get(), ..Buffer::default() };
        if memchr::memchr(b'%', text.as_bytes()).is_none() {
            return (text.to_owned(), false);
        }
        self.expand_into(&mut buffer, text, map);
        (buffer.out, buffer.error)
    }

    /// Expands into a buffer of its own.
    pub(crate) fn expand_apart(&self, buffer: &mut Buffer, text: &str, keep_quoted: bool) -> Result<Buffer, ()> {
        let mut child = buffer.child();
        child.keep_quoted = keep_quoted;
        self.expand_into(&mut child, text, None);
        if child.error {
            buffer.error = true;
            return Err(());
        }
        Ok(child)
    }

    fn enter(&self, buffer: &mut Buffer) -> bool {
        buffer.depth += 1;
        let nesting = self.nesting.get() + 1;
        if buffer.depth > MAX_DEPTH || nesting > MAX_NESTING {
            buffer.depth -= 1;
            self.fail(
                buffer,
                Diagnostic::error("recursive-macro", "too many levels of recursion in macro expansion")
                    .hint("a macro of the chain uses itself: `%define a %{a}x` expands `%{a}` at each use; `%global` expands the body once"),
            );
            return false;
        }
        self.nesting.set(nesting);
        true
    }

    fn leave(&self, buffer: &mut Buffer) {
        buffer.depth -= 1;
        self.nesting.set(self.nesting.get() - 1);
    }

    /// Expands `text` and appends the result; `map` notes the calls of this text.
    pub(crate) fn expand_into(&self, buffer: &mut Buffer, text: &str, mut map: Option<&mut LineMap>) {
        if !self.enter(buffer) {
            return;
        }
        let bytes = text.as_bytes();
        let mut at = 0;
        while !buffer.error {
            let Some(percent) = memchr::memchr(b'%', &bytes[at..]).map(|found| at + found) else {
                buffer.out.push_str(&text[at..]);
                break;
            };
            buffer.out.push_str(&text[at..percent]);
            at = percent + 1;
            match bytes.get(at) {
                None => {
                    buffer.out.push('%');
                    break;
                }
                Some(b'%') => {
                    buffer.out.push('%');
                    at += 1;
                    if let Some(map) = map.as_deref_mut() {
                        map.add((buffer.out.len() - 1, buffer.out.len()), (percent, at), None);
                    }
                    continue;
                }
                Some(_) => {}
            }
            if let Some(end) = self.skip_undefined(bytes, text, at) {
                if let Some(map) = map.as_deref_mut() {
                    map.add((buffer.out.len(), buffer.out.len()), (percent, end), None);
                }
                at = end;
                continue;
            }
            if map.is_some() {
                self.set_call(percent, text.len().min(percent + 2));
            }
            let Some(end) = macro_end(text, at) else {
                self.unterminated(buffer, text, at, map.is_some());
                continue;
            };
            if map.is_some() {
                self.set_call(percent, end);
            }
            let start = buffer.out.len();
            let (next, entry) = self.call_at(buffer, text, at, end);
            at = next;
            if let Some(map) = map.as_deref_mut() {
                map.add((start, buffer.out.len()), (percent, at), entry.as_deref());
            }
            if buffer.out.len() > OUTPUT_LIMIT || !self.count_call(buffer.out.len() - start) {
                self.fail(
                    buffer,
                    Diagnostic::error("expansion-too-large", "the macro expansion grows without bound")
                        .hint("a macro that uses another one twice doubles the text at each level"),
                );
            }
        }
        self.leave(buffer);
    }

    /// The end of a `%{?name}` whose macro is not defined: it stands for nothing. Most macro calls are of this kind.
    fn skip_undefined(&self, bytes: &[u8], text: &str, at: usize) -> Option<usize> {
        if bytes.get(at) != Some(&b'{') || bytes.get(at + 1) != Some(&b'?') {
            return None;
        }
        let start = at + 2;
        let end = start + bytes[start..].iter().take_while(|b| is_name_byte(**b)).count();
        (end > start && bytes.get(end) == Some(&b'}') && !self.is_defined(&text[start..end])).then_some(end + 1)
    }

    fn set_call(&self, start: usize, end: usize) {
        if let Some(mut place) = self.place.get() {
            place.call = (start, end);
            self.place.set(Some(place));
        }
    }

    fn unterminated(&self, buffer: &mut Buffer, text: &str, at: usize, outermost: bool) {
        let open = text[at..].chars().next().unwrap_or(' ');
        let close = match open {
            '(' => ')',
            '[' => ']',
            _ => '}',
        };
        if outermost {
            let line_end = text[at..].find('\n').map_or(text.len(), |found| at + found);
            self.set_call(at - 1, line_end);
        }
        // A call of an unknown built-in stays as text, which is taken apart at its spaces: `%setup -n %{gsub` and more.
        let hint = match self.later.get() {
            Some(later) => later_hint(later),
            None => format!("add the missing `{close}`, or write `%%` for a percent sign"),
        };
        self.fail(buffer, Diagnostic::error("unterminated-macro", format!("unterminated `%{open}`")).hint(hint));
    }

    /// Works out the macro call whose `%` stands before `at` and which ends at `end`; gives where to go on.
    fn call_at(&self, buffer: &mut Buffer, text: &str, at: usize, end: usize) -> (usize, Option<Arc<Entry>>) {
        let bytes = text.as_bytes();
        // The name, the text after a colon, and where space-separated arguments end.
        let (name_start, name_end, colon, words_end, resume, negate, checked);
        match bytes[at] {
            b'(' => {
                // An empty `%()` makes rpm run all that follows; nobody can mean that, and `sh` refuses it.
                self.shell_escape(buffer, &text[at + 1..end - 1]);
                return (end, None);
            }
            b'[' => {
                self.expression(buffer, &text[at + 1..end - 1]);
                return (end, None);
            }
            b'{' => {
                let (start, not, check) = conditions(bytes, at + 1);
                let stop = bytes[start..].iter().position(|b| matches!(b, b' ' | b':' | b'}'));
                let stop = stop.map_or(bytes.len(), |found| start + found);
                (name_start, name_end, negate, checked, resume) = (start, stop, not, check, at);
                colon = (bytes.get(stop) == Some(&b':')).then_some((stop + 1, end - 1));
                words_end = (bytes.get(stop) == Some(&b' ')).then_some(end - 1);
            }
            _ => {
                let (start, not, check) = conditions(bytes, at);
                (name_start, name_end, negate, checked, resume) = (start, end, not, check, start);
                colon = None;
                words_end = bytes
                    .get(end)
                    .is_some_and(|b| is_blank(*b))
                    .then(|| memchr::memchr(b'\n', &bytes[end..]).map_or(bytes.len(), |found| end + found));
            }
        }
        if name_end <= name_start {
            buffer.out.push('%');
            return (resume, None);
        }
        let name = &text[name_start..name_end];
        let entry = {
            let table = self.table.borrow();
            match table.get(name) {
                Some(entry) if entry.automatic && buffer.level > entry.level => None,
                Some(entry) => {
                    table.mark_used(name);
                    Some(Arc::clone(entry))
                }
                None => None,
            }
        };
        if name.starts_with('-') || checked {
            if entry.is_none() != negate {
                return (end, None);
            }
            match (colon, &entry) {
                (Some((from, to)), _) if from < to => self.expand_into(buffer, &text[from..to], None),
                (_, Some(entry)) => {
                    self.do_macro(buffer, entry, Arguments::None);
                }
                _ => {}
            }
            return (end, entry);
        }
        let Some(entry) = entry else {
            self.note_undefined(name);
            buffer.out.push('%');
            return (resume, None);
        };
        if entry.options.is_none() && !entry.is_builtin() {
            if self.dialect >= Dialect::V4_20
                && (colon.is_some() || words_end.is_some_and(|to| bytes.get(to) == Some(&b'}')))
            {
                self.report(Diagnostic::warning(
                    "argument-to-simple-macro",
                    format!("unexpected argument to non-parametric macro `%{name}`"),
                ));
            }
            self.do_macro(buffer, &entry, Arguments::None);
            return (end, Some(entry));
        }
        let free_form = name_end == end;
        let parses_itself = matches!(&entry.body, Body::Builtin(builtin) if builtin.parses_itself());
        let next = if parses_itself && free_form {
            end + self.do_macro(buffer, &entry, Arguments::Free(&text[end..]))
        } else {
            // `%name` of a macro without options takes nothing of the line after it.
            let words_end = if entry.options.is_none() && free_form { None } else { words_end };
            let (arguments, next) = match (colon, words_end) {
                (Some((from, to)), _) => {
                    let grab = |buffer: &mut Buffer| self.grab(buffer, &entry, &text[from..to], parses_itself, false);
                    // The argument of `%{expand:}` is expanded once more: until then, `%name_` of `%name_%{kind}` is half a name.
                    let is_twice = matches!(&entry.body, Body::Builtin(Builtin::Expand));
                    let arguments = if is_twice { self.without_undefined(|| grab(buffer)) } else { grab(buffer) };
                    (arguments, after(bytes, to))
                }
                (None, Some(to)) => {
                    (self.grab(buffer, &entry, &text[name_end..to], parses_itself, true), after(bytes, to))
                }
                (None, None) => (Arguments::Words(vec![entry.name.to_string()]), end),
            };
            self.do_macro(buffer, &entry, arguments);
            next
        };
        (next, Some(entry))
    }

    /// Reads the arguments of a parametric macro.
    fn grab<'a>(&self, buffer: &mut Buffer, entry: &Entry, text: &'a str, raw: bool, split: bool) -> Arguments<'a> {
        if raw {
            return Arguments::Raw(text);
        }
        let keep = self.dialect >= Dialect::V4_20 && (split || buffer.keep_quoted);
        let mut words = vec![entry.name.to_string()];
        // After an error rpm goes on with what there is; the error stops the expansion soon enough.
        let expanded = self.expand_apart(buffer, text, keep).map(|child| child.out).unwrap_or_default();
        if split {
            words.extend(split_quoted(&expanded, &[' ', '\t']));
        } else {
            words.push(expanded);
        }
        Arguments::Words(words)
    }

    /// Works out one macro; gives how much of free-form arguments it took.
    pub(crate) fn do_macro(&self, buffer: &mut Buffer, entry: &Arc<Entry>, arguments: Arguments<'_>) -> usize {
        let call = buffer.call.clone();
        let start = buffer.out.len();
        let tracing = self.tracing.get();
        if tracing {
            let text =
                format!("{:3}>{:width$}%{}", buffer.depth, "", entry.name, width = 2 * buffer.depth as usize + 1);
            self.report(Diagnostic::info("trace", text));
        }
        let mut taken = 0;
        match &entry.body {
            Body::Builtin(builtin) => taken = self.do_builtin(buffer, entry, *builtin, arguments),
            Body::Literal(body) => buffer.out.push_str(body),
            Body::Text(body) if body.is_empty() => {}
            Body::Text(body) => {
                self.push_frame(entry);
                let own = if let Arguments::Words(words) = arguments {
                    self.enter_call(buffer, entry, words);
                    true
                } else {
                    false
                };
                if entry.quoted && buffer.keep_quoted {
                    self.expand_quoted(buffer, body);
                } else {
                    self.expand_into(buffer, body, None);
                }
                if own {
                    self.leave_call(buffer);
                }
                self.pop_frame();
                if entry.one_shot {
                    let value = buffer.out[start..].into();
                    self.table.borrow_mut().push(Entry {
                        name: Arc::clone(&entry.name),
                        options: entry.options.clone(),
                        body: Body::Literal(value),
                        level: entry.level,
                        automatic: entry.automatic,
                        quoted: entry.quoted,
                        one_shot: false,
                        origin: entry.origin,
                    });
                }
            }
        }
        if entry.quoted {
            if buffer.keep_quoted {
                buffer.have_quoted = true;
            } else {
                let unquoted = buffer.out[start..].replace(QUOTE, "");
                buffer.out.truncate(start);
                buffer.out.push_str(&unquoted);
            }
        }
        if tracing {
            let (depth, name, width) = (buffer.depth, &entry.name, 2 * buffer.depth as usize + 1);
            let shown = buffer.out.get(start..).unwrap_or_default().trim_end();
            let last = shown.rsplit('\n').next().unwrap_or_default();
            self.report(Diagnostic::info("trace", format!("{depth:3}<{:width$}(%{name})\n{last}", "")));
        }
        buffer.call = call;
        taken
    }

    /// Expands a body with quote characters: between them nothing is quoted again.
    fn expand_quoted(&self, buffer: &mut Buffer, body: &str) {
        for (n, part) in body.split(QUOTE).enumerate() {
            if n > 0 {
                buffer.out.push(QUOTE);
                buffer.keep_quoted = !buffer.keep_quoted;
            }
            if !part.is_empty() {
                self.expand_into(buffer, part, None);
            }
        }
        buffer.keep_quoted = true;
    }

    /// Defines `%0`, `%1`, `%*`, `%#`, `%{-x}` and their kin for the body of a parametric macro.
    fn enter_call(&self, buffer: &mut Buffer, entry: &Arc<Entry>, words: Vec<String>) {
        buffer.level += 1;
        let level = buffer.level;
        let quotes = self.dialect >= Dialect::V4_20;
        let define = |name: &str, body: &str, quoted: bool| {
            self.table.borrow_mut().push(Entry {
                name: name.into(),
                options: None,
                body: Body::Literal(body.into()),
                level,
                automatic: true,
                quoted,
                one_shot: false,
                origin: None,
            });
        };
        define("0", &entry.name, false);
        let all = words.get(1..).unwrap_or_default();
        if quotes {
            define("**", &unsplit_quoted(all, " "), true);
        } else {
            define("**", &all.join(" "), false);
        }
        let spec = entry.options.as_deref().unwrap_or_default();
        let found = getopt(&words, spec);
        let given = match &found {
            Ok(options) => &options.given,
            Err((_, given)) => given,
        };
        for (letter, argument) in given {
            match argument {
                Some(argument) => {
                    define(&format!("-{letter}"), &format!("-{letter} {argument}"), false);
                    define(&format!("-{letter}*"), argument, false);
                }
                None => define(&format!("-{letter}"), &format!("-{letter}"), false),
            }
        }
        let words = match found {
            Ok(options) => {
                let operands = &options.words[options.first_operand..];
                define("#", &operands.len().to_string(), false);
                for (n, word) in operands.iter().enumerate() {
                    define(&(n + 1).to_string(), word, false);
                }
                define("*", &operands.join(" "), false);
                options.words
            }
            Err((letter, _)) => {
                let known: Vec<String> =
                    spec.chars().filter(char::is_ascii_alphanumeric).map(|c| format!("-{c}")).collect();
                let hint = if known.is_empty() {
                    format!("`%{}` takes no options; write `--` before words that begin with `-`", entry.name)
                } else {
                    format!("`%{}` takes {}", entry.name, known.join(" "))
                };
                self.fail(
                    buffer,
                    Diagnostic::error(
                        "unknown-option",
                        format!("unknown option `-{letter}` in `%{}({spec})`", entry.name),
                    )
                    .hint(hint),
                );
                words
            }
        };
        buffer.call = Some(Call { entry: Arc::clone(entry), args: Rc::new(words) });
    }

    fn leave_call(&self, buffer: &mut Buffer) {
        let unused = self.table.borrow_mut().leave_level(buffer.level, self.dialect >= Dialect::V4_20);
        for name in unused {
            self.report(
                Diagnostic::warning("unused-local-macro", format!("macro `%{name}` defined but not used within scope"))
                    .hint("`%define` in the body of a parametric macro ends with the call; `%global` lasts"),
            );
        }
        buffer.level -= 1;
        buffer.call = None;
    }

    fn expression(&self, buffer: &mut Buffer, text: &str) {
        let before = (self.context_depth.get(), self.context_level.get());
        if self.dialect >= Dialect::V4_20 {
            self.context_depth.set(buffer.depth);
            self.context_level.set(buffer.level);
        }
        let result = expr::evaluate_string(self, text, true);
        self.context_depth.set(before.0);
        self.context_level.set(before.1);
        match result {
            Ok(value) => buffer.out.push_str(&value),
            Err(error) => {
                buffer.error = true;
                self.report_expression(text, &error);
            }
        }
    }

    /// Reports what is wrong with an expression.
    pub(crate) fn report_expression(&self, text: &str, error: &expr::ExprError) {
        if !error.reported {
            let mut diagnostic = Diagnostic::error("bad-expression", format!("{}: `{}`", error.message, text.trim()));
            for complaint in &error.further {
                if let expr::Complaint::Plain(line) = complaint {
                    diagnostic = diagnostic.note(line.clone(), None);
                }
            }
            self.report(diagnostic);
        }
    }

    /// The diagnostic of a name that no macro has.
    pub(crate) fn near_macro(&self, name: &str) -> Option<String> {
        let table = self.table.borrow();
        let names: Vec<&str> = table.names().collect();
        nearest(name, names).map(|near| format!("a macro with a similar name exists: `%{{{near}}}`"))
    }
}

impl expr::ExprHost for Engine {
    fn expand(&self, text: &str) -> Result<String, ()> {
        Engine::expand(self, text).map_err(|_| ())
    }

    fn call_lua(&self, function: &str, args: &[expr::Arg]) -> Result<String, ()> {
        self.lua_function(function, args)
    }

    fn end_of_macro(&self, text: &str, at: usize) -> Option<usize> {
        macro_end(text, at + 1)
    }
}

/// Where to go on after arguments that end at `to`: behind a closing brace, at a newline.
fn after(bytes: &[u8], to: usize) -> usize {
    match bytes.get(to) {
        None => to,
        Some(b'\n') if to == 0 || bytes[to - 1] != b'\\' => to,
        Some(_) => to + 1,
    }
}

/// Reads `?` and `!` before a name: where the name starts, whether the test is negated, whether there is one.
fn conditions(bytes: &[u8], from: usize) -> (usize, bool, bool) {
    let mut at = from;
    let (mut negate, mut check) = (false, false);
    while let Some(byte @ (b'?' | b'!')) = bytes.get(at) {
        if *byte == b'!' {
            negate = !negate;
        } else {
            check = true;
        }
        at += 1;
    }
    (at, negate, check)
}

/// The brace-enclosed or free text of a definition's body: used by `%define`.
pub(crate) fn braced(text: &str, from: usize) -> Option<usize> {
    closing(text, from, b'{', b'}')
}

/// Offset after the newlines at `from`.
pub(crate) fn skip_newlines(text: &str, from: usize) -> usize {
    from + text.as_bytes()[from..].iter().take_while(|b| is_eol(**b)).count()
}

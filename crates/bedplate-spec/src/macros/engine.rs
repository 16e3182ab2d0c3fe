//! The state of one macro engine: definitions, where we are, what was reported.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use bedplate_diag::{Diagnostic, Severity, Source, SourceId, Sources, Span};

use super::builtin::Builtin;
use super::table::{Body, Entry, Table, level};
use crate::config::MacroConfig;
use crate::dialect::Dialect;
use crate::host::{Files, Machine, Shell, ShellAnswer, ShellCall, ShellError};
use crate::lua::Lua;
use crate::prep::Sources as SpecSources;

/// An expansion went wrong; the diagnostic is in the engine already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed;

/// Macro calls that one spec may make before it is given up: no real spec comes near a hundredth of it.
const CALL_LIMIT: u64 = 20_000_000;
/// Bytes that one expansion may grow to.
pub(crate) const OUTPUT_LIMIT: usize = 256 << 20;
/// Bytes that all expansions of a spec may make together.
const TOTAL_OUTPUT_LIMIT: u64 = 2 << 30;

/// The world as one engine sees it.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) shell: Arc<dyn Shell>,
    pub(crate) machine: Arc<Machine>,
}

/// A macro whose body is being expanded.
#[derive(Debug, Clone)]
struct Frame {
    name: Arc<str>,
    origin: Option<Span>,
}

/// The text of a file that is being expanded: where it stands, and which call of it is at work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) source: SourceId,
    /// Offset in the source of the first byte of the text.
    pub(crate) base: usize,
    /// The macro call at work, as offsets in the text.
    pub(crate) call: (usize, usize),
}

/// From offsets in expanded text back to offsets in the text that it came from.
#[derive(Debug, Clone, Default)]
pub(crate) struct LineMap {
    /// For each macro call of the outermost text: where its expansion begins and ends, and where the call stood.
    calls: Vec<MappedCall>,
}

#[derive(Debug, Clone)]
struct MappedCall {
    out: (usize, usize),
    call: (usize, usize),
    name: Option<Arc<str>>,
    origin: Option<Span>,
}

/// Where a piece of expanded text came from.
#[derive(Debug, Clone)]
pub(crate) struct MappedFrom {
    /// Offsets in the unexpanded text.
    pub(crate) range: (usize, usize),
    /// The macro that it is the expansion of.
    pub(crate) macro_name: Option<Arc<str>>,
    pub(crate) origin: Option<Span>,
}

impl LineMap {
    pub(crate) fn clear(&mut self) {
        self.calls.clear();
    }

    pub(crate) fn add(&mut self, out: (usize, usize), call: (usize, usize), entry: Option<&Entry>) {
        if self.calls.len() >= MAPPED_CALLS {
            return;
        }
        let name = entry.map(|entry| Arc::clone(&entry.name));
        self.calls.push(MappedCall { out, call, name, origin: entry.and_then(|entry| entry.origin) });
    }

    /// Where the bytes `start..end` of the expansion came from.
    pub(crate) fn find(&self, start: usize, end: usize) -> MappedFrom {
        let outside = |at: usize| {
            let before = self.calls.partition_point(|call| call.out.1 <= at);
            match before.checked_sub(1).map(|n| &self.calls[n]) {
                Some(call) => call.call.1 + (at - call.out.1),
                None => at,
            }
        };
        let inside = |at: usize| self.calls.iter().find(|call| call.out.0 <= at && at < call.out.1);
        match (inside(start), end.checked_sub(1).and_then(inside)) {
            (Some(first), Some(last)) => MappedFrom {
                range: (first.call.0, last.call.1),
                macro_name: (std::ptr::eq(first, last)).then(|| first.name.clone()).flatten(),
                origin: first.origin,
            },
            (Some(first), None) => {
                MappedFrom { range: (first.call.0, outside(end)), macro_name: first.name.clone(), origin: first.origin }
            }
            (None, Some(last)) if end > start => {
                MappedFrom { range: (outside(start), last.call.1), macro_name: last.name.clone(), origin: last.origin }
            }
            _ => MappedFrom { range: (outside(start), outside(end)), macro_name: None, origin: None },
        }
    }
}

/// Calls that one map keeps: a line of megabytes may hold millions, and the places behind the last one are only near then.
const MAPPED_CALLS: usize = 100_000;

/// One macro engine: the definitions that one spec sees, and all that it reported.
pub(crate) struct Engine {
    pub(crate) dialect: Dialect,
    pub(crate) config: Arc<MacroConfig>,
    pub(crate) world: World,
    pub(crate) table: RefCell<Table>,
    /// The texts that spans point into.
    pub(crate) texts: RefCell<Sources>,
    pub(crate) diagnostics: RefCell<Vec<Diagnostic>>,
    /// How many of the diagnostics are errors.
    pub(crate) errors: Cell<usize>,
    /// Depth and level that an expansion asked for by Lua or an expression starts at.
    pub(crate) context_depth: Cell<u32>,
    pub(crate) context_level: Cell<i32>,
    /// Nesting of our own calls, whatever rpm's depth says.
    pub(crate) nesting: Cell<u32>,
    calls_left: Cell<u64>,
    output_left: Cell<u64>,
    frames: RefCell<Vec<Frame>>,
    pub(crate) place: Cell<Option<Place>>,
    /// The line of the file in hand.
    pub(crate) line: Cell<u32>,
    /// `%trace` was called: expansions are reported.
    pub(crate) tracing: Cell<bool>,
    /// The file in hand.
    pub(crate) file: Cell<Option<SourceId>>,
    /// Macro calls that nothing defines, if they are looked for.
    pub(crate) undefined: RefCell<Option<Vec<(String, Span)>>>,
    /// A built-in of a later dialect that was called and is none here.
    pub(crate) later: Cell<Option<(&'static str, Dialect)>>,
    /// The environment of shell commands, once a script has changed it.
    environment: RefCell<Option<Rc<BTreeMap<String, String>>>>,
    pub(crate) lua: RefCell<Option<Rc<Lua>>>,
    /// Sources and patches of the spec: `%setup`, `%patch` and Lua ask for them.
    pub(crate) spec_sources: RefCell<SpecSources>,
    /// A `%setup` or `%patch` is being worked out.
    pub(crate) in_prep: Cell<bool>,
    me: Weak<Self>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine over the definitions of a configuration.
    pub(crate) fn new(config: Arc<MacroConfig>, world: World) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            dialect: config.dialect,
            table: RefCell::new(Table::over(Arc::clone(&config.base))),
            texts: RefCell::new(Sources::with_base(Arc::clone(&config.texts))),
            config,
            world,
            diagnostics: RefCell::default(),
            errors: Cell::new(0),
            context_depth: Cell::new(0),
            context_level: Cell::new(0),
            nesting: Cell::new(0),
            calls_left: Cell::new(CALL_LIMIT),
            output_left: Cell::new(TOTAL_OUTPUT_LIMIT),
            frames: RefCell::default(),
            place: Cell::new(None),
            line: Cell::new(0),
            tracing: Cell::new(false),
            file: Cell::new(None),
            undefined: RefCell::default(),
            later: Cell::default(),
            environment: RefCell::default(),
            lua: RefCell::default(),
            spec_sources: RefCell::default(),
            in_prep: Cell::new(false),
            me: me.clone(),
        })
    }

    /// An environment variable as `%{getenv:}` sees it.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        match &*self.environment.borrow() {
            Some(changed) => changed.get(name).cloned(),
            None => self.world.machine.environment.get(name).cloned(),
        }
    }

    /// Sets or removes an environment variable for the rest of the spec.
    pub(crate) fn set_variable(&self, name: &str, value: Option<&str>) {
        let mut changed = match self.environment.take() {
            Some(changed) => Rc::unwrap_or_clone(changed),
            None => self.world.machine.environment.clone(),
        };
        match value {
            Some(value) => changed.insert(name.to_owned(), value.to_owned()),
            None => changed.remove(name),
        };
        self.environment.replace(Some(Rc::new(changed)));
    }

    /// Asks the shell for the answer of a command.
    pub(crate) fn ask_shell(&self, command: &[u8], source_dir: &str) -> Result<ShellAnswer, ShellError> {
        let changed = self.environment.borrow().clone();
        let environment = changed.as_deref().unwrap_or(&self.world.machine.environment);
        self.world.shell.run(ShellCall { command, environment, source_dir })
    }

    /// Notes a macro call that nothing defines.
    pub(crate) fn note_undefined(&self, name: &str) {
        if let Some(later) = Builtin::of_later(name, self.dialect) {
            self.later.set(Some(later));
        }
        let mut undefined = self.undefined.borrow_mut();
        if let (Some(list), Some(span)) = (undefined.as_mut(), self.here()) {
            list.push((name.to_owned(), span));
        }
    }

    /// Does something of which it does not count what nothing defines.
    pub(crate) fn without_undefined<T>(&self, work: impl FnOnce() -> T) -> T {
        let undefined = self.undefined.take();
        let done = work();
        self.undefined.replace(undefined);
        done
    }

    /// A counted reference to this engine.
    pub(crate) fn counted(&self) -> Option<Rc<Self>> {
        self.me.upgrade()
    }

    /// Adds a text that spans may point into.
    pub(crate) fn add_text(&self, name: &str, text: impl Into<Arc<str>>) -> SourceId {
        self.texts.borrow_mut().add(Source::new(name, text))
    }

    /// Reports a diagnostic as it is.
    pub(crate) fn push_diagnostic(&self, diagnostic: Diagnostic) {
        self.errors.set(self.errors.get() + usize::from(diagnostic.is_error()));
        self.diagnostics.borrow_mut().push(diagnostic);
    }

    /// Reports a diagnostic at the macro call at work, with the chain of macros that led to it.
    pub(crate) fn report(&self, mut diagnostic: Diagnostic) {
        if let Some(span) = self.here() {
            diagnostic.span = Some(span);
            diagnostic.rpm_line = Some(self.line.get());
        } else if self.dialect >= Dialect::V4_20 {
            diagnostic.rpm_line = Some(self.line.get());
        }
        // These are logged by rpm as they are, without the line.
        if matches!(diagnostic.code, "error" | "lua-failed" | "bad-expression") {
            diagnostic.rpm_line = None;
        }
        let frames = self.frames.borrow();
        for frame in frames.iter().rev().take(8) {
            let place = if frame.origin.is_some() { ", defined here" } else { "" };
            diagnostic = diagnostic.note(format!("expanded from `%{}`{place}", frame.name), frame.origin);
        }
        if frames.len() > 8 {
            diagnostic = diagnostic.note(format!("and from {} more macros", frames.len() - 8), None);
        }
        drop(frames);
        self.push_diagnostic(diagnostic);
    }

    pub(crate) fn push_frame(&self, entry: &Entry) {
        self.frames.borrow_mut().push(Frame { name: Arc::clone(&entry.name), origin: entry.origin });
    }

    pub(crate) fn pop_frame(&self) {
        self.frames.borrow_mut().pop();
    }

    /// Counts a macro call; false once the spec has made too many.
    pub(crate) fn count_call(&self, grown: usize) -> bool {
        let calls = self.calls_left.get();
        let bytes = self.output_left.get();
        self.calls_left.set(calls.saturating_sub(1));
        self.output_left.set(bytes.saturating_sub(grown as u64));
        calls > 0 && bytes > 0
    }

    /// The definition in force.
    pub(crate) fn lookup(&self, name: &str) -> Option<Arc<Entry>> {
        self.table.borrow().get(name).cloned()
    }

    /// True if a macro of this name is defined.
    pub(crate) fn is_defined(&self, name: &str) -> bool {
        self.table.borrow().get(name).is_some()
    }

    /// True if a macro of this name is defined and takes options.
    pub(crate) fn is_parametric(&self, name: &str) -> bool {
        self.table.borrow().get(name).is_some_and(|entry| entry.options.is_some())
    }

    /// Defines a simple macro whose body is expanded at each use.
    pub(crate) fn define(&self, name: &str, body: &str, level: i32) {
        self.push(name, Body::Text(body.into()), level);
    }

    /// Defines a simple macro whose body is taken as it is.
    pub(crate) fn define_literal(&self, name: &str, body: &str, level: i32) {
        self.push(name, Body::Literal(body.into()), level);
    }

    pub(crate) fn push(&self, name: &str, body: Body, level: i32) {
        let takes_arguments = matches!(body, Body::Builtin(builtin) if builtin.takes_arguments(self.dialect));
        self.table.borrow_mut().push(Entry {
            name: name.into(),
            options: takes_arguments.then(|| "".into()),
            body,
            level,
            automatic: false,
            quoted: false,
            one_shot: false,
            origin: self.here(),
        });
    }

    /// Takes the definition in force away.
    pub(crate) fn pop(&self, name: &str) {
        self.table.borrow_mut().pop(name);
    }

    /// The file in hand.
    pub(crate) fn place_of_file(&self) -> Option<SourceId> {
        self.file.get()
    }

    /// The place at work, for definitions.
    pub(crate) fn here(&self) -> Option<Span> {
        let place = self.place.get()?;
        Some(Span::new(place.source, place.base + place.call.0, place.base + place.call.1))
    }

    /// Expands text that is not of a file: what rpm's `rpmExpand()` gives. It keeps what there is after an error, and
    /// nobody asks whether there was one: a query goes on.
    pub(crate) fn expand_loosely(&self, text: &str) -> String {
        let before = self.diagnostics.borrow().len();
        // What the engine asks for itself need not be defined.
        let (out, failed) = self.without_undefined(|| self.expand_buffer(text, None));
        if failed {
            self.pass_over(before);
        }
        out
    }

    /// Nobody asks about the errors since `before` diagnostics: rpm has printed them, and goes on.
    pub(crate) fn pass_over(&self, before: usize) {
        for diagnostic in self.diagnostics.borrow_mut().iter_mut().skip(before).filter(|one| one.is_error()) {
            diagnostic.severity = Severity::Passed;
            self.errors.set(self.errors.get().saturating_sub(1));
        }
    }

    /// Expands text that is not of a file.
    ///
    /// # Errors
    /// [`Failed`] after a diagnostic was reported.
    pub(crate) fn expand(&self, text: &str) -> Result<String, Failed> {
        match self.expand_buffer(text, None) {
            (out, false) => Ok(out),
            (_, true) => Err(Failed),
        }
    }

    /// Expands text of a file: diagnostics point into it, and `map` leads back from the result.
    ///
    /// # Errors
    /// [`Failed`] after a diagnostic was reported.
    pub(crate) fn expand_at(&self, text: &str, place: Place, map: &mut LineMap) -> Result<String, Failed> {
        map.clear();
        let before = self.place.replace(Some(place));
        let (out, failed) = self.expand_buffer(text, Some(map));
        self.place.set(before);
        if failed { Err(Failed) } else { Ok(out) }
    }

    /// The value of a macro as a number, as `rpmExpandNumeric()` reads it.
    pub(crate) fn expand_number(&self, text: &str) -> i64 {
        let value = self.expand_loosely(text);
        match value.as_bytes().first() {
            None | Some(b'%' | b'N' | b'n') => 0,
            Some(b'Y' | b'y') => 1,
            Some(_) => parse_c_integer(&value).unwrap_or(0),
        }
    }

    /// Expands and tidies a path (`rpmGetPath()`).
    pub(crate) fn expand_path(&self, text: &str) -> String {
        clean_path(&self.expand_loosely(text))
    }

    /// Defines what rpm defines for each spec before it reads it.
    pub(crate) fn define_for_spec(&self) {
        self.define("_docdir", "%{_defaultdocdir}", level::SPEC);
        self.define("_licensedir", "%{_defaultlicensedir}", level::SPEC);
    }
}

/// `strtol(text, &end, 0)` over the whole text: decimal, `0x…`, `0…`; `None` if something is left over.
pub(crate) fn parse_c_integer(text: &str) -> Option<i64> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits {
        _ if digits.starts_with("0x") || digits.starts_with("0X") => (16, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -value } else { value })
}

/// Takes doubled slashes, `/./`, `/../` and a trailing slash out of a path, as `rpmCleanPath()` does; URLs keep their `//`.
pub(crate) fn clean_path(path: &str) -> String {
    let bytes = path.as_bytes();
    let get = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    // Offset in `out` of the slash before the last component: where `..` goes back to.
    let mut parent = 0_usize;
    let mut begin = true;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b':' => {
                if get(at + 1) == b'/' && get(at + 2) == b'/' {
                    out.extend_from_slice(&bytes[at..at + 2]);
                    at += 2;
                } else {
                    begin = true;
                }
            }
            b'/' => {
                if let Some(next) = out.get(parent + 1..).and_then(|rest| rest.iter().position(|b| *b == b'/')) {
                    parent += 1 + next;
                }
                while get(at + 1) == b'/' {
                    at += 1;
                }
                while out.last() == Some(&b'/') {
                    out.pop();
                }
            }
            b'.' => {
                let ends = |n: usize| matches!(get(n), b'/' | 0);
                if begin && get(at + 1) == b'.' && ends(at + 2) {
                    out.push(b'.');
                    at += 1;
                } else if begin && get(at + 1) == 0 {
                    // A lone dot stays.
                } else if out.last() == Some(&b'/') && get(at + 1) == b'/' {
                    at += 2;
                    continue;
                } else if out.last() == Some(&b'/') && get(at + 1) == 0 {
                    at += 1;
                    continue;
                } else if !begin && out.last() == Some(&b'/') && get(at + 1) == b'.' && ends(at + 2) {
                    out.truncate(parent);
                    parent = out[..parent].iter().rposition(|b| *b == b'/').unwrap_or(0);
                    at += 2;
                    continue;
                }
            }
            _ => begin = false,
        }
        out.push(bytes[at]);
        at += 1;
    }
    if out.len() > 1 && out.last() == Some(&b'/') {
        out.pop();
    }
    String::from_utf8(out).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_tidied() {
        for (path, want) in [
            ("/a//b/", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/b/../c", "/a/c"),
            ("https://x.org//y", "https://x.org/y"),
            ("/", "/"),
            ("a/b", "a/b"),
            ("/a/.", "/a"),
            ("", ""),
        ] {
            assert_eq!(clean_path(path), want, "{path}");
        }
    }

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, want) in [
            ("12", Some(12)),
            ("0x1f", Some(31)),
            ("010", Some(8)),
            ("-3", Some(-3)),
            ("0", Some(0)),
            ("3x", None),
            ("", None),
        ] {
            assert_eq!(parse_c_integer(text), want, "{text}");
        }
    }

    #[test]
    fn a_map_leads_back_into_calls() {
        // "a%{xx}b" with %{xx} -> "12345": out "a12345b".
        let mut map = LineMap::default();
        map.add((1, 6), (1, 6), None);
        assert_eq!(map.find(0, 1).range, (0, 1));
        assert_eq!(map.find(2, 4).range, (1, 6));
        assert_eq!(map.find(6, 7).range, (6, 7));
    }
}

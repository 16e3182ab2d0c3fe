//! Sources and patches, and what `%setup` and `%patch` become.

use bedplate_diag::{Diagnostic, Severity};

use rustc_hash::FxHashMap;

use crate::dialect::Dialect;
use crate::macros::engine::{Engine, clean_path};
use crate::macros::expand::Buffer;
use crate::macros::table::level;
use crate::popt::{self, Takes};

/// A source or a patch of a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecSource {
    /// Its number, given or counted.
    pub number: u32,
    /// The value of the tag after expansion, a URL in full.
    pub full: String,
    /// The file's name: what follows the last slash (and an `=` after it, as in `#/name` or `?file=name`).
    pub name: String,
    /// The file's place in `%{_sourcedir}`.
    pub path: String,
    /// True for a patch.
    pub is_patch: bool,
    /// True if `NoSource:` or `NoPatch:` leaves it out of the source package.
    pub is_left_out: bool,
}

/// What the engine has to know of the spec for `%setup`, `%patch` and Lua.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    list: Vec<SpecSource>,
    by_number: FxHashMap<(u32, bool), usize>,
    /// Name and version of the main package: the folder that `%setup` unpacks to.
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Sources {
    pub(crate) fn find(&self, number: u32, is_patch: bool) -> Option<&SpecSource> {
        self.by_number.get(&(number, is_patch)).map(|at| &self.list[*at])
    }

    pub(crate) fn find_mut(&mut self, number: u32, is_patch: bool) -> Option<&mut SpecSource> {
        self.by_number.get(&(number, is_patch)).map(|at| &mut self.list[*at])
    }

    pub(crate) fn add(&mut self, source: SpecSource) {
        self.by_number.insert((source.number, source.is_patch), self.list.len());
        self.list.push(source);
    }

    /// All of them, in the order of the spec.
    pub(crate) fn into_list(self) -> Vec<SpecSource> {
        self.list
    }
}

/// What is wrong with a `%setup` or `%patch`.
type Fault = Diagnostic;

const SETUP_OPTIONS: [(char, Takes); 8] = [
    ('a', Takes::Text),
    ('b', Takes::Text),
    ('c', Takes::Nothing),
    ('D', Takes::Nothing),
    ('n', Takes::Text),
    ('T', Takes::Nothing),
    ('q', Takes::Nothing),
    ('C', Takes::Nothing),
];

const PATCH_OPTIONS: [(char, Takes); 10] = [
    ('P', Takes::Text),
    ('p', Takes::Number),
    ('R', Takes::Nothing),
    ('E', Takes::Nothing),
    ('b', Takes::Text),
    ('z', Takes::Text),
    ('F', Takes::Number),
    ('d', Takes::Text),
    ('o', Takes::Text),
    ('Z', Takes::Nothing),
];

impl Engine {
    /// `%setup` as a macro (rpm 4.20).
    pub(crate) fn do_setup(&self, buffer: &mut Buffer, words: &[String]) {
        let line = words.join(" ");
        let mut out = String::new();
        let result = self.setup(&line, &mut out);
        buffer.out.push_str(&out);
        self.settle(buffer, result);
    }

    /// Reports what is wrong with a `%setup` or `%patch`. rpm 4.20 goes on after a number that nothing has; 6 does not.
    fn settle(&self, buffer: &mut Buffer, result: Result<(), Fault>) {
        match result {
            Ok(()) => {}
            Err(mut fault) if self.dialect == Dialect::V4_20 && fault.code.starts_with("no-such-") => {
                fault.severity = Severity::Passed;
                self.report(fault);
                if let Some(last) = self.diagnostics.borrow_mut().last_mut() {
                    last.rpm_line = None;
                }
            }
            Err(fault) => self.fail(buffer, fault),
        }
    }

    /// `%patch` as a macro (rpm 4.20).
    pub(crate) fn do_patch(&self, buffer: &mut Buffer, words: &[String]) {
        let mut out = String::new();
        let result = self.patch(&words.join(" "), &mut out);
        buffer.out.push_str(&out);
        self.settle(buffer, result);
    }

    /// Notes that a `%setup` or `%patch` is worked out; none may come up while one is, as a name such as `%%setup` in a
    /// source would go on for ever.
    fn enter_prep(&self, name: &str) -> Result<(), Fault> {
        if self.in_prep.replace(true) {
            return Err(Diagnostic::error("recursive-macro", format!("`%{name}` within `%setup` or `%patch`"))
                .hint("the name of a source or a patch, or an option, holds the macro"));
        }
        Ok(())
    }

    /// What unpacks one source.
    fn unpack(&self, number: u32, quiet: bool, into_subdir: bool) -> Result<String, Fault> {
        let path = match self.spec_sources.borrow().find(number, false) {
            Some(source) => source.path.clone(),
            None => {
                return Err(Diagnostic::error("no-such-source", format!("no source number {number}"))
                    .hint(format!("declare it: `Source{number}: …`, or leave it out with `%setup -T`")));
            }
        };
        let verbose = if quiet { "" } else { "-v " };
        let command = if self.dialect >= Dialect::V4_20 {
            let folder = if into_subdir { "-C %{buildsubdir} " } else { "" };
            format!("%{{__rpmuncompress}} -x {verbose}{folder}%{{shescape:{path}}}")
        } else {
            format!("%{{__rpmuncompress}} -x {verbose}{path}")
        };
        let command = self.expand_loosely(&command);
        Ok(format!("{command}\nSTATUS=$?\nif [ $STATUS -ne 0 ]; then\n  exit $STATUS\nfi"))
    }

    /// Expands a `%setup` line. What was written before an error stays written, as with rpm.
    pub(crate) fn setup(&self, line: &str, out: &mut String) -> Result<(), Fault> {
        self.enter_prep("setup")?;
        let result = self.expand_setup(line, out);
        self.in_prep.set(false);
        result
    }

    fn expand_setup(&self, line: &str, out: &mut String) -> Result<(), Fault> {
        // The letter after ` -q` does not matter to rpm.
        let skipped = if self.dialect >= Dialect::V4_20 { 5 } else { 6 };
        let mut quiet = line.get(skipped..).is_some_and(|rest| rest.contains(" -q"));
        let words = popt::split(line)
            .map_err(|fault| Diagnostic::error("bad-setup", format!("error parsing %setup: {}", fault.text())))?;
        if self.dialect < Dialect::V4_20 && self.expand_number("%{_build_in_place}") != 0 {
            return Ok(());
        }
        let table = if self.dialect >= Dialect::V4_20 { &SETUP_OPTIONS[..] } else { &SETUP_OPTIONS[..7] };
        let parsed = popt::options(&words, table);
        if self.dialect >= Dialect::V4_20 && self.expand_number("%{_build_in_place}") != 0 {
            return Ok(());
        }
        let (mut before, mut after) = (String::new(), String::new());
        for (letter, value) in &parsed.options {
            match (letter, value) {
                ('q', _) => quiet = true,
                ('a' | 'b', Some(value)) => {
                    let number = popt::unsigned(value).ok_or_else(|| {
                        Diagnostic::error("bad-setup", format!("bad argument to %setup: {value}"))
                            .hint(format!("`-{letter}` takes the number of a source"))
                    })?;
                    let command = self.unpack(number, quiet, false)?;
                    let target = if *letter == 'a' { &mut after } else { &mut before };
                    target.push_str(&command);
                    target.push('\n');
                }
                _ => {}
            }
        }
        if let Some((option, fault)) = &parsed.fault {
            return Err(Diagnostic::error("bad-setup", format!("bad %setup option {option}: {}", fault.text()))
                .hint("%setup takes -a N, -b N, -c, -D, -n NAME, -q and -T"));
        }
        let folder = match parsed.value('n') {
            Some(name) => name.to_owned(),
            None => {
                let sources = self.spec_sources.borrow();
                format!("{}-{}", sources.name, sources.version)
            }
        };
        self.define("buildsubdir", &folder, level::SPEC);
        let (create, in_subdir, unpack) = (parsed.has('c'), parsed.has('C'), !parsed.has('T'));
        let mut add = |text: &str| {
            out.push_str(text);
            out.push('\n');
        };
        add(&format!("cd '{}'", clean_path(&format!("/{}/", self.expand_path("%{_builddir}")))));
        if !parsed.has('D') {
            add(&self.expand_loosely("rm -rf '%{buildsubdir}'"));
        }
        let modern = self.dialect >= Dialect::V4_20;
        out.push_str(&before);
        let mut add = |text: &str| {
            out.push_str(text);
            out.push('\n');
        };
        if create {
            add(&self.expand_loosely("%{__mkdir_p} '%{buildsubdir}'\ncd '%{buildsubdir}'"));
        }
        if unpack && (modern || !create) {
            add(&self.unpack(0, quiet, in_subdir)?);
        }
        if !create {
            add(&self.expand_loosely("cd '%{buildsubdir}'"));
        }
        if unpack && create && !modern {
            add(&self.unpack(0, quiet, false)?);
        }
        out.push_str(&after);
        let fix = self.expand_loosely("%{_fixperms} .");
        if !fix.starts_with('%') {
            out.push_str(&fix);
            out.push('\n');
        }
        Ok(())
    }

    /// Expands a `%patch` line.
    pub(crate) fn patch(&self, line: &str, out: &mut String) -> Result<(), Fault> {
        self.enter_prep("patch")?;
        let result = self.expand_patch(line, out);
        self.in_prep.set(false);
        result
    }

    fn expand_patch(&self, line: &str, out: &mut String) -> Result<(), Fault> {
        let modern = self.dialect >= Dialect::V4_20;
        let numbered = !modern && line.as_bytes().get(6).is_some_and(|b| !matches!(b, b' ' | b'\t' | b'\n'));
        let rewritten = numbered.then(|| format!("%patch -P {}", &line[6..]));
        let words = popt::split(rewritten.as_deref().unwrap_or(line)).unwrap_or_default();
        let parsed = popt::options(&words, &PATCH_OPTIONS);
        let shown = line.trim_end();
        if let Some((option, fault)) = &parsed.fault {
            return Err(Diagnostic::error("bad-patch", format!("{}: {option}: {shown}", fault.text()))
                .hint("%patch takes -P N, -p N, -R, -E, -b SUFFIX, -F N, -d FOLDER, -o FILE and -Z"));
        }
        let chosen = parsed.options.iter().filter(|(letter, _)| *letter == 'P').filter_map(|(_, value)| value.clone());
        let mut numbers: Vec<String> = chosen.chain(parsed.operands.iter().cloned()).collect();
        if numbers.is_empty() {
            let message = format!("patch number not specified: {shown}");
            if modern {
                return Err(Diagnostic::error("bad-patch", message).hint("write `%patch -P N`"));
            }
            self.report(Diagnostic::warning("bad-patch", message).hint("write `%patch -P 0`"));
            numbers.push("0".to_owned());
        }
        for number in &numbers {
            let Some(value) = popt::unsigned(number) else {
                return Err(Diagnostic::error("bad-patch", format!("invalid patch number {number}: {shown}")));
            };
            out.push_str(&self.apply_patch(value, &parsed)?);
            out.push('\n');
        }
        Ok(())
    }

    fn apply_patch(&self, number: u32, parsed: &popt::Parsed) -> Result<String, Fault> {
        let found = self.spec_sources.borrow().find(number, true).map(|p| (p.path.clone(), p.name.clone()));
        let Some((path, name)) = found else {
            return Err(Diagnostic::error("no-such-patch", format!("no patch number {number}"))
                .hint(format!("declare it: `Patch{number}: …`")));
        };
        let integer = |letter: char| parsed.value(letter).and_then(crate::macros::engine::parse_c_integer);
        let fuzz = integer('F').unwrap_or_else(|| self.expand_number("%{_default_patch_fuzz}"));
        let suffix = parsed.options.iter().rev().find(|(letter, _)| matches!(letter, 'b' | 'z'));
        let mut arguments = self.expand_loosely("%{?_default_patch_flags}");
        arguments.push_str(&format!(" -p{} ", integer('p').unwrap_or(0)));
        if let Some((_, Some(suffix))) = suffix {
            arguments.push_str(&format!("-b --suffix {suffix}"));
        }
        if fuzz >= 0 {
            arguments.push_str(&format!(" --fuzz={fuzz}"));
        }
        for (letter, option) in [('d', " -d "), ('o', " -o ")] {
            if let Some(value) = parsed.value(letter) {
                arguments.push_str(option);
                arguments.push_str(value);
            }
        }
        for (letter, option) in [('R', " -R"), ('E', " -E"), ('Z', " -Z")] {
            if parsed.has(letter) {
                arguments.push_str(option);
            }
        }
        let command = if self.is_uncompressed(&path) {
            format!("%{{__patch}} {arguments} < {path}")
        } else {
            format!("{{ %{{__rpmuncompress}} {path} || echo patch_fail ; }} | %{{__patch}} {arguments}")
        };
        Ok(format!("echo \"Patch #{number} ({name}):\"\n{}\n", self.expand_loosely(&command)))
    }

    /// True if the file is there and is known not to be compressed; a missing file counts as compressed.
    fn is_uncompressed(&self, path: &str) -> bool {
        if !self.world.files.exists(path) {
            return false;
        }
        let Some(head) = self.world.files.head(path, 13) else { return true };
        if head.len() < 13 {
            return true;
        }
        let magics: [&[u8]; 13] = [
            b"BZh",
            b"PK\x03\x04",
            b"PK00",
            &[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
            &[0x28, 0xb5, 0x2f],
            b"LZIP",
            b"LRZI",
            &[0x1f, 0x8b],
            &[0x1f, 0x9e],
            &[0x1f, 0x1e],
            &[0x1f, 0xa0],
            &[0x1f, 0x9d],
            &[b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c],
        ];
        !(magics.iter().any(|magic| head.starts_with(magic)) || path.ends_with(".lzma") || path.ends_with(".gem"))
    }
}

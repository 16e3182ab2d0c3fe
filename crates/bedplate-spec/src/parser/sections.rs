//! All sections but the preamble and the changelog: build sections, scripts, triggers, files, descriptions, lists.

use bedplate_diag::Diagnostic;
use bedplate_model::{DependencyKind, Sense};

use super::dependencies::{DependencyTag, Owner};
use super::preamble::mistake;
use super::reader::Strip;
use super::{Addition, Parser, Part, TriggerPart};
use crate::dialect::Dialect;
use crate::macros::scan::is_space;
use crate::macros::table::level;
use crate::package::{BuildSection, Script, ScriptKind, Tag, Trigger};
use crate::popt::{self, Takes};

/// Options of the section lines.
const NAME_OPTION: (char, Takes) = ('n', Takes::Text);
const SCRIPT_OPTIONS: [(char, Takes); 6] = [
    ('p', Takes::Text),
    NAME_OPTION,
    ('f', Takes::Text),
    ('e', Takes::Nothing),
    ('q', Takes::Nothing),
    ('P', Takes::Number),
];

/// Priority of a file trigger that gives none (`RPMTRIGGER_DEFAULT_PRIORITY`).
const DEFAULT_PRIORITY: i64 = 1_000_000;

/// A section line taken apart: the package it is about and its options.
struct SectionLine {
    package: usize,
    options: popt::Parsed,
    words: Vec<String>,
}

impl Parser {
    /// Takes the line `%section [-n] [NAME] [options]` apart; `None` after a report.
    fn section_line(&mut self, line: &str, table: &[(char, Takes)]) -> Option<SectionLine> {
        let section = line.split(|c: char| u8::try_from(c).is_ok_and(is_space)).next().unwrap_or_default().to_owned();
        let words = match popt::split(line) {
            Ok(words) => words,
            Err(fault) => {
                let message = format!("error parsing `{section}`: {}", fault.text());
                self.report_line(Diagnostic::error("bad-section-line", message));
                return None;
            }
        };
        let options = popt::options(&words, table);
        if let Some((option, fault)) = &options.fault {
            let message = format!("bad option {option} of `{section}`: {}", fault.text());
            let known: Vec<String> = table.iter().map(|(letter, _)| format!("-{letter}")).collect();
            let hint = format!("`{section}` takes {}", known.join(" "));
            self.report_line(Diagnostic::error("bad-section-line", message).hint(hint));
            return None;
        }
        let full = options.value('n');
        if options.operands.len() > usize::from(full.is_none()) {
            self.report_line(
                Diagnostic::error("bad-section-line", format!("too many names: {}", line.trim()))
                    .hint("a section is about one package"),
            );
            return None;
        }
        let name = full.or(options.operands.first().map(String::as_str));
        let Some(package) = self.lookup_package(name, full.is_some()) else {
            self.no_such_package(name.unwrap_or_default(), full.is_some());
            return None;
        };
        Some(SectionLine { package, options, words })
    }

    fn no_such_package(&self, name: &str, is_full: bool) {
        let line = &self.reader.line;
        let full = self.full_name(name, is_full);
        let names: Vec<&str> = self.spec.packages.iter().filter_map(|package| package.reference.as_deref()).collect();
        let mut diagnostic = Diagnostic::error("no-such-package", format!("package {full} does not exist"));
        diagnostic.hint = match bedplate_diag::nearest(&full, names.iter().copied()) {
            Some(near) => Some(format!("did you mean the package `{near}`?")),
            None if names.contains(&name) => Some(format!("write `-n {name}` for the full name")),
            None => Some(format!("add `%package {}{name}` before this section", if is_full { "-n " } else { "" })),
        };
        let start = line.rfind(name).filter(|_| !name.is_empty()).unwrap_or(0);
        self.report_at(diagnostic, start, start + name.len().max(1));
    }

    /// `%prep`, `%build` and their kin.
    pub(super) fn parse_build_section(&mut self, section: BuildSection) -> Part {
        let modern = self.since(Dialect::V4_20);
        let addition = if modern {
            match self.addition(section) {
                Ok(addition) => addition,
                Err(()) => return self.skip_section(),
            }
        } else {
            None
        };
        if addition.is_none() && self.sections.iter().any(|(of, _)| *of == section) {
            let mut diagnostic = Diagnostic::error("second-section", format!("second %{}", section.name()));
            diagnostic.hint = Some(if modern {
                format!("use `%{} -a` to append, `-p` to prepend", section.name())
            } else {
                "merge the two".to_owned()
            });
            self.report_line(diagnostic);
            return self.skip_section();
        }
        if section == BuildSection::Prep {
            if modern {
                return self.parse_prep_macros(addition);
            }
            return self.parse_prep_lines();
        }
        let (part, text) = self.read_text(Strip::NOTHING);
        self.keep_section(section, addition, text);
        part
    }

    fn keep_section(&mut self, section: BuildSection, addition: Option<Addition>, text: Option<String>) {
        match addition {
            Some(addition) => self.additions.push((section, addition, text.unwrap_or_default())),
            // A section line at the end of the spec opens no section.
            None => self.sections.extend(text.map(|text| (section, text))),
        }
    }

    /// Reads lines as one text; none at all if the spec ends at once.
    fn read_text(&mut self, strip: Strip) -> (Part, Option<String>) {
        let mut text = String::new();
        let mut ended = true;
        loop {
            if !self.read_line(strip) {
                return (Part::None, (!ended).then_some(text));
            }
            ended = false;
            if let Some(part) = self.part_of_line() {
                return (part, Some(text));
            }
            text.push_str(&self.reader.line);
            if strip.trailing_space {
                text.push('\n');
            }
        }
    }

    /// The `-a` or `-p` of a build section's line; an error after a report.
    fn addition(&mut self, section: BuildSection) -> Result<Option<Addition>, ()> {
        let line = self.reader.line.clone();
        let name = section.name();
        let words = popt::split(&line).map_err(|fault| {
            self.report_line(Diagnostic::error("bad-section-line", format!("error parsing script: {}", fault.text())));
        })?;
        let options = popt::options(&words, &[('a', Takes::Nothing), ('p', Takes::Nothing)]);
        if let Some((option, fault)) = &options.fault {
            let message = format!("bad %{name} option {option}: {}", fault.text());
            let hint = format!("`%{name} -a` appends, `-p` prepends");
            self.report_line(Diagnostic::error("bad-section-line", message).hint(hint));
            return Err(());
        }
        match (options.has('a'), options.has('p')) {
            (true, true) => {
                self.report_line(
                    Diagnostic::error("bad-section-line", "append and prepend specified").hint("choose one"),
                );
                Err(())
            }
            (true, false) => Ok(Some(Addition::Append)),
            (false, true) => Ok(Some(Addition::Prepend)),
            (false, false) => Ok(None),
        }
    }

    /// `%prep` of rpm 4.18: lines that begin with `%setup` or `%patch` are worked out after the section was read.
    fn parse_prep_lines(&mut self) -> Part {
        let mut lines = Vec::new();
        let part = self.read_lines(Strip::PREP, |parser, line| {
            let place = if line.starts_with("%setup") || line.starts_with("%patch") {
                parser.place_of_line(line)
            } else {
                None
            };
            lines.push((line.to_owned(), place));
        });
        // rpm reads the whole section first: the line that ends it is part of the expanded spec only afterwards.
        let mut text = String::new();
        for (line, place) in lines {
            let result = if line.starts_with("%setup") {
                self.expand_prep_line(place, &mut text, |parser, out| parser.engine.setup(&line, out))
            } else if line.starts_with("%patch") {
                self.expand_prep_line(place, &mut text, |parser, out| parser.engine.patch(&line, out))
            } else {
                self.parsed.push_str(&line);
                text.push_str(&line);
                continue;
            };
            if let Err(mut diagnostic) = result {
                diagnostic.severity = bedplate_diag::Severity::Passed;
                if let Some(place) = place {
                    diagnostic =
                        diagnostic.at(bedplate_diag::Span::new(place.source, place.base, place.base + place.call.1));
                }
                // rpm works the lines out when it has read the line after them.
                diagnostic.rpm_line = (diagnostic.code == "bad-setup").then_some(self.reader.number);
                self.engine.push_diagnostic(diagnostic);
            }
        }
        self.sections.push((BuildSection::Prep, text));
        part
    }

    fn expand_prep_line(
        &mut self,
        place: Option<crate::macros::engine::Place>,
        text: &mut String,
        expand: impl FnOnce(&Self, &mut String) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let before = self.engine.place.replace(place);
        let reported = self.engine.diagnostics.borrow().len();
        let mut out = String::new();
        let result = expand(self, &mut out);
        self.engine.place.set(before);
        for diagnostic in self.engine.diagnostics.borrow_mut().iter_mut().skip(reported) {
            diagnostic.rpm_line = None;
        }
        self.parsed.push_str(&out);
        text.push_str(&out);
        result
    }

    /// `%prep` of rpm 4.20: `%setup` and `%patch` are macros while it is read.
    fn parse_prep_macros(&mut self, addition: Option<Addition>) -> Part {
        use crate::macros::builtin::Builtin;
        use crate::macros::table::Body;
        let engine = std::rc::Rc::clone(&self.engine);
        for (name, builtin) in [("setup", Builtin::SetupMacro), ("patch", Builtin::PatchMacro)] {
            engine.push(name, Body::Builtin(builtin), level::GLOBAL);
        }
        let mut text = String::new();
        let mut read = false;
        let part = loop {
            if !self.read_line(Strip::NOTHING) {
                break Part::None;
            }
            read = true;
            if let Some(part) = self.part_of_line() {
                break part;
            }
            let line = self.reader.line.as_str();
            if addition.is_none()
                && line.starts_with("%patch")
                && line.as_bytes().get(6).is_some_and(u8::is_ascii_digit)
            {
                let number: String = line[6..].chars().take_while(char::is_ascii_digit).collect();
                let diagnostic = Diagnostic::error("obsolete-patch", format!("%patchN is obsolete: %patch{number}"))
                    .hint(format!("write `%patch -P {number}`"));
                self.report_at(diagnostic, 0, 6 + number.len());
                continue;
            }
            text.push_str(line);
        };
        engine.pop("patch");
        engine.pop("setup");
        self.keep_section(BuildSection::Prep, addition, read.then_some(text));
        part
    }

    /// `%pre`, `%post` and their kin.
    pub(super) fn parse_script(&mut self, kind: ScriptKind) -> Part {
        let line = self.reader.line.clone();
        let Some(section) = self.section_line(&line, &SCRIPT_OPTIONS) else { return self.skip_section() };
        let sense = match kind {
            ScriptKind::Pre => Sense::SCRIPT_PRE,
            ScriptKind::Post => Sense::SCRIPT_POST,
            ScriptKind::PreUn => Sense::SCRIPT_PREUN,
            ScriptKind::PostUn => Sense::SCRIPT_POSTUN,
            ScriptKind::PreTrans => Sense::PRETRANS,
            ScriptKind::PostTrans => Sense::POSTTRANS,
            ScriptKind::PreUnTrans => Sense::PREUNTRANS,
            ScriptKind::PostUnTrans => Sense::POSTUNTRANS,
            ScriptKind::Verify => Sense::SCRIPT_VERIFY,
        };
        let name = if kind == ScriptKind::Verify { "verifyscript" } else { kind.name() };
        let Some(program) = self.interpreter(&section, name) else { return self.skip_section() };
        if section.options.has('P') {
            self.report_line(Diagnostic::error("bad-section-line", "priorities are allowed only for file triggers"));
            return self.skip_section();
        }
        let package = section.package;
        if self.spec.packages[package].scripts.iter().any(|(of, _)| *of == kind) {
            self.report_line(Diagnostic::error("second-section", format!("second %{name}")).hint("merge the two"));
            return self.skip_section();
        }
        let start = self.place_of_line(&line);
        let (part, text) = self.read_text(Strip::NOTHING);
        let body = strip_trailing_blanks(text.as_deref().unwrap_or_default());
        let passed = !self.since(Dialect::V4_20);
        let file = section.options.value('f').map(str::to_owned);
        if !self.check_program(package, &program, body, sense, passed, start) {
            return part;
        }
        self.require_script_features(&section);
        if program.len() > 1 {
            let sense = Sense::RPMLIB | Sense::LESS | Sense::EQUAL;
            self.require(package, "rpmlib(ScriptletInterpreterArgs)", "4.0.3-1", sense);
        }
        let body = (!body.is_empty()).then(|| body.to_owned());
        self.spec.packages[package].scripts.push((kind, Script { program, body, file }));
        part
    }

    fn require_script_features(&mut self, section: &SectionLine) {
        if section.options.has('e') || section.options.has('q') {
            let sense = Sense::RPMLIB | Sense::LESS | Sense::EQUAL;
            self.require(section.package, "rpmlib(ScriptletExpansion)", "4.9.0-1", sense);
        }
    }

    /// The interpreter of `-p` with its arguments; `None` after a report.
    fn interpreter(&mut self, section: &SectionLine, name: &str) -> Option<Vec<String>> {
        for (letter, value) in &section.options.options {
            let ('p', Some(program)) = (letter, value) else { continue };
            let problem = if program.starts_with('<') {
                (!program.ends_with('>')).then(|| format!("internal script must end with '>': {program}"))
            } else {
                (!program.starts_with('/')).then(|| format!("script program must begin with '/': {program}"))
            };
            if let Some(problem) = problem {
                let diagnostic = Diagnostic::error("bad-interpreter", problem)
                    .hint("`-p /path/to/program`, `-p \"/path/to/program ARGUMENT\"` or `-p <lua>`");
                match self.reader.line.rfind(program.as_str()).filter(|_| !program.is_empty()) {
                    Some(at) => self.report_at(diagnostic, at, at + program.len()),
                    None => self.report_line(diagnostic),
                }
                return None;
            }
        }
        match popt::split(section.options.value('p').unwrap_or("/bin/sh")) {
            Ok(words) => Some(words),
            Err(fault) => {
                let message = format!("error parsing %{name}: {}", fault.text());
                self.report_line(Diagnostic::error("bad-interpreter", message));
                None
            }
        }
    }

    /// Checks the interpreter and requires it; false after a report. rpm 4.18 finds out when it has decided to go on.
    fn check_program(
        &mut self,
        package: usize,
        program: &[String],
        body: &str,
        sense: Sense,
        passed: bool,
        place: Option<crate::macros::engine::Place>,
    ) -> bool {
        let name = program.first().map(String::as_str).unwrap_or_default();
        let problem = if name == "<lua>" {
            let problem = self.engine.check_lua(body).err();
            if problem.is_none() {
                let sense = Sense::RPMLIB | Sense::LESS | Sense::EQUAL;
                self.require(package, "rpmlib(BuiltinLuaScripts)", "4.2.2-1", sense);
            }
            problem
        } else if name.starts_with('<') {
            Some(format!("unsupported internal script: {name}"))
        } else {
            self.require(package, name, "", sense | Sense::INTERP);
            None
        };
        let Some(problem) = problem else { return true };
        let mut diagnostic = mistake("bad-script", problem, passed);
        if let Some(place) = place {
            diagnostic = diagnostic.at(bedplate_diag::Span::new(place.source, place.base, place.base + place.call.1));
        }
        diagnostic.rpm_line = (name != "<lua>").then_some(self.reader.number);
        self.engine.push_diagnostic(diagnostic);
        false
    }

    /// `%triggerin`, `%filetriggerin`, `%transfiletriggerin` and their kin.
    pub(super) fn parse_trigger(&mut self, kind: TriggerPart) -> Part {
        let line = self.reader.line.clone();
        let Some((head, conditions)) = self.split_trigger(&line) else { return self.skip_section() };
        let Some(section) = self.section_line(&head, &SCRIPT_OPTIONS) else { return self.skip_section() };
        let Some(program) = self.interpreter(&section, "trigger") else { return self.skip_section() };
        let (of, sense) = match kind {
            TriggerPart::PreIn => (DependencyKind::Trigger, Sense::TRIGGERPREIN),
            TriggerPart::In => (DependencyKind::Trigger, Sense::TRIGGERIN),
            TriggerPart::Un => (DependencyKind::Trigger, Sense::TRIGGERUN),
            TriggerPart::PostUn => (DependencyKind::Trigger, Sense::TRIGGERPOSTUN),
            TriggerPart::FileIn => (DependencyKind::FileTrigger, Sense::TRIGGERIN),
            TriggerPart::FileUn => (DependencyKind::FileTrigger, Sense::TRIGGERUN),
            TriggerPart::FilePostUn => (DependencyKind::FileTrigger, Sense::TRIGGERPOSTUN),
            TriggerPart::TransFileIn => (DependencyKind::TransFileTrigger, Sense::TRIGGERIN),
            TriggerPart::TransFileUn => (DependencyKind::TransFileTrigger, Sense::TRIGGERUN),
            TriggerPart::TransFilePostUn => (DependencyKind::TransFileTrigger, Sense::TRIGGERPOSTUN),
        };
        let start = self.place_of_line(&line);
        let (part, text) = self.read_text(Strip::NOTHING);
        let body = strip_trailing_blanks(text.as_deref().unwrap_or_default()).to_owned();
        let modern = self.since(Dialect::V4_20);
        let package = section.package;
        if !self.check_program(package, &program, &body, Sense::ANY, !modern, start) {
            return part;
        }
        self.require_script_features(&section);
        let problem = if !modern && of != DependencyKind::Trigger && !conditions.starts_with('/') {
            Some(format!("file trigger condition must begin with '/': {}", conditions.trim()))
        } else if program.len() > 1 {
            Some(format!("interpreter arguments not allowed in triggers: {}", program.join(" ")))
        } else {
            None
        };
        if let Some(problem) = problem {
            let mut diagnostic = mistake("bad-trigger", problem, !modern);
            diagnostic.span = start.map(|at| bedplate_diag::Span::new(at.source, at.base, at.base + at.call.1));
            diagnostic.rpm_line = Some(self.reader.number);
            self.engine.push_diagnostic(diagnostic);
            return part;
        }
        let index = self.spec.packages[package].triggers.iter().filter(|trigger| trigger.kind == of).count();
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let priority = section.options.value('P').and_then(crate::macros::engine::parse_c_integer);
        self.spec.packages[package].triggers.push(Trigger {
            kind: of,
            index,
            program: program.first().cloned().unwrap_or_default(),
            body,
            priority: priority.unwrap_or(DEFAULT_PRIORITY),
            file: section.options.value('f').map(str::to_owned),
        });
        let tag = DependencyTag { kind: of, sense, rich: false, trigger_index: Some(index) };
        self.parse_dependencies(Owner::Binary(package), &conditions, None, tag, !modern);
        part
    }

    /// Splits a trigger's line at its `--`; `None` after a report.
    fn split_trigger(&mut self, line: &str) -> Option<(String, String)> {
        let bytes = line.as_bytes();
        let blank = |at: usize| bytes.get(at).is_some_and(|b| matches!(b, b' ' | b'\t'));
        let mut from = 0;
        let split = loop {
            let Some(found) = line[from..].find("--").map(|at| from + at) else { break None };
            from = found + 2;
            if found > 0 && blank(found - 1) && blank(from) {
                break Some(from);
            }
        };
        let Some(split) = split else {
            self.report_line(
                Diagnostic::error("bad-trigger", format!("triggers must have --: {}", line.trim()))
                    .hint("the conditions stand behind ` -- `"),
            );
            return None;
        };
        let rest = line[split..].trim_start_matches(|c: char| u8::try_from(c).is_ok_and(is_space));
        if rest.is_empty() {
            self.report_line(
                Diagnostic::error("bad-trigger", format!("missing trigger condition: {}", line.trim()))
                    .hint("name a package, or the prefix of paths for a file trigger"),
            );
            return None;
        }
        Some((line[..split].to_owned(), rest.to_owned()))
    }

    /// `%files`.
    pub(super) fn parse_files(&mut self) -> Part {
        // `%license` is an attribute in here, whatever the tag of this name said.
        self.engine.define_literal("license", "%license", level::SPEC);
        let line = self.reader.line.clone();
        let table = [NAME_OPTION, ('f', Takes::Text)];
        let part = match self.section_line(&line, &table) {
            Some(section) => self.read_files(&section),
            None => self.skip_section(),
        };
        self.engine.pop("license");
        part
    }

    fn read_files(&mut self, section: &SectionLine) -> Part {
        let package = section.package;
        if self.spec.packages[package].files.take().is_some() {
            let name = self.spec.packages[package].name().to_owned();
            self.report_line(
                Diagnostic::warning("second-files", format!("multiple %files for package '{name}'"))
                    .hint("the second replaces the first: merge them, or use several `-f`"),
            );
        }
        for pair in section.words[1..].windows(2).filter(|pair| pair[0] == "-f") {
            let path = self.engine.expand_path(&pair[1]);
            self.spec.packages[package].file_lists.push(path);
        }
        let mut lines = Vec::new();
        let part = self.read_lines(Strip::COMMENTS, |_, line| lines.push(line.to_owned()));
        self.spec.packages[package].files = Some(lines);
        part
    }

    /// `%description`.
    pub(super) fn parse_description(&mut self) -> Part {
        let line = self.reader.line.clone();
        let Some(section) = self.section_line(&line, &[NAME_OPTION, ('l', Takes::Text)]) else {
            return self.skip_section();
        };
        let language = section.options.value('l').unwrap_or("C").to_owned();
        let number = self.reader.number;
        let (part, text) = self.read_text(Strip::ALL);
        let text = strip_trailing_blanks(text.as_deref().unwrap_or_default());
        if self.spec.packages[section.package].tags.put_language(Tag::Description, text, &language) {
            let mut diagnostic = Diagnostic::warning("second-tag", "second Description");
            diagnostic.rpm_line = Some(number);
            self.report_line(diagnostic);
        }
        part
    }

    /// `%sepolicy`.
    pub(super) fn parse_policies(&mut self) -> Part {
        let line = self.reader.line.clone();
        let Some(section) = self.section_line(&line, &[NAME_OPTION]) else { return self.skip_section() };
        let mut lines = Vec::new();
        let part = self.read_lines(Strip::ALL, |_, line| lines.push(line.to_owned()));
        self.spec.packages[section.package].policies.append(&mut lines);
        part
    }

    /// `%sourcelist` and `%patchlist`.
    pub(super) fn parse_list(&mut self, is_patch: bool) -> Part {
        let mut lines = Vec::new();
        let part = self.read_lines(Strip::ALL, |_, line| {
            if !line.is_empty() {
                lines.push(line.to_owned());
            }
        });
        for line in lines {
            self.add_source(&line, is_patch, false);
        }
        part
    }

    /// `%end` closes a section: only blank lines may follow until the next one.
    pub(super) fn parse_empty(&mut self, before: Part) -> Part {
        let arguments = self.reader.line.get("%end".len()..).unwrap_or_default().trim().to_owned();
        if !arguments.is_empty() {
            self.report_line(Diagnostic::error("bad-end", format!("%end doesn't take any arguments: {arguments}")));
        } else if before == Part::Empty {
            self.report_line(Diagnostic::error("bad-end", "%end not expected here, no section to close"));
        }
        self.read_lines(Strip::ALL, |parser, line| {
            if !line.trim().is_empty() {
                parser.reader.line = line.to_owned();
                let shown: String = line.trim().chars().take(80).collect();
                let hint = "`%end` closed the section before: put the text before it, or take `%end` away";
                parser.report_line(
                    Diagnostic::error("outside-section", format!("line doesn't belong to any section: {shown}"))
                        .hint(hint),
                );
            }
        })
    }
}

/// Takes white space off the end, newlines too.
fn strip_trailing_blanks(text: &str) -> &str {
    text.trim_end_matches(|c: char| u8::try_from(c).is_ok_and(is_space))
}

//! The parser: sections of a spec into a [`SourcePackage`].
//!
//! It follows `build/parseSpec.c` and its neighbours section by section. Where rpm gives up at the first mistake, this
//! parser reports it and reads on at the next sensible place, so that all mistakes are found in one run; the answer is
//! bad all the same.

mod changelog;
mod dependencies;
mod finish;
mod preamble;
pub(crate) mod reader;
mod sections;

use std::rc::Rc;
use std::sync::Arc;

use bedplate_diag::{Diagnostic, Span};

use crate::dialect::Dialect;
use crate::macros::engine::{Engine, Place};
use crate::package::{BuildSection, Package, ScriptKind, SourcePackage, Tag};
use reader::{Reader, Strip};

/// What a line that begins a section begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Preamble,
    Build(BuildSection),
    Script(ScriptKind),
    Trigger(TriggerPart),
    Files,
    Changelog,
    Description,
    Policies,
    Empty,
    PatchList,
    SourceList,
    /// The end of the spec.
    None,
    /// The spec has to be read again for each `BuildArch`.
    BuildArchitectures,
}

/// The kinds of triggers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TriggerPart {
    PreIn,
    In,
    Un,
    PostUn,
    FileIn,
    FileUn,
    FilePostUn,
    TransFileIn,
    TransFileUn,
    TransFilePostUn,
}

/// The words that begin sections (`partList`). Case does not matter; the word ends at white space.
pub(crate) const PARTS: [(&str, Part, Dialect); 37] = {
    use Dialect::{V4_18, V4_20};
    use ScriptKind as S;
    use TriggerPart as T;
    [
        ("%package", Part::Preamble, V4_18),
        ("%prep", Part::Build(BuildSection::Prep), V4_18),
        ("%generate_buildrequires", Part::Build(BuildSection::GenerateBuildRequires), V4_18),
        ("%conf", Part::Build(BuildSection::Conf), V4_18),
        ("%build", Part::Build(BuildSection::Build), V4_18),
        ("%install", Part::Build(BuildSection::Install), V4_18),
        ("%check", Part::Build(BuildSection::Check), V4_18),
        ("%clean", Part::Build(BuildSection::Clean), V4_18),
        ("%preun", Part::Script(S::PreUn), V4_18),
        ("%postun", Part::Script(S::PostUn), V4_18),
        ("%pretrans", Part::Script(S::PreTrans), V4_18),
        ("%posttrans", Part::Script(S::PostTrans), V4_18),
        ("%preuntrans", Part::Script(S::PreUnTrans), V4_20),
        ("%postuntrans", Part::Script(S::PostUnTrans), V4_20),
        ("%pre", Part::Script(S::Pre), V4_18),
        ("%post", Part::Script(S::Post), V4_18),
        ("%files", Part::Files, V4_18),
        ("%changelog", Part::Changelog, V4_18),
        ("%description", Part::Description, V4_18),
        ("%triggerpostun", Part::Trigger(T::PostUn), V4_18),
        ("%triggerprein", Part::Trigger(T::PreIn), V4_18),
        ("%triggerun", Part::Trigger(T::Un), V4_18),
        ("%triggerin", Part::Trigger(T::In), V4_18),
        ("%trigger", Part::Trigger(T::In), V4_18),
        ("%verifyscript", Part::Script(S::Verify), V4_18),
        ("%sepolicy", Part::Policies, V4_18),
        ("%filetriggerin", Part::Trigger(T::FileIn), V4_18),
        ("%filetrigger", Part::Trigger(T::FileIn), V4_18),
        ("%filetriggerun", Part::Trigger(T::FileUn), V4_18),
        ("%filetriggerpostun", Part::Trigger(T::FilePostUn), V4_18),
        ("%transfiletriggerin", Part::Trigger(T::TransFileIn), V4_18),
        ("%transfiletrigger", Part::Trigger(T::TransFileIn), V4_18),
        ("%transfiletriggerun", Part::Trigger(T::TransFileUn), V4_18),
        ("%transfiletriggerpostun", Part::Trigger(T::TransFilePostUn), V4_18),
        ("%end", Part::Empty, V4_18),
        ("%patchlist", Part::PatchList, V4_18),
        ("%sourcelist", Part::SourceList, V4_18),
    ]
};

/// How a part of a build section is put into it (`-a`, `-p`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Addition {
    Append,
    Prepend,
}

/// More mistakes than this are not worth reading; the rest of the spec is skipped.
const MAX_ERRORS: usize = 200;

/// The state of one parse.
pub(crate) struct Parser {
    pub(crate) engine: Rc<Engine>,
    pub(crate) reader: Reader,
    /// The expanded spec.
    pub(crate) parsed: String,
    pub(crate) spec: SourcePackage,
    /// Texts of the build sections; a section that was opened is there, even if it is empty.
    sections: Vec<(BuildSection, String)>,
    additions: Vec<(BuildSection, Addition, String)>,
    build_options: Vec<(BuildSection, String)>,
    last_source: i64,
    last_patch: i64,
    /// This is the parse for one of the `BuildArch`.
    recursing: bool,
    has_build_archs: bool,
    build_root: Option<String>,
    build_dir: Option<String>,
    has_preamble: bool,
    has_changelog: bool,
    /// The spec ended within a construct: what it lacks may stand in there.
    is_cut: bool,
    /// Where each tag of each package was given, and where each package begins: for messages.
    tag_places: Vec<(usize, Tag, Span)>,
    package_places: Vec<Option<Span>>,
    /// Tags that had a bad value: they are not missing on top of that.
    bad_tags: Vec<(usize, Tag)>,
}

/// Reads a spec and gives what it says; what is wrong is in the engine's diagnostics.
///
/// `name` is what `%{__file_name}` says, `shown` what messages say.
pub(crate) fn parse(engine: &Rc<Engine>, name: &str, shown: &str, text: Arc<str>) -> SourcePackage {
    let parser = Parser::new(engine, false);
    let mut parser = parser.run((name, shown), text);
    if engine.dialect >= Dialect::V4_20 {
        parser.finalize();
    }
    parser.spec
}

impl Parser {
    fn new(engine: &Rc<Engine>, recursing: bool) -> Self {
        engine.spec_sources.replace(crate::prep::Sources::default());
        engine.reset_lua_sources();
        Self {
            engine: Rc::clone(engine),
            reader: Reader::new(),
            parsed: String::new(),
            spec: SourcePackage::default(),
            sections: Vec::new(),
            additions: Vec::new(),
            build_options: Vec::new(),
            last_source: -1,
            last_patch: -1,
            recursing,
            has_build_archs: false,
            build_root: None,
            build_dir: None,
            has_preamble: false,
            has_changelog: false,
            is_cut: false,
            tag_places: Vec::new(),
            package_places: Vec::new(),
            bad_tags: Vec::new(),
        }
    }

    /// True from this dialect on.
    fn since(&self, dialect: Dialect) -> bool {
        self.engine.dialect >= dialect
    }

    fn run(mut self, names: (&str, &str), text: Arc<str>) -> Self {
        self.open_text(names.0, names.1, Arc::clone(&text));
        if self.since(Dialect::V4_20) {
            self.hide_build_dir();
        } else {
            self.build_root = Some(self.engine.expand_path("%{?buildroot:%{buildroot}}"));
        }
        self.engine.define_for_spec();
        if self.parse_sections(true) == Part::BuildArchitectures {
            return self.run_for_architectures(names, &text);
        }
        if self.since(Dialect::V4_20) {
            self.apply_build_system();
            self.apply_additions();
        }
        self.finish_packages();
        self.close_files();
        self.init_source();
        self
    }

    /// rpm 4.20 makes the top of the build tree from the `%{_builddir}` of the configuration, and takes the macro away
    /// until name and version are known.
    fn hide_build_dir(&self) {
        if self.engine.is_defined("_top_builddir") {
            return;
        }
        let top = self.engine.expand_loosely("%{_builddir}");
        self.engine.define_literal("_top_builddir", &top, crate::macros::table::level::GLOBAL);
        while self.engine.is_defined("_builddir") {
            self.engine.pop("_builddir");
        }
    }

    /// Reads the spec again for each architecture of `BuildArch`; the answer is that for the first.
    fn run_for_architectures(mut self, names: (&str, &str), text: &Arc<str>) -> Self {
        self.close_files();
        let mut first = None;
        for arch in self.spec.build_archs.clone() {
            if !self.engine.config.can_build(&arch) {
                continue;
            }
            self.engine.define("_target_cpu", &arch, crate::macros::table::level::RPMRC);
            let parser = Self::new(&self.engine, true).run(names, Arc::clone(text));
            self.engine.pop("_target_cpu");
            first.get_or_insert(parser);
        }
        if let Some(parser) = first {
            return parser;
        }
        self.report_line(
            Diagnostic::error("no-build-arch", "no compatible architectures found for build")
                .note(format!("`BuildArch` names {}", self.spec.build_archs.join(" ")), None)
                .hint("use `noarch`, or an architecture that the target can build; choose the target with `--target`"),
        );
        // rpm stops here; what is wrong with the rest shows when it is read for the target.
        Self::new(&self.engine, true).run(names, Arc::clone(text))
    }

    /// Reads section after section; gives what ended it.
    fn parse_sections(&mut self, starts_with_preamble: bool) -> Part {
        let mut part = Part::Preamble;
        let mut before = Part::Empty;
        let mut initial = starts_with_preamble;
        loop {
            let next = match part {
                Part::None | Part::BuildArchitectures => return part,
                Part::Preamble => {
                    let next = self.parse_preamble(initial);
                    initial = false;
                    next
                }
                Part::Build(section) => self.parse_build_section(section),
                Part::Script(kind) => self.parse_script(kind),
                Part::Trigger(kind) => self.parse_trigger(kind),
                Part::Files => self.parse_files(),
                Part::Changelog => self.parse_changelog(),
                Part::Description => self.parse_description(),
                Part::Policies => self.parse_policies(),
                Part::Empty => self.parse_empty(before),
                Part::PatchList => self.parse_list(true),
                Part::SourceList => self.parse_list(false),
            };
            before = part;
            part = next;
            if self.too_many_errors() {
                return Part::None;
            }
        }
    }

    fn too_many_errors(&self) -> bool {
        self.engine.errors.get() > MAX_ERRORS
    }

    /// The section that the line in hand begins.
    pub(crate) fn part_of_line(&self) -> Option<Part> {
        let line = self.reader.line.as_str();
        if !line.starts_with('%') {
            return None;
        }
        let word_end = line.find(|c: char| u8::try_from(c).is_ok_and(crate::macros::scan::is_space));
        let word = &line[..word_end.unwrap_or(line.len())];
        PARTS
            .iter()
            .find(|(token, _, since)| token.eq_ignore_ascii_case(word) && self.since(*since))
            .map(|(_, part, _)| *part)
    }

    /// Reads the lines of a section; gives the next part.
    fn read_lines(&mut self, strip: Strip, mut take: impl FnMut(&mut Self, &str)) -> Part {
        loop {
            if !self.read_line(strip) {
                return Part::None;
            }
            if let Some(part) = self.part_of_line() {
                return part;
            }
            let line = std::mem::take(&mut self.reader.line);
            take(self, &line);
            self.reader.line = line;
        }
    }

    /// Passes over a section whose first line was bad.
    fn skip_section(&mut self) -> Part {
        self.read_lines(Strip::NOTHING, |_, _| {})
    }

    /// The package that a section line names: none is the main package.
    fn lookup_package(&self, name: Option<&str>, is_full: bool) -> Option<usize> {
        let Some(name) = name else { return (!self.spec.packages.is_empty()).then_some(0) };
        let full = self.full_name(name, is_full);
        self.spec.packages.iter().position(|package| package.reference.as_deref() == Some(&*full))
    }

    fn full_name(&self, name: &str, is_full: bool) -> String {
        if is_full {
            name.to_owned()
        } else {
            let main = self.spec.packages.first().map(Package::name).unwrap_or_default();
            format!("{main}-{name}")
        }
    }

    /// The place of the line in hand for expansions that it asks for.
    pub(crate) fn place_of_line(&self, line: &str) -> Option<Place> {
        let (span, _) = self.span_of(0, line.trim_end().len())?;
        Some(Place { source: span.source, base: span.start as usize, call: (0, (span.end - span.start) as usize) })
    }
}

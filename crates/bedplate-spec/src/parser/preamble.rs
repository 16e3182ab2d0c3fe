//! Tags of the main package and of `%package` (`build/parsePreamble.c`).

use bedplate_diag::{Diagnostic, Span, nearest};
use bedplate_model::{DependencyKind, Sense};

use super::dependencies::{DependencyTag, NAME_CHARS, NAME_FIRST_CHARS, Owner, VERSION_CHARS};
use super::reader::Strip;
use super::{Parser, Part};
use crate::dialect::Dialect;
use crate::macros::engine::clean_path;
use crate::macros::scan::is_space;
use crate::macros::table::level;
use crate::package::{BuildSection, Package, Tag, Value};
use crate::popt;
use crate::prep::SpecSource;

/// What a tag's line means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Name,
    VersionOrRelease(Tag),
    Epoch,
    /// One word.
    Word(Tag),
    /// Any text.
    Text(Tag),
    /// Text that may have a language in brackets.
    Localised(Tag),
    SourceLicense,
    Source,
    Patch,
    NoSource,
    NoPatch,
    Restriction(Restriction),
    Icon,
    Dependency(DependencyKind),
    PreReq,
    BuildRequires,
    BuildConflicts,
    Prefixes,
    Ignored,
    BuildArch,
    BuildOption,
    BuildSystem,
    AutoReqProv,
    AutoReq,
    AutoProv,
    DocDir,
    RemovePathPostfixes,
    /// rpm knows the word and has nothing to do for it.
    DistUrl,
}

impl Meaning {
    /// The tag that it gives a value to.
    fn tag(self) -> Option<Tag> {
        match self {
            Self::Name => Some(Tag::Name),
            Self::Epoch => Some(Tag::Epoch),
            Self::VersionOrRelease(tag) | Self::Word(tag) | Self::Text(tag) | Self::Localised(tag) => Some(tag),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Restriction {
    ExcludeArch,
    ExclusiveArch,
    ExcludeOs,
    ExclusiveOs,
}

/// What may stand between a tag's name and its colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    /// `(language)`.
    Language,
    /// `(qualifier,…)`.
    Qualified,
    /// Qualified since rpm 4.20.
    QualifiedLater,
}

struct TagLine {
    word: &'static str,
    meaning: Meaning,
    form: Form,
    deprecated: bool,
    is_macro: bool,
    since: Dialect,
}

const fn tag(word: &'static str, meaning: Meaning) -> TagLine {
    TagLine { word, meaning, form: Form::Plain, deprecated: false, is_macro: false, since: Dialect::V4_18 }
}

const fn with_macro(word: &'static str, meaning: Meaning) -> TagLine {
    TagLine { is_macro: true, ..tag(word, meaning) }
}

const fn form(line: TagLine, form: Form) -> TagLine {
    TagLine { form, ..line }
}

const fn deprecated(line: TagLine) -> TagLine {
    TagLine { deprecated: true, ..line }
}

const fn since_4_20(line: TagLine) -> TagLine {
    TagLine { since: Dialect::V4_20, ..line }
}

/// All tags. The first whose word begins the line is taken, so a word comes before its beginnings.
const TAGS: [TagLine; 55] = {
    use DependencyKind as D;
    use Meaning as M;
    use Restriction as R;
    [
        with_macro("Name", M::Name),
        with_macro("Version", M::VersionOrRelease(Tag::Version)),
        with_macro("Release", M::VersionOrRelease(Tag::Release)),
        with_macro("Epoch", M::Epoch),
        form(with_macro("Summary", M::Localised(Tag::Summary)), Form::Language),
        with_macro("License", M::Localised(Tag::License)),
        with_macro("SourceLicense", M::SourceLicense),
        with_macro("Distribution", M::Localised(Tag::Distribution)),
        with_macro("DistURL", M::DistUrl),
        with_macro("Vendor", M::Localised(Tag::Vendor)),
        form(with_macro("Group", M::Localised(Tag::Group)), Form::Language),
        with_macro("Packager", M::Localised(Tag::Packager)),
        with_macro("URL", M::Word(Tag::Url)),
        with_macro("VCS", M::Word(Tag::Vcs)),
        tag("Source", M::Source),
        tag("Patch", M::Patch),
        tag("NoSource", M::NoSource),
        tag("NoPatch", M::NoPatch),
        tag("ExcludeArch", M::Restriction(R::ExcludeArch)),
        tag("ExclusiveArch", M::Restriction(R::ExclusiveArch)),
        tag("ExcludeOS", M::Restriction(R::ExcludeOs)),
        tag("ExclusiveOS", M::Restriction(R::ExclusiveOs)),
        tag("Icon", M::Icon),
        tag("Provides", M::Dependency(D::Provides)),
        form(tag("Requires", M::Dependency(D::Requires)), Form::Qualified),
        form(tag("Recommends", M::Dependency(D::Recommends)), Form::QualifiedLater),
        form(tag("Suggests", M::Dependency(D::Suggests)), Form::QualifiedLater),
        form(tag("Supplements", M::Dependency(D::Supplements)), Form::QualifiedLater),
        form(tag("Enhances", M::Dependency(D::Enhances)), Form::QualifiedLater),
        deprecated(form(tag("PreReq", M::PreReq), Form::Qualified)),
        tag("Conflicts", M::Dependency(D::Conflicts)),
        tag("Obsoletes", M::Dependency(D::Obsoletes)),
        with_macro("Prefixes", M::Prefixes),
        with_macro("Prefix", M::Prefixes),
        tag("BuildRoot", M::Ignored),
        tag("BuildArchitectures", M::BuildArch),
        tag("BuildArch", M::BuildArch),
        tag("BuildConflicts", M::BuildConflicts),
        since_4_20(form(tag("BuildOption", M::BuildOption), Form::Qualified)),
        deprecated(tag("BuildPreReq", M::BuildRequires)),
        tag("BuildRequires", M::BuildRequires),
        since_4_20(with_macro("BuildSystem", M::BuildSystem)),
        tag("AutoReqProv", M::AutoReqProv),
        tag("AutoReq", M::AutoReq),
        tag("AutoProv", M::AutoProv),
        tag("DocDir", M::DocDir),
        with_macro("DistTag", M::Word(Tag::DistTag)),
        with_macro("BugURL", M::Word(Tag::BugUrl)),
        with_macro("TranslationURL", M::Text(Tag::TranslationUrl)),
        with_macro("UpstreamReleases", M::Text(Tag::UpstreamReleases)),
        form(tag("OrderWithRequires", M::Dependency(D::Order)), Form::Qualified),
        with_macro("RemovePathPostfixes", M::RemovePathPostfixes),
        with_macro("ModularityLabel", M::Word(Tag::ModularityLabel)),
        // Only for the hint on a misspelt tag: these words never match a line that the ones above do not.
        tag("SourceN", M::Ignored),
        tag("PatchN", M::Ignored),
    ]
};

/// Words in the brackets of `Requires(…)`.
const QUALIFIERS: [(&str, Sense, Dialect); 12] = [
    ("interp", Sense::INTERP, Dialect::V4_18),
    ("meta", Sense::META, Dialect::V4_18),
    ("preun", Sense::SCRIPT_PREUN, Dialect::V4_18),
    ("pre", Sense::SCRIPT_PRE, Dialect::V4_18),
    ("postun", Sense::SCRIPT_POSTUN, Dialect::V4_18),
    ("post", Sense::SCRIPT_POST, Dialect::V4_18),
    ("rpmlib", Sense::RPMLIB, Dialect::V4_18),
    ("verify", Sense::SCRIPT_VERIFY, Dialect::V4_18),
    ("pretrans", Sense::PRETRANS, Dialect::V4_18),
    ("posttrans", Sense::POSTTRANS, Dialect::V4_18),
    ("preuntrans", Sense::PREUNTRANS, Dialect::V4_20),
    ("postuntrans", Sense::POSTUNTRANS, Dialect::V4_20),
];

/// Tags that a package must have.
const REQUIRED: [Tag; 5] = [Tag::Name, Tag::Version, Tag::Release, Tag::Summary, Tag::License];

/// Tags that a subpackage takes over from the main package.
pub(super) const INHERITED: [Tag; 17] = [
    Tag::Epoch,
    Tag::Version,
    Tag::Release,
    Tag::License,
    Tag::Packager,
    Tag::Distribution,
    Tag::DistUrl,
    Tag::Vendor,
    Tag::Url,
    Tag::Vcs,
    Tag::Prefixes,
    Tag::DistTag,
    Tag::BugUrl,
    Tag::TranslationUrl,
    Tag::UpstreamReleases,
    Tag::Group,
    Tag::ModularityLabel,
];

/// Tags of the main package that fall back to macros.
const OPTIONAL: [(Tag, &str); 9] = [
    (Tag::Vendor, "%{vendor}"),
    (Tag::Packager, "%{packager}"),
    (Tag::Distribution, "%{distribution}"),
    (Tag::DistUrl, "%{disturl}"),
    (Tag::DistTag, "%{disttag}"),
    (Tag::BugUrl, "%{bugurl}"),
    (Tag::TranslationUrl, "%{translationurl}"),
    (Tag::UpstreamReleases, "%{upstreamreleases}"),
    (Tag::ModularityLabel, "%{modularitylabel}"),
];

/// A tag line taken apart.
struct Found {
    tag: &'static TagLine,
    /// The text in brackets, or the default.
    bracket: String,
}

/// A value of a tag, and where it stands in the line.
pub(super) struct Field {
    pub(super) text: String,
    pub(super) start: usize,
}

impl Field {
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    fn is_one_word(&self) -> bool {
        !self.text.bytes().any(is_space)
    }
}

impl Parser {
    /// Reads the tags of the main package (`initial`) or of the `%package` in hand.
    pub(super) fn parse_preamble(&mut self, initial: bool) -> Part {
        let package = match self.open_package(initial) {
            Some(package) => package,
            None => return self.skip_section(),
        };
        let next = loop {
            if !self.read_line(Strip::ALL) {
                break Part::None;
            }
            if let Some(part) = self.part_of_line() {
                break part;
            }
            if self.reader.line.bytes().all(is_space) {
                continue;
            }
            match self.find_tag() {
                Some(found) => self.handle_tag(package, &found),
                None => self.unknown_tag(),
            }
            if self.has_build_archs && !self.recursing {
                return Part::BuildArchitectures;
            }
            if self.too_many_errors() {
                break Part::None;
            }
        };
        if initial {
            if self.since(Dialect::V4_20) {
                self.settle_build_dirs();
            } else {
                self.settle_build_root();
            }
        }
        if !self.since(Dialect::V4_20) {
            if package == 0 {
                self.fill_out_main();
            }
            self.check_duplicates(package, false);
            if package != 0 {
                self.inherit(package);
            }
            self.check_required(package, false);
        }
        next
    }

    /// Makes the package that a `%package` line names; `None` after a report.
    fn open_package(&mut self, initial: bool) -> Option<usize> {
        if initial {
            if !self.has_preamble {
                self.has_preamble = true;
                self.spec.packages.push(Package::default());
                self.package_places.push(self.start_of_spec());
            }
            return Some(0);
        }
        let line = self.reader.line.clone();
        let words: Vec<&str> = line.split([' ', '\t', '\n']).filter(|word| !word.is_empty()).skip(1).collect();
        let (name, is_full) = match words.as_slice() {
            ["-n", name] => (*name, true),
            [name] if *name != "-n" => (*name, false),
            _ => {
                self.report_line(
                    Diagnostic::error("bad-package-line", format!("bad package specification: {}", line.trim()))
                        .hint("write `%package SUFFIX` or `%package -n NAME`"),
                );
                return None;
            }
        };
        let start = line.find(name).unwrap_or(0);
        let first = if is_full { Some(NAME_FIRST_CHARS) } else { None };
        let hint = "a package's name has letters, digits and `.-_+`";
        if !self.good_characters(name, start, NAME_CHARS, first, "bad-name", hint) {
            return None;
        }
        let full = self.full_name(name, is_full);
        if self.lookup_package(Some(name), is_full).is_some() {
            let diagnostic = Diagnostic::error("duplicate-package", format!("package {full} already exists"))
                .hint("give the second one another name, or merge the two");
            self.report_at(diagnostic, start, start + name.len());
            return None;
        }
        let mut package = Package { reference: Some(full.clone()), ..Package::default() };
        package.tags.put_text(Tag::Name, &full);
        self.spec.packages.push(package);
        self.package_places.push(self.span_of(0, line.trim_end().len()).map(|(span, _)| span));
        Some(self.spec.packages.len() - 1)
    }

    fn find_tag(&mut self) -> Option<Found> {
        let line = self.reader.line.as_str();
        let modern = self.since(Dialect::V4_20);
        let indent = if modern { line.bytes().take_while(|b| is_space(*b)).count() } else { 0 };
        let text = &line[indent..];
        let found = TAGS.iter().find(|tag| {
            self.engine.dialect >= tag.since
                && text.get(..tag.word.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag.word))
        })?;
        if found.deprecated {
            let hint = match found.meaning {
                Meaning::PreReq => "use `Requires(pre,post):` with the scripts that need it",
                _ => "use `BuildRequires:`",
            };
            let message = format!("{} is deprecated", found.word);
            self.report_at(
                Diagnostic::warning("deprecated-tag", message).hint(hint),
                indent,
                indent + found.word.len(),
            );
        }
        let line = self.reader.line.as_str();
        let rest = line[indent + found.word.len()..].trim_start_matches(|c: char| u8::try_from(c).is_ok_and(is_space));
        let form = match found.form {
            Form::QualifiedLater if modern => Form::Qualified,
            Form::QualifiedLater => Form::Plain,
            form => form,
        };
        if form == Form::Plain {
            let numbered = matches!(found.meaning, Meaning::Source | Meaning::Patch);
            return (numbered || rest.starts_with(':')).then(|| Found { tag: found, bracket: String::new() });
        }
        if rest.starts_with(':') {
            let bracket = if form == Form::Language { "C".to_owned() } else { String::new() };
            return Some(Found { tag: found, bracket });
        }
        let space = |c: char| u8::try_from(c).is_ok_and(is_space);
        let inner = rest.strip_prefix('(')?.trim_start_matches(space);
        // rpm has a buffer of this size for a language or for qualifiers; longer ones crash old versions.
        let end = inner.find(|c: char| c == ')' || space(c)).filter(|end| *end < 8191)?;
        let after = inner[end..].trim_start_matches(space).strip_prefix(')')?.trim_start_matches(space);
        after.starts_with(':').then(|| Found { tag: found, bracket: inner[..end].to_owned() })
    }

    fn unknown_tag(&mut self) {
        let line = self.reader.line.clone();
        let trimmed = line.trim_start();
        let start = line.len() - trimmed.len();
        let word_end = trimmed.find([':', ' ', '\t', '(']).unwrap_or(trimmed.len());
        let word = &trimmed[..word_end];
        let shown: String = trimmed.chars().take(80).collect();
        let mut diagnostic = Diagnostic::error("unknown-tag", format!("unknown tag: {shown}"));
        diagnostic.hint = if trimmed.starts_with("\u{10ffed}\u{10ffab}") {
            Some("this is a binary rpm package; a spec file is expected".to_owned())
        } else if let Some(name) = word.strip_prefix('%') {
            let name = name.trim_matches(['{', '}', '?', '!']);
            let section = nearest(word, super::PARTS.iter().map(|(token, _, _)| *token));
            let directive = nearest(word, ["%if", "%else", "%elif", "%endif", "%ifarch", "%ifnarch", "%include"]);
            section
                .or(directive)
                .map(|near| format!("did you mean `{near}`?"))
                .or_else(|| self.engine.near_macro(name))
                .or_else(|| Some(format!("no macro `%{name}` is defined; a package that brings it may be missing")))
        } else if start > 0 && !self.since(Dialect::V4_20) && TAGS.iter().any(|tag| tag.word.eq_ignore_ascii_case(word))
        {
            Some("tags begin in the first column; rpm 4.20 and later take an indented one".to_owned())
        } else if trimmed[word_end..].starts_with('(') && TAGS.iter().any(|tag| tag.word.eq_ignore_ascii_case(word)) {
            Some(format!("`{word}` takes no such qualifier; qualifiers stand without blanks: `{word}(pre,post):`"))
        } else {
            let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
            let near = nearest(word, TAGS.iter().map(|tag| tag.word)).map(|near| format!("did you mean `{near}`?"));
            near.or_else(|| {
                (!trimmed[word_end..].trim_start().starts_with(':')).then(|| {
                    "a tag is followed by a colon; text belongs into a section such as `%description`".to_owned()
                })
            })
        };
        self.report_at(diagnostic, start, start + word.len().max(1));
    }

    /// The value behind the colon; `None` after a report.
    fn field(&mut self) -> Option<Field> {
        let line = self.reader.line.as_str();
        let Some(colon) = line.find(':') else {
            self.report_line(
                Diagnostic::error("malformed-tag", format!("malformed tag: {}", line.trim()))
                    .hint("a colon stands between a tag and its value"),
            );
            return None;
        };
        let rest = &line[colon + 1..];
        let text = rest.trim_matches(|c: char| u8::try_from(c).is_ok_and(is_space));
        if text.is_empty() {
            self.report_line(
                Diagnostic::error("empty-tag", format!("empty tag: {}", line.trim()))
                    .hint("give it a value, or take the line away; a macro in it may expand to nothing"),
            );
            return None;
        }
        let start = colon + 1 + rest.bytes().take_while(|b| is_space(*b)).count();
        Some(Field { text: text.to_owned(), start })
    }

    fn one_word(&mut self, field: &Field, word: &str) -> bool {
        if field.is_one_word() {
            return true;
        }
        let blank = field.text.find(|c: char| u8::try_from(c).is_ok_and(is_space)).unwrap_or(0);
        self.report_at(
            Diagnostic::error("too-many-words", format!("`{word}` takes a single token only: {}", field.text)),
            field.start + blank,
            field.end(),
        );
        false
    }

    fn handle_tag(&mut self, package: usize, found: &Found) {
        let tag = found.tag.meaning.tag();
        let Some(field) = self.field() else {
            self.bad_tags.extend(tag.map(|tag| (package, tag)));
            return;
        };
        let good = self.store_tag(package, found, &field);
        if let Some(tag) = tag {
            if !good {
                self.bad_tags.push((package, tag));
            } else if let Some((span, _)) = self.span_of(0, self.reader.line.len()) {
                self.tag_places.push((package, tag, span));
            }
        }
        if good && found.tag.is_macro {
            let name = found.tag.word.to_ascii_lowercase();
            self.engine.define(&name, &field.text, level::SPEC);
            if package == 0 {
                self.engine.define(&name.to_ascii_uppercase(), &field.text, level::SPEC);
            }
        }
    }

    /// Stores the value of a tag; false after a report.
    fn store_tag(&mut self, package: usize, found: &Found, field: &Field) -> bool {
        let word = found.tag.word;
        let text = field.text.as_str();
        match found.tag.meaning {
            Meaning::Name => {
                let hint = "a package's name has letters, digits and `.-_+`, and begins with a letter, a digit or `_`";
                if !self.one_word(field, word)
                    || !self.good_characters(text, field.start, NAME_CHARS, Some(NAME_FIRST_CHARS), "bad-name", hint)
                {
                    return false;
                }
                self.spec.packages[package].tags.put_text(Tag::Name, text);
                if package == 0 {
                    self.spec.packages[0].reference = Some(text.to_owned());
                    self.engine.spec_sources.borrow_mut().name = self.spec.packages[0].name().to_owned();
                }
            }
            Meaning::VersionOrRelease(tag) => {
                let hint = "versions and releases have letters, digits and `._+~^`; a `-` separates the two";
                if !self.one_word(field, word)
                    || !self.good_characters(text, field.start, VERSION_CHARS, None, "bad-version", hint)
                {
                    return false;
                }
                self.spec.packages[package].tags.put_text(tag, text);
                if package == 0 && tag == Tag::Version {
                    let version = self.spec.packages[0].tags.text(Tag::Version).unwrap_or_default().to_owned();
                    self.engine.spec_sources.borrow_mut().version = version;
                }
            }
            Meaning::Epoch => {
                if !self.one_word(field, word) {
                    return false;
                }
                let Some(epoch) = popt::unsigned(text) else {
                    let message = format!("epoch field must be an unsigned number: {text}");
                    self.report_at(Diagnostic::error("bad-epoch", message), field.start, field.end());
                    return false;
                };
                self.spec.packages[package].tags.put(Tag::Epoch, Value::Number(epoch));
            }
            Meaning::Word(tag) => {
                if !self.one_word(field, word) {
                    return false;
                }
                self.spec.packages[package].tags.put_text(tag, text);
            }
            Meaning::Text(tag) => self.spec.packages[package].tags.put_text(tag, text),
            Meaning::Localised(tag) => self.put_localised(Some(package), tag, text, &found.bracket),
            Meaning::SourceLicense => self.put_localised(None, Tag::License, text, ""),
            Meaning::Source => return self.add_source(text, false, true),
            Meaning::Patch => return self.add_source(text, true, true),
            Meaning::NoSource => return self.leave_out(field, false),
            Meaning::NoPatch => return self.leave_out(field, true),
            Meaning::Restriction(which) => {
                let Some(words) = self.words(field) else { return false };
                let list = match which {
                    Restriction::ExcludeArch => &mut self.spec.exclude_arch,
                    Restriction::ExclusiveArch => &mut self.spec.exclusive_arch,
                    Restriction::ExcludeOs => &mut self.spec.exclude_os,
                    Restriction::ExclusiveOs => &mut self.spec.exclusive_os,
                };
                list.extend(words);
            }
            Meaning::Icon => return self.add_icon(field),
            Meaning::Dependency(kind) => return self.add_dependencies(package, kind, found, field),
            Meaning::PreReq => {
                let sense = Sense::SCRIPT_PRE | Sense::SCRIPT_PREUN;
                let tag = DependencyTag { kind: DependencyKind::Requires, sense, rich: true, trigger_index: None };
                return self.parse_dependencies(Owner::Binary(package), text, Some(field.start), tag, false);
            }
            Meaning::BuildRequires | Meaning::BuildConflicts => {
                let kind = match found.tag.meaning {
                    Meaning::BuildRequires => DependencyKind::Requires,
                    _ => DependencyKind::Conflicts,
                };
                let tag = DependencyTag { kind, sense: Sense::ANY, rich: true, trigger_index: None };
                return self.parse_dependencies(Owner::Source, text, Some(field.start), tag, false);
            }
            Meaning::Prefixes => {
                let Some(words) = self.words(field) else { return false };
                self.spec.packages[package].tags.put(Tag::Prefixes, Value::Words(words));
                let bad = self.spec.packages[package]
                    .tags
                    .words(Tag::Prefixes)
                    .iter()
                    .any(|p| p.len() > 1 && p.ends_with('/'));
                if bad {
                    let message = format!("prefixes must not end with \"/\": {text}");
                    self.report_at(Diagnostic::error("bad-prefix", message), field.start, field.end());
                    return false;
                }
            }
            Meaning::Ignored => {}
            Meaning::BuildArch => return self.set_build_arch(package, field),
            Meaning::BuildOption => {
                let name = if found.bracket.is_empty() { "conf" } else { &found.bracket };
                let Some(section) = BuildSection::of_name(name) else {
                    let names: Vec<&str> = BuildSection::ALL.iter().map(|section| section.name()).collect();
                    let mut diagnostic =
                        Diagnostic::error("bad-build-option", format!("no build section is named `{name}`"))
                            .hint(format!("the sections are {}", names.join(", ")));
                    if let Some(near) = nearest(name, names) {
                        diagnostic = diagnostic.hint(format!("did you mean `{near}`?"));
                    }
                    self.report_line(diagnostic);
                    return false;
                };
                self.build_options.push((section, text.to_owned()));
            }
            Meaning::BuildSystem => {
                if !self.one_word(field, word) || !self.check_build_system(field) {
                    return false;
                }
                self.spec.build_system = Some(text.to_owned());
            }
            Meaning::AutoReqProv => {
                let yes = Some(is_yes(text));
                self.spec.packages[package].auto_requires = yes;
                self.spec.packages[package].auto_provides = yes;
            }
            Meaning::AutoReq => self.spec.packages[package].auto_requires = Some(is_yes(text)),
            Meaning::AutoProv => self.spec.packages[package].auto_provides = Some(is_yes(text)),
            Meaning::DocDir => {
                if !self.one_word(field, word) {
                    return false;
                }
                if !text.starts_with('/') {
                    let message = format!("docdir must begin with '/': {text}");
                    self.report_at(Diagnostic::error("bad-docdir", message), field.start, field.end());
                    return false;
                }
                self.engine.pop("_docdir");
                self.engine.define("_docdir", text, level::SPEC);
            }
            Meaning::RemovePathPostfixes => {
                let words = text.split(':').filter(|part| !part.is_empty()).map(str::to_owned);
                self.spec.packages[package].remove_path_postfixes.extend(words);
            }
            Meaning::DistUrl => {
                self.report_line(Diagnostic::error("unknown-tag", format!("tag {word} has no meaning in a spec")));
                return false;
            }
        }
        true
    }

    fn put_localised(&mut self, package: Option<usize>, tag: Tag, text: &str, language: &str) {
        let tags = match package {
            Some(package) => &mut self.spec.packages[package].tags,
            None => &mut self.spec.source.tags,
        };
        let second = if language.is_empty() {
            let second = tags.has(tag);
            match tag {
                Tag::Summary | Tag::Group => tags.put(tag, Value::Languages(vec![text.to_owned()])),
                _ => tags.put_text(tag, text),
            }
            second
        } else {
            tags.put_language(tag, text, language)
        };
        if second {
            self.report_line(Diagnostic::warning("second-tag", format!("second {}", tag.rpm_name())));
        }
    }

    /// The words of a list tag; `None` after a report.
    fn words(&mut self, field: &Field) -> Option<Vec<String>> {
        match popt::split(&field.text) {
            Ok(words) => Some(words),
            Err(fault) => {
                let message = format!("error parsing tag field: {}", fault.text());
                self.report_at(Diagnostic::error("bad-list", message), field.start, field.end());
                None
            }
        }
    }

    fn add_dependencies(&mut self, package: usize, kind: DependencyKind, found: &Found, field: &Field) -> bool {
        let mut sense = Sense::ANY;
        let qualified =
            !matches!(kind, DependencyKind::Conflicts | DependencyKind::Obsoletes | DependencyKind::Provides);
        if qualified && !found.bracket.is_empty() {
            match self.qualifiers(&found.bracket) {
                Ok(bits) => sense = bits,
                Err(word) => {
                    let known: Vec<&str> = QUALIFIERS.iter().map(|(word, _, _)| *word).collect();
                    let hint = match nearest(&word, known.iter().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("the qualifiers are {}", known.join(", ")),
                    };
                    let message = format!("bad qualifiers of {}: `{}`", found.tag.word, found.bracket);
                    let start = self.reader.line.find('(').map_or(0, |at| at + 1);
                    let diagnostic = Diagnostic::error("bad-qualifier", message).hint(hint);
                    self.report_at(diagnostic, start, start + found.bracket.len());
                    return false;
                }
            }
        }
        let rich = !matches!(kind, DependencyKind::Provides | DependencyKind::Obsoletes | DependencyKind::Order);
        let tag = DependencyTag { kind, sense, rich, trigger_index: None };
        self.parse_dependencies(Owner::Binary(package), &field.text, Some(field.start), tag, false)
    }

    /// The bits of qualifiers between commas, or the word that is none.
    fn qualifiers(&self, text: &str) -> Result<Sense, String> {
        let mut sense = Sense::ANY;
        for word in text.split(',') {
            let known = QUALIFIERS.iter().find(|(name, _, since)| *name == word && self.since(*since));
            sense |= known.ok_or_else(|| word.to_owned())?.1;
        }
        Ok(sense)
    }

    /// `Source`, `Patch` and the lines of `%sourcelist` and `%patchlist`.
    pub(super) fn add_source(&mut self, full: &str, is_patch: bool, has_tag: bool) -> bool {
        let word = if is_patch { "patch" } else { "source" };
        let mut number = None;
        if has_tag {
            let line = self.reader.line.as_str();
            let indent = if self.since(Dialect::V4_20) { line.bytes().take_while(|b| is_space(*b)).count() } else { 0 };
            let rest = &line[indent + word.len()..];
            let digits = &rest[..rest.find([':', ' ', '\t']).unwrap_or(rest.len())];
            if !digits.bytes().all(is_space) {
                match popt::unsigned(digits) {
                    Some(found) => number = Some(found),
                    None => {
                        let start = indent + word.len();
                        let message = format!("bad {word} number: {digits}");
                        self.report_at(Diagnostic::error("bad-source-number", message), start, start + digits.len());
                        return false;
                    }
                }
            }
        }
        let last = if is_patch { &mut self.last_patch } else { &mut self.last_source };
        let number = match number {
            Some(number) => {
                // Numbers beyond i32 count as negative to rpm.
                *last = (*last).max(i64::from(number.cast_signed()));
                number
            }
            None => {
                *last += 1;
                u32::try_from(*last).unwrap_or(u32::MAX)
            }
        };
        if self.engine.spec_sources.borrow().find(number, is_patch).is_some() {
            let message = format!("{word} {number} defined multiple times");
            let diagnostic = if has_tag {
                Diagnostic::error("duplicate-source", message)
            } else {
                Diagnostic::passed("duplicate-source", message)
            };
            self.report_line(diagnostic.hint("leave the number out, and rpm counts"));
            return false;
        }
        let after_slash = full.rsplit_once('/').map(|(_, after)| after);
        let name = match after_slash {
            Some(after) => after.rsplit_once('=').map_or(after, |(_, name)| name),
            None => full,
        };
        let path = self.engine.expand_path(&format!("%{{_sourcedir}}/{name}"));
        let kind = if is_patch { "PATCH" } else { "SOURCE" };
        self.engine.define(&format!("{kind}{number}"), &path, level::SPEC);
        self.engine.define(&format!("{kind}URL{number}"), full, level::SPEC);
        self.engine.add_lua_source(&path, number, is_patch);
        let source =
            SpecSource { number, full: full.to_owned(), name: name.to_owned(), path, is_patch, is_left_out: false };
        self.engine.spec_sources.borrow_mut().add(source);
        true
    }

    /// `NoSource` and `NoPatch`.
    fn leave_out(&mut self, field: &Field, is_patch: bool) -> bool {
        let word = if is_patch { "patch" } else { "source" };
        let gap = |c: char| c == ',' || u8::try_from(c).is_ok_and(is_space);
        let mut rest = field.text.trim_start_matches(gap);
        while !rest.is_empty() {
            // rpm reads a number to the end of the line: a second one on it is bad.
            let Some(number) = popt::unsigned(rest) else {
                let diagnostic = Diagnostic::error("bad-source-number", format!("bad number: {rest}"))
                    .hint("one number a line: write a second tag for a second number");
                self.report_at(diagnostic, field.start, field.end());
                return false;
            };
            let mut sources = self.engine.spec_sources.borrow_mut();
            let Some(source) = sources.find_mut(number, is_patch) else {
                drop(sources);
                let message = format!("bad no{word} number: {number}");
                self.report_at(Diagnostic::error("bad-source-number", message), field.start, field.end());
                return false;
            };
            source.is_left_out = true;
            drop(sources);
            let end = rest.find(gap).unwrap_or(rest.len());
            rest = rest[end..].trim_start_matches(gap);
        }
        true
    }

    fn add_icon(&mut self, field: &Field) -> bool {
        if !self.one_word(field, "Icon") {
            return false;
        }
        let path = self.engine.expand_path(&format!("%{{_sourcedir}}/{}", field.text));
        let problem = match self.engine.world.files.read(&path) {
            Err(error) => format!("unable to open icon {path}: {error}"),
            Ok(bytes) if bytes.is_empty() || bytes.starts_with(b"GIF") || bytes.starts_with(b"/* XPM") => return true,
            Ok(_) => format!("unknown icon type: {}", field.text),
        };
        self.report_at(Diagnostic::error("bad-icon", problem), field.start, field.end());
        false
    }

    fn set_build_arch(&mut self, package: usize, field: &Field) -> bool {
        let words = match popt::split(&field.text) {
            Ok(words) => words,
            Err(fault) => {
                let message = format!("bad BuildArchitecture format: {}", fault.text());
                self.report_at(Diagnostic::error("bad-build-arch", message), field.start, field.end());
                return false;
            }
        };
        if package == 0 {
            if self.has_build_archs {
                let diagnostic =
                    Diagnostic::error("bad-build-arch", format!("duplicate BuildArch entry: {}", field.text));
                self.report_line(diagnostic);
                return false;
            }
            self.has_build_archs = true;
            self.spec.build_archs = words;
            return true;
        }
        if words != ["noarch"] {
            let diagnostic =
                Diagnostic::error("bad-build-arch", format!("only noarch subpackages are supported: {}", field.text))
                    .hint("take the tag away: the subpackage has the architecture of the main package");
            self.report_at(diagnostic, field.start, field.end());
            return false;
        }
        self.spec.packages[package].tags.put_text(Tag::Arch, "noarch");
        true
    }

    /// rpm 4.18: `%{buildroot}` with name and version known.
    fn settle_build_root(&mut self) {
        let root = self.engine.expand_path(&self.build_root.take().unwrap_or_default());
        self.engine.define("buildroot", &root, level::SPEC);
        if root.is_empty() {
            self.report_global(Diagnostic::error("bad-buildroot", "%{buildroot} couldn't be empty"));
        } else if root == "/" {
            self.report_global(Diagnostic::error("bad-buildroot", "%{buildroot} can not be \"/\""));
        }
        self.build_root = Some(root);
    }

    /// rpm 4.20: the build folder of name and version, and what lies in it.
    fn settle_build_dirs(&mut self) {
        let mut good = true;
        for tag in [Tag::Name, Tag::Version, Tag::Release] {
            if !self.spec.packages[0].tags.has(tag) {
                good = false;
                if self.is_cut || self.bad_tags.contains(&(0, tag)) {
                    continue;
                }
                let message = format!("{} field must be present before build in package", tag.rpm_name());
                self.report_global(
                    Diagnostic::error("missing-tag", message)
                        .hint(format!("add `{}:` to the preamble", tag.rpm_name())),
                );
            }
        }
        if !good {
            return;
        }
        if self.build_dir.is_none() {
            let folder = self.engine.expand_loosely("%{NAME}-%{VERSION}-build").replace(['^', '~'], "_");
            let dir = self.engine.expand_loosely(&format!("%{{_top_builddir}}/{folder}"));
            let parts = clean_path(&self.engine.expand_loosely(&format!("{dir}/SPECPARTS")));
            self.engine.define_literal("_builddir", &dir, level::SPEC);
            self.engine.define_literal("builddir", &dir, level::SPEC);
            self.engine.define_literal("specpartsdir", &parts, level::SPEC);
            self.build_dir = Some(dir);
        }
        let root = match self.build_root.take() {
            Some(root) => self.engine.expand_path(&root),
            None => self.engine.expand_path(&format!("{}/BUILDROOT", self.build_dir.as_deref().unwrap_or_default())),
        };
        if root.is_empty() || root == "/" {
            self.report_global(Diagnostic::error("bad-buildroot", format!("invalid buildroot: '{root}'")));
        }
        self.engine.define_literal("buildroot", &root, level::SPEC);
        self.engine.define("_buildrootdir", "%{dirname:%{buildroot}}", level::GLOBAL);
        self.build_root = Some(root);
    }

    fn start_of_spec(&self) -> Option<Span> {
        let source = self.engine.place_of_file()?;
        Some(Span::new(source, 0, 0))
    }

    /// Where a package begins.
    pub(super) fn package_place(&self, package: usize) -> Option<Span> {
        self.package_places.get(package).copied().flatten()
    }

    /// Reports something that no line stands for.
    pub(super) fn report_global(&self, diagnostic: Diagnostic) {
        self.engine.push_diagnostic(diagnostic);
    }

    /// What the main package gets from macros.
    pub(super) fn fill_out_main(&mut self) {
        for (tag, text) in OPTIONAL {
            if !self.spec.packages[0].tags.has(tag) {
                let value = self.engine.expand_loosely(text);
                if !value.starts_with('%') {
                    self.spec.packages[0].tags.put_text(tag, &value);
                }
            }
        }
        if !self.spec.packages[0].tags.has(Tag::Group) {
            self.spec.packages[0].tags.put_language(Tag::Group, "Unspecified", "C");
        }
    }

    /// What a subpackage gets from the main package.
    pub(super) fn inherit(&mut self, package: usize) {
        let (main, rest) = self.spec.packages.split_at_mut(1);
        let (main, package) = (&main[0], &mut rest[package - 1]);
        package.tags.inherit(&main.tags, &INHERITED);
        if package.changelog.is_empty() {
            package.changelog.clone_from(&main.changelog);
        }
    }

    /// Reports tags that stand twice; false if there are any.
    pub(super) fn check_duplicates(&mut self, package: usize, passed: bool) -> bool {
        let duplicates = self.spec.packages[package].tags.duplicates();
        for tag in &duplicates {
            let name = self.spec.packages[package].name();
            let message = format!("duplicate {} entries in package: {name}", tag.rpm_name());
            let mut diagnostic = mistake("duplicate-tag", message, passed).hint("keep one of them");
            let mut places = self.tag_places.iter().filter(|(of, what, _)| *of == package && what == tag);
            let first = places.next().map(|(_, _, span)| *span);
            diagnostic.span = places.next_back().map(|(_, _, span)| *span);
            if diagnostic.span.is_some() {
                diagnostic = diagnostic.note("it was given before", first);
            }
            self.report_global(diagnostic);
        }
        duplicates.is_empty()
    }

    /// Reports tags that a package lacks; false if there are any.
    pub(super) fn check_required(&mut self, package: usize, passed: bool) -> bool {
        let tags = &self.spec.packages[package].tags;
        let missing: Vec<Tag> = REQUIRED.into_iter().filter(|tag| !tags.has(*tag)).collect();
        let name = match self.spec.packages[package].name() {
            "" => "(main package)".to_owned(),
            name => name.to_owned(),
        };
        for tag in &missing {
            let inherited = INHERITED.contains(tag);
            if self.is_cut
                || self.bad_tags.iter().any(|(of, bad)| bad == tag && (*of == package || (inherited && *of == 0)))
            {
                continue;
            }
            let tag = tag.rpm_name();
            let message = format!("{tag} field must be present in package: {name}");
            let mut diagnostic = mistake("missing-tag", message, passed).hint(format!("add `{tag}:` to its preamble"));
            diagnostic.span = self.package_place(package);
            self.report_global(diagnostic);
        }
        missing.is_empty()
    }
}

/// An error, or one that a query passes over.
pub(super) fn mistake(code: &'static str, message: String, passed: bool) -> Diagnostic {
    if passed { Diagnostic::passed(code, message) } else { Diagnostic::error(code, message) }
}

fn is_yes(text: &str) -> bool {
    !(text.starts_with(['n', 'N', '0']) || text.eq_ignore_ascii_case("false") || text.eq_ignore_ascii_case("off"))
}

//! What rpm does after the last line: build systems, appended sections, descriptions, self-provides, the source package.

use bedplate_diag::Diagnostic;

use super::preamble::mistake;
use super::{Addition, Parser};
use crate::dialect::Dialect;
use crate::package::{BuildSection, Tag};

/// Tags that the source package takes over from the main package.
const SOURCE_TAGS: [Tag; 20] = [
    Tag::Name,
    Tag::Version,
    Tag::Release,
    Tag::Epoch,
    Tag::Summary,
    Tag::Description,
    Tag::Packager,
    Tag::Distribution,
    Tag::DistUrl,
    Tag::DistTag,
    Tag::Vendor,
    Tag::License,
    Tag::Group,
    Tag::Arch,
    Tag::Url,
    Tag::BugUrl,
    Tag::TranslationUrl,
    Tag::UpstreamReleases,
    Tag::Vcs,
    Tag::ModularityLabel,
];

impl Parser {
    /// Checks that a build system has the macros that it needs; false after a report.
    pub(super) fn check_build_system(&mut self, field: &super::preamble::Field) -> bool {
        let name = field.text.as_str();
        let macro_of = |section: BuildSection| format!("buildsystem_{name}_{}", section.name());
        let has = |section: &BuildSection| self.engine.is_parametric(&macro_of(*section));
        if !BuildSection::ALL.iter().any(has) {
            let names: Vec<String> = {
                let table = self.engine.table.borrow();
                let known = table.names().filter_map(|name| name.strip_prefix("buildsystem_")?.strip_suffix("_build"));
                known.map(str::to_owned).collect()
            };
            let mut diagnostic = Diagnostic::error("unknown-build-system", format!("unknown buildsystem: {name}"));
            diagnostic.hint = Some(match bedplate_diag::nearest(name, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it is defined by macros such as `%buildsystem_{name}_build()`"),
            });
            self.report_at(diagnostic, field.start, field.end());
            return false;
        }
        if let Some(missing) = BuildSection::ALL.into_iter().find(|section| section.is_required() && !has(section)) {
            let message =
                format!("required parametric macro %{} not defined for buildsystem {name}", macro_of(missing));
            self.report_at(Diagnostic::error("unknown-build-system", message), field.start, field.end());
            return false;
        }
        true
    }

    /// Fills the sections that a spec with a `BuildSystem` does not write.
    pub(super) fn apply_build_system(&mut self) {
        let system = self.engine.expand_loosely("%{?buildsystem}");
        if system.is_empty() {
            return;
        }
        let mut text = String::new();
        for section in BuildSection::ALL {
            if self.sections.iter().any(|(of, _)| *of == section) {
                continue;
            }
            let candidates = [&*system, "default"].map(|name| format!("buildsystem_{name}_{}", section.name()));
            // rpm 4.20 writes the default beside the section of the system if both are there.
            let wanted: Vec<&String> = candidates.iter().filter(|name| self.engine.is_parametric(name)).collect();
            let wanted = if self.engine.dialect >= Dialect::V6 { &wanted[..wanted.len().min(1)] } else { &wanted[..] };
            for name in wanted {
                let options: Vec<&str> = self
                    .build_options
                    .iter()
                    .filter(|(of, _)| *of == section)
                    .map(|(_, option)| option.as_str())
                    .collect();
                let options = if options.is_empty() { String::new() } else { format!("-- {}", options.join(" ")) };
                text.push_str(&format!("%{}\n%{name} {options}\n", section.name()));
            }
        }
        let name = format!("<build system {system}>");
        self.open_text(&name, &name, text.into());
        self.parse_sections(true);
    }

    /// Puts `%build -a` and `%build -p` to their sections: appended in order, prepended each before all others.
    pub(super) fn apply_additions(&mut self) {
        for (section, addition, text) in std::mem::take(&mut self.additions) {
            let at = match self.sections.iter().position(|(of, _)| *of == section) {
                Some(at) => at,
                None => {
                    self.sections.push((section, String::new()));
                    self.sections.len() - 1
                }
            };
            let whole = &mut self.sections[at].1;
            match addition {
                Addition::Append => whole.push_str(&text),
                Addition::Prepend => whole.insert_str(0, &text),
            }
        }
    }

    /// What is checked and added when all lines are read.
    pub(super) fn finish_packages(&mut self) {
        let modern = self.since(Dialect::V4_20);
        if !modern {
            for (at, package) in self.spec.packages.iter().enumerate() {
                if !package.tags.has(Tag::Description) && !self.is_cut {
                    self.report_global(self.no_description(at, false));
                }
            }
        }
        let arch = self.engine.expand_loosely("%{_target_cpu}");
        for package in &mut self.spec.packages {
            if !package.tags.has(Tag::Arch) {
                package.tags.put_text(Tag::Arch, &arch);
            }
        }
        if !modern {
            for package in 0..self.spec.packages.len() {
                self.provide_itself(package);
                self.show_dependencies(package);
            }
        }
        self.check_encoding();
    }

    /// `NAME = EVR` and `NAME(isa) = EVR`.
    fn provide_itself(&mut self, package: usize) {
        let (name, evr, is_noarch) = {
            let package = &self.spec.packages[package];
            (package.name().to_owned(), package.evr(), package.tags.text(Tag::Arch) == Some("noarch"))
        };
        let with_isa = self.engine.expand_loosely(&format!("{name}%{{?_isa}}"));
        if !is_noarch && with_isa != name {
            self.provide(package, with_isa, &evr);
        }
        self.provide(package, name, &evr);
    }

    /// By now a header has the system, the flags, the platform and the name of the source package as well.
    fn settle_duplicates(&mut self, package: usize) {
        // Packages of format 6 name their source with its epoch.
        let names_source = self.since(Dialect::V6) && self.engine.expand_number("%{?_rpmformat}") >= 6;
        let package = &mut self.spec.packages[package];
        let mut others = package.other_tags();
        others.extend([1021, 1044, 1122, 1132]);
        others.extend(names_source.then_some(5120));
        package.tags.settle_duplicates(&others);
    }

    fn show_dependencies(&mut self, package: usize) {
        let package = &mut self.spec.packages[package];
        package.shown.clone_from(&package.dependencies);
    }

    fn check_encoding(&self) {
        let strict = self.engine.expand_number("%{_invalid_encoding_terminates_build}") != 0;
        for package in &self.spec.packages {
            let bad = package.tags.texts().find(|(_, text)| bedplate_diag::text::has_invalid(text));
            // rpm 4.20 puts dependencies into the header only after this check.
            let early = if self.since(Dialect::V4_20) { &[][..] } else { &package.dependencies[..] };
            let dependencies = early.iter().flat_map(|(_, set)| set.iter());
            let bad = bad.map(|(tag, text)| (tag.rpm_name(), text)).or_else(|| {
                let name =
                    dependencies.map(|one| one.name.as_str()).find(|name| bedplate_diag::text::has_invalid(name));
                name.map(|name| ("dependencies", name))
            });
            let changes = package.changelog.iter().flat_map(|entry| [entry.name.as_str(), entry.text.as_str()]);
            let scripts = package.scripts.iter().filter_map(|(_, script)| script.body.as_deref());
            let bad = bad.or_else(|| {
                let text = changes.chain(scripts).find(|text| bedplate_diag::text::has_invalid(text))?;
                Some(("changelog or script", text))
            });
            if let Some((tag, text)) = bad {
                let shown = bedplate_diag::text::escape_invalid(text);
                let message = format!("package {}: invalid utf-8 encoding in {tag}: {shown}", package.name());
                let diagnostic = if strict {
                    Diagnostic::error("bad-encoding", message)
                } else {
                    Diagnostic::warning("bad-encoding", message)
                };
                self.report_global(diagnostic.hint("save the spec as UTF-8: `iconv -f latin1 -t utf-8`"));
            }
        }
    }

    /// The source package.
    pub(super) fn init_source(&mut self) {
        if let Some(main) = self.spec.packages.first_mut() {
            let others = main.other_tags();
            main.tags.settle_duplicates(&others);
        }
        let Some(main) = self.spec.packages.first().cloned() else { return };
        self.spec.source.tags.inherit(&main.tags, &SOURCE_TAGS);
        self.spec.source.changelog = main.changelog;
        let shown = &mut self.spec.source;
        shown.shown.clone_from(&shown.dependencies);
        self.spec.sources = self.engine.spec_sources.take().into_list();
        if !self.since(Dialect::V6) {
            // rpm 4 puts each source before those it has.
            self.spec.sources.reverse();
        }
        self.spec.parsed = std::mem::take(&mut self.parsed);
        self.spec.sections = std::mem::take(&mut self.sections);
        if self.since(Dialect::V4_20) {
            for tag in [Tag::Name, Tag::Version, Tag::Release, Tag::Summary, Tag::License] {
                if !self.spec.source.tags.has(tag) {
                    if self.is_cut || self.bad_tags.contains(&(0, tag)) {
                        continue;
                    }
                    let tag = tag.rpm_name();
                    let name = self.spec.source.tags.text(Tag::Name).unwrap_or("(main package)");
                    let message = format!("{tag} field must be present in package: {name}");
                    let mut diagnostic =
                        Diagnostic::error("missing-tag", message).hint(format!("add `{tag}:` to the preamble"));
                    diagnostic.span = self.package_place(0);
                    self.report_global(diagnostic);
                }
            }
        }
    }

    /// rpm 4.20: what is checked and added after the spec was accepted. The first mistake ends it, and a query goes on
    /// with what there is by then.
    pub(super) fn finalize(&mut self) {
        if self.spec.packages.is_empty() {
            return;
        }
        self.fill_out_main();
        for package in 0..self.spec.packages.len() {
            if package != 0 {
                self.inherit(package);
            }
            self.settle_duplicates(package);
            self.provide_itself(package);
            self.show_dependencies(package);
            self.settle_duplicates(package);
            if !self.check_required(package, true) {
                return;
            }
            if !self.spec.packages[package].tags.has(Tag::Description) {
                self.report_global(self.no_description(package, true));
                return;
            }
            if !self.check_duplicates(package, true) {
                return;
            }
        }
        let main = self.spec.packages[0].tags.clone();
        self.spec.source.tags.inherit(&main, &SOURCE_TAGS);
    }

    fn no_description(&self, package: usize, passed: bool) -> Diagnostic {
        let (main, name) = (self.spec.packages[0].name(), self.spec.packages[package].name());
        let arguments = match name.strip_prefix(&format!("{main}-")) {
            _ if name == main => String::new(),
            Some(suffix) => format!(" {suffix}"),
            None => format!(" -n {name}"),
        };
        let shown = |name: &str| if name.is_empty() { "(main package)".to_owned() } else { name.to_owned() };
        let mut diagnostic = mistake("no-description", format!("package has no %description: {}", shown(name)), passed)
            .hint(format!("add a section `%description{arguments}`"));
        diagnostic.span = self.package_place(package);
        diagnostic
    }
}

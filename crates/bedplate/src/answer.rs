//! The JSON answer about a spec: what the real rpm would say of it (docs/reference/spec-json.md).

use bedplate_diag::{Severity, Sources, text};
use bedplate_model::{DependencyKind, parse_rich};
use bedplate_spec::{BuildSection, Evaluation, Package, SourcePackage, Tag};
use serde_json::{Map, Value, json};

/// Which text of the answer is the folder of the spec, and which that of the configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    /// Written as `@CASE@`.
    pub(crate) spec_dir: String,
    /// Written as `@CONF@`.
    pub(crate) config_dir: String,
}

impl Places {
    fn clean(&self, text: &str) -> String {
        let mut text = text::escape_invalid(text);
        for (folder, word) in [(&self.config_dir, "@CONF@"), (&self.spec_dir, "@CASE@")] {
            if !folder.is_empty() && text.contains(folder.as_str()) {
                text = text.replace(folder.as_str(), word);
            }
        }
        text
    }

    fn value(&self, text: &str) -> Value {
        Value::String(self.clean(text))
    }

    fn list<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Value {
        texts.into_iter().map(|text| self.value(text)).collect()
    }
}

const TEXT_TAGS: [(&str, Tag); 19] = [
    ("name", Tag::Name),
    ("version", Tag::Version),
    ("release", Tag::Release),
    ("arch", Tag::Arch),
    ("summary", Tag::Summary),
    ("license", Tag::License),
    ("group", Tag::Group),
    ("url", Tag::Url),
    ("description", Tag::Description),
    ("vendor", Tag::Vendor),
    ("packager", Tag::Packager),
    ("distribution", Tag::Distribution),
    ("bugurl", Tag::BugUrl),
    ("vcs", Tag::Vcs),
    ("disturl", Tag::DistUrl),
    ("disttag", Tag::DistTag),
    ("modularitylabel", Tag::ModularityLabel),
    ("upstreamreleases", Tag::UpstreamReleases),
    ("translationurl", Tag::TranslationUrl),
];

const DEPENDENCIES: [(&str, DependencyKind); 9] = [
    ("requires", DependencyKind::Requires),
    ("provides", DependencyKind::Provides),
    ("conflicts", DependencyKind::Conflicts),
    ("obsoletes", DependencyKind::Obsoletes),
    ("recommends", DependencyKind::Recommends),
    ("suggests", DependencyKind::Suggests),
    ("supplements", DependencyKind::Supplements),
    ("enhances", DependencyKind::Enhances),
    ("orders", DependencyKind::Order),
];

/// The answer about one spec. `full` adds what rpm's answer does not have.
pub(crate) fn answer(found: &Evaluation, places: &Places, full: bool) -> Map<String, Value> {
    let mut out = Map::new();
    let good = found.is_good();
    out.insert("ok".to_owned(), good.into());
    if full {
        let all = found.diagnostics.iter().map(|one| diagnostic(one, &found.sources)).collect();
        out.insert("diagnostics".to_owned(), Value::Array(all));
    }
    let of = |wanted: Severity| {
        let chosen = found.diagnostics.iter().filter(move |one| one.severity == wanted);
        chosen.map(|one| places.clean(&one.message)).collect::<Vec<String>>()
    };
    let warnings = of(Severity::Warning);
    if !warnings.is_empty() {
        out.insert("warnings".to_owned(), warnings.into());
    }
    if !good {
        out.insert("error".to_owned(), of(Severity::Error).join("\n").into());
        let lines = found.diagnostics.iter().filter_map(|one| match one.severity {
            Severity::Error | Severity::Passed => one.rpm_line,
            // rpm's log holds what commands wrote to standard error as well.
            Severity::Info => line_in(&one.message),
            Severity::Warning => None,
        });
        if let Some(line) = lines.into_iter().next() {
            out.insert("error_line".to_owned(), line.into());
        }
        return out;
    }
    let mut said = of(Severity::Info);
    said.extend(of(Severity::Passed));
    if !said.is_empty() {
        out.insert("output".to_owned(), said.into());
    }
    if found.is_forced() {
        out.insert("forced".to_owned(), true.into());
    }
    let spec = &found.spec;
    out.insert("srpm".to_owned(), Value::Object(source_package(spec, places)));
    for (key, is_patch) in [("sources", false), ("patches", true)] {
        let mut list: Vec<_> = spec.sources.iter().filter(|source| source.is_patch == is_patch).collect();
        list.sort_by_key(|source| source.number);
        let list = list.into_iter().map(|source| {
            let mut item = vec![source.number.into(), places.value(&source.full)];
            if source.is_left_out {
                item.push("nosource".into());
            }
            Value::Array(item)
        });
        out.insert(key.to_owned(), list.collect());
        let left_out: Vec<Value> = spec
            .sources
            .iter()
            .filter(|source| source.is_patch == is_patch && source.is_left_out)
            .map(|source| source.number.into())
            .collect();
        if !left_out.is_empty() {
            out.insert(if is_patch { "nopatch" } else { "nosource" }.to_owned(), left_out.into());
        }
    }
    let built: Vec<&str> = spec.packages.iter().filter(|one| one.is_built()).map(Package::name).collect();
    let packages = spec.packages.iter().map(|package| {
        let mut out = package_fields(package, places);
        for (key, kind) in DEPENDENCIES {
            if let Some(list) = dependencies(package, kind, places) {
                out.insert(key.to_owned(), list);
            }
        }
        out.insert("built".to_owned(), built.contains(&package.name()).into());
        // A comment's line ends before its newline: what indents it stands before the next line.
        let files = package.files.as_ref().map(|lines| lines.concat()).unwrap_or_default();
        if !files.is_empty() {
            let lines = files.split('\n').filter(|line| !line.trim().is_empty());
            out.insert("files".to_owned(), places.list(lines));
        }
        if !package.file_lists.is_empty() {
            // rpm's own interface runs the names together.
            let names = package.file_lists.concat();
            out.insert("filefile".to_owned(), places.list(names.split('\n').filter(|name| !name.is_empty())));
        }
        if full {
            add_full(&mut out, package, places);
        }
        Value::Object(out)
    });
    out.insert("packages".to_owned(), packages.collect());
    out.insert("sections".to_owned(), Value::Object(sections(found, places)));
    out.insert("parsed".to_owned(), normal(&places.clean(&spec.parsed)).into());
    out
}

/// The number in the first `line N` of a message.
fn line_in(message: &str) -> Option<u32> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    message.match_indices("line ").find_map(|(at, text)| {
        let rest = &message[at + text.len()..];
        let digits = &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())];
        let apart = !message[..at].ends_with(word) && !rest[digits.len()..].starts_with(word);
        digits.parse().ok().filter(|_| apart)
    })
}

fn source_package(spec: &SourcePackage, places: &Places) -> Map<String, Value> {
    let mut out = package_fields(&spec.source, places);
    for (key, kind) in [("buildrequires", DependencyKind::Requires), ("buildconflicts", DependencyKind::Conflicts)] {
        let list = dependencies(&spec.source, kind, places).unwrap_or_else(|| Value::Array(Vec::new()));
        out.insert(key.to_owned(), list);
    }
    for (key, words) in [
        ("excludearch", &spec.exclude_arch),
        ("exclusivearch", &spec.exclusive_arch),
        ("excludeos", &spec.exclude_os),
        ("exclusiveos", &spec.exclusive_os),
        ("buildarchs", &spec.build_archs),
    ] {
        if !words.is_empty() {
            out.insert(key.to_owned(), places.list(words.iter().map(String::as_str)));
        }
    }
    out
}

fn package_fields(package: &Package, places: &Places) -> Map<String, Value> {
    let mut out = Map::new();
    for (key, tag) in TEXT_TAGS {
        if let Some(text) = package.tags.text(tag) {
            out.insert(key.to_owned(), places.value(text));
        }
    }
    if let Some(epoch) = package.tags.number(Tag::Epoch) {
        out.insert("epoch".to_owned(), epoch.into());
    }
    let prefixes = package.tags.words(Tag::Prefixes);
    if !prefixes.is_empty() {
        out.insert("prefixes".to_owned(), places.list(prefixes.iter().map(String::as_str)));
    }
    if !package.changelog.is_empty() {
        let entries = package
            .changelog
            .iter()
            .map(|entry| Value::Array(vec![entry.time.into(), places.value(&entry.name), places.value(&entry.text)]));
        out.insert("changelog".to_owned(), entries.collect());
    }
    if !package.scripts.is_empty() {
        let scripts = package.scripts.iter().map(|(kind, script)| {
            let body = script.body.as_ref().map_or(Value::Null, |body| places.value(body));
            let program = places.list(script.program.iter().map(String::as_str));
            (kind.name().to_owned(), json!({ "prog": program, "body": body }))
        });
        out.insert("scripts".to_owned(), Value::Object(scripts.collect()));
    }
    out
}

fn dependencies(package: &Package, kind: DependencyKind, places: &Places) -> Option<Value> {
    let set = package.dependencies(kind).filter(|set| !set.is_empty())?;
    Some(set.iter().map(|one| places.value(&one.to_string())).collect())
}

fn sections(found: &Evaluation, places: &Places) -> Map<String, Value> {
    let shown =
        [BuildSection::Prep, BuildSection::Build, BuildSection::Install, BuildSection::Check, BuildSection::Clean];
    let texts = shown.into_iter().filter_map(|section| {
        let text = found.spec.section(section).filter(|text| !text.is_empty())?;
        let made_up = section == BuildSection::Clean && text.trim() == found.default_clean;
        (!made_up).then(|| (section.name().to_owned(), places.value(text)))
    });
    texts.collect()
}

/// The expanded spec without blank lines and trailing space.
fn normal(text: &str) -> String {
    // `%{quote:…}` leaves separators (0x1f) around its words; they count as white space here.
    let blank = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    let lines = text.split('\n').map(|line| line.trim_end_matches(blank)).filter(|line| !line.is_empty());
    let mut out = String::with_capacity(text.len());
    for (n, line) in lines.enumerate() {
        if n > 0 {
            out.push('\n');
        }
        out.push_str(line);
    }
    out.push('\n');
    out
}

/// What `--full` adds to a package: triggers with their conditions, and rich dependencies as trees.
fn add_full(out: &mut Map<String, Value>, package: &Package, places: &Places) {
    let triggers: Vec<Value> = package
        .triggers
        .iter()
        .map(|trigger| {
            let conditions = package.dependencies(trigger.kind).into_iter().flat_map(|set| set.iter());
            let conditions = conditions.filter(|one| one.trigger_index == Some(trigger.index));
            let kind = match trigger.kind {
                DependencyKind::FileTrigger => "filetrigger",
                DependencyKind::TransFileTrigger => "transfiletrigger",
                _ => "trigger",
            };
            let mut item = json!({
                "kind": kind,
                "conditions": conditions.map(|one| places.value(&one.to_string())).collect::<Value>(),
                "prog": places.value(&trigger.program),
                "body": places.value(&trigger.body),
            });
            if trigger.kind != DependencyKind::Trigger {
                item["priority"] = trigger.priority.into();
            }
            item
        })
        .collect();
    if !triggers.is_empty() {
        out.insert("triggers".to_owned(), triggers.into());
    }
    let mut rich = Map::new();
    for (_, kind) in DEPENDENCIES {
        for dependency in package.dependencies(kind).into_iter().flat_map(|set| set.iter()).filter(|one| one.is_rich())
        {
            if let Ok((tree, _)) = parse_rich(&dependency.name, kind) {
                rich.insert(places.clean(&dependency.name), tree_value(&tree, places));
            }
        }
    }
    if !rich.is_empty() {
        out.insert("rich".to_owned(), rich.into());
    }
}

fn tree_value(tree: &bedplate_model::RichDependency, places: &Places) -> Value {
    use bedplate_model::RichDependency as R;
    let all =
        |word: &str, parts: &[R]| json!({ word: parts.iter().map(|one| tree_value(one, places)).collect::<Value>() });
    let conditional = |word: &str, then: &R, condition: &R, otherwise: &Option<Box<R>>| {
        let mut value = json!({ "then": tree_value(then, places), word: tree_value(condition, places) });
        if let Some(otherwise) = otherwise {
            value["else"] = tree_value(otherwise, places);
        }
        value
    };
    match tree {
        R::Single { .. } => places.value(&tree.to_string()),
        R::Group(one) => tree_value(one, places),
        R::And(parts) => all("and", parts),
        R::Or(parts) => all("or", parts),
        R::With(parts) => all("with", parts),
        R::Without(a, b) => json!({ "with": tree_value(a, places), "without": tree_value(b, places) }),
        R::If { then, condition, otherwise } => conditional("if", then, condition, otherwise),
        R::Unless { then, condition, otherwise } => conditional("unless", then, condition, otherwise),
        R::Else(a, b) => json!({ "then": tree_value(a, places), "else": tree_value(b, places) }),
    }
}

/// A diagnostic as JSON.
pub(crate) fn diagnostic(one: &bedplate_diag::Diagnostic, sources: &Sources) -> Value {
    let place = |span: Option<bedplate_diag::Span>| {
        let span = span?;
        let source = sources.get(span.source)?;
        let (start, end) = (source.line_column(span.start), source.line_column(span.end));
        Some(json!({
            "file": text::escape_invalid(source.name()),
            "line": start.line,
            "column": start.column,
            "end_line": end.line,
            "end_column": end.column,
        }))
    };
    let mut out = json!({
        "severity": one.severity.word(),
        "code": one.code,
        "message": text::escape_invalid(&one.message),
    });
    if let Some(place) = place(one.span) {
        out["span"] = place;
    }
    if one.severity == Severity::Passed {
        out["passed"] = true.into();
    }
    if !one.notes.is_empty() {
        let notes = one.notes.iter().map(|note| {
            let mut item = json!({ "message": text::escape_invalid(&note.message) });
            if let Some(place) = place(note.span) {
                item["span"] = place;
            }
            item
        });
        out["notes"] = notes.collect();
    }
    if let Some(hint) = &one.hint {
        out["hint"] = hint.as_str().into();
    }
    out
}

//! What a spec says: packages, their tags, dependencies, scripts and files.

use std::collections::BTreeMap;

use bedplate_diag::Span;
use bedplate_model::{Dependency, DependencyKind, DependencySet};

use crate::prep::SpecSource;

macro_rules! tags {
    ($($variant:ident $number:literal $rpm:literal $scalar:literal;)*) => {
        /// A tag of a package header.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Tag { $(#[doc = concat!("rpm's `RPMTAG_", $rpm, "`.")] $variant,)* }

        impl Tag {
            /// The name that rpm's messages use.
            pub fn rpm_name(self) -> &'static str {
                match self { $(Self::$variant => $rpm,)* }
            }

            /// rpm's number of the tag (`include/rpm/rpmtag.h`).
            fn number(self) -> u32 {
                match self { $(Self::$variant => $number,)* }
            }

            /// True if a second value of the tag is an error; the others are lists. A value in another language is no
            /// second value.
            fn is_scalar(self) -> bool {
                match self { $(Self::$variant => $scalar,)* }
            }
        }
    };
}

// In the order of rpm's tag numbers: that is the order in which duplicates are reported.
tags! {
    Name 1000 "Name" true;
    Version 1001 "Version" true;
    Release 1002 "Release" true;
    Epoch 1003 "Epoch" true;
    Summary 1004 "Summary" true;
    Description 1005 "Description" true;
    Distribution 1010 "Distribution" true;
    Vendor 1011 "Vendor" true;
    License 1014 "License" true;
    Packager 1015 "Packager" true;
    Group 1016 "Group" true;
    Url 1020 "URL" true;
    Arch 1022 "Arch" true;
    Prefixes 1098 "Prefixes" false;
    DistUrl 1123 "Disturl" true;
    DistTag 1155 "Disttag" true;
    BugUrl 5012 "Bugurl" true;
    Vcs 5034 "Vcs" true;
    TranslationUrl 5100 "Translationurl" true;
    UpstreamReleases 5101 "Upstreamreleases" true;
    ModularityLabel 5096 "Modularitylabel" true;
}

/// The value of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// One text.
    Text(String),
    /// Texts by language; the first is that of the locale C.
    Languages(Vec<String>),
    /// A number.
    Number(u32),
    /// Words, in the order given.
    Words(Vec<String>),
}

/// The tags of one package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    entries: Vec<(Tag, Value)>,
    /// Languages by name, numbered in the order of their first use; C is the first.
    languages: BTreeMap<String, usize>,
    /// Which of several values of a scalar rpm finds, as an index of `entries`.
    preferred: Vec<(Tag, usize)>,
}

impl Tags {
    /// The value of a tag. If it was given twice, which is a mistake, that which rpm would find.
    pub fn get(&self, tag: Tag) -> Option<&Value> {
        if let Some((_, at)) = self.preferred.iter().find(|(of, _)| *of == tag) {
            return Some(&self.entries[*at].1);
        }
        self.entries.iter().rev().find(|(of, _)| *of == tag).map(|(_, value)| value)
    }

    /// True if the tag has a value.
    pub fn has(&self, tag: Tag) -> bool {
        self.get(tag).is_some()
    }

    /// The text of a tag, for the locale C if it has languages.
    pub fn text(&self, tag: Tag) -> Option<&str> {
        match self.get(tag)? {
            Value::Text(text) => Some(text),
            Value::Languages(texts) => texts.first().map(String::as_str),
            Value::Number(_) | Value::Words(_) => None,
        }
    }

    /// The number of a tag.
    pub fn number(&self, tag: Tag) -> Option<u32> {
        match self.get(tag)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The words of a tag.
    pub fn words(&self, tag: Tag) -> &[String] {
        match self.get(tag) {
            Some(Value::Words(words)) => words,
            _ => &[],
        }
    }

    /// Adds a value: a second one of a scalar stands behind the first, words are appended.
    pub(crate) fn put(&mut self, tag: Tag, value: Value) {
        if let Value::Words(more) = &value
            && let Some((_, Value::Words(words))) = self.entries.iter_mut().find(|(of, _)| *of == tag)
        {
            words.extend(more.iter().cloned());
            return;
        }
        self.entries.push((tag, value));
    }

    pub(crate) fn put_text(&mut self, tag: Tag, text: &str) {
        self.put(tag, Value::Text(text.to_owned()));
    }

    /// Sets the text of a language, and says whether there was one.
    pub(crate) fn put_language(&mut self, tag: Tag, text: &str, language: &str) -> bool {
        if self.languages.is_empty() {
            self.languages.insert("C".to_owned(), 0);
        }
        let next = self.languages.len();
        let at = *self.languages.entry(language.to_owned()).or_insert(next);
        if !self.has(tag) {
            self.entries.push((tag, Value::Languages(Vec::new())));
        }
        let entry = self.entries.iter_mut().find(|(of, _)| *of == tag).map(|(_, value)| value);
        let Some(Value::Languages(texts)) = entry else { return true };
        if texts.len() <= at {
            texts.resize(at + 1, String::new());
        }
        let before = std::mem::replace(&mut texts[at], text.to_owned());
        !before.is_empty()
    }

    /// Takes over the tags that `other` has and this one lacks.
    pub(crate) fn inherit(&mut self, other: &Self, tags: &[Tag]) {
        for tag in tags.iter().filter(|tag| !self.has(**tag)).collect::<Vec<_>>() {
            self.entries.extend(other.get(*tag).map(|value| (*tag, value.clone())));
        }
    }

    /// Decides which of several values of a scalar is found.
    ///
    /// A header keeps both values of a tag that was given twice, and looks a tag up by halving its sorted index: which of
    /// the two it meets depends on how many other tags there are. `others` are the numbers of those that are not in here.
    /// Only rpm 4.20 and later have use for it: there a query passes over such a spec.
    pub(crate) fn settle_duplicates(&mut self, others: &[u32]) {
        self.preferred.clear();
        let duplicates = self.duplicates();
        if duplicates.is_empty() {
            return;
        }
        let own = self.entries.iter().enumerate().map(|(at, (tag, _))| (tag.number(), Some(at)));
        let table = (!self.languages.is_empty()).then_some((100, None));
        let mut index: Vec<(u32, Option<usize>)> =
            own.chain(table).chain(others.iter().map(|number| (*number, None))).collect();
        index.sort_by_key(|(number, _)| *number);
        for tag in duplicates {
            let (mut low, mut high) = (0, index.len());
            while low < high {
                let middle = usize::midpoint(low, high);
                match tag.number().cmp(&index[middle].0) {
                    std::cmp::Ordering::Less => high = middle,
                    std::cmp::Ordering::Greater => low = middle + 1,
                    std::cmp::Ordering::Equal => {
                        self.preferred.extend(index[middle].1.map(|at| (tag, at)));
                        break;
                    }
                }
            }
        }
    }

    /// The scalar tags that have more than one value, each once for every further value.
    pub(crate) fn duplicates(&self) -> Vec<Tag> {
        let mut tags: Vec<Tag> = self.entries.iter().map(|(tag, _)| *tag).filter(|tag| tag.is_scalar()).collect();
        tags.sort_unstable();
        tags.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect()
    }

    /// All texts, for the check of their encoding.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (Tag, &str)> {
        self.entries.iter().flat_map(|(tag, value)| {
            let texts: Vec<&str> = match value {
                Value::Text(text) => vec![text],
                Value::Languages(texts) | Value::Words(texts) => texts.iter().map(String::as_str).collect(),
                Value::Number(_) => Vec::new(),
            };
            texts.into_iter().map(|text| (*tag, text))
        })
    }
}

/// An entry of a changelog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangelogEntry {
    /// Seconds since 1970.
    pub time: i64,
    /// The rest of the star line.
    pub name: String,
    /// The body.
    pub text: String,
}

/// A scriptlet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Interpreter and its arguments.
    pub program: Vec<String>,
    /// The body; `None` if it has no text.
    pub body: Option<String>,
    /// The file of `-f`.
    pub file: Option<String>,
}

/// When a scriptlet runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScriptKind {
    /// `%pre`
    Pre,
    /// `%post`
    Post,
    /// `%preun`
    PreUn,
    /// `%postun`
    PostUn,
    /// `%pretrans`
    PreTrans,
    /// `%posttrans`
    PostTrans,
    /// `%preuntrans`
    PreUnTrans,
    /// `%postuntrans`
    PostUnTrans,
    /// `%verifyscript`
    Verify,
}

impl ScriptKind {
    /// The name in the JSON answer.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pre => "pre",
            Self::Post => "post",
            Self::PreUn => "preun",
            Self::PostUn => "postun",
            Self::PreTrans => "pretrans",
            Self::PostTrans => "posttrans",
            Self::PreUnTrans => "preuntrans",
            Self::PostUnTrans => "postuntrans",
            Self::Verify => "verify",
        }
    }
}

/// A trigger; its conditions are in the package's dependencies under the same index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Which of the three kinds.
    pub kind: DependencyKind,
    /// Index of its conditions.
    pub index: u32,
    /// The interpreter.
    pub program: String,
    /// The body, possibly empty.
    pub body: String,
    /// Priority of file triggers.
    pub priority: i64,
    /// The file of `-f`.
    pub file: Option<String>,
}

/// Where a dependency was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DependencyOrigin {
    /// The list that it is in.
    pub kind: DependencyKind,
    /// The dependency as it is in that list.
    pub dependency: Dependency,
    /// The words of the spec that it came from; those of a macro call, if a macro made it.
    pub span: Span,
}

/// One package of a spec: the source package or a binary one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Package {
    /// The name that section lines refer to.
    pub(crate) reference: Option<String>,
    /// Name, version, summary and the other simple tags.
    pub tags: Tags,
    /// Dependencies by kind.
    pub dependencies: Vec<(DependencyKind, DependencySet)>,
    /// Dependencies as a query shows them; empty where rpm stopped before it got there.
    pub(crate) shown: Vec<(DependencyKind, DependencySet)>,
    /// Where the dependencies were written, in the order of the spec; what rpm adds by itself has no origin.
    pub origins: Vec<DependencyOrigin>,
    /// Scriptlets in the order of the spec.
    pub scripts: Vec<(ScriptKind, Script)>,
    /// Triggers in the order of the spec.
    pub triggers: Vec<Trigger>,
    /// Lines of `%files` as they stand, with their newlines; `None` if there is no such section.
    pub files: Option<Vec<String>>,
    /// Names after `%files -f`.
    pub file_lists: Vec<String>,
    /// Lines of `%sepolicy`.
    pub policies: Vec<String>,
    /// Changelog, newest first.
    pub changelog: Vec<ChangelogEntry>,
    /// `AutoReq`: look for requirements in the files.
    pub auto_requires: Option<bool>,
    /// `AutoProv`: look for capabilities in the files.
    pub auto_provides: Option<bool>,
    /// `RemovePathPostfixes`.
    pub remove_path_postfixes: Vec<String>,
}

impl Package {
    /// The package's name.
    pub fn name(&self) -> &str {
        self.tags.text(Tag::Name).unwrap_or_default()
    }

    /// Dependencies of a kind as a query shows them.
    pub fn dependencies(&self, kind: DependencyKind) -> Option<&DependencySet> {
        self.shown.iter().find(|(of, _)| *of == kind).map(|(_, set)| set)
    }

    /// Where a dependency was first written; `None` for what rpm added by itself.
    pub fn origin(&self, kind: DependencyKind, dependency: &Dependency) -> Option<Span> {
        let found = self.origins.iter().find(|one| one.kind == kind && &one.dependency == dependency);
        found.map(|one| one.span)
    }

    pub(crate) fn dependencies_mut(&mut self, kind: DependencyKind) -> &mut DependencySet {
        let at = match self.dependencies.iter().position(|(of, _)| *of == kind) {
            Some(at) => at,
            None => {
                self.dependencies.push((kind, DependencySet::new()));
                self.dependencies.len() - 1
            }
        };
        &mut self.dependencies[at].1
    }

    /// `[epoch:]version-release`.
    pub fn evr(&self) -> String {
        let epoch = self.tags.number(Tag::Epoch).map(|epoch| format!("{epoch}:")).unwrap_or_default();
        let text = |tag| self.tags.text(tag).unwrap_or_default();
        format!("{epoch}{}-{}", text(Tag::Version), text(Tag::Release))
    }

    /// Numbers of the tags that a header has beside the simple ones, for [`Tags::settle_duplicates`].
    pub(crate) fn other_tags(&self) -> Vec<u32> {
        let mut numbers = Vec::new();
        for (kind, script) in &self.scripts {
            let (body, program) = match kind {
                ScriptKind::Pre => (1023, 1085),
                ScriptKind::Post => (1024, 1086),
                ScriptKind::PreUn => (1025, 1087),
                ScriptKind::PostUn => (1026, 1088),
                ScriptKind::PreTrans => (1151, 1153),
                ScriptKind::PostTrans => (1152, 1154),
                ScriptKind::PreUnTrans => (5103, 5105),
                ScriptKind::PostUnTrans => (5104, 5106),
                ScriptKind::Verify => (1079, 1091),
            };
            numbers.push(program);
            numbers.extend(script.body.as_ref().map(|_| body));
        }
        if !self.changelog.is_empty() {
            numbers.extend([1080, 1081, 1082]);
        }
        for (kind, _) in &self.shown {
            numbers.extend(match kind {
                DependencyKind::Requires => [1048, 1049, 1050],
                DependencyKind::Provides => [1047, 1112, 1113],
                DependencyKind::Conflicts => [1053, 1054, 1055],
                DependencyKind::Obsoletes => [1090, 1114, 1115],
                DependencyKind::Recommends => [5046, 5047, 5048],
                DependencyKind::Suggests => [5049, 5050, 5051],
                DependencyKind::Supplements => [5052, 5053, 5054],
                DependencyKind::Enhances => [5055, 5056, 5057],
                DependencyKind::Order => [5035, 5036, 5037],
                DependencyKind::Trigger => [1066, 1067, 1068],
                DependencyKind::FileTrigger => [5069, 5071, 5072],
                DependencyKind::TransFileTrigger => [5079, 5081, 5082],
            });
        }
        numbers
    }

    /// True if a build makes this package.
    pub fn is_built(&self) -> bool {
        self.files.is_some()
    }
}

/// A section of the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BuildSection {
    /// `%prep`
    Prep,
    /// `%conf`
    Conf,
    /// `%generate_buildrequires`
    GenerateBuildRequires,
    /// `%build`
    Build,
    /// `%install`
    Install,
    /// `%check`
    Check,
    /// `%clean`
    Clean,
}

impl BuildSection {
    /// All sections, in the order in which a build system fills them.
    pub const ALL: [Self; 7] =
        [Self::Prep, Self::Conf, Self::GenerateBuildRequires, Self::Build, Self::Install, Self::Check, Self::Clean];

    /// The name without its percent sign.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prep => "prep",
            Self::Conf => "conf",
            Self::GenerateBuildRequires => "generate_buildrequires",
            Self::Build => "build",
            Self::Install => "install",
            Self::Check => "check",
            Self::Clean => "clean",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.name() == name)
    }

    /// True if a build system has to define it.
    pub(crate) fn is_required(self) -> bool {
        matches!(self, Self::Build | Self::Install)
    }
}

/// A spec, evaluated for one architecture and one set of macros.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SourcePackage {
    /// The source package: its requirements are the build requirements.
    pub source: Package,
    /// Binary packages in the order of the spec, the main one first.
    pub packages: Vec<Package>,
    /// Sources and patches in the order in which rpm keeps them.
    pub sources: Vec<SpecSource>,
    /// Texts of the build sections after expansion.
    pub sections: Vec<(BuildSection, String)>,
    /// The whole spec after expansion, as `rpmspec -P` prints it.
    pub parsed: String,
    /// `ExcludeArch`.
    pub exclude_arch: Vec<String>,
    /// `ExclusiveArch`.
    pub exclusive_arch: Vec<String>,
    /// `ExcludeOS`.
    pub exclude_os: Vec<String>,
    /// `ExclusiveOS`.
    pub exclusive_os: Vec<String>,
    /// `BuildArch` of the main package.
    pub build_archs: Vec<String>,
    /// `BuildSystem`.
    pub build_system: Option<String>,
}

impl SourcePackage {
    /// The text of a section.
    pub fn section(&self, section: BuildSection) -> Option<&str> {
        self.sections.iter().find(|(of, _)| *of == section).map(|(_, text)| text.as_str())
    }
}

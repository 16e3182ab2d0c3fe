//! What a spec says: packages, their tags, dependencies, scripts and files.

use bedplate_model::{DependencyKind, DependencySet};

use crate::prep::SpecSource;

macro_rules! tags {
    ($($variant:ident $rpm:literal $scalar:literal;)*) => {
        /// A tag of a package header.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Tag { $(#[doc = concat!("rpm's `RPMTAG_", $rpm, "`.")] $variant,)* }

        impl Tag {
            /// The name that rpm's messages use.
            pub fn rpm_name(self) -> &'static str {
                match self { $(Self::$variant => $rpm,)* }
            }

            /// True if a second value of the tag is an error; the others are lists or have languages.
            fn is_scalar(self) -> bool {
                match self { $(Self::$variant => $scalar,)* }
            }
        }
    };
}

// In the order of rpm's tag numbers: that is the order in which duplicates are reported.
tags! {
    Name "Name" true;
    Version "Version" true;
    Release "Release" true;
    Epoch "Epoch" true;
    Summary "Summary" false;
    Description "Description" false;
    Distribution "Distribution" true;
    Vendor "Vendor" true;
    License "License" true;
    Packager "Packager" true;
    Group "Group" false;
    Url "URL" true;
    Arch "Arch" true;
    Prefixes "Prefixes" false;
    DistUrl "Disturl" true;
    DistTag "Disttag" true;
    BugUrl "Bugurl" true;
    Vcs "Vcs" true;
    TranslationUrl "Translationurl" true;
    UpstreamReleases "Upstreamreleases" true;
    ModularityLabel "Modularitylabel" true;
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
    /// Languages in the order of their first use; the first is C.
    languages: Vec<String>,
}

impl Tags {
    /// The first value of a tag.
    pub fn get(&self, tag: Tag) -> Option<&Value> {
        self.entries.iter().find(|(of, _)| *of == tag).map(|(_, value)| value)
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
            self.languages.push("C".to_owned());
        }
        let at = match self.languages.iter().position(|known| known == language) {
            Some(at) => at,
            None => {
                self.languages.push(language.to_owned());
                self.languages.len() - 1
            }
        };
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
        for tag in tags {
            if !self.has(*tag) {
                self.entries.extend(other.entries.iter().filter(|(of, _)| of == tag).cloned());
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

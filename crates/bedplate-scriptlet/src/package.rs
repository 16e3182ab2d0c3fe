//! What scripts need to know of a package: its dependencies, its files, its scripts and triggers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bedplate_model::{Dependency, DependencyKind, Nevra, Sense};

/// A package that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its full name.
    pub nevra: Nevra,
    /// `Provides`, in the order of the header.
    pub provides: Vec<Dependency>,
    /// Dependencies that order installations, in the order in which rpm looks at them: `Requires`, `Recommends`, `Suggests`,
    /// `Supplements`, `Enhances`, `OrderWithRequires`.
    pub wishes: Vec<Wish>,
    /// Its paths, in the order of the header, which is that of their bytes.
    pub files: Vec<File>,
    /// The colours of its dependencies: 1 for 32-bit programs, 2 for 64-bit ones, 0 if it has neither.
    pub color: u32,
    /// `Prefix`: where its files may be relocated to; scripts see it as `RPM_INSTALL_PREFIX0` and so on.
    pub prefixes: Vec<String>,
    /// Its scripts.
    pub scripts: BTreeMap<ScriptKind, Script>,
    /// `%triggerprein`, `%triggerin` and the like.
    pub triggers: Triggers,
    /// `%filetriggerin` and the like.
    pub file_triggers: Triggers,
    /// `%transfiletriggerin` and the like.
    pub transaction_file_triggers: Triggers,
}

/// A dependency that may say something about the order of installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Its kind.
    pub kind: DependencyKind,
    /// What is wished for.
    pub dependency: Dependency,
    /// The colours of the files that have it.
    pub color: u32,
}

/// A path of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path from the root, with a slash at its start.
    pub path: String,
    /// Where it leads, for a symbolic link.
    pub target: Option<String>,
    /// `%ghost`: it belongs to the package, which does not bring it.
    pub is_ghost: bool,
    /// False for what is left out on purpose: documentation, locales, programs of another colour.
    pub is_installed: bool,
}

/// The scripts of a package that run when it is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScriptKind {
    /// `%pretrans`: before the first package.
    Pretrans,
    /// `%pre`: before the files of the package.
    Pre,
    /// `%post`: after the files of the package.
    Post,
    /// `%posttrans`: after the last package.
    Posttrans,
}

/// A script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// The interpreter and its arguments: `/bin/sh`, `<lua>`, or a program that runs alone (`-p /sbin/ldconfig`).
    pub program: Vec<String>,
    /// Its text; none for a program that runs alone.
    pub body: Option<Vec<u8>>,
    /// `RPMSCRIPT_FLAG_*` of `lib/rpmscript.h`.
    pub flags: u32,
}

/// Triggers of one sort, as a header has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Triggers {
    /// What sets them off, in the order of the header: names of packages with versions, or starts of paths. Each says which of
    /// `scripts` it belongs to (`trigger_index`) and when that runs (its qualifiers).
    pub conditions: Vec<Dependency>,
    /// The scripts.
    pub scripts: Vec<Script>,
    /// The priorities of file triggers, in the order of `scripts`.
    pub priorities: Vec<u32>,
}

impl Script {
    /// Run-time expansion of macros (`%post -e`).
    pub const EXPAND: u32 = 1;
    /// Run-time expansion of query formats (`%post -q`).
    pub const QUERY_FORMAT: u32 = 2;

    /// True if rpm's own Lua runs it.
    #[must_use]
    pub fn is_lua(&self) -> bool {
        self.program.first().is_some_and(|program| program == "<lua>")
    }

    /// The text, as well as it can be shown.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        self.body.as_deref().map_or(Cow::Borrowed(""), String::from_utf8_lossy)
    }
}

impl Triggers {
    /// The priority of a file trigger; rpm's default if the package does not say.
    pub(crate) fn priority(&self, script: u32) -> u32 {
        const DEFAULT: u32 = 1_000_000;
        self.priorities.get(script as usize).copied().unwrap_or(DEFAULT)
    }

    /// The conditions of one script, in their order.
    pub(crate) fn conditions_of(&self, script: u32) -> impl Iterator<Item = &Dependency> {
        self.conditions.iter().filter(move |condition| condition.trigger_index == Some(script))
    }

    /// The scripts whose first condition has this qualifier: rpm looks at the first alone.
    pub(crate) fn scripts_for(&self, sense: Sense) -> impl Iterator<Item = u32> {
        let count = u32::try_from(self.scripts.len()).unwrap_or(u32::MAX);
        (0..count)
            .filter(move |script| self.conditions_of(*script).next().is_some_and(|first| first.sense.intersects(sense)))
    }
}

impl Package {
    /// A package without files, dependencies and scripts; it does not even provide itself.
    #[must_use]
    pub fn new(nevra: Nevra) -> Self {
        Self {
            nevra,
            provides: Vec::new(),
            wishes: Vec::new(),
            files: Vec::new(),
            color: 0,
            prefixes: Vec::new(),
            scripts: BTreeMap::new(),
            triggers: Triggers::default(),
            file_triggers: Triggers::default(),
            transaction_file_triggers: Triggers::default(),
        }
    }

    /// Its name without version.
    #[must_use]
    pub fn name(&self) -> &str {
        self.nevra.name().as_str()
    }

    /// True if it has nothing to run.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.scripts.is_empty()
            && [&self.triggers, &self.file_triggers, &self.transaction_file_triggers]
                .iter()
                .all(|triggers| triggers.scripts.is_empty())
    }

    /// Marks the files that are not installed, by their paths.
    pub fn leave_out(&mut self, is_left_out: impl Fn(&str) -> bool) {
        for file in &mut self.files {
            file.is_installed &= !is_left_out(&file.path);
        }
    }
}

impl ScriptKind {
    /// All, in the order in which they run.
    pub const ALL: [Self; 4] = [Self::Pretrans, Self::Pre, Self::Post, Self::Posttrans];

    /// Its name in a spec.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pretrans => "%pretrans",
            Self::Pre => "%pre",
            Self::Post => "%post",
            Self::Posttrans => "%posttrans",
        }
    }
}

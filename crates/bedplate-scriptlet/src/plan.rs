//! Which scripts run, in rpm's order, with what rpm hands them.
//!
//! ```text
//! all packages    %pretrans
//! each package    %triggerprein of others and its own, %pre, [its files], %filetriggerin ≥ 10000 of others and its own,
//!                 %post, %triggerin of others and its own, %filetriggerin < 10000 of others and its own
//! all packages    %posttrans
//! all packages    %transfiletriggerin of each
//! ```
//!
//! That is `rpmtsRun` of `lib/transaction.c`, `rpmPackageInstall` of `lib/psm.c` and `lib/rpmtriggers.c`, for a root with an empty
//! database. What looks odd below is odd there.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use bedplate_model::Sense;

use crate::links::Links;
use crate::{Native, Package, Rpm, Script, ScriptKind, Triggers, classify};

/// From this priority on, file triggers run before `%post`.
const EARLY: u32 = 10_000;

/// A script that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<'a> {
    /// Whose script it is.
    pub owner: Owner<'a>,
    /// Which of its scripts.
    pub kind: StepKind,
    /// The script.
    pub script: &'a Script,
    /// `$1`, `$2` and so on. Scripts of packages get numbers: how many packages of its name there are, and for triggers how many of
    /// the one that set it off.
    pub arguments: Vec<String>,
    /// The package that set a trigger off, if it is one.
    pub cause: Option<usize>,
    /// Paths on standard input: file triggers get those that set them off.
    pub input: Vec<&'a str>,
}

/// Whose a script is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// A package's: its place in the list of packages.
    Package(usize),
    /// An image config's, which calls it so.
    Config(&'a str),
}

impl Step<'_> {
    /// ``%post of NAME-VERSION-RELEASE.ARCH``, ``script `NAME` ``
    #[must_use]
    pub fn title(&self, packages: &[Package]) -> String {
        match self.owner {
            Owner::Package(package) => format!("{} of {}", self.kind.name(), packages[package].nevra),
            Owner::Config(name) => format!("{} `{name}`", self.kind.name()),
        }
    }

    /// What is done for the whole image instead of a run ([`classify`]). What a config says is always run: it comes after that.
    #[must_use]
    pub fn natives(&self) -> Option<BTreeSet<Native>> {
        match self.owner {
            Owner::Package(_) => classify(self.script, &self.arguments),
            Owner::Config(_) => None,
        }
    }
}

/// When a script runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepKind {
    /// A script of its package.
    Script(ScriptKind),
    /// A script of an image config.
    Config,
    /// `%triggerprein`: before another package.
    TriggerPrein,
    /// `%triggerin`: after another package.
    TriggerIn,
    /// `%filetriggerin`: after a package with certain files.
    FileTriggerIn,
    /// `%transfiletriggerin`: after all packages, if one has certain files.
    TransactionFileTriggerIn,
}

impl StepKind {
    /// Its name in a spec.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Script(kind) => kind.name(),
            Self::Config => "script",
            Self::TriggerPrein => "%triggerprein",
            Self::TriggerIn => "%triggerin",
            Self::FileTriggerIn => "%filetriggerin",
            Self::TransactionFileTriggerIn => "%transfiletriggerin",
        }
    }
}

/// The scripts that run when these packages are installed in this order ([`crate::order()`]).
#[must_use]
pub fn plan<'a>(packages: &'a [Package], order: &[usize], rpm: Rpm) -> Vec<Step<'a>> {
    if packages.iter().all(Package::is_silent) {
        return Vec::new();
    }
    let mut plan = Plan {
        packages,
        rpm,
        shared: shared_files(packages, order),
        installed: Vec::new(),
        counts: HashMap::new(),
        steps: Vec::new(),
    };
    for package in order {
        plan.script(*package, ScriptKind::Pretrans, 1);
    }
    for package in order {
        plan.install(*package);
    }
    for package in order {
        plan.script(*package, ScriptKind::Posttrans, plan.count(*package));
    }
    for package in order {
        plan.own_file_triggers(*package, plan.count(*package), StepKind::TransactionFileTriggerIn, |_| true);
    }
    plan.steps
}

/// For each package which of its files rpm does not write, because another package brought the same before:
/// `handleOverlappedFiles` of `lib/transaction.c`. Triggers of single packages do not see those. rpm only looks at the last package
/// that has the file, so of three the third one writes it again.
fn shared_files(packages: &[Package], order: &[usize]) -> Vec<Vec<bool>> {
    let mut shared: Vec<Vec<bool>> = packages.iter().map(|package| vec![false; package.files.len()]).collect();
    if packages.iter().all(|package| package.file_triggers.scripts.is_empty()) {
        return shared;
    }
    let links = Links::of(packages);
    // Whether the last one that has a path wrote it.
    let mut written: HashMap<String, bool> = HashMap::new();
    for package in order {
        for (at, file) in packages[*package].files.iter().enumerate() {
            let last = written.entry(links.real(&file.path)).or_default();
            shared[*package][at] = *last && file.is_installed;
            *last = file.is_installed && !*last && !file.is_ghost;
        }
    }
    shared
}

struct Plan<'a> {
    packages: &'a [Package],
    rpm: Rpm,
    shared: Vec<Vec<bool>>,
    /// What rpm's database would have by now, in its order.
    installed: Vec<usize>,
    /// How many packages of each name there are in it.
    counts: HashMap<&'a str, usize>,
    steps: Vec<Step<'a>>,
}

impl<'a> Plan<'a> {
    fn count(&self, package: usize) -> usize {
        self.counts.get(self.packages[package].name()).copied().unwrap_or_default()
    }

    fn script(&mut self, package: usize, kind: ScriptKind, argument: usize) {
        if let Some(script) = self.packages[package].scripts.get(&kind) {
            let kind = StepKind::Script(kind);
            let (owner, arguments) = (Owner::Package(package), vec![argument.to_string()]);
            self.steps.push(Step { owner, kind, script, arguments, cause: None, input: Vec::new() });
        }
    }

    fn install(&mut self, package: usize) {
        let argument = self.count(package) + 1;
        self.triggers_of_others(package, StepKind::TriggerPrein);
        self.own_triggers(package, StepKind::TriggerPrein);
        self.script(package, ScriptKind::Pre, argument);
        self.installed.push(package);
        *self.counts.entry(self.packages[package].name()).or_default() += 1;
        self.file_triggers(package, argument, |priority| priority >= EARLY);
        self.own_file_triggers(package, argument, StepKind::FileTriggerIn, |priority| priority >= EARLY);
        self.script(package, ScriptKind::Post, argument);
        self.triggers_of_others(package, StepKind::TriggerIn);
        self.own_triggers(package, StepKind::TriggerIn);
        self.file_triggers(package, argument, |priority| priority < EARLY);
        self.own_file_triggers(package, argument, StepKind::FileTriggerIn, |priority| priority < EARLY);
    }

    /// `runTriggers`: those of packages that are there, the package itself among them.
    fn triggers_of_others(&mut self, package: usize, kind: StepKind) {
        let arrived = self.count(package);
        for owner in self.installed.clone() {
            self.trigger(owner, package, kind, arrived, &mut Vec::new());
        }
    }

    /// `runImmedTriggers`: those of the package that others set off, which are there.
    fn own_triggers(&mut self, package: usize, kind: StepKind) {
        let mut done = Vec::new();
        for condition in &self.packages[package].triggers.conditions {
            if done.contains(&condition.trigger_index) {
                continue;
            }
            let is_named = |other: &&usize| self.packages[**other].name() == condition.name;
            let named: Vec<usize> = self.installed.iter().filter(is_named).copied().collect();
            for source in &named {
                self.trigger(package, *source, kind, named.len(), &mut done);
            }
        }
    }

    /// `handleOneTrigger`: the first trigger of `owner` that `source` sets off, unless it is done.
    fn trigger(&mut self, owner: usize, source: usize, kind: StepKind, arrived: usize, done: &mut Vec<Option<u32>>) {
        let sense = if kind == StepKind::TriggerPrein { Sense::TRIGGERPREIN } else { Sense::TRIGGERIN };
        let (triggers, source_package) = (&self.packages[owner].triggers, &self.packages[source]);
        let condition = triggers.conditions.iter().find(|condition| {
            condition.sense.intersects(sense)
                && condition.name == source_package.name()
                && source_package.provides.iter().any(|provided| provided.overlaps(condition))
        });
        let Some(index) = condition.and_then(|condition| condition.trigger_index) else { return };
        if done.contains(&Some(index)) {
            return;
        }
        done.push(Some(index));
        self.steps.push(Step {
            owner: Owner::Package(owner),
            kind,
            script: &triggers.scripts[index as usize],
            arguments: vec![self.count(owner).to_string(), arrived.to_string()],
            cause: Some(source),
            input: Vec::new(),
        });
    }

    /// `runFileTriggers`: those of packages that are there, the package itself among them, for the files of the package.
    fn file_triggers(&mut self, package: usize, argument: usize, is_wanted: impl Fn(u32) -> bool) {
        let mut found = Vec::new();
        for (instance, owner) in self.installed.iter().enumerate() {
            let triggers = &self.packages[*owner].file_triggers;
            for script in triggers.scripts_for(Sense::TRIGGERIN) {
                let priority = triggers.priority(script);
                if is_wanted(priority) {
                    found.push((Reverse(priority), instance, script));
                }
            }
        }
        found.sort_unstable();
        for (_, instance, script) in found {
            let owner = self.installed[instance];
            let triggers = &self.packages[owner].file_triggers;
            let files = &self.packages[package].files;
            let shared = &self.shared[package];
            let mut input = Vec::new();
            for condition in triggers.conditions_of(script) {
                let is_meant = |(at, file): &(usize, &crate::File)| {
                    file.is_installed && !shared[*at] && file.path.starts_with(&condition.name)
                };
                input.extend(files.iter().enumerate().filter(is_meant).map(|(_, file)| file.path.as_str()));
            }
            let arguments = self.numbers(self.count(owner), Some(argument));
            self.file_trigger(owner, StepKind::FileTriggerIn, triggers, script, arguments, Some(package), input);
        }
    }

    /// `runImmedFileTriggers`: those of the package for the files of all that are there.
    fn own_file_triggers(&mut self, package: usize, argument: usize, kind: StepKind, is_wanted: impl Fn(u32) -> bool) {
        let is_of_transaction = kind == StepKind::TransactionFileTriggerIn;
        let triggers = match is_of_transaction {
            true => &self.packages[package].transaction_file_triggers,
            false => &self.packages[package].file_triggers,
        };
        let mut scripts: Vec<u32> =
            triggers.scripts_for(Sense::TRIGGERIN).filter(|script| is_wanted(triggers.priority(*script))).collect();
        scripts.sort_by_key(|script| Reverse(triggers.priority(*script)));
        for script in scripts {
            let (mut input, mut first) = (Vec::new(), None);
            for condition in triggers.conditions_of(script) {
                for owner in &self.installed {
                    // While a package is installed, rpm does not know the state of its files.
                    if *owner == package && !is_of_transaction {
                        continue;
                    }
                    let before = input.len();
                    input.extend(files_below(&self.packages[*owner], &condition.name));
                    if input.len() > before && first.is_none() {
                        first = Some(*owner);
                    }
                }
            }
            let other = if is_of_transaction { None } else { first.map(|first| self.count(first)) };
            let arguments = self.numbers(argument, other);
            self.file_trigger(package, kind, triggers, script, arguments, first, input);
        }
    }

    fn numbers(&self, own: usize, other: Option<usize>) -> Vec<String> {
        let numbers = if self.rpm >= Rpm::V4_20 { [own].into_iter().chain(other).collect() } else { vec![0] };
        numbers.iter().map(usize::to_string).collect()
    }

    #[expect(clippy::too_many_arguments, reason = "the two callers compute all of it in different ways")]
    fn file_trigger(
        &mut self,
        package: usize,
        kind: StepKind,
        triggers: &'a Triggers,
        script: u32,
        arguments: Vec<String>,
        cause: Option<usize>,
        input: Vec<&'a str>,
    ) {
        if input.is_empty() {
            return;
        }
        let owner = Owner::Package(package);
        self.steps.push(Step { owner, kind, script: &triggers.scripts[script as usize], arguments, cause, input });
    }
}

/// The files of a package below a start of a path, as rpm finds them in its database: by the folders that the package has files in.
fn files_below<'a>(package: &'a Package, start: &str) -> impl Iterator<Item = &'a str> {
    let is_folder = |file: &crate::File| {
        let folder = file.path.rfind('/').map_or("", |slash| &file.path[..=slash]);
        folder.starts_with(start)
    };
    let has_folder = package.files.iter().any(is_folder);
    let files = package.files.iter().filter(move |_| has_folder);
    let start = start.to_owned();
    files.filter(move |file| file.is_installed && file.path.starts_with(&start)).map(|file| file.path.as_str())
}

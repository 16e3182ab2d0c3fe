//! Checks a set of packages without any solver.
//!
//! Every dependency is looked at on its own, as rpm would before it installs the set: a rich one by direct recursion
//! (`unsatisfiedDepend` of `lib/depends.c`). Nothing here is shared with the search, so that a mistake in the one shows in
//! the other.

use std::collections::{HashMap, HashSet};
use std::fmt;

use bedplate_model::{BinaryPackage, Dependency, DependencyKind, RichDependency, Sense, parse_rich};

use crate::request::{Item, Request, Wanted};
use crate::universe::{PackageId, Universe};

/// Something that is wrong with a set of packages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// An item of the request is not met.
    Missing {
        /// The item.
        item: String,
    },
    /// A requirement of a package is not met.
    Unsatisfied {
        /// The package.
        package: String,
        /// What it requires.
        dependency: String,
    },
    /// A conflict of a package strikes.
    Conflict {
        /// The package.
        package: String,
        /// What it conflicts with.
        dependency: String,
    },
    /// A package obsoletes another one of the set.
    Obsolete {
        /// The package.
        package: String,
        /// What it obsoletes.
        obsoleted: String,
    },
    /// Two packages of one name.
    SameName {
        /// A package.
        package: String,
        /// Another one.
        other: String,
    },
    /// A package that the options forbid.
    Forbidden {
        /// The package.
        package: String,
        /// The option.
        why: &'static str,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { item } => write!(f, "nothing meets `{item}`"),
            Self::Unsatisfied { package, dependency } => write!(f, "{package} requires `{dependency}`"),
            Self::Conflict { package, dependency } => write!(f, "{package} conflicts with `{dependency}`"),
            Self::Obsolete { package, obsoleted } => write!(f, "{package} obsoletes {obsoleted}"),
            Self::SameName { package, other } => write!(f, "{package} and {other} cannot be there together"),
            Self::Forbidden { package, why } => write!(f, "{package} may not be used: {why}"),
        }
    }
}

/// All that is wrong with a set of packages as an answer to a request; sorted.
pub fn check(universe: &Universe, packages: &[PackageId], request: &Request) -> Vec<Violation> {
    let set: HashSet<PackageId> = packages.iter().copied().collect();
    let there = There::new(universe, &set);
    let usable = |id: PackageId| forbidden(universe, id, request).is_none();
    let mut found = Vec::new();
    for item in &request.install {
        if !there.meets(item) {
            found.push(Violation::Missing { item: item.text().to_owned() });
        }
    }
    for id in &set {
        let package = universe.package(*id);
        let shown = package.to_string();
        for dependency in &package.requires {
            if !dependency.sense.contains(Sense::MISSINGOK) && !there.requirement_holds(dependency) {
                let dependency = dependency.to_string();
                found.push(Violation::Unsatisfied { package: shown.clone(), dependency });
            }
        }
        for dependency in &package.conflicts {
            if there.conflict_strikes(dependency, *id, &usable) {
                found.push(Violation::Conflict { package: shown.clone(), dependency: dependency.to_string() });
            }
        }
        for dependency in package.obsoletes.iter().filter(|one| one.name != package.name()) {
            for other in &set {
                let other = universe.package(*other);
                let whole = Dependency::new(other.name(), other.nevra.evr().to_string(), Sense::EQUAL);
                if whole.overlaps(dependency) {
                    found.push(Violation::Obsolete { package: shown.clone(), obsoleted: other.to_string() });
                }
            }
        }
        found.extend(forbidden(universe, *id, request).map(|why| Violation::Forbidden { package: shown.clone(), why }));
        for other in set.iter().filter(|other| *id < **other) {
            if exclude_each_other(package, universe.package(*other), request) {
                let other = universe.package(*other).to_string();
                found.push(Violation::SameName { package: shown.clone(), other });
            }
        }
    }
    found.sort();
    found
}

fn forbidden(universe: &Universe, id: PackageId, request: &Request) -> Option<&'static str> {
    let (options, nevra) = (&request.options, &universe.package(id).nevra);
    let (repository, _) = universe.repository_name(universe.repository(id));
    let mut locks = options.locked.iter().filter(|one| one.nevra.name() == nevra.name()).peekable();
    if !options.architectures.iter().any(|arch| arch == nevra.arch().as_str()) {
        Some("architecture")
    } else if options.exclude.iter().any(|pattern| pattern.takes(nevra)) {
        Some("excluded")
    } else if locks.peek().is_some()
        && !locks.any(|one| one.nevra == *nevra && one.repository.as_deref().is_none_or(|name| name == repository))
    {
        Some("locked to another")
    } else {
        None
    }
}

fn exclude_each_other(a: &BinaryPackage, b: &BinaryPackage, request: &Request) -> bool {
    if a.name() != b.name() {
        return false;
    }
    if a.nevra == b.nevra {
        return true;
    }
    if request.options.multi_version.iter().any(|pattern| pattern.takes_name(a.name())) {
        return false;
    }
    let narrow = |package: &BinaryPackage| {
        let arch = package.nevra.arch().as_str();
        arch.starts_with("armv")
            || ["i386", "i486", "i586", "i686", "athlon", "geode", "pentium3", "pentium4"].contains(&arch)
            || ["s390", "ppc", "sparc", "sparcv8", "sparcv9"].contains(&arch)
    };
    let neutral = a.nevra.arch().is_noarch() || b.nevra.arch().is_noarch();
    neutral || narrow(a) == narrow(b)
}

/// True if a requirement of a package (or a recommendation) holds in a set of packages.
pub fn holds(universe: &Universe, set: &HashSet<PackageId>, dependency: &Dependency) -> bool {
    There::new_for(universe, set, dependency).requirement_holds(dependency)
}

/// Whether a part of a conflict holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Truth {
    No,
    /// Only by what the package with the conflict provides itself.
    Own,
    Yes,
    /// Whatever is installed: it says that something is not there which no package provides. It has no part in who makes a
    /// conflict strike.
    Always,
}

impl Truth {
    fn and(parts: impl IntoIterator<Item = Self>) -> Self {
        let counting: Vec<Self> = parts.into_iter().filter(|part| *part != Self::Always).collect();
        if counting.is_empty() {
            Self::Always
        } else if counting.contains(&Self::No) {
            Self::No
        } else if counting.contains(&Self::Yes) {
            Self::Yes
        } else {
            Self::Own
        }
    }

    fn or(parts: impl IntoIterator<Item = Self>) -> Self {
        parts.into_iter().max().unwrap_or(Self::No)
    }
}

/// The packages that are there, by what they provide.
pub(crate) struct There<'u> {
    universe: &'u Universe,
    provides: HashMap<&'u str, Vec<(PackageId, &'u Dependency)>>,
    files: HashMap<&'u str, Vec<PackageId>>,
}

impl<'u> There<'u> {
    /// All that the packages provide.
    pub(crate) fn new(universe: &'u Universe, set: &HashSet<PackageId>) -> Self {
        Self::with(universe, set, |_| true)
    }

    /// Only what the names in one dependency need.
    fn new_for(universe: &'u Universe, set: &HashSet<PackageId>, dependency: &Dependency) -> Self {
        let text = dependency.name.as_str();
        Self::with(universe, set, |name| text == name || (dependency.is_rich() && text.contains(name)))
    }

    fn with(universe: &'u Universe, set: &HashSet<PackageId>, matters: impl Fn(&str) -> bool) -> Self {
        let mut all = Self { universe, provides: HashMap::new(), files: HashMap::new() };
        for id in set {
            let package = universe.package(*id);
            for provided in package.provides.iter().filter(|one| matters(&one.name)) {
                all.provides.entry(provided.name.as_str()).or_default().push((*id, provided));
            }
            for file in package.files.iter().filter(|one| matters(&one.path)) {
                all.files.entry(file.path.as_str()).or_default().push(*id);
            }
        }
        all
    }

    fn providers(&self, wanted: &Dependency) -> HashSet<PackageId> {
        let offers = self.provides.get(wanted.name.as_str()).into_iter().flatten();
        let mut found: HashSet<PackageId> =
            offers.filter(|(_, offer)| offer.overlaps(wanted)).map(|(id, _)| *id).collect();
        if wanted.sense.relation().is_empty() {
            found.extend(self.files.get(wanted.name.as_str()).into_iter().flatten());
        }
        found
    }

    fn meets(&self, item: &Item) -> bool {
        match item.wanted() {
            Wanted::Rich(tree) => self.rich_holds(tree),
            Wanted::Simple(dependency) => {
                let full_name = || {
                    let meant = self.universe.providers(dependency).is_empty();
                    let mut there = self.provides.values().flatten().map(|(id, _)| self.universe.package(*id));
                    meant && there.any(|package| package.nevra.to_string() == dependency.name)
                };
                !self.providers(dependency).is_empty() || full_name()
            }
        }
    }

    fn requirement_holds(&self, dependency: &Dependency) -> bool {
        if dependency.name.starts_with("rpmlib(") {
            return crate::rpmlib::is_provided(dependency);
        }
        if !dependency.is_rich() {
            return !self.providers(dependency).is_empty();
        }
        let tree = parse_rich(&dependency.name, DependencyKind::Requires);
        tree.is_ok_and(|(tree, rest)| rest.trim().is_empty() && self.rich_holds(&tree))
    }

    fn conflict_strikes(&self, dependency: &Dependency, owner: PackageId, usable: &dyn Fn(PackageId) -> bool) -> bool {
        if !dependency.is_rich() {
            return self.providers(dependency).iter().any(|id| *id != owner);
        }
        match parse_rich(&dependency.name, DependencyKind::Conflicts) {
            Ok((tree, rest)) if rest.trim().is_empty() => {
                let everything = self.universe.packages().map(|(id, _)| id).filter(|id| usable(*id)).collect();
                let possible = Self::with(self.universe, &everything, |name| dependency.name.contains(name));
                self.truth(&tree, owner, &possible).0 >= Truth::Yes
            }
            _ => true,
        }
    }

    /// True if a rich requirement holds.
    pub(crate) fn rich_holds(&self, tree: &RichDependency) -> bool {
        match tree {
            RichDependency::Single { .. } | RichDependency::With(_) | RichDependency::Without(..) => {
                !self.select(tree).is_empty()
            }
            RichDependency::Group(one) | RichDependency::Else(one, _) => self.rich_holds(one),
            RichDependency::And(parts) => parts.iter().all(|part| self.rich_holds(part)),
            RichDependency::Or(parts) => parts.iter().any(|part| self.rich_holds(part)),
            RichDependency::If { then, condition, otherwise } => {
                if self.rich_holds(condition) {
                    self.rich_holds(then)
                } else {
                    otherwise.as_ref().is_none_or(|otherwise| self.rich_holds(otherwise))
                }
            }
            RichDependency::Unless { then, condition, otherwise } => {
                if self.rich_holds(condition) {
                    otherwise.as_ref().is_some_and(|otherwise| self.rich_holds(otherwise))
                } else {
                    self.rich_holds(then)
                }
            }
        }
    }

    /// Whether a part holds, and whether its negation does.
    fn truth(&self, tree: &RichDependency, owner: PackageId, possible: &Self) -> (Truth, Truth) {
        let both = |parts: &[(Truth, Truth)]| {
            (Truth::and(parts.iter().map(|part| part.0)), Truth::or(parts.iter().map(|part| part.1)))
        };
        let some = |parts: &[(Truth, Truth)]| {
            (Truth::or(parts.iter().map(|part| part.0)), Truth::and(parts.iter().map(|part| part.1)))
        };
        let not = |(yes, no): (Truth, Truth)| (no, yes);
        match tree {
            RichDependency::Single { .. } | RichDependency::With(_) | RichDependency::Without(..) => {
                let selected = self.select(tree);
                if possible.select(tree).is_empty() {
                    (Truth::No, Truth::Always)
                } else if selected.is_empty() {
                    (Truth::No, Truth::Yes)
                } else if selected.iter().any(|id| *id != owner) {
                    (Truth::Yes, Truth::No)
                } else {
                    (Truth::Own, Truth::No)
                }
            }
            RichDependency::Group(one) | RichDependency::Else(one, _) => self.truth(one, owner, possible),
            RichDependency::And(parts) => {
                both(&parts.iter().map(|part| self.truth(part, owner, possible)).collect::<Vec<_>>())
            }
            RichDependency::Or(parts) => {
                some(&parts.iter().map(|part| self.truth(part, owner, possible)).collect::<Vec<_>>())
            }
            RichDependency::If { then, condition, otherwise } => {
                let condition = self.truth(condition, owner, possible);
                let first = some(&[self.truth(then, owner, possible), not(condition)]);
                match otherwise {
                    Some(otherwise) => both(&[first, some(&[self.truth(otherwise, owner, possible), condition])]),
                    None => first,
                }
            }
            RichDependency::Unless { then, condition, otherwise } => {
                let condition = self.truth(condition, owner, possible);
                let first = both(&[self.truth(then, owner, possible), not(condition)]);
                match otherwise {
                    Some(otherwise) => some(&[first, both(&[self.truth(otherwise, owner, possible), condition])]),
                    None => first,
                }
            }
        }
    }

    /// The packages that a part selects, where it has to be one package that provides all (`unsatisfiedDependSet`).
    fn select(&self, tree: &RichDependency) -> HashSet<PackageId> {
        match tree {
            RichDependency::Single { name, sense, evr } => {
                self.providers(&Dependency::new(name.clone(), evr.clone(), *sense))
            }
            RichDependency::Group(one) => self.select(one),
            RichDependency::Or(parts) => parts.iter().flat_map(|part| self.select(part)).collect(),
            RichDependency::With(parts) => {
                let sets: Vec<HashSet<PackageId>> = parts.iter().map(|part| self.select(part)).collect();
                let first = sets.first().cloned().unwrap_or_default();
                first.into_iter().filter(|id| sets.iter().all(|set| set.contains(id))).collect()
            }
            RichDependency::Without(all, but) => {
                let but = self.select(but);
                self.select(all).into_iter().filter(|id| !but.contains(id)).collect()
            }
            _ => HashSet::new(),
        }
    }
}

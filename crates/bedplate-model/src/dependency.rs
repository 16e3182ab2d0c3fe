//! A dependency and the sorted set of a package's dependencies of one kind.

use std::cmp::Ordering;
use std::fmt;

use crate::strings::byte_order;
use crate::{LooseEvr, Sense};

/// The tags that hold dependencies: `depTypes` of `lib/rpmds.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DependencyKind {
    /// `Requires`; also `BuildRequires`, `PreReq` and `BuildPreReq`.
    Requires,
    /// `Provides`.
    Provides,
    /// `Conflicts`; also `BuildConflicts`.
    Conflicts,
    /// `Obsoletes`.
    Obsoletes,
    /// `Recommends`.
    Recommends,
    /// `Suggests`.
    Suggests,
    /// `Supplements`.
    Supplements,
    /// `Enhances`.
    Enhances,
    /// `OrderWithRequires`.
    Order,
    /// The conditions of `%triggerin` and its kin.
    Trigger,
    /// The conditions of `%filetriggerin` and its kin.
    FileTrigger,
    /// The conditions of `%transfiletriggerin` and its kin.
    TransFileTrigger,
}

/// One dependency as it stands in a package header. A rich dependency is a name with brackets and without a version.
///
/// It displays as `NAME`, `NAME OP EVR`, and then ` [qualifier,…]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dependency {
    /// Name of the capability, path, or rich dependency.
    pub name: String,
    /// Version after the relation; empty if there is none.
    pub evr: String,
    /// Relation and qualifiers.
    pub sense: Sense,
    /// Which of the package's triggers of this kind has this condition.
    pub trigger_index: Option<u32>,
}

impl Dependency {
    /// A dependency that is no trigger's condition.
    pub fn new(name: impl Into<String>, evr: impl Into<String>, sense: Sense) -> Self {
        Self { name: name.into(), evr: evr.into(), sense, trigger_index: None }
    }

    /// True for a rich dependency: `rpmdsIsRich` of `lib/rpmds.c`.
    pub fn is_rich(&self) -> bool {
        self.name.starts_with('(')
    }

    /// True if the two have the same name and a version in common: `rpmdsCompare` of `lib/rpmds.c`. One that has no
    /// relation or no version fits any.
    pub fn overlaps(&self, other: &Self) -> bool {
        if self.name != other.name {
            return false;
        }
        if self.sense.relation().is_empty() || other.sense.relation().is_empty() {
            return true;
        }
        match (LooseEvr::parse(&self.evr), LooseEvr::parse(&other.evr)) {
            (Some(evr), Some(against)) => evr.overlaps(self.sense, &against, other.sense),
            _ => true,
        }
    }

    /// The order of `doFind` in `lib/rpmds.c`: name, version and flags as bytes and numbers, then the trigger.
    fn order(&self, other: &Self) -> Ordering {
        byte_order(&self.name, &other.name)
            .then_with(|| byte_order(&self.evr, &other.evr))
            .then_with(|| self.sense.cmp(&other.sense))
            .then_with(|| self.trigger_index.cmp(&other.trigger_index))
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.sense.relation().is_empty() {
            write!(f, " {} {}", self.sense, self.evr)?;
        }
        for (place, word) in self.sense.words().enumerate() {
            f.write_str(if place == 0 { " [" } else { "," })?;
            f.write_str(word)?;
        }
        if self.sense.words().next().is_some() {
            f.write_str("]")?;
        }
        Ok(())
    }
}

/// The dependencies of one kind of one package, in the order of the header: sorted, each once.
///
/// This is `rpmdsMerge` of `lib/rpmds.c` (the same in 4.18, 4.20 and 6.1): sorted by name, version and flags as bytes, so
/// `a >= 10` is before `a >= 9` and `(a if b else c)` before `(a if b)`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DependencySet {
    sorted: Vec<Dependency>,
}

impl DependencySet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a dependency at its place; false if it was there already.
    pub fn merge(&mut self, dependency: Dependency) -> bool {
        match self.sorted.binary_search_by(|known| known.order(&dependency)) {
            Ok(_) => false,
            Err(place) => {
                self.sorted.insert(place, dependency);
                true
            }
        }
    }

    /// True if this very dependency is there: `rpmdsFind` of `lib/rpmds.c`.
    pub fn contains(&self, dependency: &Dependency) -> bool {
        self.sorted.binary_search_by(|known| known.order(dependency)).is_ok()
    }

    /// The dependencies of which a version overlaps with that of `dependency`, in order.
    pub fn overlapping<'a>(&'a self, dependency: &'a Dependency) -> impl Iterator<Item = &'a Dependency> {
        self.sorted.iter().filter(move |known| known.overlaps(dependency))
    }

    /// The dependencies in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Dependency> {
        self.sorted.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }
}

impl<'a> IntoIterator for &'a DependencySet {
    type Item = &'a Dependency;
    type IntoIter = std::slice::Iter<'a, Dependency>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for DependencySet {
    type Item = Dependency;
    type IntoIter = std::vec::IntoIter<Dependency>;

    fn into_iter(self) -> Self::IntoIter {
        self.sorted.into_iter()
    }
}

impl Extend<Dependency> for DependencySet {
    fn extend<T: IntoIterator<Item = Dependency>>(&mut self, dependencies: T) {
        for dependency in dependencies {
            self.merge(dependency);
        }
    }
}

impl FromIterator<Dependency> for DependencySet {
    fn from_iter<T: IntoIterator<Item = Dependency>>(dependencies: T) -> Self {
        let mut set = Self::new();
        set.extend(dependencies);
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(set: &DependencySet) -> Vec<String> {
        set.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_set_is_sorted_by_bytes_and_unique() {
        let mut set = DependencySet::new();
        for (name, evr, sense) in [
            ("b", "", Sense::ANY),
            ("a", "9", Sense::EQUAL),
            ("(a if b)", "", Sense::ANY),
            ("a", "10", Sense::EQUAL),
            ("a", "10", Sense::GREATER | Sense::EQUAL),
            ("a", "10", Sense::EQUAL),
            ("(a if b else c)", "", Sense::ANY),
            ("B", "", Sense::SCRIPT_PRE),
            ("B", "", Sense::ANY),
            ("/bin/sh", "", Sense::INTERP | Sense::SCRIPT_POST),
        ] {
            set.merge(Dependency::new(name, evr, sense));
        }
        let want =
            ["(a if b else c)", "(a if b)", "/bin/sh [interp,post]", "B", "B [pre]", "a = 10", "a >= 10", "a = 9", "b"];
        assert_eq!(shown(&set), want);
        assert!(set.contains(&Dependency::new("a", "9", Sense::EQUAL)));
        assert!(!set.contains(&Dependency::new("a", "9", Sense::LESS)));
    }

    #[test]
    fn the_same_condition_of_two_triggers_is_two() {
        let condition = |index| Dependency {
            trigger_index: Some(index),
            ..Dependency::new("a", "", Sense::TRIGGERIN | Sense::TRIGGERPREIN)
        };
        let set: DependencySet = [condition(1), condition(0), condition(1)].into_iter().collect();
        assert_eq!(set.len(), 2);
        assert_eq!(set.iter().map(|known| known.trigger_index).collect::<Vec<_>>(), [Some(0), Some(1)]);
        assert_eq!(shown(&set)[0], "a [triggerin,triggerprein]");
    }

    #[test]
    fn overlap_needs_the_name_and_a_common_version() {
        let dependency = |evr: &str, sense| Dependency::new("a", evr, sense);
        let any = dependency("", Sense::TRIGGERIN);
        let one = dependency("1", Sense::EQUAL);
        assert!(any.overlaps(&one) && one.overlaps(&any));
        assert!(!one.overlaps(&dependency("2", Sense::EQUAL)));
        assert!(one.overlaps(&dependency("2", Sense::LESS)));
        assert!(one.overlaps(&dependency("", Sense::EQUAL)));
        assert!(!any.overlaps(&Dependency::new("b", "", Sense::ANY)));
    }
}

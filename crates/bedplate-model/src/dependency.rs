//! A dependency and the sorted set of a package's dependencies of one kind.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::strings::byte_order;
use crate::{LooseEvr, RichError, Sense, parse_rich};

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
/// It displays as `NAME`, `NAME OP EVR`, and then ` [qualifier,…]`, and is parsed from the same.
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

/// Why a text is no [`Dependency`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DependencyError {
    /// There is no name.
    #[error("a dependency needs a name")]
    Empty,
    /// The text begins with a relation.
    #[error("a name is missing before `{0}`")]
    NoName(String),
    /// A relation without a version.
    #[error("a version is missing after `{name} {operator}`")]
    NoVersion {
        /// The name.
        name: String,
        /// The relation.
        operator: String,
    },
    /// The name and the relation are one word, which rpm takes for a name.
    #[error("blanks are missing around the relation in `{0}`: write `NAME >= VERSION`")]
    NoBlanks(String),
    /// The word after the name is no relation.
    #[error("`{word}` after `{name}` is not one of `<`, `<=`, `=`, `>=`, `>`")]
    Operator {
        /// The name.
        name: String,
        /// The word.
        word: String,
    },
    /// There are words after the version or after the rich dependency.
    #[error("`{0}` after the dependency belongs to nothing; only one dependency is expected")]
    Rest(String),
    /// A comma, which parts dependencies.
    #[error("`,` parts two dependencies, and only one is expected in `{0}`")]
    Comma(String),
    /// A word between `[` and `]` is no qualifier.
    #[error("`{0}` is not a qualifier of a dependency, such as `pre` or `find_requires`")]
    Qualifier(String),
    /// The rich dependency is wrong.
    #[error("bad rich dependency: {0}")]
    Rich(RichError),
}

impl FromStr for Dependency {
    type Err = DependencyError;

    /// Parses `NAME`, `NAME OP EVR` or `(rich dependency)`, each perhaps with ` [qualifier,…]`. Words are parted by white
    /// space, as in `parseRCPOT` of `build/parseReqs.c`; that the characters of a name or version are allowed in a spec is
    /// not checked, since headers are not bound to it. A rich dependency comes out in rpm's normalised form.
    fn from_str(text: &str) -> Result<Self, DependencyError> {
        let text = text.trim_ascii();
        let (body, sense) = match text.strip_suffix(']').and_then(|text| text.rsplit_once(" [")) {
            Some((body, words)) => (body.trim_ascii_end(), Sense::parse_words(words)?),
            None => (text, Sense::ANY),
        };
        if body.starts_with('(') {
            let (tree, rest) = parse_rich(body, DependencyKind::Requires).map_err(DependencyError::Rich)?;
            return match rest.trim_ascii() {
                "" => Ok(Self::new(tree.to_string(), "", sense)),
                rest => Err(DependencyError::Rest(rest.into())),
            };
        }
        if body.contains(',') {
            return Err(DependencyError::Comma(body.into()));
        }
        let mut words = body.split_ascii_whitespace();
        let name = words.next().ok_or(DependencyError::Empty)?;
        if Sense::parse_operator(name).is_some() {
            return Err(DependencyError::NoName(name.into()));
        }
        if has_relation(name) {
            return Err(DependencyError::NoBlanks(name.into()));
        }
        let Some(operator) = words.next() else { return Ok(Self::new(name, "", sense)) };
        let Some(relation) = Sense::parse_operator(operator) else {
            let begins_with_relation = operator.starts_with(['<', '=', '>']);
            return Err(if begins_with_relation {
                DependencyError::NoBlanks(format!("{name} {operator}"))
            } else {
                DependencyError::Operator { name: name.into(), word: operator.into() }
            });
        };
        let Some(evr) = words.next() else {
            return Err(DependencyError::NoVersion { name: name.into(), operator: operator.into() });
        };
        match words.next() {
            Some(rest) => Err(DependencyError::Rest(rest.into())),
            None => Ok(Self::new(name, evr, sense | relation)),
        }
    }
}

/// True if a word has `<`, `=` or `>` outside of brackets: `font(:lang=en)` is a name, `font>=1` is a mistake.
fn has_relation(word: &str) -> bool {
    let mut depth = 0_i32;
    word.bytes().any(|byte| {
        depth += i32::from(byte == b'(') - i32::from(byte == b')');
        depth <= 0 && matches!(byte, b'<' | b'=' | b'>')
    })
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
    fn texts_are_parsed_as_they_are_displayed() {
        let (ge, eq) = (Sense::GREATER | Sense::EQUAL, Sense::EQUAL);
        for (text, name, evr, sense) in [
            ("zlib", "zlib", "", Sense::ANY),
            ("zlib >= 1.2-3", "zlib", "1.2-3", ge),
            ("  zlib\t=> 1.2 ", "zlib", "1.2", ge),
            ("font(:lang=en)", "font(:lang=en)", "", Sense::ANY),
            ("perl(A::B) == 1:2", "perl(A::B)", "1:2", eq),
            ("libc.so.6(GLIBC_2.34)(64bit)", "libc.so.6(GLIBC_2.34)(64bit)", "", Sense::ANY),
            ("/bin/sh [interp,post]", "/bin/sh", "", Sense::INTERP | Sense::SCRIPT_POST),
            ("a = 1 [pre]", "a", "1", eq | Sense::SCRIPT_PRE),
            ("(a  =>  1 or b)", "(a >= 1 or b)", "", Sense::ANY),
            ("/usr/bin/[", "/usr/bin/[", "", Sense::ANY),
        ] {
            assert_eq!(text.parse(), Ok(Dependency::new(name, evr, sense)), "{text}");
        }
    }

    #[test]
    fn what_is_no_dependency_says_why() {
        for (text, want) in [
            ("", "a dependency needs a name"),
            (">= 1", "a name is missing before `>=`"),
            ("a >=", "a version is missing after `a >=`"),
            ("a>=1", "blanks are missing around the relation in `a>=1`: write `NAME >= VERSION`"),
            ("a >=1", "blanks are missing around the relation in `a >=1`: write `NAME >= VERSION`"),
            ("a(b)=1", "blanks are missing around the relation in `a(b)=1`: write `NAME >= VERSION`"),
            ("a b", "`b` after `a` is not one of `<`, `<=`, `=`, `>=`, `>`"),
            ("a = 1 b", "`b` after the dependency belongs to nothing; only one dependency is expected"),
            ("a, b", "`,` parts two dependencies, and only one is expected in `a, b`"),
            ("a [nosuch]", "`nosuch` is not a qualifier of a dependency, such as `pre` or `find_requires`"),
            ("(a or b) c", "`c` after the dependency belongs to nothing; only one dependency is expected"),
            ("(a or", "bad rich dependency: Name required"),
        ] {
            let error = text.parse::<Dependency>().expect_err(text);
            assert_eq!(error.to_string(), want, "{text}");
        }
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

//! The flags of a dependency.

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign};

use crate::{DependencyError, DependencyKind};

/// The relation and the qualifiers of a dependency: the `RPMSENSE_*` bits of `include/rpm/rpmds.h`, as they stand in a
/// package header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sense(u32);

impl Sense {
    /// No relation and no qualifier (`RPMSENSE_ANY`).
    pub const ANY: Self = Self(0);
    /// `<`
    pub const LESS: Self = Self(1 << 1);
    /// `>`
    pub const GREATER: Self = Self(1 << 2);
    /// `=`
    pub const EQUAL: Self = Self(1 << 3);
    /// `%posttrans`.
    pub const POSTTRANS: Self = Self(1 << 5);
    /// The old `PreReq`.
    pub const PREREQ: Self = Self(1 << 6);
    /// `%pretrans`.
    pub const PRETRANS: Self = Self(1 << 7);
    /// The interpreter of a scriptlet.
    pub const INTERP: Self = Self(1 << 8);
    /// `%pre`.
    pub const SCRIPT_PRE: Self = Self(1 << 9);
    /// `%post`.
    pub const SCRIPT_POST: Self = Self(1 << 10);
    /// `%preun`.
    pub const SCRIPT_PREUN: Self = Self(1 << 11);
    /// `%postun`.
    pub const SCRIPT_POSTUN: Self = Self(1 << 12);
    /// `%verify`.
    pub const SCRIPT_VERIFY: Self = Self(1 << 13);
    /// Made by a generator of requirements.
    pub const FIND_REQUIRES: Self = Self(1 << 14);
    /// Made by a generator of provides.
    pub const FIND_PROVIDES: Self = Self(1 << 15);
    /// `%triggerin`.
    pub const TRIGGERIN: Self = Self(1 << 16);
    /// `%triggerun`.
    pub const TRIGGERUN: Self = Self(1 << 17);
    /// `%triggerpostun`.
    pub const TRIGGERPOSTUN: Self = Self(1 << 18);
    /// The old hint that made a requirement weak.
    pub const MISSINGOK: Self = Self(1 << 19);
    /// `%preuntrans` (rpm 4.19 and later).
    pub const PREUNTRANS: Self = Self(1 << 20);
    /// `%postuntrans` (rpm 4.19 and later).
    pub const POSTUNTRANS: Self = Self(1 << 21);
    /// `rpmlib(feature)`.
    pub const RPMLIB: Self = Self(1 << 24);
    /// `%triggerprein`.
    pub const TRIGGERPREIN: Self = Self(1 << 25);
    /// A key of the keyring.
    pub const KEYRING: Self = Self(1 << 26);
    /// `config(package)`.
    pub const CONFIG: Self = Self(1 << 28);
    /// `Requires(meta)`.
    pub const META: Self = Self(1 << 29);

    /// The bits of the relation (`RPMSENSE_SENSEMASK`).
    pub const RELATION: Self = Self(15);
    /// Any trigger (`RPMSENSE_TRIGGER`).
    pub const TRIGGER: Self =
        Self(Self::TRIGGERPREIN.0 | Self::TRIGGERIN.0 | Self::TRIGGERUN.0 | Self::TRIGGERPOSTUN.0);
    /// What a requirement may be qualified with (`_ALL_REQUIRES_MASK` of rpm 4.20; 4.18 lacks the two `untrans`).
    pub const ALL_REQUIRES: Self = Self(
        Self::INTERP.0
            | Self::SCRIPT_PRE.0
            | Self::SCRIPT_POST.0
            | Self::SCRIPT_PREUN.0
            | Self::SCRIPT_POSTUN.0
            | Self::SCRIPT_VERIFY.0
            | Self::FIND_REQUIRES.0
            | Self::RPMLIB.0
            | Self::KEYRING.0
            | Self::PRETRANS.0
            | Self::POSTTRANS.0
            | Self::PREUNTRANS.0
            | Self::POSTUNTRANS.0
            | Self::PREREQ.0
            | Self::META.0
            | Self::MISSINGOK.0,
    );

    /// The words of the qualifiers, in the order in which they are printed.
    const WORDS: [(Self, &'static str); 21] = [
        (Self::PREREQ, "prereq"),
        (Self::INTERP, "interp"),
        (Self::SCRIPT_PRE, "pre"),
        (Self::SCRIPT_POST, "post"),
        (Self::SCRIPT_PREUN, "preun"),
        (Self::SCRIPT_POSTUN, "postun"),
        (Self::SCRIPT_VERIFY, "verify"),
        (Self::FIND_REQUIRES, "find_requires"),
        (Self::FIND_PROVIDES, "find_provides"),
        (Self::POSTTRANS, "posttrans"),
        (Self::PRETRANS, "pretrans"),
        (Self::PREUNTRANS, "preuntrans"),
        (Self::POSTUNTRANS, "postuntrans"),
        (Self::RPMLIB, "rpmlib"),
        (Self::KEYRING, "keyring"),
        (Self::CONFIG, "config"),
        (Self::META, "meta"),
        (Self::TRIGGERIN, "triggerin"),
        (Self::TRIGGERUN, "triggerun"),
        (Self::TRIGGERPOSTUN, "triggerpostun"),
        (Self::TRIGGERPREIN, "triggerprein"),
    ];

    /// The flags of a header's number.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The number that stands in a header.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// True if all flags of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// True if a flag of `other` is set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// True if no flag is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// These flags without those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The relation alone.
    #[must_use]
    pub const fn relation(self) -> Self {
        Self(self.0 & Self::RELATION.0)
    }

    /// The relation that a word of a dependency line stands for: `rpmParseDSFlags` of `lib/rpmds.c`.
    pub fn parse_operator(word: &str) -> Option<Self> {
        match word {
            "<=" | "=<" => Some(Self::LESS | Self::EQUAL),
            "<" => Some(Self::LESS),
            "==" | "=" => Some(Self::EQUAL),
            ">=" | "=>" => Some(Self::GREATER | Self::EQUAL),
            ">" => Some(Self::GREATER),
            _ => None,
        }
    }

    /// The relation as rpm writes it: `<`, `>` and `=` in this order, each if it is set.
    pub fn operator(self) -> &'static str {
        match (self.contains(Self::LESS), self.contains(Self::GREATER), self.contains(Self::EQUAL)) {
            (false, false, false) => "",
            (false, false, true) => "=",
            (false, true, false) => ">",
            (false, true, true) => ">=",
            (true, false, false) => "<",
            (true, false, true) => "<=",
            (true, true, false) => "<>",
            (true, true, true) => "<>=",
        }
    }

    /// The words of the qualifiers, in the order of the conformance suite's `SCHEMA.md`.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Self::WORDS.iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, word)| *word)
    }

    /// The qualifiers of words with commas between them: what [`Self::words`] gives.
    pub(crate) fn parse_words(words: &str) -> Result<Self, DependencyError> {
        words.split(',').try_fold(Self::ANY, |sense, word| {
            let known = Self::WORDS.iter().find(|(_, known)| *known == word);
            known.map(|(flag, _)| sense | *flag).ok_or_else(|| DependencyError::Qualifier(word.into()))
        })
    }

    /// The flags that a dependency of this kind keeps: `rpmSanitizeDSFlags` of `lib/rpmds.c`.
    #[must_use]
    pub fn sanitized(self, kind: DependencyKind) -> Self {
        let kept = match kind {
            DependencyKind::Provides => Self::FIND_PROVIDES,
            DependencyKind::Trigger | DependencyKind::FileTrigger | DependencyKind::TransFileTrigger => Self::TRIGGER,
            DependencyKind::Recommends
            | DependencyKind::Suggests
            | DependencyKind::Supplements
            | DependencyKind::Enhances
            | DependencyKind::Requires
            | DependencyKind::Order => Self::ALL_REQUIRES,
            DependencyKind::Conflicts => Self(u32::MAX),
            DependencyKind::Obsoletes => Self::ANY,
        };
        self & (Self::RELATION | kept)
    }
}

impl BitOr for Sense {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Sense {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Sense {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Display for Sense {
    /// Writes the relation alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operator())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_whole_words() {
        for (word, printed) in
            [("<", "<"), ("<=", "<="), ("=<", "<="), ("=", "="), ("==", "="), (">=", ">="), ("=>", ">="), (">", ">")]
        {
            assert_eq!(Sense::parse_operator(word).map(Sense::operator), Some(printed), "{word}");
        }
        for word in ["", "<>", "===", "!=", "<1", "=1"] {
            assert_eq!(Sense::parse_operator(word), None, "{word}");
        }
    }

    #[test]
    fn every_kind_keeps_its_own_flags() {
        let all = Sense::from_bits(u32::MAX);
        let kept = |kind| all.sanitized(kind).without(Sense::RELATION);
        assert_eq!(kept(DependencyKind::Obsoletes), Sense::ANY);
        assert_eq!(kept(DependencyKind::Provides), Sense::FIND_PROVIDES);
        assert_eq!(kept(DependencyKind::FileTrigger), Sense::TRIGGER);
        assert_eq!(kept(DependencyKind::Order), Sense::ALL_REQUIRES);
        assert_eq!(all.sanitized(DependencyKind::Conflicts), all);
        assert!(!kept(DependencyKind::Requires).intersects(Sense::CONFIG | Sense::TRIGGER | Sense::FIND_PROVIDES));
    }
}

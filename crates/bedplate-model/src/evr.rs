//! Epoch, version and release, and the order of versions.
//!
//! Two types, because rpm has two notions. [`Evr`] is what a package may have: an epoch that is a number and parts made of
//! the allowed characters. [`LooseEvr`] is what rpm makes of any text after a relation (`Requires: a = TEXT`) or inside
//! `v"TEXT"`: it never looks at the characters, and a part may be empty.
//!
//! ```text
//! 1:2.0-3.fc40
//! │ │   └ release: after the last `-`
//! │ └ version
//! └ epoch: digits before the first `:`
//! ```

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::Sense;

/// Compares two versions (or two releases, or two epochs) as rpm does; rpm calls the greater one newer.
///
/// The rule is that of `rpmio/rpmvercmp.c`: runs of ASCII digits compare as numbers of any length, runs of ASCII letters as
/// text, a number is greater than letters, everything else only separates. `~` is less than anything, the end included;
/// `^` is greater than the end and less than anything else. Different texts may be equal (`1.0` and `1_00`).
pub fn vercmp(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        a = skip_separators(a);
        b = skip_separators(b);
        let ((first, rest_a), (other, rest_b)) = match (a.split_first(), b.split_first()) {
            (None, None) => return Ordering::Equal,
            (None, Some((b'~', _))) => return Ordering::Greater,
            (None, Some(_)) => return Ordering::Less,
            (Some((b'~', _)), None) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(first), Some(other)) => (first, other),
        };
        let order = match (*first, *other) {
            (b'~', b'~') | (b'^', b'^') => {
                (a, b) = (rest_a, rest_b);
                continue;
            }
            (b'~', _) => Ordering::Less,
            (_, b'~') => Ordering::Greater,
            (b'^', _) => Ordering::Less,
            (_, b'^') => Ordering::Greater,
            (digit, _) if digit.is_ascii_digit() => {
                let (number, after_a) = take_while(a, u8::is_ascii_digit);
                let (against, after_b) = take_while(b, u8::is_ascii_digit);
                (a, b) = (after_a, after_b);
                if against.is_empty() { Ordering::Greater } else { compare_numbers(number, against) }
            }
            _ => {
                let (word, after_a) = take_while(a, u8::is_ascii_alphabetic);
                let (against, after_b) = take_while(b, u8::is_ascii_alphabetic);
                (a, b) = (after_a, after_b);
                if against.is_empty() { Ordering::Less } else { word.cmp(against) }
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn skip_separators(text: &[u8]) -> &[u8] {
    take_while(text, |byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'~' | b'^'))).1
}

fn take_while(text: &[u8], belongs: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !belongs(byte)).unwrap_or(text.len());
    text.split_at(end)
}

/// Numbers of any length: the one with more digits wins once leading zeros are gone.
fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let (_, a) = take_while(a, |byte| *byte == b'0');
    let (_, b) = take_while(b, |byte| *byte == b'0');
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Any text as rpm takes it apart into epoch, version and release: `rpmverParse` of `rpmio/rpmver.c`.
///
/// It displays as `rpmverEVR` prints it, which is the text it was made of (but `:1` becomes `0:1`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LooseEvr {
    epoch: Option<String>,
    version: String,
    release: Option<String>,
}

impl LooseEvr {
    /// Takes a text apart; only the empty text has no value.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (epoch, rest) = match text[digits..].strip_prefix(':') {
            Some(rest) if digits == 0 => (Some("0"), rest),
            Some(rest) => (Some(&text[..digits]), rest),
            None => (None, text),
        };
        // rpm looks for the dash after the leading digits; there is none among them.
        let (version, release) = match rest.rsplit_once('-') {
            Some((version, release)) => (version, Some(release)),
            None => (rest, None),
        };
        Some(Self { epoch: epoch.map(Into::into), version: version.into(), release: release.map(Into::into) })
    }

    /// The digits before the colon, as written.
    pub fn epoch(&self) -> Option<&str> {
        self.epoch.as_deref()
    }

    /// The version; may be empty.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What is after the last dash; may be empty.
    pub fn release(&self) -> Option<&str> {
        self.release.as_deref()
    }

    /// The total order of `rpmverCmp` (`rpmio/rpmver.c`), which `rpmVersionCompare` and the `v"…"` of expressions use: a
    /// missing epoch is 0, a missing release is less than any other.
    pub fn compare(&self, other: &Self) -> Ordering {
        let epochs = vercmp(self.epoch().unwrap_or("0"), other.epoch().unwrap_or("0"));
        epochs.then_with(|| vercmp(&self.version, &other.version)).then_with(|| {
            match (self.release(), other.release()) {
                (Some(release), Some(against)) => vercmp(release, against),
                (release, against) => release.is_some().cmp(&against.is_some()),
            }
        })
    }

    /// True if the ranges "`sense` this version" and "`other_sense` other version" have a version in common:
    /// `rpmverOverlap` of `rpmio/rpmver.c`.
    ///
    /// A side without a release stands for all releases; a side without an epoch, for epoch 0.
    pub fn overlaps(&self, sense: Sense, other: &Self, other_sense: Sense) -> bool {
        let positive = |epoch: &str| epoch.bytes().any(|digit| digit != b'0');
        let mut order = match (self.epoch(), other.epoch()) {
            (Some(epoch), Some(against)) => vercmp(epoch, against),
            (Some(epoch), None) if positive(epoch) => Ordering::Greater,
            (None, Some(against)) if positive(against) => Ordering::Less,
            _ => Ordering::Equal,
        };
        if order == Ordering::Equal {
            order = vercmp(&self.version, &other.version);
        }
        if order == Ordering::Equal {
            let given = |release: Option<&str>| release.is_some_and(|release| !release.is_empty());
            match (given(self.release()), given(other.release())) {
                (true, true) => {
                    order = vercmp(self.release().unwrap_or_default(), other.release().unwrap_or_default());
                }
                (true, false) if other_sense.contains(Sense::EQUAL) => return true,
                (false, true) if sense.contains(Sense::EQUAL) => return true,
                _ => {}
            }
        }
        let both = |bit: Sense| sense.contains(bit) && other_sense.contains(bit);
        match order {
            Ordering::Less => sense.contains(Sense::GREATER) || other_sense.contains(Sense::LESS),
            Ordering::Greater => sense.contains(Sense::LESS) || other_sense.contains(Sense::GREATER),
            Ordering::Equal => both(Sense::EQUAL) || both(Sense::LESS) || both(Sense::GREATER),
        }
    }
}

impl fmt::Display for LooseEvr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_evr(f, self.epoch(), &self.version, self.release())
    }
}

fn write_evr(
    f: &mut fmt::Formatter<'_>,
    epoch: Option<impl fmt::Display>,
    version: &str,
    release: Option<&str>,
) -> fmt::Result {
    if let Some(epoch) = epoch {
        write!(f, "{epoch}:")?;
    }
    f.write_str(version)?;
    match release {
        Some(release) => write!(f, "-{release}"),
        None => Ok(()),
    }
}

/// Epoch, version and release of a package: the parts have the characters that `build/rpmbuild_internal.h` allows in
/// `Version:` and `Release:` (ASCII letters and digits and `._+%{}~^`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Evr {
    epoch: Option<u32>,
    version: String,
    release: Option<String>,
}

/// Why a text is no [`Evr`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvrError {
    /// The epoch is empty, no number, or does not fit in 32 bits.
    Epoch(String),
    /// The version or the release is empty.
    Empty,
    /// A character that a version or release may not have.
    Character(char),
}

impl fmt::Display for EvrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Epoch(epoch) => write!(f, "epoch `{epoch}` is not an unsigned 32-bit number"),
            Self::Empty => write!(f, "version or release is empty"),
            Self::Character(character) => write!(f, "character `{character}` is not allowed in a version or release"),
        }
    }
}

impl std::error::Error for EvrError {}

impl Evr {
    /// Puts the parts together.
    ///
    /// # Errors
    /// A part is empty or has a character that is not allowed.
    pub fn new(epoch: Option<u32>, version: &str, release: Option<&str>) -> Result<Self, EvrError> {
        for part in std::iter::once(version).chain(release) {
            if part.is_empty() {
                return Err(EvrError::Empty);
            }
            let allowed = |c: char| c.is_ascii_alphanumeric() || "._+%{}~^".contains(c);
            if let Some(character) = part.chars().find(|c| !allowed(*c)) {
                return Err(EvrError::Character(character));
            }
        }
        Ok(Self { epoch, version: version.into(), release: release.map(Into::into) })
    }

    /// The epoch, if one was given (0 counts as given).
    pub fn epoch(&self) -> Option<u32> {
        self.epoch
    }

    /// The version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The release.
    pub fn release(&self) -> Option<&str> {
        self.release.as_deref()
    }

    /// The order of `rpmVersionCompare` (`lib/headerutil.c`): see [`LooseEvr::compare`].
    ///
    /// This is a method and not `Ord`, since different texts compare as equal.
    pub fn compare(&self, other: &Self) -> Ordering {
        self.to_loose().compare(&other.to_loose())
    }

    /// The same value in the loose form, to compare it with the version of a dependency.
    pub fn to_loose(&self) -> LooseEvr {
        LooseEvr {
            epoch: self.epoch.map(|epoch| epoch.to_string()),
            version: self.version.clone(),
            release: self.release.clone(),
        }
    }
}

impl FromStr for Evr {
    type Err = EvrError;

    fn from_str(text: &str) -> Result<Self, EvrError> {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => {
                let digits = !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit());
                let number = epoch.parse().ok().filter(|_| digits);
                (Some(number.ok_or_else(|| EvrError::Epoch(epoch.to_owned()))?), rest)
            }
            None => (None, text),
        };
        match rest.split_once('-') {
            Some((version, release)) => Self::new(epoch, version, Some(release)),
            None => Self::new(epoch, rest, None),
        }
    }
}

impl fmt::Display for Evr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_evr(f, self.epoch, &self.version, self.release())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_in_rpm() {
        use Ordering::{Equal, Greater, Less};
        let table = [
            ("1.0", "1.0", Equal),
            ("1.0", "2.0", Less),
            ("2.0.1", "2.0", Greater),
            ("2.0.1a", "2.0.1", Greater),
            ("5.5p1", "5.5p2", Less),
            ("5.5p10", "5.5p1", Greater),
            ("10xyz", "10.1xyz", Less),
            ("xyz10", "xyz10.1", Less),
            ("xyz.4", "8", Less),
            ("xyz.4", "2", Less),
            ("5.5p2", "5.6p1", Less),
            ("5.6p1", "6.5p1", Less),
            ("6.0.rc1", "6.0", Greater),
            ("10b2", "10a1", Greater),
            ("1.0aa", "1.0a", Greater),
            ("10.0001", "10.0039", Less),
            ("10.0001", "10.1", Equal),
            ("4.999.9", "5.0", Less),
            ("20101122", "20101121", Greater),
            ("2_0", "2.0", Equal),
            ("a", "a", Equal),
            ("a+", "a_", Equal),
            ("+", "_", Equal),
            ("+", "", Equal),
            ("1.0~rc1", "1.0", Less),
            ("1.0~rc1~git123", "1.0~rc1", Less),
            ("1.0~~", "1.0~", Less),
            ("1.0^", "1.0", Greater),
            ("1.0^git1", "1.0^git2", Less),
            ("1.0^git1", "1.01", Less),
            ("1.0^20160101", "1.0.1", Less),
            ("1.0^20160101^git1", "1.0^20160102", Less),
            ("1.0~rc1^git1", "1.0~rc1", Greater),
            ("1.0^git1~pre", "1.0^git1", Less),
            ("1.900", "1.8000", Less),
            ("FC5", "fc4", Less),
            ("2A", "2.0", Less),
            ("1.fc4", "1.FC4", Greater),
            ("3.0.0_fc", "3.0.0.fc", Equal),
            ("1++", "1_", Equal),
            ("1.1.α", "1.1.β", Equal),
            ("1.1.αa", "1.1.βb", Less),
            ("α", "", Equal),
            ("00000000000000000000000000000000000000007", "7", Equal),
            ("18446744073709551617", "18446744073709551616", Greater),
        ];
        for (a, b, want) in table {
            assert_eq!(vercmp(a, b), want, "{a} against {b}");
            assert_eq!(vercmp(b, a), want.reverse(), "{b} against {a}");
        }
    }

    #[test]
    fn any_text_is_taken_apart_as_in_rpm() {
        for (text, epoch, version, release, printed) in [
            ("1", None, "1", None, "1"),
            ("1:2-3", Some("1"), "2", Some("3"), "1:2-3"),
            ("007:2", Some("007"), "2", None, "007:2"),
            (":2", Some("0"), "2", None, "0:2"),
            ("1-2-3", None, "1-2", Some("3"), "1-2-3"),
            ("-", None, "", Some(""), "-"),
            ("1:", Some("1"), "", None, "1:"),
            ("a:1-2", None, "a:1", Some("2"), "a:1-2"),
            ("1:2:3", Some("1"), "2:3", None, "1:2:3"),
        ] {
            let evr = LooseEvr::parse(text).unwrap_or_else(|| panic!("{text} has a value"));
            assert_eq!((evr.epoch(), evr.version(), evr.release()), (epoch, version, release), "{text}");
            assert_eq!(evr.to_string(), printed);
        }
        assert_eq!(LooseEvr::parse(""), None);
    }

    #[test]
    fn a_missing_epoch_is_zero_and_a_missing_release_is_less() {
        use Ordering::{Equal, Greater, Less};
        for (a, b, want) in [
            ("1.0", "0:1.0", Equal),
            ("1:1.0", "2.0", Greater),
            ("1.0-1", "1.0", Greater),
            ("1.0", "1.0-0", Less),
            ("1.0-1", "1.0-1.fc1", Less),
            ("00:1", "0:1", Equal),
        ] {
            let loose = |text| LooseEvr::parse(text).unwrap_or_else(|| panic!("{text} has a value"));
            assert_eq!(loose(a).compare(&loose(b)), want, "{a} against {b}");
            let strict = |text: &str| text.parse::<Evr>().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(strict(a).compare(&strict(b)), want, "{a} against {b}");
        }
    }

    #[test]
    fn ranges_overlap_as_in_rpm() {
        let (less, greater, equal) = (Sense::LESS, Sense::GREATER, Sense::EQUAL);
        for (a, sense, b, other, want) in [
            ("1.0", equal, "1.0-5", equal, true),
            ("1.0", less, "1.0-5", equal, false),
            ("1.0", less | equal, "1.0-5", equal, true),
            ("1.0-1", equal, "1.0-2", greater | equal, false),
            ("2.0", greater, "1.0", equal, false),
            ("1.0", greater, "2.0", equal, true),
            ("1.0", less, "1.0", less, true),
            ("1:1.0", equal, "1.0", equal, false),
            ("0:1.0", equal, "1.0", equal, true),
            ("1:1.0", greater, "9.0", less, false),
            ("1:1.0", less, "9.0", greater, true),
            ("1.0-", equal, "1.0-2", equal, true),
        ] {
            let loose = |text| LooseEvr::parse(text).unwrap_or_else(|| panic!("{text} has a value"));
            assert_eq!(loose(a).overlaps(sense, &loose(b), other), want, "{a} {sense:?} and {b} {other:?}");
            assert_eq!(loose(b).overlaps(other, &loose(a), sense), want, "{b} {other:?} and {a} {sense:?}");
        }
    }

    #[test]
    fn what_no_package_can_have_is_no_evr() {
        for (text, error) in [
            ("", EvrError::Empty),
            ("1-", EvrError::Empty),
            ("-1", EvrError::Empty),
            (":1", EvrError::Epoch(String::new())),
            ("+1:1", EvrError::Epoch("+1".into())),
            ("4294967296:1", EvrError::Epoch("4294967296".into())),
            ("1-2-3", EvrError::Character('-')),
            ("1:2:3", EvrError::Character(':')),
            ("1 2", EvrError::Character(' ')),
        ] {
            assert_eq!(text.parse::<Evr>(), Err(error), "{text}");
        }
    }
}

//! Sizes of disks and partitions.

use std::fmt;
use std::str::FromStr;

use crate::grammar::{GrammarError, setting_of_text};
use crate::shape::Grammar;

/// So many bytes, written as a whole number of KiB, MiB, GiB or TiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

const UNITS: [(char, u32); 4] = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];

/// 64 PiB: no table of partitions that we write could hold more.
const LARGEST: u64 = 1 << 56;

impl Size {
    pub(crate) const GRAMMAR: Grammar = Grammar {
        what: "a size",
        pattern: "^[1-9][0-9]*[KMGT]$",
        rule: "a whole number and `K`, `M`, `G` or `T`, which are powers of 1024, such as `512M`",
        check: |text| text.parse::<Self>().map(|_| ()).map_err(|error| error.why),
    };

    /// In bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, GrammarError> {
        let wrong =
            |why: &str| GrammarError { what: Self::GRAMMAR.what, why: why.to_owned(), rule: Self::GRAMMAR.rule };
        let unit = UNITS.iter().find(|(unit, _)| text.ends_with(*unit));
        let Some((_, shift)) = unit else {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            return Err(wrong(if is_number { "its unit is missing" } else { "" }));
        };
        let digits = &text[..text.len() - 1];
        if digits.is_empty() || digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong(""));
        }
        let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
        bytes.filter(|bytes| *bytes <= LARGEST).map(Self).ok_or_else(|| wrong("it is too large"))
    }
}

/// In the largest unit that it is a whole number of.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().rev().find(|(_, shift)| self.0 != 0 && self.0.is_multiple_of(1 << shift)) {
            Some((unit, shift)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

setting_of_text!(Size);

/// How much room a file system has beside what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slack {
    /// So much.
    Size(Size),
    /// So many hundredths of its content.
    Percent(u32),
}

/// How large a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionSize {
    /// Exactly so large.
    Fixed(Size),
    /// As small as its content, and the slack, allow.
    Minimal(Slack),
    /// As `Minimal`, and what the disk has left: of an image of fixed size when it is made, of the machine's disk when it boots.
    Grow(Slack),
}

impl PartitionSize {
    pub(crate) const GRAMMAR: Grammar = Grammar {
        what: "a size of a partition",
        pattern: "^([1-9][0-9]*[KMGT]|(minimal|grow)(\\+([1-9][0-9]*[KMGT]|[0-9]{1,3}%))?)$",
        rule: "a size such as `512M`, or `minimal` or `grow`, which may be followed by what is added to the content: `minimal+64M`, `grow+10%`",
        check: |text| text.parse::<Self>().map(|_| ()).map_err(|error| error.why),
    };
}

impl FromStr for PartitionSize {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, GrammarError> {
        let wrong = |why: String| GrammarError { what: Self::GRAMMAR.what, why, rule: Self::GRAMMAR.rule };
        let size = |text: &str| text.parse::<Size>().map_err(|error| wrong(error.why));
        let (word, slack) = text.split_once('+').map_or((text, None), |(word, slack)| (word, Some(slack)));
        let slack = || match slack {
            None => Ok(Slack::Size(Size(0))),
            Some(slack) => match slack.strip_suffix('%') {
                Some(percent) if matches!(percent.len(), 1..=3) => {
                    percent.parse().map(Slack::Percent).map_err(|_| wrong(String::new()))
                }
                Some(_) => Err(wrong(String::new())),
                None => size(slack).map(Slack::Size),
            },
        };
        match word {
            "minimal" => Ok(Self::Minimal(slack()?)),
            "grow" => Ok(Self::Grow(slack()?)),
            _ => size(text).map(Self::Fixed),
        }
    }
}

impl fmt::Display for PartitionSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, slack) = match self {
            Self::Fixed(size) => return size.fmt(f),
            Self::Minimal(slack) => ("minimal", slack),
            Self::Grow(slack) => ("grow", slack),
        };
        match slack {
            Slack::Size(Size(0)) => f.write_str(word),
            Slack::Size(size) => write!(f, "{word}+{size}"),
            Slack::Percent(percent) => write!(f, "{word}+{percent}%"),
        }
    }
}

setting_of_text!(PartitionSize);

/// How large the disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskSize {
    /// As small as its partitions allow.
    Minimal,
    /// Exactly so large.
    Fixed(Size),
}

impl DiskSize {
    pub(crate) const GRAMMAR: Grammar = Grammar {
        what: "a size of a disk",
        pattern: "^([1-9][0-9]*[KMGT]|minimal)$",
        rule: "a size such as `30G`, or `minimal`",
        check: |text| text.parse::<Self>().map(|_| ()).map_err(|error| error.why),
    };
}

impl FromStr for DiskSize {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, GrammarError> {
        if text == "minimal" {
            return Ok(Self::Minimal);
        }
        let wrong =
            |error: GrammarError| GrammarError { what: Self::GRAMMAR.what, why: error.why, rule: Self::GRAMMAR.rule };
        text.parse().map(Self::Fixed).map_err(wrong)
    }
}

impl fmt::Display for DiskSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minimal => f.write_str("minimal"),
            Self::Fixed(size) => size.fmt(f),
        }
    }
}

setting_of_text!(DiskSize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_their_pattern_says() {
        let sizes = [
            ("1K", Some(1 << 10)),
            ("512M", Some(512 << 20)),
            ("30G", Some(30 << 30)),
            ("2T", Some(2 << 40)),
            ("0M", None),
            ("01M", None),
            ("M", None),
            ("", None),
            ("5", None),
            ("5MB", None),
            ("-5M", None),
            ("+5M", None),
            ("1.5G", None),
            ("5 M", None),
        ];
        let pattern = regex::Regex::new(Size::GRAMMAR.pattern).unwrap();
        for (text, bytes) in sizes {
            assert_eq!(text.parse::<Size>().ok().map(Size::bytes), bytes, "{text}");
            assert_eq!(pattern.is_match(text), bytes.is_some(), "{text}");
        }
        for text in ["99999999T", "18446744073709551616K"] {
            assert_eq!(text.parse::<Size>().unwrap_err().why, "it is too large");
        }
        assert_eq!("5".parse::<Size>().unwrap_err().why, "its unit is missing");
    }

    #[test]
    fn sizes_of_partitions_and_disks_come_back_as_they_were_written() {
        let partition = regex::Regex::new(PartitionSize::GRAMMAR.pattern).unwrap();
        for text in ["512M", "minimal", "grow", "minimal+64M", "minimal+10%", "grow+1G", "grow+100%"] {
            assert_eq!(text.parse::<PartitionSize>().unwrap().to_string(), text);
            assert!(partition.is_match(text), "{text}");
        }
        for text in
            ["", "min", "512", "512M+1M", "minimal+", "minimal+1", "grow+%", "grow+1000%", "minimal+ 1M", "minimal+-1%"]
        {
            assert!(text.parse::<PartitionSize>().is_err(), "{text}");
            assert!(!partition.is_match(text), "{text}");
        }
        let disk = regex::Regex::new(DiskSize::GRAMMAR.pattern).unwrap();
        for (text, is_good) in [("minimal", true), ("30G", true), ("grow", false), ("30", false)] {
            assert_eq!(text.parse::<DiskSize>().is_ok(), is_good, "{text}");
            assert_eq!(disk.is_match(text), is_good, "{text}");
        }
        assert_eq!(Size(1536 << 20).to_string(), "1536M");
        assert_eq!(Size(1000).to_string(), "1000 bytes");
    }
}

//! A folder of a FAT: short names, long names before them, times.

use std::collections::{BTreeMap, BTreeSet};

use super::Place;
use super::geometry::padded;

/// Bytes of an entry.
const ENTRY: usize = 32;

/// Characters of a long name in one entry.
const PART: usize = 13;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attributes {
    File = 0x20,
    Folder = 0x10,
}

/// A folder.
#[derive(Debug)]
pub(super) struct Folder {
    is_root: bool,
    time: i64,
    label: Option<(String, i64)>,
    children: Vec<Child>,
}

#[derive(Debug)]
struct Child {
    name: String,
    short: [u8; 11],
    attributes: Attributes,
    time: i64,
}

impl Folder {
    pub(super) fn new(is_root: bool, time: i64) -> Self {
        Self { is_root, time, label: None, children: Vec::new() }
    }

    pub(super) fn add(&mut self, name: &str, attributes: Attributes, time: i64) {
        self.children.push(Child { name: name.to_owned(), short: [0; 11], attributes, time });
    }

    /// The label of the file system, which is an entry of the root.
    pub(super) fn set_label(&mut self, label: &str, time: i64) {
        self.label = Some((label.to_owned(), time));
    }

    /// Gives each child a short name; all are there now.
    pub(super) fn name_shortly(&mut self) {
        let mut taken: BTreeSet<[u8; 11]> = self.children.iter().filter_map(|child| plain(&child.name)).collect();
        // Names that begin alike are many in some folders: the next one is not looked for from the first again.
        let mut next: BTreeMap<[u8; 11], u32> = BTreeMap::new();
        for child in &mut self.children {
            child.short = plain(&child.name).unwrap_or_else(|| {
                let number = next.entry(alias(&child.name, 1)).or_insert(1);
                while taken.contains(&alias(&child.name, *number)) {
                    *number += 1;
                }
                alias(&child.name, *number)
            });
            taken.insert(child.short);
        }
    }

    /// How many entries it has.
    pub(super) fn entries(&self) -> u64 {
        let children: usize = self.children.iter().map(|child| 1 + child.long_parts()).sum();
        let others = if self.is_root { usize::from(self.label.is_some()) } else { 2 };
        (children + others) as u64
    }

    /// Bytes of its entries; never none, as it has a cluster in any case.
    pub(super) fn size(&self) -> u64 {
        self.entries().max(1) * ENTRY as u64
    }

    /// Its entries, given where things are.
    pub(super) fn bytes(&self, place: impl Fn(&str) -> Place, own: u32, parent: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.size() as usize);
        if let Some((label, time)) = &self.label {
            bytes.extend(entry(&padded(label), 0x08, *time, Place::default()));
        }
        if !self.is_root {
            for (name, first) in [(".", own), ("..", parent)] {
                bytes.extend(entry(&padded(name), Attributes::Folder as u8, self.time, Place { first, bytes: 0 }));
            }
        }
        for child in &self.children {
            child.write_long(&mut bytes);
            bytes.extend(entry(&child.short, child.attributes as u8, child.time, place(&child.name)));
        }
        bytes
    }
}

impl Child {
    /// How many entries its long name takes; none if the short one is the same.
    fn long_parts(&self) -> usize {
        if plain(&self.name).is_some() { 0 } else { self.name.encode_utf16().count().div_ceil(PART) }
    }

    fn write_long(&self, bytes: &mut Vec<u8>) {
        let parts = self.long_parts();
        let mut letters: Vec<u16> = self.name.encode_utf16().collect();
        if letters.len() < parts * PART {
            letters.push(0);
        }
        letters.resize(parts * PART, 0xffff);
        let sum = self.short.iter().fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
        // The last part comes first.
        for (index, part) in letters.chunks(PART).enumerate().rev() {
            let mut entry = [0; ENTRY];
            entry[0] = (index as u8 + 1) | if index + 1 == parts { 0x40 } else { 0 };
            entry[11] = 0x0f;
            entry[13] = sum;
            let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain([28, 30]);
            for (at, letter) in places.zip(part) {
                entry[at..at + 2].copy_from_slice(&letter.to_le_bytes());
            }
            bytes.extend(entry);
        }
    }
}

fn entry(name: &[u8; 11], attributes: u8, time: i64, place: Place) -> [u8; ENTRY] {
    let (date, clock, hundredths) = dos_time(time);
    let mut entry = [0; ENTRY];
    entry[..11].copy_from_slice(name);
    entry[11] = attributes;
    entry[13] = hundredths;
    entry[14..16].copy_from_slice(&clock.to_le_bytes());
    for at in [16, 18, 24] {
        entry[at..at + 2].copy_from_slice(&date.to_le_bytes());
    }
    entry[20..22].copy_from_slice(&((place.first >> 16) as u16).to_le_bytes());
    entry[22..24].copy_from_slice(&clock.to_le_bytes());
    entry[26..28].copy_from_slice(&(place.first as u16).to_le_bytes());
    entry[28..32].copy_from_slice(&place.bytes.to_le_bytes());
    entry
}

/// Date, time in steps of two seconds, and the rest in hundredths of a second. What is out of range becomes its end.
fn dos_time(seconds: i64) -> (u16, u16, u8) {
    let seconds = seconds.clamp(315_532_800, 4_354_819_199);
    let (days, second) = (seconds / 86400, seconds % 86400);
    let (year, month, day) = civil(days);
    let date = (year - 1980) << 9 | month << 5 | day;
    let clock = ((second / 3600) << 11) | ((second / 60 % 60) << 5) | (second % 60 / 2);
    (date as u16, clock as u16, (second % 2 * 100) as u8)
}

/// Year, month and day of a day after 1970-01-01. Years begin in March here, so that the leap day is their last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

fn is_short(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"!#$%&'()-@^_`{}~".contains(&byte)
}

/// The name itself as a short one, if it is one.
fn plain(name: &str) -> Option<[u8; 11]> {
    let (base, extension) = name.split_once('.').unwrap_or((name, ""));
    let is_good = |part: &str, most| part.len() <= most && part.bytes().all(is_short);
    if base.is_empty() || name.ends_with('.') || !is_good(base, 8) || !is_good(extension, 3) {
        return None;
    }
    Some(short(base, extension))
}

/// The short name of a long one, with a number.
fn alias(name: &str, number: u32) -> [u8; 11] {
    let clean = |part: &str| -> String {
        let letters = part.chars().filter(|letter| !matches!(letter, ' ' | '.'));
        let upper = letters.map(|letter| u8::try_from(letter.to_ascii_uppercase()).ok().filter(|byte| is_short(*byte)));
        upper.map(|byte| char::from(byte.unwrap_or(b'_'))).collect()
    };
    let (base, extension) = match name.rsplit_once('.') {
        Some((base, extension)) if !base.trim_matches('.').is_empty() => (clean(base), clean(extension)),
        _ => (clean(name), String::new()),
    };
    let tail = format!("~{number}");
    let kept = base.len().min(8 - tail.len());
    short(&format!("{}{tail}", &base[..kept]), &extension[..extension.len().min(3)])
}

fn short(base: &str, extension: &str) -> [u8; 11] {
    padded(&format!("{base:8}{extension}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names() {
        let mut folder = Folder::new(true, 0);
        for name in [
            "EFI",
            "A.B",
            "BOOTX64.EFI",
            "bootx64.efi.old",
            "loader.conf",
            "loader.config",
            "LOADER~1.CON",
            ".hidden",
            "ö x.txt",
            "a.b.c",
        ] {
            folder.add(name, Attributes::File, 0);
        }
        folder.name_shortly();
        let names: Vec<String> =
            folder.children.iter().map(|child| String::from_utf8_lossy(&child.short).into_owned()).collect();
        assert_eq!(
            names,
            [
                "EFI        ",
                "A       B  ",
                "BOOTX64 EFI",
                "BOOTX6~1OLD",
                "LOADER~2CON",
                "LOADER~3CON",
                "LOADER~1CON",
                "HIDDEN~1   ",
                "_X~1    TXT",
                "AB~1    C  "
            ]
        );
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, (1980, 1, 1, 0, 0, 0)),
            (1_700_000_001, (2023, 11, 14, 22, 13, 20)),
            (951_782_400, (2000, 2, 29, 0, 0, 0)),
            (4_107_542_399, (2100, 2, 28, 23, 59, 58)),
            (i64::MAX, (2107, 12, 31, 23, 59, 58)),
        ] {
            let (date, clock, rest) = dos_time(seconds);
            let found = (1980 + (date >> 9), date >> 5 & 15, date & 31, clock >> 11, clock >> 5 & 63, (clock & 31) * 2);
            assert_eq!(found, expected, "{seconds}");
            assert_eq!(rest, if [0, 951_782_400].contains(&seconds) { 0 } else { 100 });
        }
    }
}

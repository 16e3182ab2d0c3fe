//! The header structure of package files: `docs/manual/format_header.md` of rpm.
//!
//! ```text
//! intro (16 bytes)              index                          data
//! 8e ad e8 01 0 0 0 0 IL DL  │  IL × (tag, type, offset, count)  │  DL bytes
//! ```
//!
//! Everything is checked when a header is parsed: that each entry lies within the data, after the one before it, aligned,
//! and that strings end. What is read later is only looked at for its type.

use std::borrow::Cow;
use std::cell::RefCell;

use crate::Problem;

/// Length of the intro.
pub(crate) const INTRO: usize = 16;
const MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
/// `HEADER_TAGS_MAX` and `HEADER_DATA_MAX` of `lib/header.c`.
const MAX_TAGS: u32 = 0xffff;
const MAX_DATA: u32 = 0x0fff_ffff;
const BIN: u32 = 7;
const REGION_SIZE: u32 = 16;

/// Number and name of a tag of a header, as `include/rpm/rpmtag.h` of rpm has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag(
    /// Its number.
    pub u32,
    /// Its name, for messages.
    pub &'static str,
);

/// How many bytes follow an intro.
///
/// # Errors
/// No intro, or one that announces more than rpm allows.
pub(crate) fn length_after(intro: &[u8], part: &'static str) -> Result<usize, Problem> {
    let bad = |why: String| Problem::BadHeader { part, why };
    if intro.get(..8) != Some(&MAGIC) {
        return Err(bad("it does not begin with the magic number".into()));
    }
    let (tags, data) = (number(intro, 8), number(intro, 12));
    if tags == 0 || tags > MAX_TAGS {
        return Err(bad(format!("it announces {tags} entries; 1 to {MAX_TAGS} are allowed")));
    }
    if data > MAX_DATA {
        return Err(bad(format!("it announces {data} bytes of data; {MAX_DATA} are allowed")));
    }
    Ok(tags as usize * 16 + data as usize)
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: u32,
    kind: u32,
    offset: usize,
    count: usize,
    length: usize,
}

/// An entry as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawEntry<'a> {
    /// Number of its tag.
    pub tag: u32,
    /// Number of its type: `rpmTagType` of `include/rpm/rpmtag.h`.
    pub kind: u32,
    /// How many values it has; bytes of a binary one.
    pub count: usize,
    /// The values, big-endian; strings end with a zero.
    pub bytes: &'a [u8],
}

/// A header whose index was checked. Accessors note what is wrong with a tag and go on without it;
/// [`into_problems`](Self::into_problems) gives what they noted.
#[derive(Debug)]
pub struct Header<'a> {
    entries: Vec<Entry>,
    data: &'a [u8],
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Header<'a> {
    /// Parses a header with its intro; `part` names it in problems (`main`, `signature`).
    ///
    /// # Errors
    /// All that is wrong with its index.
    pub fn parse(bytes: &'a [u8], part: &'static str) -> Result<Self, Vec<Problem>> {
        let bad = |why: String| Problem::BadHeader { part, why };
        let length = length_after(bytes, part).map_err(|problem| vec![problem])?;
        let tags = number(bytes, 8) as usize;
        let Some(body) = bytes.get(INTRO..INTRO + length) else {
            return Err(vec![bad("it is cut off".into())]);
        };
        let (index, data) = body.split_at(tags * 16);
        let mut problems = Vec::new();
        let mut entries = Vec::with_capacity(tags);
        let mut end = 0;
        for (at, raw) in index.chunks_exact(16).enumerate() {
            let (tag, kind, offset, count) = (number(raw, 0), number(raw, 4), number(raw, 8), number(raw, 12));
            let is_region = matches!(tag, 61..=63);
            let wrong = |why: &str| bad(format!("entry {at} (tag {tag}): {why}"));
            if is_region && at == 0 {
                if let Err(why) = check_region(kind, offset, count, data, tags) {
                    problems.push(wrong(why));
                }
                continue;
            }
            let offset = offset as usize;
            match entry_length(kind, offset, count as usize, data) {
                Err(why) => problems.push(wrong(why)),
                Ok(_) if offset < end => problems.push(wrong("its data overlaps that of the entry before")),
                Ok(length) => {
                    end = offset + length;
                    entries.push(Entry { tag, kind, offset, count: count as usize, length });
                }
            }
        }
        entries.sort_by_key(|entry| entry.tag);
        if let Some(pair) = entries.windows(2).find(|pair| pair[0].tag == pair[1].tag) {
            problems.push(bad(format!("tag {} is there twice", pair[0].tag)));
        }
        if problems.is_empty() { Ok(Self { entries, data, problems: RefCell::new(problems) }) } else { Err(problems) }
    }

    /// What was wrong with tags that were read.
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }

    /// Notes that something is wrong.
    pub(crate) fn problem(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// True if something was wrong so far.
    pub(crate) fn has_problems(&self) -> bool {
        !self.problems.borrow().is_empty()
    }

    /// True if the tag is there.
    pub fn has(&self, tag: Tag) -> bool {
        self.entry(tag).is_some()
    }

    fn entry(&self, tag: Tag) -> Option<&Entry> {
        self.entries.binary_search_by_key(&tag.0, |entry| entry.tag).ok().map(|at| &self.entries[at])
    }

    fn typed(&self, tag: Tag, kinds: &[u32], wanted: &str) -> Option<&Entry> {
        let entry = self.entry(tag)?;
        if kinds.contains(&entry.kind) {
            return Some(entry);
        }
        self.problem(Problem::TagType { tag: tag.1, why: format!("{}, not {wanted}", kind_name(entry.kind)) });
        None
    }

    /// The first string of a tag; of a text in several languages it is the untranslated one.
    pub fn text(&self, tag: Tag) -> Option<Cow<'a, str>> {
        let entry = self.typed(tag, &[6, 8, 9], "a string")?;
        self.texts_of(entry, tag).next()
    }

    /// The first string of a tag; empty if the tag is not there.
    pub fn text_or_empty(&self, tag: Tag) -> String {
        self.text(tag).map(Cow::into_owned).unwrap_or_default()
    }

    /// The strings of a tag.
    pub fn texts(&self, tag: Tag) -> Vec<Cow<'a, str>> {
        let entry = self.typed(tag, &[8], "an array of strings");
        entry.map(|entry| self.texts_of(entry, tag).collect()).unwrap_or_default()
    }

    fn texts_of(&self, entry: &Entry, tag: Tag) -> impl Iterator<Item = Cow<'a, str>> {
        let data = self.data;
        let bytes = &data[entry.offset..entry.offset + entry.length];
        bytes.split(|byte| *byte == 0).take(entry.count).map(move |bytes| {
            let text = decode(bytes);
            if let Some(character) = forbidden(&text) {
                self.problem(Problem::ControlCharacter { what: format!("tag {}", tag.1), character: character.into() });
            }
            text
        })
    }

    /// The strings of a tag as they are.
    pub fn strings(&self, tag: Tag) -> Vec<&'a [u8]> {
        let Some(entry) = self.typed(tag, &[8], "an array of strings") else { return Vec::new() };
        let data = self.data;
        let bytes = &data[entry.offset..entry.offset + entry.length];
        bytes.split(|byte| *byte == 0).take(entry.count).collect()
    }

    /// The strings of a tag, one or many, as they are: scripts may be in any encoding.
    pub fn raw_texts(&self, tag: Tag) -> Vec<&'a [u8]> {
        let Some(entry) = self.typed(tag, &[6, 8, 9], "a string") else { return Vec::new() };
        let data = self.data;
        let bytes = &data[entry.offset..entry.offset + entry.length];
        bytes.split(|byte| *byte == 0).take(entry.count).collect()
    }

    /// The bytes of a tag.
    pub fn bytes(&self, tag: Tag) -> Option<&'a [u8]> {
        let entry = self.typed(tag, &[BIN], "bytes")?;
        let data = self.data;
        Some(&data[entry.offset..entry.offset + entry.length])
    }

    /// All entries but the region, in the order of their tags.
    pub fn raw(&self) -> impl Iterator<Item = RawEntry<'a>> {
        let data = self.data;
        self.entries.iter().map(move |entry| RawEntry {
            tag: entry.tag,
            kind: entry.kind,
            count: entry.count,
            bytes: &data[entry.offset..entry.offset + entry.length],
        })
    }

    /// The 16-bit numbers of a tag.
    pub fn numbers16(&self, tag: Tag) -> Vec<u16> {
        let Some(entry) = self.typed(tag, &[3], "16-bit numbers") else { return Vec::new() };
        let bytes = &self.data[entry.offset..entry.offset + entry.length];
        bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
    }

    /// The 32-bit numbers of a tag.
    pub fn numbers32(&self, tag: Tag) -> Vec<u32> {
        let Some(entry) = self.typed(tag, &[4], "32-bit numbers") else { return Vec::new() };
        let bytes = &self.data[entry.offset..entry.offset + entry.length];
        bytes.chunks_exact(4).map(|word| number(word, 0)).collect()
    }

    /// The 64-bit numbers of a tag.
    pub fn numbers64(&self, tag: Tag) -> Vec<u64> {
        let Some(entry) = self.typed(tag, &[5], "64-bit numbers") else { return Vec::new() };
        let bytes = &self.data[entry.offset..entry.offset + entry.length];
        bytes.chunks_exact(8).map(|long| u64::from(number(long, 0)) << 32 | u64::from(number(long, 4))).collect()
    }

    /// The first number of a tag, of 32 or 64 bits.
    pub fn number(&self, tag: Tag) -> Option<u64> {
        let entry = self.typed(tag, &[4, 5], "a number of 32 or 64 bits")?;
        let bytes = &self.data[entry.offset..entry.offset + entry.length];
        let width = if entry.kind == 4 { 4 } else { 8 };
        Some(bytes[..width].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }
}

/// Writes a header with one region over all entries, which are in the order of their tags.
pub(crate) fn write_region(region: u32, entries: &[RawEntry<'_>]) -> Vec<u8> {
    let short = |number: usize| u32::try_from(number).expect("a header is smaller than rpm allows");
    let row = |tag, kind, offset: u32, count| [tag, kind, offset, count].map(u32::to_be_bytes).concat();
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for entry in entries {
        let width = match entry.kind {
            3 => 2,
            4 => 4,
            5 => 8,
            _ => 1,
        };
        data.resize(data.len().next_multiple_of(width), 0);
        index.extend(row(entry.tag, entry.kind, short(data.len()), short(entry.count)));
        data.extend(entry.bytes);
    }
    let tags = short(entries.len() + 1);
    // The trailer leads back over the whole index.
    let trailer = row(region, BIN, (tags * 16).wrapping_neg(), REGION_SIZE);
    let first = row(region, BIN, short(data.len()), REGION_SIZE);
    data.extend(trailer);
    let lengths = [tags.to_be_bytes(), short(data.len()).to_be_bytes()].concat();
    [&MAGIC[..], &lengths, &first, &index, &data].concat()
}

/// Big-endian; the caller has checked the length.
fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn kind_name(kind: u32) -> &'static str {
    match kind {
        1 => "characters",
        2 => "8-bit numbers",
        3 => "16-bit numbers",
        4 => "32-bit numbers",
        5 => "64-bit numbers",
        6 => "a string",
        7 => "bytes",
        8 => "an array of strings",
        _ => "a text in languages",
    }
}

/// Length of the data of an entry: `dataLength` and `hdrchkAlign` of `lib/header.c`.
fn entry_length(kind: u32, offset: usize, count: usize, data: &[u8]) -> Result<usize, &'static str> {
    let Some(rest) = data.get(offset..) else { return Err("its offset is outside of the data") };
    if count == 0 {
        return Err("it has no value");
    }
    let width = match kind {
        1 | 2 | BIN => 1,
        3 => 2,
        4 => 4,
        5 => 8,
        6 | 8 | 9 => {
            if kind == 6 && count != 1 {
                return Err("a string has one value only");
            }
            // Each string takes a byte at least, so a count that lies costs no more than the data has bytes.
            let last = memchr::memchr_iter(0, rest).nth(count - 1);
            return last.map(|last| last + 1).ok_or("a string does not end within the data");
        }
        _ => return Err("its type is unknown"),
    };
    if !offset.is_multiple_of(width) {
        return Err("its data is not aligned");
    }
    match count.checked_mul(width) {
        Some(length) if length <= rest.len() => Ok(length),
        _ => Err("its data is longer than that of the header"),
    }
}

/// The region: the entry points at a trailer in the data that points back at the index (`hdrblobVerifyRegion`).
fn check_region(kind: u32, offset: u32, count: u32, data: &[u8], tags: usize) -> Result<(), &'static str> {
    if kind != BIN || count != REGION_SIZE {
        return Err("a region has 16 bytes");
    }
    let offset = offset as usize;
    let Some(trailer) = data.get(offset..).and_then(|rest| rest.get(..REGION_SIZE as usize)) else {
        return Err("the trailer of the region is outside of the data");
    };
    let (tag, kind, back, count) = (number(trailer, 0), number(trailer, 4), number(trailer, 8), number(trailer, 12));
    if !matches!(tag, 61..=63) || kind != BIN || count != REGION_SIZE {
        return Err("the trailer of the region is wrong");
    }
    let length = back.wrapping_neg() as usize;
    if length == 0 || !length.is_multiple_of(16) || length / 16 > tags {
        return Err("the trailer of the region does not lead back to the index");
    }
    Ok(())
}

/// Text of a header: UTF-8, or else Latin-1 as in createrepo_c.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()),
    }
}

/// A character that XML 1.0 has no way to write.
fn forbidden(text: &str) -> Option<char> {
    let plain = text.bytes().all(|byte| byte >= 0x20 && byte != 0xef);
    let bad = |c: &char| (*c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}');
    if plain { None } else { text.chars().find(bad) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(entries: &[(u32, u32, u32, u32)], data: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend((entries.len() as u32).to_be_bytes());
        bytes.extend((data.len() as u32).to_be_bytes());
        for (tag, kind, offset, count) in entries {
            [tag, kind, offset, count].iter().for_each(|number| bytes.extend(number.to_be_bytes()));
        }
        bytes.extend(data);
        bytes
    }

    #[test]
    fn values_come_out_by_their_type() {
        let data = b"name\0\0\0\0\0\0\0\x07\0\0\0\x08\x81\xa4\0\0a\0\xe9\0C\0de\0";
        let bytes =
            header(&[(1000, 6, 0, 1), (1028, 4, 8, 2), (1030, 3, 16, 1), (1047, 8, 20, 2), (1004, 9, 24, 2)], data);
        let header = Header::parse(&bytes, "main").unwrap();
        assert_eq!(header.text(Tag(1000, "NAME")).as_deref(), Some("name"));
        assert_eq!(header.numbers32(Tag(1028, "FILESIZES")), [7, 8]);
        assert_eq!(header.number(Tag(1028, "FILESIZES")), Some(7));
        assert_eq!(header.numbers16(Tag(1030, "FILEMODES")), [0o100_644]);
        assert_eq!(header.texts(Tag(1047, "PROVIDENAME")), ["a", "é"]);
        assert_eq!(header.raw_texts(Tag(1047, "PROVIDENAME")), [&b"a"[..], b"\xe9"]);
        assert_eq!(header.raw_texts(Tag(1000, "NAME")), [b"name"]);
        assert_eq!(header.text(Tag(1004, "SUMMARY")).as_deref(), Some("C"));
        assert_eq!(header.text(Tag(1, "OTHER")), None);
        assert!(header.problems.borrow().is_empty());
        assert_eq!(header.number(Tag(1000, "NAME")), None);
        let problems = header.into_problems();
        assert_eq!(
            problems[0].to_string(),
            "tag NAME has the wrong type or count: a string, not a number of 32 or 64 bits"
        );
    }

    #[test]
    fn an_index_that_lies_is_refused_with_all_that_is_wrong() {
        for (entries, data, want) in [
            (&[(1000, 6, 9, 1)][..], &b"name\0"[..], "outside of the data"),
            (&[(1000, 6, 0, 1)], b"name", "does not end"),
            (&[(1000, 6, 0, 2)], b"a\0b\0", "one value only"),
            (&[(1000, 8, 0, u32::MAX)], b"a\0b\0", "does not end"),
            (&[(1000, 4, 0, u32::MAX)], b"a\0b\0", "longer"),
            (&[(1000, 4, 1, 1)], b"12345", "not aligned"),
            (&[(1000, 4, 0, 0)], b"12345", "no value"),
            (&[(1000, 10, 0, 1)], b"12345", "unknown"),
            (&[(1000, 6, 0, 1), (1001, 6, 2, 1)], b"name\0", "overlaps"),
            (&[(1000, 6, 0, 1), (1000, 6, 5, 1)], b"name\0b\0", "twice"),
            (&[(63, 7, 0, 8)], b"0123456789abcdef", "16 bytes"),
            (&[(63, 7, 4, 16)], b"0123456789abcdef", "outside"),
            (&[(63, 7, 0, 16)], b"0123456789abcdef", "trailer of the region is wrong"),
        ] {
            let problems = Header::parse(&header(entries, data), "main").unwrap_err();
            assert!(problems[0].to_string().contains(want), "{entries:?}: {problems:?}");
        }
        let both = header(&[(1000, 6, 9, 1), (1001, 11, 0, 1)], b"name\0");
        assert_eq!(Header::parse(&both, "main").unwrap_err().len(), 2);
    }

    #[test]
    fn an_intro_that_announces_too_much_is_refused() {
        let mut bytes = header(&[(1000, 6, 0, 1)], b"name\0");
        bytes[8] = 1;
        assert!(length_after(&bytes, "main").unwrap_err().to_string().contains("entries"));
        bytes[8] = 0;
        bytes[12] = 0x10;
        assert!(length_after(&bytes, "main").unwrap_err().to_string().contains("bytes of data"));
        bytes[0] = 0;
        assert!(length_after(&bytes, "main").unwrap_err().to_string().contains("magic"));
    }

    #[test]
    fn what_xml_cannot_hold_is_noticed() {
        for (text, want) in
            [("a\tb\nä", None), ("a\u{c}b", Some('\u{c}')), ("ä\u{ffff}", Some('\u{ffff}')), ("\u{feff}", None)]
        {
            assert_eq!(forbidden(text), want, "{text:?}");
        }
    }
}

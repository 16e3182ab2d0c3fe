//! `%changelog` (`build/parseChangelog.c`).

use bedplate_diag::{Diagnostic, Span};

use super::reader::Strip;
use super::{Parser, Part};
use crate::macros::scan::is_space;
use crate::package::ChangelogEntry;

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const LENGTHS: [i64; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// A date of a star line.
#[derive(Debug, PartialEq, Eq)]
struct Date {
    time: i64,
    /// How many words it has: 4, or 6 with time and zone.
    words: usize,
    /// The day of the week is not that of the date.
    is_bogus: bool,
}

impl Parser {
    /// Reads the changelog. A bad one is reported and passed over: rpm has decided by then what comes next.
    pub(super) fn parse_changelog(&mut self) -> Part {
        if self.has_changelog {
            self.report_line(Diagnostic::error("second-section", "second %changelog").hint("merge the two"));
            return self.skip_section();
        }
        let mut text = String::new();
        let mut spans: Vec<(usize, Option<Span>)> = Vec::new();
        let part = self.read_lines(Strip::COMMENTS, |parser, line| {
            if line.starts_with('*') || (spans.is_empty() && !line.trim().is_empty()) {
                spans.push((text.len(), parser.span_of(0, line.trim_end().len()).map(|(span, _)| span)));
            }
            text.push_str(line);
        });
        let trim = self.trim_age();
        let mut entries = Vec::new();
        if let Err((message, at)) = self.read_entries(&text, trim, &mut entries, &spans) {
            let mut diagnostic = Diagnostic::passed("bad-changelog", message)
                .hint("an entry is `* Mon Jan 02 2006 Name <mail> - version` and lines of text, the newest first");
            diagnostic.span = spans.iter().rev().find(|(start, _)| *start <= at).and_then(|(_, span)| *span);
            self.engine.push_diagnostic(diagnostic);
        }
        if let Some(main) = self.spec.packages.first_mut() {
            self.has_changelog = !entries.is_empty();
            main.changelog = entries;
        }
        part
    }

    /// Entries older than the newest by more than this many seconds are left out; 0 keeps all.
    fn trim_age(&self) -> i64 {
        let time = self.engine.expand_number("%{?_changelog_trimtime}");
        match self.engine.expand_number("%{?_changelog_trimage}") {
            0 if time != 0 => self.engine.world.machine.now - time,
            age => age,
        }
    }

    fn read_entries(
        &self,
        text: &str,
        trim_age: i64,
        entries: &mut Vec<ChangelogEntry>,
        spans: &[(usize, Option<Span>)],
    ) -> Result<(), (String, usize)> {
        let bytes = text.as_bytes();
        let space = |at: usize| bytes.get(at).is_some_and(|b| is_space(*b));
        let skip_space = |mut at: usize| {
            while space(at) {
                at += 1;
            }
            at
        };
        let mut oldest = 0;
        let mut last: Option<i64> = None;
        let mut at = skip_space(0);
        while at < text.len() {
            let entry = at;
            let fail = |message: &str| Err((message.to_owned(), entry));
            if bytes[at] != b'*' {
                return fail("%changelog entries must start with *");
            }
            let Some(line_end) = memchr::memchr(b'\n', &bytes[at..]).map(|found| at + found) else {
                return fail("incomplete %changelog entry");
            };
            let star = &text[at + 1..line_end];
            let shown = star.trim_start_matches(|c: char| u8::try_from(c).is_ok_and(is_space));
            let Some(date) = parse_date(shown) else {
                return Err((format!("bad date in %changelog: {shown}"), entry));
            };
            if date.is_bogus {
                let mut warning =
                    Diagnostic::warning("bogus-date", format!("bogus date in %changelog: {}", shown.trim_end()))
                        .hint("the day of the week is not that of the date");
                warning.span = spans.iter().rev().find(|(start, _)| *start <= entry).and_then(|(_, span)| *span);
                self.engine.push_diagnostic(warning);
            }
            if last.is_none() && trim_age != 0 {
                oldest = date.time - trim_age;
            }
            if last.is_some_and(|last| last != 0 && last < date.time) {
                return fail("%changelog not in descending chronological order");
            }
            last = Some(date.time);
            let name = after_words(star, date.words);
            if name.is_empty() {
                return fail("missing name in %changelog");
            }
            let start = skip_space(line_end + 1);
            if start >= text.len() {
                return fail("no description in %changelog");
            }
            let mut next = start + 1;
            while next < text.len() && !(bytes[next] == b'*' && bytes[next - 1] == b'\n') {
                next += 1;
            }
            let mut end = next;
            while end > start + 1 && is_space(bytes[end - 1]) {
                end -= 1;
            }
            if oldest != 0 && date.time < oldest {
                break;
            }
            entries.push(ChangelogEntry {
                time: date.time,
                name: name.to_owned(),
                text: text.get(start..end).unwrap_or_default().to_owned(),
            });
            at = next;
        }
        Ok(())
    }
}

/// What follows `count` words, without the blanks before it.
fn after_words(text: &str, count: usize) -> &str {
    let space = |c: char| u8::try_from(c).is_ok_and(is_space);
    let mut rest = text;
    for _ in 0..count {
        rest = rest.trim_start_matches(space);
        rest = &rest[rest.find(space).unwrap_or(rest.len())..];
    }
    rest.trim_start_matches(space)
}

/// `Wed Jan 01 1997` or `Wed Jan 01 10:22:33 CET 1997`; what follows does not matter.
fn parse_date(text: &str) -> Option<Date> {
    let mut words = text.split(|c: char| u8::try_from(c).is_ok_and(is_space)).filter(|word| !word.is_empty());
    let weekday = DAYS.iter().position(|day| Some(*day) == words.clone().next())?;
    words.next();
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let day = whole_number(words.next()?)?;
    if day < 0 || day > LENGTHS[month] {
        return None;
    }
    let mut year = words.next()?;
    let (mut hour, mut minute, mut second, mut offset, mut count) = (12, 0, 0, 0, 4);
    let bytes = year.as_bytes();
    if bytes.get(1) == Some(&b':') || bytes.get(2) == Some(&b':') {
        count = 6;
        let mut parts = year.splitn(3, ':');
        hour = whole_number(parts.next()?)?;
        minute = whole_number(parts.next()?)?;
        second = whole_number(parts.next()?)?;
        if !(0..=23).contains(&hour) || !(0..=59).contains(&minute) || !(0..=59).contains(&second) {
            return None;
        }
        let zone = words.next()?;
        if zone.len() > 8 {
            return None;
        }
        offset = zone_offset(zone);
        year = words.next()?;
    }
    let year = whole_number(year)?;
    if !(1990..3000).contains(&year) {
        return None;
    }
    let days = days_from_epoch(year, month, day);
    let time = days * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    // Day 0 and day 31 of a short month move the date, as mktime(3) does.
    let real_weekday = (days + 4).rem_euclid(7);
    let moved = day == 0 || day > month_length(year, month);
    Some(Date { time, words: count, is_bogus: moved || real_weekday != i64::try_from(weekday).ok()? })
}

fn whole_number(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn month_length(year: i64, month: usize) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if month == 1 && !leap { 28 } else { LENGTHS[month] }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days_from_epoch(year: i64, month: usize, day: i64) -> i64 {
    let years = year - 1970;
    let leaps = |year: i64| year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let before: i64 = (0..month).map(|month| month_length(year, month)).sum();
    years * 365 + leaps(year - 1) - leaps(1969) + before + day - 1
}

/// Zones that the C library knows by name, with the hours that their standard time is ahead of UTC. Summer time does not
/// matter: rpm asks for standard time.
const ZONES: [(&str, f64); 28] = [
    ("CET", 1.0),
    ("MET", 1.0),
    ("EET", 2.0),
    ("WET", 0.0),
    ("EST", -5.0),
    ("MST", -7.0),
    ("HST", -10.0),
    ("GB", 0.0),
    ("NZ", 12.0),
    ("PRC", 8.0),
    ("ROC", 8.0),
    ("ROK", 9.0),
    ("W-SU", 3.0),
    ("Cuba", -5.0),
    ("Egypt", 2.0),
    ("Eire", 1.0),
    ("Hongkong", 8.0),
    ("Iceland", 0.0),
    ("Iran", 3.5),
    ("Israel", 2.0),
    ("Jamaica", -5.0),
    ("Japan", 9.0),
    ("Libya", 2.0),
    ("Navajo", -7.0),
    ("Poland", 1.0),
    ("Portugal", 0.0),
    ("Turkey", 3.0),
    ("NZ-CHAT", 12.75),
];

/// Seconds that a zone is ahead of UTC. rpm sets `TZ` to the word and asks the C library: names of its data base, rules
/// such as `XXX-2` (two hours ahead), and UTC for all else.
fn zone_offset(zone: &str) -> i64 {
    if let Some((_, hours)) = ZONES.iter().find(|(name, _)| *name == zone) {
        // Quarters of an hour are exact.
        return (hours * 4.0) as i64 * 900;
    }
    let letters = zone.bytes().take_while(u8::is_ascii_alphabetic).count();
    if letters < 3 {
        return 0;
    }
    let rest = &zone[letters..];
    let (sign, digits) = match rest.strip_prefix('-') {
        Some(digits) => (1, digits),
        None => (-1, rest.strip_prefix('+').unwrap_or(rest)),
    };
    // What follows the hours (`EST5EDT`) is the name of summer time.
    let digits = &digits[..digits.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(digits.len())];
    let mut parts = digits.split(':').map(|part| part.parse::<i64>().unwrap_or(0));
    let (hours, minutes) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    sign * (hours.min(24) * 3_600 + minutes * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_at_noon_utc() {
        let date = parse_date("Thu Jan 01 2026 A B").expect("a date");
        assert_eq!((date.time, date.words, date.is_bogus), (1_767_268_800, 4, false));
        assert!(parse_date("Fri Jan 01 2026 A").expect("a date").is_bogus);
        let date = parse_date("Thu Oct  6 06:48:39 UTC 2016 A").expect("a date");
        assert_eq!((date.time, date.words), (1_475_736_519, 6));
        for bad in
            ["Xxx Jan 01 2026", "Thu Foo 01 2026", "Thu Jan 32 2026", "Thu Jan 1 1980", "Thu Jan 1", "Thu Jan 1x 2020"]
        {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_follow_the_words_of_the_date() {
        assert_eq!(after_words("  Thu Jan 01 2026  A B <c> - 1", 4), "A B <c> - 1");
        assert_eq!(after_words("Thu Jan 01 2026", 4), "");
    }
}

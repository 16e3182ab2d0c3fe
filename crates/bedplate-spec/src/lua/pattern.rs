//! How long a Lua pattern takes.
//!
//! Lua's matcher backtracks: a pattern with many repetitions takes exponential time, within one call in which no
//! instruction is counted. So a call that might (see `risky` in `prelude.lua`) is first walked through here, where
//! steps are counted, and only made if it ends. The result itself always comes from Lua.

/// The matcher of Lua recurses this deep, then gives up by itself.
const MAX_DEPTH: u32 = 200;
const MAX_CAPTURES: usize = 32;
const ESCAPE: u8 = b'%';

/// Which matches a call goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matches {
    /// `string.find`, `string.match`.
    First,
    /// `string.gmatch`, `string.gsub`.
    All,
}

/// Counts the steps of a call from byte `start` on; `None` if they are more than `limit`.
pub(super) fn steps(subject: &[u8], pattern: &[u8], start: usize, matches: Matches, limit: u64) -> Option<u64> {
    let (anchored, pattern) = match pattern.strip_prefix(b"^") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let mut walk =
        Walk { subject, pattern, captures: [(0, Capture::Open); MAX_CAPTURES], level: 0, depth: 0, steps: 0, limit };
    let (mut at, mut last) = (start, None);
    while at <= subject.len() {
        walk.level = 0;
        let found = match walk.matches(at, 0) {
            Ok(found) => found.filter(|end| Some(*end) != last),
            Err(Stop::TooLong) => return None,
            // Lua will say what is wrong.
            Err(Stop::Malformed) => break,
        };
        match found {
            Some(_) if matches == Matches::First => break,
            Some(end) => {
                at = end;
                last = Some(end);
            }
            None => at += 1,
        }
        if anchored {
            break;
        }
    }
    Some(walk.steps)
}

enum Stop {
    Malformed,
    TooLong,
}

#[derive(Clone, Copy)]
enum Capture {
    Open,
    Position,
    Length(usize),
}

struct Walk<'a> {
    subject: &'a [u8],
    pattern: &'a [u8],
    captures: [(usize, Capture); MAX_CAPTURES],
    level: usize,
    depth: u32,
    steps: u64,
    limit: u64,
}

impl Walk<'_> {
    /// The end of a match of the pattern from `p` on, at byte `s` of the subject.
    fn matches(&mut self, s: usize, p: usize) -> Result<Option<usize>, Stop> {
        if self.depth == MAX_DEPTH {
            return Err(Stop::Malformed);
        }
        self.depth += 1;
        let result = self.matches_here(s, p);
        self.depth -= 1;
        result
    }

    fn matches_here(&mut self, mut s: usize, mut p: usize) -> Result<Option<usize>, Stop> {
        loop {
            self.count()?;
            let Some(&first) = self.pattern.get(p) else { return Ok(Some(s)) };
            match (first, self.pattern.get(p + 1)) {
                (b'(', Some(b')')) => return self.with_capture(s, p + 2, Capture::Position),
                (b'(', _) => return self.with_capture(s, p + 1, Capture::Open),
                (b')', _) => return self.close_capture(s, p + 1),
                (b'$', None) => return Ok((s == self.subject.len()).then_some(s)),
                (ESCAPE, Some(b'b')) => match self.balanced(s, p + 2)? {
                    Some(end) => (s, p) = (end, p + 4),
                    None => return Ok(None),
                },
                (ESCAPE, Some(b'f')) => {
                    let set = p + 2;
                    if self.pattern.get(set) != Some(&b'[') {
                        return Err(Stop::Malformed);
                    }
                    let end = self.item_end(set)?;
                    let before = s.checked_sub(1).map_or(0, |at| self.subject[at]);
                    let here = self.subject.get(s).copied().unwrap_or(0);
                    if self.in_set(before, set, end - 1) || !self.in_set(here, set, end - 1) {
                        return Ok(None);
                    }
                    p = end;
                }
                (ESCAPE, Some(digit)) if digit.is_ascii_digit() => match self.back_reference(s, *digit)? {
                    Some(end) => (s, p) = (end, p + 2),
                    None => return Ok(None),
                },
                _ => {
                    let end = self.item_end(p)?;
                    match self.pattern.get(end) {
                        Some(b'?') => {
                            if self.item_matches(s, p, end) {
                                let with = self.matches(s + 1, end + 1)?;
                                if with.is_some() {
                                    return Ok(with);
                                }
                            }
                            p = end + 1;
                        }
                        Some(b'+') => {
                            return if self.item_matches(s, p, end) { self.longest(s + 1, p, end) } else { Ok(None) };
                        }
                        Some(b'*') => return self.longest(s, p, end),
                        Some(b'-') => return self.shortest(s, p, end),
                        _ if self.item_matches(s, p, end) => (s, p) = (s + 1, end),
                        _ => return Ok(None),
                    }
                }
            }
        }
    }

    fn count(&mut self) -> Result<(), Stop> {
        self.steps += 1;
        if self.steps > self.limit { Err(Stop::TooLong) } else { Ok(()) }
    }

    fn longest(&mut self, s: usize, p: usize, end: usize) -> Result<Option<usize>, Stop> {
        let mut count = 0;
        while self.item_matches(s + count, p, end) {
            self.count()?;
            count += 1;
        }
        loop {
            let found = self.matches(s + count, end + 1)?;
            if found.is_some() || count == 0 {
                return Ok(found);
            }
            count -= 1;
        }
    }

    fn shortest(&mut self, mut s: usize, p: usize, end: usize) -> Result<Option<usize>, Stop> {
        loop {
            let found = self.matches(s, end + 1)?;
            if found.is_some() || !self.item_matches(s, p, end) {
                return Ok(found);
            }
            s += 1;
        }
    }

    fn with_capture(&mut self, s: usize, p: usize, kind: Capture) -> Result<Option<usize>, Stop> {
        let slot = self.captures.get_mut(self.level).ok_or(Stop::Malformed)?;
        *slot = (s, kind);
        self.level += 1;
        let found = self.matches(s, p)?;
        if found.is_none() {
            self.level -= 1;
        }
        Ok(found)
    }

    fn close_capture(&mut self, s: usize, p: usize) -> Result<Option<usize>, Stop> {
        let open = self.captures[..self.level].iter().rposition(|(_, kind)| matches!(kind, Capture::Open));
        let open = open.ok_or(Stop::Malformed)?;
        self.captures[open].1 = Capture::Length(s - self.captures[open].0);
        let found = self.matches(s, p)?;
        if found.is_none() {
            self.captures[open].1 = Capture::Open;
        }
        Ok(found)
    }

    fn balanced(&mut self, s: usize, p: usize) -> Result<Option<usize>, Stop> {
        let (Some(&open), Some(&close)) = (self.pattern.get(p), self.pattern.get(p + 1)) else {
            return Err(Stop::Malformed);
        };
        if self.subject.get(s) != Some(&open) {
            return Ok(None);
        }
        let mut depth = 1;
        for (at, byte) in self.subject.iter().enumerate().skip(s + 1) {
            self.count()?;
            if *byte == close {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(at + 1));
                }
            } else if *byte == open {
                depth += 1;
            }
        }
        Ok(None)
    }

    fn back_reference(&mut self, s: usize, digit: u8) -> Result<Option<usize>, Stop> {
        let index = usize::from(digit.wrapping_sub(b'1'));
        match self.captures[..self.level].get(index) {
            Some((start, Capture::Length(length))) => {
                let text = &self.subject[*start..*start + *length];
                Ok(self.subject[s..].starts_with(text).then_some(s + length))
            }
            _ => Err(Stop::Malformed),
        }
    }

    /// The end of a single character, class or set that begins at `p`.
    fn item_end(&self, p: usize) -> Result<usize, Stop> {
        match (self.pattern[p], self.pattern.get(p + 1)) {
            (ESCAPE, None) => Err(Stop::Malformed),
            (ESCAPE, Some(_)) => Ok(p + 2),
            (b'[', _) => {
                let mut at = p + 1;
                if self.pattern.get(at) == Some(&b'^') {
                    at += 1;
                }
                // A bracket at the first place is a member.
                loop {
                    match self.pattern.get(at) {
                        None => return Err(Stop::Malformed),
                        Some(&ESCAPE) => at += 2,
                        Some(_) => at += 1,
                    }
                    if self.pattern.get(at) == Some(&b']') {
                        return Ok(at + 1);
                    }
                }
            }
            _ => Ok(p + 1),
        }
    }

    fn item_matches(&self, s: usize, p: usize, end: usize) -> bool {
        let Some(&byte) = self.subject.get(s) else { return false };
        match self.pattern[p] {
            b'.' => true,
            ESCAPE => in_class(byte, self.pattern[p + 1]),
            b'[' => self.in_set(byte, p, end - 1),
            literal => literal == byte,
        }
    }

    /// True if a byte is in the set between the brackets at `open` and `close`.
    fn in_set(&self, byte: u8, open: usize, close: usize) -> bool {
        let mut members = &self.pattern[open + 1..close];
        let mut wanted = true;
        if let Some(rest) = members.strip_prefix(b"^") {
            (members, wanted) = (rest, false);
        }
        while let Some((first, rest)) = members.split_first() {
            let (found, rest) = match (first, rest) {
                (&ESCAPE, [class, rest @ ..]) => (in_class(byte, *class), rest),
                (low, [b'-', high, rest @ ..]) => ((*low..=*high).contains(&byte), rest),
                (literal, rest) => (*literal == byte, rest),
            };
            if found {
                return wanted;
            }
            members = rest;
        }
        !wanted
    }
}

fn in_class(byte: u8, class: u8) -> bool {
    let found = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'g' => byte.is_ascii_graphic(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 0x0b,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        _ => return class == byte,
    };
    found != class.is_ascii_uppercase()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn end_of(subject: &str, pattern: &str) -> Option<usize> {
        let captures = [(0, Capture::Open); MAX_CAPTURES];
        let (subject, pattern) = (subject.as_bytes(), pattern.as_bytes());
        let mut walk = Walk { subject, pattern, captures, level: 0, depth: 0, steps: 0, limit: 10_000 };
        walk.matches(0, 0).ok().flatten()
    }

    #[test]
    fn walks_as_lua_matches() {
        // The same patterns under Lua itself: see `patterns_agree_with_lua` of the module's tests.
        for (subject, pattern, expected) in PATTERNS {
            assert_eq!(end_of(subject, pattern), *expected, "{subject} {pattern}");
        }
    }

    pub(in crate::lua) const PATTERNS: &[(&str, &str, Option<usize>)] = &[
        ("abc", "a.c", Some(3)),
        ("abc", "b", None),
        ("aaab", "a*", Some(3)),
        ("aaab", "a*ab", Some(4)),
        ("aaab", "a-b", Some(4)),
        ("aaab", "a+b$", Some(4)),
        ("ab", "ax?b", Some(2)),
        ("axb", "ax?b", Some(3)),
        ("key = value", "(%w+)%s*=%s*(%w+)", Some(11)),
        ("abab", "(ab)%1", Some(4)),
        ("abac", "(ab)%1", None),
        ("f(a(b)c)d", "f%b()", Some(8)),
        ("THE (quick) fox", "%f[%a]%a+%f[%A]", Some(3)),
        ("]a", "[]]a", Some(2)),
        ("x-y", "[%w-]+", Some(3)),
        ("é!", "[^%s]*", Some(3)),
        ("1.2-3", "[0-9.]+", Some(3)),
        ("abc", "()a()", Some(1)),
        ("a.b", "%w%.%W?b", Some(3)),
        ("(x", "%(x", Some(2)),
    ];
}

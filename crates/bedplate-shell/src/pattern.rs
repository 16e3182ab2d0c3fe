//! Shell patterns: `*`, `?`, `[…]`, for file names, `case` and `${x#pattern}`.

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ByteSet([u128; 2]);

impl ByteSet {
    /// Every byte.
    pub(crate) const ALL: Self = Self([u128::MAX; 2]);

    pub(crate) fn one(byte: u8) -> Self {
        let mut set = Self::default();
        set.insert(byte);
        set
    }

    pub(crate) fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 7)] |= 1 << (byte & 127);
    }

    pub(crate) fn contains(self, byte: u8) -> bool {
        self.0[usize::from(byte >> 7)] >> (byte & 127) & 1 == 1
    }

    pub(crate) fn extend(&mut self, bytes: impl IntoIterator<Item = u8>) {
        for byte in bytes {
            self.insert(byte);
        }
    }

    pub(crate) fn complement(self) -> Self {
        Self(self.0.map(|half| !half))
    }

    pub(crate) fn is_disjoint(self, other: Self) -> bool {
        self.0.iter().zip(other.0).all(|(a, b)| a & b == 0)
    }

    pub(crate) fn bytes(self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(move |byte| self.contains(*byte))
    }

    /// The bytes of a POSIX class (`alpha`) in an ASCII locale.
    pub(crate) fn class(name: &[u8]) -> Option<Self> {
        let test: fn(&u8) -> bool = match name {
            b"alpha" => u8::is_ascii_alphabetic,
            b"digit" => u8::is_ascii_digit,
            b"alnum" => u8::is_ascii_alphanumeric,
            b"upper" => u8::is_ascii_uppercase,
            b"lower" => u8::is_ascii_lowercase,
            b"punct" => u8::is_ascii_punctuation,
            b"xdigit" => u8::is_ascii_hexdigit,
            b"cntrl" => u8::is_ascii_control,
            b"graph" => u8::is_ascii_graphic,
            b"print" => |byte| (b' '..=b'~').contains(byte),
            b"blank" => |byte| matches!(byte, b' ' | b'\t'),
            b"space" => |byte| matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r'),
            _ => return None,
        };
        let mut set = Self::default();
        set.extend((0..=127).filter(test));
        Some(set)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Many,
    One(ByteSet),
}

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Item>);

impl Pattern {
    /// Compiles a pattern whose quoted bytes stand for themselves; `None` for what depends on the locale (`[[=a=]]`).
    pub(crate) fn new(bytes: &[(u8, bool)]) -> Option<Self> {
        let mut items = Vec::new();
        let mut at = 0;
        while let Some(&(byte, is_quoted)) = bytes.get(at) {
            at += 1;
            let item = match byte {
                _ if is_quoted => Item::One(ByteSet::one(byte)),
                b'*' => Item::Many,
                b'?' => Item::One(ByteSet::ALL),
                b'[' => match bracket(&bytes[at..])? {
                    Some((set, length)) => {
                        at += length;
                        Item::One(set)
                    }
                    None => Item::One(ByteSet::one(b'[')),
                },
                // What is escaped was marked as quoted by who read it; a backslash of a variable's value escapes too.
                b'\\' => match bytes.get(at) {
                    Some(&(escaped, _)) => {
                        at += 1;
                        Item::One(ByteSet::one(escaped))
                    }
                    None => Item::One(ByteSet::one(b'\\')),
                },
                _ => Item::One(ByteSet::one(byte)),
            };
            if !(item == Item::Many && items.last() == Some(&Item::Many)) {
                items.push(item);
            }
        }
        Some(Self(items))
    }

    /// The text it stands for if it has nothing special.
    pub(crate) fn literal(&self) -> Option<Vec<u8>> {
        self.0
            .iter()
            .map(|item| match item {
                Item::One(set) => {
                    let mut bytes = set.bytes();
                    bytes.next().filter(|_| bytes.next().is_none())
                }
                Item::Many => None,
            })
            .collect()
    }

    /// True if the whole text matches.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let (mut item, mut at) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        loop {
            match self.0.get(item) {
                Some(Item::Many) => {
                    item += 1;
                    retry = Some((item, at));
                    continue;
                }
                Some(Item::One(set)) if text.get(at).is_some_and(|byte| set.contains(*byte)) => {
                    item += 1;
                    at += 1;
                    continue;
                }
                None if at == text.len() => return true,
                _ => {}
            }
            // The last star takes one byte more.
            match retry {
                Some((after, from)) if from < text.len() => {
                    retry = Some((after, from + 1));
                    (item, at) = (after, from + 1);
                }
                _ => return false,
            }
        }
    }

    /// The length of the shortest or the longest start of the text that matches.
    pub(crate) fn prefix(&self, text: &[u8], longest: bool) -> Option<usize> {
        let fits = |length: &usize| self.matches(&text[..*length]);
        if longest { (0..=text.len()).rev().find(fits) } else { (0..=text.len()).find(fits) }
    }

    /// The start of the shortest or the longest end of the text that matches.
    pub(crate) fn suffix(&self, text: &[u8], longest: bool) -> Option<usize> {
        let fits = |start: &usize| self.matches(&text[*start..]);
        if longest { (0..=text.len()).find(fits) } else { (0..=text.len()).rev().find(fits) }
    }
}

/// Reads a bracket expression after its `[`: the set and its length with the `]`. The inner `None`: it is not closed.
#[expect(clippy::option_option, reason = "not known, not a bracket, a bracket")]
fn bracket(bytes: &[(u8, bool)]) -> Option<Option<(ByteSet, usize)>> {
    let plain = |at: usize| bytes.get(at).filter(|(_, is_quoted)| !is_quoted).map(|(byte, _)| *byte);
    let mut at = 0;
    let is_negated = matches!(plain(0), Some(b'!' | b'^'));
    at += usize::from(is_negated);
    let mut set = ByteSet::default();
    let mut is_first = true;
    loop {
        let Some(&(mut byte, is_quoted)) = bytes.get(at) else { return Some(None) };
        if byte == b'/' {
            // Whether a slash may be in a bracket differs between file names and texts.
            return None;
        }
        if byte == b']' && !is_quoted && !is_first {
            at += 1;
            break;
        }
        is_first = false;
        if byte == b'[' && !is_quoted && matches!(plain(at + 1), Some(b'=' | b'.')) {
            return None;
        }
        if byte == b'[' && !is_quoted && plain(at + 1) == Some(b':') {
            let name: Vec<u8> =
                bytes[at + 2..].iter().map(|(byte, _)| *byte).take_while(u8::is_ascii_lowercase).collect();
            let end = at + 2 + name.len();
            if plain(end) != Some(b':') || plain(end + 1) != Some(b']') {
                return None;
            }
            set.extend(ByteSet::class(&name)?.bytes());
            at = end + 2;
            continue;
        }
        if byte == b'\\' && !is_quoted {
            at += 1;
            byte = bytes.get(at)?.0;
        }
        at += 1;
        if plain(at) == Some(b'-') && !matches!(plain(at + 1), None | Some(b']')) {
            let (last, is_quoted) = *bytes.get(at + 1)?;
            if !is_quoted && matches!(last, b'\\' | b'[' | b'/') || last < byte {
                return None;
            }
            set.extend(byte..=last);
            at += 2;
        } else if plain(at) == Some(b'-') && bytes.get(at + 1).is_some_and(|(_, is_quoted)| *is_quoted) {
            return None;
        } else {
            set.insert(byte);
        }
    }
    Some(Some((if is_negated { set.complement() } else { set }, at)))
}

/// Marks every byte as unquoted.
pub(crate) fn unquoted(bytes: &[u8]) -> Vec<(u8, bool)> {
    bytes.iter().map(|byte| (*byte, false)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abc", true),
            ("a*c", "abcd", false),
            ("*.tar.*", "x-1.tar.gz", true),
            ("?", "", false),
            ("[0-9]*", "5.1", true),
            ("[!0-9]*", "5.1", false),
            ("[]a]", "]", true),
            ("[a", "[a", true),
            ("[[:digit:]x-z]?", "y1", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            let compiled = Pattern::new(&unquoted(pattern.as_bytes())).unwrap();
            assert_eq!(compiled.matches(text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}

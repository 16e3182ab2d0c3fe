//! Finding the end of things: brackets and macro calls.

/// Offset after the bracket that closes the one at `from` (or the first one after it); a backslash hides the next byte.
/// `None` if it is not closed. (`matchchar` in `rpmio/macro.c`.)
pub(crate) fn closing(text: &str, from: usize, open: u8, close: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte == b'\\' {
            at += 1;
        } else if byte == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return Some(at);
            }
        } else if byte == open {
            depth += 1;
        }
    }
    None
}

/// Offset after the macro call whose `%` stands before `from`; `None` if a bracket is not closed.
pub(crate) fn macro_end(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let at = |n: usize| bytes.get(n).copied().unwrap_or(0);
    match at(from) {
        b'(' => return closing(text, from, b'(', b')'),
        b'{' => return closing(text, from, b'{', b'}'),
        b'[' => return closing(text, from, b'[', b']'),
        _ => {}
    }
    let mut end = from;
    while matches!(at(end), b'?' | b'!') {
        end += 1;
    }
    if at(end) == b'-' {
        end += 1;
    }
    while is_name_byte(at(end)) {
        end += 1;
    }
    if at(end) == b'*' && at(end + 1) == b'*' {
        end += 2;
    } else if matches!(at(end), b'*' | b'#') {
        end += 1;
    }
    Some(end)
}

/// True for the bytes of a macro name.
pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// True for a blank: space or tab.
pub(crate) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// True for a byte that ends a line.
pub(crate) fn is_eol(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// True for white space in C's sense (`risspace`).
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// The bracket depths of `%{`, `%(` and `%[` over several lines: whether a line needs its successor.
///
/// Macro files and specs both read on while one is open; they differ in how a trailing backslash counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Nesting {
    braces: u32,
    parentheses: u32,
    brackets: u32,
}

impl Nesting {
    /// True if nothing is open.
    pub(crate) fn is_closed(self) -> bool {
        self == Self::default()
    }

    /// Takes one step at `at` and gives the offset of the next one. The caller handles backslashes.
    pub(crate) fn step(&mut self, bytes: &[u8], at: usize) -> usize {
        let count = |of: &mut u32, up: bool| {
            if *of > 0 {
                if up {
                    *of += 1;
                } else {
                    *of -= 1;
                }
            }
        };
        match bytes[at] {
            b'%' => match bytes.get(at + 1) {
                Some(b'{') => self.braces += 1,
                Some(b'(') => self.parentheses += 1,
                Some(b'[') => self.brackets += 1,
                Some(b'%') => {}
                _ => return at + 1,
            },
            b'{' => {
                count(&mut self.braces, true);
                return at + 1;
            }
            b'}' => {
                count(&mut self.braces, false);
                return at + 1;
            }
            b'(' => {
                count(&mut self.parentheses, true);
                return at + 1;
            }
            b')' => {
                count(&mut self.parentheses, false);
                return at + 1;
            }
            b'[' => {
                count(&mut self.brackets, true);
                return at + 1;
            }
            b']' => {
                count(&mut self.brackets, false);
                return at + 1;
            }
            _ => return at + 1,
        }
        at + 2
    }

    /// True if a brace or a parenthesis is open (brackets are not asked for at the end of a `%define` line).
    pub(crate) fn holds_line(self) -> bool {
        self.braces > 0 || self.parentheses > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_end_where_rpm_ends_them() {
        for (text, want) in [
            ("name rest", Some(4)),
            ("{a:{b}c}d", Some(8)),
            ("{a\\}b}c", Some(6)),
            ("{open", None),
            ("(echo $(x))y", Some(11)),
            ("??!x*y", Some(5)),
            ("-f*x", Some(3)),
            ("**x", Some(2)),
            ("#x", Some(1)),
            ("", Some(0)),
        ] {
            assert_eq!(macro_end(text, 0), want, "{text}");
        }
    }
}

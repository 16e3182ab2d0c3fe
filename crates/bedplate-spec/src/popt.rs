//! Words and options as the popt library reads them: section lines, `%setup`, list tags.

/// Why a line cannot be taken apart; the texts are popt's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PoptError {
    /// A backslash at the end.
    BadQuote,
    /// An option wants an argument, or there is no word at all.
    NoArgument,
    /// An option that is not in the table.
    BadOption,
    /// Not a number.
    BadNumber,
    /// A number that no C `int` holds.
    Overflow,
}

impl PoptError {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::BadQuote => "error in parameter quoting",
            Self::NoArgument => "missing argument",
            Self::BadOption => "unknown option",
            Self::BadNumber => "invalid numeric value",
            Self::Overflow => "number too large or too small",
        }
    }
}

/// Splits a line into words: single and double quotes group, a backslash takes the next character as it is.
///
/// # Errors
/// If there is no word, or the line ends in a backslash.
pub(crate) fn split(line: &str) -> Result<Vec<String>, PoptError> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if quote == Some(c) {
            quote = None;
        } else if let Some(mark) = quote {
            if c == '\\' {
                let next = chars.next().ok_or(PoptError::BadQuote)?;
                if next != mark {
                    word.push('\\');
                }
                word.push(next);
            } else {
                word.push(c);
            }
        } else if c.is_ascii_whitespace() || c == '\u{b}' {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
        } else {
            match c {
                '"' | '\'' => quote = Some(c),
                '\\' => word.push(chars.next().ok_or(PoptError::BadQuote)?),
                _ => word.push(c),
            }
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    if words.is_empty() { Err(PoptError::NoArgument) } else { Ok(words) }
}

/// What an option's letter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    Text,
    Number,
}

/// Options and operands of a line.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// Options in order; a number was checked.
    pub(crate) options: Vec<(char, Option<String>)>,
    pub(crate) operands: Vec<String>,
    /// The first option that is wrong: reading stops there.
    pub(crate) fault: Option<(String, PoptError)>,
}

impl Parsed {
    /// The last argument of an option.
    pub(crate) fn value(&self, letter: char) -> Option<&str> {
        self.options.iter().rev().find(|(of, _)| *of == letter).and_then(|(_, value)| value.as_deref())
    }

    pub(crate) fn has(&self, letter: char) -> bool {
        self.options.iter().any(|(of, _)| *of == letter)
    }
}

/// Reads the options of `words[1..]`.
pub(crate) fn options(words: &[String], table: &[(char, Takes)]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut at = 1;
    while let Some(word) = words.get(at) {
        at += 1;
        if !word.starts_with('-') || word == "-" {
            parsed.operands.push(word.clone());
            continue;
        }
        if word == "--" {
            parsed.operands.extend(words[at..].iter().cloned());
            break;
        }
        if word.starts_with("--") {
            parsed.fault = Some((word.clone(), PoptError::BadOption));
            return parsed;
        }
        let mut rest = word[1..].chars();
        while let Some(letter) = rest.next() {
            let Some((_, takes)) = table.iter().find(|(of, _)| *of == letter) else {
                parsed.fault = Some((format!("-{letter}"), PoptError::BadOption));
                return parsed;
            };
            if *takes == Takes::Nothing {
                parsed.options.push((letter, None));
                continue;
            }
            let inline = rest.as_str();
            let inline = inline.strip_prefix('=').unwrap_or(inline);
            let value = if rest.as_str().is_empty() {
                let Some(next) = words.get(at) else {
                    parsed.fault = Some((format!("-{letter}"), PoptError::NoArgument));
                    return parsed;
                };
                at += 1;
                next.clone()
            } else {
                inline.to_owned()
            };
            let number = (*takes == Takes::Number).then(|| crate::macros::engine::parse_c_integer(&value));
            let fault = match number {
                Some(None) => Some(PoptError::BadNumber),
                Some(Some(number)) if i32::try_from(number).is_err() => Some(PoptError::Overflow),
                _ => None,
            };
            if let Some(fault) = fault {
                parsed.fault = Some((format!("-{letter}"), fault));
                return parsed;
            }
            parsed.options.push((letter, Some(value)));
            break;
        }
    }
    parsed
}

/// A number without sign that fits 32 bits; blanks before it are passed over, anything after it is wrong.
pub(crate) fn unsigned(text: &str) -> Option<u32> {
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_popt_splits_them() {
        for (line, want) in [
            ("%files -n a", &["%files", "-n", "a"][..]),
            ("a 'b c' \"d\\\"e\" f\\ g", &["a", "b c", "d\"e", "f g"]),
            ("a 'b\\c'", &["a", "b\\c"]),
            ("a '' b", &["a", "b"]),
        ] {
            assert_eq!(split(line).expect("splits"), want, "{line}");
        }
        assert_eq!(split("  "), Err(PoptError::NoArgument));
        assert_eq!(split("a\\"), Err(PoptError::BadQuote));
    }

    #[test]
    fn options_and_operands() {
        let table = [('n', Takes::Text), ('q', Takes::Nothing), ('p', Takes::Number)];
        let words = |text: &str| split(text).expect("splits");
        let parsed = options(&words("%x -qn a b -p1 -- -z"), &table);
        assert_eq!(parsed.options, [('q', None), ('n', Some("a".into())), ('p', Some("1".into()))]);
        assert_eq!(parsed.operands, ["b", "-z"]);
        assert_eq!(options(&words("%x -k"), &table).fault, Some(("-k".into(), PoptError::BadOption)));
        assert_eq!(options(&words("%x -n"), &table).fault, Some(("-n".into(), PoptError::NoArgument)));
        assert_eq!(options(&words("%x -p x"), &table).fault, Some(("-p".into(), PoptError::BadNumber)));
        assert_eq!(options(&words("%x -p 2147483648"), &table).fault, Some(("-p".into(), PoptError::Overflow)));
    }
}

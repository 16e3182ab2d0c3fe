//! Lines of systemd's configuration files, split into words as systemd does.

/// How a backslash outside of quotes and within them is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escapes {
    /// The next character stands for itself.
    Plain,
    /// As in C: `\n`, `\t`, `\x41`, `\101`; also `\s` for a space.
    C,
}

/// Takes the first word of `text`, with its quotes removed, and gives it with what follows. None at the end; an error for a quote
/// that does not end or an escape that is none.
pub(crate) fn first(text: &str, escapes: Escapes) -> Result<Option<(String, &str)>, &'static str> {
    let text = text.trim_start_matches(is_space);
    if text.is_empty() {
        return Ok(None);
    }
    let mut word = Vec::new();
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match (character, quote) {
            ('\\', _) => {
                let Some((_, next)) = characters.next() else { return Err("a backslash ends the line") };
                match escapes {
                    Escapes::Plain => push(&mut word, next),
                    Escapes::C => unescape(next, &mut characters, &mut word)?,
                }
            }
            (_, Some(open)) if character == open => quote = None,
            ('"' | '\'', None) => quote = Some(character),
            (_, None) if is_space(character) => {
                return Ok(Some((text_of(word)?, text[at..].trim_start_matches(is_space))));
            }
            _ => push(&mut word, character),
        }
    }
    if quote.is_some() {
        return Err("a quote does not end");
    }
    Ok(Some((text_of(word)?, "")))
}

/// All words of a line.
pub(crate) fn all(text: &str, escapes: Escapes) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some((word, left)) = first(rest, escapes)? {
        words.push(word);
        rest = left;
    }
    Ok(words)
}

/// A text with its escapes of C resolved.
pub(crate) fn unescaped(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::new();
    let mut characters = text.char_indices();
    while let Some((_, character)) = characters.next() {
        if character != '\\' {
            push(&mut bytes, character);
            continue;
        }
        let Some((_, next)) = characters.next() else { return Err("a backslash ends the line") };
        unescape(next, &mut characters, &mut bytes)?;
    }
    text_of(bytes)
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

fn push(word: &mut Vec<u8>, character: char) {
    word.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

fn text_of(bytes: Vec<u8>) -> Result<String, &'static str> {
    String::from_utf8(bytes).map_err(|_| "an escape makes no UTF-8 text")
}

fn unescape(first: char, rest: &mut std::str::CharIndices<'_>, word: &mut Vec<u8>) -> Result<(), &'static str> {
    let mut number = |first: Option<char>, radix: u32, digits: usize| {
        let mut value = match first {
            Some(digit) => digit.to_digit(radix).ok_or("an escape lacks digits")?,
            None => 0,
        };
        for _ in usize::from(first.is_some())..digits {
            let digit = rest.next().and_then(|(_, digit)| digit.to_digit(radix)).ok_or("an escape lacks digits")?;
            value = value * radix + digit;
        }
        Ok::<u32, &'static str>(value)
    };
    let byte = match first {
        'a' => 7,
        'b' => 8,
        'e' => 27,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        's' => b' ',
        '\\' | '"' | '\'' => first as u8,
        'x' => u8::try_from(number(None, 16, 2)?).map_err(|_| "an escape is out of range")?,
        '0'..='7' => u8::try_from(number(Some(first), 8, 3)?).map_err(|_| "an escape is out of range")?,
        'u' | 'U' => {
            let value = number(None, 16, if first == 'u' { 4 } else { 8 })?;
            push(word, char::from_u32(value).ok_or("an escape is no character")?);
            return Ok(());
        }
        _ => return Err("a backslash stands before what is no escape"),
    };
    if byte == 0 {
        return Err("an escape is a zero byte");
    }
    word.push(byte);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_systemd_does() {
        for (line, escapes, want) in [
            ("u  a\t-", Escapes::Plain, Ok(vec!["u", "a", "-"])),
            (r#"u a - "A user" /x"#, Escapes::Plain, Ok(vec!["u", "a", "-", "A user", "/x"])),
            (r#"pre'fix in'side"" x"#, Escapes::Plain, Ok(vec!["prefix inside", "x"])),
            (r"a\ b \n", Escapes::Plain, Ok(vec!["a b", "n"])),
            (r"a\x20b \101\n", Escapes::C, Ok(vec!["a b", "A\n"])),
            (r#"'' """#, Escapes::Plain, Ok(vec!["", ""])),
            (r#"a "b"#, Escapes::Plain, Err("a quote does not end")),
            (r"\q", Escapes::C, Err("a backslash stands before what is no escape")),
            (r"\x4", Escapes::C, Err("an escape lacks digits")),
            ("x\\", Escapes::C, Err("a backslash ends the line")),
        ] {
            let want = want.map(|words| words.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(all(line, escapes), want, "{line}");
        }
        assert_eq!(unescaped(r"a\tb\u00e4").as_deref(), Ok("a\tbä"));
    }
}

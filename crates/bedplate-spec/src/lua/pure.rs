//! Scripts whose output depends on nothing but their text.
//!
//! Distributions compute constant lists in Lua: `%dist` of one prints ten thousand macro names, at every use. A script that
//! names nothing but its own locals and `print`, `tostring` and `tonumber` always prints the same, so it runs once.

/// Words of the language.
const KEYWORDS: [&str; 22] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil",
    "not", "or", "repeat", "return", "then", "true", "until", "while",
];

/// Functions without memory.
const FUNCTIONS: [&str; 3] = ["print", "tostring", "tonumber"];

/// True if the script can be seen to be pure. Any doubt says no: comments, long strings, escapes, functions and fields.
pub(super) fn is_pure(script: &str) -> bool {
    if script.len() > 400 {
        return false;
    }
    let bytes = script.as_bytes();
    let mut locals: Vec<&str> = Vec::new();
    // Names that a `local` or `for` declares are seen before they are used.
    let mut declaring = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' | b'\'' => {
                let Some(end) = bytes[at + 1..].iter().position(|b| *b == byte || matches!(b, b'\\' | b'\n')) else {
                    return false;
                };
                if bytes[at + 1 + end] != byte {
                    return false;
                }
                at += end + 2;
                declaring = false;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => return false,
            b'[' if matches!(bytes.get(at + 1), Some(b'[' | b'=')) => return false,
            b':' | b'#' | b'{' | b'[' => return false,
            b'.' if bytes.get(at + 1) != Some(&b'.') => return false,
            b'.' => {
                at += 2;
                if bytes.get(at) == Some(&b'.') {
                    return false;
                }
            }
            b'0'..=b'9' => {
                at += bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
            }
            _ if byte.is_ascii_alphabetic() || byte == b'_' => {
                let end = at + bytes[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
                let word = &script[at..end];
                at = end;
                if KEYWORDS.contains(&word) {
                    if matches!(word, "function" | "goto" | "while" | "repeat") {
                        return false;
                    }
                    declaring = matches!(word, "local" | "for");
                } else if declaring {
                    locals.push(word);
                } else if !locals.contains(&word) && !FUNCTIONS.contains(&word) {
                    return false;
                }
            }
            b',' | b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            _ if byte.is_ascii() => {
                declaring = false;
                at += 1;
            }
            _ => return false,
        }
    }
    // A local of the name of a function would make calls something else.
    !locals.iter().any(|name| FUNCTIONS.contains(name))
}

#[cfg(test)]
mod tests {
    use super::is_pure;

    #[test]
    fn only_what_names_nothing_foreign_is_pure() {
        for (script, want) in [
            ("for i=0,9999 do print(\"%{?distprefix\" .. i ..\"}\") end", true),
            ("local a = 1 + 2; print(a)", true),
            ("print(tostring(1) .. 'x')", true),
            ("print(rpm.expand('%x'))", false),
            ("x = 1", false),
            ("print(x)", false),
            ("print(('a'):rep(3))", false),
            ("local print = 1", false),
            ("print(\"a\\65\")", false),
            ("-- comment\nprint(1)", false),
            ("for k in pairs(t) do print(k) end", false),
            ("print(#arg)", false),
            ("while true do end", false),
        ] {
            assert_eq!(is_pure(script), want, "{script}");
        }
    }
}

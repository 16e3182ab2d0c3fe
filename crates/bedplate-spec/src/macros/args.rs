//! Arguments: splitting words, quoting them, and getopt over a parametric macro's options.

/// Marks the ends of an argument that `%{quote:}` keeps whole (ASCII unit separator).
pub(crate) const QUOTE: char = '\u{1f}';

/// Splits at the separators, but not within quote characters, which are taken away. Empty words are dropped, quoted empty
/// ones are kept.
pub(crate) fn split_quoted(text: &str, separators: &[char]) -> Vec<String> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut quoted = false;
    let mut take = |word: &str| {
        if !word.is_empty() {
            words.push(word.replace(QUOTE, ""));
        }
    };
    for (at, c) in text.char_indices() {
        if !quoted && separators.contains(&c) {
            take(&text[start..at]);
            start = at + c.len_utf8();
        }
        if c == QUOTE {
            quoted = !quoted;
        }
    }
    // An open quote swallows the end of the text as well: rpm adds no last word then.
    if !quoted {
        take(&text[start..]);
    }
    words
}

/// Joins words, each between quote characters.
pub(crate) fn unsplit_quoted(words: &[String], separator: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("{QUOTE}{word}{QUOTE}")).collect();
    quoted.join(separator)
}

/// What [`getopt`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Options in order, with their arguments.
    pub(crate) given: Vec<Given>,
    /// All words, options moved to the front as GNU getopt does.
    pub(crate) words: Vec<String>,
    /// Index in `words` of the first operand.
    pub(crate) first_operand: usize,
}

/// An option's letter with its argument.
pub(crate) type Given = (char, Option<String>);

/// GNU `getopt` over `words[1..]`: operands may stand between options, `--` ends them, a leading `+` in `spec` stops at the
/// first operand.
///
/// # Errors
/// The letter of an unknown option or of one that lacks its argument, with the options found before it.
pub(crate) fn getopt(words: &[String], spec: &str) -> Result<Options, (char, Vec<Given>)> {
    if spec == "-" {
        return Ok(Options { given: Vec::new(), words: words.to_vec(), first_operand: 1.min(words.len()) });
    }
    let in_order = spec.starts_with('+');
    let letters = spec.strip_prefix(['+', '-']).unwrap_or(spec);
    let mut given = Vec::new();
    let mut options: Vec<String> = words.first().cloned().into_iter().collect();
    let mut operands = Vec::new();
    let mut at = 1;
    while let Some(word) = words.get(at) {
        at += 1;
        if word == "--" {
            options.push(word.clone());
            operands.extend(words[at..].iter().cloned());
            break;
        }
        if !word.starts_with('-') || word == "-" {
            if spec.starts_with('-') {
                // getopt gives the operand as an option that nobody asked for; rpm stops there and takes all words, the name too.
                return Ok(Options { given, words: words.to_vec(), first_operand: 0 });
            }
            if in_order {
                operands.extend(words[at - 1..].iter().cloned());
                break;
            }
            operands.push(word.clone());
            continue;
        }
        options.push(word.clone());
        let mut rest = word[1..].chars();
        while let Some(letter) = rest.next() {
            let found = (letter != ':' && letter != ';').then(|| letters.find(letter)).flatten();
            let Some(found) = found else { return Err((letter, given)) };
            let after = &letters[found + letter.len_utf8()..];
            if after.starts_with("::") {
                let argument = rest.as_str();
                given.push((letter, (!argument.is_empty()).then(|| argument.to_owned())));
                break;
            }
            if after.starts_with(':') {
                let argument = match rest.as_str() {
                    "" => {
                        let Some(next) = words.get(at) else { return Err((letter, given)) };
                        at += 1;
                        options.push(next.clone());
                        next.clone()
                    }
                    inline => inline.to_owned(),
                };
                given.push((letter, Some(argument)));
                break;
            }
            given.push((letter, None));
        }
    }
    let first_operand = options.len();
    options.append(&mut operands);
    Ok(Options { given, words: options, first_operand })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn quotes_keep_words_whole() {
        let blank = [' ', '\t'];
        assert_eq!(split_quoted("a  b", &blank), ["a", "b"]);
        assert_eq!(split_quoted("a \u{1f}b c\u{1f} d", &blank), ["a", "b c", "d"]);
        assert_eq!(split_quoted("\u{1f}\u{1f} x", &blank), ["", "x"]);
        assert_eq!(unsplit_quoted(&words("a b"), " "), "\u{1f}a\u{1f} \u{1f}b\u{1f}");
    }

    #[test]
    fn getopt_moves_operands_behind_options() {
        let found = getopt(&words("f x -a -b2 y -c 3 -- -z"), "ab:c:").expect("good options");
        assert_eq!(found.given, [('a', None), ('b', Some("2".into())), ('c', Some("3".into()))]);
        assert_eq!(&found.words[found.first_operand..], ["x", "y", "-z"]);
        assert_eq!(getopt(&words("f -q"), "ab:").expect_err("unknown").0, 'q');
        assert_eq!(getopt(&words("f -b"), "ab:").expect_err("no argument").0, 'b');
        assert_eq!(getopt(&words("f -a x -b"), "-ab").expect("operands are not moved").first_operand, 0);
        assert_eq!(getopt(&words("f -q x"), "-").expect("no options at all").first_operand, 1);
    }
}

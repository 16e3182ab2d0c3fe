//! Text in pictures: what may stand in it, how it is escaped, and how wide it is at most.

/// True for what a picture does not show or that would move the text around it: controls, and the marks that turn the
/// direction of text. XML does not take most of them, nor the last two of the first plane.
fn is_left_out(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

/// The text as one line: runs of blanks and line ends become one blank.
pub(crate) fn line(text: &str) -> String {
    let kept: String = text.chars().filter(|c| c.is_whitespace() || !is_left_out(*c)).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text with its lines.
pub(crate) fn lines(text: &str) -> String {
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The text for XML, in elements and in attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // An attribute would lose it otherwise.
            '\n' => escaped.push_str("&#10;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// At most so many characters; the last is `…` if there were more.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// How wide a text is at most at a font size, in pixels. What the reader's font is cannot be known: the widths are those of
/// Verdana and DejaVu Sans, the widest of the usual ones, in classes, rounded up.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        ' ' | '.' | ',' | ':' | ';' | '\'' | '!' | '|' | 'i' | 'j' | 'l' | 'I' => 0.40,
        'f' | 't' | 'r' | '-' | '/' | '\\' | '(' | ')' | '[' | ']' | '·' => 0.46,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 1.02,
        '+' | '=' | '<' | '>' | '~' | '^' | '#' | '&' => 0.86,
        'A'..='Z' => 0.80,
        ' '..='~' => 0.66,
        '\u{1f000}'.. => 1.4,
        _ => 1.05,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// A duration with its two greatest units.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{} s", number(seconds));
    }
    let seconds = seconds.round();
    let (minutes, hours) = ((seconds / 60.0).floor(), (seconds / 3600.0).floor());
    if seconds < 60.0 {
        format!("{seconds} s")
    } else if hours < 1.0 {
        two(minutes, "min", seconds % 60.0, "s")
    } else {
        two(hours, "h", minutes % 60.0, "min")
    }
}

fn two(great: f64, great_unit: &str, small: f64, small_unit: &str) -> String {
    if small < 1.0 { format!("{great} {great_unit}") } else { format!("{great} {great_unit} {small} {small_unit}") }
}

/// A number with at most one digit after the point: what a picture needs of it.
pub(crate) fn number(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    // No `-0`.
    format!("{}", rounded + 0.0)
}

/// `1 node`, `2 nodes`.
pub(crate) fn count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cleaned_and_escaped() {
        for (text, want) in [
            ("a\tb\n c", "a b c"),
            ("a\0\u{1b}[1m\u{7f}b", "a[1mb"),
            ("a\u{202e}b\u{2066}c\u{fffe}\u{ffff}", "abc"),
            ("  ", ""),
            ("ä 中", "ä 中"),
        ] {
            assert_eq!(line(text), want, "{text:?}");
        }
        assert_eq!(lines("a \0b\n\n c\td"), "a b\n\nc d");
        assert_eq!(escape("a<b>&\"'\n]]>"), "a&lt;b&gt;&amp;&quot;&#39;&#10;]]&gt;");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!((shorten("äöü", 3), shorten("äöüß", 3)), ("äöü".to_owned(), "äö…".to_owned()));
    }

    #[test]
    fn durations_have_two_units() {
        for (seconds, want) in [
            (0.0, "0 s"),
            (1.26, "1.3 s"),
            (59.4, "59 s"),
            (59.6, "1 min"),
            (61.0, "1 min 1 s"),
            (3599.7, "1 h"),
            (3600.0 * 30.0 + 60.0, "30 h 1 min"),
        ] {
            assert_eq!(duration(seconds), want, "{seconds}");
        }
    }

    #[test]
    fn wide_letters_are_wider() {
        assert!(width("mmm", 10.0) > width("aaa", 10.0) && width("aaa", 10.0) > width("iii", 10.0));
        assert_eq!(width("", 10.0), 0.0);
        assert_eq!((number(-0.01), number(1.25), number(3.0)), ("0".into(), "1.3".into(), "3".into()));
    }
}

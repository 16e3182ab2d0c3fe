//! `grep`.

use regex::bytes::Regex;

use super::{Call, MISSING, Outcome, ascii, lines, number};
use crate::native::regular::{Dialect, Need, Syntax, compile};
use crate::native::{Known, unknown};

/// The language of the pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    Basic,
    Extended,
    Fixed,
    Perl,
}

pub(super) fn grep(call: &mut Call<'_, '_>, flavour: Flavour) -> Known<Outcome> {
    if flavour != Flavour::Basic {
        // Newer ones warn that they are obsolete.
        call.shell.complain(call.io)?;
    }
    let long: [(&[u8], u8); 12] = [
        (b"quiet", b'q'),
        (b"silent", b'q'),
        (b"only-matching", b'o'),
        (b"count", b'c'),
        (b"invert-match", b'v'),
        (b"ignore-case", b'i'),
        (b"extended-regexp", b'E'),
        (b"fixed-strings", b'F'),
        (b"basic-regexp", b'G'),
        (b"no-messages", b's'),
        (b"max-count", b'm'),
        (b"regexp", b'e'),
    ];
    let options = call.options(b"qocviEFGPsxwnhHla", b"me", &long)?;
    let mut flavour = flavour;
    if options.flags.iter().filter(|(flag, _)| b"EFGP".contains(flag)).count() > 1 {
        return unknown("two languages of patterns");
    }
    for (flag, _) in &options.flags {
        flavour = match flag {
            b'E' => Flavour::Extended,
            b'F' => Flavour::Fixed,
            b'G' => Flavour::Basic,
            b'P' => Flavour::Perl,
            _ => flavour,
        };
    }
    let (pattern, files) = match (options.value(b'e')?, options.operands.split_first()) {
        (Some(pattern), _) => (pattern.to_vec(), &options.operands[..]),
        (None, Some((pattern, files))) => (pattern.clone(), files),
        (None, None) => return unknown("`grep` without a pattern"),
    };
    let most = match options.value(b'm')?.map(number) {
        None => usize::MAX,
        Some(Some(most)) if most > 0 => most,
        Some(_) => return unknown("a count of this kind"),
    };
    let has = |flag: u8| options.has(flag);
    if files.len() > 1 && !has(b'h') && !has(b'q') {
        return unknown("several files");
    }
    if pattern.is_empty() && has(b'v') {
        // It gives up before it counts.
        return unknown("an empty pattern of `grep -v`");
    }
    if has(b'H') || (has(b'l') && !has(b'q')) {
        return unknown("file names in the output");
    }
    let need = if has(b'o') && !has(b'q') && !has(b'c') { Need::Span } else { Need::Match };
    let regex = if has(b'w') {
        if has(b'o') || has(b'x') {
            return unknown("`grep -w` of this kind");
        }
        whole_word(&pattern, has(b'i'))?
    } else {
        matcher(&pattern, flavour, has(b'i'), has(b'x'), need)?
    };
    // What comes after `\K` is what counts.
    let shown = if flavour == Flavour::Perl && pattern.windows(2).any(|pair| pair == b"\\K") { 1 } else { 0 };

    let mut outcome = Outcome::default();
    let mut matched_any = false;
    for (name, content) in call.inputs(files)? {
        let Some(content) = content else {
            outcome.status = 2;
            if !has(b's') {
                outcome.complain_of(name, ["grep: ", MISSING]);
            }
            continue;
        };
        // Whether a line that is not ASCII is text depends on the locale.
        ascii(&content)?;
        let mut count = 0;
        for (index, line) in lines(&content).0.into_iter().enumerate() {
            if count >= most {
                break;
            }
            if regex.is_match(line) == has(b'v') {
                continue;
            }
            count += 1;
            matched_any = true;
            if has(b'q') || has(b'c') {
                continue;
            }
            let prefix = if has(b'n') { format!("{}:", index + 1) } else { String::new() };
            if has(b'o') {
                if has(b'v') {
                    continue;
                }
                let all = regex.captures_iter(line).filter_map(|found| found.get(shown));
                for found in all.filter(|found| !found.is_empty()) {
                    outcome.stdout.extend([prefix.as_bytes(), found.as_bytes(), b"\n"].concat());
                }
            } else {
                outcome.stdout.extend([prefix.as_bytes(), line, b"\n"].concat());
            }
        }
        if has(b'c') && !has(b'q') {
            outcome.stdout.extend(format!("{count}\n").into_bytes());
        }
    }
    // With -q, a match counts more than a file that is missing.
    if outcome.status == 0 || (has(b'q') && matched_any) {
        outcome.status = i32::from(!matched_any);
    }
    Ok(outcome)
}

fn matcher(pattern: &[u8], flavour: Flavour, ignore_case: bool, whole_line: bool, need: Need) -> Known<Regex> {
    let (text, syntax) = match flavour {
        Flavour::Basic => (pattern.to_vec(), Syntax::Basic),
        Flavour::Extended => (pattern.to_vec(), Syntax::Extended),
        Flavour::Perl if !whole_line => return perl(pattern, ignore_case),
        Flavour::Perl => return unknown("`grep -x` of this kind"),
        Flavour::Fixed => {
            if pattern.contains(&b'\n') {
                return unknown("several patterns");
            }
            let escape = |byte: &u8| if b".[]*^$\\/".contains(byte) { vec![b'\\', *byte] } else { vec![*byte] };
            (pattern.iter().flat_map(escape).collect(), Syntax::Basic)
        }
    };
    if whole_line {
        // With alternatives, the anchors would belong to the outer ones only.
        if text.contains(&b'|') || text.starts_with(b"^") || text.ends_with(b"$") || text.starts_with(b"*") {
            return unknown("`grep -x` of this kind");
        }
        // By itself first: an escape at its end must not swallow the anchor.
        compile(&text, syntax, Dialect::Grep, ignore_case, need)?;
        return compile(&[b"^", text.as_slice(), b"$"].concat(), syntax, Dialect::Grep, ignore_case, need);
    }
    compile(&text, syntax, Dialect::Grep, ignore_case, need)
}

/// `-w` with a plain word.
fn whole_word(pattern: &[u8], ignore_case: bool) -> Known<Regex> {
    if pattern.is_empty() || !pattern.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return unknown("`grep -w` of this kind");
    }
    let case = if ignore_case { "(?i)" } else { "" };
    let word = String::from_utf8_lossy(pattern);
    match Regex::new(&format!("(?-u){case}(?:\\A|[^_0-9A-Za-z]){word}(?:\\z|[^_0-9A-Za-z])")) {
        Ok(regex) => Ok(regex),
        Err(_) => unknown("a pattern of this kind"),
    }
}

/// Perl's patterns: both search alike, so only what is written differently must be kept out. One `\K` outside of groups is taken.
fn perl(pattern: &[u8], ignore_case: bool) -> Known<Regex> {
    let Ok(text) = std::str::from_utf8(pattern) else { return unknown("a pattern that is not UTF-8") };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" _-.,:;/=@%~\"'<>!^$|()[]+*?".contains(&byte);
    let mut depth = 0_usize;
    let mut bytes = text.bytes().peekable();
    // 0: nothing to repeat, 1: an item, 2: a repeated one, 3: one repeated lazily.
    let mut before = 0;
    while let Some(byte) = bytes.next() {
        before = match byte {
            b'\\' => match bytes.next() {
                Some(b'd' | b'w' | b's' | b'.' | b'-' | b'/' | b'(' | b')' | b'[' | b']') => 1,
                Some(b'+' | b'*' | b'?' | b'$' | b'^' | b'|') => 1,
                Some(b'K') if depth == 0 => 0,
                _ => return unknown("an escape of this kind in a pattern"),
            },
            b'(' => {
                if bytes.peek() == Some(&b'?') {
                    return unknown("a group of this kind in a pattern");
                }
                depth += 1;
                0
            }
            b')' => {
                depth = depth.saturating_sub(1);
                1
            }
            b'[' => {
                // Classes of both are alike if they have no brackets, operators or escapes of letters inside.
                let body: Vec<u8> = bytes.by_ref().take_while(|byte| *byte != b']').collect();
                let body = body.strip_prefix(b"^").unwrap_or(&body);
                let is_odd = body.is_empty()
                    || body.iter().any(|byte| b"[\\&~".contains(byte))
                    || body.windows(2).any(|pair| pair == b"--");
                if is_odd {
                    return unknown("a bracket of this kind in a pattern");
                }
                1
            }
            b'+' | b'*' | b'?' => match (before, byte) {
                (1, _) => 2,
                (2, b'?') => 3,
                // Possessive in one, an error or a nest in the other.
                _ => return unknown("a repetition of this kind"),
            },
            b'^' | b'$' | b'|' => 0,
            byte if plain(byte) => 1,
            _ => return unknown("a pattern of this kind"),
        };
    }
    let mut parts = text.split("\\K");
    let text = match (parts.next(), parts.next(), parts.next()) {
        (Some(all), None, _) => all.to_owned(),
        // An alternative would reach over the place of the cut.
        (Some(before), Some(after), None) if !text.contains('|') && !before.contains('(') => {
            format!("{before}({after})")
        }
        _ => return unknown("`\\K` of this kind"),
    };
    let case = if ignore_case { "(?i)" } else { "" };
    match Regex::new(&format!("(?-u){case}{text}")) {
        Ok(regex) => Ok(regex),
        Err(_) => unknown("a pattern of this kind"),
    }
}

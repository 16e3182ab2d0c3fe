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
    let options = call.options(b"qocviEFGsxnhHla", b"me", &long)?;
    let mut flavour = flavour;
    for (flag, _) in &options.flags {
        flavour = match flag {
            b'E' => Flavour::Extended,
            b'F' => Flavour::Fixed,
            b'G' => Flavour::Basic,
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
    if has(b'H') || (has(b'l') && !has(b'q')) {
        return unknown("file names in the output");
    }
    let need = if has(b'o') && !has(b'q') && !has(b'c') { Need::Span } else { Need::Match };
    let regex = matcher(&pattern, flavour, has(b'i'), has(b'x'), need)?;

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
                for found in regex.find_iter(line).filter(|found| !found.is_empty()) {
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
        return compile(&[b"^", text.as_slice(), b"$"].concat(), syntax, Dialect::Grep, ignore_case, need);
    }
    compile(&text, syntax, Dialect::Grep, ignore_case, need)
}

//! `basename`, `dirname`, `expr`, `ls`.

use super::{Call, Outcome, ascii};
use crate::native::regular::{Dialect, Need, Syntax, compile};
use crate::native::{Known, unknown};

fn with_line(bytes: &[u8]) -> Outcome {
    Outcome::of([bytes, b"\n"].concat())
}

fn trim_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
    &path[..end]
}

pub(super) fn basename(call: &mut Call<'_, '_>) -> Known<Outcome> {
    let options = call.leading_options(b"", b"s", &[(b"suffix", b's')])?;
    let (path, suffix) = match (options.operands.as_slice(), options.value(b's')?) {
        ([path], suffix) => (path, suffix.unwrap_or_default()),
        ([path, suffix], None) => (path, suffix.as_slice()),
        _ => return unknown("`basename` of this kind"),
    };
    if path.starts_with(b"//") {
        return unknown("a path with two slashes");
    }
    let trimmed = trim_slashes(path);
    if trimmed.is_empty() {
        return Ok(with_line(if path.is_empty() { b"" } else { b"/" }));
    }
    let start = trimmed.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let name = &trimmed[start..];
    Ok(with_line(name.strip_suffix(suffix).filter(|rest| !rest.is_empty()).unwrap_or(name)))
}

pub(super) fn dirname(call: &mut Call<'_, '_>) -> Known<Outcome> {
    let options = call.leading_options(b"", b"", &[])?;
    if options.operands.is_empty() {
        return unknown("`dirname` of nothing");
    }
    let mut outcome = Outcome::default();
    for path in &options.operands {
        if path.starts_with(b"//") {
            return unknown("a path with two slashes");
        }
        let trimmed = trim_slashes(path);
        let folder: &[u8] = match trimmed.iter().rposition(|byte| *byte == b'/') {
            Some(at) if trim_slashes(&trimmed[..at]).is_empty() => b"/",
            Some(at) => trim_slashes(&trimmed[..at]),
            None if path.starts_with(b"/") => b"/",
            None => b".",
        };
        outcome.stdout.extend([folder, b"\n"].concat());
    }
    Ok(outcome)
}

/// A number as `expr` knows one.
fn integer(word: &[u8]) -> Option<i64> {
    let digits = word.strip_prefix(b"-").unwrap_or(word);
    if digits.is_empty() || digits.len() > 17 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// `expr` with one operator; the status is 1 if the value is empty or zero.
pub(super) fn expr(call: &mut Call<'_, '_>) -> Known<Outcome> {
    let result = match call.arguments {
        [word]
            if !word.starts_with(b"-")
                && !matches!(word.as_slice(), b"length" | b"substr" | b"match" | b"index" | b"+" | b"(") =>
        {
            word.clone()
        }
        [keyword, text] if keyword == b"length" => {
            ascii(text)?;
            text.len().to_string().into_bytes()
        }
        [keyword, text, from, count] if keyword == b"substr" => {
            ascii(text)?;
            match (integer(from), integer(count)) {
                (Some(from), Some(count)) if from > 0 && count > 0 => {
                    let (from, count) = (usize::try_from(from).unwrap_or(0), usize::try_from(count).unwrap_or(0));
                    text.iter().skip(from - 1).take(count).copied().collect()
                }
                _ => return unknown("`expr substr` of this kind"),
            }
        }
        [left, operator, right] => binary(left, operator, right)?,
        _ => return unknown("`expr` of this kind"),
    };
    let is_null = result.is_empty() || integer(&result) == Some(0);
    Ok(Outcome { status: i32::from(is_null), ..with_line(&result) })
}

fn binary(left: &[u8], operator: &[u8], right: &[u8]) -> Known<Vec<u8>> {
    // A word that is an operator could be read as one.
    let is_word = |word: &[u8]| {
        word.len() > 1 && !matches!(word, b"substr" | b"match" | b"index" | b"length" | b"!=" | b"<=" | b">=" | b"==")
            || word.iter().all(u8::is_ascii_alphanumeric)
    };
    if !is_word(left) || !(is_word(right) || operator == b":") {
        return unknown("`expr` of this kind");
    }
    let truth = |value: bool| vec![if value { b'1' } else { b'0' }];
    let numbers = integer(left).zip(integer(right));
    let number = |value: Option<i64>| match value {
        Some(value) => Ok(value.to_string().into_bytes()),
        None => unknown("arithmetic of `expr` that fails"),
    };
    Ok(match operator {
        b":" => {
            ascii(left)?;
            // The pattern is anchored at the start, and its value is the first group or the length.
            if right.starts_with(b"^") || right.starts_with(b"*") {
                return unknown("`expr` with an anchored pattern");
            }
            let regex = compile(&[b"^", right].concat(), Syntax::Basic, Dialect::Grep, false, Need::Span)?;
            match (regex.captures(left), regex.captures_len()) {
                (Some(found), 1) => found.get(0).map_or(0, |all| all.len()).to_string().into_bytes(),
                (None, 1) => b"0".to_vec(),
                (Some(found), _) => found.get(1).map(|group| group.as_bytes().to_vec()).unwrap_or_default(),
                (None, _) => Vec::new(),
            }
        }
        b"+" => number(numbers.and_then(|(left, right)| left.checked_add(right)))?,
        b"-" => number(numbers.and_then(|(left, right)| left.checked_sub(right)))?,
        b"*" => number(numbers.and_then(|(left, right)| left.checked_mul(right)))?,
        b"/" => number(numbers.and_then(|(left, right)| left.checked_div(right)))?,
        b"%" => number(numbers.and_then(|(left, right)| left.checked_rem(right)))?,
        _ => {
            let Some((left, right)) = numbers else { return unknown("a comparison of texts by `expr`") };
            match operator {
                b"=" | b"==" => truth(left == right),
                b"!=" => truth(left != right),
                b"<" => truth(left < right),
                b"<=" => truth(left <= right),
                b">" => truth(left > right),
                b">=" => truth(left >= right),
                _ => return unknown("`expr` of this kind"),
            }
        }
    })
}

pub(super) fn ls(call: &mut Call<'_, '_>) -> Known<Outcome> {
    let options = call.options(b"1d", b"", &[])?;
    if !call.shell.sorts_by_bytes(call.extra) {
        return unknown("the order of file names");
    }
    let (mut names, mut missing) = (Vec::new(), Vec::new());
    for name in &options.operands {
        let path = call.shell.path(name)?;
        let is_folder = call.shell.is_folder(&path);
        if !is_folder && (name.ends_with(b"/") || !call.shell.files.exists(&path)) {
            missing.push(name);
        } else if is_folder && !options.has(b'd') {
            if options.operands.len() > 1 {
                return unknown("`ls` of folders and more");
            }
            // Names that are patterns themselves would list something else.
            if path.contains(['*', '?', '[', '\\', '{', '}', ',']) {
                return unknown("a folder of this name");
            }
            let folder = path.trim_end_matches('/');
            for path in call.shell.files.glob(&format!("{folder}/*")) {
                match path.get(folder.len() + 1..) {
                    Some(name) => names.push(name.as_bytes().to_vec()),
                    None => return unknown("a file name"),
                }
            }
        } else {
            names.push(name.clone());
        }
    }
    if options.operands.is_empty() {
        return unknown("`ls` of the current folder");
    }
    names.sort();
    let mut outcome = Outcome::default();
    for name in missing {
        outcome.status = 2;
        outcome.complain_of(name, ["ls: cannot access '", "': No such file or directory"]);
    }
    for name in names {
        ascii(&name)?;
        outcome.stdout.extend(name);
        outcome.stdout.push(b'\n');
    }
    Ok(outcome)
}

//! `sort`, `uniq`, `seq`.

use std::cmp::Ordering;

use super::{Call, MISSING, Outcome, ascii, lines, number};
use crate::native::{Known, unknown};

pub(super) fn sort(call: &mut Call<'_, '_>) -> Known<Outcome> {
    let long: [(&[u8], u8); 4] =
        [(b"reverse", b'r'), (b"unique", b'u'), (b"numeric-sort", b'n'), (b"version-sort", b'V')];
    let options = call.options(b"runV", b"", &long)?;
    if options.operands.len() > 1 {
        return unknown("several files");
    }
    if !call.shell.sorts_by_bytes(call.extra) {
        return unknown("the order of texts");
    }
    let (by_number, by_version) = (options.has(b'n'), options.has(b'V'));
    if (by_number && by_version) || (options.has(b'u') && (by_number || by_version)) {
        return unknown("`sort` of this kind");
    }
    let (bytes, outcome) = call.joined(&options.operands, ["sort: cannot read: ", MISSING], 2)?;
    if outcome.status != 0 {
        return Ok(outcome);
    }
    ascii(&bytes)?;
    let mut rows = lines(&bytes).0;
    let mut keys = Vec::new();
    for row in &rows {
        keys.push(if by_number { leading_number(row)? } else { 0 });
        if by_version && !is_plain_version(row) {
            return unknown("versions of this kind");
        }
    }
    let mut keyed: Vec<(i64, &[u8])> = keys.into_iter().zip(rows).collect();
    keyed.sort_by(|(left_key, left), (right_key, right)| {
        let first = if by_number {
            left_key.cmp(right_key)
        } else if by_version {
            compare_versions(left, right)
        } else {
            Ordering::Equal
        };
        let order = first.then_with(|| left.cmp(right));
        if options.has(b'r') { order.reverse() } else { order }
    });
    rows = keyed.into_iter().map(|(_, row)| row).collect();
    if options.has(b'u') {
        rows.dedup();
    }
    Ok(Outcome::of(rows.iter().flat_map(|row| [*row, b"\n"].concat()).collect()))
}

/// The number that a line begins with; only whole numbers are known.
fn leading_number(line: &[u8]) -> Known<i64> {
    let text = line.trim_ascii_start();
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length > 17 || matches!(digits.get(length), Some(b'.' | b',')) {
        return unknown("a number of this kind");
    }
    let value = digits[..length].iter().fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Ok(if digits.len() < text.len() { -value } else { value })
}

/// Numbers, letters and single separators, with no end that could be taken for a file's (`.tar`), no `~` and no hidden file.
fn is_plain_version(line: &[u8]) -> bool {
    let has_ending =
        line.split(|byte| *byte == b'.').skip(1).any(|part| part.first().is_some_and(u8::is_ascii_alphabetic));
    !line.starts_with(b".")
        && !has_ending
        && line.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-_+".contains(byte))
}

/// The order of `sort -V` for lines that have no ending: runs of digits by value, all else by character, letters first.
fn compare_versions(left: &[u8], right: &[u8]) -> Ordering {
    let rank = |byte: Option<&u8>| match byte {
        None => 0,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    let (mut left, mut right) = (left, right);
    while !left.is_empty() || !right.is_empty() {
        while left.first().is_some_and(|byte| !byte.is_ascii_digit())
            || right.first().is_some_and(|byte| !byte.is_ascii_digit())
        {
            match rank(left.first()).cmp(&rank(right.first())) {
                Ordering::Equal => {}
                order => return order,
            }
            left = left.split_first().map_or(left, |(_, rest)| rest);
            right = right.split_first().map_or(right, |(_, rest)| rest);
        }
        let run = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (left_length, right_length) = (run(left), run(right));
        let trimmed =
            |digits: &[u8]| -> Vec<u8> { digits.iter().copied().skip_while(|digit| *digit == b'0').collect() };
        let (left_digits, right_digits) = (trimmed(&left[..left_length]), trimmed(&right[..right_length]));
        match left_digits.len().cmp(&right_digits.len()).then_with(|| left_digits.cmp(&right_digits)) {
            Ordering::Equal => {}
            order => return order,
        }
        (left, right) = (&left[left_length..], &right[right_length..]);
    }
    Ordering::Equal
}

pub(super) fn uniq(call: &mut Call<'_, '_>) -> Known<Outcome> {
    let options = call.options(b"du", b"", &[])?;
    if !options.operands.is_empty() || options.flags.len() > 1 {
        return unknown("`uniq` of this kind");
    }
    let bytes = call.input()?;
    ascii(&bytes)?;
    let mut outcome = Outcome::default();
    for group in lines(&bytes).0.chunk_by(|left, right| left == right) {
        let is_shown = match options.flags.first() {
            Some((b'd', _)) => group.len() > 1,
            Some(_) => group.len() == 1,
            None => true,
        };
        if is_shown {
            outcome.stdout.extend([group[0], b"\n"].concat());
        }
    }
    Ok(outcome)
}

pub(super) fn seq(call: &mut Call<'_, '_>) -> Known<Outcome> {
    let (first, last) = match call.arguments {
        [last] => (Some(1), number(last)),
        [first, last] => (number(first), number(last)),
        _ => return unknown("`seq` of this kind"),
    };
    // A leading zero asks for a width.
    if call.arguments.iter().any(|word| word.len() > 1 && word[0] == b'0') {
        return unknown("`seq` of this kind");
    }
    match (first, last) {
        (Some(first), Some(last)) if last.saturating_sub(first) < 10_000 => {
            Ok(Outcome::of((first..=last).flat_map(|value| format!("{value}\n").into_bytes()).collect()))
        }
        _ => unknown("`seq` of this kind"),
    }
}

//! `cat`, `head`, `tail`, `tac`, `rev`, `wc`.

use super::{Call, MISSING, Outcome, ascii, lines, number};
use crate::native::{Known, unknown};

pub(super) fn cat(call: &mut Call<'_, '_>) -> Known<Outcome> {
    let options = call.options(b"u", b"", &[])?;
    let (bytes, outcome) = call.joined(&options.operands, ["cat: ", MISSING], 1)?;
    Ok(Outcome { stdout: bytes, ..outcome })
}

/// `-5` as the first word is `-n 5`.
fn with_old_count(arguments: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let (first, rest) = arguments.split_first()?;
    let digits = first.strip_prefix(b"-").filter(|digits| number(digits).is_some())?;
    Some([vec![b"-n".to_vec(), digits.to_vec()], rest.to_vec()].concat())
}

/// Options of `head` and `tail`: the unit and the count as written, and the files.
fn counted(call: &mut Call<'_, '_>) -> Known<(u8, Vec<u8>, Vec<Vec<u8>>)> {
    let rewritten = with_old_count(call.arguments);
    let arguments = rewritten.as_deref().unwrap_or(call.arguments);
    let long: [(&[u8], u8); 4] = [(b"lines", b'n'), (b"bytes", b'c'), (b"quiet", b'q'), (b"silent", b'q')];
    let inner = Call { shell: &mut *call.shell, arguments, extra: call.extra, io: call.io };
    let options = inner.options(b"q", b"nc", &long)?;
    let count = match (options.value(b'n')?, options.value(b'c')?) {
        (None, None) => (b'n', b"10".to_vec()),
        (Some(lines), None) => (b'n', lines.to_vec()),
        (None, Some(bytes)) => (b'c', bytes.to_vec()),
        _ => return unknown("two counts"),
    };
    Ok((count.0, count.1, options.operands))
}

/// The length of the first `count` lines.
fn lines_length(bytes: &[u8], count: usize) -> usize {
    bytes.split_inclusive(|byte| *byte == b'\n').take(count).map(<[u8]>::len).sum()
}

pub(super) fn head(call: &mut Call<'_, '_>) -> Known<Outcome> {
    let (unit, count, files) = counted(call)?;
    if files.len() > 1 {
        return unknown("several files");
    }
    let (bytes, outcome) =
        call.joined(&files, ["head: cannot open '", "' for reading: No such file or directory"], 1)?;
    let (leaves, digits) = match count.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, count.as_slice()),
    };
    let Some(count) = number(digits) else { return unknown("a count of this kind") };
    let total = if unit == b'n' { bytes.split_inclusive(|byte| *byte == b'\n').count() } else { bytes.len() };
    let count = if leaves { total.saturating_sub(count) } else { count.min(total) };
    let length = if unit == b'n' { lines_length(&bytes, count) } else { count };
    Ok(Outcome { stdout: bytes[..length].to_vec(), ..outcome })
}

pub(super) fn tail(call: &mut Call<'_, '_>) -> Known<Outcome> {
    let (unit, count, files) = counted(call)?;
    if files.len() > 1 {
        return unknown("several files");
    }
    let (bytes, outcome) =
        call.joined(&files, ["tail: cannot open '", "' for reading: No such file or directory"], 1)?;
    let (from_start, digits) = match count.strip_prefix(b"+") {
        Some(digits) => (true, digits),
        None => (false, count.strip_prefix(b"-").unwrap_or(&count)),
    };
    let Some(count) = number(digits) else { return unknown("a count of this kind") };
    let total = if unit == b'n' { bytes.split_inclusive(|byte| *byte == b'\n').count() } else { bytes.len() };
    let skipped = if from_start { count.saturating_sub(1).min(total) } else { total.saturating_sub(count) };
    let start = if unit == b'n' { lines_length(&bytes, skipped) } else { skipped };
    Ok(Outcome { stdout: bytes[start..].to_vec(), ..outcome })
}

pub(super) fn tac(call: &mut Call<'_, '_>) -> Known<Outcome> {
    let options = call.options(b"", b"", &[])?;
    if !options.operands.is_empty() {
        return unknown("a file");
    }
    let bytes = call.input()?;
    if !bytes.is_empty() && !bytes.ends_with(b"\n") {
        return unknown("a last line without its end");
    }
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    lines.reverse();
    Ok(Outcome::of(lines.concat()))
}

pub(super) fn rev(call: &mut Call<'_, '_>) -> Known<Outcome> {
    let options = call.options(b"", b"", &[])?;
    if !options.operands.is_empty() {
        return unknown("a file");
    }
    let bytes = call.input()?;
    ascii(&bytes)?;
    let mut result = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        result.extend(content.iter().rev());
        result.extend_from_slice(&line[content.len()..]);
    }
    Ok(Outcome::of(result))
}

pub(super) fn wc(call: &mut Call<'_, '_>) -> Known<Outcome> {
    let long: [(&[u8], u8); 4] = [(b"lines", b'l'), (b"words", b'w'), (b"bytes", b'c'), (b"chars", b'm')];
    let options = call.options(b"lwcm", b"", &long)?;
    // With more than one count or file, the width of the columns depends on the sizes of files.
    let [(kind, _)] = options.flags.as_slice() else { return unknown("more than one count") };
    if options.operands.len() > 1 {
        return unknown("several files");
    }
    let (bytes, mut outcome) = call.joined(&options.operands, ["wc: ", MISSING], 1)?;
    if outcome.status != 0 {
        return Ok(outcome);
    }
    let count = match kind {
        b'l' => bytes.iter().filter(|byte| **byte == b'\n').count(),
        b'c' => bytes.len(),
        b'm' => {
            ascii(&bytes)?;
            bytes.len()
        }
        _ => {
            ascii(&bytes)?;
            if bytes.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace()) {
                return unknown("control characters");
            }
            bytes.split(|byte| byte.is_ascii_whitespace() || *byte == 0x0b).filter(|word| !word.is_empty()).count()
        }
    };
    outcome.stdout = count.to_string().into_bytes();
    if let Some(file) = options.operands.first() {
        outcome.stdout.push(b' ');
        outcome.stdout.extend_from_slice(file);
    }
    outcome.stdout.push(b'\n');
    // A name with a newline would be quoted.
    if lines(&outcome.stdout).0.len() != 1 { unknown("a name with a newline") } else { Ok(outcome) }
}

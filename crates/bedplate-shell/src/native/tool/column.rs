//! `cut` and `tr`.

use super::{Call, MISSING, Outcome, ascii, lines, number};
use crate::native::{Known, unknown};
use crate::pattern::ByteSet;

/// The largest column that can be asked for.
const MOST_COLUMN: usize = 100_000;

pub(super) fn cut(call: &mut Call<'_, '_>) -> Known<Outcome> {
    let long: [(&[u8], u8); 5] =
        [(b"delimiter", b'd'), (b"fields", b'f'), (b"characters", b'c'), (b"bytes", b'b'), (b"only-delimited", b's')];
    let options = call.options(b"s", b"dfcb", &long)?;
    let mut columns = None;
    for kind in *b"fcb" {
        if let Some(list) = options.value(kind)?
            && columns.replace((kind, ranges(list)?)).is_some()
        {
            return unknown("two lists");
        }
    }
    let Some((kind, ranges)) = columns else { return unknown("`cut` without a list") };
    let delimiter = match options.value(b'd')? {
        None => b'\t',
        Some([delimiter]) if delimiter.is_ascii() => *delimiter,
        Some(_) => return unknown("a delimiter of this kind"),
    };
    if kind != b'f' && (options.has(b'd') || options.has(b's')) {
        return unknown("a delimiter without fields");
    }
    let (bytes, mut outcome) = call.joined(&options.operands, ["cut: ", MISSING], 1)?;
    if kind == b'c' {
        // Some distributions count characters, the GNU program bytes.
        ascii(&bytes)?;
    }
    if delimiter == b'\n' {
        return unknown("a newline as delimiter");
    }
    let is_chosen = |column: usize| ranges.iter().any(|(first, last)| (*first..=*last).contains(&column));
    for line in lines(&bytes).0 {
        if kind != b'f' {
            outcome.stdout.extend(line.iter().enumerate().filter(|(at, _)| is_chosen(at + 1)).map(|(_, byte)| *byte));
        } else if line.contains(&delimiter) {
            let fields: Vec<&[u8]> = line
                .split(|byte| *byte == delimiter)
                .enumerate()
                .filter(|(at, _)| is_chosen(at + 1))
                .map(|(_, field)| field)
                .collect();
            outcome.stdout.extend(fields.join(&delimiter));
        } else if options.has(b's') {
            continue;
        } else {
            outcome.stdout.extend_from_slice(line);
        }
        outcome.stdout.push(b'\n');
    }
    Ok(outcome)
}

/// A list such as `1,3-5,7-`.
fn ranges(list: &[u8]) -> Known<Vec<(usize, usize)>> {
    let mut ranges = Vec::new();
    for part in list.split(|byte| *byte == b',') {
        let range = match part.iter().position(|byte| *byte == b'-') {
            None => number(part).map(|column| (column, column)),
            Some(at) => match (&part[..at], &part[at + 1..]) {
                (b"", b"") => None,
                (b"", last) => number(last).map(|last| (1, last)),
                (first, b"") => number(first).map(|first| (first, usize::MAX)),
                (first, last) => number(first).zip(number(last)),
            },
        };
        match range {
            Some((first, last)) if first >= 1 && first <= last && first <= MOST_COLUMN => ranges.push((first, last)),
            _ => return unknown("a list of this kind"),
        }
    }
    Ok(ranges)
}

pub(super) fn tr(call: &mut Call<'_, '_>) -> Known<Outcome> {
    let long: [(&[u8], u8); 3] = [(b"delete", b'd'), (b"squeeze-repeats", b's'), (b"complement", b'c')];
    let options = call.leading_options(b"dscCt", b"", &long)?;
    let (deletes, squeezes) = (options.has(b'd'), options.has(b's'));
    let complements = options.has(b'c') || options.has(b'C');
    if options.has(b't') {
        return unknown("the option `-t`");
    }
    let sets = options.operands.iter().map(|text| set(text)).collect::<Known<Vec<Set>>>()?;
    let bytes = call.input()?;
    ascii(&bytes)?;
    let of = |set: &Set| {
        let mut bytes = ByteSet::default();
        bytes.extend(set.bytes.iter().copied());
        if complements { bytes.complement() } else { bytes }
    };
    let result = match sets.as_slice() {
        [set] if deletes && !squeezes => {
            let set = of(set);
            bytes.into_iter().filter(|byte| !set.contains(*byte)).collect()
        }
        [delete, squeeze] if deletes && squeezes => {
            let set = of(delete);
            let kept = bytes.into_iter().filter(|byte| !set.contains(*byte)).collect();
            squeezed(kept, &squeeze.bytes)
        }
        [set] if squeezes && !deletes => {
            let set: Vec<u8> = of(set).bytes().collect();
            squeezed(bytes, &set)
        }
        [from, to] if !deletes => {
            let translated = translate(bytes, from, to, complements)?;
            if squeezes { squeezed(translated, &to.bytes) } else { translated }
        }
        _ => return unknown("`tr` of this kind"),
    };
    Ok(Outcome::of(result))
}

fn translate(bytes: Vec<u8>, from: &Set, to: &Set, complements: bool) -> Known<Vec<u8>> {
    let Some(last) = to.bytes.last() else { return unknown("an empty set") };
    // Of the classes only those for case may be translated to, and only from their other half.
    let is_case = |class: &Option<Vec<u8>>| matches!(class.as_deref(), Some(b"upper" | b"lower"));
    if to.class.is_some() && !(is_case(&to.class) && is_case(&from.class))
        || (to.has_class_inside || (from.has_class_inside && to.bytes.len() > 1))
    {
        return unknown("a translation to a class");
    }
    if complements {
        let all_alike = to.bytes.iter().all(|byte| byte == last);
        if !all_alike {
            return unknown("a translation of a complement");
        }
        return Ok(bytes.into_iter().map(|byte| if from.bytes.contains(&byte) { byte } else { *last }).collect());
    }
    let mut table: Vec<u8> = (0..=u8::MAX).collect();
    for (at, byte) in from.bytes.iter().enumerate() {
        // A byte that is named twice takes its last translation.
        table[usize::from(*byte)] = *to.bytes.get(at).unwrap_or(last);
    }
    Ok(bytes.into_iter().map(|byte| table[usize::from(byte)]).collect())
}

fn squeezed(bytes: Vec<u8>, set: &[u8]) -> Vec<u8> {
    let mut result: Vec<u8> = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if !(result.last() == Some(&byte) && set.contains(&byte)) {
            result.push(byte);
        }
    }
    result
}

/// A set of `tr`, in its order.
struct Set {
    bytes: Vec<u8>,
    /// The set is one class.
    class: Option<Vec<u8>>,
    /// It has a class among other bytes.
    has_class_inside: bool,
}

fn set(text: &[u8]) -> Known<Set> {
    let mut items: Vec<(u8, bool)> = Vec::new();
    let mut at = 0;
    // First the escapes: an escaped dash is no range.
    while at < text.len() {
        let byte = text[at];
        at += 1;
        if byte != b'\\' {
            items.push((byte, false));
            continue;
        }
        let Some(&escape) = text.get(at) else { return unknown("a backslash at the end of a set") };
        at += 1;
        let value = match escape {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'\\' => b'\\',
            b'0'..=b'7' => {
                let start = at - 1;
                let digits = text[start..].iter().take(3).take_while(|digit| (b'0'..=b'7').contains(digit)).count();
                at = start + digits;
                let value = text[start..at].iter().fold(0_u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
                match u8::try_from(value) {
                    Ok(value) if value.is_ascii() && digits == 3 => value,
                    _ => return unknown("an escape of this kind in a set"),
                }
            }
            byte if byte.is_ascii_punctuation() => byte,
            _ => return unknown("an escape of this kind in a set"),
        };
        items.push((value, true));
    }
    let mut set = Set { bytes: Vec::new(), class: None, has_class_inside: false };
    let plain = |at: usize| items.get(at).filter(|(_, is_escaped)| !is_escaped).map(|(byte, _)| *byte);
    let mut classes = 0;
    let mut at = 0;
    while let Some(&(byte, is_escaped)) = items.get(at) {
        if byte == b'[' && !is_escaped {
            if plain(at + 1) == Some(b':') {
                let name: Vec<u8> =
                    items[at + 2..].iter().map(|(byte, _)| *byte).take_while(u8::is_ascii_lowercase).collect();
                let end = at + 2 + name.len();
                let class = ByteSet::class(&name);
                let Some(class) = class.filter(|_| plain(end) == Some(b':') && plain(end + 1) == Some(b']')) else {
                    return unknown("a class of this kind");
                };
                set.bytes.extend(class.bytes());
                set.class = Some(name);
                classes += 1;
                at = end + 2;
                continue;
            }
            // `[=a=]` and `[a*3]`.
            if plain(at + 1) == Some(b'=') || plain(at + 2) == Some(b'*') {
                return unknown("a set of this kind");
            }
        }
        if plain(at + 1) == Some(b'-')
            && let Some(&(last, _)) = items.get(at + 2)
        {
            if last < byte {
                return unknown("a range of this kind");
            }
            set.bytes.extend(byte..=last);
            at += 3;
        } else {
            set.bytes.push(byte);
            at += 1;
        }
    }
    let is_only_class = classes == 1
        && set.class.as_deref().and_then(ByteSet::class).is_some_and(|class| class.bytes().count() == set.bytes.len());
    if classes > 0 && !is_only_class {
        set.has_class_inside = true;
        set.class = None;
    }
    Ok(set)
}

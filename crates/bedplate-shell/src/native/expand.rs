//! Expansion of words: parameters, command substitution, arithmetic, splitting, file names.

use super::run::{Interpreter, Io, MOST_BYTES};
use super::syntax::{Name, Operation, Parameter, Part, Place, Word, is_name};
use super::{Known, arithmetic, unknown};
use crate::pattern::Pattern;

/// How much text a pattern with a star is tried on.
const MOST_PATTERN_TEXT: usize = 4096;

/// A piece of an expanded word.
enum Chunk {
    Text {
        bytes: Vec<u8>,
        is_quoted: bool,
        splits: bool,
    },
    /// Between two parameters of `"$@"`.
    Break,
}

/// A word of which each byte knows whether it was quoted.
type Field = Vec<(u8, bool)>;

/// Expands the words of a command; those of `export` that are assignments do not split.
pub(super) fn command_words(shell: &mut Interpreter<'_>, words: &[Word], io: &Io) -> Known<Vec<Vec<u8>>> {
    let is_export = matches!(words.first().map(Vec::as_slice),
        Some([Part::Text { bytes, .. }]) if matches!(bytes.as_slice(), b"export" | b"readonly" | b"declare" | b"typeset"));
    if !is_export {
        return fields(shell, words, io);
    }
    let mut arguments = Vec::new();
    for word in words {
        let is_assignment = matches!(word.first(), Some(Part::Text { bytes, is_quoted: false })
            if bytes.iter().position(|byte| *byte == b'=').is_some_and(|at| is_name(&bytes[..at])));
        if is_assignment {
            if word.iter().any(|part| matches!(part, Part::Text { bytes, is_quoted: false } if bytes.contains(&b'~'))) {
                return unknown("`~`");
            }
            arguments.push(single(shell, word, io)?);
        } else {
            arguments.extend(fields(shell, std::slice::from_ref(word), io)?);
        }
    }
    Ok(arguments)
}

/// Expands words with splitting and file names.
pub(super) fn fields(shell: &mut Interpreter<'_>, words: &[Word], io: &Io) -> Known<Vec<Vec<u8>>> {
    let mut result = Vec::new();
    for word in words {
        let chunks = chunks(shell, word, false, io)?;
        for field in split(chunks) {
            shell.step(1)?;
            file_names(shell, &field, &mut result)?;
        }
    }
    Ok(result)
}

/// Expands a word without splitting.
pub(super) fn single(shell: &mut Interpreter<'_>, word: &Word, io: &Io) -> Known<Vec<u8>> {
    Ok(pattern(shell, word, io)?.into_iter().map(|(byte, _)| byte).collect())
}

/// Expands a word to a pattern, without splitting.
pub(super) fn pattern(shell: &mut Interpreter<'_>, word: &Word, io: &Io) -> Known<Field> {
    let mut field = Field::new();
    for chunk in chunks(shell, word, false, io)? {
        match chunk {
            Chunk::Text { bytes, is_quoted, .. } => field.extend(bytes.into_iter().map(|byte| (byte, is_quoted))),
            Chunk::Break => field.push((b' ', false)),
        }
        if field.len() > MOST_BYTES {
            return unknown("a long word");
        }
    }
    Ok(field)
}

/// `splits`: unquoted text of the word itself splits, as it does inside an unquoted `${x:-…}`.
fn chunks(shell: &mut Interpreter<'_>, word: &Word, splits: bool, io: &Io) -> Known<Vec<Chunk>> {
    let mut result = Vec::new();
    for part in word {
        match part {
            Part::Text { bytes, is_quoted } => {
                result.push(Chunk::Text { bytes: bytes.clone(), is_quoted: *is_quoted, splits: splits && !is_quoted });
            }
            Part::Command { list, is_quoted } => {
                let bytes = shell.substitute(list, io)?;
                result.push(Chunk::Text { bytes, is_quoted: *is_quoted, splits: !is_quoted });
            }
            Part::Arithmetic { expression, is_quoted } => {
                let value = shell.arithmetic(expression, io)?;
                result.push(Chunk::Text {
                    bytes: value.to_string().into_bytes(),
                    is_quoted: *is_quoted,
                    splits: !is_quoted,
                });
            }
            Part::Parameter { parameter, is_quoted } => {
                expand_parameter(shell, parameter, *is_quoted, io, &mut result)?
            }
        }
    }
    Ok(result)
}

fn split(chunks: Vec<Chunk>) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut current: Option<Field> = None;
    for chunk in chunks {
        match chunk {
            Chunk::Text { bytes, is_quoted, splits: false } => {
                current.get_or_insert_default().extend(bytes.into_iter().map(|byte| (byte, is_quoted)));
            }
            Chunk::Text { bytes, .. } => {
                for byte in bytes {
                    if matches!(byte, b' ' | b'\t' | b'\n') {
                        fields.extend(current.take());
                    } else {
                        current.get_or_insert_default().push((byte, false));
                    }
                }
            }
            Chunk::Break => fields.extend(current.take()),
        }
    }
    fields.extend(current);
    fields
}

/// Adds the files that a field names, or the field itself.
fn file_names(shell: &mut Interpreter<'_>, field: &Field, result: &mut Vec<Vec<u8>>) -> Known<()> {
    let text: Vec<u8> = field.iter().map(|(byte, _)| *byte).collect();
    let is_special = |byte: u8| matches!(byte, b'*' | b'?' | b'[');
    if !field.iter().any(|(byte, is_quoted)| !is_quoted && is_special(*byte)) || text == b"[" {
        result.push(text);
        return Ok(());
    }
    // Without its end, a bracket is only a bracket.
    let has_star = field.iter().any(|(byte, is_quoted)| !is_quoted && matches!(byte, b'*' | b'?'));
    if !has_star && !field.iter().any(|(byte, is_quoted)| !is_quoted && *byte == b']') {
        result.push(text);
        return Ok(());
    }
    if !text.is_ascii() || field.iter().any(|(byte, is_quoted)| !is_quoted && *byte == b'\\') {
        return unknown("a file pattern of this kind");
    }
    // A pattern that cannot be compiled here could not be judged by others either.
    for part in field.split(|(byte, _)| *byte == b'/') {
        if Pattern::new(part).is_none() {
            return unknown("a file pattern of this kind");
        }
    }
    let is_relative = !text.starts_with(b"/");
    let checked = shell.path(&text)?;
    let prefix_length = checked.len() - text.len();
    let mut wanted = String::new();
    for byte in checked.bytes().take(prefix_length) {
        escape(byte, true, &mut wanted);
    }
    for (byte, is_quoted) in field {
        escape(*byte, *is_quoted, &mut wanted);
    }
    shell.step(100)?;
    let found = shell.files.glob(&wanted);
    if found.is_empty() {
        result.push(text);
        return Ok(());
    }
    if found.len() > 1 && !shell.sorts_by_bytes(&[]) {
        return unknown("the order of file names");
    }
    for path in found {
        let Some(name) = path.get(if is_relative { prefix_length } else { 0 }..) else {
            return unknown("a file pattern");
        };
        if !name.is_ascii() {
            return unknown("a file name that is not ASCII");
        }
        // A star may have led into a folder that a sandbox hides.
        shell.path(path.as_bytes())?;
        shell.step(1)?;
        result.push(name.as_bytes().to_vec());
    }
    Ok(())
}

/// Writes a byte for [`bedplate_spec::host::Files::glob`], where braces are special too.
fn escape(byte: u8, is_quoted: bool, into: &mut String) {
    let is_special = b"*?[]\\".contains(&byte);
    if (is_quoted && is_special) || b"{},".contains(&byte) {
        into.push('\\');
    }
    into.push(char::from(byte));
}

fn expand_parameter(
    shell: &mut Interpreter<'_>,
    parameter: &Parameter,
    is_quoted: bool,
    io: &Io,
    result: &mut Vec<Chunk>,
) -> Known<()> {
    if matches!(parameter.name, Name::All | Name::Joined) {
        if matches!(parameter.operation, Operation::Length) {
            result.push(text(shell.positional.len().to_string().into_bytes(), is_quoted));
            return Ok(());
        }
        if is_quoted && parameter.name == Name::Joined {
            result.push(text(shell.positional.join(&b' '), true));
            return Ok(());
        }
        for (index, value) in shell.positional.iter().enumerate() {
            if index > 0 {
                result.push(Chunk::Break);
            }
            result.push(text(value.clone(), is_quoted));
        }
        return Ok(());
    }
    let value = match &parameter.name {
        Name::Variable(name) => shell.value(name)?,
        Name::Positional(number) => shell.positional.get(number - 1).cloned(),
        Name::Count => Some(shell.positional.len().to_string().into_bytes()),
        Name::Status => Some(shell.status.to_string().into_bytes()),
        Name::All | Name::Joined => None,
    };
    let is_missing = |also_empty: bool| value.as_ref().is_none_or(|value| also_empty && value.is_empty());
    match &parameter.operation {
        Operation::Default { also_empty, word } if is_missing(*also_empty) => {
            return alternative(shell, word, is_quoted, io, result);
        }
        Operation::Alternative { also_empty, word } => {
            return if is_missing(*also_empty) {
                result.push(text(Vec::new(), is_quoted));
                Ok(())
            } else {
                alternative(shell, word, is_quoted, io, result)
            };
        }
        Operation::Assign { also_empty, word } if is_missing(*also_empty) => {
            let Name::Variable(name) = &parameter.name else { return unknown("setting a parameter") };
            let value = single(shell, word, io)?;
            shell.assign(name, value.clone())?;
            result.push(text(value, is_quoted));
            return Ok(());
        }
        _ => {}
    }
    let value = value.unwrap_or_default();
    shell.step(value.len() / 1024)?;
    let value = match &parameter.operation {
        Operation::Plain | Operation::Default { .. } | Operation::Assign { .. } | Operation::Alternative { .. } => {
            value
        }
        Operation::Length => value.len().to_string().into_bytes(),
        Operation::RemovePrefix { longest, pattern } => {
            let pattern = compiled(shell, pattern, &value, io)?;
            let length = pattern.prefix(&value, *longest).unwrap_or(0);
            value[length..].to_vec()
        }
        Operation::RemoveSuffix { longest, pattern } => {
            let pattern = compiled(shell, pattern, &value, io)?;
            let start = pattern.suffix(&value, *longest).unwrap_or(value.len());
            value[..start].to_vec()
        }
        Operation::Substring { offset, length } => substring(shell, &value, offset, length.as_ref(), io)?,
        Operation::Replace { place, pattern, with } => {
            let pattern = compiled(shell, pattern, &value, io)?;
            let with = single(shell, with, io)?;
            replace(&value, *place, &pattern, &with)?
        }
        Operation::Case { upper, all } => {
            let change = |byte: &u8| if *upper { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() };
            let changed = if *all { value.len() } else { value.len().min(1) };
            value[..changed].iter().map(change).chain(value[changed..].iter().copied()).collect()
        }
    };
    result.push(text(value, is_quoted));
    Ok(())
}

fn text(bytes: Vec<u8>, is_quoted: bool) -> Chunk {
    Chunk::Text { bytes, is_quoted, splits: !is_quoted }
}

/// The word of `${x:-word}`.
fn alternative(
    shell: &mut Interpreter<'_>,
    word: &Word,
    is_quoted: bool,
    io: &Io,
    result: &mut Vec<Chunk>,
) -> Known<()> {
    if is_quoted {
        let bytes = single(shell, word, io)?;
        result.push(text(bytes, true));
    } else {
        let chunks = chunks(shell, word, true, io)?;
        result.extend(chunks);
    }
    Ok(())
}

fn compiled(shell: &mut Interpreter<'_>, word: &Word, value: &[u8], io: &Io) -> Known<Pattern> {
    let bytes = pattern(shell, word, io)?;
    let Some(pattern) = Pattern::new(&bytes) else { return unknown("a pattern of this kind") };
    if value.len() > MOST_PATTERN_TEXT || bytes.len() > MOST_PATTERN_TEXT {
        return unknown("a pattern on a long text");
    }
    // Every start or end may be tried, each with every place of a star.
    let tries = value.len() + 1;
    shell.step(tries * tries / 1024)?;
    Ok(pattern)
}

fn substring(
    shell: &mut Interpreter<'_>,
    value: &[u8],
    offset: &Word,
    length: Option<&Word>,
    io: &Io,
) -> Known<Vec<u8>> {
    let number = |shell: &mut Interpreter<'_>, word: &Word| {
        let text = single(shell, word, io)?;
        arithmetic::evaluate(&text, &|name| Ok(shell.value(name)?.unwrap_or_default()))
    };
    let size = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let offset = number(shell, offset)?;
    let start = if offset < 0 { size.saturating_add(offset) } else { offset };
    let end = match length {
        None => size,
        Some(length) => match number(shell, length)? {
            length if length < 0 => {
                let end = size.saturating_add(length);
                if end < start {
                    return unknown("a negative length");
                }
                end
            }
            length => start.saturating_add(length),
        },
    };
    if start < 0 || start > size {
        return Ok(Vec::new());
    }
    let (start, end) = (usize::try_from(start).unwrap_or(0), usize::try_from(end.min(size)).unwrap_or(0));
    Ok(value[start..end.max(start)].to_vec())
}

fn replace(value: &[u8], place: Place, pattern: &Pattern, with: &[u8]) -> Known<Vec<u8>> {
    // A match at its longest: what bash takes.
    let longest_at = |start: usize| pattern.prefix(&value[start..], true).filter(|length| *length > 0);
    match place {
        Place::Start => Ok(match pattern.prefix(value, true) {
            Some(length) => [with, &value[length..]].concat(),
            None => value.to_vec(),
        }),
        Place::End => Ok(match pattern.suffix(value, true) {
            Some(start) => [&value[..start], with].concat(),
            None => value.to_vec(),
        }),
        Place::First | Place::All => {
            if pattern.matches(b"") && !value.is_empty() && value.len() > 512 {
                return unknown("a pattern on a long text");
            }
            let mut result = Vec::new();
            let mut at = 0;
            let mut is_done = false;
            if value.is_empty() && pattern.matches(b"") {
                return unknown("a replacement in an empty text");
            }
            while at < value.len() {
                match longest_at(at) {
                    Some(length) if !is_done => {
                        result.extend_from_slice(with);
                        at += length;
                        is_done = place == Place::First;
                    }
                    _ => {
                        result.push(value[at]);
                        at += 1;
                    }
                }
                if result.len() > MOST_BYTES {
                    return unknown("a long word");
                }
            }
            Ok(result)
        }
    }
}

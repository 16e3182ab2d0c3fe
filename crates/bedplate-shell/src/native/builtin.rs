//! Runs one command: the shell's own, then the target's facts, then the tools.

use super::run::{Interpreter, Io, MOST_BYTES, Run, Stop, Variable};
use super::{Known, Unknown, condition, syntax, target, tool, unknown};

/// Variables set for one command only.
pub(super) type Extra = [(String, Vec<u8>)];

/// Commands whose assignments stay.
const SPECIAL: [&[u8]; 8] = [b":", b"break", b"continue", b"eval", b"exit", b"export", b"set", b"shift"];

/// Runs a command with its arguments.
pub(super) fn run(
    shell: &mut Interpreter<'_>,
    arguments: &[Vec<u8>],
    extra: Vec<(String, Vec<u8>)>,
    io: &Io,
) -> Run<i32> {
    let Some((name, rest)) = arguments.split_first() else { return Ok(0) };
    if SPECIAL.contains(&name.as_slice()) {
        for (variable, value) in extra {
            shell.assign(&variable, value)?;
        }
        return special(shell, name, rest, io);
    }
    for (variable, value) in &extra {
        // Setting it checks whether we know what it does; it is taken back at once.
        if variable == "IFS" && name == b"read" {
            continue;
        }
        let before = shell.variables.get(variable).cloned();
        shell.assign(variable, value.clone())?;
        match before {
            Some(before) => drop(shell.variables.insert(variable.clone(), before)),
            None => drop(shell.variables.remove(variable)),
        }
    }
    match name.as_slice() {
        b"true" => Ok(0),
        b"false" => Ok(1),
        b"test" => Ok(tested(shell, rest, io)?),
        b"[" => match rest.split_last() {
            Some((last, words)) if last == b"]" => Ok(tested(shell, words, io)?),
            _ => {
                shell.complain(io)?;
                Ok(2)
            }
        },
        b"echo" => {
            let bytes = echo(rest)?;
            shell.write(io.output, &bytes)?;
            Ok(0)
        }
        b"printf" => {
            let bytes = printf(rest)?;
            shell.write(io.output, &bytes)?;
            Ok(0)
        }
        b"read" => Ok(read(shell, rest, &extra, io)?),
        b"unset" => {
            let names = rest.strip_prefix(&[b"-v".to_vec()]).unwrap_or(rest);
            for name in names {
                if !syntax::is_name(name) {
                    return Err(Unknown("`unset` of this kind".to_owned()).into());
                }
                let name = String::from_utf8_lossy(name);
                shell.assign(&name, Vec::new())?;
                shell.variables.remove(name.as_ref());
            }
            Ok(0)
        }
        b"command" => match rest.first() {
            Some(first) if !first.starts_with(b"-") => run(shell, rest, extra, io),
            _ => Err(Unknown("`command` of this kind".to_owned()).into()),
        },
        b"xargs" => xargs(shell, rest, io),
        _ => Ok(program(shell, arguments, &extra, io)?),
    }
}

/// A program: known from the target, or a tool.
fn program(shell: &mut Interpreter<'_>, arguments: &[Vec<u8>], extra: &Extra, io: &Io) -> Known<i32> {
    if let Some(answer) = target::answer(shell, arguments, extra)? {
        shell.write(io.output, &answer.stdout)?;
        shell.write(io.errors, &answer.stderr)?;
        return Ok(answer.status);
    }
    let name = arguments[0].as_slice();
    let base = [&b"/usr/bin/"[..], b"/bin/"].iter().find_map(|folder| name.strip_prefix(*folder)).unwrap_or(name);
    if base.contains(&b'/') {
        let path = shell.path(base)?;
        if shell.files.exists(&path) {
            return unknown("a program of the machine");
        }
        shell.report_missing(base, io)?;
        return Ok(127);
    }
    if base == name && !has_usual_path(shell) {
        return unknown("programs without the usual `PATH`");
    }
    let outcome = tool::run(shell, base, &arguments[1..], extra, io)?;
    shell.step(1 + outcome.stdout.len() / 1024)?;
    shell.write(io.output, &outcome.stdout)?;
    if outcome.complains {
        shell.complain(io)?;
    }
    shell.write(io.errors, &outcome.errors)?;
    Ok(outcome.status)
}

fn has_usual_path(shell: &Interpreter<'_>) -> bool {
    let path = shell.variables.get("PATH").map(|variable| variable.value.as_slice());
    path.is_some_and(|path| path.split(|byte| *byte == b':').any(|folder| folder == b"/usr/bin" || folder == b"/bin"))
}

fn tested(shell: &mut Interpreter<'_>, words: &[Vec<u8>], io: &Io) -> Known<i32> {
    match condition::test(shell, words)? {
        Some(value) => Ok(i32::from(!value)),
        None => {
            shell.complain(io)?;
            Ok(2)
        }
    }
}

fn special(shell: &mut Interpreter<'_>, name: &[u8], rest: &[Vec<u8>], io: &Io) -> Run<i32> {
    let count = |word: Option<&Vec<u8>>| -> Known<u32> {
        match word.map(|word| std::str::from_utf8(word).ok().and_then(|text| text.parse().ok())) {
            None => Ok(1),
            Some(Some(count)) if count > 0 && rest.len() == 1 => Ok(count),
            Some(_) => unknown("a jump of this kind"),
        }
    };
    match name {
        b":" => Ok(0),
        b"exit" => match rest {
            [] => Err(Stop::Exit(shell.status)),
            [word] => match std::str::from_utf8(word).ok().and_then(|text| text.parse::<u8>().ok()) {
                Some(status) => Err(Stop::Exit(status.into())),
                None => Err(Unknown("an exit status of this kind".to_owned()).into()),
            },
            _ => Err(Unknown("`exit` of this kind".to_owned()).into()),
        },
        // Outside a loop they say so and do nothing; that is not looked at, so they must be caught by one.
        b"break" => Err(Stop::Break(count(rest.first())?)),
        b"continue" => Err(Stop::Continue(count(rest.first())?)),
        b"eval" => shell.evaluate(&rest.join(&b' '), io),
        b"export" => {
            for word in rest {
                let (name, value) = match word.iter().position(|byte| *byte == b'=') {
                    Some(at) => (&word[..at], Some(word[at + 1..].to_vec())),
                    None => (word.as_slice(), None),
                };
                if !syntax::is_name(name) {
                    return Err(Unknown("`export` of this kind".to_owned()).into());
                }
                let name = String::from_utf8_lossy(name).into_owned();
                let value = match value {
                    Some(value) => value,
                    None => shell.value(&name)?.unwrap_or_default(),
                };
                shell.assign(&name, value.clone())?;
                shell.variables.insert(name, Variable { value, is_exported: true });
            }
            Ok(0)
        }
        b"set" => match rest {
            [first, values @ ..] if first == b"--" => {
                shell.positional = values.to_vec();
                Ok(0)
            }
            [first, ..] if !first.starts_with(b"-") && !first.starts_with(b"+") => {
                shell.positional = rest.to_vec();
                Ok(0)
            }
            _ => Err(Unknown("`set` of this kind".to_owned()).into()),
        },
        _ => {
            let count = usize::try_from(count(rest.first())?).unwrap_or(usize::MAX);
            if count > shell.positional.len() {
                return Err(Unknown("`shift` of too many".to_owned()).into());
            }
            shell.positional.drain(..count);
            Ok(0)
        }
    }
}

fn echo(arguments: &[Vec<u8>]) -> Known<Vec<u8>> {
    let (mut has_newline, mut escapes) = (true, false);
    let mut rest = arguments;
    while let Some((first, after)) = rest.split_first()
        && first.len() > 1
        && first[0] == b'-'
        && first[1..].iter().all(|letter| b"neE".contains(letter))
    {
        for letter in &first[1..] {
            match letter {
                b'n' => has_newline = false,
                b'e' => escapes = true,
                _ => escapes = false,
            }
        }
        rest = after;
    }
    let mut bytes = rest.join(&b' ');
    if escapes {
        let (escaped, is_cut) = unescape(&bytes, Escapes::Echo)?;
        bytes = escaped;
        has_newline &= !is_cut;
    }
    if has_newline {
        bytes.push(b'\n');
    }
    Ok(bytes)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Echo,
    Format,
}

/// Replaces backslash escapes; the flag: `\c` cut the text.
fn unescape(bytes: &[u8], kind: Escapes) -> Known<(Vec<u8>, bool)> {
    let mut result = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        at += 1;
        if byte != b'\\' {
            result.push(byte);
            continue;
        }
        let Some(&escape) = bytes.get(at) else {
            result.push(b'\\');
            break;
        };
        at += 1;
        match escape {
            b'n' => result.push(b'\n'),
            b't' => result.push(b'\t'),
            b'\\' => result.push(b'\\'),
            b'a' => result.push(7),
            b'b' => result.push(8),
            b'f' => result.push(12),
            b'r' => result.push(13),
            b'v' => result.push(11),
            b'"' if kind == Escapes::Format => result.push(b'"'),
            b'c' if kind == Escapes::Echo => return Ok((result, true)),
            b'0'..=b'7' if kind == Escapes::Format || escape == b'0' => {
                // `\0` and three digits for echo, up to three digits for a format.
                let start = if kind == Escapes::Echo { at } else { at - 1 };
                let digits = bytes[start..].iter().take(3).take_while(|digit| (b'0'..=b'7').contains(digit)).count();
                let value =
                    bytes[start..start + digits].iter().fold(0_u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
                match u8::try_from(value) {
                    Ok(value @ 1..=127) => result.push(value),
                    _ => return unknown("a byte that is not ASCII"),
                }
                at = start + digits;
            }
            b'%' if kind == Escapes::Format => return unknown("an escaped percent sign"),
            b'.' | b'-' | b'%' | b'/' | b' ' | b':' | b'(' | b')' | b'[' | b']' | b'*' | b'+' | b'$' => {
                result.extend([b'\\', escape]);
            }
            _ => return unknown("an escape of this kind"),
        }
    }
    Ok((result, false))
}

/// A width or the like; larger ones are not known.
const MOST_WIDTH: usize = 1000;

fn printf(arguments: &[Vec<u8>]) -> Known<Vec<u8>> {
    let rest = arguments.strip_prefix(&[b"--".to_vec()]).unwrap_or(arguments);
    let Some((format, mut values)) = rest.split_first() else { return unknown("`printf` without a format") };
    if rest.len() == arguments.len() && format.starts_with(b"-") {
        return unknown("an option of `printf`");
    }
    let mut result = Vec::new();
    loop {
        let before = values.len();
        format_once(format, &mut values, &mut result)?;
        if result.len() > MOST_BYTES {
            return unknown("too much output");
        }
        if values.is_empty() || values.len() == before {
            return Ok(result);
        }
    }
}

fn format_once(format: &[u8], values: &mut &[Vec<u8>], result: &mut Vec<u8>) -> Known<()> {
    let mut at = 0;
    while at < format.len() {
        let start = at;
        while at < format.len() && format[at] != b'%' {
            at += if format[at] == b'\\' { 2 } else { 1 };
        }
        at = at.min(format.len());
        result.extend(unescape(&format[start..at], Escapes::Format)?.0);
        if at >= format.len() {
            return Ok(());
        }
        at += 1;
        let (mut is_left, mut is_zero, mut sign) = (false, false, None);
        while let Some(flag) = format.get(at) {
            match flag {
                b'-' => is_left = true,
                b'0' => is_zero = true,
                // A plus sign wins over a blank.
                b'+' => sign = Some(b'+'),
                b' ' => sign = sign.or(Some(b' ')),
                _ => break,
            }
            at += 1;
        }
        let number = |at: &mut usize| {
            let start = *at;
            while format.get(*at).is_some_and(u8::is_ascii_digit) {
                *at += 1;
            }
            std::str::from_utf8(&format[start..*at]).ok().and_then(|text| text.parse::<usize>().ok())
        };
        let width = number(&mut at).unwrap_or(0);
        let precision = if format.get(at) == Some(&b'.') {
            at += 1;
            Some(number(&mut at).unwrap_or(0))
        } else {
            None
        };
        if width > MOST_WIDTH || precision.is_some_and(|precision| precision > MOST_WIDTH) {
            return unknown("a wide format");
        }
        let Some(&kind) = format.get(at) else { return unknown("a format that ends too early") };
        at += 1;
        if kind == b'%' {
            if width > 0 || is_left || is_zero || sign.is_some() || precision.is_some() {
                return unknown("a format of this kind");
            }
            result.push(b'%');
            continue;
        }
        let value = values.split_first().map(|(first, rest)| {
            *values = rest;
            first.as_slice()
        });
        let text = match kind {
            b's' => {
                if is_zero || sign.is_some() {
                    return unknown("a format of this kind");
                }
                let value = value.unwrap_or_default();
                value[..precision.unwrap_or(value.len()).min(value.len())].to_vec()
            }
            b'c' if !is_zero && sign.is_none() && precision.is_none() => match value {
                Some([first, ..]) => vec![*first],
                _ => return unknown("an empty character"),
            },
            b'd' | b'i' | b'u' | b'x' | b'X' | b'o' => integer(kind, value, precision, sign)?,
            _ => return unknown("a format of this kind"),
        };
        let fill = width.saturating_sub(text.len());
        if is_left {
            result.extend_from_slice(&text);
            result.extend(std::iter::repeat_n(b' ', fill));
        } else if is_zero && precision.is_none() && fill > 0 {
            let digits = usize::from(matches!(text.first(), Some(b'-' | b'+' | b' ')));
            result.extend_from_slice(&text[..digits]);
            result.extend(std::iter::repeat_n(b'0', fill));
            result.extend_from_slice(&text[digits..]);
        } else {
            result.extend(std::iter::repeat_n(b' ', fill));
            result.extend_from_slice(&text);
        }
    }
    Ok(())
}

fn integer(kind: u8, value: Option<&[u8]>, precision: Option<usize>, sign: Option<u8>) -> Known<Vec<u8>> {
    let value = match value {
        None | Some(b"") => 0,
        Some(value) => {
            let (is_negative, digits) = match value.strip_prefix(b"-") {
                Some(digits) => (true, digits),
                None => (false, value),
            };
            match super::arithmetic::number(digits) {
                Some(number) if is_negative => -number,
                Some(number) => number,
                None => return unknown("a format for a number with a text"),
            }
        }
    };
    if value < 0 && !matches!(kind, b'd' | b'i') {
        return unknown("a negative number in this format");
    }
    let digits = match kind {
        b'x' => format!("{value:x}"),
        b'X' => format!("{value:X}"),
        b'o' => format!("{value:o}"),
        _ => value.unsigned_abs().to_string(),
    };
    if precision == Some(0) && value == 0 {
        return unknown("a zero of no digits");
    }
    let mut text = Vec::new();
    match sign {
        _ if value < 0 => text.push(b'-'),
        Some(sign) if matches!(kind, b'd' | b'i') => text.push(sign),
        _ => {}
    }
    text.extend(std::iter::repeat_n(b'0', precision.unwrap_or(0).saturating_sub(digits.len())));
    text.extend_from_slice(digits.as_bytes());
    Ok(text)
}

fn read(shell: &mut Interpreter<'_>, arguments: &[Vec<u8>], extra: &Extra, io: &Io) -> Known<i32> {
    let (is_raw, names) = match arguments.split_first() {
        Some((first, names)) if first == b"-r" => (true, names),
        _ => (false, arguments),
    };
    if names.is_empty() || !names.iter().all(|name| syntax::is_name(name)) {
        return unknown("`read` of this kind");
    }
    let separators = match extra.iter().rev().find(|(name, _)| name == "IFS") {
        Some((_, value)) => value.clone(),
        None => b" \t\n".to_vec(),
    };
    let (mut line, is_whole) = {
        let mut input = io.input.borrow_mut();
        if input.is_spent && !input.bytes.is_empty() {
            return unknown("two readers of one input");
        }
        let rest = &input.bytes[input.at..];
        let end = rest.iter().position(|byte| *byte == b'\n');
        let line = rest[..end.unwrap_or(rest.len())].to_vec();
        input.at += line.len() + usize::from(end.is_some());
        (line, end.is_some())
    };
    if (!is_raw && line.contains(&b'\\')) || !line.is_ascii() || line.contains(&0) {
        return unknown("a line of this kind in `read`");
    }
    let is_blank = |byte: &u8| separators.contains(byte) && byte.is_ascii_whitespace();
    let is_separator = |byte: &u8| separators.contains(byte);
    let trim = |line: &mut Vec<u8>| {
        let start = line.iter().take_while(|byte| is_blank(byte)).count();
        line.drain(..start);
    };
    let mut values = Vec::new();
    trim(&mut line);
    while values.len() + 1 < names.len() {
        let end = line.iter().position(is_separator).unwrap_or(line.len());
        values.push(line[..end].to_vec());
        // One separator with the blanks around it.
        let mut after = end;
        while line.get(after).is_some_and(is_blank) {
            after += 1;
        }
        if line.get(after).is_some_and(|byte| is_separator(byte) && !is_blank(byte)) {
            after += 1;
            while line.get(after).is_some_and(is_blank) {
                after += 1;
            }
        }
        line.drain(..after);
    }
    while line.last().is_some_and(is_blank) {
        line.pop();
    }
    if line.last().is_some_and(is_separator) {
        return unknown("a separator at the end of a line in `read`");
    }
    values.push(line);
    for (name, value) in names.iter().zip(values) {
        shell.assign(&String::from_utf8_lossy(name), value)?;
    }
    Ok(i32::from(!is_whole))
}

/// Words that `xargs` passes at once; more could be split.
const MOST_WORDS: usize = 500;

fn xargs(shell: &mut Interpreter<'_>, arguments: &[Vec<u8>], io: &Io) -> Run<i32> {
    let (skips_empty, command) = match arguments.split_first() {
        Some((first, rest)) if first == b"-r" => (true, rest),
        _ => (false, arguments),
    };
    let command = if command.is_empty() { &[b"echo".to_vec()][..] } else { command };
    // Only commands that are both a program and ours, and whose words are not treated differently by the program.
    let is_known = matches!(command[0].as_slice(), b"echo" | b"basename" | b"dirname" | b"expr" | b"printf");
    if command[0].starts_with(b"-") || !is_known {
        return Err(Unknown("`xargs` of this kind".to_owned()).into());
    }
    let input = shell.read_input(io)?;
    if !input.is_ascii() || input.iter().any(|byte| b"'\"\\\0".contains(byte)) {
        return Err(Unknown("quotes in the input of `xargs`".to_owned()).into());
    }
    let words: Vec<Vec<u8>> =
        input.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect();
    if input.iter().any(|byte| matches!(byte, 0x0b | 0x0c | b'\r')) || words.len() > MOST_WORDS {
        return Err(Unknown("the input of `xargs`".to_owned()).into());
    }
    if words.is_empty() && skips_empty {
        return Ok(0);
    }
    let all: Vec<Vec<u8>> = command.iter().cloned().chain(words).collect();
    // GNU echo reads options and escapes as bash does, but for a lone one.
    if all[0] == b"echo" && all.get(1).is_some_and(|word| word.starts_with(b"-")) {
        return Err(Unknown("an option for `echo` under `xargs`".to_owned()).into());
    }
    let inner = Io { input: std::rc::Rc::default(), ..io.clone() };
    let status = run(shell, &all, Vec::new(), &inner)?;
    Ok(if status == 0 { 0 } else { 123 })
}

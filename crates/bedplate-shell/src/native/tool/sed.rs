//! `sed`: `s`, `y`, `p`, `d`, `q` with line numbers, `$` and patterns as addresses.

use regex::bytes::{Captures, Regex};

use super::{Call, Outcome, ascii, lines, number};
use crate::native::regular::{Dialect, Need, Syntax, compile};
use crate::native::run::MOST_BYTES;
use crate::native::{Known, unknown};

const MOST_COMMANDS: usize = 50;

enum Address {
    Line(usize),
    Last,
    Match(Regex),
}

struct Command {
    from: Option<Address>,
    to: Option<Address>,
    is_negated: bool,
    action: Action,
    /// Between the two addresses.
    is_open: bool,
}

enum Action {
    Substitute { regex: Regex, with: Vec<Piece>, all: bool, nth: usize, prints: bool },
    Translate(Vec<(u8, u8)>),
    Print,
    Delete,
    Quit,
}

/// A piece of a replacement.
enum Piece {
    Text(Vec<u8>),
    Group(usize),
    Case(Case),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Upper,
    Lower,
    End,
    NextUpper,
    NextLower,
}

pub(super) fn sed(call: &mut Call<'_, '_>) -> Known<Outcome> {
    let long: [(&[u8], u8); 5] =
        [(b"quiet", b'n'), (b"silent", b'n'), (b"expression", b'e'), (b"regexp-extended", b'E'), (b"posix", b'?')];
    let options = call.options(b"nEr", b"e", &long)?;
    let expressions: Vec<&[u8]> =
        options.flags.iter().filter(|(flag, _)| *flag == b'e').map(|(_, value)| value.as_slice()).collect();
    let (script, files) = if expressions.is_empty() {
        match options.operands.split_first() {
            Some((script, files)) => (script.clone(), files),
            None => return unknown("`sed` without a script"),
        }
    } else {
        (expressions.join(&b'\n'), &options.operands[..])
    };
    let syntax = if options.has(b'E') || options.has(b'r') { Syntax::Extended } else { Syntax::Basic };
    let mut reader = Reader { script: &script, at: 0, syntax };
    let mut commands = reader.commands()?;
    let (bytes, mut outcome) = call.joined(files, ["sed: can't read ", ": No such file or directory"], 2)?;
    ascii(&bytes)?;
    let (rows, is_whole) = lines(&bytes);
    let last = rows.len();
    let is_quiet = options.has(b'n');
    'lines: for (index, row) in rows.iter().enumerate() {
        let line_number = index + 1;
        let end: &[u8] = if line_number == last && !is_whole { b"" } else { b"\n" };
        let mut space = row.to_vec();
        call.shell.step(1)?;
        for command in &mut commands {
            if !command.applies(line_number, last, &space) {
                continue;
            }
            match &command.action {
                Action::Substitute { regex, with, all, nth, prints } => {
                    if let Some(new) = substitute(&space, regex, with, *all, *nth)? {
                        space = new;
                        if *prints {
                            put(&mut outcome.stdout, &space, end);
                        }
                    }
                }
                Action::Translate(table) => {
                    for byte in &mut space {
                        if let Some((_, to)) = table.iter().find(|(from, _)| from == byte) {
                            *byte = *to;
                        }
                    }
                }
                Action::Print => put(&mut outcome.stdout, &space, end),
                Action::Delete => continue 'lines,
                // Whether the end of a last line is then made up differs.
                Action::Quit if end.is_empty() => return unknown("a last line without its end"),
                Action::Quit => {
                    if !is_quiet {
                        put(&mut outcome.stdout, &space, end);
                    }
                    break 'lines;
                }
            }
            if outcome.stdout.len() > MOST_BYTES {
                return unknown("too much output");
            }
        }
        if !is_quiet {
            put(&mut outcome.stdout, &space, end);
        }
    }
    Ok(outcome)
}

/// Writes a line; one without its end gets it if something follows.
fn put(output: &mut Vec<u8>, line: &[u8], end: &[u8]) {
    if !output.is_empty() && !output.ends_with(b"\n") {
        output.push(b'\n');
    }
    output.extend_from_slice(line);
    output.extend_from_slice(end);
}

impl Command {
    fn applies(&mut self, line: usize, last: usize, space: &[u8]) -> bool {
        let hits = |address: &Address| match address {
            Address::Line(number) => *number == line,
            Address::Last => line == last,
            Address::Match(regex) => regex.is_match(space),
        };
        let applies = match (&self.from, &self.to) {
            (None, _) => true,
            (Some(address), None) => hits(address),
            (Some(from), Some(to)) => {
                if self.is_open {
                    let is_end = match to {
                        Address::Line(number) => line >= *number,
                        to => hits(to),
                    };
                    self.is_open = !is_end;
                    // A line number that is already past ends the range before this line.
                    !matches!(to, Address::Line(number) if line > *number)
                } else if hits(from) {
                    self.is_open = match to {
                        Address::Line(number) => *number > line,
                        Address::Last => line != last,
                        Address::Match(_) => true,
                    };
                    true
                } else {
                    false
                }
            }
        };
        applies != self.is_negated
    }
}

fn substitute(space: &[u8], regex: &Regex, with: &[Piece], all: bool, nth: usize) -> Known<Option<Vec<u8>>> {
    let mut result = Vec::new();
    let mut at = 0;
    let mut count = 0;
    for found in regex.captures_iter(space) {
        let Some(whole) = found.get(0) else { continue };
        count += 1;
        if count < nth {
            continue;
        }
        result.extend_from_slice(&space[at..whole.start()]);
        write_pieces(with, &found, &mut result);
        at = whole.end();
        if !all {
            break;
        }
        if result.len() > MOST_BYTES {
            return unknown("too much output");
        }
    }
    if count < nth {
        return Ok(None);
    }
    result.extend_from_slice(&space[at..]);
    Ok(Some(result))
}

fn write_pieces(pieces: &[Piece], found: &Captures<'_>, result: &mut Vec<u8>) {
    let (mut lasting, mut next) = (Case::End, None);
    for piece in pieces {
        let text = match piece {
            Piece::Text(text) => text.as_slice(),
            Piece::Group(group) => found.get(*group).map(|group| group.as_bytes()).unwrap_or_default(),
            Piece::Case(case @ (Case::NextUpper | Case::NextLower)) => {
                next = Some(*case);
                continue;
            }
            Piece::Case(case) => {
                lasting = *case;
                continue;
            }
        };
        for byte in text {
            let case = next.take().unwrap_or(lasting);
            result.push(match case {
                Case::Upper | Case::NextUpper => byte.to_ascii_uppercase(),
                Case::Lower | Case::NextLower => byte.to_ascii_lowercase(),
                Case::End => *byte,
            });
        }
    }
}

struct Reader<'a> {
    script: &'a [u8],
    at: usize,
    syntax: Syntax,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.script.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn commands(&mut self) -> Known<Vec<Command>> {
        let mut commands = Vec::new();
        loop {
            while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b';')) {
                self.at += 1;
            }
            if self.peek().is_none() {
                return Ok(commands);
            }
            if commands.len() >= MOST_COMMANDS {
                return unknown("a long script");
            }
            commands.push(self.command()?);
            self.blanks();
            if !matches!(self.peek(), None | Some(b';' | b'\n')) {
                return unknown("a script of this kind");
            }
        }
    }

    fn command(&mut self) -> Known<Command> {
        let from = self.address()?;
        self.blanks();
        let to = if from.is_some() && self.peek() == Some(b',') {
            self.at += 1;
            self.blanks();
            let to = self.address()?;
            if to.is_none() {
                return unknown("an address of this kind");
            }
            to
        } else {
            None
        };
        self.blanks();
        let is_negated = self.peek() == Some(b'!');
        self.at += usize::from(is_negated);
        self.blanks();
        let Some(letter) = self.peek() else { return unknown("an address without a command") };
        self.at += 1;
        let action = match letter {
            b'p' => Action::Print,
            b'd' => Action::Delete,
            b'q' if to.is_none() => Action::Quit,
            b's' => self.substitution()?,
            b'y' => self.translation()?,
            _ => return unknown("a command of `sed`"),
        };
        Ok(Command { from, to, is_negated, action, is_open: false })
    }

    fn address(&mut self) -> Known<Option<Address>> {
        match self.peek() {
            Some(b'$') => {
                self.at += 1;
                Ok(Some(Address::Last))
            }
            Some(b'0'..=b'9') => {
                let start = self.at;
                while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                    self.at += 1;
                }
                match number(&self.script[start..self.at]) {
                    Some(line) if line > 0 && !matches!(self.peek(), Some(b'~')) => Ok(Some(Address::Line(line))),
                    _ => unknown("an address of this kind"),
                }
            }
            Some(b'/') => {
                self.at += 1;
                let pattern = self.until(b'/')?;
                if matches!(self.peek(), Some(b'I' | b'M')) || pattern.is_empty() {
                    return unknown("an address of this kind");
                }
                let regex = compile(&pattern, self.syntax, Dialect::Sed, false, Need::Match)?;
                Ok(Some(Address::Match(regex)))
            }
            Some(b'+' | b'~' | b'\\') => unknown("an address of this kind"),
            _ => Ok(None),
        }
    }

    /// The text up to a delimiter, which is read; an escaped delimiter is itself. In brackets it counts too, as POSIX has it.
    fn until(&mut self, delimiter: u8) -> Known<Vec<u8>> {
        let mut text = Vec::new();
        let mut in_bracket = false;
        while let Some(byte) = self.peek() {
            self.at += 1;
            if byte == delimiter {
                // GNU sed takes a delimiter in brackets as the end, too; others do not.
                return if in_bracket { unknown("a delimiter in brackets") } else { Ok(text) };
            }
            match byte {
                b'\n' => return unknown("a newline in a pattern"),
                b'\\' => {
                    let Some(next) = self.peek() else { return unknown("a backslash at the end") };
                    self.at += 1;
                    if next == delimiter {
                        // A character that means something as a pattern: which of the two it then is differs.
                        if b".*[]^$+?(){}|&0123456789n".contains(&delimiter) {
                            return unknown("an escaped delimiter");
                        }
                        text.push(next);
                    } else {
                        text.extend([b'\\', next]);
                    }
                    continue;
                }
                b'[' if !in_bracket => {
                    in_bracket = true;
                    text.push(byte);
                    // A bracket that stands first is a character.
                    if self.peek() == Some(b'^') {
                        text.push(b'^');
                        self.at += 1;
                    }
                    if self.peek() == Some(b']') {
                        text.push(b']');
                        self.at += 1;
                    }
                    continue;
                }
                b'[' if self.peek() == Some(b':') => {
                    // A class: its own bracket ends before that of the expression.
                    let rest = &self.script[self.at..];
                    let Some(length) = rest.windows(2).position(|pair| pair == b":]") else {
                        return unknown("a class that is not closed");
                    };
                    text.push(byte);
                    text.extend_from_slice(&rest[..length + 2]);
                    if rest[..length + 2].contains(&delimiter) {
                        return unknown("a delimiter in brackets");
                    }
                    self.at += length + 2;
                    continue;
                }
                b']' => in_bracket = false,
                _ => {}
            }
            text.push(byte);
        }
        unknown("a command that is not closed")
    }

    fn delimiter(&mut self) -> Known<u8> {
        match self.peek() {
            Some(byte) if byte.is_ascii_punctuation() && byte != b'\\' => {
                self.at += 1;
                Ok(byte)
            }
            _ => unknown("a delimiter of this kind"),
        }
    }

    fn substitution(&mut self) -> Known<Action> {
        let delimiter = self.delimiter()?;
        let pattern = self.until(delimiter)?;
        if pattern.is_empty() {
            return unknown("an empty pattern");
        }
        let with = self.replacement(delimiter)?;
        let (mut all, mut nth, mut prints, mut ignore_case) = (false, None, false, false);
        while let Some(flag) = self.peek() {
            match flag {
                b'g' => all = true,
                b'p' => prints = true,
                b'i' | b'I' => ignore_case = true,
                b'1'..=b'9' if nth.is_none() => nth = Some(usize::from(flag - b'0')),
                b' ' | b';' | b'\n' | b'\t' => break,
                _ => return unknown("a flag of `s`"),
            }
            self.at += 1;
        }
        if all && nth.is_some() {
            return unknown("two flags of `s`");
        }
        let regex = compile(&pattern, self.syntax, Dialect::Sed, ignore_case, Need::Span)?;
        let groups = regex.captures_len();
        if with.iter().any(|piece| matches!(piece, Piece::Group(group) if *group >= groups)) {
            return unknown("a group that is not there");
        }
        Ok(Action::Substitute { regex, with, all, nth: nth.unwrap_or(1), prints })
    }

    fn replacement(&mut self, delimiter: u8) -> Known<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut text = Vec::new();
        let flush = |text: &mut Vec<u8>, piece: Option<Piece>, pieces: &mut Vec<Piece>| {
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(text)));
            }
            pieces.extend(piece);
        };
        while let Some(byte) = self.peek() {
            self.at += 1;
            if byte == delimiter {
                flush(&mut text, None, &mut pieces);
                return Ok(pieces);
            }
            match byte {
                b'&' => flush(&mut text, Some(Piece::Group(0)), &mut pieces),
                b'\n' => return unknown("a newline in a replacement"),
                b'\\' => {
                    let Some(next) = self.peek() else { return unknown("a backslash at the end") };
                    self.at += 1;
                    let case = match next {
                        b'U' => Some(Case::Upper),
                        b'L' => Some(Case::Lower),
                        b'E' => Some(Case::End),
                        b'u' => Some(Case::NextUpper),
                        b'l' => Some(Case::NextLower),
                        _ => None,
                    };
                    match next {
                        _ if case.is_some() && next != delimiter => {
                            flush(&mut text, case.map(Piece::Case), &mut pieces);
                        }
                        b'&' if delimiter == b'&' => return unknown("an escaped delimiter"),
                        b'0'..=b'9' if next != delimiter => {
                            flush(&mut text, Some(Piece::Group(usize::from(next - b'0'))), &mut pieces);
                        }
                        b'n' => text.push(b'\n'),
                        b't' => text.push(b'\t'),
                        b'\n' => text.push(b'\n'),
                        next if next.is_ascii_punctuation() || next == b' ' => text.push(next),
                        _ => return unknown("an escape of this kind in a replacement"),
                    }
                }
                byte => text.push(byte),
            }
        }
        unknown("a command that is not closed")
    }

    fn translation(&mut self) -> Known<Action> {
        let delimiter = self.delimiter()?;
        let mut sides = Vec::new();
        for _ in 0..2 {
            let start = self.at;
            while self.peek().is_some_and(|byte| byte != delimiter && byte != b'\\' && byte != b'\n') {
                self.at += 1;
            }
            if self.peek() != Some(delimiter) {
                return unknown("`y` of this kind");
            }
            sides.push(self.script[start..self.at].to_vec());
            self.at += 1;
        }
        let (from, to) = (&sides[0], &sides[1]);
        if from.len() != to.len() {
            return unknown("`y` of this kind");
        }
        Ok(Action::Translate(from.iter().copied().zip(to.iter().copied()).collect()))
    }
}

//! `test`, `[` and `[[`.

use super::run::{Interpreter, Io};
use super::syntax::Condition;
use super::{Known, arithmetic, expand, unknown};
use crate::pattern::Pattern;

const BINARY: [&[u8]; 13] =
    [b"=", b"==", b"!=", b"<", b">", b"-eq", b"-ne", b"-lt", b"-le", b"-gt", b"-ge", b"-nt", b"-ot"];

/// `test`: true, false, or `None` for a mistake (status 2 and a message).
pub(super) fn test(shell: &mut Interpreter<'_>, words: &[Vec<u8>]) -> Known<Option<bool>> {
    match words {
        [] => Ok(Some(false)),
        [word] => Ok(Some(!word.is_empty())),
        [not, word] if not == b"!" => Ok(Some(word.is_empty())),
        [operator, word] => match unary_operator(operator) {
            Some(operator) => unary(shell, operator, word).map(Some),
            None => Ok(None),
        },
        [left, operator, right] if is_binary(operator) => binary(shell, left, operator, right),
        [left, operator, right] if operator == b"-a" => Ok(Some(!left.is_empty() && !right.is_empty())),
        [left, operator, right] if operator == b"-o" => Ok(Some(!left.is_empty() || !right.is_empty())),
        [not, rest @ ..] if not == b"!" && rest.len() <= 3 => Ok(test(shell, rest)?.map(|value| !value)),
        [open, word, close] if open == b"(" && close == b")" => Ok(Some(!word.is_empty())),
        [open, operator, word, close] if open == b"(" && close == b")" => {
            test(shell, &[operator.clone(), word.clone()])
        }
        words if words.len() == 3 => Ok(None),
        words => {
            let mut reader = Reader { words, at: 0, depth: 0 };
            let value = reader.or(shell)?;
            Ok(if reader.at == words.len() { value } else { None })
        }
    }
}

struct Reader<'a> {
    words: &'a [Vec<u8>],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn take(&mut self, word: &[u8]) -> bool {
        let found = self.words.get(self.at).is_some_and(|here| here == word);
        self.at += usize::from(found);
        found
    }

    fn or(&mut self, shell: &mut Interpreter<'_>) -> Known<Option<bool>> {
        let Some(mut value) = self.and(shell)? else { return Ok(None) };
        while self.take(b"-o") {
            let Some(right) = self.and(shell)? else { return Ok(None) };
            value |= right;
        }
        Ok(Some(value))
    }

    fn and(&mut self, shell: &mut Interpreter<'_>) -> Known<Option<bool>> {
        let Some(mut value) = self.term(shell)? else { return Ok(None) };
        while self.take(b"-a") {
            let Some(right) = self.term(shell)? else { return Ok(None) };
            value &= right;
        }
        Ok(Some(value))
    }

    fn term(&mut self, shell: &mut Interpreter<'_>) -> Known<Option<bool>> {
        self.depth += 1;
        if self.depth > 50 {
            return unknown("too deeply nested");
        }
        let rest = &self.words[self.at..];
        let value = match rest {
            [] => None,
            [not, ..] if not == b"!" => {
                self.at += 1;
                self.term(shell)?.map(|value| !value)
            }
            [open, ..] if open == b"(" => {
                self.at += 1;
                let value = self.or(shell)?;
                if self.take(b")") { value } else { None }
            }
            [left, operator, right, ..] if is_binary(operator) => {
                self.at += 3;
                binary(shell, left, operator, right)?
            }
            [operator, word, ..] if unary_operator(operator).is_some() => {
                self.at += 2;
                Some(unary(shell, operator[1], word)?)
            }
            [word, ..] if word.len() == 2 && word.starts_with(b"-") => return unknown("a test of this kind"),
            [word, ..] => {
                self.at += 1;
                Some(!word.is_empty())
            }
        };
        self.depth -= 1;
        Ok(value)
    }
}

fn is_binary(word: &[u8]) -> bool {
    BINARY.contains(&word)
}

/// The letter of an operator such as `-f`.
fn unary_operator(word: &[u8]) -> Option<u8> {
    match word {
        [b'-', letter] if b"abcdefghknoprstuvwxzGLNORS".contains(letter) => Some(*letter),
        _ => None,
    }
}

fn unary(shell: &mut Interpreter<'_>, operator: u8, word: &[u8]) -> Known<bool> {
    match operator {
        b'n' => return Ok(!word.is_empty()),
        b'z' => return Ok(word.is_empty()),
        b'a' | b'e' | b'f' | b'd' | b's' | b'r' | b'x' | b'w' => {}
        _ => return unknown("a test of this kind"),
    }
    if word.is_empty() {
        return Ok(false);
    }
    if word == b"/dev/null" {
        return match operator {
            b'a' | b'e' | b'r' => Ok(true),
            b'f' | b'd' | b's' => Ok(false),
            _ => unknown("a test of this kind"),
        };
    }
    let path = shell.path(word)?;
    let is_folder = shell.is_folder(&path);
    // `path/` is a file that exists only if it is a folder.
    let exists = is_folder || (!path.ends_with('/') && shell.files.exists(&path));
    Ok(match operator {
        _ if !exists => false,
        b'a' | b'e' => true,
        b'd' => is_folder,
        b'f' => !is_folder,
        b'r' if !is_folder => shell.files.head(&path, 0).is_some(),
        b's' if !is_folder => match shell.files.head(&path, 1) {
            Some(bytes) => !bytes.is_empty(),
            None => return unknown("the size of a file"),
        },
        _ => return unknown("a test of this kind"),
    })
}

fn integer(word: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(word.trim_ascii()).ok()?;
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || digits.len() > 18 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn binary(shell: &Interpreter<'_>, left: &[u8], operator: &[u8], right: &[u8]) -> Known<Option<bool>> {
    match operator {
        b"=" | b"==" => return Ok(Some(left == right)),
        b"!=" => return Ok(Some(left != right)),
        b"<" | b">" => {
            if !shell.sorts_by_bytes(&[]) {
                return unknown("the order of texts");
            }
            return Ok(Some(if operator == b"<" { left < right } else { left > right }));
        }
        b"-nt" | b"-ot" => return unknown("the age of files"),
        _ => {}
    }
    let is_long = |word: &[u8]| word.len() > 18;
    match (integer(left), integer(right)) {
        (Some(left), Some(right)) => Ok(Some(compare(operator, left, right))),
        _ if is_long(left) || is_long(right) => unknown("a large number"),
        _ => Ok(None),
    }
}

fn compare(operator: &[u8], left: i64, right: i64) -> bool {
    match operator {
        b"-eq" => left == right,
        b"-ne" => left != right,
        b"-lt" => left < right,
        b"-le" => left <= right,
        b"-gt" => left > right,
        _ => left >= right,
    }
}

/// `[[ … ]]`.
pub(super) fn double_bracket(shell: &mut Interpreter<'_>, condition: &Condition, io: &Io) -> Known<bool> {
    shell.step(1)?;
    match condition {
        Condition::Not(inner) => Ok(!double_bracket(shell, inner, io)?),
        Condition::And(left, right) => Ok(double_bracket(shell, left, io)? && double_bracket(shell, right, io)?),
        Condition::Or(left, right) => Ok(double_bracket(shell, left, io)? || double_bracket(shell, right, io)?),
        Condition::Unary(operator, word) => {
            let word = expand::single(shell, word, io)?;
            unary(shell, *operator, &word)
        }
        Condition::Binary(operator, left, right) => {
            let left = expand::single(shell, left, io)?;
            match operator.as_slice() {
                b"=" | b"==" | b"!=" => {
                    let right = expand::pattern(shell, right, io)?;
                    // Extended patterns are in force here.
                    let bytes: Vec<u8> = right.iter().map(|(byte, _)| *byte).collect();
                    if bytes.windows(2).any(|pair| b"?*+@!".contains(&pair[0]) && pair[1] == b'(') {
                        return unknown("a pattern list");
                    }
                    let Some(pattern) = Pattern::new(&right) else { return unknown("a pattern of this kind") };
                    Ok(pattern.matches(&left) == (operator != b"!="))
                }
                b"<" | b">" => {
                    let right = expand::single(shell, right, io)?;
                    if !shell.sorts_by_bytes(&[]) {
                        return unknown("the order of texts");
                    }
                    Ok(if operator == b"<" { left < right } else { left > right })
                }
                operator => {
                    let right = expand::single(shell, right, io)?;
                    let value =
                        |text: &[u8]| arithmetic::evaluate(text, &|name| Ok(shell.value(name)?.unwrap_or_default()));
                    Ok(compare(operator, value(&left)?, value(&right)?))
                }
            }
        }
    }
}

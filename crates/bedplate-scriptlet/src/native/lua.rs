//! Lua: calls of `rpm.execute`, and the way of systemd's packages to start a program.

use std::collections::BTreeSet;

use super::{Native, command};

/// A word of Lua.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token<'a> {
    /// A name with its dots, a number, a sign.
    Plain(&'a str),
    /// A text, without its quotes.
    Text(&'a str),
}

/// What a script does, if it is one of the known forms.
pub(super) fn classify(text: &str) -> Option<BTreeSet<Native>> {
    let tokens = tokens(text)?;
    let mut left = &tokens[..];
    let mut found = BTreeSet::new();
    while !left.is_empty() {
        let (native, rest) = execute(left).or_else(|| fork(left))?;
        found.extend(native);
        left = rest.strip_prefix(&[Token::Plain(";")]).unwrap_or(rest);
    }
    Some(found)
}

/// `rpm.execute("PROGRAM", "ARGUMENT", …)`
fn execute<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<(Option<Native>, &'t [Token<'a>])> {
    let rest = tokens.strip_prefix(&[Token::Plain("rpm.execute"), Token::Plain("(")])?;
    let (words, rest) = texts(rest)?;
    Some((command(&words)?, rest))
}

/// ```lua
/// if posix.access("PATH") then
///     pid = posix.fork()
///     if pid == 0 then
///         assert(posix.execp("PROGRAM", "ARGUMENT", …))
///     elseif pid > 0 then
///         posix.wait(pid)
///     end
/// end
/// ```
fn fork<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<(Option<Native>, &'t [Token<'a>])> {
    let plain = |words: &str| words.split(' ').map(|word| word.to_owned()).collect::<Vec<_>>();
    let skip = |tokens: &'t [Token<'a>], words: &str| {
        let words = plain(words);
        let fits = words.iter().zip(tokens).all(|(word, token)| *token == Token::Plain(word));
        (fits && tokens.len() >= words.len()).then(|| &tokens[words.len()..])
    };
    let guarded = skip(tokens, "if posix.access (").and_then(|rest| texts(rest)).map(|(_, rest)| rest);
    let rest = match guarded {
        Some(rest) => skip(rest, "then")?,
        None => tokens,
    };
    let rest = skip(rest, "local").unwrap_or(rest);
    let rest = skip(rest, "pid = posix.fork ( ) if pid == 0 then assert (")?;
    let rest = skip(rest, "posix.execp (").or_else(|| skip(rest, "posix.exec ("))?;
    let (words, rest) = texts(rest)?;
    let rest = skip(rest, ") elseif pid > 0 then posix.wait ( pid ) end")?;
    let rest = if guarded.is_some() { skip(rest, "end")? } else { rest };
    Some((command(&words)?, rest))
}

/// Texts with commas between them and a bracket after the last.
fn texts<'t, 'a>(mut tokens: &'t [Token<'a>]) -> Option<(Vec<&'a str>, &'t [Token<'a>])> {
    let mut found = Vec::new();
    loop {
        let [Token::Text(text), Token::Plain(sign), rest @ ..] = tokens else { return None };
        found.push(*text);
        tokens = rest;
        match *sign {
            "," => {}
            ")" => return Some((found, tokens)),
            _ => return None,
        }
    }
}

fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if let Some(comment) = rest.strip_prefix("--") {
            match comment.strip_prefix("[[") {
                Some(_) => rest.find("]]")? + 2,
                None => rest.find('\n').unwrap_or(rest.len()),
            }
        } else if matches!(first, '"' | '\'') {
            let end = rest[1..].find(first)?;
            let inside = &rest[1..=end];
            if inside.contains(['\\', '\n']) {
                return None;
            }
            tokens.push(Token::Text(inside));
            end + 2
        } else if first.is_ascii_alphanumeric() || first == '_' {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            tokens.push(Token::Plain(&rest[..end]));
            end
        } else {
            let length = if rest.starts_with("==") { 2 } else { first.len_utf8() };
            tokens.push(Token::Plain(&rest[..length]));
            length
        };
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

//! The shell: known commands, and conditions around them.
//!
//! ```text
//! list       { statement (";" | newline) }
//! statement  "if" chain ";" "then" list { "elif" … } [ "else" list ] "fi"   |   chain
//! chain      simple { ("&&" | "||") simple }
//! simple     "[" … "]"   |   "test" …   |   words, redirections to /dev/null, a here document
//! ```
//!
//! A condition on `$1` is decided; others may hold or not, and then both ways have to be known.

use std::collections::BTreeSet;

use super::{Native, command};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `;` or the end of a line.
    End,
    And,
    Or,
}

/// What a script does, if all of it is known.
pub(super) fn classify(text: &str, arguments: &[String]) -> Option<BTreeSet<Native>> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, arguments };
    let found = parser.list()?;
    if !parser.tokens.is_empty() { None } else { found }
}

/// What a part of a script does; the inner None is for what is not known, which matters only if it is reached.
type Known = Option<BTreeSet<Native>>;

fn both(one: Known, other: Known) -> Known {
    let (mut one, other) = (one?, other?);
    one.extend(other);
    Some(one)
}

struct Parser<'t> {
    tokens: &'t [Token],
    arguments: &'t [String],
}

impl Parser<'_> {
    /// Up to a word that ends it. The outer None is for a text that is no script, or one that we do not read.
    fn list(&mut self) -> Option<Known> {
        let mut found = Some(BTreeSet::new());
        loop {
            match self.tokens.first() {
                None => return Some(found),
                Some(Token::End) => self.tokens = &self.tokens[1..],
                Some(Token::Word(word)) if matches!(word.as_str(), "then" | "elif" | "else" | "fi") => {
                    return Some(found);
                }
                Some(Token::Word(word)) if word == "if" => {
                    self.tokens = &self.tokens[1..];
                    found = both(found, self.condition()?);
                }
                _ => found = both(found, self.chain()?.0),
            }
        }
    }

    fn word(&mut self, wanted: &str) -> Option<()> {
        match self.tokens.split_first()? {
            (Token::Word(word), rest) if word == wanted => {
                self.tokens = rest;
                Some(())
            }
            _ => None,
        }
    }

    /// After `if` or `elif`.
    fn condition(&mut self) -> Option<Known> {
        let (tested, holds) = self.chain()?;
        while self.tokens.first() == Some(&Token::End) {
            self.tokens = &self.tokens[1..];
        }
        self.word("then")?;
        let then = self.list()?;
        let otherwise = if self.word("elif").is_some() {
            self.condition()?
        } else {
            let otherwise = if self.word("else").is_some() { self.list()? } else { Some(BTreeSet::new()) };
            self.word("fi")?;
            otherwise
        };
        let chosen = match holds {
            Some(true) => then,
            Some(false) => otherwise,
            None => both(then, otherwise),
        };
        Some(both(tested, chosen))
    }

    /// What a chain does, and whether it succeeds, if that can be known.
    fn chain(&mut self) -> Option<(Known, Option<bool>)> {
        let (mut found, mut holds) = self.simple()?;
        loop {
            let is_and = match self.tokens.first() {
                Some(Token::And) => true,
                Some(Token::Or) => false,
                _ => return Some((found, holds)),
            };
            self.tokens = &self.tokens[1..];
            while self.tokens.first() == Some(&Token::End) {
                self.tokens = &self.tokens[1..];
            }
            let (next, next_holds) = self.simple()?;
            // What is not reached does not count.
            if holds == Some(!is_and) {
                continue;
            }
            found = both(found, next);
            holds = if holds.is_none() && next_holds != Some(!is_and) { None } else { next_holds };
        }
    }

    fn simple(&mut self) -> Option<(Known, Option<bool>)> {
        let end = self.tokens.iter().position(|token| !matches!(token, Token::Word(_))).unwrap_or(self.tokens.len());
        let (words, rest) = self.tokens.split_at(end);
        self.tokens = rest;
        let words: Vec<&str> =
            words.iter().map(|token| if let Token::Word(word) = token { word } else { "" }).collect();
        match words[..] {
            [] => None,
            ["[", ref test @ .., "]"] | ["test", ref test @ ..] => Some((Some(BTreeSet::new()), self.test(test)?)),
            _ => {
                let found = command(&words).map(|native| native.into_iter().collect());
                let holds = matches!(words[0], ":" | "true").then_some(true);
                Some((found, holds))
            }
        }
    }

    /// Whether a test holds, if it is one of `$1`; the outer None for one that we do not read.
    fn test(&self, words: &[&str]) -> Option<Option<bool>> {
        match *words {
            ["-e" | "-f" | "-x" | "-d" | "-r" | "-s", path] if path.starts_with('/') => Some(None),
            ["$1", operator, number] => {
                let (own, number) = (self.arguments.first()?.parse::<usize>().ok()?, number.parse::<usize>().ok()?);
                Some(Some(match operator {
                    "-eq" | "=" | "==" => own == number,
                    "-ne" | "!=" => own != number,
                    "-gt" => own > number,
                    "-ge" => own >= number,
                    "-lt" => own < number,
                    "-le" => own <= number,
                    _ => return None,
                }))
            }
            _ => None,
        }
    }
}

/// Cuts a script into words; None if it has something that we do not read: expansions, pipes, redirections to files.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut rest = line;
        let mut document = None;
        loop {
            rest = rest.trim_start_matches([' ', '\t']);
            let Some(first) = rest.chars().next() else { break };
            match first {
                '#' => break,
                '\\' if rest.len() == 1 => break,
                ';' if rest.starts_with(";;") => return None,
                ';' => {
                    tokens.push(Token::End);
                    rest = &rest[1..];
                }
                '&' | '|' | '>' | '<' | '1' | '2' if redirection(&mut rest, &mut document)? => {}
                '&' if rest.starts_with("&&") => {
                    tokens.push(Token::And);
                    rest = &rest[2..];
                }
                '|' if rest.starts_with("||") => {
                    tokens.push(Token::Or);
                    rest = &rest[2..];
                }
                '&' | '|' | '<' | '>' | '(' | ')' | '{' | '}' | '!' => return None,
                _ => tokens.push(Token::Word(word(&mut rest)?)),
            }
        }
        if let Some(mark) = document {
            lines.by_ref().find(|line| *line == mark)?;
        }
        if !line.ends_with('\\') {
            tokens.push(Token::End);
        }
    }
    Some(tokens)
}

/// Takes a redirection to `/dev/null`, of a stream to another, or a here document; false if there is none.
fn redirection(rest: &mut &str, document: &mut Option<String>) -> Option<bool> {
    if rest.starts_with("<<") {
        let mut after = rest[2..].trim_start();
        *document = Some(word(&mut after)?);
        *rest = after;
        return Some(true);
    }
    for to_nowhere in ["&>", ">&2", "1>&2", "2>&1", "1>", "2>", ">"] {
        let Some(after) = rest.strip_prefix(to_nowhere) else { continue };
        if to_nowhere.contains("&1") || to_nowhere.contains("&2") {
            *rest = after;
            return Some(true);
        }
        *rest = after.trim_start().strip_prefix("/dev/null")?;
        return Some(true);
    }
    Some(false)
}

/// Takes a word, without its quotes.
fn word(rest: &mut &str) -> Option<String> {
    let mut word = String::new();
    while let Some(first) = rest.chars().next() {
        match first {
            '"' | '\'' => {
                let end = rest[1..].find(first)?;
                let inside = &rest[1..=end];
                // `$1` is read, other expansions are not.
                if inside.contains('\\') || (first == '"' && inside != "$1" && inside.contains(['$', '`'])) {
                    return None;
                }
                if first == '\'' && inside.contains('$') {
                    return None;
                }
                word.push_str(inside);
                *rest = &rest[end + 2..];
            }
            ' ' | '\t' | ';' | '&' | '|' | '<' | '>' => break,
            '$' if rest
                .strip_prefix("$1")
                .is_some_and(|next| next.is_empty() || next.starts_with([' ', '\t', ';'])) =>
            {
                word.push_str("$1");
                *rest = &rest[2..];
            }
            '$' | '`' | '\\' | '(' | ')' | '*' | '?' | '~' | '{' | '}' => return None,
            _ => {
                word.push(first);
                *rest = &rest[first.len_utf8()..];
            }
        }
    }
    // An assignment, and not a command.
    if word.contains('=') && !word.starts_with(['-', '=', '!']) { None } else { Some(word) }
}

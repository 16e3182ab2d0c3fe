//! POSIX regular expressions, compiled for the `regex` crate where both mean the same.
//!
//! POSIX takes the longest of the leftmost matches; the crate takes the one that a backtracking search finds first. Where only
//! "does it match" is asked, they agree. Where the match's text matters, an expression is accepted if
//! - it is a row of items for single characters, each perhaps repeated, with groups that are not repeated. Taking as much as
//!   possible from left to right then also gives the longest match; or
//! - it is deterministic: after every prefix at most one item can take the next character (no two of the items that may follow
//!   share a character). Then there is only one way through, and going on as long as possible is the longest match.
//!
//! Anything else (back-references, `\b`, `**`, alternatives that begin alike, …) is not known.

use regex::bytes::{Regex, RegexBuilder};

use super::{Known, unknown};
use crate::pattern::ByteSet;

/// Which language a pattern is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// `grep`, `sed`: `\(`, `\{`, `\+`.
    Basic,
    /// `grep -E`, `sed -E`, `awk`, `[[ =~ ]]`.
    Extended,
}

/// What is asked of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Whether it matches.
    Match,
    /// Where.
    Span,
}

/// How a backslash in a bracket expression reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Grep,
    /// `\n` and `\t` are characters, also in brackets.
    Sed,
    /// A backslash escapes, also in brackets.
    Awk,
}

const MOST_LENGTH: usize = 400;
const MOST_DEPTH: usize = 20;
const MOST_REPEAT: u32 = 64;
/// Items after repetitions are written out, for the check of determinism.
const MOST_POSITIONS: usize = 300;

#[derive(Debug, Clone)]
enum Node {
    One(ByteSet),
    Start,
    End,
    Group(Vec<Vec<Node>>),
    Repeat(Box<Node>, u32, Option<u32>),
}

/// Compiles a pattern; groups keep their numbers.
pub(super) fn compile(pattern: &[u8], syntax: Syntax, dialect: Dialect, ignore_case: bool, need: Need) -> Known<Regex> {
    if pattern.len() > MOST_LENGTH || !pattern.is_ascii() || pattern.contains(&b'\n') {
        return unknown("a pattern that is long or not plain text");
    }
    let mut reader = Reader { pattern, at: 0, depth: 0, syntax, dialect, ignore_case };
    let alternatives = reader.alternatives()?;
    if reader.at < pattern.len() {
        return unknown("a pattern with a stray bracket");
    }
    if need == Need::Span && !is_simple(&alternatives) && !is_deterministic(&alternatives) {
        return unknown("a pattern whose longest match may differ");
    }
    let mut text = String::from("(?s-u)");
    write_alternatives(&alternatives, &mut text);
    match RegexBuilder::new(&text).unicode(false).size_limit(1 << 20).build() {
        Ok(regex) => Ok(regex),
        Err(_) => unknown("a pattern that is too large"),
    }
}

struct Reader<'a> {
    pattern: &'a [u8],
    at: usize,
    depth: usize,
    syntax: Syntax,
    dialect: Dialect,
    ignore_case: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.pattern.get(self.at).copied()
    }

    /// Takes an operator that is written with a backslash in basic syntax and without in extended.
    fn operator(&mut self, operator: u8) -> bool {
        let rest = &self.pattern[self.at..];
        let found = match self.syntax {
            Syntax::Basic => rest.starts_with(&[b'\\', operator]),
            Syntax::Extended => rest.starts_with(&[operator]),
        };
        if found {
            self.at += if self.syntax == Syntax::Basic { 2 } else { 1 };
        }
        found
    }

    fn at_operator(&mut self, operator: u8) -> bool {
        let before = self.at;
        let found = self.operator(operator);
        self.at = before;
        found
    }

    fn alternatives(&mut self) -> Known<Vec<Vec<Node>>> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return unknown("a deeply nested pattern");
        }
        let mut alternatives = Vec::new();
        loop {
            alternatives.push(self.row()?);
            if !self.operator(b'|') {
                break;
            }
        }
        // What an empty alternative means differs between programs.
        if alternatives.len() > 1 && alternatives.iter().any(Vec::is_empty) {
            return unknown("an empty alternative");
        }
        self.depth -= 1;
        Ok(alternatives)
    }

    fn row(&mut self) -> Known<Vec<Node>> {
        let mut row: Vec<Node> = Vec::new();
        loop {
            if self.at >= self.pattern.len() || self.at_operator(b'|') || (self.depth > 1 && self.at_operator(b')')) {
                return Ok(row);
            }
            if let Some((least, most)) = self.repetition(row.is_empty() || matches!(row.last(), Some(Node::Start)))? {
                match row.pop() {
                    Some(node @ (Node::One(_) | Node::Group(_))) => row.push(Node::Repeat(Box::new(node), least, most)),
                    _ => return unknown("a repetition of this kind"),
                }
                continue;
            }
            let is_first = row.is_empty();
            let node = self.item(is_first)?;
            row.push(node);
        }
    }

    /// A repetition here, if it is one. At the start a basic `*` is a character.
    fn repetition(&mut self, is_start: bool) -> Known<Option<(u32, Option<u32>)>> {
        if self.peek() == Some(b'*') {
            if is_start {
                return match self.syntax {
                    Syntax::Basic => Ok(None),
                    Syntax::Extended => unknown("a repetition of nothing"),
                };
            }
            self.at += 1;
            return Ok(Some((0, None)));
        }
        if self.operator(b'+') {
            return if is_start { unknown("a repetition of nothing") } else { Ok(Some((1, None))) };
        }
        if self.operator(b'?') {
            return if is_start { unknown("a repetition of nothing") } else { Ok(Some((0, Some(1)))) };
        }
        if !self.operator(b'{') {
            return Ok(None);
        }
        let Some(least) = self.count() else { return unknown("a repetition of this kind") };
        let most = if self.peek() == Some(b',') {
            self.at += 1;
            self.count()
        } else {
            Some(least)
        };
        if !self.operator(b'}')
            || is_start
            || least > MOST_REPEAT
            || most.is_some_and(|most| most < least || most > MOST_REPEAT)
        {
            return unknown("a repetition of this kind");
        }
        Ok(Some((least, most)))
    }

    fn count(&mut self) -> Option<u32> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        std::str::from_utf8(&self.pattern[start..self.at]).ok()?.parse().ok()
    }

    fn one(&self, byte: u8) -> Node {
        let mut set = ByteSet::one(byte);
        if self.ignore_case {
            set.extend([byte.to_ascii_lowercase(), byte.to_ascii_uppercase()]);
        }
        Node::One(set)
    }

    fn item(&mut self, is_first: bool) -> Known<Node> {
        if self.operator(b'(') {
            let alternatives = self.alternatives()?;
            if !self.operator(b')') {
                return unknown("a pattern with an open bracket");
            }
            return Ok(Node::Group(alternatives));
        }
        let Some(byte) = self.peek() else { return unknown("a pattern that ends too early") };
        self.at += 1;
        match byte {
            b'.' => {
                let mut set = ByteSet::default();
                set.extend(1..=u8::MAX);
                Ok(Node::One(set))
            }
            b'[' => self.bracket(),
            b'^' if self.syntax == Syntax::Extended || is_first => {
                if self.depth > 1 || !is_first {
                    unknown("an anchor inside")
                } else {
                    Ok(Node::Start)
                }
            }
            b'$' => {
                if self.at == self.pattern.len() {
                    Ok(Node::End)
                } else if self.syntax == Syntax::Basic && !self.at_operator(b')') && !self.at_operator(b'|') {
                    Ok(self.one(b'$'))
                } else {
                    unknown("an anchor inside")
                }
            }
            b'\\' => self.escape(),
            b'(' | b')' | b'{' | b'+' | b'?' | b'|' if self.syntax == Syntax::Extended => unknown("a stray operator"),
            byte => Ok(self.one(byte)),
        }
    }

    fn escape(&mut self) -> Known<Node> {
        let Some(byte) = self.peek() else { return unknown("a pattern that ends in a backslash") };
        self.at += 1;
        let word = || {
            let mut set = ByteSet::class(b"alnum").unwrap_or_default();
            set.insert(b'_');
            set
        };
        let space = || ByteSet::class(b"space").unwrap_or_default();
        Ok(match byte {
            b'w' if self.dialect != Dialect::Awk => Node::One(word()),
            b'W' if self.dialect != Dialect::Awk => Node::One(word().complement()),
            b's' if self.dialect != Dialect::Awk => Node::One(space()),
            b'S' if self.dialect != Dialect::Awk => Node::One(space().complement()),
            b'n' if self.dialect == Dialect::Sed => Node::One(ByteSet::one(b'\n')),
            b't' if self.dialect != Dialect::Grep => Node::One(ByteSet::one(b'\t')),
            b'.' | b'*' | b'[' | b']' | b'\\' | b'/' | b'^' | b'$' | b'-' => Node::One(ByteSet::one(byte)),
            b'+' | b'?' | b'(' | b')' | b'{' | b'}' | b'|' if self.syntax == Syntax::Extended => {
                Node::One(ByteSet::one(byte))
            }
            _ => return unknown("an escape of this kind in a pattern"),
        })
    }

    fn bracket(&mut self) -> Known<Node> {
        let is_negated = self.peek() == Some(b'^');
        self.at += usize::from(is_negated);
        let mut set = ByteSet::default();
        let start = self.at;
        loop {
            let Some(mut byte) = self.peek() else { return unknown("a bracket that is not closed") };
            self.at += 1;
            if byte == b']' && self.at - 1 > start {
                break;
            }
            if byte == b'[' && matches!(self.peek(), Some(b'.' | b'=')) {
                return unknown("a collating symbol");
            }
            if byte == b'[' && self.peek() == Some(b':') {
                let name: Vec<u8> =
                    self.pattern[self.at + 1..].iter().copied().take_while(u8::is_ascii_lowercase).collect();
                self.at += 1 + name.len();
                let Some(class) = ByteSet::class(&name).filter(|_| self.pattern[self.at..].starts_with(b":]")) else {
                    return unknown("a character class of this kind");
                };
                self.at += 2;
                set.extend(class.bytes());
                continue;
            }
            if byte == b'\\' {
                match (self.dialect, self.peek()) {
                    (Dialect::Sed, Some(b'n')) => byte = b'\n',
                    (Dialect::Sed | Dialect::Awk, Some(b't')) => byte = b'\t',
                    (Dialect::Awk, Some(escaped @ (b'.' | b'/' | b'\\' | b'-' | b']' | b'"'))) => byte = escaped,
                    (Dialect::Grep | Dialect::Sed, Some(next)) if !next.is_ascii_alphanumeric() => self.at -= 1,
                    (Dialect::Grep, Some(_)) | (Dialect::Sed, Some(b's' | b'S' | b'w' | b'W')) => self.at -= 1,
                    _ => return unknown("a backslash in a bracket"),
                }
                self.at += 1;
            }
            if self.peek() == Some(b'-') && !matches!(self.pattern.get(self.at + 1), None | Some(b']')) {
                let last = self.pattern[self.at + 1];
                if last < byte || matches!(last, b'[' | b'\\') {
                    return unknown("a range of this kind");
                }
                set.extend(byte..=last);
                self.at += 2;
            } else {
                set.insert(byte);
            }
        }
        if self.ignore_case {
            let letters: Vec<u8> = set.bytes().collect();
            set.extend(letters.iter().map(u8::to_ascii_lowercase));
            set.extend(letters.iter().map(u8::to_ascii_uppercase));
        }
        Ok(Node::One(if is_negated { set.complement() } else { set }))
    }
}

/// A row of single characters, perhaps repeated, and groups of such rows.
fn is_simple(alternatives: &[Vec<Node>]) -> bool {
    let [row] = alternatives else { return false };
    row.iter().all(|node| match node {
        Node::One(_) | Node::Start | Node::End => true,
        Node::Group(alternatives) => is_simple(alternatives),
        Node::Repeat(node, ..) => matches!(**node, Node::One(_)),
    })
}

/// The positions of an expression: what can begin it, what can end it, whether it may be empty.
struct Shape {
    first: Vec<usize>,
    last: Vec<usize>,
    is_optional: bool,
}

/// Glushkov's construction: one position for every item, and who may follow whom.
#[derive(Default)]
struct Positions {
    sets: Vec<ByteSet>,
    follows: Vec<Vec<usize>>,
}

fn is_deterministic(alternatives: &[Vec<Node>]) -> bool {
    let mut positions = Positions::default();
    let Some(shape) = positions.alternatives(alternatives) else { return false };
    positions.are_apart(&shape.first) && (0..positions.sets.len()).all(|at| positions.are_apart(&positions.follows[at]))
}

impl Positions {
    fn are_apart(&self, set: &[usize]) -> bool {
        let mut sorted = set.to_vec();
        sorted.sort_unstable();
        // The same position twice: two ways to the same place, and groups could differ.
        sorted.windows(2).all(|pair| pair[0] != pair[1])
            && (0..set.len()).all(|a| (a + 1..set.len()).all(|b| self.sets[set[a]].is_disjoint(self.sets[set[b]])))
    }

    fn join(&mut self, left: Shape, right: Shape) -> Shape {
        for end in &left.last {
            self.follows[*end].extend_from_slice(&right.first);
        }
        let mut first = left.first;
        if left.is_optional {
            first.extend_from_slice(&right.first);
        }
        let mut last = right.last;
        if right.is_optional {
            last.extend_from_slice(&left.last);
        }
        Shape { first, last, is_optional: left.is_optional && right.is_optional }
    }

    fn alternatives(&mut self, alternatives: &[Vec<Node>]) -> Option<Shape> {
        let mut result = Shape { first: Vec::new(), last: Vec::new(), is_optional: false };
        let mut optional = 0;
        for row in alternatives {
            let mut shape = Shape { first: Vec::new(), last: Vec::new(), is_optional: true };
            for node in row {
                let next = self.node(node)?;
                shape = self.join(shape, next);
            }
            optional += usize::from(shape.is_optional);
            result.first.extend(shape.first);
            result.last.extend(shape.last);
        }
        result.is_optional = optional > 0;
        // Two ways to be empty, or an empty one before a longer: the order of alternatives would decide.
        (optional == 0 || alternatives.len() == 1).then_some(result)
    }

    fn node(&mut self, node: &Node) -> Option<Shape> {
        match node {
            Node::One(set) => {
                if self.sets.len() >= MOST_POSITIONS {
                    return None;
                }
                self.sets.push(*set);
                self.follows.push(Vec::new());
                let at = self.sets.len() - 1;
                Some(Shape { first: vec![at], last: vec![at], is_optional: false })
            }
            // They stand only at the ends of the whole, where they take nothing.
            Node::Start | Node::End => Some(Shape { first: Vec::new(), last: Vec::new(), is_optional: true }),
            Node::Group(alternatives) => self.alternatives(alternatives),
            Node::Repeat(node, least, most) => {
                let mut shape = Shape { first: Vec::new(), last: Vec::new(), is_optional: true };
                for _ in 0..*least {
                    let next = self.node(node)?;
                    shape = self.join(shape, next);
                }
                let next = match most {
                    Some(most) => {
                        let mut rest = Shape { first: Vec::new(), last: Vec::new(), is_optional: true };
                        for _ in *least..*most {
                            let mut next = self.node(node)?;
                            if next.is_optional {
                                return None;
                            }
                            // Nested from the right: (x(x)?)? – but for following positions a row of optional ones is the same
                            // only if each begins like the first, which are then not apart. So the inner is joined first.
                            next = self.join(next, rest);
                            next.is_optional = true;
                            rest = next;
                        }
                        rest
                    }
                    None => {
                        let mut next = self.node(node)?;
                        if next.is_optional {
                            return None;
                        }
                        for end in &next.last {
                            self.follows[*end].extend_from_slice(&next.first);
                        }
                        next.is_optional = true;
                        next
                    }
                };
                Some(self.join(shape, next))
            }
        }
    }
}

fn write_alternatives(alternatives: &[Vec<Node>], text: &mut String) {
    for (index, row) in alternatives.iter().enumerate() {
        if index > 0 {
            text.push('|');
        }
        row.iter().for_each(|node| write_node(node, text));
    }
}

fn write_node(node: &Node, text: &mut String) {
    use std::fmt::Write as _;
    match node {
        Node::One(set) => {
            text.push('[');
            let mut bytes = set.bytes().peekable();
            if bytes.peek().is_none() {
                text.push_str("^\\x00-\\xff");
            }
            while let Some(first) = bytes.next() {
                let mut last = first;
                while let Some(next) = bytes.next_if(|next| last.checked_add(1) == Some(*next)) {
                    last = next;
                }
                // Writing to a String cannot fail.
                let _ = write!(text, "\\x{first:02x}-\\x{last:02x}");
            }
            text.push(']');
        }
        Node::Start => text.push_str("\\A"),
        Node::End => text.push_str("\\z"),
        Node::Group(alternatives) => {
            text.push('(');
            write_alternatives(alternatives, text);
            text.push(')');
        }
        Node::Repeat(node, least, most) => {
            write_node(node, text);
            let _ = match (least, most) {
                (0, None) => write!(text, "*"),
                (1, None) => write!(text, "+"),
                (0, Some(1)) => write!(text, "?"),
                (least, None) => write!(text, "{{{least},}}"),
                (least, Some(most)) => write!(text, "{{{least},{most}}}"),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(pattern: &str, syntax: Syntax, text: &str) -> Option<String> {
        let regex = compile(pattern.as_bytes(), syntax, Dialect::Sed, false, Need::Span).ok()?;
        Some(
            regex
                .find(text.as_bytes())
                .map_or("-".to_owned(), |found| String::from_utf8_lossy(found.as_bytes()).into_owned()),
        )
    }

    #[test]
    fn both_syntaxes_are_read() {
        use Syntax::{Basic, Extended};
        for (pattern, syntax, text, expected) in [
            ("[0-9][0-9]*", Basic, "v12.3", "12"),
            ("[0-9]\\+\\.[0-9]\\{1,2\\}", Basic, "v12.345", "12.34"),
            ("[0-9]+\\.[0-9]{1,2}", Extended, "v12.345", "12.34"),
            ("a+", Basic, "aa+", "a+"),
            ("^\\*x", Basic, "*x", "*x"),
            ("*x", Basic, "a*x", "*x"),
            ("a$b", Basic, "a$b", "a$b"),
            ("\\(a\\)b", Basic, "ab", "ab"),
            ("[]a]*", Basic, "]a]", "]a]"),
            ("[^]]*", Basic, "ab]", "ab"),
            ("[\\.]", Basic, "\\", "\\"),
            ("(foo|bar)baz", Extended, "xbarbaz", "barbaz"),
            ("(\\.[0-9]+)*$", Extended, "1.2.3", ".2.3"),
            ("([0-9]+\\.)?x", Extended, "12.x", "12.x"),
        ] {
            assert_eq!(span(pattern, syntax, text).as_deref(), Some(expected), "{pattern}");
        }
    }

    #[test]
    fn what_could_differ_is_not_known() {
        for pattern in
            ["a*(ab)?", "(a|ab)(c|bcd)", "(a*)*", "(a|b)*ab", "x**", "\\b", "(a)\\1", "a|", "()", "(^a)", "a{1001}"]
        {
            let result = compile(pattern.as_bytes(), Syntax::Extended, Dialect::Sed, false, Need::Span);
            assert!(result.is_err() || pattern == "()", "{pattern}");
        }
        assert!(compile(b"(a|ab)(c|bcd)", Syntax::Extended, Dialect::Grep, false, Need::Match).is_ok());
        assert!(compile("(".repeat(300).as_bytes(), Syntax::Extended, Dialect::Grep, false, Need::Match).is_err());
        assert!(compile(b"((((a{64}){64}){64}){64})", Syntax::Extended, Dialect::Grep, false, Need::Match).is_err());
    }
}

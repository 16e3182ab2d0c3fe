//! Rich (boolean) dependencies: `rpmrichParseForTag` of `lib/rpmds.c`.
//!
//! ```text
//! rich    = '(' operand { OP operand } ')'
//! operand = rich | NAME [ RELATION VERSION ]
//! OP      = and | or | with         chains of the same word
//!         | without                 once
//!         | if … [ else … ]         once
//!         | unless … [ else … ]     once
//!         | else                    once: rpm takes `(a else b)`
//! ```
//!
//! Words end at white space or a comma; a name or version may have brackets in itself (`perl(A::B)`) and ends at the first
//! `)` that has no `(` in the same word. An operator ends at white space or `)` only. The parser stops after the last `)`:
//! `(a or b)(c or d)` is a rich dependency and a rest.
//!
//! The forbidden nestings (`if` below `or`, `unless` below `and`, anything but `or` and `with` below `with`) are found out by
//! [`Restrictions`], which travel from the inside to the outside.

use std::fmt;
use std::ops::Range;

use crate::strings::{is_gap, is_space};
use crate::{DependencyKind, Sense};

/// How deeply rich dependencies may nest. rpm has no limit but its stack.
pub const MAX_RICH_DEPTH: usize = 200;

/// A rich dependency as a tree. It displays in rpm's normalised form: one blank between words, `<=` for `=<`.
///
/// A tree of [`parse_rich`] is no deeper than [`MAX_RICH_DEPTH`], and its root is never [`RichDependency::Single`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RichDependency {
    /// A name, and a version if there is a relation.
    Single {
        /// Name of a capability or a path.
        name: String,
        /// The relation alone; [`Sense::ANY`] if there is none.
        sense: Sense,
        /// The version; empty if there is no relation.
        evr: String,
    },
    /// `(a)`: brackets around one operand.
    Group(Box<Self>),
    /// `(a and b and …)`
    And(Vec<Self>),
    /// `(a or b or …)`
    Or(Vec<Self>),
    /// `(a with b with …)`: one package provides all.
    With(Vec<Self>),
    /// `(a without b)`: one package provides `a` and not `b`.
    Without(Box<Self>, Box<Self>),
    /// `(then if condition else otherwise)`
    If {
        /// What is wanted under the condition.
        then: Box<Self>,
        /// The condition.
        condition: Box<Self>,
        /// What is wanted if it does not hold.
        otherwise: Option<Box<Self>>,
    },
    /// `(then unless condition else otherwise)`
    Unless {
        /// What is wanted if the condition does not hold.
        then: Box<Self>,
        /// The condition.
        condition: Box<Self>,
        /// What is wanted if it holds.
        otherwise: Option<Box<Self>>,
    },
    /// `(a else b)`: rpm's parser takes it, rpm's resolver makes nothing of it.
    Else(Box<Self>, Box<Self>),
}

impl RichDependency {
    fn children(&self) -> Vec<&Self> {
        match self {
            Self::Single { .. } => Vec::new(),
            Self::Group(one) => vec![one],
            Self::And(all) | Self::Or(all) | Self::With(all) => all.iter().collect(),
            Self::Without(a, b) | Self::Else(a, b) => vec![a, b],
            Self::If { then, condition, otherwise } | Self::Unless { then, condition, otherwise } => {
                [then, condition].into_iter().chain(otherwise).map(AsRef::as_ref).collect()
            }
        }
    }

    /// The parts that one package has to meet, from left to right: simple dependencies, and trees of `with` and `without`.
    pub fn selections(&self) -> Vec<&Self> {
        match self {
            Self::Single { .. } | Self::With(_) | Self::Without(..) => vec![self],
            _ => self.children().into_iter().flat_map(Self::selections).collect(),
        }
    }

    /// All simple dependencies, from left to right.
    pub fn singles(&self) -> Vec<&Self> {
        let mut found = Vec::new();
        let mut open = vec![self];
        while let Some(node) = open.pop() {
            if matches!(node, Self::Single { .. }) {
                found.push(node);
            }
            open.extend(node.children().into_iter().rev());
        }
        found
    }
}

impl fmt::Display for RichDependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = |f: &mut fmt::Formatter<'_>, operands: &[Self], operator: RichOperator| {
            for (place, operand) in operands.iter().enumerate() {
                if place > 0 {
                    write!(f, " {operator} ")?;
                }
                write!(f, "{operand}")?;
            }
            Ok(())
        };
        if let Self::Single { name, sense, evr } = self {
            f.write_str(name)?;
            return if sense.relation().is_empty() { Ok(()) } else { write!(f, " {sense} {evr}") };
        }
        f.write_str("(")?;
        match self {
            Self::Single { .. } => {}
            Self::Group(operand) => write!(f, "{operand}")?,
            Self::And(operands) => chain(f, operands, RichOperator::And)?,
            Self::Or(operands) => chain(f, operands, RichOperator::Or)?,
            Self::With(operands) => chain(f, operands, RichOperator::With)?,
            Self::Without(a, b) => write!(f, "{a} without {b}")?,
            Self::Else(a, b) => write!(f, "{a} else {b}")?,
            Self::If { then, condition, otherwise } | Self::Unless { then, condition, otherwise } => {
                let word = if matches!(self, Self::If { .. }) { RichOperator::If } else { RichOperator::Unless };
                write!(f, "{then} {word} {condition}")?;
                if let Some(otherwise) = otherwise {
                    write!(f, " else {otherwise}")?;
                }
            }
        }
        f.write_str(")")
    }
}

/// The words between the operands of a rich dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RichOperator {
    /// `and`
    And,
    /// `or`
    Or,
    /// `if`
    If,
    /// `unless`
    Unless,
    /// `else`
    Else,
    /// `with`
    With,
    /// `without`
    Without,
}

impl RichOperator {
    const ALL: [Self; 7] = [Self::And, Self::Or, Self::If, Self::Unless, Self::Else, Self::With, Self::Without];

    /// The word: `rpmrichOpStr` of `lib/rpmds.c`.
    pub fn word(self) -> &'static str {
        match self {
            Self::And => "and",
            Self::Or => "or",
            Self::If => "if",
            Self::Unless => "unless",
            Self::Else => "else",
            Self::With => "with",
            Self::Without => "without",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.word() == word)
    }
}

impl fmt::Display for RichOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Why a text is no rich dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RichError {
    /// rpm's words.
    pub message: String,
    /// Byte offset in the text.
    pub at: usize,
}

impl fmt::Display for RichError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RichError {}

/// What the parser has met, in the order and at the moments of the callback of `rpmrichParse`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RichEvent<'a> {
    /// An opening bracket is expected at this offset.
    Enter(usize),
    /// A simple dependency.
    Single {
        /// The name.
        name: &'a str,
        /// Where it stands.
        name_at: Range<usize>,
        /// The relation alone.
        sense: Sense,
        /// The version, if there is a relation.
        evr: Option<&'a str>,
        /// Where the version stands.
        evr_at: Range<usize>,
    },
    /// An operator.
    Operator(RichOperator, Range<usize>),
    /// A closing bracket; the range is that of the whole rich dependency.
    Leave(Range<usize>),
}

/// Parses the rich dependency at the start of a text; gives what is left of the text too.
///
/// # Errors
/// rpm's message and its place.
pub fn parse_rich(text: &str, kind: DependencyKind) -> Result<(RichDependency, &str), RichError> {
    parse_rich_with(text, kind, |_| Ok(()))
}

/// Like [`parse_rich`], and shows every step to `visit`, which may stop the parser with an error of its own.
///
/// `parseRCPOT` (`build/parseReqs.c`) checks the characters of names and versions in this way, so that the first mistake in
/// the text is the one that is reported, be it of form or of characters.
///
/// # Errors
/// rpm's message and its place, or the error of `visit`.
pub fn parse_rich_with<'a, E: From<RichError>>(
    text: &'a str,
    kind: DependencyKind,
    visit: impl FnMut(RichEvent<'a>) -> Result<(), E>,
) -> Result<(RichDependency, &'a str), E> {
    let mut parser = Parser { text, at: 0, visit };
    let (tree, restrictions) = parser.rich(0)?;
    // What rpm's resolver would combine it with decides what may not be at the top.
    let context = match kind {
        DependencyKind::Conflicts | DependencyKind::Supplements | DependencyKind::Enhances => RichOperator::Or,
        _ => RichOperator::And,
    };
    restrictions.check(context, 0)?;
    Ok((tree, &text[parser.at..]))
}

/// Which operators may not stand around what was parsed.
#[derive(Debug, Clone, Copy, Default)]
struct Restrictions {
    no_with: bool,
    no_and: bool,
    no_or: bool,
}

impl Restrictions {
    /// `rpmrichParseCheck`.
    fn check(self, operator: RichOperator, at: usize) -> Result<(), RichError> {
        let message = match operator {
            RichOperator::With | RichOperator::Without if self.no_with => "Illegal ops in with/without",
            RichOperator::And | RichOperator::If if self.no_and => {
                "Illegal context for 'unless', please use 'or' instead"
            }
            RichOperator::Or | RichOperator::Unless if self.no_or => {
                "Illegal context for 'if', please use 'and' instead"
            }
            _ => return Ok(()),
        };
        Err(RichError { message: message.into(), at })
    }

    fn add(&mut self, inner: Self) {
        self.no_with |= inner.no_with;
        self.no_and |= inner.no_and;
        self.no_or |= inner.no_or;
    }

    fn lift_and_or(&mut self) {
        self.no_and = false;
        self.no_or = false;
    }
}

struct Parser<'a, V> {
    text: &'a str,
    at: usize,
    visit: V,
}

impl<'a, V> Parser<'a, V> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_gap(&mut self) {
        while self.byte().is_some_and(is_gap) {
            self.at += 1;
        }
    }

    /// The range of the word that begins at `start`: up to a gap or to a `)` that closes nothing in the word.
    fn word(&self, start: usize) -> Range<usize> {
        let mut open = 0_usize;
        for (length, byte) in self.text.bytes().skip(start).enumerate() {
            match byte {
                _ if is_gap(byte) => return start..start + length,
                b')' if open == 0 => return start..start + length,
                b')' => open -= 1,
                b'(' => open += 1,
                _ => {}
            }
        }
        start..self.text.len()
    }

    fn error<T, E: From<RichError>>(&self, message: impl Into<String>, at: usize) -> Result<T, E> {
        Err(RichError { message: message.into(), at }.into())
    }

    fn rich<E: From<RichError>>(&mut self, depth: usize) -> Result<(RichDependency, Restrictions), E>
    where
        V: FnMut(RichEvent<'a>) -> Result<(), E>,
    {
        let start = self.at;
        if depth >= MAX_RICH_DEPTH {
            return self.error("rich dependency is nested too deeply", start);
        }
        (self.visit)(RichEvent::Enter(start))?;
        if self.byte() != Some(b'(') {
            return self.error("Rich dependency does not start with '('", start);
        }
        self.at += 1;
        let mut restrictions = Restrictions::default();
        let mut operands = Vec::new();
        let mut operators: Vec<RichOperator> = Vec::new();
        loop {
            self.skip_gap();
            let last = operators.last().copied();
            match self.byte() {
                Some(b')') if last.is_some() => return self.error("Missing argument to rich dependency op", self.at),
                Some(b')') => return self.error("Empty rich dependency", self.at),
                Some(b'(') => {
                    let (operand, mut inner) = self.rich(depth + 1)?;
                    if matches!(last, Some(RichOperator::If | RichOperator::Unless)) {
                        inner.lift_and_or();
                    }
                    restrictions.add(inner);
                    operands.push(operand);
                }
                _ => operands.push(self.single()?),
            }
            self.skip_gap();
            match self.byte() {
                None => return self.error(format!("Unterminated rich dependency: {}", &self.text[start..]), start),
                Some(b')') => break,
                Some(_) => operators.push(self.operator(last)?),
            }
        }
        if let Some(first) = operators.first() {
            restrictions.check(*first, start)?;
            match first {
                RichOperator::If => restrictions.no_or = true,
                RichOperator::Unless => restrictions.no_and = true,
                _ => {}
            }
        }
        match operators.last() {
            Some(RichOperator::And) => {
                restrictions.lift_and_or();
                restrictions.no_with = true;
            }
            Some(RichOperator::Or) => restrictions.lift_and_or(),
            Some(RichOperator::If | RichOperator::Unless | RichOperator::Else) => restrictions.no_with = true,
            Some(RichOperator::With | RichOperator::Without) | None => {}
        }
        self.at += 1;
        (self.visit)(RichEvent::Leave(start..self.at))?;
        Ok((combine(operands, operators.first().copied()), restrictions))
    }

    fn single<E: From<RichError>>(&mut self) -> Result<RichDependency, E>
    where
        V: FnMut(RichEvent<'a>) -> Result<(), E>,
    {
        let name_at = self.word(self.at);
        if name_at.is_empty() {
            return self.error("Name required", self.at);
        }
        self.at = name_at.end;
        self.skip_gap();
        let relation_at = self.word(self.at);
        let relation = Sense::parse_operator(&self.text[relation_at.clone()]);
        let mut evr_at = self.at..self.at;
        if relation.is_some() {
            self.at = relation_at.end;
            self.skip_gap();
            evr_at = self.word(self.at);
            self.at = evr_at.end;
            if evr_at.is_empty() {
                return self.error("Version required", evr_at.start);
            }
        }
        let sense = relation.unwrap_or(Sense::ANY);
        let (name, evr) = (&self.text[name_at.clone()], &self.text[evr_at.clone()]);
        (self.visit)(RichEvent::Single { name, name_at, sense, evr: relation.map(|_| evr), evr_at })?;
        Ok(RichDependency::Single { name: name.into(), sense, evr: evr.into() })
    }

    /// Reads the operator that follows an operand; `last` is the one before that operand.
    fn operator<E: From<RichError>>(&mut self, last: Option<RichOperator>) -> Result<RichOperator, E>
    where
        V: FnMut(RichEvent<'a>) -> Result<(), E>,
    {
        let start = self.at;
        let length = self.text.bytes().skip(start).take_while(|byte| !is_space(*byte) && *byte != b')').count();
        let word = &self.text[start..start + length];
        let Some(operator) = RichOperator::parse(word) else {
            return self.error(format!("Unknown rich dependency op '{word}'"), start);
        };
        let chained = match (last, operator) {
            (Some(RichOperator::If | RichOperator::Unless), RichOperator::Else) => None,
            (last, _) => last,
        };
        if chained.is_some_and(|chained| chained != operator) {
            return self.error("Cannot chain different ops", start);
        }
        if chained.is_some() && !matches!(operator, RichOperator::And | RichOperator::Or | RichOperator::With) {
            return self.error("Can only chain and/or/with ops", start);
        }
        (self.visit)(RichEvent::Operator(operator, start..start + length))?;
        self.at = start + length;
        Ok(operator)
    }
}

/// The node of operands between which the parser has let stand only one operator, or `if`/`unless` and an `else`.
fn combine(operands: Vec<RichDependency>, operator: Option<RichOperator>) -> RichDependency {
    let many = match operator {
        Some(RichOperator::And) => RichDependency::And,
        Some(RichOperator::Or) => RichDependency::Or,
        Some(RichOperator::With) => RichDependency::With,
        _ => {
            let mut operands = operands.into_iter().map(Box::new);
            return match (operator, operands.next(), operands.next(), operands.next()) {
                (Some(RichOperator::Without), Some(a), Some(b), None) => RichDependency::Without(a, b),
                (Some(RichOperator::Else), Some(a), Some(b), None) => RichDependency::Else(a, b),
                (Some(RichOperator::If), Some(then), Some(condition), otherwise) => {
                    RichDependency::If { then, condition, otherwise }
                }
                (Some(RichOperator::Unless), Some(then), Some(condition), otherwise) => {
                    RichDependency::Unless { then, condition, otherwise }
                }
                (None, Some(one), None, None) => RichDependency::Group(one),
                _ => unreachable!("the parser lets stand one operand more than operators, and no such chain"),
            };
        }
    };
    many(operands)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, kind: DependencyKind) -> Result<(String, &str), String> {
        parse_rich(text, kind).map(|(tree, rest)| (tree.to_string(), rest)).map_err(|error| error.message)
    }

    #[test]
    fn rich_dependencies_are_normalised() {
        use DependencyKind::{Conflicts, Requires, Supplements};
        for (text, kind, shown, rest) in [
            ("(a)", Requires, "(a)", ""),
            ("((a))", Requires, "((a))", ""),
            ("(a, and ,b)", Requires, "(a and b)", ""),
            ("( a =< 1 or b == 2 ) c", Requires, "(a <= 1 or b = 2)", " c"),
            ("(a or b)(c or d)", Requires, "(a or b)", "(c or d)"),
            ("(a and b and c)", Requires, "(a and b and c)", ""),
            ("(perl(A::B) >= 1 with perl(A::B) < 2)", Requires, "(perl(A::B) >= 1 with perl(A::B) < 2)", ""),
            ("(a if b else c)", Requires, "(a if b else c)", ""),
            ("(a else b)", Requires, "(a else b)", ""),
            ("(a without b)", Requires, "(a without b)", ""),
            ("(a if (b or c))", Requires, "(a if (b or c))", ""),
            ("(a if (b if c))", Requires, "(a if (b if c))", ""),
            ("((a if b) and c)", Requires, "((a if b) and c)", ""),
            ("(a unless b)", Conflicts, "(a unless b)", ""),
            ("(a unless b)", Supplements, "(a unless b)", ""),
            ("((a unless b) or c)", Requires, "((a unless b) or c)", ""),
            ("(a unless b else c)", Supplements, "(a unless b else c)", ""),
            ("((a or b) with c)", Requires, "((a or b) with c)", ""),
            ("(a>=1 and b)", Requires, "(a>=1 and b)", ""),
            ("(a = 1(x) and b)", Requires, "(a = 1(x) and b)", ""),
            ("(# and ä)", Requires, "(# and ä)", ""),
        ] {
            assert_eq!(parse(text, kind), Ok((shown.to_owned(), rest)), "{text}");
        }
    }

    #[test]
    fn wrong_ones_have_the_messages_of_rpm() {
        use DependencyKind::{Conflicts, Enhances, Requires, Supplements};
        let no_if = "Illegal context for 'if', please use 'and' instead";
        let no_unless = "Illegal context for 'unless', please use 'or' instead";
        for (text, kind, message, at) in [
            ("a", Requires, "Rich dependency does not start with '('", 0),
            ("()", Requires, "Empty rich dependency", 1),
            ("(", Requires, "Name required", 1),
            ("(a", Requires, "Unterminated rich dependency: (a", 0),
            ("(a and", Requires, "Name required", 6),
            ("(a and)", Requires, "Missing argument to rich dependency op", 6),
            ("(a if b else)", Requires, "Missing argument to rich dependency op", 12),
            ("(a and (b or c)", Requires, "Unterminated rich dependency: (a and (b or c)", 0),
            ("(x and (b or c", Requires, "Unterminated rich dependency: (b or c", 7),
            ("(a b)", Requires, "Unknown rich dependency op 'b'", 3),
            ("(a and, b)", Requires, "Unknown rich dependency op 'and,'", 3),
            ("(a (b))", Requires, "Unknown rich dependency op '(b'", 3),
            ("(a >= )", Requires, "Version required", 6),
            ("(a >=", Requires, "Version required", 5),
            ("(a and b or c)", Requires, "Cannot chain different ops", 9),
            ("(a and b else c)", Requires, "Cannot chain different ops", 9),
            ("(a if b if c)", Requires, "Can only chain and/or/with ops", 8),
            ("(a else b else c)", Requires, "Can only chain and/or/with ops", 10),
            ("(a if b else c else d)", Requires, "Can only chain and/or/with ops", 15),
            ("(a without b without c)", Requires, "Can only chain and/or/with ops", 13),
            ("((a and b) with c)", Requires, "Illegal ops in with/without", 0),
            ("((a if b) without c)", Requires, "Illegal ops in with/without", 0),
            ("((a if b) or c)", Requires, no_if, 0),
            ("(a if b)", Conflicts, no_if, 0),
            ("(a if b)", Supplements, no_if, 0),
            ("(a if b)", Enhances, no_if, 0),
            ("(a unless b)", Requires, no_unless, 0),
            ("((a unless b) and c)", Supplements, no_unless, 0),
            ("(c and ((a if b) or d))", Requires, no_if, 7),
        ] {
            let error = parse_rich(text, kind).map(|(tree, _)| tree.to_string()).expect_err(text);
            assert_eq!((error.message.as_str(), error.at), (message, at), "{text}");
        }
    }

    #[test]
    fn the_visitor_sees_every_step_in_order_and_may_stop() {
        let text = "(a >= 1 and (b or 'c))";
        let mut seen = Vec::new();
        let result = parse_rich_with(text, DependencyKind::Requires, |event| {
            let (step, stop) = match event {
                RichEvent::Enter(at) => (format!("enter {at}"), false),
                RichEvent::Single { name, name_at, evr, evr_at, .. } => {
                    (format!("{name} {name_at:?} {evr:?} {evr_at:?}"), name.starts_with('\''))
                }
                RichEvent::Operator(operator, at) => (format!("{operator} {at:?}"), false),
                RichEvent::Leave(at) => (format!("leave {at:?}"), false),
            };
            seen.push(step);
            if stop { Err(RichError { message: "bad character".into(), at: 0 }) } else { Ok(()) }
        });
        assert_eq!(result.map_err(|error| error.message), Err("bad character".to_owned()));
        let want = [
            "enter 0",
            "a 1..2 Some(\"1\") 6..7",
            "and 8..11",
            "enter 12",
            "b 13..14 None 15..15",
            "or 15..17",
            "'c 18..20 None 20..20",
        ];
        assert_eq!(seen, want);
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_crash() {
        let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        let (tree, _) = parse_rich(&nested(MAX_RICH_DEPTH), DependencyKind::Requires).expect("as deep as allowed");
        assert_eq!(tree.to_string(), nested(MAX_RICH_DEPTH));
        assert_eq!(tree.singles().len(), 1);
        let error = parse_rich(&nested(100_000), DependencyKind::Requires).expect_err("too deep");
        assert_eq!((error.message.as_str(), error.at), ("rich dependency is nested too deeply", MAX_RICH_DEPTH));
    }
}

//! The grammar of the small sh: text to tree.
//!
//! What is not read here (functions, arrays, here-documents, background commands, brace expansion, …) makes the whole text
//! unknown; nothing is guessed.

use super::{Known, unknown};

/// How deep commands, words and expansions may be nested.
const MOST_DEPTH: usize = 40;

/// `a && b; c | d`.
#[derive(Debug, Clone, Default)]
pub(crate) struct List {
    pub(crate) items: Vec<AndOr>,
}

#[derive(Debug, Clone)]
pub(crate) struct AndOr {
    pub(crate) first: Pipeline,
    /// True: `&&`.
    pub(crate) rest: Vec<(bool, Pipeline)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    pub(crate) is_negated: bool,
    pub(crate) commands: Vec<Command>,
}

#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) kind: Kind,
    pub(crate) redirections: Vec<Redirection>,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Simple { assignments: Vec<Assignment>, words: Vec<Word> },
    Group(List),
    Subshell(List),
    If { branches: Vec<(List, List)>, otherwise: Option<List> },
    For { name: String, words: Option<Vec<Word>>, body: List },
    While { is_until: bool, condition: List, body: List },
    Case { word: Word, arms: Vec<(Vec<Word>, List)> },
    Condition(Condition),
    Arithmetic(Word),
}

#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) name: String,
    pub(crate) appends: bool,
    pub(crate) value: Word,
}

#[derive(Debug, Clone)]
pub(crate) enum Redirection {
    /// `< word`.
    Input(Word),
    /// `<<< word`.
    Text(Word),
    /// `descriptor> word`; both descriptors for `&>`.
    Output { descriptors: Vec<u8>, target: Word },
    /// `descriptor>&other`.
    Copy { descriptor: u8, from: u8 },
}

/// Inside `[[ … ]]`.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    Unary(u8, Word),
    Binary(Vec<u8>, Word, Word),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

pub(crate) type Word = Vec<Part>;

#[derive(Debug, Clone)]
pub(crate) enum Part {
    Text { bytes: Vec<u8>, is_quoted: bool },
    Parameter { parameter: Box<Parameter>, is_quoted: bool },
    Command { list: List, is_quoted: bool },
    Arithmetic { expression: Word, is_quoted: bool },
}

#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: Name,
    pub(crate) operation: Operation,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Variable(String),
    Positional(usize),
    Count,
    Status,
    /// `$@`.
    All,
    /// `$*`.
    Joined,
}

#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Plain,
    Length,
    Default { also_empty: bool, word: Word },
    Assign { also_empty: bool, word: Word },
    Alternative { also_empty: bool, word: Word },
    RemovePrefix { longest: bool, pattern: Word },
    RemoveSuffix { longest: bool, pattern: Word },
    Substring { offset: Word, length: Option<Word> },
    Replace { place: Place, pattern: Word, with: Word },
    Case { upper: bool, all: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    First,
    All,
    Start,
    End,
}

/// Reads a whole script.
pub(crate) fn parse(text: &[u8]) -> Known<List> {
    parse_nested(text, 0)
}

fn parse_nested(text: &[u8], depth: usize) -> Known<List> {
    if depth > MOST_DEPTH {
        return unknown("too deeply nested");
    }
    if !text.is_ascii() || text.contains(&0) {
        return unknown("text that is not ASCII");
    }
    let mut parser = Parser { text, at: 0, depth };
    let list = parser.list(&[])?;
    if parser.at < text.len() { unknown("a stray character") } else { Ok(list) }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
}

/// What ends a text inside `${…}`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// A blank or an operator.
    Word,
    /// The first unquoted one of these, not read.
    Bytes(&'static [u8]),
    /// The quote that closes.
    Quote,
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// True for `[A-Za-z_][A-Za-z0-9_]*`.
pub(crate) fn is_name(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|byte| is_name_start(*byte)) && bytes.iter().all(|byte| is_name_byte(*byte))
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn peek_at(&self, offset: usize) -> Option<u8> {
        self.text.get(self.at + offset).copied()
    }

    fn starts_with(&self, text: &[u8]) -> bool {
        self.text[self.at..].starts_with(text)
    }

    fn take(&mut self, text: &[u8]) -> bool {
        let found = self.starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Known<T>) -> Known<T> {
        if self.depth >= MOST_DEPTH {
            return unknown("too deeply nested");
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// Skips blanks, comments and joined lines.
    fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\\') if self.peek_at(1) == Some(b'\n') => self.at += 2,
                // Called only where a word may begin.
                Some(b'#') => {
                    while self.peek().is_some_and(|byte| byte != b'\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn blanks_and_lines(&mut self) {
        loop {
            self.blanks();
            if !self.take(b"\n") {
                return;
            }
        }
    }

    /// The reserved word here, if it is one.
    fn reserved(&self) -> Option<&'static [u8]> {
        const WORDS: [&[u8]; 22] = [
            b"if",
            b"then",
            b"elif",
            b"else",
            b"fi",
            b"for",
            b"in",
            b"do",
            b"done",
            b"case",
            b"esac",
            b"while",
            b"until",
            b"select",
            b"function",
            b"time",
            b"coproc",
            b"{",
            b"}",
            b"!",
            b"[[",
            b"]]",
        ];
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|byte| b" \t\n;&|<>()".contains(byte)).unwrap_or(rest.len());
        WORDS.into_iter().find(|word| *word == &rest[..length])
    }

    fn keyword(&mut self, word: &'static [u8]) -> bool {
        let found = self.reserved() == Some(word);
        if found {
            self.at += word.len();
        }
        found
    }

    fn expect_keyword(&mut self, word: &'static [u8]) -> Known<()> {
        if self.keyword(word) { Ok(()) } else { unknown("a compound command that is not closed") }
    }

    /// Reads commands up to one of the words (in command position), a `)` or `;;`, or the end; does not read that.
    fn list(&mut self, ends: &[&'static [u8]]) -> Known<List> {
        let mut list = List::default();
        loop {
            self.blanks_and_lines();
            let at_end = match self.peek() {
                None | Some(b')') => true,
                Some(b';') => self.peek_at(1) == Some(b';'),
                Some(_) => self.reserved().is_some_and(|word| ends.contains(&word)),
            };
            if at_end {
                return Ok(list);
            }
            let item = self.deeper(Self::and_or)?;
            list.items.push(item);
            self.blanks();
            match self.peek() {
                Some(b';') if self.peek_at(1) != Some(b';') => self.at += 1,
                Some(b'\n') => self.at += 1,
                None | Some(b')' | b';') => {}
                Some(b'&') => return unknown("a background command"),
                Some(_) => return unknown("a word after a compound command"),
            }
        }
    }

    /// A list that must have a command.
    fn body(&mut self, ends: &[&'static [u8]]) -> Known<List> {
        let list = self.list(ends)?;
        if list.items.is_empty() { unknown("an empty list") } else { Ok(list) }
    }

    fn and_or(&mut self) -> Known<AndOr> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.blanks();
            let is_and = self.starts_with(b"&&");
            if !is_and && !self.starts_with(b"||") {
                return Ok(AndOr { first, rest });
            }
            self.at += 2;
            self.blanks_and_lines();
            rest.push((is_and, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Known<Pipeline> {
        let is_negated = self.keyword(b"!");
        self.blanks();
        let mut commands = vec![self.command()?];
        loop {
            self.blanks();
            if self.peek() != Some(b'|') || self.peek_at(1) == Some(b'|') {
                return Ok(Pipeline { is_negated, commands });
            }
            self.at += 1;
            if self.peek() == Some(b'&') {
                return unknown("`|&`");
            }
            self.blanks_and_lines();
            commands.push(self.command()?);
        }
    }

    fn command(&mut self) -> Known<Command> {
        let kind = if self.starts_with(b"((") {
            self.at += 2;
            let expression = self.arithmetic()?;
            Some(Kind::Arithmetic(expression))
        } else if self.take(b"(") {
            let list = self.body(&[])?;
            if !self.take(b")") {
                return unknown("a bracket that is not closed");
            }
            Some(Kind::Subshell(list))
        } else {
            match self.reserved() {
                None => None,
                Some(word) => {
                    self.at += word.len();
                    Some(self.compound(word)?)
                }
            }
        };
        match kind {
            None => self.simple(),
            Some(kind) => {
                let mut redirections = Vec::new();
                loop {
                    self.blanks();
                    match self.redirection()? {
                        Some(redirection) => redirections.push(redirection),
                        None => return Ok(Command { kind, redirections }),
                    }
                }
            }
        }
    }

    fn compound(&mut self, word: &'static [u8]) -> Known<Kind> {
        match word {
            b"{" => {
                let list = self.body(&[b"}"])?;
                self.expect_keyword(b"}")?;
                Ok(Kind::Group(list))
            }
            b"if" => {
                let mut branches = Vec::new();
                loop {
                    let condition = self.body(&[b"then"])?;
                    self.expect_keyword(b"then")?;
                    let body = self.body(&[b"elif", b"else", b"fi"])?;
                    branches.push((condition, body));
                    if self.keyword(b"elif") {
                        continue;
                    }
                    let otherwise = if self.keyword(b"else") { Some(self.body(&[b"fi"])?) } else { None };
                    self.expect_keyword(b"fi")?;
                    return Ok(Kind::If { branches, otherwise });
                }
            }
            b"while" | b"until" => {
                let condition = self.body(&[b"do"])?;
                self.expect_keyword(b"do")?;
                let body = self.body(&[b"done"])?;
                self.expect_keyword(b"done")?;
                Ok(Kind::While { is_until: word == b"until", condition, body })
            }
            b"for" => self.for_loop(),
            b"case" => self.case(),
            b"[[" => {
                let condition = self.condition_or()?;
                self.condition_blanks();
                self.expect_keyword(b"]]")
                    .or_else(|_| if self.take(b"]]") { Ok(()) } else { unknown("`[[` that is not closed") })?;
                match self.peek() {
                    None | Some(b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b')' | b'<' | b'>') => {}
                    Some(_) => return unknown("text after `]]`"),
                }
                Ok(Kind::Condition(condition))
            }
            _ => unknown("a keyword that is not supported here"),
        }
    }

    fn for_loop(&mut self) -> Known<Kind> {
        self.blanks();
        let start = self.at;
        while self.peek().is_some_and(is_name_byte) {
            self.at += 1;
        }
        let name = &self.text[start..self.at];
        if !is_name(name) {
            return unknown("a loop without a variable");
        }
        let name = String::from_utf8_lossy(name).into_owned();
        self.blanks_and_lines();
        let words = if self.keyword(b"in") {
            let mut words = Vec::new();
            loop {
                self.blanks();
                match self.peek() {
                    Some(b';') if self.peek_at(1) != Some(b';') => break,
                    Some(b'\n') => break,
                    Some(b'&' | b'|' | b'<' | b'>' | b'(' | b')' | b';') | None => {
                        return unknown("a loop without words");
                    }
                    Some(_) => words.push(self.word(Until::Word)?),
                }
            }
            self.at += 1;
            Some(words)
        } else {
            self.take(b";");
            None
        };
        self.blanks_and_lines();
        self.expect_keyword(b"do")?;
        let body = self.body(&[b"done"])?;
        self.expect_keyword(b"done")?;
        Ok(Kind::For { name, words, body })
    }

    fn case(&mut self) -> Known<Kind> {
        self.blanks();
        let word = self.word(Until::Word)?;
        self.blanks_and_lines();
        self.expect_keyword(b"in")?;
        let mut arms = Vec::new();
        loop {
            self.blanks_and_lines();
            if self.keyword(b"esac") {
                return Ok(Kind::Case { word, arms });
            }
            self.take(b"(");
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                patterns.push(self.word(Until::Word)?);
                self.blanks();
                if !self.take(b"|") {
                    break;
                }
            }
            if !self.take(b")") {
                return unknown("a pattern that is not closed");
            }
            let body = self.list(&[b"esac"])?;
            arms.push((patterns, body));
            if self.take(b";;") {
                if matches!(self.peek(), Some(b'&')) {
                    return unknown("`;;&`");
                }
            } else {
                self.blanks_and_lines();
                self.expect_keyword(b"esac")?;
                return Ok(Kind::Case { word, arms });
            }
        }
    }

    fn condition_blanks(&mut self) {
        self.blanks_and_lines();
    }

    fn condition_or(&mut self) -> Known<Condition> {
        let mut left = self.condition_and()?;
        loop {
            self.condition_blanks();
            if !self.take(b"||") {
                return Ok(left);
            }
            left = Condition::Or(Box::new(left), Box::new(self.deeper(Self::condition_and)?));
        }
    }

    fn condition_and(&mut self) -> Known<Condition> {
        let mut left = self.condition_term()?;
        loop {
            self.condition_blanks();
            if !self.take(b"&&") {
                return Ok(left);
            }
            left = Condition::And(Box::new(left), Box::new(self.deeper(Self::condition_term)?));
        }
    }

    fn condition_term(&mut self) -> Known<Condition> {
        self.condition_blanks();
        if self.keyword(b"!") {
            return Ok(Condition::Not(Box::new(self.deeper(Self::condition_term)?)));
        }
        if self.take(b"(") {
            let inner = self.deeper(Self::condition_or)?;
            self.condition_blanks();
            return if self.take(b")") { Ok(inner) } else { unknown("a bracket that is not closed") };
        }
        if self.peek() == Some(b'-')
            && self.peek_at(1).is_some_and(|byte| byte.is_ascii_alphabetic())
            && matches!(self.peek_at(2), Some(b' ' | b'\t'))
        {
            let operator = self.text[self.at + 1];
            self.at += 2;
            self.blanks();
            if self.starts_with(b"]]") || self.starts_with(b"&&") || self.starts_with(b"||") {
                return unknown("an operator without an operand");
            }
            return Ok(Condition::Unary(operator, self.condition_word()?));
        }
        let left = self.condition_word()?;
        self.blanks();
        if self.starts_with(b"]]") || self.starts_with(b"&&") || self.starts_with(b"||") || self.starts_with(b")") {
            return Ok(Condition::Unary(b'n', left));
        }
        const OPERATORS: [&[u8]; 12] =
            [b"==", b"=~", b"=", b"!=", b"-eq", b"-ne", b"-lt", b"-le", b"-gt", b"-ge", b"<", b">"];
        for operator in OPERATORS {
            if self.starts_with(operator) && matches!(self.peek_at(operator.len()), Some(b' ' | b'\t')) {
                self.at += operator.len();
                self.blanks();
                if operator == b"=~" {
                    return unknown("`=~`");
                }
                let right = self.condition_word()?;
                return Ok(Condition::Binary(operator.to_vec(), left, right));
            }
        }
        unknown("an operator of `[[` that is not supported")
    }

    fn condition_word(&mut self) -> Known<Word> {
        let start = self.at;
        let word = self.word(Until::Word)?;
        let text = &self.text[start..self.at];
        // Extended patterns are in force inside `[[`.
        if word.is_empty() || text.windows(2).any(|pair| b"?*+@!".contains(&pair[0]) && pair[1] == b'(') {
            return unknown("a word of `[[`");
        }
        Ok(word)
    }

    fn simple(&mut self) -> Known<Command> {
        let (mut assignments, mut words, mut redirections) = (Vec::new(), Vec::<Word>::new(), Vec::new());
        loop {
            self.blanks();
            if let Some(redirection) = self.redirection()? {
                redirections.push(redirection);
                continue;
            }
            match self.peek() {
                None | Some(b'\n' | b';' | b'&' | b'|' | b')') => break,
                Some(b'(') => return unknown("a function or an array"),
                Some(_) => {}
            }
            if words.is_empty()
                && let Some(assignment) = self.assignment()?
            {
                assignments.push(assignment);
                continue;
            }
            words.push(self.word(Until::Word)?);
        }
        if assignments.is_empty() && words.is_empty() && redirections.is_empty() {
            return unknown("an operator without a command");
        }
        Ok(Command { kind: Kind::Simple { assignments, words }, redirections })
    }

    fn assignment(&mut self) -> Known<Option<Assignment>> {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|byte| !is_name_byte(*byte)).unwrap_or(rest.len());
        if !is_name(&rest[..length]) {
            return Ok(None);
        }
        let name = String::from_utf8_lossy(&rest[..length]).into_owned();
        let appends = rest[length..].starts_with(b"+=");
        if !appends && rest.get(length) != Some(&b'=') {
            if rest.get(length) == Some(&b'[') && rest.contains(&b'=') {
                return unknown("an array");
            }
            return Ok(None);
        }
        self.at += length + if appends { 2 } else { 1 };
        if self.peek() == Some(b'(') {
            return unknown("an array");
        }
        let value = match self.peek() {
            None | Some(b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b')' | b'<' | b'>') => Vec::new(),
            Some(_) => self.word(Until::Word)?,
        };
        let has_tilde = value.iter().any(|part| {
            matches!(part, Part::Text { bytes, is_quoted: false }
                if bytes.starts_with(b"~") || bytes.windows(2).any(|pair| pair == b":~"))
        });
        if has_tilde { unknown("`~`") } else { Ok(Some(Assignment { name, appends, value })) }
    }

    fn redirection(&mut self) -> Known<Option<Redirection>> {
        let start = self.at;
        let both = self.starts_with(b"&>");
        let mut descriptor = None;
        if both {
            self.at += 1;
        } else if let Some(digit @ b'0'..=b'9') = self.peek()
            && matches!(self.peek_at(1), Some(b'<' | b'>'))
        {
            descriptor = Some(digit - b'0');
            self.at += 1;
        }
        match self.peek() {
            Some(b'>') => {
                self.at += 1;
                if self.take(b"&") {
                    if both {
                        return unknown("a redirection");
                    }
                    let digit = self.peek();
                    return match digit {
                        Some(b'1' | b'2') if !self.peek_at(1).is_some_and(is_word_byte) => {
                            self.at += 1;
                            let from = digit.map_or(0, |digit| digit - b'0');
                            Ok(Some(Redirection::Copy { descriptor: descriptor.unwrap_or(1), from }))
                        }
                        _ => unknown("a redirection"),
                    };
                }
                if self.peek() == Some(b'(') {
                    return unknown("a process substitution");
                }
                let _ = self.take(b">") || self.take(b"|");
                self.blanks();
                let target = self.target()?;
                let descriptors = if both { vec![1, 2] } else { vec![descriptor.unwrap_or(1)] };
                Ok(Some(Redirection::Output { descriptors, target }))
            }
            Some(b'<') if descriptor.is_none_or(|descriptor| descriptor == 0) && !both => {
                self.at += 1;
                if self.take(b"<<") {
                    self.blanks();
                    return Ok(Some(Redirection::Text(self.target()?)));
                }
                if matches!(self.peek(), Some(b'<' | b'>' | b'&' | b'(')) {
                    return unknown("a here-document");
                }
                self.blanks();
                Ok(Some(Redirection::Input(self.target()?)))
            }
            Some(b'<') => unknown("a redirection"),
            _ => {
                self.at = start;
                Ok(None)
            }
        }
    }

    fn target(&mut self) -> Known<Word> {
        match self.peek() {
            None | Some(b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>') => unknown("a redirection to nothing"),
            Some(_) => self.word(Until::Word),
        }
    }

    /// Reads a word, or the text inside double quotes or `${…}`.
    fn word(&mut self, until: Until) -> Known<Word> {
        self.deeper(|parser| parser.word_parts(until))
    }

    fn word_parts(&mut self, until: Until) -> Known<Word> {
        let mut word = Word::new();
        let in_quotes = until == Until::Quote;
        let start = self.at;
        loop {
            let Some(byte) = self.peek() else {
                return if until == Until::Word {
                    finish(word)
                } else {
                    unknown("a quote or bracket that is not closed")
                };
            };
            match until {
                Until::Word if b" \t\n;&|<>)".contains(&byte) => return finish(word),
                Until::Word if byte == b'(' => return unknown("a function, an array or a pattern list"),
                Until::Bytes(ends) if ends.contains(&byte) => return Ok(word),
                Until::Quote if byte == b'"' => return Ok(word),
                _ => {}
            }
            match byte {
                b'\\' => {
                    let Some(next) = self.peek_at(1) else { return unknown("a backslash at the end") };
                    self.at += 2;
                    match next {
                        b'\n' => {}
                        b'$' | b'`' | b'"' | b'\\' => push_text(&mut word, &[next], true),
                        _ if in_quotes => push_text(&mut word, &[b'\\', next], true),
                        _ => push_text(&mut word, &[next], true),
                    }
                }
                b'\'' if !in_quotes => {
                    let rest = &self.text[self.at + 1..];
                    let Some(length) = rest.iter().position(|byte| *byte == b'\'') else {
                        return unknown("a quote that is not closed");
                    };
                    push_text(&mut word, &rest[..length], true);
                    self.at += length + 2;
                }
                b'"' if !in_quotes => {
                    self.at += 1;
                    let inner = self.word(Until::Quote)?;
                    self.at += 1;
                    // `""` is an empty word, and `"$@"` without parameters is none.
                    if inner.is_empty() {
                        push_text(&mut word, b"", true);
                    }
                    word.extend(inner.into_iter().map(quoted_part));
                }
                b'`' => {
                    let list = self.backticks(in_quotes)?;
                    word.push(Part::Command { list, is_quoted: in_quotes });
                }
                b'$' => self.dollar(&mut word, in_quotes)?,
                b'~' if !in_quotes && self.at == start => return unknown("`~`"),
                b'{' if until == Until::Word && self.is_brace_expansion() => return unknown("brace expansion"),
                _ => {
                    self.at += 1;
                    push_text(&mut word, &[byte], in_quotes);
                }
            }
        }
    }

    /// True if the brace here could be one that expands: a comma or two dots before the end of the word.
    fn is_brace_expansion(&self) -> bool {
        let rest = &self.text[self.at..];
        let end = rest.iter().position(|byte| b" \t\n;&|<>()".contains(byte)).unwrap_or(rest.len());
        rest[..end].contains(&b',') || rest[..end].windows(2).any(|pair| pair == b"..")
    }

    fn backticks(&mut self, in_quotes: bool) -> Known<List> {
        self.at += 1;
        let mut inner = Vec::new();
        loop {
            match self.peek() {
                None => return unknown("a backtick that is not closed"),
                Some(b'`') => break,
                Some(b'\\') => {
                    match self.peek_at(1) {
                        Some(escaped @ (b'$' | b'`' | b'\\')) => inner.push(escaped),
                        Some(b'"') if in_quotes => return unknown("an escaped quote in backticks"),
                        Some(other) => inner.extend([b'\\', other]),
                        None => return unknown("a backtick that is not closed"),
                    }
                    self.at += 2;
                }
                Some(byte) => {
                    inner.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        parse_nested(&inner, self.depth + 1)
    }

    fn dollar(&mut self, word: &mut Word, is_quoted: bool) -> Known<()> {
        self.at += 1;
        let parameter =
            |name| Part::Parameter { parameter: Box::new(Parameter { name, operation: Operation::Plain }), is_quoted };
        match self.peek() {
            Some(b'(') if self.peek_at(1) == Some(b'(') => {
                self.at += 2;
                let expression = self.arithmetic()?;
                word.push(Part::Arithmetic { expression, is_quoted });
            }
            Some(b'(') => {
                self.at += 1;
                let list = self.deeper(|parser| parser.list(&[]))?;
                if !self.take(b")") {
                    return unknown("`$(` that is not closed");
                }
                word.push(Part::Command { list, is_quoted });
            }
            Some(b'{') => {
                self.at += 1;
                let parameter = self.deeper(|parser| parser.braced(is_quoted))?;
                word.push(Part::Parameter { parameter: Box::new(parameter), is_quoted });
            }
            Some(byte) if is_name_start(byte) => {
                let start = self.at;
                while self.peek().is_some_and(is_name_byte) {
                    self.at += 1;
                }
                let name = String::from_utf8_lossy(&self.text[start..self.at]).into_owned();
                word.push(parameter(Name::Variable(name)));
            }
            Some(byte @ (b'0'..=b'9' | b'#' | b'?' | b'@' | b'*')) => {
                self.at += 1;
                word.push(parameter(special_name(byte)?));
            }
            Some(b'!' | b'$' | b'-' | b'[') => return unknown("a special variable"),
            Some(b'\'') if !is_quoted => {
                self.at += 1;
                let bytes = self.escaped_quote()?;
                push_text(word, &bytes, true);
            }
            Some(b'"') if !is_quoted => return unknown("a translated text"),
            _ => push_text(word, b"$", is_quoted),
        }
        Ok(())
    }

    /// `$'…'`.
    fn escaped_quote(&mut self) -> Known<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            let Some(byte) = self.peek() else { return unknown("a quote that is not closed") };
            self.at += 1;
            match byte {
                b'\'' => return Ok(bytes),
                b'\\' => {
                    bytes.push(match self.peek() {
                        Some(b'n') => b'\n',
                        Some(b't') => b'\t',
                        Some(byte @ (b'\\' | b'\'' | b'"')) => byte,
                        _ => return unknown("an escape in `$'…'`"),
                    });
                    self.at += 1;
                }
                byte => bytes.push(byte),
            }
        }
    }

    /// The rest of `${`, with its `}`.
    fn braced(&mut self, is_quoted: bool) -> Known<Parameter> {
        let is_length = self.peek() == Some(b'#') && !matches!(self.peek_at(1), Some(b'}' | b'#' | b'%' | b':' | b'/'));
        self.at += usize::from(is_length);
        let start = self.at;
        let name = match self.peek() {
            Some(byte) if is_name_start(byte) => {
                while self.peek().is_some_and(is_name_byte) {
                    self.at += 1;
                }
                Name::Variable(String::from_utf8_lossy(&self.text[start..self.at]).into_owned())
            }
            Some(b'0'..=b'9') => {
                while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                    self.at += 1;
                }
                if self.at - start > 3 || self.text[start] == b'0' {
                    return unknown("a positional parameter");
                }
                let number =
                    self.text[start..self.at].iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
                Name::Positional(number)
            }
            Some(byte @ (b'#' | b'?' | b'@' | b'*')) => {
                self.at += 1;
                special_name(byte)?
            }
            _ => return unknown("an expansion of this kind"),
        };
        let operation = self.operation(is_quoted)?;
        if !self.take(b"}") {
            return unknown("`${` that is not closed");
        }
        if is_length {
            return match operation {
                Operation::Plain => Ok(Parameter { name, operation: Operation::Length }),
                _ => unknown("a length with an operation"),
            };
        }
        let is_list = matches!(name, Name::All | Name::Joined);
        if is_list && !matches!(operation, Operation::Plain) {
            return unknown("an operation on all parameters");
        }
        Ok(Parameter { name, operation })
    }

    fn operation(&mut self, is_quoted: bool) -> Known<Operation> {
        let Some(byte) = self.peek() else { return unknown("`${` that is not closed") };
        if byte == b'}' {
            return Ok(Operation::Plain);
        }
        self.at += 1;
        match byte {
            b':' if matches!(self.peek(), Some(b'-' | b'=' | b'+')) => {
                let kind = self.peek();
                self.at += 1;
                self.alternative(kind, true, is_quoted)
            }
            b'-' | b'=' | b'+' => self.alternative(Some(byte), false, is_quoted),
            b':' if self.peek() == Some(b'?') => unknown("an expansion that may fail"),
            b':' => {
                let offset = self.word(Until::Bytes(b":}"))?;
                let length = if self.take(b":") { Some(self.word(Until::Bytes(b":}"))?) } else { None };
                if offset.is_empty() && length.is_none() {
                    return unknown("an expansion of this kind");
                }
                Ok(Operation::Substring { offset, length })
            }
            b'#' => {
                let longest = self.take(b"#");
                Ok(Operation::RemovePrefix { longest, pattern: self.pattern(is_quoted, b"}")? })
            }
            b'%' => {
                let longest = self.take(b"%");
                Ok(Operation::RemoveSuffix { longest, pattern: self.pattern(is_quoted, b"}")? })
            }
            b'/' => {
                let place = match self.peek() {
                    Some(b'/') => Place::All,
                    Some(b'#') => Place::Start,
                    Some(b'%') => Place::End,
                    _ => Place::First,
                };
                self.at += usize::from(place != Place::First);
                if place == Place::All && matches!(self.peek(), Some(b'/' | b'}')) {
                    return unknown("a replacement of a slash or of nothing");
                }
                let pattern = self.pattern(is_quoted, b"/}")?;
                let with = if self.take(b"/") { self.pattern(is_quoted, b"}")? } else { Word::new() };
                // An ampersand stands for the match in bash 5.2, and for itself before.
                let has_ampersand =
                    with.iter().any(|part| matches!(part, Part::Text { bytes, .. } if bytes.contains(&b'&')));
                let is_plain = with.iter().all(|part| matches!(part, Part::Text { .. }));
                if pattern.is_empty() || has_ampersand || !is_plain {
                    return unknown("a replacement of this kind");
                }
                Ok(Operation::Replace { place, pattern, with })
            }
            b'^' | b',' => {
                let all = self.take(&[byte]);
                if self.peek() != Some(b'}') {
                    return unknown("a change of case with a pattern");
                }
                Ok(Operation::Case { upper: byte == b'^', all })
            }
            _ => unknown("an expansion of this kind"),
        }
    }

    fn alternative(&mut self, kind: Option<u8>, also_empty: bool, is_quoted: bool) -> Known<Operation> {
        let word = self.pattern(is_quoted, b"}")?;
        Ok(match kind {
            Some(b'-') => Operation::Default { also_empty, word },
            Some(b'=') => Operation::Assign { also_empty, word },
            _ => Operation::Alternative { also_empty, word },
        })
    }

    /// A word inside `${…}`. How quotes nest inside quoted ones differs between the operations and versions: not known.
    fn pattern(&mut self, is_quoted: bool, ends: &'static [u8]) -> Known<Word> {
        let start = self.at;
        let word = self.word(Until::Bytes(ends))?;
        let text = &self.text[start..self.at];
        if (is_quoted && text.iter().any(|byte| b"'\"\\`".contains(byte))) || text.starts_with(b"~") {
            return unknown("quotes inside a quoted expansion");
        }
        Ok(word)
    }

    /// The rest of `((`, with its `))`.
    fn arithmetic(&mut self) -> Known<Word> {
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'(' => depth += 1,
                b')' if depth == 0 => break,
                b')' => depth -= 1,
                b'"' | b'\'' | b'`' | b'\\' | b'#' => return unknown("quotes in arithmetic"),
                _ => {}
            }
            self.at += 1;
        }
        let inner = &self.text[start..self.at];
        if !self.take(b"))") {
            return unknown("arithmetic that is not closed");
        }
        let mut parser = Parser { text: inner, at: 0, depth: self.depth + 1 };
        if parser.depth > MOST_DEPTH {
            return unknown("too deeply nested");
        }
        // Inside, all is as between double quotes.
        let mut word = Word::new();
        while let Some(byte) = parser.peek() {
            if byte == b'$' {
                parser.dollar(&mut word, true)?;
            } else {
                parser.at += 1;
                push_text(&mut word, &[byte], true);
            }
        }
        Ok(word)
    }
}

fn is_word_byte(byte: u8) -> bool {
    !b" \t\n;&|<>()".contains(&byte)
}

fn special_name(byte: u8) -> Known<Name> {
    Ok(match byte {
        b'1'..=b'9' => Name::Positional(usize::from(byte - b'0')),
        b'#' => Name::Count,
        b'?' => Name::Status,
        b'@' => Name::All,
        b'*' => Name::Joined,
        _ => return unknown("`$0`"),
    })
}

fn finish(word: Word) -> Known<Word> {
    Ok(word)
}

fn quoted_part(part: Part) -> Part {
    match part {
        Part::Text { bytes, .. } => Part::Text { bytes, is_quoted: true },
        Part::Parameter { parameter, .. } => Part::Parameter { parameter, is_quoted: true },
        Part::Command { list, .. } => Part::Command { list, is_quoted: true },
        Part::Arithmetic { expression, .. } => Part::Arithmetic { expression, is_quoted: true },
    }
}

fn push_text(word: &mut Word, more: &[u8], quoted: bool) {
    match word.last_mut() {
        Some(Part::Text { bytes, is_quoted }) if *is_quoted == quoted => bytes.extend_from_slice(more),
        _ => word.push(Part::Text { bytes: more.to_vec(), is_quoted: quoted }),
    }
}

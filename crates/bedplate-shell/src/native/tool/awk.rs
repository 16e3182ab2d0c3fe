//! `awk`: patterns and `print`/`printf` over fields; no variables of its own, no loops.

use regex::bytes::Regex;

use super::{Call, Outcome, ascii, lines, number};
use crate::native::regular::{Dialect, Need, Syntax, compile};
use crate::native::run::MOST_BYTES;
use crate::native::{Known, unknown};

const MOST_DEPTH: usize = 30;

enum Pattern {
    Begin,
    End,
    Always,
    When(Expression),
}

struct Rule {
    pattern: Pattern,
    /// `None`: print the line.
    actions: Option<Vec<Action>>,
}

enum Action {
    Print(Vec<Expression>),
    Format(Vec<Expression>),
    Next,
    Exit,
}

enum Expression {
    Text(Vec<u8>),
    Number(i64),
    Field(Box<Expression>),
    LineNumber,
    FieldCount,
    Regex(Regex),
    Join(Box<Expression>, Box<Expression>),
    Compare(&'static str, Box<Expression>, Box<Expression>),
    Matches(bool, Box<Expression>, Regex),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Arithmetic(u8, Box<Expression>, Box<Expression>),
    Call(Function, Vec<Expression>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Function {
    Upper,
    Lower,
    Length,
    Part,
}

/// A value: awk treats a field that looks like a number as one when it compares.
#[derive(Clone)]
enum Value {
    Text(Vec<u8>),
    /// Comes from the input.
    Field(Vec<u8>),
    Number(i64),
}

struct Line<'a> {
    text: &'a [u8],
    fields: Vec<&'a [u8]>,
    number: usize,
}

enum Separator {
    Blanks,
    Byte(u8),
    Regex(Regex),
}

pub(super) fn awk(call: &mut Call<'_, '_>) -> Known<Outcome> {
    // Options end at the program: what follows it are files.
    let (mut separator, mut output_separator, mut rest) = (Separator::Blanks, b" ".to_vec(), call.arguments);
    let program = loop {
        let Some((word, after)) = rest.split_first() else { return unknown("`awk` without a program") };
        rest = after;
        let (letter, value) = match word.as_slice() {
            b"--" => continue,
            [b'-', letter @ (b'F' | b'v')] => {
                let Some((value, after)) = rest.split_first() else { return unknown("an option without its value") };
                rest = after;
                (*letter, value.clone())
            }
            [b'-', letter @ (b'F' | b'v'), value @ ..] => (*letter, value.to_vec()),
            [b'-', _, ..] => return unknown("an option of `awk`"),
            _ => break word.clone(),
        };
        if letter == b'F' {
            separator = separator_of(&value)?;
        } else if let Some(value) = value.strip_prefix(b"OFS=")
            && !value.contains(&b'\\')
        {
            output_separator = value.to_vec();
        } else {
            return unknown("a variable of `awk`");
        }
    };
    if rest.iter().any(|file| file.contains(&b'=')) {
        return unknown("a variable of `awk`");
    }
    let rules = Reader { text: &program, at: 0, depth: 0, prints: false }.rules()?;
    let reads = rules.iter().any(|rule| !matches!(rule.pattern, Pattern::Begin));
    let mut machine = Machine { output: Vec::new(), separator: output_separator };
    let none = Line { text: b"", fields: Vec::new(), number: 0 };
    let mut status = Outcome::default();
    for rule in rules.iter().filter(|rule| matches!(rule.pattern, Pattern::Begin)) {
        if machine.act(rule, &none)? == Flow::Exit {
            if rules.iter().any(|rule| matches!(rule.pattern, Pattern::End)) {
                return unknown("`exit` before the input");
            }
            return Ok(Outcome::of(machine.output));
        }
    }
    if !reads {
        return Ok(Outcome::of(machine.output));
    }
    let mut bytes = Vec::new();
    for (_, content) in call.inputs(rest)? {
        match content {
            Some(content) => bytes.extend(content),
            None => {
                status.complains = true;
                status.status = 2;
                if rest.len() > 1 {
                    return unknown("several files");
                }
            }
        }
    }
    ascii(&bytes)?;
    let rows = lines(&bytes).0;
    let mut last = Line { text: rows.last().copied().unwrap_or_default(), fields: Vec::new(), number: rows.len() };
    'lines: for (index, row) in rows.iter().enumerate() {
        call.shell.step(1)?;
        let line = Line { text: row, fields: fields(row, &separator), number: index + 1 };
        for rule in &rules {
            let hits = match &rule.pattern {
                Pattern::Always => true,
                Pattern::When(condition) => machine.is_true(condition, &line)?,
                Pattern::Begin | Pattern::End => false,
            };
            if hits {
                match machine.act(rule, &line)? {
                    Flow::On => {}
                    Flow::Next => break,
                    Flow::Exit => {
                        last = line;
                        break 'lines;
                    }
                }
            }
        }
    }
    last.fields = fields(last.text, &separator);
    for rule in rules.iter().filter(|rule| matches!(rule.pattern, Pattern::End)) {
        if machine.act(rule, &last)? == Flow::Exit {
            break;
        }
    }
    Ok(Outcome { stdout: machine.output, ..status })
}

fn separator_of(value: &[u8]) -> Known<Separator> {
    match value {
        b" " => Ok(Separator::Blanks),
        b"\\t" => Ok(Separator::Byte(b'\t')),
        // A lone `t` is a tab to some, a backslash is an escape, and a bar an alternative of nothing.
        [byte] if byte.is_ascii() && !b"t\\".contains(byte) && *byte != b'\n' => Ok(Separator::Byte(*byte)),
        [b'\\', b'|' | b'.'] => Ok(Separator::Byte(value[1])),
        [_, _, ..] if !value.contains(&b'\\') => {
            Ok(Separator::Regex(compile(value, Syntax::Extended, Dialect::Awk, false, Need::Span)?))
        }
        _ => unknown("a separator of this kind"),
    }
}

fn fields<'a>(row: &'a [u8], separator: &Separator) -> Vec<&'a [u8]> {
    if row.is_empty() {
        return Vec::new();
    }
    match separator {
        Separator::Blanks => row.split(|byte| matches!(byte, b' ' | b'\t')).filter(|field| !field.is_empty()).collect(),
        Separator::Byte(separator) => row.split(|byte| byte == separator).collect(),
        Separator::Regex(regex) => {
            let mut fields = Vec::new();
            let mut start = 0;
            for found in regex.find_iter(row).filter(|found| !found.is_empty()) {
                fields.push(&row[start..found.start()]);
                start = found.end();
            }
            fields.push(&row[start..]);
            fields
        }
    }
}

#[derive(PartialEq, Eq)]
enum Flow {
    On,
    Next,
    Exit,
}

struct Machine {
    output: Vec<u8>,
    separator: Vec<u8>,
}

impl Machine {
    fn act(&mut self, rule: &Rule, line: &Line<'_>) -> Known<Flow> {
        let Some(actions) = &rule.actions else {
            self.output.extend([line.text, b"\n"].concat());
            return Ok(Flow::On);
        };
        for action in actions {
            match action {
                Action::Print(values) if values.is_empty() => self.output.extend([line.text, b"\n"].concat()),
                Action::Print(values) => {
                    let texts = values.iter().map(|value| self.text(value, line)).collect::<Known<Vec<_>>>()?;
                    self.output.extend(texts.join(self.separator.as_slice()));
                    self.output.push(b'\n');
                }
                Action::Format(values) => {
                    let texts = values.iter().map(|value| self.text(value, line)).collect::<Known<Vec<_>>>()?;
                    self.format(&texts)?;
                }
                Action::Next => return Ok(Flow::Next),
                Action::Exit => return Ok(Flow::Exit),
            }
            if self.output.len() > MOST_BYTES {
                return unknown("too much output");
            }
        }
        Ok(Flow::On)
    }

    /// `printf` with `%s`, `%d` of whole numbers and `%%`.
    fn format(&mut self, texts: &[Vec<u8>]) -> Known<()> {
        let Some((format, mut values)) = texts.split_first() else { return unknown("`printf` without a format") };
        let mut bytes = format.iter();
        while let Some(byte) = bytes.next() {
            if *byte != b'%' {
                self.output.push(*byte);
                continue;
            }
            match bytes.next() {
                Some(b'%') => self.output.push(b'%'),
                Some(kind @ (b's' | b'd')) => {
                    let Some((value, rest)) = values.split_first() else { return unknown("too few values") };
                    values = rest;
                    if *kind == b'd' {
                        match whole_number(value) {
                            Some(value) => self.output.extend(value.to_string().into_bytes()),
                            None => return unknown("a number of this kind"),
                        }
                    } else {
                        self.output.extend_from_slice(value);
                    }
                }
                _ => return unknown("a format of this kind"),
            }
        }
        Ok(())
    }

    fn text(&self, expression: &Expression, line: &Line<'_>) -> Known<Vec<u8>> {
        Ok(match self.value(expression, line)? {
            Value::Text(text) | Value::Field(text) => text,
            Value::Number(number) => number.to_string().into_bytes(),
        })
    }

    fn is_true(&self, expression: &Expression, line: &Line<'_>) -> Known<bool> {
        match self.value(expression, line)? {
            Value::Text(text) => Ok(!text.is_empty()),
            Value::Number(number) => Ok(number != 0),
            Value::Field(text) if text.is_empty() => Ok(false),
            Value::Field(text) => match whole_number(&text) {
                Some(number) => Ok(number != 0),
                None if looks_numeric(&text) => unknown("a number of this kind"),
                None => Ok(true),
            },
        }
    }

    fn number(&self, expression: &Expression, line: &Line<'_>) -> Known<i64> {
        match self.value(expression, line)? {
            Value::Number(number) => Ok(number),
            Value::Text(text) | Value::Field(text) => match whole_number(&text) {
                Some(number) => Ok(number),
                None if text.is_empty() => Ok(0),
                None => unknown("a number of this kind"),
            },
        }
    }

    fn value(&self, expression: &Expression, line: &Line<'_>) -> Known<Value> {
        let truth = |value: bool| Value::Number(i64::from(value));
        Ok(match expression {
            Expression::Text(text) => Value::Text(text.clone()),
            Expression::Number(number) => Value::Number(*number),
            Expression::LineNumber => Value::Number(i64::try_from(line.number).unwrap_or(i64::MAX)),
            Expression::FieldCount => Value::Number(i64::try_from(line.fields.len()).unwrap_or(i64::MAX)),
            Expression::Field(index) => match self.number(index, line)? {
                0 => Value::Field(line.text.to_vec()),
                index => match usize::try_from(index) {
                    Ok(index) => {
                        Value::Field(line.fields.get(index - 1).map(|field| field.to_vec()).unwrap_or_default())
                    }
                    Err(_) => return unknown("a negative field"),
                },
            },
            Expression::Regex(regex) => truth(regex.is_match(line.text)),
            Expression::Join(left, right) => {
                let joined = [self.text(left, line)?, self.text(right, line)?].concat();
                if joined.len() > MOST_BYTES {
                    return unknown("a long text");
                }
                Value::Text(joined)
            }
            Expression::Compare(operator, left, right) => {
                let order = compare(self.value(left, line)?, self.value(right, line)?)?;
                truth(match *operator {
                    "==" => order.is_eq(),
                    "!=" => order.is_ne(),
                    "<=" => order.is_le(),
                    ">=" => order.is_ge(),
                    ">" => order.is_gt(),
                    _ => order.is_lt(),
                })
            }
            Expression::Matches(wanted, left, regex) => truth(regex.is_match(&self.text(left, line)?) == *wanted),
            Expression::And(left, right) => truth(self.is_true(left, line)? && self.is_true(right, line)?),
            Expression::Or(left, right) => truth(self.is_true(left, line)? || self.is_true(right, line)?),
            Expression::Not(inner) => truth(!self.is_true(inner, line)?),
            Expression::Arithmetic(operator, left, right) => {
                let (left, right) = (self.number(left, line)?, self.number(right, line)?);
                let value = match operator {
                    b'+' => left.checked_add(right),
                    b'-' => left.checked_sub(right),
                    b'*' => left.checked_mul(right),
                    _ => left.checked_rem(right),
                };
                // Above this, awk's numbers are printed differently.
                match value.filter(|value| value.abs() < 1 << 31) {
                    Some(value) => Value::Number(value),
                    None => return unknown("a large number"),
                }
            }
            Expression::Call(function, arguments) => self.call(*function, arguments, line)?,
        })
    }

    fn call(&self, function: Function, arguments: &[Expression], line: &Line<'_>) -> Known<Value> {
        let text = match arguments.first() {
            Some(first) => self.text(first, line)?,
            None if function == Function::Length => line.text.to_vec(),
            None => return unknown("a function without a value"),
        };
        Ok(match function {
            Function::Upper => Value::Text(text.to_ascii_uppercase()),
            Function::Lower => Value::Text(text.to_ascii_lowercase()),
            Function::Length => Value::Number(i64::try_from(text.len()).unwrap_or(i64::MAX)),
            Function::Part => {
                let number = |at: usize| arguments.get(at).map(|value| self.number(value, line)).transpose();
                let (Some(start), length) = (number(1)?, number(2)?) else {
                    return unknown("`substr` without a start");
                };
                if start < 1 || length.is_some_and(|length| length < 0) {
                    return unknown("`substr` of this kind");
                }
                let start = usize::try_from(start - 1).unwrap_or(usize::MAX);
                let length = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(usize::MAX));
                Value::Text(text.into_iter().skip(start).take(length).collect())
            }
        })
    }
}

fn whole_number(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii();
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    // A leading zero stays in what is printed only as text; its value is plain.
    let value = i64::try_from(number(digits)?).ok()?;
    Some(if digits.len() < text.len() { -value } else { value })
}

/// True if the text could be a number that [`whole_number`] does not read.
fn looks_numeric(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    text.first().is_some_and(|byte| byte.is_ascii_digit() || b"+-.iInN".contains(byte))
}

fn compare(left: Value, right: Value) -> Known<std::cmp::Ordering> {
    use Value::{Field, Number, Text};
    let numeric = |text: &[u8]| match whole_number(text) {
        Some(number) => Ok(Some(number)),
        None if looks_numeric(text) && text.iter().all(|byte| byte.is_ascii_digit() || b"+-.eExX ".contains(byte)) => {
            unknown("a number of this kind")
        }
        None if text.first().is_some_and(|byte| b"+-iInN".contains(byte)) => unknown("a number of this kind"),
        None => Ok(None),
    };
    let text_of = |number: i64| number.to_string().into_bytes();
    let as_texts = |left: Vec<u8>, right: Vec<u8>| Ok(left.cmp(&right));
    match (left, right) {
        (Number(left), Number(right)) => Ok(left.cmp(&right)),
        (Field(left), Number(right)) => match numeric(&left)? {
            Some(left) => Ok(left.cmp(&right)),
            None => as_texts(left, text_of(right)),
        },
        (Number(left), Field(right)) => match numeric(&right)? {
            Some(right) => Ok(left.cmp(&right)),
            None => as_texts(text_of(left), right),
        },
        (Field(left), Field(right)) => match (numeric(&left)?, numeric(&right)?) {
            (Some(left), Some(right)) => Ok(left.cmp(&right)),
            _ => as_texts(left, right),
        },
        (Text(left), Text(right) | Field(right)) | (Field(left), Text(right)) => as_texts(left, right),
        (Text(left), Number(right)) => as_texts(left, text_of(right)),
        (Number(left), Text(right)) => as_texts(text_of(left), right),
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    /// `>` is output to a file here, not a comparison.
    prints: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn blank_lines(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b';')) {
            self.at += 1;
        }
    }

    fn take(&mut self, text: &[u8]) -> bool {
        self.blanks();
        let found = self.text[self.at..].starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// Takes a whole word.
    fn word(&mut self, word: &[u8]) -> bool {
        self.blanks();
        let rest = &self.text[self.at..];
        let ends = !rest.get(word.len()).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        let found = rest.starts_with(word) && ends;
        if found {
            self.at += word.len();
        }
        found
    }

    fn rules(mut self) -> Known<Vec<Rule>> {
        let mut rules = Vec::new();
        loop {
            self.blank_lines();
            if self.peek().is_none() {
                break;
            }
            let pattern = if self.word(b"BEGIN") {
                Pattern::Begin
            } else if self.word(b"END") {
                Pattern::End
            } else if self.peek() == Some(b'{') {
                Pattern::Always
            } else {
                Pattern::When(self.or()?)
            };
            self.blanks();
            let actions = if self.peek() == Some(b'{') {
                self.at += 1;
                Some(self.actions()?)
            } else {
                None
            };
            if actions.is_none() && matches!(pattern, Pattern::Begin | Pattern::End) {
                return unknown("a rule without an action");
            }
            self.blanks();
            if actions.is_none() && !matches!(self.peek(), None | Some(b'\n' | b';')) {
                return unknown("a program of this kind");
            }
            rules.push(Rule { pattern, actions });
            if rules.len() > 20 {
                return unknown("a long program");
            }
        }
        if rules.is_empty() { unknown("an empty program") } else { Ok(rules) }
    }

    fn actions(&mut self) -> Known<Vec<Action>> {
        let mut actions = Vec::new();
        loop {
            self.blank_lines();
            if self.take(b"}") {
                return Ok(actions);
            }
            let is_format = self.word(b"printf");
            let action = if is_format || self.word(b"print") {
                self.prints = true;
                let values = self.print_values()?;
                self.prints = false;
                if is_format {
                    if values.is_empty() {
                        return unknown("`printf` without a format");
                    }
                    Action::Format(values)
                } else {
                    Action::Print(values)
                }
            } else if self.word(b"next") {
                Action::Next
            } else if self.word(b"exit") {
                Action::Exit
            } else {
                return unknown("a statement of this kind");
            };
            actions.push(action);
            self.blanks();
            if !matches!(self.peek(), Some(b';' | b'\n' | b'}')) {
                return unknown("a statement of this kind");
            }
        }
    }

    /// The values of `print`; brackets around all of them are allowed.
    fn print_values(&mut self) -> Known<Vec<Expression>> {
        self.blanks();
        let mut values = Vec::new();
        if matches!(self.peek(), None | Some(b';' | b'\n' | b'}')) {
            return Ok(values);
        }
        let start = self.at;
        if self.take(b"(") {
            loop {
                values.push(self.or()?);
                if !self.take(b",") {
                    break;
                }
            }
            if self.take(b")") {
                self.blanks();
                if matches!(self.peek(), None | Some(b';' | b'\n' | b'}')) {
                    return Ok(values);
                }
            }
            self.at = start;
            values.clear();
        }
        loop {
            values.push(self.or()?);
            if !self.take(b",") {
                break;
            }
        }
        // `>` and `|` would be a file and a command.
        if matches!(self.peek(), Some(b'>' | b'|')) { unknown("output to a file") } else { Ok(values) }
    }

    fn or(&mut self) -> Known<Expression> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return unknown("too deeply nested");
        }
        let mut left = self.and()?;
        while self.take(b"||") {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Known<Expression> {
        let mut left = self.matching()?;
        while self.take(b"&&") {
            left = Expression::And(Box::new(left), Box::new(self.matching()?));
        }
        Ok(left)
    }

    fn matching(&mut self) -> Known<Expression> {
        let left = self.comparison()?;
        self.blanks();
        let wanted = match (self.peek(), self.text.get(self.at + 1)) {
            (Some(b'~'), _) => true,
            (Some(b'!'), Some(b'~')) => false,
            _ => return Ok(left),
        };
        self.at += if wanted { 1 } else { 2 };
        self.blanks();
        if self.peek() != Some(b'/') {
            return unknown("a pattern that is computed");
        }
        let regex = self.regex()?;
        Ok(Expression::Matches(wanted, Box::new(left), regex))
    }

    fn comparison(&mut self) -> Known<Expression> {
        let left = self.join()?;
        for operator in ["==", "!=", "<=", ">=", "<", ">"] {
            self.blanks();
            if operator == ">" && self.prints {
                continue;
            }
            if operator == "!=" && self.text[self.at..].starts_with(b"!~") {
                continue;
            }
            if self.take(operator.as_bytes()) {
                let right = self.join()?;
                return Ok(Expression::Compare(operator, Box::new(left), Box::new(right)));
            }
        }
        Ok(left)
    }

    fn join(&mut self) -> Known<Expression> {
        let mut left = self.sum()?;
        loop {
            self.blanks();
            // What can begin a value, besides a sign, which would be arithmetic.
            match self.peek() {
                Some(b'"' | b'$' | b'(') => {}
                Some(byte) if byte.is_ascii_alphanumeric() => {}
                _ => return Ok(left),
            }
            left = Expression::Join(Box::new(left), Box::new(self.sum()?));
        }
    }

    fn sum(&mut self) -> Known<Expression> {
        let mut left = self.product()?;
        loop {
            self.blanks();
            match (self.peek(), self.text.get(self.at + 1)) {
                (Some(b'+' | b'-'), Some(b'+' | b'-' | b'=')) => return unknown("a change of a variable"),
                (Some(operator @ (b'+' | b'-')), _) => {
                    self.at += 1;
                    left = Expression::Arithmetic(operator, Box::new(left), Box::new(self.product()?));
                }
                _ => return Ok(left),
            }
        }
    }

    fn product(&mut self) -> Known<Expression> {
        let mut left = self.unary()?;
        loop {
            self.blanks();
            match (self.peek(), self.text.get(self.at + 1)) {
                (Some(b'*' | b'%'), Some(b'*' | b'=')) => return unknown("an operator of this kind"),
                (Some(operator @ (b'*' | b'%')), _) => {
                    self.at += 1;
                    left = Expression::Arithmetic(operator, Box::new(left), Box::new(self.unary()?));
                }
                (Some(b'/' | b'^' | b'?' | b'='), next) if self.peek() != Some(b'=') || next != Some(&b'=') => {
                    return unknown("an operator of this kind");
                }
                _ => return Ok(left),
            }
        }
    }

    fn unary(&mut self) -> Known<Expression> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return unknown("too deeply nested");
        }
        self.blanks();
        let value = match self.peek() {
            Some(b'!') => {
                self.at += 1;
                Expression::Not(Box::new(self.unary()?))
            }
            Some(b'(') => {
                self.at += 1;
                let prints = std::mem::replace(&mut self.prints, false);
                let value = self.or()?;
                self.prints = prints;
                if !self.take(b")") {
                    return unknown("a bracket that is not closed");
                }
                value
            }
            Some(b'$') => {
                self.at += 1;
                Expression::Field(Box::new(self.field_index()?))
            }
            Some(b'"') => Expression::Text(self.string()?),
            Some(b'/') => Expression::Regex(self.regex()?),
            Some(b'0'..=b'9') => self.whole()?,
            Some(byte) if byte.is_ascii_alphabetic() => self.named()?,
            _ => return unknown("an expression of this kind"),
        };
        self.depth -= 1;
        Ok(value)
    }

    fn field_index(&mut self) -> Known<Expression> {
        match self.peek() {
            Some(b'0'..=b'9') => self.whole(),
            Some(b'(') => self.unary(),
            Some(b'N') => self.named(),
            _ => unknown("a field of this kind"),
        }
    }

    fn whole(&mut self) -> Known<Expression> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = &self.text[start..self.at];
        match number(digits).and_then(|value| i64::try_from(value).ok()) {
            Some(value)
                if !self.peek().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'.')
                    && (digits.len() == 1 || digits[0] != b'0') =>
            {
                Ok(Expression::Number(value))
            }
            _ => unknown("a number of this kind"),
        }
    }

    fn named(&mut self) -> Known<Expression> {
        if self.word(b"NR") || self.word(b"FNR") {
            return Ok(Expression::LineNumber);
        }
        if self.word(b"NF") {
            return Ok(Expression::FieldCount);
        }
        for (name, function) in [
            (&b"toupper"[..], Function::Upper),
            (b"tolower", Function::Lower),
            (b"length", Function::Length),
            (b"substr", Function::Part),
        ] {
            if self.word(name) {
                let mut arguments = Vec::new();
                if self.take(b"(") {
                    loop {
                        arguments.push(self.or()?);
                        if !self.take(b",") {
                            break;
                        }
                    }
                    if !self.take(b")") {
                        return unknown("a bracket that is not closed");
                    }
                } else if function != Function::Length {
                    return unknown("a function without a value");
                }
                let most = if function == Function::Part { 3 } else { 1 };
                if arguments.len() > most {
                    return unknown("a function of too many values");
                }
                return Ok(Expression::Call(function, arguments));
            }
        }
        unknown("a variable or function of `awk`")
    }

    fn string(&mut self) -> Known<Vec<u8>> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let Some(byte) = self.peek() else { return unknown("a text that is not closed") };
            self.at += 1;
            match byte {
                b'"' => return Ok(text),
                b'\n' => return unknown("a text that is not closed"),
                b'\\' => {
                    text.push(match self.peek() {
                        Some(b'n') => b'\n',
                        Some(b't') => b'\t',
                        Some(byte @ (b'"' | b'\\' | b'/')) => byte,
                        _ => return unknown("an escape of this kind"),
                    });
                    self.at += 1;
                }
                byte => text.push(byte),
            }
        }
    }

    fn regex(&mut self) -> Known<Regex> {
        self.at += 1;
        let start = self.at;
        let mut in_bracket = false;
        loop {
            match self.peek() {
                None | Some(b'\n') => return unknown("a pattern that is not closed"),
                Some(b'\\') => self.at += 1,
                Some(b'[') => in_bracket = true,
                Some(b']') => in_bracket = false,
                Some(b'/') if in_bracket => return unknown("a slash in brackets"),
                Some(b'/') => break,
                Some(_) => {}
            }
            self.at += 1;
        }
        let pattern = self.text.get(start..self.at).unwrap_or_default().to_vec();
        self.at += 1;
        if pattern.is_empty() {
            return unknown("an empty pattern");
        }
        compile(&pattern, Syntax::Extended, Dialect::Awk, false, Need::Match)
    }
}

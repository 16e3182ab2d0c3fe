//! The expression language of `%if`, `%{expr:…}` and `%[…]`: `rpmio/expression.c`.
//!
//! ```text
//! ternary    = logical [ '?' ternary ':' ternary ]
//! logical    = relational { ('&&' | '||') relational }        one level, from the left; the value is an operand's
//! relational = sum { ('==' | '!=' | '<' | '<=' | '>' | '>=') sum }
//! sum        = product { ('+' | '-') product }
//! product    = primary { ('*' | '/') primary }
//! primary    = INTEGER | '"' text '"' | 'v"' version '"' | '(' ternary ')' | '-' primary | '!' primary
//!            | NAME '(' [ ternary { ',' ternary } ] ')'       only `lua:…` names exist
//! ```
//!
//! The parser looks one token ahead and evaluates while it reads; what a short circuit skips is still parsed and its types
//! are still checked, but nothing in it is expanded or called ([`Parser::discard`]). With [`Macros::Expand`] macros are
//! expanded token by token, so a `%{…}` may stand where a number may, and its value must be one.
//!
//! Where rpm has undefined behaviour we wrap: `INT_MIN / -1` kills rpm. Where rpm recurses without end we stop, at
//! [`MAX_DEPTH`].

use std::cmp::Ordering;

use bedplate_diag::text::{has_invalid, to_bytes};
use bedplate_model::LooseEvr;

/// How deeply brackets, calls, `!`, `-` and `?:` may nest. rpm has no limit but its stack.
pub(crate) const MAX_DEPTH: u32 = 200;

/// An argument of a `lua:` function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Arg {
    /// A Lua number.
    Integer(i32),
    /// A Lua string.
    String(String),
}

/// What an expression asks of the macro engine.
pub(crate) trait ExprHost {
    /// Expands the macros of a text. On `Err` the host has reported why.
    fn expand(&self, text: &str) -> Result<String, ()>;

    /// Calls a Lua function (`name` or `table.name`) and gives its result as a string. On `Err` the host has reported why.
    fn call_lua(&self, function: &str, args: &[Arg]) -> Result<String, ()>;

    /// The offset after the macro whose `%` is at `at` (`findMacroEnd` of `rpmio/macro.c`), or `None` if it does not end.
    fn end_of_macro(&self, text: &str, at: usize) -> Option<usize>;
}

/// One message of rpm about an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Complaint {
    /// Printed as `message: expression`, with a caret under the byte at `at`.
    Expression {
        /// rpm's words.
        message: String,
        /// Byte offset in the expression; at most its length.
        at: Option<usize>,
    },
    /// Printed as it is.
    Plain(String),
}

/// Why an expression has no value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ExprError {
    /// The first message in rpm's words; empty if only the host reported something.
    pub(crate) message: String,
    /// Byte offset of the place in the expression.
    pub(crate) at: Option<usize>,
    /// True if the host has reported something already (a macro or a Lua function failed).
    pub(crate) reported: bool,
    /// What rpm prints after the first message.
    pub(crate) further: Vec<Complaint>,
}

impl ExprError {
    /// All lines that rpm logs for this error, without `error: `.
    #[cfg(test)]
    pub(crate) fn rpm_lines(&self, expression: &str) -> Vec<String> {
        let first = Complaint::Expression { message: self.message.clone(), at: self.at };
        let shown = std::iter::once(&first).filter(|_| !self.message.is_empty()).chain(&self.further);
        // rpm cannot point into several lines.
        let one_line = expression.split_once('\n').is_none_or(|(_, rest)| rest.is_empty());
        let mut lines = Vec::new();
        for complaint in shown {
            match complaint {
                Complaint::Plain(line) => lines.push(line.clone()),
                Complaint::Expression { message, at } => {
                    lines.push(format!("{message}: {expression}"));
                    if let Some(at) = at.filter(|_| one_line) {
                        // There is no byte to point at in an empty expression.
                        let column = message.len() + 2 + at - usize::from(expression.is_empty());
                        lines.push(format!("{}^", " ".repeat(column)));
                    }
                }
            }
        }
        lines
    }
}

/// Evaluates an expression to a truth value: `rpmExprBoolFlags`. A version is false.
///
/// With `expand`, macros inside the expression are expanded token by token (`RPMEXPR_EXPAND`).
///
/// # Errors
/// The expression is wrong, or a macro or Lua function in it failed.
pub(crate) fn evaluate_bool(host: &dyn ExprHost, text: &str, expand: bool) -> Result<bool, ExprError> {
    evaluate(host, text, expand).map(|value| value.is_true())
}

/// Evaluates an expression to a text: `rpmExprStrFlags`.
///
/// With `expand`, macros inside the expression are expanded token by token (`RPMEXPR_EXPAND`).
///
/// # Errors
/// The expression is wrong, or a macro or Lua function in it failed.
pub(crate) fn evaluate_string(host: &dyn ExprHost, text: &str, expand: bool) -> Result<String, ExprError> {
    evaluate(host, text, expand).map(|value| match value {
        Value::Integer(number) => number.to_string(),
        Value::String(string) => string,
        Value::Version(version) => version.to_string(),
    })
}

fn evaluate(host: &dyn ExprHost, text: &str, expand: bool) -> Result<Value, ExprError> {
    let mut parser = Parser {
        host,
        text,
        macros: if expand { Macros::Expand } else { Macros::Leave },
        position: 0,
        next: Token::Start,
        value: None,
        discard: false,
        depth: 0,
        gave_up: false,
        error: ExprError::default(),
    };
    parser.whole().map_err(|Failed| parser.error)
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Integer(i32),
    String(String),
    Version(LooseEvr),
}

impl Value {
    fn is_true(&self) -> bool {
        match self {
            Self::Integer(number) => *number != 0,
            Self::String(string) => !string.is_empty(),
            Self::Version(_) => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// Nothing has been read yet.
    Start,
    End,
    /// An integer, string or version; it is in [`Parser::value`].
    Operand,
    /// A function's name and its opening bracket; the name is in [`Parser::value`].
    Function,
    Add,
    Minus,
    Multiply,
    Divide,
    Open,
    Close,
    Relation(Relation),
    Not,
    And,
    Or,
    Question,
    Colon,
    Comma,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Relation {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterEqual => order.is_ge(),
        }
    }
}

/// What a `%` in an expression means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Macros {
    Expand,
    /// The text was expanded before; a `%` outside of a string is an error.
    Leave,
}

/// An error was recorded in [`Parser::error`].
struct Failed;

struct Parser<'a> {
    host: &'a dyn ExprHost,
    text: &'a str,
    macros: Macros,
    /// Offset after the token that was read ahead.
    position: usize,
    /// The token that was read ahead. When the next one cannot be read it stays: rpm's further messages depend on it.
    next: Token,
    value: Option<Value>,
    /// True in a part that a short circuit skips.
    discard: bool,
    depth: u32,
    /// The nesting was too deep: one message is enough.
    gave_up: bool,
    error: ExprError,
}

impl Parser<'_> {
    fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    /// Records a message. `after` is where rpm's pointer stands; its caret is under the byte before.
    fn fail<T>(&mut self, message: &str, after: impl Into<Option<usize>>) -> Result<T, Failed> {
        let at = after.into().map(|after: usize| {
            let mut at = after.saturating_sub(1).min(self.text.len());
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        });
        if self.gave_up {
            return Err(Failed);
        }
        if self.error.message.is_empty() && self.error.further.is_empty() {
            self.error.message = message.to_owned();
            self.error.at = at;
        } else {
            self.error.further.push(Complaint::Expression { message: message.to_owned(), at });
        }
        Err(Failed)
    }

    fn host_failed<T>(&mut self) -> Result<T, Failed> {
        self.error.reported = true;
        Err(Failed)
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Failed>) -> Result<T, Failed> {
        if self.depth >= MAX_DEPTH {
            let refusal = self.fail("expression is nested too deeply", self.position);
            self.gave_up = true;
            return refusal;
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// Reads the next token.
    fn advance(&mut self) -> Result<(), Failed> {
        let mut at = self.position;
        while matches!(self.byte(at), b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c) {
            at += 1;
        }
        if at >= self.text.len() {
            (self.next, self.value, self.position) = (Token::End, None, self.text.len());
            return Ok(());
        }
        let follows = self.byte(at + 1);
        let with_equal = |long: Token, short: Token| if follows == b'=' { (long, 2) } else { (short, 1) };
        let (token, length) = match self.byte(at) {
            b'+' => (Token::Add, 1),
            b'-' => (Token::Minus, 1),
            b'*' => (Token::Multiply, 1),
            b'/' => (Token::Divide, 1),
            b'(' => (Token::Open, 1),
            b')' => (Token::Close, 1),
            b'?' => (Token::Question, 1),
            b':' => (Token::Colon, 1),
            b',' => (Token::Comma, 1),
            b'!' => with_equal(Token::Relation(Relation::NotEqual), Token::Not),
            b'<' => with_equal(Token::Relation(Relation::LessEqual), Token::Relation(Relation::Less)),
            b'>' => with_equal(Token::Relation(Relation::GreaterEqual), Token::Relation(Relation::Greater)),
            b'=' if follows == b'=' => (Token::Relation(Relation::Equal), 2),
            b'&' if follows == b'&' => (Token::And, 2),
            b'|' if follows == b'|' => (Token::Or, 2),
            b'=' => return self.fail("syntax error while parsing ==", at + 2),
            b'&' => return self.fail("syntax error while parsing &&", at + 2),
            b'|' => return self.fail("syntax error while parsing ||", at + 2),
            b'%' if self.macros == Macros::Expand => return self.integer(at),
            b'0'..=b'9' => return self.integer(at),
            b'"' => return self.quoted(at + 1, false),
            b'v' if follows == b'"' => return self.quoted(at + 2, true),
            byte if byte.is_ascii_alphabetic() => {
                let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':');
                let mut end = at + 1;
                while named(self.byte(end)) {
                    end += 1;
                }
                if self.byte(end) != b'(' {
                    return self.fail("bare words are no longer supported, please use \"...\"", at + 1);
                }
                self.value = Some(Value::String(self.text[at..end].to_owned()));
                (self.next, self.position) = (Token::Function, end + 1);
                return Ok(());
            }
            _ => return self.fail("parse error in expression", at + 1),
        };
        (self.next, self.value, self.position) = (token, None, at + length);
        Ok(())
    }

    fn operand(&mut self, value: Value, position: usize) {
        (self.next, self.value, self.position) = (Token::Operand, Some(value), position);
    }

    /// The offset after the macro whose `%` is at `at`.
    fn after_macro(&self, at: usize) -> usize {
        if self.byte(at + 1) == b'%' {
            return at + 2;
        }
        // A host that points backwards must not make us loop.
        self.host.end_of_macro(self.text, at).unwrap_or(self.text.len()).clamp(at + 1, self.text.len())
    }

    /// The text of an operand as it counts: nothing in a part that is skipped, expanded if macros are.
    fn operand_text(&mut self, start: usize, end: usize) -> Result<String, Failed> {
        if self.discard || start == end {
            return Ok(String::new());
        }
        let text = &self.text[start..end];
        match self.macros {
            Macros::Leave => Ok(text.to_owned()),
            Macros::Expand => match self.host.expand(text) {
                Ok(expanded) => Ok(expanded),
                Err(()) => self.host_failed(),
            },
        }
    }

    /// Reads a run of digits and, if they are expanded, macros.
    fn integer(&mut self, start: usize) -> Result<(), Failed> {
        let mut end = start;
        loop {
            match self.byte(end) {
                b'%' if self.macros == Macros::Expand => end = self.after_macro(end),
                b'0'..=b'9' => end += 1,
                _ => break,
            }
        }
        let text = self.operand_text(start, end)?;
        let digits = text.strip_prefix('-').unwrap_or(&text);
        if self.macros == Macros::Expand && !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let _: Result<(), Failed> = if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
                self.fail("macro expansion returned a bare word, please use \"...\"", start + 1)
            } else {
                self.fail("macro expansion did not return an integer", start + 1)
            };
            self.error.further.push(Complaint::Plain(format!("expanded string: {text}")));
            return Err(Failed);
        }
        self.operand(Value::Integer(to_integer(&text)), end);
        Ok(())
    }

    /// Reads a string or version whose text begins at `start`. Quotes inside of macros do not end it.
    fn quoted(&mut self, start: usize, is_version: bool) -> Result<(), Failed> {
        let mut end = start;
        loop {
            match self.byte(end) {
                b'%' if self.macros == Macros::Expand => end = self.after_macro(end),
                b'"' => break,
                _ if end >= self.text.len() => {
                    return self.fail("unterminated string in expression", self.text.len() + 1);
                }
                _ => end += 1,
            }
        }
        let text = self.operand_text(start, end)?;
        let value = if !is_version {
            Value::String(text)
        } else {
            match LooseEvr::parse(if self.discard { "0" } else { &text }) {
                Some(version) => Value::Version(version),
                None => return self.fail("invalid version", end + 1),
            }
        };
        self.operand(value, end + 1);
        Ok(())
    }

    fn whole(&mut self) -> Result<Value, Failed> {
        self.advance()?;
        let value = self.ternary()?;
        if self.next != Token::End {
            return self.fail("syntax error in expression", self.position);
        }
        Ok(value)
    }

    fn ternary(&mut self) -> Result<Value, Failed> {
        let outside = self.discard;
        let result = self.deeper(|parser| {
            let condition = parser.logical()?;
            if parser.next != Token::Question {
                return Ok(condition);
            }
            let is_true = condition.is_true();
            parser.discard = outside || !is_true;
            parser.advance()?;
            let first = parser.ternary()?;
            if parser.next != Token::Colon {
                return parser.fail("syntax error in expression", parser.position);
            }
            parser.discard = outside || is_true;
            parser.advance()?;
            let second = parser.ternary()?;
            parser.same_type(&first, &second)?;
            Ok(if is_true { first } else { second })
        });
        self.discard = outside;
        result
    }

    fn logical(&mut self) -> Result<Value, Failed> {
        let outside = self.discard;
        let result = self.logical_chain(outside);
        self.discard = outside;
        result
    }

    fn logical_chain(&mut self, outside: bool) -> Result<Value, Failed> {
        let mut value = self.relational()?;
        loop {
            let decided = match self.next {
                Token::And => !value.is_true(),
                Token::Or => value.is_true(),
                _ => return Ok(value),
            };
            self.discard = outside || decided;
            self.advance()?;
            let right = self.relational()?;
            self.same_type(&value, &right)?;
            if !decided {
                value = right;
            }
            self.discard = outside;
        }
    }

    fn relational(&mut self) -> Result<Value, Failed> {
        let mut value = self.sum()?;
        while let Token::Relation(relation) = self.next {
            self.advance()?;
            let right = self.sum()?;
            let order = match (&value, &right) {
                // rpm subtracts, and the difference wraps: 2147483647 is less than -1.
                (Value::Integer(a), Value::Integer(b)) => a.wrapping_sub(*b).cmp(&0),
                (Value::String(a), Value::String(b)) if has_invalid(a) || has_invalid(b) => {
                    to_bytes(a).cmp(&to_bytes(b))
                }
                (Value::String(a), Value::String(b)) => a.cmp(b),
                (Value::Version(a), Value::Version(b)) => a.compare(b),
                _ => return self.fail("types must match", None),
            };
            value = Value::Integer(i32::from(relation.holds(order)));
        }
        Ok(value)
    }

    fn sum(&mut self) -> Result<Value, Failed> {
        let mut value = self.product()?;
        while let operator @ (Token::Add | Token::Minus) = self.next {
            let place = self.position;
            self.advance()?;
            let right = self.product()?;
            value = match (value, right) {
                (Value::Integer(a), Value::Integer(b)) if operator == Token::Add => Value::Integer(a.wrapping_add(b)),
                (Value::Integer(a), Value::Integer(b)) => Value::Integer(a.wrapping_sub(b)),
                (Value::Version(_), Value::Version(_)) => {
                    return self.fail("+ and - not supported for versions", place);
                }
                (Value::String(a), Value::String(b)) if operator == Token::Add => Value::String(a + &b),
                (Value::String(_), Value::String(_)) => return self.fail("- not supported for strings", place),
                _ => return self.fail("types must match", None),
            };
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<Value, Failed> {
        let mut value = self.primary()?;
        while let operator @ (Token::Multiply | Token::Divide) = self.next {
            let place = self.position;
            self.advance()?;
            let right = self.primary()?;
            value = match (value, right) {
                (Value::Integer(a), Value::Integer(_)) if self.discard => Value::Integer(a),
                (Value::Integer(a), Value::Integer(b)) if operator == Token::Multiply => {
                    Value::Integer(a.wrapping_mul(b))
                }
                (Value::Integer(_), Value::Integer(0)) => return self.fail("division by zero", place),
                (Value::Integer(a), Value::Integer(b)) => Value::Integer(a.wrapping_div(b)),
                (Value::Version(_), Value::Version(_)) => {
                    return self.fail("* and / not supported for versions", place);
                }
                (Value::String(_), Value::String(_)) => return self.fail("* and / not supported for strings", place),
                _ => return self.fail("types must match", None),
            };
        }
        Ok(value)
    }

    fn primary(&mut self) -> Result<Value, Failed> {
        let place = self.position;
        match self.next {
            Token::Function => self.call(),
            Token::Operand => match self.value.take() {
                Some(value) => self.advance().map(|()| value),
                None => self.fail("syntax error in expression", place),
            },
            Token::Open => {
                self.advance()?;
                let value = self.ternary();
                if self.next != Token::Close {
                    return self.fail("unmatched (", place);
                }
                self.advance()?;
                value
            }
            Token::Minus => {
                self.advance()?;
                match self.deeper(Self::primary)? {
                    Value::Integer(number) => Ok(Value::Integer(number.wrapping_neg())),
                    _ => self.fail("- only on numbers", place),
                }
            }
            Token::Not => {
                self.advance()?;
                let value = self.deeper(Self::primary)?;
                Ok(Value::Integer(i32::from(!value.is_true())))
            }
            Token::End => self.fail("unexpected end of expression", place),
            _ => self.fail("syntax error in expression", place),
        }
    }

    fn call(&mut self) -> Result<Value, Failed> {
        let Some(Value::String(name)) = self.value.take() else {
            return self.fail("syntax error in expression", self.position);
        };
        self.advance()?;
        let mut values = Vec::new();
        while self.next != Token::Close {
            values.push(self.ternary()?);
            if self.next == Token::Close {
                break;
            }
            if self.next != Token::Comma {
                return self.fail("syntax error in expression", self.position);
            }
            self.advance()?;
            if self.next == Token::Close {
                return self.fail("syntax error in expression", self.position);
            }
        }
        // The token after the call is read, and its macros are expanded, before the call.
        self.advance()?;
        let Some(function) = name.strip_prefix("lua:") else {
            return self.fail("unsupported function", self.position);
        };
        if self.discard {
            return Ok(Value::String(String::new()));
        }
        let mut args = Vec::with_capacity(values.len());
        for value in values {
            args.push(match value {
                Value::Integer(number) => Arg::Integer(number),
                Value::String(string) => Arg::String(string),
                Value::Version(_) => return self.fail("unsupported function argument type", self.position),
            });
        }
        match self.host.call_lua(function, &args) {
            Ok(result) => Ok(Value::String(result)),
            Err(()) => self.host_failed(),
        }
    }

    fn same_type(&mut self, a: &Value, b: &Value) -> Result<(), Failed> {
        if std::mem::discriminant(a) == std::mem::discriminant(b) {
            Ok(())
        } else {
            self.fail("types must match", None)
        }
    }
}

/// `atoi` of glibc on 64 bits: the number is cut to the range of `long`, then to its low 32 bits.
fn to_integer(text: &str) -> i32 {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let limit = if negative { i64::MIN } else { i64::MAX };
    let mut number: i64 = 0;
    for digit in digits.bytes().map_while(|byte| char::from(byte).to_digit(10)) {
        let digit = i64::from(if negative { -(digit as i32) } else { digit as i32 });
        match number.checked_mul(10).and_then(|number| number.checked_add(digit)) {
            Some(next) => number = next,
            None => return limit as i32,
        }
    }
    number as i32
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::*;

    /// Knows some macros (`%name` and `%{name}`) and remembers what it was asked.
    #[derive(Default)]
    struct Table {
        bodies: BTreeMap<&'static str, &'static str>,
        asked: RefCell<Vec<String>>,
    }

    impl ExprHost for Table {
        fn expand(&self, text: &str) -> Result<String, ()> {
            self.asked.borrow_mut().push(text.to_owned());
            let mut out = String::new();
            let mut at = 0;
            while let Some(percent) = text[at..].find('%').map(|found| at + found) {
                out.push_str(&text[at..percent]);
                if text[percent + 1..].starts_with('%') {
                    out.push('%');
                    at = percent + 2;
                    continue;
                }
                at = self.end_of_macro(text, percent).ok_or(())?;
                let name = text[percent + 1..at].trim_matches(['{', '}']);
                if name == "fail" {
                    return Err(());
                }
                out.push_str(self.bodies.get(name).copied().unwrap_or(&text[percent..at]));
            }
            Ok(out + &text[at..])
        }

        fn call_lua(&self, function: &str, args: &[Arg]) -> Result<String, ()> {
            if function == "fail" {
                return Err(());
            }
            let shown = args.iter().map(|arg| match arg {
                Arg::Integer(number) => number.to_string(),
                Arg::String(string) => format!("'{string}'"),
            });
            Ok(format!("{function}<{}>", shown.collect::<Vec<_>>().join(",")))
        }

        fn end_of_macro(&self, text: &str, at: usize) -> Option<usize> {
            let rest = &text[at + 1..];
            if rest.starts_with('{') {
                return rest.find('}').map(|end| at + 2 + end);
            }
            Some(at + 1 + rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric()).count())
        }
    }

    fn plain(text: &str) -> Result<String, String> {
        evaluate_string(&Table::default(), text, false).map_err(|error| error.rpm_lines(text).join("\n"))
    }

    #[test]
    fn expressions_have_the_values_that_rpm_gives() {
        for (text, value) in [
            ("1", "1"),
            (" 1 + 2*3 ", "7"),
            ("(1 + 2)*3", "9"),
            ("10/3", "3"),
            ("-7/2", "-3"),
            ("- 7", "-7"),
            ("--7", "7"),
            ("1 - -1", "2"),
            ("2147483647 + 1", "-2147483648"),
            ("65536*65536", "0"),
            ("2147483648", "-2147483648"),
            ("4294967296", "0"),
            ("99999999999999999999", "-1"),
            ("2147483647 > -1", "0"),
            ("-2147483648/-1", "-2147483648"),
            ("!1", "0"),
            ("!\"\"", "1"),
            ("!!5", "1"),
            ("!v\"1\"", "1"),
            ("1 < 2", "1"),
            ("3 > 2 > 1", "0"),
            ("1 <= 1", "1"),
            ("1 != 1", "0"),
            ("\"a\" < \"b\"", "1"),
            ("\"a\" + \"b\"", "ab"),
            ("\"a\" + \"b\" == \"ab\"", "1"),
            ("1 && 2", "2"),
            ("0 && 2", "0"),
            ("0 || 2", "2"),
            ("3 || 2", "3"),
            ("\"\" || \"x\"", "x"),
            ("\"a\" && \"b\"", "b"),
            ("1 || 0 && 0", "0"),
            ("0 && (1/0)", "0"),
            ("1 ? 2 : 3", "2"),
            ("0 ? 2 : 3", "3"),
            ("0 ? 1/0 : 3", "3"),
            ("1 ? 0 ? 1 : 2 : 3", "2"),
            ("0 ? 1 : 0 ? 2 : 3", "3"),
            ("v\"1.0\" < v\"1.1\"", "1"),
            ("v\"1.0~rc1\" < v\"1.0\"", "1"),
            ("v\"1:0\" > v\"2\"", "1"),
            ("v\"1.0-1\" == v\"1.0\"", "0"),
            ("v\"01:2-3\"", "01:2-3"),
            ("v\":2\"", "0:2"),
            ("lua:f(1, \"x\", 2 + 3)", "f<1,'x',5>"),
            ("lua:t.f()", "t.f<>"),
            ("0 && 1 || 5", "5"),
            ("\"%x\"", "%x"),
        ] {
            assert_eq!(plain(text).as_deref(), Ok(value), "{text}");
        }
    }

    #[test]
    fn wrong_expressions_have_the_messages_of_rpm() {
        for (text, message, at) in [
            ("", "unexpected end of expression", Some(0)),
            ("1 +", "unexpected end of expression", Some(2)),
            ("1 =", "syntax error while parsing ==", Some(3)),
            ("1 &", "syntax error while parsing &&", Some(3)),
            ("1 | 2", "syntax error while parsing ||", Some(3)),
            ("foo", "bare words are no longer supported, please use \"...\"", Some(0)),
            ("1 + foo", "bare words are no longer supported, please use \"...\"", Some(4)),
            ("_f(1)", "parse error in expression", Some(0)),
            ("%x", "parse error in expression", Some(0)),
            ("1 # 2", "parse error in expression", Some(2)),
            ("\"a", "unterminated string in expression", Some(2)),
            ("v\"\"", "invalid version", Some(2)),
            ("(1", "unmatched (", Some(0)),
            (")", "syntax error in expression", Some(0)),
            ("1 + \"a\"", "types must match", None),
            ("1 && \"a\"", "types must match", None),
            ("0 && \"a\"", "types must match", None),
            ("1 ? 2 : \"a\"", "types must match", None),
            ("v\"1\" < 1", "types must match", None),
            ("1 * \"a\"", "types must match", None),
            ("1/0", "division by zero", Some(1)),
            ("\"a\" - \"b\"", "- not supported for strings", Some(4)),
            ("v\"1\" + v\"1\"", "+ and - not supported for versions", Some(5)),
            ("v\"1\" / v\"1\"", "* and / not supported for versions", Some(5)),
            ("\"a\" * \"b\"", "* and / not supported for strings", Some(4)),
            ("0 && \"a\" * \"b\"", "* and / not supported for strings", Some(9)),
            ("-\"a\"", "- only on numbers", Some(0)),
            ("1 2", "syntax error in expression", Some(2)),
            ("1 ? 2", "syntax error in expression", Some(4)),
            ("f(1)", "unsupported function", Some(3)),
            ("lua:f(1,)", "syntax error in expression", Some(8)),
            ("lua:f(1 2)", "syntax error in expression", Some(8)),
            ("lua:f(1", "syntax error in expression", Some(6)),
            ("lua:f(v\"1\")", "unsupported function argument type", Some(10)),
        ] {
            let error = evaluate_string(&Table::default(), text, false).expect_err(text);
            assert_eq!((error.message.as_str(), error.at), (message, at), "{text}");
        }
    }

    #[test]
    fn an_error_prints_as_rpm_logs_it() {
        for (text, lines) in [
            ("1 =", &["syntax error while parsing ==: 1 =", "                                  ^"][..]),
            ("", &["unexpected end of expression: ", "                             ^"]),
            ("1\n=\n1", &["syntax error while parsing ==: 1\n=\n1"]),
            (
                "(1 + =)",
                &[
                    "syntax error while parsing ==: (1 + =)",
                    "                                     ^",
                    "unmatched (: (1 + =)",
                    "             ^",
                ],
            ),
            (
                "((1) =",
                &[
                    "syntax error while parsing ==: ((1) =",
                    "                                     ^",
                    "syntax error while parsing ==: ((1) =",
                    "                                     ^",
                ],
            ),
        ] {
            let error = evaluate_string(&Table::default(), text, false).expect_err(text);
            assert_eq!(error.rpm_lines(text), lines, "{text}");
        }
    }

    #[test]
    fn macros_are_expanded_where_they_count() {
        let host = Table {
            bodies: BTreeMap::from([("one", "1"), ("empty", ""), ("minus", "-5"), ("word", "abc"), ("q", "a\"b")]),
            asked: RefCell::default(),
        };
        for (text, value) in [
            ("%{one} + %one", Ok("2")),
            ("%{one}0", Ok("10")),
            ("%{empty}", Ok("0")),
            ("%{minus} < 0", Ok("1")),
            ("\"%{word}\" == \"abc\"", Ok("1")),
            ("\"%{q}\"", Ok("a\"b")),
            ("\"100%%\"", Ok("100%")),
            ("0 && %{word}", Ok("0")),
            ("%{one} ? 2 : %{fail}", Ok("2")),
            ("v\"%{one}\" == v\"1\"", Ok("1")),
            ("1 || v\"\"", Err("types must match")),
            ("%{word}", Err("macro expansion returned a bare word, please use \"...\"")),
            ("%{q}", Err("macro expansion returned a bare word, please use \"...\"")),
            ("%{unknown}", Err("macro expansion did not return an integer")),
            ("\"%{one", Err("unterminated string in expression")),
            ("%{fail}", Err("")),
        ] {
            let got = evaluate_string(&host, text, true);
            assert_eq!(got.as_deref().map_err(|error| error.message.as_str()), value, "{text}");
        }
        let error = evaluate_bool(&host, "%{fail}", true).expect_err("the macro fails");
        assert!(error.reported && error.message.is_empty() && error.rpm_lines("%{fail}").is_empty());
        let error = evaluate_bool(&host, "%{word}", true).expect_err("a bare word");
        assert_eq!(error.further, [Complaint::Plain("expanded string: abc".into())]);
        assert!(!host.asked.borrow().iter().any(|text| text.is_empty()));
    }

    #[test]
    fn what_is_skipped_is_not_expanded() {
        let host = Table::default();
        assert_eq!(evaluate_bool(&host, "1 || %{a}", true), Ok(true));
        assert_eq!(evaluate_bool(&host, "0 ? %{a} : 1", true), Ok(true));
        assert_eq!(*host.asked.borrow(), ["1", "0", "1"]);
    }

    #[test]
    fn a_version_is_false() {
        for (text, truth) in [("v\"1\"", false), ("\"0\"", true), ("\"\"", false), ("-1", true)] {
            assert_eq!(evaluate_bool(&Table::default(), text, false), Ok(truth), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_crash() {
        for (open, close) in [("(", ")"), ("!", ""), ("-", ""), ("lua:f(", ")"), ("1?", ":1"), ("1?1:", "")] {
            let text = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert!(plain(&text(100)).is_ok(), "100 times {open}");
            let error = plain(&text(100_000)).expect_err("too deep");
            assert!(error.starts_with("expression is nested too deeply"), "{open}: {}", &error[..80]);
        }
    }
}

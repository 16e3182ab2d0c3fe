//! `$((…))`: 64-bit integers with C's operators, without assignments.

use super::{Known, unknown};

/// How deep brackets and operators may be nested.
const MOST_DEPTH: usize = 64;

/// The value of an expression; `variable` gives the text of a name (empty if it is unset).
pub(super) fn evaluate(text: &[u8], variable: &dyn Fn(&str) -> Known<Vec<u8>>) -> Known<i64> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(0);
    }
    let mut reader = Reader { text, at: 0, depth: 0, variable };
    let value = reader.ternary()?;
    reader.blanks();
    if reader.at < text.len() { unknown("arithmetic of this kind") } else { Ok(value) }
}

/// A whole number as the shell writes one: decimal, octal with `0`, hexadecimal with `0x`.
pub(super) fn number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return i64::from_str_radix(digits, 16).ok();
    }
    if text.len() > 1 && text.starts_with('0') { i64::from_str_radix(text, 8).ok() } else { text.parse().ok() }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    variable: &'a dyn Fn(&str) -> Known<Vec<u8>>,
}

/// Binary operators, loosest first; within a level, longer ones first.
const LEVELS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

impl Reader<'_> {
    fn blanks(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    /// Takes an operator if the text here is it and not the start of a longer one.
    fn operator(&mut self, operator: &str) -> bool {
        self.blanks();
        let rest = &self.text[self.at..];
        if !rest.starts_with(operator.as_bytes()) {
            return false;
        }
        let next = rest.get(operator.len()).copied();
        let is_longer = match operator {
            "|" | "&" | "<<" | ">>" | "+" | "-" => {
                next == Some(b'=') || (operator.len() == 1 && next == operator.bytes().next())
            }
            "<" | ">" => next == operator.bytes().next() || next == Some(b'='),
            "*" => matches!(next, Some(b'*' | b'=')),
            "/" | "%" | "^" => next == Some(b'='),
            _ => false,
        };
        if !is_longer {
            self.at += operator.len();
        }
        !is_longer
    }

    fn ternary(&mut self) -> Known<i64> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return unknown("too deeply nested");
        }
        let condition = self.binary(0)?;
        let value = if self.operator("?") {
            let yes = self.ternary()?;
            if !self.operator(":") {
                return unknown("arithmetic of this kind");
            }
            let no = self.ternary()?;
            if condition != 0 { yes } else { no }
        } else {
            condition
        };
        self.depth -= 1;
        Ok(value)
    }

    fn binary(&mut self, level: usize) -> Known<i64> {
        let Some(operators) = LEVELS.get(level) else { return self.power() };
        let mut left = self.binary(level + 1)?;
        'more: loop {
            for operator in *operators {
                if self.operator(operator) {
                    let right = self.binary(level + 1)?;
                    left = apply(operator, left, right)?;
                    continue 'more;
                }
            }
            return Ok(left);
        }
    }

    fn power(&mut self) -> Known<i64> {
        let base = self.unary()?;
        if !self.operator("**") {
            return Ok(base);
        }
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return unknown("too deeply nested");
        }
        let exponent = self.power()?;
        self.depth -= 1;
        match u32::try_from(exponent).ok().and_then(|exponent| base.checked_pow(exponent)) {
            Some(value) => Ok(value),
            None => unknown("a power that overflows"),
        }
    }

    fn unary(&mut self) -> Known<i64> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return unknown("too deeply nested");
        }
        let value = if self.operator("-") {
            self.unary()?.wrapping_neg()
        } else if self.operator("+") {
            self.unary()?
        } else if self.operator("!") {
            i64::from(self.unary()? == 0)
        } else if self.operator("~") {
            !self.unary()?
        } else if self.operator("(") {
            let value = self.ternary()?;
            if !self.operator(")") {
                return unknown("arithmetic of this kind");
            }
            value
        } else {
            self.operand()?
        };
        self.depth -= 1;
        Ok(value)
    }

    fn operand(&mut self) -> Known<i64> {
        self.blanks();
        let start = self.at;
        while self.text.get(self.at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            self.at += 1;
        }
        let word = &self.text[start..self.at];
        if super::syntax::is_name(word) {
            let value = (self.variable)(&String::from_utf8_lossy(word))?;
            let value = value.trim_ascii();
            let (is_negative, digits) = match value.strip_prefix(b"-") {
                Some(digits) => (true, digits),
                None => (false, value),
            };
            // A value may be an expression itself; only a plain number is taken.
            return match number(digits) {
                Some(value) => Ok(if is_negative { -value } else { value }),
                None if value.is_empty() => Ok(0),
                None => unknown("a variable that is not a number in arithmetic"),
            };
        }
        match number(word) {
            Some(value) => Ok(value),
            None => unknown("arithmetic of this kind"),
        }
    }
}

fn apply(operator: &str, left: i64, right: i64) -> Known<i64> {
    Ok(match operator {
        // Both sides are always computed: they have no effects, and what fails makes the whole unknown.
        "||" => i64::from(left != 0 || right != 0),
        "&&" => i64::from(left != 0 && right != 0),
        "|" => left | right,
        "^" => left ^ right,
        "&" => left & right,
        "==" => i64::from(left == right),
        "!=" => i64::from(left != right),
        "<=" => i64::from(left <= right),
        ">=" => i64::from(left >= right),
        "<" => i64::from(left < right),
        ">" => i64::from(left > right),
        "<<" | ">>" => match u32::try_from(right).ok().filter(|shift| *shift < 64) {
            Some(shift) if operator == "<<" => left.wrapping_shl(shift),
            Some(shift) => left >> shift,
            None => return unknown("a shift of this size"),
        },
        "+" => left.wrapping_add(right),
        "-" => left.wrapping_sub(right),
        "*" => left.wrapping_mul(right),
        "/" | "%" if right == 0 || (left == i64::MIN && right == -1) => return unknown("a division by zero"),
        "/" => left / right,
        _ => left % right,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let variable = |name: &str| Ok(if name == "x" { b"7".to_vec() } else { Vec::new() });
        for (text, expected) in [
            ("1 + 2*3", 7),
            ("(1+2)*3", 9),
            ("x%4", 3),
            ("-x", -7),
            ("x > 6 && x < 8", 1),
            ("x == 7 ? 10 : 20", 10),
            ("2**10", 1024),
            ("010 + 0x10", 24),
            ("1 << 4 | 1", 17),
            ("!x", 0),
            ("y", 0),
            ("10/3", 3),
            ("", 0),
            ("5 - -5", 10),
            ("3 - 2 - 1", 0),
        ] {
            assert_eq!(evaluate(text.as_bytes(), &variable), Ok(expected), "{text}");
        }
        for text in ["1/0", "x=5", "x++", "08", "1 2", "a.b", "(1", "1,2", "16#ff"] {
            assert!(evaluate(text.as_bytes(), &variable).is_err(), "{text}");
        }
        assert!(evaluate("(".repeat(100_000).as_bytes(), &variable).is_err());
        assert!(evaluate("-".repeat(100_000).as_bytes(), &variable).is_err());
    }
}

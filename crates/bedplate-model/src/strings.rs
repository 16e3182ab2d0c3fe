//! The C locale's character classes and string order, as `rpm/rpmstring.h` and `strcmp` have them.

use std::cmp::Ordering;

use bedplate_diag::text::{has_invalid, to_bytes};

/// White space as `risspace` has it: Rust's own class lacks the vertical tab.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// What separates the words of a dependency line: white space and commas.
pub(crate) fn is_gap(byte: u8) -> bool {
    is_space(byte) || byte == b','
}

/// The order of `strcmp` on the original bytes.
pub(crate) fn byte_order(a: &str, b: &str) -> Ordering {
    if has_invalid(a) || has_invalid(b) { to_bytes(a).cmp(&to_bytes(b)) } else { a.cmp(b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bedplate_diag::text::from_bytes;

    #[test]
    fn bytes_that_are_not_utf8_keep_their_place_in_the_order() {
        let latin = from_bytes(b"\xc3");
        assert_eq!(byte_order(&latin, "é"), Ordering::Less);
        assert_eq!(byte_order("a", "b"), Ordering::Less);
    }
}

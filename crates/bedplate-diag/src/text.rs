//! Bytes as text without loss.
//!
//! A spec is bytes; nearly always they are UTF-8. A byte that is not part of valid UTF-8 becomes one private character
//! (`U+10FF00` plus the byte), so that the rest of the program works on `str` and nothing is lost:
//! [`to_bytes`] gives the original bytes back.

const BASE: u32 = 0x10_FF00;

/// Text of bytes; each invalid byte becomes one private character.
pub fn from_bytes(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            out.push(char::from_u32(BASE + u32::from(*byte)).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
    }
    out
}

/// True if the text holds a byte that was not UTF-8.
pub fn has_invalid(text: &str) -> bool {
    // All private characters begin with the bytes F4 8F BC..BF.
    text.as_bytes().windows(2).any(|pair| pair == [0xF4, 0x8F]) && text.chars().any(|c| invalid_byte(c).is_some())
}

/// The byte that a private character stands for.
pub fn invalid_byte(c: char) -> Option<u8> {
    u8::try_from((c as u32).checked_sub(BASE)?).ok().filter(|byte| *byte >= 0x80)
}

/// The original bytes.
pub fn to_bytes(text: &str) -> Vec<u8> {
    if !has_invalid(text) {
        return text.as_bytes().to_vec();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut buffer = [0; 4];
    for c in text.chars() {
        match invalid_byte(c) {
            Some(byte) => out.push(byte),
            None => out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes()),
        }
    }
    out
}

/// Text for people and for JSON: each invalid byte is written as the four characters `\xNN`.
pub fn escape_invalid(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match invalid_byte(c) {
            Some(byte) => out.push_str(&format!("\\x{byte:02x}")),
            None => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_way_through_text() {
        for bytes in [&b"plain"[..], "ä€".as_bytes(), b"Jos\xe9", b"\xff\xfe\x80", b"cut \xe2\x82"] {
            let text = from_bytes(bytes);
            assert_eq!(to_bytes(&text), bytes);
        }
        assert_eq!(escape_invalid(&from_bytes(b"Jos\xe9")), "Jos\\xe9");
        assert!(!has_invalid("ä€"));
    }
}

//! What lets people in: hashes of passwords, keys of ssh.

use crate::grammar::text_type;

text_type! {
    /// A hash of a password, as crypt(5) has it: yescrypt, gost-yescrypt, scrypt, bcrypt, SHA-512 or SHA-256.
    pub struct PasswordHash;
    what "a hash of a password";
    pattern "^\\$(y|gy|7|2[aby]|6|5)\\$[./A-Za-z0-9$=,+-]+$";
    rule "what `mkpasswd --method=yescrypt` prints; it begins with `$y$`, `$6$` or another method of crypt(5). A password itself is never taken";
    check check_password_hash;
}

fn check_password_hash(text: &str) -> Result<(), String> {
    let mut fields = text.split('$').skip(1);
    let method = fields.next().unwrap_or_default();
    let rest: Vec<&str> = fields.collect();
    let length = rest.last().map_or(0, |hash| hash.len());
    // The length of the last field, and how many fields stand before it: parameters, salt.
    let (want, before): (usize, std::ops::RangeInclusive<usize>) = match method {
        "6" => (86, 1..=2),
        "5" => (43, 1..=2),
        "y" | "gy" => (43, 2..=2),
        "7" => (43, 1..=1),
        _ => (53, 1..=1),
    };
    let salted = rest.len().checked_sub(1).is_some_and(|fields| before.contains(&fields));
    if !salted {
        return Err("its salt is missing".to_owned());
    }
    if length != want {
        return Err(format!("its last field has {length} characters, not {want}: it was cut or changed"));
    }
    Ok(())
}

text_type! {
    /// A public key of ssh, as a line of `authorized_keys` without options.
    pub struct SshKey;
    what "a public key of ssh";
    pattern "^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\\.com|sk-ecdsa-sha2-nistp256@openssh\\.com) [A-Za-z0-9+/]+={0,2}( [^\\n\\x00-\\x1f]*)?$";
    rule "the line of a file that `ssh-keygen` ends with `.pub`, such as `ssh-ed25519 AAAA… name`";
    check check_ssh_key;
}

/// A key that was cut locks its owner out, so the whole of it is looked at: fields of the key, each with its length before it.
fn check_ssh_key(text: &str) -> Result<(), String> {
    let mut words = text.split(' ');
    let (kind, encoded) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let cut = || "it was cut or changed".to_owned();
    let bytes = base64(encoded).ok_or_else(cut)?;
    let mut rest = bytes.as_slice();
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (field, after) = after.split_at_checked(length).ok_or_else(cut)?;
        fields.push(field);
        rest = after;
    }
    match fields[..] {
        [name, _, ..] if name == kind.as_bytes() => Ok(()),
        [name, _, ..] => Err(format!("it is one of `{}`", String::from_utf8_lossy(name))),
        _ => Err(cut()),
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::with_capacity(text.len()));
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashes_that_hold_are_taken() {
        let (long, short, bcrypt) = ("a".repeat(86), "a".repeat(43), "a".repeat(53));
        for (text, is_good) in [
            (format!("$6$salt${long}"), true),
            (format!("$6$rounds=5000$salt${long}"), true),
            (format!("$5$salt${short}"), true),
            (format!("$y$j9T$salt${short}"), true),
            (format!("$gy$j9T$salt${short}"), true),
            (format!("$7$CU..../....salt${short}"), true),
            (format!("$2b$12${bcrypt}"), true),
            (format!("$y${short}"), false),
            (format!("$6$salt${short}"), false),
            (format!("$1$salt${}", "a".repeat(22)), false),
            (format!("!$6$salt${long}"), false),
            (format!("$6$sa:lt${long}"), false),
            ("secret".to_owned(), false),
            ("$6$".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(text.parse::<PasswordHash>().is_ok(), is_good, "{text}");
        }
    }

    #[test]
    fn base64_is_read_as_rfc_4648_has_it() {
        // RFC 4648, section 10.
        for (text, bytes) in [
            ("", Some("")),
            ("Zg==", Some("f")),
            ("Zm8=", Some("fo")),
            ("Zm9v", Some("foo")),
            ("Zm9vYmFy", Some("foobar")),
            ("Zm9", None),
            ("Zm9!", None),
        ] {
            assert_eq!(base64(text), bytes.map(|bytes| bytes.as_bytes().to_vec()), "{text}");
        }
    }
}

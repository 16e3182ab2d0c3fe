//! Order of Debian's versions, by deb-version(7).

use std::cmp::Ordering;

/// Compares two versions: epoch, then version, then revision.
pub fn compare_versions(one: &str, other: &str) -> Ordering {
    let parts = |text| {
        let (epoch, rest) = str::split_once(text, ':').unwrap_or(("0", text));
        let (version, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
        (epoch.parse::<u64>().unwrap_or(0), version, revision)
    };
    let ((one, one_version, one_revision), (other, other_version, other_revision)) = (parts(one), parts(other));
    one.cmp(&other)
        .then_with(|| compare(one_version, other_version))
        .then_with(|| compare(one_revision, other_revision))
}

/// Compares stretches without digits and numbers in turn.
fn compare(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    while !one.is_empty() || !other.is_empty() {
        let (mut at, mut end) = (0, false);
        while !end {
            let weights = [weight(one.get(at)), weight(other.get(at))];
            if weights[0] != weights[1] {
                return weights[0].cmp(&weights[1]);
            }
            end = weights[0] == 0;
            at += usize::from(!end);
        }
        let (first, rest) = number(&one[at.min(one.len())..]);
        let (second, other_rest) = number(&other[at.min(other.len())..]);
        let order = first.len().cmp(&second.len()).then_with(|| first.cmp(second));
        if order.is_ne() {
            return order;
        }
        (one, other) = (rest, other_rest);
    }
    Ordering::Equal
}

/// `~` is before the end, the end and digits before letters, letters before the rest.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None | Some(b'0'..=b'9') => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    }
}

/// The digits at the start, without zeros in front, and what follows.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let zeros = text[..end].iter().take_while(|byte| **byte == b'0').count();
    (&text[zeros..end], &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pairs are those that `dpkg --compare-versions` was asked; each is smaller first.
    #[test]
    fn order_is_that_of_dpkg() {
        let pairs = [
            ("1.0", "1.0-1"),
            ("1.0~rc1", "1.0"),
            ("1.0", "1.0+b1"),
            ("1.0a", "1.0+"),
            ("9", "10"),
            ("1.9-9", "1.10-1"),
            ("2", "1:1"),
            ("1.0-1", "1.0-1+deb13u1"),
            ("1.0-1~deb13u1", "1.0-1"),
            ("1.2.a", "1.2.b"),
            ("1.0~~", "1.0~"),
        ];
        for (one, other) in pairs {
            assert_eq!(compare_versions(one, other), Ordering::Less, "{one} < {other}");
            assert_eq!(compare_versions(other, one), Ordering::Greater, "{other} > {one}");
            assert_eq!(compare_versions(one, one), Ordering::Equal, "{one}");
        }
        assert_eq!(compare_versions("1.0", "1.00-0"), Ordering::Equal);
        assert_eq!(compare_versions("0:1", "1"), Ordering::Equal);
    }
}

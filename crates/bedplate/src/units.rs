//! Sizes and ages as people write them.

use std::time::Duration;

/// Reads `4096`, `512M`, `20G`, `1.5GiB`: powers of 1024.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let units = [("", 1), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)];
    let plain = text.strip_suffix("iB").unwrap_or(text);
    let value = parse(plain, &units.map(|(unit, factor): (_, u64)| (unit, factor as f64)));
    match value.filter(|_| plain != text || !text.ends_with('i')) {
        Some(value) if value < 2f64.powi(63) => Ok(value as u64),
        _ => Err("write a number of bytes, or one with K, M, G or T: 512M, 20G, 1.5T".to_owned()),
    }
}

/// Reads `90s`, `45m`, `12h`, `30d`, `2w`.
pub(crate) fn parse_age(text: &str) -> Result<Duration, String> {
    let units = [("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0), ("w", 604_800.0)];
    let duration = parse(text, &units).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| "write a number with s, m, h, d or w: 12h, 30d, 2w".to_owned())
}

fn parse(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    // A number as people write it: no sign, no exponent, no point without digits around it.
    let is_number = digits.split('.').count() <= 2
        && digits.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    let (_, factor) = units.iter().find(|(unit, _)| *unit == &text[digits.len()..])?;
    let value = digits.parse::<f64>().ok().filter(|_| is_number)? * factor;
    value.is_finite().then_some(value)
}

/// `17 B`, `1.5 KiB`, `20.0 GiB`.
pub(crate) fn show_bytes(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    // What would be shown as 1024.0 is one of the next unit.
    while value >= 1023.95 && unit < 4 {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", ["KiB", "MiB", "GiB", "TiB", "PiB"][unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages_are_read() {
        for (text, bytes) in
            [("0", 0), ("4096", 4096), ("1K", 1024), ("1.5G", 3 << 29), ("20GiB", 20 << 30), ("2T", 2 << 40)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for bad in
            ["", "G", "-1", "+1", "1.", ".5", "1X", "1 G", "1Gi", "iB", "1e3", "inf", "nan", "99999999999T", "1GB"]
        {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        for (text, seconds) in [("90s", 90), ("1.5m", 90), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600)] {
            assert_eq!(parse_age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "30", "d", "-1d", "1y", "1 d", "1D"] {
            assert!(parse_age(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_shown() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1 << 20, "1.0 MiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (3 << 29, "1.5 GiB"),
            (u64::MAX, "16384.0 PiB"),
        ] {
            assert_eq!(show_bytes(bytes), text);
        }
    }
}

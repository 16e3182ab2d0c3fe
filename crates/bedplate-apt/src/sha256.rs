//! A SHA-256 digest.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

use sha2::Digest as _;

/// A SHA-256 digest; written as 64 small hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(pub [u8; 32]);

/// A text that is no SHA-256 digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no SHA-256 digest: those are 64 hexadecimal digits")]
pub struct ParseSha256Error(String);

impl Sha256 {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The digest and the size of a file.
    ///
    /// # Errors
    /// Those of the system.
    pub fn of_file(path: &Path) -> io::Result<(Self, u64)> {
        let mut file = std::fs::File::open(path)?;
        let mut hasher = sha2::Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        let mut size = 0;
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok((Self(hasher.finalize().into()), size)),
                Ok(count) => {
                    hasher.update(&buffer[..count]);
                    size += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256 {
    type Err = ParseSha256Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseSha256Error(text.to_owned());
        let digits: Vec<u8> = text
            .bytes()
            .map(|byte| match byte {
                b'0'..=b'9' => Ok(byte - b'0'),
                b'a'..=b'f' => Ok(byte - b'a' + 10),
                _ => Err(bad()),
            })
            .collect::<Result<_, _>>()?;
        let digits: [u8; 64] = digits.try_into().map_err(|_| bad())?;
        Ok(Self(std::array::from_fn(|at| digits[2 * at] << 4 | digits[2 * at + 1])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_as_it_is_read() {
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let empty = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(Sha256::of_file(empty.path()).unwrap(), (text.parse().unwrap(), 0));
        assert_eq!(Sha256::of(b"").to_string(), text);
        assert_eq!(text.parse::<Sha256>().unwrap().to_string(), text);
        for bad in ["", "e3", &text.to_uppercase(), &format!("{text}0"), &text.replace('e', "g")] {
            assert!(bad.parse::<Sha256>().unwrap_err().to_string().contains(bad), "{bad}");
        }
    }
}

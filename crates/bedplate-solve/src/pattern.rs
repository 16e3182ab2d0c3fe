//! Patterns over package names.

use std::fmt;

use bedplate_model::Nevra;

/// A name, a `name.arch` or a full NEVRA (with or without its epoch), with `*` for any text and `?` for any character.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern of a text; every text is one.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text of the pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if the pattern takes the package.
    pub fn takes(&self, nevra: &Nevra) -> bool {
        let name = nevra.name().as_str();
        if self.takes_name(name) {
            return true;
        }
        let pattern = self.0.as_str();
        // Everything below has a dot; most patterns are plain names.
        pattern.contains(['.', '*', '?'])
            && (matches(pattern, &format!("{name}.{}", nevra.arch()))
                || matches(pattern, &nevra.to_string())
                || matches(pattern, nevra.file_name().trim_end_matches(".rpm")))
    }

    /// True if the pattern takes the name alone.
    pub fn takes_name(&self, name: &str) -> bool {
        matches(&self.0, name)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Matches with one place to return to: the last `*`. This is enough, since a later star may take what an earlier could.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut here) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while here < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, here));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[here] => {
                at += 1;
                here += 1;
            }
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    at = place + 1;
                    here = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_names_architectures_and_full_names() {
        let nevra: Nevra = "kernel-core-1:6.6-2.x86_64".parse().unwrap();
        for (pattern, takes) in [
            ("kernel-core", true),
            ("kernel", false),
            ("kernel*", true),
            ("*core", true),
            ("k*-c?re", true),
            ("kernel-core.x86_64", true),
            ("*.i686", false),
            ("kernel-core-1:6.6-2.x86_64", true),
            ("kernel-core-6.6-2.x86_64", true),
            ("kernel-core-6.6-*", true),
            ("kernel-core-6.7-*", false),
            ("", false),
        ] {
            assert_eq!(Pattern::new(pattern).takes(&nevra), takes, "{pattern}");
        }
    }
}

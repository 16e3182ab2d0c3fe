//! What a build depends on, by name: for people who ask why something is built again.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The named inputs of one action, each with what stands for its content. They say no more than the action's key does; they
/// say it in words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedInputs {
    /// The action's digest.
    pub action: String,
    /// `spec`, `source FILE`, `patch FILE`, `macros FILE`, `seed PACKAGE`, `package NAME`, `command`, `format`: digest or version.
    pub inputs: BTreeMap<String, String>,
    /// Why the action ran when it last ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// One input that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Reason {
    /// Nothing is recorded of an earlier build.
    NeverBuilt,
    /// The input has another content.
    Changed {
        /// Its name.
        input: String,
        /// What it was.
        from: String,
        /// What it is.
        to: String,
    },
    /// The input was not there before.
    Added {
        /// Its name.
        input: String,
        /// What it is.
        to: String,
    },
    /// The input is not there any more.
    Removed {
        /// Its name.
        input: String,
        /// What it was.
        from: String,
    },
    /// The inputs are those of the last build, but its result is not in the store any more, or was damaged.
    ResultLost,
    /// It has to be built first, and what comes out may be another.
    MayChange {
        /// The spec that is built first.
        spec: String,
    },
}

/// Digests are shown this short.
const SHOWN: usize = 12;

fn short(text: &str) -> &str {
    let is_digest = text.len() >= 64 && text.as_bytes()[..64].iter().all(u8::is_ascii_hexdigit);
    if is_digest { &text[..SHOWN] } else { text }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverBuilt => write!(f, "it was never built here"),
            Self::Changed { input, from, to } => write!(f, "{input} changed: {} → {}", short(from), short(to)),
            Self::Added { input, to } => write!(f, "{input} is new: {}", short(to)),
            Self::Removed { input, from } => write!(f, "{input} is gone: it was {}", short(from)),
            Self::ResultLost => write!(f, "its result is not in the store any more"),
            Self::MayChange { spec } => write!(f, "{spec} is built first, and may change"),
        }
    }
}

impl NamedInputs {
    /// The same inputs with other packages of the seed.
    pub(crate) fn with_seed(&self, packages: &[(String, String)]) -> Self {
        let mut other = self.clone();
        other.inputs.retain(|input, _| !input.starts_with("seed "));
        other.inputs.extend(packages.iter().map(|(name, version)| (format!("seed {name}"), version.clone())));
        other
    }

    /// What is different from an earlier build; nothing if nothing is.
    pub fn since(&self, earlier: Option<&Self>) -> Vec<Reason> {
        let Some(earlier) = earlier else { return vec![Reason::NeverBuilt] };
        let mut found = Vec::new();
        for (input, to) in &self.inputs {
            match earlier.inputs.get(input) {
                None => found.push(Reason::Added { input: input.clone(), to: to.clone() }),
                Some(from) if from != to => {
                    found.push(Reason::Changed { input: input.clone(), from: from.clone(), to: to.clone() });
                }
                Some(_) => {}
            }
        }
        let gone = earlier.inputs.iter().filter(|(input, _)| !self.inputs.contains_key(*input));
        found.extend(gone.map(|(input, from)| Reason::Removed { input: input.clone(), from: from.clone() }));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(list: &[(&str, &str)]) -> NamedInputs {
        let inputs = list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        NamedInputs { inputs, ..NamedInputs::default() }
    }

    #[test]
    fn every_difference_is_named() {
        let old = inputs(&[("spec", &"a".repeat(64)), ("patch x.patch", "1"), ("seed gcc", "14.2.0-19")]);
        let new = inputs(&[("spec", &"b".repeat(64)), ("source y", "2"), ("seed gcc", "14.2.0-19")]);
        let said: Vec<String> = new.since(Some(&old)).iter().map(ToString::to_string).collect();
        let wanted =
            ["source y is new: 2", "spec changed: aaaaaaaaaaaa → bbbbbbbbbbbb", "patch x.patch is gone: it was 1"];
        assert_eq!(said, wanted);
        assert_eq!(new.since(None), [Reason::NeverBuilt]);
        assert!(new.since(Some(&new.clone())).is_empty());
    }
}

//! Texts that have a grammar, each a type of its own.

use std::str::FromStr;

use crate::node::Node;
use crate::shape::{Context, Setting, Shape};

/// A text that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {what}{}{why}", if why.is_empty() { "" } else { ": " })]
pub struct GrammarError {
    /// What it should be, with its article.
    pub what: &'static str,
    /// What is wrong with it; may be empty.
    pub why: String,
    /// How to write it.
    pub rule: &'static str,
}

/// Declares a type of texts. The pattern is its grammar; `check` sees only what fits the pattern and may say more.
macro_rules! text_type {
    (
        $(#[doc = $text:literal])+
        pub struct $name:ident;
        what $what:literal;
        pattern $pattern:literal;
        rule $rule:literal;
        $(check $check:expr;)?
    ) => {
        $(#[doc = $text])+
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            pub(crate) const GRAMMAR: $crate::shape::Grammar = $crate::shape::Grammar {
                what: $what,
                pattern: $pattern,
                rule: $rule,
                check: |text| text.parse::<Self>().map(|_| ()).map_err(|error| error.why),
            };

            /// As it is written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::grammar::GrammarError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                static PATTERN: std::sync::LazyLock<regex::Regex> =
                    std::sync::LazyLock::new(|| regex::Regex::new($pattern).expect("a test makes every pattern"));
                let wrong = |why| $crate::grammar::GrammarError { what: $what, why, rule: $rule };
                if !PATTERN.is_match(text) {
                    return Err(wrong(String::new()));
                }
                $(
                    let check: fn(&str) -> Result<(), String> = $check;
                    check(text).map_err(wrong)?;
                )?
                Ok(Self(text.to_owned()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        $crate::grammar::setting_of_text!($name);
    };
}

/// A [`Setting`] of a type that has a `GRAMMAR` and is made of text.
macro_rules! setting_of_text {
    ($name:ident) => {
        impl $crate::shape::Setting for $name {
            fn shape() -> $crate::shape::Shape {
                $crate::shape::Shape::Text(Self::GRAMMAR)
            }

            fn take(node: &$crate::node::Node, _: &$crate::shape::Context) -> Option<Self> {
                $crate::grammar::parse(node)
            }
        }
    };
}

pub(crate) use {setting_of_text, text_type};

/// The value of a text that was found good.
pub(crate) fn parse<T: FromStr>(node: &Node) -> Option<T> {
    node.text()?.parse().ok()
}

/// A path of this machine that a config names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPath<const KIND: u8> {
    /// As it is written, relative to the folder of the file that it is written in.
    pub written: String,
    /// With that folder before it.
    pub path: std::path::PathBuf,
}

/// A path of a file that has to be there.
pub type FilePath = LocalPath<0>;
/// A path of a folder, which may be made later.
pub type FolderPath = LocalPath<1>;
/// A path of a file that may be made later.
pub type LaterPath = LocalPath<2>;

impl<const KIND: u8> Setting for LocalPath<KIND> {
    fn shape() -> Shape {
        use crate::shape::PathKind;
        Shape::Path(match KIND {
            0 => PathKind::File,
            1 => PathKind::Folder,
            _ => PathKind::Later,
        })
    }

    fn take(node: &Node, context: &Context) -> Option<Self> {
        let written = node.text()?.to_owned();
        Some(Self { path: context.resolve(&written, node.span.source), written })
    }
}

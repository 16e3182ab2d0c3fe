//! The declaration of the image config: every key once.
//!
//! ```text
//! section! { struct, keys, texts, defaults, examples } ──▶ the struct itself, and its Section
//!                                                                   │
//!            checks of a file, JSON schema, `image explain`, docs/reference/image-config.md
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;

use bedplate_diag::{SourceId, Span};

use crate::node::{Node, Value};
use crate::spanned::{Pairs, Spanned};

/// A table with declared keys.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    /// What it is for, as lines of documentation.
    pub text: &'static [&'static str],
    /// Its keys, in the order of the documentation.
    pub keys: Vec<Key>,
    /// In a list of tables: the keys that say which one it is. A table of a file that inherits changes the one with the same values.
    pub identity: &'static [&'static str],
    /// Keys of which one has to be there, and only one; usually none.
    pub one_of: &'static [&'static str],
}

/// A key of a section.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// Its name in a file.
    pub name: &'static str,
    /// What it means, as lines of documentation; empty for a section, which says it itself.
    pub text: &'static [&'static str],
    /// Which values it takes.
    pub shape: Shape,
    /// What happens without it.
    pub presence: Presence,
    /// A value, as TOML; empty for a section.
    pub example: &'static str,
}

/// What happens without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// That is a mistake.
    Required,
    /// It has this value, as TOML.
    Default(&'static str),
    /// What these words say; nothing if they are empty.
    Otherwise(&'static str),
}

/// Which values a key takes.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// True or false.
    Bool,
    /// A whole number.
    Number {
        /// The smallest.
        least: i64,
        /// The greatest.
        most: i64,
    },
    /// A text with a grammar.
    Text(Grammar),
    /// One of some words.
    Word(&'static [Word]),
    /// A path on this machine, relative to the folder of the file that it is written in.
    Path(PathKind),
    /// A list.
    List {
        /// Each item.
        item: Box<Shape>,
        /// What becomes of an inherited list.
        inherited: Inherited,
    },
    /// A table whose keys are the user's own.
    Pairs {
        /// Each key.
        key: Grammar,
        /// Each value.
        value: Box<Shape>,
        /// True if keys have dots: tables in it are parts of longer keys then.
        has_dots: bool,
    },
    /// A table with declared keys.
    Table(Section),
    /// A whole number, or a text with a grammar.
    NumberOr {
        /// The smallest number.
        least: i64,
        /// The greatest number.
        most: i64,
        /// The text.
        text: Grammar,
    },
}

impl Shape {
    /// What a value is, in words that follow on "takes".
    pub(crate) fn what(&self) -> String {
        match self {
            Self::Bool => "`true` or `false`".to_owned(),
            Self::Number { least, most } => range(*least, *most),
            Self::Text(grammar) => grammar.what_and_rule(),
            Self::Word(_) => "one of the words below".to_owned(),
            Self::Path(PathKind::File) => {
                "a path of a file that is there, relative to the folder of the config".to_owned()
            }
            Self::Path(PathKind::Folder) => "a path of a folder, relative to the folder of the config".to_owned(),
            Self::Path(PathKind::Later) => "a path of a file, relative to the folder of the config".to_owned(),
            Self::List { item, .. } => match &**item {
                Self::Table(_) => "a list of tables".to_owned(),
                Self::Word(_) => "a list of the words below".to_owned(),
                item => format!("a list; each item is {}", item.what()),
            },
            Self::Pairs { key, value, .. } => {
                format!(
                    "a table with keys of your own; each key is {}; each value is {}",
                    key.what_and_rule(),
                    value.what()
                )
            }
            Self::Table(_) => "a table".to_owned(),
            Self::NumberOr { least, most, text } => {
                format!("{}, or {}", range(*least, *most), text.what_and_rule())
            }
        }
    }

    /// The words that it takes, if it takes words.
    pub(crate) fn words(&self) -> &'static [Word] {
        match self {
            Self::Word(words) => words,
            Self::List { item, .. } => item.words(),
            _ => &[],
        }
    }
}

impl Grammar {
    /// A text as a message shows it. A password that stands where its hash should is not repeated.
    pub(crate) fn quoted(&self, text: &str) -> String {
        if self.what == crate::secrets::PasswordHash::GRAMMAR.what { "this".to_owned() } else { format!("`{text}`") }
    }

    fn what_and_rule(&self) -> String {
        if self.rule.is_empty() { self.what.to_owned() } else { format!("{}: {}", self.what, self.rule) }
    }
}

fn range(least: i64, most: i64) -> String {
    match (least, most) {
        (i64::MIN, i64::MAX) => "a whole number".to_owned(),
        _ => format!("a whole number from {least} to {most}"),
    }
}

/// What becomes of an inherited list where a file has a list of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inherited {
    /// The new items follow it.
    Extended,
    /// It is forgotten.
    Replaced,
}

/// What has to be at a path on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathKind {
    /// A file.
    File,
    /// A folder; one that is not there yet is warned of.
    Folder,
    /// Nothing: it may be made later.
    Later,
}

/// One of the words that a key takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word {
    /// As it is written.
    pub word: &'static str,
    /// What it means, as lines of documentation.
    pub text: &'static [&'static str],
}

/// How a text has to look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grammar {
    /// With its article: `a size`.
    pub what: &'static str,
    /// A regular expression, in the words that Rust's and ECMA 262's have in common; empty if it says nothing.
    pub pattern: &'static str,
    /// The rule in words, which follow on "write".
    pub rule: &'static str,
    /// Checks a text; the error says why, or is empty if the rule says it all.
    pub(crate) check: fn(&str) -> Result<(), String>,
}

/// What is needed to make values of nodes.
#[derive(Debug, Default)]
pub(crate) struct Context {
    /// The folder of each file.
    pub(crate) folders: BTreeMap<SourceId, PathBuf>,
}

impl Context {
    /// A path as it is written in a file, with the folder of that file before it.
    pub(crate) fn resolve(&self, written: &str, file: SourceId) -> PathBuf {
        self.folders.get(&file).map_or_else(|| PathBuf::from(written), |folder| folder.join(written))
    }
}

/// A type of values of the image config.
pub(crate) trait Setting: Sized {
    /// Its declaration.
    fn shape() -> Shape;

    /// The value of a node that was found good for the shape; none if a required key is missing below.
    fn take(node: &Node, context: &Context) -> Option<Self>;

    /// The value where nothing is written, if there is one.
    fn absent(_: Span, _: &Context) -> Option<Self> {
        None
    }
}

impl Node {
    /// The value of a key of a table.
    pub(crate) fn setting<T: Setting>(&self, key: &str, presence: Presence, context: &Context) -> Option<T> {
        match (self.get(key), presence) {
            (Some(node), _) => T::take(node, context),
            (None, Presence::Required) => None,
            (None, Presence::Otherwise(_)) => T::absent(self.span, context),
            (None, Presence::Default(literal)) => T::take(&Self::of_literal(literal, self.span)?, context),
        }
    }
}

impl Setting for bool {
    fn shape() -> Shape {
        Shape::Bool
    }

    fn take(node: &Node, _: &Context) -> Option<Self> {
        if let Value::Bool(is) = node.value { Some(is) } else { None }
    }
}

impl Setting for u32 {
    fn shape() -> Shape {
        // 4294967295 is "no id" to the kernel.
        Shape::Number { least: 0, most: i64::from(Self::MAX) - 1 }
    }

    fn take(node: &Node, _: &Context) -> Option<Self> {
        if let Value::Number(number) = node.value { number.try_into().ok() } else { None }
    }
}

/// A number with bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bounded<const LEAST: u32, const MOST: u32>(pub u32);

impl<const LEAST: u32, const MOST: u32> Setting for Bounded<LEAST, MOST> {
    fn shape() -> Shape {
        Shape::Number { least: i64::from(LEAST), most: i64::from(MOST) }
    }

    fn take(node: &Node, context: &Context) -> Option<Self> {
        u32::take(node, context).map(Self)
    }
}

impl Setting for String {
    fn shape() -> Shape {
        Shape::Text(Grammar { what: "a text", pattern: "", rule: "", check: |_| Ok(()) })
    }

    fn take(node: &Node, _: &Context) -> Option<Self> {
        node.text().map(str::to_owned)
    }
}

impl<T: Setting> Setting for Spanned<T> {
    fn shape() -> Shape {
        T::shape()
    }

    fn take(node: &Node, context: &Context) -> Option<Self> {
        Some(Self { value: T::take(node, context)?, span: node.span })
    }

    fn absent(span: Span, context: &Context) -> Option<Self> {
        Some(Self { value: T::absent(span, context)?, span })
    }
}

impl<T: Setting> Setting for Option<T> {
    fn shape() -> Shape {
        T::shape()
    }

    fn take(node: &Node, context: &Context) -> Option<Self> {
        T::take(node, context).map(Some)
    }

    fn absent(_: Span, _: &Context) -> Option<Self> {
        Some(None)
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn shape() -> Shape {
        Shape::List { item: Box::new(T::shape()), inherited: Inherited::Extended }
    }

    fn take(node: &Node, context: &Context) -> Option<Self> {
        Some(node.list()?.iter().filter_map(|item| T::take(item, context)).collect())
    }

    fn absent(_: Span, _: &Context) -> Option<Self> {
        Some(Self::new())
    }
}

/// A list that only makes sense as a whole: the words of a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Whole<T>(pub Vec<T>);

impl<T: Setting> Setting for Whole<T> {
    fn shape() -> Shape {
        Shape::List { item: Box::new(T::shape()), inherited: Inherited::Replaced }
    }

    fn take(node: &Node, context: &Context) -> Option<Self> {
        Vec::take(node, context).map(Self)
    }

    fn absent(_: Span, _: &Context) -> Option<Self> {
        Some(Self(Vec::new()))
    }
}

/// A text that is a key of [`Pairs`].
pub(crate) trait PairKey: std::str::FromStr {
    /// How it has to look.
    const GRAMMAR: Grammar;
    /// True if dots are part of it.
    const HAS_DOTS: bool = false;
}

impl<K: PairKey, V: Setting> Setting for Pairs<K, V> {
    fn shape() -> Shape {
        Shape::Pairs { key: K::GRAMMAR, value: Box::new(V::shape()), has_dots: K::HAS_DOTS }
    }

    fn take(node: &Node, context: &Context) -> Option<Self> {
        let pair = |(key, (at, value)): (&String, &(Span, Node))| {
            let key = Spanned::new(key.parse().ok()?, *at);
            Some((key, Spanned::new(V::take(value, context)?, value.span)))
        };
        Some(Self(node.entries()?.iter().filter_map(pair).collect()))
    }

    fn absent(_: Span, _: &Context) -> Option<Self> {
        Some(Self(Vec::new()))
    }
}

/// Declares a table of the image config and the struct that it becomes. The documentation of a field is that of its key.
macro_rules! section {
    (
        $(#[doc = $text:literal])+
        pub struct $name:ident $([$($identity:literal),*])? $(one of [$($choice:literal),*])? {
            $(
                $(#[doc = $key_text:literal])*
                $key:literal => $field:ident: $type:ty = $presence:expr, $example:literal;
            )*
        }
    ) => {
        $(#[doc = $text])+
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $(
                $(#[doc = $key_text])*
                #[doc = concat!("\n\nKey `", $key, "`.")]
                pub $field: $type,
            )*
            /// Where the table stands.
            pub span: bedplate_diag::Span,
        }

        impl $crate::shape::Setting for $name {
            fn shape() -> $crate::shape::Shape {
                #[allow(unused_imports, reason = "not every section has all of them")]
                use $crate::shape::Presence::{Default, Otherwise, Required};
                $crate::shape::Shape::Table($crate::shape::Section {
                    text: &[$($text),+],
                    keys: vec![$($crate::shape::Key {
                        name: $key,
                        text: &[$($key_text),*],
                        shape: <$type as $crate::shape::Setting>::shape(),
                        presence: $presence,
                        example: $example,
                    }),*],
                    identity: &[$($($identity),*)?],
                    one_of: &[$($($choice),*)?],
                })
            }

            fn take(node: &$crate::node::Node, context: &$crate::shape::Context) -> Option<Self> {
                #[allow(unused_imports, reason = "not every section has all of them")]
                use $crate::shape::Presence::{Default, Otherwise, Required};
                Some(Self {
                    $($field: node.setting($key, $presence, context)?,)*
                    span: node.span,
                })
            }

            fn absent(span: bedplate_diag::Span, context: &$crate::shape::Context) -> Option<Self> {
                Self::take(&$crate::node::Node::empty_table(span), context)
            }
        }
    };
}

/// Declares the words that a key takes.
macro_rules! words {
    (
        $(#[doc = $text:literal])+
        pub enum $name:ident {
            $($(#[doc = $word_text:literal])+ $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[doc = $text])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = $word_text])+ $variant,)+
        }

        impl $name {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As it is written.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The one that is written so.
            #[must_use]
            pub fn of_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.word() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl $crate::shape::Setting for $name {
            fn shape() -> $crate::shape::Shape {
                const WORDS: &[$crate::shape::Word] =
                    &[$($crate::shape::Word { word: $word, text: &[$($word_text),+] }),+];
                $crate::shape::Shape::Word(WORDS)
            }

            fn take(node: &$crate::node::Node, _: &$crate::shape::Context) -> Option<Self> {
                Self::of_word(node.text()?)
            }
        }
    };
}

pub(crate) use {section, words};

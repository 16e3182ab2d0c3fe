//! The exact packages of an image, as a file.
//!
//! ```toml
//! # The exact packages of an image, written by `bedplate solve --write-lock`. Do not edit it; write it again.
//! version = 1
//!
//! [[package]]
//! nevra = "bash-5.2-1.x86_64"
//! repository = "base"            # may be left out: any repository
//! sha256 = "e3b0…"               # may be left out: not known
//! ```
//!
//! Packages are sorted by name, so that a change of one package is a change of its lines.

use std::borrow::Cow;
use std::ops::Range;

use bedplate_diag::{Diagnostic, SourceId, Span, nearest};
use bedplate_model::Nevra;
use rustc_hash::FxHashMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::request::LockedPackage;
use crate::solution::Solution;

const VERSION: &str = "1";
const HEADER: &str =
    "# The exact packages of an image, written by `bedplate solve --write-lock`. Do not edit it; write it again.\n";

/// A package of a [`Lock`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockEntry {
    /// The package.
    pub nevra: Nevra,
    /// The repository that it has to come from; any, if there is none.
    pub repository: Option<String>,
    /// The checksum of the package's file: 64 hexadecimal digits, lower case; not known if there is none.
    pub sha256: Option<String>,
}

/// The exact packages of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// The packages, in any order.
    pub packages: Vec<LockEntry>,
}

impl Lock {
    /// The lock of a solution; checksums are not known to the solver.
    pub fn of(solution: &Solution) -> Self {
        let entry = |chosen: &crate::solution::Chosen| LockEntry {
            nevra: chosen.nevra.clone(),
            repository: Some(chosen.repository.clone()),
            sha256: None,
        };
        Self { packages: solution.packages().iter().map(entry).collect() }
    }

    /// What the options of a request take.
    pub fn locked(&self) -> Vec<LockedPackage> {
        let locked = |one: &LockEntry| LockedPackage { nevra: one.nevra.clone(), repository: one.repository.clone() };
        self.packages.iter().map(locked).collect()
    }

    /// The text of the file.
    pub fn to_toml(&self) -> String {
        let mut packages: Vec<&LockEntry> = self.packages.iter().collect();
        packages.sort_by_cached_key(|one| (one.nevra.name().as_str(), one.nevra.to_string(), &one.repository));
        let mut text = format!("{HEADER}version = {VERSION}\n");
        let quoted = |text: &str| toml::Value::from(text).to_string();
        for one in packages {
            text.push_str(&format!("\n[[package]]\nnevra = {}\n", quoted(&one.nevra.to_string())));
            for (key, value) in [("repository", &one.repository), ("sha256", &one.sha256)] {
                if let Some(value) = value {
                    text.push_str(&format!("{key} = {}\n", quoted(value)));
                }
            }
        }
        text
    }

    /// Reads the text of a file; `source` is the id for the places of its mistakes.
    ///
    /// # Errors
    /// All mistakes of the file, each with its place.
    pub fn parse(source: SourceId, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut reader = Reader { source, wrong: Vec::new() };
        for error in errors {
            reader.wrong("bad-toml", error.message(), error.span().unwrap_or_default());
        }
        // A text that is no TOML would give follow-up mistakes that are none.
        let lock = if reader.wrong.is_empty() { reader.lock(table.get_ref(), text.len()) } else { Self::default() };
        if reader.wrong.is_empty() {
            Ok(lock)
        } else {
            reader.wrong.sort_by_key(|wrong| wrong.span);
            Err(reader.wrong)
        }
    }
}

struct Reader {
    source: SourceId,
    wrong: Vec<Diagnostic>,
}

type Entry<'a, 'i> = (&'a Spanned<Cow<'i, str>>, &'a Spanned<DeValue<'i>>);

impl Reader {
    fn wrong(&mut self, code: &'static str, message: impl Into<String>, span: Range<usize>) {
        let span = Span::new(self.source, span.start, span.end);
        self.wrong.push(Diagnostic::error(code, message).at(span));
    }

    fn unknown(&mut self, (key, _): Entry<'_, '_>, known: &[&'static str]) {
        let name = key.get_ref().as_ref();
        self.wrong("unknown-key", format!("unknown key `{name}`"), key.span());
        if let (Some(near), Some(last)) = (nearest(name, known.iter().copied()), self.wrong.last_mut()) {
            last.hint = Some(format!("did you mean `{near}`?"));
        }
    }

    fn lock(&mut self, table: &DeTable<'_>, end: usize) -> Lock {
        let mut lock = Lock::default();
        let mut seen: FxHashMap<Nevra, Range<usize>> = FxHashMap::default();
        let mut version = None;
        for entry in table {
            match (entry.0.get_ref().as_ref(), entry.1.get_ref()) {
                ("version", value) => {
                    version = Some(());
                    if value.as_integer().is_none_or(|number| number.as_str() != VERSION) {
                        self.wrong("bad-version", format!("this program reads version {VERSION}"), entry.1.span());
                    }
                }
                ("package", DeValue::Array(packages)) => {
                    for package in packages {
                        let Some(one) = self.package(package) else { continue };
                        if let Some(first) = seen.insert(one.nevra.clone(), package.span()) {
                            self.wrong("duplicate", format!("{} is locked twice", one.nevra), package.span());
                            let span = Span::new(self.source, first.start, first.end);
                            if let Some(last) = self.wrong.last_mut() {
                                *last = last.clone().note("first here", Some(span));
                            }
                        }
                        lock.packages.push(one);
                    }
                }
                ("package", _) => {
                    self.wrong("wrong-type", "`package` is a list: write `[[package]]`", entry.1.span());
                }
                _ => self.unknown(entry, &["version", "package"]),
            }
        }
        if version.is_none() {
            self.wrong("missing-key", format!("a lock needs `version = {VERSION}`"), end..end);
        }
        lock
    }

    fn package(&mut self, value: &Spanned<DeValue<'_>>) -> Option<LockEntry> {
        let Some(table) = value.get_ref().as_table() else {
            self.wrong("wrong-type", "`package` is a list of tables: write `[[package]]`", value.span());
            return None;
        };
        let (mut nevra, mut repository, mut sha256) = (None, None, None);
        for entry in table {
            match entry.0.get_ref().as_ref() {
                "nevra" => nevra = Some(self.text(entry).and_then(|text| self.nevra(&text, entry.1.span()))),
                "repository" => repository = self.text(entry),
                "sha256" => {
                    sha256 = self.text(entry);
                    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
                    if sha256.as_deref().is_some_and(|text| text.len() != 64 || !text.bytes().all(digit)) {
                        self.wrong("wrong-value", "`sha256` is 64 hexadecimal digits, in lower case", entry.1.span());
                    }
                }
                _ => self.unknown(entry, &["nevra", "repository", "sha256"]),
            }
        }
        if nevra.is_none() {
            self.wrong("missing-key", "a package needs `nevra`", value.span());
        }
        Some(LockEntry { nevra: nevra??, repository, sha256 })
    }

    fn text(&mut self, (key, value): Entry<'_, '_>) -> Option<String> {
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong("wrong-type", format!("`{}` is a text in quotes", key.get_ref()), value.span());
        }
        text
    }

    fn nevra(&mut self, text: &str, span: Range<usize>) -> Option<Nevra> {
        match text.parse() {
            Ok(nevra) => Some(nevra),
            Err(error) => {
                self.wrong("wrong-value", format!("`{text}`: {error}"), span);
                None
            }
        }
    }
}

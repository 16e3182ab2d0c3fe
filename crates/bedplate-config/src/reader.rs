//! Walks a TOML table and collects what is wrong in it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use bedplate_diag::{Diagnostic, SourceId, Span, nearest};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A table, in the order of its keys.
pub type Table<'i> = DeTable<'i>;

/// A value with its place.
pub type Value<'i> = Spanned<DeValue<'i>>;

/// A key and its value, with their places.
pub type Entry<'a, 'i> = (&'a Spanned<Cow<'i, str>>, &'a Value<'i>);

/// Reads values and keeps the mistakes that it meets.
#[derive(Debug)]
pub struct Reader {
    source: SourceId,
    mistakes: Vec<Diagnostic>,
}

impl Reader {
    /// Reads a text: `walk` makes a value of the table that it holds.
    ///
    /// # Errors
    /// All mistakes, in the order of the text. A text that is no TOML is not walked: that would give mistakes that are none.
    pub fn read<T>(
        source: SourceId,
        text: &str,
        walk: impl FnOnce(&mut Self, &Table<'_>) -> T,
    ) -> Result<T, Vec<Diagnostic>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut reader = Self { source, mistakes: Vec::new() };
        for error in errors {
            let span = error.span().unwrap_or_default();
            reader.wrong("bad-toml", error.message(), span);
        }
        if !reader.mistakes.is_empty() {
            return Err(reader.mistakes);
        }
        let value = walk(&mut reader, table.get_ref());
        if reader.mistakes.is_empty() {
            return Ok(value);
        }
        reader.mistakes.sort_by_key(|mistake| mistake.span);
        Err(reader.mistakes)
    }

    /// The place of a range of the text.
    pub fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.source, range.start, range.end)
    }

    /// Keeps a mistake; what is returned may be given a hint or notes.
    pub fn wrong(&mut self, code: &'static str, message: impl Into<String>, range: Range<usize>) -> &mut Diagnostic {
        let at = self.mistakes.len();
        self.mistakes.push(Diagnostic::error(code, message).at(self.span(range)));
        &mut self.mistakes[at]
    }

    /// Keeps the mistake that a key is not of the `known` ones.
    pub fn unknown(&mut self, (key, _): Entry<'_, '_>, known: &[&'static str]) {
        let name = key.get_ref().as_ref();
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the keys here are {}", known.join(", ")),
        };
        self.wrong("unknown-key", format!("unknown key `{name}`"), key.span()).hint = Some(hint);
    }

    /// Checks the version of the file's format. A file that has no `version` is taken for one of version `known`.
    pub fn version(&mut self, table: &Table<'_>, known: u64) {
        let Some(entry) = table.iter().find(|(key, _)| key.get_ref() == "version") else { return };
        if self.number(entry).is_some_and(|version| version != known) {
            self.wrong("bad-version", format!("this program reads version {known}"), entry.1.span());
        }
    }

    /// A table, which `name` says the value has to be.
    pub fn table<'a, 'i>(&mut self, value: &'a Value<'i>, name: &str) -> Option<&'a Table<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong("wrong-type", format!("`{name}` is a table"), value.span());
        }
        table
    }

    /// A list of tables: `[[name]]`.
    pub fn tables<'a, 'i>(&mut self, (key, value): Entry<'a, 'i>) -> Vec<(&'a Table<'i>, Range<usize>)> {
        let name = key.get_ref();
        let Some(list) = value.get_ref().as_array() else {
            self.wrong("wrong-type", format!("`{name}` is a list: write `[[{name}]]`"), value.span());
            return Vec::new();
        };
        list.iter().filter_map(|item| Some((self.table(item, name)?, item.span()))).collect()
    }

    /// A text.
    pub fn text(&mut self, (key, value): Entry<'_, '_>) -> Option<String> {
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong("wrong-type", format!("`{}` is a text in quotes", key.get_ref()), value.span());
        }
        text
    }

    /// A whole number that is not negative.
    pub fn number(&mut self, (key, value): Entry<'_, '_>) -> Option<u64> {
        let number =
            value.get_ref().as_integer().and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok());
        if number.is_none() {
            self.wrong("wrong-type", format!("`{}` is a whole number", key.get_ref()), value.span());
        }
        number
    }

    /// One of some words.
    pub fn choice<T: Copy>(&mut self, entry: Entry<'_, '_>, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(entry)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            let message = format!("`{}` is one of {}", entry.0.get_ref(), known.join(", "));
            self.wrong("wrong-value", message, entry.1.span());
        }
        found
    }

    /// A list of texts, each with its place.
    pub fn list(&mut self, (key, value): Entry<'_, '_>) -> Vec<(String, Range<usize>)> {
        let Some(list) = value.get_ref().as_array() else {
            let message = format!("`{}` is a list of texts: `[\"a\", \"b\"]`", key.get_ref());
            self.wrong("wrong-type", message, value.span());
            return Vec::new();
        };
        list.iter().filter_map(|item| Some((self.text((key, item))?, item.span()))).collect()
    }

    /// A table of texts.
    pub fn texts(&mut self, (key, value): Entry<'_, '_>) -> BTreeMap<String, String> {
        let Some(table) = self.table(value, key.get_ref()) else { return BTreeMap::new() };
        table.iter().filter_map(|entry| Some((entry.0.get_ref().to_string(), self.text(entry)?))).collect()
    }
}

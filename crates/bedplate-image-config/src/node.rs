//! TOML values with their places, free of the text that they came from.

use std::collections::BTreeMap;

use bedplate_diag::{SourceId, Span};
use toml::Spanned as TomlSpanned;
use toml::de::{DeTable, DeValue};

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// What it is.
    pub(crate) value: Value,
    /// Where it stands.
    pub(crate) span: Span,
}

/// What a [`Node`] is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(i64),
    Bool(bool),
    List(Vec<Node>),
    /// By key; with each the place of the key.
    Table(BTreeMap<String, (Span, Node)>),
    /// A kind of value that no key takes: a fraction, a date.
    Other(&'static str),
    /// Something that was found wrong; the key is there all the same.
    Wrong,
}

impl Node {
    pub(crate) fn empty_table(span: Span) -> Self {
        Self { value: Value::Table(BTreeMap::new()), span }
    }

    /// The value of a parsed text.
    pub(crate) fn of(value: &TomlSpanned<DeValue<'_>>, source: SourceId) -> Self {
        let span = Span::new(source, value.span().start, value.span().end);
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Boolean(is) => Value::Bool(*is),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Number(number),
                Err(_) => Value::Other("a number that is too large"),
            },
            DeValue::Float(_) => Value::Other("a fraction"),
            DeValue::Datetime(_) => Value::Other("a date"),
            DeValue::Array(items) => Value::List(items.iter().map(|item| Self::of(item, source)).collect()),
            DeValue::Table(table) => return Self::of_table(table, span),
        };
        Self { value, span }
    }

    fn of_table(table: &DeTable<'_>, span: Span) -> Self {
        let entries = table.iter().map(|(key, value)| {
            let at = Span::new(span.source, key.span().start, key.span().end);
            (key.get_ref().to_string(), (at, Self::of(value, span.source)))
        });
        Self { value: Value::Table(entries.collect()), span }
    }

    /// The value that a piece of TOML writes: a default, an example. All of it stands at `span`.
    pub(crate) fn of_literal(literal: &str, span: Span) -> Option<Self> {
        let text = format!("value = {literal}");
        let table = DeTable::parse(&text).ok()?;
        let mut node = Self::of(table.get_ref().get("value")?, span.source);
        node.place(span);
        Some(node)
    }

    fn place(&mut self, span: Span) {
        self.span = span;
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.place(span)),
            Value::Table(entries) => entries.values_mut().for_each(|(key, value)| {
                *key = span;
                value.place(span);
            }),
            _ => {}
        }
    }

    /// The same value as JSON.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Text(text) => text.as_str().into(),
            Value::Number(number) => (*number).into(),
            Value::Bool(is) => (*is).into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Table(entries) => entries.iter().map(|(key, (_, value))| (key.clone(), value.to_json())).collect(),
            Value::Other(what) => (*what).into(),
            Value::Wrong => serde_json::Value::Null,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    pub(crate) fn list(&self) -> Option<&[Self]> {
        if let Value::List(items) = &self.value { Some(items) } else { None }
    }

    pub(crate) fn entries(&self) -> Option<&BTreeMap<String, (Span, Self)>> {
        if let Value::Table(entries) = &self.value { Some(entries) } else { None }
    }

    /// The value of a key of a table.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries()?.get(key).map(|(_, value)| value)
    }

    /// What it is, for a message: `a text`.
    pub(crate) fn what(&self) -> &'static str {
        match &self.value {
            Value::Text(_) => "a text",
            Value::Number(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Other(what) => what,
            Value::Wrong => "a mistake",
        }
    }

    /// Takes out what was found wrong.
    pub(crate) fn drop_wrong(&mut self) {
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(Self::drop_wrong),
            Value::Table(entries) => {
                entries.retain(|_, (_, value)| value.value != Value::Wrong);
                entries.values_mut().for_each(|(_, value)| value.drop_wrong());
            }
            _ => {}
        }
    }
}

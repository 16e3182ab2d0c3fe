//! The declaration as a JSON schema, for editors and other tools.

use bedplate_diag::{SourceId, Span};
use serde_json::{Map, Value, json};

use crate::declaration::{declaration, prose};
use crate::node::Node;
use crate::shape::{Grammar, Key, Presence, Section, Shape};

/// The JSON schema (draft 2020-12) of an image config. It takes all that [`load`](crate::load()) takes: what has to be there but may be
/// inherited is not asked for, and what contradicts is not seen.
#[must_use]
pub fn schema() -> Value {
    let mut maker = Maker { definitions: Map::new() };
    let mut schema = maker.section(declaration(), "", false);
    let described = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Bedplate image config",
        "anyOf": [{ "required": ["name"] }, { "required": ["inherit"] }],
        "description": prose(declaration().text),
        "$defs": maker.definitions,
    });
    if let (Value::Object(schema), Value::Object(described)) = (&mut schema, described) {
        schema.extend(described);
    }
    schema
}

struct Maker {
    /// Schemas that contain themselves.
    definitions: Map<String, Value>,
}

impl Maker {
    fn section(&mut self, section: &Section, path: &str, is_item: bool) -> Value {
        let properties: Map<String, Value> =
            section.keys.iter().map(|key| (key.name.to_owned(), self.key(key, path))).collect();
        let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        // A table that changes an inherited one has to say which; one that cannot be changed later has to be complete.
        let required: Vec<&str> = match section.identity.first() {
            Some(identity) => vec![identity],
            None if is_item => {
                let keys = section.keys.iter().filter(|key| key.presence == Presence::Required);
                keys.map(|key| key.name).collect()
            }
            None => Vec::new(),
        };
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        if !section.one_of.is_empty() {
            let all = section.one_of;
            let pairs =
                all.iter().enumerate().flat_map(|(at, one)| all[at + 1..].iter().map(move |other| [one, other]));
            schema["not"] = json!({ "anyOf": pairs.map(|pair| json!({ "required": pair })).collect::<Vec<_>>() });
        }
        schema
    }

    fn key(&mut self, key: &Key, path: &str) -> Value {
        let path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
        let mut schema = self.shape(&key.shape, &path, false);
        schema["description"] = key.prose().into();
        if let Presence::Default(literal) = key.presence {
            schema["default"] = literal_as_json(literal);
        }
        if !key.example.is_empty() {
            schema["examples"] = json!([literal_as_json(key.example)]);
        }
        schema
    }

    fn shape(&mut self, shape: &Shape, path: &str, is_item: bool) -> Value {
        match shape {
            Shape::Bool => json!({ "type": "boolean" }),
            Shape::Number { least, most } => number(*least, *most),
            Shape::Text(grammar) => text(grammar),
            Shape::Word(words) => json!({ "enum": words.iter().map(|word| word.word).collect::<Vec<_>>() }),
            Shape::Path(_) => json!({ "type": "string", "minLength": 1 }),
            Shape::List { item, .. } => json!({ "type": "array", "items": self.shape(item, path, true) }),
            Shape::Pairs { key, value, has_dots } => self.pairs(key, value, *has_dots, path),
            Shape::Table(section) => self.section(section, path, is_item),
            Shape::NumberOr { least, most, text: grammar } => {
                json!({ "anyOf": [number(*least, *most), text(grammar)] })
            }
        }
    }

    /// A key with dots may also be written as tables in each other.
    fn pairs(&mut self, key: &Grammar, value: &Shape, has_dots: bool, path: &str) -> Value {
        let value = self.shape(value, path, false);
        if !has_dots {
            return json!({ "type": "object", "propertyNames": text(key), "additionalProperties": value });
        }
        let name = path.replace('.', "-");
        let nested = json!({ "type": "object", "additionalProperties": { "anyOf": [value, { "$ref": format!("#/$defs/{name}") }] } });
        self.definitions.insert(name.clone(), nested);
        json!({ "$ref": format!("#/$defs/{name}") })
    }
}

fn number(least: i64, most: i64) -> Value {
    match (least, most) {
        (i64::MIN, i64::MAX) => json!({ "type": "integer" }),
        _ => json!({ "type": "integer", "minimum": least, "maximum": most }),
    }
}

fn text(grammar: &Grammar) -> Value {
    if grammar.pattern.is_empty() {
        json!({ "type": "string" })
    } else {
        json!({ "type": "string", "pattern": grammar.pattern })
    }
}

fn literal_as_json(literal: &str) -> Value {
    let span = Span::new(SourceId(0), 0, 0);
    Node::of_literal(literal, span).map_or(Value::Null, |node| node.to_json())
}

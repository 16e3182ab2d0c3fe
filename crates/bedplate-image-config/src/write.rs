//! Writes a config as TOML, in the order of the declaration.

use std::fmt::Write;

use bedplate_config::quoted;

use crate::declaration::declaration;
use crate::node::{Node, Value};
use crate::shape::{Section, Shape};

/// A list that is longer goes over several lines.
const WIDTH: usize = 100;

/// The text of a config.
pub(crate) fn to_toml(node: &Node) -> String {
    let mut text = String::new();
    section(&mut text, "", declaration(), node);
    text.trim_start().to_owned()
}

fn section(text: &mut String, path: &str, section_here: &Section, node: &Node) {
    let is_below = |shape: &Shape| shape.section().is_some() || matches!(shape, Shape::Pairs { .. });
    for key in section_here.keys.iter().filter(|key| !is_below(&key.shape)) {
        if let Some(value) = node.get(key.name) {
            let _ = writeln!(text, "{} = {}", key.name, literal(value, WIDTH));
        }
    }
    for key in section_here.keys.iter().filter(|key| is_below(&key.shape)) {
        let Some(value) = node.get(key.name) else { continue };
        let path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
        match (&value.value, key.shape.section()) {
            (Value::List(items), Some(below)) => {
                for item in items {
                    let _ = writeln!(text, "\n[[{path}]]");
                    section(text, &path, below, item);
                }
            }
            (Value::Table(entries), Some(below)) => {
                // A section of nothing but sections needs no header of its own.
                let has_keys = below.keys.iter().any(|key| !is_below(&key.shape) && entries.contains_key(key.name));
                if has_keys {
                    let _ = writeln!(text, "\n[{path}]");
                }
                section(text, &path, below, value);
            }
            (Value::Table(entries), None) => {
                let _ = writeln!(text, "\n[{path}]");
                for (name, (_, value)) in entries {
                    let _ = writeln!(text, "{} = {}", quoted(name), literal(value, WIDTH));
                }
            }
            _ => {}
        }
    }
}

fn literal(node: &Node, width: usize) -> String {
    match &node.value {
        Value::Text(text) => quoted(text),
        Value::Number(number) => number.to_string(),
        Value::Bool(is) => is.to_string(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| literal(item, usize::MAX)).collect();
            let line = format!("[{}]", items.join(", "));
            if line.len() <= width {
                return line;
            }
            let lines: String = items.iter().map(|item| format!("    {item},\n")).collect();
            format!("[\n{lines}]")
        }
        Value::Table(entries) => {
            let pairs: Vec<String> = entries
                .iter()
                .map(|(key, (_, value))| format!("{} = {}", quoted(key), literal(value, usize::MAX)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::Other(_) | Value::Wrong => unreachable!("only good values are written"),
    }
}

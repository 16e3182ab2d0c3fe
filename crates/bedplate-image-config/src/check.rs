//! Mistakes that one key alone does not show: what is there twice, what contradicts, what is missing for something else.

use std::collections::{BTreeMap, BTreeSet};

use bedplate_diag::{Diagnostic, Span};

use crate::config::ImageConfig;
use crate::declaration::declaration;
use crate::forget::identity;
use crate::node::{Node, Value};
use crate::shape::{Inherited, Section, Shape};

/// Checks the whole config. `doubtful` are keys of the outermost table with mistakes in them: nothing is said to be missing there.
pub(crate) fn all(_config: &ImageConfig, _doubtful: &BTreeSet<String>) -> Vec<Diagnostic> {
    Vec::new()
}

/// What a list has twice.
pub(crate) fn twice(node: &Node, mistakes: &mut Vec<Diagnostic>) {
    twice_in(declaration(), "", node, mistakes);
}

fn twice_in(section: &Section, path: &str, node: &Node, mistakes: &mut Vec<Diagnostic>) {
    for key in &section.keys {
        let Some(value) = node.get(key.name) else { continue };
        let below_path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
        match (&key.shape, &value.value) {
            (Shape::List { item, inherited: Inherited::Extended }, Value::List(items)) => {
                let is_word = matches!(**item, Shape::Word(_));
                let mut seen: BTreeMap<String, Span> = BTreeMap::new();
                for one in items {
                    let name = match item.section() {
                        Some(below) => identity(below, one),
                        None => one.text().map(str::to_owned),
                    };
                    let Some(name) = name else { continue };
                    let Some(first) = seen.get(&name) else {
                        seen.insert(name, one.span);
                        continue;
                    };
                    let message = format!("`{name}` is in `{below_path}` twice");
                    let is_error = is_word || item.section().is_some();
                    let mistake = if is_error {
                        Diagnostic::error("twice", message)
                    } else {
                        Diagnostic::warning("twice", message)
                    };
                    mistakes
                        .push(mistake.at(one.span).note("it is here first", Some(*first)).hint("remove one of them"));
                }
                if let Some(below) = item.section() {
                    items.iter().for_each(|one| twice_in(below, &below_path, one, mistakes));
                }
            }
            (Shape::Table(below), Value::Table(_)) => twice_in(below, &below_path, value, mistakes),
            _ => {}
        }
    }
}

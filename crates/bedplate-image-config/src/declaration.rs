//! The declaration as a whole, and paths of keys in it.

use std::sync::LazyLock;

use crate::config::ImageConfig;
use crate::shape::{Key, Presence, Section, Setting, Shape};

/// The declaration of the whole image config.
pub(crate) fn declaration() -> &'static Section {
    static ROOT: LazyLock<Section> = LazyLock::new(|| match ImageConfig::shape() {
        Shape::Table(section) => section,
        _ => unreachable!("`section!` makes tables"),
    });
    &ROOT
}

impl Section {
    /// The key of this name.
    pub(crate) fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Key {
    /// What it means, as one paragraph.
    pub(crate) fn prose(&self) -> String {
        match self.shape.section() {
            Some(section) if self.text.is_empty() => prose(section.text),
            _ => prose(self.text),
        }
    }
}

impl Shape {
    /// The section that values, or items of a list, are.
    pub(crate) fn section(&self) -> Option<&Section> {
        match self {
            Self::Table(section) => Some(section),
            Self::List { item, .. } => item.section(),
            _ => None,
        }
    }
}

/// The key of a path such as `storage.partition.size`.
pub(crate) fn find(path: &str) -> Option<&'static Key> {
    let mut section = declaration();
    let mut found = None;
    let mut parts = path.split('.').peekable();
    while let Some(part) = parts.next() {
        let key = section.key(part)?;
        found = Some(key);
        match key.shape.section() {
            Some(below) => section = below,
            None if parts.peek().is_some() => return None,
            None => {}
        }
    }
    found
}

/// The paths of all keys, a section before its keys.
pub(crate) fn paths() -> Vec<String> {
    fn walk(section: &Section, prefix: &str, paths: &mut Vec<String>) {
        for key in &section.keys {
            let path = if prefix.is_empty() { key.name.to_owned() } else { format!("{prefix}.{}", key.name) };
            paths.push(path.clone());
            if let Some(below) = key.shape.section() {
                walk(below, &path, paths);
            }
        }
    }
    let mut paths = Vec::new();
    walk(declaration(), "", &mut paths);
    paths
}

/// A section as a header of a file: `[storage]`, `[[storage.partition]]`.
pub(crate) fn header(path: &str, shape: &Shape) -> String {
    if matches!(shape, Shape::List { .. }) { format!("[[{path}]]") } else { format!("[{path}]") }
}

/// What happens without a key, in words; nothing if nothing has to be said.
pub(crate) fn without(key: &Key) -> Option<String> {
    match key.presence {
        Presence::Required => Some("has to be there".to_owned()),
        Presence::Default(literal) => Some(format!("`{literal}`")),
        Presence::Otherwise("") => None,
        Presence::Otherwise(words) => Some(words.to_owned()),
    }
}

/// Lines of documentation as one text.
pub(crate) fn prose(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use bedplate_diag::{SourceId, Span};

    use super::*;
    use crate::node::{Node, Value};
    use crate::read::read;

    /// The mistakes of a value, put where its key belongs.
    fn mistakes(path: &str, literal: &str) -> Vec<String> {
        let span = Span::new(SourceId(0), 0, 0);
        assert!(Node::of_literal(literal, span).is_some(), "{path}: {literal} is no TOML");
        let mut text = format!("{{ {} = {literal} }}", path.rsplit('.').next().unwrap());
        let folders: Vec<&str> = path.split('.').collect();
        for at in (0..folders.len() - 1).rev() {
            let is_list = matches!(find(&folders[..=at].join(".")).unwrap().shape, Shape::List { .. });
            text = if is_list {
                format!("{{ {} = [{text}] }}", folders[at])
            } else {
                format!("{{ {} = {text} }}", folders[at])
            };
        }
        let inner = text.strip_prefix("{ ").unwrap().strip_suffix(" }").unwrap().to_owned();
        read(SourceId(0), &inner).mistakes.into_iter().map(|mistake| mistake.message).collect()
    }

    #[test]
    fn defaults_and_examples_are_good_and_every_key_is_explained() {
        for path in paths() {
            let key = find(&path).unwrap();
            assert!(key.prose().ends_with('.'), "{path}");
            if let Presence::Default(literal) = key.presence {
                assert_eq!(mistakes(&path, literal), [""; 0], "default of {path}");
            }
            match key.shape.section() {
                Some(_) => assert_eq!(key.example, "", "{path}"),
                None => assert_eq!(mistakes(&path, key.example), [""; 0], "example of {path}"),
            }
        }
        assert!(matches!(Node::of_literal("[1]", Span::new(SourceId(0), 0, 0)).unwrap().value, Value::List(_)));
        assert!(paths().len() > 100);
    }
}

//! The config that an import makes: every value is checked as one of a file would be.

use bedplate_diag::{SourceId, Span};

use super::{Dropped, DroppedKind};
use crate::declaration::find;
use crate::node::{Node, Value};
use crate::shape::{Presence, Section, Shape};

/// A config in the making, and what has no place in it.
pub(super) struct Draft {
    root: Node,
    dropped: Vec<Dropped>,
}

/// Nothing of a draft has a place.
const NOWHERE: Span = Span { source: SourceId(0), start: 0, end: 0 };

pub(super) fn text(text: impl Into<String>) -> Node {
    Node { value: Value::Text(text.into()), span: NOWHERE }
}

pub(super) fn number(number: i64) -> Node {
    Node { value: Value::Number(number), span: NOWHERE }
}

pub(super) fn list(items: impl IntoIterator<Item = Node>) -> Node {
    Node { value: Value::List(items.into_iter().collect()), span: NOWHERE }
}

/// A table of a list in the making.
pub(super) struct Item {
    section: &'static str,
    node: Node,
}

impl Item {
    pub(super) fn new(section: &'static str) -> Self {
        Self { section, node: Node::empty_table(NOWHERE) }
    }

    /// Sets a key to a value from a JSON path, if the value is good.
    pub(super) fn set(&mut self, draft: &mut Draft, from: &str, key: &str, value: Node) {
        let Some(declared) = find(&format!("{}.{key}", self.section)) else { return };
        if let Some(value) = draft.good(from, &declared.shape, value) {
            insert(&mut self.node, key, value);
        }
    }

    /// Sets a key to a text, if there is one.
    pub(super) fn text(&mut self, draft: &mut Draft, from: &str, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.set(draft, from, key, text(value));
        }
    }
}

fn insert(table: &mut Node, key: &str, value: Node) {
    if let Value::Table(entries) = &mut table.value {
        entries.insert(key.to_owned(), (NOWHERE, value));
    }
}

impl Draft {
    pub(super) fn new() -> Self {
        Self { root: Node::empty_table(NOWHERE), dropped: Vec::new() }
    }

    pub(super) fn dropped(&mut self, path: &str, why: impl Into<String>) {
        self.dropped.push(Dropped { path: path.to_owned(), kind: DroppedKind::Dropped, why: why.into() });
    }

    pub(super) fn changed(&mut self, path: &str, what: impl Into<String>) {
        self.dropped.push(Dropped { path: path.to_owned(), kind: DroppedKind::Changed, why: what.into() });
    }

    /// Sets a key to a text.
    pub(super) fn text(&mut self, from: &str, path: &str, value: &str) {
        self.set(from, path, text(value));
    }

    /// Sets a key to a value from a JSON path, if the value is good.
    pub(super) fn set(&mut self, from: &str, path: &str, value: Node) {
        let Some(declared) = find(path) else { return };
        if let Some(value) = self.good(from, &declared.shape, value) {
            let (table, key) = self.table(path);
            insert(table, key, value);
        }
    }

    /// Adds an item to a list; one that is there already is not added again.
    pub(super) fn add(&mut self, from: &str, path: &str, value: &str) {
        let Some(declared) = find(path) else { return };
        let Some(Node { value: Value::List(new), .. }) = self.good(from, &declared.shape, list([text(value)])) else {
            return;
        };
        let (table, key) = self.table(path);
        let Value::Table(entries) = &mut table.value else { return };
        let (_, all) = entries.entry(key.to_owned()).or_insert_with(|| (NOWHERE, list([])));
        if let Value::List(all) = &mut all.value {
            let new = new.into_iter().filter(|one| !all.contains(one)).collect::<Vec<_>>();
            all.extend(new);
        }
    }

    /// Adds a table to a list, if it has what it needs; what it lacks was reported when it was set.
    pub(super) fn push(&mut self, item: Item) {
        let Some(section) = find(item.section).and_then(|key| key.shape.section()) else { return };
        if !is_whole(section, &item.node) {
            return;
        }
        let (table, key) = self.table(item.section);
        let Value::Table(entries) = &mut table.value else { return };
        let (_, all) = entries.entry(key.to_owned()).or_insert_with(|| (NOWHERE, list([])));
        if let Value::List(all) = &mut all.value {
            all.push(item.node);
        }
    }

    /// Adds a table before all others of its list.
    pub(super) fn push_first(&mut self, item: Item) {
        let section = item.section;
        self.push(item);
        let (table, key) = self.table(section);
        if let Value::Table(entries) = &mut table.value
            && let Some((_, Node { value: Value::List(all), .. })) = entries.get_mut(key)
        {
            all.rotate_right(1);
        }
    }

    /// The table of a key, made if it is not there.
    fn table<'p>(&mut self, path: &'p str) -> (&mut Node, &'p str) {
        let (folder, key) = path.rsplit_once('.').map_or((None, path), |(folder, key)| (Some(folder), key));
        let mut table = &mut self.root;
        for part in folder.into_iter().flat_map(|folder| folder.split('.')) {
            let Value::Table(entries) = &mut table.value else { unreachable!("drafts are made of tables") };
            let (_, below) = entries.entry(part.to_owned()).or_insert_with(|| (NOWHERE, Node::empty_table(NOWHERE)));
            table = below;
        }
        (table, key)
    }

    /// The value without what the declaration does not allow, which is reported.
    fn good(&mut self, from: &str, shape: &Shape, value: Node) -> Option<Node> {
        if let (Shape::List { item, .. }, Value::List(items)) = (shape, value.value.clone()) {
            let good = items.into_iter().filter_map(|one| self.good(from, item, one));
            return Some(Node { value: Value::List(good.collect()), span: NOWHERE });
        }
        match fault(shape, &value) {
            None => Some(value),
            Some(why) => {
                self.dropped(from, why);
                None
            }
        }
    }

    /// The config, and what has no place in it.
    pub(super) fn finish(mut self) -> (Node, Vec<Dropped>) {
        if let Value::Table(entries) = &mut self.root.value {
            entries.insert("version".to_owned(), (NOWHERE, number(1)));
        }
        (self.root, self.dropped)
    }
}

/// True if nothing that has to be there is missing.
fn is_whole(section: &Section, node: &Node) -> bool {
    let has = |key: &str| node.get(key).is_some();
    let mut required = section.keys.iter().filter(|key| key.presence == Presence::Required);
    required.all(|key| has(key.name)) && (section.one_of.is_empty() || section.one_of.iter().any(|key| has(key)))
}

/// Why a value is not what a key takes.
fn fault(shape: &Shape, value: &Node) -> Option<String> {
    match (shape, &value.value) {
        (Shape::Text(grammar), Value::Text(text)) | (Shape::NumberOr { text: grammar, .. }, Value::Text(text)) => {
            let why = (grammar.check)(text).err()?;
            let why = if why.is_empty() { grammar.rule.to_owned() } else { why };
            Some(format!("{} is not {}: {why}", grammar.quoted(text), grammar.what))
        }
        (Shape::Number { least, most }, Value::Number(number))
        | (Shape::NumberOr { least, most, .. }, Value::Number(number)) => {
            let is_bad = !(least..=most).contains(&number);
            is_bad.then(|| format!("{number} is not a number from {least} to {most}"))
        }
        _ => None,
    }
}

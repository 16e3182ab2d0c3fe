//! Checks one file against the declaration: unknown keys, wrong types, texts that do not fit their grammar.

use std::collections::BTreeSet;
use std::ops::Range;

use bedplate_config::{Reader, Table, Value as TomlValue};
use bedplate_diag::{Diagnostic, SourceId, Span, nearest};

use crate::declaration::{declaration, paths};
use crate::node::{Node, Value};
use crate::shape::{Grammar, Key, Presence, Section, Shape, Word};

/// What could be made of a file.
pub(crate) struct ReadFile {
    /// The table of the file; what is wrong in it is marked so, or left out. None for a text that is no TOML.
    pub(crate) node: Option<Node>,
    pub(crate) mistakes: Vec<Diagnostic>,
    /// Keys of the outermost table with mistakes in them: what seems to be absent there may just be wrong.
    pub(crate) doubtful: BTreeSet<String>,
}

/// Reads one file.
pub(crate) fn read(source: SourceId, text: &str) -> ReadFile {
    let (mut node, mut doubtful) = (None, BTreeSet::new());
    let walked = Reader::read(source, text, |reader, table| {
        if table.get("version").is_some_and(|version| version.get_ref().is_integer()) {
            reader.version(table, 1);
        }
        let mut checker = Checker { reader, source, outermost: String::new(), doubtful: &mut doubtful };
        node = Some(checker.table(declaration(), "", table, 0..0));
    });
    let mut mistakes = walked.err().unwrap_or_default();
    for mistake in mistakes.iter_mut().filter(|mistake| mistake.hint.is_none()) {
        let hint = match mistake.code {
            "bad-toml" => "texts stand in quotes, lists in `[…]`, each key on a line of its own: https://toml.io",
            _ => "write `version = 1`, or use a newer bedplate",
        };
        mistake.hint = Some(hint.to_owned());
    }
    ReadFile { node, mistakes, doubtful }
}

struct Checker<'r> {
    reader: &'r mut Reader,
    source: SourceId,
    /// The key of the outermost table that is being read.
    outermost: String,
    doubtful: &'r mut BTreeSet<String>,
}

/// Where a value stands in the config, for messages.
#[derive(Clone, Copy)]
struct Place<'a> {
    key: &'a Key,
    path: &'a str,
}

impl Checker<'_> {
    fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.source, range.start, range.end)
    }

    fn wrong(&mut self, code: &'static str, message: impl Into<String>, at: Range<usize>) -> &mut Diagnostic {
        self.doubtful.insert(self.outermost.clone());
        self.reader.wrong(code, message, at)
    }

    fn table(&mut self, section: &Section, path: &str, table: &Table<'_>, at: Range<usize>) -> Node {
        let mut node = Node::empty_table(self.span(at));
        let Value::Table(entries) = &mut node.value else { return node };
        for (name, value) in table {
            let name_span = name.span();
            let name = name.get_ref().as_ref();
            if path.is_empty() {
                name.clone_into(&mut self.outermost);
            }
            let Some(key) = section.key(name) else {
                self.unknown(section, path, name, name_span);
                continue;
            };
            let below = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let span = self.span(value.span());
            let value = self.value(&key.shape, Place { key, path: &below }, value);
            let value = value.unwrap_or(Node { value: Value::Wrong, span });
            entries.insert(name.to_owned(), (self.span(name_span), value));
        }
        self.one_of(section, table);
        node
    }

    /// Of some keys, a table may have one.
    fn one_of(&mut self, section: &Section, table: &Table<'_>) {
        let mut there = table.iter().filter(|(name, _)| section.one_of.contains(&name.get_ref().as_ref()));
        let (Some(first), Some(second)) = (there.next(), there.next()) else { return };
        let (first, second) =
            if first.0.span().start <= second.0.span().start { (first, second) } else { (second, first) };
        let note = self.span(first.0.span());
        let message = format!("`{}` and `{}` exclude each other", first.0.get_ref(), second.0.get_ref());
        let mistake = self.wrong("two-of-one", message, second.0.span());
        mistake
            .notes
            .push(bedplate_diag::Note { message: format!("`{}` is here", first.0.get_ref()), span: Some(note) });
        mistake.hint = Some("remove one of them".to_owned());
    }

    fn unknown(&mut self, section: &Section, path: &str, name: &str, at: Range<usize>) {
        let known: Vec<&str> = section.keys.iter().map(|key| key.name).collect();
        let near = nearest(name, known.iter().copied());
        if let (Some(near), true) = (near, path.is_empty()) {
            // What it has may be all that seems to be missing there.
            self.doubtful.insert(near.to_owned());
        }
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => match elsewhere(name) {
                Some(other) => format!("there is a key `{other}`"),
                None => format!("the keys here are {}", known.join(", ")),
            },
        };
        let place = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
        self.wrong("unknown-key", format!("unknown key `{name}`{place}"), at).hint = Some(hint);
    }

    fn value(&mut self, shape: &Shape, place: Place<'_>, value: &TomlValue<'_>) -> Option<Node> {
        let node = Node::of(value, self.source);
        let at = value.span();
        match (shape, &node.value) {
            (Shape::Bool, Value::Bool(_)) => Some(node),
            (Shape::Number { least, most }, Value::Number(number))
            | (Shape::NumberOr { least, most, .. }, Value::Number(number)) => {
                let is_good = self.number(*number, *least, *most, place, at);
                is_good.then_some(node)
            }
            (Shape::Text(grammar), Value::Text(text)) | (Shape::NumberOr { text: grammar, .. }, Value::Text(text)) => {
                self.grammar(grammar, text, place, at).then_some(node)
            }
            (Shape::Word(words), Value::Text(text)) => self.word(words, text, place, at).then_some(node),
            (Shape::Path(_), Value::Text(text)) => {
                let is_good = !text.is_empty() && !text.contains('\0');
                if !is_good {
                    self.wrong("bad-value", "an empty text is not a path", at).hint = for_example(place.key);
                }
                is_good.then_some(node)
            }
            (Shape::List { item, .. }, Value::List(_)) => {
                let items = value.get_ref().as_array().map(|items| items.iter()).into_iter().flatten();
                let items = items.filter_map(|one| self.value(item, place, one)).collect();
                Some(Node { value: Value::List(items), span: node.span })
            }
            (Shape::Pairs { .. }, Value::Table(_)) => {
                let table = value.get_ref().as_table()?;
                let mut pairs = Node::empty_table(node.span);
                self.pairs(shape, place, table, "", &mut pairs);
                Some(pairs)
            }
            (Shape::Table(section), Value::Table(_)) => {
                let table = value.get_ref().as_table()?;
                Some(self.table(section, place.path, table, at))
            }
            _ => {
                self.wrong_type(shape, &node, place, at);
                None
            }
        }
    }

    /// Reads a table of the user's own keys; tables in it are parts of longer keys if keys have dots.
    fn pairs(&mut self, shape: &Shape, place: Place<'_>, table: &Table<'_>, prefix: &str, pairs: &mut Node) {
        let Shape::Pairs { key: grammar, value: below, has_dots } = shape else { return };
        for (name, value) in table {
            let full = format!("{prefix}{}", name.get_ref());
            if let (true, Some(deeper)) = (*has_dots, value.get_ref().as_table()) {
                self.pairs(shape, place, deeper, &format!("{full}."), pairs);
                continue;
            }
            if !self.grammar(grammar, &full, place, name.span()) {
                continue;
            }
            let Some(node) = self.value(below, place, value) else { continue };
            let at = self.span(name.span());
            if let Value::Table(entries) = &mut pairs.value {
                entries.insert(full, (at, node));
            }
        }
    }

    fn number(&mut self, number: i64, least: i64, most: i64, place: Place<'_>, at: Range<usize>) -> bool {
        let is_good = (least..=most).contains(&number);
        if !is_good {
            let message = format!("`{}` is a number from {least} to {most}", place.key.name);
            self.wrong("bad-value", message, at).hint = for_example(place.key);
        }
        is_good
    }

    fn word(&mut self, words: &[Word], text: &str, place: Place<'_>, at: Range<usize>) -> bool {
        let known = || words.iter().map(|word| word.word);
        if known().any(|word| word == text) {
            return true;
        }
        let all = format!("`{}` takes {}", place.key.name, known().collect::<Vec<_>>().join(", "));
        let hint = nearest(text, known()).map_or_else(|| all.clone(), |near| format!("did you mean `{near}`? {all}"));
        let message = format!("`{}` does not know the word `{text}`", place.key.name);
        self.wrong("unknown-word", message, at).hint = Some(hint);
        false
    }

    fn grammar(&mut self, grammar: &Grammar, text: &str, place: Place<'_>, at: Range<usize>) -> bool {
        let Err(why) = (grammar.check)(text) else { return true };
        let shown = grammar.quoted(text);
        let why = if why.is_empty() { why } else { format!(": {why}") };
        let message = format!("{shown} is not {}{why}", grammar.what);
        let hint = format!("`{}` takes {}", place.key.name, grammar.rule);
        self.wrong("bad-value", message, at).hint = Some(hint);
        false
    }

    fn wrong_type(&mut self, shape: &Shape, node: &Node, place: Place<'_>, at: Range<usize>) {
        let want = match shape {
            Shape::Bool => "`true` or `false`",
            Shape::Number { .. } => "a whole number",
            Shape::Text(grammar) => grammar.what,
            Shape::NumberOr { .. } => "a number or a text",
            Shape::Word(_) => "a word in quotes",
            Shape::Path(_) => "a path in quotes",
            Shape::List { .. } => "a list",
            Shape::Pairs { .. } | Shape::Table(_) => "a table",
        };
        let message = format!("`{}` takes {want}, not {}", place.key.name, node.what());
        let hint = match (shape, shape.section()) {
            (Shape::List { .. }, Some(_)) => Some(format!("write `[[{}]]` before its keys", place.path)),
            (_, Some(_)) => Some(format!("write `[{}]` before its keys", place.path)),
            _ => for_example(place.key),
        };
        self.wrong("wrong-type", message, at).hint = hint;
    }
}

/// A key and a value that it takes, as a line of a file.
fn example(key: &Key) -> Option<String> {
    (!key.example.is_empty()).then(|| format!("{} = {}", key.name, key.example))
}

fn for_example(key: &Key) -> Option<String> {
    example(key).map(|example| format!("for example: {example}"))
}

/// A key of that name in another section.
fn elsewhere(name: &str) -> Option<String> {
    paths().into_iter().find(|path| path.rsplit('.').next() == Some(name))
}

/// Reports keys that are required and not there, in the whole of a config with all that it inherits.
pub(crate) fn missing(node: &Node) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    missing_in(declaration(), "", node, &mut mistakes);
    mistakes
}

fn missing_in(section: &Section, path: &str, node: &Node, mistakes: &mut Vec<Diagnostic>) {
    let place = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
    for key in &section.keys {
        let Some(value) = node.get(key.name) else {
            if key.presence == Presence::Required {
                let mistake = Diagnostic::error("missing-key", format!("the key `{}` is missing{place}", key.name));
                let hint = example(key).map(|example| format!("write, for example: {example}"));
                mistakes.push(Diagnostic { hint, ..mistake.at(node.span) });
            }
            continue;
        };
        let Some(below) = key.shape.section().filter(|_| value.value != Value::Wrong) else { continue };
        let below_path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
        match value.list() {
            Some(items) => items.iter().for_each(|item| missing_in(below, &below_path, item, mistakes)),
            None => missing_in(below, &below_path, value, mistakes),
        }
    }
    if !section.one_of.is_empty() && !section.one_of.iter().any(|key| node.get(key).is_some()) {
        let keys: Vec<String> = section.one_of.iter().map(|key| format!("`{key}`")).collect();
        let message = format!("one of {} has to be there{place}", keys.join(", "));
        let examples: Vec<String> = section.one_of.iter().filter_map(|key| example(section.key(key)?)).collect();
        let hint = format!("write, for example: {}", examples.join(", or: "));
        mistakes.push(Diagnostic::error("missing-key", message).at(node.span).hint(hint));
    }
}

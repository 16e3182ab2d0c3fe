//! Mistakes that one key alone does not show: what is there twice, what contradicts, what is missing for something else.

mod accounts;
mod files;
mod kernel;
mod output;
mod packages;
mod storage;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use bedplate_diag::{Diagnostic, Span};

use crate::config::ImageConfig;
use crate::declaration::declaration;
use crate::forget::identity;
use crate::node::{Node, Value};
use crate::shape::{Inherited, Section, Shape};

/// Checks the whole config. `doubtful` are keys of the outermost table with mistakes in them: nothing is said to be missing there.
pub(crate) fn all(config: &ImageConfig, doubtful: &BTreeSet<String>) -> Vec<Diagnostic> {
    let mut checks = Checks { config, doubtful, mistakes: Vec::new() };
    packages::check(&mut checks);
    accounts::check(&mut checks);
    files::check(&mut checks);
    kernel::check(&mut checks);
    storage::check(&mut checks);
    output::check(&mut checks);
    checks.mistakes
}

/// A config, and what is wrong with it.
struct Checks<'c> {
    config: &'c ImageConfig,
    doubtful: &'c BTreeSet<String>,
    mistakes: Vec<Diagnostic>,
}

impl Checks<'_> {
    /// Keeps an error; notes may be added to what is returned.
    fn wrong(&mut self, code: &'static str, at: Span, message: String, hint: impl Into<String>) -> &mut Diagnostic {
        let place = self.mistakes.len();
        self.mistakes.push(Diagnostic::error(code, message).at(at).hint(hint));
        &mut self.mistakes[place]
    }

    /// Keeps a warning.
    fn warn(&mut self, code: &'static str, at: Span, message: String, hint: impl Into<String>) {
        self.mistakes.push(Diagnostic::warning(code, message).at(at).hint(hint));
    }

    /// True if what is absent from these keys is surely absent: nothing in them had to be left out for a mistake.
    fn is_sure(&self, keys: &[&str]) -> bool {
        !self.doubtful.contains("*") && keys.iter().all(|key| !self.doubtful.contains(*key))
    }

    /// Two things that exclude each other: the later one is the mistake.
    fn conflict(&mut self, code: &'static str, one: (Span, &str), other: (Span, &str), what: impl Display) {
        let (first, second) = if one.0 <= other.0 { (one, other) } else { (other, one) };
        let mistake = self.wrong(
            code,
            second.0,
            format!("{what} is in `{}` and in `{}`", first.1, second.1),
            "remove it from one of them",
        );
        mistake
            .notes
            .push(bedplate_diag::Note { message: format!("it is in `{}` here", first.1), span: Some(first.0) });
    }
}

/// Adds the other place of a mistake.
fn also(mistake: &mut Diagnostic, message: impl Into<String>, at: Span) {
    mistake.notes.push(bedplate_diag::Note { message: message.into(), span: Some(at) });
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

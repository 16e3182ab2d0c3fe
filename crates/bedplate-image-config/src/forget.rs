//! What of an inherited config is not taken.

use std::fmt;
use std::str::FromStr;

use bedplate_diag::{Diagnostic, nearest};

use crate::declaration::{find, paths};
use crate::grammar::{GrammarError, setting_of_text};
use crate::node::{Node, Value};
use crate::shape::{Grammar, Section, Shape};
use crate::spanned::Spanned;

/// A key, or one item of a list or table: `packages.install`, `packages.install=vim`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forget {
    /// The path of the key.
    pub key: String,
    /// The item: a text of a list, a key of a table, or the name, path or type of a table in a list.
    pub item: Option<String>,
}

impl Forget {
    pub(crate) const GRAMMAR: Grammar = Grammar {
        what: "a key to forget",
        pattern: "^[a-z][a-z0-9-]*(\\.[a-z0-9-]+)*(=.+)?$",
        rule: "the path of a key, or `key=item` for one item of it, such as `packages.install=vim`",
        check: |text| text.parse::<Self>().map(|_| ()).map_err(|error| error.why),
    };

    /// Takes it away; the mistake says that it is not there.
    pub(crate) fn apply(forget: &Spanned<Self>, inherited: &mut Node) -> Result<(), Diagnostic> {
        let Self { key, item } = &forget.value;
        let absent = |what: String, near: Option<String>| {
            let hint =
                near.map_or_else(|| "remove it from `forget`".to_owned(), |near| format!("did you mean `{near}`?"));
            Diagnostic::error("nothing-to-forget", what).at(forget.span).hint(hint)
        };
        let Some(declared) = find(key) else {
            let all = paths();
            let near = nearest(key, all.iter().map(String::as_str)).map(str::to_owned);
            return Err(absent(format!("there is no key `{key}`"), near));
        };
        let not_inherited = || absent(format!("nothing of `{key}` is inherited"), None);
        let (folder, name) = key.rsplit_once('.').map_or((None, key.as_str()), |(folder, name)| (Some(folder), name));
        let mut table = inherited;
        for part in folder.into_iter().flat_map(|folder| folder.split('.')) {
            let Value::Table(entries) = &mut table.value else { return Err(not_inherited()) };
            let Some((_, below)) = entries.get_mut(part) else { return Err(not_inherited()) };
            table = below;
        }
        let Value::Table(entries) = &mut table.value else {
            return Err(absent(format!("`{key}` is a key of a table in a list, which is forgotten as a whole"), None));
        };
        let Some(item) = item else {
            return entries.remove(name).map(|_| ()).ok_or_else(not_inherited);
        };
        let Some((_, value)) = entries.get_mut(name) else { return Err(not_inherited()) };
        let known: Vec<String> = match &mut value.value {
            Value::Table(pairs) if matches!(declared.shape, Shape::Pairs { .. }) => {
                if pairs.remove(item).is_some() {
                    return Ok(());
                }
                pairs.keys().cloned().collect()
            }
            Value::List(items) => {
                let known: Vec<String> = items.iter().filter_map(|one| name_of(&declared.shape, one)).collect();
                if known.contains(item) {
                    items.retain(|one| name_of(&declared.shape, one).as_ref() != Some(item));
                    return Ok(());
                }
                known
            }
            _ => return Err(absent(format!("`{key}` has no items"), Some(key.clone()))),
        };
        let near = nearest(item, known.iter().map(String::as_str)).map(|near| format!("{key}={near}"));
        Err(absent(format!("`{item}` of `{key}` is not inherited"), near))
    }
}

/// What names an item of a list: its text, or what the declaration says of tables.
fn name_of(shape: &Shape, item: &Node) -> Option<String> {
    match shape.section() {
        None => match &item.value {
            Value::Text(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        },
        Some(section) => identity(section, item),
    }
}

/// The texts that tell tables of a list apart; a later part only counts where the first leaves a choice: a partition of a type
/// that a disk may have several of goes by its label.
pub(crate) fn identity(section: &Section, item: &Node) -> Option<String> {
    let mut keys = section.identity.iter();
    let first = item.get(keys.next()?)?.text()?;
    match keys.next() {
        Some(second) if crate::config::PartitionType::of_word(first).is_some_and(|kind| kind.may_repeat()) => {
            item.get(second).and_then(Node::text).map(str::to_owned)
        }
        _ => Some(first.to_owned()),
    }
}

impl FromStr for Forget {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, GrammarError> {
        let (key, item) = text.split_once('=').map_or((text, None), |(key, item)| (key, Some(item)));
        let is_name = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        if !key.split('.').all(is_name) || item.is_some_and(str::is_empty) {
            return Err(GrammarError { what: Self::GRAMMAR.what, why: String::new(), rule: Self::GRAMMAR.rule });
        }
        Ok(Self { key: key.to_owned(), item: item.map(str::to_owned) })
    }
}

impl fmt::Display for Forget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        self.item.iter().try_for_each(|item| write!(f, "={item}"))
    }
}

setting_of_text!(Forget);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_to_forget_is_read_as_its_pattern_says() {
        let pattern = regex::Regex::new(Forget::GRAMMAR.pattern).unwrap();
        for (text, is_good) in [
            ("storage", true),
            ("packages.install=vim", true),
            ("sysctl=net.ipv4.ip_forward", true),
            ("kernel.command-line.add=a=b", true),
            ("", false),
            ("a.", false),
            ("a=", false),
            ("A", false),
        ] {
            let read = text.parse::<Forget>();
            assert_eq!(read.is_ok(), is_good, "{text}");
            assert_eq!(pattern.is_match(text), is_good, "{text}");
            if let Ok(read) = read {
                assert_eq!(read.to_string(), text);
            }
        }
    }
}

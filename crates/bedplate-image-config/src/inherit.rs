//! Lays a config over the one that it inherits.

use bedplate_diag::Diagnostic;

use crate::forget::{Forget, identity};
use crate::node::{Node, Value};
use crate::shape::{Context, Inherited, Section, Setting, Shape};
use crate::spanned::Spanned;

/// The config of a file over that of the file that it inherits from.
pub(crate) fn lay_over(section: &Section, mut base: Node, over: Node, mistakes: &mut Vec<Diagnostic>) -> Node {
    let forget = over.get("forget").and_then(|node| Vec::<Spanned<Forget>>::take(node, &Context::default()));
    // What a file says of its own inheritance is no part of what it hands on.
    if let Value::Table(entries) = &mut base.value {
        entries.remove("inherit");
        entries.remove("forget");
    }
    for one in forget.unwrap_or_default() {
        mistakes.extend(Forget::apply(&one, &mut base).err());
    }
    table(section, base, over)
}

fn table(section: &Section, base: Node, over: Node) -> Node {
    let (Value::Table(mut entries), Value::Table(new)) = (base.value, over.value) else {
        return Node::empty_table(over.span);
    };
    if section.one_of.iter().any(|key| new.contains_key(*key)) {
        section.one_of.iter().for_each(|key| drop(entries.remove(*key)));
    }
    for (name, (at, value)) in new {
        let value = match (section.key(&name), entries.remove(&name)) {
            (Some(key), Some((_, old))) => lay(&key.shape, old, value),
            _ => value,
        };
        entries.insert(name, (at, value));
    }
    Node { value: Value::Table(entries), span: over.span }
}

fn lay(shape: &Shape, base: Node, over: Node) -> Node {
    match shape {
        Shape::Table(section) => table(section, base, over),
        Shape::Pairs { .. } => match (base.value, over.value) {
            (Value::Table(mut entries), Value::Table(new)) => {
                entries.extend(new);
                Node { value: Value::Table(entries), span: over.span }
            }
            (_, value) => Node { value, span: over.span },
        },
        Shape::List { item, inherited: Inherited::Extended } => match (base.value, over.value) {
            (Value::List(items), Value::List(new)) => {
                Node { value: Value::List(list(item, items, new)), span: over.span }
            }
            (_, value) => Node { value, span: over.span },
        },
        _ => over,
    }
}

/// Items that are there already are not added again; tables of the same name are laid over each other.
fn list(shape: &Shape, mut items: Vec<Node>, new: Vec<Node>) -> Vec<Node> {
    let inherited = items.len();
    for one in new {
        let same = items[..inherited].iter().position(|old| match shape.section() {
            Some(section) => identity(section, old).is_some_and(|name| identity(section, &one) == Some(name)),
            None => old.value == one.value,
        });
        match (same, shape.section()) {
            (Some(at), Some(section)) => {
                let old = std::mem::replace(&mut items[at], Node::empty_table(one.span));
                items[at] = table(section, old, one);
            }
            (Some(_), None) => {}
            (None, _) => items.push(one),
        }
    }
    items
}

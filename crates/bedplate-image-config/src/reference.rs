//! The page of the documentation that has every key.

use std::fmt::Write;

use crate::declaration::{declaration, header, prose, without};
use crate::shape::{Inherited, Section, Shape};

const HEAD: &str = "# Keys of an image config\n\n\
    <!-- Made from the declarations in crates/bedplate-image-config; `BLESS=1 cargo test -p bedplate-image-config` writes it. -->\n\n";

/// The reference of all keys, as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = format!(
        "{HEAD}{}\n\nHow to write one is told in [image-config.md](../image-config.md).\n",
        prose(declaration().text)
    );
    section(&mut page, "", declaration());
    page
}

fn section(page: &mut String, path: &str, section_here: &Section) {
    let is_plain = |shape: &Shape| shape.section().is_none();
    for key in section_here.keys.iter().filter(|key| is_plain(&key.shape)) {
        let full = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
        let _ = write!(page, "\n### `{full}`\n\n{}\n\n- Value: {}\n", key.prose(), key.shape.what());
        for word in key.shape.words() {
            let _ = writeln!(page, "  - `{}`: {}", word.word, prose(word.text));
        }
        if let Some(without) = without(key) {
            let _ = writeln!(page, "- Without it: {without}");
        }
        if matches!(key.shape, Shape::List { inherited: Inherited::Replaced, .. }) {
            page.push_str("- It replaces an inherited list\n");
        }
        let _ = writeln!(page, "- Example: `{} = {}`", key.name, key.example);
    }
    for key in &section_here.keys {
        let Some(below) = key.shape.section() else { continue };
        let full = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
        let _ = write!(page, "\n## `{}`\n\n{}\n", header(&full, &key.shape), key.prose());
        let names = |keys: &[&str], and: &str| keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(and);
        if let Some(without) = without(key) {
            let _ = write!(page, "\nWithout it: {without}.\n");
        }
        if let Some(identity) = below.identity.first() {
            let _ = write!(page, "\nTables of an inherited config are told apart by `{identity}`.\n");
        }
        if !below.one_of.is_empty() {
            let _ = write!(page, "\nOne of {} has to be there, and only one.\n", names(below.one_of, ", "));
        }
        section(page, &full, below);
    }
}

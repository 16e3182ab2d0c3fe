//! What a key means, for a terminal.

use bedplate_diag::nearest;

use crate::declaration::{declaration, find, header, paths, prose, without};
use crate::shape::{Key, Section};

/// How long a line of an explanation may be.
const WIDTH: usize = 100;

/// A name that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no key `{key}`")]
pub struct UnknownKey {
    /// The name.
    pub key: String,
    /// Keys that may be meant.
    pub near: Vec<String>,
}

/// Explains a key or a section by its path, such as `storage.partition.size`; without one, the whole config. The last part of a path is
/// enough where only one key has it.
///
/// # Errors
/// If there is no such key.
pub fn explain(path: Option<&str>) -> Result<String, UnknownKey> {
    let Some(path) = path else { return Ok(whole()) };
    let path = path.trim_matches(['[', ']', ' ']);
    if let Some(key) = find(path) {
        return Ok(one(path, key));
    }
    let all = paths();
    let same: Vec<&String> = all.iter().filter(|one| one.ends_with(&format!(".{path}"))).collect();
    if let ([only], true) = (&same[..], !path.is_empty())
        && let Some(key) = find(only)
    {
        return Ok(one(only, key));
    }
    let near = match same.is_empty() {
        false => same.into_iter().cloned().collect(),
        true => near(path, &all),
    };
    Err(UnknownKey { key: path.to_owned(), near })
}

/// Keys whose path, or last part, is nearly this.
fn near(path: &str, all: &[String]) -> Vec<String> {
    if let Some(near) = nearest(path, all.iter().map(String::as_str)) {
        return vec![near.to_owned()];
    }
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let wanted = last(path);
    let names: Vec<String> = all.iter().map(|path| last(path)).collect();
    let Some(near) = nearest(&wanted, names.iter().map(String::as_str)).map(str::to_owned) else { return Vec::new() };
    all.iter().filter(|path| last(path) == near || last(path) == wanted).cloned().collect()
}

fn whole() -> String {
    let mut text = wrapped("", &prose(declaration().text));
    text.push('\n');
    text.push_str(&keys(declaration()));
    text.push_str("\n`bedplate image explain KEY` says more of a key or section.\n");
    text
}

fn one(path: &str, key: &Key) -> String {
    let (section, name) = path.rsplit_once('.').map_or(("", path), |(section, name)| (section, name));
    let mut text = match key.shape.section() {
        Some(_) => header(path, &key.shape),
        None if section.is_empty() => name.to_owned(),
        None => {
            let above = find(section).map_or_else(String::new, |above| header(section, &above.shape));
            format!("{name}, in {above}")
        }
    };
    text.push_str("\n\n");
    text.push_str(&wrapped("  ", &key.prose()));
    text.push('\n');
    if key.shape.section().is_none() {
        text.push_str(&wrapped("  Value:    ", &key.shape.what()));
    }
    let width = key.shape.words().iter().map(|word| word.word.len()).max().unwrap_or_default() + 2;
    for word in key.shape.words() {
        text.push_str(&wrapped(&format!("            {:width$}", word.word), &prose(word.text)));
    }
    if let Some(without) = without(key) {
        text.push_str(&wrapped("  Without:  ", &without));
    }
    if let Some(section) = key.shape.section().filter(|section| !section.one_of.is_empty()) {
        text.push_str(&wrapped("  Needs:    ", &format!("one of {}, and only one", section.one_of.join(", "))));
    }
    if !key.example.is_empty() {
        text.push_str(&format!("  Example:  {name} = {}\n", key.example));
    }
    if let Some(below) = key.shape.section() {
        text.push_str("\n  Keys:\n");
        text.push_str(&keys(below));
    }
    text
}

/// The keys of a section, each with the first sentence of its text.
fn keys(section: &Section) -> String {
    let width = section.keys.iter().map(|key| key.name.len()).max().unwrap_or_default() + 2;
    let line = |key: &Key| {
        let text = key.prose();
        let first = text.split_inclusive(". ").next().unwrap_or_default().trim_end();
        wrapped(&format!("    {:width$}", key.name), first)
    };
    section.keys.iter().map(line).collect()
}

/// Text in lines, the first of which begins with `start` and the others as far to the right.
fn wrapped(start: &str, text: &str) -> String {
    let indent = start.chars().count();
    let (mut lines, mut line, mut length) = (String::new(), start.to_owned(), indent);
    for word in text.split(' ') {
        let more = word.chars().count();
        if length > indent && length + 1 + more > WIDTH {
            lines.push_str(line.trim_end());
            lines.push('\n');
            line = " ".repeat(indent);
            length = indent;
        }
        if length > indent {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += more;
    }
    lines.push_str(line.trim_end());
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_explained_and_slips_find_their_key() {
        for path in paths() {
            let text = explain(Some(&path)).unwrap();
            assert!(text.lines().all(|line| line.chars().count() <= WIDTH || line.starts_with("  Example:")), "{text}");
        }
        let text = explain(None).unwrap();
        assert!(declaration().keys.iter().all(|key| text.contains(&format!("\n    {} ", key.name))), "{text}");
        for (slip, near) in [
            ("storage.partition.sise", vec!["storage.partition.size"]),
            ("storge", vec!["storage"]),
            ("packages.hostnam", vec!["system.hostname"]),
            ("uid.x", vec![]),
        ] {
            assert_eq!(explain(Some(slip)).unwrap_err().near, near, "{slip}");
        }
        assert!(explain(Some("mode")).unwrap_err().near.contains(&"file.mode".to_owned()));
        assert_eq!(explain(Some("hostname")), explain(Some("system.hostname")));
        assert_eq!(explain(Some("[[user]]")), explain(Some("user")));
    }

    #[test]
    fn an_explanation_has_value_default_and_example() {
        assert_eq!(
            explain(Some("storage.size")).unwrap(),
            "size, in [storage]\n\n  Size of the disk.\n\n  Value:    a size of a disk: a size such as `30G`, or `minimal`\n  \
             Without:  `\"minimal\"`\n  Example:  size = \"30G\"\n"
        );
    }
}

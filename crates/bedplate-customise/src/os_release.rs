//! `/usr/lib/os-release`: what the package says, and which image this is (os-release(5)).

use std::collections::BTreeMap;

use bedplate_tree::TreePath;

use crate::{CustomiseError, Editor};

/// Where it lies.
const FILE: &str = "/usr/lib/os-release";

/// Its variables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OsRelease(BTreeMap<String, String>);

impl OsRelease {
    /// Reads a text; lines that are no assignment are passed over, as os-release(5) bids.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let assignments = text.lines().filter_map(|line| {
            let (name, value) = line.trim().split_once('=')?;
            (!name.starts_with('#')).then(|| (name.to_owned(), unquoted(value)))
        });
        Self(assignments.collect())
    }

    /// That of a tree; an empty one if the tree has none.
    ///
    /// # Errors
    ///
    /// If the store does not have it, or it is not UTF-8.
    pub fn of(editor: &Editor<'_>) -> Result<Self, CustomiseError> {
        for path in ["/etc/os-release", FILE] {
            if let Some(text) = editor.text(&path.parse().expect("it is a path"))? {
                return Ok(Self::parse(&text));
            }
        }
        Ok(Self::default())
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Sets `IMAGE_ID`, and `IMAGE_VERSION` if there is a version, in the tree's `/usr/lib/os-release`, whose other lines stay as they
/// are; makes `/etc/os-release` a link to it if there is none.
///
/// # Errors
///
/// If the file cannot be read or written.
pub fn identify(editor: &mut Editor<'_>, name: &str, version: Option<&str>) -> Result<(), CustomiseError> {
    editor.step("os-release");
    let file: TreePath = FILE.parse().expect("it is a path");
    let old = editor.text(&file)?.unwrap_or_default();
    let is_ours = |line: &&str| !["IMAGE_ID", "IMAGE_VERSION"].contains(&line.split('=').next().unwrap_or(""));
    let mut text: String = old.lines().filter(is_ours).map(|line| format!("{line}\n")).collect();
    text.push_str(&format!("IMAGE_ID={}\n", quoted(&lowered(name))));
    if let Some(version) = version {
        text.push_str(&format!("IMAGE_VERSION={}\n", quoted(&lowered(version))));
    }
    editor.rewrite(&file, text.as_bytes(), 0o644)?;
    if editor.look("/etc/os-release").is_none() {
        editor.link(&"/etc/os-release".parse().expect("it is a path"), "../usr/lib/os-release")?;
    }
    Ok(())
}

/// os-release(5) allows `a-z`, `0-9`, `.`, `_` and `-` in both of our values.
fn lowered(value: &str) -> String {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    value.to_ascii_lowercase().chars().map(|c| if allowed(c) { c } else { '-' }).collect()
}

/// A value as a shell reads it: bare if it can be.
fn quoted(value: &str) -> String {
    if !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        return value.to_owned();
    }
    let escaped: String =
        value.chars().flat_map(|c| "\\\"$`".contains(c).then_some('\\').into_iter().chain([c])).collect();
    format!("\"{escaped}\"")
}

fn unquoted(value: &str) -> String {
    let mut out = String::new();
    let mut quote = None;
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', None | Some('"')) => out.extend(characters.next()),
            (_, Some(open)) if character == open => quote = None,
            ('"' | '\'', None) => quote = Some(character),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use bedplate_tree::Kind;

    use super::*;
    use crate::testing::Image;

    #[test]
    fn reads_quotes_and_passes_over_the_rest() {
        let text = "# x=1\nNAME=\"An \\\"OS\\\"\"\nID='node'\nVERSION_ID=1.2\n\nnonsense\n";
        let release = OsRelease::parse(text);
        assert_eq!(release.get("NAME"), Some("An \"OS\""));
        assert_eq!(release.get("ID"), Some("node"));
        assert_eq!(release.get("VERSION_ID"), Some("1.2"));
        assert_eq!(release.get("# x"), None);
    }

    #[test]
    fn says_which_image_it_is() {
        let mut image = Image::new();
        image.file("/usr/lib/os-release", "ID=node\nIMAGE_ID=old\n# end");
        image.edit(|editor| {
            identify(editor, "Big Node", Some("1.2+3")).unwrap();
            identify(editor, "Big Node", Some("1.2+3")).unwrap();
        });
        let want = "ID=node\n# end\nIMAGE_ID=big-node\nIMAGE_VERSION=1.2-3\n";
        assert_eq!(image.text("/usr/lib/os-release"), want);
        assert_eq!(image.text("/etc/os-release"), want);
        assert_eq!(image.tree.get("/etc/os-release").unwrap().kind, Kind::Symlink("../usr/lib/os-release".into()));
    }
}

//! What a solver is asked.

use std::fmt;
use std::str::FromStr;

use bedplate_model::{Dependency, DependencyKind, Nevra, RichDependency, Sense, parse_rich};

use crate::pattern::Pattern;

/// One thing that has to be there.
///
/// ```text
/// bash                    what provides `bash`: the package of that name first
/// bash >= 5.2             … in such a version
/// /usr/bin/sh             what provides or has that path
/// (vim or nano)           a rich dependency, as `Requires` takes it
/// bash-5.2-1.x86_64       that package, if nothing provides this text
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    text: String,
    wanted: Wanted,
}

/// The meaning of an [`Item`] or of a `Requires`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A name, a path, a name with a version.
    Simple(Dependency),
    /// A rich dependency.
    Rich(RichDependency),
}

/// A text that is no [`Item`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a dependency: {message}")]
pub struct ItemError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub message: String,
}

impl Item {
    /// The text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it means.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }
}

impl From<Dependency> for Item {
    /// The item of a dependency of a package; one that is meant to be rich and is not well formed is a plain name.
    fn from(dependency: Dependency) -> Self {
        let text = text_of(&dependency);
        Self { text, wanted: wanted_of(dependency) }
    }
}

impl FromStr for Item {
    type Err = ItemError;

    fn from_str(text: &str) -> Result<Self, ItemError> {
        let text = text.trim();
        let error = |message: String| ItemError { text: text.to_owned(), message };
        if text.starts_with('(') {
            let (tree, rest) =
                parse_rich(text, DependencyKind::Requires).map_err(|problem| error(problem.to_string()))?;
            if !rest.trim().is_empty() {
                return Err(error(format!("text after the last bracket: `{}`", rest.trim())));
            }
            return Ok(Self { text: text.to_owned(), wanted: Wanted::Rich(tree) });
        }
        let dependency = parse_dependency(text).map_err(error)?;
        Ok(Self { text: text.to_owned(), wanted: Wanted::Simple(dependency) })
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads `NAME` or `NAME RELATION VERSION`; a text that begins with a bracket is a name (a rich dependency).
pub(crate) fn parse_dependency(text: &str) -> Result<Dependency, String> {
    if text.starts_with('(') {
        return Ok(Dependency::new(text, "", Sense::ANY));
    }
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    match words.as_slice() {
        [] => Err("it is empty".to_owned()),
        [name] => Ok(Dependency::new(*name, "", Sense::ANY)),
        [name, relation, version] => {
            let sense = Sense::parse_operator(relation)
                .ok_or_else(|| format!("`{relation}` is not a relation; write `=`, `<`, `<=`, `>` or `>=`"))?;
            Ok(Dependency::new(*name, *version, sense))
        }
        _ => Err("write `NAME` or `NAME RELATION VERSION`".to_owned()),
    }
}

/// The text of a dependency without its qualifiers.
pub(crate) fn text_of(dependency: &Dependency) -> String {
    let sense = dependency.sense.relation();
    if sense.is_empty() {
        dependency.name.clone()
    } else {
        format!("{} {} {}", dependency.name, sense.operator(), dependency.evr)
    }
}

/// A dependency with its tree, if it is rich.
pub(crate) fn wanted_of(dependency: Dependency) -> Wanted {
    match rich_of(&dependency, DependencyKind::Requires) {
        Some(tree) => Wanted::Rich(tree),
        None => Wanted::Simple(dependency),
    }
}

/// The tree of a rich dependency; nothing for a simple one or a tree that rpm would not take.
pub(crate) fn rich_of(dependency: &Dependency, kind: DependencyKind) -> Option<RichDependency> {
    if !dependency.is_rich() {
        return None;
    }
    let (tree, rest) = parse_rich(&dependency.name, kind).ok()?;
    rest.trim().is_empty().then_some(tree)
}

/// A package that a lock names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LockedPackage {
    /// The package.
    pub nevra: Nevra,
    /// The repository that it has to come from; any, if there is none.
    pub repository: Option<String>,
}

/// What shapes all solutions of a [`crate::Solver`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Architectures of packages that may be used; the earlier is preferred.
    pub architectures: Vec<String>,
    /// Packages that may not be used.
    pub exclude: Vec<Pattern>,
    /// Names of which several versions may be used together, as kernels.
    pub multi_version: Vec<Pattern>,
    /// Of a name that is in this list, only the listed packages may be used. A listed package is preferred to all others;
    /// it is not used if nothing wants it.
    pub locked: Vec<LockedPackage>,
    /// Packages that are preferred to all others but locked ones: what is installed already.
    pub favoured: Vec<Nevra>,
    /// True if what packages recommend is used where it can be.
    pub recommends: bool,
}

impl Default for Options {
    /// For `x86_64`, without anything else.
    fn default() -> Self {
        Self {
            architectures: vec!["x86_64".to_owned(), "noarch".to_owned()],
            exclude: Vec::new(),
            multi_version: Vec::new(),
            locked: Vec::new(),
            favoured: Vec::new(),
            recommends: false,
        }
    }
}

/// A question: what has to be there, and under which rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// What has to be there.
    pub install: Vec<Item>,
    /// The rules.
    pub options: Options,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_names_versions_paths_and_rich() {
        for text in ["bash", "bash >= 5.2-1", "/usr/bin/sh", "(a or b)", "(a if (b or c) else d)"] {
            assert_eq!(text.parse::<Item>().map(|item| item.to_string()), Ok(text.to_owned()));
        }
        for (text, message) in [
            ("", "it is empty"),
            ("a b", "write `NAME` or `NAME RELATION VERSION`"),
            ("a ~ 2", "`~` is not a relation; write `=`, `<`, `<=`, `>` or `>=`"),
            ("(a or )", "Missing argument to rich dependency op"),
            ("(a or b) c", "text after the last bracket: `c`"),
        ] {
            assert_eq!(text.parse::<Item>().map_err(|error| error.message), Err(message.to_owned()), "{text}");
        }
    }
}

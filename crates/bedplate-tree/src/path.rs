//! Paths of a tree.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An absolute path in a tree, without `.`, `..`, empty parts or a slash at its end; the root is `/`. It is UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TreePath(String);

/// Why a text is no path of a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreePathError {
    /// It does not begin with a slash.
    #[error("`{0}` is not absolute")]
    Relative(String),
    /// It has a part `.` or `..`.
    #[error("`{0}` has a part `.` or `..`")]
    Dots(String),
    /// It has two slashes in a row, or one at its end.
    #[error("`{0}` has an empty part")]
    Empty(String),
    /// It has a zero byte.
    #[error("`{0}` has a zero byte")]
    Zero(String),
}

impl TreePath {
    /// The root.
    #[must_use]
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path without the slash at its start; empty for the root.
    #[must_use]
    pub fn relative(&self) -> &str {
        &self.0[1..]
    }

    /// True for `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// The folder that it lies in; none for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let slash = self.0.rfind('/')?;
        Some(Self(if slash == 0 { "/".to_owned() } else { self.0[..slash].to_owned() }))
    }

    /// Its last part; empty for the root.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0[self.0.rfind('/').map_or(0, |slash| slash + 1)..]
    }

    /// A path below this one.
    ///
    /// # Errors
    ///
    /// If `relative` is no plain relative path.
    pub fn join(&self, relative: &str) -> Result<Self, TreePathError> {
        if self.is_root() { format!("/{relative}").parse() } else { format!("{}/{relative}", self.0).parse() }
    }

    /// True if this is `folder` or lies below it.
    #[must_use]
    pub fn is_below(&self, folder: &Self) -> bool {
        folder.is_root()
            || self.0.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The path relative to `folder`, as a path of a tree whose root is `folder`; none if it is not below.
    #[must_use]
    pub fn below(&self, folder: &Self) -> Option<Self> {
        if folder.is_root() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(folder.as_str())?;
        match rest {
            "" => Some(Self::root()),
            _ if rest.starts_with('/') => Some(Self(rest.to_owned())),
            _ => None,
        }
    }
}

impl FromStr for TreePath {
    type Err = TreePathError;

    fn from_str(text: &str) -> Result<Self, TreePathError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for TreePath {
    type Error = TreePathError;

    fn try_from(text: String) -> Result<Self, TreePathError> {
        let Some(parts) = text.strip_prefix('/') else { return Err(TreePathError::Relative(text)) };
        if text.contains('\0') {
            return Err(TreePathError::Zero(text));
        }
        if !parts.is_empty() {
            if parts.split('/').any(str::is_empty) {
                return Err(TreePathError::Empty(text));
            }
            if parts.split('/').any(|part| part == "." || part == "..") {
                return Err(TreePathError::Dots(text));
            }
        }
        Ok(Self(text))
    }
}

impl From<TreePath> for String {
    fn from(path: TreePath) -> Self {
        path.0
    }
}

impl Borrow<str> for TreePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_plain_absolute_paths() {
        for (text, expected) in [
            ("/", Ok(())),
            ("/usr/bin/a b", Ok(())),
            ("/a..b/.c", Ok(())),
            ("usr", Err(TreePathError::Relative("usr".into()))),
            ("", Err(TreePathError::Relative(String::new()))),
            ("/usr/../x", Err(TreePathError::Dots("/usr/../x".into()))),
            ("/usr/.", Err(TreePathError::Dots("/usr/.".into()))),
            ("//usr", Err(TreePathError::Empty("//usr".into()))),
            ("/usr/", Err(TreePathError::Empty("/usr/".into()))),
            ("/a\0", Err(TreePathError::Zero("/a\0".into()))),
        ] {
            assert_eq!(text.parse::<TreePath>().map(|_| ()), expected, "{text:?}");
        }
    }

    #[test]
    fn knows_its_parts() {
        let path: TreePath = "/usr/lib/os-release".parse().unwrap();
        let folder: TreePath = "/usr".parse().unwrap();
        assert_eq!((path.name(), path.parent().unwrap().as_str()), ("os-release", "/usr/lib"));
        assert_eq!(folder.parent().unwrap(), TreePath::root());
        assert_eq!(TreePath::root().parent(), None);
        assert_eq!(path.below(&folder).unwrap().as_str(), "/lib/os-release");
        assert_eq!(folder.below(&folder).unwrap(), TreePath::root());
        assert!(!"/usrx".parse::<TreePath>().unwrap().is_below(&folder));
        assert_eq!(TreePath::root().join("etc/x").unwrap().as_str(), "/etc/x");
    }
}

//! Paths in the image, modes and owners.

use std::fmt;
use std::str::FromStr;

use crate::grammar::{GrammarError, setting_of_text, text_type};
use crate::names::UserName;
use crate::node::{Node, Value};
use crate::shape::{Context, Grammar, Setting, Shape};

fn check_path(text: &str) -> Result<(), String> {
    if text.split('/').any(|part| part == "." || part == "..") {
        return Err("it has a part `.` or `..`".to_owned());
    }
    Ok(())
}

text_type! {
    /// A path in the image: absolute, without `.`, `..`, empty parts or a slash at its end.
    pub struct ImagePath;
    what "a path in the image";
    pattern "^/([^/\\x00-\\x1f]+(/[^/\\x00-\\x1f]+)*)?$";
    rule "an absolute path without `.`, `..`, double slashes or a slash at its end";
    check check_path;
}

impl ImagePath {
    /// True if this is `folder` or lies below it.
    #[must_use]
    pub fn is_below(&self, folder: &str) -> bool {
        folder == "/" || self.as_str().strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

text_type! {
    /// What a symbolic link leads to.
    pub struct LinkTarget;
    what "a target of a link";
    pattern "^[^\\x00-\\x1f]+$";
    rule "an absolute path, or one relative to the folder of the link";
}

text_type! {
    /// Where a file system is mounted.
    pub struct MountPoint;
    what "a mount point";
    pattern "^/([^/\\x00-\\x20]+(/[^/\\x00-\\x20]+)*)?$";
    rule "an absolute path without spaces, `.`, `..`, double slashes or a slash at its end";
    check |text| {
        check_path(text)?;
        let first = text[1..].split('/').next().unwrap_or_default();
        if ["proc", "sys", "dev", "run"].contains(&first) {
            return Err(format!("/{first} belongs to the running system"));
        }
        Ok(())
    };
}

text_type! {
    /// An option of a mount, as the fourth field of fstab has it.
    pub struct MountOption;
    what "a mount option";
    pattern "^[^\\s,=\\x00-\\x1f]+(=[^\\s,\\x00-\\x1f]*)?$";
    rule "one option, such as `noexec` or `size=64M`; several are several items of the list";
}

/// Permission bits of a file, with set-uid, set-gid and sticky: at most 0o7777.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mode(pub u32);

impl Mode {
    pub(crate) const GRAMMAR: Grammar = Grammar {
        what: "a mode",
        pattern: "^[0-7]?[0-7]{3}$",
        rule: "three or four octal digits in quotes, such as `\"0644\"`",
        check: |text| text.parse::<Self>().map(|_| ()).map_err(|error| error.why),
    };
}

impl FromStr for Mode {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, GrammarError> {
        let wrong = || GrammarError { what: Self::GRAMMAR.what, why: String::new(), rule: Self::GRAMMAR.rule };
        if !matches!(text.len(), 3 | 4) || !text.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
            return Err(wrong());
        }
        u32::from_str_radix(text, 8).map(Self).map_err(|_| wrong())
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

setting_of_text!(Mode);

/// Who owns a file: a user or group by its name or its number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// By number.
    Id(u32),
    /// By name, as a package or the config makes it. A group is named in the same way.
    Name(UserName),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl Setting for Owner {
    fn shape() -> Shape {
        let text = Grammar { what: "a name of a user or group", ..UserName::GRAMMAR };
        Shape::NumberOr { least: 0, most: i64::from(u32::MAX) - 1, text }
    }

    fn take(node: &Node, _: &Context) -> Option<Self> {
        match &node.value {
            Value::Number(number) => u32::try_from(*number).ok().map(Self::Id),
            Value::Text(text) => text.parse().ok().map(Self::Name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_and_plain() {
        for (text, is_path, is_mount) in [
            ("/", true, true),
            ("/usr/bin/a b", true, false),
            ("/usr", true, true),
            ("/proc/x", true, false),
            ("/process", true, true),
            ("usr", false, false),
            ("", false, false),
            ("/usr/", false, false),
            ("//usr", false, false),
            ("/usr/../x", false, false),
            ("/a/.", false, false),
            ("/a\n", false, false),
        ] {
            assert_eq!(text.parse::<ImagePath>().is_ok(), is_path, "{text:?}");
            assert_eq!(text.parse::<MountPoint>().is_ok(), is_mount, "{text:?}");
        }
        let path: ImagePath = "/usr/bin".parse().unwrap();
        assert!(path.is_below("/usr") && path.is_below("/") && path.is_below("/usr/bin") && !path.is_below("/us"));
    }

    #[test]
    fn modes_are_octal() {
        let pattern = regex::Regex::new(Mode::GRAMMAR.pattern).unwrap();
        for (text, mode) in [
            ("0644", Some(0o644)),
            ("644", Some(0o644)),
            ("4755", Some(0o4755)),
            ("7777", Some(0o7777)),
            ("0o644", None),
            ("0888", None),
            ("00644", None),
            ("64", None),
            ("", None),
        ] {
            assert_eq!(text.parse::<Mode>().ok(), mode.map(Mode), "{text}");
            assert_eq!(pattern.is_match(text), mode.is_some(), "{text}");
        }
        assert_eq!(Mode(0o644).to_string(), "0644");
    }
}

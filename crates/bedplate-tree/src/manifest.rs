//! The text form of a tree: a line that names the format, then a line of JSON for each entry, sorted by path.

use std::collections::HashSet;
use std::sync::Arc;

use bedplate_cas::Digest;
use serde::{Deserialize, Serialize};

use crate::{Entry, FileTree, InsertError, Kind, TreePath, Xattrs};

const FIRST_LINE: &str = "bedplate file tree, format 1";

/// Why a text is no tree.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It begins with another line.
    #[error("it does not begin with `{FIRST_LINE}`")]
    Format,
    /// A line that is no entry.
    #[error("line {line} is no entry")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// An entry that has no place.
    #[error("line {line} has no place")]
    Place {
        /// Counted from 1.
        line: usize,
        /// Why.
        source: InsertError,
    },
    /// It has no root, or the root is no folder.
    #[error("the root is no folder")]
    Root,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    path: TreePath,
    kind: LineKind,
    mode: u16,
    uid: u32,
    gid: u32,
    mtime: i64,
    #[serde(default, skip_serializing_if = "Xattrs::is_empty")]
    xattrs: Xattrs,
    origin: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LineKind {
    Directory,
    File(Digest),
    Symlink(String),
    HardLink(TreePath),
    CharacterDevice(u32, u32),
    BlockDevice(u32, u32),
    Fifo,
}

impl From<&Kind> for LineKind {
    fn from(kind: &Kind) -> Self {
        match kind {
            Kind::Directory => Self::Directory,
            Kind::File(digest) => Self::File(*digest),
            Kind::Symlink(target) => Self::Symlink(target.clone()),
            Kind::HardLink(target) => Self::HardLink(target.clone()),
            Kind::CharacterDevice { major, minor } => Self::CharacterDevice(*major, *minor),
            Kind::BlockDevice { major, minor } => Self::BlockDevice(*major, *minor),
            Kind::Fifo => Self::Fifo,
        }
    }
}

impl From<LineKind> for Kind {
    fn from(kind: LineKind) -> Self {
        match kind {
            LineKind::Directory => Self::Directory,
            LineKind::File(digest) => Self::File(digest),
            LineKind::Symlink(target) => Self::Symlink(target),
            LineKind::HardLink(target) => Self::HardLink(target),
            LineKind::CharacterDevice(major, minor) => Self::CharacterDevice { major, minor },
            LineKind::BlockDevice(major, minor) => Self::BlockDevice { major, minor },
            LineKind::Fifo => Self::Fifo,
        }
    }
}

impl FileTree {
    /// The tree as text. Equal trees have equal texts.
    #[must_use]
    pub fn to_manifest(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        for (path, entry) in self.iter() {
            let line = Line {
                path: path.clone(),
                kind: (&entry.kind).into(),
                mode: entry.mode,
                uid: entry.uid,
                gid: entry.gid,
                mtime: entry.mtime,
                xattrs: entry.xattrs.clone(),
                origin: entry.origin.to_string(),
            };
            text.push_str(&serde_json::to_string(&line).expect("texts and numbers are JSON"));
            text.push('\n');
        }
        text
    }

    /// A tree from its text.
    ///
    /// # Errors
    ///
    /// If the text is none that [`to_manifest`](Self::to_manifest) writes.
    pub fn from_manifest(text: &str) -> Result<Self, ManifestError> {
        let mut lines = text.lines().enumerate();
        if lines.next().is_none_or(|(_, line)| line != FIRST_LINE) {
            return Err(ManifestError::Format);
        }
        let mut tree = Self::new();
        let mut links = Vec::new();
        let mut has_root = false;
        // A package has many files, and one name.
        let mut origins: HashSet<Arc<str>> = HashSet::new();
        let mut origin_of = |name: String| match origins.get(name.as_str()) {
            Some(origin) => Arc::clone(origin),
            None => {
                let origin: Arc<str> = name.into();
                origins.insert(Arc::clone(&origin));
                origin
            }
        };
        for (number, line) in lines {
            let line_number = number + 1;
            let line: Line =
                serde_json::from_str(line).map_err(|source| ManifestError::Line { line: line_number, source })?;
            has_root |= line.path.is_root();
            let entry = Entry {
                kind: line.kind.into(),
                mode: line.mode,
                uid: line.uid,
                gid: line.gid,
                mtime: line.mtime,
                xattrs: line.xattrs,
                origin: origin_of(line.origin),
            };
            if line.path.is_root() && !entry.is_directory() {
                return Err(ManifestError::Root);
            }
            // A link may come before its file.
            if matches!(entry.kind, Kind::HardLink(_)) {
                links.push((line_number, line.path, entry));
            } else {
                tree.insert(line.path, entry).map_err(|source| ManifestError::Place { line: line_number, source })?;
            }
        }
        for (line, path, entry) in links {
            tree.insert(path, entry).map_err(|source| ManifestError::Place { line, source })?;
        }
        if has_root { Ok(tree) } else { Err(ManifestError::Root) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kinds() -> impl Strategy<Value = Kind> {
        prop_oneof![
            Just(Kind::Directory),
            ".{0,9}".prop_map(|text| Kind::File(Digest::of(text.as_bytes()))),
            "[^\\x00]{1,9}".prop_map(Kind::Symlink),
            (any::<u32>(), any::<u32>()).prop_map(|(major, minor)| Kind::CharacterDevice { major, minor }),
            (any::<u32>(), any::<u32>()).prop_map(|(major, minor)| Kind::BlockDevice { major, minor }),
            Just(Kind::Fifo),
        ]
    }

    proptest! {
        #[test]
        fn a_tree_survives_its_text(
            files in prop::collection::vec((prop::collection::vec("[a-c]{1,2}", 1..4), kinds(), 0u16..0o10000, any::<u32>(), any::<i64>(), any::<Vec<u8>>()), 0..20)
        ) {
            let mut tree = FileTree::new();
            for (at, (parts, kind, mode, owner, mtime, value)) in files.into_iter().enumerate() {
                let path: TreePath = format!("/{}", parts.join("/")).parse().unwrap();
                let xattrs = Xattrs::from([("user.x".to_owned(), value)]);
                let is_file = matches!(kind, Kind::File(_));
                let entry = Entry { kind, mode, uid: owner, gid: owner / 2, mtime, xattrs, origin: Arc::from("test") };
                if tree.insert(path.clone(), entry.clone()).is_ok() && is_file {
                    let _ = tree.insert(path.parent().unwrap().join(&format!("0{at}")).unwrap(), Entry { kind: Kind::HardLink(path), ..entry });
                }
            }
            let text = tree.to_manifest();
            prop_assert_eq!(FileTree::from_manifest(&text).unwrap(), tree);
        }
    }

    #[test]
    fn refuses_other_texts() {
        let root = r#"{"path":"/","kind":"directory","mode":493,"uid":0,"gid":0,"mtime":0,"origin":"x"}"#;
        for (text, message) in [
            (String::new(), "it does not begin with `bedplate file tree, format 1`"),
            (format!("{FIRST_LINE}\n"), "the root is no folder"),
            (format!("{FIRST_LINE}\n{root}\n{{}}\n"), "line 3 is no entry"),
            (format!("{FIRST_LINE}\n{}\n", root.replace("\"directory\"", "\"fifo\"")), "the root is no folder"),
            (
                format!(
                    "{FIRST_LINE}\n{root}\n{}\n",
                    root.replace("\"/\"", "\"/l\"").replace("\"directory\"", r#"{"hard-link":"/f"}"#)
                ),
                "line 3 has no place",
            ),
        ] {
            assert_eq!(FileTree::from_manifest(&text).unwrap_err().to_string(), message, "{text}");
        }
    }
}

//! What scripts changed is remembered in the store, so that the same scripts over the same tree are not run again.
//!
//! ```text
//! key = SHA-256 of: version │ tree │ time │ each command with its environment, input and text │ rpm's Lua
//! documents/scriptlets/KEY = the tree afterwards (a blob), what changed, the output of each command
//! ```
//!
//! A tree whose contents are not all in the store any more is no answer.

use std::collections::BTreeMap;

use bedplate_cas::{Digest, Store};
use bedplate_sandbox::Command;
use bedplate_tree::{FileTree, TreePath};
use serde::{Deserialize, Serialize};

use crate::run::LUA;
use crate::{Change, RunOptions, ScriptError};

/// Changes whenever the same scripts may leave something else than before.
const VERSION: u32 = 1;
const KIND: &str = "scriptlets";

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Memo {
    pub(crate) tree: FileTree,
    pub(crate) changes: BTreeMap<TreePath, Change>,
    /// The lines of each command.
    pub(crate) output: Vec<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    /// The text of the tree.
    tree: Digest,
    changes: BTreeMap<TreePath, Change>,
    output: Vec<Vec<String>>,
}

/// All that the result may depend on.
pub(crate) fn key(tree: &FileTree, commands: &[Command], options: &RunOptions) -> Result<String, ScriptError> {
    let mut bytes = Vec::new();
    // Each part with its length, so that no two lists of parts are the same bytes.
    let mut add = |part: &[u8]| {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part);
    };
    add(&VERSION.to_le_bytes());
    add(Digest::of(tree.to_manifest().as_bytes()).hex().as_bytes());
    add(&options.epoch.to_le_bytes());
    for command in commands {
        add(&command.argv.len().to_le_bytes());
        command.argv.iter().for_each(|word| add(word.as_encoded_bytes()));
        add(&command.env.len().to_le_bytes());
        for (name, value) in &command.env {
            add(name.as_encoded_bytes());
            add(value.as_encoded_bytes());
        }
        add(&command.input);
        if let Some((path, content)) = &command.file {
            add(path.as_os_str().as_encoded_bytes());
            add(content);
        }
    }
    // Its version; the libraries belong to it.
    if let Some(root) = options.lua.as_ref().filter(|_| commands.iter().any(is_lua)) {
        let path = root.join("usr/bin/rpmlua");
        add(&std::fs::read(&path).map_err(ScriptError::io("read", &path))?);
    }
    Ok(Digest::of(&bytes).hex())
}

fn is_lua(command: &Command) -> bool {
    command.argv.first().is_some_and(|program| program.as_encoded_bytes().starts_with(LUA.as_bytes()))
}

/// What is known of a key.
pub(crate) fn find(store: &Store, key: &str, before: &FileTree) -> Result<Option<Memo>, ScriptError> {
    let document = store.document(KIND, key)?.and_then(|bytes| serde_json::from_slice::<Document>(&bytes).ok());
    let Some(Document { tree, changes, output }) = document else { return Ok(None) };
    // What is not there, or not as it was written, is made anew.
    let Ok(text) = store.read(&tree) else { return Ok(None) };
    let Some(tree) = std::str::from_utf8(&text).ok().and_then(|text| FileTree::from_manifest(text).ok()) else {
        return Ok(None);
    };
    let known = before.contents();
    if tree.contents().iter().any(|digest| !known.contains(digest) && !store.has(digest)) {
        return Ok(None);
    }
    Ok(Some(Memo { tree, changes, output }))
}

/// Remembers what came of a run.
pub(crate) fn keep(store: &Store, key: &str, memo: &Memo) -> Result<(), ScriptError> {
    let tree = store.put(memo.tree.to_manifest().as_bytes())?;
    let document = Document { tree, changes: memo.changes.clone(), output: memo.output.clone() };
    let bytes = serde_json::to_vec(&document).expect("it has texts and numbers only");
    Ok(store.set_document(KIND, key, &bytes)?)
}

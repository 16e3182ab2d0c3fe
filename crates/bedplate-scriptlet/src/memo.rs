//! What scripts changed is remembered in the store, so that the same scripts over the same tree are not run again.
//!
//! ```text
//! key = SHA-256 of: version │ tree │ time │ each command with its environment, input and text │ rpm's Lua
//! action KEY: the tree afterwards (a blob), the contents that scripts made; what changed, the output of each command
//! ```
//!
//! An action whose blobs are not all in the store any more is no answer.

use std::collections::BTreeMap;
use std::time::Duration;

use bedplate_cas::{ActionEntry, Digest, Output, Store};
use bedplate_sandbox::Command;
use bedplate_tree::{FileTree, TreePath};
use serde::{Deserialize, Serialize};

use crate::command::LUA;
use crate::{Change, RunOptions, ScriptError};

/// Changes whenever the same scripts may leave something else than before.
const VERSION: u32 = 1;
/// The name of the tree among what the action made.
const TREE: &str = "tree";

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Memo {
    pub(crate) tree: FileTree,
    pub(crate) changes: BTreeMap<TreePath, Change>,
    /// The lines of each command.
    pub(crate) output: Vec<Vec<String>>,
}

/// What is remembered beside the blobs.
#[derive(Serialize, Deserialize)]
struct About {
    changes: BTreeMap<TreePath, Change>,
    output: Vec<Vec<String>>,
}

/// All that the result may depend on.
pub(crate) fn key(tree: &FileTree, commands: &[Command], options: &RunOptions) -> Result<Digest, ScriptError> {
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
    Ok(Digest::of(&bytes))
}

fn is_lua(command: &Command) -> bool {
    command.argv.first().is_some_and(|program| program.as_encoded_bytes().starts_with(LUA.as_bytes()))
}

/// What is known of a key.
pub(crate) fn find(store: &Store, key: &Digest) -> Result<Option<Memo>, ScriptError> {
    let Some(entry) = store.action(key)? else { return Ok(None) };
    let tree = entry.outputs.iter().find(|output| output.path == TREE);
    // A blob that turns out to be damaged is dropped, and made anew.
    let text = tree.and_then(|tree| String::from_utf8(store.read(&tree.digest).ok()?).ok());
    let tree = text.and_then(|text| FileTree::from_manifest(&text).ok());
    let about = serde_json::from_value::<About>(entry.about).ok();
    // What an older version of ours wrote is made anew.
    let (Some(tree), Some(About { changes, output })) = (tree, about) else { return Ok(None) };
    Ok(Some(Memo { tree, changes, output }))
}

/// Remembers what came of a run over a tree.
pub(crate) fn keep(
    store: &Store,
    key: &Digest,
    before: &FileTree,
    memo: &Memo,
    wall: Duration,
) -> Result<(), ScriptError> {
    let output = |path: &str, digest: Digest| Output { path: path.to_owned(), digest, executable: false };
    let mut outputs = vec![output(TREE, store.put(memo.tree.to_manifest().as_bytes())?)];
    let known = before.contents();
    let made = memo.tree.contents().into_iter().filter(|digest| !known.contains(digest));
    outputs.extend(made.map(|digest| output(&digest.hex(), digest)));
    let about = About { changes: memo.changes.clone(), output: memo.output.clone() };
    let entry = ActionEntry {
        wall_seconds: wall.as_secs_f64(),
        ..ActionEntry::assembled(
            outputs,
            Vec::new(),
            serde_json::to_value(about).expect("it has texts and numbers only"),
        )
    };
    Ok(store.record(key, &entry)?)
}

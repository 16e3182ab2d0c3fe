//! Runs scripts over a file tree, all in one sandbox.
//!
//! ```text
//! FileTree ─materialise─▶ lower folder ─┐
//!                                       ├─ overlay ─ script, script, … ─▶ upper folder ─ what changed ─▶ FileTree
//!                         upper folder ─┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bedplate_cas::Store;
use bedplate_sandbox::{Cancel, CommandEnd, End, Helper, Limits, Series, SeriesEvent, run_series, written};
use bedplate_tree::{FileTree, TreePath};

use crate::changes::{self, Change};
use crate::command::Tools;
use crate::failure::{Ended, Tail};
use crate::memo::{self, Memo};
use crate::{Failure, Native, Package, ScriptError, Step, materialise};

/// What a run needs besides the scripts.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Seconds since 1970: the time of all that scripts change, and their `SOURCE_DATE_EPOCH`.
    pub epoch: i64,
    /// A root with rpm's Lua (`/usr/bin/rpmlua` and its libraries): the group `rpm` of the seed. Only needed by scripts in Lua.
    pub lua: Option<PathBuf>,
    /// Which executable is the sandbox's helper.
    pub helper: Helper,
    /// Ends the run from another thread.
    pub cancel: Cancel,
    /// The bounds of all scripts together.
    pub limits: Limits,
}

impl Default for RunOptions {
    /// The year 1970, no Lua; half an hour, 16 GiB.
    fn default() -> Self {
        let limits =
            Limits { wall: Duration::from_secs(30 * 60), processes: 4096, disk: 16 << 30, ..Limits::default() };
        Self { epoch: 0, lua: None, helper: Helper::default(), cancel: Cancel::default(), limits }
    }
}

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// What is to be done for the whole image, because scripts that only do that were not run.
    pub natives: BTreeSet<Native>,
    /// What happened to each script, in the order of the steps.
    pub records: Vec<Record>,
    /// What scripts changed, by path.
    pub changes: BTreeMap<TreePath, Change>,
}

/// What happened to a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `%post of NAME-VERSION-RELEASE.ARCH`.
    pub script: String,
    /// What was done.
    pub done: Done,
}

/// What was done about a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It was run, and printed these lines; of much output the last MiB.
    Run(Vec<String>),
    /// It was not run; this is done for the whole image.
    Native(BTreeSet<Native>),
}

impl Ran {
    /// The log: each script with its output.
    #[must_use]
    pub fn log(&self) -> String {
        let mut log = String::new();
        for Record { script, done } in &self.records {
            match done {
                Done::Run(lines) => {
                    log.push_str(&format!("{script}: run\n"));
                    lines.iter().for_each(|line| log.push_str(&format!("  | {line}\n")));
                }
                Done::Native(natives) if natives.is_empty() => log.push_str(&format!("{script}: nothing to do\n")),
                Done::Native(natives) => {
                    let names: Vec<_> = natives.iter().map(|native| native.name()).collect();
                    log.push_str(&format!("{script}: done once for the image: {}\n", names.join(", ")));
                }
            }
        }
        log
    }
}

/// Runs the scripts of a plan in their order, until one fails, and brings what they changed into the tree. Scripts that only do
/// what is done once for the whole image are not run. Each line of output goes to `on_line` with the script's name when it is
/// printed. The store remembers what came of it: the same scripts over the same tree are not run again.
///
/// # Errors
/// [`ScriptError`]; the tree is then as it was.
pub fn run(
    tree: &mut FileTree,
    packages: &[Package],
    steps: &[Step<'_>],
    store: &Store,
    options: &RunOptions,
    on_line: &mut dyn FnMut(&str, &str),
) -> Result<Ran, ScriptError> {
    let mut ran = Ran::default();
    // The steps that are run, and their places in the plan.
    let (mut places, mut runs) = (Vec::new(), Vec::new());
    for (place, step) in steps.iter().enumerate() {
        let done = match step.natives() {
            Some(natives) => {
                ran.natives.extend(&natives);
                Done::Native(natives)
            }
            None => {
                places.push(place);
                runs.push(step);
                Done::Run(Vec::new())
            }
        };
        ran.records.push(Record { script: step.title(packages), done });
    }
    if runs.is_empty() {
        return Ok(ran);
    }
    let tools = Tools { tree, packages, options };
    tools.check(&runs)?;
    let commands: Vec<_> = runs.iter().map(|step| tools.command(step)).collect();
    let key = memo::key(tree, &commands, options)?;
    if let Some(memo) = memo::find(store, &key)? {
        *tree = memo.take(&mut ran, &places);
        return Ok(ran);
    }
    let work = Work { folder: store.work("scriptlets")?, helper: options.helper.clone() };
    let (lower, scratch) = (work.folder.path().join("lower"), work.folder.path().join("scratch"));
    let mut owners = materialise::materialise(tree, store, &lower)?;
    owners.extend(materialise::make_upper(tree, &scratch.join("upper"))?);
    let series = Series {
        owners,
        layers: vec![lower],
        scratch: scratch.clone(),
        binds: tools.binds(&runs),
        commands,
        limits: options.limits.clone(),
    };
    let mut outputs: Vec<Tail> = places.iter().map(|_| Tail::default()).collect();
    let mut last = None;
    let outcome = run_series(&series, &options.helper, &options.cancel, &mut |event| match event {
        SeriesEvent::Output { command, line } => {
            let line = String::from_utf8_lossy(line);
            on_line(&ran.records[places[command]].script, &line);
            outputs[command].push(line.into_owned());
        }
        SeriesEvent::Ended { command, end } => last = Some((command, end)),
    })?;
    // The one that a limit ended did not end by itself.
    let at = match (&outcome.end, &last) {
        (End::Limit(..), last) => last.as_ref().map_or(0, |(command, _)| command + 1),
        (_, last) => last.as_ref().map_or(0, |(command, _)| *command),
    };
    let end = match (&outcome.end, last) {
        (End::Cancelled, _) => return Err(ScriptError::Cancelled),
        (End::Exited(0), _) => None,
        (End::Limit(_, detail), _) => Some(Ended { text: detail.clone(), was_started: true }),
        (_, Some((_, CommandEnd::NotStarted(why)))) => Some(Ended { text: why, was_started: false }),
        (end, _) => Some(Ended { text: end.to_string(), was_started: true }),
    };
    if let Some(end) = end {
        let at = at.min(places.len() - 1);
        let failure = Failure::of((places[at], runs[at]), &tools, end, outputs.swap_remove(at), &outcome.violations);
        return Err(ScriptError::Failed(Box::new(failure)));
    }
    let output: Vec<Vec<String>> = outputs.into_iter().map(Tail::into_lines).collect();
    let found = written(&scratch, &options.helper)?;
    let mut changed = tree.clone();
    let origin = Arc::from("scriptlets");
    let changes = changes::apply(&mut changed, &found, &scratch.join("upper"), store, &origin, options.epoch)?;
    let memo = Memo { tree: changed, changes, output };
    memo::keep(store, &key, tree, &memo, outcome.wall)?;
    *tree = memo.take(&mut ran, &places);
    Ok(ran)
}

impl Memo {
    /// Fills in what came of the scripts at these places; gives the tree.
    fn take(self, ran: &mut Ran, places: &[usize]) -> FileTree {
        for (place, lines) in places.iter().zip(self.output) {
            ran.records[*place].done = Done::Run(lines);
        }
        ran.changes = self.changes;
        self.tree
    }
}

/// A work folder whose files belong to users of the sandbox.
struct Work {
    folder: bedplate_cas::WorkFolder,
    helper: Helper,
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed now is found by whoever opens the store next.
        for name in ["scratch", "lower"] {
            let _ = bedplate_sandbox::remove(&self.folder.path().join(name), &self.helper);
        }
    }
}

//! Runs scripts over a file tree, all in one sandbox.
//!
//! ```text
//! FileTree ─materialise─▶ lower folder ─┐
//!                                       ├─ overlay ─ script, script, … ─▶ upper folder ─ what changed ─▶ FileTree
//!                         upper folder ─┘
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bedplate_cas::Store;
use bedplate_sandbox::{
    Bind, Cancel, Command, CommandEnd, End, Helper, Limits, Series, SeriesEvent, Violation, run_series, written,
};
use bedplate_tree::{FileTree, TreePath};

use crate::changes::{self, Change};
use crate::error::LINES;
use crate::memo::{self, Memo};
use crate::{Failure, Native, Package, Script, ScriptError, Step, classify, materialise};

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
    // The steps that are run, by their places in the plan, and their commands.
    let (mut places, mut commands) = (Vec::new(), Vec::new());
    let tools = Tools { tree, packages, options };
    for (place, step) in steps.iter().enumerate() {
        let done = match classify(step.script, &step.arguments) {
            Some(natives) => {
                ran.natives.extend(&natives);
                Done::Native(natives)
            }
            None => {
                places.push(place);
                commands.push(tools.command(step)?);
                Done::Run(Vec::new())
            }
        };
        ran.records.push(Record { script: name(step, packages), done });
    }
    if commands.is_empty() {
        return Ok(ran);
    }
    let key = memo::key(tree, &commands, options)?;
    if let Some(memo) = memo::find(store, &key, tree)? {
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
        binds: tools.binds(steps, &places),
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
    let end = match (outcome.end, last) {
        (End::Cancelled, _) => return Err(ScriptError::Cancelled),
        (End::Exited(0), _) => None,
        (End::Limit(_, detail), _) => Some(Ended { text: detail, was_started: true }),
        (_, Some((_, CommandEnd::NotStarted(why)))) => Some(Ended { text: why, was_started: false }),
        (end, _) => Some(Ended { text: end.to_string(), was_started: true }),
    };
    if let Some(end) = end {
        let at = at.min(places.len() - 1);
        let failure = tools.failure(&steps[places[at]], end, outputs.swap_remove(at), &outcome.violations);
        return Err(ScriptError::Failed(Box::new(failure)));
    }
    let output: Vec<Vec<String>> = outputs.into_iter().map(Tail::into_lines).collect();
    let found = written(&scratch, &options.helper)?;
    let mut changed = tree.clone();
    let origin = Arc::from("scriptlets");
    let changes = changes::apply(&mut changed, &found, &scratch.join("upper"), store, &origin, options.epoch)?;
    let memo = Memo { tree: changed, changes, output };
    memo::keep(store, &key, &memo)?;
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

/// The last lines of a script: who prints without end must not fill the memory.
#[derive(Default)]
struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
    omitted: usize,
}

impl Tail {
    /// Bytes that are kept.
    const MOST: usize = 1 << 20;

    fn push(&mut self, line: String) {
        self.bytes += line.len() + 1;
        self.lines.push_back(line);
        while self.bytes > Self::MOST
            && let Some(first) = self.lines.pop_front()
        {
            self.bytes -= first.len() + 1;
            self.omitted += 1;
        }
    }

    fn into_lines(self) -> Vec<String> {
        let note = (self.omitted > 0).then(|| format!("({} lines before are not kept)", self.omitted));
        note.into_iter().chain(self.lines).collect()
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

/// How a script ended that did not succeed.
struct Ended {
    text: String,
    was_started: bool,
}

/// `%post of NAME-VERSION-RELEASE.ARCH`
fn name(step: &Step<'_>, packages: &[Package]) -> String {
    format!("{} of {}", step.kind.name(), packages[step.package].nevra)
}

/// Where the script's text lies while it runs.
const SCRIPT: &str = "/var/tmp/rpm-tmp.script";
/// Where rpm's Lua is shown.
pub(crate) const LUA: &str = "/run/rpm-lua";
/// `SCRIPT_PATH` of `lib/rpmscript.c`.
const PATH: &str = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/X11R6/bin";

struct Tools<'a> {
    tree: &'a FileTree,
    packages: &'a [Package],
    options: &'a RunOptions,
}

impl Tools<'_> {
    /// The command that a step is, as rpm would start it.
    fn command(&self, step: &Step<'_>) -> Result<Command, ScriptError> {
        let package = &self.packages[step.package];
        for (flag, option) in [(Script::EXPAND, "-e"), (Script::QUERY_FORMAT, "-q")] {
            if step.script.flags & flag != 0 {
                return Err(ScriptError::Expanded { package: package.nevra.to_string(), kind: step.kind, option });
            }
        }
        let mut env: Vec<(OsString, OsString)> = vec![
            ("PATH".into(), PATH.into()),
            ("HOME".into(), "/root".into()),
            ("LANG".into(), "C".into()),
            ("TERM".into(), "dumb".into()),
            // Tools of systemd then only change files.
            ("SYSTEMD_OFFLINE".into(), "1".into()),
            ("SOURCE_DATE_EPOCH".into(), self.options.epoch.to_string().into()),
        ];
        for (number, prefix) in package.prefixes.iter().enumerate() {
            env.push((format!("RPM_INSTALL_PREFIX{number}").into(), prefix.into()));
            if number == 0 {
                env.push(("RPM_INSTALL_PREFIX".into(), prefix.into()));
            }
        }
        let mut argv: Vec<OsString> = step.script.program.iter().map(Into::into).collect();
        let mut content = step.script.body.clone();
        if step.script.is_lua() {
            let root = self.options.lua.as_deref();
            let no_lua = || ScriptError::NoLua { package: package.nevra.to_string(), kind: step.kind };
            argv = lua_argv(root.ok_or_else(no_lua)?).ok_or_else(no_lua)?;
            // An image without rpm has no configuration of it either.
            if self.tree.get("/usr/lib/rpm/rpmrc").is_none() {
                env.push(("RPM_CONFIGDIR".into(), format!("{LUA}/usr/lib/rpm").into()));
            }
            content = Some(lua_script(step, package));
        }
        // A program that runs alone gets no arguments.
        if content.is_some() {
            argv.push(SCRIPT.into());
            if !step.script.is_lua() {
                argv.extend(step.arguments.iter().map(|number| number.to_string().into()));
            }
        }
        let input = step.input.iter().flat_map(|path| [path.as_bytes(), b"\n"].concat()).collect();
        Ok(Command { argv, env, input, file: content.map(|content| (SCRIPT.into(), content)) })
    }

    /// What of the host the scripts see: rpm's Lua, if one needs it.
    fn binds(&self, steps: &[Step<'_>], places: &[usize]) -> Vec<Bind> {
        let needs_lua = places.iter().any(|place| steps[*place].script.is_lua());
        let root = self.options.lua.as_ref().filter(|_| needs_lua);
        let bind = |root: &PathBuf| Bind { source: root.clone(), target: LUA.into(), writable: false };
        root.map(bind).into_iter().collect()
    }

    fn failure(&self, step: &Step<'_>, end: Ended, output: Tail, violations: &[Violation]) -> Failure {
        let script = step.script.text().into_owned();
        let program = step.script.program.join(" ");
        let mut command = program.clone();
        if step.script.body.is_some() {
            command.push_str(&format!(" {SCRIPT}"));
            step.arguments.iter().for_each(|number| command.push_str(&format!(" {number}")));
        }
        let hint = if !end.was_started {
            let interpreter = step.script.program.first().map(String::as_str).unwrap_or_default();
            let found = interpreter.parse::<TreePath>().ok().and_then(|path| self.tree.resolve(&path));
            match found.filter(|path| self.tree.get(path.as_str()).is_some()) {
                None => Some(format!(
                    "`{interpreter}` is in no package of the image: install one that has it, or leave the package out"
                )),
                Some(_) => Some("the program is there: is its own interpreter, or the loader of its libraries?".into()),
            }
        } else if let Some(violation) = violations.first() {
            Some(format!("{violation}, and scripts have no network"))
        } else if end.text.starts_with("exit status 127") {
            Some("a command that it needs is in no package of the image, or is installed later".into())
        } else {
            None
        };
        let lines: Vec<String> = output.lines.into();
        let shown = lines.len().saturating_sub(LINES);
        Failure {
            package: self.packages[step.package].nevra.to_string(),
            kind: step.kind,
            cause: step.cause.map(|cause| self.packages[cause].nevra.to_string()),
            command,
            end: end.text,
            line: line_of(&lines).filter(|line| *line > 0 && *line <= script.lines().count()),
            script,
            output: lines[shown..].to_vec(),
            omitted: output.omitted + shown,
            hint,
        }
    }
}

/// The line of the script that the last message of an interpreter names: `FILE: line 3: …`, `FILE:3: …`, `FILE: 3: …`.
fn line_of(lines: &[String]) -> Option<usize> {
    let number = |text: &str| {
        let text = text.trim_start_matches([':', ' ', ']', '"']);
        let text = text.strip_prefix("line ").unwrap_or(text);
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text[..digits].parse().ok()
    };
    lines.iter().rev().find_map(|line| number(line.split_once(SCRIPT)?.1))
}

/// rpm's Lua out of another root, with that root's own loader and libraries.
fn lua_argv(root: &Path) -> Option<Vec<OsString>> {
    let libraries = fs::read_dir(root.join("usr/lib")).ok()?.flatten().map(|entry| entry.path());
    let is_loader = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("ld-linux") && path.is_file()
    };
    let mut folders: Vec<PathBuf> = libraries.chain([root.join("usr/lib64")]).filter(|path| path.is_dir()).collect();
    folders.sort();
    let loader = folders.iter().find_map(|folder| {
        let mut files: Vec<_> = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
        files.sort();
        files.into_iter().find(is_loader)
    })?;
    if !root.join("usr/bin/rpmlua").is_file() {
        return None;
    }
    let inside = |path: &Path| Path::new(LUA).join(path.strip_prefix(root).unwrap_or(path));
    let argv = [
        inside(&loader).into_os_string(),
        "--library-path".into(),
        inside(loader.parent()?).into_os_string(),
        format!("{LUA}/usr/bin/rpmlua").into(),
    ];
    Some(argv.into())
}

/// A script with what rpm sets up before it: `runLuaScript` of `lib/rpmscript.c`. All of it is on the first line, so that messages
/// name the right one.
fn lua_script(step: &Step<'_>, package: &Package) -> Vec<u8> {
    let text = |text: &str| format!("[==[{text}]==]");
    let mut head = String::from("local opt, arg = {}, {'<lua>'");
    step.arguments.iter().for_each(|number| head.push_str(&format!(", {number}")));
    head.push_str("} ");
    if !step.input.is_empty() {
        head.push_str("rpm.next_file = function() return io.read() end ");
    }
    if !package.prefixes.is_empty() {
        let prefixes: Vec<_> = package.prefixes.iter().map(|prefix| text(prefix)).collect();
        head.push_str(&format!("RPM_INSTALL_PREFIX = {{{}}} ", prefixes.join(", ")));
    }
    [head.as_bytes(), step.script.body.as_deref().unwrap_or_default()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_lines() {
        for (line, expected) in [
            ("/var/tmp/rpm-tmp.script: line 12: x: command not found", Some(12)),
            ("/var/tmp/rpm-tmp.script: 3: x: not found", Some(3)),
            ("error: lua script failed: [string \"/var/tmp/rpm-tmp.script\"]:4: bad", Some(4)),
            ("x: no such file", None),
        ] {
            assert_eq!(line_of(&["before".to_owned(), line.to_owned()]), expected, "{line}");
        }
    }
}

//! Runs the tree of a script.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bedplate_spec::host::{Files, ShellAnswer, ShellCall};

use super::syntax::{AndOr, Assignment, Command, Kind, List, Pipeline, Redirection, Word};
use super::{Known, Unknown, arithmetic, condition, expand, parse, unknown};
use crate::pattern::Pattern;
use crate::profile::Profile;

/// Commands, loop turns and the like that one script may take.
const MOST_STEPS: u32 = 20_000;
/// Bytes that a value, an output or a file may have.
pub(super) const MOST_BYTES: usize = 256 << 10;
/// How deep commands may call commands.
const MOST_DEPTH: usize = 60;

/// What ends a list before its end.
pub(super) enum Stop {
    Unknown(Unknown),
    Exit(i32),
    Break(u32),
    Continue(u32),
}

impl From<Unknown> for Stop {
    fn from(why: Unknown) -> Self {
        Self::Unknown(why)
    }
}

pub(super) type Run<T> = Result<T, Stop>;

/// A variable of the shell.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub(super) value: Vec<u8>,
    pub(super) is_exported: bool,
}

/// Where output goes; `None` is `/dev/null`.
pub(super) type Sink = Option<usize>;

/// What a command reads.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) bytes: Vec<u8>,
    pub(super) at: usize,
    /// Some tool read it: how much of it is gone depends on buffers.
    pub(super) is_spent: bool,
}

/// The descriptors of a command.
#[derive(Debug, Clone)]
pub(super) struct Io {
    pub(super) input: Rc<RefCell<Input>>,
    pub(super) output: Sink,
    pub(super) errors: Sink,
}

/// The state of a shell.
pub(super) struct Interpreter<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) profile: &'a Profile,
    pub(super) source_dir: &'a str,
    pub(super) variables: BTreeMap<String, Variable>,
    pub(super) positional: Vec<Vec<u8>>,
    pub(super) status: i32,
    /// The script has one line, so that we know the number in a message of the shell.
    is_one_line: bool,
    buffers: Vec<Vec<u8>>,
    steps: u32,
    depth: usize,
    /// Status of the last command substitution of the current command.
    substitution: Option<i32>,
}

/// Names that the shell sets or treats by itself.
fn is_special(name: &str) -> bool {
    const NAMES: [&str; 38] = [
        "IFS",
        "PATH",
        "PWD",
        "OLDPWD",
        "HOME",
        "SHLVL",
        "RANDOM",
        "SRANDOM",
        "SECONDS",
        "LINENO",
        "UID",
        "EUID",
        "PPID",
        "GROUPS",
        "HOSTNAME",
        "HOSTTYPE",
        "MACHTYPE",
        "OSTYPE",
        "DIRSTACK",
        "FUNCNAME",
        "PIPESTATUS",
        "OPTARG",
        "OPTIND",
        "OPTERR",
        "SHELL",
        "SHELLOPTS",
        "TERM",
        "COLUMNS",
        "LINES",
        "EPOCHSECONDS",
        "EPOCHREALTIME",
        "GLOBIGNORE",
        "CDPATH",
        "ENV",
        "TMPDIR",
        "TIMEFORMAT",
        "TMOUT",
        "POSIXLY_CORRECT",
    ];
    NAMES.contains(&name)
        || name == "_"
        || ["BASH", "COMP", "HIST", "PS", "READLINE", "LD_", "GREP_", "TABSIZE"]
            .iter()
            .any(|start| name.starts_with(start))
}

/// A locale in which ASCII text behaves as we know.
fn is_plain_locale(value: &[u8]) -> bool {
    is_c_locale(value) || value == b"en_US.UTF-8" || value == b"en_US.utf8"
}

fn is_c_locale(value: &[u8]) -> bool {
    matches!(value, b"" | b"C" | b"POSIX" | b"C.UTF-8" | b"C.utf8")
}

/// The answer of a call, if it can be known.
pub(super) fn answer(call: ShellCall<'_>, files: &dyn Files, profile: &Profile) -> Known<ShellAnswer> {
    let mut variables = BTreeMap::new();
    for (name, value) in call.environment {
        let changes_the_shell = ["BASH", "LD_", "GREP_", "TABSIZE"].iter().any(|start| name.starts_with(start))
            || matches!(
                name.as_str(),
                "SHELLOPTS" | "GLOBIGNORE" | "POSIXLY_CORRECT" | "IFS" | "ENV" | "TZDIR" | "CDPATH"
            );
        if changes_the_shell {
            return unknown(format!("`{name}` in the environment"));
        }
        if (name == "LANG" || name.starts_with("LC_")) && !is_plain_locale(value.as_bytes()) {
            return unknown(format!("the locale `{value}`"));
        }
        variables.insert(name.clone(), Variable { value: value.clone().into_bytes(), is_exported: true });
    }
    if matches!(call.command.first(), Some(b'-' | b'+')) {
        // Some C libraries' `popen` would have it taken for an option.
        return unknown("a command that looks like an option");
    }
    let list = parse(call.command)?;
    let mut shell = Interpreter {
        files,
        profile,
        source_dir: call.source_dir,
        variables,
        positional: Vec::new(),
        status: 0,
        is_one_line: !call.command.contains(&b'\n'),
        buffers: vec![Vec::new(), Vec::new()],
        steps: 0,
        depth: 0,
        substitution: None,
    };
    let io = Io { input: Rc::default(), output: Some(0), errors: Some(1) };
    let status = shell.subshell(|shell| shell.list(&list, &io))?;
    let mut buffers = shell.buffers.into_iter();
    Ok(ShellAnswer { stdout: buffers.next().unwrap_or_default(), stderr: buffers.next().unwrap_or_default(), status })
}

/// The file of `$(< file)`.
fn only_input(list: &List) -> Option<&Word> {
    let [item] = list.items.as_slice() else { return None };
    let ([command], true, false) = (item.first.commands.as_slice(), item.rest.is_empty(), item.first.is_negated) else {
        return None;
    };
    match (&command.kind, command.redirections.as_slice()) {
        (Kind::Simple { assignments, words }, [Redirection::Input(word)])
            if assignments.is_empty() && words.is_empty() =>
        {
            Some(word)
        }
        _ => None,
    }
}

impl Interpreter<'_> {
    /// Counts a step of work.
    pub(super) fn step(&mut self, weight: usize) -> Known<()> {
        self.steps = self.steps.saturating_add(u32::try_from(weight).unwrap_or(u32::MAX));
        if self.steps > MOST_STEPS { unknown("too much work") } else { Ok(()) }
    }

    /// Adds to an output.
    pub(super) fn write(&mut self, sink: Sink, bytes: &[u8]) -> Known<()> {
        if let Some(buffer) = sink.and_then(|index| self.buffers.get_mut(index)) {
            if buffer.len() + bytes.len() > MOST_BYTES {
                return unknown("too much output");
            }
            buffer.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// Says something on standard error that we do not know the words of.
    pub(super) fn complain(&self, io: &Io) -> Known<()> {
        if io.errors.is_some() { unknown("a message on standard error") } else { Ok(()) }
    }

    /// The shell's own message about a file that is not there.
    pub(super) fn report_missing(&mut self, path: &[u8], io: &Io) -> Known<()> {
        if !self.is_one_line {
            return self.complain(io);
        }
        let message = [b"sh: line 1: ", path, b": No such file or directory\n"].concat();
        self.write(io.errors, &message)
    }

    /// Runs something whose changes are lost and whose `exit` ends only it.
    fn subshell(&mut self, run: impl FnOnce(&mut Self) -> Run<i32>) -> Known<i32> {
        if self.depth >= MOST_DEPTH {
            return unknown("too deeply nested");
        }
        self.depth += 1;
        let variables = self.variables.clone();
        let positional = self.positional.clone();
        let result = run(self);
        self.variables = variables;
        self.positional = positional;
        self.depth -= 1;
        match result {
            Ok(status) | Err(Stop::Exit(status)) => Ok(status),
            Err(Stop::Unknown(why)) => Err(why),
            Err(Stop::Break(_) | Stop::Continue(_)) => unknown("a jump out of a subshell"),
        }
    }

    /// Runs `run` with its output in a buffer of its own.
    fn captured(&mut self, run: impl FnOnce(&mut Self, Sink) -> Known<i32>) -> Known<(Vec<u8>, i32)> {
        let index = self.buffers.len();
        self.buffers.push(Vec::new());
        let result = run(self, Some(index));
        let bytes = self.buffers.pop().unwrap_or_default();
        Ok((bytes, result?))
    }

    /// `$(…)`: the output without its last newlines.
    pub(super) fn substitute(&mut self, list: &List, io: &Io) -> Known<Vec<u8>> {
        let (mut bytes, status) = self.captured(|shell, output| {
            let io = Io { output, ..io.clone() };
            if let Some(word) = only_input(list) {
                let path = expand::single(shell, word, &io)?;
                let bytes = shell.read_file(&path)?;
                shell.write(output, bytes.as_deref().unwrap_or_default())?;
                if bytes.is_none() {
                    shell.report_missing(&path, &io)?;
                }
                return Ok(i32::from(bytes.is_none()));
            }
            // The status before is what the first command sees.
            shell.subshell(|shell| shell.list(list, &io))
        })?;
        if bytes.contains(&0) {
            return unknown("a zero byte in a command substitution");
        }
        while bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        self.substitution = Some(status);
        Ok(bytes)
    }

    pub(super) fn list(&mut self, list: &List, io: &Io) -> Run<i32> {
        if list.items.is_empty() {
            self.status = 0;
        }
        for item in &list.items {
            self.step(1)?;
            self.and_or(item, io)?;
        }
        Ok(self.status)
    }

    /// Runs text as `eval` does.
    pub(super) fn evaluate(&mut self, text: &[u8], io: &Io) -> Run<i32> {
        if self.depth >= MOST_DEPTH {
            return Err(Unknown("too deeply nested".to_owned()).into());
        }
        let list = parse(text)?;
        self.depth += 1;
        let result = self.list(&list, io);
        self.depth -= 1;
        result
    }

    fn and_or(&mut self, item: &AndOr, io: &Io) -> Run<()> {
        self.pipeline(&item.first, io)?;
        for (is_and, pipeline) in &item.rest {
            if (self.status == 0) == *is_and {
                self.pipeline(pipeline, io)?;
            }
        }
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &Pipeline, io: &Io) -> Run<()> {
        let status = match pipeline.commands.as_slice() {
            [command] => self.command(command, io)?,
            commands => {
                let mut io = io.clone();
                let mut status = 0;
                let last = commands.len() - 1;
                for (index, command) in commands.iter().enumerate() {
                    if index == last {
                        status = self.subshell(|shell| shell.command(command, &io))?;
                    } else {
                        let stage = io.clone();
                        let (bytes, _) = self.captured(|shell, output| {
                            let stage = Io { output, ..stage };
                            shell.subshell(|shell| shell.command(command, &stage))
                        })?;
                        io.input = Rc::new(RefCell::new(Input { bytes, ..Input::default() }));
                    }
                }
                status
            }
        };
        self.status = if pipeline.is_negated { i32::from(status == 0) } else { status };
        Ok(())
    }

    fn command(&mut self, command: &Command, io: &Io) -> Run<i32> {
        self.step(1)?;
        if let Kind::Simple { assignments, words } = &command.kind {
            return self.simple(assignments, words, &command.redirections, io);
        }
        let redirected;
        let io = match self.redirected(&command.redirections, io)? {
            Ok(io) => {
                redirected = io;
                &redirected
            }
            Err(status) => return Ok(status),
        };
        let status = match &command.kind {
            Kind::Group(list) => self.list(list, io)?,
            Kind::Subshell(list) => self.subshell(|shell| shell.list(list, io))?,
            Kind::If { branches, otherwise } => {
                let mut chosen = otherwise.as_ref();
                for (condition, body) in branches {
                    if self.list(condition, io)? == 0 {
                        chosen = Some(body);
                        break;
                    }
                }
                match chosen {
                    Some(body) => self.list(body, io)?,
                    None => 0,
                }
            }
            Kind::For { name, words, body } => {
                let values = match words {
                    Some(words) => expand::fields(self, words, io)?,
                    None => self.positional.clone(),
                };
                let mut status = 0;
                for value in values {
                    self.assign(name, value)?;
                    match self.turn(body, io)? {
                        (new, true) => status = new,
                        (new, false) => {
                            status = new;
                            break;
                        }
                    }
                }
                status
            }
            Kind::While { is_until, condition, body } => {
                let mut status = 0;
                loop {
                    let is_true = self.list(condition, io)? == 0;
                    if is_true == *is_until {
                        break;
                    }
                    let (new, goes_on) = self.turn(body, io)?;
                    status = new;
                    if !goes_on {
                        break;
                    }
                }
                status
            }
            Kind::Case { word, arms } => {
                let text = expand::single(self, word, io)?;
                let mut status = 0;
                'arms: for (patterns, body) in arms {
                    for pattern in patterns {
                        let pattern = expand::pattern(self, pattern, io)?;
                        let Some(pattern) = Pattern::new(&pattern) else {
                            return Err(Unknown("a pattern of this kind".to_owned()).into());
                        };
                        if pattern.matches(&text) {
                            status = self.list(body, io)?;
                            break 'arms;
                        }
                    }
                }
                status
            }
            Kind::Condition(condition) => i32::from(!condition::double_bracket(self, condition, io)?),
            Kind::Arithmetic(expression) => i32::from(self.arithmetic(expression, io)? == 0),
            Kind::Simple { .. } => unreachable!("handled above"),
        };
        self.status = status;
        Ok(status)
    }

    /// One turn of a loop: its status, and whether the loop goes on.
    fn turn(&mut self, body: &List, io: &Io) -> Run<(i32, bool)> {
        self.step(1)?;
        match self.list(body, io) {
            Ok(status) => Ok((status, true)),
            Err(Stop::Break(1)) => Ok((0, false)),
            Err(Stop::Continue(1)) => Ok((0, true)),
            Err(Stop::Break(count)) => Err(Stop::Break(count - 1)),
            Err(Stop::Continue(count)) => Err(Stop::Continue(count - 1)),
            Err(stop) => Err(stop),
        }
    }

    fn simple(
        &mut self,
        assignments: &[Assignment],
        words: &[Word],
        redirections: &[Redirection],
        io: &Io,
    ) -> Run<i32> {
        self.substitution = None;
        let arguments = expand::command_words(self, words, io)?;
        let after_words = self.substitution.take();
        if arguments.first().is_some_and(|name| name.starts_with(b"%")) {
            return Err(Unknown("a job".to_owned()).into());
        }
        let redirected = match self.redirected(redirections, io)? {
            Ok(io) => io,
            Err(status) => {
                self.status = status;
                return Ok(status);
            }
        };
        let mut values = Vec::new();
        for assignment in assignments {
            let mut value = expand::single(self, &assignment.value, io)?;
            if assignment.appends {
                value = [self.value(&assignment.name)?.unwrap_or_default(), value].concat();
            }
            if arguments.is_empty() {
                // Each is in force for the next.
                self.assign(&assignment.name, value)?;
            } else {
                values.push((assignment.name.clone(), value));
            }
        }
        let status = if arguments.is_empty() {
            self.substitution.take().or(after_words).unwrap_or(0)
        } else {
            super::builtin::run(self, &arguments, values, &redirected)?
        };
        self.status = status;
        Ok(status)
    }

    /// The descriptors after redirections; a status if one failed.
    fn redirected(&mut self, redirections: &[Redirection], io: &Io) -> Known<Result<Io, i32>> {
        let mut io = io.clone();
        for redirection in redirections {
            match redirection {
                Redirection::Text(word) => {
                    let mut bytes = expand::single(self, word, &io)?;
                    bytes.push(b'\n');
                    io.input = Rc::new(RefCell::new(Input { bytes, ..Input::default() }));
                }
                Redirection::Input(word) => {
                    let path = expand::single(self, word, &io)?;
                    if path == b"/dev/null" {
                        io.input = Rc::default();
                        continue;
                    }
                    match self.read_file(&path)? {
                        Some(bytes) => io.input = Rc::new(RefCell::new(Input { bytes, ..Input::default() })),
                        None => {
                            self.report_missing(&path, &io)?;
                            return Ok(Err(1));
                        }
                    }
                }
                Redirection::Output { descriptors, target } => {
                    if expand::single(self, target, &io)? != b"/dev/null" {
                        return unknown("output to a file");
                    }
                    for descriptor in descriptors {
                        match descriptor {
                            1 => io.output = None,
                            2 => io.errors = None,
                            _ => return unknown("a redirection"),
                        }
                    }
                }
                Redirection::Copy { descriptor, from } => {
                    let sink = if *from == 1 { io.output } else { io.errors };
                    match descriptor {
                        1 => io.output = sink,
                        2 => io.errors = sink,
                        _ => return unknown("a redirection"),
                    }
                }
            }
        }
        Ok(Ok(io))
    }

    /// Sets a variable.
    pub(super) fn assign(&mut self, name: &str, value: Vec<u8>) -> Known<()> {
        if is_special(name) {
            return unknown(format!("setting `{name}`"));
        }
        if (name == "LANG" || name.starts_with("LC_")) && !is_plain_locale(&value) {
            return unknown("a change of the locale");
        }
        if value.len() > MOST_BYTES || !value.is_ascii() {
            return unknown("a value that is long or not ASCII");
        }
        // Copies of all variables are made for every subshell: the work is bounded by what they hold.
        self.step(1 + value.len() / 1024)?;
        match self.variables.get_mut(name) {
            Some(variable) => variable.value = value,
            None => drop(self.variables.insert(name.to_owned(), Variable { value, is_exported: false })),
        }
        Ok(())
    }

    /// The value of a variable.
    pub(super) fn value(&self, name: &str) -> Known<Option<Vec<u8>>> {
        if is_special(name) && !(matches!(name, "HOME" | "PATH" | "TMPDIR") && self.variables.contains_key(name)) {
            return unknown(format!("the value of `{name}`"));
        }
        let value = self.variables.get(name).map(|variable| variable.value.clone());
        if value.as_ref().is_some_and(|value| !value.is_ascii()) {
            unknown("a value that is not ASCII")
        } else {
            Ok(value)
        }
    }

    pub(super) fn arithmetic(&mut self, expression: &Word, io: &Io) -> Known<i64> {
        let text = expand::single(self, expression, io)?;
        self.step(1 + text.len() / 64)?;
        arithmetic::evaluate(&text, &|name| Ok(self.value(name)?.unwrap_or_default()))
    }

    /// True if text is sorted by bytes for a command with these extra variables.
    pub(super) fn sorts_by_bytes(&self, extra: &[(String, Vec<u8>)]) -> bool {
        let get = |name: &str| {
            let extra = extra.iter().rev().find(|(extra, _)| extra == name).map(|(_, value)| value.as_slice());
            let own =
                || self.variables.get(name).filter(|variable| variable.is_exported).map(|own| own.value.as_slice());
            extra.or_else(own).filter(|value| !value.is_empty())
        };
        get("LC_ALL").or_else(|| get("LC_COLLATE")).or_else(|| get("LANG")).is_none_or(is_c_locale)
    }

    /// The path of a file as [`Files`] knows it.
    pub(super) fn path(&self, path: &[u8]) -> Known<String> {
        let Ok(text) = std::str::from_utf8(path) else { return unknown("a path that is not UTF-8") };
        if text.split('/').any(|part| part == "..") || text.contains("//") {
            return unknown("a path with `..`");
        }
        if !text.starts_with('/') {
            if text.is_empty() || !self.source_dir.starts_with('/') || !self.files.exists(self.source_dir) {
                return unknown("a relative path without a source folder");
            }
            return Ok(format!("{}/{text}", self.source_dir.trim_end_matches('/')));
        }
        let is_below =
            |folder: &str| text.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        const HIDDEN: [&str; 7] = ["/tmp", "/var/tmp", "/dev", "/proc", "/sys", "/run", "/var/run"];
        let is_source = self.source_dir.len() > 1 && is_below(self.source_dir.trim_end_matches('/'));
        if !is_source && HIDDEN.iter().any(|folder| is_below(folder)) {
            return unknown("a path that a sandbox hides");
        }
        Ok(text.to_owned())
    }

    /// True if it is a folder.
    pub(super) fn is_folder(&self, path: &str) -> bool {
        self.files.exists(&format!("{}/.", path.trim_end_matches('/')))
    }

    /// The content of a file; `None` if there is none.
    pub(super) fn read_file(&mut self, path: &[u8]) -> Known<Option<Vec<u8>>> {
        let path = self.path(path)?;
        if !self.files.exists(&path) {
            return Ok(None);
        }
        if self.is_folder(&path) {
            return unknown("a folder read as a file");
        }
        match self.files.head(&path, MOST_BYTES + 1) {
            Some(bytes) if bytes.len() <= MOST_BYTES => {
                self.step(1 + bytes.len() / 1024)?;
                Ok(Some(bytes))
            }
            Some(_) => unknown("a long file"),
            None => unknown("a file that cannot be read"),
        }
    }

    /// All of standard input.
    pub(super) fn read_input(&mut self, io: &Io) -> Known<Vec<u8>> {
        let mut input = io.input.borrow_mut();
        if input.is_spent && !input.bytes.is_empty() {
            return unknown("two readers of one input");
        }
        input.is_spent = true;
        let bytes = input.bytes[input.at..].to_vec();
        drop(input);
        self.step(1 + bytes.len() / 1024)?;
        Ok(bytes)
    }
}

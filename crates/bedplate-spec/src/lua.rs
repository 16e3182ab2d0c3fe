//! `%{lua:…}`, `%[lua:f()]` and the check of `-p <lua>` bodies.
//!
//! rpm runs all scripts of a spec in one Lua state, so that a global set by one is seen by the next. So do we, but a
//! state outlives the spec: making one costs more than most specs need Lua for. What a spec gets is a fresh global
//! environment with its own copies of all library tables; nothing that one spec does is seen by the next.
//!
//! ```text
//! thread ── pool of Interpreter { mlua::Lua, prelude, compiled chunks }
//!                        ▲ taken at the first script, given back on drop
//! spec ──── Lua ─────────┘
//!            │ run(host, script) ──▶ script ── rpm.expand, macros.x ──▶ LuaHost (the engine) ──▶ run …
//! ```
//!
//! The libraries are in `lua/prelude.lua`, over the primitives in `lua/primitives.rs`. The engine does no I/O, and a
//! spec may not change the machine: files are read through [`Files`], commands run through the shell that the host
//! gives, clock, user and environment are those of [`Machine`], and what would write is an error.
//!
//! A script is bounded: in the instructions that it runs and in the memory that it takes, over all scripts of one spec.

mod pattern;
mod primitives;
mod pure;
#[cfg(test)]
mod tests;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bedplate_diag::text;
use mlua::chunk::ChunkMode;
use mlua::{Function, HookTriggers, LuaOptions, LuaString, MultiValue, StdLib, Table, Value, VmState};

use crate::dialect::Dialect;
use crate::host::{Files, Machine, ShellAnswer, ShellError};

/// Instructions of the Lua machine that the scripts of one spec may run.
const INSTRUCTION_LIMIT: u64 = if cfg!(test) { 10_000_000 } else { 200_000_000 };
/// After how many instructions the limit is looked at.
const INSTRUCTION_STEP: u32 = 2_000;
/// Time that the scripts of one spec may take, commands and nested macros not counted. An instruction on a long string
/// takes long; no spec comes near.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// Memory of one interpreter, in bytes.
const MEMORY_LIMIT: usize = 256 << 20;
/// An interpreter that holds more than this (bytes) collects its garbage before the next spec.
const COLLECT_ABOVE: usize = 32 << 20;
/// Pure scripts of which one interpreter keeps the output.
const CONSTANT_LIMIT: usize = 256;
/// Text of the scripts that one interpreter keeps compiled, in bytes.
const CHUNK_CACHE_LIMIT: usize = 8 << 20;
/// Idle interpreters that one thread keeps.
const POOL_LIMIT: usize = 4;

/// Where a script writes to, other than into its own expansion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// `io.write`, output of commands, `print` while nothing is expanded.
    Output,
    /// `io.stderr`, warnings, and standard error of commands.
    Error,
}

/// What `posix.stat` says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStatus {
    /// Kind of the file.
    pub(crate) kind: FileKind,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Size in bytes.
    pub(crate) size: u64,
    /// Time of the last change, in seconds since 1970.
    pub(crate) modified: i64,
}

/// Kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A plain file.
    Regular,
    /// A folder.
    Directory,
}

impl FileKind {
    fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Directory => "directory",
        }
    }
}

/// What Lua asks of the macro engine. `Err(())` means that the mistake has been reported already.
pub(crate) trait LuaHost {
    /// `rpm.expand`.
    fn expand(&self, text: &str) -> Result<String, ()>;
    /// `rpm.define("name body")`: a global definition.
    fn define(&self, text: &str) -> Result<(), ()>;
    /// `rpm.undefine`, `macros.name = nil`.
    fn undefine(&self, name: &str) -> Result<(), ()>;
    /// `None` if there is no such macro; else whether it takes arguments (built-in macros that do included).
    fn is_defined(&self, name: &str) -> Option<bool>;
    /// `macros.name({…})`: the arguments are literal.
    fn call_macro(&self, name: &str, arguments: &[String]) -> Result<String, ()>;
    /// `rpm.load`.
    fn load(&self, path: &str) -> Result<(), ()>;
    /// Text that does not go into the expansion.
    fn message(&self, stream: Stream, text: &str);
    /// Files that a script may read.
    fn files(&self) -> &dyn Files;
    /// Runs a command with `/bin/sh -c`.
    fn shell(&self, command: &[u8]) -> Result<ShellAnswer, ShellError>;
    /// Facts of the machine.
    fn machine(&self) -> &Machine;
    /// Which rpm to behave as.
    fn dialect(&self) -> Dialect;
    /// The folder of rpm's configuration (`%{getconfdir}`): modules are in its `lua/`, `init.lua` runs first.
    fn config_dir(&self) -> String;
    /// What `uname -m` says.
    fn hardware(&self) -> String;

    /// A script changed an environment variable (`None`: removed it). Lua itself remembers it for the rest of the spec;
    /// a host passes it on to `%{getenv:}` and to shell commands.
    fn set_environment(&self, _name: &str, _value: Option<&str>) {}

    /// The working folder.
    fn working_dir(&self) -> String {
        "/".to_owned()
    }

    /// What `posix.stat` says of a path, links followed; `None` if nothing is there.
    fn status(&self, path: &str) -> Option<FileStatus> {
        let (kind, mode, size) = match self.files().read(path) {
            Ok(bytes) => (FileKind::Regular, 0o644, bytes.len() as u64),
            Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => (FileKind::Directory, 0o755, 4096),
            Err(_) if self.files().exists(path) => (FileKind::Regular, 0o644, 0),
            Err(_) => return None,
        };
        Some(FileStatus { kind, mode, size, modified: self.machine().now })
    }

    /// The names in a folder, without `.` and `..`; `None` if it is no folder.
    fn list(&self, path: &str) -> Option<Vec<String>> {
        let folder = path.trim_end_matches('/');
        let mut found = self.files().glob(&format!("{folder}/*"));
        found.extend(self.files().glob(&format!("{folder}/.*")));
        if found.is_empty() && self.status(path)?.kind != FileKind::Directory {
            return None;
        }
        let names = found.iter().filter_map(|path| path.rsplit('/').next());
        let mut names: Vec<String> =
            names.filter(|name| !matches!(*name, "" | "." | "..")).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        Some(names)
    }

    /// Where a symbolic link points to.
    fn read_link(&self, _path: &str) -> Option<String> {
        None
    }
}

/// Why a script has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LuaError {
    /// The message as rpm words it, without `error: `.
    pub(crate) message: String,
    /// The line of the script (from 1) that was running.
    pub(crate) line: Option<u32>,
}

impl fmt::Display for LuaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for LuaError {}

/// An argument of `%[lua:f(…)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LuaArgument<'a> {
    /// A number of the expression.
    Integer(i64),
    /// A string of the expression.
    Text(&'a str),
}

/// Whether a source is a source or a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceKind {
    /// `Source:`.
    Source,
    /// `Patch:`.
    Patch,
}

/// The Lua world of one spec.
///
/// Cheap until the first script: then it takes an interpreter from the thread's pool and gives it a fresh environment.
pub(crate) struct Lua {
    dialect: Dialect,
    session: OnceCell<Session>,
    /// `None` outside of a spec, where the tables `sources`, … do not exist.
    sources: RefCell<Option<Vec<(SourceKind, String, i64)>>>,
}

struct Session {
    interpreter: Interpreter,
    /// The global environment; made by the first script that runs.
    globals: OnceCell<Table>,
}

/// A Lua state with the prelude, and what it has compiled.
struct Interpreter {
    lua: mlua::Lua,
    dialect: Dialect,
    context: Rc<Context>,
    fresh: Function,
    emit_values: Function,
    load_path: Function,
    /// Compiled scripts by chunk name and text.
    chunks: RefCell<HashMap<String, HashMap<String, Chunk>>>,
    chunk_bytes: Cell<usize>,
    /// What pure scripts print.
    constants: RefCell<HashMap<String, String>>,
    /// The functions that pure scripts call, as an environment has them at first.
    pristine: OnceCell<[Function; 3]>,
    /// Counts environments: which one a chunk was last given.
    generation: Cell<u64>,
}

#[derive(Clone)]
struct Chunk {
    function: Function,
    generation: u64,
}

/// The functions that a pure script may call, as an environment has them now.
fn pure_functions(globals: &Table) -> Option<[Function; 3]> {
    let get = |name: &str| globals.raw_get::<Function>(name).ok();
    Some([get("print")?, get("tostring")?, get("tonumber")?])
}

/// What the primitives see of the running script.
#[derive(Default)]
struct Context {
    host: RefCell<Option<Rc<dyn LuaHost>>>,
    /// What the scripts that are running have printed, the innermost last.
    printed: RefCell<Vec<Vec<u8>>>,
    /// Instructions run so far.
    spent: Cell<u64>,
    /// Time taken so far, and since when it is being taken.
    taken: Cell<Duration>,
    clock: Cell<Option<Instant>>,
    /// Environment variables that scripts of this spec changed.
    environment: RefCell<BTreeMap<String, Option<String>>>,
}

impl Context {
    fn host(&self) -> mlua::Result<Rc<dyn LuaHost>> {
        self.host.borrow().clone().ok_or_else(|| mlua::Error::runtime("no spec is being read"))
    }

    fn is_exhausted(&self) -> bool {
        self.left() == 0 || self.taken.get() >= TIME_LIMIT
    }

    /// Instructions that are left.
    fn left(&self) -> u64 {
        INSTRUCTION_LIMIT.saturating_sub(self.spent.get())
    }

    /// Time from here on belongs to the script again.
    fn restart_clock(&self) {
        self.clock.set(Some(Instant::now()));
    }

    /// Counts one more step of instructions; true if the script may go on.
    fn count_step(&self) -> bool {
        self.spent.set(self.spent.get().saturating_add(u64::from(INSTRUCTION_STEP)));
        let now = Instant::now();
        if let Some(since) = self.clock.replace(Some(now)) {
            self.taken.set(self.taken.get() + now.duration_since(since));
        }
        !self.is_exhausted()
    }
}

impl fmt::Debug for Lua {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lua").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

thread_local! {
    static POOL: RefCell<Vec<Interpreter>> = const { RefCell::new(Vec::new()) };
}

impl Lua {
    /// The Lua world of one more spec.
    pub(crate) fn acquire(dialect: Dialect) -> Self {
        Self { dialect, session: OnceCell::new(), sources: RefCell::new(None) }
    }

    /// A spec begins: the tables `sources`, `source_nums`, `patches` and `patch_nums` are there, and empty.
    pub(crate) fn begin_spec(&self) {
        *self.sources.borrow_mut() = Some(Vec::new());
        if let Some(globals) = self.globals() {
            // Only a memory limit can fail here; the next script will meet it as well and report it.
            let _ = set_sources(globals, &[]);
        }
    }

    /// Adds a source or a patch to those tables.
    pub(crate) fn add_source(&self, kind: SourceKind, path: &str, number: i64) {
        if let Some(sources) = self.sources.borrow_mut().as_mut() {
            sources.push((kind, path.to_owned(), number));
        }
        if let Some(globals) = self.globals() {
            let _ = add_source(globals, kind, path, number);
        }
    }

    /// Runs a script: `%{lua:…}`.
    ///
    /// `chunk_name` is `<lua>`, or the name of the macro whose body this is. If that macro takes arguments, `options`
    /// are its options and `arguments` its words, the first of which is its name. The result is what the script
    /// printed, followed by what it returned.
    pub(crate) fn run(
        &self,
        host: &Rc<dyn LuaHost>,
        script: &str,
        chunk_name: &str,
        options: Option<&str>,
        arguments: Option<&[String]>,
    ) -> Result<String, LuaError> {
        let session = self.session()?;
        let globals = self.environment(session, host)?;
        let interpreter = &session.interpreter;
        let is_constant = interpreter.is_constant(script, globals);
        if let Some(known) = interpreter.constants.borrow().get(script).filter(|_| is_constant) {
            return Ok(known.clone());
        }
        let chunk = interpreter
            .chunk(Prefix::Script, script, chunk_name, globals)
            .map_err(|error| LuaError::from_lua(&error, "invalid syntax in lua script: "))?;
        let (opt, arg) = interpreter
            .arguments(chunk_name, options, arguments)?
            .map_err(|error| LuaError::from_lua(&error, "lua script failed: "))?;

        let _entered = Entered::new(&interpreter.context, host);
        interpreter.context.printed.borrow_mut().push(Vec::new());
        let result = chunk.call::<MultiValue>((opt, arg));
        let result = match result {
            Ok(values) if values.is_empty() => Ok(()),
            Ok(values) => interpreter
                .emit_values
                .call::<()>(values)
                .map_err(|error| LuaError::from_lua(&error, "result print failed: ")),
            Err(error) => Err(LuaError::from_lua(&error, "lua script failed: ")),
        };
        let printed = interpreter.context.printed.borrow_mut().pop().unwrap_or_default();
        result.map(|()| {
            let printed = text_of(&printed);
            if is_constant {
                interpreter.keep_constant(script, &printed);
            }
            printed
        })
    }

    /// Checks the syntax of a script that runs when a package is installed (`%post -p <lua>`).
    pub(crate) fn check(&self, script: &str, chunk_name: &str) -> Result<(), LuaError> {
        let interpreter = &self.session()?.interpreter;
        let source = text::to_bytes(script);
        match interpreter.lua.load(until_nul(&source)).set_name(chunk_name).set_mode(ChunkMode::Text).into_function() {
            Ok(_) => Ok(()),
            Err(error) => Err(LuaError::from_lua(&error, "invalid syntax in lua scriptlet: ")),
        }
    }

    /// Calls a function by name: `%[lua:f(…)]`. `nil` and `false` are the empty string, `true` is `1`.
    pub(crate) fn call(
        &self,
        host: &Rc<dyn LuaHost>,
        function: &str,
        arguments: &[LuaArgument<'_>],
    ) -> Result<String, LuaError> {
        let session = self.session()?;
        let globals = self.environment(session, host)?;
        let interpreter = &session.interpreter;
        let failed = |error: mlua::Error| LuaError::from_lua(&error, &format!("{function}: "));
        let chunk = interpreter.chunk(Prefix::Call, function, function, globals).map_err(failed)?;
        let mut values = MultiValue::with_capacity(arguments.len());
        for argument in arguments {
            values.push_back(match argument {
                LuaArgument::Integer(number) => Value::Integer(*number),
                LuaArgument::Text(text) => {
                    let bytes = text::to_bytes(text);
                    Value::String(interpreter.lua.create_string(until_nul(&bytes)).map_err(failed)?)
                }
            });
        }
        let _entered = Entered::new(&interpreter.context, host);
        match chunk.call::<Value>(values).map_err(failed)? {
            Value::Nil | Value::Boolean(false) => Ok(String::new()),
            Value::Boolean(true) => Ok("1".to_owned()),
            value => {
                let to_text: Function = globals.get("tostring").map_err(failed)?;
                let text: LuaString = to_text.call(value).map_err(failed)?;
                Ok(text_of(&text.as_bytes()))
            }
        }
    }

    fn session(&self) -> Result<&Session, LuaError> {
        if let Some(session) = self.session.get() {
            return Ok(session);
        }
        let pooled = POOL.with_borrow_mut(|pool| {
            let index = pool.iter().rposition(|interpreter| interpreter.dialect == self.dialect)?;
            Some(pool.swap_remove(index))
        });
        let interpreter = match pooled {
            Some(interpreter) => interpreter,
            None => Interpreter::new(self.dialect)
                .map_err(|error| LuaError { message: format!("lua could not be started: {error}"), line: None })?,
        };
        Ok(self.session.get_or_init(|| Session { interpreter, globals: OnceCell::new() }))
    }

    fn globals(&self) -> Option<&Table> {
        self.session.get()?.globals.get()
    }

    /// The global environment of the spec; the first call makes it and runs `init.lua`.
    fn environment<'s>(&self, session: &'s Session, host: &Rc<dyn LuaHost>) -> Result<&'s Table, LuaError> {
        if let Some(globals) = session.globals.get() {
            return Ok(globals);
        }
        let interpreter = &session.interpreter;
        let failed = |error: mlua::Error| LuaError::from_lua(&error, "lua script failed: ");
        let _entered = Entered::new(&interpreter.context, host);
        let config_dir = host.config_dir();
        let globals = interpreter.fresh_globals(&config_dir).map_err(failed)?;
        if let Some(sources) = self.sources.borrow().as_ref() {
            set_sources(&globals, sources).map_err(failed)?;
        }
        let globals = session.globals.get_or_init(|| globals);
        let init = format!("{config_dir}/init.lua");
        if host.files().exists(&init) {
            let loaded = interpreter.load_path.call::<(Option<Function>, Option<LuaString>)>(init).map_err(failed)?;
            match loaded {
                (Some(function), _) => function.call::<()>(()).map_err(failed)?,
                (None, why) => {
                    let why = why.map(|why| text_of(&why.as_bytes())).unwrap_or_default();
                    return Err(LuaError { message: format!("invalid syntax in lua file: {why}"), line: None });
                }
            }
        }
        Ok(globals)
    }
}

impl Drop for Lua {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        let interpreter = session.interpreter;
        drop(session.globals);
        if !interpreter.is_reusable() {
            return;
        }
        // The pool is gone while the thread ends; then so is the interpreter.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < POOL_LIMIT {
                pool.push(interpreter);
            }
        });
    }
}

/// What stands before and after the text of a script.
#[derive(Clone, Copy)]
enum Prefix {
    /// A script with its two locals.
    Script,
    /// The name of a function that is called with the chunk's arguments.
    Call,
}

impl Interpreter {
    fn new(dialect: Dialect) -> mlua::Result<Self> {
        let libraries =
            StdLib::COROUTINE | StdLib::TABLE | StdLib::IO | StdLib::OS | StdLib::STRING | StdLib::UTF8 | StdLib::MATH;
        let lua = mlua::Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(false))?;
        lua.set_memory_limit(MEMORY_LIMIT)?;
        let context = Rc::new(Context::default());
        let primitives = primitives::table(&lua, &context)?;
        let number = match dialect {
            Dialect::V4_18 => 1,
            Dialect::V4_20 => 2,
            Dialect::V6 => 3,
        };
        let prelude = lua.load(prelude(&lua)?).set_name("=prelude").set_mode(ChunkMode::Binary).into_function()?;
        let (fresh, emit_values, classes, load_path): (_, _, Table, _) = prelude.call((primitives, number))?;
        primitives::register_classes(&lua, &classes)?;
        let counted = Rc::clone(&context);
        lua.set_global_hook(HookTriggers::new().every_nth_instruction(INSTRUCTION_STEP), move |_, frame| {
            if counted.count_step() {
                return Ok(VmState::Continue);
            }
            let source = frame.source();
            let place = match (source.short_src.as_deref(), frame.current_line()) {
                (Some(name), Some(line)) => format!("{name}:{line}: "),
                _ => String::new(),
            };
            Err(mlua::Error::RuntimeError(format!("{place}lua script ran too long")))
        })?;
        Ok(Self {
            lua,
            dialect,
            context,
            fresh,
            emit_values,
            load_path,
            chunks: RefCell::default(),
            chunk_bytes: Cell::new(0),
            constants: RefCell::default(),
            pristine: OnceCell::new(),
            generation: Cell::new(0),
        })
    }

    /// True unless the last spec ran into a limit: then its memory is in an unknown state.
    fn is_reusable(&self) -> bool {
        if self.context.is_exhausted() || self.context.host.borrow().is_some() {
            return false;
        }
        self.lua.used_memory() < COLLECT_ABOVE
            || (self.lua.gc_collect().is_ok() && self.lua.used_memory() < COLLECT_ABOVE)
    }

    /// A global environment that shares nothing with the one before.
    fn fresh_globals(&self, config_dir: &str) -> mlua::Result<Table> {
        self.context.spent.set(0);
        self.context.taken.set(Duration::ZERO);
        self.context.environment.borrow_mut().clear();
        self.generation.set(self.generation.get() + 1);
        let (globals, string_methods): (Table, Table) = self.fresh.call(config_dir)?;
        self.lua.set_type_metatable::<LuaString>(Some(string_methods));
        if self.pristine.get().is_none()
            && let Some(functions) = pure_functions(&globals)
        {
            let _ = self.pristine.set(functions);
        }
        Ok(globals)
    }

    /// True if a script prints the same whenever it runs, as far as can be seen, and its functions are still Lua's own.
    fn is_constant(&self, script: &str, globals: &Table) -> bool {
        if !self.constants.borrow().contains_key(script) && !pure::is_pure(script) {
            return false;
        }
        pure_functions(globals).is_some_and(|functions| self.pristine.get() == Some(&functions))
    }

    fn keep_constant(&self, script: &str, printed: &str) {
        let mut constants = self.constants.borrow_mut();
        if constants.len() < CONSTANT_LIMIT && printed.len() <= CHUNK_CACHE_LIMIT {
            constants.insert(script.to_owned(), printed.to_owned());
        }
    }

    /// A script as a function in the current environment; compiled once per interpreter.
    fn chunk(&self, prefix: Prefix, script: &str, name: &str, globals: &Table) -> mlua::Result<Function> {
        let generation = self.generation.get();
        if let Some(chunk) = self.chunks.borrow_mut().get_mut(name).and_then(|scripts| scripts.get_mut(script)) {
            if chunk.generation != generation {
                chunk.function.set_environment(globals.clone())?;
                chunk.generation = generation;
            }
            return Ok(chunk.function.clone());
        }
        let bytes = text::to_bytes(script);
        let bytes = until_nul(&bytes);
        let source = match prefix {
            Prefix::Script => [b"local opt, arg = ...;", bytes].concat(),
            Prefix::Call => [b"return (", bytes, b")(...)"].concat(),
        };
        let function = self
            .lua
            .load(source)
            .set_name(name)
            .set_mode(ChunkMode::Text)
            .set_environment(globals.clone())
            .into_function()?;
        let size = self.chunk_bytes.get() + script.len() + name.len();
        let mut chunks = self.chunks.borrow_mut();
        if size > CHUNK_CACHE_LIMIT {
            chunks.clear();
            self.chunk_bytes.set(script.len() + name.len());
        } else {
            self.chunk_bytes.set(size);
        }
        let chunk = Chunk { function: function.clone(), generation };
        chunks.entry(name.to_owned()).or_default().insert(script.to_owned(), chunk);
        Ok(function)
    }

    /// The locals `opt` and `arg`. The outer error is a mistake in the options.
    fn arguments(
        &self,
        name: &str,
        options: Option<&str>,
        arguments: Option<&[String]>,
    ) -> Result<mlua::Result<(Table, Table)>, LuaError> {
        let words = arguments.unwrap_or_default();
        let parsed = match options {
            Some(options) => Options::parse(options, words).map_err(|letter| LuaError {
                message: format!("Unknown option {letter} in {name}({options})"),
                line: None,
            })?,
            None => Options { given: Vec::new(), rest: words.iter().map(String::as_str).collect() },
        };
        let tables = || {
            let opt = self.lua.create_table_with_capacity(0, parsed.given.len())?;
            for (letter, value) in &parsed.given {
                opt.raw_set(letter.to_string(), self.lua.create_string(text::to_bytes(value))?)?;
            }
            let arg = self.lua.create_table_with_capacity(parsed.rest.len(), 0)?;
            for (index, word) in parsed.rest.iter().enumerate() {
                arg.raw_set(index + 1, self.lua.create_string(text::to_bytes(word))?)?;
            }
            Ok((opt, arg))
        };
        Ok(tables())
    }
}

/// The compiled prelude, without the names and lines that would show up in messages.
fn prelude(lua: &mlua::Lua) -> mlua::Result<&'static [u8]> {
    static COMPILED: OnceLock<Vec<u8>> = OnceLock::new();
    if let Some(compiled) = COMPILED.get() {
        return Ok(compiled);
    }
    let compiled = lua.load(include_str!("lua/prelude.lua")).set_name("=prelude").into_function()?.dump(true);
    Ok(COMPILED.get_or_init(|| compiled))
}

/// The words of a macro call, sorted by `getopt` as rpm does for a parametric macro.
struct Options<'a> {
    given: Vec<(char, &'a str)>,
    rest: Vec<&'a str>,
}

impl<'a> Options<'a> {
    /// Parses all words but the first, which is the macro's name. The error is the letter at fault.
    fn parse(options: &str, words: &'a [String]) -> Result<Self, char> {
        let mut parsed = Self { given: Vec::new(), rest: Vec::new() };
        let mut words = words.iter().skip(1).map(String::as_str);
        if options == "-" {
            parsed.rest = words.collect();
            return Ok(parsed);
        }
        let (options, stops_at_first_word) = match options.strip_prefix('+') {
            Some(options) => (options, true),
            None => (options, false),
        };
        while let Some(word) = words.next() {
            if word == "--" {
                parsed.rest.extend(words);
                break;
            }
            let Some(mut letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                parsed.rest.push(word);
                if stops_at_first_word {
                    parsed.rest.extend(words);
                    break;
                }
                continue;
            };
            while let Some(letter) = letters.chars().next() {
                letters = &letters[letter.len_utf8()..];
                let known = options.find(letter).filter(|_| letter != ':' && letter != ';').ok_or(letter)?;
                let after = &options[known + letter.len_utf8()..];
                let value = if after.starts_with("::") {
                    std::mem::take(&mut letters)
                } else if after.starts_with(':') {
                    if letters.is_empty() { words.next().ok_or(letter)? } else { std::mem::take(&mut letters) }
                } else {
                    ""
                };
                parsed.given.push((letter, value));
            }
        }
        Ok(parsed)
    }
}

/// Sets the host for as long as a script runs.
struct Entered<'a> {
    context: &'a Context,
    previous: Option<Rc<dyn LuaHost>>,
}

impl<'a> Entered<'a> {
    fn new(context: &'a Context, host: &Rc<dyn LuaHost>) -> Self {
        let previous = context.host.replace(Some(Rc::clone(host)));
        // The next step starts the clock: most scripts end before.
        context.clock.set(None);
        Self { context, previous }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.context.host.replace(self.previous.take());
    }
}

impl LuaError {
    fn from_lua(error: &mlua::Error, before: &str) -> Self {
        let whole = message_of(error);
        let (message, trace) = match whole.rfind("\nstack traceback:\n") {
            Some(at) => (&whole[..at], &whole[at..]),
            None => (whole.as_str(), ""),
        };
        // The script may be in a function of an earlier script by now: what counts is the line that it had reached.
        let main = trace.lines().find(|line| line.ends_with(": in main chunk"));
        let line = main.and_then(line_of).or_else(|| line_of(message));
        // Errors that C raises on behalf of a function of the prelude have no position: it has no lines.
        let located = Self::is_from_library(message)
            .then(|| trace.lines().find_map(|line| line.strip_prefix("\t[string \"")?.split_once(": in ")))
            .flatten()
            .map(|(place, _)| format!("[string \"{place}: {message}"));
        let message = located.as_deref().unwrap_or(message);
        // rpm prints an error that is no string as a null pointer.
        let is_object = |kind: &str| message.strip_prefix(kind).is_some_and(|rest| rest.starts_with(": 0x"));
        let is_null = message == "nil" || ["table", "function", "thread", "userdata"].into_iter().any(is_object);
        let message = if is_null { "(null)" } else { message };
        Self { message: format!("{before}{message}"), line }
    }
}

impl LuaError {
    /// True for the beginnings of messages of the standard library.
    fn is_from_library(message: &str) -> bool {
        [
            "bad argument #",
            "malformed pattern",
            "missing '['",
            "invalid ",
            "unfinished capture",
            "pattern too complex",
            "cannot change",
        ]
        .iter()
        .any(|beginning| message.starts_with(beginning))
    }
}

/// The message of an error, without what mlua puts around it.
fn message_of(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause, .. } => message_of(cause),
        mlua::Error::WithContext { cause, .. } => message_of(cause),
        mlua::Error::RuntimeError(message)
        | mlua::Error::MemoryError(message)
        | mlua::Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

/// The line in `[string "name"]:12: …`.
fn line_of(message: &str) -> Option<u32> {
    let (_, rest) = message.trim_start().strip_prefix("[string \"")?.split_once("\"]:")?;
    rest[..rest.find(|c: char| !c.is_ascii_digit())?].parse().ok()
}

fn set_sources(globals: &Table, sources: &[(SourceKind, String, i64)]) -> mlua::Result<()> {
    let empty: [Value; 0] = [];
    for name in ["patches", "sources", "patch_nums", "source_nums"] {
        globals.raw_set(name, empty.clone())?;
    }
    sources.iter().try_for_each(|(kind, path, number)| add_source(globals, *kind, path, *number))
}

fn add_source(globals: &Table, kind: SourceKind, path: &str, number: i64) -> mlua::Result<()> {
    let (paths, numbers) = match kind {
        SourceKind::Source => ("sources", "source_nums"),
        SourceKind::Patch => ("patches", "patch_nums"),
    };
    // A script may have put something else there; rpm would crash.
    if let Value::Table(table) = globals.raw_get(paths)? {
        table.raw_push(mlua::BString::from(text::to_bytes(path)))?;
    }
    if let Value::Table(table) = globals.raw_get(numbers)? {
        table.raw_push(number)?;
    }
    Ok(())
}

/// Bytes up to the first NUL: what C sees of a string.
fn until_nul(bytes: &[u8]) -> &[u8] {
    memchr::memchr(0, bytes).map_or(bytes, |end| &bytes[..end])
}

fn text_of(bytes: &[u8]) -> String {
    text::from_bytes(until_nul(bytes))
}

//! The engine as Lua code sees it.

use std::rc::Rc;

use bedplate_diag::Diagnostic;

use crate::dialect::Dialect;
use crate::expr::Arg;
use crate::host::{Files, Machine, ShellAnswer, ShellError};
use crate::lua::{Lua, LuaArgument, LuaError, LuaHost, SourceKind, Stream};
use crate::macros::engine::Engine;
use crate::macros::expand::{Arguments, Buffer};
use crate::macros::table::level;

impl LuaHost for Engine {
    fn expand(&self, text: &str) -> Result<String, ()> {
        Engine::expand(self, text).map_err(|_| ())
    }

    fn define(&self, text: &str) -> Result<(), ()> {
        self.define_text(text, level::GLOBAL).map_err(|_| ())
    }

    fn undefine(&self, name: &str) -> Result<(), ()> {
        // Unlike `%undefine` this takes any name.
        self.pop(name);
        Ok(())
    }

    fn is_defined(&self, name: &str) -> Option<bool> {
        self.lookup(name).map(|entry| entry.options.is_some())
    }

    fn call_macro(&self, name: &str, arguments: &[String]) -> Result<String, ()> {
        let Some(entry) = self.lookup(name) else { return Err(()) };
        let mut buffer =
            Buffer { depth: self.context_depth.get() + 1, level: self.context_level.get(), ..Buffer::default() };
        let arguments = if entry.options.is_some() {
            let words = std::iter::once(name.to_owned()).chain(arguments.iter().cloned());
            match &entry.body {
                crate::macros::table::Body::Builtin(builtin) if builtin.parses_itself() => {
                    Arguments::Raw(arguments.first().map(String::as_str).unwrap_or_default())
                }
                _ => Arguments::Words(words.collect()),
            }
        } else {
            Arguments::None
        };
        self.do_macro(&mut buffer, &entry, arguments);
        if buffer.error { Err(()) } else { Ok(buffer.out) }
    }

    fn load(&self, path: &str) -> Result<(), ()> {
        self.load_macro_file(path).map_err(|_| ())
    }

    fn message(&self, stream: Stream, text: &str) {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let code = if stream == Stream::Output { "lua-output" } else { "lua-message" };
            self.report(Diagnostic::info(code, line));
        }
    }

    fn files(&self) -> &dyn Files {
        &*self.world.files
    }

    fn shell(&self, command: &[u8]) -> Result<ShellAnswer, ShellError> {
        Engine::shell(self, command)
    }

    fn machine(&self) -> &Machine {
        &self.world.machine
    }

    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn config_dir(&self) -> String {
        self.config.directory.clone()
    }

    fn set_environment(&self, name: &str, value: Option<&str>) {
        self.set_variable(name, value);
    }

    fn hardware(&self) -> String {
        self.config.machine.arch.clone()
    }
}

impl Engine {
    fn lua(&self) -> Rc<Lua> {
        Rc::clone(self.lua.borrow_mut().get_or_insert_with(|| Rc::new(Lua::acquire(self.dialect))))
    }

    fn lua_host(&self) -> Option<Rc<dyn LuaHost>> {
        self.counted().map(|engine| engine as Rc<dyn LuaHost>)
    }

    /// Runs a script and appends what it printed.
    pub(crate) fn run_lua(
        &self,
        buffer: &mut Buffer,
        script: &str,
        name: &str,
        options: Option<&str>,
        arguments: Option<&[String]>,
    ) {
        let Some(host) = self.lua_host() else { return };
        let before = (self.context_depth.replace(buffer.depth), self.context_level.replace(buffer.level));
        let reported = self.diagnostics.borrow().len();
        let result = self.lua().run(&host, script, name, options, arguments);
        self.context_depth.set(before.0);
        self.context_level.set(before.1);
        match result {
            Ok(printed) => {
                // What the script survived (`pcall`, `macros.error({…})`) does not make the spec bad.
                self.pass_over(reported);
                buffer.out.push_str(&printed);
            }
            Err(error) => self.fail(buffer, lua_fault(&error)),
        }
    }

    /// `%[lua:name(…)]`.
    pub(crate) fn lua_function(&self, function: &str, args: &[Arg]) -> Result<String, ()> {
        let host = self.lua_host().ok_or(())?;
        let arguments: Vec<LuaArgument<'_>> = args
            .iter()
            .map(|arg| match arg {
                Arg::Integer(number) => LuaArgument::Integer(i64::from(*number)),
                Arg::String(text) => LuaArgument::Text(text),
            })
            .collect();
        self.lua().call(&host, function, &arguments).map_err(|error| self.report(lua_fault(&error)))
    }

    /// Checks the syntax of a `-p <lua>` body.
    pub(crate) fn check_lua(&self, script: &str) -> Result<(), String> {
        self.lua().check(script, "<lua>").map_err(|error| error.message)
    }

    /// A spec begins: Lua's tables of sources and patches are empty.
    pub(crate) fn reset_lua_sources(&self) {
        self.lua().begin_spec();
    }

    /// Adds a source or a patch to Lua's tables.
    pub(crate) fn add_lua_source(&self, path: &str, number: u32, is_patch: bool) {
        let kind = if is_patch { SourceKind::Patch } else { SourceKind::Source };
        self.lua().add_source(kind, path, i64::from(number));
    }
}

fn lua_fault(error: &LuaError) -> Diagnostic {
    let diagnostic = Diagnostic::error("lua-failed", error.message.clone());
    match error.line {
        Some(line) => diagnostic.note(format!("at line {line} of the script"), None),
        None => diagnostic,
    }
}

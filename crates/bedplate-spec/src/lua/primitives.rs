//! The few functions of Rust that `prelude.lua` builds rpm's Lua libraries on.
//!
//! None of them raises an error that a script could see: they return a marker, and the prelude raises. (An error that
//! comes out of Rust is an object in Lua; scripts expect a string.)

use std::borrow::Cow;
use std::cmp::Ordering;
use std::io;
use std::rc::Rc;

use bedplate_diag::text;
use bedplate_model::{LooseEvr, vercmp};
use mlua::{AnyUserData, LuaString, Table, UserDataFields, Value, Variadic};

use super::pattern::{self, Matches};
use super::{Context, Stream, text_of};
use crate::dialect::Dialect;

/// Steps that one call with a pattern may take.
const PATTERN_LIMIT: u64 = super::INSTRUCTION_LIMIT / 4;

/// A version (`rpm.ver`).
struct VersionObject;
/// A stream of `rpm.open`.
struct StreamObject;
/// A file of `io.open`.
struct FileObject;
/// The global `macros`.
struct MacrosObject;
/// What `rpm.register` returns.
struct HookObject;

/// Gives the object types the metamethods that the prelude made for them.
pub(super) fn register_classes(lua: &mlua::Lua, classes: &Table) -> mlua::Result<()> {
    fn register<T: 'static>(lua: &mlua::Lua, class: Table) -> mlua::Result<()> {
        let fields = class.pairs::<String, Value>().collect::<mlua::Result<Vec<_>>>()?;
        lua.register_userdata_type::<T>(|registry| {
            for (name, value) in fields {
                registry.add_meta_field(name, value);
            }
        })
    }
    register::<VersionObject>(lua, classes.get("ver")?)?;
    register::<StreamObject>(lua, classes.get("fd")?)?;
    register::<FileObject>(lua, classes.get("file")?)?;
    register::<MacrosObject>(lua, classes.get("macros")?)
}

/// The table `host` of the prelude.
pub(super) fn table(lua: &mlua::Lua, context: &Rc<Context>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    add_engine(lua, context, &table)?;
    add_world(lua, context, &table)?;
    add_text(lua, &table)?;
    add_interpreter(lua, context, &table)?;
    Ok(table)
}

/// Output and macros.
fn add_engine(lua: &mlua::Lua, context: &Rc<Context>, table: &Table) -> mlua::Result<()> {
    let own = Rc::clone(context);
    let emit = lua.create_function(move |_, pieces: Variadic<LuaString>| emit(&own, &pieces))?;
    table.raw_set("emit", emit)?;

    let own = Rc::clone(context);
    let message = lua.create_function(move |_, (stream, text): (i64, LuaString)| {
        let stream = if stream == 2 { Stream::Error } else { Stream::Output };
        if !text.as_bytes().is_empty() {
            own.host()?.message(stream, &text::from_bytes(&text.as_bytes()));
        }
        Ok(())
    })?;
    table.raw_set("message", message)?;

    let own = Rc::clone(context);
    let expand = lua.create_function(move |lua, text: LuaString| {
        let expanded = own.host()?.expand(&c_text(&text));
        own.restart_clock();
        answer(lua, expanded)
    })?;
    table.raw_set("expand", expand)?;

    let own = Rc::clone(context);
    let define = lua.create_function(move |_, text: LuaString| Ok(own.host()?.define(&c_text(&text)).is_ok()))?;
    table.raw_set("define", define)?;

    let own = Rc::clone(context);
    let undefine = lua.create_function(move |_, name: LuaString| Ok(own.host()?.undefine(&c_text(&name)).is_ok()))?;
    table.raw_set("undefine", undefine)?;

    let own = Rc::clone(context);
    let defined = lua.create_function(move |_, name: LuaString| Ok(own.host()?.is_defined(&c_text(&name))))?;
    table.raw_set("isdefined", defined)?;

    let own = Rc::clone(context);
    let call = lua.create_function(move |lua, (name, words): (LuaString, Vec<LuaString>)| {
        let words: Vec<String> = words.iter().map(c_text).collect();
        let expanded = own.host()?.call_macro(&c_text(&name), &words);
        own.restart_clock();
        answer(lua, expanded)
    })?;
    table.raw_set("call_macro", call)?;

    let own = Rc::clone(context);
    let load = lua.create_function(move |_, path: LuaString| {
        let loaded = own.host()?.load(&c_text(&path));
        own.restart_clock();
        Ok(loaded.is_ok())
    })?;
    table.raw_set("load", load)
}

/// Files, commands and facts of the machine.
fn add_world(lua: &mlua::Lua, context: &Rc<Context>, table: &Table) -> mlua::Result<()> {
    let own = Rc::clone(context);
    let read = lua.create_function(move |lua, path: LuaString| {
        let path = c_text(&path);
        match own.host()?.files().read(&squeezed(&path)) {
            Ok(bytes) => Ok((Some(lua.create_string(bytes)?), None, None)),
            Err(error) => {
                let (message, number) = system_message(&error);
                Ok((None, Some(lua.create_string(text::to_bytes(&format!("{path}: {message}")))?), Some(number)))
            }
        }
    })?;
    table.raw_set("read", read)?;

    let own = Rc::clone(context);
    let exists =
        lua.create_function(move |_, path: LuaString| Ok(own.host()?.files().exists(&squeezed(&c_text(&path)))))?;
    table.raw_set("exists", exists.clone())?;
    table.raw_set("readable", exists)?;

    let own = Rc::clone(context);
    let glob = lua.create_function(move |lua, pattern: LuaString| {
        let paths = own.host()?.files().glob(&c_text(&pattern));
        sequence(lua, paths.iter().map(String::as_str))
    })?;
    table.raw_set("glob", glob)?;

    let own = Rc::clone(context);
    let list = lua.create_function(move |lua, path: LuaString| {
        let names = own.host()?.list(&c_text(&path));
        names.map(|names| sequence(lua, [".", ".."].into_iter().chain(names.iter().map(String::as_str)))).transpose()
    })?;
    table.raw_set("list", list)?;

    let own = Rc::clone(context);
    let stat = lua.create_function(move |_, path: LuaString| {
        Ok(match own.host()?.status(&c_text(&path)) {
            Some(status) => (Some(status.kind.name()), Some(status.mode), Some(status.size), Some(status.modified)),
            None => (None, None, None, None),
        })
    })?;
    table.raw_set("stat", stat)?;

    let own = Rc::clone(context);
    let readlink = lua.create_function(move |lua, path: LuaString| {
        own.host()?.read_link(&c_text(&path)).map(|target| lua_text(lua, &target)).transpose()
    })?;
    table.raw_set("readlink", readlink)?;

    let own = Rc::clone(context);
    let shell = lua.create_function(move |lua, command: LuaString| {
        let host = own.host()?;
        let answer = host.shell(super::until_nul(&command.as_bytes()));
        own.restart_clock();
        match answer {
            Ok(answer) => {
                if !answer.stderr.is_empty() {
                    host.message(Stream::Error, &text::from_bytes(&answer.stderr));
                }
                Ok((Value::String(lua.create_string(answer.stdout)?), Value::Integer(i64::from(answer.status))))
            }
            Err(error) => Ok((Value::Nil, Value::String(lua.create_string(error.to_string())?))),
        }
    })?;
    table.raw_set("shell", shell)?;

    let own = Rc::clone(context);
    table.raw_set("now", lua.create_function(move |_, ()| Ok(own.host()?.machine().now))?)?;
    let own = Rc::clone(context);
    table.raw_set("hardware", lua.create_function(move |lua, ()| lua_text(lua, &own.host()?.hardware()))?)?;
    let own = Rc::clone(context);
    table.raw_set("cwd", lua.create_function(move |lua, ()| lua_text(lua, &own.host()?.working_dir()))?)?;
    add_environment(lua, context, table)
}

fn add_environment(lua: &mlua::Lua, context: &Rc<Context>, table: &Table) -> mlua::Result<()> {
    let own = Rc::clone(context);
    let getenv = lua.create_function(move |lua, name: LuaString| {
        let name = c_text(&name);
        let host = own.host()?;
        let changed = own.environment.borrow().get(&name).cloned();
        let value = changed.unwrap_or_else(|| host.machine().environment.get(&name).cloned());
        value.map(|value| lua_text(lua, &value)).transpose()
    })?;
    table.raw_set("getenv", getenv)?;

    let own = Rc::clone(context);
    let setenv = lua.create_function(move |_, (name, value): (LuaString, Option<LuaString>)| {
        let (name, value) = (c_text(&name), value.as_ref().map(c_text));
        own.host()?.set_environment(&name, value.as_deref());
        own.environment.borrow_mut().insert(name, value);
        Ok(())
    })?;
    table.raw_set("setenv", setenv)?;

    let own = Rc::clone(context);
    let environment = lua.create_function(move |lua, ()| {
        let mut all = own.host()?.machine().environment.clone();
        for (name, value) in own.environment.borrow().iter() {
            match value {
                Some(value) => all.insert(name.clone(), value.clone()),
                None => all.remove(name),
            };
        }
        let table = lua.create_table()?;
        for (name, value) in &all {
            table.raw_set(lua_text(lua, name)?, lua_text(lua, value)?)?;
        }
        Ok(table)
    })?;
    table.raw_set("environment", environment)
}

/// Versions, base64 and words.
fn add_text(lua: &mlua::Lua, table: &Table) -> mlua::Result<()> {
    let compare = lua.create_function(|_, (first, second): (LuaString, LuaString)| {
        Ok(match (LooseEvr::parse(&c_text(&first)), LooseEvr::parse(&c_text(&second))) {
            (Some(first), Some(second)) => Some(sign(first.compare(&second))),
            _ => None,
        })
    })?;
    table.raw_set("vercmp", compare)?;

    let parse = lua.create_function(|lua, evr: LuaString| {
        let Some(evr) = LooseEvr::parse(&c_text(&evr)) else { return Ok((None, None, None)) };
        let part = |part: Option<&str>| part.map(|part| lua_text(lua, part)).transpose();
        Ok((part(evr.epoch())?, part(Some(evr.version()))?, part(evr.release())?))
    })?;
    table.raw_set("parse_evr", parse)?;

    type Six = (Option<LuaString>, LuaString, Option<LuaString>, Option<LuaString>, LuaString, Option<LuaString>);
    let compare =
        lua.create_function(|_, (e1, v1, r1, e2, v2, r2): Six| Ok(sign(compare_parts(&(e1, v1, r1), &(e2, v2, r2)))))?;
    table.raw_set("evrcmp", compare)?;

    let encode = lua.create_function(|lua, (data, line_length): (LuaString, i64)| {
        lua.create_string(base64_encode(&data.as_bytes(), line_length))
    })?;
    table.raw_set("b64encode", encode)?;
    let decode = lua.create_function(|lua, data: LuaString| {
        base64_decode(super::until_nul(&data.as_bytes())).map(|bytes| lua.create_string(bytes)).transpose()
    })?;
    table.raw_set("b64decode", decode)?;

    let split = lua.create_function(|lua, words: LuaString| {
        let table = lua.create_table()?;
        for word in split_quoted(super::until_nul(&words.as_bytes())) {
            table.raw_push(lua.create_string(word)?)?;
        }
        Ok(table)
    })?;
    table.raw_set("splitargs", split)?;
    let error =
        lua.create_function(|_, number: i32| Ok(strip_number(&io::Error::from_raw_os_error(number).to_string())))?;
    table.raw_set("strerror", error)
}

/// What only the interpreter itself can say.
fn add_interpreter(lua: &mlua::Lua, context: &Rc<Context>, table: &Table) -> mlua::Result<()> {
    let own = Rc::clone(context);
    table.raw_set("exhausted", lua.create_function(move |_, ()| Ok(own.is_exhausted()))?)?;

    let own = Rc::clone(context);
    let bounded = lua.create_function(move |_, (text, pattern, start, all): (LuaString, LuaString, usize, bool)| {
        let matches = if all { Matches::All } else { Matches::First };
        let steps =
            pattern::steps(&text.as_bytes(), &pattern.as_bytes(), start - 1, matches, own.left().min(PATTERN_LIMIT));
        own.spent.set(own.spent.get() + steps.unwrap_or(PATTERN_LIMIT));
        Ok(steps.is_some())
    })?;
    table.raw_set("bounded", bounded)?;

    let object = lua.create_function(|lua, kind: LuaString| match &*kind.as_bytes() {
        b"ver" => lua.create_any_userdata(VersionObject),
        b"fd" => lua.create_any_userdata(StreamObject),
        b"file" => lua.create_any_userdata(FileObject),
        b"macros" => lua.create_any_userdata(MacrosObject),
        _ => lua.create_any_userdata(HookObject),
    })?;
    table.raw_set("object", object)?;
    let kind = lua.create_function(|_, object: AnyUserData| {
        Ok(match () {
            () if object.is::<VersionObject>() => "ver",
            () if object.is::<StreamObject>() => "fd",
            () if object.is::<FileObject>() => "file",
            () if object.is::<MacrosObject>() => "macros",
            () => "hook",
        })
    })?;
    table.raw_set("kind", kind)?;

    let traceback = lua.create_function(|lua, (message, level): (Option<LuaString>, i64)| {
        let message = message.map(|message| text::from_bytes(&message.as_bytes()));
        lua.traceback(message.as_deref(), usize::try_from(level).unwrap_or(0))
    })?;
    table.raw_set("traceback", traceback)?;
    let info = lua.create_function(|lua, level: i64| {
        let Ok(level) = usize::try_from(level) else { return Ok(None) };
        lua.inspect_stack(level, |frame| {
            let (source, names) = (frame.source(), frame.names());
            let table = lua.create_table()?;
            table.raw_set("source", source.source.as_deref())?;
            table.raw_set("short_src", source.short_src.as_deref())?;
            table.raw_set("what", source.what)?;
            table.raw_set("linedefined", source.line_defined.map_or(-1, |line| line as i64))?;
            table.raw_set("lastlinedefined", source.last_line_defined.map_or(-1, |line| line as i64))?;
            table.raw_set("currentline", frame.current_line().map_or(-1, |line| line as i64))?;
            table.raw_set("name", names.name.as_deref())?;
            table.raw_set("namewhat", names.name_what.unwrap_or(""))?;
            Ok(table)
        })
        .transpose()
    })?;
    table.raw_set("getinfo", info)
}

/// `print`: into the expansion of the innermost script; to standard output if there is none.
fn emit(context: &Context, pieces: &[LuaString]) -> mlua::Result<()> {
    let mut printed = context.printed.borrow_mut();
    if let Some(buffer) = printed.last_mut() {
        for (index, piece) in pieces.iter().enumerate() {
            if index > 0 {
                buffer.push(b'\t');
            }
            let bytes = piece.as_bytes();
            // 4.x keeps all bytes and sees the text up to the first NUL at the end; 6 cuts each piece.
            match context.host()?.dialect() {
                Dialect::V6 => buffer.extend_from_slice(super::until_nul(&bytes)),
                _ => buffer.extend_from_slice(&bytes),
            }
        }
        return Ok(());
    }
    drop(printed);
    let pieces: Vec<String> = pieces.iter().map(|piece| text_of(&piece.as_bytes())).collect();
    context.host()?.message(Stream::Output, &format!("{}\n", pieces.join("\t")));
    Ok(())
}

fn c_text(text: &LuaString) -> String {
    text_of(&text.as_bytes())
}

/// A path with single slashes: `package.path` has double ones, and not every [`Files`](crate::host::Files) is a file system.
fn squeezed(path: &str) -> Cow<'_, str> {
    if !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut out = String::with_capacity(path.len());
    path.chars().for_each(|c| {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    });
    Cow::Owned(out)
}

fn lua_text(lua: &mlua::Lua, text: &str) -> mlua::Result<LuaString> {
    if text::has_invalid(text) { lua.create_string(text::to_bytes(text)) } else { lua.create_string(text) }
}

fn answer(lua: &mlua::Lua, result: Result<String, ()>) -> mlua::Result<(bool, Option<LuaString>)> {
    match result {
        Ok(text) => Ok((true, Some(lua_text(lua, &text)?))),
        Err(()) => Ok((false, None)),
    }
}

fn sequence<'a>(lua: &mlua::Lua, texts: impl Iterator<Item = &'a str>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for text in texts {
        table.raw_push(lua_text(lua, text)?)?;
    }
    Ok(table)
}

/// Message and number of an I/O error, as `strerror` words it.
fn system_message(error: &io::Error) -> (String, i32) {
    let number = error.raw_os_error().unwrap_or(match error.kind() {
        io::ErrorKind::NotFound => 2,
        io::ErrorKind::PermissionDenied => 13,
        io::ErrorKind::NotADirectory => 20,
        io::ErrorKind::IsADirectory => 21,
        _ => 5,
    });
    (strip_number(&io::Error::from_raw_os_error(number).to_string()), number)
}

fn strip_number(message: &str) -> String {
    message.split(" (os error").next().unwrap_or(message).to_owned()
}

/// `rpmverCmp` over the parts of two version objects, which a script may have put together of any texts.
fn compare_parts(first: &VersionParts, second: &VersionParts) -> Ordering {
    let epoch = |parts: &VersionParts| parts.0.as_ref().map_or_else(|| "0".to_owned(), c_text);
    let versions = vercmp(&epoch(first), &epoch(second)).then_with(|| vercmp(&c_text(&first.1), &c_text(&second.1)));
    versions.then_with(|| match (&first.2, &second.2) {
        (Some(first), Some(second)) => vercmp(&c_text(first), &c_text(second)),
        (first, second) => first.is_some().cmp(&second.is_some()),
    })
}

/// Epoch, version and release.
type VersionParts = (Option<LuaString>, LuaString, Option<LuaString>);

fn sign(order: Ordering) -> i64 {
    order as i64
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 in lines: 64 characters if `line_length` is negative, one line without an end if it is below 4.
fn base64_encode(data: &[u8], line_length: i64) -> Vec<u8> {
    let quads = if line_length < 0 { 16 } else { usize::try_from(line_length / 4).unwrap_or(usize::MAX) };
    let mut out = Vec::with_capacity(data.len().div_ceil(3) * 4 + 16);
    let mut in_line = 0;
    for triple in data.chunks(3) {
        if quads > 0 && in_line == quads {
            out.push(b'\n');
            in_line = 0;
        }
        in_line += 1;
        let [a, b, c] = [0, 1, 2].map(|index| u32::from(triple.get(index).copied().unwrap_or(0)));
        let bits = a << 16 | b << 8 | c;
        for index in 0..4 {
            let digit = BASE64[(bits >> (18 - 6 * index) & 63) as usize];
            out.push(if index <= triple.len() { digit } else { b'=' });
        }
    }
    if quads > 0 && !data.is_empty() {
        out.push(b'\n');
    }
    out
}

/// The bytes of a base64 text, or `None` if it is none. White space, and any byte above ASCII, is passed over.
fn base64_decode(text: &[u8]) -> Option<Vec<u8>> {
    let (mut digits, mut count) = (Vec::with_capacity(text.len()), 0);
    for byte in text.iter().filter(|byte| (33..128).contains(*byte)) {
        count += 1;
        match BASE64.iter().position(|digit| digit == byte) {
            Some(value) => digits.push(value as u32),
            None if *byte == b'=' => {}
            None => return None,
        }
    }
    if count % 4 != 0 {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() / 4 * 3 + 3);
    for quad in digits.chunks(4) {
        let bits = quad.iter().enumerate().fold(0, |bits, (index, digit)| bits | digit << (18 - 6 * index));
        let bytes = [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8];
        out.extend_from_slice(&bytes[..quad.len() - 1]);
    }
    Some(out)
}

/// Words between blanks; the byte 0x1f quotes.
fn split_quoted(text: &[u8]) -> Vec<Vec<u8>> {
    const QUOTE: u8 = 0x1f;
    let (mut words, mut word, mut quoted, mut started) = (Vec::new(), Vec::new(), false, false);
    for byte in text {
        match byte {
            b' ' | b'\t' if !quoted => {
                if std::mem::take(&mut started) {
                    words.push(std::mem::take(&mut word));
                }
            }
            &QUOTE => {
                quoted = !quoted;
                started = true;
            }
            byte => {
                word.push(*byte);
                started = true;
            }
        }
    }
    // As in rpm, a quote that is not closed takes its word with it.
    if started && !quoted {
        words.push(word);
    }
    words
}

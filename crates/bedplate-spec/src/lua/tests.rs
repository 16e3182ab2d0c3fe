use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use super::*;

/// A macro engine that is just enough for Lua: `%{name}`, `%{name words}`, `%{lua:…}`, `%{error:…}`.
struct TestHost {
    own: RefCell<std::rc::Weak<TestHost>>,
    lua: Lua,
    macros: RefCell<BTreeMap<String, (Option<String>, String)>>,
    messages: RefCell<String>,
    files: TestFiles,
    machine: Machine,
    dialect: Dialect,
    stack: RefCell<Vec<usize>>,
}

#[derive(Default)]
struct TestFiles(BTreeMap<String, Vec<u8>>);

impl Files for TestFiles {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        if self.0.keys().any(|name| name.starts_with(&format!("{path}/"))) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &str) -> bool {
        self.0.keys().any(|name| name == path || name.starts_with(&format!("{path}/")))
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        let Some((before, after)) = pattern.split_once('*') else {
            return if self.exists(pattern) { vec![pattern.to_owned()] } else { Vec::new() };
        };
        let fits = |name: &&String| {
            name.strip_prefix(before)
                .and_then(|rest| rest.strip_suffix(after))
                .is_some_and(|middle| !middle.contains('/'))
        };
        self.0.keys().filter(fits).cloned().collect()
    }
}

impl TestHost {
    fn new(dialect: Dialect) -> Rc<Self> {
        Self::with_files(dialect, &[])
    }

    fn with_files(dialect: Dialect, more: &[(&str, &str)]) -> Rc<Self> {
        let files = [
            (
                "/conf/lua/double.lua",
                "local m = {}\ncounter = (counter or 0) + 1\nfunction m.of(n) return 2 * n end\nreturn m",
            ),
            ("/conf/lua/broken.lua", "return ("),
            ("/data/three.txt", "one\ntwo\n3 0x10 rest"),
            ("/data/sub.lua", "#!shebang\nreturn 'from file', ..."),
        ];
        let files =
            files.iter().chain(more).map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
        let host = Rc::new(Self {
            own: RefCell::default(),
            lua: Lua::acquire(dialect),
            macros: RefCell::default(),
            messages: RefCell::default(),
            files: TestFiles(files),
            machine: Machine::default(),
            dialect,
            stack: RefCell::default(),
        });
        *host.own.borrow_mut() = Rc::downgrade(&host);
        host
    }

    fn shared(&self) -> Rc<dyn LuaHost> {
        self.own.borrow().upgrade().expect("the test holds the host")
    }

    fn run(&self, script: &str) -> Result<String, LuaError> {
        self.lua.run(&self.shared(), script, "<lua>", None, None)
    }

    fn call_named(&self, name: &str, arguments: &[String]) -> Result<String, ()> {
        let body = self.macros.borrow().get(name).cloned();
        match body {
            None => Err(()),
            Some((None, body)) => self.expand(&body),
            Some((Some(options), body)) => {
                let script = body.strip_prefix("%{lua:").and_then(|body| body.strip_suffix('}'));
                let words: Vec<String> = [name.to_owned()].into_iter().chain(arguments.iter().cloned()).collect();
                match script {
                    Some(script) => {
                        self.report(self.lua.run(&self.shared(), script, name, Some(&options), Some(&words)))
                    }
                    None => Ok(format!("{body}<{}>", arguments.join("|"))),
                }
            }
        }
    }

    fn report(&self, result: Result<String, LuaError>) -> Result<String, ()> {
        result.map_err(|error| self.messages.borrow_mut().push_str(&format!("error: {error}\n")))
    }
}

impl LuaHost for TestHost {
    fn expand(&self, text: &str) -> Result<String, ()> {
        let marker = 0;
        self.stack.borrow_mut().push(std::ptr::from_ref(&marker).addr());
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("%{") {
            out.push_str(&rest[..at]);
            let mut depth = 0;
            let end = rest[at..].char_indices().find(|(_, c)| {
                depth += i32::from(*c == '{') - i32::from(*c == '}');
                *c == '}' && depth == 0
            });
            let end = at + end.ok_or(())?.0;
            let inner = &rest[at + 2..end];
            if let Some(script) = inner.strip_prefix("lua:") {
                out.push_str(&self.report(self.run(script))?);
            } else if let Some(message) = inner.strip_prefix("error:") {
                self.messages.borrow_mut().push_str(&format!("error: {message}\n"));
                return Err(());
            } else {
                let (name, words) = inner.split_once(' ').unwrap_or((inner, ""));
                let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
                if self.macros.borrow().contains_key(name) {
                    out.push_str(&self.call_named(name, &words)?);
                } else {
                    out.push_str(&rest[at..=end]);
                }
            }
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    fn define(&self, text: &str) -> Result<(), ()> {
        let (head, body) = text.split_once(' ').ok_or(())?;
        if !head.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Err(());
        }
        let (name, options) = match head.split_once('(') {
            Some((name, options)) => (name, Some(options.trim_end_matches(')').to_owned())),
            None => (head, None),
        };
        self.macros.borrow_mut().insert(name.to_owned(), (options, body.to_owned()));
        Ok(())
    }

    fn undefine(&self, name: &str) -> Result<(), ()> {
        if name == "locked" {
            return Err(());
        }
        self.macros.borrow_mut().remove(name);
        Ok(())
    }

    fn is_defined(&self, name: &str) -> Option<bool> {
        self.macros.borrow().get(name).map(|(options, _)| options.is_some())
    }

    fn call_macro(&self, name: &str, arguments: &[String]) -> Result<String, ()> {
        self.call_named(name, arguments)
    }

    fn load(&self, path: &str) -> Result<(), ()> {
        if self.files.exists(path) { Ok(()) } else { Err(()) }
    }

    fn message(&self, stream: Stream, text: &str) {
        let mark = if stream == Stream::Error { "2>" } else { "1>" };
        self.messages.borrow_mut().push_str(&format!("{mark}{text}"));
    }

    fn files(&self) -> &dyn Files {
        &self.files
    }

    fn shell(&self, command: &[u8]) -> Result<ShellAnswer, ShellError> {
        let command = String::from_utf8_lossy(command).into_owned();
        match command.as_str() {
            "off" => Err(ShellError::Off),
            "'false'" | "false" => Ok(ShellAnswer { status: 1, stderr: b"no".to_vec(), ..ShellAnswer::default() }),
            _ => Ok(ShellAnswer { stdout: format!("[{command}]\nend\n").into_bytes(), ..ShellAnswer::default() }),
        }
    }

    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn config_dir(&self) -> String {
        "/conf".to_owned()
    }

    fn hardware(&self) -> String {
        "x86_64".to_owned()
    }
}

/// What a script prints, or its error.
fn eval_as(dialect: Dialect, script: &str) -> String {
    TestHost::new(dialect).run(script).unwrap_or_else(|error| error.message)
}

fn eval(script: &str) -> String {
    eval_as(Dialect::V4_18, script)
}

#[track_caller]
fn check_all(cases: &[(&str, &str)]) {
    for (script, expected) in cases {
        assert_eq!(eval(script), *expected, "{script}");
    }
}

#[test]
fn prints_as_rpm_does() {
    check_all(&[
        ("print('a') print('b')", "ab"),
        ("print('a', 1, 2.5, nil, true)", "a\t1\t2.5\tnil\ttrue"),
        ("print()", ""),
        ("return 'x'", "x"),
        ("return 1, nil, 'x'", "1\tnil\tx"),
        ("print('a') return 'b'", "ab"),
        ("print = function(x) io.write(x) end return 'lost'", ""),
        ("print(setmetatable({}, {__tostring = function() return 'T' end}))", "T"),
        ("print('cut\\0here') print('gone')", "cut"),
        ("print(#'ä', '\\xff')", "2\t\u{10ffff}"),
    ]);
    assert_eq!(eval_as(Dialect::V6, "print('cut\\0here', 'x\\0y') print('on')"), "cut\txon");
}

#[test]
fn errors_are_worded_as_by_rpm() {
    check_all(&[
        ("this is not lua", "invalid syntax in lua script: [string \"<lua>\"]:1: syntax error near 'is'"),
        ("error('stop')", "lua script failed: [string \"<lua>\"]:1: stop"),
        ("error('stop', 0)", "lua script failed: stop"),
        ("error({})", "lua script failed: (null)"),
        ("error()", "lua script failed: (null)"),
        ("error(5)", "lua script failed: 5"),
        ("local x; x.y = 1", "lua script failed: [string \"<lua>\"]:1: attempt to index a nil value (local 'x')"),
        (
            "rpm.expand(nil)",
            "lua script failed: [string \"<lua>\"]:1: bad argument #1 to 'expand' (string expected, got nil)",
        ),
        ("rpm.expand('%{error:foo}')", "lua script failed: [string \"<lua>\"]:1: error expanding macro"),
        ("rpm.define('1x y')", "lua script failed: [string \"<lua>\"]:1: error defining macro"),
        ("rpm.interactive()", "lua script failed: [string \"<lua>\"]:1: not a tty"),
        ("os.exit()", "lua script failed: [string \"<lua>\"]:1: exit not permitted in this context"),
        (
            "posix.redirect2null(1)",
            "lua script failed: [string \"<lua>\"]:1: redirect2null not permitted in this context",
        ),
        ("rpm.ver(1, 2)", "lua script failed: [string \"<lua>\"]:1: invalid number of arguments: 2"),
        ("print(rpm.ver('1').x)", "lua script failed: [string \"<lua>\"]:1: invalid attribute: x"),
        (
            "rpm.vercmp('', '1')",
            "lua script failed: [string \"<lua>\"]:1: bad argument #1 to 'vercmp' (invalid version )",
        ),
        (
            "macros.foo = {}",
            "lua script failed: [string \"<lua>\"]:1: bad argument #3 to '__newindex' (string expected, got table)",
        ),
        ("dofile('/nope')", "lua script failed: cannot open /nope: No such file or directory"),
        ("rpm.open('/nope')", "lua script failed: [string \"<lua>\"]:1: /nope open failed: No such file or directory"),
        (
            "require 'nope'",
            "lua script failed: [string \"<lua>\"]:1: module 'nope' not found:\n\tno field package.preload['nope']\n\tno file '/conf//lua/nope.lua'",
        ),
        ("return setmetatable({}, {__tostring = function() error('bad', 0) end})", "result print failed: bad"),
    ]);
}

#[test]
fn errors_carry_the_line_of_the_script() {
    let host = TestHost::new(Dialect::V4_18);
    let line = |script: &str| host.run(script).expect_err("an error").line;
    assert_eq!(line("\n\nthis is not lua"), Some(3));
    assert_eq!(line("\nerror('x')"), Some(2));
    assert_eq!(line("\n\nerror('x', 0)"), Some(3));
    assert_eq!(line("\n\nrpm.expand('%{error:x}')"), Some(3));
    host.run("\n\n\n\nfunction fails()\nerror('x')\nend").expect("defines a function");
    // The message names line 6 of the earlier script; the mistake is shown where this script calls it.
    let error = host.run("\nlocal r = fails()\nreturn r").expect_err("an error");
    assert_eq!((error.line, error.message.as_str()), (Some(2), "lua script failed: [string \"<lua>\"]:6: x"));
}

#[test]
fn a_caught_error_is_a_string() {
    check_all(&[
        (
            "local ok, e = pcall(function() rpm.expand('%{error:x}') end) print(ok, e:match('error .*'))",
            "false\terror expanding macro",
        ),
        ("print(pcall(rpm.expand, nil))", "false\tbad argument #1 to 'expand' (string expected, got nil)"),
        ("print(select(2, pcall(error, {1}))[1])", "1"),
        ("print(xpcall(error, function(e) return e .. '!' end, 'a'))", "false\ta!"),
        (
            "local g = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) error('e' .. b) end) print(g(1), pcall(g, 2))",
            "2\tfalse\t[string \"<lua>\"]:1: e2",
        ),
        ("local co = coroutine.create(function() error('in co', 0) end) print(coroutine.resume(co))", "false\tin co"),
    ]);
}

#[test]
fn macros_are_seen_and_made() {
    check_all(&[
        ("rpm.define('a 1') print(rpm.expand('%{a}-%{b}'))", "1-%{b}"),
        ("macros.a = 'x' print(macros.a, macros.nosuch, macros['a'])", "x\tnil\tx"),
        ("macros.a = 7 print(macros.a)", "7"),
        ("macros.a = 'x' macros.a = nil print(macros.a)", "nil"),
        ("rpm.define('p() body') print(macros.p({'a b', 3}), macros.p('a b'))", "body<a b|3>\tbody<a|b>"),
        ("rpm.define('p() body') macros.p(1, 2)", "lua script failed: [string \"<lua>\"]:1: too many arguments"),
        (
            "rpm.define('p() body') macros.p()",
            "lua script failed: [string \"<lua>\"]:1: bad argument #1 to 'p' (string or table expected)",
        ),
        (
            "rpm.define('p() body') rpm.define('q 1') print(rpm.isdefined('p')) print(rpm.isdefined('q')) print(rpm.isdefined('r'))",
            "true\ttruetrue\tfalsefalse\tfalse",
        ),
        ("rpm.undefine('nosuch') print(type(macros))", "userdata"),
        ("print(rpm.load('/data/three.txt'), rpm.load('/nope'))", "0.0\t-1.0"),
        ("print(rpm.expand('%{lua:print(1)}') .. 'x') print('y')", "1xy"),
        ("macros.nosuch = nil rpm.undefine('nosuch')", ""),
        ("macros.locked = nil", "lua script failed: [string \"<lua>\"]:1: error undefining macro locked"),
    ]);
    assert_eq!(
        eval_as(Dialect::V6, "rpm.undefine('locked')"),
        "lua script failed: [string \"<lua>\"]:1: error undefining macro"
    );
    let fails = "rpm.define('p(a) %{lua:error(1)}') print(macros.p({'x'}))";
    assert_eq!(eval(fails), "nil");
    assert_eq!(eval_as(Dialect::V4_20, fails), "lua script failed: [string \"<lua>\"]:1: error expanding macro");
}

#[test]
fn parametric_macros_have_options_and_arguments() {
    let body = "call(ab:c::) %{lua: print(opt.a, opt.b, opt.c, #arg, arg[1], arg[#arg])}";
    let cases = [
        ("-a -b val one two", "\tval\tnil\t2\tone\ttwo"),
        ("", "nil\tnil\tnil\t0\tnil\tnil"),
        ("one -a two", "\tnil\tnil\t2\tone\ttwo"),
        ("-abval -- -b", "\tval\tnil\t1\t-b\t-b"),
        ("-c1 -c -", "nil\tnil\t\t1\t-\t-"),
    ];
    for (words, expected) in cases {
        let script = format!("rpm.define([[{body}]]) print(macros.call('{words}'))");
        assert_eq!(eval(&script), expected, "{words}");
    }
    let host = TestHost::new(Dialect::V4_18);
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let run = |options: &str, text: &str| {
        host.lua.run(&host.shared(), "print(#arg, arg[1])", "call", Some(options), Some(&words(text)))
    };
    assert_eq!(run("a", "call -x").expect_err("an unknown option").message, "Unknown option x in call(a)");
    assert_eq!(run("b:", "call -b").expect_err("no value").message, "Unknown option b in call(b:)");
    assert_eq!(run("-", "call -x y").as_deref(), Ok("2\t-x"));
    assert_eq!(run("+a", "call x -a").as_deref(), Ok("2\tx"));
    let whole = host.lua.run(&host.shared(), "print(#arg, arg[1])", "<lua>", None, Some(&words("name x")));
    assert_eq!(whole.as_deref(), Ok("2\tname"));
}

#[test]
fn globals_last_for_one_spec() {
    let host = TestHost::new(Dialect::V4_18);
    host.run("counter = 3; string.shout = string.upper; table.concat = nil; package.loaded.x = 1; math = nil")
        .expect("runs");
    assert_eq!(
        host.run("counter = counter + 1 print(counter, ('a'):shout(), ('x'):rep(2))").as_deref(),
        Ok("4\tA\txx")
    );
    host.run("getmetatable('').__index = nil; posix.setenv('V', 'x'); rpm.expand = nil; _G.print = nil").expect("runs");
    drop(host);
    let host = TestHost::new(Dialect::V4_18);
    let state = host.run(
        "print(counter, string.shout, table.concat({'a','b'}), package.loaded.x, math.pi > 3, ('x'):upper(), os.getenv('V'), rpm.expand('y'))",
    );
    assert_eq!(state.as_deref(), Ok("nil\tnil\tab\tnil\ttrue\tX\tnil\ty"));
    assert_eq!(
        host.run("print(_G == _ENV, _G.string == string, package.loaded._G == _G)").as_deref(),
        Ok("true\ttrue\ttrue")
    );
}

#[test]
fn two_specs_may_be_open_at_once() {
    let (first, second) = (TestHost::new(Dialect::V4_18), TestHost::new(Dialect::V4_18));
    first.run("x = 1").expect("runs");
    second.run("x = 2").expect("runs");
    assert_eq!((first.run("print(x)").as_deref(), second.run("print(x)").as_deref()), (Ok("1"), Ok("2")));
}

#[test]
fn modules_and_files_are_loaded() {
    check_all(&[
        (
            "local d = require 'double' require 'double' print(d.of(4), counter, package.loaded.double == d)",
            "8\t1\ttrue",
        ),
        (
            "package.preload.p = function(name, where) return name .. where end print(require('p'))",
            "p:preload:\t:preload:",
        ),
        ("print(dofile('/data/sub.lua'))", "from file"),
        ("print(loadfile('/data/sub.lua')(5))", "from file\t5"),
        ("print(loadfile('/nope'))", "nil\tcannot open /nope: No such file or directory"),
        ("x = 5 print(load('return x')(), load('return x', 'n', 't', {x = 6})())", "5\t6"),
        ("print(load(string.dump(function() end)))", "nil\tattempt to load a binary chunk (mode is 't')"),
        ("print(load('x x'))", "nil\t[string \"x x\"]:1: syntax error near 'x'"),
        ("local t = {'return ', '7'} local i = 0 print(load(function() i = i + 1 return t[i] end)())", "7"),
        ("print(package.searchpath('double', package.path), package.path)", "/conf//lua/double.lua\t/conf//lua/?.lua"),
    ]);
    assert!(eval("require 'broken'").contains(
        "error loading module 'broken' from file '/conf//lua/broken.lua':\n\t/conf//lua/broken.lua:1: unexpected symbol"
    ));
    let init = [("/conf/init.lua", "from_init = 1 print('seen')")];
    let host = TestHost::with_files(Dialect::V4_18, &init);
    assert_eq!(host.run("print(from_init)").as_deref(), Ok("1"));
    assert_eq!(*host.messages.borrow(), "1>seen\n");
}

#[test]
fn versions_compare() {
    check_all(&[
        (
            "print(rpm.vercmp('1.0', '1.1'), rpm.vercmp('1.0~rc1', '1.0'), rpm.vercmp('1:0', '2'), rpm.vercmp('1.010', '1.10'))",
            "-1\t-1\t1\t0",
        ),
        ("local v = rpm.ver('5:1.0-2') print(v, v.e, v.v, v.r, type(v))", "5:1.0-2\t5\t1.0\t2\tuserdata"),
        ("local v = rpm.ver(3, '5a', 1) print(v, v.e)", "3:5a-1\t3"),
        ("print(rpm.ver(''), rpm.ver({}), rpm.ver(nil, '1', nil))", "nil\tnil\t1"),
        (
            "print(rpm.ver('1') < rpm.ver('2'), rpm.ver('0:1') == rpm.ver('1'), rpm.ver('1-1') <= rpm.ver('1'), rpm.ver('1') > rpm.ver('1-1'))",
            "true\ttrue\tfalse\tfalse",
        ),
    ]);
}

#[test]
fn base64_and_words() {
    check_all(&[
        ("print(rpm.b64encode('hello world'))", "aGVsbG8gd29ybGQ=\n"),
        (
            "print(rpm.b64encode('hello world', 0), rpm.b64encode('hello world', 4))",
            "aGVsbG8gd29ybGQ=\taGVs\nbG8g\nd29y\nbGQ=\n",
        ),
        ("print(#rpm.b64encode(('x'):rep(100)), rpm.b64encode(''), rpm.b64encode('', 8))", "139\t\t8"),
        (
            "print(rpm.b64decode('aGVs bG8gd29y\\nbGQ='), rpm.b64decode('abc'), rpm.b64decode('a*bc'), #rpm.b64decode(''))",
            "hello world\tnil\tnil\t0",
        ),
        ("print(rpm.b64decode(rpm.b64encode('\\1\\2\\255')) == '\\1\\2\\255')", "true"),
        (
            "local t = rpm.splitargs('a  \\31b c\\31 \\31\\31\\td') print(#t, t[1], t[2], '[' .. t[3] .. ']', t[4])",
            "4\ta\tb c\t[]\td",
        ),
        ("print((rpm.unsplitargs({'a', 'b c'}):gsub('\\31', '|')))", "|a| |b c|"),
    ]);
}

#[test]
fn hooks_call_each_other() {
    check_all(&[
        (
            "local h = rpm.register('n', function(a) print('n:', a[1], #a) end) rpm.call('n', 'x', 2) rpm.unregister('n', h) rpm.call('n', 'y')",
            "n:\tx\t2",
        ),
        (
            "rpm.register('n', function() print(1) return 1 end) rpm.register('n', function() print(2) end) rpm.call('n')",
            "1",
        ),
        ("rpm.call('n', {})", "lua script failed: [string \"<lua>\"]:1: unsupported Lua type passed to hook"),
    ]);
}

#[test]
fn files_are_read_and_not_written() {
    check_all(&[
        ("for l in io.lines('/data/three.txt') do print(l, '') end", "one\ttwo\t3 0x10 rest\t"),
        (
            "local f = io.open('/data/three.txt') print(f:read('L', 'l', 'n', 'n', 'a', 'a', 'l'))",
            "one\n\ttwo\t3\t16\t rest\t\tnil",
        ),
        (
            "local f <close> = assert(io.open('/data/three.txt')) print(f:seek('end'), f:seek('set', 4), f:read(3), f:read(0), io.type(f)) f:close() print(io.type(f), f)",
            "19\t4\ttwo\t\tfileclosed file\tfile (closed)",
        ),
        ("print(io.open('/nope'))", "nil\t/nope: No such file or directory\t2"),
        ("print(io.open('/data'))", "nil\t/data: Is a directory\t21"),
        (
            "io.open('/data/x', 'w')",
            "lua script failed: [string \"<lua>\"]:1: writing to `/data/x` is refused: a spec may not change the machine that reads it",
        ),
        (
            "io.open('/data/x', 'q')",
            "lua script failed: [string \"<lua>\"]:1: bad argument #2 to 'open' (invalid mode)",
        ),
        (
            "local n = os.tmpname() local f = io.open(n, 'w') f:write('a', 1, '\\n'):write('b') f:close() for l in io.lines(n) do print(l) end print(posix.stat(n, 'size'), os.remove(n), io.open(n))",
            "a1b4.0\ttrue\tnil\t/tmp/lua_000001: No such file or directory\t2",
        ),
        ("local f = io.open('/dev/null', 'w') f:write('x') print(f:close())", "true"),
        (
            "local f = rpm.open('/data/three.txt') print(f:read(3), f:seek('set', 1), #f:read(), f:close(), f:close(), f)",
            "one\t1\t18\t0\t-1\t/data/three.txt",
        ),
        (
            "rpm.open('/data/x', 'w')",
            "lua script failed: [string \"<lua>\"]:1: writing to `/data/x` is refused: a spec may not change the machine that reads it",
        ),
        ("print(io.read(), io.stdin:read('a'))", "nil\t"),
        (
            "local f = io.open('/data/three.txt') f:close() f:read()",
            "lua script failed: [string \"<lua>\"]:1: attempt to use a closed file",
        ),
    ]);
    let host = TestHost::new(Dialect::V4_18);
    host.run("io.write('out ', 1) io.stdout:write('\\n') io.stderr:write('err')").expect("runs");
    assert_eq!(*host.messages.borrow(), "1>out 1>11>\n2>err");
}

#[test]
fn commands_run_in_the_shell_of_the_host() {
    check_all(&[
        ("local f = io.popen('ls x') print(f:read('a')) print(f:close())", "[ls x]\nend\ntrue\texit\t0"),
        ("local f = io.popen('false') print(f:read('a'), f:close())", "\tnil\texit\t1"),
        ("io.popen('off')", "lua script failed: [string \"<lua>\"]:1: io.popen: shell commands are switched off"),
        ("os.execute('off')", "lua script failed: [string \"<lua>\"]:1: os.execute: shell commands are switched off"),
        ("print(os.execute('x'), os.execute('false'))", "true\tnil\texit\t1"),
        ("print(rpm.execute('true', \"it's\"), rpm.execute('false'))", "0.0\tnil\tUnknown error 256\t256.0"),
        ("print(rpm.spawn, rpm.glob)", "nil\tnil"),
    ]);
    assert_eq!(
        eval_as(Dialect::V4_20, "print(rpm.spawn({'a'}, {stdout = '/f'}), rpm.spawn({'false'}))"),
        "0.0\tnil\texit code\t1.0"
    );
    let host = TestHost::new(Dialect::V6);
    host.run("rpm.execute('a', \"b'c\") rpm.spawn({'x'}, {stderr = '/dev/null'})").expect("runs");
    assert_eq!(*host.messages.borrow(), "1>['a' 'b'\\''c']\nend\n1>['x'  2>>'/dev/null']\nend\n");
}

#[test]
fn the_machine_is_fixed() {
    check_all(&[
        (
            "print(os.time(), os.date('%Y-%m-%d %H:%M:%S %Z %%Z'), os.date('!%H', 0))",
            "1700000000\t2023-11-14 22:13:20 UTC %Z\t00",
        ),
        (
            "print(os.time{year = 2024, month = 2, day = 30}, os.time({year = 1970, month = 1, day = 1, hour = 0}), os.date('*t', 0).year)",
            "1709294400\t0\t1970",
        ),
        (
            "local t = {year = 2024, month = 14, day = -1, hour = 0} print(os.time(t), t.month, t.day, t.isdst)",
            "1738195200\t1\t30\tfalse",
        ),
        ("os.time{year = 1}", "lua script failed: [string \"<lua>\"]:1: field 'month' missing in date table"),
        (
            "os.date('%Ez')",
            "lua script failed: [string \"<lua>\"]:1: bad argument #1 to 'date' (invalid conversion specifier '%Ez')",
        ),
        (
            "print(os.getenv('TZ'), os.getenv('NOSUCH'), posix.getenv('HOME'), posix.getenv().LANG)",
            "UTC\tnil\t/nonexistent\tC.UTF-8",
        ),
        (
            "posix.setenv('A', '1') posix.setenv('A', '2', false) posix.putenv('B=3') posix.unsetenv('TZ') print(os.getenv('A'), posix.getenv('B'), os.getenv('TZ'), posix.getenv().TZ)",
            "1\t3\tnil\tnil",
        ),
        ("print(posix.uname('%s %m %%'), posix.uname())", "Linux x86_64 %\tLinux localhost 6.0.0 #1 x86_64"),
        (
            "print(posix.access('/data/three.txt'), posix.access('/nope', 'r'))",
            "0.0\tnil\t/nope: No such file or directory\t2.0",
        ),
        (
            "print(posix.stat('/data/three.txt', 'type'), posix.stat('/data', 'type'), posix.stat('/data/three.txt').size, posix.stat('/nope'))",
            "regular\tdirectory\t19.0\tnil\t/nope: No such file or directory\t2.0",
        ),
        (
            "posix.stat('/data', 'foo')",
            "lua script failed: [string \"<lua>\"]:1: bad argument #2 to 'stat' (invalid option 'foo')",
        ),
        (
            "print(table.concat(posix.dir('/data'), ' ')) for f in posix.files('/data') do print(f) end",
            ". .. sub.lua three.txt...sub.luathree.txt",
        ),
        (
            "print(posix.getprocessid('uid'), posix.getpasswd('root', 'dir'), posix.getgroup(0).name, posix.umask(), posix.getlogin())",
            "1000.0\t/root\troot\trwxr-xr-x\tnil",
        ),
        (
            "posix.mkdir('/x')",
            "lua script failed: [string \"<lua>\"]:1: posix.mkdir is refused: a spec may not change the machine that reads it",
        ),
        ("print(posix.chmod('/nope', '755'))", "nil\t/nope: No such file or directory\t2.0"),
        (
            "posix.fork()",
            "lua script failed: [string \"<lua>\"]:1: posix.fork is refused: a spec may not change the machine that reads it",
        ),
        (
            "os.remove('/data/three.txt')",
            "lua script failed: [string \"<lua>\"]:1: os.remove of `/data/three.txt` is refused: a spec may not change the machine that reads it",
        ),
        ("print(os.setlocale(), os.setlocale('de_DE'), os.tmpname() ~= os.tmpname())", "C.UTF-8\tnil\ttrue"),
    ]);
    assert_eq!(
        eval_as(Dialect::V6, "posix.fork()"),
        "lua script failed: [string \"<lua>\"]:1: posix.fork() is no longer available, use rpm.spawn() or rpm.execute() instead"
    );
    let twice = "local t = {} for i = 1, 5 do t[i] = math.random(1000) end print(table.concat(t, ' '), os.clock())";
    assert_eq!(eval(twice), eval(twice));
}

#[test]
fn pairs_has_one_order() {
    check_all(&[
        (
            "local t = {z = 1, a = 2, m = 3, 10, 20} for k, v in pairs(t) do print(k, v, '') end",
            "1\t10\t2\t20\ta\t2\tm\t3\tz\t1\t",
        ),
        (
            "local t = {a = 1, b = 2, c = 3} for k in pairs(t) do print(k) t[k] = nil t.c = nil end print(next(t))",
            "abnil",
        ),
        (
            "for k in pairs(setmetatable({}, {__pairs = function() return function(_, k) return not k and 1 or nil end end})) do print(k) end",
            "1",
        ),
        (
            "for _ in pairs(nil) do end",
            "lua script failed: [string \"<lua>\"]:1: bad argument #1 to 'for iterator' (table expected, got nil)",
        ),
    ]);
}

#[test]
fn functions_are_called_from_expressions() {
    let host = TestHost::new(Dialect::V4_18);
    host.run("function both(a, b) return a .. '/' .. math.type(b) end t = {f = function(x) return x end}")
        .expect("runs");
    let call = |name: &str, arguments: &[LuaArgument<'_>]| {
        host.lua.call(&host.shared(), name, arguments).map_err(|e| e.message)
    };
    assert_eq!(call("both", &[LuaArgument::Text("x"), LuaArgument::Integer(2)]).as_deref(), Ok("x/integer"));
    assert_eq!(call("t.f", &[]).as_deref(), Ok(""));
    assert_eq!(call("string.len", &[LuaArgument::Text("four")]).as_deref(), Ok("4"));
    assert_eq!(call("rpm.isdefined", &[LuaArgument::Text("nosuch")]).as_deref(), Ok(""));
    assert_eq!(call("math.type", &[LuaArgument::Integer(1)]).as_deref(), Ok("integer"));
    assert_eq!(call("t.f", &[LuaArgument::Text("ä\u{10ffe9}")]).as_deref(), Ok("ä\u{10ffe9}"));
    assert_eq!(
        call("nosuch", &[]),
        Err("nosuch: [string \"nosuch\"]:1: attempt to call a nil value (global 'nosuch')".to_owned())
    );
    assert!(call("1 +", &[]).is_err_and(|message| message.starts_with("1 +: [string \"1 +\"]:1: unexpected symbol")));
}

#[test]
fn scriptlets_are_checked() {
    let lua = Lua::acquire(Dialect::V4_20);
    assert_eq!(lua.check("print(1)", "<lua>"), Ok(()));
    let error = lua.check("\nx x", "pre").expect_err("an error");
    assert_eq!(
        (error.line, error.message.as_str()),
        (Some(2), "invalid syntax in lua scriptlet: [string \"pre\"]:2: syntax error near 'x'")
    );
}

#[test]
fn sources_and_patches_are_listed() {
    let host = TestHost::new(Dialect::V4_18);
    host.lua.begin_spec();
    host.lua.add_source(SourceKind::Source, "/s/a", 0);
    assert_eq!(host.run("print(#sources, sources[1], source_nums[1], #patches)").as_deref(), Ok("1\t/s/a\t0\t0"));
    host.lua.add_source(SourceKind::Source, "b", 4);
    host.lua.add_source(SourceKind::Patch, "c", 2);
    assert_eq!(
        host.run("print(#sources, source_nums[2], #patches, patch_nums[1], patches[1])").as_deref(),
        Ok("2\t4\t1\t2\tc")
    );
    host.lua.begin_spec();
    assert_eq!(host.run("print(#sources, #patch_nums)").as_deref(), Ok("0\t0"));
    assert_eq!(eval("print(sources)"), "nil");
}

#[test]
fn nothing_runs_forever() {
    for script in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "local function f() return xpcall(function() while true do end end, function() while true do end end) end while true do f() end",
        "coroutine.wrap(function() while true do end end)()",
        "coroutine.wrap(function() local x <close> = setmetatable({}, {__close = function() while true do end end}) while true do end end)()",
    ] {
        let message = eval(script);
        assert!(message.ends_with("lua script ran too long"), "{script}: {message}");
    }
    check_all(&[
        ("local t = {} while true do t[#t + 1] = ('x'):rep(1 << 20) .. #t end", "lua script failed: not enough memory"),
        ("print(#string.rep('', 1 << 60))", "0"),
    ]);
    assert!(eval("local function f() return 1 + f() end f()").contains("stack overflow"));
    assert!(
        eval("local s = string.rep('(', 300) .. string.rep(')', 300) print(load('return ' .. s))")
            .contains("C stack overflow")
    );
    assert_eq!(eval("print('still here')"), "still here");
}

#[test]
fn patterns_end() {
    check_all(&[
        (
            "print(('a'):rep(30):find(('a?'):rep(30) .. ('a'):rep(30)))",
            "lua script failed: [string \"<lua>\"]:1: pattern too complex",
        ),
        (
            "print(('a'):rep(40):match(('.-'):rep(20) .. 'b'))",
            "lua script failed: [string \"<lua>\"]:1: pattern too complex",
        ),
        ("print(pcall(string.gsub, ('a'):rep(40), ('.-'):rep(20) .. 'b', ''))", "false\tpattern too complex"),
        ("print((('ab '):rep(2000):gsub('(%w+)%s*', function(w) return w:upper() end)):sub(1, 4))", "ABAB"),
        ("local n = 0 for w in ('ab '):rep(2000):gmatch('%s*(%w+)') do n = n + 1 end print(n)", "2000"),
        ("print(('x'):rep(5000):find('-x*', 1, true))", "nil"),
        ("string.find('a', '[')", "lua script failed: [string \"<lua>\"]:1: malformed pattern (missing ']')"),
        (
            "\n;('x').rep()",
            "lua script failed: [string \"<lua>\"]:2: bad argument #1 to 'rep' (string expected, got nil)",
        ),
        (
            "print(rpm.ver('1') < 3)",
            "lua script failed: [string \"<lua>\"]:1: bad argument #2 to '__lt' (rpm.ver expected, got number)",
        ),
        (
            "string.find(nil, 'x')",
            "lua script failed: [string \"<lua>\"]:1: bad argument #1 to 'find' (string expected, got nil)",
        ),
        ("print(('12345'):rep(2), string.find(12345, 34))", "1234512345\t3\t4"),
        (
            "table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 'x')",
            "lua script failed: [string \"<lua>\"]:1: bad argument #1 to 'insert' (object length is too big)",
        ),
        (
            "setmetatable(1, {})",
            "lua script failed: [string \"<lua>\"]:1: bad argument #1 to 'setmetatable' (table expected, got number)",
        ),
    ]);
}

#[test]
fn patterns_agree_with_lua() {
    for (subject, pattern, end) in super::pattern::tests::PATTERNS {
        let expected = end.map_or("nil".to_owned(), |end| end.to_string());
        let script = format!("print((select(2, string.find([==[{subject}]==], [==[^{pattern}]==]))))");
        assert_eq!(eval(&script), expected, "{subject} {pattern}");
    }
}

#[test]
fn a_finalizer_does_not_run() {
    let host = TestHost::new(Dialect::V4_18);
    host.run("setmetatable({}, {__gc = function() print('gc') end}) collectgarbage() print(getmetatable(setmetatable({}, {__gc = 1})).__gc)").expect("runs");
    assert_eq!(*host.messages.borrow(), "");
}

#[test]
fn scripts_nest_through_macros() {
    let host = TestHost::new(Dialect::V4_18);
    host.define("down %{lua: depth = (depth or 0) + 1 if depth < 64 then print(rpm.expand('%{down}')) else print('bottom') end}").expect("defines");
    assert_eq!(host.run("print(rpm.expand('%{down}'))").as_deref(), Ok("bottom"));
    let stack = host.stack.borrow();
    let (first, last) = (stack[0], stack[stack.len() - 1]);
    assert!(first.abs_diff(last) / 63 < 16 << 10, "stack for one level: {}", first.abs_diff(last) / 63);
    drop(stack);
    host.define(
        "fail %{lua: depth2 = (depth2 or 0) + 1 if depth2 < 3 then rpm.expand('%{fail}') else error('deep') end}",
    )
    .expect("defines");
    host.messages.borrow_mut().clear();
    assert!(host.run("\nrpm.expand('%{fail}')").is_err_and(|error| error.line == Some(2)));
    assert_eq!(
        *host.messages.borrow(),
        "error: lua script failed: [string \"<lua>\"]:1: deep\n\
         error: lua script failed: [string \"<lua>\"]:1: error expanding macro\n\
         error: lua script failed: [string \"<lua>\"]:1: error expanding macro\n"
    );
}

#[test]
#[ignore = "prints times: cargo test --release -- --ignored --nocapture lua"]
#[expect(clippy::print_stderr, reason = "the measured times are its result")]
fn speed() {
    let time = |what: &str, count: u32, work: &mut dyn FnMut()| {
        work();
        let start = Instant::now();
        (0..count).for_each(|_| work());
        eprintln!("{what}: {:?}", start.elapsed() / count);
    };
    time("new interpreter", 50, &mut || drop(Interpreter::new(Dialect::V6).expect("starts")));
    time("new spec and one chunk", 2000, &mut || drop(TestHost::new(Dialect::V4_18).run("return 1")));
    let interpreter = Interpreter::new(Dialect::V6).expect("starts");
    time("fresh environment", 5000, &mut || drop(interpreter.fresh_globals("/conf").expect("is made")));
    time("host alone", 2000, &mut || drop(TestHost::new(Dialect::V4_18)));
    let host = TestHost::new(Dialect::V4_18);
    time("cached chunk", 20000, &mut || drop(host.run("return 1")));
    time("print('x')", 20000, &mut || drop(host.run("print('x')")));
    host.define("x 1").expect("defines");
    time("print(rpm.expand('%{x}'))", 20000, &mut || drop(host.run("print(rpm.expand('%{x}'))")));
    let mut count = 0;
    time("new chunk", 2000, &mut || {
        count += 1;
        drop(host.run(&format!("local a = {count} for i = 1, 3 do print(string.format('%d', a)) end")));
    });
    let bare = mlua::Lua::new();
    time("a million loops, no limit", 3, &mut || {
        drop(bare.load("local s = 0 for i = 1, 1000000 do s = s + i end").exec())
    });
    time("a million loops", 3, &mut || {
        drop(TestHost::new(Dialect::V4_18).run("local s = 0 for i = 1, 1000000 do s = s + i end"))
    });
}

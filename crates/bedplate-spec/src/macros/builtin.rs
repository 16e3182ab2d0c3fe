//! The macros that rpm itself knows (`docs/manual/macros.md`, "Builtin Macros").

use std::sync::Arc;

use bedplate_diag::Diagnostic;
use bedplate_diag::text::{from_bytes, to_bytes};

use super::args::unsplit_quoted;
use super::define::Definition;
use super::engine::Engine;
use super::expand::{Arguments, Buffer};
use super::scan::{is_eol, is_space};
use super::table::{Entry, level};
use crate::dialect::Dialect;
use crate::expr;
use crate::host::{ShellAnswer, ShellError};

/// How many arguments a built-in wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    Nothing,
    Something,
    Either,
}

macro_rules! builtins {
    ($($variant:ident $name:literal $wants:ident $parses:literal $since:ident;)*) => {
        /// A built-in macro.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Builtin { $(#[doc = concat!("`%", $name, "`")] $variant,)* }

        impl Builtin {
            /// All built-ins of a dialect with their names.
            pub(crate) fn all(dialect: Dialect) -> impl Iterator<Item = (&'static str, Self)> {
                [$(($name, Self::$variant, Dialect::$since),)*]
                    .into_iter()
                    .filter(move |(_, _, since)| *since <= dialect)
                    .filter(|(_, builtin, _)| !builtin.is_of_a_section())
                    .map(|(name, builtin, _)| (name, builtin))
            }

            /// The built-in of this name that only later dialects have, and the first that has it.
            pub(crate) fn of_later(name: &str, dialect: Dialect) -> Option<(&'static str, Dialect)> {
                [$(($name, Self::$variant, Dialect::$since),)*]
                    .into_iter()
                    .find(|(own, builtin, since)| *own == name && *since > dialect && !builtin.is_of_a_section())
                    .map(|(own, _, since)| (own, since))
            }

            fn wants(self, dialect: Dialect) -> Wants {
                match self {
                    // `%{getncpus:…}` takes an argument since 4.20 only.
                    Self::GetCpus if dialect < Dialect::V4_20 => Wants::Nothing,
                    $(Self::$variant => Wants::$wants,)*
                }
            }

            /// True if it gets its argument unexpanded and unsplit.
            pub(crate) fn parses_itself(self) -> bool {
                match self { $(Self::$variant => $parses,)* }
            }
        }
    };
}

builtins! {
    Patch "P" Something false V4_18;
    Source "S" Something false V4_18;
    Basename "basename" Something false V4_18;
    Define "define" Something true V4_18;
    Dirname "dirname" Something false V4_18;
    Dnl "dnl" Something true V4_18;
    Dump "dump" Nothing false V4_18;
    Echo "echo" Something false V4_18;
    Error "error" Something false V4_18;
    Exists "exists" Something false V4_18;
    Expand "expand" Something false V4_18;
    Expr "expr" Something false V4_18;
    GetConfDir "getconfdir" Nothing false V4_18;
    GetEnv "getenv" Something false V4_18;
    GetCpus "getncpus" Either false V4_18;
    Global "global" Something true V4_18;
    Gsub "gsub" Something false V4_20;
    Len "len" Something false V4_20;
    Load "load" Something false V4_18;
    Lower "lower" Something false V4_20;
    Lua "lua" Something true V4_18;
    MacroBody "macrobody" Something false V4_18;
    Quote "quote" Something false V4_18;
    Rep "rep" Something false V4_20;
    Reverse "reverse" Something false V4_20;
    RpmVersion "rpmversion" Nothing false V4_20;
    ShEscape "shescape" Something false V4_18;
    Shrink "shrink" Something false V4_18;
    Span "span" Something false V6;
    Sub "sub" Something false V4_20;
    Suffix "suffix" Something false V4_18;
    Trace "trace" Nothing false V4_18;
    Uncompress "uncompress" Something false V4_18;
    Undefine "undefine" Something false V4_18;
    Upper "upper" Something false V4_20;
    UrlToPath "url2path" Something false V4_18;
    UrlToPathShort "u2p" Something false V4_18;
    Verbose "verbose" Either true V4_18;
    Warn "warn" Something false V4_18;
    Xdg "xdg" Something false V6;
    // Defined by the parser where they have a meaning.
    FileLine "__file_lineno" Nothing false V4_18;
    SetupMacro "setup" Either false V4_20;
    PatchMacro "patch" Either false V4_20;
}

/// What to do about a built-in that only later dialects have.
pub(crate) fn later_hint((name, since): (&str, Dialect)) -> String {
    format!("`%{{{name}}}` is a built-in of rpm {since}: read the spec as that rpm does, `--dialect {since}`")
}

impl Builtin {
    /// True for those that the parser defines for a section or a file.
    fn is_of_a_section(self) -> bool {
        matches!(self, Self::FileLine | Self::SetupMacro | Self::PatchMacro)
    }

    /// True if it takes words, and so the rest of the line where it is called without braces.
    pub(crate) fn takes_arguments(self, dialect: Dialect) -> bool {
        self.wants(dialect) != Wants::Nothing
    }

    /// What `%{macrobody:}` shows.
    pub(crate) fn body_text(self) -> &'static str {
        if self.is_of_a_section() { "<aux>" } else { "<builtin>" }
    }
}

impl Engine {
    /// Works out a built-in; gives how much of free-form text it took.
    pub(crate) fn do_builtin(
        &self,
        buffer: &mut Buffer,
        entry: &Arc<Entry>,
        builtin: Builtin,
        arguments: Arguments<'_>,
    ) -> usize {
        let given = match &arguments {
            Arguments::None => 0,
            Arguments::Words(words) => words.len().saturating_sub(1),
            Arguments::Raw(_) | Arguments::Free(_) => 1,
        };
        let fault = match builtin.wants(self.dialect) {
            Wants::Nothing if given > 0 => Some("unexpected argument"),
            Wants::Something if given == 0 => Some("argument expected"),
            _ => None,
        };
        if let Some(fault) = fault {
            self.fail(buffer, Diagnostic::error("builtin-argument", format!("`%{}`: {fault}", entry.name)));
            return 0;
        }
        let free = matches!(arguments, Arguments::Free(_));
        let words = match arguments {
            Arguments::Words(words) => words,
            Arguments::None => vec![entry.name.to_string()],
            Arguments::Raw(text) | Arguments::Free(text) => {
                return self.do_parsing_builtin(buffer, builtin, text, free);
            }
        };
        let first = words.get(1).map(String::as_str).unwrap_or_default();
        match builtin {
            Builtin::Source => self.expand_into(buffer, &format!("%SOURCE{first}"), None),
            Builtin::Patch => self.expand_into(buffer, &format!("%PATCH{first}"), None),
            Builtin::Basename => buffer.out.push_str(basename(first, self.dialect)),
            Builtin::Dirname => buffer.out.push_str(dirname(first, self.dialect)),
            Builtin::Suffix => buffer.out.push_str(first.rsplit_once('.').map_or("", |(_, suffix)| suffix)),
            Builtin::Shrink => shrink(first, &mut buffer.out),
            Builtin::Quote => self.do_quote(buffer, &words[1..]),
            Builtin::Expr => match expr::evaluate_string(self, first, false) {
                Ok(value) => buffer.out.push_str(&value),
                Err(error) => {
                    buffer.error = true;
                    self.report_expression(first, &error);
                }
            },
            Builtin::UrlToPath | Builtin::UrlToPathShort => buffer.out.push_str(url_path(first)),
            Builtin::GetEnv => {
                buffer.out.push_str(&self.variable(first).unwrap_or_default());
            }
            Builtin::GetConfDir => buffer.out.push_str(&self.config.directory),
            Builtin::GetCpus => self.do_get_cpus(buffer, words.get(1).map(String::as_str)),
            Builtin::Exists => buffer.out.push(if self.world.files.exists(first) { '1' } else { '0' }),
            Builtin::Expand => {
                if !first.is_empty() {
                    self.expand_into(buffer, first, None);
                }
            }
            Builtin::Uncompress => {
                if !first.is_empty() {
                    self.expand_into(buffer, "%__rpmuncompress ", None);
                    buffer.out.push_str(first);
                }
            }
            Builtin::ShEscape => {
                // 4.18 takes one argument, later versions all of them.
                let last = if self.dialect >= Dialect::V4_20 { words.len() } else { words.len().min(2) };
                let escaped: Vec<String> =
                    words[1..last].iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
                buffer.out.push_str(&escaped.join(" "));
            }
            Builtin::Undefine => self.undefine(buffer, first),
            Builtin::Load => {
                if self.load_macro_file(first).is_err() {
                    self.fail(buffer, Diagnostic::error("load-failed", format!("failed to load macro file {first}")));
                }
            }
            Builtin::MacroBody => match self.lookup(first) {
                _ if first.is_empty() => {}
                Some(found) => buffer.out.push_str(found.body_text()),
                None => {
                    let mut diagnostic = Diagnostic::error("unknown-macro", format!("no such macro: `{first}`"));
                    diagnostic.hint = self.near_macro(first);
                    self.fail(buffer, diagnostic);
                }
            },
            Builtin::Echo => self.report(Diagnostic::info("echo", first)),
            Builtin::Warn => self.report(Diagnostic::warning("warn", first)),
            Builtin::Error => self.fail(buffer, Diagnostic::error("error", first)),
            Builtin::Dump => self.report(Diagnostic::info("dump", self.dump())),
            Builtin::Trace => self.tracing.set(true),
            Builtin::RpmVersion => buffer.out.push_str(self.dialect.version()),
            Builtin::Span => buffer.out.push_str(first),
            Builtin::Len if words.len() == 2 => buffer.out.push_str(&to_bytes(first).len().to_string()),
            Builtin::Lower if words.len() == 2 => buffer.out.push_str(&first.to_ascii_lowercase()),
            Builtin::Upper if words.len() == 2 => buffer.out.push_str(&first.to_ascii_uppercase()),
            Builtin::Gsub
            | Builtin::Len
            | Builtin::Lower
            | Builtin::Rep
            | Builtin::Reverse
            | Builtin::Sub
            | Builtin::Upper => {
                let script = format!("return (string.{}(table.unpack(arg)))", entry.name);
                self.run_lua(buffer, &script, &entry.name, None, Some(&words[1..]));
            }
            Builtin::Xdg => self.do_xdg(buffer, first),
            Builtin::FileLine => {
                buffer.out.push_str(&self.line.get().to_string());
            }
            Builtin::SetupMacro => self.do_setup(buffer, &words),
            Builtin::PatchMacro => self.do_patch(buffer, &words),
            Builtin::Define | Builtin::Global | Builtin::Dnl | Builtin::Lua | Builtin::Verbose => {
                // Without text of their own: `%{?define}` and the like.
                if builtin == Builtin::Verbose {
                    buffer.out.push('0');
                }
            }
        }
        0
    }

    fn do_parsing_builtin(&self, buffer: &mut Buffer, builtin: Builtin, text: &str, free: bool) -> usize {
        match builtin {
            Builtin::Define => {
                let options = self.dialect >= Dialect::V6;
                let how = Definition { level: buffer.level, eager: false, options, open_ended: free };
                self.do_define(buffer, text, how, self.here())
            }
            Builtin::Global => {
                let how = Definition { level: level::GLOBAL, eager: true, options: false, open_ended: free };
                self.do_define(buffer, text, how, self.here())
            }
            Builtin::Dnl => {
                let line = text.bytes().position(is_eol).map_or(text.len(), |at| at + 1);
                if free { line } else { 0 }
            }
            Builtin::Lua => {
                let call = buffer.call.clone();
                let (name, options, args) = match &call {
                    Some(call) => (&*call.entry.name, call.entry.options.as_deref(), Some(call.args.as_slice())),
                    None => ("<lua>", None, None),
                };
                self.run_lua(buffer, text, name, options, args);
                0
            }
            // A query is never verbose: the text after the colon is left out, the bare macro says 0.
            Builtin::Verbose => {
                if free {
                    buffer.out.push('0');
                }
                0
            }
            _ => 0,
        }
    }

    fn do_quote(&self, buffer: &mut Buffer, words: &[String]) {
        if self.dialect < Dialect::V4_20 {
            buffer.out.push_str(&unsplit_quoted(words, " "));
        } else if buffer.keep_quoted {
            let quoted = unsplit_quoted(words, " ");
            buffer.have_quoted |= !quoted.is_empty();
            buffer.out.push_str(&quoted);
        } else {
            buffer.out.push_str(&words.join(" "));
        }
    }

    fn do_get_cpus(&self, buffer: &mut Buffer, what: Option<&str>) {
        let cpus = u64::from(self.world.machine.cpus);
        // rpm adds one to the megabytes, so that a machine sold as 4 GiB counts as such.
        let megabytes = self.world.machine.memory / (1 << 20) + 1;
        let task = |name: &str| match self.expand_number(&format!("%{{?_smp_tasksize_{name}}}")) {
            0 => 512,
            size => u64::try_from(size).unwrap_or(u64::MAX),
        };
        let count = match what {
            None | Some("total") => cpus,
            Some(what @ ("proc" | "thread")) => cpus.min(megabytes / task(what)),
            Some(other) => {
                self.fail(
                    buffer,
                    Diagnostic::error("builtin-argument", format!("`%getncpus`: invalid argument `{other}`"))
                        .hint("the arguments are `total`, `proc` and `thread`"),
                );
                return;
            }
        };
        buffer.out.push_str(&count.max(1).to_string());
    }

    fn do_xdg(&self, buffer: &mut Buffer, what: &str) {
        let (variable, folder) = match what {
            "cache" => ("XDG_CACHE_HOME", ".cache"),
            "config" => ("XDG_CONFIG_HOME", ".config"),
            "data" => ("XDG_DATA_HOME", ".local/share"),
            "state" => ("XDG_STATE_HOME", ".local/state"),
            other => {
                self.fail(
                    buffer,
                    Diagnostic::error("builtin-argument", format!("`%xdg`: invalid argument `{other}`"))
                        .hint("the arguments are `cache`, `config`, `data` and `state`"),
                );
                return;
            }
        };
        match self.variable(variable).filter(|value| !value.is_empty()) {
            Some(value) => buffer.out.push_str(&value),
            None => {
                let home = self.variable("HOME").unwrap_or_default();
                buffer.out.push_str(&format!("{home}/{folder}"));
            }
        }
    }

    /// `%(command)`: the output without its trailing newlines.
    pub(crate) fn shell_escape(&self, buffer: &mut Buffer, text: &str) {
        let Ok(command) = self.expand_apart(buffer, text, false) else { return };
        match self.shell(&to_bytes(&command.out)) {
            Ok(answer) => {
                let output = from_bytes(&answer.stdout);
                buffer.out.push_str(output.trim_end_matches(['\n', '\r']));
            }
            Err(error) => {
                let mut diagnostic =
                    Diagnostic::error("shell-failed", format!("{error}: `%({})`", first_line(&command.out)));
                if error == ShellError::Off {
                    diagnostic = diagnostic.hint(
                        "allow it with `--shell=sandbox`, or give its answer in a target profile or a file of recorded answers",
                    );
                }
                self.fail(buffer, diagnostic);
            }
        }
    }

    /// Asks the shell; what it wrote to standard error becomes output of the spec.
    pub(crate) fn shell(&self, command: &[u8]) -> Result<ShellAnswer, ShellError> {
        let source_dir = self.expand_loosely("%{_sourcedir}");
        let answer = self.ask_shell(command, &source_dir)?;
        for line in from_bytes(&answer.stderr).lines().filter(|line| !line.trim().is_empty()) {
            self.report(Diagnostic::info("shell-output", line));
        }
        Ok(answer)
    }

    /// All definitions in force, as `%dump` lists them.
    pub(crate) fn dump(&self) -> String {
        let mut out = String::from("========================\n");
        let all = self.table.borrow().all();
        for entry in &all {
            let options = entry.options.as_deref().filter(|options| !options.is_empty());
            let options = options.map(|options| format!("({options})")).unwrap_or_default();
            out.push_str(&format!("{:3}: {}{options}\t{}\n", entry.level, entry.name, entry.body_text()));
        }
        out.push_str(&format!("======================== active {} empty 0", all.len()));
        out
    }
}

fn first_line(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    match line.char_indices().nth(80) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line.to_owned(),
    }
}

/// White space at the ends goes, white space between words becomes one blank.
fn shrink(text: &str, out: &mut String) {
    let words = text.split(|c: char| u8::try_from(c).is_ok_and(is_space)).filter(|word| !word.is_empty());
    for (n, word) in words.enumerate() {
        if n > 0 {
            out.push(' ');
        }
        out.push_str(word);
    }
}

/// 4.18: what follows the last slash; later: `basename(3)`.
fn basename(path: &str, dialect: Dialect) -> &str {
    if dialect < Dialect::V4_20 {
        return path.rsplit_once('/').map_or(path, |(_, name)| name);
    }
    let trimmed = path.trim_end_matches('/');
    match (path, trimmed) {
        ("", _) => ".",
        (_, "") => "/",
        _ => trimmed.rsplit_once('/').map_or(trimmed, |(_, name)| name),
    }
}

/// 4.18: what precedes the last slash, or all; later: `dirname(3)`.
fn dirname(path: &str, dialect: Dialect) -> &str {
    if dialect < Dialect::V4_20 {
        return path.rsplit_once('/').map_or(path, |(folder, _)| folder);
    }
    let trimmed = path.trim_end_matches('/');
    match (path, trimmed) {
        ("", _) => ".",
        (_, "") => "/",
        _ => match trimmed.rsplit_once('/') {
            None => ".",
            Some((folder, _)) => match folder.trim_end_matches('/') {
                "" => "/",
                folder => folder,
            },
        },
    }
}

/// The path of a URL (`urlPath()` in `rpmio/url.c`); text that is no URL is a path already.
fn url_path(url: &str) -> &str {
    for scheme in ["ftp://", "file://", "hkp://", "http://", "https://"] {
        if let Some(head) = url.get(..scheme.len())
            && head.eq_ignore_ascii_case(scheme)
        {
            let rest = &url[scheme.len()..];
            return rest.find('/').map_or("/", |at| &rest[at..]);
        }
    }
    if url.is_empty() || url == "-" { "/" } else { url }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_as_the_dialect_cuts_them() {
        for (path, old_base, base, old_dir, dir) in [
            ("/a/b.c", "b.c", "b.c", "/a", "/a"),
            ("b", "b", "b", "b", "."),
            ("/a/", "", "a", "/a", "/"),
            ("/", "", "/", "", "/"),
            ("", "", ".", "", "."),
            ("a//b", "b", "b", "a/", "a"),
        ] {
            assert_eq!(basename(path, Dialect::V4_18), old_base, "basename {path}");
            assert_eq!(basename(path, Dialect::V4_20), base, "basename {path}");
            assert_eq!(dirname(path, Dialect::V4_18), old_dir, "dirname {path}");
            assert_eq!(dirname(path, Dialect::V4_20), dir, "dirname {path}");
        }
    }

    #[test]
    fn urls_have_paths() {
        for (url, want) in [
            ("https://x.org/a/b", "/a/b"),
            ("http://x.org", "/"),
            ("/a/b", "/a/b"),
            ("", "/"),
            ("ftp://x/y?z=1", "/y?z=1"),
        ] {
            assert_eq!(url_path(url), want, "{url}");
        }
    }
}

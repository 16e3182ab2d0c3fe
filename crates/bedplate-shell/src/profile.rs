//! The target profile: facts of the machine that is built for, and answers by command text.
//!
//! ```toml
//! version = 1
//!
//! [facts]
//! cpus = 4                       # nproc, getconf _NPROCESSORS_ONLN
//! machine = "x86_64"             # uname -m, arch
//! kernel-release = "6.6.57"      # uname -r
//! hostname = "build"             # hostname, uname -n
//! user = "root"                  # whoami, id -un, id -gn; id -u and id -g if it is root
//!
//! [facts.perl]                   # perl -V:NAME, perl -MConfig -e 'print $Config{NAME}'
//! version = "5.38.2"
//! installvendorarch = "/usr/lib64/perl5/vendor_perl"
//!
//! [facts.python]                 # python3 -c '…': sys.version_info, sysconfig paths and variables
//! version = "3.12.9"
//! purelib = "/usr/lib/python3.12/site-packages"
//! platlib = "/usr/lib64/python3.12/site-packages"
//! EXT_SUFFIX = ".cpython-312-x86_64-linux-gnu.so"
//!
//! [facts.pkg-config]             # pkg-config --modversion NAME, --exists NAME, --atleast-version=… NAME
//! zlib = "1.3.1"
//!
//! [facts.packages]               # rpm -q --qf '%{version}' NAME; "" says that it is not installed
//! systemd = "255-1.azl3"
//!
//! [[answer]]                     # the whole text of a `%(…)`, or one command in a larger script
//! command = "make --version"
//! stdout = "GNU Make 4.4.1\n"
//!
//! [[answer]]
//! match = "(gcc|cc) -dumpversion" # a regular expression for the whole of it
//! stdout = "13\n"
//! stderr = ""                    # default
//! status = 0                     # default
//! ```
//!
//! An answer for a command within a script is looked up by its words, each quoted as the shell needs it and with one blank
//! between; `command` may be written with any quotes that give the same words. What is not in the profile is not known: the
//! chain goes on to the next answerer. Of two answers for a command, the first counts.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use bedplate_diag::{Diagnostic, SourceId, Span, nearest};
use bedplate_spec::host::ShellAnswer;
use regex::bytes::Regex;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::native::words_of_simple_command;

const VERSION: u64 = 1;

/// Facts of the target that built-in rules use. Without a fact, a command that asks for it is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Processors.
    pub cpus: Option<u32>,
    /// `uname -m`.
    pub machine: Option<String>,
    /// `uname -r`.
    pub kernel_release: Option<String>,
    /// `hostname`.
    pub hostname: Option<String>,
    /// `whoami` and `id -un`; the group has the same name.
    pub user: Option<String>,
    /// Seconds since 1970 that `date` shows; set by the caller, not by the file.
    pub now: Option<i64>,
    /// Perl's configuration variables.
    pub perl: BTreeMap<String, String>,
    /// Python's `version`, paths of `sysconfig.get_path` and variables of `sysconfig.get_config_var`.
    pub python: BTreeMap<String, String>,
    /// Versions of pkg-config modules.
    pub pkg_config: BTreeMap<String, String>,
    /// Version and release of installed packages; an empty text: known not to be installed.
    pub packages: BTreeMap<String, String>,
}

/// A target profile.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    facts: Facts,
    by_text: HashMap<Vec<u8>, ShellAnswer>,
    by_words: HashMap<Vec<Vec<u8>>, ShellAnswer>,
    by_match: Vec<(Regex, ShellAnswer)>,
}

impl Profile {
    /// A profile of facts only.
    pub fn of_facts(facts: Facts) -> Self {
        Self { facts, ..Self::default() }
    }

    /// Reads a profile; `source` is the id for the places of its mistakes.
    ///
    /// # Errors
    /// All mistakes of the file, each with its place.
    pub fn parse(source: SourceId, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut reader = Reader { source, wrong: Vec::new() };
        for error in errors {
            let span = error.span().unwrap_or_default();
            reader.wrong("bad-toml", error.message(), span);
        }
        // A text that is no TOML would give follow-up mistakes that are none.
        let profile = if reader.wrong.is_empty() { reader.profile(table.get_ref()) } else { Self::default() };
        if reader.wrong.is_empty() {
            Ok(profile)
        } else {
            reader.wrong.sort_by_key(|wrong| wrong.span);
            Err(reader.wrong)
        }
    }

    /// The facts.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The facts, to set those that a caller knows.
    pub fn facts_mut(&mut self) -> &mut Facts {
        &mut self.facts
    }

    /// The answer of the whole text of a command.
    pub fn answer(&self, command: &[u8]) -> Option<&ShellAnswer> {
        let command = command.trim_ascii();
        self.by_text.get(command).or_else(|| {
            let matches = |regex: &Regex| regex.is_match(command);
            self.by_match.iter().find(|(regex, _)| matches(regex)).map(|(_, answer)| answer)
        })
    }

    /// The answer of one command in a script, by its words.
    pub(crate) fn answer_words(&self, words: &[Vec<u8>]) -> Option<&ShellAnswer> {
        if self.by_words.is_empty() && self.by_match.is_empty() {
            return None;
        }
        self.by_words.get(words).or_else(|| {
            if self.by_match.is_empty() {
                return None;
            }
            let text = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(&b' ');
            self.by_match.iter().find(|(regex, _)| regex.is_match(&text)).map(|(_, answer)| answer)
        })
    }
}

/// A word as a shell would need it written.
fn quoted(word: &[u8]) -> Vec<u8> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-+=./:,@%^".contains(byte);
    if !word.is_empty() && word.iter().all(is_plain) {
        return word.to_vec();
    }
    let mut quoted = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

struct Reader {
    source: SourceId,
    wrong: Vec<Diagnostic>,
}

type Entry<'a, 'i> = (&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>);

impl Reader {
    fn wrong(&mut self, code: &'static str, message: impl Into<String>, span: Range<usize>) {
        let span = Span::new(self.source, span.start, span.end);
        self.wrong.push(Diagnostic::error(code, message).at(span));
    }

    fn unknown(&mut self, (key, _): Entry<'_, '_>, known: &[&'static str]) {
        let name = key.get_ref().as_ref();
        self.wrong("unknown-key", format!("unknown key `{name}`"), key.span());
        if let (Some(near), Some(last)) = (nearest(name, known.iter().copied()), self.wrong.last_mut()) {
            last.hint = Some(format!("did you mean `{near}`?"));
        }
    }

    fn profile(&mut self, table: &DeTable<'_>) -> Profile {
        let mut profile = Profile::default();
        for entry in table {
            match entry.0.get_ref().as_ref() {
                "version" => {
                    if self.number(entry).is_some_and(|version| version != VERSION) {
                        self.wrong("bad-version", format!("this program reads version {VERSION}"), entry.1.span());
                    }
                }
                "facts" => {
                    if let Some(table) = self.table(entry.1, "facts") {
                        profile.facts = self.facts(table);
                    }
                }
                "answer" => match entry.1.get_ref() {
                    DeValue::Array(answers) => answers.iter().for_each(|answer| self.answer(answer, &mut profile)),
                    _ => self.wrong("wrong-type", "`answer` is a list: write `[[answer]]`", entry.1.span()),
                },
                _ => self.unknown(entry, &["version", "facts", "answer"]),
            }
        }
        profile
    }

    fn facts(&mut self, table: &DeTable<'_>) -> Facts {
        let mut facts = Facts::default();
        for entry in table {
            match entry.0.get_ref().as_ref() {
                "cpus" => {
                    facts.cpus = self.number(entry).and_then(|cpus| {
                        let cpus = u32::try_from(cpus).ok().filter(|cpus| *cpus > 0);
                        if cpus.is_none() {
                            self.wrong("wrong-value", "`cpus` is a number from 1 up", entry.1.span());
                        }
                        cpus
                    });
                }
                "machine" => facts.machine = self.text(entry),
                "kernel-release" => facts.kernel_release = self.text(entry),
                "hostname" => facts.hostname = self.text(entry),
                "user" => facts.user = self.text(entry),
                "perl" => facts.perl = self.texts(entry),
                "python" => facts.python = self.texts(entry),
                "pkg-config" => facts.pkg_config = self.texts(entry),
                "packages" => facts.packages = self.texts(entry),
                _ => self.unknown(
                    entry,
                    &[
                        "cpus",
                        "machine",
                        "kernel-release",
                        "hostname",
                        "user",
                        "perl",
                        "python",
                        "pkg-config",
                        "packages",
                    ],
                ),
            }
        }
        facts
    }

    fn answer(&mut self, value: &Spanned<DeValue<'_>>, profile: &mut Profile) {
        let Some(table) = self.table(value, "answer") else { return };
        let mut answer = ShellAnswer::default();
        let (mut command, mut pattern, mut has_stdout) = (None, None, false);
        for entry in table {
            match entry.0.get_ref().as_ref() {
                "command" => command = self.text(entry),
                "match" => pattern = self.text(entry).map(|pattern| (pattern, entry.1.span())),
                "stdout" => {
                    has_stdout = true;
                    answer.stdout = self.text(entry).unwrap_or_default().into_bytes();
                }
                "stderr" => answer.stderr = self.text(entry).unwrap_or_default().into_bytes(),
                "status" => match self.number(entry).map(u8::try_from) {
                    Some(Ok(status)) => answer.status = status.into(),
                    Some(Err(_)) => self.wrong("wrong-value", "`status` is a number from 0 to 255", entry.1.span()),
                    None => {}
                },
                _ => self.unknown(entry, &["command", "match", "stdout", "stderr", "status"]),
            }
        }
        if !has_stdout {
            self.wrong("missing-key", "an answer needs `stdout` (it may be empty)", value.span());
        }
        match (command, pattern) {
            (Some(command), None) => {
                let command = command.trim().as_bytes().to_vec();
                if let Some(words) = words_of_simple_command(&command) {
                    profile.by_words.entry(words).or_insert_with(|| answer.clone());
                }
                profile.by_text.entry(command).or_insert(answer);
            }
            (None, Some((pattern, span))) => match Regex::new(&format!("\\A(?:{pattern})\\z")) {
                Ok(regex) => profile.by_match.push((regex, answer)),
                Err(error) => self.wrong("bad-pattern", regex_message(&error), span),
            },
            (None, None) => self.wrong("missing-key", "an answer needs `command` or `match`", value.span()),
            (Some(_), Some(_)) => {
                self.wrong("two-keys", "an answer has `command` or `match`, not both", value.span());
            }
        }
    }

    fn table<'a, 'i>(&mut self, value: &'a Spanned<DeValue<'i>>, name: &str) -> Option<&'a DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong("wrong-type", format!("`{name}` is a table"), value.span());
        }
        table
    }

    fn text(&mut self, (key, value): Entry<'_, '_>) -> Option<String> {
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong("wrong-type", format!("`{}` is a text in quotes", key.get_ref()), value.span());
        }
        text
    }

    fn number(&mut self, (key, value): Entry<'_, '_>) -> Option<u64> {
        let number =
            value.get_ref().as_integer().and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok());
        if number.is_none() {
            self.wrong("wrong-type", format!("`{}` is a whole number", key.get_ref()), value.span());
        }
        number
    }

    fn texts(&mut self, (key, value): Entry<'_, '_>) -> BTreeMap<String, String> {
        let Some(table) = self.table(value, key.get_ref()) else { return BTreeMap::new() };
        table.iter().filter_map(|entry| Some((entry.0.get_ref().to_string(), self.text(entry)?))).collect()
    }
}

/// The last line of a message of the regex library; those before draw the pattern.
fn regex_message(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_found_by_text_by_words_and_by_pattern() {
        let profile = Profile::parse(
            SourceId(0),
            r#"
            version = 1
            [facts]
            cpus = 8
            [facts.perl]
            version = "5.38.2"
            [[answer]]
            command = "make  --version"
            stdout = "GNU Make 4.4\n"
            [[answer]]
            command = "python3 -c \"print(1)\""
            stdout = "1\n"
            [[answer]]
            match = "(gcc|cc) -dumpversion"
            stdout = "13\n"
            status = 3
            "#,
        )
        .unwrap();
        assert_eq!(profile.facts().cpus, Some(8));
        assert_eq!(profile.facts().perl["version"], "5.38.2");
        let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(profile.answer_words(&words(&["make", "--version"])).unwrap().stdout, b"GNU Make 4.4\n");
        assert_eq!(profile.answer_words(&words(&["python3", "-c", "print(1)"])).unwrap().stdout, b"1\n");
        assert_eq!(profile.answer_words(&words(&["cc", "-dumpversion"])).unwrap().status, 3);
        assert!(profile.answer_words(&words(&["cc", "-dumpversion", "x"])).is_none());
        assert_eq!(profile.answer(b" gcc -dumpversion\n").unwrap().stdout, b"13\n");
        assert!(profile.answer(b"make --version").is_none());
    }

    #[test]
    fn all_mistakes_are_told_with_their_places() {
        let text = "verison = 1\n[facts]\ncpus = 0\nmachine = 64\nperl = 3\n[[answer]]\ncommand = \"x\"\nmatch = \"y\"\nstdout = \"\"\nstatus = 300\n[[answer]]\nmatch = \"(\"\nstdout = \"\"\n[[answer]]\ncommand = \"x\"\n";
        let wrong = Profile::parse(SourceId(0), text).unwrap_err();
        let source = bedplate_diag::Source::new("profile.toml", text);
        let told: Vec<(u32, &str)> = wrong
            .iter()
            .map(|wrong| (source.line_column(wrong.span.unwrap().start).line, wrong.message.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (1, "unknown key `verison`"),
                (3, "`cpus` is a number from 1 up"),
                (4, "`machine` is a text in quotes"),
                (5, "`perl` is a table"),
                (6, "an answer has `command` or `match`, not both"),
                (10, "`status` is a number from 0 to 255"),
                (12, "unclosed group"),
                (14, "an answer needs `stdout` (it may be empty)"),
            ]
        );
        assert_eq!(wrong[0].hint.as_deref(), Some("did you mean `version`?"));
        let wrong = Profile::parse(SourceId(0), "[facts\ncpus = = 1\n").unwrap_err();
        assert!(wrong.len() >= 2 && wrong.iter().all(|wrong| wrong.span.is_some()), "{wrong:?}");
    }
}

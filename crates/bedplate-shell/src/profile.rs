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

use bedplate_config::{Reader, Table};
use bedplate_diag::{Diagnostic, SourceId};
use bedplate_spec::host::ShellAnswer;
use regex::bytes::Regex;

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
        Reader::read(source, text, |reader, table| Filler(reader).profile(table))
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

/// Fills a profile from its table.
struct Filler<'r>(&'r mut Reader);

impl Filler<'_> {
    fn profile(&mut self, table: &Table<'_>) -> Profile {
        let mut profile = Profile::default();
        self.0.version(table, VERSION);
        for entry in table {
            match entry.0.get_ref().as_ref() {
                "version" => {}
                "facts" => {
                    if let Some(table) = self.0.table(entry.1, "facts") {
                        profile.facts = self.facts(table);
                    }
                }
                "answer" => {
                    for (table, range) in self.0.tables(entry) {
                        self.answer(table, range, &mut profile);
                    }
                }
                _ => self.0.unknown(entry, &["version", "facts", "answer"]),
            }
        }
        profile
    }

    fn facts(&mut self, table: &Table<'_>) -> Facts {
        let mut facts = Facts::default();
        for entry in table {
            match entry.0.get_ref().as_ref() {
                "cpus" => {
                    facts.cpus = self.0.number(entry).and_then(|cpus| {
                        let cpus = u32::try_from(cpus).ok().filter(|cpus| *cpus > 0);
                        if cpus.is_none() {
                            self.0.wrong("wrong-value", "`cpus` is a number from 1 up", entry.1.span());
                        }
                        cpus
                    });
                }
                "machine" => facts.machine = self.0.text(entry),
                "kernel-release" => facts.kernel_release = self.0.text(entry),
                "hostname" => facts.hostname = self.0.text(entry),
                "user" => facts.user = self.0.text(entry),
                "perl" => facts.perl = self.0.texts(entry),
                "python" => facts.python = self.0.texts(entry),
                "pkg-config" => facts.pkg_config = self.0.texts(entry),
                "packages" => facts.packages = self.0.texts(entry),
                _ => self.0.unknown(
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

    fn answer(&mut self, table: &Table<'_>, range: Range<usize>, profile: &mut Profile) {
        let mut answer = ShellAnswer::default();
        let (mut command, mut pattern, mut has_stdout) = (None, None, false);
        for entry in table {
            match entry.0.get_ref().as_ref() {
                "command" => command = self.0.text(entry),
                "match" => pattern = self.0.text(entry).map(|pattern| (pattern, entry.1.span())),
                "stdout" => {
                    has_stdout = true;
                    answer.stdout = self.0.text(entry).unwrap_or_default().into_bytes();
                }
                "stderr" => answer.stderr = self.0.text(entry).unwrap_or_default().into_bytes(),
                "status" => match self.0.number(entry).map(u8::try_from) {
                    Some(Ok(status)) => answer.status = status.into(),
                    Some(Err(_)) => {
                        self.0.wrong("wrong-value", "`status` is a number from 0 to 255", entry.1.span());
                    }
                    None => {}
                },
                _ => self.0.unknown(entry, &["command", "match", "stdout", "stderr", "status"]),
            }
        }
        if !has_stdout {
            self.0.wrong("missing-key", "an answer needs `stdout` (it may be empty)", range.clone());
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
                Err(error) => {
                    self.0.wrong("bad-pattern", regex_message(&error), span);
                }
            },
            (None, None) => {
                self.0.wrong("missing-key", "an answer needs `command` or `match`", range);
            }
            (Some(_), Some(_)) => {
                self.0.wrong("two-keys", "an answer has `command` or `match`, not both", range);
            }
        }
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

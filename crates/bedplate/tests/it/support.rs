//! A folder of its own for each test, the program run in it, and the conformance cases.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_bedplate");

/// The conformance suite of `bedplate-spec`.
pub(crate) const SUITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bedplate-spec/tests/data/conformance");

/// Tags that every spec needs.
pub(crate) const TAGS: &str = "Version: 1.0\nRelease: 1\nSummary: Test\nLicense: MIT\n";

/// A good spec.
pub(crate) fn good(name: &str) -> String {
    format!("Name: {name}\n{TAGS}%description\nText.\n%files\n")
}

/// A spec that lacks a version.
pub(crate) fn bad(name: &str) -> String {
    format!("Name: {name}\nRelease: 1\nSummary: Test\nLicense: MIT\n%description\nText.\n%files\n")
}

/// What the program wrote, and how it ended. The test's folder is `[DIR]`, the suite's macros are `[CONF]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// Checks the exit code; the output is in the message if it is another one.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// Checks that a message has a text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "`{text}` is not in:\n{}", self.stderr);
        self
    }

    /// Checks standard output.
    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Self {
        assert_eq!(self.stdout, text, "--- stderr\n{}", self.stderr);
        self
    }

    /// Standard output as JSON lines.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

/// A folder in which the program runs, with nothing of the user's environment.
pub(crate) struct TestEnv {
    folder: tempfile::TempDir,
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() }
    }

    /// The same with its folder in another one than that of the tests.
    pub(crate) fn below(folder: &Path) -> Self {
        Self { folder: tempfile::tempdir_in(folder).unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file below the folder.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The program with the suite's macros as its configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path())
            .env("BEDPLATE_RPM_CONFIG", format!("{SUITE}/macros"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        self.answer(self.command(arguments))
    }

    /// Runs the program with a text on its standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Answer {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        self.redacted(&child.wait_with_output().unwrap())
    }

    pub(crate) fn answer(&self, mut command: Command) -> Answer {
        self.redacted(&command.output().unwrap())
    }

    fn redacted(&self, output: &std::process::Output) -> Answer {
        let text = |bytes: &[u8]| {
            let text = bedplate_diag::text::escape_invalid(&bedplate_diag::text::from_bytes(bytes));
            text.replace(self.path().to_str().unwrap(), "[DIR]").replace(&format!("{SUITE}/macros"), "[CONF]")
        };
        // A signal has no code: as a shell would say it.
        let signal = || std::os::unix::process::ExitStatusExt::signal(&output.status).map(|signal| 128 + signal);
        Answer {
            code: output.status.code().or_else(signal).unwrap(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

/// One case of the conformance suite.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// `GROUP/NAME`
    pub(crate) name: String,
    /// Arguments of its own.
    pub(crate) flags: Vec<String>,
}

impl Case {
    pub(crate) fn spec(&self) -> String {
        format!("{SUITE}/cases/{}.spec", self.name)
    }
}

/// All cases, by name.
pub(crate) fn cases() -> Vec<Case> {
    let mut found = Vec::new();
    for group in std::fs::read_dir(format!("{SUITE}/cases")).unwrap() {
        let group = group.unwrap();
        for entry in std::fs::read_dir(group.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "spec") {
                let name = path.file_stem().unwrap().to_str().unwrap();
                let flags = std::fs::read_to_string(path.with_extension("flags")).unwrap_or_default();
                let name = format!("{}/{name}", group.file_name().to_str().unwrap());
                found.push(Case { name, flags: shell_words(&flags) });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// The words of a `.flags` file: blanks part them, quotes keep blanks.
fn shell_words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Runs work on all values with as many threads as there are processors, and gives the results in order.
pub(crate) fn in_parallel<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let parts = all.chunks(all.len().div_ceil(threads).max(1));
    std::thread::scope(|scope| {
        let work = &work;
        let handles: Vec<_> =
            parts.map(|part| scope.spawn(move || part.iter().map(work).collect::<Vec<R>>())).collect();
        handles.into_iter().flat_map(|handle| handle.join().unwrap()).collect()
    })
}

/// The lines that differ, with a line of context.
pub(crate) fn diff(want: &str, got: &str) -> String {
    let (want, got): (Vec<&str>, Vec<&str>) = (want.lines().collect(), got.lines().collect());
    let same_start = want.iter().zip(&got).take_while(|(a, b)| a == b).count();
    let left = want.len().min(got.len()) - same_start;
    let same_end = want.iter().rev().zip(got.iter().rev()).take(left).take_while(|(a, b)| a == b).count();
    let mut out = String::new();
    if let Some(line) = same_start.checked_sub(1).map(|at| want[at]) {
        let _ = writeln!(out, "  {line}");
    }
    for (sign, lines) in [('-', &want), ('+', &got)] {
        for line in lines[same_start..lines.len() - same_end].iter().take(20) {
            let _ = writeln!(out, "{sign} {line}");
        }
    }
    out
}

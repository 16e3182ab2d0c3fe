//! Answers that a process gave before, in a file of JSON lines.
//!
//! ```text
//! {"command": "gcc -dumpversion", "stdout": "13\n"}
//! {"command": "cat @SOURCEDIR@/VERSION", "stdout": "1.2\n", "status": 0, "source_dir": "chrony"}
//! ```
//!
//! The first line may be `{"bedplate-shell-answers": 1}`, the version of the format; saving writes it. Bytes that are no UTF-8 are kept as
//! `"stdout_hex"`. The source folder is written as `@SOURCEDIR@` in commands and answers, so that a record made in one place
//! serves in another. The answer of a command that could read the folder counts only for a folder of the same name (the last
//! part of its path), which `"source_dir"` holds.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bedplate_diag::{Diagnostic, SourceId, Span};
use bedplate_spec::host::{ShellAnswer, ShellCall};

use crate::scope::sees_folder;
use serde::{Deserialize, Serialize};

const PLACEHOLDER: &str = "@SOURCEDIR@";
const VERSION: u32 = 1;

/// A set of recorded answers; threads may add to it.
#[derive(Debug, Default)]
pub struct Recorded {
    answers: Mutex<BTreeMap<Key, ShellAnswer>>,
}

/// The portable command and the name of the source folder if it could see that.
type Key = (Vec<u8>, Option<String>);

/// Why a record could not be saved.
#[derive(Debug)]
pub struct RecordError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "write recorded answers to `{}`", self.path.display())
    }
}

impl std::error::Error for RecordError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command_hex: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stdout: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stdout_hex: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stderr: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    status: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_dir: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(status: &i32) -> bool {
    *status == 0
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "bedplate-shell-answers")]
    version: u32,
}

impl Recorded {
    /// Nothing recorded yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a file's text; `source` is the id for the places of its mistakes.
    ///
    /// # Errors
    /// All lines that are wrong, each with its place.
    pub fn parse(source: SourceId, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let mut answers = BTreeMap::new();
        let mut wrong = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let place = |from: usize, to: usize| Span::new(source, start + from, start + to);
            let content = line.trim_end();
            if content.is_empty()
                || (start == 0 && serde_json::from_str(content).is_ok_and(|head: Head| head.version == VERSION))
            {
                start += line.len();
                continue;
            }
            match serde_json::from_str::<Line>(content) {
                Ok(read) => match read.into_answer() {
                    Ok((command, answer)) => {
                        if answers.insert(command, answer).is_some() {
                            let message = "the answer of this command is recorded twice";
                            wrong.push(Diagnostic::error("recorded-twice", message).at(place(0, content.len())));
                        }
                    }
                    Err(message) => {
                        wrong.push(Diagnostic::error("bad-record", message).at(place(0, content.len())));
                    }
                },
                Err(error) => {
                    let at = error.column().saturating_sub(1).min(content.len());
                    let message = error.to_string();
                    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
                    wrong.push(Diagnostic::error("bad-record", message).at(place(at, at)));
                }
            }
            start += line.len();
        }
        if wrong.is_empty() { Ok(Self { answers: Mutex::new(answers) }) } else { Err(wrong) }
    }

    /// The file's text: sorted by command, so that it can be committed and compared.
    pub fn to_text(&self) -> String {
        let mut text = format!("{{\"bedplate-shell-answers\":{VERSION}}}\n");
        for ((command, source_dir), answer) in &*self.lock() {
            let (command_text, command_hex) = text_or_hex(command);
            let (stdout, stdout_hex) = text_or_hex(&answer.stdout);
            let line = Line {
                source_dir: source_dir.clone(),
                command: command_text,
                command_hex,
                stdout,
                stdout_hex,
                stderr: (!answer.stderr.is_empty()).then(|| String::from_utf8_lossy(&answer.stderr).into_owned()),
                status: answer.status,
            };
            // Text, numbers and a flag: JSON can hold them all.
            text.push_str(&serde_json::to_string(&line).unwrap_or_default());
            text.push('\n');
        }
        text
    }

    /// Writes the file; a reader sees the old one or the new one, never a part.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), RecordError> {
        let write = || -> io::Result<()> {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(self.to_text().as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        };
        write().map_err(|source| RecordError { path: path.to_owned(), source })
    }

    /// The recorded answer of a command.
    pub fn get(&self, call: ShellCall<'_>) -> Option<ShellAnswer> {
        let answers = self.lock();
        if answers.is_empty() {
            return None;
        }
        let mut answer = answers.get(&key(call))?.clone();
        drop(answers);
        answer.stdout = replace(&answer.stdout, PLACEHOLDER.as_bytes(), call.source_dir.as_bytes());
        answer.stderr = replace(&answer.stderr, PLACEHOLDER.as_bytes(), call.source_dir.as_bytes());
        Some(answer)
    }

    /// Records an answer, in place of an earlier one.
    pub fn add(&self, call: ShellCall<'_>, answer: &ShellAnswer) {
        let portable = ShellAnswer {
            stdout: to_portable(&answer.stdout, call.source_dir),
            stderr: to_portable(&answer.stderr, call.source_dir),
            status: answer.status,
        };
        self.lock().insert(key(call), portable);
    }

    /// How many answers there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, ShellAnswer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn into_answer(self) -> Result<(Key, ShellAnswer), String> {
        let bytes = |name: &str, text: Option<String>, hex: Option<String>| match (text, hex) {
            (Some(text), None) => Ok(text.into_bytes()),
            (None, Some(hex)) => {
                from_hex(&hex).ok_or_else(|| format!("`{name}_hex` is not a row of hexadecimal bytes"))
            }
            (Some(_), Some(_)) => Err(format!("both `{name}` and `{name}_hex` are given")),
            (None, None) => Err(format!("`{name}` is missing")),
        };
        let command = bytes("command", self.command, self.command_hex)?;
        let stdout = bytes("stdout", self.stdout, self.stdout_hex)?;
        let stderr = self.stderr.unwrap_or_default().into_bytes();
        Ok(((command, self.source_dir), ShellAnswer { stdout, stderr, status: self.status }))
    }
}

fn key(call: ShellCall<'_>) -> Key {
    let name =
        || Path::new(call.source_dir).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    (to_portable(call.command, call.source_dir), sees_folder(call).then(name))
}

fn to_portable(bytes: &[u8], source_dir: &str) -> Vec<u8> {
    // A short path such as `/` would be found everywhere.
    if source_dir.len() > 1 { replace(bytes, source_dir.as_bytes(), PLACEHOLDER.as_bytes()) } else { bytes.to_vec() }
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(from) {
            result.extend_from_slice(to);
            rest = after;
        } else {
            result.push(*first);
            rest = after;
        }
    }
    result
}

fn text_or_hex(bytes: &[u8]) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())),
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call<'a>(command: &'a str, source_dir: &'a str, environment: &'a BTreeMap<String, String>) -> ShellCall<'a> {
        ShellCall { command: command.as_bytes(), environment, source_dir }
    }

    #[test]
    fn a_record_serves_in_another_folder() {
        let environment = BTreeMap::new();
        let recorded = Recorded::new();
        let answer = |stdout: &[u8]| ShellAnswer { stdout: stdout.to_vec(), stderr: Vec::new(), status: 3 };
        recorded.add(call("ls /home/me/src/x", "/home/me/src", &environment), &answer(b"/home/me/src/x\xff\n"));
        recorded.add(call("gcc -dumpversion", "/home/me/src", &environment), &answer(b"13\n"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers.jsonl");
        recorded.save(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("{\"bedplate-shell-answers\":1}\n{\"command\":\"gcc -dumpversion\",\"stdout\":\"13\\n\",\"status\":3}\n{"), "{text}");
        let read = Recorded::parse(SourceId(0), &text).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read.get(call("ls /w/src/x", "/w/src", &environment)), Some(answer(b"/w/src/x\xff\n")));
        assert_eq!(read.get(call("ls /w/other/x", "/w/other", &environment)), None);
        assert_eq!(read.get(call("ls /w/src/y", "/w/src", &environment)), None);
        assert_eq!(read.get(call("gcc -dumpversion", "/w/other", &environment)), Some(answer(b"13\n")));
        assert_eq!(read.to_text(), text);
    }

    #[test]
    fn every_wrong_line_is_told_with_its_place() {
        let text = "{\"command\": \"a\", \"stdout\": \"\"}\nnonsense\n{\"command\": \"b\"}\n\n{\"command\":\"c\",\"stdout\":\"\",\"x\":1}\n{\"command\": \"a\", \"stdout\": \"\"}\n";
        let wrong = Recorded::parse(SourceId(7), text).unwrap_err();
        let source = bedplate_diag::Source::new("answers", text);
        let told: Vec<(u32, &str)> = wrong
            .iter()
            .map(|wrong| (source.line_column(wrong.span.unwrap().start).line, wrong.message.as_str()))
            .collect();
        assert_eq!(told[0].0, 2);
        assert_eq!(told[1], (3, "`stdout` is missing"));
        assert_eq!(told[2].0, 5);
        assert!(told[2].1.contains("unknown field `x`"), "{told:?}");
        assert_eq!(told[3], (6, "the answer of this command is recorded twice"));
    }
}

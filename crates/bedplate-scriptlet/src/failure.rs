//! A script that failed, with what its reader needs to mend it.

use std::collections::VecDeque;
use std::fmt;

use bedplate_sandbox::Violation;
use bedplate_tree::TreePath;

use crate::command::{SCRIPT, Tools};
use crate::{Owner, Step};

/// How many lines of output an error shows.
const LINES: usize = 30;

/// A script that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which script: `%post of NAME-VERSION-RELEASE.ARCH`.
    pub script_name: String,
    /// Its place among the steps of the plan.
    pub step: usize,
    /// The package that set a trigger off.
    pub cause: Option<String>,
    /// Interpreter and arguments, as one can paste them.
    pub command: String,
    /// `exit status 3`, `killed by signal 9`, `ran longer than …`.
    pub end: String,
    /// Its text, with its lines as the messages of shells count them; empty for a program that runs alone.
    pub script: String,
    /// The line of the text that its output names, from 1.
    pub line: Option<usize>,
    /// The last lines of its output.
    pub output: Vec<String>,
    /// How many lines there were before.
    pub omitted: usize,
    /// What to do.
    pub hint: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.script_name)?;
        if let Some(cause) = &self.cause {
            write!(f, ", set off by {cause},")?;
        }
        write!(f, " failed: {}\n  command: {}", self.end, self.command)?;
        if let Some(line) = self.line
            && let Some(text) = self.script.lines().nth(line - 1)
        {
            write!(f, "\n  line {line} of the script: {}", text.trim())?;
        }
        if self.omitted > 0 {
            write!(f, "\n  | ({} lines before are in the log)", self.omitted)?;
        }
        for line in &self.output {
            write!(f, "\n  | {line}")?;
        }
        if self.output.is_empty() {
            write!(f, "\n  it printed nothing")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// How a script ended that did not succeed.
pub(crate) struct Ended {
    /// In words.
    pub(crate) text: String,
    pub(crate) was_started: bool,
}

impl Failure {
    /// What is to be said of a step that failed.
    pub(crate) fn of(
        (place, step): (usize, &Step<'_>),
        tools: &Tools<'_>,
        end: Ended,
        output: Tail,
        violations: &[Violation],
    ) -> Self {
        let script = step.script.text().into_owned();
        let mut command = step.script.program.join(" ");
        if step.script.body.is_some() {
            command.push_str(&format!(" {SCRIPT}"));
            step.arguments.iter().for_each(|argument| command.push_str(&format!(" {}", quoted(argument))));
        }
        let hint = if !end.was_started {
            let interpreter = step.script.program.first().map(String::as_str).unwrap_or_default();
            let found = interpreter.parse::<TreePath>().ok().and_then(|path| tools.tree.resolve(&path));
            match found.filter(|path| tools.tree.get(path.as_str()).is_some()) {
                None => {
                    let other = match step.owner {
                        Owner::Package(_) => "leave the package out",
                        Owner::Config(_) => "name another interpreter",
                    };
                    Some(format!("`{interpreter}` is in no package of the image: install one that has it, or {other}"))
                }
                Some(_) => Some("the program is there: is its own interpreter, or the loader of its libraries?".into()),
            }
        } else if let Some(violation) = violations.first() {
            Some(format!("{violation}, and scripts have no network"))
        } else if end.text.starts_with("exit status 127") {
            Some("a command that it needs is in no package of the image, or is installed later".into())
        } else {
            None
        };
        let lines: Vec<String> = output.lines.into();
        let shown = lines.len().saturating_sub(LINES);
        Self {
            script_name: step.title(tools.packages),
            step: place,
            cause: step.cause.map(|cause| tools.packages[cause].nevra.to_string()),
            command,
            end: end.text,
            line: line_of(&lines).filter(|line| *line > 0 && *line <= script.lines().count()),
            script,
            output: lines[shown..].to_vec(),
            omitted: output.omitted + shown,
            hint,
        }
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The line of the script that the last message of an interpreter names: `FILE: line 3: …`, `FILE:3: …`, `FILE: 3: …`.
fn line_of(lines: &[String]) -> Option<usize> {
    let number = |text: &str| {
        let text = text.trim_start_matches([':', ' ', ']', '"']);
        let text = text.strip_prefix("line ").unwrap_or(text);
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text[..digits].parse().ok()
    };
    lines.iter().rev().find_map(|line| number(line.split_once(SCRIPT)?.1))
}

/// The last lines of a script: who prints without end must not fill the memory.
#[derive(Default)]
pub(crate) struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
    omitted: usize,
}

impl Tail {
    /// Bytes that are kept.
    const MOST: usize = 1 << 20;

    pub(crate) fn push(&mut self, line: String) {
        self.bytes += line.len() + 1;
        self.lines.push_back(line);
        while self.bytes > Self::MOST
            && let Some(first) = self.lines.pop_front()
        {
            self.bytes -= first.len() + 1;
            self.omitted += 1;
        }
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        let note = (self.omitted > 0).then(|| format!("({} lines before are not kept)", self.omitted));
        note.into_iter().chain(self.lines).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_the_shell() {
        for (word, expected) in
            [("1", "1"), ("--all=/x", "--all=/x"), ("", "''"), ("a b", "'a b'"), ("it's", "'it'\\''s'"), ("$x", "'$x'")]
        {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn messages_name_lines() {
        for (line, expected) in [
            ("/var/tmp/rpm-tmp.script: line 12: x: command not found", Some(12)),
            ("/var/tmp/rpm-tmp.script: 3: x: not found", Some(3)),
            ("error: lua script failed: [string \"/var/tmp/rpm-tmp.script\"]:4: bad", Some(4)),
            ("x: no such file", None),
        ] {
            assert_eq!(line_of(&["before".to_owned(), line.to_owned()]), expected, "{line}");
        }
    }
}

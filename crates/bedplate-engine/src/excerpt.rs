//! The lines of a build's log that say why it failed.
//!
//! A failed build ends with what make and rpmbuild say about the failure of others. The reason stands before that: the first lines
//! that look like an error, with what led to them, and after them the last lines that are not that echo.

use std::collections::BTreeSet;

/// How many errors are shown; later ones often follow from the first.
const MOST_ERRORS: usize = 3;
/// Lines before an error that belong to it: where the compiler was, which command it was.
const BEFORE: usize = 2;
/// Lines after an error that belong to it: the line of the source, the mark under it.
const AFTER: usize = 4;
/// How many of the last lines are shown.
const TAIL: usize = 6;
/// A longer line is cut, in bytes.
const LONGEST_LINE: usize = 400;

/// Chooses the lines of a log that say why it ended; `…` stands for lines that are left out.
pub fn relevant_lines(log: &str) -> Vec<String> {
    let lines: Vec<&str> = log.lines().map(str::trim_end).collect();
    let told = lines.iter().rposition(|line| !is_echo(line)).map_or(0, |last| last + 1);
    let mut chosen = BTreeSet::new();
    let errors = (0..told).filter(|at| is_error(lines[*at]));
    for at in errors.take(MOST_ERRORS) {
        if chosen.contains(&at) {
            continue;
        }
        chosen.extend(at.saturating_sub(BEFORE)..(at + 1 + AFTER).min(told));
    }
    // The tail is what is certain to be near the reason; errors found may be those that a configure script expects.
    chosen.extend(told.saturating_sub(TAIL)..told);
    if told == 0 {
        chosen.extend(lines.len().saturating_sub(TAIL)..lines.len());
    }
    let mut excerpt = Vec::new();
    let mut last = None;
    for at in chosen.into_iter().filter(|at| !lines[*at].is_empty()) {
        if last.is_some_and(|last| at > last + 1 && (last + 1..at).any(|left| !lines[left].is_empty())) {
            excerpt.push("…".to_owned());
        }
        excerpt.push(plain_line(lines[at]));
        last = Some(at);
    }
    excerpt
}

/// Whether a line only says that something before it failed.
fn is_echo(line: &str) -> bool {
    let line = line.trim_start();
    let is_make = || {
        let is_named = line.starts_with("make: ") || line.starts_with("make[") || line.starts_with("gmake");
        is_named
            && (line.contains("*** [")
                || line.contains("Leaving directory")
                || line.contains("Waiting for unfinished jobs")
                || line.contains("not remade because of errors"))
    };
    line.is_empty()
        || is_make()
        || line.starts_with("ninja: build stopped")
        || line.starts_with("RPM build errors")
        || line.starts_with("RPM build warnings")
        || (line.starts_with("error: Bad exit status from") || line.starts_with("Bad exit status from"))
        || line.starts_with("Child return code was")
}

/// Whether a line looks like the reason of a failure.
fn is_error(line: &str) -> bool {
    const SIGNS: [&str; 16] = [
        "error:",
        "Error:",
        "ERROR:",
        "ERROR ",
        "fatal:",
        "FATAL:",
        "undefined reference to",
        "No such file or directory",
        "command not found",
        "No rule to make target",
        "Segmentation fault",
        "Permission denied",
        "Assertion `",
        "Traceback (most recent call last)",
        "No space left on device",
        "out of memory",
    ];
    // Trace lines of the shell and of make show commands; `checking for x... error: no` is an answer of configure.
    let is_command = line.starts_with('+') || line.starts_with("checking ");
    let is_test = line.starts_with("FAIL:") || line.starts_with("not ok ") || line.contains(" *** FAILED");
    !is_command && !is_echo(line) && (is_test || SIGNS.iter().any(|sign| line.contains(sign)))
}

/// A line without colours and control characters, cut if it is long: fit for a terminal.
pub fn plain_line(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line.chars().peekable();
    while let Some(one) = rest.next() {
        match one {
            // A colour: ESC [ … letter.
            '\u{1b}' if rest.peek() == Some(&'[') => {
                rest.next();
                while rest.next().is_some_and(|one| !one.is_ascii_alphabetic()) {}
            }
            '\t' => plain.push_str("    "),
            one if one.is_control() => {}
            one => plain.push(one),
        }
        if plain.len() > LONGEST_LINE {
            plain.push('…');
            break;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What make and rpmbuild add to a failure.
    const UNWINDING: &str = "make[3]: *** [Makefile:412: inflate.o] Error 1
make[3]: *** Waiting for unfinished jobs....
make[3]: Leaving directory '/build/BUILD/x/lib'
make[2]: *** [Makefile:88: all] Error 2
make: *** [Makefile:3: all] Error 2
error: Bad exit status from /var/tmp/rpm-tmp.Xy (%build)

RPM build errors:
    Bad exit status from /var/tmp/rpm-tmp.Xy (%build)
";

    #[test]
    fn the_compiler_is_quoted_and_not_make() {
        let noise: String = (0..500).map(|n| format!("cc -c file{n}.c\n")).collect();
        let error = "inflate.c: In function 'inflate':\ninflate.c:10:5: \u{1b}[31merror:\u{1b}[0m 'x' undeclared\n   10 |     x = 1;\n      |     ^\n";
        let lines = relevant_lines(&format!("{noise}{error}cc -c other.c\n{UNWINDING}"));
        let wanted = [
            "cc -c file499.c",
            "inflate.c: In function 'inflate':",
            "inflate.c:10:5: error: 'x' undeclared",
            "   10 |     x = 1;",
            "      |     ^",
            "cc -c other.c",
        ];
        assert_eq!(lines, wanted);
    }

    #[test]
    fn without_an_error_the_last_lines_are_shown() {
        let lines =
            relevant_lines(&format!("{}{UNWINDING}", (0..50).map(|n| format!("line {n}\n")).collect::<String>()));
        assert_eq!(lines, ["line 44", "line 45", "line 46", "line 47", "line 48", "line 49"]);
        assert_eq!(relevant_lines(""), [""; 0]);
        assert_eq!(relevant_lines("make: *** [Makefile:3: all] Error 2\n"), ["make: *** [Makefile:3: all] Error 2"]);
    }

    #[test]
    fn many_errors_and_long_lines_have_a_bound() {
        let log: String = (0..300).map(|n| format!("a{n}\nb{n}\nx.c:{n}: error: {}\n", "y".repeat(2000))).collect();
        let lines = relevant_lines(&log);
        assert!(lines.len() <= MOST_ERRORS * (BEFORE + 1 + AFTER) + TAIL + MOST_ERRORS, "{}", lines.len());
        assert!(lines.iter().all(|line| line.len() <= LONGEST_LINE + 8));
        assert!(lines.contains(&"…".to_owned()));
        assert!(lines[2].starts_with("x.c:0: error:"), "{lines:?}");
    }

    #[test]
    fn what_is_an_error_and_what_is_an_echo() {
        let errors = [
            "x.c:1:2: error: no",
            "/usr/bin/ld: x.o: undefined reference to `y'",
            "FAIL: test-1",
            "not ok 3 - reads",
            "make: *** No rule to make target 'x'.  Stop.",
            "sh: line 1: foo: command not found",
        ];
        let others = [
            "+ ./configure --error: x",
            "checking for error: no",
            "cc -Werror=format -c x.c",
            "0 errors",
            "make[1]: *** [Makefile:1: x] Error 1",
            "error: Bad exit status from /var/tmp/x (%build)",
        ];
        for line in errors {
            assert!(is_error(line), "{line}");
        }
        for line in others {
            assert!(!is_error(line), "{line}");
        }
    }
}

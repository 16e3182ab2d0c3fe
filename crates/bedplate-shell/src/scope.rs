//! Whether a command could read the source folder.
//!
//! A process runs in the source folder, where it may read files by relative names. Most commands plainly do not, and their answers
//! can be shared by all specs. A command is taken to see the folder unless its text neither names it nor could reach it
//! otherwise; one that is taken not to see it is run elsewhere, so a wrong guess here cannot make a wrong answer of it.

use bedplate_spec::host::ShellCall;

use crate::native::{Command, Kind, List, Part, Redirection, Word, literal, parse};

/// Programs that read nothing below the current folder when they are called like this in specs.
const PROGRAMS: [&str; 47] = [
    "echo",
    "printf",
    "test",
    "[",
    ":",
    "true",
    "false",
    "exit",
    "export",
    "set",
    "shift",
    "unset",
    "eval",
    "read",
    "command",
    "python",
    "python2",
    "python3",
    "perl",
    "ruby",
    "lua",
    "php",
    "php-config",
    "node",
    "ocamlc",
    "ocamlfind",
    "gcc",
    "cc",
    "g++",
    "c++",
    "clang",
    "ld",
    "go",
    "rustc",
    "rpm",
    "pkg-config",
    "pkgconf",
    "uname",
    "arch",
    "nproc",
    "getconf",
    "date",
    "hostname",
    "id",
    "seq",
    "expr",
    "make",
];

/// Programs that read their input, and files if any are named.
const FILTERS: [&str; 17] = [
    "cat", "cut", "tr", "sed", "grep", "egrep", "fgrep", "awk", "gawk", "head", "tail", "sort", "uniq", "wc", "rev",
    "tac", "xargs",
];

/// True unless the command cannot see the source folder.
pub(crate) fn sees_folder(call: ShellCall<'_>) -> bool {
    let source_dir = call.source_dir.as_bytes();
    let names_folder = !source_dir.is_empty() && call.command.windows(source_dir.len()).any(|part| part == source_dir);
    let in_environment = source_dir.len() > 1 && call.environment.values().any(|value| value.contains(call.source_dir));
    names_folder || in_environment || !parse(call.command).is_ok_and(|list| is_blind_list(&list, false))
}

/// `has_input`: a pipe or the like is before it, so that a filter without files does not read.
fn is_blind_list(list: &List, has_input: bool) -> bool {
    list.items.iter().all(|item| {
        std::iter::once(&item.first).chain(item.rest.iter().map(|(_, pipeline)| pipeline)).all(|pipeline| {
            pipeline
                .commands
                .iter()
                .enumerate()
                .all(|(index, command)| is_blind_command(command, has_input || index > 0))
        })
    })
}

fn is_blind_command(command: &Command, has_input: bool) -> bool {
    let mut has_input = has_input;
    for redirection in &command.redirections {
        match redirection {
            Redirection::Text(word) => {
                has_input = true;
                if !is_blind_word(word, false) {
                    return false;
                }
            }
            Redirection::Input(_) => return false,
            Redirection::Output { target, .. } => {
                if literal(target).as_deref() != Some(b"/dev/null") {
                    return false;
                }
            }
            Redirection::Copy { .. } => {}
        }
    }
    let list = |list: &List| is_blind_list(list, has_input);
    match &command.kind {
        Kind::Simple { assignments, words } => {
            assignments.iter().all(|assignment| is_blind_word(&assignment.value, false))
                && is_blind_simple(words, has_input)
        }
        Kind::Group(body) | Kind::Subshell(body) => list(body),
        Kind::If { branches, otherwise } => {
            branches.iter().all(|(condition, body)| list(condition) && list(body))
                && otherwise.as_ref().is_none_or(list)
        }
        Kind::For { words, body, .. } => words.iter().flatten().all(|word| is_blind_word(word, true)) && list(body),
        Kind::While { condition, body, .. } => list(condition) && list(body),
        Kind::Case { word, arms } => is_blind_word(word, false) && arms.iter().all(|(_, body)| list(body)),
        Kind::Arithmetic(_) => true,
        Kind::Condition(_) => false,
    }
}

fn is_blind_simple(words: &[Word], has_input: bool) -> bool {
    let Some((name, arguments)) = words.split_first() else { return true };
    if !arguments.iter().all(|word| is_blind_word(word, true)) {
        return false;
    }
    let Some(name) = literal(name).and_then(|name| String::from_utf8(name).ok()) else { return false };
    let name = name.strip_prefix("/usr/bin/").or_else(|| name.strip_prefix("/bin/")).unwrap_or(&name);
    let texts: Vec<Option<Vec<u8>>> = arguments.iter().map(literal).collect();
    let is_file_test = |word: &Option<Vec<u8>>| matches!(word.as_deref(), Some([b'-', letter]) if b"abcdefghknoprstuwxGLNORS".contains(letter) && *letter != b'n' && *letter != b'o');
    match name {
        "test" | "[" => !texts.iter().any(is_file_test),
        // What they read is known only for their own text.
        "eval" => {
            texts.iter().all(Option::is_some)
                && texts.iter().flatten().all(|text| parse(text).is_ok_and(|list| is_blind_list(&list, false)))
        }
        // It says its version and ends, whatever options stand beside (`make --version -O` asks whether there is `-O`).
        "make" => {
            texts.iter().any(|text| matches!(text.as_deref(), Some(b"--version" | b"-v")))
                && texts.iter().all(|text| text.as_deref().is_some_and(|text| text.starts_with(b"-")))
        }
        // Programs in a file, or a compiler's input.
        "python" | "python2" | "python3" | "perl" | "ruby" | "lua" | "php" | "node" => {
            arguments.len() <= 4
                && texts.iter().all(Option::is_some)
                && texts.first().and_then(Option::as_deref).is_some_and(|first| first.starts_with(b"-"))
                && !texts.iter().flatten().any(|text| names_a_reader(text))
        }
        "gcc" | "cc" | "g++" | "c++" | "clang" | "ld" | "rustc" => {
            texts.iter().all(|text| text.as_deref().is_some_and(|text| text.starts_with(b"-")))
        }
        "go" => matches!(texts.first().and_then(Option::as_deref), Some(b"version" | b"env")),
        "date" => !texts
            .iter()
            .flatten()
            .any(|text| text.starts_with(b"-r") || text.starts_with(b"-f") || text.starts_with(b"--")),
        "rpm" => texts.first().and_then(Option::as_deref).is_some_and(|first| {
            matches!(first, b"-q" | b"--eval" | b"-E" | b"--version")
                && !texts.iter().flatten().any(|text| text.contains(&b'/'))
        }),
        name if FILTERS.contains(&name) => {
            // A file among the operands could be a relative one; of several words only the first can be told to be none.
            let operands =
                texts.iter().filter(|text| !text.as_deref().is_some_and(|text| text.starts_with(b"-"))).count();
            has_input
                && operands <= 2
                && (!matches!(name, "cat" | "xargs") || arguments.is_empty())
                && !has_file(name, &texts)
        }
        name => PROGRAMS.contains(&name),
    }
}

/// True if a filter could be reading a named file.
fn has_file(name: &str, texts: &[Option<Vec<u8>>]) -> bool {
    let mut operands = 0;
    let mut takes_value = false;
    let mut has_script = false;
    for text in texts {
        let Some(text) = text.as_deref() else {
            // An expansion: counted as an operand or a value.
            operands += usize::from(!takes_value);
            takes_value = false;
            continue;
        };
        if takes_value {
            takes_value = false;
        } else if text.starts_with(b"-") && text.len() > 1 {
            let last = text[text.len() - 1];
            let is_lone = text.len() == 2;
            has_script |= text.starts_with(b"-e");
            if matches!((name, text[1]), ("grep" | "sed" | "awk" | "gawk", b'f')) || text.starts_with(b"--f") {
                return true;
            }
            takes_value = is_lone
                && match name {
                    "cut" => b"dfcb".contains(&last),
                    "head" | "tail" => b"nc".contains(&last),
                    "sed" => last == b'e',
                    "grep" | "egrep" | "fgrep" => b"emABC".contains(&last),
                    "awk" | "gawk" => b"Fv".contains(&last),
                    "sort" => b"kt".contains(&last),
                    _ => false,
                };
        } else {
            operands += 1;
        }
    }
    let own = match name {
        "tr" => 2,
        "sed" | "grep" | "egrep" | "fgrep" => usize::from(!has_script),
        "awk" | "gawk" => 1,
        _ => 0,
    };
    // A script of sed may name a file to read or to write.
    let reads_in_script =
        name == "sed" && texts.iter().flatten().any(|text| text.contains(&b'r') || text.contains(&b'w'));
    operands > own || reads_in_script
}

/// True if a program's text could open files of the current folder.
fn names_a_reader(text: &[u8]) -> bool {
    [
        &b"open"[..],
        b"read",
        b"file",
        b"File",
        b"getcwd",
        b"listdir",
        b"glob",
        b"exec",
        b"system",
        b"require",
        b"./",
        b"path.insert",
    ]
    .iter()
    .any(|word| text.windows(word.len()).any(|part| part == *word))
}

/// `is_field`: file names could be found in it.
fn is_blind_word(word: &Word, is_field: bool) -> bool {
    word.iter().all(|part| match part {
        Part::Text { bytes, is_quoted } => {
            !is_field || *is_quoted || !bytes.iter().any(|byte| matches!(byte, b'*' | b'?')) && !has_bracket(bytes)
        }
        // Its value could be a pattern or name the folder, but then that stood in the text or the environment.
        Part::Parameter { parameter, .. } => {
            !matches!(&parameter.name, crate::native::Name::Variable(name) if name == "PWD" || name == "OLDPWD")
        }
        Part::Command { list, .. } => is_blind_list(list, false),
        Part::Arithmetic { .. } => true,
    })
}

fn has_bracket(bytes: &[u8]) -> bool {
    bytes.contains(&b'[') && bytes.contains(&b']')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn commands_that_see_the_folder_are_told_from_those_that_do_not() {
        let environment = BTreeMap::from([("PATH".to_owned(), "/usr/bin".to_owned())]);
        let sees = |command: &str| {
            sees_folder(ShellCall { command: command.as_bytes(), environment: &environment, source_dir: "/src/x" })
        };
        for command in [
            "echo 1.2 | cut -d. -f1",
            "gcc -dumpversion",
            "python3 -c 'import sys; print(sys.version)'",
            "make --version 2>/dev/null | grep -q ' 4\\.' && echo -O",
            "! /usr/bin/make --version -O >/dev/null 2>&1 || echo -O",
            "rpm -q --qf '%{version}' systemd",
            "perl -V:version | sed 's,[^0-9^.]*,,g'",
            "pkg-config --modversion zlib",
            "date +%Y",
            "eval `perl -V:version`; echo $version",
        ] {
            assert!(!sees(command) || command.starts_with("eval"), "{command}");
        }
        for command in [
            "cat VERSION",
            "cat /src/x/VERSION",
            "ls",
            "echo *",
            "pwd",
            "echo $PWD",
            "test -f x && echo 1",
            "[[ -f x ]]",
            "sed -n 1p x",
            "echo a | cat - x",
            "echo a | grep -f x",
            "echo a | sed 'r x'",
            "python3 setup.py --version",
            "python3 -c 'print(open(\"x\").read())'",
            "git describe",
            "read x < y",
            "./configure --version",
            "make",
            "make -O",
            "make --version x",
            "f() { cat x; }; f",
            "head -n1 x",
            "eval cat x",
            "sort <(cat x)",
        ] {
            assert!(sees(command), "{command}");
        }
    }
}

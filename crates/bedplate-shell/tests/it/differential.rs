//! Every command of `data/commands.txt`: where the small sh knows an answer, it is bash's, byte for byte.

use super::*;
use bedplate_sys::process::{Limits, Request, run};
use proptest::prelude::*;

/// The commands, and whether each must be known.
fn commands() -> Vec<(bool, String)> {
    let mut commands: Vec<(bool, String)> = Vec::new();
    for line in include_str!("../data/commands.txt").lines() {
        if let Some(more) = line.strip_prefix('|')
            && let Some((_, last)) = commands.last_mut()
            && !more.starts_with(" cat")
        {
            last.push('\n');
            last.push_str(more);
        } else if !line.is_empty() && !line.starts_with("# ") {
            match line.strip_prefix('!') {
                Some(command) if !line.starts_with("! ") => commands.push((true, command.to_owned())),
                _ => commands.push((false, line.to_owned())),
            }
        }
    }
    commands
}

#[test]
fn known_answers_are_those_of_bash() {
    let folder = source_folder();
    let environment = environment();
    let (mut known, mut wrong, mut missed) = (0, Vec::new(), Vec::new());
    let commands = commands();
    for (must_be_known, command) in &commands {
        let answer = match native(command.as_bytes(), path_text(folder.path()), clock()) {
            Ok(answer) => answer,
            Err(why) => {
                if *must_be_known {
                    missed.push(format!("{command}\n    {why}"));
                }
                continue;
            }
        };
        known += 1;
        let arguments: [&[u8]; 3] = [b"sh", b"-c", command.as_bytes()];
        let finished = run(&Request {
            program: Path::new("/bin/bash"),
            arguments: &arguments,
            environment: &environment,
            folder: folder.path(),
            visible: &[],
            limits: Limits::default(),
        })
        .unwrap();
        if (&finished.stdout, &finished.stderr, finished.status) != (&answer.stdout, &answer.stderr, answer.status) {
            let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            wrong.push(format!(
                "{command}\n    bash:   {:?} {:?} {}\n    native: {:?} {:?} {}",
                show(&finished.stdout),
                show(&finished.stderr),
                finished.status,
                show(&answer.stdout),
                show(&answer.stderr),
                answer.status
            ));
        }
    }
    eprintln!("{known} of {} commands are known natively", commands.len());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(missed.is_empty(), "{} must be known:\n{}", missed.len(), missed.join("\n"));
    assert!(commands.len() > 500);
}

/// Compares one command in an empty folder, if the small sh knows it.
fn compare(command: &str) -> Result<(), TestCaseError> {
    static FOLDER: std::sync::LazyLock<tempfile::TempDir> =
        std::sync::LazyLock::new(|| tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
    let Ok(answer) = native(command.as_bytes(), path_text(FOLDER.path()), clock()) else { return Ok(()) };
    let environment = environment();
    let arguments: [&[u8]; 3] = [b"sh", b"-c", command.as_bytes()];
    let request = Request {
        program: Path::new("/bin/bash"),
        arguments: &arguments,
        environment: &environment,
        folder: FOLDER.path(),
        visible: &[],
        limits: Limits::default(),
    };
    let finished = run(&request).map_err(|error| TestCaseError::fail(format!("{command}: {error}")))?;
    prop_assert_eq!(
        (String::from_utf8_lossy(&finished.stdout), String::from_utf8_lossy(&finished.stderr), finished.status),
        (String::from_utf8_lossy(&answer.stdout), String::from_utf8_lossy(&answer.stderr), answer.status),
        "{}",
        command
    );
    Ok(())
}

fn cases() -> u32 {
    // PROPTEST_CASES asks for a longer search.
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64)
}

/// A text that the tools work on.
const TEXT: &str =
    "(1\\.2\\.3|v1\\.20-rc1|foo-bar_baz|a b  c|[a-c.0-2 -]{0,8}|aab\\\\nabb|[ab]{0,6}\\\\n[ab]{0,4}\\\\n)";

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn sed(text in TEXT, script in "(s/[abc.*\\[\\]0-9^$?+()|&\\\\-]{1,7}/[xy&\\\\1]{0,3}/[gp2i]?|[0-9$]?(,[0-9$])?[dpq]|/[a-c.*]{1,3}/[dp]|y/ab/ba/)(;s/[ab.]\\*?/z/)?", flags in "(-n |-E |-nE |)") {
        compare(&format!("printf '{text}' | sed {flags}'{script}'"))?;
    }

    #[test]
    fn grep(text in TEXT, pattern in "[abc.*0-2^$?+()|\\[\\]\\\\{},-]{0,8}", flags in "-[oqcvixnEFP]{1,3}|-E|-o|-oE") {
        compare(&format!("printf '{text}' | grep {flags} -e '{pattern}'; echo $?"))?;
    }

    #[test]
    fn awk(text in TEXT, separator in "(|-F\\.|-F-|-F'[.-]'|-F' '|-Fa|-F'b+')", program in "(NR==[12]|/[ab.]{1,2}/|\\$1 ?[=!<>]=? ?(\"a\"|1|\\$2)|)? ?\\{ ?print ?(\\$[0-4NF]{1,2}|\"x\"|NR|NF|toupper\\(\\$1\\)|substr\\(\\$0,[0-3],?[0-3]?\\)|length)?( ?[ ,+*-]? ?(\\$[0-3]|\"y\"|\\$NF|2))? ?\\}") {
        compare(&format!("printf '{text}' | awk {separator} '{program}'"))?;
    }

    #[test]
    fn tr_and_cut(text in TEXT, tr in "-?[dsc]{0,2} '?([a-c.-]{0,4}|\\[:(alpha|digit|space|upper|lower):\\]|\\\\n)'? ?'?([A-C_-]{0,3}|\\[:upper:\\])'?", cut in "-[dfcb][. -]? ?(-f)?[0-3,-]{1,4}") {
        compare(&format!("printf '{text}' | tr {tr}"))?;
        compare(&format!("printf '{text}' | cut {cut}; printf '{text}' | cut -d. {cut}"))?;
    }

    #[test]
    fn expansions(value in "[abc.* 1-3-]{0,8}", one in "[#%/^,:+=-]{1,3}[abc.*/?1-3\\[\\]!-]{0,4}", two in "[#%]{1,2}[a-c.*]{1,3}") {
        compare(&format!("x='a/{value}/b'; echo \"${{x{one}}}\" \"${{x{two}}}\""))?;
        compare(&format!("x='{value}'; echo \"${{x{one}}}\" ${{x{two}}} \"${{x{two}}}\""))?;
    }

    #[test]
    fn conditions(words in prop::collection::vec(prop::sample::select(vec!["a", "''", "1", "2", "=", "!=", "-eq", "-lt", "-a", "-o", "!", "'('", "')'", "-n", "-z", "-f", "/etc", "-d", "-e", "<", "'<'", "-gt", "' 3'", "b"]), 0..7)) {
        let words = words.join(" ");
        compare(&format!("[ {words} ] 2>/dev/null; echo $?"))?;
        compare(&format!("[[ {words} ]] 2>/dev/null; echo $?"))?;
    }

    #[test]
    fn arithmetic(text in "[1-3x()+*/%<>=&|!~^? :-]{1,9}") {
        compare(&format!("x=5; echo $(({text}))"))?;
    }

    #[test]
    fn printf_and_echo(format in "[%sdxc0-9.+ \\\\nta-]{0,8}", words in "( ?[ab1-3-]{0,3}){0,3}") {
        compare(&format!("printf '{format}' {words}"))?;
        compare(&format!("echo {words} '{format}'; echo -e '{format}' {words}"))?;
    }

    #[test]
    fn scripts(text in hostile::shell_like()) {
        compare(&text)?;
    }

    #[test]
    fn orders(rows in "([0-9]{1,2}(\\.[0-9]{1,2}){0,2}[a-b-]?[0-9]?\\\\n){0,5}", flags in "-?[nVru]{0,2}") {
        compare(&format!("printf '{rows}' | sort {flags}; printf '{rows}' | uniq -d; printf '{rows}' | head -n 2 | tail -1 | wc -c"))?;
    }

    #[test]
    fn names(path in "/?([a.]{1,3}/?){0,3}", suffix in "[a.]{0,2}") {
        compare(&format!("basename '{path}' '{suffix}' 2>/dev/null; dirname '{path}'; expr '{path}' : '[a.]*' "))?;
    }
}

//! No text makes the small sh panic, hang or eat memory.

use super::*;
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn survives(command: &[u8]) {
    let start = Instant::now();
    let _ = native(command, "/nonexistent", clock());
    // Generous for a debug build on a busy machine; the bound on steps is the point.
    assert!(start.elapsed() < Duration::from_secs(20), "{}", String::from_utf8_lossy(command));
}

#[test]
fn bombs_are_bounded() {
    let repeated = |text: &str, count: usize| text.repeat(count);
    for command in [
        "while :; do :; done".to_owned(),
        "until false; do x=$x.; done".to_owned(),
        "x=a; for i in $(seq 9999); do x=$x$x; done".to_owned(),
        "x=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; echo ${x//*a*a*a*a*a*a*b/y} ${x##*a*a*a*a*b}".to_owned(),
        "eval 'eval \"$x\"'; x='eval \"$x\"'; eval \"$x\"".to_owned(),
        "x='echo $(eval \"$x\")'; eval \"$x\"".to_owned(),
        "printf '%999s%999s' $(seq 5000)".to_owned(),
        "printf '%d' $(seq 9999)".to_owned(),
        "echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa | grep -E '(a*)*b|((a{1,60}){1,60}){1,60}'".to_owned(),
        "x=$(seq 9999); for i in $x; do for j in $x; do :; done; done".to_owned(),
        "x=$(seq 9999); for i in $(seq 9999); do y=$(echo $x | sed 's/1/2/g'); done".to_owned(),
        repeated("(", 100_000),
        repeated("$(", 100_000),
        repeated("`", 100_000),
        repeated("{ ", 100_000),
        repeated("if ", 100_000),
        repeated("! ", 100_000),
        repeated("a|", 100_000),
        repeated("a;", 100_000),
        repeated("${x:-", 100_000),
        repeated("\"$(", 50_000),
        format!("echo $(({}1{}))", repeated("(", 50_000), repeated(")", 50_000)),
        format!("[ {} a ]", repeated("! ", 100_000)),
        format!("[ {} a", repeated("( ", 100_000)),
        format!("[[ {} a ]]", repeated("! ", 100_000)),
        format!("awk '{{print {}1}}'", repeated("(", 50_000)),
        format!("awk '{{print {}1}}'", repeated("!", 50_000)),
        format!("awk '{{print {}1}}'", repeated("$(", 50_000)),
        format!("echo {} | sed 's/{}/x/'", repeated("a", 50_000), repeated("a*", 150)),
        format!("x={}; echo ${{x%%*a}} ${{x//a*/b}}", repeated("a", 200_000)),
        format!("case {} in {}) ;; esac", repeated("a", 50_000), repeated("*a", 5_000)),
        "set -- $(seq 9999); while [ $# -gt 0 ]; do shift; (:); done".to_owned(),
    ] {
        survives(command.as_bytes());
    }
}

/// Texts that look like shell: pieces that often stand in scripts, put together at random.
pub(crate) fn shell_like() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "echo ",
        "printf '%s\\n' ",
        "x=",
        "$x",
        "${x",
        ":-",
        "}",
        "$(",
        ")",
        "`",
        "\"",
        "'",
        "|",
        "&&",
        "||",
        ";",
        "\n",
        "if ",
        "then ",
        "else ",
        "fi",
        "for i in ",
        "do ",
        "done",
        "case ",
        " in ",
        "esac",
        ";;",
        "a",
        "b.c",
        "1.2.3",
        "*",
        "?",
        "[",
        "]",
        "[ ",
        " ]",
        "[[ ",
        " ]]",
        "-f",
        "-eq",
        "=",
        "==",
        "!",
        "<<<",
        "<",
        ">/dev/null",
        "2>&1",
        "{ ",
        "}",
        "(",
        "$((",
        "))",
        "+",
        "/",
        "//",
        "%",
        "##",
        ":0:3",
        "sed ",
        "s/a/b/",
        "awk ",
        "'{print $1}'",
        "cut -d. -f1",
        "tr a b",
        "grep -o ",
        "sort",
        "head -n",
        "tail -1",
        "\\",
        "#",
        "~",
        "$",
        "$1",
        "$@",
        "set -- ",
        "eval ",
        "read y",
        "while ",
        "exit ",
        "^",
        ",,",
        " ",
        "-",
        "0",
        "9223372036854775807",
        "\t",
        "é",
        "\u{0}",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shell_like_texts_do_no_harm(text in shell_like()) {
        survives(text.as_bytes());
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
    }

    #[test]
    fn random_sed_scripts_do_no_harm(script in "[sdpqy0-9$,/!a-c.*\\\\()\\[\\]^+?{}|&;gn -]{0,30}") {
        survives(format!("printf 'abc\\nb.c\\n' | sed -E '{script}'").as_bytes());
        survives(format!("printf 'abc\\nb.c\\n' | sed '{script}'").as_bytes());
    }

    #[test]
    fn random_awk_programs_do_no_harm(program in "[{}()$0-9NRFprint \"a-c/~!<>=&|,;+*%-]{0,40}") {
        survives(format!("printf 'abc 1\\nb.c 2\\n' | awk '{program}'").as_bytes());
    }
}

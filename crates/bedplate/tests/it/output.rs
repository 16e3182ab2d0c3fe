//! Colour, and where text goes.

use crate::support::{PROGRAM, TestEnv, bad, good};

#[test]
fn output_into_a_pipe_has_no_escape_codes() {
    let env = TestEnv::new();
    env.write("b.spec", bad("b"));
    for arguments in [&["spec", "lint", "b.spec"][..], &["spec", "query", "b.spec"], &["--help"], &["nosuch"]] {
        let answer = env.run(arguments);
        assert!(!answer.stdout.contains('\x1b') && !answer.stderr.contains('\x1b'), "{arguments:?}");
    }
}

#[test]
fn colour_can_be_forced_and_refused() {
    let env = TestEnv::new();
    env.write("b.spec", bad("b"));
    let ask = |choice| env.run(&["--color", choice, "spec", "lint", "b.spec"]).exits(2).stderr;
    assert!(ask("always").contains('\x1b'));
    assert!(!ask("never").contains('\x1b'));
    assert!(!ask("auto").contains('\x1b'));
}

/// `script` gives the program a terminal.
#[test]
fn a_terminal_has_colour_unless_no_color_is_set() {
    let env = TestEnv::new();
    env.write("b.spec", bad("b"));
    let on_terminal = |variable: Option<(&str, &str)>| {
        let mut command = std::process::Command::new("script");
        command.args(["-qec", &format!("{PROGRAM} spec lint b.spec"), "/dev/null"]);
        command.current_dir(env.path()).env_clear().env("PATH", "/usr/bin:/bin").env("TERM", "xterm");
        command.env("BEDPLATE_RPM_CONFIG", format!("{}/macros", crate::support::SUITE));
        command.envs(variable).stdin(std::process::Stdio::null()).output().ok().map(|output| output.stdout)
    };
    let Some(plain) = on_terminal(None).filter(|bytes| bytes.windows(7).any(|word| word == b"Version")) else {
        eprintln!("skipped: `script` is not there to make a terminal");
        return;
    };
    assert!(plain.contains(&0x1b));
    assert!(!on_terminal(Some(("NO_COLOR", "1"))).unwrap().contains(&0x1b));
    assert!(!on_terminal(Some(("TERM", "dumb"))).unwrap().contains(&0x1b));
}

#[test]
fn answers_go_to_standard_output_and_messages_to_standard_error() {
    let env = TestEnv::new();
    env.write("a.spec", good("a"));
    env.write("b.spec", bad("b"));
    let answer = env.run(&["spec", "query", "a.spec", "b.spec"]).exits(2);
    assert!(!answer.stderr.contains("a-1.0-1"));
    let answer = env.run(&["spec", "lint", "b.spec"]).exits(2).prints("");
    answer.says("error[missing-tag]").says("1 bad: 1 error, 0 warnings");
    env.run(&["spec", "query", "a.spec"]).exits(0).prints("a-1.0-1.x86_64\n");
}

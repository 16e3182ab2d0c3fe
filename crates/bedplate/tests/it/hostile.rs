//! Files that are no specs, and specs that want too much: each is a clear message and the right exit code.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use crate::support::{Answer, PROGRAM, SUITE, TAGS, TestEnv, good};

/// The three commands that read a spec agree that it is bad.
fn bad_for_all(env: &TestEnv, name: &str, message: &str) -> Answer {
    env.run(&["spec", "expand", name]).exits(2).says(message).prints("");
    env.run(&["spec", "lint", name]).exits(2).says(message);
    let json = env.run(&["spec", "query", "--json", name]).exits(0).json();
    assert_eq!(json.len(), 1);
    assert_eq!(json[0]["ok"], false);
    env.run(&["spec", "query", name]).exits(2).says(message).prints("")
}

#[test]
fn a_spec_that_is_not_there() {
    bad_for_all(&TestEnv::new(), "nosuch.spec", "unable to open nosuch.spec: No such file");
}

#[test]
fn a_folder_is_searched_and_a_listed_folder_is_bad() {
    let env = TestEnv::new();
    std::fs::create_dir(env.path().join("d.spec")).unwrap();
    env.run(&["spec", "query", "d.spec"]).exits(2).says("no spec below d.spec").says("ends in `.spec`");
    env.run_with_input(&["spec", "query", "--list", "-"], "d.spec\n").exits(2).says("it is a folder");
    env.run(&["spec", "expand", "d.spec"]).exits(2).says("it is a folder");
}

#[test]
fn a_folder_with_a_loop_of_links_is_searched_once() {
    let env = TestEnv::new();
    env.write("d/a.spec", good("a"));
    std::os::unix::fs::symlink("..", env.path().join("d/up")).unwrap();
    std::os::unix::fs::symlink("nosuch", env.path().join("d/dangling.txt")).unwrap();
    env.run(&["spec", "query", "d"]).exits(0).prints("a-1.0-1.x86_64\n");
}

#[test]
fn a_spec_that_may_not_be_read() {
    let env = TestEnv::new();
    let path = env.write("a.spec", good("a"));
    std::fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    std::fs::set_permissions(env.path(), Permissions::from_mode(0o755)).unwrap();
    let answer = if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        // root may read everything: the program runs as somebody else.
        let as_nobody = |arguments: &[&str]| {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", PROGRAM]).args(arguments);
            command.current_dir(env.path()).env_clear().env("PATH", "/usr/bin:/bin");
            command.env("BEDPLATE_RPM_CONFIG", format!("{SUITE}/macros"));
            command
        };
        let can_run = as_nobody(&["--version"]).output().is_ok_and(|output| output.status.success());
        let can_read =
            as_nobody(&["spec", "macros", "--eval", "x"]).output().is_ok_and(|output| output.status.success());
        if !can_run || !can_read {
            eprintln!("skipped: this is root, and no other user can run the program");
            return;
        }
        env.answer(as_nobody(&["spec", "query", "a.spec"]))
    } else {
        env.run(&["spec", "query", "a.spec"])
    };
    answer.exits(2).says("unable to open a.spec: Permission denied").prints("");
}

#[test]
fn an_empty_spec_lacks_all_that_a_spec_needs() {
    let env = TestEnv::new();
    env.write("e.spec", "");
    let answer = bad_for_all(&env, "e.spec", "Name field must be present");
    for tag in ["Version", "Release", "Summary", "License", "%description"] {
        assert!(answer.stderr.contains(tag), "{tag}");
    }
}

#[test]
fn a_binary_is_no_spec() {
    let env = TestEnv::new();
    let program = std::fs::read(PROGRAM).unwrap();
    env.write("b.spec", &program[..program.len().min(200_000)]);
    bad_for_all(&env, "b.spec", "error");
}

#[test]
fn text_in_another_encoding_is_shown_with_its_bytes() {
    let env = TestEnv::new();
    let spec = [b"Name: a\n", TAGS.replace("Test", "Jos?").as_bytes(), b"%description\nx\n"].concat();
    let spec: Vec<u8> = spec.into_iter().map(|byte| if byte == b'?' { 0xe9 } else { byte }).collect();
    env.write("a.spec", spec);
    env.run(&["spec", "query", "--format", "%{SUMMARY}\\n", "a.spec"]).exits(0).prints("Jos\\xe9\n");
    let json = env.run(&["spec", "query", "--json", "a.spec"]).exits(0).json();
    assert_eq!(json[0]["srpm"]["summary"], "Jos\\xe9");
    env.write("b.spec", b"Name: a\nSum\xe9: x\n");
    env.run(&["spec", "lint", "b.spec"]).exits(2).says("Sum\\xe9: x");
}

#[test]
fn a_line_of_50_megabytes_is_a_line() {
    let env = TestEnv::new();
    let long = "a".repeat(50 << 20);
    env.write("good.spec", format!("Name: a\n{TAGS}# {long}\n%description\n"));
    env.run(&["spec", "query", "good.spec"]).exits(0).prints("a-1.0-1.x86_64\n");
    env.write("bad.spec", format!("Name: a\n{TAGS}{long}\n%description\n"));
    let answer = env.run(&["spec", "query", "bad.spec"]).exits(2).says("unknown tag");
    assert!(answer.stderr.len() < 20_000, "a message of {} bytes", answer.stderr.len());
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let env = TestEnv::new();
    let path = env.write("a.spec", good("a"));
    std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    bad_for_all(&env, "a.spec", "it has 1048576 MiB; a spec has at most 64");
}

#[test]
fn an_included_file_that_is_not_there_is_named_with_the_line() {
    let env = TestEnv::new();
    env.write("a.spec", format!("Name: a\n{TAGS}%include %{{_sourcedir}}/no.inc\n%description\n"));
    bad_for_all(&env, "a.spec", "no.inc").says("a.spec:6:");
    env.write("l.spec", format!("Name: a\n{TAGS}%{{load:%{{_sourcedir}}/no.macros}}\n%description\n"));
    bad_for_all(&env, "l.spec", "no.macros").says("l.spec:6:1");
}

#[test]
fn macros_and_lua_without_end_are_stopped() {
    let env = TestEnv::new();
    for (name, line) in [
        ("macro", "%define f %{f}\n%f"),
        ("parametric", "%define f() %f %* x\n%f"),
        ("lua", "%{lua: while true do end}"),
        ("memory", "%{lua: local s = 'x' while true do s = s .. s end}"),
        ("stack", "%{lua: local function f() return 1 + f() end f()}"),
        ("repeat", "%{lua: print(string.rep('abcdefgh', 1 << 40))}"),
    ] {
        env.write("a.spec", format!("Name: a\n{TAGS}{line}\n%description\n"));
        let answer = env.run(&["spec", "query", "a.spec"]).exits(2);
        assert!(answer.stderr.starts_with("error["), "{name}: {}", answer.stderr);
    }
}

#[test]
fn a_shell_command_without_end_is_stopped() {
    let env = TestEnv::new();
    env.write(
        "a.spec",
        format!("Name: a\n{TAGS}%(while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done)\n%description\n"),
    );
    env.run(&["spec", "query", "--shell", "run", "a.spec"]).exits(2).says("error[");
}

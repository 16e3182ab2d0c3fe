//! `bedplate spec expand`: the same text as rpm's.

use crate::support::{SUITE, TAGS, TestEnv, bad, cases, diff, in_parallel};

#[test]
fn expand_prints_what_rpm_prints_for_every_good_case() {
    let env = TestEnv::new();
    let all = cases();
    let differing = in_parallel(&all, |case| {
        let want = std::fs::read_to_string(format!("{SUITE}/expected/{}.parsed", case.name)).ok()?;
        let path = case.spec();
        let flags: Vec<&str> = case.flags.iter().map(String::as_str).collect();
        let answer = env.run(&[&["spec", "expand", "--shell", "run", &path][..], &flags].concat());
        let folder = path.rsplit_once('/').unwrap().0;
        let got = answer.stdout.replace("[CONF]", "@CONF@");
        // The suite's folder is named by a path with `..` in it, which the program takes out.
        let plain = std::fs::canonicalize(folder).unwrap();
        let config = std::fs::canonicalize(format!("{SUITE}/macros")).unwrap();
        let got = got.replace(config.to_str().unwrap(), "@CONF@").replace(plain.to_str().unwrap(), "@CASE@");
        let lines = got.split('\n').map(str::trim_end).filter(|line| !line.is_empty());
        let got = lines.fold(String::new(), |text, line| text + line + "\n");
        let want = want.lines().map(str::trim_end).fold(String::new(), |text, line| text + line + "\n");
        (answer.code != 0 || got != want).then(|| (case.name.clone(), answer.code, diff(&want, &got)))
    });
    let differing: Vec<_> = differing.into_iter().flatten().collect();
    for (name, code, text) in differing.iter().take(5) {
        eprintln!("{name} (exit code {code}; - is rpm, + is ours)\n{text}");
    }
    let names: Vec<&str> = differing.iter().map(|(name, _, _)| name.as_str()).collect();
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn expand_of_a_bad_spec_prints_nothing() {
    let env = TestEnv::new();
    env.write("b.spec", bad("b"));
    env.run(&["spec", "expand", "b.spec"]).exits(2).says("Version field").prints("");
    env.run(&["spec", "expand", "nosuch.spec"]).exits(2).says("unable to open nosuch.spec").prints("");
}

#[test]
fn expand_keeps_bytes_that_are_not_utf_8() {
    let env = TestEnv::new();
    env.write("a.spec", [format!("Name: a\n{TAGS}%description\nJos").as_bytes(), b"\xe9\n"].concat());
    let output = env.command(&["spec", "expand", "a.spec"]).output().unwrap();
    assert!(output.stdout.windows(4).any(|bytes| bytes == b"Jos\xe9"));
}

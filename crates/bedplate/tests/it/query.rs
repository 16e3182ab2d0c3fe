//! `bedplate spec query`: text, JSON, lists, order, targets, conditions.

use std::io::Read;
use std::process::Stdio;

use serde_json::json;

use crate::support::{TAGS, TestEnv, bad, good};

/// 300 specs of many kinds; every tenth is bad.
fn many(env: &TestEnv) {
    for n in 0..300 {
        let mut text = format!("%global n {n}\nName: p{n:03}\n{TAGS}Requires: dep%{{n}} >= %[ %{{n}} * 2 ]\n");
        match n % 10 {
            0 => text.push_str("Requires: bad >=\n"),
            1 => text.push_str("BuildArch: noarch\n"),
            2 => text.push_str("%{warn:careful %{name}}\n"),
            3 => text.push_str("Provides: lua(%{lua: print(rpm.expand('%{n}') + 1)})\n"),
            _ => {}
        }
        text.push_str("%description\nText %{name}.\n");
        for sub in 0..n % 7 {
            text.push_str(&format!("%package s{sub}\nSummary: s\n%description s{sub}\nx\n%files s{sub}\n"));
        }
        text.push_str("%files\n");
        env.write(&format!("specs/d{}/p{n:03}.spec", n % 3), text);
    }
}

#[test]
fn the_packages_of_a_spec_are_printed_one_a_line() {
    let env = TestEnv::new();
    let spec = format!("{}%package sub\nSummary: s\nBuildArch: noarch\n%description sub\nx\n", good("alpha"));
    env.write("alpha.spec", &spec);
    env.run(&["spec", "query", "alpha.spec"]).exits(0).prints("alpha-1.0-1.x86_64\nalpha-sub-1.0-1.noarch\n");
    env.run(&["spec", "query", "--builtrpms", "alpha.spec"]).exits(0).prints("alpha-1.0-1.x86_64\n");
    let format = "%{NAME} %{ARCH} [%{PROVIDENEVRS},]\\n";
    env.run(&["spec", "query", "--format", format, "--builtrpms", "alpha.spec"])
        .exits(0)
        .prints("alpha x86_64 alpha = 1.0-1,alpha(x86-64) = 1.0-1,\n");
    env.run(&["spec", "query", "--srpm", "--format", "%{NAME}\\n", "alpha.spec"]).exits(0).prints("alpha\n");
    env.run(&["spec", "query", "--srpm", "--builtrpms", "alpha.spec"]).exits(2).says("cannot be used with");
    env.run(&["spec", "query", "--format", "%{NOSUCH}", "alpha.spec"]).exits(2).says("unknown tag `NOSUCH`");
}

#[test]
fn one_spec_answers_without_its_name_and_many_with_it() {
    let env = TestEnv::new();
    env.write("a.spec", good("a"));
    env.write("b.spec", good("b"));
    let one = env.run(&["spec", "query", "--json", "a.spec"]).exits(0).json();
    assert_eq!((one.len(), &one[0]["ok"], one[0].get("spec")), (1, &json!(true), None));
    let two = env.run(&["spec", "query", "--json", "b.spec", "a.spec"]).exits(0).json();
    assert_eq!(two.iter().map(|answer| &answer["spec"]).collect::<Vec<_>>(), ["b.spec", "a.spec"]);
    let folder = env.run(&["spec", "query", "--json", "."]).exits(0).json();
    assert_eq!(folder.iter().map(|answer| &answer["spec"]).collect::<Vec<_>>(), ["./a.spec", "./b.spec"]);
}

#[test]
fn a_bad_spec_stops_no_other() {
    let env = TestEnv::new();
    env.write("a.spec", good("a"));
    env.write("b.spec", bad("b"));
    env.write("c.spec", good("c"));
    let answer = env.run(&["spec", "query", "a.spec", "b.spec", "c.spec"]).exits(2);
    answer.says("Version field must be present").prints("a-1.0-1.x86_64\nc-1.0-1.x86_64\n");
    let json = env.run(&["spec", "query", "--json", "a.spec", "b.spec", "c.spec"]).exits(0).json();
    assert_eq!(json.iter().map(|answer| answer["ok"] == true).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn answers_do_not_depend_on_the_number_of_jobs() {
    let env = TestEnv::new();
    many(&env);
    for mode in [&["--json"][..], &["--json", "--full"], &["--format", "%{NVRA} [%{REQUIRENEVRS} ]\\n"], &[]] {
        let with = |jobs| env.run(&[&["spec", "query", "-j", jobs, "specs"], mode].concat());
        let one = with("1").exits(if mode.contains(&"--json") { 0 } else { 2 });
        assert!(one.stdout.lines().count() >= 270);
        assert_eq!(one, with("4"), "{mode:?}");
    }
    let json = env.run(&["spec", "query", "--json", "-j4", "specs"]).exits(0).json();
    let names: Vec<&str> = json.iter().map(|answer| answer["spec"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 300);
    assert!(names.is_sorted());
    assert_eq!(json.iter().filter(|answer| answer["ok"] == false).count(), 30);
}

#[test]
fn a_list_names_specs_below_a_root() {
    let env = TestEnv::new();
    env.write("root/x/a.spec", good("a"));
    env.write("root/y/b.spec", good("b"));
    env.write("list", "y/b.spec\n\nx/a.spec\n");
    let json = env.run(&["spec", "query", "--json", "--root", "root", "--list", "list"]).exits(0).json();
    assert_eq!(json.iter().map(|answer| &answer["spec"]).collect::<Vec<_>>(), ["y/b.spec", "x/a.spec"]);
    env.run_with_input(&["spec", "query", "--list", "-"], "root/x/a.spec\n").exits(0).prints("a-1.0-1.x86_64\n");
    env.run_with_input(&["spec", "query", "--list", "-", "root/y"], "root/x/a.spec\n")
        .exits(0)
        .prints("b-1.0-1.x86_64\na-1.0-1.x86_64\n");
    env.run_with_input(&["spec", "query", "--list", "-"], "nosuch.spec\n").exits(2).says("unable to open nosuch.spec");
    env.run(&["spec", "query", "--list", "nosuch"]).exits(3).says("cannot read nosuch");
    env.run(&["spec", "query", "--root", "root", "root/x/a.spec"]).exits(2).says("--list");
}

#[test]
fn a_second_pass_knows_the_versions_of_all_specs() {
    let env = TestEnv::new();
    env.write("a-lib.spec", good("a-lib"));
    let user =
        format!("Name: user\n{TAGS}Requires: a-lib = %{{azl_a_lib_version}}-%{{azl_a_lib_release}}\n%description\n");
    env.write("user.spec", user);
    env.write("odd+name.spec", good("odd+name"));
    let ask = |passes| {
        let arguments =
            ["spec", "query", "--passes", passes, "--format", "[%{REQUIRENEVRS}\\n]", "user.spec", "a-lib.spec"];
        env.run(&[&arguments[..], &["odd+name.spec"]].concat()).exits(0).stdout
    };
    assert_eq!(ask("1"), "a-lib = %{azl_a_lib_version}-%{azl_a_lib_release}\n");
    assert_eq!(ask("2"), "a-lib = 1.0-1\n");
}

#[test]
fn definitions_conditions_and_targets_reach_the_spec() {
    let env = TestEnv::new();
    let text = "%bcond_with on\n%bcond_without off\nName: a\nVersion: %{v}\nRelease: %{with on}%{with off}\nSummary: \
                %{_arch} %{_sourcedir}\nLicense: x\n%description\n";
    env.write("a.spec", text);
    let ask = |more: &[&str]| {
        let arguments = ["spec", "query", "--format", "%{EVR} %{SUMMARY}\\n", "a.spec", "--define", "v 7"];
        env.run(&[&arguments[..], more].concat()).exits(0).stdout
    };
    assert_eq!(ask(&[]), "7-01 x86_64 [DIR]\n");
    assert_eq!(ask(&["--with", "on", "--without", "off"]), "7-10 x86_64 [DIR]\n");
    assert_eq!(ask(&["-D", "v 8", "--target", "aarch64"]), "8-01 aarch64 [DIR]\n");
    assert_eq!(ask(&["--sourcedir", "/src"]), "7-01 x86_64 /src\n");
    env.run(&["spec", "query", "a.spec", "--define", "v"]).exits(2).says("a definition of the command line is bad");
    env.run(&["spec", "query", "a.spec", "--config", "nosuch"]).exits(2).says("no such folder: [DIR]/nosuch");
    env.run(&["spec", "query", "a.spec", "--profile", "nosuch"]).exits(3).says("cannot read nosuch");
    env.run(&["spec", "query", "a.spec", "--recorded", "nosuch"]).exits(3).says("cannot read nosuch");
}

#[test]
fn the_dialect_decides_what_a_spec_may_say() {
    let env = TestEnv::new();
    env.write("a.spec", format!("Name: a\n{TAGS}Source: a.tar\nBuildSystem: toy\n%description\n%files\n"));
    env.run(&["spec", "query", "a.spec"]).exits(2).says("unknown tag");
    env.run(&["spec", "query", "--dialect", "4.20", "a.spec"]).exits(0);
    env.run(&["spec", "query", "--dialect", "6", "a.spec"]).exits(0);
}

#[test]
fn full_adds_triggers_rich_trees_and_diagnostics() {
    let env = TestEnv::new();
    let text = format!(
        "Name: a\n{TAGS}Requires: (b if (c or d >= 2) else e)\n%description\nx\n%triggerin -- f < 2, g\necho\n\
         %filetriggerin -P 7 -- /usr\nls\n%files\n%files\n"
    );
    env.write("a.spec", text);
    let plain = env.run(&["spec", "query", "--json", "a.spec"]).exits(0).json().remove(0);
    assert_eq!((plain.get("diagnostics"), plain["packages"][0].get("triggers")), (None, None));
    let full = env.run(&["spec", "query", "--json", "--full", "a.spec"]).exits(0).json().remove(0);
    let package = &full["packages"][0];
    let conditions = json!(["f < 2 [triggerin]", "g [triggerin]"]);
    assert_eq!(
        package["triggers"],
        json!([
            { "kind": "trigger", "conditions": conditions, "prog": "/bin/sh", "body": "echo" },
            { "kind": "filetrigger", "conditions": ["/usr [triggerin]"], "prog": "/bin/sh", "body": "ls", "priority": 7 },
        ])
    );
    let tree = json!({ "then": "b", "if": { "or": ["c", "d >= 2"] }, "else": "e" });
    assert_eq!(package["rich"], json!({ "(b if (c or d >= 2) else e)": tree }));
    let diagnostic = &full["diagnostics"][0];
    assert_eq!(diagnostic["severity"], "warning");
    assert_eq!((&diagnostic["span"]["line"], &diagnostic["span"]["column"]), (&json!(14), &json!(1)));
}

#[test]
fn shell_answers_can_be_recorded_and_played_back() {
    let env = TestEnv::new();
    env.write("a.spec", format!("Name: a\n{TAGS}Provides: x%(cksum < /dev/null | cut -d ' ' -f 1)\n%description\n"));
    let ask = |more: &[&str]| {
        let format = "[%{PROVIDENEVRS} ]\\n";
        env.run(&[&["spec", "query", "--format", format, "a.spec"], more].concat())
    };
    let wanted = "a = 1.0-1 a(x86-64) = 1.0-1 x4294967295 \n";
    ask(&["--shell", "run", "--record", "answers"]).exits(0).prints(wanted);
    ask(&["--shell", "off", "--recorded", "answers"]).exits(0).prints(wanted);
    ask(&["--shell", "off"]).exits(2).says("switched off");
    ask(&["--shell", "run", "--record", "nosuch/answers"]).exits(3).says("cannot write nosuch/answers");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let env = TestEnv::new();
    many(&env);
    let mut command = env.command(&["spec", "query", "--json", "specs"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 1];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

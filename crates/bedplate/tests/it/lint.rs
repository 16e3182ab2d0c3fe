//! `bedplate spec lint`: all mistakes at once, each with its place.

use serde_json::{Value, json};

use crate::support::{TAGS, TestEnv, bad, good};

/// A spec with ten mistakes of different kinds, none of which follows from another.
const TEN: &str = "\
%global known 1
%bcond_with extra
Name:       ten
Version:    1.0
Release:    1
Summary:    Ten mistakes
License:    MIT
Requires:   good, a >=
Conflicts:  x, (b or c
Sumary:     a typing mistake
Requires(nosuch): f
Source0:    x.tar.gz
Source0:    y.tar.gz
%if \"%{known}\" == 1
%endif
  %{lua: error(\"no\") }
%description
Text.
%package
Summary: No name
%files nosuch
/usr/bin/x
%package tools
Summary: Tools of %{name}
Epoch: first
%description tools
Tools.
";

fn place(diagnostic: &Value) -> (&str, u64, u64) {
    let number = |key: &str| diagnostic["span"][key].as_u64().unwrap_or_default();
    (diagnostic["code"].as_str().unwrap(), number("line"), number("column"))
}

#[test]
fn ten_mistakes_are_ten_diagnostics_at_their_places() {
    let env = TestEnv::new();
    env.write("ten.spec", TEN);
    let found = env.run(&["spec", "lint", "--json", "ten.spec"]).exits(2).json();
    let places: Vec<_> = found.iter().map(place).collect();
    assert_eq!(
        places,
        [
            ("bad-dependency", 8, 21),
            ("bad-dependency", 9, 16),
            ("unknown-tag", 10, 1),
            ("bad-qualifier", 11, 10),
            ("duplicate-source", 13, 1),
            ("bad-condition", 14, 5),
            ("lua-failed", 16, 3),
            ("bad-package-line", 19, 1),
            ("no-such-package", 21, 8),
            ("bad-epoch", 25, 8),
        ]
    );
    assert!(found.iter().all(|one| one["severity"] == "error"));
    let shown = env.run(&["spec", "lint", "ten.spec"]).exits(2).says("1 bad: 10 errors, 0 warnings");
    for (code, line, column) in places {
        assert!(shown.stderr.contains(&format!("error[{code}]")), "{code}");
        assert!(shown.stderr.contains(&format!("ten.spec:{line}:{column}\n")), "{line}:{column}");
    }
}

#[test]
fn a_spec_with_build_arch_is_read_twice_and_its_mistakes_are_reported_once() {
    let env = TestEnv::new();
    for (arch, more) in [("noarch", None), ("vax", Some(("no-build-arch", 8, 1)))] {
        env.write("a.spec", format!("Name: a\n{TAGS}Requiers: b\nEpoch: z\nBuildArch: {arch}\nFoo: c\n%description\n"));
        let found = env.run(&["spec", "lint", "--json", "a.spec"]).exits(2).json();
        let places: Vec<_> = found.iter().map(place).collect();
        let mut wanted = vec![("unknown-tag", 6, 1), ("bad-epoch", 7, 8)];
        wanted.extend(more);
        wanted.push(("unknown-tag", 9, 1));
        assert_eq!(places, wanted, "{arch}");
    }
}

#[test]
fn a_mistake_in_the_text_of_a_macro_names_the_call_and_the_definition() {
    let env = TestEnv::new();
    let text = format!("%define deps Requires: a >=\nName: a\n{TAGS}%deps\n%description\n");
    env.write("a.spec", text);
    let found = env.run(&["spec", "lint", "--json", "a.spec"]).exits(2).json();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(place(&found[0]), ("bad-dependency", 7, 1));
    let note = found[0]["notes"].as_array().unwrap().iter().find(|note| note["span"]["line"] == 1);
    assert!(note.is_some(), "no note names the definition: {}", found[0]);
}

#[test]
fn a_mistake_in_an_included_file_is_placed_in_that_file() {
    let env = TestEnv::new();
    env.write("a.inc", "Requires: fine\nRequires: a >=\n");
    env.write("a.spec", format!("Name: a\n{TAGS}%include %{{_sourcedir}}/a.inc\n%description\n"));
    let found = env.run(&["spec", "lint", "--json", "a.spec"]).exits(2).json();
    assert_eq!(place(&found[0]), ("bad-dependency", 2, 13));
    assert_eq!(found[0]["span"]["file"], "[DIR]/a.inc");
}

#[test]
fn columns_count_characters() {
    let env = TestEnv::new();
    env.write("a.spec", format!("Name: a\n{TAGS}Requires: ä🙂, ö >=\n%description\n"));
    let found = env.run(&["spec", "lint", "--json", "a.spec"]).exits(2).json();
    assert_eq!(place(&found[0]), ("bad-dependency", 6, 17));
}

#[test]
fn a_diagnostic_has_the_fields_of_the_reference() {
    let env = TestEnv::new();
    env.write("a.spec", format!("Name: a\n{TAGS}Sumary: x\n%description\n"));
    let found = env.run(&["spec", "lint", "--json", "a.spec"]).exits(2).json().remove(0);
    assert_eq!(
        found,
        json!({
            "severity": "error",
            "code": "unknown-tag",
            "message": "unknown tag: Sumary: x",
            "hint": "did you mean `Summary`?",
            "span": { "file": "a.spec", "line": 6, "column": 1, "end_line": 6, "end_column": 7 },
        })
    );
}

#[test]
fn warnings_alone_are_good_unless_they_are_denied() {
    let env = TestEnv::new();
    env.write("a.spec", format!("{}%changelog\n* Mon Jan 01 2026 A B - 1\n- x\n", good("a")));
    env.run(&["spec", "lint", "a.spec"]).exits(0).says("0 errors, 1 warning");
    env.run(&["spec", "lint", "--deny", "warnings", "a.spec"]).exits(2).says("1 error, 0 warnings");
    env.run(&["spec", "lint", "--deny", "bogus-date", "a.spec"]).exits(2);
    env.run(&["spec", "lint", "--deny", "unknown-tag", "a.spec"]).exits(0);
    env.run(&["spec", "lint", "--allow", "bogus-date", "--deny", "warnings", "a.spec"])
        .exits(0)
        .says("0 errors, 0 warnings");
}

#[test]
fn a_macro_left_in_a_dependency_is_a_warning() {
    let env = TestEnv::new();
    env.write("a.spec", format!("Name: a\n{TAGS}Requires: x%{{nosuch}}\n%description\n"));
    let found = env.run(&["spec", "lint", "--json", "a.spec"]).exits(0).json();
    assert!(found.iter().any(|one| one["code"] == "unexpanded-dependency"), "{found:?}");
}

#[test]
fn an_error_that_a_query_passes_over_is_an_error_of_lint() {
    let env = TestEnv::new();
    env.write("a.spec", format!("{}%changelog\n* Thu Feb 30 2023 A B - 1\n- x\n", good("a")));
    env.run(&["spec", "query", "a.spec"]).exits(0).says("bad date in %changelog");
    env.run(&["spec", "lint", "a.spec"]).exits(2);
}

#[test]
fn specs_are_counted() {
    let env = TestEnv::new();
    env.write("a.spec", good("a"));
    env.write("b.spec", bad("b"));
    env.write("sub/c.spec", bad("c"));
    env.run(&["spec", "lint", "."]).exits(2).says("3 specs, 2 bad: 2 errors, 0 warnings");
    env.run(&["spec", "lint", "nosuch.spec"]).exits(2).says("unable to open nosuch.spec");
}

/// `%{expand:%name_%{kind}}` puts a name together: half of it is no macro that is missing. A whole one still is.
#[test]
fn half_a_name_in_expand_is_not_missing() {
    let env = TestEnv::new();
    let define = "%define kind git\n%define setup_git(q) text\n";
    for (call, wanted) in
        [("%{expand:%setup_%{kind} -q}", None), ("%{expand:%absent_%{kind}}", Some("`%{absent_git}`"))]
    {
        env.write("a.spec", format!("{define}{}%build\n{call}\n", good("a")));
        let found = env.run(&["spec", "lint", "--json", "a.spec"]).exits(0).json();
        let said: Vec<&str> = found.iter().filter_map(|one| one["message"].as_str()).collect();
        let wanted: Vec<String> = wanted.into_iter().map(|name| format!("macro {name} is not defined")).collect();
        assert_eq!(said, wanted, "{call}");
    }
}

#[test]
fn a_built_in_of_a_later_rpm_is_named() {
    let env = TestEnv::new();
    env.write("a.spec", format!("Source0: a.tar\n{}%prep\n%setup -n %{{gsub a b c}}\n", good("a")));
    let found = env.run(&["spec", "lint", "--json", "--dialect", "4.18", "a.spec"]).exits(2).json();
    for code in ["unterminated-macro", "undefined-macro"] {
        let one = found.iter().find(|one| one["code"] == code).unwrap_or_else(|| panic!("no {code}: {found:?}"));
        assert!(one["hint"].as_str().unwrap().contains("--dialect 4.20"), "{one}");
    }
    env.run(&["spec", "lint", "--dialect", "4.20", "a.spec"]).exits(0).says("0 errors, 0 warnings");
}

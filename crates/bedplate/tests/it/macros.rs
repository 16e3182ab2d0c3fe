//! `bedplate spec macros`: what is defined, where, and what text expands to.

use serde_json::json;

use crate::support::TestEnv;

#[test]
fn eval_expands_each_text_on_a_line() {
    let env = TestEnv::new();
    let arguments = ["spec", "macros", "--eval", "%{_libdir} %[1 + 2]", "--eval", "%{nosuch}%%"];
    env.run(&arguments).exits(0).prints("/usr/lib64 3\n%{nosuch}%\n");
    env.run(&["spec", "macros", "--eval", "%{upper:a}", "--dialect", "4.20"]).exits(0).prints("A\n");
    env.run(&["spec", "macros", "--eval", "%{upper:a}"]).exits(0).prints("%{upper:a}\n");
    env.run(&["spec", "macros", "--eval", "%{x} %(echo $((6 * 7)))", "-D", "x y"]).exits(0).prints("y 42\n");
    env.run(&["spec", "macros", "--target", "i686", "--eval", "%{_lib} %{_arch}"]).exits(0).prints("lib i386\n");
}

#[test]
fn a_bad_expansion_is_reported_and_the_others_are_printed() {
    let env = TestEnv::new();
    let answer = env.run(&["spec", "macros", "--eval", "%{expr: 1 +}", "--eval", "good"]).exits(2);
    answer.says("unexpected end of expression").prints("good\n");
    env.run(&["spec", "macros", "--eval", "%{error:own words}"]).exits(2).says("own words").prints("");
}

#[test]
fn a_macro_is_listed_with_the_place_of_its_definition() {
    let env = TestEnv::new();
    let answer = env.run(&["spec", "macros", "_libdir", "apply_one_patch"]).exits(0);
    assert_eq!(answer.stdout.lines().count(), 2, "{}", answer.stdout);
    assert!(answer.stdout.contains("%_libdir\t%{_exec_prefix}/%{_lib}\t# "), "{}", answer.stdout);
    assert!(answer.stdout.contains("%apply_one_patch(qp:m:)\t"), "{}", answer.stdout);
    let json = env.run(&["spec", "macros", "--json", "_libdir"]).exits(0).json().remove(0);
    assert_eq!((&json["name"], &json["body"]), (&json!("_libdir"), &json!("%{_exec_prefix}/%{_lib}")));
    assert_eq!((json["builtin"] == true, json["defined"]["line"].is_u64()), (false, true));
}

#[test]
fn the_list_has_every_macro_in_order() {
    let env = TestEnv::new();
    let json = env.run(&["spec", "macros", "--json"]).exits(0).json();
    let names: Vec<&str> = json.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.is_sorted() && names.len() > 100, "{} macros", names.len());
    for name in ["_libdir", "autosetup", "define", "expand", "with"] {
        assert!(names.contains(&name), "{name}");
    }
    let text = env.run(&["spec", "macros"]).exits(0).stdout;
    assert!(names.iter().all(|name| text.contains(&format!("%{name}"))));
}

#[test]
fn an_unknown_macro_has_a_suggestion() {
    let env = TestEnv::new();
    env.run(&["spec", "macros", "_libdri"])
        .exits(2)
        .says("no macro `_libdri` is defined")
        .says("did you mean `_libdir`?");
}

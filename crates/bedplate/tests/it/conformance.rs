//! Every conformance case in every dialect, field by field, with the rules of the suite's `compare.py`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::support::{Case, SUITE, TestEnv, cases, diff, in_parallel};

/// Dialects and the variants of their expected answers, the nearest first.
const DIALECTS: [(&str, &[&str]); 3] = [("4.18", &[""]), ("4.20", &[".rpm420", ""]), ("6", &[".rpm61", ".rpm420", ""])];

/// Fields that are the words of messages: not compared.
const LOOSE: [&str; 3] = ["warnings", "output", "error"];

type Fields = BTreeMap<String, Value>;

/// The expected answer of a case.
fn expected(case: &Case, variants: &[&str]) -> Map<String, Value> {
    let file = |variant: &str, ending| PathBuf::from(format!("{SUITE}/expected/{}{variant}.{ending}", case.name));
    let variant = variants.iter().find(|variant| file(variant, "json").exists());
    let variant = variant.unwrap_or_else(|| panic!("{} has no expected answer", case.name));
    let text = std::fs::read_to_string(file(variant, "json")).unwrap();
    let mut answer: Map<String, Value> = serde_json::from_str(&text).unwrap();
    if answer["ok"] == true {
        let parsed = std::fs::read_to_string(file(variant, "parsed")).unwrap();
        answer.insert("parsed".to_owned(), parsed.into());
    }
    answer
}

/// An answer as field and value, those of packages as `packages[NAME].field`. Of a bad spec only the verdict and the line.
fn fields(answer: &Map<String, Value>, bad: bool) -> Fields {
    if bad {
        let shown = answer.iter().filter(|(key, _)| ["ok", "error_line"].contains(&key.as_str()));
        return shown.map(|(key, value)| (key.clone(), value.clone())).collect();
    }
    let mut out = Fields::new();
    for (key, value) in answer.iter().filter(|(key, _)| !LOOSE.contains(&key.as_str())) {
        match (key.as_str(), value) {
            ("packages", Value::Array(packages)) => {
                let names = packages.iter().map(|package| package["name"].clone()).collect();
                out.insert("packages".to_owned(), names);
                for package in packages {
                    for (field, value) in package.as_object().unwrap() {
                        let name = package["name"].as_str().unwrap_or_default();
                        out.insert(format!("packages[{name}].{field}"), value.clone());
                    }
                }
            }
            ("srpm" | "sections", Value::Object(parts)) => {
                out.extend(parts.iter().map(|(field, value)| (format!("{key}.{field}"), value.clone())));
            }
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    out
}

/// The differing fields as text; empty if the two agree.
fn differences(want: &Map<String, Value>, got: &Map<String, Value>) -> String {
    let bad = want["ok"] == false;
    let (mut want, mut got) = (fields(want, bad), fields(got, bad));
    if bad && !want.contains_key("error_line") {
        // rpm named no line.
        got.remove("error_line");
    }
    if want["ok"] != got["ok"] {
        want.retain(|field, _| field == "ok");
        got.retain(|field, _| field == "ok");
    }
    let mut names: Vec<&String> = want.keys().chain(got.keys()).collect();
    names.sort();
    names.dedup();
    let mut out = String::new();
    for name in names {
        let text = |value: Option<&Value>| match value {
            None => "(none)".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => serde_json::to_string_pretty(value).unwrap(),
        };
        let (want, got) = (want.get(name), got.get(name));
        if want != got {
            let _ = writeln!(out, "  {name}\n{}", diff(&text(want), &text(got)));
        }
    }
    out
}

/// The answers of one dialect: all cases without arguments of their own in one run, the others in a run each.
fn answers(dialect: &str, all: &[Case]) -> BTreeMap<String, Map<String, Value>> {
    let env = TestEnv::new();
    let common = ["spec", "query", "--json", "--shell", "run", "--dialect", dialect];
    let (plain, own): (Vec<&Case>, Vec<&Case>) = all.iter().partition(|case| case.flags.is_empty());
    let list: String = plain.iter().map(|case| format!("{}.spec\n", case.name)).collect();
    env.write("list.txt", list);
    let root = format!("{SUITE}/cases");
    let mut found = env.run(&[&common[..], &["--root", &root, "--list", "list.txt"]].concat()).exits(0).json();
    assert_eq!(found.len(), plain.len());
    found.extend(in_parallel(&own, |case| {
        let path = case.spec();
        let flags: Vec<&str> = case.flags.iter().map(String::as_str).collect();
        let mut answer = env.run(&[&common[..], &flags, &[&path]].concat()).exits(0).json().remove(0);
        answer["spec"] = format!("{}.spec", case.name).into();
        answer
    }));
    let named = found.into_iter().map(|answer| {
        let Value::Object(mut answer) = answer else { panic!("an answer is an object") };
        let Some(Value::String(name)) = answer.remove("spec") else { panic!("an answer of many names its spec") };
        (name.strip_suffix(".spec").unwrap().to_owned(), answer)
    });
    named.collect()
}

fn agrees(dialect: &str) {
    let (_, variants) = DIALECTS.iter().find(|(name, _)| *name == dialect).unwrap();
    let all = cases();
    let answers = answers(dialect, &all);
    let differing: Vec<(&str, String)> = all
        .iter()
        .map(|case| (case.name.as_str(), differences(&expected(case, variants), &answers[&case.name])))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    for (name, text) in differing.iter().take(10) {
        eprintln!("{name} ({dialect}; - is rpm, + is ours)\n{text}");
    }
    let names: Vec<&str> = differing.iter().map(|(name, _)| *name).collect();
    assert!(names.is_empty(), "{} of {} cases differ in {dialect}: {names:?}", names.len(), all.len());
}

#[test]
fn all_cases_agree_with_rpm_4_18() {
    agrees("4.18");
}

#[test]
fn all_cases_agree_with_rpm_4_20() {
    agrees("4.20");
}

#[test]
fn all_cases_agree_with_rpm_6() {
    agrees("6");
}

/// A file without its case, or a variant of a name that nothing reads, would be forgotten.
#[test]
fn every_expected_file_belongs_to_a_case() {
    let names: Vec<String> = cases().into_iter().map(|case| case.name).collect();
    for group in std::fs::read_dir(format!("{SUITE}/expected")).unwrap() {
        let group = group.unwrap();
        for entry in std::fs::read_dir(group.path()).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            let stem = file.strip_suffix(".json").or_else(|| file.strip_suffix(".parsed")).expect(&file);
            let stem = stem.strip_suffix(".rpm420").or_else(|| stem.strip_suffix(".rpm61")).unwrap_or(stem);
            let name = format!("{}/{stem}", group.file_name().to_str().unwrap());
            assert!(names.contains(&name), "{file} of {name} has no case");
        }
    }
}

#[test]
fn every_case_says_what_it_tests() {
    for case in cases() {
        let bytes = std::fs::read(case.spec()).unwrap();
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap();
        // Where the encoding of the whole file is what is tested there is no comment in front.
        let is_comment = first.starts_with(b"# ") && first.len() > 10;
        assert!(is_comment, "{}: the first line says what the case tests", case.name);
    }
}

/// Every field that an answer has is in the reference.
#[test]
fn the_reference_names_every_field() {
    let env = TestEnv::new();
    let list: String = cases().iter().map(|case| format!("{}.spec\n", case.name)).collect();
    env.write("list.txt", list);
    let root = format!("{SUITE}/cases");
    let arguments = ["spec", "query", "--json", "--full", "--shell", "run", "--root", &root, "--list", "list.txt"];
    let found = env.run(&arguments).exits(0).json();
    let reference = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/spec-json.md");
    let reference = std::fs::read_to_string(reference).unwrap();
    let mut fields = std::collections::BTreeSet::new();
    for answer in &found {
        let mut note = |value: &Value| fields.extend(value.as_object().into_iter().flat_map(|one| one.keys().cloned()));
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        note(answer);
        note(&answer["srpm"]);
        for package in list(&answer["packages"]) {
            note(&package);
            list(&package["triggers"]).iter().for_each(&mut note);
        }
        for diagnostic in list(&answer["diagnostics"]) {
            note(&diagnostic);
            note(&diagnostic["span"]);
            list(&diagnostic["notes"]).iter().for_each(&mut note);
        }
    }
    assert!(fields.len() > 50, "{fields:?}");
    let missing: Vec<&String> = fields
        .iter()
        .filter(|field| !reference.contains(&format!("`{field}`")) && !reference.contains(&format!("`srpm.{field}`")))
        .collect();
    assert!(missing.is_empty(), "docs/reference/spec-json.md does not name {missing:?}");
}

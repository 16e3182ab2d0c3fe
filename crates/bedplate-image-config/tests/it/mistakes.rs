//! Mistakes as people make them, and all that is said about each: `tests/data/mistakes.txt`. `BLESS=1` writes the answers anew.

use std::fmt::Write;

use crate::support::{load_files, tell};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/mistakes.txt");

/// Files that every case has beside its own.
const FILES: [(&str, &str); 3] = [("files/motd", "hello"), ("keys/os.asc", ""), ("repository/a.rpm", "")];

/// A case: `=== title`, its config, `=== FILE` and another file of it, `---`, what is said.
struct Case<'t> {
    title: &'t str,
    files: Vec<(&'t str, String)>,
    want: String,
}

fn cases(text: &str) -> Vec<Case<'_>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    let mut is_answer = true;
    for line in text.lines() {
        match line.strip_prefix("=== ") {
            Some(title) if is_answer => {
                cases.push(Case { title, files: vec![("node.toml", String::new())], want: String::new() });
                is_answer = false;
                continue;
            }
            Some(file) => {
                cases.last_mut().unwrap().files.push((file, String::new()));
                continue;
            }
            None => {}
        }
        let Some(case) = cases.last_mut() else { continue };
        match line {
            "---" => is_answer = true,
            _ if is_answer && line.is_empty() => {}
            _ if is_answer => writeln!(case.want, "{line}").unwrap(),
            _ => writeln!(case.files.last_mut().unwrap().1, "{line}").unwrap(),
        }
    }
    cases
}

#[test]
fn every_mistake_is_told_with_place_reason_and_what_to_do() {
    let text = std::fs::read_to_string(PATH).unwrap();
    let cases = cases(&text);
    assert!(cases.len() >= 25, "{} cases", cases.len());
    let (mut written, mut wrong) = (String::new(), Vec::new());
    for case in &cases {
        let mut files: Vec<(&str, &str)> = case.files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        files.extend(FILES);
        let loaded = load_files(&files);
        let told = tell(&loaded.diagnostics, &loaded.sources);
        let is_bad = told.contains(" error: ") || told.starts_with("error: ");
        if told.contains("NO HINT") || told.is_empty() || loaded.config.is_none() != is_bad {
            wrong.push(format!("{}: a mistake is told, and says what to do:\n{told}", case.title));
        }
        if told != case.want {
            wrong.push(format!("{}:\n{told}instead of\n{}", case.title, case.want));
        }
        writeln!(written, "=== {}", case.title).unwrap();
        for (path, text) in &case.files {
            if *path != "node.toml" {
                writeln!(written, "=== {path}").unwrap();
            }
            written.push_str(text);
        }
        writeln!(written, "---\n{told}").unwrap();
    }
    if std::env::var_os("BLESS").is_some() {
        return std::fs::write(PATH, written).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

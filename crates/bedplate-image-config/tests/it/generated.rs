//! Files that are made from the declaration: the schema and the reference page. `BLESS=1 cargo test -p bedplate-image-config` writes them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bedplate_image_config::{reference, schema};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn is_as_written(path: &str, text: &str) {
    let path = repository(path);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == want, "{} is out of date (BLESS=1 writes it)", path.display());
}

#[test]
fn the_schema_is_as_written() {
    is_as_written("toolkit/schemas/image-config.json", &format!("{:#}\n", schema()));
}

#[test]
fn the_reference_is_as_written() {
    is_as_written("docs/reference/image-config.md", &reference());
}

/// Asks Python, which has its own TOML parser and its own validator, whether the schema takes configs: a line for each, `good` or why not.
fn ask_python(configs: &[&str]) -> Vec<String> {
    const SCRIPT: &str = r#"
import json, sys, tomllib, jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for text in json.load(sys.stdin):
    errors = [f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in validator.iter_errors(tomllib.loads(text))]
    print(json.dumps("; ".join(errors) or "good"))
"#;
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", SCRIPT])
        .arg(repository("toolkit/schemas/image-config.json"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("toolkit/host-setup installs python3");
    python.stdin.take().unwrap().write_all(serde_json::to_string(configs).unwrap().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "toolkit/host-setup installs python3-jsonschema");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_schema_takes_what_we_take_and_refuses_what_we_refuse() {
    let page = include_str!("../../../../docs/image-config.md");
    let examples = page.split("```toml\n# ").skip(1).filter_map(|block| Some(block.split_once("\n```")?.0));
    let mut good: Vec<&str> = examples.filter_map(|block| Some(block.split_once('\n')?.1)).collect();
    assert_eq!(good.len(), 2);
    good.extend([
        include_str!("../data/complete.toml"),
        include_str!("../data/import/vm.toml"),
        include_str!("../data/import/verity.toml"),
        include_str!("../data/import/container.toml"),
        "name = \"a\"",
        "inherit = \"base.toml\"\n[[user]]\nname = \"core\"",
    ]);
    let bad = [
        ("sise = 1\nname = \"a\"", "sise"),
        ("", "not valid under any"),
        ("name = \"A b\"", "name"),
        ("name = \"a\"\n[storage]\nroot = \"readonly\"", "storage.root"),
        ("name = \"a\"\n[[storage.partition]]\nsize = \"12\"\ntype = \"root\"", "storage.partition.0.size"),
        ("name = \"a\"\n[[file]]\npath = \"/a\"\ncontent = \"\"\nsource = \"b\"", "file.0"),
        ("name = \"a\"\n[[file]]\ncontent = \"\"", "file.0"),
        ("name = \"a\"\n[[user]]\nname = \"core\"\nuid = -1", "user.0.uid"),
        ("name = \"a\"\n[sysctl]\nkernel.panic = true", "sysctl"),
        ("name = \"a\"\n[packages]\ninstall = \"systemd\"", "packages.install"),
    ];
    let all: Vec<&str> = good.iter().copied().chain(bad.iter().map(|(text, _)| *text)).collect();
    let answers = ask_python(&all);
    assert_eq!(answers.len(), all.len());
    for (text, answer) in all.iter().zip(&answers).take(good.len()) {
        assert_eq!(answer, "good", "{text}");
    }
    for ((text, at), answer) in bad.iter().zip(&answers[good.len()..]) {
        assert!(answer != "good" && answer.contains(at), "{text}: {answer}");
    }
}

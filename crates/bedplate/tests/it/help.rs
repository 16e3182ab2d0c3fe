//! The help of every command, as files that a reviewer sees change. `BLESS=1 cargo test -p bedplate help` writes them.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::TestEnv;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/help");

/// The commands that a help text lists.
fn commands_of(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    names.filter_map(|line| line.split(' ').next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn help_of_every_command_is_as_written() {
    let env = TestEnv::new();
    let bless = std::env::var_os("BLESS").is_some();
    let (mut open, mut seen) = (vec![Vec::<String>::new()], BTreeSet::new());
    while let Some(command) = open.pop() {
        let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = env.run(&arguments).exits(0).stdout;
        let name = format!("{}.txt", [&["bedplate".to_owned()], command.as_slice()].concat().join("-"));
        let path = Path::new(FOLDER).join(&name);
        if bless {
            std::fs::create_dir_all(FOLDER).unwrap();
            std::fs::write(&path, &help).unwrap();
        }
        let want = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(help, want, "{name} (BLESS=1 writes it)");
        seen.insert(name);
        open.extend(commands_of(&help).into_iter().map(|sub| [command.as_slice(), &[sub]].concat()));
    }
    assert!(seen.len() >= 6, "{seen:?}");
    for entry in std::fs::read_dir(FOLDER).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !seen.contains(name) {
            assert!(bless, "{name} is of no command (BLESS=1 removes it)");
            std::fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
fn version_is_that_of_the_crate() {
    let env = TestEnv::new();
    env.run(&["--version"]).exits(0).prints(&format!("bedplate {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_arguments_exit_with_2() {
    let env = TestEnv::new();
    env.run(&["nosuch"]).exits(2).says("nosuch");
    env.run(&["spec", "query"]).exits(2).says("<PATH>");
    env.run(&["spec", "query", "--nosuch", "a.spec"]).exits(2).says("--nosuch");
    env.run(&["spec", "query", "--dialect", "5", "a.spec"]).exits(2).says("use 4.18, 4.20 or 6");
    env.run(&["spec", "query", "--full", "a.spec"]).exits(2).says("--json");
    env.run(&["spec", "query", "--passes", "3", "a.spec"]).exits(2).says("3 is not in 1..=2");
    env.run(&["spec", "query", "--shell", "nosuch", "a.spec"]).exits(2).says("sandbox");
}
